/* What activity says of layers whose values are known. */
#include <math.h>
#include <string.h>

#include "engine/activity.h"
#include "tests/support/specs.h"
#include "tests/support/suite.h"

enum { VALUES_MAX = 4096 };

/* A layer's values, a computed from z by the activation itself. */
struct scene {
  struct spec activation;
  struct shape shape;
  struct activity activity;
  float z[VALUES_MAX], a[VALUES_MAX], peaks[VALUES_MAX];
};
static struct scene scene;

static void set_up(const char *activation, const char *shape) {
  memset(&scene, 0, sizeof scene);
  spec_parse(&scene.activation, &activation_kinds, activation);
  scene.shape = shape_parse(shape);
}

static void tear_down(void) { spec_deinit(&scene.activation); }

static void add(size_t rows, const uint32_t *lengths) {
  const size_t size = shape_size(&scene.shape);
  activation_of(&scene.activation)->forward(scene.activation.settings, rows, size, scene.z, scene.a);
  const struct activity_batch batch = {
      .shape = &scene.shape, .activation = &scene.activation, .rows = rows, .lengths = lengths, .z = scene.z, .a = scene.a};
  activity_add(&scene.activity, scene.peaks, &batch);
}

static double dead_fraction(void) {
  return activity_dead_fraction(&scene.activation, activity_unit_count(&scene.shape, &scene.activation), scene.peaks);
}

START_TEST(mean_and_spread_are_those_of_all_batches_together) {
  set_up("linear", "3");
  double sum = 0, square = 0;
  for (size_t batch = 0; batch < 4; batch++) {
    for (size_t i = 0; i < 21; i++) {
      scene.z[i] = 1000.0f + (float)(i * (batch + 1));
      sum += (double)scene.z[i];
    }
    add(7, NULL);
  }
  const double mean = sum / 84;
  for (size_t batch = 0; batch < 4; batch++)
    for (size_t i = 0; i < 21; i++) square += pow(1000.0 + (double)(i * (batch + 1)) - mean, 2);
  ck_assert_double_eq_tol(scene.activity.mean, mean, 1e-9 * mean);
  ck_assert_double_eq_tol(activity_std(&scene.activity), sqrt(square / 84), 1e-9 * mean);
  ck_assert_double_eq(scene.activity.count, 84);
  tear_down();
}
END_TEST

START_TEST(a_relu_is_dead_if_no_row_of_any_batch_lets_it_fire) {
  set_up("relu", "4");
  for (size_t i = 0; i < 4 * 10; i++) scene.z[i] = i % 4 < 2 ? -1.0f : (float)i - 35.0f; /* 2 and 3 fire in the last row */
  add(10, NULL);
  ck_assert_double_eq(dead_fraction(), 0.5);
  for (size_t i = 0; i < 4 * 10; i++) scene.z[i] = i == 1 ? 0.001f : -1.0f; /* then 1 does */
  add(10, NULL);
  ck_assert_double_eq(dead_fraction(), 0.25);
  ck_assert_double_eq(activity_saturated_fraction(&scene.activity), 0);
  tear_down();
}
END_TEST

START_TEST(a_filter_is_dead_only_if_it_is_everywhere) {
  set_up("relu", "3x5x5");
  for (size_t i = 0; i < 4 * 75; i++) scene.z[i] = -2;
  scene.z[2 * 75 + 25 + 7] = 1; /* filter 1, one place of one row */
  add(4, NULL);
  ck_assert_uint_eq(activity_unit_count(&scene.shape, &scene.activation), 3);
  ck_assert_double_eq_tol(dead_fraction(), 2.0 / 3, 1e-12);
  tear_down();
}
END_TEST

START_TEST(units_of_a_sequence_are_its_features_and_padding_does_not_count) {
  set_up("relu", "4x2");
  const uint32_t lengths[2] = {1, 3};
  for (size_t i = 0; i < 16; i++) scene.z[i] = -1;
  scene.z[0] = 2;      /* feature 0 fires in a real step */
  scene.z[5] = 3;      /* feature 1 only where row 0 is padding */
  scene.z[8 + 7] = 50; /* … and where row 1 is */
  add(2, lengths);
  ck_assert_double_eq(scene.activity.count, 8);
  ck_assert_double_eq(scene.activity.mean, 0.25);
  ck_assert_double_eq(dead_fraction(), 0.5);
  tear_down();
}
END_TEST

