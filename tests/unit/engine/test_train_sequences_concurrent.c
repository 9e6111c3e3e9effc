/* Training on sequences of different length: recurrent networks learn small batches by heart, resume and share their work without changing
 * a bit, and learn a class for each step. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/train.h"
#include "tests/support/sittings.h"
#include "tests/support/specs.h"
#include "tests/support/suite.h"
#include "tests/support/threads.h"

enum { ROWS = 40, STEPS = 9, TOKENS = 7, CLASSES = 3 };

struct scene {
  struct network_spec spec;
  struct network *network;
  struct train_settings settings;
  struct train_data data;
  float x[ROWS * STEPS], y[ROWS * STEPS];
  struct trainer *trainer;
  struct sittings sittings;
};

static struct error error;
static void require(enum error_code code) { ck_assert_msg(code == ERROR_NONE, "%s", error.detail); }

static size_t draw(size_t index, size_t count) {
  float value;
  random_fill_uniform(&(struct random_stream){.seed = 21, .purpose = 77}, index, 1, &value);
  return (size_t)(value * (float)count);
}

/* Tokens 1 … of different lengths, 0 behind them. A row's class is any; a step's follows from the token before, which only a network that
 * remembers can know. */
static void fill_rows(struct scene *scene, bool has_steps) {
  for (size_t i = 0; i < ROWS; i++) {
    const size_t length = 1 + draw(1000 + i, STEPS);
    size_t before = 0;
    if (!has_steps) scene->y[i] = (float)draw(2000 + i, CLASSES);
    for (size_t t = 0; t < STEPS; t++) {
      const size_t token = t < length ? 1 + draw(i * STEPS + t, TOKENS - 1) : 0;
      scene->x[i * STEPS + t] = (float)token;
      if (has_steps) scene->y[i * STEPS + t] = t < length ? (float)(before % CLASSES) : LOSS_NO_CLASS;
      before = token;
    }
  }
}

static void scene_init(struct scene *scene, const char *layers, size_t rows, bool has_steps) {
  char input[16];
  memset(scene, 0, sizeof *scene);
  snprintf(input, sizeof input, "%d", STEPS);
  network_spec_parse(&scene->spec, input, layers);
  require(network_create(&scene->spec, &scene->network, &error));
  require(settings_init(&scene->settings, train_params, train_param_count, &error));
  spec_deinit(&scene->settings.optimizer);
  spec_parse(&scene->settings.optimizer, &optimizer_kinds, "adam learning_rate=0.02");
  scene->settings.batch_size = (int64_t)rows;
  scene->settings.epochs = 150;
  scene->settings.seed = 11;
  fill_rows(scene, has_steps);
  scene->data = (struct train_data){.task = TASK_CLASSIFICATION,
                                    .class_count = CLASSES,
                                    .target_steps = has_steps ? STEPS : 0,
                                    .train = {.count = rows, .x = scene->x, .y = scene->y}};
}

static void scene_start(struct scene *scene, const struct parallel *parallel) {
  trainer_destroy(scene->trainer);
  require(trainer_create(scene->network, &scene->settings, &scene->data, parallel, &scene->trainer, &error));
}

static void scene_deinit(struct scene *scene) {
  trainer_destroy(scene->trainer);
  settings_deinit(&scene->settings, train_params, train_param_count);
  network_destroy(scene->network);
  network_spec_deinit(&scene->spec);
  sittings_deinit(&scene->sittings);
}

static enum train_outcome run(struct scene *scene) { return sittings_run(&scene->sittings, scene->trainer).outcome; }
static double loss(const struct scene *scene) { return sittings_value(&scene->sittings, "loss"); }
static double accuracy(const struct scene *scene) { return sittings_value(&scene->sittings, "accuracy"); }

/* A small batch with any classes, learnt by heart. */
static const char *const memories[] = {
    "embedding input_dim=7 output_dim=8 padding_idx=0; lstm units=12 bidirectional=1; dense units=3 activation=softmax",
    "embedding input_dim=7 output_dim=8 padding_idx=0; gru units=12 return_sequences=1; gru units=8; dense units=3 activation=softmax",
    "embedding input_dim=7 output_dim=8 padding_idx=0; rnn units=20 bidirectional=1; dense units=3 activation=softmax",
};
enum { MEMORIES = sizeof memories / sizeof memories[0] };

START_TEST(a_small_batch_is_learnt_by_heart) {
  struct scene scene;
  scene_init(&scene, memories[_i], 12, false);
  scene_start(&scene, NULL);
  ck_assert_int_eq(run(&scene), TRAIN_COMPLETED);
  ck_assert_msg(loss(&scene) < 0.01, "%s: loss %g", memories[_i], loss(&scene));
  ck_assert(accuracy(&scene) == 1);
  scene_deinit(&scene);
}
END_TEST

START_TEST(any_number_of_threads_gives_the_same_bits) {
  float *expected = NULL;
  for (size_t threads = 1; threads <= 4; threads *= 2) {
    struct scene scene;
    scene_init(&scene, memories[_i], ROWS, false);
    scene.settings.epochs = 5;
    const struct parallel parallel = threads_make_parallel(threads);
    scene_start(&scene, &parallel);
    ck_assert_int_eq(run(&scene), TRAIN_COMPLETED);
    const size_t bytes = network_parameter_count(scene.network) * sizeof(float);
    if (expected == NULL) expected = sittings_copy_weights(scene.trainer, scene.network);
    ck_assert_mem_eq(expected, trainer_get_parameters(scene.trainer), bytes);
    scene_deinit(&scene);
  }
  free(expected);
}
END_TEST

