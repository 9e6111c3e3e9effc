/* What each algorithm does with the weights. That all are resumable, deterministic and count their evaluations is in
 * test_train_concurrent.c, which loops over the table. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/train.h"
#include "tests/support/allocations.h"
#include "tests/support/specs.h"
#include "tests/support/suite.h"
#include "tests/support/train_scene.h"

static const char layers[] = "dense units=5 activation=tanh; dense units=3 activation=softmax";

static void set_algorithm(struct train_scene *scene, const char *text) {
  train_scene_set(&scene->settings.algorithm, &algorithm_kinds, text);
}

static float *copy_weights(const struct train_scene *scene) {
  const size_t bytes = network_parameter_count(scene->network) * sizeof(float);
  float *copy = malloc(bytes);
  memcpy(copy, trainer_get_parameters(scene->trainer), bytes);
  return copy;
}

static double norm_of_difference(size_t count, const float *left, const float *right) {
  double sum = 0;
  for (size_t i = 0; i < count; i++) sum += ((double)left[i] - (double)right[i]) * ((double)left[i] - (double)right[i]);
  return sqrt(sum);
}

/* finite_differences */

/* One step of plain descent, so that the difference of weights is the gradient; with penalties and random masks. */
START_TEST(finite_differences_find_the_gradient_of_backpropagation) {
  static const char rich[] = "dense units=5 activation=tanh l2=0.02 l1=0.01; dropout rate=0.3; dense units=3 activation=softmax";
  float *weights[2], *start = NULL;
  size_t count = 0;
  for (size_t i = 0; i < 2; i++) {
    struct train_scene scene;
    train_scene_init(&scene, rich, TASK_CLASSIFICATION);
    train_scene_set(&scene.settings.optimizer, &optimizer_kinds, "sgd learning_rate=1");
    set_algorithm(&scene, i == 0 ? "backprop" : "finite_differences");
    scene.settings.epochs = 1;
    train_scene_start(&scene);
    count = network_parameter_count(scene.network);
    if (i == 0) start = copy_weights(&scene);
    train_scene_run(&scene);
    weights[i] = copy_weights(&scene);
    train_scene_deinit(&scene);
  }
  const double gradient = norm_of_difference(count, weights[0], start), error = norm_of_difference(count, weights[0], weights[1]);
  ck_assert_double_gt(gradient, 0.05);
  ck_assert_msg(error < 2e-3 * gradient, "%g of %g", error, gradient);
  free(start);
  free(weights[0]);
  free(weights[1]);
}
END_TEST

/* What it costs, and that a wider distance is less exact: ε is used. */
START_TEST(a_wide_epsilon_gives_another_gradient) {
  float *weights[2];
  size_t count = 0;
  for (size_t i = 0; i < 2; i++) {
    struct train_scene scene;
    train_scene_init(&scene, layers, TASK_CLASSIFICATION);
    set_algorithm(&scene, i == 0 ? "finite_differences" : "finite_differences epsilon=2");
    train_scene_set(&scene.settings.optimizer, &optimizer_kinds, "sgd learning_rate=1");
    scene.settings.epochs = 1;
    train_scene_run(&scene);
    count = network_parameter_count(scene.network);
    ck_assert_double_eq(train_scene_last(&scene, "evaluations"), 2.0 * (double)count + 1);
    weights[i] = copy_weights(&scene);
    train_scene_deinit(&scene);
  }
  ck_assert_double_gt(norm_of_difference(count, weights[0], weights[1]), 1e-2);
  free(weights[0]);
  free(weights[1]);
}
END_TEST

/* random_search */

/* On all rows and without random masks, the cost is one function: a step that doesn't lower it is not taken. */
START_TEST(a_random_search_never_climbs) {
  struct train_scene scene;
  train_scene_init(&scene, layers, TASK_CLASSIFICATION);
  set_algorithm(&scene, "random_search step_size=0.1");
  scene.settings.epochs = 300;
  train_scene_run(&scene);
  size_t falls = 0, stays = 0;
  for (size_t i = 1; i < scene.report_count; i++) {
    const double before = train_scene_value(&scene, i - 1, "loss"), loss = train_scene_value(&scene, i, "loss");
    ck_assert_double_le(loss, before * (1 + 1e-6)); /* the order of rows changes the last bits */
    if (loss < before * (1 - 1e-6))
      falls++;
    else
      stays++;
  }
  ck_assert_uint_gt(falls, 30);
  ck_assert_uint_gt(stays, 30);
  ck_assert_double_lt(train_scene_last(&scene, "loss"), 0.6 * train_scene_value(&scene, 0, "loss"));
  ck_assert(isnan(train_scene_last(&scene, "gradient_norm"))); /* it has none, and says nothing of it */
  train_scene_deinit(&scene);
}
END_TEST

