/* Tables datasets, dataset_columns, dataset_categories, dataset_bad_rows. The files themselves are data/'s; here they are only removed,
 * when their row is gone. */
#include "server/store/datasets.h"

#include <stdlib.h>
#include <string.h>

#include "server/store/jobs.h"
#include "server/store/private.h"

const char *const column_kind_names[7] = {"numeric", "categorical", "text", "image", "datetime", "sequence", NULL};
const char *const tensor_element_names[3] = {"uint8", "float32", NULL};

#define DATASET_COLUMNS                                                                                                                    \
  "id, name, file, sha256, bytes, rows, delimiter, has_header, bad_row_count, index_stride, created_ms, tensor_file, record_bytes,"        \
  " table_bytes"

size_t dataset_column_count_elements(const struct dataset_column *column) {
  size_t count = column->rank > 0;
  for (size_t i = 0; i < column->rank; i++) count *= column->sizes[i];
  return count;
}

static void column_deinit(struct dataset_column *column) {
  free(column->name);
  free(column->first_word);
  for (size_t i = 0; i < column->category_count; i++) free(column->categories[i].value);
  free(column->categories);
}

void dataset_row_deinit(struct dataset_row *row) {
  if (!row) return;
  for (size_t i = 0; i < row->column_count; i++) column_deinit(&row->columns[i]);
  for (size_t i = 0; i < row->bad_rows_kept; i++) free(row->bad_rows[i].reason);
  free(row->columns);
  free(row->bad_rows);
  free(row->index);
  *row = (struct dataset_row){0};
}

/* ---- writing ---- */

/* The index as it is stored: little-endian, whatever the machine. Freed by the caller; NULL without memory. */
static unsigned char *encode_index(const uint64_t *index, size_t count) {
  unsigned char *bytes = malloc(count * 8 + 1);
  for (size_t i = 0; bytes && i < count * 8; i++) bytes[i] = (unsigned char)(index[i / 8] >> (i % 8 * 8));
  return bytes;
}

static enum error_code insert_head(struct connection *connection, const struct dataset_row *row, int64_t *out_number, struct error *error) {
  unsigned char *index = encode_index(row->index, row->index_count);
  if (!index) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for the row index");
  struct query query;
  query_start(&query, connection,
              "INSERT INTO datasets (" DATASET_COLUMNS ", row_index) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,"
              " ?14, ?15)",
              error);
  query_bind_text(&query, row->id);
  query_bind_text(&query, row->name);
  query_bind_text(&query, row->file);
  query_bind_text(&query, row->sha256);
  query_bind_uint(&query, row->bytes);
  query_bind_uint(&query, row->rows);
  query_bind_int(&query, row->delimiter);
  query_bind_int(&query, row->has_header);
  query_bind_uint(&query, row->bad_row_count);
  query_bind_uint(&query, row->index_stride);
  query_bind_int(&query, row->created_ms);
  query_bind_text(&query, row->tensor_file);
  query_bind_uint(&query, row->record_bytes);
  query_bind_uint(&query, row->table_bytes);
  query_bind_bytes(&query, index, row->index_count * 8);
  enum error_code code = query_run(&query);
  *out_number = sqlite3_last_insert_rowid(connection->db);
  free(index);
  return code;
}

static enum error_code insert_categories(struct connection *connection, int64_t dataset, size_t position,
                                         const struct dataset_column *column, struct error *error) {
  enum error_code code = ERROR_NONE;
  for (size_t i = 0; i < column->category_count && code == ERROR_NONE; i++) {
    struct query query;
    query_start(&query, connection,
                "INSERT INTO dataset_categories (dataset, column_position, position, value, count) VALUES (?1, ?2, ?3, ?4, ?5)", error);
    query_bind_int(&query, dataset);
    query_bind_uint(&query, position);
    query_bind_uint(&query, i);
    query_bind_text(&query, column->categories[i].value);
    query_bind_uint(&query, column->categories[i].count);
    code = query_run(&query);
  }
  return code;
}

