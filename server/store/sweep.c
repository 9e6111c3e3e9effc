/* Leftovers: what a transaction leaves to be cleared away after it. Large blobs and many events are deleted in short portions, so that no
 * other writer waits long; files are removed once the row that named them is gone for good. A leftover is a row from the transaction
 * that made it until it is cleared, so nothing is forgotten over a crash. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/store/private.h"

enum { EVENTS_PORTION = 10000 };

struct leftover {
  int64_t number;
  enum leftover_kind kind;
  int64_t target;
  char file[256];
};

enum error_code leftovers_add(struct store *store, struct connection *connection, enum leftover_kind kind, int64_t target, const char *file,
                              struct error *error) {
  struct query query;
  query_start(&query, connection, "INSERT INTO leftovers (kind, target, file) VALUES (?1, ?2, ?3)", error);
  query_bind_int(&query, kind);
  query_bind_int(&query, target);
  query_bind_text(&query, file);
  enum error_code code = query_run(&query);
  if (code == ERROR_NONE) store_note_leftovers(store);
  return code;
}

/* The first leftover after `after`; number 0 if there is none. */
static enum error_code find_next(struct connection *connection, int64_t after, struct leftover *out_leftover, struct error *error) {
  *out_leftover = (struct leftover){0};
  struct query query;
  query_start(&query, connection, "SELECT number, kind, target, file FROM leftovers WHERE number > ?1 ORDER BY number LIMIT 1", error);
  query_bind_int(&query, after);
  if (query_step(&query)) {
    out_leftover->number = query_get_int(&query);
    out_leftover->kind = (enum leftover_kind)query_get_int(&query);
    out_leftover->target = query_get_int(&query);
    query_get_text(&query, out_leftover->file, sizeof out_leftover->file);
  }
  return query_finish(&query);
}

static enum error_code forget(struct connection *connection, int64_t number, struct error *error) {
  struct query query;
  query_start(&query, connection, "DELETE FROM leftovers WHERE number = ?1", error);
  query_bind_int(&query, number);
  return query_run(&query);
}

static enum error_code delete_events_portion(struct connection *connection, int64_t job, bool *out_is_gone, struct error *error) {
  struct query query;
  query_start(&query, connection, "DELETE FROM events WHERE job = ?1 AND seq < (SELECT min(seq) FROM events WHERE job = ?1) + ?2", error);
  query_bind_int(&query, job);
  query_bind_int(&query, EVENTS_PORTION);
  enum error_code code = query_run(&query);
  *out_is_gone = sqlite3_changes(connection->db) < EVENTS_PORTION;
  return code;
}

static enum error_code remove_file(struct store *store, const char *file, struct error *error) {
  char path[4096];
  if (snprintf(path, sizeof path, "%s/datasets/%s", store_get_data_dir(store), file) >= (int)sizeof path)
    return error_set(error, ERROR_INTERNAL, "the data directory's path is too long");
  if (unlink(path) != 0 && errno != ENOENT) return error_set(error, ERROR_INTERNAL, "can't remove %s: %s", path, strerror(errno));
  return ERROR_NONE;
}

/* One portion of a leftover's work, in a transaction of its own. */
static enum error_code clear_portion(struct store *store, const struct leftover *leftover, bool *out_is_gone, struct error *error) {
  struct connection *connection;
  enum error_code code = write_begin(store, &connection, error);
  if (code != ERROR_NONE) return code;
  *out_is_gone = true;
  if (leftover->kind == LEFTOVER_BLOB)
    code = blobs_delete_portion(connection, leftover->target, out_is_gone, error);
  else if (leftover->kind == LEFTOVER_EVENTS)
    code = delete_events_portion(connection, leftover->target, out_is_gone, error);
  if (code == ERROR_NONE && *out_is_gone) code = forget(connection, leftover->number, error);
  return write_end(store, code, error);
}

static enum error_code clear_leftover(struct store *store, const struct leftover *leftover, struct error *error) {
  enum error_code code = leftover->kind == LEFTOVER_FILE ? remove_file(store, leftover->file, error) : ERROR_NONE;
  for (bool is_gone = false; code == ERROR_NONE && !is_gone;) code = clear_portion(store, leftover, &is_gone, error);
  return code;
}

/* One that can't be cleared now keeps none of the others waiting; the first error is returned at the end. */
enum error_code leftovers_clear(struct store *store, struct error *error) {
  enum error_code first_code = ERROR_NONE;
  struct leftover leftover = {0};
  for (;;) {
    struct error next_error = {0};
    struct connection *connection;
    enum error_code code = read_begin(store, &connection, &next_error);
    if (code == ERROR_NONE) {
      code = find_next(connection, leftover.number, &leftover, &next_error);
      read_end(store, connection);
    }
    bool is_over = code != ERROR_NONE || leftover.number == 0;
    if (!is_over) code = clear_leftover(store, &leftover, &next_error);
    if (code != ERROR_NONE && first_code == ERROR_NONE) {
      first_code = code;
      *error = next_error;
    }
    if (is_over) return first_code;
  }
}

/* Blobs that were still being written when the process ended. */
static enum error_code find_lost_blobs(struct connection *connection, struct error *error) {
  struct query query;
  query_start(&query, connection,
              "INSERT INTO leftovers (kind, target) SELECT 0, number FROM blobs"
              " WHERE number NOT IN (SELECT checkpoint_blob FROM jobs WHERE checkpoint_blob IS NOT NULL)"
              " AND number NOT IN (SELECT weights_blob FROM models)"
              " AND number NOT IN (SELECT target FROM leftovers WHERE kind = 0)",
              error);
  return query_run(&query);
}

static enum error_code dataset_has_file(struct connection *connection, const char *file, bool *out_has, struct error *error) {
  struct query query;
  query_start(&query, connection, "SELECT 1 FROM datasets WHERE file = ?1 OR (tensor_file = ?1 AND tensor_file <> '')", error);
  query_bind_text(&query, file);
  *out_has = query_step(&query);
  return query_finish(&query);
}

/* Removes files of datasets/ that no row names: uploads that broke off, and deletions that a crash cut short. */
static enum error_code sweep_files(struct store *store, struct connection *connection, struct error *error) {
  char path[4096];
  if (snprintf(path, sizeof path, "%s/datasets", store_get_data_dir(store)) >= (int)sizeof path)
    return error_set(error, ERROR_INTERNAL, "the data directory's path is too long");
  DIR *dir = opendir(path);
  if (!dir) return error_set(error, ERROR_INTERNAL, "can't read %s: %s", path, strerror(errno));
  enum error_code code = ERROR_NONE;
  struct dirent *entry;
  while (code == ERROR_NONE && (entry = readdir(dir))) {
    if (entry->d_type == DT_DIR) continue;
    bool has = true;
    code = dataset_has_file(connection, entry->d_name, &has, error);
    if (code == ERROR_NONE && !has) code = remove_file(store, entry->d_name, error);
  }
  (void)closedir(dir);
  return code;
}

enum error_code sweep(struct store *store, struct error *error) {
  struct connection *connection;
  enum error_code code = write_begin(store, &connection, error);
  if (code != ERROR_NONE) return code;
  code = find_lost_blobs(connection, error);
  if (code == ERROR_NONE) code = sweep_files(store, connection, error);
  code = write_end(store, code, error);
  if (code == ERROR_NONE) code = leftovers_clear(store, error);
  if (code == ERROR_NONE) store_vacuum(store);
  return code;
}
