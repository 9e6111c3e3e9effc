/* What a trainer takes, tells and refuses: tasks and losses, targets, reports, clipping, divergence, monitors, settings. That it learns,
 * resumes, allocates nothing and gives the same bits on several threads is in test_train_concurrent.c.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/train.h"
#include "tests/support/specs.h"
#include "tests/support/suite.h"

enum { ROWS = 45, VALIDATION_ROWS = 20, INPUTS = 3, WIDTH_MAX = 3, REPORTS_MAX = 2048, VALUES_MAX = 32 };

/* A run with all that it needs and all that it told. */
struct scene {
  struct network_spec spec;
  struct network *network;
  struct train_settings settings;
  struct train_data data;
  float x[(ROWS + VALIDATION_ROWS) * INPUTS], y[(ROWS + VALIDATION_ROWS) * WIDTH_MAX];
  struct trainer *trainer;
  size_t report_count, polls, stop_at_poll;
  struct train_report reports[REPORTS_MAX];
  struct train_value values[REPORTS_MAX][VALUES_MAX];
  struct train_position position; /* of the last checkpoint */
  float *block;
};

static struct error error;

static void require(enum error_code code) {
  ck_assert_msg(code == ERROR_NONE, "%s %s", error.item_count > 0 ? error.items[0].pointer : "", error.detail);
}

static float noise(uint32_t lane, size_t index) {
  float value;
  random_fill_normal(&(struct random_stream){.seed = 9, .purpose = 70, .lane = lane}, index, 1, &value);
  return value;
}

/* Targets by task: class 0 … 2, or so many numbers that follow from x. */
static struct scene *scene_create(const char *layers, enum task task, size_t width) {
  struct scene *scene = calloc(1, sizeof *scene);
  error_clear(&error);
  network_spec_parse(&scene->spec, "3", layers);
  require(network_create(&scene->spec, &scene->network, &error));
  require(settings_init(&scene->settings, train_params, train_param_count, &error));
  scene->settings.batch_size = 10;
  scene->settings.epochs = 3;
  size_t row_width = task == TASK_CLASSIFICATION ? 1 : width;
  for (size_t i = 0; i < ROWS + VALIDATION_ROWS; i++) {
    for (size_t j = 0; j < INPUTS; j++) scene->x[i * INPUTS + j] = noise(1, i * INPUTS + j);
    for (size_t j = 0; j < row_width; j++) {
      float value = scene->x[i * INPUTS + j] - 0.5f * scene->x[i * INPUTS + (j + 1) % INPUTS];
      scene->y[i * row_width + j] = task == TASK_REGRESSION ? value : task == TASK_MULTILABEL ? (float)(value > 0) : (float)(i % width);
    }
  }
  scene->data =
      (struct train_data){.task = task,
                          .class_count = task == TASK_CLASSIFICATION ? width : 0,
                          .train = {.count = ROWS, .x = scene->x, .y = scene->y},
                          .validation = {.count = VALIDATION_ROWS, .x = scene->x + ROWS * INPUTS, .y = scene->y + ROWS * row_width}};
  return scene;
}

static void scene_destroy(struct scene *scene) {
  trainer_destroy(scene->trainer);
  settings_deinit(&scene->settings, train_params, train_param_count);
  network_destroy(scene->network);
  network_spec_deinit(&scene->spec);
  free(scene->block);
  free(scene);
}

static void set_kind(struct spec *field, const struct kind_table *kinds, const char *text) {
  spec_deinit(field);
  spec_parse(field, kinds, text);
}

static enum error_code create(struct scene *scene) {
  trainer_destroy(scene->trainer);
  return trainer_create(scene->network, &scene->settings, &scene->data, NULL, &scene->trainer, &error);
}

static void note_report(void *context, const struct train_report *report) {
  struct scene *scene = context;
  if (scene->report_count == REPORTS_MAX || report->value_count > VALUES_MAX) abort();
  memcpy(scene->values[scene->report_count], report->values, report->value_count * sizeof *report->values);
  scene->reports[scene->report_count] = *report;
  scene->reports[scene->report_count].values = scene->values[scene->report_count];
  scene->report_count++;
}

static enum error_code note_checkpoint(void *context, const struct train_snapshot *snapshot, struct error *out_error) {
  struct scene *scene = context;
  (void)out_error;
  scene->position = *snapshot->position;
  free(scene->block);
  scene->block = malloc(snapshot->block_count * sizeof(float));
  memcpy(scene->block, snapshot->block, snapshot->block_count * sizeof(float));
  return ERROR_NONE;
}

static enum train_request note_poll(void *context) {
  struct scene *scene = context;
  return ++scene->polls == scene->stop_at_poll ? TRAIN_STOP : TRAIN_CONTINUE;
}