static enum error_code insert_column(struct connection *connection, int64_t dataset, size_t position, const struct dataset_column *column,
                                     struct error *error) {
  struct query query;
  query_start(&query, connection,
              "INSERT INTO dataset_columns (dataset, position, name, kind, can_be_numeric, is_integral, missing, min, max, mean, std,"
              " has_categories, datetime_form, rank, size_0, size_1, size_2, element, says_part, first_word, first_word_line,"
              " list_shortest, list_longest)"
              " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23)",
              error);
  query_bind_int(&query, dataset);
  query_bind_uint(&query, position);
  query_bind_text(&query, column->name);
  query_bind_int(&query, column->kind);
  query_bind_int(&query, column->can_be_numeric);
  query_bind_int(&query, column->is_integral);
  query_bind_uint(&query, column->missing);
  query_bind_real(&query, column->min);
  query_bind_real(&query, column->max);
  query_bind_real(&query, column->mean);
  query_bind_real(&query, column->std);
  query_bind_int(&query, column->has_categories);
  query_bind_int(&query, column->datetime_form);
  query_bind_uint(&query, column->rank);
  for (size_t i = 0; i < COLUMN_RANK_MAX; i++) query_bind_uint(&query, column->sizes[i]);
  query_bind_int(&query, column->element);
  query_bind_int(&query, column->says_part);
  query_bind_text(&query, column->first_word);
  query_bind_uint(&query, column->first_word_line);
  query_bind_uint(&query, column->list_shortest);
  query_bind_uint(&query, column->list_longest);
  enum error_code code = query_run(&query);
  return code == ERROR_NONE ? insert_categories(connection, dataset, position, column, error) : code;
}

static enum error_code insert_bad_row(struct connection *connection, int64_t dataset, size_t position, const struct bad_row *bad_row,
                                      struct error *error) {
  struct query query;
  query_start(&query, connection, "INSERT INTO dataset_bad_rows (dataset, position, line, reason) VALUES (?1, ?2, ?3, ?4)", error);
  query_bind_int(&query, dataset);
  query_bind_uint(&query, position);
  query_bind_uint(&query, bad_row->line);
  query_bind_text(&query, bad_row->reason ? bad_row->reason : "");
  return query_run(&query);
}

static enum error_code insert(struct connection *connection, struct dataset_row *row, struct error *error) {
  int64_t number = 0;
  enum error_code code = resource_name(connection, &datasets_resource, row->id, row->name, error);
  if (code != ERROR_NONE) return code;
  row->created_ms = store_now_ms();
  code = insert_head(connection, row, &number, error);
  for (size_t i = 0; i < row->column_count && code == ERROR_NONE; i++) code = insert_column(connection, number, i, &row->columns[i], error);
  for (size_t i = 0; i < row->bad_rows_kept && code == ERROR_NONE; i++)
    code = insert_bad_row(connection, number, i, &row->bad_rows[i], error);
  return code;
}

enum error_code datasets_insert(struct store *store, struct dataset_row *row, struct error *error) {
  struct connection *connection;
  enum error_code code = write_begin(store, &connection, error);
  if (code != ERROR_NONE) return code;
  return write_end(store, insert(connection, row, error), error);
}

/* ---- reading ---- */

/* The array with room for one more element, zeroed; it grows by doubling. NULL without memory: then the old one still stands. */
static void *grow(void *array, size_t count, size_t element_bytes) {
  bool is_full = count == 0 || (count & (count - 1)) == 0;
  char *grown = is_full ? realloc(array, (count == 0 ? 1 : count * 2) * element_bytes) : array;
  if (grown) memset(grown + count * element_bytes, 0, element_bytes);
  return grown;
}

static void fail_without_memory(struct query *query) {
  query_fail(query, error_set(query->error, ERROR_OUT_OF_MEMORY, "no memory for what is known of a dataset"));
}

