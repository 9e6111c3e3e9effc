/* What settings besides the algorithm do to training: frozen layers, averaged weights. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/train.h"
#include "tests/support/specs.h"
#include "tests/support/suite.h"
#include "tests/support/train_scene.h"

/* Weights of a layer's tensor in the trainer's block. */
static const float *get_tensor(const struct train_scene *scene, const char *layer, size_t tensor, size_t *out_count) {
  for (size_t i = 0; i < network_layer_count(scene->network); i++) {
    if (strcmp(network_get_layer_name(scene->network, i), layer) != 0) continue;
    const struct layer_tensor *of = &network_get_layer(scene->network, i)->tensors[tensor];
    *out_count = shape_size(&of->shape);
    return trainer_get_parameters(scene->trainer) + of->offset;
  }
  ck_abort_msg("no layer %s", layer);
}

static float *copy_floats(const float *values, size_t count) {
  float *copy = malloc((count + 1) * sizeof(float));
  memcpy(copy, values, count * sizeof(float));
  return copy;
}

/* Frozen layers */

static const char frozen_layers[] = "dense units=5 activation=tanh name=a trainable=0 l2=0.1; dense units=4 activation=tanh name=b; "
                                    "dense units=4 activation=relu name=c trainable=0; batch_norm name=n trainable=0; "
                                    "dense units=3 activation=softmax name=d";

static const char *const ways[][2] = {
    {"backprop", "sgd learning_rate=0.1 momentum=0.9 weight_decay=0.1"},
    {"backprop", "adamw weight_decay=0.5"},
    {"backprop", "rprop"},
    {"backprop", "lbfgs history_size=3 line_search=strong_wolfe"},
    {"finite_differences", "adam"},
    {"random_search candidates=5", "adam"},
    {"genetic population=10", "adam"},
    {"learning_rate_range_test", "adamw"},
};

START_TEST(frozen_layers_keep_their_bits_and_the_others_learn) {
  static const struct {
    const char *layer;
    bool is_frozen;
  } expected[] = {{"a", true}, {"b", false}, {"c", true}, {"n", true}, {"d", false}};
  struct train_scene scene;
  train_scene_init(&scene, frozen_layers, TASK_CLASSIFICATION);
  train_scene_set(&scene.settings.algorithm, &algorithm_kinds, ways[_i][0]);
  train_scene_set(&scene.settings.optimizer, &optimizer_kinds, ways[_i][1]);
  scene.settings.ema_decay = 0.5;
  train_scene_start(&scene);
  const size_t count = network_parameter_count(scene.network), buffer_count = network_buffer_count(scene.network);
  ck_assert_uint_eq(network_trained_count(scene.network), (5 * 4 + 4) + (4 * 3 + 3));
  float *start = copy_floats(trainer_get_parameters(scene.trainer), count);
  float *buffers = copy_floats(trainer_get_buffers(scene.trainer), buffer_count);
  train_scene_run(&scene);
  for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
    size_t size;
    const float *weights = get_tensor(&scene, expected[i].layer, 0, &size);
    const float *before = start + (weights - trainer_get_parameters(scene.trainer));
    ck_assert_msg((memcmp(weights, before, size * sizeof(float)) == 0) == expected[i].is_frozen, "%s", expected[i].layer);
  }
  ck_assert_mem_eq(buffers, trainer_get_buffers(scene.trainer), buffer_count * sizeof(float));
  ck_assert(isnan(train_scene_last(&scene, "layers.a.gradient_norm"))); /* nothing is said of what isn't computed */
  ck_assert(isnan(train_scene_last(&scene, "layers.c.update_ratio")));
  ck_assert_double_gt(train_scene_last(&scene, "layers.a.weight_norm"), 0);
  free(start);
  free(buffers);
  train_scene_deinit(&scene);
}
END_TEST

