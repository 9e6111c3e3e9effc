/* Table networks. */
#include "server/store/networks.h"

#include <stdlib.h>

#include "server/store/private.h"

#define NETWORK_COLUMNS "id, name, created_ms, spec"

void network_row_deinit(struct network_row *row) {
  if (!row) return;
  free(row->spec_json);
  *row = (struct network_row){0};
}

static void deinit_listed(void *row) { network_row_deinit(row); }

static void read_row(struct query *query, void *out_row) {
  struct network_row *row = out_row;
  query_get_text(query, row->id, sizeof row->id);
  query_get_text(query, row->name, sizeof row->name);
  row->created_ms = query_get_int(query);
  row->spec_json = query_take_text(query);
}

static enum error_code insert(struct connection *connection, struct network_row *row, struct error *error) {
  enum error_code code = resource_name(connection, &networks_resource, row->id, row->name, error);
  if (code != ERROR_NONE) return code;
  row->created_ms = store_now_ms();
  struct query query;
  query_start(&query, connection, "INSERT INTO networks (id, name, spec, created_ms) VALUES (?1, ?2, ?3, ?4)", error);
  query_bind_text(&query, row->id);
  query_bind_text(&query, row->name);
  query_bind_text(&query, row->spec_json);
  query_bind_int(&query, row->created_ms);
  return query_run(&query);
}

enum error_code networks_insert(struct store *store, struct network_row *row, struct error *error) {
  struct connection *connection;
  enum error_code code = write_begin(store, &connection, error);
  if (code != ERROR_NONE) return code;
  return write_end(store, insert(connection, row, error), error);
}

enum error_code networks_get(struct store *store, const char *id_or_name, struct network_row *out_row, struct error *error) {
  *out_row = (struct network_row){0};
  struct connection *connection;
  enum error_code code = read_begin(store, &connection, error);
  if (code != ERROR_NONE) return code;
  int64_t number;
  code = resource_find(connection, &networks_resource, id_or_name, &number, error);
  if (code == ERROR_NONE) {
    struct query query;
    query_start(&query, connection, "SELECT " NETWORK_COLUMNS " FROM networks WHERE number = ?1", error);
    query_bind_int(&query, number);
    if (query_step(&query)) read_row(&query, out_row);
    code = query_finish(&query);
  }
  read_end(store, connection);
  if (code != ERROR_NONE) network_row_deinit(out_row);
  return code;
}

static enum error_code delete_found(struct connection *connection, const char *id_or_name, struct error *error) {
  int64_t number;
  enum error_code code = resource_find(connection, &networks_resource, id_or_name, &number, error);
  if (code != ERROR_NONE) return code;
  struct query query;
  query_start(&query, connection, "DELETE FROM networks WHERE number = ?1", error);
  query_bind_int(&query, number);
  return query_run(&query);
}

enum error_code networks_delete(struct store *store, const char *id_or_name, struct error *error) {
  struct connection *connection;
  enum error_code code = write_begin(store, &connection, error);
  if (code != ERROR_NONE) return code;
  return write_end(store, delete_found(connection, id_or_name, error), error);
}

enum error_code networks_list(struct store *store, const struct store_page *page, struct network_row **out_rows, size_t *out_count,
                              char out_next_cursor[STORE_CURSOR_BYTES], struct error *error) {
  static const struct listing listing = {
      .sql = "SELECT number, " NETWORK_COLUMNS " FROM networks WHERE number < ?1 ORDER BY number DESC LIMIT ?2",
      .row_bytes = sizeof(struct network_row),
      .read = read_row,
      .deinit = deinit_listed,
  };
  void *rows;
  enum error_code code = list_rows(store, &listing, page, &rows, out_count, out_next_cursor, error);
  *out_rows = rows;
  return code;
}
