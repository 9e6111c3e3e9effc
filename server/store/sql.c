/* Queries with sticky errors over SQLite's prepared statements; sql.h tells how they are used. */
#include "server/store/sql.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A write beyond the disk, a quota or the process's file size limit: each means that there is no room. */
static bool is_out_of_room(sqlite3 *db, int result) {
  if ((result & 0xff) == SQLITE_FULL) return true;
  if ((result & 0xff) != SQLITE_IOERR) return false;
  int number = sqlite3_system_errno(db);
  return number == ENOSPC || number == EDQUOT || number == EFBIG;
}

enum error_code sql_fail(sqlite3 *db, int result, struct error *error) {
  if ((result & 0xff) == SQLITE_NOMEM) return error_set(error, ERROR_OUT_OF_MEMORY, "the database ran out of memory");
  if (is_out_of_room(db, result))
    return error_set(error, ERROR_DISK_FULL, "the disk that holds the data directory is full; nothing of this was written");
  if (result == SQLITE_CONSTRAINT_UNIQUE || result == SQLITE_CONSTRAINT_PRIMARYKEY)
    return error_set(error, ERROR_CONFLICT, "exists already (%s)", sqlite3_errmsg(db));
  if ((result & 0xff) == SQLITE_BUSY) return error_set(error, ERROR_UNAVAILABLE, "another program keeps the database locked");
  return error_set(error, ERROR_INTERNAL, "database: %s (%s)", sqlite3_errmsg(db), sqlite3_errstr(result));
}

enum error_code sql_execute(sqlite3 *db, const char *sql, struct error *error) {
  int result = sqlite3_exec(db, sql, NULL, NULL, NULL);
  return result == SQLITE_OK ? ERROR_NONE : sql_fail(db, sqlite3_extended_errcode(db), error);
}

void connection_close(struct connection *connection) {
  if (!connection) return;
  for (size_t i = 0; i < connection->statement_count; i++) sqlite3_finalize(connection->statements[i].statement);
  int result = sqlite3_close(connection->db);
  assert(result == SQLITE_OK);
  (void)result;
  free(connection);
}

/* The cached statement of this text, prepared at its first use. */
static int find_statement(struct connection *connection, const char *sql, sqlite3_stmt **out_statement) {
  for (size_t i = 0; i < connection->statement_count; i++) {
    if (connection->statements[i].sql == sql) {
      *out_statement = connection->statements[i].statement;
      return SQLITE_OK;
    }
  }
  assert(connection->statement_count < SQL_STATEMENTS);
  int result = sqlite3_prepare_v3(connection->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out_statement, NULL);
  if (result == SQLITE_OK)
    connection->statements[connection->statement_count++] = (struct cached_statement){.sql = sql, .statement = *out_statement};
  return result;
}

void query_start(struct query *query, struct connection *connection, const char *sql, struct error *error) {
  *query = (struct query){.connection = connection, .error = error, .column_index = -1};
  int result = find_statement(connection, sql, &query->statement);
  if (result != SQLITE_OK) {
    query->statement = NULL;
    query->code = sql_fail(connection->db, result, error);
    return;
  }
  /* Two queries at once on one statement would read each other's rows. */
  assert(!sqlite3_stmt_busy(query->statement));
}

static void check_bind(struct query *query, int result) {
  if (result != SQLITE_OK) query->code = sql_fail(query->connection->db, result, query->error);
}

void query_bind_int(struct query *query, int64_t value) {
  if (query->code == ERROR_NONE) check_bind(query, sqlite3_bind_int64(query->statement, ++query->bind_index, value));
}

void query_bind_uint(struct query *query, uint64_t value) {
  if (value > INT64_MAX)
    query_fail(query, error_set(query->error, ERROR_INTERNAL, "a count of 2^63 or more can't be stored"));
  else
    query_bind_int(query, (int64_t)value);
}

void query_bind_real(struct query *query, double value) {
  if (query->code == ERROR_NONE) check_bind(query, sqlite3_bind_double(query->statement, ++query->bind_index, value));
}

void query_bind_null(struct query *query) {
  if (query->code == ERROR_NONE) check_bind(query, sqlite3_bind_null(query->statement, ++query->bind_index));
}

void query_bind_text(struct query *query, const char *text) {
  if (query->code == ERROR_NONE) check_bind(query, sqlite3_bind_text(query->statement, ++query->bind_index, text, -1, SQLITE_STATIC));
}

