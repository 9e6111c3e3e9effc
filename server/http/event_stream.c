/* Event streams, and the one thread that serves them: it reads news from woken sources into each stream's bounded buffer, resumes the
 * connections, writes a comment on silent ones, ends those that are over, and between times sweeps the connections' deadlines.
 *
 * Only this thread calls a source's functions once its stream is open; only it takes streams out of the list.
 */
#include "server/http/server.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/log.h"

enum { STACK_BYTES = 512 << 10 };

static const char comment[] = ": keep-alive\n\n";

static size_t get_text_bytes(const struct event_stream *stream) { return stream->end - stream->start; }

/* Under the lock. False if memory is short. */
static bool append_text(struct exchange *exchange, const char *text, size_t bytes) {
  struct event_stream *stream = &exchange->stream;
  size_t used = get_text_bytes(stream);
  if (used > 0) memmove(stream->text, stream->text + stream->start, used);
  stream->start = 0, stream->end = used;
  if (used + bytes > stream->capacity) {
    char *grown = realloc(stream->text, used + bytes);
    if (!grown) return false;
    stream->text = grown, stream->capacity = used + bytes;
  }
  memcpy(stream->text + used, text, bytes);
  stream->end += bytes;
  stream->comment_due_ms = http_get_clock_ms() + exchange->server->stream_comment_ms;
  exchange_resume(exchange);
  return true;
}

static void end_stream(struct exchange *exchange) {
  exchange->stream.is_last = true;
  exchange_resume(exchange);
}

/* The source's wake, called from any thread. */
static void wake_stream(void *context) {
  struct exchange *exchange = context;
  lock_server(exchange->server);
  exchange->stream.is_woken = true;
  pthread_cond_signal(&exchange->server->streamer_wanted);
  unlock_server(exchange->server);
}

/* Under the lock, which is let go meanwhile. */
static void read_news(struct exchange *exchange) {
  struct event_source *events = &exchange->response.events;
  struct error error = {0};
  char *text = NULL;
  size_t bytes = 0;
  bool is_last = false, must_wake = !exchange->stream.has_wake;
  exchange->stream.has_wake = true;
  exchange->stream.is_woken = false;
  unlock_server(exchange->server);
  if (must_wake) events->set_wake(events->context, wake_stream, exchange);
  enum error_code code = events->read(events->context, &text, &bytes, &is_last, &error);
  lock_server(exchange->server);
  if (code != ERROR_NONE) log_warn("%s %s: the stream ends: %s", exchange->request_id, exchange->line, error.detail);
  bool is_kept = code == ERROR_NONE && (!text || append_text(exchange, text, bytes));
  free(text);
  if (!is_kept || is_last)
    end_stream(exchange);
  else if (text)
    exchange->stream.is_woken = true; /* there may be more */
}

/* Under the lock, which is let go meanwhile. */
static void close_source(struct exchange *exchange) {
  struct event_source events = exchange->response.events;
  exchange->response.events = (struct event_source){0};
  unlock_server(exchange->server);
  if (events.close) events.close(events.context);
  lock_server(exchange->server);
}

static bool wants_news(const struct exchange *exchange) {
  const struct event_stream *stream = &exchange->stream;
  return stream->is_woken && !stream->is_last && get_text_bytes(stream) < LIMIT_STREAM_BUFFER_BYTES;
}

/* A stream that has said nothing for a while says that it is alive; a client that is gone is noticed by it. */
static void keep_alive(struct exchange *exchange) {
  struct event_stream *stream = &exchange->stream;
  int64_t now_ms = http_get_clock_ms();
  if (stream->is_last || stream->comment_due_ms > now_ms) return;
  stream->comment_due_ms = now_ms + exchange->server->stream_comment_ms;
  if (get_text_bytes(stream) == 0 && !append_text(exchange, comment, sizeof comment - 1)) end_stream(exchange);
}

