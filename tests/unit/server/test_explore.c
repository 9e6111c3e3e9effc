/* Looking at a dataset before training: conditions on rows, histograms, what goes with the target, rows that come again. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/data/association.h"
#include "server/data/association_measures.h"
#include "server/data/duplicates.h"
#include "server/data/histogram.h"
#include "server/data/repeats.h"
#include "server/data/row_filter.h"
#include "tests/support/data_files.h"
#include "tests/support/suite.h"

static char *data_dir;
static struct dataset_row dataset, other;

static void set_up(void) { data_dir = data_dir_create(); }
static void tear_down(void) {
  dataset_row_deinit(&dataset);
  dataset_row_deinit(&other);
  data_dir_remove(data_dir);
}

/* ---- conditions ---- */

static const char birds[] = "bird,mass,\"seen at\",note\n"
                            "owl,3.5,2024-03-01,\"likes, \"\"mice\"\"\"\n"
                            " gull ,,2024-03-02,Fish\n"
                            "owl,1e1,2024-02-29,\n"
                            "tit,0.02,2023-12-31,seeds and fish\n";

static enum error_code parse(const char *text, struct row_filter *filter, struct error *error) {
  *error = (struct error){0};
  return row_filter_parse(text, &dataset, filter, error);
}

struct marks {
  const struct row_filter *filter;
  char text[8];
};

static enum error_code mark(void *context, uint64_t row, const char *const *cells, struct error *error) {
  (void)error;
  struct marks *marks = context;
  marks->text[row] = row_filter_matches(marks->filter, cells) ? '1' : '0';
  return ERROR_NONE;
}

/* `rows`: a digit for each, "1010". */
static void assert_matches(const char *where, const char *rows) {
  struct row_filter filter;
  struct error error;
  struct marks marks = {.filter = &filter};
  ck_assert_msg(parse(where, &filter, &error) == ERROR_NONE, "%s: %s", where, error.detail);
  ck_assert_int_eq(dataset_read_rows(data_dir, &dataset, 0, dataset.rows, mark, &marks, &error), ERROR_NONE);
  ck_assert_msg(strcmp(marks.text, rows) == 0, "%s matches %s, not %s", where, marks.text, rows);
}

START_TEST(conditions_choose_rows) {
  data_import_text(data_dir, birds, &dataset);
  assert_matches("bird = owl", "1010");
  assert_matches("bird=gull", "0100");
  assert_matches("bird != owl", "0101");
  assert_matches("mass >= 3.5", "1010");
  assert_matches("mass<10", "1001");
  assert_matches("mass = 10", "0010");
  assert_matches("mass > 0.02", "1010");
  assert_matches("mass <= .02", "0001");
  assert_matches("mass != 10", "1101");
  assert_matches("mass is missing", "0100");
  assert_matches("note IS PRESENT", "1101");
  assert_matches("\"seen at\" > 2024-02-29", "1100");
  assert_matches("\"seen at\" = \"2024-02-29\"", "0010");
  assert_matches("note contains fish", "0101");
  assert_matches("note contains \"\"\"mice\"\"\"", "1000");
  assert_matches("bird = owl and mass > 5", "0010");
  assert_matches("bird = owl AND mass > 5 and note is present", "0000");
}
END_TEST

START_TEST(conditions_that_make_no_sense_are_refused) {
  static const struct {
    const char *where, *says;
  } cases[] = {{"", "character 1: a column's name is expected"},
               {"bird", "after a column's name comes"},
               {"bird ~ owl", "after a column's name comes"},
               {"bird =", "a value is expected"},
               {"bird = \"owl", "the quote has no end"},
               {"brid = owl", "did you mean \"bird\"?"},
               {"bird < owl", "has no order"},
               {"mass > much", "has numbers; \"much\" is none"},
               {"\"seen at\" > 3", "has dates; \"3\" is none"},
               {"bird = owl or bird = tit", "\"and\" or the end is expected"},
               {"bird = owl and", "a column's name is expected"},
               {"bird is odd", "after a column's name comes"},
               {"bird isx missing", "after a column's name comes"}};
  data_import_text(data_dir, birds, &dataset);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct row_filter filter;
    struct error error;
    ck_assert_int_eq(parse(cases[i].where, &filter, &error), ERROR_INVALID);
    ck_assert_msg(strstr(error.detail, cases[i].says) != NULL, "%s: %s", cases[i].where, error.detail);
  }
}
END_TEST

