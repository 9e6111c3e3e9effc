/* Several threads write and read the store at once. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/store/blobs.h"
#include "server/store/networks.h"
#include "tests/support/store_scene.h"
#include "tests/support/suite.h"

enum { WRITERS = 4, READERS = 12, COMMITS = 30, EVENTS_PER_COMMIT = 4, PAIRS = 30 };

static struct store_scene scene;
static char jobs[WRITERS][STORE_ID_BYTES];
static atomic_bool is_over;
static atomic_int failures; /* Check's assertions belong to the main thread */

static void begin(void) { store_scene_begin(&scene); }
static void end(void) { store_scene_end(&scene); }

static void expect(bool holds) {
  if (!holds) atomic_fetch_add(&failures, 1);
}

/* A job's worker: metrics and a checkpoint whose every byte is the step's, in each commit. */
static void *write_job(void *context) {
  const char *job = context;
  struct error error = {0};
  for (uint64_t commit = 1; commit <= COMMITS; commit++) {
    struct event_row events[EVENTS_PER_COMMIT];
    for (uint64_t i = 0; i < EVENTS_PER_COMMIT; i++) events[i] = store_scene_make_metrics((commit - 1) * EVENTS_PER_COMMIT + i + 1);
    size_t byte_count = commit % 10 == 0 ? STORE_PIECE_BYTES + 10 : 5000;
    unsigned char *bytes = malloc(byte_count);
    memset(bytes, (int)commit, byte_count);
    int64_t blob = 0;
    expect(blobs_write(scene.store, bytes, byte_count, &blob, &error) == ERROR_NONE);
    struct job_update update = {.job_id = job,
                                .events = events,
                                .event_count = EVENTS_PER_COMMIT,
                                .checkpoint_blob = &blob,
                                .position = &commit,
                                .position_bytes = sizeof commit};
    expect(jobs_commit(scene.store, &update, 1, &error) == ERROR_NONE);
    for (size_t i = 0; i < EVENTS_PER_COMMIT; i++) event_row_deinit(&events[i]);
    free(bytes);
  }
  return NULL;
}

/* Pairs of networks, one transaction each: every second pair is rolled back. */
static void *write_pairs(void *context) {
  (void)context;
  struct error error = {0};
  for (int pair = 0; pair < PAIRS; pair++) {
    expect(store_begin(scene.store, &error) == ERROR_NONE);
    for (int i = 0; i < 2; i++) {
      struct network_row row = {.spec_json = strdup("{}")};
      expect(networks_insert(scene.store, &row, &error) == ERROR_NONE);
      network_row_deinit(&row);
    }
    if (pair % 2 == 0)
      expect(store_commit(scene.store, &error) == ERROR_NONE);
    else
      store_rollback(scene.store);
    if (pair % 5 == 0) store_vacuum(scene.store);
  }
  return NULL;
}

/* A job's row is of one commit: its last event and its position belong together. */
static void read_job(const char *id) {
  struct error error = {0};
  struct job_row job;
  expect(jobs_get(scene.store, id, &job, &error) == ERROR_NONE);
  uint64_t commit = 0;
  if (job.position) memcpy(&commit, job.position, sizeof commit);
  expect(job.last_event == commit * EVENTS_PER_COMMIT + 1);
  if (job.checkpoint_blob != 0) {
    unsigned char bytes[5000];
    enum error_code code = blobs_read(scene.store, job.checkpoint_blob, 0, bytes, sizeof bytes, &error);
    expect(code == ERROR_NONE || code == ERROR_NOT_FOUND || code == ERROR_INTERNAL); /* replaced meanwhile, perhaps half deleted */
    if (code == ERROR_NONE) expect(bytes[0] == commit && bytes[4999] == commit);
  }
  job_row_deinit(&job);
}

static void *read_all(void *context) {
  size_t turn = (size_t)(uintptr_t)context;
  struct error error = {0};
  while (!atomic_load(&is_over)) {
    const char *job = jobs[turn++ % WRITERS];
    read_job(job);
    struct event_row *events;
    size_t count;
    expect(events_list(scene.store, job, 0, 0, 1000, &events, &count, &error) == ERROR_NONE);
    for (size_t i = 0; i < count; i++) expect(events[i].seq == i + 1);
    expect(count % EVENTS_PER_COMMIT == 1);
    events_free(events, count);
    struct network_row *networks;
    char next[sizeof(((struct store_page *)0)->cursor)];
    expect(networks_list(scene.store, &(struct store_page){.limit = 1000}, &networks, &count, next, &error) == ERROR_NONE);
    expect(count % 2 == 0);
    for (size_t i = 0; i < count; i++) network_row_deinit(&networks[i]);
    free(networks);
    expect(turn % 16 != 0 || store_check(scene.store, &error) != ERROR_INTERNAL);
  }
  return NULL;
}

