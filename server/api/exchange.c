/* Requests and responses as plain data. Called by handlers, by http and by tests. */
#include "server/api/exchange.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *request_get_query(const struct request *request, const char *name) {
  for (size_t i = 0; i < request->query_count; i++) {
    if (strcmp(request->query[i].name, name) == 0) return request->query[i].value;
  }
  return NULL;
}

void response_init(struct response *response) {
  memset(response, 0, sizeof *response);
  response->status = 200;
  response->file = -1;
}

void response_deinit(struct response *response) {
  free(response->body);
  if (response->file >= 0) close(response->file);
  if (response->events.read && response->events.close) response->events.close(response->events.context);
  response_init(response);
}

void response_add_header(struct response *response, const char *name, const char *format, ...) {
  if (response->header_count == RESPONSE_HEADERS_MAX) return;
  char *value = response->headers[response->header_count].value;
  size_t value_bytes = sizeof response->headers[0].value;
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(value, value_bytes, format, arguments);
  va_end(arguments);
  /* A cut Location or ETag would be wrong, not short. */
  if (length < 0 || (size_t)length >= value_bytes) return;
  for (const char *s = value; *s; s++) {
    if ((unsigned char)*s < 0x20 || *s == 0x7f) return;
  }
  response->headers[response->header_count++].name = name;
}
