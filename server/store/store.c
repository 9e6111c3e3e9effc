/* Opening and closing, the connections, and transactions.
 *
 * Invariants:
 * 1. `writer` is the only connection that writes or checkpoints. It is used only while holding `mutex`.
 * 2. `depth` counts the write_begins of the thread that holds `mutex`: at 1 there is a transaction, at each further one a savepoint.
 * 3. A reader is either in the list of idle ones, without a transaction, or lent to one thread.
 * 4. One process has the data directory: it holds the lock on <data-dir>/lock.
 *
 * SQLite ends a transaction by itself after some errors (a full disk, for one). Then there is nothing left to commit or to undo, and what
 * the thread does next must not begin a transaction of its own unnoticed: write_begin and write_end ask for it (`is_lost`).
 */
#include "server/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "server/store/private.h"

enum {
  READER_MAX = 8,
  BUSY_MS = 5000,           /* for strangers (a sqlite3 shell); the server's own threads wait for `mutex` instead */
  CHECKPOINT_BUSY_MS = 50,  /* a checkpoint that needs the readers away waits so long for them */
  CHECKPOINT_PAGES = 1000,  /* as SQLite's own default */
  WAL_LARGE_PAGES = 16384,  /* from here on a checkpoint insists on starting the WAL anew */
  VACUUM_PAGES = 1024,      /* freed in one go: 4 MiB; stands in vacuum_portion's pragma as well */
  FREE_BYTES_MIN = 1 << 20, /* less room than this isn't enough to serve */
};

#define DATABASE_NAME "backpropd.db"

struct store {
  char *data_dir;
  int lock_fd;
  pthread_mutex_t mutex; /* recursive */
  struct connection *writer;
  size_t depth;
  bool has_leftovers; /* recorded by the transaction under way */

  pthread_mutex_t readers_mutex;
  pthread_cond_t reader_returned;
  struct connection *idle_readers;
  size_t reader_count; /* open ones, idle or lent */
};

/* The store in which this thread has a transaction. */
static _Thread_local const struct store *own_transaction;

/* ---- connections ---- */

static int checkpoint(sqlite3 *db, int mode, int busy_ms) {
  sqlite3_busy_timeout(db, busy_ms);
  int result = sqlite3_wal_checkpoint_v2(db, NULL, mode, NULL, NULL);
  sqlite3_busy_timeout(db, BUSY_MS);
  return result;
}

/* After each commit: as SQLite's own automatic checkpoint, but a WAL that overlapping readers keep from starting anew is not let grow
 * for ever. A checkpoint that fails is tried again after the next commit; the data is safe in the WAL. */
static int after_commit(void *context, sqlite3 *db, const char *schema, int page_count) {
  (void)context;
  (void)schema;
  if (page_count >= WAL_LARGE_PAGES)
    (void)checkpoint(db, SQLITE_CHECKPOINT_RESTART, CHECKPOINT_BUSY_MS);
  else if (page_count >= CHECKPOINT_PAGES)
    (void)sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
  return SQLITE_OK;
}

static enum error_code connection_open(const char *data_dir, int flags, const char *pragmas, struct connection **out_connection,
                                       struct error *error) {
  char path[4096];
  if (snprintf(path, sizeof path, "%s/%s", data_dir, DATABASE_NAME) >= (int)sizeof path)
    return error_set(error, ERROR_INTERNAL, "the data directory's path is too long");
  struct connection *connection = calloc(1, sizeof *connection);
  if (!connection) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for a database connection");
  /* One thread at a time uses a connection, so SQLite needs no mutex of its own in it. */
  int result = sqlite3_open_v2(path, &connection->db, flags | SQLITE_OPEN_NOMUTEX, NULL);
  enum error_code code = ERROR_NONE;
  if (result != SQLITE_OK) {
    code = connection->db ? sql_fail(connection->db, result, error) : error_set(error, ERROR_OUT_OF_MEMORY, "no memory for the database");
  } else {
    sqlite3_extended_result_codes(connection->db, 1);
    sqlite3_busy_timeout(connection->db, BUSY_MS);
    code = sql_execute(connection->db, pragmas, error);
  }
  if (code != ERROR_NONE) {
    connection_close(connection);
    return code;
  }
  *out_connection = connection;
  return ERROR_NONE;
}

