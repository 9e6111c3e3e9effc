/* Table jobs: rows as they are inserted, read, listed and deleted. What changes a job in between is in job_updates.c. */
#include "server/store/jobs.h"

#include <stdlib.h>
#include <string.h>

#include "server/store/private.h"

const char *const job_state_names[JOB_STATE_COUNT] = {"queued",     "running",   "pausing",   "paused",
                                                      "cancelling", "cancelled", "succeeded", "failed"};

enum {
  EVENTS_AT_ONCE = 10000, /* deleted in the job's own transaction; more go in portions after it */
  DELETABLE_STATES = (1u << JOB_QUEUED) | (1u << JOB_PAUSED) | (1u << JOB_CANCELLED) | (1u << JOB_SUCCEEDED) | (1u << JOB_FAILED)
};

#define JOB_COLUMNS                                                                                                                        \
  "id, name, state, stop_reason, priority, dataset_id, test_dataset_id, memory_bytes, epoch, epochs, step, steps, samples, training_ms,"   \
  " latest, best, test, error, diagnosis, start, kernels, precision, weights_sha256, model_id, coalesce(checkpoint_blob, 0), last_event, " \
  "last_metrics_step,"                                                                                                                     \
  " created_ms, started_ms, finished_ms"

void job_row_deinit(struct job_row *row) {
  if (!row) return;
  free(row->spec_json);
  free(row->network_json);
  free(row->start_json);
  free(row->latest_json);
  free(row->best_json);
  free(row->test_json);
  free(row->error_json);
  free(row->diagnosis_json);
  free(row->position);
  *row = (struct job_row){0};
}

static void deinit_listed(void *row) { job_row_deinit(row); }

/* ---- reading ---- */

static void read_progress(struct query *query, struct job_progress *progress) {
  progress->epoch = query_get_uint(query);
  progress->epochs = query_get_uint(query);
  progress->step = query_get_uint(query);
  progress->steps = query_get_uint(query);
  progress->samples = query_get_uint(query);
  progress->training_ms = query_get_int(query);
}

/* The columns of JOB_COLUMNS. */
static void read_row(struct query *query, void *out_row) {
  struct job_row *row = out_row;
  query_get_text(query, row->id, sizeof row->id);
  query_get_text(query, row->name, sizeof row->name);
  row->state = (enum job_state)query_get_int(query);
  query_get_text(query, row->stop_reason, sizeof row->stop_reason);
  row->priority = query_get_int(query);
  query_get_text(query, row->dataset_id, sizeof row->dataset_id);
  query_get_text(query, row->test_dataset_id, sizeof row->test_dataset_id);
  row->memory_bytes = query_get_uint(query);
  read_progress(query, &row->progress);
  row->latest_json = query_take_text(query);
  row->best_json = query_take_text(query);
  row->test_json = query_take_text(query);
  row->error_json = query_take_text(query);
  row->diagnosis_json = query_take_text(query);
  row->start_json = query_take_text(query);
  query_get_text(query, row->kernels, sizeof row->kernels);
  query_get_text(query, row->precision, sizeof row->precision);
  query_get_text(query, row->weights_sha256, sizeof row->weights_sha256);
  query_get_text(query, row->model_id, sizeof row->model_id);
  row->checkpoint_blob = query_get_int(query);
  row->last_event = query_get_uint(query);
  row->last_metrics_step = query_get_uint(query);
  row->created_ms = query_get_int(query);
  row->started_ms = query_get_int(query);
  row->finished_ms = query_get_int(query);
}

enum error_code jobs_get(struct store *store, const char *id_or_name, struct job_row *out_row, struct error *error) {
  *out_row = (struct job_row){0};
  struct connection *connection;
  enum error_code code = read_begin(store, &connection, error);
  if (code != ERROR_NONE) return code;
  int64_t number;
  code = resource_find(connection, &jobs_resource, id_or_name, &number, error);
  if (code == ERROR_NONE) {
    struct query query;
    query_start(&query, connection, "SELECT " JOB_COLUMNS ", spec, network, position FROM jobs WHERE number = ?1", error);
    query_bind_int(&query, number);
    if (query_step(&query)) {
      read_row(&query, out_row);
      out_row->spec_json = query_take_text(&query);
      out_row->network_json = query_take_text(&query);
      out_row->position = query_take_bytes(&query, &out_row->position_bytes);
    }
    code = query_finish(&query);
  }
  read_end(store, connection);
  if (code != ERROR_NONE) job_row_deinit(out_row);
  return code;
}

enum error_code jobs_list(struct store *store, const struct store_page *page, unsigned states, struct job_row **out_rows, size_t *out_count,
                          char out_next_cursor[STORE_CURSOR_BYTES], struct error *error) {
  const struct listing listing = {
      .sql = "SELECT number, " JOB_COLUMNS " FROM jobs WHERE number < ?1 AND (?3 >> state) & 1 ORDER BY number DESC LIMIT ?2",
      .has_filter = true,
      .filter = states == 0 ? -1 : (int64_t)states,
      .row_bytes = sizeof(struct job_row),
      .read = read_row,
      .deinit = deinit_listed,
  };
  void *rows;
  enum error_code code = list_rows(store, &listing, page, &rows, out_count, out_next_cursor, error);
  *out_rows = rows;
  return code;
}

