/* Migrations: the SQL files of migrations/, compiled in, applied in the order of their numbers, each in a transaction that also records
 * it in the table `migrations`. So a database is always at the end of one of them, and knows which. */
#include <inttypes.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>

#include "server/assets.h"
#include "server/store/private.h"

#define MIGRATIONS_FOLDER "migrations/"

struct migration {
  int64_t number;
  const char *name; /* "0001_tables.sql" */
  const char *sql;
  char sha256[STORE_SHA256_HEX_BYTES];
};

static void digest(const struct asset *asset, char out_hex[STORE_SHA256_HEX_BYTES]) {
  struct sha256_ctx context;
  unsigned char bytes[SHA256_DIGEST_SIZE];
  sha256_init(&context);
  sha256_update(&context, asset->byte_count, asset->bytes);
  sha256_digest(&context, sizeof bytes, bytes);
  for (size_t i = 0; i < sizeof bytes; i++) (void)snprintf(out_hex + 2 * i, 3, "%02x", bytes[i]);
}

/* False if the asset is no migration: NNNN_name.sql. */
static bool read_migration(const struct asset *asset, struct migration *out_migration) {
  if (strncmp(asset->path, MIGRATIONS_FOLDER, strlen(MIGRATIONS_FOLDER)) != 0) return false;
  const char *name = asset->path + strlen(MIGRATIONS_FOLDER);
  size_t digits = strspn(name, "0123456789");
  const char *end = strrchr(name, '.');
  if (digits != 4 || name[digits] != '_' || !end || strcmp(end, ".sql") != 0) return false;
  out_migration->number = (name[0] - '0') * 1000 + (name[1] - '0') * 100 + (name[2] - '0') * 10 + (name[3] - '0');
  out_migration->name = name;
  out_migration->sql = (const char *)asset->bytes;
  digest(asset, out_migration->sha256);
  return true;
}

static enum error_code read_last_number(struct connection *connection, int64_t *out_number, struct error *error) {
  struct query query;
  query_start(&query, connection, "SELECT coalesce(max(number), 0) FROM migrations", error);
  *out_number = query_step(&query) ? query_get_int(&query) : 0;
  return query_finish(&query);
}

/* A migration that was applied must be the one this program knows by its number. */
static enum error_code check_applied(struct connection *connection, const struct migration *migration, struct error *error) {
  struct query query;
  query_start(&query, connection, "SELECT sha256 FROM migrations WHERE number = ?1", error);
  query_bind_int(&query, migration->number);
  char sha256[STORE_SHA256_HEX_BYTES] = "";
  if (query_step(&query)) query_get_text(&query, sha256, sizeof sha256);
  enum error_code code = query_finish(&query);
  if (code == ERROR_NONE && strcmp(sha256, migration->sha256) != 0)
    return error_set(error, ERROR_CONFLICT, "the database was made by another version of backpropd: its migration %s is not this program's",
                     migration->name);
  return code;
}

static enum error_code apply(struct connection *connection, const struct migration *migration, struct error *error) {
  enum error_code code = sql_execute(connection->db, "BEGIN IMMEDIATE", error);
  if (code != ERROR_NONE) return code;
  code = sql_execute(connection->db, migration->sql, error);
  if (code == ERROR_NONE) {
    struct query query;
    query_start(&query, connection, "INSERT INTO migrations (number, name, sha256, applied_ms) VALUES (?1, ?2, ?3, ?4)", error);
    query_bind_int(&query, migration->number);
    query_bind_text(&query, migration->name);
    query_bind_text(&query, migration->sha256);
    query_bind_int(&query, store_now_ms());
    code = query_run(&query);
  }
  if (code == ERROR_NONE) code = sql_execute(connection->db, "COMMIT", error);
  if (code != ERROR_NONE && !sqlite3_get_autocommit(connection->db)) {
    struct error ignored = {0};
    ignore_error(sql_execute(connection->db, "ROLLBACK", &ignored));
  }
  return code;
}

static enum error_code refuse_newer(int64_t applied, int64_t known, struct error *error) {
  return error_set(error, ERROR_CONFLICT,
                   "the database was made by a newer backpropd: it is at migration %" PRId64 ", this program knows %" PRId64, applied,
                   known);
}

enum error_code migrate(struct connection *connection, struct error *error) {
  enum error_code code = sql_execute(connection->db,
                                     "CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL,"
                                     " sha256 TEXT NOT NULL, applied_ms INTEGER NOT NULL) STRICT",
                                     error);
  int64_t applied = 0;
  if (code == ERROR_NONE) code = read_last_number(connection, &applied, error);
  size_t asset_count;
  const struct asset *assets = assets_get(&asset_count);
  int64_t known = 0;
  struct migration migration;
  for (size_t i = 0; i < asset_count; i++)
    if (read_migration(&assets[i], &migration)) known = migration.number;
  if (code == ERROR_NONE && applied > known) return refuse_newer(applied, known, error);
  /* Assets are sorted by path, so migrations come in the order of their numbers. */
  for (size_t i = 0; i < asset_count && code == ERROR_NONE; i++) {
    if (!read_migration(&assets[i], &migration)) continue;
    code = migration.number <= applied ? check_applied(connection, &migration, error) : apply(connection, &migration, error);
  }
  return code;
}
