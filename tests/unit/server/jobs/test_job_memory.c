/* What jobs_measure computes is what a job allocates, to 5 %, from reading its data to storing its model; and it all comes back. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/allocations.h"
#include "tests/support/image_files.h"
#include "tests/support/job_scene.h"
#include "tests/support/suite.h"

enum { ROWS = 10000 };
static const double TOLERANCE = 0.05;
/* May stay when a job is over, and is not its own: the database's page cache, what the kernels' library keeps. */
enum { KEPT_BYTES = 1 << 20 };

#define WIDE "{\"type\": \"dense\", \"units\": 1200, \"activation\": \"relu\"}"
#define OUTPUT "{\"type\": \"dense\", \"units\": \"auto\", \"activation\": \"auto\"}"
static const struct {
  const char *network, *target, *extra;
} cases[] = {
    /* Weights and moments are most of it … */
    {"{\"layers\": [" WIDE "," WIDE "," OUTPUT "]}", "side", "\"epochs\": 1, \"batch_size\": 512, \"optimizer\": {\"type\": \"adam\"},"},
    {"{\"layers\": [" WIDE "," WIDE "," OUTPUT "]}", "side", "\"epochs\": 1, \"batch_size\": 512, \"optimizer\": {\"type\": \"sgd\"},"},
    {"{\"layers\": [" WIDE "," WIDE "," OUTPUT "]}", "height",
     "\"epochs\": 1, \"batch_size\": 512, \"optimizer\": {\"type\": \"sgd\", \"momentum\": 0.9}, \"precision\": \"bfloat16\","},
    {"{\"layers\": [" WIDE "," WIDE "," OUTPUT "]}", "side",
     "\"epochs\": 1, \"batch_size\": 512, \"optimizer\": {\"type\": \"adamw\", \"amsgrad\": true}, \"early_stopping\": {\"patience\": 1},"},
    /* … or what a batch leaves behind in each layer, … */
    {"{\"layers\": [" WIDE ", {\"type\": \"batch_norm\"}, {\"type\": \"dropout\", \"rate\": 0.1}, {\"type\": \"dense\", \"units\": 700, "
     "\"activation\": \"gelu\"}, {\"type\": \"layer_norm\"}," OUTPUT "]}",
     "side", "\"epochs\": 1, \"batch_size\": 4096, \"optimizer\": {\"type\": \"sgd\"},"},
    {"{\"layers\": [" WIDE ", {\"type\": \"batch_norm\"}, {\"type\": \"dense\", \"units\": 700, \"activation\": \"gelu\"}," OUTPUT "]}",
     "side",
     "\"epochs\": 1, \"batch_size\": 2048, \"precision\": \"bfloat16\", \"loss\": {\"type\": \"mean_squared_error\"}, "
     "\"early_stopping\": {\"patience\": 1},"},
    /* … also in convolutions, recurrent layers, attention and embeddings, … */
    {"{\"input\": {\"shape\": [2, 2]}, \"layers\": [{\"type\": \"dense\", \"units\": 768}, {\"type\": \"reshape\", \"shape\": [6, 16, "
     "16]}, "
     "{\"type\": \"conv2d\", \"filters\": 32, \"kernel_size\": 3, \"padding\": \"same\", \"activation\": \"relu\"}, {\"type\": "
     "\"batch_norm\"}, {\"type\": \"max_pool2d\", \"pool_size\": 2}, {\"type\": \"conv2d\", \"filters\": 24, \"kernel_size\": 3}, "
     "{\"type\": "
     "\"global_avg_pool\"}," OUTPUT "]}",
     "side", "\"epochs\": 1, \"batch_size\": 256, \"optimizer\": {\"type\": \"adam\"},"},
    {"{\"input\": {\"shape\": [2, 2]}, \"layers\": [{\"type\": \"dense\", \"units\": 2048}, {\"type\": \"reshape\", \"shape\": [16, 16, "
     "16]}, {\"type\": \"conv2d\", \"filters\": 32, \"kernel_size\": 3, \"padding\": \"same\"}, {\"type\": \"batch_norm\", \"activation\": "
     "\"relu\"}, {\"type\": \"conv2d\", \"filters\": 32, \"kernel_size\": 3, \"stride\": 2}, {\"type\": \"global_avg_pool\"}," OUTPUT "]}",
     "side", "\"epochs\": 1, \"batch_size\": 128, \"precision\": \"bfloat16\", \"optimizer\": {\"type\": \"adam\"},"},
    {"{\"layers\": [{\"type\": \"reshape\", \"shape\": [4, 1]}, {\"type\": \"conv1d\", \"filters\": 700, \"kernel_size\": 3, \"padding\": "
     "\"same\", \"activation\": \"relu\"}, {\"type\": \"avg_pool1d\", \"pool_size\": 2}, {\"type\": \"conv1d\", \"filters\": 700, "
     "\"kernel_size\": 1}, {\"type\": \"flatten\"}," OUTPUT "]}",
     "side", "\"epochs\": 1, \"batch_size\": 512, \"optimizer\": {\"type\": \"sgd\"},"},
    {"{\"layers\": [{\"type\": \"reshape\", \"shape\": [4, 1]}, {\"type\": \"lstm\", \"units\": 256, \"bidirectional\": true, "
     "\"return_sequences\": true}, {\"type\": \"lstm\", \"units\": 256}," OUTPUT "]}",
     "side", "\"epochs\": 1, \"batch_size\": 512, \"optimizer\": {\"type\": \"adam\"},"},
    {"{\"layers\": [{\"type\": \"reshape\", \"shape\": [4, 1]}, {\"type\": \"gru\", \"units\": 400, \"return_sequences\": true}, "
     "{\"type\": "
     "\"rnn\", \"units\": 400}," OUTPUT "]}",
     "side", "\"epochs\": 1, \"batch_size\": 512, \"optimizer\": {\"type\": \"sgd\"},"},
    {"{\"layers\": [{\"type\": \"reshape\", \"shape\": [4, 1]}, {\"type\": \"dense\", \"units\": 256, \"name\": \"x\"}, {\"type\": "
     "\"positional_embedding\", \"name\": \"p\"}, {\"type\": \"self_attention\", \"heads\": 4, \"dropout\": 0.1}, {\"type\": \"add\", "
     "\"inputs\": "
     "[\"p\", \"self_attention_3\"]}, {\"type\": \"layer_norm\"}, {\"type\": \"global_avg_pool\"}," OUTPUT "]}",
     "side", "\"epochs\": 1, \"batch_size\": 512, \"optimizer\": {\"type\": \"adam\"},"},
    {"{\"layers\": [{\"type\": \"embedding\", \"input_dim\": 20000, \"output_dim\": 128, \"padding_idx\": 0}, {\"type\": "
     "\"global_max_pool\"}," OUTPUT "]}",
     "order", "\"scaling\": \"none\", \"epochs\": 1, \"batch_size\": 512, \"optimizer\": {\"type\": \"adam\"},"},
    /* … or numbers cut into bins, … */
    {"{\"layers\": [" WIDE "," OUTPUT "]}", "order",
     "\"number\": {\"encoding\": \"piecewise_linear\", \"bins\": 200}, \"epochs\": 1, \"batch_size\": 512,"},
    /* … or the test part's evaluation. */
    {"{\"layers\": [{\"type\": \"dense\", \"units\": 6000, \"activation\": \"relu\"}," OUTPUT "]}", "side",
     "\"epochs\": 1, \"batch_size\": 32, \"split\": {\"validation\": 0.05, \"test\": 0.9},"},
    /* Images that are given back: none is copied, but those of the test part, beside what came out. */
    {"{\"layers\": [{\"type\": \"dense\", \"units\": 16, \"activation\": \"relu\"}," OUTPUT "]}", "",
     "\"scaling\": \"min_max\", \"epochs\": 1, \"batch_size\": 32, \"optimizer\": {\"type\": \"adam\"}, \"split\": {\"test\": 0.5, "
     "\"column\": \"\"},"},
    {"{\"layers\": [{\"type\": \"conv2d\", \"filters\": 16, \"kernel_size\": 3, \"padding\": \"same\", \"activation\": \"relu\"}, "
     "{\"type\": "
     "\"conv2d\", \"filters\": 3, \"kernel_size\": 3, \"padding\": \"same\"}]}",
     "",
     "\"scaling\": \"standard\", \"epochs\": 1, \"batch_size\": 64, \"optimizer\": {\"type\": \"adam\"}, \"augmentation\": {\"noise\": "
     "0.1, "
     "\"horizontal_flip\": true},"},
};

