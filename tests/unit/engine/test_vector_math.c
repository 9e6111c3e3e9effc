/* The elementary functions of vector_math.h, and those of vector_gates.h, beside libm's in float64, over dense grids, and at the edges. */
#include "engine/vector_math.h"

#include "engine/vector_gates.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/suite.h"

enum { POINTS = 200000 };

/* Worst relative error of f over [low, high]; where |reference| < floor, relative to floor. */
static double worst_error(float (*f)(float), double (*reference)(double), double low, double high, double floor) {
  double worst = 0;
  for (int i = 0; i <= POINTS; i++) {
    float x = (float)(low + (high - low) * i / POINTS);
    double right = reference((double)x);
    worst = fmax(worst, fabs((double)f(x) - right) / fmax(fabs(right), floor));
  }
  return worst;
}

static float exp_of(float x) { return vector_exp(x); }
static float exp_negative_of(float x) { return vector_exp_negative(x); }
static float expm1_of(float x) { return vector_expm1(x); }
static float tanh_of(float x) { return vector_tanh(x); }
static float sigmoid_of(float x) { return vector_sigmoid(x); }
static float sigmoids_of(float x) { return vector_sigmoids((vector){0} + x)[VECTOR_FLOATS - 1]; }
static float tanhs_of(float x) { return vector_tanhs((vector){0} + x)[VECTOR_FLOATS - 1]; }
static float log1p_unit_of(float x) { return vector_log1p_unit(x); }
static float log1p_of(float x) { return vector_log1p(x); }
static float erfcx_of(float x) { return vector_erfcx(x); }
static float distribution_of(float x) { return vector_normal(x); }
static float density_of(float x) { return vector_normal_density(x); }
static double sigmoid64(double x) { return 1 / (1 + exp(-x)); }
static double erfcx64(double x) { return exp(x * x) * erfc(x); }
static double distribution64(double x) { return 0.5 * erfc(-x / sqrt(2)); }
static double density64(double x) { return exp(-0.5 * x * x) / sqrt(2 * 3.14159265358979323846); }

static const double smallest_normal = 1.2e-38;

START_TEST(relative_errors_are_those_of_float32) {
  ck_assert_double_lt(worst_error(exp_of, exp, -87, 88.7, smallest_normal), 1.5e-7);
  ck_assert_double_lt(worst_error(exp_negative_of, exp, -87, 0, smallest_normal), 1.5e-7);
  ck_assert_double_lt(worst_error(exp_negative_of, exp, -1000, -87, 1e-30), 2e-7);
  ck_assert_double_lt(worst_error(expm1_of, expm1, -1, 1, smallest_normal), 2.5e-7);
  ck_assert_double_lt(worst_error(expm1_of, expm1, -60, 88, smallest_normal), 2.5e-7);
  ck_assert_double_lt(worst_error(tanh_of, tanh, -1, 1, smallest_normal), 3.5e-7);
  ck_assert_double_lt(worst_error(tanh_of, tanh, -20, 20, smallest_normal), 3.5e-7);
  ck_assert_double_lt(worst_error(sigmoid_of, sigmoid64, -87, 30, smallest_normal), 3e-7);
  ck_assert_double_lt(worst_error(sigmoids_of, sigmoid64, -87, 30, smallest_normal), 3.5e-7);
  ck_assert_double_lt(worst_error(sigmoids_of, sigmoid64, -20, 30, smallest_normal), 2.5e-7);
  ck_assert_double_lt(worst_error(tanhs_of, tanh, -1, 1, smallest_normal), 2.5e-7);
  ck_assert_double_lt(worst_error(tanhs_of, tanh, -20, 20, smallest_normal), 2.5e-7);
  ck_assert_double_lt(worst_error(log1p_unit_of, log1p, 0, 1, smallest_normal), 3e-7);
  ck_assert_double_lt(worst_error(log1p_of, log1p, 0, 4, smallest_normal), 3e-7);
  ck_assert_double_lt(worst_error(log1p_of, log1p, 0, 1e6, smallest_normal), 3e-7);
  ck_assert_double_lt(worst_error(erfcx_of, erfcx64, 0, 10, smallest_normal), 5e-7);
  ck_assert_double_lt(worst_error(distribution_of, distribution64, -3, 10, smallest_normal), 1e-6);
  ck_assert_double_lt(worst_error(density_of, density64, -3, 3, smallest_normal), 1e-6);
  ck_assert_double_lt(worst_error(distribution_of, distribution64, -20, 10, 1e-3), 5e-7);
}
END_TEST

