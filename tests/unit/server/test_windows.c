/* server/data/windows.h and the preparation of a series: windows in order of time, within their part, fitted on the training part alone. */
#include "server/data/windows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/data/prepared.h"
#include "tests/support/allocations.h"
#include "tests/support/data_files.h"
#include "tests/support/suite.h"

static char *data_dir;

static void set_up(void) { data_dir = data_dir_create(); }
static void tear_down(void) { data_dir_remove(data_dir); }

START_TEST(windows_are_counted) {
  const struct window every = {.length = 3, .horizon = 2, .stride = 1}, third = {.length = 3, .horizon = 2, .stride = 3};
  ck_assert_uint_eq(windows_count(&every, 0), 0);
  ck_assert_uint_eq(windows_count(&every, 4), 0);
  ck_assert_uint_eq(windows_count(&every, 5), 1);
  ck_assert_uint_eq(windows_count(&every, 10), 6);
  ck_assert_uint_eq(windows_count(&third, 10), 2);
  ck_assert_uint_eq(windows_count(&third, 11), 3);
}
END_TEST

START_TEST(baselines_repeat_what_is_known) {
  const float values[14] = {1, 10, 2, 20, 3, NAN, 4, 40, 5, 50, 6, NAN, 7, 70}; /* two targets */
  const struct series series = {values, 2};
  const struct window window = {.length = 3, .horizon = 2, .stride = 1};
  float y[4];
  static const float targets[4] = {4, 5, 40, 50}, last[4] = {3, 3, 20, 20}, all[4] = {1, 2, 10, 20};
  ck_assert(windows_take_targets(&series, &window, 0, y));
  ck_assert_mem_eq(y, targets, sizeof y);
  ck_assert(!windows_take_targets(&series, &window, 1, y)); /* 60 is missing */
  windows_repeat_last(&series, &window, 0, y);
  ck_assert_mem_eq(y, last, sizeof y);
  windows_repeat_all(&series, &window, 0, y);
  ck_assert_mem_eq(y, all, sizeof y);
}
END_TEST

static void make_settings(struct data_settings *settings, const char *targets, int64_t length, int64_t horizon, int64_t stride) {
  data_settings_make(settings, targets);
  settings->window = (struct window_settings){.is_enabled = true, .length = length, .horizon = horizon, .stride = stride};
}

static void prepare(const struct dataset_row *row, struct data_settings *settings, struct prepared *out_prepared) {
  struct data_plan plan;
  struct error error = {0};
  ck_assert_msg(data_plan_create(row, NULL, settings, 1, &plan, &error) == ERROR_NONE, "plan: %s", error.detail);
  ck_assert_msg(prepared_create(data_dir, row, NULL, &plan, false, NULL, NULL, out_prepared, &error) == ERROR_NONE, "prepare: %s",
                error.detail);
  data_plan_deinit(&plan);
}

/* Row i has v = i² and w = −i; a window is known by its first row. */
static void import_squares(struct dataset_row *out_row, const char *heading, const char *(*write_time)(int row, char text[32]), int count,
                           int stride) {
  char *csv = malloc((size_t)count * 64 + 64), *at = csv + sprintf(csv, "%s\n", heading), text[32];
  for (int k = 0; k < count; k++) {
    const int i = k * stride % count; /* any order, if stride and count have no common factor */
    at += sprintf(at, "%s%d,%d\n", write_time == NULL ? "" : write_time(i, text), i * i, -i);
  }
  data_import_text(data_dir, csv, out_row);
  free(csv);
}

static double restore(const struct prepared *prepared, size_t feature, float x) {
  return (double)x * prepared->preprocessor.features[feature].scale + prepared->preprocessor.features[feature].center;
}

static void check_part(const struct prepared *prepared, const struct train_rows *rows, size_t first, size_t end, size_t length,
                       size_t horizon, size_t stride) {
  ck_assert_uint_eq(rows->count, (end - first - length - horizon) / stride + 1);
  for (size_t i = 0; i < rows->count; i++) {
    const size_t start = first + i * stride;
    ck_assert_uint_le(start + length + horizon, end); /* nothing straddles */
    const float *x = rows->x + rows->x_rows[i] * rows->x_stride;
    for (size_t row = 0; row < length; row++) {
      ck_assert_double_eq_tol(restore(prepared, 0, x[2 * row]), (double)((start + row) * (start + row)), 0.01);
      ck_assert_double_eq_tol(restore(prepared, 1, x[2 * row + 1]), -(double)(start + row), 1e-4);
    }
    for (size_t step = 0; step < horizon; step++) {
      const double at = (double)(start + length + step);
      ck_assert_double_eq_tol(target_restore(&prepared->preprocessor.targets[step], (double)rows->y[i * horizon + step]), at * at, 0.01);
    }
  }
}

