/* JSON ⇄ settings, by walking the parameter tables of engine/param.h. The only place that turns a table into JSON or back.
 *
 * Decoding collects every field error before it gives up, each with its pointer and with what would be right: unknown keys (with the
 * nearest known one), wrong types, ranges, unknown kinds (with the nearest known one), missing required fields, each kind's own check.
 */
#ifndef SERVER_CODEC_SETTINGS_JSON_H
#define SERVER_CODEC_SETTINGS_JSON_H

#include <jansson.h>

#include "engine/param.h"

/* Fills `settings`, which settings_init has filled with defaults, from `object`. `pointer` is the object's own pointer ("" at the top).
 * The settings stay valid (to be freed by settings_deinit) on error too. */
__attribute__((warn_unused_result))
enum error_code settings_from_json(const json_t *object, const struct param *params, size_t param_count, const char *pointer, void *settings,
                                   struct error *error);

/* The resolved form: every parameter with its value. New reference, or NULL if memory is short. */
json_t *settings_to_json(const void *settings, const struct param *params, size_t param_count);
/* {"type": name, parameters …}; a kind without parameters too. "auto"/null if spec->kind is NULL, as `param` says. */
json_t *spec_to_json(const struct spec *spec);

/* JSON Schema (2020-12, as OpenAPI 3.1 wants it) of an object with these parameters. New reference. */
json_t *settings_schema(const struct param *params, size_t param_count);
/* For GET /v1/schema: [{"type", "summary", "formula"?, "parameters": [{"name", "type", "default", "minimum", "maximum", "choices", "kinds", "required", "help"…}]}] */
json_t *kind_table_to_json(const struct kind_table *table);

/* A number as JSON: null if it is not finite. New reference. */
json_t *json_number(double value);

#endif
