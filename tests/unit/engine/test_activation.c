#include "engine/activation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/specs.h"
#include "tests/support/suite.h"

/* Every kind with its defaults, and other settings of those that have some. */
static const char *const cases[] = {
    "linear",
    "sigmoid",
    "tanh",
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "softplus",
    "mish",
    "hard_sigmoid",
    "softmax",
    "leaky_relu negative_slope=0.3",
    "elu alpha=0.5",
    "gelu approximate=tanh",
    "softplus beta=3 threshold=5",
};
enum { CASES = sizeof cases / sizeof cases[0] };
enum { ROWS = 300, WIDTH = 7, COUNT = ROWS * WIDTH };

START_TEST(every_kind_has_a_case) {
  for (size_t i = 0; i < activation_kinds.count; i++) {
    bool has_case = false;
    for (size_t j = 0; j < CASES; j++) has_case = has_case || strcmp(cases[j], activation_kinds.get(i)->name) == 0;
    ck_assert_msg(has_case, "%s", activation_kinds.get(i)->name);
  }
}
END_TEST

/* z from −40 to 40: float32 beside float64 within 1e-6 + 1e-6 |a|, and in place the same as out of place. */
START_TEST(float32_follows_float64) {
  struct spec spec;
  spec_parse(&spec, &activation_kinds, cases[_i]);
  const struct activation_kind *kind = activation_of(&spec);
  float z[COUNT], a[COUNT], in_place[COUNT];
  double z64[COUNT], a64[COUNT];
  for (size_t i = 0; i < COUNT; i++) {
    double t = 2.0 * (double)((i * 997) % COUNT) / COUNT - 1;
    z64[i] = (double)(in_place[i] = z[i] = (float)(40 * t * t * t));
  }
  kind->forward(spec.settings, ROWS, WIDTH, z, a);
  kind->forward(spec.settings, ROWS, WIDTH, in_place, in_place);
  kind->forward64(spec.settings, ROWS, WIDTH, z64, a64);
  for (size_t i = 0; i < COUNT; i++) {
    ck_assert_msg(fabs((double)a[i] - a64[i]) <= 1e-6 * (1 + fabs(a64[i])), "%s: f(%g) is %.9g, not %.9g", cases[_i], (double)z[i],
                  (double)a[i], a64[i]);
    ck_assert(a[i] == in_place[i]);
  }
  spec_deinit(&spec);
}
END_TEST

/* With its slope in place of z, f has the same bits, and a product with the slope is what backward makes of ∂C/∂a. */
START_TEST(a_slope_left_for_backward_is_backwards_own) {
  struct spec spec;
  spec_parse(&spec, &activation_kinds, cases[_i]);
  const struct activation_kind *kind = activation_of(&spec);
  float z[COUNT], slope[COUNT], a[COUNT], same[COUNT], delta[COUNT];
  for (size_t i = 0; i < COUNT; i++) {
    z[i] = slope[i] = 12 * (2 * (float)i / COUNT - 1);
    delta[i] = 1 + (float)(i % 5);
  }
  if (kind->forward_with_slope != NULL) {
    kind->forward(spec.settings, ROWS, WIDTH, z, a);
    kind->forward_with_slope(spec.settings, ROWS, WIDTH, slope, same);
    kind->backward(spec.settings, ROWS, WIDTH, z, a, delta);
    for (size_t i = 0; i < COUNT; i++) {
      const float right = (1 + (float)(i % 5)) * slope[i];
      ck_assert_msg(a[i] == same[i], "%s: f(%g)", cases[_i], (double)z[i]);
      ck_assert_msg(fabsf(delta[i] - right) <= 1e-6f * fabsf(right), "%s: f'(%g)", cases[_i], (double)z[i]);
    }
  }
  spec_deinit(&spec);
}
END_TEST

START_TEST(nan_stays_visible) {
  struct spec spec;
  spec_parse(&spec, &activation_kinds, cases[_i]);
  const struct activation_kind *kind = activation_of(&spec);
  float z[20], a[20];
  for (size_t i = 0; i < 20; i++) z[i] = NAN;
  kind->forward(spec.settings, 4, 5, z, a);
  for (size_t i = 0; i < 20; i++) ck_assert_msg(isnan(a[i]), "%s", cases[_i]);
  spec_deinit(&spec);
}
END_TEST

/* PyTorch's choices where a derivative jumps. */
START_TEST(derivatives_at_kinks_are_pytorchs) {
  static const struct {
    const char *text;
    float z, derivative;
  } kinks[] = {{"relu", 0, 0}, {"leaky_relu", 0, 0.01f}, {"elu", 0, 1}, {"hard_sigmoid", 3, 0}, {"hard_sigmoid", -3, 0}};
  for (size_t i = 0; i < sizeof kinks / sizeof kinks[0]; i++) {
    struct spec spec;
    spec_parse(&spec, &activation_kinds, kinks[i].text);
    float a, delta = 1;
    activation_of(&spec)->forward(spec.settings, 1, 1, &kinks[i].z, &a);
    activation_of(&spec)->backward(spec.settings, 1, 1, &kinks[i].z, &a, &delta);
    ck_assert_msg(delta == kinks[i].derivative, "%s at %g: %g", kinks[i].text, (double)kinks[i].z, (double)delta);
    spec_deinit(&spec);
  }
}
END_TEST

START_TEST(softmax_is_stable_and_sums_to_1) {
  struct spec spec;
  spec_parse(&spec, &activation_kinds, "softmax");
  static const float z[2][3] = {{1000, 999, -1000}, {-1e30f, -1e30f, -1e30f}};
  float a[2][3];
  activation_of(&spec)->forward(spec.settings, 2, 3, z[0], a[0]);
  ck_assert_double_eq_tol((double)a[0][0], 1 / (1 + exp(-1)), 1e-6);
  ck_assert(a[0][2] == 0.0f);
  for (size_t j = 0; j < 3; j++) ck_assert_double_eq_tol((double)a[1][j], 1.0 / 3, 1e-6);
  spec_deinit(&spec);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "activation");
  tcase_add_test(test_case, every_kind_has_a_case);
  tcase_add_loop_test(test_case, float32_follows_float64, 0, CASES);
  tcase_add_loop_test(test_case, a_slope_left_for_backward_is_backwards_own, 0, CASES);
  tcase_add_loop_test(test_case, nan_stays_visible, 0, CASES);
  tcase_add_test(test_case, derivatives_at_kinks_are_pytorchs);
  tcase_add_test(test_case, softmax_is_stable_and_sums_to_1);
}

int main(void) { return suite_main("activation", add_cases); }
