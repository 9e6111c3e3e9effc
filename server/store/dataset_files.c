/* Which datasets came of the same upload. */
#include "server/store/datasets.h"
#include "server/store/private.h"

size_t datasets_find_same(struct store *store, const struct dataset_row *row, size_t count_max, struct dataset_files *out_files) {
  struct connection *connection;
  struct error error = {0};
  if (read_begin(store, &connection, &error) != ERROR_NONE) return 0;
  struct query query;
  query_start(&query, connection,
              "SELECT file, tensor_file FROM datasets WHERE sha256 = ?1 AND id <> ?2 AND (tensor_file = '') = (?3 = '')"
              " ORDER BY number DESC LIMIT ?4",
              &error);
  query_bind_text(&query, row->sha256);
  query_bind_text(&query, row->id);
  query_bind_text(&query, row->tensor_file);
  query_bind_uint(&query, count_max);
  size_t count = 0;
  while (query_step(&query) && count < count_max) {
    query_get_text(&query, out_files[count].file, sizeof out_files[count].file);
    query_get_text(&query, out_files[count].tensor_file, sizeof out_files[count].tensor_file);
    count++;
  }
  const enum error_code code = query_finish(&query);
  read_end(store, connection);
  return code == ERROR_NONE ? count : 0;
}
