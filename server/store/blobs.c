/* Large binary values in pieces; blobs.h tells why. */
#include "server/store/blobs.h"

#include <inttypes.h>

#include "server/store/private.h"

static enum error_code insert_blob(struct connection *connection, size_t byte_count, int64_t *out_blob, struct error *error) {
  struct query query;
  query_start(&query, connection, "INSERT INTO blobs (byte_count) VALUES (?1)", error);
  query_bind_uint(&query, byte_count);
  enum error_code code = query_run(&query);
  *out_blob = code == ERROR_NONE ? sqlite3_last_insert_rowid(connection->db) : 0;
  return code;
}

static enum error_code insert_piece(struct connection *connection, int64_t blob, size_t piece, const void *bytes, size_t byte_count,
                                    struct error *error) {
  struct query query;
  query_start(&query, connection, "INSERT INTO blob_pieces (blob, piece, bytes) VALUES (?1, ?2, ?3)", error);
  query_bind_int(&query, blob);
  query_bind_uint(&query, piece);
  query_bind_bytes(&query, bytes, byte_count);
  return query_run(&query);
}

enum error_code blobs_write(struct store *store, const void *bytes, size_t byte_count, int64_t *out_blob, struct error *error) {
  int64_t blob = 0;
  size_t offset = 0;
  *out_blob = 0;
  do {
    size_t piece_bytes = byte_count - offset < STORE_PIECE_BYTES ? byte_count - offset : STORE_PIECE_BYTES;
    struct connection *connection;
    enum error_code code = write_begin(store, &connection, error);
    if (code == ERROR_NONE) {
      if (blob == 0) code = insert_blob(connection, byte_count, &blob, error);
      if (code == ERROR_NONE && piece_bytes > 0)
        code = insert_piece(connection, blob, offset / STORE_PIECE_BYTES, (const char *)bytes + offset, piece_bytes, error);
      code = write_end(store, code, error);
    }
    if (code != ERROR_NONE) {
      if (offset > 0) blobs_discard(store, blob);
      return code;
    }
    offset += piece_bytes;
  } while (offset < byte_count);
  *out_blob = blob;
  return ERROR_NONE;
}

static enum error_code get_size(struct connection *connection, int64_t blob, size_t *out_bytes, struct error *error) {
  *out_bytes = 0;
  struct query query;
  query_start(&query, connection, "SELECT byte_count FROM blobs WHERE number = ?1", error);
  query_bind_int(&query, blob);
  bool is_found = query_step(&query);
  if (is_found) *out_bytes = (size_t)query_get_uint(&query);
  enum error_code code = query_finish(&query);
  if (code == ERROR_NONE && !is_found) return error_set(error, ERROR_NOT_FOUND, "there is no blob %" PRId64, blob);
  return code;
}

enum error_code blobs_get_size(struct store *store, int64_t blob, size_t *out_bytes, struct error *error) {
  struct connection *connection;
  enum error_code code = read_begin(store, &connection, error);
  if (code != ERROR_NONE) return code;
  code = get_size(connection, blob, out_bytes, error);
  read_end(store, connection);
  return code;
}

static enum error_code find_piece(struct connection *connection, int64_t blob, size_t piece, int64_t *out_number, struct error *error) {
  struct query query;
  query_start(&query, connection, "SELECT number FROM blob_pieces WHERE blob = ?1 AND piece = ?2", error);
  query_bind_int(&query, blob);
  query_bind_uint(&query, piece);
  *out_number = query_step(&query) ? query_get_int(&query) : 0;
  enum error_code code = query_finish(&query);
  if (code == ERROR_NONE && *out_number == 0)
    return error_set(error, ERROR_INTERNAL, "piece %zu of blob %" PRId64 " is missing", piece, blob);
  return code;
}

/* Reads straight from the database's pages into the caller's memory: a piece is never in memory twice. */
static enum error_code read_piece(struct connection *connection, int64_t number, size_t offset, void *out_bytes, size_t byte_count,
                                  struct error *error) {
  sqlite3_blob *handle = NULL;
  int result = sqlite3_blob_open(connection->db, "main", "blob_pieces", "bytes", number, 0, &handle);
  if (result == SQLITE_OK) result = sqlite3_blob_read(handle, out_bytes, (int)byte_count, (int)offset);
  enum error_code code = result == SQLITE_OK ? ERROR_NONE : sql_fail(connection->db, result, error);
  (void)sqlite3_blob_close(handle);
  return code;
}