static void read_head(struct query *query, struct dataset_row *row) {
  query_get_text(query, row->id, sizeof row->id);
  query_get_text(query, row->name, sizeof row->name);
  query_get_text(query, row->file, sizeof row->file);
  query_get_text(query, row->sha256, sizeof row->sha256);
  row->bytes = query_get_uint(query);
  row->rows = query_get_uint(query);
  row->delimiter = (char)query_get_int(query);
  row->has_header = query_get_bool(query);
  row->bad_row_count = query_get_uint(query);
  row->index_stride = query_get_uint(query);
  row->created_ms = query_get_int(query);
  query_get_text(query, row->tensor_file, sizeof row->tensor_file);
  row->record_bytes = query_get_uint(query);
  row->table_bytes = query_get_uint(query);
}

static void read_index(struct query *query, struct dataset_row *row) {
  size_t byte_count;
  unsigned char *bytes = query_take_bytes(query, &byte_count);
  if (!bytes) return;
  row->index = calloc(byte_count / 8 + 1, sizeof *row->index);
  if (row->index) {
    row->index_count = byte_count / 8;
    for (size_t i = 0; i < row->index_count * 8; i++) row->index[i / 8] |= (uint64_t)bytes[i] << (i % 8 * 8);
  } else {
    fail_without_memory(query);
  }
  free(bytes);
}

static void read_column(struct query *query, struct dataset_column *column) {
  column->name = query_take_text(query);
  column->kind = (enum column_kind)query_get_int(query);
  column->can_be_numeric = query_get_bool(query);
  column->is_integral = query_get_bool(query);
  column->missing = query_get_uint(query);
  column->min = query_get_real(query);
  column->max = query_get_real(query);
  column->mean = query_get_real(query);
  column->std = query_get_real(query);
  column->has_categories = query_get_bool(query);
  column->datetime_form = (int)query_get_int(query);
  column->rank = (size_t)query_get_uint(query);
  for (size_t i = 0; i < COLUMN_RANK_MAX; i++) column->sizes[i] = (size_t)query_get_uint(query);
  column->element = (enum tensor_element)query_get_int(query);
  column->says_part = query_get_bool(query);
  column->first_word = query_take_text(query);
  column->first_word_line = query_get_uint(query);
  column->list_shortest = query_get_uint(query);
  column->list_longest = query_get_uint(query);
}

static enum error_code read_columns(struct connection *connection, int64_t dataset, struct dataset_row *row, struct error *error) {
  struct query query;
  query_start(&query, connection,
              "SELECT name, kind, can_be_numeric, is_integral, missing, min, max, mean, std, has_categories, datetime_form, rank, size_0, "
              "size_1, size_2,"
              " element, says_part, first_word, first_word_line, list_shortest, list_longest FROM dataset_columns WHERE dataset = ?1 ORDER "
              "BY position",
              error);
  query_bind_int(&query, dataset);
  while (query_step(&query)) {
    struct dataset_column *columns = grow(row->columns, row->column_count, sizeof *columns);
    if (columns) {
      row->columns = columns;
      read_column(&query, &columns[row->column_count++]);
    } else {
      fail_without_memory(&query);
    }
  }
  return query_finish(&query);
}

static enum error_code read_categories(struct connection *connection, int64_t dataset, struct dataset_row *row, struct error *error) {
  struct query query;
  query_start(&query, connection,
              "SELECT column_position, value, count FROM dataset_categories WHERE dataset = ?1 ORDER BY column_position, position", error);
  query_bind_int(&query, dataset);
  while (query_step(&query)) {
    uint64_t position = query_get_uint(&query);
    if (position >= row->column_count) continue;
    struct dataset_column *column = &row->columns[position];
    struct category *categories = grow(column->categories, column->category_count, sizeof *categories);
    if (categories) {
      column->categories = categories;
      struct category *category = &categories[column->category_count++];
      category->value = query_take_text(&query);
      category->count = query_get_uint(&query);
    } else {
      fail_without_memory(&query);
    }
  }
  return query_finish(&query);
}