/* One step of plain descent with and without layers frozen below, between and above: the others take the same step, bit for bit. */
START_TEST(freezing_a_layer_changes_no_other_gradient) {
  static const char *const free_layers = "dense units=5 activation=tanh name=a; dense units=4 activation=tanh name=b; "
                                         "dense units=4 activation=relu name=c; dense units=3 activation=softmax name=d";
  static const char *const some_frozen = "dense units=5 activation=tanh name=a trainable=0; dense units=4 activation=tanh name=b; "
                                         "dense units=4 activation=relu name=c trainable=0; dense units=3 activation=softmax name=d";
  struct train_scene scenes[2];
  for (size_t i = 0; i < 2; i++) {
    train_scene_init(&scenes[i], i == 0 ? free_layers : some_frozen, TASK_CLASSIFICATION);
    train_scene_set(&scenes[i].settings.optimizer, &optimizer_kinds, "sgd learning_rate=1");
    scenes[i].settings.epochs = 1;
    train_scene_run(&scenes[i]);
  }
  static const char *const trained[] = {"b", "d"};
  for (size_t i = 0; i < 2; i++) {
    for (size_t tensor = 0; tensor < 2; tensor++) {
      size_t size;
      const float *one = get_tensor(&scenes[0], trained[i], tensor, &size), *other = get_tensor(&scenes[1], trained[i], tensor, &size);
      ck_assert_mem_eq(one, other, size * sizeof(float));
    }
  }
  for (size_t i = 0; i < 2; i++) train_scene_deinit(&scenes[i]);
}
END_TEST

/* Every kind with weights, between two that learn: they take the steps that they take when it learns as well, and it keeps its weights. */
static const char *const between[] = {
    "dense units=6",
    "layer_norm",
    "rnn units=3 return_sequences=1",
    "lstm units=3 return_sequences=1",
    "gru units=3 return_sequences=1 bidirectional=1",
    "self_attention heads=2",
    "conv1d filters=4 kernel_size=3 padding=same",
    "reshape shape=1x3x4; conv2d filters=2 kernel_size=2 name=k",
};

START_TEST(every_kind_lets_the_gradient_through_when_it_is_frozen) {
  struct train_scene scenes[2];
  for (size_t i = 0; i < 2; i++) {
    char text[256];
    const bool has_name = strstr(between[_i], "name=k") != NULL;
    snprintf(text, sizeof text,
             "dense units=12 activation=tanh name=a; reshape shape=3x4; %s%s%s; flatten; dense units=3 activation=softmax name=d",
             between[_i], has_name ? "" : " name=k", i == 0 ? "" : " trainable=0");
    train_scene_init(&scenes[i], text, TASK_CLASSIFICATION);
    train_scene_set(&scenes[i].settings.optimizer, &optimizer_kinds, "sgd learning_rate=1");
    scenes[i].settings.epochs = 1;
    train_scene_start(&scenes[i]);
  }
  size_t size;
  const float *frozen = get_tensor(&scenes[1], "k", 0, &size);
  float *start = copy_floats(frozen, size);
  for (size_t i = 0; i < 2; i++) train_scene_run(&scenes[i]);
  ck_assert_mem_eq(start, frozen, size * sizeof(float));
  ck_assert_mem_ne(start, get_tensor(&scenes[0], "k", 0, &size), size * sizeof(float));
  free(start);
  static const char *const trained[] = {"a", "d"};
  for (size_t i = 0; i < 2; i++) {
    const float *one = get_tensor(&scenes[0], trained[i], 0, &size), *other = get_tensor(&scenes[1], trained[i], 0, &size);
    ck_assert_mem_eq(one, other, size * sizeof(float));
  }
  for (size_t i = 0; i < 2; i++) train_scene_deinit(&scenes[i]);
}
END_TEST

/* The layer passes δ on as the fixed map that it is: training it is training the layers before and after with a scale between. */
START_TEST(a_frozen_batch_norm_is_the_map_that_it_is_in_inference) {
  struct train_scene scene;
  train_scene_init(&scene, "dense units=4 activation=tanh; batch_norm trainable=0 name=n; dense units=3 activation=softmax",
                   TASK_CLASSIFICATION);
  scene.settings.epochs = 1;
  /* The training rows validate as well, and the step is too small to change anything: both losses are one. */
  scene.data.validation = scene.data.train;
  train_scene_set(&scene.settings.optimizer, &optimizer_kinds, "sgd learning_rate=1e-20");
  train_scene_run(&scene);
  ck_assert_double_eq_tol(train_scene_last(&scene, "loss"), train_scene_last(&scene, "validation_loss"), 1e-6);
  train_scene_deinit(&scene);
}
END_TEST

START_TEST(a_network_with_all_layers_frozen_is_refused) {
  struct train_scene scene;
  struct error error = {0};
  train_scene_init(&scene, "dense units=3 activation=softmax trainable=0", TASK_CLASSIFICATION);
  ck_assert_int_eq(train_settings_resolve(&scene.settings, scene.network, TASK_CLASSIFICATION, &error), ERROR_INVALID);
  ck_assert_str_eq(error.items[0].pointer, "/network");
  train_scene_deinit(&scene);
}
END_TEST

