/* A full disk: the write says so, and nothing of it is there. The process's file size limit stands for the disk's end. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "server/store/blobs.h"
#include "server/store/networks.h"
#include "tests/support/store_scene.h"
#include "tests/support/suite.h"

static struct store_scene scene;
static char job[STORE_ID_BYTES];

static void begin(void) {
  signal(SIGXFSZ, SIG_IGN);
  store_scene_begin(&scene);
  store_scene_insert_job(&scene, "first", 50, job);
}
static void end(void) { store_scene_end(&scene); }

/* No file may grow beyond that; RLIM_INFINITY for no limit. */
static void limit_files(rlim_t byte_count) {
  struct rlimit limit;
  ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
  limit.rlim_cur = byte_count < limit.rlim_max ? byte_count : limit.rlim_max;
  ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static enum error_code insert_network(const char *name, size_t spec_bytes) {
  struct network_row row = {.spec_json = malloc(spec_bytes + 1)};
  memset(row.spec_json, ' ', spec_bytes);
  row.spec_json[spec_bytes] = '\0';
  (void)snprintf(row.name, sizeof row.name, "%s", name);
  enum error_code code = networks_insert(scene.store, &row, &scene.error);
  network_row_deinit(&row);
  return code;
}

START_TEST(blob_that_does_not_fit_leaves_no_piece) {
  unsigned char *bytes = store_scene_make_bytes(20 << 20, 1);
  int64_t blob;
  limit_files(6 << 20);
  ASSERT_FAILS(&scene, ERROR_DISK_FULL, "full", blobs_write(scene.store, bytes, 20 << 20, &blob, &scene.error));
  limit_files(RLIM_INFINITY);
  ck_assert_int_eq(blob, 0);
  store_scene_reopen(&scene);
  ck_assert_int_eq(store_scene_count(&scene, "blobs"), 0);
  ck_assert_int_eq(store_scene_count(&scene, "blob_pieces"), 0);
  store_scene_assert_whole(&scene);
  ASSERT_OK(&scene, blobs_write(scene.store, bytes, 20 << 20, &blob, &scene.error));
  free(bytes);
}
END_TEST

START_TEST(update_that_does_not_fit_changes_no_job) {
  char other[STORE_ID_BYTES];
  store_scene_insert_job(&scene, "second", 50, other);
  const size_t byte_count = 8 << 20;
  struct event_row events[2] = {store_scene_make_metrics(1), {.kind = EVENT_LOG, .data = malloc(byte_count + 1)}};
  memset(events[1].data, 'x', byte_count);
  events[1].data[byte_count] = '\0';
  const struct job_update updates[] = {{.job_id = job, .sets_state = true, .state = JOB_RUNNING},
                                       {.job_id = other, .sets_state = true, .state = JOB_RUNNING, .events = events, .event_count = 2}};
  limit_files(4 << 20);
  ASSERT_FAILS(&scene, ERROR_DISK_FULL, "full", jobs_commit(scene.store, updates, 2, &scene.error));
  uint64_t counts[JOB_STATE_COUNT];
  ASSERT_OK(&scene, jobs_count(scene.store, counts, &scene.error));
  ck_assert_uint_eq(counts[JOB_QUEUED], 2);
  limit_files(RLIM_INFINITY);
  store_scene_assert_whole(&scene);
  ASSERT_OK(&scene, jobs_commit(scene.store, updates, 2, &scene.error));
  ck_assert_int_eq(store_scene_count(&scene, "events"), 4);
  event_row_deinit(&events[0]);
  event_row_deinit(&events[1]);
}
END_TEST

START_TEST(transaction_that_does_not_fit_is_undone_as_a_whole) {
  limit_files(4 << 20);
  ASSERT_OK(&scene, store_begin(scene.store, &scene.error));
  ck_assert_int_eq(insert_network("small", 10), ERROR_NONE);
  ck_assert_int_eq(insert_network("large", 8 << 20), ERROR_DISK_FULL);
  /* Whether SQLite has given up the transaction by now or not: what follows is either part of it or refused. */
  enum error_code later = insert_network("later", 10);
  enum error_code code = store_commit(scene.store, &scene.error);
  limit_files(RLIM_INFINITY);
  ck_assert_int_eq(store_scene_ask(&scene, "SELECT count(*) FROM networks WHERE name = 'large'"), 0);
  int64_t expected = code == ERROR_NONE ? 1 + (later == ERROR_NONE) : 0;
  ck_assert_int_eq(store_scene_count(&scene, "networks"), expected);
  store_scene_assert_whole(&scene);
  ck_assert_int_eq(insert_network("after", 8 << 20), ERROR_NONE);
}
END_TEST

START_TEST(store_goes_on_when_there_is_room_again) {
  for (int i = 0; i < 5; i++) {
    limit_files(1 << 20);
    ck_assert_int_eq(insert_network("x", 8 << 20), ERROR_DISK_FULL);
    limit_files(RLIM_INFINITY);
    char name[16];
    (void)snprintf(name, sizeof name, "n%d", i);
    ck_assert_int_eq(insert_network(name, 100), ERROR_NONE);
  }
  store_scene_reopen(&scene);
  ck_assert_int_eq(store_scene_count(&scene, "networks"), 5);
}
END_TEST

START_TEST(store_with_something_to_sweep_opens_on_a_full_disk) {
  unsigned char *bytes = store_scene_make_bytes(20 << 20, 1);
  int64_t blob;
  ASSERT_OK(&scene, blobs_write(scene.store, bytes, 20 << 20, &blob, &scene.error));
  free(bytes);
  store_scene_close(&scene);
  limit_files(60000); /* enough for an index of the WAL and little of the WAL itself */
  ASSERT_OK(&scene, store_open(scene.dir, &scene.store, &scene.error));
  struct job_row row;
  ASSERT_OK(&scene, jobs_get(scene.store, job, &row, &scene.error));
  job_row_deinit(&row);
  ck_assert_int_gt(store_scene_count(&scene, "blob_pieces"), 0);
  limit_files(RLIM_INFINITY);
  store_scene_reopen(&scene);
  ck_assert_int_eq(store_scene_count(&scene, "blob_pieces"), 0);
  store_scene_assert_whole(&scene);
}
END_TEST

START_TEST(a_new_store_on_a_full_disk_is_refused) {
  char command[256];
  store_scene_close(&scene);
  snprintf(command, sizeof command, "rm -f %s/backpropd.db*", scene.dir);
  ck_assert_int_eq(system(command), 0);
  limit_files(100);
  ASSERT_FAILS(&scene, ERROR_DISK_FULL, "full", store_open(scene.dir, &scene.store, &scene.error));
  limit_files(RLIM_INFINITY);
  ASSERT_OK(&scene, store_open(scene.dir, &scene.store, &scene.error));
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *full = suite_add_case(suite, "full");
  tcase_add_checked_fixture(full, begin, end);
  tcase_add_test(full, blob_that_does_not_fit_leaves_no_piece);
  tcase_add_test(full, update_that_does_not_fit_changes_no_job);
  tcase_add_test(full, transaction_that_does_not_fit_is_undone_as_a_whole);
  tcase_add_test(full, store_goes_on_when_there_is_room_again);
  tcase_add_test(full, a_new_store_on_a_full_disk_is_refused);
  tcase_add_test(full, store_with_something_to_sweep_opens_on_a_full_disk);
}

int main(void) { return suite_main("store full", add_cases); }
