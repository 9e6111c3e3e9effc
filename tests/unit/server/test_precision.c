/* bfloat16 on real data: test accuracy over ten seeds within the noise of float32's. Where the processor or the build has none, float32 is
 * used for both, and that is what is checked. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/kernels.h"
#include "engine/kernels_conv_primitive.h"
#include "engine/kernels_private.h"
#include "server/data/prepared.h"
#include "tests/support/data_files.h"
#include "tests/support/specs.h"
#include "tests/support/suite.h"

enum { SEEDS = 10, BATCH = 32, PREDICT_BATCH = 64 };
/* A difference of means is noise up to two of its standard errors; and one point is as little as matters. */
static const double STANDARD_ERRORS = 2, POINT = 0.01;

static const struct {
  const char *path, *target, *layers;
  int epochs;
  double least; /* accuracy that says that something was learned */
} cases[] = {
    {"examples/data/digits.csv", "digit", "dense units=64 activation=relu; dense units=10 activation=softmax", 12, 0.93},
    {"examples/data/digits.csv", "digit",
     "reshape shape=1x8x8; conv2d filters=16 kernel_size=3 padding=same; batch_norm activation=relu; conv2d filters=24 kernel_size=3 "
     "stride=2 activation=relu; flatten; dense units=10 activation=softmax",
     5, 0.93},
    {"examples/data/digits.csv", "digit", "reshape shape=8x8; lstm units=40; dense units=10 activation=softmax", 12, 0.9},
    {"examples/data/penguins.csv", "species", "dense units=16 activation=tanh; dense units=3 activation=softmax", 20, 0.93},
};

static char *data_dir;
static void set_up(void) { data_dir = data_dir_create(); }
static void tear_down(void) { data_dir_remove(data_dir); }

static void ignore_report(void *context, const struct train_report *report) { (void)context, (void)report; }
static enum error_code ignore_checkpoint(void *context, const struct train_snapshot *snapshot, struct error *error) {
  (void)context, (void)snapshot, (void)error;
  return ERROR_NONE;
}
static enum train_request go_on(void *context) {
  (void)context;
  return TRAIN_CONTINUE;
}

static double measure_accuracy(const struct network *network, const struct trainer *trainer, const struct train_rows *rows) {
  struct error error = {0};
  struct workspace *workspace;
  const size_t width = shape_size(network_get_output_shape(network));
  float *outputs = malloc(rows->count * width * sizeof *outputs);
  ck_assert_ptr_nonnull(outputs);
  ck_assert_int_eq(workspace_create(network, PREDICT_BATCH, false, &workspace, &error), ERROR_NONE);
  predict_rows(network, workspace, PREDICT_BATCH, NULL, trainer_get_parameters(trainer), trainer_get_buffers(trainer), rows->x, rows->count,
               outputs, NULL);
  size_t right = 0;
  for (size_t i = 0; i < rows->count; i++) right += metric_class_of(outputs + i * width, width) == (size_t)rows->y[i];
  workspace_destroy(workspace);
  free(outputs);
  return (double)right / (double)rows->count;
}

static double sum_weights(const struct network *network, const struct trainer *trainer) {
  double sum = 0;
  for (size_t i = 0; i < network_parameter_count(network); i++) sum += (double)trainer_get_parameters(trainer)[i];
  return sum;
}

/* Test accuracy of one run, and the sum of the weights it left. */
static double train(const struct prepared *prepared, size_t index, int precision, int64_t seed, double *out_sum) {
  struct error error = {0};
  struct network_spec spec;
  struct network *network;
  struct train_settings settings;
  struct trainer *trainer;
  struct train_result result;
  char input[32];
  snprintf(input, sizeof input, "%zu", prepared->preprocessor.input_width);
  network_spec_parse(&spec, input, cases[index].layers);
  ck_assert_int_eq(network_create(&spec, &network, &error), ERROR_NONE);
  ck_assert_int_eq(settings_init(&settings, train_params, train_param_count, &error), ERROR_NONE);
  settings.epochs = cases[index].epochs;
  settings.batch_size = BATCH;
  settings.precision = precision;
  settings.seed = seed;
  ck_assert_int_eq(trainer_create(network, &settings, &prepared->data, NULL, &trainer, &error), ERROR_NONE);
  const struct train_sink sink = {.report = ignore_report, .checkpoint = ignore_checkpoint, .poll = go_on};
  ck_assert_int_eq(trainer_run(trainer, &sink, &result, &error), ERROR_NONE);
  const double accuracy = measure_accuracy(network, trainer, &prepared->test);
  *out_sum = sum_weights(network, trainer);
  trainer_destroy(trainer);
  settings_deinit(&settings, train_params, train_param_count);
  network_destroy(network);
  network_spec_deinit(&spec);
  return accuracy;
}

START_TEST(bfloat16_is_as_accurate_as_float32_over_ten_seeds) {
  struct dataset_row dataset;
  struct data_settings settings;
  double mean[2] = {0}, square[2] = {0};
  kernels_set_half_products(0);         /* small products too, */
  kernel_conv_ask_library_always(true); /* and convolutions */
  data_import_file(data_dir, cases[_i].path, &dataset);
  data_settings_make(&settings, cases[_i].target);
  for (int64_t seed = 1; seed <= SEEDS; seed++) {
    struct error error = {0};
    struct data_plan plan;
    struct prepared prepared;
    ck_assert_int_eq(data_plan_create(&dataset, NULL, &settings, (uint64_t)seed, &plan, &error), ERROR_NONE);
    ck_assert_int_eq(prepared_create(data_dir, &dataset, NULL, &plan, false, NULL, NULL, &prepared, &error), ERROR_NONE);
    double sums[2];
    for (int precision = 0; precision < 2; precision++) {
      const double accuracy = train(&prepared, (size_t)_i, precision, seed, &sums[precision]);
      mean[precision] += accuracy / SEEDS;
      square[precision] += accuracy * accuracy / SEEDS;
    }
    ck_assert((sums[0] != sums[1]) == kernels_can_half());
    prepared_deinit(&prepared);
    data_plan_deinit(&plan);
  }
  double variance = 0; /* of the difference of the means */
  for (int precision = 0; precision < 2; precision++)
    variance += fmax(0, square[precision] - mean[precision] * mean[precision]) / (SEEDS - 1);
  const double noise = STANDARD_ERRORS * sqrt(variance);
  printf("%s: float32 %.4f, bfloat16 %.4f, two standard errors %.4f\n", cases[_i].path, mean[0], mean[1], noise);
  ck_assert_double_ge(mean[0], cases[_i].least);
  ck_assert_msg(fabs(mean[1] - mean[0]) <= fmin(noise, POINT), "bfloat16 %.4f, float32 %.4f, two standard errors %.4f", mean[1], mean[0],
                noise);
  data_settings_free(&settings);
  import_remove_files(data_dir, &dataset);
  dataset_row_deinit(&dataset);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *tcase = suite_add_case(suite, "precision");
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_add_loop_test(tcase, bfloat16_is_as_accurate_as_float32_over_ten_seeds, 0, sizeof cases / sizeof cases[0]);
}

int main(void) { return suite_main("precision", add_cases); }
