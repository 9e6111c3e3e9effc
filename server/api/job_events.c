/* GET /v1/jobs/{id}/events and …/log: what happened to a job, as it happens and afterwards.
 *
 * A stream reads the store only: every event has its number there before anybody hears of it. The hub's call just says that reading is
 * worthwhile. The subscription is taken before the first read, so nothing falls between the two.
 */
#include <stdlib.h>
#include <string.h>

#include "server/api/context.h"
#include "server/api/handlers.h"

enum { EVENTS_AT_ONCE = 64, LOG_PAGE = 256, LOG_BYTES_MAX = 4 << 20 };

struct job_stream {
  struct api *api;
  char job_id[STORE_ID_BYTES];
  uint64_t after;
  struct job_subscription *subscription;
  /* wake_context is written before wake, and read after it */
  void *_Atomic wake_context;
  void (*_Atomic wake)(void *context);
};

static void be_notified(void *context) {
  struct job_stream *stream = context;
  void (*wake)(void *) = atomic_load(&stream->wake);
  if (wake != NULL) wake(atomic_load(&stream->wake_context));
}

static void set_wake(void *context, void (*wake)(void *), void *wake_context) {
  struct job_stream *stream = context;
  atomic_store(&stream->wake_context, wake_context);
  atomic_store(&stream->wake, wake);
}

static void close_stream(void *context) {
  struct job_stream *stream = context;
  if (stream->subscription != NULL) jobs_unsubscribe(stream->api->jobs, stream->subscription);
  free(stream);
}

/* Log lines become JSON: a line break in one would end the event. */
static json_t *log_to_json(const struct event_row *event) {
  json_t *message = json_string(event->data);
  return json_pack("{s:o, s:o}", "at", json_time(event->at_ms), "message", message == NULL ? json_string("(not UTF-8)") : message);
}

static void write_event(FILE *file, const struct event_row *event) {
  char *log_line = NULL;
  if (event->kind == EVENT_LOG) {
    json_t *json = log_to_json(event);
    log_line = json_write(json);
    json_decref(json);
  }
  const char *data = event->kind == EVENT_LOG ? (log_line == NULL ? "{}" : log_line) : event->data;
  fprintf(file, "id: %llu\nevent: %s\ndata: %s\n\n", (unsigned long long)event->seq, event_kind_names[event->kind], data);
  free(log_line);
}

