/* JSON ⇄ settings, by walking the parameter tables of engine/param.h. The only place that turns a table into JSON or back.
 *
 * Decoding collects every field error before it gives up, each with its pointer and with what would be right: unknown keys (with the
 * nearest known one), wrong types, ranges, unknown kinds (with the nearest known one), missing required fields, each kind's own check.
 */
#ifndef SERVER_CODEC_SETTINGS_JSON_H
#define SERVER_CODEC_SETTINGS_JSON_H

#include <jansson.h>
#include <stdbool.h>

#include "engine/param.h"

/* Fills `settings`, which settings_init has filled with defaults, from `object`. `pointer` is the object's own pointer ("" at the top).
 * The settings stay valid (to be freed by settings_deinit) on error too. */
__attribute__((warn_unused_result)) enum error_code settings_from_json(const json_t *object, const struct param *params, size_t param_count,
                                                                       const char *pointer, void *settings, struct error *error);

/* The resolved form: every parameter with its value, in the table's order; what settings_from_json reads back as the same settings.
 * Activations and initializers without parameters are plain strings, all other kinds {"type": name, parameters …}. New reference, or
 * NULL if memory is short. */
json_t *settings_to_json(const void *settings, const struct param *params, size_t param_count);
/* {"type": name, parameters …}; a kind without parameters too. null if spec->kind is NULL. New reference. */
json_t *spec_to_json(const struct spec *spec);

/* JSON Schema (2020-12, as OpenAPI 3.1 wants it) of an object with these parameters. A kind stands in it as
 * {"$ref": "#/components/schemas/<sort>"}; settings_schema_components adds those that are missing to `components`, also those that they
 * refer to themselves. New reference; the other returns false if memory is short. */
json_t *settings_schema(const struct param *params, size_t param_count);
__attribute__((warn_unused_result)) bool settings_schema_components(const struct param *params, size_t param_count, json_t *components);

/* For GET /v1/schema: [{"type", "summary", "formula"?, "parameters": […]}], each parameter {"name", "type", "help", "default", "minimum" or
 * "exclusive_minimum", "maximum" or "exclusive_maximum", "choices", "kinds" (the sort's name), "word", "auto", "optional", "required",
 * "parameters" (of an object)}, whichever apply. New reference. */
json_t *kind_table_to_json(const struct kind_table *table);
/* The "parameters" array alone, of any table (a job's, a network's). New reference. */
json_t *params_to_json(const struct param *params, size_t param_count);

/* A number as JSON: null if it is not finite. New reference. */
json_t *json_number(double value);

#endif
