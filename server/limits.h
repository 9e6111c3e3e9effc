/* Limits on what clients may ask of the server. A leaf: anything in server/ may include it, so that http can keep them and the API name
 * them. Those of networks and jobs are in engine/limits.h.
 */
#ifndef SERVER_LIMITS_H
#define SERVER_LIMITS_H

#include <stddef.h>
#include <stdint.h>

/* What whoever runs the server may set, --max-connections and so on. 0: the constant below of that name. */
struct server_limits {
  uint64_t json_body_bytes, upload_bytes;
  uint64_t connections, handler_threads, long_requests, queued_requests, uploads, event_streams, queued_jobs;
  uint64_t gradient_check_parameters;
  uint64_t collected_bodies_bytes, header_timeout_ms, body_idle_timeout_ms, body_bytes_per_second_min;
};

enum {
  LIMIT_JSON_BODY_BYTES = 1 << 20,
  LIMIT_JSON_DEPTH = 32,
  LIMIT_CONNECTIONS = 1000,
  LIMIT_HANDLER_THREADS = 8,
  LIMIT_LONG_REQUESTS = 2,                 /* being answered at once; further ones wait */
  LIMIT_GRADIENT_CHECK_PARAMETERS = 20000, /* each takes two evaluations of the loss */
  LIMIT_TRACE_ROWS = 64,                   /* of a trace or a gradient check */
  LIMIT_TRACE_STEPS = 10000,               /* updates before the traced pass */
  LIMIT_TRACE_TENSOR_VALUES = 256,         /* tensors of up to so many values are told whole … */
  LIMIT_TRACE_VALUES = 1 << 18,            /* … as far as the answer has no more in all */
  LIMIT_TRACE_WINDOWS = 16,                /* of large tensors, in one answer */
  LIMIT_TRACE_WINDOW_VALUES = 10000,
  LIMIT_QUEUED_JOBS = 10000,               /* further ones get 429 */
  LIMIT_QUEUED_REQUESTS = 512,             /* whole requests that wait for a handler thread; further ones get 503 */
  LIMIT_UPLOADS = 8,                       /* at once; further ones get 429 */
  LIMIT_UPLOAD_BUFFER_BYTES = 256 << 10,   /* of one upload between socket and handler */
  LIMIT_STREAMS = 256,                     /* event streams at once; further ones get 503 */
  LIMIT_STREAM_BUFFER_BYTES = 64 << 10,    /* of one stream; it reads no further news before a slow client has taken these */
  LIMIT_COLLECTED_BODIES_BYTES = 64 << 20, /* of all bodies being received at once */
  LIMIT_REQUEST_HEAD_BYTES = 32 << 10,     /* request line and headers, as libmicrohttpd's pool of a connection allows */
  LIMIT_HEADER_TIMEOUT_MS = 15000,         /* from connecting, or from the request line, to the end of the headers */
  LIMIT_BODY_IDLE_TIMEOUT_MS = 30000,      /* without a byte of the body */
  LIMIT_BODY_BYTES_PER_SECOND_MIN = 1024,  /* over each such time */
  LIMIT_REPLY_IDLE_TIMEOUT_S = 75          /* of a client that doesn't take its response */
};
static const uint64_t LIMIT_UPLOAD_BYTES = UINT64_C(16) << 30;

/* Defaults for what is 0. */
static inline void server_limits_complete(struct server_limits *limits) {
  const struct {
    uint64_t *field, value;
  } defaults[] = {{&limits->json_body_bytes, LIMIT_JSON_BODY_BYTES},
                  {&limits->upload_bytes, LIMIT_UPLOAD_BYTES},
                  {&limits->connections, LIMIT_CONNECTIONS},
                  {&limits->handler_threads, LIMIT_HANDLER_THREADS},
                  {&limits->long_requests, LIMIT_LONG_REQUESTS},
                  {&limits->queued_requests, LIMIT_QUEUED_REQUESTS},
                  {&limits->uploads, LIMIT_UPLOADS},
                  {&limits->event_streams, LIMIT_STREAMS},
                  {&limits->queued_jobs, LIMIT_QUEUED_JOBS},
                  {&limits->gradient_check_parameters, LIMIT_GRADIENT_CHECK_PARAMETERS},
                  {&limits->collected_bodies_bytes, LIMIT_COLLECTED_BODIES_BYTES},
                  {&limits->header_timeout_ms, LIMIT_HEADER_TIMEOUT_MS},
                  {&limits->body_idle_timeout_ms, LIMIT_BODY_IDLE_TIMEOUT_MS},
                  {&limits->body_bytes_per_second_min, LIMIT_BODY_BYTES_PER_SECOND_MIN}};
  for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++)
    if (*defaults[i].field == 0) *defaults[i].field = defaults[i].value;
}

#endif
