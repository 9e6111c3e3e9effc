/* Losses: the numbers that PyTorch's formulas give by hand, the same by float32 and float64, and stability where sums and logarithms
 * would overflow. That gradient and cost belong together is tested in test_gradient_check.c. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/activation.h"
#include "engine/loss.h"
#include "engine/random.h"
#include "tests/support/specs.h"
#include "tests/support/suite.h"

enum { ROWS = 6, WIDTH = 4 };

/* A batch with room for everything that a loss may look at. */
struct scene {
  struct spec loss;
  float z[ROWS * WIDTH], a[ROWS * WIDTH], target[ROWS * WIDTH];
  double class_weights[WIDTH];
  struct loss_batch batch;
};

static void fill_random(float *values, size_t count, uint64_t lane) {
  random_fill_normal(&(struct random_stream){.seed = 5, .purpose = 88, .lane = (uint32_t)lane}, 0, count, values);
}

/* a = softmax(z), sigmoid(z) or z, as the loss wants it; targets likewise. */
static void scene_init(struct scene *scene, const char *text) {
  memset(scene, 0, sizeof *scene);
  spec_parse(&scene->loss, &loss_kinds, text);
  const char *fused = loss_of(&scene->loss)->fused_activation;
  fill_random(scene->z, ROWS * WIDTH, 1);
  fill_random(scene->target, ROWS * WIDTH, 2);
  for (size_t row = 0; row < ROWS; row++) {
    float *z = scene->z + row * WIDTH, *a = scene->a + row * WIDTH, sum = 0;
    for (size_t j = 0; j < WIDTH; j++) sum += expf(z[j]);
    for (size_t j = 0; j < WIDTH; j++) {
      a[j] = fused == NULL ? z[j] : strcmp(fused, "softmax") == 0 ? expf(z[j]) / sum : 1 / (1 + expf(-z[j]));
      if (fused != NULL) scene->target[row * WIDTH + j] = (float)((row + j) % 2);
    }
  }
  if (loss_of(&scene->loss)->target_form == TARGET_CLASS)
    for (size_t row = 0; row < ROWS; row++) scene->target[row] = (float)(row * 3 % WIDTH);
  scene->batch = (struct loss_batch){.rows = ROWS, .width = WIDTH, .z = scene->z, .a = scene->a, .target = scene->target};
  if (loss_resolve_class_weights(&scene->loss, WIDTH, ROWS, scene->target, scene->class_weights))
    scene->batch.class_weights = scene->class_weights;
}

static double cost(const struct scene *scene) {
  double sum = 0, weight = 0;
  loss_of(&scene->loss)->evaluate(scene->loss.settings, &scene->batch, &sum, &weight);
  return sum / weight;
}

static const char *const all[] = {
    "squared_error",
    "mean_squared_error",
    "mean_absolute_error",
    "huber delta=0.7",
    "binary_cross_entropy",
    "binary_cross_entropy pos_weight=3 weight=0.5,1,2,0",
    "cross_entropy",
    "cross_entropy label_smoothing=0.1",
    "cross_entropy class_weights=0.5,2,1,0 label_smoothing=0.2",
    "cross_entropy class_weights=balanced",
    "cross_entropy ignore_index=3",
};
enum { ALL_COUNT = sizeof all / sizeof all[0] };

START_TEST(the_cost_in_float32_is_that_in_float64) {
  struct scene scene;
  scene_init(&scene, all[_i]);
  double z64[ROWS * WIDTH], a64[ROWS * WIDTH];
  for (size_t i = 0; i < ROWS * WIDTH; i++) {
    z64[i] = (double)scene.z[i];
    a64[i] = (double)scene.a[i];
  }
  double expected = loss_of(&scene.loss)->cost64(scene.loss.settings, &scene.batch, z64, a64);
  ck_assert_double_gt(expected, 0);
  ck_assert_double_eq_tol(cost(&scene), expected, 1e-6 * expected);
  spec_deinit(&scene.loss);
}
END_TEST

