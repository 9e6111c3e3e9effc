/* HTTP: sockets ⇄ requests and responses, by libmicrohttpd (only here). Guards (host, origin, token, framing,
 * limits), the handler threads, SSE.
 *
 *     MHD thread: moves bytes, runs the guards ──▶ queue ──▶ handler thread: api_handle ──▶ connection resumed, response queued
 *     predictions of few rows: gathered by the MHD thread, computed together by it at the end of its round (api_gather)
 *     upload:     MHD thread ──bounded buffer──▶ handler thread (request->read); full → the connection is suspended
 *     SSE:        hub wakes the streamer thread ──▶ events.read into the stream's buffer ──▶ connection resumed
 *
 * Invariants: the MHD thread never waits and never reads the store. A connection is suspended whenever it waits for one of our threads.
 */
#ifndef SERVER_HTTP_HTTP_H
#define SERVER_HTTP_HTTP_H

#include "server/api/api.h"
#include "server/limits.h"

struct http_options {
  const char *listen;        /* "127.0.0.1:8080", "[::1]:0", "localhost:8080" */
  const char *token_file;    /* one token of at least 32 bytes a line; NULL: no token; then only loopback addresses are accepted */
  const char *allowed_hosts; /* comma separated further names for Host, each with or without a port, or NULL; loopback names are always
                                          allowed */
  struct server_limits limits;
  int64_t stream_comment_ms; /* between two comments of a silent stream; 0: 10 s */
};

struct http_server;
/* ERROR_INVALID if an option is wrong (an address that others can reach without a token file),
 * ERROR_UNAVAILABLE if the address is taken. */
__attribute__((warn_unused_result)) enum error_code http_open(struct api *api, const struct http_options *options,
                                                              struct http_server **out_server, struct error *error);
/* "http://127.0.0.1:43121" */
const char *http_get_url(const struct http_server *server);
/* Stops accepting; requests under way go on, and connections close after them. */
void http_quiesce(struct http_server *server);
/* Ends every stream, resumes every suspended connection, waits for handlers (at most `wait_ms`), breaks off uploads that are still arriving
 * after a quarter of it, closes every connection, and frees the server. False if a handler was still at work when the time was up: then the
 * server's memory stays, and so must the api and all below it; call again to wait on, or exit without closing what the handler uses. */
bool http_close(struct http_server *server, int64_t wait_ms);

/* For /metrics: counters of what http has seen, and how many connections and streams are open now. */
struct http_counts {
  uint64_t requests, responses_4xx, responses_5xx, connections, streams;
};
void http_get_counts(const struct http_server *server, struct http_counts *out_counts);

#endif
