/* jobs_commit: everything that changes a job after its creation.
 *
 * One transaction holds all updates of a call. Each compares the job's state with those expected, appends its events, adopts its
 * checkpoint and its model, and sets the rest of the row; the first that can't be done undoes them all. A checkpoint that is replaced
 * is no longer referred to and deleted, a large one after the transaction. */
#include <stdio.h>
#include <string.h>

#include "server/store/jobs.h"
#include "server/store/private.h"

/* What an update must know of its job. */
struct job_head {
  int64_t number;
  char name[LIMIT_NAME_BYTES + 1];
  enum job_state state;
  int64_t checkpoint_blob;
  struct event_log log;
};

static enum error_code read_head(struct connection *connection, const char *id, struct job_head *out_head, struct error *error) {
  enum error_code code = resource_find(connection, &jobs_resource, id, &out_head->number, error);
  if (code != ERROR_NONE) return code;
  struct query query;
  query_start(&query, connection,
              "SELECT name, state, coalesce(checkpoint_blob, 0), last_event, last_metrics_step FROM jobs WHERE number = ?1", error);
  query_bind_int(&query, out_head->number);
  if (query_step(&query)) {
    query_get_text(&query, out_head->name, sizeof out_head->name);
    out_head->state = (enum job_state)query_get_int(&query);
    out_head->checkpoint_blob = query_get_int(&query);
    out_head->log = (struct event_log){.job = out_head->number};
    out_head->log.last_event = query_get_uint(&query);
    out_head->log.last_metrics_step = query_get_uint(&query);
  }
  return query_finish(&query);
}

/* "queued, running or paused" */
static void describe_states(unsigned states, char *out_text, size_t out_bytes) {
  size_t used = 0;
  out_text[0] = '\0';
  for (unsigned state = 0; state < JOB_STATE_COUNT && used < out_bytes; state++) {
    if (!(states >> state & 1)) continue;
    unsigned later = states >> state >> 1;
    const char *separator = used == 0 ? "" : later != 0 ? ", " : " or ";
    int written = snprintf(out_text + used, out_bytes - used, "%s%s", separator, job_state_names[state]);
    used += written > 0 ? (size_t)written : 0;
  }
}

static enum error_code check_state(const struct job_head *head, unsigned expected, struct error *error) {
  if (expected == 0 || (expected >> head->state & 1)) return ERROR_NONE;
  char states[160];
  describe_states(expected & ((1u << JOB_STATE_COUNT) - 1), states, sizeof states);
  return error_set(error, ERROR_CONFLICT, "the job \"%s\" is %s, not %s", head->name, job_state_names[head->state], states);
}

static enum error_code set_checkpoint(struct connection *connection, const struct job_head *head, const struct job_update *update,
                                      struct error *error) {
  int64_t blob = *update->checkpoint_blob;
  enum error_code code = blob != 0 ? blobs_check(connection, blob, error) : ERROR_NONE;
  if (code != ERROR_NONE) return code;
  struct query query;
  query_start(&query, connection, "UPDATE jobs SET checkpoint_blob = nullif(?2, 0), position = ?3 WHERE number = ?1", error);
  query_bind_int(&query, head->number);
  query_bind_int(&query, blob);
  query_bind_bytes(&query, blob != 0 ? update->position : NULL, update->position_bytes);
  return query_run(&query);
}

static enum error_code set_model(struct connection *connection, const struct job_head *head, const struct job_update *update,
                                 struct error *error) {
  struct model_row *model = update->model;
  (void)snprintf(model->job_id, sizeof model->job_id, "%s", update->job_id);
  enum error_code code = models_insert(connection, model, head->name, error);
  if (code != ERROR_NONE) return code;
  struct query query;
  query_start(&query, connection, "UPDATE jobs SET model_id = ?2 WHERE number = ?1", error);
  query_bind_int(&query, head->number);
  query_bind_text(&query, model->id);
  return query_run(&query);
}