START_TEST(conditions_are_bounded) {
  struct row_filter filter;
  struct error error;
  char text[ROW_FILTER_BYTES + 16];
  data_import_text(data_dir, birds, &dataset);
  memset(text, 'x', sizeof text);
  text[sizeof text - 1] = '\0';
  ck_assert_int_eq(parse(text, &filter, &error), ERROR_INVALID);
  text[0] = '\0';
  for (int i = 0; i <= ROW_FILTER_CONDITIONS; i++) strcat(text, i == 0 ? "bird=a" : " and bird=a");
  ck_assert_int_eq(parse(text, &filter, &error), ERROR_INVALID);
  ck_assert_ptr_nonnull(strstr(error.detail, "conditions"));
}
END_TEST

/* ---- histograms ---- */

static struct histogram read_histogram(size_t column, size_t bins) {
  struct histogram histogram;
  struct error error = {0};
  enum error_code code = histogram_read(data_dir, &dataset, column, bins, NULL, NULL, &histogram, &error);
  ck_assert_msg(code == ERROR_NONE, "%s", error.detail);
  return histogram;
}

START_TEST(numbers_fall_into_bins_of_equal_width) {
  data_import_text(data_dir, "x,w\n0,a\n0.5,b\n1,a\n1.5,a\n,b\n2,c\n", &dataset);
  struct histogram histogram = read_histogram(0, 4);
  static const uint64_t counts[] = {1, 1, 1, 2}; /* the last bin has its end */
  ck_assert_uint_eq(histogram.bin_count, 4);
  for (size_t i = 0; i < 4; i++) ck_assert_uint_eq(histogram.counts[i], counts[i]);
  ck_assert_double_eq(histogram.edges[1], 0.5);
  ck_assert_double_eq(histogram.edges[4], 2);
  ck_assert_uint_eq(histogram.missing, 1);
}
END_TEST

START_TEST(few_whole_numbers_have_a_bin_each) {
  data_import_text(data_dir, "x\n3\n5\n3\n7\n3\n", &dataset);
  struct histogram histogram = read_histogram(0, 0);
  static const uint64_t counts[] = {3, 0, 1, 0, 1};
  ck_assert_uint_eq(histogram.bin_count, 5);
  for (size_t i = 0; i < 5; i++) ck_assert_uint_eq(histogram.counts[i], counts[i]);
  ck_assert_double_eq(histogram.edges[0], 2.5);
}
END_TEST

START_TEST(constants_and_the_widest_range_have_histograms) {
  data_import_text(data_dir, "c,w\n4.25,-1.7e308\n4.25,1.7e308\n4.25,0\n", &dataset);
  struct histogram histogram = read_histogram(0, 0);
  ck_assert_uint_eq(histogram.bin_count, 1);
  ck_assert_uint_eq(histogram.counts[0], 3);
  histogram = read_histogram(1, 2);
  ck_assert_uint_eq(histogram.counts[0], 1);
  ck_assert_uint_eq(histogram.counts[1], 2);
}
END_TEST

START_TEST(texts_are_counted_by_characters) {
  char text[4096] = "t\n";
  for (int i = 0; i < 30; i++) sprintf(text + strlen(text), "\"d\xC3\xB6rte number %d has more than three words\"\n", i);
  strcat(text, "\"\xC3\xA9\"\n");
  data_import_text(data_dir, text, &dataset);
  ck_assert_int_eq(dataset.columns[0].kind, COLUMN_TEXT);
  struct histogram histogram = read_histogram(0, 0);
  ck_assert_uint_eq(histogram.bin_count, 7); /* 32 to 63 characters */
  ck_assert_uint_eq(histogram.counts[1], 1);
  ck_assert_uint_eq(histogram.counts[6], 30);
  ck_assert_double_eq(histogram.edges[6], 32);
}
END_TEST

/* ---- associations ---- */

#define PEARSON 0.8964214570007952
#define RATIO 0.8771798244627178
#define CRAMER 0.28867513459481287

static const float xs[] = {1, 2, 3, 4, 5, 6, 7, 8}, ys[] = {2, 1, 4, 3, 7, 8, 6, 9}, cs[] = {0, 0, 1, 1, 1, 2, 2, 2},
                   ds[] = {0, 1, 1, 1, 0, 1, 0, 0};

/* The numbers are numpy's, by the formulas of association.h. */
START_TEST(measures_are_those_of_the_literature) {
  const struct variable x = {xs, 0}, y = {ys, 0}, c = {cs, 3}, d = {ds, 2};
  double table[16];
  ck_assert_double_eq_tol(measure_pearson(&x, &y, 8), PEARSON, 1e-12);
  ck_assert_double_eq_tol(measure_correlation_ratio(&c, &y, 8, table), RATIO, 1e-12);
  ck_assert_double_eq_tol(measure_cramers_v(&c, &d, 8, table), CRAMER, 1e-12);
  ck_assert_double_eq_tol(measure_cramers_v(&c, &c, 8, table), 1, 1e-12);
  const float same[8] = {0};
  const struct variable constant = {same, 0}, one_class = {same, 2};
  ck_assert(isnan(measure_pearson(&x, &constant, 8)));
  ck_assert(isnan(measure_correlation_ratio(&one_class, &y, 8, table)));
  ck_assert(isnan(measure_cramers_v(&one_class, &c, 8, table)));
}
END_TEST