static const char *const by_class[] = {"cross_entropy", "cross_entropy label_smoothing=0.3",
                                       "cross_entropy class_weights=0.5,2,1,0.1 label_smoothing=0.2", "cross_entropy ignore_index=2"};
enum { BY_CLASS_COUNT = sizeof by_class / sizeof by_class[0] };

/* A class as a share of 1 costs what the class costs, and pulls as it does. */
START_TEST(a_whole_share_of_a_class_is_the_class) {
  struct scene scene;
  scene_init(&scene, by_class[_i]);
  const struct loss_kind *kind = loss_of(&scene.loss);
  float shares[ROWS * WIDTH] = {0}, by_index[ROWS * WIDTH], by_share[ROWS * WIDTH];
  for (size_t row = 0; row < ROWS; row++) shares[row * WIDTH + (size_t)scene.target[row]] = 1;
  for (int wants_a = 0; wants_a < 2; wants_a++) {
    const double expected = cost(&scene);
    (wants_a ? kind->a_gradient : kind->gradient)(scene.loss.settings, &scene.batch, by_index);
    struct loss_batch batch = scene.batch;
    scene.batch.target = shares;
    scene.batch.are_shares = true;
    ck_assert_double_eq_tol(cost(&scene), expected, 1e-12);
    ck_assert_double_eq_tol(kind->weigh(scene.loss.settings, &scene.batch), kind->weigh(scene.loss.settings, &batch), 1e-12);
    (wants_a ? kind->a_gradient : kind->gradient)(scene.loss.settings, &scene.batch, by_share);
    for (size_t i = 0; i < ROWS * WIDTH; i++) ck_assert_float_eq_tol(by_index[i], by_share[i], 1e-7f * (1 + fabsf(by_index[i])));
    scene.batch = batch;
  }
  spec_deinit(&scene.loss);
}
END_TEST

/* λ of one class and 1 − λ of another: the mean of both costs, weighted so. */
START_TEST(shares_of_two_classes_cost_their_part_of_each) {
  struct scene scene;
  scene_init(&scene, by_class[_i]);
  const struct loss_kind *kind = loss_of(&scene.loss);
  static const float share = 0.7f;
  float first[ROWS], second[ROWS], shares[ROWS * WIDTH] = {0};
  for (size_t row = 0; row < ROWS; row++) {
    first[row] = (float)(row % WIDTH);
    second[row] = (float)((row + 1) % WIDTH);
    shares[row * WIDTH + (size_t)first[row]] += share;
    shares[row * WIDTH + (size_t)second[row]] += 1 - share;
  }
  double sums[3] = {0}, weights[3] = {0};
  const float *targets[] = {first, second, shares};
  for (size_t i = 0; i < 3; i++) {
    scene.batch.target = targets[i];
    scene.batch.are_shares = i == 2;
    kind->evaluate(scene.loss.settings, &scene.batch, &sums[i], &weights[i]);
  }
  ck_assert_double_eq_tol(sums[2], (double)share * sums[0] + (1 - (double)share) * sums[1], 1e-6);
  ck_assert_double_eq_tol(weights[2], (double)share * weights[0] + (1 - (double)share) * weights[1], 1e-6);
  spec_deinit(&scene.loss);
}
END_TEST

/* Central differences of the cost in float64. */
START_TEST(the_gradient_of_shares_is_that_of_their_cost) {
  struct scene scene;
  scene_init(&scene, by_class[_i]);
  const struct loss_kind *kind = loss_of(&scene.loss);
  float shares[ROWS * WIDTH], delta[ROWS * WIDTH];
  double z64[ROWS * WIDTH];
  for (size_t i = 0; i < ROWS * WIDTH; i++) {
    shares[i] = (float)(1 + i * 7 % 5) / 15;
    z64[i] = (double)scene.z[i];
  }
  scene.batch.target = shares;
  scene.batch.are_shares = true;
  kind->gradient(scene.loss.settings, &scene.batch, delta);
  for (size_t i = 0; i < ROWS * WIDTH; i++) {
    static const double h = 1e-5;
    z64[i] += h;
    const double above = kind->cost64(scene.loss.settings, &scene.batch, z64, NULL);
    z64[i] -= 2 * h;
    const double below = kind->cost64(scene.loss.settings, &scene.batch, z64, NULL);
    z64[i] += h;
    ck_assert_double_eq_tol((double)delta[i], (above - below) / (2 * h), 1e-7);
  }
  ck_assert_double_eq_tol(cost(&scene), kind->cost64(scene.loss.settings, &scene.batch, z64, NULL), 1e-6);
  spec_deinit(&scene.loss);
}
END_TEST

