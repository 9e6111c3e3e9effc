/* server/data/split.h: sizes are exact, classes are shared out fairly, the same seed gives the same parts. */
#include "server/data/split.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/suite.h"

START_TEST(a_part_is_its_share_of_the_rows_rounded) {
  ck_assert_uint_eq(split_size(0.15, 1797), 270); /* 269.55 */
  ck_assert_uint_eq(split_size(0.15, 150), 23);   /* 22.5 */
  ck_assert_uint_eq(split_size(0.15, 3), 0);
  ck_assert_uint_eq(split_size(0.15, 4), 1);
  ck_assert_uint_eq(split_size(0.5, 1), 1);
  ck_assert_uint_eq(split_size(0, 1000), 0);
}
END_TEST

START_TEST(the_rows_that_a_share_needs_are_the_fewest) {
  static const double shares[] = {0.15, 0.1, 0.5, 0.3333, 0.01, 0.99, 1e-6};
  for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
    uint64_t needed = split_rows_needed(shares[i]);
    ck_assert_uint_gt(split_size(shares[i], needed), 0);
    ck_assert_uint_eq(needed == 0 ? 0 : split_size(shares[i], needed - 1), 0);
  }
  ck_assert_uint_eq(split_rows_needed(0.15), 4);
  ck_assert_uint_eq(split_rows_needed(1e-300), UINT32_MAX);
  ck_assert_uint_eq(split_rows_needed(5e-324), UINT32_MAX);
}
END_TEST

START_TEST(words_name_parts) {
  ck_assert_int_eq(split_part_of_word("train"), PART_TRAIN);
  ck_assert_int_eq(split_part_of_word(" Training "), PART_TRAIN);
  ck_assert_int_eq(split_part_of_word("VALID"), PART_VALIDATION);
  ck_assert_int_eq(split_part_of_word("val"), PART_VALIDATION);
  ck_assert_int_eq(split_part_of_word("Validation"), PART_VALIDATION);
  ck_assert_int_eq(split_part_of_word("test"), PART_TEST);
  ck_assert_int_eq(split_part_of_word("testing"), PART_TEST);
  ck_assert_int_eq(split_part_of_word("tes"), PART_COUNT);
  ck_assert_int_eq(split_part_of_word(""), PART_COUNT);
}
END_TEST

/* Class sizes and shares; the first 0 ends the classes. */
static const struct {
  size_t classes[16];
  double validation, test;
} sets[] = {
    {{50, 50, 50}, 0.15, 0.15},
    {{178, 182, 177, 183, 181, 182, 181, 179, 174, 180}, 0.15, 0.15},
    {{152, 68, 124}, 0.15, 0.15},
    {{3, 3, 3, 3, 3, 3, 3}, 0.2, 0.2},
    {{100, 1, 1, 1}, 0.15, 0.15},
    {{1000, 3}, 0.4, 0.4},
    {{5, 4, 3, 2, 1}, 0.3, 0.3},
    {{10, 10}, 0, 0.5},
    {{7}, 0.3, 0.3},
    {{1, 1, 1, 1, 1, 1}, 0.3, 0.3},
    {{3, 3, 3, 3, 3, 3, 3, 3, 3, 3}, 0.33, 0.33},
};

static int32_t *make_strata(const size_t *classes, size_t *out_rows, size_t *out_classes) {
  size_t rows = 0, count = 0;
  while (count < 16 && classes[count] > 0) rows += classes[count++];
  int32_t *strata = malloc(rows * sizeof *strata);
  ck_assert_ptr_nonnull(strata);
  size_t at = 0;
  for (size_t round = 0; at < rows; round++) { /* classes mixed in the file, as they come */
    for (size_t i = 0; i < count; i++) {
      if (round < classes[i]) strata[at++] = (int32_t)i;
    }
  }
  *out_rows = rows;
  *out_classes = count;
  return strata;
}

START_TEST(stratified_parts_are_exact_and_each_class_has_its_share) {
  size_t rows, class_count;
  int32_t *strata = make_strata(sets[_i].classes, &rows, &class_count);
  struct split_request request = {.count = rows,
                                  .validation = split_size(sets[_i].validation, rows),
                                  .test = split_size(sets[_i].test, rows),
                                  .strata = strata,
                                  .stratum_count = class_count};
  uint8_t *parts = malloc(rows);
  ck_assert_ptr_nonnull(parts);
  struct error error = {0};
  for (request.seed = 0; request.seed < 20; request.seed++) {
    ck_assert_int_eq(split_assign(&request, parts, &error), ERROR_NONE);
    size_t sizes[PART_COUNT] = {0}, by_class[16][PART_COUNT] = {{0}};
    for (size_t i = 0; i < rows; i++) {
      sizes[parts[i]]++;
      by_class[strata[i]][parts[i]]++;
    }
    ck_assert_uint_eq(sizes[PART_VALIDATION], request.validation);
    ck_assert_uint_eq(sizes[PART_TEST], request.test);
    for (size_t i = 0; i < class_count; i++) {
      if (sets[_i].classes[i] >= 3) ck_assert_uint_ge(by_class[i][PART_TRAIN], 1);
      for (int part = PART_VALIDATION; part < PART_COUNT; part++) {
        double ideal = (double)sizes[part] * (double)sets[_i].classes[i] / (double)rows;
        /* Largest remainder stays within one row, unless a rare class has to keep its last in training. */
        if (sets[_i].classes[i] > 3) ck_assert_double_le((double)by_class[i][part] - ideal, 1);
        if (sets[_i].classes[i] > 5) ck_assert_double_le(ideal - (double)by_class[i][part], 1);
      }
    }
  }
  free(parts);
  free(strata);
}
END_TEST

START_TEST(a_seed_decides_the_parts) {
  enum { ROWS = 1000 };
  struct split_request request = {.seed = 7, .count = ROWS, .validation = 150, .test = 150};
  uint8_t first[ROWS], again[ROWS], other[ROWS];
  struct error error = {0};
  ck_assert_int_eq(split_assign(&request, first, &error), ERROR_NONE);
  ck_assert_int_eq(split_assign(&request, again, &error), ERROR_NONE);
  request.seed = 8;
  ck_assert_int_eq(split_assign(&request, other, &error), ERROR_NONE);
  ck_assert_mem_eq(first, again, ROWS);
  ck_assert_mem_ne(first, other, ROWS);
  size_t early = 0; /* test rows come from everywhere in the file */
  for (size_t i = 0; i < ROWS / 2; i++) early += first[i] == PART_TEST;
  ck_assert_uint_gt(early, 45);
  ck_assert_uint_lt(early, 105);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *split = suite_add_case(suite, "split");
  tcase_add_test(split, a_part_is_its_share_of_the_rows_rounded);
  tcase_add_test(split, the_rows_that_a_share_needs_are_the_fewest);
  tcase_add_test(split, words_name_parts);
  tcase_add_loop_test(split, stratified_parts_are_exact_and_each_class_has_its_share, 0, sizeof sets / sizeof sets[0]);
  tcase_add_test(split, a_seed_decides_the_parts);
}

int main(void) { return suite_main("split", add_cases); }