START_TEST(missing_values_count_for_nothing) {
  float x_values[10], y_values[10];
  memcpy(x_values, xs, sizeof xs);
  memcpy(y_values, ys, sizeof ys);
  x_values[8] = 1000;
  y_values[8] = NAN;
  x_values[9] = NAN;
  y_values[9] = -1000;
  const struct variable x = {x_values, 0}, y = {y_values, 0};
  ck_assert_double_eq_tol(measure_pearson(&x, &y, 10), PEARSON, 1e-12);
}
END_TEST

/* rows rows of: number (the row's), twin (the class in other words), noise, class. */
static void import_classes(int rows) {
  char *text = malloc((size_t)rows * 64 + 64), *at = text;
  at += sprintf(at, "number,twin,noise,class\n");
  for (int i = 0; i < rows; i++) {
    const int class = i * 7 % 3;
    at += sprintf(at, "%d,%s,%d,%s\n", i + 5, (const char *const[]){"p", "q", "r"}[class], i * 7919 % 101,
                  (const char *const[]){"red", "green", "blue"}[class]);
  }
  data_import_text(data_dir, text, &dataset);
  free(text);
}

START_TEST(a_twin_of_the_target_is_a_leak_and_noise_is_not) {
  struct association associations[4];
  struct error error = {0};
  uint64_t rows;
  import_classes(600);
  const struct association_request request = {.data_dir = data_dir, .dataset = &dataset, .target = 3, .is_class = true};
  ck_assert_int_eq(associations_read(&request, associations, &rows, &error), ERROR_NONE);
  ck_assert_uint_eq(rows, 600);
  ck_assert(associations[0].counts_rows && !associations[1].counts_rows && !associations[2].counts_rows);
  ck_assert(associations[1].is_leak);
  ck_assert_double_eq(associations[1].alone, 1);
  ck_assert_double_eq_tol(associations[1].value, 1, 1e-12);
  ck_assert_int_eq(associations[1].measure, ASSOCIATION_CRAMER);
  ck_assert(!associations[0].is_leak && !associations[2].is_leak);
  ck_assert_int_eq(associations[2].measure, ASSOCIATION_RATIO);
  ck_assert_double_lt(associations[2].value, 0.2);
  ck_assert_double_eq_tol(associations[2].baseline, 1.0 / 3, 0.01);
  ck_assert_int_eq(associations[3].measure, ASSOCIATION_NONE);
}
END_TEST

START_TEST(a_number_that_is_the_target_in_other_units_is_a_leak) {
  char *text = malloc(1000 * 64), *at = text;
  at += sprintf(at, "pounds,age,kilos\n");
  for (int i = 0; i < 1000; i++) {
    const double kilos = 50 + i * 7919 % 1000 / 20.0;
    at += sprintf(at, "%.4f,%d,%.3f\n", kilos * 2.20462, 20 + i * 31 % 60, kilos);
  }
  data_import_text(data_dir, text, &dataset);
  free(text);
  struct association associations[3];
  struct error error = {0};
  uint64_t rows;
  const struct association_request request = {.data_dir = data_dir, .dataset = &dataset, .target = 2};
  ck_assert_int_eq(associations_read(&request, associations, &rows, &error), ERROR_NONE);
  ck_assert_double_eq_tol(associations[0].value, 1, 1e-6);
  ck_assert(associations[0].is_leak && !associations[1].is_leak);
}
END_TEST

START_TEST(without_a_target_only_counting_columns_are_told) {
  struct association associations[4];
  struct error error = {0};
  uint64_t rows;
  import_classes(30);
  const struct association_request request = {.data_dir = data_dir, .dataset = &dataset, .target = 4};
  ck_assert_int_eq(associations_read(&request, associations, &rows, &error), ERROR_NONE);
  for (size_t i = 0; i < 4; i++) ck_assert_int_eq(associations[i].measure, ASSOCIATION_NONE);
  ck_assert(associations[0].counts_rows);
}
END_TEST

/* ---- rows that come again ---- */

static struct repeats read_repeats(const struct dataset_row *test_dataset) {
  struct repeats repeats;
  struct error error = {0};
  const struct repeats_request request = {.data_dir = data_dir, .dataset = &dataset, .test_dataset = test_dataset};
  enum error_code code = repeats_read(&request, &repeats, &error);
  ck_assert_msg(code == ERROR_NONE, "%s", error.detail);
  return repeats;
}

