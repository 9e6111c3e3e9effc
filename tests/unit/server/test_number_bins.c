/* server/data/number_bins.h: which edges a column gets, and what a network gets of its numbers. */
#include "server/data/number_bins.h"

#include <float.h>
#include <string.h>

#include "server/codec/preprocessor_json.h"
#include "server/data/prepared.h"
#include "tests/support/data_files.h"
#include "tests/support/suite.h"

static char *data_dir;

static void set_up(void) { data_dir = data_dir_create(); }
static void tear_down(void) { data_dir_remove(data_dir); }

static void fit(const double *numbers, size_t count, size_t width, struct number_bins *out_bins) {
  struct number_sample sample;
  ck_assert(number_bins_init(out_bins, width));
  ck_assert(number_sample_init(&sample, count));
  for (size_t i = 0; i < count; i++) number_sample_add(&sample, numbers[i]);
  number_sample_finish(&sample, out_bins);
  number_sample_deinit(&sample);
}

static void check(const struct number_bins *bins, double value, const float *expected) {
  float x[8];
  number_bins_encode(bins, value, x);
  for (size_t i = 0; i < bins->width; i++) ck_assert_msg(x[i] == expected[i], "%g, bin %zu: %g", value, i, (double)x[i]);
}

START_TEST(edges_are_quantiles_however_skewed_the_numbers_are) {
  double numbers[401];
  for (size_t i = 0; i < 401; i++) numbers[i * 7 % 401] = (double)i * (double)i * (double)i; /* in no order */
  struct number_bins bins;
  fit(numbers, 401, 4, &bins);
  ck_assert_uint_eq(bins.count, 4);
  for (size_t i = 0; i <= 4; i++) ck_assert_double_eq(bins.edges[i], 1e6 * (double)(i * i * i));
  check(&bins, 0, (const float[]){0, 0, 0, 0});
  check(&bins, 25e4, (const float[]){0.25F, 0, 0, 0});
  check(&bins, 1e6, (const float[]){1, 0, 0, 0});
  check(&bins, 45e5, (const float[]){1, 0.5F, 0, 0});
  check(&bins, 64e6, (const float[]){1, 1, 1, 1});
  /* What is beyond all that was seen is as far as that goes. */
  check(&bins, -DBL_MAX, (const float[]){0, 0, 0, 0});
  check(&bins, DBL_MAX, (const float[]){1, 1, 1, 1});
  number_bins_deinit(&bins);
}
END_TEST

START_TEST(of_few_values_each_is_an_edge) {
  const double numbers[] = {3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 8};
  struct number_bins bins;
  fit(numbers, 12, 5, &bins);
  ck_assert_uint_eq(bins.count, 3);
  check(&bins, 2, (const float[]){1, 0, 0, 0, 0});
  check(&bins, 5.5, (const float[]){1, 1, 0.5F, 0, 0});
  number_bins_deinit(&bins);
  fit(numbers, 12, 2, &bins); /* the quantiles are 1, 1 and 8 */
  ck_assert_uint_eq(bins.count, 1);
  check(&bins, 4.5, (const float[]){0.5F, 0});
  number_bins_deinit(&bins);
}
END_TEST

START_TEST(a_constant_and_an_empty_column_are_zeros) {
  const double numbers[] = {7, 7, 7};
  struct number_bins bins;
  for (size_t count = 0; count <= 3; count += 3) {
    fit(numbers, count, 2, &bins);
    ck_assert_uint_eq(bins.count, 0);
    check(&bins, 7, (const float[]){0, 0});
    check(&bins, 9, (const float[]){0, 0});
    number_bins_deinit(&bins);
  }
}
END_TEST

START_TEST(the_largest_numbers_have_bins_too) {
  const double numbers[] = {-DBL_MAX, 0, DBL_MAX};
  struct number_bins bins;
  fit(numbers, 3, 1, &bins);
  check(&bins, 0, (const float[]){0.5F});
  check(&bins, DBL_MAX, (const float[]){1});
  number_bins_deinit(&bins);
}
END_TEST

START_TEST(of_very_many_numbers_a_part_is_kept_from_all_over) {
  enum { COUNT = 1000000 };
  struct number_sample sample;
  struct number_bins bins;
  ck_assert(number_bins_init(&bins, 10));
  ck_assert(number_sample_init(&sample, COUNT));
  for (size_t i = 0; i < COUNT; i++) number_sample_add(&sample, (double)i);
  ck_assert_uint_le(sample.count * sizeof(double), number_sample_measure(COUNT));
  ck_assert_uint_le(number_sample_measure(COUNT), 1 << 19);
  number_sample_finish(&sample, &bins);
  for (size_t i = 0; i <= 10; i++) ck_assert_double_eq_tol(bins.edges[i], 1e5 * (double)i, 200);
  number_sample_deinit(&sample);
  number_bins_deinit(&bins);
}
END_TEST

/* ---- columns ---- */

static void prepare(const struct dataset_row *row, size_t bins, struct prepared *out_prepared) {
  struct data_settings settings;
  struct data_plan plan;
  struct error error = {0};
  data_settings_make(&settings, "y");
  strcpy(settings.split.column, "part");
  settings.number.encoding = NUMBER_PIECEWISE_LINEAR;
  settings.number.bins = (int64_t)bins;
  ck_assert_msg(data_plan_create(row, NULL, &settings, 1, &plan, &error) == ERROR_NONE, "%s", error.detail);
  ck_assert_int_eq(prepared_create(data_dir, row, NULL, &plan, false, NULL, NULL, out_prepared, &error), ERROR_NONE);
  data_plan_deinit(&plan);
  data_settings_free(&settings);
}

