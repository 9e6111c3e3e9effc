/* Responses on their way out: plain data into libmicrohttpd's form, with the headers that every response carries. */
#include "server/http/server.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { HEADER_LINES_MAX = RESPONSE_HEADERS_MAX + 16, STREAM_BLOCK_BYTES = 16 << 10 };

struct header_line {
  const char *name, *value;
};

struct header_lines {
  size_t count;
  struct header_line lines[HEADER_LINES_MAX];
};

static void add_line(struct header_lines *lines, const char *name, const char *value) {
  if (lines->count < HEADER_LINES_MAX) lines->lines[lines->count++] = (struct header_line){name, value};
}

static bool has_line(const struct header_lines *lines, const char *name) {
  for (size_t i = 0; i < lines->count; i++) {
    if (strcasecmp(lines->lines[i].name, name) == 0) return true;
  }
  return false;
}

/* What has an ETag may be kept by its reader, but must be asked for again. */
static const char *choose_caching(const struct exchange *exchange, const struct header_lines *lines) {
  if (exchange->response.events.read) return "no-cache";
  return has_line(lines, "ETag") ? "private, no-cache" : "no-store";
}

static void list_headers(const struct exchange *exchange, bool closes, struct header_lines *lines) {
  const struct response *response = &exchange->response;
  lines->count = 0;
  if (response->events.read)
    add_line(lines, "Content-Type", "text/event-stream");
  else if (response->content_type)
    add_line(lines, "Content-Type", response->content_type);
  for (size_t i = 0; i < response->header_count; i++) add_line(lines, response->headers[i].name, response->headers[i].value);
  if (!has_line(lines, "Cache-Control")) add_line(lines, "Cache-Control", choose_caching(exchange, lines));
  if (response->status == 401) add_line(lines, "WWW-Authenticate", "Bearer realm=\"backpropd\"");
  bool is_for_later = response->status == 429 || response->status == 503;
  if (is_for_later && !has_line(lines, "Retry-After")) add_line(lines, "Retry-After", "1");
  add_line(lines, "Content-Security-Policy",
           "default-src 'self'; img-src 'self' data:; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'");
  add_line(lines, "X-Content-Type-Options", "nosniff");
  add_line(lines, "Referrer-Policy", "no-referrer");
  add_line(lines, "Cross-Origin-Resource-Policy", "same-origin");
  add_line(lines, "X-Request-Id", exchange->request_id);
  if (closes) add_line(lines, "Connection", "close");
}

static void count_status(struct exchange *exchange) {
  exchange->status = exchange->response.status;
  if (exchange->status >= 500)
    atomic_fetch_add(&exchange->server->server_error_count, 1);
  else if (exchange->status >= 400)
    atomic_fetch_add(&exchange->server->client_error_count, 1);
}

void reply_set_error(struct exchange *exchange, const struct error *error) {
  response_deinit(&exchange->response);
  response_init(&exchange->response);
  api_render_error(error, exchange->request_id, &exchange->response);
}

/* Takes over body or file. NULL if memory is short. */
static struct MHD_Response *create_response(struct exchange *exchange) {
  static char empty[] = "";
  struct response *response = &exchange->response;
  if (exchange->stream.is_open) {
    return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK_BYTES, event_stream_take_text, exchange, NULL);
  }
  if (response->file >= 0) {
    struct stat status;
    if (fstat(response->file, &status) != 0) return NULL;
    struct MHD_Response *mhd = MHD_create_response_from_fd64((uint64_t)status.st_size, response->file);
    if (mhd) response->file = -1;
    return mhd;
  }
  if (!response->body || response->body_bytes == 0) return MHD_create_response_from_buffer(0, empty, MHD_RESPMEM_PERSISTENT);
  struct MHD_Response *mhd = MHD_create_response_from_buffer(response->body_bytes, response->body, MHD_RESPMEM_MUST_FREE);
  if (mhd) response->body = NULL;
  return mhd;
}

static void open_stream(struct exchange *exchange) {
  lock_server(exchange->server);
  bool is_open = event_stream_open(exchange);
  unlock_server(exchange->server);
  if (is_open) return;
  struct error error = {0};
  (void)error_set(&error, ERROR_UNAVAILABLE,
                  "there are already %" PRIu64 " event streams, which is as many as there can be; try again later",
                  exchange->server->limits.event_streams);
  reply_set_error(exchange, &error);
}

enum MHD_Result reply_queue(struct exchange *exchange, bool closes) {
  struct http_server *server = exchange->server;
  struct header_lines lines;
  if (exchange->response.events.read && !exchange->is_head_request) open_stream(exchange);
  lock_server(server);
  closes |= server->is_quiesced;
  exchange->phase = EXCHANGE_ANSWERED;
  connection_set_deadline(exchange->connection, 0);
  unlock_server(server);
  count_status(exchange);
  list_headers(exchange, closes, &lines);
  struct MHD_Response *mhd = create_response(exchange);
  if (!mhd) return MHD_NO;
  bool is_whole = true;
  for (size_t i = 0; i < lines.count; i++) is_whole &= MHD_add_response_header(mhd, lines.lines[i].name, lines.lines[i].value) == MHD_YES;
  enum MHD_Result result = is_whole ? MHD_queue_response(exchange->mhd, (unsigned)exchange->status, mhd) : MHD_NO;
  MHD_destroy_response(mhd);
  return result;
}

void reply_send_early(struct exchange *exchange) {
  const struct response *response = &exchange->response;
  struct header_lines lines;
  char head[4096], date[40];
  time_t now = time(NULL);
  struct tm utc;
  count_status(exchange);
  (void)gmtime_r(&now, &utc);
  (void)strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &utc);
  list_headers(exchange, true, &lines);
  /* Files and streams answer no upload; were it so, the client would get headers that say there is nothing. */
  size_t body_bytes = response->body ? response->body_bytes : 0;
  int at = snprintf(head, sizeof head, "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Length: %zu\r\n", exchange->status,
                    MHD_get_reason_phrase_for((unsigned)exchange->status), date, body_bytes);
  for (size_t i = 0; i < lines.count && at > 0 && (size_t)at < sizeof head; i++) {
    at += snprintf(head + at, sizeof head - (size_t)at, "%s: %s\r\n", lines.lines[i].name, lines.lines[i].value);
  }
  if (at < 0 || (size_t)at + 3 > sizeof head) return;
  memcpy(head + at, "\r\n", 2);
  /* All that was sent before has left libmicrohttpd, and it has nothing to say until the body is over: the socket is ours to write to. */
  struct iovec parts[2] = {{.iov_base = head, .iov_len = (size_t)at + 2}, {.iov_base = response->body, .iov_len = body_bytes}};
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = exchange->is_head_request ? 1 : 2};
  int socket = exchange->connection->socket;
  (void)sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  (void)shutdown(socket, SHUT_WR);
}