START_TEST(each_part_has_the_windows_of_its_time) {
  struct dataset_row row;
  import_squares(&row, "v,w", NULL, 100, 1);
  for (int64_t stride = 1; stride <= 3; stride++) {
    struct data_settings settings;
    make_settings(&settings, "v", 5, 3, stride);
    struct prepared prepared;
    prepare(&row, &settings, &prepared);
    ck_assert_uint_eq(prepared.preprocessor.input_width, 10);
    ck_assert_uint_eq(prepared.preprocessor.output_width, 3);
    ck_assert_str_eq(prepared.preprocessor.targets[0].name, "v+1");
    ck_assert_str_eq(prepared.preprocessor.targets[2].name, "v+3");
    ck_assert_str_eq(prepared.preprocessor.targets[2].source, "v");
    check_part(&prepared, &prepared.data.train, 0, 70, 5, 3, (size_t)stride);
    check_part(&prepared, &prepared.data.validation, 70, 85, 5, 3, (size_t)stride);
    check_part(&prepared, &prepared.test, 85, 100, 5, 3, (size_t)stride);
    /* Fitted on the first 70 rows alone: w is 0 … −69. */
    ck_assert_double_eq_tol(prepared.preprocessor.features[1].center, -34.5, 1e-9);
    ck_assert_double_eq_tol(prepared.preprocessor.features[1].scale, sqrt((70 * 70 - 1) / 12.0), 1e-9);
    ck_assert_double_eq(prepared.preprocessor.targets[1].center, prepared.preprocessor.features[0].center);
    for (size_t i = 0; i < prepared.test.count; i++) {
      const double last = (double)prepared.test.x_rows[i] + 4;
      ck_assert_double_eq_tol(target_restore(&prepared.preprocessor.targets[2], (double)prepared.baselines[0][3 * i + 2]), last * last,
                              0.01);
    }
    prepared_deinit(&prepared);
    data_settings_free(&settings);
  }
  dataset_row_deinit(&row);
}
END_TEST

static const char *write_number(int row, char text[32]) {
  sprintf(text, "%d,", 1000 + 3 * row);
  return text;
}

static const char *write_date(int row, char text[32]) {
  sprintf(text, "2024-%02d-%02d,", row / 28 + 1, row % 28 + 1);
  return text;
}

START_TEST(rows_are_put_in_order_by_the_column_that_says_when) {
  for (int as_dates = 0; as_dates < 2; as_dates++) {
    struct dataset_row row;
    import_squares(&row, "when,v,w", as_dates ? write_date : write_number, 101, 37);
    struct data_settings settings;
    make_settings(&settings, "v", 4, 2, 1);
    strcpy(settings.window.time, "when");
    data_names_set(&settings.features, "v,w");
    struct prepared prepared;
    prepare(&row, &settings, &prepared);
    check_part(&prepared, &prepared.data.train, 0, 71, 4, 2, 1);
    check_part(&prepared, &prepared.data.validation, 71, 86, 4, 2, 1);
    check_part(&prepared, &prepared.test, 86, 101, 4, 2, 1);
    prepared_deinit(&prepared);
    data_settings_free(&settings);
    dataset_row_deinit(&row);
  }
}
END_TEST

