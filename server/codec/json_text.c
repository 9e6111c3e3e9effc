#include "server/codec/json_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
  QUOTED_BYTES_MAX = 40, /* of a value in a message */
  REAL_DIGITS_MIN = 15,
  REAL_DIGITS_MAX = 17
}; /* any number of 15 digits survives as a double; 17 tell any double */

/* What the scan before parsing keeps: jansson's parser recurses and allocates, this doesn't. */
struct scan {
  const char *text;
  size_t bytes;
  size_t depth, containers;
  bool is_in_string;
};

static void find_line_and_column(const char *text, size_t position, size_t *out_line, size_t *out_column) {
  *out_line = 1;
  *out_column = 1;
  for (size_t i = 0; i < position; i++) {
    if (text[i] == '\n') {
      ++*out_line;
      *out_column = 1;
    } else {
      ++*out_column;
    }
  }
}

static enum error_code refuse_at(const struct scan *scan, size_t position, const char *what, int limit, struct error *error) {
  size_t line, column;
  find_line_and_column(scan->text, position, &line, &column);
  return error_set(error, ERROR_MALFORMED, "line %zu, column %zu: %s, at most %d are allowed", line, column, what, limit);
}

/* Counts how deep and how many before anything is built: a body of "[[[[…" or "{},{},…" costs one pass over its bytes. */
static enum error_code check_limits(struct scan *scan, struct error *error) {
  for (size_t i = 0; i < scan->bytes; i++) {
    char byte = scan->text[i];
    if (scan->is_in_string) {
      if (byte == '\\')
        i++;
      else if (byte == '"')
        scan->is_in_string = false;
    } else if (byte == '"') {
      scan->is_in_string = true;
    } else if (byte == '{' || byte == '[') {
      if (++scan->depth > JSON_DEPTH_MAX) return refuse_at(scan, i, "arrays and objects are nested too deep", JSON_DEPTH_MAX, error);
      if (++scan->containers > JSON_CONTAINERS_MAX) return refuse_at(scan, i, "too many arrays and objects", JSON_CONTAINERS_MAX, error);
    } else if ((byte == '}' || byte == ']') && scan->depth > 0) {
      scan->depth--;
    }
  }
  return ERROR_NONE;
}

enum error_code json_parse(const char *text, size_t bytes, json_t **out_json, struct error *error) {
  *out_json = NULL;
  struct scan scan = {.text = text, .bytes = bytes};
  enum error_code code = check_limits(&scan, error);
  if (code != ERROR_NONE) return code;
  json_error_t defect;
  json_t *json = json_loadb(text, bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &defect);
  if (json == NULL && json_error_code(&defect) == json_error_out_of_memory) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  if (json == NULL) {
    return error_set(error, ERROR_MALFORMED, "not JSON: line %d, column %d: %s", defect.line, defect.column, defect.text);
  }
  *out_json = json;
  return ERROR_NONE;
}

/* "1e-09" and "1e+30" as "1e-9" and "1e30": as short as JSON may have it. */
static void trim_exponent(char *text) {
  char *exponent = strchr(text, 'e');
  if (exponent == NULL) return;
  const char *digits = exponent + 1;
  char *end = exponent + 1;
  if (*digits == '-') *end++ = '-';
  digits += strspn(digits, "+-");
  digits += strspn(digits, "0");
  memmove(end, digits, strlen(digits) + 1);
}

/* With at most so many digits, if they read back as the same. */
static bool format_within(double number, size_t digits_max, char out_text[JSON_REAL_BYTES]) {
  for (size_t digits = REAL_DIGITS_MIN; digits <= digits_max; digits++) {
    snprintf(out_text, JSON_REAL_BYTES, "%.*g", (int)digits, number);
    if (strtod(out_text, NULL) != number) continue;
    trim_exponent(out_text);
    return true;
  }
  return false;
}

void json_format_real(double number, char out_text[JSON_REAL_BYTES]) { (void)format_within(number, REAL_DIGITS_MAX, out_text); }

/* Digits from the first that isn't 0, up to the exponent. */
static size_t count_significant_digits(const char *number, size_t length) {
  size_t count = 0;
  for (size_t i = 0; i < length && number[i] != 'e' && number[i] != 'E'; i++)
    if (number[i] >= (count == 0 ? '1' : '0') && number[i] <= '9') count++;
  return count;
}