START_TEST(a_row_without_any_share_counts_for_nothing) {
  struct scene scene;
  scene_init(&scene, by_class[_i]);
  const struct loss_kind *kind = loss_of(&scene.loss);
  float shares[ROWS * WIDTH] = {0}, delta[ROWS * WIDTH];
  scene.batch.target = shares;
  scene.batch.are_shares = true;
  double sum = 0, weight = 0;
  kind->evaluate(scene.loss.settings, &scene.batch, &sum, &weight);
  kind->gradient(scene.loss.settings, &scene.batch, delta);
  ck_assert(sum == 0 && weight == 0);
  for (size_t i = 0; i < ROWS * WIDTH; i++) ck_assert_float_eq(delta[i], 0);
  spec_deinit(&scene.loss);
}
END_TEST

START_TEST(sums_and_weights_of_batches_add_up_to_those_of_the_whole) {
  struct scene scene;
  scene_init(&scene, all[_i]);
  const struct loss_kind *kind = loss_of(&scene.loss);
  double whole = cost(&scene), sum = 0, weight = 0;
  size_t target_width = kind->target_form == TARGET_CLASS ? 1 : WIDTH;
  for (size_t first = 0, rows = 1; first < ROWS; first += rows, rows++) {
    struct loss_batch part = scene.batch;
    part.rows = rows;
    part.z += first * WIDTH;
    part.a += first * WIDTH;
    part.target += first * target_width;
    kind->evaluate(scene.loss.settings, &part, &sum, &weight);
  }
  ck_assert_double_eq_tol(sum / weight, whole, 1e-12 * whole);
  spec_deinit(&scene.loss);
}
END_TEST

/* One row, two outputs: a = (1, 3), y = (2, 1), so that a − y = (−1, 2). */
/* Of outputs z; a is what the loss's own activation makes of them, or z. */
static double small_cost(const char *text, size_t rows, size_t width, const float *outputs, const float *target) {
  struct spec loss;
  spec_parse(&loss, &loss_kinds, text);
  double weights[WIDTH], sum = 0, weight = 0;
  float a[ROWS * WIDTH];
  struct loss_batch batch = {.rows = rows, .width = width, .z = outputs, .a = a, .target = target};
  memcpy(a, outputs, rows * width * sizeof *a);
  if (loss_of(&loss)->fused_activation != NULL) {
    const struct activation_kind *fused =
        (const struct activation_kind *)kind_table_find(&activation_kinds, loss_of(&loss)->fused_activation);
    fused->forward(NULL, rows, width, outputs, a);
  }
  if (loss_resolve_class_weights(&loss, width, rows, target, weights)) batch.class_weights = weights;
  loss_of(&loss)->evaluate(loss.settings, &batch, &sum, &weight);
  spec_deinit(&loss);
  return sum / weight;
}

START_TEST(costs_of_numbers_are_those_worked_out_by_hand) {
  const float a[] = {1, 3}, y[] = {2, 1};
  ck_assert_double_eq_tol(small_cost("squared_error", 1, 2, a, y), 5, 1e-12);
  ck_assert_double_eq_tol(small_cost("squared_error", 2, 1, a, y), 2.5, 1e-12); /* two rows of one output */
  ck_assert_double_eq_tol(small_cost("mean_squared_error", 1, 2, a, y), 2.5, 1e-12);
  ck_assert_double_eq_tol(small_cost("mean_absolute_error", 1, 2, a, y), 1.5, 1e-12);
  /* ½·1² and 1·(2 − ½) */
  ck_assert_double_eq_tol(small_cost("huber", 1, 2, a, y), (0.5 + 1.5) / 2, 1e-12);
  /* 0.5·(1 − 0.25) and 0.5·(2 − 0.25) */
  ck_assert_double_eq_tol(small_cost("huber delta=0.5", 1, 2, a, y), (0.375 + 0.875) / 2, 1e-12);
}
END_TEST

