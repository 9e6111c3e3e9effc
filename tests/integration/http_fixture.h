/* An HTTP server on a small API of its own, for the tests of server/http: it stands in for server/api, so that what http does shows without
 * a store below it. Included by one test file per program, once.
 */
#ifndef TESTS_INTEGRATION_HTTP_FIXTURE_H
#define TESTS_INTEGRATION_HTTP_FIXTURE_H

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/http/http.h"
#include "tests/support/suite.h"
#include "tests/support/wire.h"

enum { FIXTURE_JSON_BODY_BYTES = 64 << 10, FIXTURE_CLOSE_MS = 8000 };

static struct http_server *server;
static const char *url;

/* What the handlers saw and should do. */
static atomic_int handled_count, upload_pause_us, upload_error_after_bytes;
static atomic_llong upload_read_bytes;
static atomic_int upload_outcome;   /* the error code of the last upload's read, ERROR_NONE at its end */
static atomic_bool is_handler_held; /* GET /v1/hold doesn't come back while it is set */
static atomic_int abandoned_count;  /* GET /v1/long and /v1/late come back when nobody waits for them */

static void sleep_ms(int ms) {
  struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
  (void)nanosleep(&pause, NULL);
}

__attribute__((format(printf, 2, 3))) static void set_body(struct response *response, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int bytes = vasprintf(&response->body, format, arguments);
  va_end(arguments);
  if (bytes < 0) abort();
  response->body_bytes = (size_t)bytes;
  response->content_type = "application/json";
}

static enum error_code handle_echo(struct api *api, const struct request *request, struct response *response, struct error *error) {
  (void)api, (void)error;
  const char *a = request_get_query(request, "a");
  set_body(response, "{\"method\":\"%s\",\"path\":\"%s\",\"id\":\"%s\",\"a\":\"%s\",\"bytes\":%zu,\"body\":\"%.60s\"}\n", request->method,
           request->path, request->id, a ? a : "", request->body_bytes, request->body_bytes < 60 ? request->body : "");
  response_add_header(response, "ETag", "\"1\"");
  return ERROR_NONE;
}

static enum error_code handle_upload(struct api *api, const struct request *request, struct response *response, struct error *error) {
  (void)api;
  char buffer[10000];
  size_t bytes;
  unsigned long long total = 0, sum = 0;
  do {
    enum error_code code = request->read(request->read_context, buffer, sizeof buffer, &bytes, error);
    atomic_store(&upload_outcome, (int)code);
    if (code != ERROR_NONE) return code;
    for (size_t i = 0; i < bytes; i++) sum += (unsigned char)buffer[i] * (unsigned long long)((total + i) % 251 + 1);
    total += bytes;
    atomic_fetch_add(&upload_read_bytes, (long long)bytes);
    int limit = atomic_load(&upload_error_after_bytes);
    if (limit > 0 && total > (unsigned long long)limit) return error_set(error, ERROR_DISK_FULL, "no space");
    int pause_us = atomic_load(&upload_pause_us);
    if (pause_us > 0) (void)usleep((unsigned)pause_us);
  } while (bytes > 0);
  set_body(response, "{\"bytes\":%llu,\"sum\":%llu}\n", total, sum);
  response->status = 201;
  return ERROR_NONE;
}

static enum error_code handle_hold(struct api *api, const struct request *request, struct response *response, struct error *error) {
  (void)api, (void)error, (void)request;
  while (atomic_load(&is_handler_held)) sleep_ms(5);
  set_body(response, "{}\n");
  return ERROR_NONE;
}

static enum error_code handle_long(struct api *api, const struct request *request, struct response *response, struct error *error) {
  (void)api, (void)response;
  while (!request_is_abandoned(request)) sleep_ms(5);
  atomic_fetch_add(&abandoned_count, 1);
  return error_set(error, ERROR_UNAVAILABLE, "broken off");
}

/* Finds out only here that it takes long. */
static enum error_code handle_late(struct api *api, const struct request *request, struct response *response, struct error *error) {
  response->is_deferred = !request->may_take_long;
  return response->is_deferred ? ERROR_NONE : handle_long(api, request, response, error);
}

static enum error_code handle_file(struct api *api, const struct request *request, struct response *response, struct error *error) {
  (void)api, (void)error, (void)request;
  char path[] = "/tmp/backpropd-file-XXXXXX";
  response->file = mkstemp(path);
  (void)unlink(path);
  for (int i = 0; i < 100000; i++) {
    if (write(response->file, "0123456789", 10) != 10) return error_set(error, ERROR_DISK_FULL, "no space");
  }
  response->content_type = "text/plain";
  return ERROR_NONE;
}

static enum error_code handle_events(struct api *api, const struct request *request, struct response *response, struct error *error);

#define ROUTE(method_, path_, handler_, flags_)                                                                                            \
  { .method = method_, .path = path_, .handler = handler_, .name = "x", .flags = flags_ }