static const struct {
  const char *activation;
  float inside, outside; /* just before and just behind the bend, on both sides */
} bends[] = {{"sigmoid", 4.3f, 4.4f}, {"tanh", 2.17f, 2.19f}, {"hard_sigmoid", 2.9f, 3.1f}};

START_TEST(values_behind_the_bend_are_saturated) {
  set_up(bends[_i].activation, "4");
  for (size_t i = 0; i < 400; i++) scene.z[i] = (i % 2 == 0 ? 1.0f : -1.0f) * (i % 4 == 0 ? bends[_i].outside : bends[_i].inside);
  add(100, NULL);
  ck_assert(activity_can_saturate(&scene.activation));
  ck_assert_double_eq(activity_saturated_fraction(&scene.activity), 0.25);
  ck_assert_uint_eq(activity_unit_count(&scene.shape, &scene.activation), 0);
  tear_down();
}
END_TEST

START_TEST(every_activation_is_flat_where_it_says) {
  const struct activation_kind *kind = (const struct activation_kind *)activation_kinds.get((size_t)_i);
  set_up(kind->kind.name, "1");
  float slope[3] = {1, 1, 1}, a[3];
  const float z[3] = {-30, 0.5f, 30};
  if (kind->flat != ACTIVATION_NEVER_FLAT || strcmp(kind->kind.name, "linear") == 0) {
    kind->forward(scene.activation.settings, 1, 3, z, a);
    kind->backward(scene.activation.settings, 1, 3, z, a, slope);
    const float bound = ACTIVITY_DEAD * kind->steepest;
    const bool lets_through = strcmp(kind->kind.name, "leaky_relu") == 0;
    ck_assert(kind->flat == ACTIVATION_NEVER_FLAT || lets_through || fabsf(slope[0]) <= bound);
    ck_assert((kind->flat == ACTIVATION_FLAT_BOTH) == (fabsf(slope[2]) <= bound) || kind->flat == ACTIVATION_NEVER_FLAT);
    ck_assert(kind->flat == ACTIVATION_NEVER_FLAT || (slope[1] > 0.5f * kind->steepest && slope[1] < 1.5f * kind->steepest));
  }
  tear_down();
}
END_TEST

START_TEST(a_leaky_relu_dies_only_without_its_leak) {
  const char *const activations[] = {"leaky_relu", "leaky_relu negative_slope=0"};
  for (size_t k = 0; k < 2; k++) {
    set_up(activations[k], "2");
    for (size_t i = 0; i < 20; i++) scene.z[i] = -5;
    add(10, NULL);
    ck_assert_double_eq(dead_fraction(), k == 0 ? 0 : 1);
    tear_down();
  }
}
END_TEST

START_TEST(of_a_large_layer_the_first_rows_are_looked_at) {
  set_up("linear", "4096");
  static float values[40 * 4096];
  for (size_t i = 0; i < 40 * 4096; i++) values[i] = i < (size_t)ACTIVITY_VALUES_MAX ? 1 : 1e9f;
  const struct activity_batch batch = {.shape = &scene.shape, .activation = &scene.activation, .rows = 40, .z = values, .a = values};
  activity_add(&scene.activity, scene.peaks, &batch);
  ck_assert_double_eq(scene.activity.count, ACTIVITY_VALUES_MAX);
  ck_assert_double_eq(scene.activity.mean, 1);
  tear_down();
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *tc = suite_add_case(suite, "activity");
  tcase_add_test(tc, mean_and_spread_are_those_of_all_batches_together);
  tcase_add_test(tc, a_relu_is_dead_if_no_row_of_any_batch_lets_it_fire);
  tcase_add_test(tc, a_filter_is_dead_only_if_it_is_everywhere);
  tcase_add_test(tc, units_of_a_sequence_are_its_features_and_padding_does_not_count);
  tcase_add_loop_test(tc, values_behind_the_bend_are_saturated, 0, sizeof bends / sizeof bends[0]);
  tcase_add_loop_test(tc, every_activation_is_flat_where_it_says, 0, (int)activation_kinds.count);
  tcase_add_test(tc, a_leaky_relu_dies_only_without_its_leak);
  tcase_add_test(tc, of_a_large_layer_the_first_rows_are_looked_at);
}

int main(void) { return suite_main("activity", add_cases); }
