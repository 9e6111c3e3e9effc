/* What the files of this folder share: the server, its connections, and an exchange (one request and its response). Private to server/http.
 *
 * An exchange's life; each arrow names the function of serve.c that takes it:
 *
 *     HEAD ──admit──▶ BODY ──end_body──▶ WAITING ──give_answer──▶ ANSWERED
 *       │               │ answer_early, for what is known before the body is over
 *       └──refuse───────┴──▶ DISCARDING (the answer is out; what still arrives is thrown away)  or  ANSWERED
 *
 * Invariants:
 *  1. One lock, server->lock, guards everything here that more than one thread touches. It is never held while api functions or event
 *     sources are called; libmicrohttpd's resume is called under it.
 *  2. Only the MHD thread suspends, in serve.c and event_stream.c, and never once is_aborting is set; so http_close can resume all and
 *     stop. It is our own thread (loop.c), which runs libmicrohttpd round by round and answers between two rounds what api has gathered.
 *  3. An exchange lives as long as someone holds it: libmicrohttpd until serve_end_exchange, a queue or handler, the streamer.
 */
#ifndef SERVER_HTTP_SERVER_H
#define SERVER_HTTP_SERVER_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "server/http/guard.h"
#include "server/http/http.h"
#include "server/http/listen.h"
#include "server/http/request_target.h"
#include "server/http/token.h"
#include "server/limits.h"

/* One TCP connection. Made and freed by the MHD thread. */
struct connection {
  struct http_server *server;
  struct connection *previous, *next;
  int socket;
  int64_t deadline_ms; /* 0: none. When it passes, the streamer thread shuts the socket down. */
  bool is_timed_out;
};

enum exchange_phase { EXCHANGE_HEAD, EXCHANGE_BODY, EXCHANGE_WAITING, EXCHANGE_ANSWERED, EXCHANGE_DISCARDING };

/* A ring of bytes from the MHD thread to the upload's handler. */
struct upload_buffer {
  char *ring; /* LIMIT_UPLOAD_BUFFER_BYTES; NULL: the body is no upload */
  size_t start, used;
  bool is_over;            /* the body's last byte is in */
  enum error_code failure; /* no more bytes will come, and why */
  pthread_cond_t changed;
};

struct event_stream {
  struct exchange *next; /* in server->streams */
  char *text;            /* not yet taken by libmicrohttpd: text[start … end) */
  size_t start, end, capacity;
  bool is_open; /* in the list; its source is the streamer thread's */
  bool has_wake;
  bool is_woken;
  bool is_last; /* nothing comes after the text */
  int64_t comment_due_ms;
};

struct exchange {
  struct http_server *server;
  struct connection *connection; /* NULL once it is gone */
  struct MHD_Connection *mhd;
  struct exchange *previous, *next; /* in server->exchanges */
  struct exchange *next_queued;
  int references;
  enum exchange_phase phase;
  bool is_suspended;
  bool is_gathered; /* not suspended, but answered at the end of this round; the MHD thread's alone */
  bool is_ready;    /* the handler is through: `response` is complete */
  bool is_gone;     /* libmicrohttpd has let go of it */
  bool is_head_request;
  int64_t started_ms;

  char *target_text; /* raw, then decoded in place: `target` points into it */
  char line[192];    /* as the log shows it: "GET /v1/jobs" */
  char request_id[24];
  struct request_target target;
  char *header_copies[HEADER_COUNT];
  struct route_match match;
  struct request request;
  struct response response;
  int status;

  int64_t body_length; /* Content-Length or BODY_CHUNKED */
  uint64_t body_bytes_max, body_bytes;
  char *body; /* collected */
  size_t body_capacity;
  int64_t window_started_ms; /* minimum rate: bytes since then; 0 while suspended */
  uint64_t window_bytes;
  uint64_t discarded_bytes;
  struct upload_buffer upload;
  struct event_stream stream;
};

/* Threads that answer exchanges, and those that wait for them. */
struct handler_pool {
  struct http_server *server;
  struct exchange *first, *last;
  size_t under_way, under_way_max; /* waiting and being answered */
  size_t thread_count;
  pthread_t *threads;
  pthread_cond_t available;
};

/* The MHD thread. */
struct loop {
  pthread_t thread;
  bool is_started;
  int wake; /* an eventfd: something was resumed, or is_over */
  atomic_bool is_over;
};

struct http_server {
  struct api *api;
  struct listener listener;
  struct tokens tokens;
  struct host_list hosts;
  struct server_limits limits; /* complete */
  int64_t stream_comment_ms;
  struct MHD_Daemon *daemon;

