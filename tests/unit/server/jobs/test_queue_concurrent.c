/* The queue: strict order by priority and age; memory is never lent twice; a job that waits for memory isn't overtaken. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/job_scene.h"
#include "tests/support/suite.h"

enum { ROWS = 80, MIB = 1 << 20 };
#define ENDLESS_RUN "\"epochs\": 900000, \"batch_size\": 8,"

static struct job_scene scene;

static void open_scene(void) { job_scene_create(&scene, ROWS); }
static void close_scene(void) { job_scene_destroy(&scene); }

/* Submits while no worker takes anything, so that the whole queue is there when the workers start. */
static void submit_all(const struct scene_job *jobs, size_t count, char ids[][STORE_ID_BYTES]) {
  struct jobs_options options = {.workers = 1, .memory_budget_bytes = UINT64_C(1) << 40};
  job_scene_start(&scene, &options);
  jobs_stop(scene.jobs);
  for (size_t i = 0; i < count; i++) job_scene_submit(&scene, &jobs[i], ids[i]);
  job_scene_stop(&scene);
}

static void get(const char *id, struct job_row *out_row) {
  struct error error = {0};
  ck_assert_int_eq(jobs_get(scene.store, id, out_row, &error), ERROR_NONE);
}

static enum job_state get_state(const char *id) {
  struct job_row row;
  get(id, &row);
  enum job_state state = row.state;
  job_row_deinit(&row);
  return state;
}

START_TEST(jobs_run_by_priority_then_by_age) {
  static const int64_t priorities[] = {50, 10, 90, 50, 100};
  static const size_t order[] = {4, 2, 0, 3, 1};
  struct scene_job jobs[5];
  char ids[5][STORE_ID_BYTES];
  for (size_t i = 0; i < 5; i++) jobs[i] = (struct scene_job){.extra = "\"epochs\": 2,", .priority = priorities[i]};
  submit_all(jobs, 5, ids);
  struct jobs_options options = {.workers = 1};
  job_scene_start(&scene, &options);
  int64_t last_end_ms = 0;
  for (size_t i = 0; i < 5; i++) {
    struct job_row row;
    job_scene_wait(&scene, ids[order[i]], 1u << JOB_SUCCEEDED, &row);
    ck_assert_int_ge(row.started_ms, last_end_ms);
    last_end_ms = row.finished_ms;
    job_row_deinit(&row);
  }
}
END_TEST

START_TEST(a_job_that_does_not_fit_waits_and_is_not_overtaken) {
  struct scene_job jobs[] = {{.extra = ENDLESS_RUN, .memory_bytes = 60 * MIB},
                             {.extra = "\"epochs\": 2,", .memory_bytes = 60 * MIB},
                             {.extra = "\"epochs\": 2,", .memory_bytes = 5 * MIB}};
  char ids[3][STORE_ID_BYTES];
  submit_all(jobs, 3, ids);
  struct jobs_options options = {.workers = 3, .threads = 3, .memory_budget_bytes = 100 * MIB};
  job_scene_start(&scene, &options);
  job_scene_wait_for_metrics(&scene, ids[0], 20);
  struct jobs_counts counts;
  jobs_get_counts(scene.jobs, &counts);
  ck_assert_uint_eq(counts.running, 1);
  ck_assert_uint_eq(counts.memory_bytes, 60 * MIB);
  ck_assert_int_eq(get_state(ids[1]), JOB_QUEUED);
  ck_assert_int_eq(get_state(ids[2]), JOB_QUEUED);
  struct error error = {0};
  ck_assert_int_eq(jobs_cancel(scene.jobs, ids[0], &error), ERROR_NONE);
  for (size_t i = 1; i < 3; i++) job_scene_wait(&scene, ids[i], 1u << JOB_SUCCEEDED, NULL);
}
END_TEST

START_TEST(a_job_larger_than_the_budget_of_this_start_is_paused_with_both_numbers) {
  struct scene_job jobs[] = {{.extra = "\"epochs\": 2,", .memory_bytes = 60 * MIB}, {.extra = "\"epochs\": 2,"}};
  char ids[2][STORE_ID_BYTES];
  submit_all(jobs, 2, ids);
  struct jobs_options options = {.workers = 1, .memory_budget_bytes = 20 * MIB};
  job_scene_start(&scene, &options);
  job_scene_wait(&scene, ids[0], 1u << JOB_PAUSED, NULL);
  ck_assert(job_scene_has_log(&scene, ids[0], "62914560"));
  ck_assert(job_scene_has_log(&scene, ids[0], "20971520"));
  job_scene_wait(&scene, ids[1], 1u << JOB_SUCCEEDED, NULL);
}
END_TEST

