#include "tests/support/store_scene.h"

#include <fcntl.h>
#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place) {
  (void)status;
  (void)type;
  (void)place;
  return remove(path);
}

void store_scene_begin(struct store_scene *scene) {
  *scene = (struct store_scene){.dir = "/tmp/backpropd-store-XXXXXX"};
  ck_assert_ptr_nonnull(mkdtemp(scene->dir));
  ASSERT_OK(scene, store_open(scene->dir, &scene->store, &scene->error));
}

void store_scene_close(struct store_scene *scene) {
  store_close(scene->store);
  scene->store = NULL;
}

void store_scene_reopen(struct store_scene *scene) {
  store_scene_close(scene);
  ASSERT_OK(scene, store_open(scene->dir, &scene->store, &scene->error));
}

void store_scene_end(struct store_scene *scene) {
  store_scene_close(scene);
  (void)nftw(scene->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static sqlite3 *open_database(const struct store_scene *scene, int flags) {
  char path[64];
  (void)snprintf(path, sizeof path, "%s/backpropd.db", scene->dir);
  sqlite3 *db;
  ck_assert_int_eq(sqlite3_open_v2(path, &db, flags, NULL), SQLITE_OK);
  sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
  return db;
}

int64_t store_scene_ask(const struct store_scene *scene, const char *sql) {
  sqlite3 *db = open_database(scene, SQLITE_OPEN_READONLY);
  sqlite3_stmt *statement;
  ck_assert_msg(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
  ck_assert_msg(sqlite3_step(statement) == SQLITE_ROW, "%s: %s", sql, sqlite3_errmsg(db));
  int64_t value = sqlite3_column_int64(statement, 0);
  sqlite3_finalize(statement);
  sqlite3_close(db);
  return value;
}

int64_t store_scene_count(const struct store_scene *scene, const char *table) {
  char sql[96];
  (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
  return store_scene_ask(scene, sql);
}

void store_scene_execute(const struct store_scene *scene, const char *sql) {
  sqlite3 *db = open_database(scene, SQLITE_OPEN_READWRITE);
  ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
  sqlite3_close(db);
}

void store_scene_assert_whole(const struct store_scene *scene) {
  ck_assert_int_eq(store_scene_ask(scene, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
  ck_assert_int_eq(store_scene_ask(scene, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
}

void store_scene_insert_job(struct store_scene *scene, const char *name, int64_t priority, char out_id[STORE_ID_BYTES]) {
  struct job_row row = {.priority = priority, .memory_bytes = 1000, .progress = {.epochs = 3, .steps = 30}};
  (void)snprintf(row.name, sizeof row.name, "%s", name);
  row.spec_json = strdup("{\"spec\":1}");
  row.network_json = strdup("{\"network\":1}");
  ASSERT_OK(scene, jobs_insert(scene->store, &row, "{\"state\":\"queued\"}", &scene->error));
  memcpy(out_id, row.id, STORE_ID_BYTES);
  job_row_deinit(&row);
}

enum error_code store_scene_commit(struct store_scene *scene, const struct job_update *update) {
  return jobs_commit(scene->store, update, 1, &scene->error);
}

struct event_row store_scene_make_metrics(uint64_t step) {
  struct event_row event = {.kind = EVENT_METRICS, .step = step, .epoch = step / 10};
  char data[48];
  (void)snprintf(data, sizeof data, "{\"step\":%llu}", (unsigned long long)step);
  event.data = strdup(data);
  return event;
}

unsigned char *store_scene_make_bytes(size_t byte_count, uint64_t seed) {
  unsigned char *bytes = malloc(byte_count + 1);
  ck_assert_ptr_nonnull(bytes);
  uint64_t state = seed * 2654435761u + 1;
  for (size_t i = 0; i < byte_count; i++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    bytes[i] = (unsigned char)(state >> 56);
  }
  return bytes;
}

static void make_path(const struct store_scene *scene, const char *name, char *out_path, size_t path_bytes) {
  (void)snprintf(out_path, path_bytes, "%s/datasets/%s", scene->dir, name);
}

void store_scene_make_file(const struct store_scene *scene, const char *name) {
  char path[128];
  make_path(scene, name, path, sizeof path);
  int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  ck_assert_int_ge(fd, 0);
  (void)close(fd);
}

bool store_scene_has_file(const struct store_scene *scene, const char *name) {
  char path[128];
  make_path(scene, name, path, sizeof path);
  return access(path, F_OK) == 0;
}