START_TEST(dates_tell_the_season_but_no_trend_and_numbers_of_time_are_no_feature) {
  struct dataset_row row;
  import_squares(&row, "when,v,w", write_date, 101, 1);
  struct data_settings settings;
  make_settings(&settings, "v", 4, 1, 1);
  strcpy(settings.window.time, "when");
  struct prepared prepared;
  prepare(&row, &settings, &prepared);
  ck_assert_uint_eq(prepared.preprocessor.feature_count, 3);
  ck_assert(!prepared.preprocessor.features[0].dates.is_used[DATETIME_INSTANT]);
  ck_assert(prepared.preprocessor.features[0].dates.is_used[DATETIME_WEEK]);
  ck_assert_str_eq(prepared.preprocessor.targets[0].name, "v"); /* one row ahead needs no number */
  prepared_deinit(&prepared);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
  import_squares(&row, "when,v,w", write_number, 101, 1);
  make_settings(&settings, "v", 4, 1, 1);
  strcpy(settings.window.time, "when");
  prepare(&row, &settings, &prepared);
  ck_assert_uint_eq(prepared.preprocessor.feature_count, 2);
  prepared_deinit(&prepared);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(what_is_missing_is_imputed_in_the_window_and_never_a_target) {
  char csv[2048] = "v\n";
  for (int i = 0; i < 60; i++) {
    if (i == 20)
      strcat(csv, "NA\n");
    else
      sprintf(csv + strlen(csv), "%d\n", i % 7);
  }
  struct dataset_row row;
  data_import_text(data_dir, csv, &row);
  struct data_settings settings;
  make_settings(&settings, "v", 3, 2, 1);
  struct prepared prepared;
  prepare(&row, &settings, &prepared);
  ck_assert_uint_eq(prepared.left_out, 2); /* the windows that would forecast row 20 */
  ck_assert_uint_eq(prepared.data.train.count, 42 - 4 - 2);
  const struct train_rows *rows = &prepared.data.train;
  for (size_t i = 0; i < rows->count; i++) {
    ck_assert(rows->x_rows[i] != 16 && rows->x_rows[i] != 17);
    ck_assert(!isnan(rows->y[2 * i]) && !isnan(rows->y[2 * i + 1]));
    if (rows->x_rows[i] != 18) continue;
    const float *x = rows->x + 18 * rows->x_stride;
    ck_assert_float_eq(x[4], 0); /* the mean … */
    ck_assert_float_eq(x[5], 1); /* … and told so */
    ck_assert_float_eq(x[3], 0);
  }
  prepared_deinit(&prepared);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

static void expect_refusal(const struct dataset_row *row, struct data_settings *settings, const char *pointer, const char *words) {
  struct data_plan plan;
  struct error error = {0};
  ck_assert_int_eq(data_plan_create(row, NULL, settings, 1, &plan, &error), ERROR_INVALID);
  ck_assert_str_eq(error.items[0].pointer, pointer);
  ck_assert_msg(strstr(error.items[0].detail, words) != NULL, "\"%s\" lacks \"%s\"", error.items[0].detail, words);
  data_settings_free(settings);
}

START_TEST(what_makes_no_windows_is_refused) {
  struct dataset_row row;
  data_import_text(data_dir, "t,v,name\n1,1,a b c d\n2,3,x y z u\n,5,k l m o\n4,2,q w e r\n5,3,d f g h\n6,9,h j k l\n7,2,u i o p\n", &row);
  struct data_settings settings;
  make_settings(&settings, "v", 5, 1, 1);
  expect_refusal(&row, &settings, "/window", "the training part has 5 rows, too few for a window of 5 and the 1 behind it");
  make_settings(&settings, "v", 1, 1, 1);
  strcpy(settings.window.time, "t");
  expect_refusal(&row, &settings, "/window/time", "\"t\" is missing in 1 rows");
  make_settings(&settings, "v", 1, 1, 1);
  strcpy(settings.window.time, "name");
  expect_refusal(&row, &settings, "/window/time", "must be dates or numbers");
  make_settings(&settings, "v", 1, 1, 1);
  settings.task = TASK_CHOICE_CLASSIFICATION;
  expect_refusal(&row, &settings, "/task", "numbers are forecast");
  make_settings(&settings, "v", 1, 1, 1);
  strcpy(settings.window.time, "tt");
  expect_refusal(&row, &settings, "/window/time", "has no column \"tt\"");
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(memory_of_windows_is_as_measured) {
  if (!allocations_can_count()) return;
  struct dataset_row row;
  import_squares(&row, "when,v,w", write_number, 20011, 37);
  struct data_settings settings;
  make_settings(&settings, "v,w", 48, 24, 1);
  strcpy(settings.window.time, "when");
  struct data_plan plan;
  struct error error = {0};
  ck_assert_int_eq(data_plan_create(&row, NULL, &settings, 1, &plan, &error), ERROR_NONE);
  size_t measured, disk;
  ck_assert_int_eq(data_plan_measure(&plan, false, &measured, &error), ERROR_NONE);
  ck_assert_int_eq(data_plan_measure_disk(&plan, false, &disk, &error), ERROR_NONE);
  struct prepared prepared;
  size_t before = allocations_live_bytes();
  allocations_reset_peak();
  ck_assert_int_eq(prepared_create(data_dir, &row, NULL, &plan, false, NULL, NULL, &prepared, &error), ERROR_NONE);
  size_t taken = allocations_peak_bytes() - before;
  ck_assert_msg(taken <= measured, "%zu bytes taken, %zu measured", taken, measured);
  ck_assert_msg((double)measured <= 1.3 * (double)taken + (1 << 20), "%zu bytes taken, %zu measured", taken, measured);
  ck_assert_uint_eq(prepared.data.train.count, 20011 - 2 * 3002 - 48 - 24 + 1);
  prepared_deinit(&prepared);
  data_plan_deinit(&plan);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *windows = suite_add_case(suite, "windows");
  tcase_add_checked_fixture(windows, set_up, tear_down);
  tcase_add_test(windows, windows_are_counted);
  tcase_add_test(windows, baselines_repeat_what_is_known);
  tcase_add_test(windows, each_part_has_the_windows_of_its_time);
  tcase_add_test(windows, rows_are_put_in_order_by_the_column_that_says_when);
  tcase_add_test(windows, dates_tell_the_season_but_no_trend_and_numbers_of_time_are_no_feature);
  tcase_add_test(windows, what_is_missing_is_imputed_in_the_window_and_never_a_target);
  tcase_add_test(windows, what_makes_no_windows_is_refused);
  tcase_add_test(windows, memory_of_windows_is_as_measured);
}

int main(void) { return suite_main("windows", add_cases); }
