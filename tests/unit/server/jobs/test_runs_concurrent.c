/* Jobs from submission to their end, on real threads: the bits don't depend on threads or interruptions, nothing is told twice. */
#include <math.h>
#include <nettle/sha2.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/kernels.h"
#include "server/store/blobs.h"
#include "tests/support/job_scene.h"
#include "tests/support/suite.h"

enum { ROWS = 240, OVER = 1 << JOB_SUCCEEDED | 1 << JOB_FAILED | 1 << JOB_CANCELLED };
#define LONG_RUN "\"epochs\": 1500, \"batch_size\": 8,"
#define ENDLESS_RUN "\"epochs\": 900000, \"batch_size\": 8,"

static struct job_scene scene;
static const struct jobs_options two_workers = {.workers = 2, .threads = 4, .checkpoint_interval_ms = 20};

static void open_scene(void) {
  job_scene_create(&scene, ROWS);
  job_scene_start(&scene, &two_workers);
}

static void close_scene(void) { job_scene_destroy(&scene); }

static void submit(const char *extra, char out_id[STORE_ID_BYTES]) {
  struct scene_job job = {.extra = extra};
  job_scene_submit(&scene, &job, out_id);
}

static void assert_ok(enum error_code code, const struct error *error) { ck_assert_msg(code == ERROR_NONE, "%s", error->detail); }
#define OK(call_)                                                                                                                          \
  do {                                                                                                                                     \
    struct error error_ = {0}, *error = &error_;                                                                                           \
    assert_ok(call_, error);                                                                                                               \
  } while (0)

static void get_sha(const char *id, char out_sha[STORE_SHA256_HEX_BYTES]) {
  struct job_row row;
  job_scene_wait(&scene, id, 1u << JOB_SUCCEEDED, &row);
  memcpy(out_sha, row.weights_sha256, STORE_SHA256_HEX_BYTES);
  job_row_deinit(&row);
}

/* Every metrics point of both jobs, in order, each once: the same. */
static void assert_same_points(const char *left, const char *right) {
  size_t left_count, right_count;
  uint64_t *left_steps = job_scene_list_steps(&scene, left, &left_count), *right_steps = job_scene_list_steps(&scene, right, &right_count);
  ck_assert_uint_eq(left_count, right_count);
  for (size_t i = 0; i < left_count; i++) {
    ck_assert_uint_eq(left_steps[i], right_steps[i]);
    if (i > 0) ck_assert_uint_gt(left_steps[i], left_steps[i - 1]);
  }
  free(left_steps);
  free(right_steps);
}

static void get_model(const struct job_row *row, struct model_row *out_model) {
  ck_assert_msg(row->model_id[0] != '\0', "the job has no model");
  OK(models_get(scene.store, row->model_id, out_model, error));
  ck_assert_str_eq(out_model->job_id, row->id);
  ck_assert_str_eq(out_model->weights_sha256, row->weights_sha256);
}