START_TEST(concurrent_readers_see_whole_commits_and_writers_lose_none) {
  pthread_t writers[WRITERS], pairs, readers[READERS];
  for (size_t i = 0; i < WRITERS; i++) store_scene_insert_job(&scene, "", 50, jobs[i]);
  for (size_t i = 0; i < WRITERS; i++) ck_assert_int_eq(pthread_create(&writers[i], NULL, write_job, jobs[i]), 0);
  ck_assert_int_eq(pthread_create(&pairs, NULL, write_pairs, NULL), 0);
  for (size_t i = 0; i < READERS; i++) ck_assert_int_eq(pthread_create(&readers[i], NULL, read_all, (void *)(uintptr_t)i), 0);
  for (size_t i = 0; i < WRITERS; i++) pthread_join(writers[i], NULL);
  pthread_join(pairs, NULL);
  atomic_store(&is_over, true);
  for (size_t i = 0; i < READERS; i++) pthread_join(readers[i], NULL);
  ck_assert_int_eq(atomic_load(&failures), 0);
  store_scene_reopen(&scene);
  store_scene_assert_whole(&scene);
  ck_assert_int_eq(store_scene_count(&scene, "events"), WRITERS * (1 + COMMITS * EVENTS_PER_COMMIT));
  ck_assert_int_eq(store_scene_count(&scene, "blobs"), WRITERS);
  ck_assert_int_eq(store_scene_count(&scene, "networks"), PAIRS);
}
END_TEST

static void *close_name(void *context) {
  atomic_int *winners = context;
  struct error error = {0};
  struct network_row row = {.name = "wanted", .spec_json = strdup("{}")};
  enum error_code code = networks_insert(scene.store, &row, &error);
  if (code == ERROR_NONE) atomic_fetch_add(winners, 1);
  expect(code == ERROR_NONE || code == ERROR_CONFLICT);
  network_row_deinit(&row);
  return NULL;
}

START_TEST(concurrent_insertions_of_one_name_have_one_winner) {
  pthread_t threads[8];
  atomic_int winners = 0;
  for (size_t i = 0; i < 8; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, close_name, &winners), 0);
  for (size_t i = 0; i < 8; i++) pthread_join(threads[i], NULL);
  ck_assert_int_eq(atomic_load(&winners), 1);
  ck_assert_int_eq(atomic_load(&failures), 0);
}
END_TEST

static void *take_job(void *context) {
  atomic_int *winners = context;
  struct error error = {0};
  struct job_update update = {.job_id = jobs[0], .expected_states = 1u << JOB_QUEUED, .sets_state = true, .state = JOB_RUNNING};
  enum error_code code = jobs_commit(scene.store, &update, 1, &error);
  if (code == ERROR_NONE) atomic_fetch_add(winners, 1);
  expect(code == ERROR_NONE || code == ERROR_CONFLICT);
  return NULL;
}

START_TEST(concurrent_takers_of_one_job_have_one_winner) {
  store_scene_insert_job(&scene, "", 50, jobs[0]);
  pthread_t threads[8];
  atomic_int winners = 0;
  for (size_t i = 0; i < 8; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, take_job, &winners), 0);
  for (size_t i = 0; i < 8; i++) pthread_join(threads[i], NULL);
  ck_assert_int_eq(atomic_load(&winners), 1);
  ck_assert_int_eq(atomic_load(&failures), 0);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *concurrent = suite_add_case(suite, "concurrent");
  tcase_add_checked_fixture(concurrent, begin, end);
  tcase_add_test(concurrent, concurrent_readers_see_whole_commits_and_writers_lose_none);
  tcase_add_test(concurrent, concurrent_insertions_of_one_name_have_one_winner);
  tcase_add_test(concurrent, concurrent_takers_of_one_job_have_one_winner);
}

int main(void) { return suite_main("store concurrent", add_cases); }