START_TEST(a_random_searchs_step_grows_with_success_and_shrinks_without) {
  struct train_scene scene;
  train_scene_init(&scene, layers, TASK_CLASSIFICATION);
  set_algorithm(&scene, "random_search step_size=0.1 expansion=2 contraction=0.5");
  scene.settings.epochs = 60;
  train_scene_run(&scene);
  for (size_t i = 1; i + 1 < scene.report_count; i++) {
    /* Report i holds the cost before its step and the size after it; whether the step was taken shows in the next cost. */
    const double ratio = train_scene_value(&scene, i, "step_size") / train_scene_value(&scene, i - 1, "step_size");
    const double change = train_scene_value(&scene, i + 1, "loss") / train_scene_value(&scene, i, "loss") - 1;
    if (change < -1e-5) ck_assert_double_eq(ratio, 2);
    if (ratio < 1) ck_assert_double_eq(ratio, 0.5);
    if (ratio < 1) ck_assert_double_le(fabs(change), 1e-5);
  }
  train_scene_deinit(&scene);
}
END_TEST

START_TEST(of_several_candidates_the_best_is_taken) {
  double losses[2];
  for (size_t i = 0; i < 2; i++) {
    struct train_scene scene;
    train_scene_init(&scene, layers, TASK_CLASSIFICATION);
    set_algorithm(&scene, i == 0 ? "random_search candidates=1 expansion=1 contraction=1"
                                 : "random_search candidates=20 expansion=1 contraction=1");
    scene.settings.epochs = 50;
    train_scene_run(&scene);
    losses[i] = train_scene_last(&scene, "loss");
    train_scene_deinit(&scene);
  }
  ck_assert_double_lt(losses[1], losses[0]);
}
END_TEST

/* genetic */

static const char *const crossovers[] = {"uniform", "one_point", "two_point", "arithmetic"};

/* The elite lives on, so that on all rows the best never gets worse. */
START_TEST(a_genetic_algorithm_improves_and_keeps_its_elite) {
  char text[96];
  snprintf(text, sizeof text, "genetic population=30 crossover=%s", crossovers[_i]);
  struct train_scene scene;
  train_scene_init(&scene, layers, TASK_CLASSIFICATION);
  set_algorithm(&scene, text);
  scene.settings.epochs = 60;
  train_scene_run(&scene);
  for (size_t i = 1; i < scene.report_count; i++)
    ck_assert_double_le(train_scene_value(&scene, i, "loss"), train_scene_value(&scene, i - 1, "loss") * (1 + 1e-6));
  ck_assert_double_lt(train_scene_last(&scene, "loss"), 0.6 * train_scene_value(&scene, 0, "loss"));
  ck_assert_double_eq(train_scene_last(&scene, "evaluations"), 30 * 60);
  train_scene_deinit(&scene);
}
END_TEST

/* Without noise at the start and without mutation there is nothing to choose from. */
START_TEST(without_variation_a_population_stays_what_it_is) {
  struct train_scene scene;
  train_scene_init(&scene, layers, TASK_CLASSIFICATION);
  set_algorithm(&scene, "genetic population=6 initial_scale=0 mutation_rate=0");
  train_scene_start(&scene);
  float *start = copy_weights(&scene);
  train_scene_run(&scene);
  ck_assert_mem_eq(start, trainer_get_parameters(scene.trainer), network_parameter_count(scene.network) * sizeof(float));
  free(start);
  train_scene_deinit(&scene);
}
END_TEST

