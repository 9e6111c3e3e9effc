#include "engine/initializer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/specs.h"
#include "tests/support/suite.h"

enum { ROWS = 300, COLUMNS = 200, COUNT = ROWS * COLUMNS }; /* fan-out, fan-in */

static void fill(const char *text, size_t rows, size_t columns, uint64_t seed, float *weights) {
  struct spec spec;
  spec_parse(&spec, &initializer_kinds, text);
  struct random_stream stream = {.seed = seed, .purpose = RANDOM_INITIALIZE};
  ((const struct initializer_kind *)spec.kind)->fill(spec.settings, &stream, rows, columns, columns, rows, weights);
  spec_deinit(&spec);
}

/* Mean, variance and, for a uniform distribution, bound as the paper (or PyTorch) has them. */
static const struct {
  const char *text;
  double mean, variance;
  double bound; /* 0: none */
} cases[] = {
    {"glorot_uniform", 0, 2.0 / (ROWS + COLUMNS), 0.109545},
    {"glorot_uniform gain=2", 0, 8.0 / (ROWS + COLUMNS), 0.219090},
    {"glorot_normal", 0, 2.0 / (ROWS + COLUMNS), 0},
    {"he_uniform", 0, 2.0 / COLUMNS, 0.173205},
    {"he_uniform mode=fan_out", 0, 2.0 / ROWS, 0.141421},
    {"he_normal", 0, 2.0 / COLUMNS, 0},
    {"he_normal negative_slope=1", 0, 1.0 / COLUMNS, 0},
    {"lecun_normal", 0, 1.0 / COLUMNS, 0},
    {"uniform", 0, 1.0 / COLUMNS / 3, 0.070711},
    {"uniform a=0 b=1", 0.5, 1.0 / 12, 1},
    {"normal", 0, 1.0 / COLUMNS, 0},
    {"normal mean=3 std=0.5", 3, 0.25, 0},
    {"orthogonal", 0, 1.0 / ROWS, 0},
    {"zeros", 0, 0, 0},
};
enum { CASES = sizeof cases / sizeof cases[0] };

START_TEST(every_kind_has_a_case) {
  for (size_t i = 0; i < initializer_kinds.count; i++) {
    bool has_case = false;
    for (size_t j = 0; j < CASES; j++) has_case = has_case || strcmp(cases[j].text, initializer_kinds.get(i)->name) == 0;
    ck_assert_msg(has_case, "%s", initializer_kinds.get(i)->name);
  }
}
END_TEST

START_TEST(spread_is_as_documented) {
  float *weights = malloc(COUNT * sizeof *weights);
  fill(cases[_i].text, ROWS, COLUMNS, 5, weights);
  double mean = 0, variance = 0, largest = 0;
  for (size_t i = 0; i < COUNT; i++) mean += (double)weights[i] / COUNT;
  for (size_t i = 0; i < COUNT; i++) variance += pow((double)weights[i] - mean, 2) / COUNT;
  for (size_t i = 0; i < COUNT; i++) largest = fmax(largest, fabs((double)weights[i]));
  ck_assert_msg(fabs(mean - cases[_i].mean) <= 5 * sqrt(cases[_i].variance / COUNT), "%s: mean %g", cases[_i].text, mean);
  ck_assert_msg(fabs(variance - cases[_i].variance) <= 0.03 * cases[_i].variance, "%s: variance %g", cases[_i].text, variance);
  if (cases[_i].bound > 0) {
    ck_assert_double_le(largest, cases[_i].bound * 1.00001);
    ck_assert_double_ge(largest, cases[_i].bound * 0.999);
  }
  free(weights);
}
END_TEST

START_TEST(seed_decides) {
  float *weights = malloc(3 * COUNT * sizeof *weights);
  for (size_t i = 0; i < 3; i++) fill(cases[_i].text, ROWS, COLUMNS, i == 1 ? 6 : 5, weights + i * COUNT);
  ck_assert(memcmp(weights, weights + 2 * COUNT, COUNT * sizeof *weights) == 0);
  if (cases[_i].variance > 0) ck_assert(memcmp(weights, weights + COUNT, COUNT * sizeof *weights) != 0);
  free(weights);
}
END_TEST

/* The shorter side's vectors: length `gain`, at right angles. */
START_TEST(orthogonal_is_orthogonal) {
  static const size_t shapes[][2] = {{1, 1}, {7, 7}, {20, 50}, {50, 20}, {64, 64}, {1, 30}, {30, 1}};
  for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
    size_t rows = shapes[s][0], columns = shapes[s][1], count = rows < columns ? rows : columns, length = rows < columns ? columns : rows;
    float weights[64 * 64];
    fill("orthogonal gain=2", rows, columns, 9, weights);
    for (size_t left = 0; left < count; left++) {
      for (size_t right = 0; right <= left; right++) {
        double dot = 0;
        for (size_t i = 0; i < length; i++)
          dot += rows < columns ? (double)weights[left * columns + i] * (double)weights[right * columns + i]
                                : (double)weights[i * columns + left] * (double)weights[i * columns + right];
        ck_assert_double_eq_tol(dot, left == right ? 4 : 0, 1e-5);
      }
    }
  }
}
END_TEST

START_TEST(uniform_refuses_bounds_the_wrong_way_round) {
  struct spec spec;
  struct error error = {0};
  spec_parse(&spec, &initializer_kinds, "uniform a=1 b=0");
  ck_assert_int_eq(spec_check(&spec, "/initializer", &error), ERROR_INVALID);
  ck_assert_str_eq(error.items[0].pointer, "/initializer/b");
  spec_deinit(&spec);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "initializer");
  tcase_add_test(test_case, every_kind_has_a_case);
  tcase_add_loop_test(test_case, spread_is_as_documented, 0, CASES);
  tcase_add_loop_test(test_case, seed_decides, 0, CASES);
  tcase_add_test(test_case, orthogonal_is_orthogonal);
  tcase_add_test(test_case, uniform_refuses_bounds_the_wrong_way_round);
}

int main(void) { return suite_main("initializer", add_cases); }
