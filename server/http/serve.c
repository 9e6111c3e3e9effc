/* The life of an exchange, as libmicrohttpd's callbacks drive it. Everything here runs on the MHD thread, but for exchange_resume and
 * exchange_release, which any thread may call.
 *
 * libmicrohttpd calls serve_answer once when the headers are in, then for each part of the body, then when the request is whole, and again
 * whenever a suspended connection was resumed. A response can be queued in the first of these calls and when the request is whole; between
 * them, an answer that can't wait is written to the socket directly (answer_early).
 */
#include "server/http/server.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/log.h"

enum {
  DISCARDED_BYTES_MAX = 8 << 20, /* a client that is told "too large" while it sends may go on for this long before it is cut off */
  DISCARD_MS = 5000,
  KEEP_ALIVE_FACTOR = 4 /* header timeouts that a connection may idle between two requests */
};

void exchange_resume(struct exchange *exchange) {
  if (!exchange->is_suspended) return;
  exchange->is_suspended = false;
  if (exchange->phase == EXCHANGE_BODY) {
    connection_set_deadline(exchange->connection, http_get_clock_ms() + (int64_t)exchange->server->limits.body_idle_timeout_ms);
  }
  MHD_resume_connection(exchange->mhd);
  loop_wake(exchange->server);
}

bool exchange_suspend(struct exchange *exchange) {
  if (exchange->server->is_aborting) return false;
  /* With several chunks in its buffer libmicrohttpd goes on calling after a suspension; a second one would tangle its lists. */
  if (exchange->is_suspended) return true;
  exchange->is_suspended = true;
  exchange->window_started_ms = 0;
  connection_set_deadline(exchange->connection, 0);
  MHD_suspend_connection(exchange->mhd);
  return true;
}

void exchange_release(struct exchange *exchange) {
  struct http_server *server = exchange->server;
  if (--exchange->references > 0) return;
  if (exchange->previous)
    exchange->previous->next = exchange->next;
  else
    server->exchanges = exchange->next;
  if (exchange->next) exchange->next->previous = exchange->previous;
  server->collected_bytes -= exchange->body_capacity;
  unlock_server(server);
  response_deinit(&exchange->response);
  upload_buffer_close(&exchange->upload);
  for (int i = 0; i < HEADER_COUNT; i++) free(exchange->header_copies[i]);
  free(exchange->stream.text);
  free(exchange->target_text);
  free(exchange->body);
  free(exchange);
  lock_server(server);
}

bool exchange_is_abandoned(void *context) {
  struct exchange *exchange = context;
  struct http_server *server = exchange->server;
  lock_server(server);
  bool is_abandoned = exchange->is_gone || server->is_closing || (exchange->connection && connection_has_ended(exchange->connection));
  unlock_server(server);
  return is_abandoned;
}