/* Averaged weights */

static const char averaged_layers[] = "dense units=5 activation=tanh; dense units=3 activation=softmax";

/* Runs of 1, 2, … steps say what the weights were after each; the average is taken of them here. */
START_TEST(averaged_weights_are_the_exponential_average_of_all_steps) {
  enum { STEPS = 6 };
  double average[64];
  size_t count = 0;
  for (size_t steps = 1; steps <= STEPS + 1; steps++) {
    struct train_scene scene;
    train_scene_init(&scene, averaged_layers, TASK_CLASSIFICATION);
    train_scene_set(&scene.settings.optimizer, &optimizer_kinds, "adam learning_rate=0.05");
    scene.settings.epochs = steps <= STEPS ? (int64_t)steps : STEPS;
    if (steps > STEPS) scene.settings.ema_decay = 0.7;
    train_scene_run(&scene);
    count = network_parameter_count(scene.network);
    ck_assert_uint_le(count, sizeof average / sizeof average[0]);
    const float *weights = trainer_get_parameters(scene.trainer);
    for (size_t i = 0; i < count; i++) {
      if (steps <= STEPS)
        average[i] = steps == 1 ? (double)weights[i] : 0.7 * average[i] + 0.3 * (double)weights[i];
      else
        ck_assert_double_eq_tol(average[i], (double)weights[i], 1e-6);
    }
    train_scene_deinit(&scene);
  }
}
END_TEST

/* −1/n Σ log p of the validation rows, by the weights that the trainer hands out. */
static double compute_validation_loss(const struct train_scene *scene) {
  float outputs[TRAIN_SCENE_VALIDATION * TRAIN_SCENE_CLASSES];
  struct workspace *workspace;
  struct error error = {0};
  ck_assert_int_eq(workspace_create(scene->network, TRAIN_SCENE_VALIDATION, false, &workspace, &error), ERROR_NONE);
  predict_rows(scene->network, workspace, TRAIN_SCENE_VALIDATION, NULL, trainer_get_parameters(scene->trainer),
               trainer_get_buffers(scene->trainer), scene->data.validation.x, TRAIN_SCENE_VALIDATION, outputs, NULL);
  workspace_destroy(workspace);
  double sum = 0;
  for (size_t i = 0; i < TRAIN_SCENE_VALIDATION; i++)
    sum -= log((double)outputs[i * TRAIN_SCENE_CLASSES + (size_t)scene->data.validation.y[i]]);
  return sum / TRAIN_SCENE_VALIDATION;
}

START_TEST(it_is_the_average_that_is_validated_and_kept_as_the_best) {
  struct train_scene scene;
  train_scene_init(&scene, averaged_layers, TASK_CLASSIFICATION);
  train_scene_set(&scene.settings.optimizer, &optimizer_kinds, "sgd learning_rate=2");
  train_scene_validate(&scene);
  scene.settings.ema_decay = 0.9;
  scene.settings.epochs = 40;
  train_scene_run(&scene);
  ck_assert_double_eq_tol(train_scene_last(&scene, "validation_loss"), compute_validation_loss(&scene), 1e-5);
  const double last = train_scene_last(&scene, "validation_loss");

  scene.settings.early_stopping = (struct early_stopping){.is_enabled = true, .patience = 100, .restore_best = true};
  train_scene_start(&scene);
  train_scene_run(&scene);
  ck_assert_uint_gt(scene.result.best_epoch, 0);
  double best = INFINITY;
  for (size_t i = 0; i < scene.report_count; i++) best = fmin(best, train_scene_value(&scene, i, "validation_loss"));
  ck_assert_double_eq_tol(best, compute_validation_loss(&scene), 1e-5);
  ck_assert_double_le(best, last);
  train_scene_deinit(&scene);
}
END_TEST