void query_bind_bytes(struct query *query, const void *bytes, size_t byte_count) {
  if (query->code != ERROR_NONE) return;
  int index = ++query->bind_index;
  /* SQLite takes a NULL address for NULL, whatever the size; an empty value needs some address. */
  if (bytes)
    check_bind(query, sqlite3_bind_blob64(query->statement, index, bytes, byte_count, SQLITE_STATIC));
  else
    check_bind(query, sqlite3_bind_null(query->statement, index));
}

bool query_step(struct query *query) {
  if (query->code != ERROR_NONE) return false;
  query->column_index = -1;
  int result = sqlite3_step(query->statement);
  if (result == SQLITE_ROW) return true;
  if (result != SQLITE_DONE) query->code = sql_fail(query->connection->db, sqlite3_extended_errcode(query->connection->db), query->error);
  return false;
}

int64_t query_get_int(struct query *query) {
  if (query->code != ERROR_NONE) return 0;
  return sqlite3_column_int64(query->statement, ++query->column_index);
}

uint64_t query_get_uint(struct query *query) {
  int64_t value = query_get_int(query);
  return value < 0 ? 0 : (uint64_t)value;
}

bool query_get_bool(struct query *query) { return query_get_int(query) != 0; }

double query_get_real(struct query *query) {
  if (query->code != ERROR_NONE) return NAN;
  int column = ++query->column_index;
  if (sqlite3_column_type(query->statement, column) == SQLITE_NULL) return NAN;
  return sqlite3_column_double(query->statement, column);
}

void query_get_text(struct query *query, char *out_text, size_t out_bytes) {
  out_text[0] = '\0';
  if (query->code != ERROR_NONE) return;
  int column = ++query->column_index;
  const unsigned char *text = sqlite3_column_text(query->statement, column);
  if (!text) return;
  size_t byte_count = (size_t)sqlite3_column_bytes(query->statement, column);
  if (byte_count >= out_bytes) {
    byte_count = out_bytes - 1;
    while (byte_count > 0 && text[byte_count] >> 6 == 0x2) byte_count--; /* not within a character */
  }
  memcpy(out_text, text, byte_count);
  out_text[byte_count] = '\0';
}

/* A copy with a zero after it. */
static void *copy_bytes(struct query *query, const void *bytes, size_t byte_count) {
  char *copy = malloc(byte_count + 1);
  if (!copy) {
    query_fail(query, error_set(query->error, ERROR_OUT_OF_MEMORY, "no memory for a value of %zu bytes", byte_count));
    return NULL;
  }
  if (byte_count > 0) memcpy(copy, bytes, byte_count);
  copy[byte_count] = '\0';
  return copy;
}

char *query_take_text(struct query *query) {
  if (query->code != ERROR_NONE) return NULL;
  int column = ++query->column_index;
  if (sqlite3_column_type(query->statement, column) == SQLITE_NULL) return NULL;
  const unsigned char *text = sqlite3_column_text(query->statement, column);
  if (!text) {
    query_fail(query, error_set(query->error, ERROR_OUT_OF_MEMORY, "no memory for a text"));
    return NULL;
  }
  return copy_bytes(query, text, (size_t)sqlite3_column_bytes(query->statement, column));
}

void *query_take_bytes(struct query *query, size_t *out_byte_count) {
  *out_byte_count = 0;
  if (query->code != ERROR_NONE) return NULL;
  int column = ++query->column_index;
  if (sqlite3_column_type(query->statement, column) == SQLITE_NULL) return NULL;
  const void *bytes = sqlite3_column_blob(query->statement, column);
  size_t byte_count = (size_t)sqlite3_column_bytes(query->statement, column);
  void *copy = copy_bytes(query, bytes, byte_count);
  if (copy) *out_byte_count = byte_count;
  return copy;
}

void query_fail(struct query *query, enum error_code code) {
  if (query->code == ERROR_NONE) query->code = code;
}

enum error_code query_finish(struct query *query) {
  if (query->statement) {
    sqlite3_reset(query->statement);
    sqlite3_clear_bindings(query->statement);
  }
  return query->code;
}

enum error_code query_run(struct query *query) {
  while (query_step(query)) {}
  return query_finish(query);
}
