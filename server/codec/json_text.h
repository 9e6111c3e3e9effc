/* JSON texts in and out, under the limits that the API promises; used by everything that reads or writes JSON. */
#ifndef SERVER_CODEC_JSON_TEXT_H
#define SERVER_CODEC_JSON_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/error.h"
#include "server/limits.h"

enum {
  JSON_DEPTH_MAX = LIMIT_JSON_DEPTH, /* arrays and objects within each other */
  JSON_CONTAINERS_MAX = 65536,       /* arrays and objects in one text */
  JSON_TIME_BYTES = 32,
  JSON_REAL_BYTES = 32,
  JSON_QUOTE_BYTES = 96
};

/* Parses a JSON text: at most JSON_DEPTH_MAX deep and JSON_CONTAINERS_MAX arrays and objects (both found before anything is built), no
 * duplicate keys, nothing after it. ERROR_MALFORMED with line and column. */
__attribute__((warn_unused_result)) enum error_code json_parse(const char *text, size_t bytes, json_t **out_json, struct error *error);

/* The shortest text that reads back as the same number; `number` is finite. */
void json_format_real(double number, char out_text[JSON_REAL_BYTES]);

/* Compact text, malloc'd; NULL if `json` is NULL or memory is short. Numbers read back as the same, and are
 * written as short as that takes. */
char *json_write(const json_t *json);
/* Numbers with nine digits: enough for float32, back and forth. */
char *json_write_float(const json_t *json);

/* A wrong value for a message: as it was written, cut short; of objects and nested arrays only what they are. Returns out_text. */
const char *json_quote(const json_t *value, char out_text[JSON_QUOTE_BYTES]);

/* Parses a text that this program has written; JSON null if `text` is NULL. New reference; NULL if it can't be read. */
json_t *json_read_own(const char *text);

/* Appends `item` (taken over, whatever the outcome). False, with *array freed and NULL, if memory is short or `item` is NULL; a NULL *array
 * is left alone. So a loop appends without looking, and its caller checks the array once. */
bool json_append(json_t **array, json_t *item);
/* Likewise for a member of an object. */
bool json_put(json_t **object, const char *key, json_t *value);

/* RFC 3339, UTC, milliseconds: "2025-11-03T12:00:00.123Z". */
void json_format_time(int64_t unix_ms, char out_text[JSON_TIME_BYTES]);
/* The same as JSON; null for 0. New reference. */
json_t *json_time(int64_t unix_ms);

#endif
