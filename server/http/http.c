/* Opening and closing the server; what happens between is in serve.c. */
#include "server/http/http.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "server/http/server.h"
#include "server/log.h"

enum {
  DESCRIPTORS_SPARE = 128, /* for databases, datasets, threads */
  LAST_RESPONSES_MS = 250  /* for libmicrohttpd to send what handlers finished while the server closes */
};

int64_t http_get_clock_ms(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void lock_server(struct http_server *server) { pthread_mutex_lock(&server->lock); }
void unlock_server(struct http_server *server) { pthread_mutex_unlock(&server->lock); }

static void init_condition(pthread_cond_t *condition) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(condition, &attributes);
  pthread_condattr_destroy(&attributes);
}

static struct http_server *create_server(struct api *api, const struct http_options *options) {
  struct http_server *server = calloc(1, sizeof *server);
  if (!server) return NULL;
  server->api = api;
  server->listener.socket = -1;
  server->loop.wake = -1;
  server->limits = options->limits;
  server_limits_complete(&server->limits);
  server->stream_comment_ms = options->stream_comment_ms ? options->stream_comment_ms : 10000;
  if (getrandom(&server->id_seed, sizeof server->id_seed, 0) < 0) server->id_seed = (uint64_t)http_get_clock_ms();
  pthread_mutex_init(&server->lock, NULL);
  init_condition(&server->streamer_wanted);
  init_condition(&server->exchange_over);
  pthread_cond_init(&server->requests.available, NULL);
  pthread_cond_init(&server->long_requests.available, NULL);
  pthread_cond_init(&server->uploads.available, NULL);
  return server;
}

/* No thread of the server is left. */
static void destroy_server(struct http_server *server) {
  if (server->listener.socket >= 0) close(server->listener.socket);
  pthread_cond_destroy(&server->uploads.available);
  pthread_cond_destroy(&server->long_requests.available);
  pthread_cond_destroy(&server->requests.available);
  pthread_cond_destroy(&server->exchange_over);
  pthread_cond_destroy(&server->streamer_wanted);
  pthread_mutex_destroy(&server->lock);
  host_list_deinit(&server->hosts);
  tokens_deinit(&server->tokens);
  free(server);
}

/* As many connections as were asked for, as far as the process may have descriptors for them. */
static unsigned limit_connections(size_t wanted) {
  struct rlimit limit;
  rlim_t needed = (rlim_t)wanted + DESCRIPTORS_SPARE;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return (unsigned)wanted;
  if (limit.rlim_cur < needed) {
    limit.rlim_cur = limit.rlim_max < needed ? limit.rlim_max : needed;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
  }
  if (limit.rlim_cur >= needed) return (unsigned)wanted;
  unsigned possible = limit.rlim_cur > 2 * DESCRIPTORS_SPARE ? (unsigned)limit.rlim_cur - DESCRIPTORS_SPARE : (unsigned)limit.rlim_cur / 2;
  log_warn("at most %u connections at once, as this process may open %llu files only", possible, (unsigned long long)limit.rlim_cur);
  return possible;
}

/* request_target.c decodes; libmicrohttpd must not. */
static size_t leave_escaped(void *context, struct MHD_Connection *mhd, char *text) {
  (void)context, (void)mhd;
  return strlen(text);
}

__attribute__((format(printf, 2, 0))) static void log_mhd(void *context, const char *format, va_list arguments) {
  (void)context;
  if (!log_is_on(LOG_LEVEL_DEBUG)) return;
  char message[LOG_LINE_BYTES];
  (void)vsnprintf(message, sizeof message, format, arguments);
  message[strcspn(message, "\n")] = 0;
  log_debug("libmicrohttpd: %s", message);
}

/* Not MHD_OPTION_STRICT_FOR_CLIENT 1: what it adds (Host, no spaces in the target) the guards check, and their refusal says why, where
 * libmicrohttpd's own page comes out with its headers sent twice. */
static enum error_code start_daemon(struct http_server *server, struct error *error) {
  unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
  if (server->listener.is_ipv6) flags |= MHD_USE_IPv6;
  server->daemon = MHD_start_daemon(flags, 0, NULL, NULL, serve_answer, server, MHD_OPTION_EXTERNAL_LOGGER, log_mhd, NULL,
                                    MHD_OPTION_LISTEN_SOCKET, server->listener.socket, MHD_OPTION_STRICT_FOR_CLIENT, 0,
                                    MHD_OPTION_CONNECTION_LIMIT, limit_connections((size_t)server->limits.connections),
                                    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)LIMIT_REQUEST_HEAD_BYTES, MHD_OPTION_CONNECTION_TIMEOUT,
                                    (unsigned)LIMIT_REPLY_IDLE_TIMEOUT_S, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL,
                                    MHD_OPTION_URI_LOG_CALLBACK, serve_begin_exchange, server, MHD_OPTION_NOTIFY_COMPLETED,
                                    serve_end_exchange, server, MHD_OPTION_NOTIFY_CONNECTION, connection_notify, server, MHD_OPTION_END);
  if (!server->daemon) return error_set(error, ERROR_UNAVAILABLE, "can't start the HTTP daemon: %s", strerror(errno));
  return ERROR_NONE;
}

