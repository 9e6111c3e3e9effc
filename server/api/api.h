/* The API: every route as one record, and what they share. server/http finds the route of a request, checks what can be checked without
 * the body, and has api_handle answer it.
 */
#ifndef SERVER_API_API_H
#define SERVER_API_API_H

#include "server/api/exchange.h"
#include "server/jobs/jobs.h"
#include "server/limits.h"
#include "server/store/store.h"

struct api;

typedef enum error_code route_handler(struct api *api, const struct request *request, struct response *response, struct error *error);

enum route_flag {
  ROUTE_STREAMS_BODY = 1,       /* an upload: the handler reads the body itself (beside ROUTE_JSON_OR_OTHER_BODY: of other types) */
  ROUTE_JSON_BODY = 2,          /* needs Content-Type: application/json */
  ROUTE_JSON_OR_OTHER_BODY = 4, /* application/json, or another Content-Type that the handler judges */
  ROUTE_PUBLIC = 8,             /* no token needed: page, health */
  ROUTE_IDEMPOTENCY = 16,       /* takes Idempotency-Key */
  ROUTE_ETAG = 32,
  ROUTE_LONG = 64,    /* may take minutes: has threads of its own, so that it keeps no short request waiting */
  ROUTE_ESCAPES = 128 /* its {column} may hold escaped slashes, backslashes and control characters */
};

/* One route. OpenAPI, Allow headers, the dispatch and the tests' list of routes all come from this record. */
struct route {
  const char *method;
  const char *path; /* "/v1/jobs/{id}/pause" */
  route_handler *handler;
  const char *name; /* operationId: "pauseJob" */
  const char *summary;
  unsigned flags;
  int success_status;
  const char *request_schema;  /* name in components/schemas, or NULL */
  const char *response_schema; /* likewise; NULL: not JSON */
  const char *response_type;   /* content type; NULL: application/json */
  const char *query;           /* names of its query parameters, space separated: "limit cursor state", described once in openapi.c */
};
extern const struct route routes[];
extern const size_t route_count;

/* What http wants to know before it reads a body. */
struct route_match {
  const struct route *route; /* NULL: ERROR_NOT_FOUND or ERROR_METHOD */
  char id[128];              /* what stands for the first {…} of the route's path; "" if it has none */
  char part[520];            /* … for the second */
  char allow[64];            /* for ERROR_METHOD */
};
enum error_code api_match(const char *method, const char *path, struct route_match *out_match, struct error *error);

struct api_options {
  const char *version;
  size_t workers, threads;
  uint64_t memory_budget_bytes;
  struct server_limits limits; /* most are only told, in GET /v1; 0: default */
};
__attribute__((warn_unused_result)) enum error_code api_create(struct store *store, struct jobs *jobs, const struct api_options *options,
                                                               struct api **out_api, struct error *error);
void api_destroy(struct api *api);
/* What server/http, which stands above, has counted; for /metrics. */
struct api_traffic {
  uint64_t requests, responses_4xx, responses_5xx, connections, streams;
};
/* Lends a function that reads those counts, and takes it back with NULL. Any thread may call it then. */
void api_set_traffic(struct api *api, void (*read)(void *context, struct api_traffic *out_traffic), void *context);
/* From now on /readyz says 503 and POSTs are refused with ERROR_UNAVAILABLE. */
void api_drain(struct api *api);

/* Answers a request on its matched route; errors become problem+json. Leaves a complete response, or a deferred one
 * unless the request may take long. */
void api_handle(struct api *api, const struct route *route, const struct request *request, struct response *response);
/* Predictions of few rows by a small model in memory: those that arrive together are computed together, on http's own thread, without the
 * store and without waiting. True: `response` is complete after the next api_answer_gathered, until when request and response must live.
 * False: nothing happened, api_handle has to answer it. Both functions are for one thread only. */
bool api_gather(struct api *api, const struct route *route, const struct request *request, struct response *response);
void api_answer_gathered(struct api *api);
/* A problem+json response for an error that http itself found; the HTTP status of the code (one table), `type`, `title`, `errors`. */
void api_render_error(const struct error *error, const char *request_id, struct response *response);
int api_get_status(enum error_code code);

#endif