  pthread_mutex_t lock;
  pthread_cond_t streamer_wanted, exchange_over;
  struct connection *connections;
  struct exchange *exchanges;
  struct exchange *streams;
  size_t stream_count;
  uint64_t collected_bytes; /* capacity of all bodies being collected */
  bool is_quiesced, is_closing, is_aborting, is_stopping;
  struct handler_pool requests, long_requests, uploads;
  struct exchange *gathered; /* by api_gather in this round, linked by next_queued; the MHD thread's alone */
  struct loop loop;
  pthread_t streamer;
  bool has_streamer;
  uint64_t id_seed;
  _Atomic uint64_t request_count, client_error_count, server_error_count, connection_count, open_stream_count;
};

int64_t http_get_clock_ms(void); /* monotonic */
void lock_server(struct http_server *server);
void unlock_server(struct http_server *server);

/* Under the lock. Wakes a suspended connection; its access handler or reader is called again. */
void exchange_resume(struct exchange *exchange);
/* Under the lock, on the MHD thread. False if the server is stopping: then don't wait, end. */
bool exchange_suspend(struct exchange *exchange);
/* Under the lock. The last one frees it, for which the lock is let go for a moment. */
void exchange_release(struct exchange *exchange);

/* connection.c: deadlines */
void connection_notify(void *context, struct MHD_Connection *mhd, void **socket_context, enum MHD_ConnectionNotificationCode code);
void connection_set_deadline(struct connection *connection, int64_t deadline_ms); /* under the lock */
/* Under the lock. Has the client closed it? libmicrohttpd doesn't look while the connection is suspended. */
bool connection_has_ended(const struct connection *connection);
/* Under the lock. Shuts down what is overdue; returns when to look again, or 0: when there are new connections. */
int64_t connections_sweep(struct http_server *server, int64_t now_ms);

/* serve.c: libmicrohttpd's callbacks */
void *serve_begin_exchange(void *context, const char *target, struct MHD_Connection *mhd);
enum MHD_Result serve_answer(void *context, struct MHD_Connection *mhd, const char *url, const char *method, const char *version,
                             const char *data, size_t *data_bytes, void **request_context);
void serve_end_exchange(void *context, struct MHD_Connection *mhd, void **request_context, enum MHD_RequestTerminationCode code);

/* request->is_abandoned; takes the lock itself. */
bool exchange_is_abandoned(void *exchange);

/* reply.c */
/* Makes exchange->response the problem for `error`. */
void reply_set_error(struct exchange *exchange, const struct error *error);
/* Hands exchange->response to libmicrohttpd. `closes`: the connection ends with it. On the MHD thread. */
enum MHD_Result reply_queue(struct exchange *exchange, bool closes);
/* Writes exchange->response to the socket while the request's body still arrives, where libmicrohttpd takes no response, and closes our
 * side. On the MHD thread. */
void reply_send_early(struct exchange *exchange);

/* upload_buffer.c; all under the lock */
enum error_code upload_buffer_open(struct upload_buffer *upload, struct error *error);
void upload_buffer_close(struct upload_buffer *upload);
size_t upload_buffer_get_space(const struct upload_buffer *upload);
void upload_buffer_append(struct upload_buffer *upload, const char *bytes, size_t byte_count);
/* Nothing more comes. The first failure counts. */
void upload_buffer_fail(struct upload_buffer *upload, enum error_code failure);
/* request->read; takes the lock itself. */
enum error_code upload_buffer_read(void *exchange, void *buffer, size_t buffer_bytes, size_t *out_bytes, struct error *error);

/* loop.c */
/* Runs server->daemon until loop_stop. */
enum error_code loop_start(struct http_server *server, struct error *error);
/* Any thread: a round is to be run, since libmicrohttpd doesn't notice a resumed connection by itself. */
void loop_wake(struct http_server *server);
/* Joins the thread after a last round, which sees what was resumed before. Fine if it never started. */
void loop_stop(struct http_server *server);

/* handler_pool.c */
enum error_code handler_pool_start(struct handler_pool *pool, struct http_server *server, size_t thread_count, size_t waiting_max,
                                   struct error *error);
/* Under the lock. False if there are too many. */
bool handler_pool_submit(struct handler_pool *pool, struct exchange *exchange);
/* Joins the threads; server->is_stopping must be set. */
void handler_pool_stop(struct handler_pool *pool);

/* event_stream.c */
enum error_code streamer_start(struct http_server *server, struct error *error);
void streamer_stop(struct http_server *server);
/* Under the lock, on the MHD thread. False if there are too many streams. */
bool event_stream_open(struct exchange *exchange);
/* libmicrohttpd's reader of a stream's text. */
ssize_t event_stream_take_text(void *exchange, uint64_t position, char *buffer, size_t buffer_bytes);

#endif