static enum error_code read_bad_rows(struct connection *connection, int64_t dataset, struct dataset_row *row, struct error *error) {
  struct query query;
  query_start(&query, connection, "SELECT line, reason FROM dataset_bad_rows WHERE dataset = ?1 ORDER BY position", error);
  query_bind_int(&query, dataset);
  while (query_step(&query)) {
    struct bad_row *bad_rows = grow(row->bad_rows, row->bad_rows_kept, sizeof *bad_rows);
    if (bad_rows) {
      row->bad_rows = bad_rows;
      struct bad_row *bad_row = &bad_rows[row->bad_rows_kept++];
      bad_row->line = query_get_uint(&query);
      bad_row->reason = query_take_text(&query);
    } else {
      fail_without_memory(&query);
    }
  }
  return query_finish(&query);
}

static enum error_code read_whole(struct connection *connection, const char *id_or_name, struct dataset_row *row, struct error *error) {
  int64_t number;
  enum error_code code = resource_find(connection, &datasets_resource, id_or_name, &number, error);
  if (code != ERROR_NONE) return code;
  struct query query;
  query_start(&query, connection, "SELECT " DATASET_COLUMNS ", row_index FROM datasets WHERE number = ?1", error);
  query_bind_int(&query, number);
  if (query_step(&query)) {
    read_head(&query, row);
    read_index(&query, row);
  }
  code = query_finish(&query);
  if (code == ERROR_NONE) code = read_columns(connection, number, row, error);
  if (code == ERROR_NONE) code = read_categories(connection, number, row, error);
  if (code == ERROR_NONE) code = read_bad_rows(connection, number, row, error);
  return code;
}

enum error_code datasets_get(struct store *store, const char *id_or_name, struct dataset_row *out_row, struct error *error) {
  *out_row = (struct dataset_row){0};
  struct connection *connection;
  enum error_code code = read_begin(store, &connection, error);
  if (code != ERROR_NONE) return code;
  code = read_whole(connection, id_or_name, out_row, error);
  read_end(store, connection);
  if (code != ERROR_NONE) dataset_row_deinit(out_row);
  return code;
}

static void read_listed(struct query *query, void *out_row) {
  struct dataset_row *row = out_row;
  read_head(query, row);
  int64_t number = query_get_int(query);
  if (query->code == ERROR_NONE) query_fail(query, read_columns(query->connection, number, row, query->error));
}

static void deinit_listed(void *row) { dataset_row_deinit(row); }

enum error_code datasets_list(struct store *store, const struct store_page *page, struct dataset_row **out_rows, size_t *out_count,
                              char out_next_cursor[STORE_CURSOR_BYTES], struct error *error) {
  static const struct listing listing = {
      .sql = "SELECT number, " DATASET_COLUMNS ", number FROM datasets WHERE number < ?1 ORDER BY number DESC LIMIT ?2",
      .row_bytes = sizeof(struct dataset_row),
      .read = read_listed,
      .deinit = deinit_listed,
  };
  void *rows;
  enum error_code code = list_rows(store, &listing, page, &rows, out_count, out_next_cursor, error);
  *out_rows = rows;
  return code;
}

/* ---- changing ---- */

/* ERROR_CONFLICT, naming some of them, while unfinished jobs use the dataset. */
static enum error_code check_unused(struct connection *connection, int64_t number, const char *wish, struct error *error) {
  struct query query;
  query_start(&query, connection,
              "SELECT datasets.name, count(*), group_concat('\"' || jobs.name || '\"', ', ') FROM datasets JOIN jobs"
              " ON jobs.dataset_id = datasets.id OR jobs.test_dataset_id = datasets.id"
              " WHERE datasets.number = ?1 AND ((?2 >> jobs.state) & 1) = 1 HAVING count(*) > 0",
              error);
  query_bind_int(&query, number);
  query_bind_int(&query, JOB_STATES_UNFINISHED);
  if (query_step(&query)) {
    char name[LIMIT_NAME_BYTES + 1], jobs[160];
    query_get_text(&query, name, sizeof name);
    int64_t count = query_get_int(&query);
    query_get_text(&query, jobs, sizeof jobs);
    query_fail(&query, error_set(query.error, ERROR_CONFLICT, "%lld unfinished job%s the dataset \"%s\", which can't be %s meanwhile: %s",
                                 (long long)count, count == 1 ? " uses" : "s use", name, wish, jobs));
  }
  return query_finish(&query);
}