/* No news: is that because all has been told? The job may have ended before `after`, or be gone. */
static enum error_code read_silence(struct job_stream *stream, char **out_text, size_t *out_bytes, bool *out_is_last, struct error *error) {
  struct job_row row = {0};
  struct error missing = {0};
  enum error_code code = jobs_get(stream->api->store, stream->job_id, &row, &missing);
  if (code == ERROR_NONE) {
    bool is_over = (JOB_STATES_UNFINISHED >> row.state & 1u) == 0 && row.last_event <= stream->after;
    job_row_deinit(&row);
    if (!is_over) return ERROR_NONE;
  } else if (code != ERROR_NOT_FOUND) {
    *error = missing;
    return code;
  }
  *out_text = strdup(code == ERROR_NOT_FOUND ? "event: end\ndata: {\"state\":\"deleted\"}\n\n" : ": nothing more\n\n");
  if (*out_text == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  *out_bytes = strlen(*out_text);
  *out_is_last = true;
  return ERROR_NONE;
}

static enum error_code read_stream(void *context, char **out_text, size_t *out_bytes, bool *out_is_last, struct error *error) {
  struct job_stream *stream = context;
  *out_text = NULL;
  *out_bytes = 0;
  *out_is_last = false;
  struct event_row *events = NULL;
  size_t count = 0;
  struct error missing = {0};
  enum error_code code = events_list(stream->api->store, stream->job_id, stream->after, 0, EVENTS_AT_ONCE, &events, &count, &missing);
  if (code != ERROR_NONE && code != ERROR_NOT_FOUND) {
    *error = missing;
    return code;
  }
  if (code == ERROR_NOT_FOUND || count == 0) {
    events_free(events, count);
    return read_silence(stream, out_text, out_bytes, out_is_last, error);
  }
  FILE *file = open_memstream(out_text, out_bytes);
  for (size_t i = 0; file != NULL && i < count && !*out_is_last; i++) {
    write_event(file, &events[i]);
    stream->after = events[i].seq;
    *out_is_last = events[i].kind == EVENT_END;
  }
  events_free(events, count);
  if (file != NULL && fclose(file) == 0) return ERROR_NONE;
  return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
}

/* Last-Event-ID, or ?after= where a client can't send that header. */
static enum error_code read_after(const struct request *request, uint64_t *out_after, struct error *error) {
  *out_after = 0;
  enum error_code code = query_get_number(request, (struct query_number){"after", 0, INT64_MAX}, out_after, error);
  if (code != ERROR_NONE || request->last_event_id == NULL || request->last_event_id[0] == '\0') return code;
  struct request header = {.query_count = 1, .query = {{"Last-Event-ID", request->last_event_id}}};
  if (query_get_number(&header, (struct query_number){"Last-Event-ID", 0, INT64_MAX}, out_after, error) == ERROR_NONE) return ERROR_NONE;
  error_clear(error);
  return error_set(error, ERROR_MALFORMED, "Last-Event-ID must be the id of an event of this job");
}

enum error_code jobs_get_events(struct api *api, const struct request *request, struct response *response, struct error *error) {
  uint64_t after;
  struct job_row row = {0};
  enum error_code code = read_after(request, &after, error);
  if (code != ERROR_NONE) return code;
  code = jobs_get(api->store, request->id, &row, error);
  if (code != ERROR_NONE) return resource_explain(api, RESOURCE_JOB, request->id, code, error);
  struct job_stream *stream = calloc(1, sizeof *stream);
  if (stream == NULL) {
    job_row_deinit(&row);
    return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  }
  stream->api = api;
  stream->after = after;
  memcpy(stream->job_id, row.id, sizeof stream->job_id);
  job_row_deinit(&row);
  code = jobs_subscribe(api->jobs, stream->job_id, be_notified, stream, &stream->subscription, error);
  if (code != ERROR_NONE) {
    close_stream(stream);
    return code;
  }
  response->status = 200;
  response->content_type = "text/event-stream";
  response->events = (struct event_source){.context = stream, .read = read_stream, .set_wake = set_wake, .close = close_stream};
  return ERROR_NONE;
}

static const char *get_text(const json_t *object, const char *name) {
  const char *text = json_string_value(json_object_get(object, name));
  return text == NULL ? "?" : text;
}

/* State changes and what the doctor found stand in the log too, in words. */
static void write_log_line(FILE *file, const struct event_row *event) {
  char time[JSON_TIME_BYTES];
  json_format_time(event->at_ms, time);
  if (event->kind == EVENT_LOG) {
    fprintf(file, "%s %s\n", time, event->data);
    return;
  }
  json_t *data = json_read_own(event->data);
  if (event->kind == EVENT_DIAGNOSIS) {
    if (json_is_true(json_object_get(data, "active")))
      fprintf(file, "%s %s: %s: %s\n", time, get_text(data, "severity"), get_text(data, "code"), get_text(data, "seen"));
    else
      fprintf(file, "%s no longer: %s\n", time, get_text(data, "code"));
    json_decref(data);
    return;
  }
  const char *state = json_string_value(json_object_get(data, "state")), *reason = json_string_value(json_object_get(data, "stop_reason"));
  fprintf(file, "%s %s%s%s%s\n", time, state == NULL ? "?" : state, reason == NULL ? "" : " (", reason == NULL ? "" : reason,
          reason == NULL ? "" : ")");
  json_decref(data);
}

static enum error_code write_log(struct api *api, const char *job_id, uint64_t after, FILE *file, struct error *error) {
  for (long bytes = 0; bytes >= 0 && bytes < LOG_BYTES_MAX; bytes = ftell(file)) {
    struct event_row *events = NULL;
    size_t count = 0;
    enum error_code code = events_list(api->store, job_id, after, 1u << EVENT_LOG | 1u << EVENT_STATE | 1u << EVENT_DIAGNOSIS, LOG_PAGE,
                                       &events, &count, error);
    if (code != ERROR_NONE) return code;
    for (size_t i = 0; i < count; i++) {
      write_log_line(file, &events[i]);
      after = events[i].seq;
    }
    events_free(events, count);
    if (count < LOG_PAGE) break;
  }
  return ERROR_NONE;
}

enum error_code jobs_get_log(struct api *api, const struct request *request, struct response *response, struct error *error) {
  uint64_t after;
  struct job_row row = {0};
  enum error_code code = read_after(request, &after, error);
  if (code != ERROR_NONE) return code;
  code = jobs_get(api->store, request->id, &row, error);
  if (code != ERROR_NONE) return resource_explain(api, RESOURCE_JOB, request->id, code, error);
  char *text = NULL;
  size_t bytes = 0;
  FILE *file = open_memstream(&text, &bytes);
  if (file == NULL) code = error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  if (code == ERROR_NONE) code = write_log(api, row.id, after, file, error);
  if (file != NULL) fclose(file);
  job_row_deinit(&row);
  if (code == ERROR_NONE) return respond_text(response, 200, "text/plain; charset=utf-8", text, error);
  free(text);
  return code;
}
