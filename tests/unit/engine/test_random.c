#include "engine/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/suite.h"

/* Known answers of the paper's own distribution (Random123, kat_vectors, philox4x32 10). */
START_TEST(philox_gives_the_known_answers) {
  uint32_t words[4];
  struct random_stream zeros = {0};
  random_block(&zeros, 0, words);
  static const uint32_t of_zeros[4] = {0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u};
  ck_assert_mem_eq(words, of_zeros, sizeof words);
  struct random_stream ones = {.seed = UINT64_MAX, .purpose = 0xffff, .lane = 0xffff, .epoch = 0xffffffff, .step = 0xffffffff};
  random_block(&ones, 0xffffffff, words);
  static const uint32_t of_ones[4] = {0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu};
  ck_assert_mem_eq(words, of_ones, sizeof words);
}
END_TEST

static const struct random_stream stream = {.seed = 0x123456789abcdef0u, .purpose = RANDOM_DROPOUT, .lane = 3, .epoch = 5, .step = 17};

START_TEST(filling_gives_the_same_numbers_as_one_by_one) {
  enum { COUNT = 700 };
  float all[COUNT], part[COUNT];
  for (size_t i = 0; i < COUNT; i++) all[i] = random_uniform(&stream, i);
  for (size_t first = 0; first < 70; first++) {
    for (size_t count = 0; count + first <= COUNT; count += 1 + count / 5) {
      random_fill_uniform(&stream, first, count, part);
      ck_assert(memcmp(part, all + first, count * sizeof *part) == 0);
    }
  }
  random_fill_normal(&stream, 0, COUNT, all);
  for (size_t first = 0; first < 9; first++) {
    random_fill_normal(&stream, first, COUNT - first, part);
    ck_assert(memcmp(part, all + first, (COUNT - first) * sizeof *part) == 0);
  }
}
END_TEST

START_TEST(every_part_of_a_stream_matters) {
  struct random_stream streams[7];
  for (size_t i = 0; i < 7; i++) streams[i] = stream;
  streams[1].seed ^= 1;
  streams[2].seed ^= (uint64_t)1 << 63;
  streams[3].purpose = RANDOM_SHUFFLE;
  streams[4].lane++;
  streams[5].epoch++;
  streams[6].step++;
  for (size_t i = 0; i < 7; i++)
    for (size_t j = 0; j < i; j++) ck_assert(random_uniform(&streams[i], 0) != random_uniform(&streams[j], 0));
}
END_TEST

START_TEST(fast_normal_numbers_are_a_function_of_their_index) {
  enum { COUNT = 700 };
  float all[COUNT], part[COUNT];
  random_fill_normal_fast(&stream, 0, COUNT, all);
  for (size_t first = 0; first < 70; first++) {
    random_fill_normal_fast(&stream, first, COUNT - first, part);
    ck_assert(memcmp(part, all + first, (COUNT - first) * sizeof *part) == 0);
  }
  /* Box-Muller of the same words; the upper 24 bits of the first, the upper 26 of the second of a pair. */
  for (size_t block = 0; block < COUNT / 4; block++) {
    uint32_t words[4];
    random_block(&stream, block, words);
    for (size_t i = 0; i < 4; i += 2) {
      const double radius = sqrt(-2 * log(((double)(words[i] >> 8) + 1) * 0x1p-24)), angle = words[i + 1] * 0x1p-32 * 6.283185307179586;
      ck_assert_double_eq_tol((double)all[block * 4 + i], radius * cos(angle), 2e-4);
      ck_assert_double_eq_tol((double)all[block * 4 + i + 1], radius * sin(angle), 2e-4);
    }
  }
}
END_TEST

/* n uniform numbers have mean 1/2 ± 0.2887/√n and variance 1/12; n standard normal ones have 0 ± 1/√n, 1, no skew and kurtosis 3. */
static void check_normal_moments(const float *values, size_t count) {
  double moments[5] = {0};
  for (size_t i = 0; i < count; i++)
    for (int power = 1; power <= 4; power++) moments[power] += pow((double)values[i], power) / (double)count;
  ck_assert_double_eq_tol(moments[1], 0, 5 / sqrt((double)count));
  ck_assert_double_eq_tol(moments[2], 1, 5 * sqrt(2.0 / (double)count));
  ck_assert_double_eq_tol(moments[3], 0, 5 * sqrt(15.0 / (double)count));
  ck_assert_double_eq_tol(moments[4], 3, 5 * sqrt(96.0 / (double)count));
}

START_TEST(moments_are_right) {
  enum { COUNT = 1 << 20 };
  float *values = malloc(COUNT * sizeof *values);
  random_fill_uniform(&stream, 0, COUNT, values);
  double sum = 0, squares = 0;
  for (size_t i = 0; i < COUNT; i++) {
    ck_assert(values[i] >= 0.0f && values[i] < 1.0f);
    sum += values[i];
    squares += (values[i] - 0.5) * (values[i] - 0.5);
  }
  ck_assert_double_eq_tol(sum / COUNT, 0.5, 5 * 0.2887 / sqrt(COUNT));
  ck_assert_double_eq_tol(squares / COUNT, 1.0 / 12, 0.001);
  random_fill_normal(&stream, 0, COUNT, values);
  check_normal_moments(values, COUNT);
  random_fill_normal_fast(&stream, 0, COUNT, values);
  check_normal_moments(values, COUNT);
  free(values);
}
END_TEST

START_TEST(a_permutation_holds_every_index_once) {
  static const size_t counts[] = {0, 1, 2, 3, 4, 5, 63, 64, 65, 1000};
  for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
    uint32_t order[1000];
    unsigned char seen[1000] = {0};
    random_permutation(&stream, counts[c], order);
    for (size_t i = 0; i < counts[c]; i++) {
      ck_assert_uint_lt(order[i], counts[c]);
      ck_assert(!seen[order[i]]);
      seen[order[i]] = 1;
    }
  }
}
END_TEST

/* χ² of the 24 orders of four things over 24000 draws: 23 degrees of freedom, above 58 with probability 1e-4. */
START_TEST(permutations_are_equally_likely) {
  enum { DRAWS = 24000 };
  size_t counts[256] = {0};
  for (uint64_t step = 0; step < DRAWS; step++) {
    struct random_stream draw = {.seed = 11, .purpose = RANDOM_SHUFFLE, .step = step};
    uint32_t order[4];
    random_permutation(&draw, 4, order);
    counts[order[0] << 6 | order[1] << 4 | order[2] << 2 | order[3]]++;
  }
  double chi_squared = 0;
  size_t kinds = 0;
  for (size_t i = 0; i < 256; i++) {
    if (counts[i] == 0) continue;
    kinds++;
    chi_squared += ((double)counts[i] - 1000) * ((double)counts[i] - 1000) / 1000;
  }
  ck_assert_uint_eq(kinds, 24);
  ck_assert_double_lt(chi_squared, 58);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "random");
  tcase_add_test(test_case, philox_gives_the_known_answers);
  tcase_add_test(test_case, filling_gives_the_same_numbers_as_one_by_one);
  tcase_add_test(test_case, fast_normal_numbers_are_a_function_of_their_index);
  tcase_add_test(test_case, every_part_of_a_stream_matters);
  tcase_add_test(test_case, moments_are_right);
  tcase_add_test(test_case, a_permutation_holds_every_index_once);
  tcase_add_test(test_case, permutations_are_equally_likely);
}

int main(void) { return suite_main("random", add_cases); }