/* Without mutation, every weight of a child of uniform crossover is one that some individual started with. */
START_TEST(crossover_mixes_weights_and_invents_none) {
  enum { POPULATION = 8 };
  struct train_scene scene;
  train_scene_init(&scene, layers, TASK_CLASSIFICATION);
  set_algorithm(&scene, "genetic population=8 elitism=1 mutation_rate=0 crossover_rate=1");
  scene.settings.epochs = 12;
  train_scene_start(&scene);
  const size_t count = network_parameter_count(scene.network);
  float *start = copy_weights(&scene), *first = malloc(POPULATION * count * sizeof(float));
  for (size_t i = 0; i < POPULATION; i++) {
    const struct random_stream stream = {.seed = 11, .purpose = RANDOM_CHANGE, .lane = (uint32_t)i};
    random_fill_normal(&stream, 0, count, first + i * count);
    for (size_t k = 0; k < count; k++) first[i * count + k] = start[k] + (i == 0 ? 0 : 0.5f) * first[i * count + k];
  }
  train_scene_run(&scene);
  size_t sources[POPULATION] = {0};
  for (size_t k = 0; k < count; k++) {
    size_t found = POPULATION;
    for (size_t i = 0; i < POPULATION && found == POPULATION; i++)
      if (fabsf(first[i * count + k] - trainer_get_parameters(scene.trainer)[k]) < 1e-6f) found = i;
    ck_assert_msg(found < POPULATION, "weight %zu is nobody's", k);
    sources[found]++;
  }
  size_t used = 0;
  for (size_t i = 0; i < POPULATION; i++) used += sources[i] > 0;
  ck_assert_uint_gt(used, 1);
  free(start);
  free(first);
  train_scene_deinit(&scene);
}
END_TEST

/* lbfgs, which asks the algorithm for gradients at other weights */

START_TEST(a_search_counts_every_point_it_looks_at) {
  static const char *const algorithms[] = {"backprop", "finite_differences"};
  struct train_scene scene;
  train_scene_init(&scene, "dense units=5 activation=tanh l2=0.001; batch_norm; dense units=3 activation=softmax", TASK_CLASSIFICATION);
  set_algorithm(&scene, algorithms[_i]);
  train_scene_set(&scene.settings.optimizer, &optimizer_kinds, "lbfgs line_search=strong_wolfe history_size=5");
  train_scene_start(&scene);
  const double count = (double)network_parameter_count(scene.network);
  train_scene_run(&scene);
  const double each = _i == 0 ? 1 : 2 * count + 1, evaluations = train_scene_last(&scene, "evaluations");
  ck_assert_double_ge(evaluations, 15 * each); /* 10 steps, most of them with a second point */
  ck_assert_double_eq(fmod(evaluations, each), 0);
  ck_assert_double_lt(train_scene_last(&scene, "loss"), 0.5 * train_scene_value(&scene, 0, "loss"));
  train_scene_deinit(&scene);
}
END_TEST

START_TEST(lbfgs_wants_all_rows_and_the_gradient_as_it_is) {
  struct train_scene scene;
  struct error error = {0};
  struct trainer *trainer = NULL;
  size_t bytes;
  train_scene_init(&scene, layers, TASK_CLASSIFICATION);
  train_scene_set(&scene.settings.optimizer, &optimizer_kinds, "lbfgs");
  scene.settings.batch_size = 50;
  ck_assert_int_eq(trainer_measure(scene.network, &scene.settings, &scene.data, &bytes, &error), ERROR_INVALID);
  ck_assert_str_eq(error.items[0].pointer, "/batch_size");
  ck_assert_str_eq(error.items[0].detail, "lbfgs needs all 120 training rows in one step: make it 120 or more, or accumulate_steps 3");
  error_clear(&error);
  ck_assert_int_eq(trainer_create(scene.network, &scene.settings, &scene.data, NULL, &trainer, &error), ERROR_INVALID);
  error_clear(&error);
  scene.settings.accumulate_steps = 3;
  ck_assert_int_eq(trainer_measure(scene.network, &scene.settings, &scene.data, &bytes, &error), ERROR_NONE);
  scene.settings.clip_norm = 1;
  scene.settings.clip_value = 1;
  ck_assert_int_eq(train_settings_resolve(&scene.settings, scene.network, TASK_CLASSIFICATION, &error), ERROR_INVALID);
  ck_assert_uint_eq(error.item_count, 2);
  ck_assert_str_eq(error.items[0].pointer, "/clip_norm");
  ck_assert_str_eq(error.items[1].pointer, "/clip_value");
  train_scene_deinit(&scene);
}
END_TEST

/* learning_rate_range_test */