START_TEST(copies_are_counted_and_shown) {
  data_import_text(data_dir, "a,b\n1,x\n2,y\n 1 ,x\n1,x\n12,\n1,2x\n", &dataset);
  struct repeats repeats = read_repeats(NULL);
  ck_assert_uint_eq(repeats.copies, 2);
  ck_assert_uint_eq(repeats.copies_shown, 2);
  ck_assert_uint_eq(repeats.copies_first[1].row, 3);
  ck_assert_uint_eq(repeats.copies_first[1].first_row, 0);
  ck_assert(!repeats.has_parts && !repeats.is_estimate);
}
END_TEST

START_TEST(rows_of_the_test_part_that_were_trained_on_are_found) {
  data_import_text(data_dir, "a,b,part\n1,x,train\n2,y,train\n1,x,test\n3,z,test\n3,z,test\n2,y,validation\n", &dataset);
  struct repeats repeats = read_repeats(NULL);
  ck_assert_uint_eq(repeats.part_column, 2);
  ck_assert_uint_eq(repeats.copies, 3);
  ck_assert_uint_eq(repeats.shared, 2);
  ck_assert_uint_eq(repeats.shared_first[1].row, 5);
  ck_assert_uint_eq(repeats.shared_first[1].first_row, 1);
}
END_TEST

START_TEST(a_test_dataset_is_compared_by_the_columns_names) {
  struct repeats repeats;
  struct error error = {0};
  data_import_text(data_dir, "a,b\n1,x\n2,y\n", &dataset);
  data_import_text(data_dir, "b,c,a\ny,0,2\nx,0,2\n", &other);
  repeats = read_repeats(&other);
  ck_assert(repeats.has_parts);
  ck_assert_uint_eq(repeats.shared, 1);
  dataset_row_deinit(&other);
  data_import_text(data_dir, "b,c\ny,0\n", &other);
  const struct repeats_request request = {.data_dir = data_dir, .dataset = &dataset, .test_dataset = &other};
  ck_assert_int_eq(repeats_read(&request, &repeats, &error), ERROR_INVALID);
  ck_assert_ptr_nonnull(strstr(error.detail, "\"a\""));
}
END_TEST

START_TEST(more_rows_than_can_be_kept_are_estimated) {
  struct duplicates duplicates;
  struct error error = {0};
  const uint64_t rows = 3 * (uint64_t)DUPLICATES_KEPT;
  ck_assert_int_eq(duplicates_init(&duplicates, DUPLICATES_KEPT, &error), ERROR_NONE);
  for (uint64_t i = 0; i < rows; i++) { /* every third row repeats an earlier one */
    const uint64_t value = i % 3 == 2 ? i - 2 : i;
    ck_assert_int_eq(duplicates_add(&duplicates, duplicates_hash_bytes(duplicates_start(&duplicates), &value, sizeof value), i, &error),
                     ERROR_NONE);
  }
  ck_assert_uint_gt(duplicates_get_scale(&duplicates), 1);
  ck_assert_uint_lt(duplicates.count, DUPLICATES_KEPT);
  ck_assert_double_eq_tol((double)duplicates_count(&duplicates) / (double)(rows / 3), 1, 0.02);
  duplicates_deinit(&duplicates);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "explore");
  tcase_add_checked_fixture(test_case, set_up, tear_down);
  tcase_add_test(test_case, conditions_choose_rows);
  tcase_add_test(test_case, conditions_that_make_no_sense_are_refused);
  tcase_add_test(test_case, conditions_are_bounded);
  tcase_add_test(test_case, numbers_fall_into_bins_of_equal_width);
  tcase_add_test(test_case, few_whole_numbers_have_a_bin_each);
  tcase_add_test(test_case, constants_and_the_widest_range_have_histograms);
  tcase_add_test(test_case, texts_are_counted_by_characters);
  tcase_add_test(test_case, measures_are_those_of_the_literature);
  tcase_add_test(test_case, missing_values_count_for_nothing);
  tcase_add_test(test_case, a_twin_of_the_target_is_a_leak_and_noise_is_not);
  tcase_add_test(test_case, a_number_that_is_the_target_in_other_units_is_a_leak);
  tcase_add_test(test_case, without_a_target_only_counting_columns_are_told);
  tcase_add_test(test_case, copies_are_counted_and_shown);
  tcase_add_test(test_case, rows_of_the_test_part_that_were_trained_on_are_found);
  tcase_add_test(test_case, a_test_dataset_is_compared_by_the_columns_names);
  tcase_add_test(test_case, more_rows_than_can_be_kept_are_estimated);
}

int main(void) { return suite_main("explore", add_cases); }