static enum error_code read_range(struct connection *connection, int64_t blob, size_t offset, char *out_bytes, size_t byte_count,
                                  struct error *error) {
  size_t blob_bytes;
  enum error_code code = get_size(connection, blob, &blob_bytes, error);
  if (code != ERROR_NONE) return code;
  if (offset > blob_bytes || byte_count > blob_bytes - offset)
    return error_set(error, ERROR_INTERNAL, "blob %" PRId64 " has %zu bytes; %zu from %zu on were asked for", blob, blob_bytes, byte_count,
                     offset);
  while (byte_count > 0) {
    size_t in_piece = offset % STORE_PIECE_BYTES;
    size_t part_bytes = STORE_PIECE_BYTES - in_piece < byte_count ? STORE_PIECE_BYTES - in_piece : byte_count;
    int64_t number;
    code = find_piece(connection, blob, offset / STORE_PIECE_BYTES, &number, error);
    if (code == ERROR_NONE) code = read_piece(connection, number, in_piece, out_bytes, part_bytes, error);
    if (code != ERROR_NONE) return code;
    offset += part_bytes;
    out_bytes += part_bytes;
    byte_count -= part_bytes;
  }
  return ERROR_NONE;
}

enum error_code blobs_read(struct store *store, int64_t blob, size_t offset, void *out_bytes, size_t byte_count, struct error *error) {
  struct connection *connection;
  enum error_code code = read_begin(store, &connection, error);
  if (code != ERROR_NONE) return code;
  code = read_range(connection, blob, offset, out_bytes, byte_count, error);
  read_end(store, connection);
  return code;
}

enum error_code blobs_delete_portion(struct connection *connection, int64_t blob, bool *out_is_gone, struct error *error) {
  struct query query;
  query_start(&query, connection,
              "DELETE FROM blob_pieces WHERE number = (SELECT number FROM blob_pieces WHERE blob = ?1 ORDER BY piece DESC LIMIT 1)"
              " RETURNING piece",
              error);
  query_bind_int(&query, blob);
  int64_t piece = 0;
  while (query_step(&query)) piece = query_get_int(&query);
  enum error_code code = query_finish(&query);
  *out_is_gone = piece == 0;
  if (code != ERROR_NONE || !*out_is_gone) return code;
  query_start(&query, connection, "DELETE FROM blobs WHERE number = ?1", error);
  query_bind_int(&query, blob);
  return query_run(&query);
}

/* A small blob that is still referred to is kept by its foreign keys; a large one would be gone before they are asked. */
static enum error_code check_unreferred(struct connection *connection, int64_t blob, struct error *error) {
  struct query query;
  query_start(&query, connection, "SELECT 1 FROM jobs WHERE checkpoint_blob = ?1 UNION ALL SELECT 1 FROM models WHERE weights_blob = ?1",
              error);
  query_bind_int(&query, blob);
  bool is_referred = query_step(&query);
  enum error_code code = query_finish(&query);
  if (code == ERROR_NONE && is_referred) return error_set(error, ERROR_INTERNAL, "blob %" PRId64 " is still in use", blob);
  return code;
}

enum error_code blobs_drop(struct store *store, struct connection *connection, int64_t blob, struct error *error) {
  size_t byte_count;
  enum error_code code = get_size(connection, blob, &byte_count, error);
  if (code == ERROR_NONE) code = check_unreferred(connection, blob, error);
  if (code != ERROR_NONE) return code;
  if (byte_count > STORE_PIECE_BYTES) return leftovers_add(store, connection, LEFTOVER_BLOB, blob, "", error);
  bool is_gone;
  return blobs_delete_portion(connection, blob, &is_gone, error);
}

enum error_code blobs_check(struct connection *connection, int64_t blob, struct error *error) {
  struct query query;
  query_start(&query, connection,
              "SELECT (SELECT count(*) FROM blob_pieces WHERE blob = ?1) = (byte_count + ?2 - 1) / ?2"
              " AND NOT EXISTS (SELECT 1 FROM leftovers WHERE kind = 0 AND target = ?1)"
              " AND NOT EXISTS (SELECT 1 FROM jobs WHERE checkpoint_blob = ?1)"
              " AND NOT EXISTS (SELECT 1 FROM models WHERE weights_blob = ?1) FROM blobs WHERE number = ?1",
              error);
  query_bind_int(&query, blob);
  query_bind_int(&query, STORE_PIECE_BYTES);
  bool is_whole = query_step(&query) && query_get_bool(&query);
  enum error_code code = query_finish(&query);
  if (code == ERROR_NONE && !is_whole)
    return error_set(error, ERROR_INTERNAL, "blob %" PRId64 " is not there, not whole or not free", blob);
  return code;
}

void blobs_discard(struct store *store, int64_t blob) {
  struct connection *connection;
  struct error ignored = {0};
  if (blob == 0 || write_begin(store, &connection, &ignored) != ERROR_NONE) return;
  /* If this fails, as on a full disk, the next start sweeps the blob. */
  ignore_error(write_end(store, blobs_drop(store, connection, blob, &ignored), &ignored));
}