/* The same rate without an average jumps about, so that the best epoch is not the last. */
START_TEST(the_best_epochs_weights_are_kept_without_early_stopping_too) {
  struct train_scene scene;
  train_scene_init(&scene, averaged_layers, TASK_CLASSIFICATION);
  train_scene_set(&scene.settings.optimizer, &optimizer_kinds, "sgd learning_rate=2");
  train_scene_validate(&scene);
  scene.settings.epochs = 40;
  double losses[2], best = INFINITY;
  for (int i = 0; i < 2; i++) {
    scene.settings.keep = i == 0 ? KEEP_LAST : KEEP_BEST;
    if (i > 0) train_scene_start(&scene);
    train_scene_run(&scene);
    ck_assert_int_eq(scene.result.outcome, TRAIN_COMPLETED);
    ck_assert_uint_eq(scene.result.epoch, 40);
    losses[i] = compute_validation_loss(&scene);
  }
  for (size_t i = 0; i < scene.report_count; i++) best = fmin(best, train_scene_value(&scene, i, "validation_loss"));
  ck_assert_double_eq_tol(losses[0], train_scene_last(&scene, "validation_loss"), 1e-5);
  ck_assert_double_eq_tol(losses[1], best, 1e-5);
  ck_assert_double_lt(losses[1], losses[0]);
  train_scene_deinit(&scene);
}
END_TEST

static const struct {
  int keep, kept; /* KEEP_AUTO in `kept`: refused */
  bool has_validation, is_stopped_early, restores_best, is_range_test;
} keepings[] = {
    {KEEP_AUTO, KEEP_BEST, true, false, false, false},  {KEEP_AUTO, KEEP_LAST, false, false, false, false},
    {KEEP_BEST, KEEP_BEST, false, false, false, false}, {KEEP_LAST, KEEP_LAST, true, false, false, false},
    {KEEP_AUTO, KEEP_LAST, true, false, false, true},   {KEEP_AUTO, KEEP_BEST, false, true, true, false},
    {KEEP_AUTO, KEEP_LAST, true, true, false, false},   {KEEP_BEST, KEEP_BEST, true, true, true, false}, /* as a resolved spec has it */
    {KEEP_LAST, KEEP_LAST, true, true, false, false},   {KEEP_LAST, KEEP_AUTO, true, true, true, false},
    {KEEP_BEST, KEEP_AUTO, true, true, false, false},
};

START_TEST(what_is_kept_follows_from_validation_and_early_stopping) {
  struct train_scene scene;
  struct error error = {0};
  train_scene_init(&scene, averaged_layers, TASK_CLASSIFICATION);
  if (keepings[_i].is_range_test) train_scene_set(&scene.settings.algorithm, &algorithm_kinds, "learning_rate_range_test");
  scene.settings.keep = keepings[_i].keep;
  scene.settings.early_stopping =
      (struct early_stopping){.is_enabled = keepings[_i].is_stopped_early, .patience = 5, .restore_best = keepings[_i].restores_best};
  const enum error_code code = train_resolve_keep(&scene.settings, keepings[_i].has_validation, &error);
  if (keepings[_i].kept == KEEP_AUTO) {
    ck_assert_int_eq(code, ERROR_INVALID);
    ck_assert_str_eq(error.items[0].pointer, "/keep");
  } else {
    ck_assert_int_eq(code, ERROR_NONE);
    ck_assert_int_eq(scene.settings.keep, keepings[_i].kept);
    ck_assert(train_keeps_best(&scene.settings) == (keepings[_i].kept == KEEP_BEST));
  }
  train_scene_deinit(&scene);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *frozen = suite_add_case(suite, "frozen layers");
  tcase_add_loop_test(frozen, frozen_layers_keep_their_bits_and_the_others_learn, 0, sizeof ways / sizeof ways[0]);
  tcase_add_test(frozen, freezing_a_layer_changes_no_other_gradient);
  tcase_add_loop_test(frozen, every_kind_lets_the_gradient_through_when_it_is_frozen, 0, sizeof between / sizeof between[0]);
  tcase_add_test(frozen, a_frozen_batch_norm_is_the_map_that_it_is_in_inference);
  tcase_add_test(frozen, a_network_with_all_layers_frozen_is_refused);
  TCase *averages = suite_add_case(suite, "averages");
  tcase_add_test(averages, averaged_weights_are_the_exponential_average_of_all_steps);
  tcase_add_test(averages, it_is_the_average_that_is_validated_and_kept_as_the_best);
  TCase *best = suite_add_case(suite, "the best epoch");
  tcase_add_test(best, the_best_epochs_weights_are_kept_without_early_stopping_too);
  tcase_add_loop_test(best, what_is_kept_follows_from_validation_and_early_stopping, 0, sizeof keepings / sizeof keepings[0]);
}

int main(void) { return suite_main("train options", add_cases); }