static struct job_scene scene;
static void open_scene(void) { job_scene_create(&scene, ROWS); }
static void close_scene(void) { job_scene_destroy(&scene); }

static void wait_until_nothing_runs(void) {
  struct jobs_counts counts;
  do {
    usleep(1000);
    jobs_get_counts(scene.jobs, &counts);
  } while (counts.running > 0);
}

/* So that a checkpoint is read as well. */
static void pause_and_resume(const char *id) {
  struct error error = {0};
  struct job_row row;
  if (jobs_pause(scene.jobs, id, &error) != ERROR_NONE) return;
  job_scene_wait(&scene, id, 1u << JOB_PAUSED | 1u << JOB_SUCCEEDED, &row);
  if (row.state == JOB_PAUSED) ck_assert_int_eq(jobs_resume(scene.jobs, id, &error), ERROR_NONE);
  job_row_deinit(&row);
}

/* A column for each of a row's tokens. */
static void import_tokens(void) {
  enum { STEPS = 4, CELL_BYTES = 6 };
  char *csv = malloc((size_t)ROWS * (STEPS * CELL_BYTES + 8) + 64);
  ck_assert_ptr_nonnull(csv);
  size_t at = (size_t)sprintf(csv, "x1,x2,x3,x4,order\n");
  unsigned state = 1;
  for (int row = 0; row < ROWS; row++) {
    for (int i = 0; i < STEPS; i++) at += (size_t)sprintf(csv + at, "%u,", (state = state * 1103515245u + 12345u) >> 8 & 16383u);
    at += (size_t)sprintf(csv + at, "%s\n", row % 3 == 0 ? "up" : "down");
  }
  job_scene_import(&scene, csv);
  free(csv);
}