static void bind_progress(struct query *query, const struct job_progress *progress) {
  if (!progress) {
    for (int i = 0; i < 6; i++) query_bind_null(query);
    return;
  }
  query_bind_uint(query, progress->epoch);
  query_bind_uint(query, progress->epochs);
  query_bind_uint(query, progress->step);
  query_bind_uint(query, progress->steps);
  query_bind_uint(query, progress->samples);
  query_bind_int(query, progress->training_ms);
}

static void bind_unless(struct query *query, bool is_unchanged, int64_t value) {
  if (is_unchanged)
    query_bind_null(query);
  else
    query_bind_int(query, value);
}

/* Everything that is one column; NULL leaves it as it is. */
static enum error_code set_columns(struct connection *connection, const struct job_head *head, const struct job_update *update,
                                   struct error *error) {
  struct query query;
  query_start(&query, connection,
              "UPDATE jobs SET last_event = ?2, last_metrics_step = ?3, state = coalesce(?4, state), priority = coalesce(?5, priority),"
              " started_ms = coalesce(?6, started_ms), finished_ms = coalesce(?7, finished_ms), epoch = coalesce(?8, epoch),"
              " epochs = coalesce(?9, epochs), step = coalesce(?10, step), steps = coalesce(?11, steps), samples = coalesce(?12, samples),"
              " training_ms = coalesce(?13, training_ms), stop_reason = coalesce(?14, stop_reason), name = coalesce(?15, name),"
              " latest = coalesce(?16, latest), best = coalesce(?17, best), test = coalesce(?18, test), error = coalesce(?19, error),"
              " kernels = coalesce(?20, kernels), weights_sha256 = coalesce(?21, weights_sha256),"
              " precision = coalesce(?22, precision), diagnosis = coalesce(?23, diagnosis) WHERE number = ?1",
              error);
  query_bind_int(&query, head->number);
  query_bind_uint(&query, head->log.last_event);
  query_bind_uint(&query, head->log.last_metrics_step);
  bind_unless(&query, !update->sets_state, update->state);
  bind_unless(&query, !update->priority, update->priority ? *update->priority : 0);
  bind_unless(&query, update->started_ms == 0, update->started_ms);
  bind_unless(&query, update->finished_ms == 0, update->finished_ms);
  bind_progress(&query, update->progress);
  query_bind_text(&query, update->stop_reason);
  query_bind_text(&query, update->name);
  query_bind_text(&query, update->latest_json);
  query_bind_text(&query, update->best_json);
  query_bind_text(&query, update->test_json);
  query_bind_text(&query, update->error_json);
  query_bind_text(&query, update->kernels);
  query_bind_text(&query, update->weights_sha256);
  query_bind_text(&query, update->precision);
  query_bind_text(&query, update->diagnosis_json);
  return query_run(&query);
}

static enum error_code apply(struct store *store, struct connection *connection, const struct job_update *update, struct error *error) {
  struct job_head head;
  enum error_code code = read_head(connection, update->job_id, &head, error);
  if (code == ERROR_NONE) code = check_state(&head, update->expected_states, error);
  if (code == ERROR_NONE && update->name) code = resource_check_name(connection, &jobs_resource, update->name, head.number, error);
  for (size_t i = 0; i < update->event_count && code == ERROR_NONE; i++)
    code = events_append(connection, &head.log, &update->events[i], error);
  if (code == ERROR_NONE && update->checkpoint_blob && *update->checkpoint_blob != head.checkpoint_blob) {
    code = set_checkpoint(connection, &head, update, error);
    if (code == ERROR_NONE && head.checkpoint_blob != 0) code = blobs_drop(store, connection, head.checkpoint_blob, error);
  }
  if (code == ERROR_NONE && update->model) code = set_model(connection, &head, update, error);
  return code == ERROR_NONE ? set_columns(connection, &head, update, error) : code;
}

enum error_code jobs_commit(struct store *store, const struct job_update *updates, size_t update_count, struct error *error) {
  struct connection *connection;
  enum error_code code = write_begin(store, &connection, error);
  if (code != ERROR_NONE) return code;
  for (size_t i = 0; i < update_count && code == ERROR_NONE; i++) code = apply(store, connection, &updates[i], error);
  return write_end(store, code, error);
}