/* ---- the queue ---- */

static enum error_code count_queued(struct connection *connection, size_t *out_count, struct error *error) {
  struct query query;
  query_start(&query, connection, "SELECT count(*) FROM jobs WHERE state = 0", error);
  *out_count = query_step(&query) ? (size_t)query_get_uint(&query) : 0;
  return query_finish(&query);
}

static enum error_code read_queue(struct connection *connection, char (*ids)[STORE_ID_BYTES], uint64_t *memory_bytes, size_t count,
                                  struct error *error) {
  struct query query;
  query_start(&query, connection, "SELECT id, memory_bytes FROM jobs WHERE state = 0 ORDER BY priority DESC, number", error);
  for (size_t i = 0; i < count && query_step(&query); i++) {
    query_get_text(&query, ids[i], STORE_ID_BYTES);
    memory_bytes[i] = query_get_uint(&query);
  }
  return query_finish(&query);
}

enum error_code jobs_list_queue(struct store *store, char (**out_ids)[STORE_ID_BYTES], uint64_t **out_memory_bytes, size_t *out_count,
                                struct error *error) {
  *out_ids = NULL;
  *out_memory_bytes = NULL;
  *out_count = 0;
  struct connection *connection;
  size_t count = 0;
  enum error_code code = read_begin(store, &connection, error);
  if (code != ERROR_NONE) return code;
  code = count_queued(connection, &count, error);
  char(*ids)[STORE_ID_BYTES] = calloc(count + 1, sizeof *ids);
  uint64_t *memory_bytes = calloc(count + 1, sizeof *memory_bytes);
  if (code == ERROR_NONE && (!ids || !memory_bytes)) code = error_set(error, ERROR_OUT_OF_MEMORY, "no memory for the queue");
  if (code == ERROR_NONE) code = read_queue(connection, ids, memory_bytes, count, error);
  read_end(store, connection);
  if (code != ERROR_NONE) {
    free(ids);
    free(memory_bytes);
    return code;
  }
  *out_ids = ids;
  *out_memory_bytes = memory_bytes;
  *out_count = count;
  return ERROR_NONE;
}

enum error_code jobs_get_queue_position(struct store *store, const char *id, size_t *out_position, struct error *error) {
  *out_position = 0;
  struct connection *connection;
  enum error_code code = read_begin(store, &connection, error);
  if (code != ERROR_NONE) return code;
  int64_t number;
  code = resource_find(connection, &jobs_resource, id, &number, error);
  if (code == ERROR_NONE) {
    struct query query;
    query_start(&query, connection,
                "SELECT count(*) FROM jobs AS own JOIN jobs AS other ON other.state = 0 AND (other.priority > own.priority"
                " OR (other.priority = own.priority AND other.number <= own.number)) WHERE own.number = ?1 AND own.state = 0",
                error);
    query_bind_int(&query, number);
    if (query_step(&query)) *out_position = (size_t)query_get_uint(&query);
    code = query_finish(&query);
  }
  read_end(store, connection);
  return code;
}

enum error_code jobs_count(struct store *store, uint64_t out_counts[JOB_STATE_COUNT], struct error *error) {
  for (size_t i = 0; i < JOB_STATE_COUNT; i++) out_counts[i] = 0;
  struct connection *connection;
  enum error_code code = read_begin(store, &connection, error);
  if (code != ERROR_NONE) return code;
  struct query query;
  query_start(&query, connection, "SELECT state, count(*) FROM jobs GROUP BY state", error);
  while (query_step(&query)) {
    int64_t state = query_get_int(&query);
    out_counts[state] = query_get_uint(&query);
  }
  code = query_finish(&query);
  read_end(store, connection);
  return code;
}

/* ---- inserting ---- */

/* A job can't be for a dataset that was deleted since its request was checked. */
static enum error_code check_dataset(struct connection *connection, const char *id, struct error *error) {
  int64_t number;
  return id[0] == '\0' ? ERROR_NONE : resource_find(connection, &datasets_resource, id, &number, error);
}