static enum error_code start_threads(struct http_server *server, struct error *error) {
  /* Signals are the main thread's: all that is started here takes none. */
  sigset_t all, before;
  sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &before);
  const struct server_limits *limits = &server->limits;
  enum error_code code =
      handler_pool_start(&server->requests, server, (size_t)limits->handler_threads, (size_t)limits->queued_requests, error);
  if (code == ERROR_NONE)
    code = handler_pool_start(&server->long_requests, server, (size_t)limits->long_requests, (size_t)limits->queued_requests, error);
  if (code == ERROR_NONE) code = handler_pool_start(&server->uploads, server, (size_t)limits->uploads, 0, error);
  if (code == ERROR_NONE) code = streamer_start(server, error);
  if (code == ERROR_NONE) code = start_daemon(server, error);
  if (code == ERROR_NONE) code = loop_start(server, error);
  (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
  return code;
}

static void stop_threads(struct http_server *server) {
  lock_server(server);
  server->is_stopping = true;
  unlock_server(server);
  streamer_stop(server);
  handler_pool_stop(&server->uploads);
  handler_pool_stop(&server->long_requests);
  handler_pool_stop(&server->requests);
}

enum error_code http_open(struct api *api, const struct http_options *options, struct http_server **out_server, struct error *error) {
  *out_server = NULL;
  struct http_server *server = create_server(api, options);
  if (!server) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for the HTTP server");
  enum error_code code = ERROR_NONE;
  if (options->token_file) code = tokens_load(options->token_file, &server->tokens, error);
  if (code == ERROR_NONE) code = listen_open(options->listen, server->tokens.count > 0, &server->listener, error);
  if (code == ERROR_NONE)
    code = host_list_init(&server->hosts, options->allowed_hosts, server->listener.host, server->listener.port, error);
  if (code == ERROR_NONE) code = start_threads(server, error);
  if (code != ERROR_NONE) {
    stop_threads(server);
    destroy_server(server);
    return code;
  }
  *out_server = server;
  return ERROR_NONE;
}

const char *http_get_url(const struct http_server *server) { return server->listener.url; }

/* The MHD thread does it, as nobody else may touch the socket that its epoll has. */
void http_quiesce(struct http_server *server) {
  lock_server(server);
  server->is_quiesced = true;
  loop_wake(server);
  while (server->listener.socket >= 0) pthread_cond_wait(&server->exchange_over, &server->lock);
  unlock_server(server);
}

/* Under the lock. */
static void wait_for_exchange(struct http_server *server, int64_t until_ms) {
  struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
  (void)pthread_cond_timedwait(&server->exchange_over, &server->lock, &until);
}

/* Under the lock: exchanges between admission and their end. */
static bool has_exchange(const struct http_server *server, bool counts_arriving) {
  for (const struct exchange *exchange = server->exchanges; exchange; exchange = exchange->next) {
    if (exchange->is_gone || exchange->phase == EXCHANGE_HEAD) continue;
    if (counts_arriving || exchange->phase == EXCHANGE_WAITING || exchange->phase == EXCHANGE_ANSWERED) return true;
  }
  return false;
}

static size_t count_handlers(const struct http_server *server) {
  return server->requests.under_way + server->long_requests.under_way + server->uploads.under_way;
}

/* Under the lock. */
static void break_off_uploads(struct http_server *server) {
  for (struct exchange *exchange = server->exchanges; exchange; exchange = exchange->next) {
    if (!exchange->upload.is_over) upload_buffer_fail(&exchange->upload, ERROR_MALFORMED);
  }
}

/* Under the lock. */
static void wait_for_handlers(struct http_server *server, int64_t end_ms) {
  while (count_handlers(server) > 0 && http_get_clock_ms() < end_ms) wait_for_exchange(server, end_ms);
}

/* Lets what is under way come to its end as far as there is time, then ends every connection. */
static void stop_daemon(struct http_server *server, int64_t break_off_ms, int64_t end_ms) {
  http_quiesce(server);
  lock_server(server);
  server->is_closing = true;
  pthread_cond_signal(&server->streamer_wanted);
  while (has_exchange(server, true) && http_get_clock_ms() < break_off_ms) wait_for_exchange(server, break_off_ms);
  break_off_uploads(server);
  wait_for_handlers(server, end_ms);
  int64_t sent_ms = http_get_clock_ms() + LAST_RESPONSES_MS;
  if (sent_ms > end_ms) sent_ms = end_ms;
  while (has_exchange(server, false) && http_get_clock_ms() < sent_ms) wait_for_exchange(server, sent_ms);
  server->is_aborting = true;
  for (struct exchange *exchange = server->exchanges; exchange; exchange = exchange->next) exchange_resume(exchange);
  unlock_server(server);
  loop_stop(server);
  MHD_stop_daemon(server->daemon);
  server->daemon = NULL;
}

bool http_close(struct http_server *server, int64_t wait_ms) {
  if (!server) return true;
  int64_t now_ms = http_get_clock_ms(), end_ms = now_ms + wait_ms;
  if (server->daemon) stop_daemon(server, now_ms + wait_ms / 4, end_ms);
  lock_server(server);
  wait_for_handlers(server, end_ms);
  size_t left_count = count_handlers(server);
  unlock_server(server);
  if (left_count > 0) {
    log_warn("%zu requests were still being answered when the time to stop was up", left_count);
    return false;
  }
  stop_threads(server);
  destroy_server(server);
  return true;
}

void http_get_counts(const struct http_server *server, struct http_counts *out_counts) {
  *out_counts = (struct http_counts){
      .requests = atomic_load(&server->request_count),
      .responses_4xx = atomic_load(&server->client_error_count),
      .responses_5xx = atomic_load(&server->server_error_count),
      .connections = atomic_load(&server->connection_count),
      .streams = atomic_load(&server->open_stream_count),
  };
}