static struct train_result run(struct scene *scene) {
  const struct train_sink sink = {.context = scene, .report = note_report, .checkpoint = note_checkpoint, .poll = note_poll};
  struct train_result result;
  if (scene->trainer == NULL) require(create(scene));
  require(trainer_run(scene->trainer, &sink, &result, &error));
  return result;
}

/* The value of that name in report `index`; the test fails if it has none. */
static double value_of(const struct scene *scene, size_t index, const char *name) {
  const struct train_report *report = &scene->reports[index];
  for (size_t i = 0; i < report->value_count; i++)
    if (strcmp(report->values[i].name, name) == 0) return report->values[i].value;
  ck_abort_msg("report %zu has no %s", index, name);
}

static double last_value(const struct scene *scene, const char *name) { return value_of(scene, scene->report_count - 1, name); }

/* Tasks and losses */

static const struct {
  const char *layers;
  enum task task;
  size_t width;
  const char *loss, *score;
} pairs[] = {
    {"dense units=3 activation=softmax", TASK_CLASSIFICATION, 3, "cross_entropy", "accuracy"},
    {"dense units=3 activation=softmax", TASK_CLASSIFICATION, 3, "squared_error", "accuracy"},
    {"dense units=3 activation=sigmoid", TASK_CLASSIFICATION, 3, "binary_cross_entropy", "accuracy"},
    {"dense units=3 activation=linear", TASK_CLASSIFICATION, 3, "mean_squared_error", "accuracy"},
    {"dense units=1 activation=sigmoid", TASK_CLASSIFICATION, 2, "binary_cross_entropy", "accuracy"},
    {"dense units=2 activation=sigmoid", TASK_MULTILABEL, 2, "binary_cross_entropy", "accuracy"},
    {"dense units=2 activation=linear", TASK_REGRESSION, 2, "huber", "mae"},
    {"dense units=2 activation=sigmoid", TASK_REGRESSION, 2, "mean_absolute_error", "mae"},
};
enum { PAIR_COUNT = sizeof pairs / sizeof pairs[0] };

START_TEST(every_task_trains_with_the_losses_that_suit_it) {
  struct scene *scene = scene_create(pairs[_i].layers, pairs[_i].task, pairs[_i].width);
  set_kind(&scene->settings.loss, &loss_kinds, pairs[_i].loss);
  set_kind(&scene->settings.optimizer, &optimizer_kinds, "adam learning_rate=0.02");
  scene->settings.epochs = 30;
  ck_assert_int_eq(run(scene).outcome, TRAIN_COMPLETED);
  size_t first = 0;
  while (!scene->reports[first].is_epoch_end) first++;
  ck_assert_double_lt(last_value(scene, "loss"), value_of(scene, first, "loss"));
  char name[64];
  snprintf(name, sizeof name, "validation_%s", pairs[_i].score);
  ck_assert_double_ge(last_value(scene, pairs[_i].score), 0);
  ck_assert_double_ge(last_value(scene, name), 0);
  if (pairs[_i].task != TASK_REGRESSION) ck_assert_double_le(last_value(scene, name), 1);
  scene_destroy(scene);
}
END_TEST

/* One step with all rows, so that loss and weights are those of a one-hot target given as numbers. */
START_TEST(a_class_is_one_1_among_0s_for_losses_of_numbers) {
  struct scene *classes = scene_create("dense units=3 activation=softmax", TASK_CLASSIFICATION, 3);
  struct scene *numbers = scene_create("dense units=3 activation=softmax", TASK_REGRESSION, 3);
  struct scene *both[] = {classes, numbers};
  for (size_t i = 0; i < ROWS + VALIDATION_ROWS; i++)
    for (size_t j = 0; j < 3; j++) numbers->y[i * 3 + j] = j == i % 3 ? 1 : 0;
  for (size_t i = 0; i < 2; i++) {
    set_kind(&both[i]->settings.loss, &loss_kinds, "squared_error");
    ck_assert_int_eq(run(both[i]).outcome, TRAIN_COMPLETED);
  }
  ck_assert_double_eq(last_value(classes, "loss"), last_value(numbers, "loss"));
  ck_assert_double_eq(last_value(classes, "validation_loss"), last_value(numbers, "validation_loss"));
  ck_assert_mem_eq(trainer_get_parameters(classes->trainer), trainer_get_parameters(numbers->trainer),
                   network_parameter_count(classes->network) * sizeof(float));
  scene_destroy(classes);
  scene_destroy(numbers);
}
END_TEST

START_TEST(auto_epochs_give_few_rows_steps_enough) {
  static const struct {
    int64_t batch_size, epochs;
    uint64_t rows, expected;
  } cases[] = {{32, PARAM_INTEGER_AUTO, 60000, 30}, {32, PARAM_INTEGER_AUTO, 1257, 50}, {32, PARAM_INTEGER_AUTO, 105, 500},
               {1, PARAM_INTEGER_AUTO, 10, 200},    {32, PARAM_INTEGER_AUTO, 0, 500},   {32, 7, 105, 7}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const struct train_settings settings = {.batch_size = cases[i].batch_size, .epochs = cases[i].epochs};
    ck_assert_uint_eq(train_count_epochs(&settings, cases[i].rows), cases[i].expected);
  }
}
END_TEST