START_TEST(a_range_test_sweeps_the_rates_and_suggests_one_that_learns) {
  struct train_scene scene;
  train_scene_init(&scene, layers, TASK_CLASSIFICATION);
  set_algorithm(&scene, "learning_rate_range_test min_learning_rate=1e-5 max_learning_rate=100");
  train_scene_set(&scene.settings.optimizer, &optimizer_kinds, "sgd");
  train_scene_validate(&scene);
  scene.settings.batch_size = 24; /* 5 steps an epoch */
  scene.settings.epochs = 60;
  train_scene_run(&scene);
  ck_assert_int_eq(scene.result.outcome, TRAIN_COMPLETED);
  const double factor = pow(1e7, 1.0 / 299);
  for (size_t i = 0; i < scene.report_count; i++)
    ck_assert_double_eq_tol(train_scene_value(&scene, i, "learning_rate") / (1e-5 * pow(factor, (double)i)), 1, 1e-9);
  const double suggestion = train_scene_last(&scene, "suggested_learning_rate");
  ck_assert_msg(suggestion > 1e-3 && suggestion < 5, "%g", suggestion);
  char number[32];
  snprintf(number, sizeof number, "%.3g", suggestion);
  ck_assert_msg(strstr(scene.result.detail, number) != NULL, "%s", scene.result.detail);
  train_scene_deinit(&scene);

  /* With it, training learns; with a hundredth and a hundred times of it, less. */
  double losses[3];
  for (size_t i = 0; i < 3; i++) {
    struct train_scene training;
    train_scene_init(&training, layers, TASK_CLASSIFICATION);
    char text[64];
    snprintf(text, sizeof text, "sgd learning_rate=%g", suggestion * pow(100, (double)i - 1));
    train_scene_set(&training.settings.optimizer, &optimizer_kinds, text);
    training.settings.batch_size = 24;
    train_scene_run(&training);
    losses[i] = train_scene_last(&training, "loss");
    train_scene_deinit(&training);
  }
  ck_assert_double_lt(losses[1], losses[0]);
  ck_assert(!(losses[2] <= losses[1]));
}
END_TEST

/* Of a linear model with squared errors, whose loss grows without bound once the rate is too high: by being too large, or not finite. */
START_TEST(a_range_test_that_diverges_is_complete) {
  static const char *const texts[] = {"learning_rate_range_test max_learning_rate=1e4",
                                      "learning_rate_range_test divergence=1e300 max_learning_rate=1e20"};
  struct train_scene scene;
  train_scene_init(&scene, "dense units=2", TASK_REGRESSION);
  set_algorithm(&scene, texts[_i]);
  train_scene_set(&scene.settings.optimizer, &optimizer_kinds, "sgd");
  scene.settings.batch_size = 24;
  scene.settings.epochs = 60;
  train_scene_run(&scene);
  ck_assert_int_eq(scene.result.outcome, TRAIN_COMPLETED);
  ck_assert_uint_lt(scene.result.step, 300);
  ck_assert(scene.reports[scene.report_count - 1].is_epoch_end);
  ck_assert_ptr_nonnull(strstr(scene.result.detail, "diverged at"));
  const double last = train_scene_last(&scene, "learning_rate"), suggestion = train_scene_last(&scene, "suggested_learning_rate");
  ck_assert_double_gt(suggestion, 0);
  ck_assert_double_le(suggestion, 0.1 * last * 1.0001);
  ck_assert_double_gt(train_scene_last(&scene, "layers.dense_0.weight_norm"), 0);
  train_scene_deinit(&scene);
}
END_TEST

START_TEST(a_range_test_wants_the_rate_for_itself) {
  struct train_scene scene;
  struct error error = {0};
  train_scene_init(&scene, layers, TASK_CLASSIFICATION);
  set_algorithm(&scene, "learning_rate_range_test");
  train_scene_set(&scene.settings.schedule, &schedule_kinds, "cosine");
  ck_assert_int_eq(train_settings_resolve(&scene.settings, scene.network, TASK_CLASSIFICATION, &error), ERROR_INVALID);
  ck_assert_str_eq(error.items[0].pointer, "/schedule");
  train_scene_deinit(&scene);
}
END_TEST

/* All */

static const struct {
  const char *text, *pointer;
} wrong[] = {
    {"genetic population=10 elitism=10", "/algorithm/elitism"},
    {"genetic population=10 tournament_size=11", "/algorithm/tournament_size"},
    {"genetic population=1", "/algorithm/population"},
    {"random_search step_size=0", "/algorithm/step_size"},
    {"random_search contraction=0", "/algorithm/contraction"},
    {"finite_differences epsilon=0", "/algorithm/epsilon"},
    {"learning_rate_range_test max_learning_rate=1e-8", "/algorithm/max_learning_rate"},
};

