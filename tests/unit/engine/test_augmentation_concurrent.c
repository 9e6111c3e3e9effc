/* Training on varied rows: the same bits for any number of threads and however often it was stopped; memory as measured; validation sees
 * rows as they are; and targets that are mixed with their rows. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/train.h"
#include "tests/support/allocations.h"
#include "tests/support/sittings.h"
#include "tests/support/specs.h"
#include "tests/support/suite.h"
#include "tests/support/threads.h"

enum { ROWS = 300, VALIDATION_ROWS = 40, SIDE = 12, SIZE = SIDE * SIDE, CLASSES = 3 };

/* A run on images whose bright quarter tells their class. */
struct scene {
  struct network_spec spec;
  struct network *network;
  struct train_settings settings;
  struct train_data data;
  uint8_t x[(ROWS + VALIDATION_ROWS) * SIZE];
  float y[ROWS + VALIDATION_ROWS], center, scale;
  struct trainer *trainer;
  struct sittings sittings;
};

static struct error error;

static void require(enum error_code code) {
  ck_assert_msg(code == ERROR_NONE, "%s %s", error.item_count > 0 ? error.items[0].pointer : "", error.detail);
}

static const char dense_layers[] = "flatten; dense units=16 activation=relu; dense units=3 activation=softmax";

static void scene_init(struct scene *scene, const char *layers) {
  memset(scene, 0, sizeof *scene);
  network_spec_parse(&scene->spec, "1x12x12", layers);
  require(network_create(&scene->spec, &scene->network, &error));
  require(settings_init(&scene->settings, train_params, train_param_count, &error));
  scene->settings.batch_size = 128;
  scene->settings.epochs = 4;
  scene->settings.seed = 21;
  for (size_t i = 0; i < ROWS + VALIDATION_ROWS; i++) {
    const size_t class = i * 7 % CLASSES;
    for (size_t p = 0; p < SIZE; p++) {
      const bool is_bright = p / SIDE < SIDE / 2 ? class == 0 : class == 1 + (p % SIDE) / (SIDE / 2);
      scene->x[i * SIZE + p] = (uint8_t)((is_bright ? 120 : 20) + random_uniform(&(struct random_stream){.seed = 4}, i * SIZE + p) * 100);
    }
    scene->y[i] = (float)class;
  }
  scene->center = 70;
  scene->scale = 60;
  const struct train_rows rows = {
      .count = ROWS, .x_bytes = scene->x, .y = scene->y, .byte_center = &scene->center, .byte_scale = &scene->scale};
  scene->data = (struct train_data){.task = TASK_CLASSIFICATION, .class_count = CLASSES, .train = rows, .validation = rows};
  scene->data.validation.count = VALIDATION_ROWS;
  scene->data.validation.x_bytes += ROWS * SIZE;
  scene->data.validation.y += ROWS;
}

