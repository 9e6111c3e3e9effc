/* Table events: each job's durable log. Events are numbered 1, 2, … within the job without a gap, and each training step has at most one
 * metrics event: a run that resumes from a checkpoint repeats steps, and what is there already is skipped; so are diagnosis events, which
 * stand right before the metrics of their step. The job's row holds the last
 * number and the last step; jobs_commit changes both in one transaction, and an index watches over the second rule. */
#include <stdlib.h>

#include "server/store/jobs.h"
#include "server/store/private.h"

enum { EVENTS_LIMIT = 100000 };

const char *const event_kind_names[5] = {"metrics", "state", "log", "end", "diagnosis"};

void event_row_deinit(struct event_row *row) {
  if (!row) return;
  free(row->data);
  *row = (struct event_row){0};
}

void events_free(struct event_row *events, size_t count) {
  for (size_t i = 0; i < count; i++) event_row_deinit(&events[i]);
  free(events);
}

enum error_code events_append(struct connection *connection, struct event_log *log, struct event_row *event, struct error *error) {
  event->seq = 0;
  const bool is_of_step = event->kind == EVENT_METRICS || event->kind == EVENT_DIAGNOSIS;
  if (is_of_step && event->step <= log->last_metrics_step) return ERROR_NONE;
  if (event->at_ms == 0) event->at_ms = store_now_ms();
  struct query query;
  query_start(&query, connection, "INSERT INTO events (job, seq, kind, step, epoch, at_ms, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
              error);
  query_bind_int(&query, log->job);
  query_bind_uint(&query, log->last_event + 1);
  query_bind_int(&query, event->kind);
  query_bind_uint(&query, event->step);
  query_bind_uint(&query, event->epoch);
  query_bind_int(&query, event->at_ms);
  query_bind_text(&query, event->data ? event->data : "");
  enum error_code code = query_run(&query);
  if (code != ERROR_NONE) return code;
  event->seq = ++log->last_event;
  if (event->kind == EVENT_METRICS) log->last_metrics_step = event->step;
  return ERROR_NONE;
}

static void read_event(struct query *query, struct event_row *event) {
  event->seq = query_get_uint(query);
  event->kind = (enum event_kind)query_get_int(query);
  event->step = query_get_uint(query);
  event->epoch = query_get_uint(query);
  event->at_ms = query_get_int(query);
  event->data = query_take_text(query);
}

static enum error_code read_events(struct query *query, struct event_row **out_events, size_t *out_count) {
  struct event_row *events = NULL;
  size_t count = 0, room = 0;
  while (query_step(query)) {
    if (count == room) {
      room = room == 0 ? 64 : room * 2;
      struct event_row *grown = realloc(events, room * sizeof *events);
      if (!grown) {
        query_fail(query, error_set(query->error, ERROR_OUT_OF_MEMORY, "no memory for %zu events", room));
        break;
      }
      events = grown;
    }
    events[count] = (struct event_row){0};
    read_event(query, &events[count++]);
  }
  enum error_code code = query_finish(query);
  if (code != ERROR_NONE) {
    events_free(events, count);
    return code;
  }
  *out_events = events;
  *out_count = count;
  return ERROR_NONE;
}

enum error_code events_list(struct store *store, const char *job_id, uint64_t after, unsigned kinds, size_t limit,
                            struct event_row **out_events, size_t *out_count, struct error *error) {
  *out_events = NULL;
  *out_count = 0;
  struct connection *connection;
  enum error_code code = read_begin(store, &connection, error);
  if (code != ERROR_NONE) return code;
  int64_t job;
  code = resource_find(connection, &jobs_resource, job_id, &job, error);
  if (code == ERROR_NONE) {
    struct query query;
    query_start(
        &query, connection,
        "SELECT seq, kind, step, epoch, at_ms, data FROM events WHERE job = ?1 AND seq > ?2 AND (?3 >> kind) & 1 ORDER BY seq LIMIT ?4",
        error);
    query_bind_int(&query, job);
    query_bind_int(&query, after > INT64_MAX ? INT64_MAX : (int64_t)after);
    query_bind_int(&query, kinds == 0 ? -1 : (int64_t)kinds);
    query_bind_uint(&query, limit < EVENTS_LIMIT ? limit : EVENTS_LIMIT);
    code = read_events(&query, out_events, out_count);
  }
  read_end(store, connection);
  return code;
}