static const char table[] = "v,flag,y,part\n"
                            "0,0,1.5,train\n10,1,2.5,train\n20,0,3.5,train\n40,1,4.5,train\n,1,5.5,train\n"
                            "30,0,6.5,test\n1000,1,7.5,test\n";

START_TEST(bins_are_fitted_on_the_training_part) {
  struct dataset_row row;
  struct prepared prepared;
  data_import_text(data_dir, table, &row);
  prepare(&row, 3, &prepared);
  /* v: three bins and whether it is missing; flag: 0 or 1. Quantiles of 0, 10, 20, 40 at thirds are these numbers. */
  ck_assert_uint_eq(prepared.preprocessor.input_width, 5);
  const struct number_bins *bins = &prepared.preprocessor.features[0].bins;
  ck_assert_uint_eq(bins->count, 3);
  static const double edges[] = {0, 10, 20, 40};
  for (size_t i = 0; i < 4; i++) ck_assert_double_eq(bins->edges[i], edges[i]);
  static const float rows[5][5] = {{0, 0, 0, 0, 0}, {1, 0, 0, 0, 1}, {1, 1, 0, 0, 0}, {1, 1, 1, 0, 1}, {1, 0.75F, 0, 1, 1}};
  for (size_t i = 0; i < 5; i++) ck_assert_mem_eq(prepared.data.train.x + 5 * i, rows[i], sizeof rows[i]);
  static const float test[2][5] = {{1, 1, 0.5F, 0, 0}, {1, 1, 1, 0, 1}};
  for (size_t i = 0; i < 2; i++) ck_assert_mem_eq(prepared.test.x + 5 * i, test[i], sizeof test[i]);
  prepared_deinit(&prepared);
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(a_stored_preprocessor_makes_the_same_floats) {
  struct dataset_row row;
  struct prepared prepared;
  struct preprocessor stored, copy;
  struct error error = {0};
  data_import_text(data_dir, table, &row);
  prepare(&row, 3, &prepared);
  json_t *json = preprocessor_to_json(&prepared.preprocessor);
  ck_assert_int_eq(preprocessor_from_json(json, &stored, &error), ERROR_NONE);
  ck_assert_int_eq(preprocessor_copy(&copy, &stored, &error), ERROR_NONE);
  preprocessor_deinit(&stored);
  static const struct cell cells[][2] = {
      {{.kind = CELL_NUMBER, .number = 20}, {.kind = CELL_TEXT, .text = "0"}},
      {{.kind = CELL_MISSING}, {.kind = CELL_NUMBER, .number = 1}},
  };
  float x[5];
  ck_assert_int_eq(preprocessor_transform(&copy, cells[0], "", x, &error), ERROR_NONE);
  ck_assert_mem_eq(x, prepared.data.train.x + 10, sizeof x);
  ck_assert_int_eq(preprocessor_transform(&copy, cells[1], "", x, &error), ERROR_NONE);
  ck_assert_mem_eq(x, prepared.data.train.x + 20, sizeof x);
  preprocessor_deinit(&copy);
  prepared_deinit(&prepared);
  dataset_row_deinit(&row);
  json_decref(json);
}
END_TEST

static const char *const broken[] = {"[0]", "[0, 10, 10, 40]", "[0, 1, 2, 3, 4]", "[0, 20, 10]"};

START_TEST(stored_edges_that_are_none_are_refused) {
  struct dataset_row row;
  struct prepared prepared;
  struct preprocessor stored;
  struct error error = {0};
  data_import_text(data_dir, table, &row);
  prepare(&row, 3, &prepared);
  json_t *json = preprocessor_to_json(&prepared.preprocessor);
  json_object_set_new(json_array_get(json_object_get(json, "features"), 0), "edges", json_loads(broken[_i], 0, NULL));
  ck_assert_int_eq(preprocessor_from_json(json, &stored, &error), ERROR_INTERNAL);
  json_decref(json);
  prepared_deinit(&prepared);
  dataset_row_deinit(&row);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *bins = suite_add_case(suite, "bins");
  tcase_add_test(bins, edges_are_quantiles_however_skewed_the_numbers_are);
  tcase_add_test(bins, of_few_values_each_is_an_edge);
  tcase_add_test(bins, a_constant_and_an_empty_column_are_zeros);
  tcase_add_test(bins, the_largest_numbers_have_bins_too);
  tcase_add_test(bins, of_very_many_numbers_a_part_is_kept_from_all_over);
  TCase *columns = suite_add_case(suite, "columns");
  tcase_add_checked_fixture(columns, set_up, tear_down);
  tcase_add_test(columns, bins_are_fitted_on_the_training_part);
  tcase_add_test(columns, a_stored_preprocessor_makes_the_same_floats);
  tcase_add_loop_test(columns, stored_edges_that_are_none_are_refused, 0, sizeof broken / sizeof broken[0]);
}

int main(void) { return suite_main("number bins", add_cases); }