/* jansson writes 0.15 as 0.14999999999999999. A shorter text of the same number never needs more room. */
static void shorten_reals(char *text) {
  char *to = text, shorter[JSON_REAL_BYTES];
  bool is_in_string = false;
  for (const char *from = text; *from != '\0';) {
    size_t length = is_in_string ? 0 : strspn(from, "0123456789+-.eE");
    if (length == 0 || (*from != '-' && (*from < '0' || *from > '9'))) {
      if (*from == '"') is_in_string = !is_in_string;
      if (is_in_string && *from == '\\') *to++ = *from++;
      *to++ = *from++;
      continue;
    }
    const char *number = from;
    size_t shorter_length = length;
    bool is_real = memchr(from, '.', length) != NULL || memchr(from, 'e', length) != NULL;
    size_t digits = is_real ? count_significant_digits(from, length) : 0;
    bool is_shorter = digits > REAL_DIGITS_MIN && format_within(strtod(from, NULL), digits - 1, shorter);
    if (is_shorter && strlen(shorter) < length && strpbrk(shorter, ".e") != NULL) { /* a real stays a real */
      number = shorter;
      shorter_length = strlen(shorter);
    }
    memmove(to, number, shorter_length);
    to += shorter_length;
    from += length;
  }
  *to = '\0';
}

char *json_write(const json_t *json) {
  char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
  if (text != NULL) shorten_reals(text);
  return text;
}

char *json_write_float(const json_t *json) {
  return json == NULL ? NULL : json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
}

json_t *json_read_own(const char *text) { return text == NULL ? json_null() : json_loads(text, JSON_DECODE_ANY, NULL); }

bool json_append(json_t **array, json_t *item) {
  if (*array != NULL && json_array_append_new(*array, item) == 0) return true;
  if (*array == NULL) json_decref(item);
  json_decref(*array);
  *array = NULL;
  return false;
}

bool json_put(json_t **object, const char *key, json_t *value) {
  if (*object != NULL && json_object_set_new(*object, key, value) == 0) return true;
  if (*object == NULL) json_decref(value);
  json_decref(*object);
  *object = NULL;
  return false;
}

void json_format_time(int64_t unix_ms, char out_text[JSON_TIME_BYTES]) {
  time_t seconds = (time_t)(unix_ms / 1000);
  struct tm parts;
  gmtime_r(&seconds, &parts);
  char date[24];
  strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
  snprintf(out_text, JSON_TIME_BYTES, "%s.%03dZ", date, (int)(unix_ms % 1000));
}

json_t *json_time(int64_t unix_ms) {
  if (unix_ms == 0) return json_null();
  char text[JSON_TIME_BYTES];
  json_format_time(unix_ms, text);
  return json_string(text);
}

static bool is_flat_array(const json_t *array) {
  for (size_t i = 0; i < json_array_size(array); i++)
    if (json_is_object(json_array_get(array, i)) || json_is_array(json_array_get(array, i))) return false;
  return true;
}

const char *json_quote(const json_t *value, char out_text[JSON_QUOTE_BYTES]) {
  const size_t count = json_array_size(value);
  const bool is_array = json_is_array(value);
  snprintf(out_text, JSON_QUOTE_BYTES, "%s", value == NULL ? "nothing" : json_object_size(value) == 0 ? "an empty object" : "an object");
  if (is_array && count == 0) snprintf(out_text, JSON_QUOTE_BYTES, "an empty array");
  if (is_array && !is_flat_array(value)) snprintf(out_text, JSON_QUOTE_BYTES, "an array of %zu", count);
  if (value == NULL || json_is_object(value) || (is_array && (count == 0 || !is_flat_array(value)))) return out_text;
  char *dump = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(REAL_DIGITS_MIN));
  size_t length = dump == NULL ? 0 : strlen(dump);
  const bool is_cut = length > QUOTED_BYTES_MAX;
  if (is_cut) length = QUOTED_BYTES_MAX;
  while (is_cut && length > 0 && ((unsigned char)dump[length] & 0xC0u) == 0x80u) length--;
  const int used = snprintf(out_text, JSON_QUOTE_BYTES, "%.*s%s", (int)length, dump == NULL ? "" : dump, is_cut ? "…" : "");
  if (is_cut && is_array) snprintf(out_text + used, JSON_QUOTE_BYTES - (size_t)used, " (%zu entries)", count);
  free(dump);
  return out_text;
}
