/* Private to this folder: a connection with its cached statements, and queries that read like what they do.
 *
 *     struct query query;
 *     query_start(&query, connection, "SELECT name FROM jobs WHERE id = ?1", error);
 *     query_bind_text(&query, id);
 *     if (query_step(&query))
 *       query_get_text(&query, name, sizeof name);
 *     enum error_code code = query_finish(&query);
 *
 * Errors stick: after the first one every call on the query does nothing and query_finish returns it, so only the end needs a look.
 * Binds go to ?1, ?2, … and gets read the columns in their order. SQL texts must be constants: the statement cache knows them by address.
 *
 * Threads: a connection is one thread's at a time (store.c sees to that).
 */
#ifndef SERVER_STORE_SQL_H
#define SERVER_STORE_SQL_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

enum { SQL_STATEMENTS = 96 };

struct cached_statement {
  const char *sql;
  sqlite3_stmt *statement;
};

struct connection {
  sqlite3 *db;
  struct connection *next; /* in store.c's list of idle readers */
  size_t statement_count;
  struct cached_statement statements[SQL_STATEMENTS];
};

struct query {
  struct connection *connection;
  sqlite3_stmt *statement;
  struct error *error;
  enum error_code code;
  int bind_index, column_index; /* the last one used */
};

/* Sets `error` from a result code of this connection: a full disk, a lack of memory and a broken uniqueness have codes of their own. */
enum error_code sql_fail(sqlite3 *db, int result, struct error *error);
/* For what is done as well as possible, where an error changes nothing for the caller. */
static inline void ignore_error(enum error_code code) { (void)code; }
/* Runs statements that return nothing, uncached. */
__attribute__((warn_unused_result)) enum error_code sql_execute(sqlite3 *db, const char *sql, struct error *error);
/* Finalizes the cached statements and closes. NULL is fine. */
void connection_close(struct connection *connection);

void query_start(struct query *query, struct connection *connection, const char *sql, struct error *error);
void query_bind_int(struct query *query, int64_t value);
void query_bind_uint(struct query *query, uint64_t value); /* up to 2⁶³ − 1 */
void query_bind_real(struct query *query, double value);   /* not-a-number becomes NULL */
void query_bind_null(struct query *query);
/* Texts and bytes are borrowed until query_finish. NULL becomes NULL. */
void query_bind_text(struct query *query, const char *text);
void query_bind_bytes(struct query *query, const void *bytes, size_t byte_count);
/* True if there is a row; false at the end and after an error. */
bool query_step(struct query *query);
int64_t query_get_int(struct query *query);
uint64_t query_get_uint(struct query *query);
bool query_get_bool(struct query *query);
double query_get_real(struct query *query); /* NULL becomes not-a-number */
/* Copies into the caller's array, cut to fit. NULL becomes "". */
void query_get_text(struct query *query, char *out_text, size_t out_bytes);
/* A malloc'd copy; NULL stays NULL. */
char *query_take_text(struct query *query);
void *query_take_bytes(struct query *query, size_t *out_byte_count);
/* Stops the query with an error of the caller's. */
void query_fail(struct query *query, enum error_code code);
/* Makes the statement reusable; returns what went wrong, if anything did. */
__attribute__((warn_unused_result)) enum error_code query_finish(struct query *query);
/* For statements that return no row: steps to the end and finishes. */
__attribute__((warn_unused_result)) enum error_code query_run(struct query *query);

#endif
