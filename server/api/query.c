/* Reading of requests: query parameters, media types, JSON bodies. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/param.h"
#include "server/api/context.h"

enum { QUERY_NAMES_MAX = 16 };

/* The route's query parameters as an array of names. */
struct query_names {
  size_t count;
  char names[QUERY_NAMES_MAX][32];
};

static void split_names(const char *text, struct query_names *out_names) {
  out_names->count = 0;
  for (const char *at = text == NULL ? "" : text; *at != '\0' && out_names->count < QUERY_NAMES_MAX;) {
    size_t length = strcspn(at, " ");
    snprintf(out_names->names[out_names->count++], sizeof out_names->names[0], "%.*s", (int)length, at);
    at += length;
    at += strspn(at, " ");
  }
}

static const char *get_query_name(const void *context, size_t index) { return ((const struct query_names *)context)->names[index]; }

enum error_code query_check(const struct route *route, const struct request *request, struct error *error) {
  struct query_names known;
  split_names(route->query, &known);
  for (size_t i = 0; i < request->query_count; i++) {
    const char *name = request->query[i].name;
    bool is_known = false;
    for (size_t k = 0; k < known.count; k++) is_known = is_known || strcmp(known.names[k], name) == 0;
    if (!is_known && known.count == 0) {
      return error_set(error, ERROR_MALFORMED, "query parameter \"%.64s\" is not known, %s %s takes none", name, route->method,
                       route->path);
    }
    if (!is_known) {
      const char *nearest = param_suggest(name, known.count, get_query_name, &known);
      return error_set(error, ERROR_MALFORMED, "query parameter \"%.64s\" is not known%s%s%s; known: %s", name,
                       nearest == NULL ? "" : ", did you mean \"", nearest == NULL ? "" : nearest, nearest == NULL ? "" : "\"?",
                       route->query);
    }
    for (size_t k = 0; k < i; k++) {
      if (strcmp(request->query[k].name, name) == 0)
        return error_set(error, ERROR_MALFORMED, "query parameter \"%.64s\" is given twice", name);
    }
  }
  return ERROR_NONE;
}

enum error_code query_get_number(const struct request *request, struct query_number number, uint64_t *out_value, struct error *error) {
  const char *text = request_get_query(request, number.name);
  if (text == NULL) return ERROR_NONE;
  char *end = NULL;
  errno = 0;
  unsigned long long value = isdigit((unsigned char)text[0]) ? strtoull(text, &end, 10) : 0;
  if (end == NULL || *end != '\0' || errno != 0 || value < number.min || value > number.max) {
    return error_set(error, ERROR_MALFORMED, "query parameter \"%s\" must be a whole number from %llu to %llu", number.name,
                     (unsigned long long)number.min, (unsigned long long)number.max);
  }
  *out_value = value;
  return ERROR_NONE;
}

enum error_code query_get_boolean(const struct request *request, const char *name, bool *out_value, struct error *error) {
  const char *text = request_get_query(request, name);
  if (text == NULL) return ERROR_NONE;
  bool is_true = strcmp(text, "true") == 0;
  if (!is_true && strcmp(text, "false") != 0)
    return error_set(error, ERROR_MALFORMED, "query parameter \"%s\" must be true or false", name);
  *out_value = is_true;
  return ERROR_NONE;
}

enum error_code query_get_page(const struct request *request, struct store_page *out_page, struct error *error) {
  memset(out_page, 0, sizeof *out_page);
  uint64_t limit = LIST_LIMIT_DEFAULT;
  enum error_code code = query_get_number(request, (struct query_number){"limit", 1, LIST_LIMIT_MAX}, &limit, error);
  if (code != ERROR_NONE) return code;
  out_page->limit = (size_t)limit;
  const char *cursor = request_get_query(request, "cursor");
  if (cursor == NULL) return ERROR_NONE;
  if (strlen(cursor) >= sizeof out_page->cursor) {
    return error_set(error, ERROR_MALFORMED, "query parameter \"cursor\" must be a next_cursor of an earlier answer");
  }
  strcpy(out_page->cursor, cursor);
  return ERROR_NONE;
}

enum error_code request_parse_object(const struct request *request, json_t **out_object, struct error *error) {
  *out_object = NULL;
  if (request->body == NULL || request->body_bytes == 0)
    return error_set(error, ERROR_MALFORMED, "the body is empty, a JSON object is expected");
  json_t *json;
  enum error_code code = json_parse(request->body, request->body_bytes, &json, error);
  if (code != ERROR_NONE) return code;
  if (!json_is_object(json)) {
    json_decref(json);
    error_add(error, "", "the body must be a JSON object");
    return error->code;
  }
  *out_object = json;
  return ERROR_NONE;
}

static const char *get_known_key(const void *context, size_t index) { return ((const char *const *)context)[index]; }

static void refuse_key(const char *const *known, size_t known_count, const char *pointer, struct error *error) {
  char list[ERROR_DETAIL_BYTES] = "";
  size_t used = 0;
  for (size_t i = 0; i < known_count && used < sizeof list; i++) {
    int written = snprintf(list + used, sizeof list - used, "%s%s", i == 0 ? "" : ", ", known[i]);
    used += written > 0 ? (size_t)written : 0;
  }
  error_add(error, pointer, "is not a known key. Known: %.200s", list);
}

void object_check_keys(const json_t *object, const char *const *known, const char *pointer, struct error *error) {
  size_t known_count = 0;
  while (known[known_count] != NULL) known_count++;
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)object, key, value) {
    bool is_known = false;
    for (size_t i = 0; i < known_count; i++) is_known = is_known || strcmp(known[i], key) == 0;
    if (is_known) continue;
    char at[ERROR_POINTER_BYTES];
    error_pointer(at, pointer, "%s", key);
    const char *nearest = param_suggest(key, known_count, get_known_key, known);
    if (nearest != NULL)
      error_add(error, at, "is not a known key; did you mean \"%s\"?", nearest);
    else
      refuse_key(known, known_count, at, error);
  }
}

bool media_type_is(const char *content_type, const char *type) {
  if (content_type == NULL) return false;
  size_t length = strcspn(content_type, ";, \t");
  return length == strlen(type) && strncasecmp(content_type, type, length) == 0;
}

bool accept_names(const char *accept, const char *type) {
  for (const char *at = accept; at != NULL && *at != '\0';) {
    at += strspn(at, ", \t");
    if (media_type_is(at, type)) return true;
    at += strcspn(at, ",");
  }
  return false;
}