START_TEST(settings_that_make_no_sense_are_told_at_their_field) {
  struct spec spec;
  struct error error = {0};
  spec_parse(&spec, &algorithm_kinds, wrong[_i].text);
  ck_assert_int_eq(spec_check(&spec, "/algorithm", &error), ERROR_INVALID);
  ck_assert_str_eq(error.items[0].pointer, wrong[_i].pointer);
  spec_deinit(&spec);
}
END_TEST

static const char *const hungry[] = {"backprop", "finite_differences", "random_search", "genetic population=20"};

START_TEST(the_measured_bytes_are_those_that_are_allocated) {
  if (!allocations_can_count()) return;
  struct train_scene scene;
  struct error error = {0};
  size_t measured = 0, block = 0;
  train_scene_init(&scene, "dense units=400 activation=relu; batch_norm; dense units=3 activation=softmax", TASK_CLASSIFICATION);
  set_algorithm(&scene, hungry[_i]);
  scene.settings.batch_size = 16;
  scene.settings.accumulate_steps = 3;
  scene.settings.ema_decay = 0.99;
  ck_assert_int_eq(trainer_measure(scene.network, &scene.settings, &scene.data, &measured, &error), ERROR_NONE);
  ck_assert_int_eq(trainer_measure_block(scene.network, &scene.settings, &block, &error), ERROR_NONE);
  const size_t before = allocations_live_bytes();
  train_scene_start(&scene);
  const size_t allocated = allocations_live_bytes() - before;
  ck_assert_msg(fabs((double)measured - (double)allocated) <= 0.05 * (double)allocated, "measured %zu, allocated %zu", measured, allocated);
  ck_assert_uint_eq(block, trainer_get_block_count(scene.trainer));
  train_scene_deinit(&scene);
}
END_TEST

/* NaN in the data: also those without a gradient say so, and keep their weights. */
START_TEST(a_cost_that_is_not_finite_diverges) {
  struct train_scene scene;
  train_scene_init(&scene, layers, TASK_CLASSIFICATION);
  set_algorithm(&scene, hungry[_i]);
  scene.x[8] = NAN;
  train_scene_start(&scene);
  float *start = copy_weights(&scene);
  train_scene_run(&scene);
  ck_assert_int_eq(scene.result.outcome, TRAIN_DIVERGED);
  ck_assert_str_eq(scene.result.diverged_layer, "dense_0");
  ck_assert_mem_eq(start, trainer_get_parameters(scene.trainer), network_parameter_count(scene.network) * sizeof(float));
  free(start);
  train_scene_deinit(&scene);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *tcase = suite_add_case(suite, "algorithms");
  tcase_add_test(tcase, finite_differences_find_the_gradient_of_backpropagation);
  tcase_add_test(tcase, a_wide_epsilon_gives_another_gradient);
  tcase_add_test(tcase, a_random_search_never_climbs);
  tcase_add_test(tcase, a_random_searchs_step_grows_with_success_and_shrinks_without);
  tcase_add_test(tcase, of_several_candidates_the_best_is_taken);
  tcase_add_loop_test(tcase, a_genetic_algorithm_improves_and_keeps_its_elite, 0, sizeof crossovers / sizeof crossovers[0]);
  tcase_add_test(tcase, without_variation_a_population_stays_what_it_is);
  tcase_add_test(tcase, crossover_mixes_weights_and_invents_none);
  tcase_add_loop_test(tcase, a_search_counts_every_point_it_looks_at, 0, 2);
  tcase_add_test(tcase, lbfgs_wants_all_rows_and_the_gradient_as_it_is);
  tcase_add_test(tcase, a_range_test_sweeps_the_rates_and_suggests_one_that_learns);
  tcase_add_loop_test(tcase, a_range_test_that_diverges_is_complete, 0, 2);
  tcase_add_test(tcase, a_range_test_wants_the_rate_for_itself);
  tcase_add_loop_test(tcase, settings_that_make_no_sense_are_told_at_their_field, 0, sizeof wrong / sizeof wrong[0]);
  tcase_add_loop_test(tcase, the_measured_bytes_are_those_that_are_allocated, 0, sizeof hungry / sizeof hungry[0]);
  tcase_add_loop_test(tcase, a_cost_that_is_not_finite_diverges, 0, sizeof hungry / sizeof hungry[0]);
}

int main(void) { return suite_main("algorithms", add_cases); }