START_TEST(binary_cross_entropy_is_that_worked_out_by_hand) {
  const float z[] = {0, 0}, y[] = {1, 0};
  ck_assert_double_eq_tol(small_cost("binary_cross_entropy", 1, 2, z, y), log(2), 1e-6);
  ck_assert_double_eq_tol(small_cost("binary_cross_entropy pos_weight=3", 1, 2, z, y), 2 * log(2), 1e-6);
  ck_assert_double_eq_tol(small_cost("binary_cross_entropy weight=1,5", 1, 2, z, y), 3 * log(2), 1e-6);
}
END_TEST

/* p = (¼, ¾) in both rows, classes 0 and 1; W = w₀ + w₁. */
START_TEST(cross_entropy_is_the_weighted_mean_that_pytorch_takes) {
  const float z[] = {0, (float)log(3), 0, (float)log(3)}, y[] = {0, 1};
  const double first = -log(0.25), second = -log(0.75);
  ck_assert_double_eq_tol(small_cost("cross_entropy", 2, 2, z, y), (first + second) / 2, 1e-6);
  ck_assert_double_eq_tol(small_cost("cross_entropy class_weights=3,1", 2, 2, z, y), (3 * first + second) / 4, 1e-6);
  const double smooth = 0.9 * (first + second) + 0.1 / 2 * 2 * (first + second);
  ck_assert_double_eq_tol(small_cost("cross_entropy label_smoothing=0.1", 2, 2, z, y), smooth / 2, 1e-6);
  const double both = 0.8 * (3 * first + second) + 0.2 / 2 * 2 * (3 * first + second);
  ck_assert_double_eq_tol(small_cost("cross_entropy label_smoothing=0.2 class_weights=3,1", 2, 2, z, y), both / 4, 1e-6);
  ck_assert_double_eq_tol(small_cost("cross_entropy ignore_index=0", 2, 2, z, y), second, 1e-6);
}
END_TEST

START_TEST(balanced_weights_give_each_class_the_same_share) {
  struct spec loss;
  spec_parse(&loss, &loss_kinds, "cross_entropy class_weights=balanced");
  const float targets[] = {0, 0, 0, 0, 0, 1, 1, 1, 3, 3};
  double weights[4];
  ck_assert(loss_resolve_class_weights(&loss, 4, 10, targets, weights));
  ck_assert_double_eq_tol(weights[0], 10.0 / (4 * 5), 1e-12);
  ck_assert_double_eq_tol(weights[1], 10.0 / (4 * 3), 1e-12);
  ck_assert_double_eq(weights[2], 1); /* does not occur */
  ck_assert_double_eq_tol(weights[3], 10.0 / (4 * 2), 1e-12);
  spec_deinit(&loss);
}
END_TEST

START_TEST(huge_logits_neither_overflow_nor_vanish) {
  const float z[] = {1000, -1000}, right[] = {1, 0}, wrong[] = {0, 1}, class[] = {1};
  ck_assert_double_eq_tol(small_cost("binary_cross_entropy", 1, 2, z, right), 0, 1e-12);
  ck_assert_double_eq_tol(small_cost("binary_cross_entropy", 1, 2, z, wrong), 1000, 1e-9);
  ck_assert_double_eq_tol(small_cost("cross_entropy", 1, 2, z, class), 2000, 1e-9);
}
END_TEST

START_TEST(a_class_that_does_not_exist_makes_the_cost_nan_and_reads_nothing) {
  static const float classes[] = {4, -1, 1e30f, NAN};
  for (size_t i = 0; i < 4; i++) {
    struct scene scene;
    scene_init(&scene, "cross_entropy");
    scene.target[2] = classes[i];
    ck_assert(isnan(cost(&scene)));
    float delta[ROWS * WIDTH];
    loss_of(&scene.loss)->gradient(scene.loss.settings, &scene.batch, delta);
    ck_assert(isnan(delta[2 * WIDTH]));
    ck_assert(isfinite(delta[0]));
    spec_deinit(&scene.loss);
  }
}
END_TEST

