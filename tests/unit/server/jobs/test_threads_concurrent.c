/* However many jobs run and however many threads each asks for, all training together runs on no more threads than --threads says. What
 * counts is what the kernel says of each thread: which of those that train (they are nicer than the first) are on
 * a processor or want to be. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/support/job_scene.h"
#include "tests/support/suite.h"

enum { ROWS = 4000, THREADS = 3, SAMPLES = 40, SAMPLE_US = 1500, SETTLE_TRIES = 50, COUNTS = 3, TASKS_MAX = 128 };
static const char wide_network[] = "{\"layers\": [{\"type\": \"dense\", \"units\": 600, \"activation\": \"relu\"}, {\"type\": \"dense\", "
                                   "\"units\": 600, \"activation\": \"relu\"}, {\"type\": \"dense\", \"units\": \"auto\", "
                                   "\"activation\": \"auto\"}]}";

static struct job_scene scene;
static void open_scene(void) { job_scene_create(&scene, ROWS); }
static void close_scene(void) { job_scene_destroy(&scene); }

static bool is_training(long task) {
  char path[64], line[512] = "";
  snprintf(path, sizeof path, "/proc/self/task/%ld/stat", task);
  FILE *file = fopen(path, "re");
  if (file == NULL) return false;
  const char *text = fgets(line, sizeof line, file);
  fclose(file);
  const char *state = text == NULL ? NULL : strrchr(line, ')');
  return state != NULL && state[2] == 'R' && getpriority(PRIO_PROCESS, (id_t)task) > getpriority(PRIO_PROCESS, (id_t)getpid());
}

/* Different threads that were seen training in so many looks. */
static size_t count_training_threads(void) {
  long seen[TASKS_MAX];
  size_t count = 0;
  for (size_t sample = 0; sample < SAMPLES; sample++) {
    DIR *folder = opendir("/proc/self/task");
    ck_assert_ptr_nonnull(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
      const long task = strtol(entry->d_name, NULL, 10);
      if (task == 0 || !is_training(task)) continue;
      size_t at = 0;
      while (at < count && seen[at] != task) at++;
      if (at == count && count < TASKS_MAX) seen[count++] = task;
    }
    closedir(folder);
    usleep(SAMPLE_US);
  }
  return count;
}

/* After jobs came or went, threads that have to leave do so at the end of their piece, and workers look for work; then the number holds. */
static size_t count_when_settled(void) {
  for (int tries = 0; tries < SETTLE_TRIES && count_training_threads() > THREADS; tries++) usleep(20000);
  size_t most = 0;
  for (int i = 0; i < COUNTS; i++) {
    const size_t count = count_training_threads();
    if (count > most) most = count;
  }
  return most;
}

static void submit(const char *threads, char out_id[STORE_ID_BYTES]) {
  char extra[128];
  snprintf(extra, sizeof extra, "\"epochs\": 100000, \"batch_size\": 256, \"threads\": %s,", threads);
  job_scene_submit(&scene, &(struct scene_job){.network = wide_network, .extra = extra}, out_id);
}

START_TEST(all_training_together_takes_no_more_threads_than_it_may) {
  /* As many workers as there are jobs, and no checkpoints, whose writing is not training. */
  const struct jobs_options options = {.workers = 5, .threads = THREADS, .checkpoint_interval_ms = 1000000};
  static const char *const asked[] = {"8", "8", "1"};
  char ids[4][STORE_ID_BYTES];
  job_scene_start(&scene, &options);
  for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
    submit(asked[i], ids[i]);
    job_scene_wait_for_metrics(&scene, ids[i], 1);
    const size_t count = count_when_settled();
    ck_assert_msg(count <= THREADS, "%zu jobs train on %zu threads", i + 1, count);
    ck_assert_uint_ge(count, i + 1);
  }
  /* One more waits, and when one ends its threads go to those that are left. */
  submit("8", ids[3]);
  usleep(50000);
  struct jobs_counts counts;
  jobs_get_counts(scene.jobs, &counts);
  ck_assert_uint_eq(counts.running, THREADS);
  struct error error = {0};
  for (size_t i = 1; i < 4; i++) ck_assert_int_eq(jobs_cancel(scene.jobs, ids[i], &error), ERROR_NONE);
  for (size_t i = 1; i < 4; i++) job_scene_wait(&scene, ids[i], 1u << JOB_CANCELLED, NULL);
  do jobs_get_counts(scene.jobs, &counts);
  while (counts.running > 1);
  const size_t count = count_when_settled();
  ck_assert_msg(count <= THREADS && count > 1, "the last job trains on %zu threads", count);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "threads");
  tcase_add_checked_fixture(test_case, open_scene, close_scene);
  tcase_add_test(test_case, all_training_together_takes_no_more_threads_than_it_may);
}

int main(void) { return suite_main("threads", add_cases); }