/* Sets one column's kind; out_changed says whether it was another. */
static enum error_code set_kind(struct connection *connection, int64_t dataset, const struct column_change *change, bool *out_changed,
                                struct error *error) {
  if ((unsigned)change->kind > COLUMN_SEQUENCE) return error_set(error, ERROR_INVALID, "there is no such column kind");
  struct query query;
  query_start(&query, connection, "SELECT kind FROM dataset_columns WHERE dataset = ?1 AND position = ?2", error);
  query_bind_int(&query, dataset);
  query_bind_uint(&query, change->column);
  bool is_found = query_step(&query);
  int64_t kind = is_found ? query_get_int(&query) : 0;
  enum error_code code = query_finish(&query);
  if (code != ERROR_NONE) return code;
  if (!is_found) return error_set(error, ERROR_INVALID, "the dataset has no column %zu", change->column);
  if (kind == (int64_t)change->kind) return ERROR_NONE;
  *out_changed = true;
  query_start(&query, connection, "UPDATE dataset_columns SET kind = ?3 WHERE dataset = ?1 AND position = ?2", error);
  query_bind_int(&query, dataset);
  query_bind_uint(&query, change->column);
  query_bind_int(&query, change->kind);
  return query_run(&query);
}

static enum error_code rename_dataset(struct connection *connection, int64_t number, const char *name, struct error *error) {
  enum error_code code = resource_check_name(connection, &datasets_resource, name, number, error);
  if (code != ERROR_NONE) return code;
  struct query query;
  query_start(&query, connection, "UPDATE datasets SET name = ?2 WHERE number = ?1", error);
  query_bind_int(&query, number);
  query_bind_text(&query, name);
  return query_run(&query);
}

enum error_code datasets_update(struct store *store, const char *id, const char *name, const struct column_change *changes,
                                size_t change_count, struct error *error) {
  struct connection *connection;
  enum error_code code = write_begin(store, &connection, error);
  if (code != ERROR_NONE) return code;
  int64_t number;
  bool kinds_changed = false;
  code = resource_find(connection, &datasets_resource, id, &number, error);
  if (code == ERROR_NONE && name) code = rename_dataset(connection, number, name, error);
  for (size_t i = 0; i < change_count && code == ERROR_NONE; i++) code = set_kind(connection, number, &changes[i], &kinds_changed, error);
  /* A job that goes on after a restart must find its data as it was. */
  if (code == ERROR_NONE && kinds_changed) code = check_unused(connection, number, "changed", error);
  return write_end(store, code, error);
}

static enum error_code delete_found(struct store *store, struct connection *connection, const char *id_or_name, struct error *error) {
  int64_t number;
  enum error_code code = resource_find(connection, &datasets_resource, id_or_name, &number, error);
  if (code == ERROR_NONE) code = check_unused(connection, number, "deleted", error);
  if (code != ERROR_NONE) return code;
  struct dataset_row row = {0};
  struct query query;
  query_start(&query, connection, "DELETE FROM datasets WHERE number = ?1 RETURNING file, tensor_file", error);
  query_bind_int(&query, number);
  while (query_step(&query)) {
    query_get_text(&query, row.file, sizeof row.file);
    query_get_text(&query, row.tensor_file, sizeof row.tensor_file);
  }
  code = query_finish(&query);
  if (code == ERROR_NONE) code = leftovers_add(store, connection, LEFTOVER_FILE, 0, row.file, error);
  if (code == ERROR_NONE && row.tensor_file[0] != '\0') code = leftovers_add(store, connection, LEFTOVER_FILE, 0, row.tensor_file, error);
  return code;
}

enum error_code datasets_delete(struct store *store, const char *id_or_name, struct error *error) {
  struct connection *connection;
  enum error_code code = write_begin(store, &connection, error);
  if (code != ERROR_NONE) return code;
  return write_end(store, delete_found(store, connection, id_or_name, error), error);
}
