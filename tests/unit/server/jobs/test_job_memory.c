/* What jobs_measure computes holds what a job allocates, from reading its data to storing its model; and it all comes back. */
#include <string.h>
#include <unistd.h>

#include "tests/support/allocations.h"
#include "tests/support/job_scene.h"
#include "tests/support/suite.h"

enum { ROWS = 12000, OTHER_BYTES = 3 << 20 /* the database's page cache, events on their way */ };
static const char wide_network[] = "{\"layers\": [{\"type\": \"dense\", \"units\": 700, \"activation\": \"relu\"}, {\"type\": "
                                   "\"batch_norm\"}, {\"type\": \"dense\", \"units\": "
                                   "700, \"activation\": \"gelu\"}, {\"type\": \"dense\", \"units\": \"auto\", \"activation\": \"auto\"}]}";

static struct job_scene scene;
static void open_scene(void) { job_scene_create(&scene, ROWS); }
static void close_scene(void) { job_scene_destroy(&scene); }

START_TEST(a_job_keeps_within_its_measured_memory_and_gives_it_back) {
  if (!allocations_can_count()) return;
  static const char *const extras[] = {"\"epochs\": 1, \"batch_size\": 256,",
                                       "\"epochs\": 1, \"batch_size\": 256, \"early_stopping\": {\"patience\": 1},",
                                       "\"epochs\": 1, \"batch_size\": 512, \"loss\": {\"type\": \"mean_squared_error\"},"};
  struct jobs_options options = {.workers = 1, .checkpoint_interval_ms = 50};
  job_scene_start(&scene, &options);
  for (size_t i = 0; i < sizeof extras / sizeof extras[0]; i++) {
    struct scene_job job = {.network = wide_network, .extra = extras[i]};
    struct job_row row;
    char id[STORE_ID_BYTES];
    size_t before = allocations_live_bytes();
    allocations_reset_peak();
    job_scene_submit(&scene, &job, id);
    job_scene_wait_for_metrics(&scene, id, 1);
    struct error error = {0};
    if (jobs_pause(scene.jobs, id, &error) == ERROR_NONE) { /* so that a checkpoint is read as well */
      job_scene_wait(&scene, id, 1u << JOB_PAUSED | 1u << JOB_SUCCEEDED, &row);
      if (row.state == JOB_PAUSED) ck_assert_int_eq(jobs_resume(scene.jobs, id, &error), ERROR_NONE);
      job_row_deinit(&row);
    }
    job_scene_wait(&scene, id, 1u << JOB_SUCCEEDED, &row);
    size_t peak = allocations_peak_bytes() - before;
    ck_assert_msg(peak <= row.memory_bytes + OTHER_BYTES, "%zu bytes allocated, %llu measured", peak, (unsigned long long)row.memory_bytes);
    ck_assert_msg(peak + OTHER_BYTES >= row.memory_bytes / 2, "%zu bytes allocated, %llu measured", peak,
                  (unsigned long long)row.memory_bytes);
    job_row_deinit(&row);
    struct jobs_counts counts;
    do {
      usleep(1000);
      jobs_get_counts(scene.jobs, &counts);
    } while (counts.running > 0);
    ck_assert_msg(allocations_live_bytes() < before + OTHER_BYTES, "%zu bytes before, %zu after", before, allocations_live_bytes());
  }
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "job_memory");
  tcase_add_checked_fixture(test_case, open_scene, close_scene);
  tcase_add_test(test_case, a_job_keeps_within_its_measured_memory_and_gives_it_back);
}

int main(void) { return suite_main("job_memory", add_cases); }
