/* The three large kinds of network, whole: a residual convolutional network, a bidirectional LSTM and a transformer of two blocks each
 * learn a few samples by heart, with the same weights for any number of threads, and for a run that was stopped and went on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/train.h"
#include "tests/support/sittings.h"
#include "tests/support/specs.h"
#include "tests/support/suite.h"
#include "tests/support/threads.h"

enum { ROWS = 12, CLASSES = 3, TOKENS = 9, PADDING = 0, POLLS_PER_SITTING = 21 };
static const double GOAL = 0.01;

#define TRANSFORMER_BLOCK(input_, n_)                                                                                                      \
  "layer_norm inputs=" input_ " name=na" n_ "; self_attention heads=4 causal=1 dropout=0.05 name=at" n_ "; add inputs=" input_ ",at" n_    \
  " name=sa" n_ "; layer_norm name=nb" n_ "; dense units=32 activation=gelu; dense units=16 name=ff" n_ "; add inputs=sa" n_ ",ff" n_      \
  " name=sb" n_ ";"

static const struct network_case {
  const char *name, *input, *layers;
  bool is_text; /* the input is tokens, in sequences of different length */
} cases[] = {
    {.name = "residual convolution",
     .input = "2x7x9",
     .layers = "conv2d filters=8 kernel_size=3 padding=same name=a; batch_norm activation=relu name=na;"
               "conv2d filters=8 kernel_size=3 padding=same name=b; batch_norm name=nb; add inputs=na,nb activation=relu name=r1;"
               "conv2d filters=8 kernel_size=3 padding=same name=c; add inputs=r1,c activation=relu name=r2;"
               "max_pool2d pool_size=2; flatten; dense units=3 activation=softmax"},
    {.name = "bidirectional LSTM", .input = "11x4", .layers = "lstm units=12 bidirectional=1; dense units=3 activation=softmax"},
    {.name = "transformer",
     .input = "10",
     .layers = "embedding input_dim=9 output_dim=16 padding_idx=0; positional_embedding name=x;" TRANSFORMER_BLOCK("x", "1")
         TRANSFORMER_BLOCK("sb1", "2") "layer_norm; global_avg_pool; dense units=3 activation=softmax",
     .is_text = true},
};
enum { CASES = sizeof cases / sizeof cases[0] };

struct scene {
  struct network_spec spec;
  struct network *network;
  struct train_settings settings;
  struct train_data data;
  float *x, y[ROWS];
  struct trainer *trainer;
  struct sittings sittings;
};

static struct error error;
static void require(enum error_code code) { ck_assert_msg(code == ERROR_NONE, "%s", error.detail); }

static void fill_rows(struct scene *scene, bool is_text) {
  const size_t size = shape_size(network_get_input_shape(scene->network));
  scene->x = calloc(ROWS * size, sizeof(float));
  random_fill_normal(&(struct random_stream){.seed = 3, .purpose = 77}, 0, ROWS * size, scene->x);
  for (size_t row = 0; row < ROWS; row++) scene->y[row] = (float)(row * 5 % 7 % CLASSES);
  if (is_text) random_fill_uniform(&(struct random_stream){.seed = 3, .purpose = 77}, 0, ROWS * size, scene->x);
  for (size_t i = 0; i < ROWS * size && is_text; i++) {
    const size_t length = 3 + i / size * 7 % (size - 2);
    scene->x[i] = i % size < length ? 1 + (float)(int)(scene->x[i] * (TOKENS - 1)) : PADDING;
  }
  scene->data =
      (struct train_data){.task = TASK_CLASSIFICATION, .class_count = CLASSES, .train = {.count = ROWS, .x = scene->x, .y = scene->y}};
}

static void start(struct scene *scene, const struct parallel *parallel) {
  trainer_destroy(scene->trainer);
  require(trainer_create(scene->network, &scene->settings, &scene->data, parallel, &scene->trainer, &error));
}

static void scene_init(struct scene *scene, const struct network_case *which) {
  memset(scene, 0, sizeof *scene);
  network_spec_parse(&scene->spec, which->input, which->layers);
  require(network_create(&scene->spec, &scene->network, &error));
  require(settings_init(&scene->settings, train_params, train_param_count, &error));
  spec_deinit(&scene->settings.optimizer);
  spec_parse(&scene->settings.optimizer, &optimizer_kinds, "adam learning_rate=0.01");
  scene->settings.batch_size = 5; /* the last of an epoch is smaller */
  scene->settings.epochs = 150;
  scene->settings.seed = 4;
  fill_rows(scene, which->is_text);
  start(scene, NULL);
}

static void scene_deinit(struct scene *scene) {
  trainer_destroy(scene->trainer);
  settings_deinit(&scene->settings, train_params, train_param_count);
  network_destroy(scene->network);
  network_spec_deinit(&scene->spec);
  free(scene->x);
  sittings_deinit(&scene->sittings);
}

static enum train_outcome run(struct scene *scene) { return sittings_run(&scene->sittings, scene->trainer).outcome; }

static void check_same_weights(const struct scene *scene, const float *weights) {
  ck_assert_mem_eq(weights, trainer_get_parameters(scene->trainer), network_parameter_count(scene->network) * sizeof(float));
}

START_TEST(it_learns_a_few_samples_by_heart_however_many_threads_do) {
  struct scene scene;
  scene_init(&scene, &cases[_i]);
  ck_assert_int_eq(run(&scene), TRAIN_COMPLETED);
  const double loss = sittings_value(&scene.sittings, "loss");
  ck_assert_msg(loss < GOAL, "%s: the loss is %g", cases[_i].name, loss);
  float *weights = sittings_copy_weights(scene.trainer, scene.network);
  for (size_t threads = 2; threads <= 4; threads += 2) {
    const struct parallel parallel = threads_make_parallel(threads);
    start(&scene, &parallel);
    ck_assert_int_eq(run(&scene), TRAIN_COMPLETED);
    check_same_weights(&scene, weights);
  }
  free(weights);
  scene_deinit(&scene);
}
END_TEST

START_TEST(it_goes_on_bit_for_bit) {
  struct scene scene;
  scene_init(&scene, &cases[_i]);
  scene.settings.epochs = 20;
  start(&scene, NULL);
  ck_assert_int_eq(run(&scene), TRAIN_COMPLETED);
  float *weights = sittings_copy_weights(scene.trainer, scene.network);
  start(&scene, NULL);
  scene.sittings.stop_at = POLLS_PER_SITTING;
  size_t sittings = 1;
  for (; run(&scene) == TRAIN_STOPPED; sittings++) {
    start(&scene, NULL);
    sittings_restore(&scene.sittings, scene.trainer);
  }
  ck_assert_uint_gt(sittings, 2);
  check_same_weights(&scene, weights);
  free(weights);
  scene_deinit(&scene);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "overfit");
  tcase_add_loop_test(test_case, it_learns_a_few_samples_by_heart_however_many_threads_do, 0, CASES);
  tcase_add_loop_test(test_case, it_goes_on_bit_for_bit, 0, CASES);
}

int main(void) { return suite_main("overfit", add_cases); }
