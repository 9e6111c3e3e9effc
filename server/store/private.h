/* Private to this folder: what the files of the store share.
 *
 * A function that writes:                            One that reads:
 *
 *     code = write_begin(store, &connection, error);     code = read_begin(store, &connection, error);
 *     if (code != ERROR_NONE) return code;               if (code != ERROR_NONE) return code;
 *     code = …;                                          code = …;
 *     return write_end(store, code, error);              read_end(store, connection);
 *
 * write_begin takes the writer's mutex and begins a transaction, or a savepoint within the thread's own transaction (store_begin);
 * write_end commits if `code` is ERROR_NONE and otherwise undoes what was done since write_begin. read_begin lends a read-only
 * connection with one snapshot from begin to end; within a transaction of the same thread it lends the writer, which sees what the
 * transaction wrote.
 */
#ifndef SERVER_STORE_PRIVATE_H
#define SERVER_STORE_PRIVATE_H

#include "server/store/jobs.h"
#include "server/store/sql.h"
#include "server/store/store.h"

enum { STORE_CURSOR_BYTES = sizeof(((struct store_page *)0)->cursor) };

__attribute__((warn_unused_result)) enum error_code write_begin(struct store *store, struct connection **out_connection,
                                                                struct error *error);
__attribute__((warn_unused_result)) enum error_code write_end(struct store *store, enum error_code code, struct error *error);
__attribute__((warn_unused_result)) enum error_code read_begin(struct store *store, struct connection **out_connection,
                                                               struct error *error);
void read_end(struct store *store, struct connection *connection);

/* migrate.c: brings the database to this program's version. ERROR_CONFLICT if it is a newer program's. */
__attribute__((warn_unused_result)) enum error_code migrate(struct connection *connection, struct error *error);

/* sweep.c: work that a transaction leaves for after it, since it takes long or is not the database's: see the table leftovers.
 * A leftover is recorded in the transaction that makes it, and cleared by the thread that commits, in short transactions; after a
 * crash store_open goes on with it. */
enum leftover_kind { LEFTOVER_BLOB, LEFTOVER_EVENTS, LEFTOVER_FILE };
__attribute__((warn_unused_result)) enum error_code leftovers_add(struct store *store, struct connection *connection,
                                                                  enum leftover_kind kind, int64_t target, const char *file,
                                                                  struct error *error);
/* Clears all that is recorded. Not within a transaction. */
__attribute__((warn_unused_result)) enum error_code leftovers_clear(struct store *store, struct error *error);
/* store_open's: finds blobs and dataset files that nothing refers to, and clears them with what a crash left. */
__attribute__((warn_unused_result)) enum error_code sweep(struct store *store, struct error *error);
/* Tells write_end that there is something to clear; called by leftovers_add. */
void store_note_leftovers(struct store *store);

/* blobs.c: deletes a blob that nothing refers to any more: at once if it is small, else as a leftover. */
__attribute__((warn_unused_result)) enum error_code blobs_drop(struct store *store, struct connection *connection, int64_t blob,
                                                               struct error *error);
/* Deletes the last pieces of a blob, at most STORE_PIECE_BYTES; out_is_gone says that the blob itself went as well. */
__attribute__((warn_unused_result)) enum error_code blobs_delete_portion(struct connection *connection, int64_t blob, bool *out_is_gone,
                                                                         struct error *error);
/* ERROR_INTERNAL unless the blob is there, whole, and nothing refers to it yet. */
__attribute__((warn_unused_result)) enum error_code blobs_check(struct connection *connection, int64_t blob, struct error *error);

/* models.c: inserts under the row's name or, if empty, `base_name`, made unique by "-2", "-3" … */
__attribute__((warn_unused_result)) enum error_code models_insert(struct connection *connection, struct model_row *row,
                                                                  const char *base_name, struct error *error);

/* events.c: where a job's log stands while an update appends to it. */
struct event_log {
  int64_t job;                /* its number */
  uint64_t last_event;        /* advanced by events_append */
  uint64_t last_metrics_step; /* as well */
};
__attribute__((warn_unused_result)) enum error_code events_append(struct connection *connection, struct event_log *log,
                                                                  struct event_row *event, struct error *error);

/* names.c: resources that have an id and a unique name. */
struct resource {
  const char *noun;       /* "network" */
  const char *id_prefix;  /* at most 6 bytes */
  const char *find_by_id; /* SELECT number … WHERE id = ?1 */
  const char *find_by_name;
  const char *last_number; /* of the rows inserted so far */
};
extern const struct resource networks_resource, datasets_resource, jobs_resource, models_resource;

/* The number of a resource; ERROR_NOT_FOUND if there is none of that id or name. */
__attribute__((warn_unused_result)) enum error_code resource_find(struct connection *connection, const struct resource *resource,
                                                                  const char *id_or_name, int64_t *out_number, struct error *error);
/* Before an insertion: sets id unless set; checks the name, or chooses one ("network-12") if it is empty. */
__attribute__((warn_unused_result)) enum error_code resource_name(struct connection *connection, const struct resource *resource,
                                                                  char id[STORE_ID_BYTES], char name[LIMIT_NAME_BYTES + 1],
                                                                  struct error *error);
/* ERROR_CONFLICT if another than `own_number` has the name, ERROR_INVALID if it is no name. */
__attribute__((warn_unused_result)) enum error_code resource_check_name(struct connection *connection, const struct resource *resource,
                                                                        const char *name, int64_t own_number, struct error *error);
/* `base`, or base-2, base-3 … if that is taken. */
__attribute__((warn_unused_result)) enum error_code resource_make_name(struct connection *connection, const struct resource *resource,
                                                                       const char *base, char out_name[LIMIT_NAME_BYTES + 1],
                                                                       struct error *error);

/* page.c: lists, newest first. */
struct listing {
  const char *sql; /* SELECT number, … WHERE number < ?1 … ORDER BY number DESC LIMIT ?2; ?3 is the filter */
  bool has_filter;
  int64_t filter;
  size_t row_bytes;
  void (*read)(struct query *query, void *row); /* the columns after number, into a zeroed row */
  void (*deinit)(void *row);
};
__attribute__((warn_unused_result)) enum error_code list_rows(struct store *store, const struct listing *listing,
                                                              const struct store_page *page, void **out_rows, size_t *out_count,
                                                              char out_next_cursor[STORE_CURSOR_BYTES], struct error *error);

#endif