START_TEST(a_batch_without_weight_has_no_gradient) {
  struct scene scene;
  scene_init(&scene, "cross_entropy class_weights=0,0,0,1");
  for (size_t row = 0; row < ROWS; row++) scene.target[row] = 1;
  float delta[ROWS * WIDTH];
  loss_of(&scene.loss)->gradient(scene.loss.settings, &scene.batch, delta);
  for (size_t i = 0; i < ROWS * WIDTH; i++) ck_assert_float_eq(delta[i], 0);
  spec_deinit(&scene.loss);
}
END_TEST

START_TEST(output_differences_that_are_not_finite_stay_so_in_the_gradient) {
  static const char *const of_values[] = {"squared_error", "mean_squared_error", "mean_absolute_error", "huber"};
  for (size_t i = 0; i < 4; i++) {
    struct scene scene;
    scene_init(&scene, of_values[i]);
    scene.a[5] = NAN;
    float delta[ROWS * WIDTH];
    loss_of(&scene.loss)->gradient(scene.loss.settings, &scene.batch, delta);
    ck_assert(isnan(delta[5]));
    ck_assert(isnan(cost(&scene)));
    spec_deinit(&scene.loss);
  }
}
END_TEST

START_TEST(weights_that_do_not_fit_the_outputs_are_told_at_their_field) {
  static const struct {
    const char *text, *pointer;
  } cases[] = {{"cross_entropy class_weights=1,2,3", "/loss/class_weights"},
               {"binary_cross_entropy pos_weight=1,2", "/loss/pos_weight"},
               {"binary_cross_entropy weight=1,2,3", "/loss/weight"}};
  for (size_t i = 0; i < 3; i++) {
    struct spec loss;
    struct error error = {0};
    spec_parse(&loss, &loss_kinds, cases[i].text);
    ck_assert_int_eq(loss_check_width(&loss, WIDTH, "/loss", &error), ERROR_INVALID);
    ck_assert_str_eq(error.items[0].pointer, cases[i].pointer);
    spec_deinit(&loss);
  }
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *shares = suite_add_case(suite, "shares of classes");
  tcase_add_loop_test(shares, a_whole_share_of_a_class_is_the_class, 0, BY_CLASS_COUNT);
  tcase_add_loop_test(shares, shares_of_two_classes_cost_their_part_of_each, 0, BY_CLASS_COUNT);
  tcase_add_loop_test(shares, the_gradient_of_shares_is_that_of_their_cost, 0, BY_CLASS_COUNT);
  tcase_add_loop_test(shares, a_row_without_any_share_counts_for_nothing, 0, BY_CLASS_COUNT);
  TCase *tcase = suite_add_case(suite, "losses");
  tcase_add_loop_test(tcase, the_cost_in_float32_is_that_in_float64, 0, ALL_COUNT);
  tcase_add_loop_test(tcase, sums_and_weights_of_batches_add_up_to_those_of_the_whole, 0, ALL_COUNT);
  tcase_add_test(tcase, costs_of_numbers_are_those_worked_out_by_hand);
  tcase_add_test(tcase, binary_cross_entropy_is_that_worked_out_by_hand);
  tcase_add_test(tcase, cross_entropy_is_the_weighted_mean_that_pytorch_takes);
  tcase_add_test(tcase, balanced_weights_give_each_class_the_same_share);
  tcase_add_test(tcase, huge_logits_neither_overflow_nor_vanish);
  tcase_add_test(tcase, a_class_that_does_not_exist_makes_the_cost_nan_and_reads_nothing);
  tcase_add_test(tcase, a_batch_without_weight_has_no_gradient);
  tcase_add_test(tcase, output_differences_that_are_not_finite_stay_so_in_the_gradient);
  tcase_add_test(tcase, weights_that_do_not_fit_the_outputs_are_told_at_their_field);
}

int main(void) { return suite_main("losses", add_cases); }