static void import_images(void) {
  struct dataset_row row;
  image_set_import(scene.data_dir, &(struct image_set){.channels = 3, .height = 32, .width = 32, .train = 800}, &row);
  job_scene_use(&scene, &row);
  dataset_row_deinit(&row);
}

/* So that what the first job of a process leaves behind for later ones is there. */
static void warm_up(void) {
  const struct scene_job job = {.network = cases[0].network, .extra = "\"epochs\": 2, \"split\": {\"validation\": 0.05, \"test\": 0.93},"};
  char id[STORE_ID_BYTES];
  job_scene_submit(&scene, &job, id);
  job_scene_wait(&scene, id, 1u << JOB_SUCCEEDED, NULL);
  wait_until_nothing_runs();
}

/* From its submission to its end, with a pause between if it lasts long enough. Returns the bytes computed for it. */
static double run_job(const struct scene_job *job) {
  char id[STORE_ID_BYTES];
  struct job_row row;
  job_scene_submit(&scene, job, id);
  job_scene_wait_for_metrics(&scene, id, 2);
  pause_and_resume(id);
  job_scene_wait(&scene, id, 1u << JOB_SUCCEEDED, &row);
  const double bytes = (double)row.memory_bytes;
  job_row_deinit(&row);
  wait_until_nothing_runs();
  return bytes;
}

/* A job whose checkpoints come at an unlucky moment, or not at all on a busy machine, needs less than its most: the
 * first that needs it will do. */
START_TEST(a_job_takes_the_memory_that_was_computed_for_it_and_gives_it_back) {
  enum { ATTEMPTS = 30 };
  if (!allocations_can_count()) return;
  const struct jobs_options options = {.workers = 1, .checkpoint_interval_ms = 20};
  job_scene_start(&scene, &options);
  warm_up();
  const bool is_of_images = cases[_i].target[0] == '\0';
  if (strcmp(cases[_i].target, "order") == 0) import_tokens();
  if (is_of_images) import_images();
  const struct scene_job job = {
      .network = cases[_i].network, .target = cases[_i].target, .features = is_of_images ? "\"image\"" : NULL, .extra = cases[_i].extra};
  const size_t before = allocations_live_bytes();
  allocations_reset_peak();
  double peak = 0, computed = 0;
  for (int attempt = 0; attempt < ATTEMPTS && (attempt == 0 || peak < (1 - TOLERANCE) * computed); attempt++) {
    computed = run_job(&job);
    peak = (double)(allocations_peak_bytes() - before);
    ck_assert_msg(peak <= (1 + TOLERANCE) * computed, "%.0f bytes allocated, %.0f computed", peak, computed);
    ck_assert_msg(allocations_live_bytes() < before + KEPT_BYTES, "%zu bytes before, %zu after", before, allocations_live_bytes());
  }
  ck_assert_msg(peak >= (1 - TOLERANCE) * computed, "%.0f bytes allocated, %.0f computed", peak, computed);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "job_memory");
  tcase_add_checked_fixture(test_case, open_scene, close_scene);
  tcase_add_loop_test(test_case, a_job_takes_the_memory_that_was_computed_for_it_and_gives_it_back, 0, sizeof cases / sizeof cases[0]);
}

int main(void) { return suite_main("job_memory", add_cases); }