START_TEST(a_stopped_run_goes_on_bit_for_bit) {
  struct scene scene;
  scene_init(&scene, memories[_i], ROWS, false);
  scene.settings.batch_size = 7;
  scene.settings.epochs = 4;
  scene_start(&scene, NULL);
  ck_assert_int_eq(run(&scene), TRAIN_COMPLETED);
  const size_t bytes = network_parameter_count(scene.network) * sizeof(float);
  float *expected = sittings_copy_weights(scene.trainer, scene.network);
  scene_start(&scene, NULL);
  scene.sittings.stop_at = 3;
  while (run(&scene) == TRAIN_STOPPED) {
    scene_start(&scene, NULL);
    sittings_restore(&scene.sittings, scene.trainer);
  }
  ck_assert_mem_eq(expected, trainer_get_parameters(scene.trainer), bytes);
  free(expected);
  scene_deinit(&scene);
}
END_TEST

/* A class for each step, from the token before it. */
static const struct {
  const char *layers, *loss;
} labellings[] = {
    {"embedding input_dim=7 output_dim=8 padding_idx=0; lstm units=16 return_sequences=1; dense units=3 activation=softmax", "auto"},
    {"embedding input_dim=7 output_dim=8 padding_idx=0; gru units=16 return_sequences=1; dense units=3 activation=softmax",
     "cross_entropy class_weights=balanced"},
    {"embedding input_dim=7 output_dim=8 padding_idx=0; rnn units=16 return_sequences=1; dense units=3 activation=softmax",
     "squared_error"},
};
enum { LABELLINGS = sizeof labellings / sizeof labellings[0] };

START_TEST(a_class_for_each_step_is_learnt) {
  struct scene scene;
  scene_init(&scene, labellings[_i].layers, ROWS, true);
  if (strcmp(labellings[_i].loss, "auto") != 0) spec_parse(&scene.settings.loss, &loss_kinds, labellings[_i].loss);
  scene_start(&scene, NULL);
  ck_assert_int_eq(run(&scene), TRAIN_COMPLETED);
  ck_assert_msg(accuracy(&scene) == 1 && loss(&scene) < 0.05, "%s: loss %g, accuracy %g", labellings[_i].layers, loss(&scene),
                accuracy(&scene));
  scene_deinit(&scene);
}
END_TEST

/* Loss and accuracy are those over real steps: with any right answer given, half right is a half, however much padding there is. */
START_TEST(accuracy_counts_real_steps_only) {
  struct scene scene;
  scene_init(&scene, labellings[0].layers, ROWS, true);
  scene.settings.epochs = 1;
  spec_deinit(&scene.settings.optimizer);
  spec_parse(&scene.settings.optimizer, &optimizer_kinds, "sgd learning_rate=1e-20");
  /* Weights of 0 say class 0 everywhere, which is right where the step's class is. */
  size_t zeros = 0, real = 0;
  for (size_t i = 0; i < ROWS * STEPS; i++) {
    real += scene.y[i] != LOSS_NO_CLASS;
    zeros += scene.y[i] == 0;
  }
  scene_start(&scene, NULL);
  float *weights = calloc(network_parameter_count(scene.network), sizeof(float));
  trainer_set_weights(scene.trainer, weights, NULL);
  ck_assert_int_eq(run(&scene), TRAIN_COMPLETED);
  ck_assert_uint_lt(real, (size_t)ROWS * STEPS);
  ck_assert_double_eq_tol(accuracy(&scene), (double)zeros / (double)real, 1e-12);
  ck_assert_double_eq_tol(loss(&scene), log(CLASSES), 1e-6);
  free(weights);
  scene_deinit(&scene);
}
END_TEST

START_TEST(steps_without_a_class_each_are_refused) {
  struct scene scene;
  struct trainer *trainer;
  scene_init(&scene, labellings[0].layers, ROWS, true);
  scene.data.target_steps = 0;
  ck_assert_int_eq(trainer_create(scene.network, &scene.settings, &scene.data, NULL, &trainer, &error), ERROR_INVALID);
  ck_assert_str_eq(error.detail, "the network has outputs for 9 steps, the data classes for 1");
  scene.data.target_steps = STEPS;
  scene.y[4] = 3;
  error_clear(&error);
  ck_assert_int_eq(trainer_create(scene.network, &scene.settings, &scene.data, NULL, &trainer, &error), ERROR_INVALID);
  ck_assert_str_eq(error.detail, "row 0 of the training part has the class 3, not one of 0 … 2");
  scene_deinit(&scene);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "training on sequences");
  tcase_add_loop_test(test_case, a_small_batch_is_learnt_by_heart, 0, MEMORIES);
  tcase_add_loop_test(test_case, any_number_of_threads_gives_the_same_bits, 0, MEMORIES);
  tcase_add_loop_test(test_case, a_stopped_run_goes_on_bit_for_bit, 0, MEMORIES);
  tcase_add_loop_test(test_case, a_class_for_each_step_is_learnt, 0, LABELLINGS);
  tcase_add_test(test_case, accuracy_counts_real_steps_only);
  tcase_add_test(test_case, steps_without_a_class_each_are_refused);
}

int main(void) { return suite_main("training on sequences", add_cases); }
