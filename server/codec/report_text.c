/* The form: {"step":…,"epoch":…,…,"values":{"name":number,"name":null,…},…}, without spaces, as json_write leaves it. */
#include "server/codec/report_text.h"

#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "server/codec/json_text.h"

static const char values_key[] = "\"values\":{";

static bool add_value(struct report_values *values, struct report_value value) {
  if (values->count == values->capacity) {
    const size_t capacity = values->capacity == 0 ? 32 : 2 * values->capacity;
    struct report_value *items = realloc(values->items, capacity * sizeof *items);
    if (items == NULL) return false;
    values->items = items;
    values->capacity = capacity;
  }
  values->items[values->count++] = value;
  return true;
}

/* The quote that ends the string after `text`; NULL if none does. */
static char *find_quote(char *text, bool *out_has_escapes) {
  *out_has_escapes = false;
  for (; *text != '\0'; text++) {
    if (*text == '"') return text;
    if (*text != '\\') continue;
    *out_has_escapes = true;
    if (*++text == '\0') return NULL;
  }
  return NULL;
}

/* Puts what an escaped string stands for in its place, which is never longer. False if it is no string. */
static bool unescape(char *begin, const char *end) {
  json_t *string = json_loadb(begin - 1, (size_t)(end - begin) + 2, JSON_DECODE_ANY, NULL);
  const char *text = json_string_value(string);
  if (text != NULL) memcpy(begin, text, strlen(text) + 1);
  json_decref(string);
  return text != NULL;
}

/* Reads one "name":number at *at and moves on to what follows it. */
static bool read_value(char **at, struct report_value *out_value) {
  if (**at != '"') return false;
  char *name = *at + 1;
  bool has_escapes;
  char *end = find_quote(name, &has_escapes);
  if (end == NULL || end[1] != ':') return false;
  *out_value = (struct report_value){.name = name, .number = end + 2};
  *at = end + 2 + strcspn(end + 2, ",}");
  if (**at == '\0') return false;
  if (has_escapes) return unescape(name, end);
  *end = '\0';
  return true;
}

enum error_code report_values_read(struct report_values *values, char *text, struct error *error) {
  values->count = 0;
  char *at = strstr(text, values_key);
  bool is_report = at != NULL;
  if (is_report) at += strlen(values_key);
  while (is_report && *at != '}') {
    struct report_value value;
    is_report = read_value(&at, &value);
    if (is_report && !add_value(values, value)) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for a report's values");
    if (is_report && *at == ',') at++;
  }
  return is_report ? ERROR_NONE : error_set(error, ERROR_INTERNAL, "a stored report can't be read");
}

void report_values_deinit(struct report_values *values) {
  free(values->items);
  *values = (struct report_values){0};
}

double report_value_get(const struct report_value *value) { return value->number[0] == 'n' ? (double)NAN : strtod(value->number, NULL); }

const struct report_value *report_values_find(const struct report_values *values, const char *name) {
  for (size_t i = 0; i < values->count; i++)
    if (strcmp(values->items[i].name, name) == 0) return &values->items[i];
  return NULL;
}
