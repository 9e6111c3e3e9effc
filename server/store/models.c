/* Table models. A model is inserted by the job that trained it (jobs.c), in the transaction that ends the job. */
#include "server/store/models.h"

#include <stdlib.h>

#include "server/store/jobs.h"
#include "server/store/private.h"

#define MODEL_COLUMNS                                                                                                                      \
  "id, name, job_id, network, preprocessing, job_spec, metrics, weights_blob, parameter_count, buffer_count, weights_sha256, created_ms"

void model_row_deinit(struct model_row *row) {
  if (!row) return;
  free(row->network_json);
  free(row->preprocessing_json);
  free(row->job_spec_json);
  free(row->metrics_json);
  *row = (struct model_row){0};
}

static void deinit_listed(void *row) { model_row_deinit(row); }

static void read_row(struct query *query, void *out_row) {
  struct model_row *row = out_row;
  query_get_text(query, row->id, sizeof row->id);
  query_get_text(query, row->name, sizeof row->name);
  query_get_text(query, row->job_id, sizeof row->job_id);
  row->network_json = query_take_text(query);
  row->preprocessing_json = query_take_text(query);
  row->job_spec_json = query_take_text(query);
  row->metrics_json = query_take_text(query);
  row->weights_blob = query_get_int(query);
  row->parameter_count = query_get_uint(query);
  row->buffer_count = query_get_uint(query);
  query_get_text(query, row->weights_sha256, sizeof row->weights_sha256);
  row->created_ms = query_get_int(query);
}

static const char *or_empty_object(const char *json) { return json ? json : "{}"; }

enum error_code models_insert(struct connection *connection, struct model_row *row, const char *base_name, struct error *error) {
  enum error_code code = blobs_check(connection, row->weights_blob, error);
  if (code != ERROR_NONE) return code;
  if (row->id[0] == '\0') store_make_id(models_resource.id_prefix, row->id);
  code = resource_make_name(connection, &models_resource, row->name[0] ? row->name : base_name, row->name, error);
  if (code != ERROR_NONE) return code;
  if (row->created_ms == 0) row->created_ms = store_now_ms();
  struct query query;
  query_start(&query, connection, "INSERT INTO models (" MODEL_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
              error);
  query_bind_text(&query, row->id);
  query_bind_text(&query, row->name);
  query_bind_text(&query, row->job_id);
  query_bind_text(&query, or_empty_object(row->network_json));
  query_bind_text(&query, or_empty_object(row->preprocessing_json));
  query_bind_text(&query, or_empty_object(row->job_spec_json));
  query_bind_text(&query, or_empty_object(row->metrics_json));
  query_bind_int(&query, row->weights_blob);
  query_bind_uint(&query, row->parameter_count);
  query_bind_uint(&query, row->buffer_count);
  query_bind_text(&query, row->weights_sha256);
  query_bind_int(&query, row->created_ms);
  return query_run(&query);
}

enum error_code models_get(struct store *store, const char *id_or_name, struct model_row *out_row, struct error *error) {
  *out_row = (struct model_row){0};
  struct connection *connection;
  enum error_code code = read_begin(store, &connection, error);
  if (code != ERROR_NONE) return code;
  int64_t number;
  code = resource_find(connection, &models_resource, id_or_name, &number, error);
  if (code == ERROR_NONE) {
    struct query query;
    query_start(&query, connection, "SELECT " MODEL_COLUMNS " FROM models WHERE number = ?1", error);
    query_bind_int(&query, number);
    if (query_step(&query)) read_row(&query, out_row);
    code = query_finish(&query);
  }
  read_end(store, connection);
  if (code != ERROR_NONE) model_row_deinit(out_row);
  return code;
}

/* A job that is to start from a model, or might have to start again, needs it until it has ended. */
static enum error_code check_unused(struct connection *connection, int64_t number, struct error *error) {
  struct query query;
  query_start(&query, connection,
              "SELECT jobs.name FROM jobs, models WHERE models.number = ?1 AND (1 << jobs.state) & ?2 AND "
              "json_extract(jobs.spec, '$.init_from') = models.id LIMIT 1",
              error);
  query_bind_int(&query, number);
  query_bind_int(&query, JOB_STATES_UNFINISHED);
  char job[LIMIT_NAME_BYTES + 1] = "";
  while (query_step(&query)) query_get_text(&query, job, sizeof job);
  enum error_code code = query_finish(&query);
  if (code == ERROR_NONE && job[0] != '\0')
    code = error_set(error, ERROR_CONFLICT, "the job \"%s\" starts from this model and has not ended yet", job);
  return code;
}

static enum error_code delete_found(struct store *store, struct connection *connection, const char *id_or_name, struct error *error) {
  int64_t number;
  enum error_code code = resource_find(connection, &models_resource, id_or_name, &number, error);
  if (code == ERROR_NONE) code = check_unused(connection, number, error);
  if (code != ERROR_NONE) return code;
  struct query query;
  query_start(&query, connection, "DELETE FROM models WHERE number = ?1 RETURNING weights_blob", error);
  query_bind_int(&query, number);
  int64_t blob = 0;
  while (query_step(&query)) blob = query_get_int(&query);
  code = query_finish(&query);
  return code == ERROR_NONE ? blobs_drop(store, connection, blob, error) : code;
}

enum error_code models_delete(struct store *store, const char *id_or_name, struct error *error) {
  struct connection *connection;
  enum error_code code = write_begin(store, &connection, error);
  if (code != ERROR_NONE) return code;
  return write_end(store, delete_found(store, connection, id_or_name, error), error);
}

enum error_code models_list(struct store *store, const struct store_page *page, struct model_row **out_rows, size_t *out_count,
                            char out_next_cursor[STORE_CURSOR_BYTES], struct error *error) {
  static const struct listing listing = {
      .sql = "SELECT number, " MODEL_COLUMNS " FROM models WHERE number < ?1 ORDER BY number DESC LIMIT ?2",
      .row_bytes = sizeof(struct model_row),
      .read = read_row,
      .deinit = deinit_listed,
  };
  void *rows;
  enum error_code code = list_rows(store, &listing, page, &rows, out_count, out_next_cursor, error);
  *out_rows = rows;
  return code;
}