START_TEST(all_training_together_keeps_to_the_number_of_threads) {
  struct scene_job jobs[] = {{.extra = ENDLESS_RUN}, {.extra = ENDLESS_RUN}};
  char ids[2][STORE_ID_BYTES];
  submit_all(jobs, 2, ids);
  struct jobs_options options = {.workers = 2, .threads = 1};
  job_scene_start(&scene, &options);
  job_scene_wait_for_metrics(&scene, ids[0], 20);
  ck_assert_int_eq(get_state(ids[1]), JOB_QUEUED);
  struct error error = {0};
  ck_assert_int_eq(jobs_cancel(scene.jobs, ids[0], &error), ERROR_NONE);
  job_scene_wait_for_metrics(&scene, ids[1], 1);
}
END_TEST

START_TEST(a_queued_job_can_be_paused_and_cancelled) {
  struct scene_job jobs[] = {{.extra = ENDLESS_RUN, .priority = 90}, {.extra = "\"epochs\": 2,"}, {.extra = "\"epochs\": 2,"}};
  char ids[3][STORE_ID_BYTES];
  struct error error = {0};
  submit_all(jobs, 3, ids);
  struct jobs_options options = {.workers = 1};
  job_scene_start(&scene, &options);
  job_scene_wait_for_metrics(&scene, ids[0], 1);
  ck_assert_int_eq(jobs_pause(scene.jobs, ids[1], &error), ERROR_NONE);
  ck_assert_int_eq(jobs_cancel(scene.jobs, ids[2], &error), ERROR_NONE);
  ck_assert_int_eq(jobs_cancel(scene.jobs, ids[0], &error), ERROR_NONE);
  job_scene_wait(&scene, ids[0], 1u << JOB_CANCELLED, NULL);
  ck_assert_int_eq(get_state(ids[1]), JOB_PAUSED);
  ck_assert_int_eq(get_state(ids[2]), JOB_CANCELLED);
  ck_assert_int_eq(jobs_resume(scene.jobs, ids[1], &error), ERROR_NONE);
  job_scene_wait(&scene, ids[1], 1u << JOB_SUCCEEDED, NULL);
}
END_TEST

START_TEST(many_jobs_on_several_workers_all_end) {
  enum { COUNT = 40 };
  struct scene_job jobs[COUNT];
  char ids[COUNT][STORE_ID_BYTES];
  for (size_t i = 0; i < COUNT; i++) jobs[i] = (struct scene_job){.extra = "\"epochs\": 3, \"threads\": 2,"};
  submit_all(jobs, COUNT, ids);
  struct jobs_options options = {.workers = 4, .threads = 4};
  job_scene_start(&scene, &options);
  size_t first_count = 0;
  for (size_t i = 0; i < COUNT; i++) {
    size_t count;
    job_scene_wait(&scene, ids[i], 1u << JOB_SUCCEEDED, NULL);
    free(job_scene_list_steps(&scene, ids[i], &count));
    if (i == 0) first_count = count;
    ck_assert_uint_eq(count, first_count);
    ck_assert_uint_gt(count, 0);
  }
  struct jobs_counts counts;
  do jobs_get_counts(scene.jobs, &counts); /* the last run is given back a moment after its end is stored */
  while (counts.running > 0);
  ck_assert_uint_eq(counts.memory_bytes, 0);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "queue");
  tcase_add_checked_fixture(test_case, open_scene, close_scene);
  tcase_add_test(test_case, jobs_run_by_priority_then_by_age);
  tcase_add_test(test_case, a_job_that_does_not_fit_waits_and_is_not_overtaken);
  tcase_add_test(test_case, a_job_larger_than_the_budget_of_this_start_is_paused_with_both_numbers);
  tcase_add_test(test_case, all_training_together_keeps_to_the_number_of_threads);
  tcase_add_test(test_case, a_queued_job_can_be_paused_and_cancelled);
  tcase_add_test(test_case, many_jobs_on_several_workers_all_end);
}

int main(void) { return suite_main("queue", add_cases); }
