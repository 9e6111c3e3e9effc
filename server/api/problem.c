/* Errors as their clients see them: RFC 9457 problem+json, and the one table from codes to HTTP. */
#include <stdlib.h>
#include <string.h>

#include "server/api/context.h"

enum { RETRY_AFTER_SECONDS = 1 };

struct problem {
  int status;
  const char *title;
};

static const struct problem problems[ERROR_CODE_COUNT] = {
    [ERROR_NONE] = {200, "OK"},
    [ERROR_MALFORMED] = {400, "The request can't be read"},
    [ERROR_UNAUTHORIZED] = {401, "A valid token is needed"},
    [ERROR_FORBIDDEN] = {403, "Not allowed from there"},
    [ERROR_NOT_FOUND] = {404, "No such resource"},
    [ERROR_METHOD] = {405, "The resource doesn't take this method"},
    [ERROR_CONFLICT] = {409, "The state of a resource forbids it"},
    [ERROR_TOO_LARGE] = {413, "The body is too large"},
    [ERROR_MEDIA_TYPE] = {415, "The content type is not accepted"},
    [ERROR_INVALID] = {422, "The request can be read, but not carried out"},
    [ERROR_OVER_BUDGET] = {422, "More memory than the budget allows"},
    [ERROR_TOO_MANY] = {429, "Too many"},
    [ERROR_UNAVAILABLE] = {503, "Not available now"},
    [ERROR_TIMEOUT] = {408, "The request took too long to arrive"},
    [ERROR_DISK_FULL] = {507, "The disk is full"},
    [ERROR_OUT_OF_MEMORY] = {503, "Out of memory"},
    [ERROR_DIVERGED] = {422, "A number is not finite"},
    [ERROR_INTERNAL] = {500, "The server made a mistake"},
};

int api_get_status(enum error_code code) { return (unsigned)code < ERROR_CODE_COUNT ? problems[code].status : 500; }

/* Details quote what clients sent, and may have been cut in the middle of a character. */
static json_t *text_to_json(const char *text) {
  json_t *json = json_string(text);
  if (json != NULL) return json;
  char clean[ERROR_POINTER_BYTES + ERROR_DETAIL_BYTES + 2];
  size_t length = strnlen(text, sizeof clean - 1);
  for (size_t i = 0; i < length; i++) clean[i] = (unsigned char)text[i] < 0x80 ? text[i] : '?';
  clean[length] = '\0';
  return json_string(clean);
}

/* Where a single field says it all, the detail names the field too. */
static json_t *detail_to_json(const struct error *error) {
  const struct error_item *first = &error->items[0];
  bool is_first = error->item_count > 0 && first->pointer[0] != '\0' && strcmp(error->detail, first->detail) == 0;
  if (!is_first) return text_to_json(error->detail);
  char text[ERROR_POINTER_BYTES + ERROR_DETAIL_BYTES + 2];
  snprintf(text, sizeof text, "%s: %s", first->pointer, first->detail);
  return text_to_json(text);
}

static json_t *problem_to_json(const struct error *error, const char *request_id) {
  const char *name = error_code_name(error->code);
  json_t *items = json_array();
  for (size_t i = 0; i < error->item_count; i++) {
    json_append(&items,
                json_pack("{s:o, s:o}", "pointer", text_to_json(error->items[i].pointer), "detail", text_to_json(error->items[i].detail)));
  }
  char type[96];
  snprintf(type, sizeof type, "urn:backpropd:problem:%s", name);
  json_t *json = json_pack("{s:s, s:s, s:i, s:o, s:s, s:s, s:o}", "type", type, "title", problems[error->code].title, "status",
                           problems[error->code].status, "detail", detail_to_json(error), "code", name, "request_id",
                           request_id == NULL ? "" : request_id, "errors", items);
  if (error->items_dropped > 0) json_put(&json, "errors_dropped", json_integer((json_int_t)error->items_dropped));
  return json;
}

void api_render_error(const struct error *error, const char *request_id, struct response *response) {
  struct error known = *error;
  if ((unsigned)known.code >= ERROR_CODE_COUNT || known.code == ERROR_NONE) known.code = ERROR_INTERNAL;
  json_t *json = problem_to_json(&known, request_id);
  char *text = json_write(json);
  json_decref(json);
  if (text == NULL) text = strdup("{\"title\":\"Out of memory\",\"status\":503,\"code\":\"out_of_memory\"}");
  response->status = problems[known.code].status;
  response->content_type = "application/problem+json";
  response->body = text;
  response->body_bytes = text == NULL ? 0 : strlen(text);
  if (response->status == 503 || response->status == 429) response_add_header(response, "Retry-After", "%d", RETRY_AFTER_SECONDS);
  if (response->status == 401) response_add_header(response, "WWW-Authenticate", "Bearer realm=\"backpropd\"");
}