START_TEST(an_auto_loss_follows_from_output_and_task) {
  static const struct {
    const char *layers;
    enum task task;
    const char *loss;
  } cases[] = {
      {"dense units=3 activation=softmax", TASK_CLASSIFICATION, "cross_entropy"},
      {"dense units=1 activation=sigmoid", TASK_CLASSIFICATION, "binary_cross_entropy"},
      {"dense units=3 activation=tanh", TASK_CLASSIFICATION, NULL},
      {"dense units=3 name=out", TASK_CLASSIFICATION, NULL},
      {"dense units=3 activation=softmax", TASK_MULTILABEL, NULL},
      {"dense units=3 activation=sigmoid", TASK_MULTILABEL, "binary_cross_entropy"},
      {"dense units=3 activation=sigmoid", TASK_REGRESSION, "mean_squared_error"},
      {"dense units=3 activation=softmax", TASK_REGRESSION, "mean_squared_error"},
      {"dense units=3 activation=linear", TASK_REGRESSION, "mean_squared_error"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct scene *scene = scene_create(cases[i].layers, cases[i].task, 3);
    struct error found = {0};
    enum error_code code = train_settings_resolve(&scene->settings, scene->network, cases[i].task, &found);
    if (cases[i].loss == NULL) {
      ck_assert_int_eq(code, ERROR_INVALID);
      ck_assert_str_eq(found.items[0].pointer, "/loss");
      ck_assert_ptr_nonnull(strstr(found.items[0].detail, "activation \"auto\""));
    } else {
      ck_assert_msg(code == ERROR_NONE, "%s", found.detail);
      ck_assert_str_eq(scene->settings.loss.kind->name, cases[i].loss);
    }
    scene_destroy(scene);
  }
}
END_TEST

START_TEST(settings_that_do_not_fit_are_told_at_their_fields) {
  static const struct {
    const char *layers;
    enum task task;
    const char *loss;
    int monitor;
    const char *pointer;
  } cases[] = {
      {"dense units=3 activation=linear", TASK_CLASSIFICATION, "cross_entropy", 0, "/loss"},
      {"dense units=3 activation=softmax", TASK_REGRESSION, "cross_entropy", 0, "/loss"},
      {"dense units=3 activation=softmax", TASK_MULTILABEL, "cross_entropy", 0, "/loss"},
      {"dense units=3 activation=softmax", TASK_CLASSIFICATION, "binary_cross_entropy", 0, "/loss"},
      {"dense units=3 activation=softmax", TASK_CLASSIFICATION, "cross_entropy class_weights=1,2", 0, "/loss/class_weights"},
      {"dense units=3 activation=linear", TASK_REGRESSION, "huber", 1, "/early_stopping/monitor"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct scene *scene = scene_create(cases[i].layers, cases[i].task, 3);
    set_kind(&scene->settings.loss, &loss_kinds, cases[i].loss);
    scene->settings.early_stopping = (struct early_stopping){.is_enabled = true, .monitor = cases[i].monitor, .patience = 1};
    ck_assert_int_eq(train_settings_resolve(&scene->settings, scene->network, cases[i].task, &error), ERROR_INVALID);
    ck_assert_str_eq(error.items[0].pointer, cases[i].pointer);
    error_clear(&error);
    ck_assert_int_eq(create(scene), ERROR_INVALID);
    ck_assert_ptr_null(scene->trainer);
    scene_destroy(scene);
  }
}
END_TEST

START_TEST(a_schedule_can_not_monitor_what_a_regression_does_not_measure) {
  struct scene *scene = scene_create("dense units=3", TASK_REGRESSION, 3);
  set_kind(&scene->settings.schedule, &schedule_kinds, "reduce_on_plateau monitor=accuracy mode=max");
  ck_assert_int_eq(train_settings_resolve(&scene->settings, scene->network, TASK_REGRESSION, &error), ERROR_INVALID);
  ck_assert_str_eq(error.items[0].pointer, "/schedule/monitor");
  error_clear(&error);
  scene_destroy(scene);
}
END_TEST

START_TEST(targets_that_are_no_class_are_refused_with_their_row) {
  static const float wrong[] = {3, -1, 0.5f, NAN, 1e30f};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    struct scene *scene = scene_create("dense units=3 activation=softmax", TASK_CLASSIFICATION, 3);
    scene->y[i % 2 == 0 ? 7 : ROWS + 7] = wrong[i];
    ck_assert_int_eq(create(scene), ERROR_INVALID);
    ck_assert_msg(strstr(error.detail, i % 2 == 0 ? "row 7 of the training part" : "row 7 of the validation part") != NULL, "%s",
                  error.detail);
    scene_destroy(scene);
  }
}
END_TEST

START_TEST(data_that_do_not_fit_the_network_are_refused) {
  struct scene *scene = scene_create("dense units=2 activation=softmax", TASK_CLASSIFICATION, 3);
  ck_assert_int_eq(create(scene), ERROR_INVALID);
  ck_assert_str_eq(error.detail, "the network has 2 outputs, the data 3 classes");
  scene->data.class_count = 2;
  scene->data.train.count = 0;
  ck_assert_int_eq(create(scene), ERROR_INVALID);
  scene_destroy(scene);
}
END_TEST

/* Reports */

START_TEST(short_runs_report_every_step_and_every_epoch_once) {
  struct scene *scene = scene_create("dense units=3 activation=softmax name=out", TASK_CLASSIFICATION, 3);
  struct train_result result = run(scene);
  ck_assert_uint_eq(trainer_get_steps_per_epoch(scene->trainer), 5); /* 45 rows in batches of 10; the last has 5 */
  ck_assert_uint_eq(trainer_get_total_steps(scene->trainer), 15);
  ck_assert_uint_eq(result.step, 15);
  ck_assert_uint_eq(scene->report_count, 15);
  for (size_t i = 0; i < 15; i++) {
    ck_assert_uint_eq(scene->reports[i].step, i + 1);
    ck_assert_uint_eq(scene->reports[i].epoch, (i + 1) / 5);
    ck_assert(scene->reports[i].is_epoch_end == ((i + 1) % 5 == 0));
    ck_assert_double_gt(value_of(scene, i, "batch_loss"), 0);
    ck_assert_double_gt(value_of(scene, i, "gradient_norm"), 0);
    ck_assert_double_eq(value_of(scene, i, "learning_rate"), 1e-3);
  }
  ck_assert_double_gt(last_value(scene, "layers.out.gradient_norm"), 0);
  ck_assert_double_gt(last_value(scene, "layers.out.weight_norm"), 0);
  ck_assert_double_gt(last_value(scene, "layers.out.update_ratio"), 0);
  ck_assert_double_lt(last_value(scene, "layers.out.update_ratio"), 0.1);
  scene_destroy(scene);
}
END_TEST

START_TEST(long_runs_report_about_a_thousand_steps) {
  struct scene *scene = scene_create("dense units=3 activation=softmax", TASK_CLASSIFICATION, 3);
  scene->settings.batch_size = 1;
  scene->settings.epochs = 100;
  (void)run(scene);
  ck_assert_uint_eq(trainer_get_total_steps(scene->trainer), 4500);
  ck_assert_uint_ge(scene->report_count, 900); /* every fifth step, the ends of 100 epochs among them */
  ck_assert_uint_le(scene->report_count, 1000);
  scene_destroy(scene);
}
END_TEST

START_TEST(without_validation_nothing_is_said_of_it) {
  struct scene *scene = scene_create("dense units=3 activation=softmax", TASK_CLASSIFICATION, 3);
  scene->data.validation.count = 0;
  struct train_result result = run(scene);
  for (size_t i = 0; i < scene->report_count; i++)
    for (size_t j = 0; j < scene->reports[i].value_count; j++) ck_assert_ptr_null(strstr(scene->reports[i].values[j].name, "validation"));
  ck_assert_uint_ge(result.best_epoch, 1); /* by the training loss */
  scene_destroy(scene);
}
END_TEST

START_TEST(mae_is_told_in_the_targets_own_unit) {
  static const double scale[] = {10, 1000};
  struct scene *scene = scene_create("dense units=2 activation=linear", TASK_REGRESSION, 2);
  (void)run(scene);
  double standardized = last_value(scene, "validation_mae");
  struct scene *scaled = scene_create("dense units=2 activation=linear", TASK_REGRESSION, 2);
  scaled->data.target_scale = scale;
  (void)run(scaled);
  ck_assert_double_gt(last_value(scaled, "validation_mae"), 10 * standardized);
  ck_assert_double_lt(last_value(scaled, "validation_mae"), 1000 * standardized);
  ck_assert_double_eq(last_value(scaled, "validation_loss"), last_value(scene, "validation_loss"));
  scene_destroy(scene);
  scene_destroy(scaled);
}
END_TEST

/* Steps */

/* ‖w after − w before‖ of one full-batch step of plain descent at rate 1 is the gradient's norm. */
static double step_norm(struct scene *scene) {
  set_kind(&scene->settings.optimizer, &optimizer_kinds, "sgd learning_rate=1");
  scene->settings.batch_size = ROWS;
  scene->settings.epochs = 1;
  require(create(scene));
  size_t count = network_parameter_count(scene->network);
  float *before = malloc(count * sizeof(float));
  memcpy(before, trainer_get_parameters(scene->trainer), count * sizeof(float));
  (void)run(scene);
  double sum = 0;
  for (size_t i = 0; i < count; i++) sum += pow((double)(trainer_get_parameters(scene->trainer)[i] - before[i]), 2);
  free(before);
  return sqrt(sum);
}

START_TEST(clip_norm_shortens_the_gradient_and_tells_its_length_before) {
  struct scene *free_scene = scene_create("dense units=3 activation=softmax", TASK_CLASSIFICATION, 3);
  struct scene *clipped = scene_create("dense units=3 activation=softmax", TASK_CLASSIFICATION, 3);
  double length = step_norm(free_scene);
  clipped->settings.clip_norm = length / 4;
  ck_assert_double_eq_tol(step_norm(clipped), length / 4, 1e-5 * length);
  ck_assert_double_eq(last_value(clipped, "gradient_norm"), last_value(free_scene, "gradient_norm"));
  ck_assert_double_eq_tol(last_value(clipped, "gradient_norm"), length, 1e-5 * length);
  ck_assert_double_eq(last_value(clipped, "layers.dense_0.gradient_norm"), last_value(free_scene, "layers.dense_0.gradient_norm"));
  scene_destroy(free_scene);
  scene_destroy(clipped);
}
END_TEST

START_TEST(clip_value_bounds_each_value) {
  struct scene *scene = scene_create("dense units=3 activation=softmax", TASK_CLASSIFICATION, 3);
  scene->settings.clip_value = 1e-3;
  ck_assert_double_le(step_norm(scene), 1e-3 * sqrt((double)network_parameter_count(scene->network)) * 1.0001);
  scene_destroy(scene);
}
END_TEST

START_TEST(penalties_pull_weights_but_are_not_part_of_the_loss) {
  struct scene *plain = scene_create("dense units=3 activation=softmax", TASK_CLASSIFICATION, 3);
  struct scene *penalized = scene_create("dense units=3 activation=softmax l2=0.5", TASK_CLASSIFICATION, 3);
  double length = step_norm(plain);
  ck_assert_double_gt(fabs(step_norm(penalized) - length), 1e-3);
  ck_assert_double_eq(last_value(plain, "batch_loss"), last_value(penalized, "batch_loss"));
  scene_destroy(plain);
  scene_destroy(penalized);
}
END_TEST

/* Divergence */

START_TEST(data_that_are_not_finite_diverge_at_the_first_layer) {
  static const float wrong[] = {NAN, INFINITY};
  for (size_t i = 0; i < 2; i++) {
    struct scene *scene =
        scene_create("dense units=4 activation=tanh name=first; dense units=3 activation=softmax", TASK_CLASSIFICATION, 3);
    scene->x[17 * INPUTS] = wrong[i];
    scene->settings.batch_size = ROWS;
    struct train_result result = run(scene);
    /* tanh squashes an infinity, but not its z. */
    ck_assert_int_eq(result.outcome, TRAIN_DIVERGED);
    ck_assert_str_eq(result.diverged_layer, "first");
    ck_assert_uint_eq(result.step, 0);
    scene_destroy(scene);
  }
}
END_TEST

/* Pooling is computed with the convolution, whose own z nobody has written; still it is found. */
START_TEST(a_convolution_diverges_under_its_own_name) {
  struct scene *scene = scene_create("reshape shape=1x1x3; conv2d filters=8 kernel_size=2 padding=1 activation=relu name=sick; "
                                     "max_pool2d pool_size=2; flatten; dense units=3 activation=softmax",
                                     TASK_CLASSIFICATION, 3);
  float weights[8 * 4 + 8 + 16 * 3 + 3];
  const size_t count = sizeof weights / sizeof weights[0];
  for (size_t i = 0; i < ROWS * INPUTS; i++) scene->x[i] = 1e20f;
  for (size_t i = 0; i < count; i++) weights[i] = 1e30f;
  require(create(scene));
  ck_assert(network_hides_values(scene->network));
  ck_assert_uint_eq(network_parameter_count(scene->network), count);
  trainer_set_weights(scene->trainer, weights, NULL);
  struct train_result result = run(scene);
  ck_assert_int_eq(result.outcome, TRAIN_DIVERGED);
  ck_assert_str_eq(result.diverged_layer, "sick");
  scene_destroy(scene);
}
END_TEST

/* Its activation has left a slope where z was. */
START_TEST(a_layer_diverges_under_its_own_name_though_its_z_is_gone) {
  struct scene *scene = scene_create(
      "dense units=8 activation=tanh; dense units=8 activation=gelu name=sick; dense units=3 activation=softmax", TASK_CLASSIFICATION, 3);
  float weights[INPUTS * 8 + 8 + 8 * 8 + 8 + 8 * 3 + 3];
  const size_t count = sizeof weights / sizeof weights[0];
  for (size_t i = 0; i < ROWS * INPUTS; i++) scene->x[i] = 1;
  for (size_t i = 0; i < count; i++) weights[i] = i < INPUTS * 8 + 8 ? 1 : 3e38f;
  require(create(scene));
  ck_assert(network_hides_values(scene->network));
  ck_assert_uint_eq(network_parameter_count(scene->network), count);
  trainer_set_weights(scene->trainer, weights, NULL);
  struct train_result result = run(scene);
  ck_assert_int_eq(result.outcome, TRAIN_DIVERGED);
  ck_assert_str_eq(result.diverged_layer, "sick");
  scene_destroy(scene);
}
END_TEST

START_TEST(the_step_that_diverged_is_reported_and_leaves_the_weights_alone) {
  struct scene *scene = scene_create("dense units=3 activation=softmax", TASK_CLASSIFICATION, 3);
  scene->x[0] = NAN;
  scene->settings.batch_size = ROWS;
  require(create(scene));
  float before = trainer_get_parameters(scene->trainer)[0];
  ck_assert_int_eq(run(scene).outcome, TRAIN_DIVERGED);
  ck_assert_uint_eq(scene->report_count, 1);
  ck_assert_uint_eq(scene->reports[0].step, 1);
  ck_assert(isnan(last_value(scene, "batch_loss")));
  ck_assert_float_eq(trainer_get_parameters(scene->trainer)[0], before);
  scene_destroy(scene);
}
END_TEST

START_TEST(a_rate_of_1e30_diverges_whatever_the_optimizer) {
  static const char *const optimizers[] = {"sgd", "adagrad", "rmsprop", "adam", "adamw", "nadam"};
  for (size_t i = 0; i < sizeof optimizers / sizeof optimizers[0]; i++) {
    struct scene *scene = scene_create("dense units=4 activation=relu; dense units=3 activation=softmax", TASK_CLASSIFICATION, 3);
    char text[64];
    snprintf(text, sizeof text, "%s learning_rate=1e30", optimizers[i]);
    set_kind(&scene->settings.optimizer, &optimizer_kinds, text);
    struct train_result result = run(scene);
    ck_assert_msg(result.outcome == TRAIN_DIVERGED, "%s", text);
    ck_assert_str_ne(result.detail, "");
    scene_destroy(scene);
  }
}
END_TEST

START_TEST(weights_that_the_last_step_spoils_diverge_at_the_epochs_end) {
  struct scene *scene = scene_create("dense units=2 activation=linear name=out", TASK_REGRESSION, 2);
  scene->data.validation.count = 0;
  scene->settings.epochs = 1;
  scene->settings.batch_size = ROWS;
  set_kind(&scene->settings.optimizer, &optimizer_kinds, "sgd learning_rate=1e300");
  struct train_result result = run(scene);
  ck_assert_int_eq(result.outcome, TRAIN_DIVERGED);
  ck_assert_str_eq(result.diverged_layer, "out");
  scene_destroy(scene);
}
END_TEST

/* In the middle of an epoch: the checkpoint that is asked for would take the place of a finite one. */
START_TEST(weights_that_a_step_spoilt_are_not_saved) {
  struct scene *scene = scene_create("dense units=2 activation=linear name=out", TASK_REGRESSION, 2);
  scene->stop_at_poll = 1;
  set_kind(&scene->settings.optimizer, &optimizer_kinds, "sgd learning_rate=1e300");
  struct train_result result = run(scene);
  ck_assert_int_eq(result.outcome, TRAIN_DIVERGED);
  ck_assert_str_eq(result.diverged_layer, "out");
  ck_assert_ptr_nonnull(strstr(result.detail, "after step 1"));
  ck_assert_uint_eq(result.step, 1);
  ck_assert_ptr_null(scene->block);
  const struct train_report *last = &scene->reports[scene->report_count - 1];
  ck_assert_uint_eq(last->value_count, 0);
  ck_assert_uint_ne(last->diagnosis_news, 0);
  struct diagnosis_finding findings[DIAGNOSIS_RULES_MAX];
  ck_assert_uint_eq(trainer_list_findings(scene->trainer, last->diagnosis_news, findings), 1);
  ck_assert_str_eq(findings[0].rule->code, "divergence");
  ck_assert_str_eq(findings[0].layer, "out");
  ck_assert_uint_eq(findings[0].first_epoch, 1);
  scene_destroy(scene);
}
END_TEST

/* Epochs of one step, most of which are not looked at: the next step shows what the one before has spoilt. */
START_TEST(weights_spoilt_between_looks_diverge_within_a_step) {
  enum { EPOCHS = 400 };
  struct scene *scene = scene_create("dense units=2 activation=linear name=out", TASK_REGRESSION, 2);
  scene->data.validation.count = 0;
  scene->settings.epochs = EPOCHS;
  scene->settings.batch_size = ROWS;
  set_kind(&scene->settings.optimizer, &optimizer_kinds, "sgd learning_rate=3");
  struct train_result result = run(scene);
  ck_assert_int_eq(result.outcome, TRAIN_DIVERGED);
  ck_assert_str_eq(result.diverged_layer, "out");
  const struct train_report *last = &scene->reports[scene->report_count - 1];
  ck_assert_uint_le(last->step, result.step + 1);
  for (size_t i = 0; i + 2 < scene->report_count; i++) ck_assert(isfinite(value_of(scene, i, "batch_loss")));
  scene_destroy(scene);
}
END_TEST

START_TEST(a_validation_loss_that_is_not_finite_diverges) {
  struct scene *scene = scene_create("dense units=2 activation=linear", TASK_REGRESSION, 2);
  scene->x[(ROWS + 3) * INPUTS] = NAN;
  struct train_result result = run(scene);
  ck_assert_int_eq(result.outcome, TRAIN_DIVERGED);
  ck_assert_ptr_nonnull(strstr(result.detail, "validation"));
  ck_assert(isnan(last_value(scene, "validation_loss")));
  scene_destroy(scene);
}
END_TEST

/* Stopping */

START_TEST(without_validation_the_monitor_falls_back_to_the_training_part) {
  struct scene *scene = scene_create("dense units=3 activation=softmax", TASK_CLASSIFICATION, 3);
  scene->data.validation.count = 0;
  scene->settings.epochs = 20;
  scene->settings.early_stopping = (struct early_stopping){.is_enabled = true, .monitor = 0, .patience = 2, .restore_best = true};
  set_kind(&scene->settings.optimizer, &optimizer_kinds, "sgd learning_rate=0.01"); /* falls steadily */
  struct train_result result = run(scene);
  ck_assert_int_eq(result.outcome, TRAIN_COMPLETED);
  ck_assert_uint_eq(result.best_epoch, 20);
  scene_destroy(scene);
}
END_TEST

START_TEST(min_delta_is_the_least_that_counts) {
  struct scene *scene = scene_create("dense units=3 activation=softmax", TASK_CLASSIFICATION, 3);
  scene->settings.epochs = 20;
  scene->settings.early_stopping = (struct early_stopping){.is_enabled = true, .monitor = 0, .patience = 3, .min_delta = 100};
  struct train_result result = run(scene);
  ck_assert_int_eq(result.outcome, TRAIN_EARLY_STOPPED);
  ck_assert_uint_eq(result.best_epoch, 1);
  ck_assert_uint_eq(result.epoch, 4);
  scene_destroy(scene);
}
END_TEST

START_TEST(a_stop_is_obeyed_after_the_next_step_and_saved) {
  struct scene *scene = scene_create("dense units=3 activation=softmax", TASK_CLASSIFICATION, 3);
  scene->stop_at_poll = 3;
  struct train_result result = run(scene);
  ck_assert_int_eq(result.outcome, TRAIN_STOPPED);
  ck_assert_uint_eq(result.step, 3);
  ck_assert_uint_eq(scene->position.step, 3);
  ck_assert_uint_eq(scene->position.batch_in_epoch, 3);
  ck_assert_float_eq(scene->block[0], trainer_get_parameters(scene->trainer)[0]);
  scene_destroy(scene);
}
END_TEST

/* 5 batches, polled after 4 of them; the fifth is followed by the validation's two. */
START_TEST(a_stop_during_validation_loses_nothing) {
  struct scene *whole = scene_create("dense units=3 activation=softmax", TASK_CLASSIFICATION, 3);
  struct scene *stopped = scene_create("dense units=3 activation=softmax", TASK_CLASSIFICATION, 3);
  (void)run(whole);
  stopped->stop_at_poll = 5;
  ck_assert_int_eq(run(stopped).outcome, TRAIN_STOPPED);
  ck_assert_uint_eq(stopped->position.batch_in_epoch, 5);
  ck_assert_uint_eq(stopped->position.epoch, 0);
  ck_assert_uint_eq(stopped->report_count, 4); /* the fifth comes with the epoch's values */
  require(create(stopped));
  require(trainer_restore(stopped->trainer, &stopped->position, stopped->block, trainer_get_block_count(stopped->trainer), &error));
  ck_assert_int_eq(run(stopped).outcome, TRAIN_COMPLETED);
  ck_assert_uint_eq(stopped->report_count, whole->report_count);
  for (size_t i = 0; i < whole->report_count; i++) {
    ck_assert_uint_eq(stopped->reports[i].step, whole->reports[i].step);
    for (size_t j = 0; j < whole->reports[i].value_count; j++)
      ck_assert_double_eq(value_of(stopped, i, whole->values[i][j].name), whole->values[i][j].value);
  }
  scene_destroy(whole);
  scene_destroy(stopped);
}
END_TEST

START_TEST(a_finished_run_says_so_again) {
  struct scene *scene = scene_create("dense units=3 activation=softmax", TASK_CLASSIFICATION, 3);
  ck_assert_int_eq(run(scene).outcome, TRAIN_COMPLETED);
  size_t reports = scene->report_count;
  ck_assert_int_eq(run(scene).outcome, TRAIN_COMPLETED);
  ck_assert_uint_eq(scene->report_count, reports);
  scene_destroy(scene);
}
END_TEST

static const char *const predicted_activations[] = {"linear", "relu", "leaky_relu", "elu",          "selu", "gelu",
                                                    "silu",   "mish", "softplus",   "hard_sigmoid", "tanh", "sigmoid"};

START_TEST(predictions_have_the_same_bits_in_any_batch) {
  char layers[160];
  snprintf(layers, sizeof layers, "dense units=37 activation=%s; dense units=3 activation=softmax", predicted_activations[_i]);
  struct scene *scene = scene_create(layers, TASK_CLASSIFICATION, 3);
  (void)run(scene);
  float one[ROWS * 3], several[ROWS * 3];
  struct workspace *workspace;
  require(workspace_create(scene->network, 7, false, &workspace, &error));
  const float *parameters = trainer_get_parameters(scene->trainer), *buffers = trainer_get_buffers(scene->trainer);
  predict_rows(scene->network, workspace, 1, NULL, parameters, buffers, scene->x, ROWS, one, NULL);
  predict_rows(scene->network, workspace, 7, NULL, parameters, buffers, scene->x, ROWS, several, NULL);
  ck_assert_mem_eq(one, several, sizeof one);
  workspace_destroy(workspace);
  scene_destroy(scene);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *tasks = suite_add_case(suite, "tasks and losses");
  tcase_add_loop_test(tasks, every_task_trains_with_the_losses_that_suit_it, 0, PAIR_COUNT);
  tcase_add_test(tasks, a_class_is_one_1_among_0s_for_losses_of_numbers);
  tcase_add_test(tasks, an_auto_loss_follows_from_output_and_task);
  tcase_add_test(tasks, auto_epochs_give_few_rows_steps_enough);
  tcase_add_test(tasks, settings_that_do_not_fit_are_told_at_their_fields);
  tcase_add_test(tasks, a_schedule_can_not_monitor_what_a_regression_does_not_measure);
  tcase_add_test(tasks, targets_that_are_no_class_are_refused_with_their_row);
  tcase_add_test(tasks, data_that_do_not_fit_the_network_are_refused);
  TCase *reports = suite_add_case(suite, "reports");
  tcase_add_test(reports, short_runs_report_every_step_and_every_epoch_once);
  tcase_add_test(reports, long_runs_report_about_a_thousand_steps);
  tcase_add_test(reports, without_validation_nothing_is_said_of_it);
  tcase_add_test(reports, mae_is_told_in_the_targets_own_unit);
  TCase *steps = suite_add_case(suite, "steps");
  tcase_add_test(steps, clip_norm_shortens_the_gradient_and_tells_its_length_before);
  tcase_add_test(steps, clip_value_bounds_each_value);
  tcase_add_test(steps, penalties_pull_weights_but_are_not_part_of_the_loss);
  TCase *divergence = suite_add_case(suite, "divergence");
  tcase_add_test(divergence, data_that_are_not_finite_diverge_at_the_first_layer);
  tcase_add_test(divergence, weights_that_a_step_spoilt_are_not_saved);
  tcase_add_test(divergence, weights_spoilt_between_looks_diverge_within_a_step);
  tcase_add_test(divergence, the_step_that_diverged_is_reported_and_leaves_the_weights_alone);
  tcase_add_test(divergence, a_convolution_diverges_under_its_own_name);
  tcase_add_test(divergence, a_layer_diverges_under_its_own_name_though_its_z_is_gone);
  tcase_add_test(divergence, a_rate_of_1e30_diverges_whatever_the_optimizer);
  tcase_add_test(divergence, weights_that_the_last_step_spoils_diverge_at_the_epochs_end);
  tcase_add_test(divergence, a_validation_loss_that_is_not_finite_diverges);
  TCase *stopping = suite_add_case(suite, "stopping");
  tcase_add_test(stopping, without_validation_the_monitor_falls_back_to_the_training_part);
  tcase_add_test(stopping, min_delta_is_the_least_that_counts);
  tcase_add_test(stopping, a_stop_is_obeyed_after_the_next_step_and_saved);
  tcase_add_test(stopping, a_stop_during_validation_loses_nothing);
  tcase_add_test(stopping, a_finished_run_says_so_again);
  tcase_add_loop_test(stopping, predictions_have_the_same_bits_in_any_batch, 0,
                      sizeof predicted_activations / sizeof predicted_activations[0]);
}

int main(void) { return suite_main("train", add_cases); }