static void use_all(struct scene *scene) {
  scene->settings.augmentation = (struct augmentation){.is_given = true,
                                                       .horizontal_flip = true,
                                                       .vertical_flip = true,
                                                       .rotation = 10,
                                                       .shift = 1,
                                                       .crop = 0.9,
                                                       .erasing = 0.3,
                                                       .noise = 0.1,
                                                       .mixup = 0.2};
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
static double value(const struct scene *scene, const char *name) { return sittings_value(&scene->sittings, name); }

/* Weights after a run, [parameters]; free it. */
static float *train(struct scene *scene, const struct parallel *parallel) {
  scene_start(scene, parallel);
  ck_assert_int_eq(run(scene), TRAIN_COMPLETED);
  return sittings_copy_weights(scene->trainer, scene->network);
}

static const char image_layers[] =
    "conv2d filters=4 kernel_size=3 activation=relu; max_pool2d pool_size=2; flatten; dropout rate=0.2; dense units=3 activation=softmax";

START_TEST(any_number_of_threads_gives_the_same_bits) {
  struct scene scene;
  scene_init(&scene, image_layers);
  use_all(&scene);
  const size_t bytes = network_parameter_count(scene.network) * sizeof(float);
  float *expected = train(&scene, NULL);
  for (size_t threads = 2; threads <= 4; threads *= 2) {
    const struct parallel parallel = threads_make_parallel(threads);
    float *weights = train(&scene, &parallel);
    ck_assert_mem_eq(expected, weights, bytes);
    free(weights);
  }
  free(expected);
  scene_deinit(&scene);
}
END_TEST

START_TEST(a_stopped_run_goes_on_bit_for_bit) {
  struct scene scene;
  scene_init(&scene, image_layers);
  use_all(&scene);
  scene.settings.batch_size = 32;
  scene.settings.accumulate_steps = 1 + _i;
  float *expected = train(&scene, NULL);
  const double loss = value(&scene, "loss"), validation_loss = value(&scene, "validation_loss");
  scene_start(&scene, NULL);
  scene.sittings.stop_at = 5;
  size_t sittings = 0;
  for (;; sittings++) {
    if (run(&scene) == TRAIN_COMPLETED) break;
    scene_start(&scene, NULL);
    sittings_restore(&scene.sittings, scene.trainer);
  }
  ck_assert_uint_gt(sittings, 3);
  ck_assert_mem_eq(expected, trainer_get_parameters(scene.trainer), network_parameter_count(scene.network) * sizeof(float));
  ck_assert_double_eq(value(&scene, "loss"), loss);
  ck_assert_double_eq(value(&scene, "validation_loss"), validation_loss);
  free(expected);
  scene_deinit(&scene);
}
END_TEST

START_TEST(memory_is_measured_before_and_none_is_taken_while_it_runs) {
  if (!allocations_can_count()) return;
  struct scene scene;
  scene_init(&scene, image_layers);
  enum { ROUNDING_BYTES = 8 << 10 }; /* the allocator gives whole pages to large arrays */
  use_all(&scene);
  size_t measured = 0;
  require(trainer_measure(scene.network, &scene.settings, &scene.data, &measured, &error));
  const size_t before = allocations_live_bytes();
  scene_start(&scene, NULL);
  ck_assert_uint_le(allocations_live_bytes() - before, measured + ROUNDING_BYTES);
  ck_assert_int_eq(run(&scene), TRAIN_COMPLETED);
  ck_assert_uint_eq(scene.sittings.allocation_count, 0);
  scene_deinit(&scene);
}
END_TEST

/* With a learning rate that moves nothing, what validation sees is what it saw without augmentation. */
START_TEST(validation_sees_rows_as_they_are) {
  struct scene scene;
  scene_init(&scene, dense_layers);
  spec_set(&scene.settings.optimizer, "learning_rate", "1e-30");
  free(train(&scene, NULL));
  const double plain_loss = value(&scene, "loss"), plain_validation = value(&scene, "validation_loss");
  use_all(&scene);
  free(train(&scene, NULL));
  ck_assert_double_ne(value(&scene, "loss"), plain_loss);
  ck_assert_double_eq(value(&scene, "validation_loss"), plain_validation);
  scene_deinit(&scene);
}
END_TEST

START_TEST(settings_without_any_kind_change_no_bit) {
  struct scene scene;
  scene_init(&scene, dense_layers);
  float *plain = train(&scene, NULL);
  scene.settings.augmentation = (struct augmentation){.is_given = true, .crop = 1};
  float *idle = train(&scene, NULL);
  ck_assert_mem_eq(plain, idle, network_parameter_count(scene.network) * sizeof(float));
  free(plain);
  free(idle);
  scene_deinit(&scene);
}
END_TEST

/* Every epoch differs: a batch of all rows, which is the same in every epoch otherwise, costs something else each time. */
START_TEST(epochs_differ) {
  struct scene scene;
  scene_init(&scene, dense_layers);
  use_all(&scene);
  scene.settings.batch_size = ROWS;
  spec_set(&scene.settings.optimizer, "learning_rate", "1e-30");
  double losses[3];
  for (int epochs = 1; epochs <= 3; epochs++) {
    scene.settings.epochs = epochs;
    free(train(&scene, NULL));
    losses[epochs - 1] = value(&scene, "loss");
  }
  ck_assert(losses[0] != losses[1] && losses[1] != losses[2] && losses[0] != losses[2]);
  scene_deinit(&scene);
}
END_TEST

static double learn(const char *loss, const char *layers, double mixup, double *out_validation_loss) {
  struct scene scene;
  scene_init(&scene, layers);
  spec_parse(&scene.settings.loss, &loss_kinds, loss);
  scene.settings.augmentation = (struct augmentation){.is_given = true, .crop = 1, .mixup = mixup};
  scene.settings.batch_size = 20;
  scene.settings.epochs = 30;
  free(train(&scene, NULL));
  *out_validation_loss = value(&scene, "validation_loss");
  const double loss_value = value(&scene, "loss");
  ck_assert_double_gt(value(&scene, "accuracy"), 0.9); /* against the heavier one of two classes */
  scene_deinit(&scene);
  return loss_value;
}

/* Mixed rows have mixed targets, in whichever form the loss takes them: what was learned of them is right for whole ones, and they can't be
 * learned by heart. */
START_TEST(mixed_targets_are_learned) {
  static const char *const losses[] = {"cross_entropy", "cross_entropy label_smoothing=0.1 class_weights=balanced", "mean_squared_error"};
  double mixed_validation, plain_validation;
  const double mixed = learn(losses[_i], dense_layers, 0.4, &mixed_validation);
  const double plain = learn(losses[_i], dense_layers, 0, &plain_validation);
  ck_assert_double_gt(mixed, plain);
  ck_assert_double_lt(mixed_validation, _i == 2 ? 0.05 : 0.7);
}
END_TEST

/* One batch of all rows, of which the cost is known: cross_entropy is linear in the target, so with weights that give every class the same
 * probability it is ln 3 whatever the shares are. */
START_TEST(shares_add_up_to_one) {
  struct scene scene;
  scene_init(&scene, "flatten; dense units=3 initializer=zeros activation=softmax");
  scene.settings.augmentation = (struct augmentation){.is_given = true, .crop = 1, .mixup = 1};
  scene.settings.epochs = 1;
  scene.settings.batch_size = ROWS;
  free(train(&scene, NULL));
  ck_assert_double_eq_tol(value(&scene, "loss"), log(3), 1e-6);
  scene_deinit(&scene);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *same = suite_add_case(suite, "the same bits");
  tcase_add_test(same, any_number_of_threads_gives_the_same_bits);
  tcase_add_loop_test(same, a_stopped_run_goes_on_bit_for_bit, 0, 2);
  tcase_add_test(same, settings_without_any_kind_change_no_bit);
  TCase *training = suite_add_case(suite, "training");
  tcase_add_test(training, memory_is_measured_before_and_none_is_taken_while_it_runs);
  tcase_add_test(training, validation_sees_rows_as_they_are);
  tcase_add_test(training, epochs_differ);
  TCase *mixup = suite_add_case(suite, "mixup");
  tcase_add_loop_test(mixup, mixed_targets_are_learned, 0, 3);
  tcase_add_test(mixup, shares_add_up_to_one);
}

int main(void) { return suite_main("augmentation of training rows", add_cases); }
