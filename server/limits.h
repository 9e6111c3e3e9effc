/* Limits on what clients may ask of the server. A leaf: anything in server/ may include it, so that http can keep them and the API name them.
 * Those of networks and jobs are in engine/limits.h.
 */
#ifndef SERVER_LIMITS_H
#define SERVER_LIMITS_H

enum {
  LIMIT_JSON_BODY_BYTES = 1 << 20, /* default; http_options.json_body_bytes_max */
  LIMIT_JSON_DEPTH = 32,
  LIMIT_CONNECTIONS = 1024,                /* default; http_options.connection_max */
  LIMIT_HANDLER_THREADS = 8,               /* default; http_options.handler_threads */
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

#endif
