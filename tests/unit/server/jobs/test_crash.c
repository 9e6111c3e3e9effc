/* kill -9 at random moments: every job goes on by itself, to the same bits, and each metrics point is there once. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/job_scene.h"
#include "tests/support/suite.h"

enum { ROWS = 240, ROUNDS = 10, JOBS = 3, LONGEST_LIFE_MS = 400 };

/* Long enough to be killed a few times each. */
static const struct scene_job runs[] = {
    {.extra = "\"epochs\": 6000, \"batch_size\": 8,"},
    {.extra = "\"epochs\": 600, \"batch_size\": 240, \"algorithm\": {\"type\": \"genetic\", \"population\": 30}, \"ema_decay\": 0.9,"},
    {.extra = "\"epochs\": 120, \"batch_size\": 60, \"algorithm\": \"finite_differences\", \"accumulate_steps\": 2,"},
    {.extra = "\"epochs\": 1500, \"batch_size\": 60, \"algorithm\": {\"type\": \"random_search\", \"candidates\": 3},"},
    {.extra = "\"epochs\": 1500, \"batch_size\": 240, \"optimizer\": {\"type\": \"lbfgs\", \"line_search\": \"strong_wolfe\", "
              "\"history_size\": 5},"},
    {.target = "",
     .features = "\"x1\", \"x2\", \"side\"",
     .extra = "\"epochs\": 6000, \"batch_size\": 8, \"augmentation\": {\"noise\": 0.3, \"mixup\": 0.2},"},
};

static const struct jobs_options options = {.workers = 2, .checkpoint_interval_ms = 15};

/* A process that trains until it is killed. Started before this process has any thread. */
static pid_t start_server(struct job_scene *scene) {
  pid_t pid = fork();
  ck_assert_int_ge(pid, 0);
  if (pid == 0) {
    job_scene_open(scene);
    job_scene_start(scene, &options);
    for (;;) pause();
  }
  return pid;
}

static size_t count_unfinished(struct job_scene *scene, char ids[JOBS][STORE_ID_BYTES]) {
  size_t count = 0;
  for (size_t i = 0; i < JOBS; i++) {
    struct job_row row;
    struct error error = {0};
    ck_assert_msg(jobs_get(scene->store, ids[i], &row, &error) == ERROR_NONE, "%s", error.detail);
    if ((JOB_STATES_UNFINISHED >> row.state & 1u) != 0) count++;
    job_row_deinit(&row);
  }
  return count;
}

/* All that the doctor said of a job, one after the other. */
static char *list_diagnoses(struct job_scene *scene, const char *id) {
  struct event_row *events;
  struct error error = {0};
  size_t count, bytes = 1;
  ck_assert(events_list(scene->store, id, 0, 1u << EVENT_DIAGNOSIS, 1000, &events, &count, &error) == ERROR_NONE);
  for (size_t i = 0; i < count; i++) bytes += strlen(events[i].data) + 1;
  char *text = calloc(bytes, 1);
  for (size_t i = 0; i < count; i++) strcat(strcat(text, events[i].data), "\n");
  events_free(events, count);
  return text;
}

START_TEST(killed_jobs_end_with_the_same_bits_and_every_point_once) {
  struct job_scene scene;
  char whole[STORE_ID_BYTES], ids[JOBS][STORE_ID_BYTES];
  const struct scene_job job = runs[_i];
  job_scene_create(&scene, ROWS);
  job_scene_start(&scene, &options);
  const int64_t submitted_ms = store_now_ms();
  job_scene_submit(&scene, &job, whole);
  struct job_row whole_row;
  job_scene_wait(&scene, whole, 1u << JOB_SUCCEEDED, &whole_row);
  /* No life is longer than one job takes: three can't be through in the first. */
  const int64_t whole_ms = store_now_ms() - submitted_ms;
  const unsigned life_ms_max = whole_ms < LONGEST_LIFE_MS ? (unsigned)whole_ms + 1 : LONGEST_LIFE_MS;
  size_t whole_count;
  char *whole_diagnoses = list_diagnoses(&scene, whole);
  if (_i == 0) ck_assert_ptr_nonnull(strstr(whole_diagnoses, "\"code\""));
  uint64_t *whole_steps = job_scene_list_steps(&scene, whole, &whole_count);
  jobs_stop(scene.jobs);
  for (size_t i = 0; i < JOBS; i++) job_scene_submit(&scene, &job, ids[i]);
  job_scene_close(&scene);

  unsigned seed = (unsigned)time(NULL);
  size_t kills = 0;
  for (int round = 0; round < ROUNDS; round++) {
    pid_t pid = start_server(&scene);
    seed = seed * 1103515245u + 12345u;
    usleep(1000 * (5 + (seed >> 16) % life_ms_max));
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFSIGNALED(status), "the server ended by itself");
    job_scene_open(&scene);
    size_t unfinished = count_unfinished(&scene, ids);
    job_scene_close(&scene);
    if (unfinished == 0) break;
    kills++;
  }
  ck_assert_uint_gt(kills, 0);

  job_scene_open(&scene);
  job_scene_start(&scene, &options);
  for (size_t i = 0; i < JOBS; i++) {
    struct job_row row;
    size_t count;
    job_scene_wait(&scene, ids[i], 1u << JOB_SUCCEEDED, &row);
    ck_assert_str_eq(row.weights_sha256, whole_row.weights_sha256);
    ck_assert_str_eq(row.best_json, whole_row.best_json);
    ck_assert_str_eq(row.latest_json, whole_row.latest_json);
    ck_assert_str_eq(row.diagnosis_json, whole_row.diagnosis_json);
    char *diagnoses = list_diagnoses(&scene, ids[i]);
    ck_assert_str_eq(diagnoses, whole_diagnoses);
    free(diagnoses);
    ck_assert_uint_eq(row.progress.step, whole_row.progress.step);
    uint64_t *steps = job_scene_list_steps(&scene, ids[i], &count);
    ck_assert_uint_eq(count, whole_count);
    ck_assert_int_eq(memcmp(steps, whole_steps, count * sizeof *steps), 0);
    free(steps);
    job_row_deinit(&row);
  }
  free(whole_steps);
  free(whole_diagnoses);
  job_row_deinit(&whole_row);
  job_scene_destroy(&scene);
}
END_TEST

static void add_cases(Suite *suite) {
  tcase_add_loop_test(suite_add_case(suite, "crash"), killed_jobs_end_with_the_same_bits_and_every_point_once, 0,
                      sizeof runs / sizeof runs[0]);
}

int main(void) { return suite_main("crash", add_cases); }