/* Does for each stream what is to be done now. Returns whether anything was done. */
static bool serve_streams(struct http_server *server) {
  bool has_worked = false;
  for (struct exchange **link = &server->streams; *link;) {
    struct exchange *exchange = *link;
    if (exchange->is_gone) {
      close_source(exchange);
      /* New streams may have come in at the head meanwhile. */
      for (link = &server->streams; *link != exchange;) link = &(*link)->stream.next;
      *link = exchange->stream.next;
      exchange->stream.is_open = false;
      server->stream_count--;
      atomic_fetch_sub(&server->open_stream_count, 1);
      exchange_release(exchange);
      link = &server->streams; /* its predecessor is this thread's too, but the head may not be */
      has_worked = true;
      continue;
    }
    if (server->is_closing && !exchange->stream.is_last) {
      end_stream(exchange);
    } else if (wants_news(exchange)) {
      read_news(exchange);
      has_worked = true;
    }
    keep_alive(exchange);
    link = &exchange->stream.next; /* still in the list: only this thread takes streams out */
  }
  return has_worked;
}

static void wait_until(struct http_server *server, int64_t due_ms) {
  if (due_ms == 0) {
    pthread_cond_wait(&server->streamer_wanted, &server->lock);
    return;
  }
  struct timespec due = {.tv_sec = due_ms / 1000, .tv_nsec = due_ms % 1000 * 1000000};
  (void)pthread_cond_timedwait(&server->streamer_wanted, &server->lock, &due);
}

static void *run_streamer(void *context) {
  struct http_server *server = context;
  int64_t sweep_due_ms = 0;
  lock_server(server);
  while (!server->is_stopping || server->streams) {
    bool has_worked = serve_streams(server);
    int64_t now_ms = http_get_clock_ms();
    if (sweep_due_ms <= now_ms) sweep_due_ms = connections_sweep(server, now_ms);
    if (has_worked || (server->is_stopping && !server->streams)) continue;
    int64_t due_ms = sweep_due_ms;
    for (const struct exchange *exchange = server->streams; exchange; exchange = exchange->stream.next) {
      const struct event_stream *stream = &exchange->stream;
      if (!stream->is_last && (due_ms == 0 || stream->comment_due_ms < due_ms)) due_ms = stream->comment_due_ms;
    }
    wait_until(server, due_ms);
  }
  unlock_server(server);
  return NULL;
}

enum error_code streamer_start(struct http_server *server, struct error *error) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
  int failure = pthread_create(&server->streamer, &attributes, run_streamer, server);
  pthread_attr_destroy(&attributes);
  if (failure) return error_set(error, ERROR_UNAVAILABLE, "can't start the streamer thread: %s", strerror(failure));
  server->has_streamer = true;
  return ERROR_NONE;
}

void streamer_stop(struct http_server *server) {
  if (!server->has_streamer) return;
  lock_server(server);
  pthread_cond_signal(&server->streamer_wanted);
  unlock_server(server);
  (void)pthread_join(server->streamer, NULL);
  server->has_streamer = false;
}

bool event_stream_open(struct exchange *exchange) {
  struct http_server *server = exchange->server;
  if (server->stream_count >= server->limits.event_streams) return false;
  exchange->stream = (struct event_stream){.next = server->streams, .is_open = true, .is_woken = true};
  /* A comment first: the client learns at once that the stream stands. */
  (void)append_text(exchange, comment, sizeof comment - 1);
  server->streams = exchange;
  server->stream_count++;
  atomic_fetch_add(&server->open_stream_count, 1);
  exchange->references++;
  pthread_cond_signal(&server->streamer_wanted);
  return true;
}

ssize_t event_stream_take_text(void *context, uint64_t position, char *buffer, size_t buffer_bytes) {
  struct exchange *exchange = context;
  struct event_stream *stream = &exchange->stream;
  ssize_t taken = 0;
  (void)position;
  lock_server(exchange->server);
  size_t bytes = get_text_bytes(stream) < buffer_bytes ? get_text_bytes(stream) : buffer_bytes;
  if (bytes > 0) {
    memcpy(buffer, stream->text + stream->start, bytes);
    stream->start += bytes;
    taken = (ssize_t)bytes;
    if (wants_news(exchange)) pthread_cond_signal(&exchange->server->streamer_wanted); /* it may have stopped reading for lack of space */
  } else if (stream->is_last || !exchange_suspend(exchange)) {
    taken = MHD_CONTENT_READER_END_OF_STREAM;
  }
  unlock_server(exchange->server);
  return taken;
}