static void make_request_id(struct http_server *server, char *out_id, size_t id_bytes) {
  /* splitmix64: distinct, and says nothing of how many there were */
  uint64_t z = server->id_seed + atomic_fetch_add(&server->request_count, 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  (void)snprintf(out_id, id_bytes, "req_%016llx", (unsigned long long)(z ^ (z >> 31)));
}

/* request_target.c reads the query. libmicrohttpd would as well, and takes memory of the connection's pool for each parameter; 0.9.75 lets
 * a connection whose pool that fills stand there without an answer. So it gets to see none; the text is in that same, writable pool. */
static void hide_query(const char *target) {
  char *query = strchr(target, '?');
  if (query) query[1] = 0;
}

void *serve_begin_exchange(void *context, const char *target, struct MHD_Connection *mhd) {
  struct http_server *server = context;
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  struct exchange *exchange = info && info->socket_context ? calloc(1, sizeof *exchange) : NULL;
  if (!exchange) return NULL;
  response_init(&exchange->response);
  exchange->target_text = strdup(target);
  if (!exchange->target_text) {
    free(exchange);
    return NULL;
  }
  hide_query(target);
  exchange->server = server;
  exchange->mhd = mhd;
  exchange->connection = info->socket_context;
  exchange->references = 1;
  exchange->started_ms = http_get_clock_ms();
  make_request_id(server, exchange->request_id, sizeof exchange->request_id);
  lock_server(server);
  exchange->next = server->exchanges;
  if (exchange->next) exchange->next->previous = exchange;
  server->exchanges = exchange;
  connection_set_deadline(exchange->connection, exchange->started_ms + (int64_t)server->limits.header_timeout_ms);
  unlock_server(server);
  return exchange;
}

void serve_end_exchange(void *context, struct MHD_Connection *mhd, void **request_context, enum MHD_RequestTerminationCode code) {
  struct exchange *exchange = *request_context;
  (void)context, (void)mhd;
  if (!exchange) return;
  *request_context = NULL;
  struct http_server *server = exchange->server;
  int64_t now_ms = http_get_clock_ms();
  log_debug("%s %s %d %lld ms%s", exchange->request_id, exchange->line, exchange->status, (long long)(now_ms - exchange->started_ms),
            code == MHD_REQUEST_TERMINATED_COMPLETED_OK ? "" : ", broken off");
  lock_server(server);
  exchange->is_gone = true;
  if (!exchange->upload.is_over)
    upload_buffer_fail(&exchange->upload, exchange->connection->is_timed_out ? ERROR_TIMEOUT : ERROR_MALFORMED);
  connection_set_deadline(exchange->connection, now_ms + (int64_t)server->limits.header_timeout_ms * KEEP_ALIVE_FACTOR);
  exchange->connection = NULL;
  if (exchange->stream.is_open) pthread_cond_signal(&server->streamer_wanted);
  exchange_release(exchange);
  pthread_cond_broadcast(&server->exchange_over);
  unlock_server(server);
}

/* Answers while the body still arrives; what comes after is thrown away. */
static enum MHD_Result answer_early(struct exchange *exchange) {
  reply_send_early(exchange);
  lock_server(exchange->server);
  exchange->phase = EXCHANGE_DISCARDING;
  connection_set_deadline(exchange->connection, http_get_clock_ms() + DISCARD_MS);
  unlock_server(exchange->server);
  return MHD_YES;
}

static enum MHD_Result refuse(struct exchange *exchange, const struct head *head, const struct error *error, bool is_framing_sound) {
  reply_set_error(exchange, error);
  if (error->code == ERROR_METHOD && *exchange->match.allow) {
    bool lacks_head = strstr(exchange->match.allow, "GET") && !strstr(exchange->match.allow, "HEAD");
    response_add_header(&exchange->response, "Allow", "%s%s", exchange->match.allow, lacks_head ? ", HEAD" : "");
  }
  /* A client that waits for "100 Continue" gets the answer instead of it, and sends no body. */
  if (is_framing_sound && exchange->body_length != 0 && !head->values[HEADER_EXPECT]) return answer_early(exchange);
  bool is_harmless = error->code == ERROR_NOT_FOUND || error->code == ERROR_METHOD || error->code == ERROR_MEDIA_TYPE;
  if (!is_harmless || exchange->body_length != 0) return reply_queue(exchange, true);
  /* libmicrohttpd closes the connection after a response to the first call; so this one is for the next. */
  lock_server(exchange->server);
  exchange->phase = EXCHANGE_WAITING;
  exchange->is_ready = true;
  unlock_server(exchange->server);
  return MHD_YES;
}

static enum error_code check_media_type(unsigned flags, const struct head *head, struct error *error) {
  const char *encoding = head->values[HEADER_CONTENT_ENCODING];
  if (encoding && strcasecmp(encoding, "identity") != 0) {
    return error_set(error, ERROR_MEDIA_TYPE, "the body must come as it is, without a Content-Encoding");
  }
  const char *type = head->values[HEADER_CONTENT_TYPE];
  if (flags & ROUTE_JSON_BODY && !guard_is_media_type(type, "application/json")) {
    return error_set(error, ERROR_MEDIA_TYPE, "the Content-Type must be application/json");
  }
  return ERROR_NONE;
}

/* Whether the handler reads the body itself, part by part. Where JSON is taken beside other types, only those are read so. */
static bool is_upload(const struct route *route, const char *content_type) {
  if ((route->flags & ROUTE_STREAMS_BODY) == 0) return false;
  return (route->flags & ROUTE_JSON_OR_OTHER_BODY) == 0 || !guard_is_media_type(content_type, "application/json");
}

/* All that can be said before the body comes. Fills target and match. */
static enum error_code check_head(struct exchange *exchange, const struct head *head, struct error *error) {
  struct http_server *server = exchange->server;
  enum error_code code = guard_check_host(&server->hosts, head, error);
  if (code != ERROR_NONE) return code;
  code = request_target_parse(exchange->target_text, &exchange->target, error);
  if (code != ERROR_NONE) return code;
  (void)snprintf(exchange->line, sizeof exchange->line, "%s %s", head->method, exchange->target.path);
  exchange->is_head_request = strcmp(head->method, "HEAD") == 0;
  struct error match_error = {0};
  enum error_code match_code =
      api_match(exchange->is_head_request ? "GET" : head->method, exchange->target.path, &exchange->match, &match_error);
  const struct route *route = match_code == ERROR_NONE ? exchange->match.route : NULL;
  const bool may_escape = route && route->flags & ROUTE_ESCAPES;
  if (strchr(exchange->target.path, PATH_ESCAPE) && !may_escape)
    return error_set(error, ERROR_MALFORMED, "the path must not contain %%2F, %%5C or control characters, but in a column's name");
  bool is_public = route && route->flags & ROUTE_PUBLIC;
  if (server->tokens.count > 0 && !is_public && !tokens_accept(&server->tokens, head->values[HEADER_AUTHORIZATION])) {
    return error_set(error, ERROR_UNAUTHORIZED, "this needs one of the server's tokens, as Authorization: Bearer …");
  }
  code = guard_check_origin(&server->hosts, head, error);
  if (code != ERROR_NONE) return code;
  if (!route) {
    *error = match_error;
    return match_code;
  }
  code = check_media_type(route->flags, head, error);
  if (code != ERROR_NONE) return code;
  exchange->body_bytes_max =
      is_upload(route, head->values[HEADER_CONTENT_TYPE]) ? server->limits.upload_bytes : server->limits.json_body_bytes;
  if (exchange->body_length > 0 && (uint64_t)exchange->body_length > exchange->body_bytes_max) {
    return error_set(error, ERROR_TOO_LARGE, "the body has %lld bytes; at most %llu are taken", (long long)exchange->body_length,
                     (unsigned long long)exchange->body_bytes_max);
  }
  return ERROR_NONE;
}

static enum error_code fill_request(struct exchange *exchange, const struct head *head, struct error *error) {
  static const int copied[] = {HEADER_CONTENT_TYPE, HEADER_ACCEPT, HEADER_IDEMPOTENCY_KEY, HEADER_LAST_EVENT_ID, HEADER_IF_NONE_MATCH};
  /* Copies: a handler may outlive the connection, whose memory the values are in. */
  for (size_t i = 0; i < sizeof copied / sizeof *copied; i++) {
    const char *value = head->values[copied[i]];
    if (!value) continue;
    if (!is_utf8_text(value)) return error_set(error, ERROR_MALFORMED, "headers must be UTF-8");
    exchange->header_copies[copied[i]] = strdup(value);
    if (!exchange->header_copies[copied[i]]) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for the request");
  }
  struct request *request = &exchange->request;
  *request = (struct request){
      .method = exchange->match.route->method,
      .path = exchange->target.path,
      .query_count = exchange->target.query_count,
      .content_type = exchange->header_copies[HEADER_CONTENT_TYPE],
      .accept = exchange->header_copies[HEADER_ACCEPT],
      .idempotency_key = exchange->header_copies[HEADER_IDEMPOTENCY_KEY],
      .last_event_id = exchange->header_copies[HEADER_LAST_EVENT_ID],
      .if_none_match = exchange->header_copies[HEADER_IF_NONE_MATCH],
      .request_id = exchange->request_id,
      .body = "",
      .body_length = exchange->body_length,
      .may_take_long = (exchange->match.route->flags & ROUTE_LONG) != 0,
      .is_abandoned = exchange_is_abandoned,
      .abandon_context = exchange,
  };
  memcpy(request->id, exchange->match.id, sizeof request->id);
  memcpy(request->part, exchange->match.part, sizeof request->part);
  memcpy(request->query, exchange->target.query, sizeof request->query);
  return ERROR_NONE;
}

/* The body may come. An upload's handler starts to read at once. */
static enum error_code begin_body(struct exchange *exchange, struct error *error) {
  struct http_server *server = exchange->server;
  enum error_code code = ERROR_NONE;
  lock_server(server);
  if (server->is_closing) code = error_set(error, ERROR_UNAVAILABLE, "the server is stopping");
  if (code == ERROR_NONE && is_upload(exchange->match.route, exchange->request.content_type)) {
    code = upload_buffer_open(&exchange->upload, error);
    exchange->request.read = upload_buffer_read;
    exchange->request.read_context = exchange;
    exchange->request.body = NULL;
    if (code == ERROR_NONE && !handler_pool_submit(&server->uploads, exchange)) {
      code = error_set(error, ERROR_TOO_MANY, "%" PRIu64 " uploads are under way, which is as many as there can be; try again later",
                       server->limits.uploads);
    }
  }
  if (code == ERROR_NONE) {
    exchange->phase = EXCHANGE_BODY;
    connection_set_deadline(exchange->connection, http_get_clock_ms() + (int64_t)server->limits.body_idle_timeout_ms);
  }
  unlock_server(server);
  return code;
}

/* libmicrohttpd 0.9.75 reads "Transfer-Encoding: chunked\r\n identity" as a header "Transfer-Encodingidentity", and so finds no body where
 * a proxy before us finds one. It shows: name and value of a header lie one after the other in the request as it came, with nothing but the
 * colon (a zero by now) and spaces between; a name that something was added to lies elsewhere. Later versions fold as they should. */
static bool is_folded(const char *name, size_t name_bytes, const char *value) {
  if (MHD_get_version()[0] != '0') return false;
  uintptr_t gap_bytes = (uintptr_t)value - (uintptr_t)name - name_bytes;
  if (gap_bytes == 0 || gap_bytes > LIMIT_REQUEST_HEAD_BYTES) return true;
  for (size_t i = 0; i < gap_bytes; i++) {
    if (!memchr(" \t", name[name_bytes + i], 3)) return true;
  }
  return false;
}

static enum MHD_Result note_header(void *context, enum MHD_ValueKind kind, const char *name, size_t name_bytes, const char *value,
                                   size_t value_bytes) {
  struct head *head = context;
  (void)kind;
  head_add(head, name, value, value_bytes);
  if (value && is_folded(name, name_bytes, value)) head->defect = "a header must stand in one line";
  return MHD_YES;
}

static enum MHD_Result admit(struct exchange *exchange, const char *method, const char *version) {
  struct head head = {.method = method, .version = version};
  struct error error = {0};
  (void)MHD_get_connection_values_n(exchange->mhd, MHD_HEADER_KIND, note_header, &head);
  if (guard_check_framing(&head, &exchange->body_length, &error) != ERROR_NONE) return refuse(exchange, &head, &error, false);
  enum error_code code = check_head(exchange, &head, &error);
  if (code == ERROR_NONE) code = fill_request(exchange, &head, &error);
  if (code == ERROR_NONE) code = begin_body(exchange, &error);
  return code == ERROR_NONE ? MHD_YES : refuse(exchange, &head, &error, true);
}

/* Under the lock. False: less than the minimum rate over a whole idle timeout. */
static bool is_fast_enough(struct exchange *exchange, size_t byte_count) {
  int64_t now_ms = http_get_clock_ms();
  if (exchange->window_started_ms == 0) exchange->window_started_ms = now_ms, exchange->window_bytes = 0;
  exchange->window_bytes += byte_count;
  connection_set_deadline(exchange->connection, now_ms + (int64_t)exchange->server->limits.body_idle_timeout_ms);
  int64_t elapsed_ms = now_ms - exchange->window_started_ms;
  if (elapsed_ms < (int64_t)exchange->server->limits.body_idle_timeout_ms) return true;
  bool is_fast = exchange->window_bytes * 1000 >= (uint64_t)elapsed_ms * exchange->server->limits.body_bytes_per_second_min;
  exchange->window_started_ms = now_ms, exchange->window_bytes = 0;
  if (!is_fast) exchange->connection->is_timed_out = true;
  return is_fast;
}

/* Under the lock. */
static enum MHD_Result pass_to_upload(struct exchange *exchange, const char *data, size_t *data_bytes) {
  struct upload_buffer *upload = &exchange->upload;
  if (*data_bytes > exchange->body_bytes_max - exchange->body_bytes) upload_buffer_fail(upload, ERROR_TOO_LARGE);
  if (upload->failure != ERROR_NONE)
    return exchange_suspend(exchange) ? MHD_YES : MHD_NO; /* until the handler has said what it says to that */
  if (!is_fast_enough(exchange, *data_bytes)) return MHD_NO;
  size_t space = upload_buffer_get_space(upload);
  size_t taken = *data_bytes < space ? *data_bytes : space;
  upload_buffer_append(upload, data, taken);
  exchange->body_bytes += taken;
  *data_bytes -= taken;
  /* Suspended only with data left over: libmicrohttpd goes on to the next chunk in its buffer after one that was taken whole. */
  return *data_bytes == 0 || exchange_suspend(exchange) ? MHD_YES : MHD_NO;
}

/* Under the lock. */
static enum error_code grow_body(struct exchange *exchange, size_t bytes, struct error *error) {
  struct http_server *server = exchange->server;
  if (bytes <= exchange->body_capacity) return ERROR_NONE;
  size_t capacity = exchange->body_capacity * 2 > bytes ? exchange->body_capacity * 2 : bytes;
  size_t added = capacity - exchange->body_capacity;
  if (added > server->limits.collected_bodies_bytes - server->collected_bytes) {
    return error_set(error, ERROR_UNAVAILABLE, "too many large requests at once; try again later");
  }
  char *grown = realloc(exchange->body, capacity);
  if (!grown) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for the request");
  server->collected_bytes += added;
  exchange->body = grown;
  exchange->body_capacity = capacity;
  return ERROR_NONE;
}

/* Under the lock. */
static enum error_code collect(struct exchange *exchange, const char *data, size_t byte_count, struct error *error) {
  if (byte_count > exchange->body_bytes_max - exchange->body_bytes) {
    return error_set(error, ERROR_TOO_LARGE, "the body is larger than %llu bytes", (unsigned long long)exchange->body_bytes_max);
  }
  enum error_code code = grow_body(exchange, (size_t)exchange->body_bytes + byte_count + 1, error);
  if (code != ERROR_NONE) return code;
  memcpy(exchange->body + exchange->body_bytes, data, byte_count);
  exchange->body_bytes += byte_count;
  exchange->body[exchange->body_bytes] = 0;
  return ERROR_NONE;
}

static enum MHD_Result take_data(struct exchange *exchange, const char *data, size_t *data_bytes) {
  struct http_server *server = exchange->server;
  struct error error = {0};
  enum MHD_Result result = MHD_YES;
  if (exchange->phase == EXCHANGE_DISCARDING) {
    exchange->discarded_bytes += *data_bytes;
    *data_bytes = 0;
    return exchange->discarded_bytes <= DISCARDED_BYTES_MAX ? MHD_YES : MHD_NO;
  }
  lock_server(server);
  bool answers_early = exchange->is_ready;
  if (server->is_aborting) {
    result = MHD_NO;
  } else if (exchange->upload.ring && !answers_early) {
    result = pass_to_upload(exchange, data, data_bytes);
  } else if (!answers_early) {
    if (!is_fast_enough(exchange, *data_bytes))
      result = MHD_NO;
    else
      answers_early = collect(exchange, data, *data_bytes, &error) != ERROR_NONE;
    if (!answers_early) *data_bytes = 0;
  }
  unlock_server(server);
  if (result != MHD_YES || !answers_early) return result;
  *data_bytes = 0;
  if (error.code != ERROR_NONE) reply_set_error(exchange, &error);
  return answer_early(exchange);
}

/* The body is whole and in memory. True if its answer comes at the end of this round. */
static bool gather(struct exchange *exchange) {
  if (exchange->body) exchange->request.body = exchange->body;
  exchange->request.body_bytes = (size_t)exchange->body_bytes;
  return api_gather(exchange->server->api, exchange->match.route, &exchange->request, &exchange->response);
}

/* Under the lock. Who will answer a whole request. */
static enum error_code hand_over(struct exchange *exchange, bool is_gathered, struct error *error) {
  struct http_server *server = exchange->server;
  exchange->phase = EXCHANGE_WAITING;
  connection_set_deadline(exchange->connection, 0);
  if (exchange->upload.ring) {
    exchange->upload.is_over = true;
    pthread_cond_signal(&exchange->upload.changed);
  } else if (is_gathered) {
    exchange->is_gathered = true;
    exchange->references++;
    exchange->next_queued = server->gathered;
    server->gathered = exchange;
  } else if (!handler_pool_submit(exchange->request.may_take_long ? &server->long_requests : &server->requests, exchange)) {
    return error_set(error, ERROR_UNAVAILABLE, "too many requests wait; try again later");
  }
  return ERROR_NONE;
}

/* The request is whole, or was resumed: hand it to a handler, wait for it, give its answer. */
static enum MHD_Result end_body(struct exchange *exchange) {
  struct http_server *server = exchange->server;
  struct error error;
  error_clear(&error);
  if (exchange->phase == EXCHANGE_DISCARDING) return MHD_NO;
  bool is_new = exchange->phase == EXCHANGE_BODY;
  bool is_gathered = is_new && !exchange->upload.ring && gather(exchange);
  lock_server(server);
  if (is_new) (void)hand_over(exchange, is_gathered, &error);
  bool is_ready = exchange->is_ready || error.code != ERROR_NONE;
  bool waits = !is_ready && (exchange->is_gathered || exchange_suspend(exchange));
  unlock_server(server);
  if (waits) return MHD_YES;
  if (!is_ready) return MHD_NO;
  if (error.code != ERROR_NONE) reply_set_error(exchange, &error);
  return reply_queue(exchange, false);
}

enum MHD_Result serve_answer(void *context, struct MHD_Connection *mhd, const char *url, const char *method, const char *version,
                             const char *data, size_t *data_bytes, void **request_context) {
  struct exchange *exchange = *request_context;
  (void)context, (void)mhd, (void)url;
  if (!exchange) return MHD_NO;
  if (exchange->phase == EXCHANGE_HEAD) return admit(exchange, method, version);
  if (*data_bytes > 0) return take_data(exchange, data, data_bytes);
  return end_body(exchange);
}