static void assert_weights_have_their_sha(const struct model_row *model) {
  size_t bytes;
  OK(blobs_get_size(scene.store, model->weights_blob, &bytes, error));
  ck_assert_uint_eq(bytes, (model->parameter_count + model->buffer_count) * sizeof(float));
  uint8_t *weights = malloc(bytes), digest[SHA256_DIGEST_SIZE];
  OK(blobs_read(scene.store, model->weights_blob, 0, weights, bytes, error));
  struct sha256_ctx context;
  sha256_init(&context);
  sha256_update(&context, bytes, weights);
  sha256_digest(&context, sizeof digest, digest);
  char hex[STORE_SHA256_HEX_BYTES];
  for (size_t i = 0; i < sizeof digest; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
  ck_assert_str_eq(hex, model->weights_sha256);
  free(weights);
}

static double get_number(const char *json, const char *name) {
  char key[64];
  snprintf(key, sizeof key, "\"%s\":", name);
  const char *at = strstr(json, key);
  ck_assert_msg(at != NULL, "no %s in %s", name, json);
  return strtod(at + strlen(key), NULL);
}

START_TEST(a_job_ends_with_model_metrics_and_events_in_order) {
  char id[STORE_ID_BYTES];
  submit("\"epochs\": 20,", id);
  struct job_row row;
  job_scene_wait(&scene, id, OVER, &row);
  ck_assert_msg(row.state == JOB_SUCCEEDED, "%s", row.error_json);
  ck_assert_str_eq(row.stop_reason, "completed");
  ck_assert_uint_eq(row.progress.epoch, 20);
  ck_assert_uint_eq(row.progress.step, row.progress.steps);
  ck_assert_int_eq(row.checkpoint_blob, 0);
  ck_assert_ptr_nonnull(strstr(row.test_json, "\"accuracy\""));
  ck_assert_ptr_nonnull(strstr(row.best_json, "validation_loss"));
  ck_assert_ptr_nonnull(strstr(row.latest_json, "\"epoch\":20"));
  ck_assert_uint_gt(strlen(row.kernels), 0);
  struct model_row model;
  get_model(&row, &model);
  assert_weights_have_their_sha(&model);
  ck_assert_ptr_nonnull(strstr(model.metrics_json, "\"accuracy\""));
  model_row_deinit(&model);
  struct event_row *events;
  size_t count;
  OK(events_list(scene.store, id, 0, 0, 10000, &events, &count, error));
  ck_assert_int_eq(events[0].kind, EVENT_STATE);
  ck_assert_ptr_nonnull(strstr(events[1].data, "running"));
  ck_assert_int_eq(events[count - 1].kind, EVENT_END);
  ck_assert_ptr_nonnull(strstr(events[count - 1].data, row.model_id));
  for (size_t i = 0; i < count; i++) ck_assert_uint_eq(events[i].seq, i + 1);
  events_free(events, count);
  ck_assert(job_scene_has_log(&scene, id, "started on kernel"));
  ck_assert(job_scene_has_log(&scene, id, "168 training, 36 validation, 36 test rows"));
  job_row_deinit(&row);
}
END_TEST

START_TEST(the_number_of_threads_changes_no_bit) {
  static const char network[] =
      "{\"layers\": [{\"type\": \"dense\", \"units\": 96, \"activation\": \"relu\"}, {\"type\": \"dense\", "
      "\"units\": 96, \"activation\": \"gelu\"}, {\"type\": \"dense\", \"units\": \"auto\", \"activation\": \"auto\"}]}";
  static const char *const extras[] = {"\"epochs\": 12, \"batch_size\": 64, \"threads\": 1,",
                                       "\"epochs\": 12, \"batch_size\": 64, \"threads\": 2,",
                                       "\"epochs\": 12, \"batch_size\": 64, \"threads\": 4,"};
  char ids[3][STORE_ID_BYTES], shas[3][STORE_SHA256_HEX_BYTES];
  for (size_t i = 0; i < 3; i++) {
    struct scene_job job = {.network = network, .extra = extras[i]};
    job_scene_submit(&scene, &job, ids[i]);
  }
  for (size_t i = 0; i < 3; i++) get_sha(ids[i], shas[i]);
  ck_assert_uint_eq(strlen(shas[0]), 64);
  ck_assert_str_eq(shas[0], shas[1]);
  ck_assert_str_eq(shas[0], shas[2]);
}
END_TEST

START_TEST(pausing_changes_no_bit_and_repeats_no_point) {
  char whole[STORE_ID_BYTES], paused[STORE_ID_BYTES], whole_sha[STORE_SHA256_HEX_BYTES], paused_sha[STORE_SHA256_HEX_BYTES];
  submit(LONG_RUN, whole);
  submit(LONG_RUN, paused);
  size_t pauses = 0;
  for (size_t i = 1; i <= 6; i++) {
    job_scene_wait_for_metrics(&scene, paused, 40 * i);
    struct error failure = {0};
    if (jobs_pause(scene.jobs, paused, &failure) != ERROR_NONE) break; /* it has come to its end */
    struct job_row row;
    job_scene_wait(&scene, paused, 1u << JOB_PAUSED | 1u << JOB_SUCCEEDED, &row);
    bool is_over = row.state == JOB_SUCCEEDED;
    if (!is_over) ck_assert_int_ne(row.checkpoint_blob, 0);
    job_row_deinit(&row);
    if (is_over) break;
    pauses++;
    OK(jobs_resume(scene.jobs, paused, error));
  }
  ck_assert_uint_gt(pauses, 0);
  get_sha(whole, whole_sha);
  get_sha(paused, paused_sha);
  ck_assert_str_eq(whole_sha, paused_sha);
  assert_same_points(whole, paused);
}
END_TEST

START_TEST(a_stop_of_the_server_changes_no_bit) {
  char whole[STORE_ID_BYTES], stopped[STORE_ID_BYTES], whole_sha[STORE_SHA256_HEX_BYTES], stopped_sha[STORE_SHA256_HEX_BYTES];
  submit(LONG_RUN, whole);
  get_sha(whole, whole_sha);
  submit(LONG_RUN, stopped);
  for (size_t i = 1; i <= 3; i++) {
    job_scene_wait_for_metrics(&scene, stopped, 30 * i);
    job_scene_close(&scene);
    job_scene_open(&scene);
    job_scene_start(&scene, &two_workers);
  }
  get_sha(stopped, stopped_sha);
  ck_assert_str_eq(whole_sha, stopped_sha);
  assert_same_points(whole, stopped);
  ck_assert(job_scene_has_log(&scene, stopped, "the server was restarted"));
  ck_assert(job_scene_has_log(&scene, stopped, "goes on from step"));
}
END_TEST

START_TEST(a_smaller_memory_budget_pauses_a_job_and_a_larger_one_lets_it_go_on) {
  char id[STORE_ID_BYTES];
  submit(ENDLESS_RUN, id);
  job_scene_wait_for_metrics(&scene, id, 1);
  job_scene_stop(&scene);
  job_scene_start(&scene, &(struct jobs_options){.workers = 1, .memory_budget_bytes = 1 << 10});
  struct job_row row;
  job_scene_wait(&scene, id, 1u << JOB_PAUSED | OVER, &row);
  ck_assert_int_eq(row.state, JOB_PAUSED);
  ck_assert_int_ne(row.checkpoint_blob, 0);
  ck_assert_int_eq(row.finished_ms, 0);
  job_row_deinit(&row);
  ck_assert(job_scene_has_log(&scene, id, "memory budget is 1024 bytes"));
  job_scene_stop(&scene);
  job_scene_start(&scene, &(struct jobs_options){.workers = 1, .memory_budget_bytes = 1 << 30});
  OK(jobs_resume(scene.jobs, id, error));
  job_scene_wait(&scene, id, 1u << JOB_RUNNING, &row);
  job_row_deinit(&row);
  OK(jobs_cancel(scene.jobs, id, error));
  job_scene_wait(&scene, id, OVER, &row);
  ck_assert_int_eq(row.state, JOB_CANCELLED);
  job_row_deinit(&row);
}
END_TEST

START_TEST(a_cancelled_job_leaves_a_model_of_its_weights) {
  char id[STORE_ID_BYTES];
  submit(ENDLESS_RUN, id);
  job_scene_wait_for_metrics(&scene, id, 1);
  OK(jobs_cancel(scene.jobs, id, error));
  struct job_row row;
  struct model_row model;
  job_scene_wait(&scene, id, OVER, &row);
  ck_assert_int_eq(row.state, JOB_CANCELLED);
  ck_assert_str_eq(row.stop_reason, "cancelled");
  get_model(&row, &model);
  assert_weights_have_their_sha(&model);
  ck_assert_int_eq(row.checkpoint_blob, 0);
  model_row_deinit(&model);
  job_row_deinit(&row);
}
END_TEST

START_TEST(a_paused_job_that_is_cancelled_leaves_a_model_too) {
  char id[STORE_ID_BYTES];
  submit(ENDLESS_RUN, id);
  job_scene_wait_for_metrics(&scene, id, 1);
  OK(jobs_pause(scene.jobs, id, error));
  job_scene_wait(&scene, id, 1u << JOB_PAUSED, NULL);
  OK(jobs_cancel(scene.jobs, id, error));
  struct job_row row;
  struct model_row model;
  job_scene_wait(&scene, id, OVER, &row);
  ck_assert_int_eq(row.state, JOB_CANCELLED);
  get_model(&row, &model);
  model_row_deinit(&model);
  job_row_deinit(&row);
}
END_TEST

START_TEST(a_pause_may_become_a_cancel) {
  char id[STORE_ID_BYTES];
  submit(ENDLESS_RUN, id);
  job_scene_wait_for_metrics(&scene, id, 1);
  struct error failure = {0};
  OK(jobs_pause(scene.jobs, id, error));
  ck_assert_int_eq(jobs_cancel(scene.jobs, id, &failure), ERROR_NONE); /* pausing or already paused */
  job_scene_wait(&scene, id, 1u << JOB_CANCELLED, NULL);
}
END_TEST

START_TEST(a_diverging_job_fails_and_says_where) {
  char id[STORE_ID_BYTES];
  /* relu lets the numbers grow; tanh would keep them finite for long. */
  struct scene_job job = {.network = "{\"layers\": [{\"type\": \"dense\", \"units\": 8, \"activation\": \"relu\"}, {\"type\": \"dense\", "
                                     "\"units\": \"auto\", \"activation\": \"auto\"}]}",
                          .extra = "\"epochs\": 50, \"optimizer\": {\"type\": \"sgd\", \"learning_rate\": 1e30},"};
  job_scene_submit(&scene, &job, id);
  struct job_row row;
  job_scene_wait(&scene, id, OVER, &row);
  ck_assert_int_eq(row.state, JOB_FAILED);
  ck_assert_str_eq(row.stop_reason, "diverged");
  ck_assert_ptr_nonnull(strstr(row.error_json, "diverged"));
  ck_assert_ptr_nonnull(strstr(row.error_json, "is not finite at step "));
  ck_assert(job_scene_has_log(&scene, id, "is not finite at step "));
  ck_assert(!job_scene_has_log(&scene, id, "diverged at step"));
  job_row_deinit(&row);
}
END_TEST

START_TEST(a_job_that_diverges_late_leaves_its_last_finite_weights) {
  char id[STORE_ID_BYTES];
  struct scene_job job = {.target = "height",
                          .network = "{\"layers\": [{\"type\": \"dense\", \"units\": \"auto\", \"activation\": \"auto\"}]}",
                          .extra = "\"epochs\": 900000, \"batch_size\": 8, \"optimizer\": {\"type\": \"sgd\", \"learning_rate\": 0.0001}, "
                                   "\"schedule\": {\"type\": \"exponential\", \"gamma\": 1.002},"};
  job_scene_submit(&scene, &job, id);
  struct job_row row;
  struct model_row model;
  job_scene_wait(&scene, id, OVER, &row);
  ck_assert_int_eq(row.state, JOB_FAILED);
  ck_assert_str_eq(row.stop_reason, "diverged");
  ck_assert_int_ne(row.checkpoint_blob, 0);
  get_model(&row, &model);
  assert_weights_have_their_sha(&model);
  ck_assert(job_scene_has_log(&scene, id, "the model has the weights of the last checkpoint"));
  model_row_deinit(&model);
  job_row_deinit(&row);
}
END_TEST

START_TEST(a_job_whose_file_is_gone_fails_with_the_reason) {
  char id[STORE_ID_BYTES], command[160];
  snprintf(command, sizeof command, "rm -f %s/datasets/*", scene.data_dir);
  ck_assert_int_eq(system(command), 0);
  submit("\"epochs\": 2,", id);
  struct job_row row;
  job_scene_wait(&scene, id, OVER, &row);
  ck_assert_int_eq(row.state, JOB_FAILED);
  ck_assert_str_eq(row.stop_reason, "error");
  ck_assert_ptr_nonnull(row.error_json);
  ck_assert_str_eq(row.model_id, "");
  job_row_deinit(&row);
}
END_TEST

START_TEST(early_stopping_is_told) {
  char id[STORE_ID_BYTES];
  submit("\"epochs\": 5000, \"optimizer\": {\"type\": \"adam\", \"learning_rate\": 0.05}, \"early_stopping\": {\"patience\": 3},", id);
  struct job_row row;
  job_scene_wait(&scene, id, OVER, &row);
  ck_assert_int_eq(row.state, JOB_SUCCEEDED);
  ck_assert_str_eq(row.stop_reason, "early_stopping");
  ck_assert(job_scene_has_log(&scene, id, "early stopping at epoch"));
  job_row_deinit(&row);
}
END_TEST

START_TEST(a_precision_that_is_not_there_is_told_and_no_other) {
  char id[STORE_ID_BYTES];
  struct job_row row;
  submit("\"epochs\": 2, \"precision\": \"bfloat16\",", id);
  job_scene_wait(&scene, id, 1u << JOB_SUCCEEDED, &row);
  ck_assert_str_eq(row.precision, kernels_can_half() ? "bfloat16" : "float32");
  job_row_deinit(&row);
  ck_assert(job_scene_has_log(&scene, id, "float32 is used") == !kernels_can_half());
}
END_TEST

START_TEST(numbers_are_judged_in_their_own_units) {
  char id[STORE_ID_BYTES];
  struct scene_job job = {.target = "height",
                          .extra = "\"epochs\": 60, \"batch_size\": 8, \"optimizer\": {\"type\": \"adam\", \"learning_rate\": 0.01},"};
  job_scene_submit(&scene, &job, id);
  struct job_row row;
  job_scene_wait(&scene, id, OVER, &row);
  ck_assert_msg(row.state == JOB_SUCCEEDED, "%s", row.error_json);
  /* height is 100 ± 6; standardized, errors would be below 1. */
  double value = get_number(row.test_json, "mae");
  ck_assert_msg(value > 0.2 && value < 6, "mae %g", value);
  job_row_deinit(&row);
}
END_TEST

START_TEST(class_targets_may_be_trained_by_squared_error) {
  char id[STORE_ID_BYTES];
  submit("\"epochs\": 60, \"batch_size\": 8, \"optimizer\": {\"type\": \"adam\", \"learning_rate\": 0.01}, "
         "\"loss\": {\"type\": \"mean_squared_error\"},",
         id);
  struct job_row row;
  job_scene_wait(&scene, id, OVER, &row);
  ck_assert_msg(row.state == JOB_SUCCEEDED, "%s", row.error_json);
  /* Half would be chance; the loss of two probabilities is below 1/4 where most are right. */
  ck_assert_double_gt(get_number(row.test_json, "accuracy"), 0.8);
  ck_assert_double_lt(get_number(row.test_json, "loss"), 0.2);
  ck_assert_double_gt(get_number(row.latest_json, "accuracy"), 0.8);
  job_row_deinit(&row);
}
END_TEST

START_TEST(progress_is_live_and_the_first_point_comes_at_once) {
  char id[STORE_ID_BYTES];
  submit(ENDLESS_RUN, id);
  job_scene_wait_for_metrics(&scene, id, 1);
  struct job_live live = {0};
  bool is_live = false;
  for (int i = 0; i < 10000 && !(is_live && live.samples_per_second > 0); i++) {
    job_live_deinit(&live);
    is_live = jobs_get_live(scene.jobs, id, &live);
    usleep(2000);
  }
  ck_assert(is_live);
  ck_assert_ptr_nonnull(strstr(live.latest_json, "\"batch_loss\":"));
  ck_assert_uint_gt(live.progress.step, 0);
  ck_assert_uint_eq(live.progress.epochs, 900000);
  ck_assert_uint_eq(live.progress.steps, 900000 * 21);
  ck_assert(live.samples_per_second > 0);
  ck_assert(live.eta_seconds > 0 && isfinite(live.eta_seconds));
  job_live_deinit(&live);
  struct jobs_counts counts;
  jobs_get_counts(scene.jobs, &counts);
  ck_assert_uint_eq(counts.running, 1);
  ck_assert_uint_gt(counts.memory_bytes, 0);
  ck_assert_uint_gt(counts.commits_total, 0);
  OK(jobs_cancel(scene.jobs, id, error));
  job_scene_wait(&scene, id, 1u << JOB_CANCELLED, NULL);
}
END_TEST

static void count_call(void *context) { atomic_fetch_add((_Atomic int *)context, 1); }

START_TEST(the_hub_tells_who_subscribed_and_nobody_after) {
  char id[STORE_ID_BYTES], other[STORE_ID_BYTES];
  _Atomic int calls = 0, other_calls = 0;
  struct job_subscription *subscription, *other_subscription;
  job_scene_stop(&scene);
  struct jobs_options options = {.workers = 1};
  job_scene_start(&scene, &options);
  jobs_stop(scene.jobs); /* so that both can be subscribed to before they run */
  submit("\"epochs\": 3,", id);
  submit("\"epochs\": 3,", other);
  job_scene_stop(&scene);
  job_scene_start(&scene, &options);
  OK(jobs_subscribe(scene.jobs, other, count_call, &other_calls, &other_subscription, error));
  jobs_unsubscribe(scene.jobs, other_subscription);
  int before = atomic_load(&other_calls);
  OK(jobs_subscribe(scene.jobs, other, count_call, &calls, &subscription, error));
  job_scene_wait(&scene, other, 1u << JOB_SUCCEEDED, NULL);
  for (int i = 0; i < 10000 && atomic_load(&calls) == 0; i++) usleep(2000); /* the commit is seen before its notification */
  ck_assert_int_gt(atomic_load(&calls), 0);
  ck_assert_int_eq(atomic_load(&other_calls), before);
  jobs_unsubscribe(scene.jobs, subscription);
}
END_TEST

START_TEST(a_job_paused_while_its_data_are_prepared_pauses) {
  job_scene_destroy(&scene);
  job_scene_create(&scene, 60000);
  job_scene_start(&scene, &two_workers);
  char id[STORE_ID_BYTES];
  submit("\"epochs\": 1, \"batch_size\": 1024,", id);
  job_scene_wait(&scene, id, 1u << JOB_RUNNING | 1u << JOB_SUCCEEDED, NULL);
  struct error failure = {0};
  if (jobs_pause(scene.jobs, id, &failure) == ERROR_NONE) {
    struct job_row row;
    job_scene_wait(&scene, id, 1u << JOB_PAUSED | 1u << JOB_SUCCEEDED, &row);
    if (row.state == JOB_PAUSED) OK(jobs_resume(scene.jobs, id, error));
    job_row_deinit(&row);
  }
  job_scene_wait(&scene, id, 1u << JOB_SUCCEEDED, NULL);
}
END_TEST

/* Every write that would make a file longer, or touch it beyond its first byte, fails from now on, as on a full disk. */
static void fill_disk(bool is_full) {
  struct rlimit limit;
  signal(SIGXFSZ, SIG_IGN);
  ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
  limit.rlim_cur = is_full ? 1 : limit.rlim_max;
  ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void wait_for_step(const char *id, uint64_t step) {
  struct job_live live = {0};
  for (int i = 0; i < 100000 && live.progress.step < step; i++) {
    job_live_deinit(&live);
    ck_assert_msg(jobs_get_live(scene.jobs, id, &live), "the job does not run any more");
    usleep(2000);
  }
  ck_assert_uint_ge(live.progress.step, step);
  job_live_deinit(&live);
}

START_TEST(a_full_disk_stops_no_job_and_loses_nothing) {
  char whole[STORE_ID_BYTES], id[STORE_ID_BYTES], whole_sha[STORE_SHA256_HEX_BYTES], sha[STORE_SHA256_HEX_BYTES];
  submit(LONG_RUN, whole);
  get_sha(whole, whole_sha);
  submit(LONG_RUN, id);
  job_scene_wait_for_metrics(&scene, id, 1);
  fill_disk(true);
  wait_for_step(id, 1500 * 21); /* its last step; the end can't be written */
  usleep(300000);
  fill_disk(false);
  get_sha(id, sha);
  ck_assert_str_eq(sha, whole_sha);
  assert_same_points(id, whole);
  ck_assert(job_scene_has_log(&scene, id, "a checkpoint could not be written"));
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "runs");
  tcase_add_checked_fixture(test_case, open_scene, close_scene);
  tcase_add_test(test_case, a_job_ends_with_model_metrics_and_events_in_order);
  tcase_add_test(test_case, the_number_of_threads_changes_no_bit);
  tcase_add_test(test_case, pausing_changes_no_bit_and_repeats_no_point);
  tcase_add_test(test_case, a_stop_of_the_server_changes_no_bit);
  tcase_add_test(test_case, a_smaller_memory_budget_pauses_a_job_and_a_larger_one_lets_it_go_on);
  tcase_add_test(test_case, a_cancelled_job_leaves_a_model_of_its_weights);
  tcase_add_test(test_case, a_paused_job_that_is_cancelled_leaves_a_model_too);
  tcase_add_test(test_case, a_pause_may_become_a_cancel);
  tcase_add_test(test_case, a_diverging_job_fails_and_says_where);
  tcase_add_test(test_case, a_job_that_diverges_late_leaves_its_last_finite_weights);
  tcase_add_test(test_case, a_job_whose_file_is_gone_fails_with_the_reason);
  tcase_add_test(test_case, early_stopping_is_told);
  tcase_add_test(test_case, a_precision_that_is_not_there_is_told_and_no_other);
  tcase_add_test(test_case, numbers_are_judged_in_their_own_units);
  tcase_add_test(test_case, class_targets_may_be_trained_by_squared_error);
  tcase_add_test(test_case, progress_is_live_and_the_first_point_comes_at_once);
  tcase_add_test(test_case, the_hub_tells_who_subscribed_and_nobody_after);
  tcase_add_test(test_case, a_full_disk_stops_no_job_and_loses_nothing);
  tcase_add_test(test_case, a_job_paused_while_its_data_are_prepared_pauses);
}

int main(void) { return suite_main("runs", add_cases); }