static const struct route fixture_routes[] = {
    ROUTE("GET", "/", handle_echo, ROUTE_PUBLIC),       ROUTE("GET", "/healthz", handle_echo, ROUTE_PUBLIC),
    ROUTE("GET", "/v1/things", handle_echo, 0),         ROUTE("POST", "/v1/things", handle_echo, ROUTE_JSON_BODY),
    ROUTE("GET", "/v1/things/{id}", handle_echo, 0),    ROUTE("PATCH", "/v1/things/{id}", handle_echo, ROUTE_JSON_BODY),
    ROUTE("DELETE", "/v1/things/{id}", handle_echo, 0), ROUTE("POST", "/v1/rows", handle_echo, ROUTE_JSON_OR_OTHER_BODY),
    ROUTE("POST", "/v1/pause", handle_echo, 0),         ROUTE("POST", "/v1/uploads", handle_upload, ROUTE_STREAMS_BODY),
    ROUTE("GET", "/v1/hold", handle_hold, 0),           ROUTE("GET", "/v1/file", handle_file, 0),
    ROUTE("GET", "/v1/events", handle_events, 0),       ROUTE("GET", "/v1/long", handle_long, ROUTE_LONG),
    ROUTE("GET", "/v1/late", handle_late, 0),
};

enum error_code api_match(const char *method, const char *path, struct route_match *out_match, struct error *error) {
  memset(out_match, 0, sizeof *out_match);
  for (size_t i = 0; i < sizeof fixture_routes / sizeof *fixture_routes; i++) {
    const struct route *route = &fixture_routes[i];
    size_t prefix = strcspn(route->path, "{");
    bool is_path = route->path[prefix] ? strncmp(path, route->path, prefix) == 0 && path[prefix] && !strchr(path + prefix, '/')
                                       : strcmp(path, route->path) == 0;
    if (!is_path) continue;
    (void)snprintf(out_match->id, sizeof out_match->id, "%s", route->path[prefix] ? path + prefix : "");
    if (strcmp(method, route->method) == 0) {
      out_match->route = route;
      return ERROR_NONE;
    }
    size_t used = strlen(out_match->allow);
    (void)snprintf(out_match->allow + used, sizeof out_match->allow - used, "%s%s", used ? ", " : "", route->method);
  }
  if (*out_match->allow) return error_set(error, ERROR_METHOD, "not with this method");
  return error_set(error, ERROR_NOT_FOUND, "nothing at this path");
}

void api_render_error(const struct error *error, const char *request_id, struct response *response) {
  static const int statuses[ERROR_CODE_COUNT] = {
      [ERROR_MALFORMED] = 400, [ERROR_UNAUTHORIZED] = 401, [ERROR_FORBIDDEN] = 403, [ERROR_NOT_FOUND] = 404,
      [ERROR_METHOD] = 405,    [ERROR_CONFLICT] = 409,     [ERROR_TOO_LARGE] = 413, [ERROR_MEDIA_TYPE] = 415,
      [ERROR_TOO_MANY] = 429,  [ERROR_UNAVAILABLE] = 503,  [ERROR_TIMEOUT] = 408,   [ERROR_DISK_FULL] = 507};
  response->status = statuses[error->code] ? statuses[error->code] : 500;
  set_body(response, "{\"status\":%d,\"detail\":\"%s\",\"request_id\":\"%s\"}\n", response->status, error->detail, request_id);
  response->content_type = "application/problem+json";
}

void api_handle(struct api *api, const struct route *route, const struct request *request, struct response *response) {
  struct error error = {0};
  atomic_fetch_add(&handled_count, 1);
  if (route->handler(api, request, response, &error) != ERROR_NONE) api_render_error(&error, request->request_id, response);
}

/* POST /v1/rows is answered on http's own thread, as many as fit at once. */
enum { FIXTURE_GATHERED_MAX = 8 };
static struct {
  const struct route *route;
  const struct request *request;
  struct response *response;
} gathered[FIXTURE_GATHERED_MAX];
static size_t gathered_count;

bool api_gather(struct api *api, const struct route *route, const struct request *request, struct response *response) {
  (void)api;
  if (strcmp(route->path, "/v1/rows") != 0 || gathered_count == FIXTURE_GATHERED_MAX) return false;
  gathered[gathered_count].route = route;
  gathered[gathered_count].request = request;
  gathered[gathered_count++].response = response;
  return true;
}

void api_answer_gathered(struct api *api) {
  for (size_t i = 0; i < gathered_count; i++) api_handle(api, gathered[i].route, gathered[i].request, gathered[i].response);
  gathered_count = 0;
}

static void open_server(struct http_options options) {
  struct error error = {0};
  if (!options.listen) options.listen = "127.0.0.1:0";
  if (!options.limits.json_body_bytes) options.limits.json_body_bytes = FIXTURE_JSON_BODY_BYTES;
  enum error_code code = http_open(NULL, &options, &server, &error);
  ck_assert_msg(code == ERROR_NONE, "%s", error.detail);
  url = http_get_url(server);
}

static void close_server(void) {
  ck_assert(http_close(server, FIXTURE_CLOSE_MS));
  server = NULL;
}

/* Writes "METHOD PATH HTTP/1.1", Host, `headers` (each ending in CRLF) and `body` into a buffer that the next call overwrites. */
__attribute__((unused)) static const char *make_request(const char *method, const char *path, const char *headers, const char *body) {
  static char request[8192];
  (void)snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: %s\r\n%s\r\n%s", method, path, url + strlen("http://"), headers, body);
  return request;
}

/* The status of one request on a connection of its own that the server or the header "Connection: close" ends. */
__attribute__((unused)) static int get_status(const char *method, const char *path, const char *headers, const char *body) {
  char all[4096];
  (void)snprintf(all, sizeof all, "Connection: close\r\n%s", headers);
  char *response = wire_exchange(url, make_request(method, path, all, body));
  int status = wire_get_status(response);
  free(response);
  return status;
}

#endif