/* Errors are absolute here: values are near 1, or summed with such. */
START_TEST(logarithm_and_angles_are_exact_to_float32) {
  double worst_log = 0, worst_angle = 0;
  for (uint32_t i = 1; i <= 1u << 24; i += 37) {
    const float u = (float)i * 0x1p-24f;
    worst_log = fmax(worst_log, fabs((double)vector_log_unit(u) - log((double)u)));
    ck_assert_float_le(vector_log_unit(u), 0);
  }
  ck_assert_float_eq(vector_log_unit(1), 0);
  for (uint64_t turn = 0; turn < 1ull << 32; turn += 20011) {
    const double angle = (double)turn * 0x1p-32 * 2 * 3.14159265358979323846;
    float sine, cosine;
    vector_sincos_turn((uint32_t)turn, &sine, &cosine);
    worst_angle = fmax(worst_angle, fmax(fabs((double)sine - sin(angle)), fabs((double)cosine - cos(angle))));
  }
  ck_assert_double_lt(worst_log, 1.5e-6);
  ck_assert_double_lt(worst_angle, 1e-6);
}
END_TEST

START_TEST(tiny_arguments_come_through) {
  for (float x = 1e-30f; x < 1e-3f; x *= 3) {
    ck_assert_double_le(fabs((double)vector_expm1(x) / expm1((double)x) - 1), 2e-7);
    ck_assert_double_le(fabs((double)vector_tanh(-x) / tanh(-(double)x) - 1), 2e-7);
    ck_assert_double_le(fabs((double)tanhs_of(-x) / tanh(-(double)x) - 1), 2e-7);
    ck_assert_double_le(fabs((double)vector_log1p_unit(x) / log1p((double)x) - 1), 2e-7);
    ck_assert_double_le(fabs((double)vector_log1p(x) / log1p((double)x) - 1), 2e-7);
  }
}
END_TEST

START_TEST(limits_are_those_of_the_functions) {
  ck_assert(isinf(vector_exp(INFINITY)) && vector_exp(-INFINITY) == 0.0f);
  ck_assert(isinf(vector_exp(89.0f)) && vector_exp(-200.0f) == 0.0f);
  ck_assert(vector_expm1(-INFINITY) == -1.0f);
  ck_assert(vector_tanh(INFINITY) == 1.0f && vector_tanh(-INFINITY) == -1.0f);
  ck_assert(tanhs_of(INFINITY) == 1.0f && tanhs_of(-INFINITY) == -1.0f);
  ck_assert(sigmoids_of(INFINITY) == 1.0f && sigmoids_of(-INFINITY) >= 0.0f && sigmoids_of(-INFINITY) < 2e-38f);
  ck_assert(isinf(vector_log1p(INFINITY)) && isnan(vector_log1p(NAN)) && vector_log1p(0.0f) == 0.0f);
  ck_assert(vector_sigmoid(INFINITY) == 1.0f && vector_sigmoid(-INFINITY) == 0.0f);
  ck_assert(vector_normal(INFINITY) == 1.0f && vector_normal_density(INFINITY) == 0.0f);
  ck_assert(vector_normal(-INFINITY) == 0.0f && vector_normal_density(-INFINITY) == 0.0f);
}
END_TEST

START_TEST(nan_comes_through) {
  ck_assert(isnan(vector_exp(NAN)));
  ck_assert(isnan(vector_expm1(NAN)));
  ck_assert(isnan(vector_tanh(NAN)));
  ck_assert(isnan(vector_sigmoid(NAN)));
  ck_assert(isnan(sigmoids_of(NAN)) && isnan(tanhs_of(NAN)));
  ck_assert(isnan(sigmoids_of(-NAN)) && isnan(tanhs_of(-NAN)));
  ck_assert(isnan(vector_normal(NAN)) && isnan(vector_normal_density(NAN)));
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "vector math");
  tcase_add_test(test_case, relative_errors_are_those_of_float32);
  tcase_add_test(test_case, tiny_arguments_come_through);
  tcase_add_test(test_case, logarithm_and_angles_are_exact_to_float32);
  tcase_add_test(test_case, limits_are_those_of_the_functions);
  tcase_add_test(test_case, nan_comes_through);
}

int main(void) { return suite_main("vector math", add_cases); }
