/* The store: everything that must survive, in <data-dir>/backpropd.db (SQLite, WAL, synchronous=FULL).
 *
 * One connection writes and checkpoints, under one mutex; all others are read-only with wal_autocheckpoint=0 and no checkpoint on
 * close (DESIGN.md section 4 says why). A function that writes returns only when the data is on disk. Each *.h of this folder is one
 * table; the functions that change several at once (a job's update) are one transaction each.
 *
 * Rows are plain structs. Strings and arrays in a row that a function returns are owned by the row: free them with its _deinit.
 * JSON texts are opaque here. Times are Unix milliseconds.
 * Errors: ERROR_NOT_FOUND, ERROR_CONFLICT (a name is taken, a state forbids it), ERROR_DISK_FULL, ERROR_INTERNAL.
 * Threads: every function may be called from any thread.
 */
#ifndef SERVER_STORE_STORE_H
#define SERVER_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"
#include "engine/limits.h"

enum { STORE_ID_BYTES = 24, STORE_SHA256_HEX_BYTES = 65, STORE_PIECE_BYTES = 4 << 20 };

struct store;

/* Opens or creates the database in `data_dir` (created if missing, mode 0700), applies migrations, each in a transaction, sweeps what
 * nothing refers to (blob pieces, dataset files, temporary files). Only one process may have a data directory open (a lock file). */
__attribute__((warn_unused_result)) enum error_code store_open(const char *data_dir, struct store **out_store, struct error *error);
/* Checkpoints the WAL and closes. */
void store_close(struct store *store);

const char *store_get_data_dir(const struct store *store);

/* Is the database writable and whole enough to serve? For /readyz. */
__attribute__((warn_unused_result)) enum error_code store_check(struct store *store, struct error *error);

/* Returns the free pages of deleted rows to the file system, a bounded number at a time. Called after deletes. */
void store_vacuum(struct store *store);

/* A new opaque id: prefix (at most 6 letters), '_', 16 random hex digits: "job_3f9a…". Names that look like an id
 * are refused by store_is_name. */
void store_make_id(const char *prefix, char out_id[STORE_ID_BYTES]);
/* Names: 1–64 bytes of UTF-8 without control characters, '/', '\', leading or trailing space, not . or .., and not of the form of an id.
 * The rule in words is a format that takes LIMIT_NAME_BYTES. */
#define STORE_NAME_RULE "1 to %d bytes without '/', '\\', control characters or space at its ends, not . or .. and not like an id"
bool store_is_name(const char *name);

int64_t store_now_ms(void);

/* Makes several writes of this thread one transaction: between begin and commit (or rollback) every writing function of this folder
 * called by the thread joins it, and other writers wait; keep it short. Inside, a function that fails undoes only what it did itself;
 * the caller decides between commit and rollback. Reads of the thread see what the transaction wrote so far.
 * So a created row and its idempotency record are on disk together. */
__attribute__((warn_unused_result)) enum error_code store_begin(struct store *store, struct error *error);
__attribute__((warn_unused_result)) enum error_code store_commit(struct store *store, struct error *error);
void store_rollback(struct store *store);

/* A page of a list: newest first. `cursor` "" is the first page; out_next_cursor "" says there is no further one. */
struct store_page {
  size_t limit;
  char cursor[STORE_ID_BYTES + 24];
};

#endif
