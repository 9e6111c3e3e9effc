/* Table idempotency. A row older than a day no longer counts; the next insertion removes it. */
#include "server/store/idempotency.h"

#include <stdlib.h>

#include "server/store/private.h"

enum { IDEMPOTENCY_MS = 24 * 60 * 60 * 1000 };

void idempotency_row_deinit(struct idempotency_row *row) {
  if (!row) return;
  free(row->key);
  free(row->location);
  free(row->body);
  *row = (struct idempotency_row){0};
}

enum error_code idempotency_get(struct store *store, const char *key, struct idempotency_row *out_row, struct error *error) {
  *out_row = (struct idempotency_row){0};
  struct connection *connection;
  enum error_code code = read_begin(store, &connection, error);
  if (code != ERROR_NONE) return code;
  struct query query;
  query_start(&query, connection, "SELECT key, body_sha256, status, location, body FROM idempotency WHERE key = ?1 AND created_ms > ?2",
              error);
  query_bind_text(&query, key);
  query_bind_int(&query, store_now_ms() - IDEMPOTENCY_MS);
  bool is_found = query_step(&query);
  if (is_found) {
    out_row->key = query_take_text(&query);
    query_get_text(&query, out_row->body_sha256, sizeof out_row->body_sha256);
    out_row->status = (int)query_get_int(&query);
    out_row->location = query_take_text(&query);
    out_row->body = query_take_text(&query);
  }
  code = query_finish(&query);
  read_end(store, connection);
  if (code == ERROR_NONE && !is_found) code = error_set(error, ERROR_NOT_FOUND, "no request had this idempotency key");
  if (code != ERROR_NONE) idempotency_row_deinit(out_row);
  return code;
}

static enum error_code purge(struct connection *connection, int64_t now_ms, struct error *error) {
  struct query query;
  query_start(&query, connection, "DELETE FROM idempotency WHERE created_ms <= ?1", error);
  query_bind_int(&query, now_ms - IDEMPOTENCY_MS);
  return query_run(&query);
}

static enum error_code insert(struct connection *connection, const struct idempotency_row *row, struct error *error) {
  int64_t now_ms = store_now_ms();
  enum error_code code = purge(connection, now_ms, error);
  if (code != ERROR_NONE) return code;
  struct query query;
  query_start(&query, connection,
              "INSERT INTO idempotency (key, body_sha256, status, location, body, created_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)", error);
  query_bind_text(&query, row->key);
  query_bind_text(&query, row->body_sha256);
  query_bind_int(&query, row->status);
  query_bind_text(&query, row->location);
  query_bind_text(&query, row->body ? row->body : "");
  query_bind_int(&query, now_ms);
  code = query_run(&query);
  if (code == ERROR_CONFLICT) return error_set(error, ERROR_CONFLICT, "another request has this idempotency key");
  return code;
}

enum error_code idempotency_insert(struct store *store, const struct idempotency_row *row, struct error *error) {
  struct connection *connection;
  enum error_code code = write_begin(store, &connection, error);
  if (code != ERROR_NONE) return code;
  return write_end(store, insert(connection, row, error), error);
}
