/* The frame around every handler: what holds for all routes stands here once. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/api/context.h"
#include "server/api/gather.h"
#include "server/api/model_cache.h"
#include "server/api/once.h"
#include "server/api/upload_board.h"
#include "server/log.h"

enum { ETAG_DIGITS = 32 };

enum error_code api_create(struct store *store, struct jobs *jobs, const struct api_options *options, struct api **out_api,
                           struct error *error) {
  struct api *api = calloc(1, sizeof *api);
  if (api == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  api->store = store;
  api->jobs = jobs;
  api->options = *options;
  server_limits_complete(&api->options.limits);
  api->started_ms = store_now_ms();
  enum error_code code = model_cache_create(store, &api->models, error);
  if (code == ERROR_NONE) code = gathering_create(&api->gathering, error);
  if (code == ERROR_NONE) code = upload_board_create(&api->uploads, error);
  if (code != ERROR_NONE) {
    api_destroy(api);
    return code;
  }
  *out_api = api;
  return ERROR_NONE;
}

void api_destroy(struct api *api) {
  if (api == NULL) return;
  upload_board_destroy(api->uploads);
  gathering_destroy(api->gathering);
  model_cache_destroy(api->models);
  free(api);
}

void api_set_traffic(struct api *api, void (*read)(void *context, struct api_traffic *out_traffic), void *context) {
  atomic_store(&api->traffic_context, context);
  atomic_store(&api->read_traffic, read);
}

void api_drain(struct api *api) { atomic_store(&api->is_draining, true); }

static bool is_read(const struct route *route) { return strcmp(route->method, "GET") == 0; }

/* A POST that was answered before, if its body is at hand. Uploads look for themselves, when they have read theirs. */
static enum error_code answer_again(struct api *api, const struct route *route, const struct request *request, struct response *response,
                                    bool *out_is_answered, struct error *error) {
  *out_is_answered = false;
  if ((route->flags & ROUTE_IDEMPOTENCY) == 0 || (route->flags & ROUTE_STREAMS_BODY) != 0) return ERROR_NONE;
  struct once once;
  enum error_code code = once_init(&once, request, NULL, error);
  if (code == ERROR_NONE) code = once_replay(api, &once, response, out_is_answered, error);
  return code;
}

static enum error_code run_handler(struct api *api, const struct route *route, const struct request *request, struct response *response,
                                   struct error *error) {
  if (atomic_load(&api->is_draining) && !is_read(route)) return error_set(error, ERROR_UNAVAILABLE, "the server is shutting down");
  enum error_code code = query_check(route, request, error);
  bool is_answered = false;
  if (code == ERROR_NONE) code = answer_again(api, route, request, response, &is_answered, error);
  if (code != ERROR_NONE || is_answered) return code;
  return route->handler(api, request, response, error);
}

/* If-None-Match: a list of quoted tags, or *. */
static bool names_etag(const char *if_none_match, const char *etag) {
  if (if_none_match == NULL) return false;
  return strcmp(if_none_match, "*") == 0 || strstr(if_none_match, etag) != NULL;
}

static void add_etag(const struct request *request, struct response *response) {
  if (response->status != 200 || response->body == NULL) return;
  char hex[STORE_SHA256_HEX_BYTES], etag[ETAG_DIGITS + 3];
  sha256_hex(response->body, response->body_bytes, hex);
  snprintf(etag, sizeof etag, "\"%.*s\"", ETAG_DIGITS, hex);
  response_add_header(response, "ETag", "%s", etag);
  if (!names_etag(request->if_none_match, etag)) return;
  free(response->body);
  response->body = NULL;
  response->body_bytes = 0;
  response->status = 304;
}

uint64_t api_now_us(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000u + (uint64_t)time.tv_nsec / 1000u;
}

void api_count_answer(struct api *api, const struct route *route, const struct response *response, uint64_t started_us) {
  size_t index = (size_t)(route - routes);
  if (index >= ROUTES_MAX) return;
  atomic_fetch_add(&api->answers[index][response->status / 100 % STATUS_CLASSES], 1);
  atomic_fetch_add(&api->answer_us[index], api_now_us() - started_us);
}

void api_handle(struct api *api, const struct route *route, const struct request *request, struct response *response) {
  uint64_t started_us = api_now_us();
  struct error error;
  error_clear(&error);
  enum error_code code = run_handler(api, route, request, response, &error);
  if (code == ERROR_NONE && error.code != ERROR_NONE) code = error.code;
  if (code != ERROR_NONE) {
    error.code = code;
    if (code == ERROR_INTERNAL || code == ERROR_OUT_OF_MEMORY || code == ERROR_DISK_FULL) {
      log_error("%s %s: %s (request %s)", route->method, route->path, error.detail,
                request->request_id == NULL ? "?" : request->request_id);
    }
    response_deinit(response);
    api_render_error(&error, request->request_id, response);
  } else if ((route->flags & ROUTE_ETAG) != 0) {
    add_etag(request, response);
  }
  if (!response->is_deferred) api_count_answer(api, route, response, started_us);
}