static enum error_code open_writer(struct store *store, struct error *error) {
  /* auto_vacuum counts only before the first table, and journal_mode already writes. */
  static const char pragmas[] = "PRAGMA auto_vacuum = INCREMENTAL;"
                                "PRAGMA journal_mode = WAL;"
                                "PRAGMA synchronous = FULL;"
                                "PRAGMA foreign_keys = ON;"
                                "PRAGMA cache_size = -2000;"
                                "PRAGMA temp_store = MEMORY;"
                                "PRAGMA journal_size_limit = 16777216;";
  /* Created here, since SQLite would let others of the machine read it; its WAL takes the same mode. */
  char path[4096];
  (void)snprintf(path, sizeof path, "%s/%s", store->data_dir, DATABASE_NAME);
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return error_set(error, errno == ENOSPC ? ERROR_DISK_FULL : ERROR_INTERNAL, "can't open %s: %s", path, strerror(errno));
  (void)close(fd);
  enum error_code code = connection_open(store->data_dir, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, pragmas, &store->writer, error);
  if (code == ERROR_NONE) sqlite3_wal_hook(store->writer->db, after_commit, NULL);
  return code;
}

static enum error_code open_reader(struct store *store, struct connection **out_connection, struct error *error) {
  static const char pragmas[] = "PRAGMA wal_autocheckpoint = 0;"
                                "PRAGMA query_only = ON;"
                                "PRAGMA cache_size = -256;"
                                "PRAGMA temp_store = MEMORY;";
  enum error_code code = connection_open(store->data_dir, SQLITE_OPEN_READONLY, pragmas, out_connection, error);
  if (code == ERROR_NONE) sqlite3_db_config((*out_connection)->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
  return code;
}

/* Takes an idle reader, opens one, or waits for one. Readers are lent for one function's time, and no function takes two. */
static enum error_code take_reader(struct store *store, struct connection **out_connection, struct error *error) {
  pthread_mutex_lock(&store->readers_mutex);
  while (!store->idle_readers && store->reader_count >= READER_MAX) pthread_cond_wait(&store->reader_returned, &store->readers_mutex);
  struct connection *reader = store->idle_readers;
  if (reader)
    store->idle_readers = reader->next;
  else
    store->reader_count++;
  pthread_mutex_unlock(&store->readers_mutex);
  if (reader) {
    *out_connection = reader;
    return ERROR_NONE;
  }
  enum error_code code = open_reader(store, out_connection, error);
  if (code != ERROR_NONE) {
    pthread_mutex_lock(&store->readers_mutex);
    store->reader_count--;
    pthread_cond_signal(&store->reader_returned);
    pthread_mutex_unlock(&store->readers_mutex);
  }
  return code;
}

static void return_reader(struct store *store, struct connection *reader) {
  pthread_mutex_lock(&store->readers_mutex);
  reader->next = store->idle_readers;
  store->idle_readers = reader;
  pthread_cond_signal(&store->reader_returned);
  pthread_mutex_unlock(&store->readers_mutex);
}

/* ---- transactions ---- */

static enum error_code run(struct connection *connection, const char *sql, struct error *error) {
  struct query query;
  query_start(&query, connection, sql, error);
  return query_run(&query);
}

enum error_code read_begin(struct store *store, struct connection **out_connection, struct error *error) {
  if (own_transaction == store) {
    *out_connection = store->writer;
    return ERROR_NONE;
  }
  enum error_code code = take_reader(store, out_connection, error);
  if (code != ERROR_NONE) return code;
  code = run(*out_connection, "BEGIN", error);
  if (code != ERROR_NONE) return_reader(store, *out_connection);
  return code;
}

void read_end(struct store *store, struct connection *connection) {
  if (connection == store->writer) return;
  struct error ignored = {0};
  if (!sqlite3_get_autocommit(connection->db)) ignore_error(run(connection, "COMMIT", &ignored));
  return_reader(store, connection);
}

/* SQLite gave up the transaction that this thread thinks it is in. */
static bool is_lost(const struct store *store) { return sqlite3_get_autocommit(store->writer->db) != 0; }

enum error_code write_begin(struct store *store, struct connection **out_connection, struct error *error) {
  pthread_mutex_lock(&store->mutex);
  enum error_code code;
  if (store->depth == 0) {
    store->has_leftovers = false;
    code = run(store->writer, "BEGIN IMMEDIATE", error);
  } else if (is_lost(store)) {
    code = error_set(error, ERROR_INTERNAL, "an error before this one ended the transaction");
  } else {
    code = run(store->writer, "SAVEPOINT inner", error);
  }
  if (code != ERROR_NONE) {
    pthread_mutex_unlock(&store->mutex);
    return code;
  }
  store->depth++;
  own_transaction = store;
  *out_connection = store->writer;
  return ERROR_NONE;
}

static enum error_code end_savepoint(struct store *store, enum error_code code, struct error *error) {
  if (is_lost(store)) return code != ERROR_NONE ? code : error_set(error, ERROR_INTERNAL, "the transaction was lost");
  if (code == ERROR_NONE) return run(store->writer, "RELEASE inner", error);
  struct error ignored = {0};
  ignore_error(run(store->writer, "ROLLBACK TO inner", &ignored));
  if (!is_lost(store)) ignore_error(run(store->writer, "RELEASE inner", &ignored));
  return code;
}

static enum error_code end_transaction(struct store *store, enum error_code code, struct error *error) {
  if (code == ERROR_NONE)
    code = is_lost(store) ? error_set(error, ERROR_INTERNAL, "the transaction was lost") : run(store->writer, "COMMIT", error);
  struct error ignored = {0};
  if (code != ERROR_NONE && !is_lost(store)) ignore_error(run(store->writer, "ROLLBACK", &ignored));
  return code;
}

enum error_code write_end(struct store *store, enum error_code code, struct error *error) {
  bool is_outermost = store->depth == 1;
  code = is_outermost ? end_transaction(store, code, error) : end_savepoint(store, code, error);
  store->depth--;
  bool must_clear = is_outermost && code == ERROR_NONE && store->has_leftovers;
  if (is_outermost) own_transaction = NULL;
  pthread_mutex_unlock(&store->mutex);
  if (must_clear) {
    /* What the caller asked for is on disk. Clearing goes on at the next start if it fails now. */
    struct error ignored = {0};
    ignore_error(leftovers_clear(store, &ignored));
  }
  return code;
}

void store_note_leftovers(struct store *store) { store->has_leftovers = true; }

enum error_code store_begin(struct store *store, struct error *error) {
  struct connection *connection;
  return write_begin(store, &connection, error);
}

enum error_code store_commit(struct store *store, struct error *error) { return write_end(store, ERROR_NONE, error); }

void store_rollback(struct store *store) {
  struct error ignored = {0};
  ignore_error(write_end(store, ERROR_CONFLICT, &ignored));
}

/* ---- opening and closing ---- */

/* Creates the directory and those above it that are missing, and makes their names durable. */
static enum error_code make_dir(const char *path, struct error *error) {
  char partial[4096];
  if (snprintf(partial, sizeof partial, "%s", path) >= (int)sizeof partial)
    return error_set(error, ERROR_INTERNAL, "the data directory's path is too long");
  for (char *slash = partial + 1;; slash++) {
    slash = strchr(slash, '/');
    if (slash) *slash = '\0';
    if (mkdir(partial, 0700) != 0 && errno != EEXIST)
      return error_set(error, errno == ENOSPC ? ERROR_DISK_FULL : ERROR_INTERNAL, "can't create the directory %s: %s", partial,
                       strerror(errno));
    if (!slash) return ERROR_NONE;
    *slash = '/';
  }
}

static void sync_dir(const char *path) {
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  (void)fsync(fd);
  (void)close(fd);
}

static enum error_code prepare_dir(const char *data_dir, struct error *error) {
  char path[4096];
  enum error_code code = make_dir(data_dir, error);
  if (code != ERROR_NONE) return code;
  (void)snprintf(path, sizeof path, "%s/datasets", data_dir);
  code = make_dir(path, error);
  if (code != ERROR_NONE) return code;
  sync_dir(data_dir);
  (void)snprintf(path, sizeof path, "%s/..", data_dir);
  sync_dir(path);
  return ERROR_NONE;
}

static enum error_code lock_dir(struct store *store, struct error *error) {
  char path[4096];
  (void)snprintf(path, sizeof path, "%s/lock", store->data_dir);
  store->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (store->lock_fd < 0) return error_set(error, ERROR_INTERNAL, "can't open %s: %s", path, strerror(errno));
  if (flock(store->lock_fd, LOCK_EX | LOCK_NB) == 0) return ERROR_NONE;
  if (errno == EWOULDBLOCK)
    return error_set(error, ERROR_CONFLICT, "the data directory %s is in use by another backpropd", store->data_dir);
  return error_set(error, ERROR_INTERNAL, "can't lock %s: %s", path, strerror(errno));
}

static struct store *create_store(const char *data_dir) {
  struct store *store = calloc(1, sizeof *store);
  if (!store) return NULL;
  store->lock_fd = -1;
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
  pthread_mutex_init(&store->mutex, &attributes);
  pthread_mutexattr_destroy(&attributes);
  pthread_mutex_init(&store->readers_mutex, NULL);
  pthread_cond_init(&store->reader_returned, NULL);
  store->data_dir = strdup(data_dir);
  if (store->data_dir) return store;
  store_close(store);
  return NULL;
}

enum error_code store_open(const char *data_dir, struct store **out_store, struct error *error) {
  *out_store = NULL;
  enum error_code code = prepare_dir(data_dir, error);
  if (code != ERROR_NONE) return code;
  struct store *store = create_store(data_dir);
  if (!store) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for the store");
  code = lock_dir(store, error);
  if (code == ERROR_NONE) code = open_writer(store, error);
  if (code == ERROR_NONE) code = migrate(store->writer, error);
  if (code == ERROR_NONE) {
    code = sweep(store, error);
    /* Sweeping takes room in the WAL. Without it everything can still be read, and some of it deleted. */
    if (code == ERROR_DISK_FULL) {
      error_clear(error);
      code = ERROR_NONE;
    }
  }
  if (code != ERROR_NONE) {
    store_close(store);
    return code;
  }
  *out_store = store;
  return ERROR_NONE;
}

void store_close(struct store *store) {
  if (!store) return;
  while (store->idle_readers) {
    struct connection *reader = store->idle_readers;
    store->idle_readers = reader->next;
    connection_close(reader);
  }
  /* The writer closes last, so that it is the one that checkpoints and removes the WAL. */
  if (store->writer) (void)checkpoint(store->writer->db, SQLITE_CHECKPOINT_TRUNCATE, CHECKPOINT_BUSY_MS);
  connection_close(store->writer);
  if (store->lock_fd >= 0) (void)close(store->lock_fd);
  pthread_mutex_destroy(&store->mutex);
  pthread_mutex_destroy(&store->readers_mutex);
  pthread_cond_destroy(&store->reader_returned);
  free(store->data_dir);
  free(store);
}

const char *store_get_data_dir(const struct store *store) { return store->data_dir; }

int64_t store_now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- upkeep ---- */

enum error_code store_check(struct store *store, struct error *error) {
  struct statvfs room;
  if (statvfs(store->data_dir, &room) != 0)
    return error_set(error, ERROR_INTERNAL, "can't see the data directory %s: %s", store->data_dir, strerror(errno));
  if (room.f_flag & ST_RDONLY) return error_set(error, ERROR_INTERNAL, "the data directory %s is read-only", store->data_dir);
  if ((uint64_t)room.f_bavail * room.f_frsize < FREE_BYTES_MIN)
    return error_set(error, ERROR_DISK_FULL, "less than 1 MiB is free for the data directory %s", store->data_dir);
  struct connection *connection;
  enum error_code code = write_begin(store, &connection, error);
  if (code != ERROR_NONE) return code;
  /* A change that is undone never reaches the disk, but finds a database that can't be read or written. */
  code = run(connection, "UPDATE migrations SET applied_ms = applied_ms", error);
  struct error ignored = {0};
  ignore_error(write_end(store, ERROR_CONFLICT, &ignored));
  return code;
}

static int64_t count_free_pages(struct connection *connection) {
  struct error ignored = {0};
  struct query query;
  query_start(&query, connection, "PRAGMA freelist_count", &ignored);
  int64_t count = query_step(&query) ? query_get_int(&query) : 0;
  return query_finish(&query) == ERROR_NONE ? count : 0;
}

/* Gives back one portion; returns how many free pages are left. */
static int64_t vacuum_portion(struct store *store) {
  pthread_mutex_lock(&store->mutex);
  struct error ignored = {0};
  bool is_done = sql_execute(store->writer->db, "PRAGMA incremental_vacuum(1024)", &ignored) != ERROR_NONE;
  int64_t left = is_done ? 0 : count_free_pages(store->writer);
  pthread_mutex_unlock(&store->mutex);
  return left;
}

void store_vacuum(struct store *store) {
  pthread_mutex_lock(&store->mutex);
  int64_t left = store->depth == 0 ? count_free_pages(store->writer) : 0;
  pthread_mutex_unlock(&store->mutex);
  if (left == 0) return;
  /* Others may free pages meanwhile; theirs are for their own call. */
  for (int64_t portions = left / VACUUM_PAGES + 1; portions > 0 && left > 0; portions--) left = vacuum_portion(store);
  pthread_mutex_lock(&store->mutex);
  (void)checkpoint(store->writer->db, SQLITE_CHECKPOINT_TRUNCATE, CHECKPOINT_BUSY_MS);
  pthread_mutex_unlock(&store->mutex);
}