static enum error_code insert_row(struct connection *connection, const struct job_row *row, struct error *error) {
  struct query query;
  query_start(&query, connection,
              "INSERT INTO jobs (id, name, state, priority, spec, network, dataset_id, test_dataset_id, memory_bytes, epoch, epochs, step,"
              " steps, samples, training_ms, kernels, created_ms, start)"
              " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
              error);
  query_bind_text(&query, row->id);
  query_bind_text(&query, row->name);
  query_bind_int(&query, row->state);
  query_bind_int(&query, row->priority);
  query_bind_text(&query, row->spec_json);
  query_bind_text(&query, row->network_json);
  query_bind_text(&query, row->dataset_id);
  query_bind_text(&query, row->test_dataset_id);
  query_bind_uint(&query, row->memory_bytes);
  query_bind_uint(&query, row->progress.epoch);
  query_bind_uint(&query, row->progress.epochs);
  query_bind_uint(&query, row->progress.step);
  query_bind_uint(&query, row->progress.steps);
  query_bind_uint(&query, row->progress.samples);
  query_bind_int(&query, row->progress.training_ms);
  query_bind_text(&query, row->kernels);
  query_bind_int(&query, row->created_ms);
  query_bind_text(&query, row->start_json);
  return query_run(&query);
}

static enum error_code append_first_event(struct connection *connection, struct job_row *row, const char *data, struct error *error) {
  struct event_log log = {.job = sqlite3_last_insert_rowid(connection->db)};
  struct event_row event = {.kind = EVENT_STATE, .at_ms = row->created_ms, .data = strdup(data ? data : "")};
  if (!event.data) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for a job's first event");
  enum error_code code = events_append(connection, &log, &event, error);
  event_row_deinit(&event);
  if (code != ERROR_NONE) return code;
  struct query query;
  query_start(&query, connection, "UPDATE jobs SET last_event = ?2 WHERE number = ?1", error);
  query_bind_int(&query, log.job);
  query_bind_uint(&query, log.last_event);
  row->last_event = log.last_event;
  return query_run(&query);
}

static enum error_code insert(struct connection *connection, struct job_row *row, const char *event_data, struct error *error) {
  row->state = JOB_QUEUED;
  enum error_code code = check_dataset(connection, row->dataset_id, error);
  if (code == ERROR_NONE) code = check_dataset(connection, row->test_dataset_id, error);
  if (code == ERROR_NONE) code = resource_name(connection, &jobs_resource, row->id, row->name, error);
  if (code != ERROR_NONE) return code;
  row->created_ms = store_now_ms();
  code = insert_row(connection, row, error);
  return code == ERROR_NONE ? append_first_event(connection, row, event_data, error) : code;
}

enum error_code jobs_insert(struct store *store, struct job_row *row, const char *event_data, struct error *error) {
  struct connection *connection;
  enum error_code code = write_begin(store, &connection, error);
  if (code != ERROR_NONE) return code;
  return write_end(store, insert(connection, row, event_data, error), error);
}

/* ---- deleting ---- */

static enum error_code delete_events(struct store *store, struct connection *connection, int64_t job, uint64_t last_event,
                                     struct error *error) {
  if (last_event > EVENTS_AT_ONCE) return leftovers_add(store, connection, LEFTOVER_EVENTS, job, "", error);
  struct query query;
  query_start(&query, connection, "DELETE FROM events WHERE job = ?1", error);
  query_bind_int(&query, job);
  return query_run(&query);
}

/* Deletes the row if its state allows it; tells what hung on it. */
static enum error_code delete_row(struct connection *connection, int64_t number, int64_t *out_blob, uint64_t *out_last_event,
                                  struct error *error) {
  struct query query;
  query_start(&query, connection, "SELECT name, state, coalesce(checkpoint_blob, 0), last_event FROM jobs WHERE number = ?1", error);
  query_bind_int(&query, number);
  if (query_step(&query)) {
    char name[LIMIT_NAME_BYTES + 1];
    query_get_text(&query, name, sizeof name);
    int64_t state = query_get_int(&query);
    *out_blob = query_get_int(&query);
    *out_last_event = query_get_uint(&query);
    if (!(DELETABLE_STATES >> state & 1))
      query_fail(&query,
                 error_set(error, ERROR_CONFLICT, "the job \"%s\" is %s; cancel it before deleting it", name, job_state_names[state]));
  }
  enum error_code code = query_finish(&query);
  if (code != ERROR_NONE) return code;
  query_start(&query, connection, "DELETE FROM jobs WHERE number = ?1", error);
  query_bind_int(&query, number);
  return query_run(&query);
}

static enum error_code delete_found(struct store *store, struct connection *connection, const char *id_or_name, struct error *error) {
  int64_t number, blob = 0;
  uint64_t last_event = 0;
  enum error_code code = resource_find(connection, &jobs_resource, id_or_name, &number, error);
  if (code == ERROR_NONE) code = delete_row(connection, number, &blob, &last_event, error);
  if (code == ERROR_NONE) code = delete_events(store, connection, number, last_event, error);
  if (code == ERROR_NONE && blob != 0) code = blobs_drop(store, connection, blob, error);
  return code;
}

enum error_code jobs_delete(struct store *store, const char *id_or_name, struct error *error) {
  struct connection *connection;
  enum error_code code = write_begin(store, &connection, error);
  if (code != ERROR_NONE) return code;
  return write_end(store, delete_found(store, connection, id_or_name, error), error);
}
