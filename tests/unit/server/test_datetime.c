/* server/data/datetime.h: which texts are dates, which instants they are, and what a network gets of them. */
#include "server/data/datetime.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "server/data/encode.h"
#include "server/data/prepared.h"
#include "tests/support/data_files.h"
#include "tests/support/suite.h"

static char *data_dir;

static void set_up(void) { data_dir = data_dir_create(); }
static void tear_down(void) { data_dir_remove(data_dir); }

/* Instants computed with Python's datetime. */
static const struct {
  const char *text;
  enum datetime_order order;
  double instant;
  double offset; /* clock − instant */
} good[] = {
    {"2024-03-01", DATETIME_YEAR_FIRST, 1709251200, 0},
    {" 2024/3/1\t", DATETIME_YEAR_FIRST, 1709251200, 0},
    {"2024.03.01", DATETIME_DAY_FIRST, 1709251200, 0},
    {"1970-01-01T00:00:00Z", DATETIME_YEAR_FIRST, 0, 0},
    {"1969-12-31 23:59:59.25", DATETIME_YEAR_FIRST, -0.75, 0},
    {"2024-03-01 13:45", DATETIME_YEAR_FIRST, 1709300700, 0},
    {"2024-03-01T13:45:10.5Z", DATETIME_YEAR_FIRST, 1709300710.5, 0},
    {"2024-03-01t13:45:10,5z", DATETIME_YEAR_FIRST, 1709300710.5, 0},
    {"2024-03-01 13:45:10 UTC", DATETIME_YEAR_FIRST, 1709300710, 0},
    {"2024-03-01T13:45:10+02:00", DATETIME_YEAR_FIRST, 1709293510, 7200},
    {"2024-03-01T13:45:10-0330", DATETIME_YEAR_FIRST, 1709313310, -12600},
    {"2024-03-01T13:45:10 +02", DATETIME_YEAR_FIRST, 1709293510, 7200},
    {"2016-12-31T23:59:60Z", DATETIME_YEAR_FIRST, 1483228800, 0},
    {"31.12.2023", DATETIME_DAY_FIRST, 1703980800, 0},
    {"1/3/2024 13:45", DATETIME_DAY_FIRST, 1709300700, 0},
    {"3/1/2024 1:45 PM", DATETIME_MONTH_FIRST, 1709300700, 0},
    {"3/1/2024 12:05:00am", DATETIME_MONTH_FIRST, 1709251500, 0},
    {"0001-01-01", DATETIME_YEAR_FIRST, -62135596800, 0},
    {"9999-12-31T23:59:59Z", DATETIME_YEAR_FIRST, 253402300799, 0},
    {"2000-02-29", DATETIME_YEAR_FIRST, 951782400, 0},
};

START_TEST(dates_of_every_form_are_their_instants) {
  struct datetime datetime;
  ck_assert_msg(datetime_parse(good[_i].text, good[_i].order, &datetime), "%s", good[_i].text);
  ck_assert_double_eq(datetime.instant, good[_i].instant);
  ck_assert_double_eq(datetime.clock - datetime.instant, good[_i].offset);
  ck_assert(datetime.has_time == (strchr(good[_i].text, ':') != NULL));
}
END_TEST

START_TEST(what_is_no_date_is_refused) {
  static const char *const bad[] = {
      "",
      "2024",
      "20240301",
      "2024-03",
      "2024-13-01",
      "2024-00-10",
      "2024-02-30",
      "1900-02-29",
      "2024-03-32",
      "2024-03-00",
      "2024-03/01",
      "24-03-01",
      "12345-01-01",
      "2024-03-01T",
      "2024-03-01T24:00",
      "2024-03-01T12:60",
      "2024-03-01 12:00:61",
      "2024-03-01T12:00:00.",
      "2024-03-01T12:00+1",
      "2024-03-01T12:00+12:60",
      "2024-03-01T1200",
      "2024-03-01x",
      "2024-03-01 noon",
      "x2024-03-01",
      "12:30",
      "192.168.1.100",
      "2024-03-01 13:00 PM",
      "0000-01-01",
      "2024-03-01T12:00+123",
      "1.2.3",
      "-2024-03-01",
  };
  struct datetime datetime;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    for (int order = DATETIME_YEAR_FIRST; order <= DATETIME_MONTH_FIRST; order++)
      ck_assert_msg(!datetime_parse(bad[i], (enum datetime_order)order, &datetime), "\"%s\"", bad[i]);
  }
  ck_assert(!datetime_parse("31.12.2023", DATETIME_YEAR_FIRST, &datetime));
  ck_assert(!datetime_parse("31.12.2023", DATETIME_MONTH_FIRST, &datetime));
  ck_assert(!datetime_parse("12/31/2023", DATETIME_DAY_FIRST, &datetime));
}
END_TEST

/* The C library's calendar over four centuries and more, a step of days and odd seconds at a time. */
START_TEST(instants_are_written_as_they_are_read_and_as_the_library_has_them) {
  for (time_t seconds = -15000000000; seconds < 15000000000; seconds += 86400 * 11 + 12347) {
    struct tm date;
    char expected[64], text[DATETIME_TEXT_BYTES];
    ck_assert_ptr_nonnull(gmtime_r(&seconds, &date));
    strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%SZ", &date);
    ck_assert_str_eq(datetime_format((double)seconds, text), expected);
    struct datetime datetime;
    ck_assert(datetime_parse(text, DATETIME_YEAR_FIRST, &datetime));
    ck_assert_double_eq(datetime.instant, (double)seconds);
    ck_assert_double_eq_tol(datetime_get_part(&datetime, DATETIME_WEEK), (date.tm_wday + 6) % 7 / 7.0, 1e-12);
    const int year_days = (date.tm_year % 4 == 0 && date.tm_year % 100 != 0) || (date.tm_year + 1900) % 400 == 0 ? 366 : 365;
    ck_assert_double_eq_tol(datetime_get_part(&datetime, DATETIME_YEAR), (double)date.tm_yday / year_days, 1e-12);
    const double day_seconds = date.tm_hour * 3600 + date.tm_min * 60 + date.tm_sec;
    ck_assert_double_eq_tol(datetime_get_part(&datetime, DATETIME_DAY), day_seconds / 86400, 1e-9);
  }
  char text[DATETIME_TEXT_BYTES];
  ck_assert_str_eq(datetime_format(1709300710.5, text), "2024-03-01T13:45:10.5Z");
  ck_assert_str_eq(datetime_format(-0.75, text), "1969-12-31T23:59:59.25Z");
  ck_assert_str_eq(datetime_format(1709300710.9999999, text), "2024-03-01T13:45:11Z");
  ck_assert_str_eq(datetime_format(1e300, text), "9999-12-31T23:59:59Z");
  ck_assert_str_eq(datetime_format((double)-INFINITY, text), "0001-01-01T00:00:00Z");
}
END_TEST

/* ---- columns ---- */

START_TEST(a_column_of_dates_is_found_where_it_is_clear) {
  static const struct {
    const char *cells[4];
    enum column_kind kind;
    enum datetime_order order;
    bool has_times;
  } cases[] = {
      {{"2024-03-01", "2024-03-02", "", "2024-12-31"}, COLUMN_DATETIME, DATETIME_YEAR_FIRST, false},
      {{"2024-03-01", "2024-03-02T10:00Z", "NA", "2024-12-31"}, COLUMN_DATETIME, DATETIME_YEAR_FIRST, true},
      {{"1/3/2024", "2/3/2024", "13/3/2024", "1/4/2024"}, COLUMN_DATETIME, DATETIME_DAY_FIRST, false},
      {{"3/1/2024", "3/13/2024", "", "4/1/2024 3:00 PM"}, COLUMN_DATETIME, DATETIME_MONTH_FIRST, true},
      {{"31.12.2023", "2024-01-01", "", "02.01.2024"}, COLUMN_DATETIME, DATETIME_DAY_FIRST, false},
      {{"1/3/2024", "2/3/2024", "3/3/2024", "1/4/2024"}, COLUMN_TEXT, 0, false},   /* nothing tells day from month */
      {{"13/3/2024", "3/13/2024", "1/3/2024", "1/4/2024"}, COLUMN_TEXT, 0, false}, /* it can't be either */
      {{"2024-03-01", "2024-03-02", "soon", "2024-12-31"}, COLUMN_TEXT, 0, false},
      {{"2024-03-01", "5", "2024-03-03", "2024-12-31"}, COLUMN_TEXT, 0, false},
      {{"5", "2024-03-01", "2024-03-03", "2024-12-31"}, COLUMN_TEXT, 0, false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char text[256];
    snprintf(text, sizeof text, "when,y\n%s,1\n%s,2\n%s,3\n%s,4\n", cases[i].cells[0], cases[i].cells[1], cases[i].cells[2],
             cases[i].cells[3]);
    struct dataset_row row;
    data_import_text(data_dir, text, &row);
    const struct dataset_column *column = &row.columns[0];
    ck_assert_msg(column->kind == cases[i].kind, "case %zu is %s", i, column_kind_names[column->kind]);
    ck_assert_int_eq(column->datetime_form != 0, cases[i].kind == COLUMN_DATETIME);
    if (column->datetime_form != 0) {
      const struct datetime_form form = datetime_form_unpack(column->datetime_form);
      ck_assert_int_eq(form.order, cases[i].order);
      ck_assert_int_eq(form.has_times, cases[i].has_times);
    } else {
      ck_assert(isnan(column->min));
    }
    dataset_row_deinit(&row);
  }
}
END_TEST

START_TEST(statistics_of_dates_are_of_the_order_that_is_right) {
  struct dataset_row row;
  data_import_text(data_dir, "when,y\n1/3/2024,1\n2/3/2024,2\n13/3/2024,3\n,4\n", &row);
  ck_assert_uint_eq(row.columns[0].missing, 1);
  ck_assert_double_eq(row.columns[0].min, 1709251200);
  ck_assert_double_eq(row.columns[0].max, 1710288000);
  ck_assert_double_eq_tol(row.columns[0].mean, (1709251200.0 + 1709337600.0 + 1710288000.0) / 3, 1e-3);
  dataset_row_deinit(&row);
}
END_TEST

/* ---- features ---- */

static void prepare(const struct dataset_row *row, struct data_settings *settings, struct prepared *out_prepared) {
  struct data_plan plan;
  struct error error = {0};
  ck_assert_msg(data_plan_create(row, NULL, settings, 1, &plan, &error) == ERROR_NONE, "plan: %s", error.detail);
  ck_assert_msg(prepared_create(data_dir, row, NULL, &plan, false, NULL, NULL, out_prepared, &error) == ERROR_NONE, "prepare: %s",
                error.detail);
  data_plan_deinit(&plan);
}

static const char trained_on[] = "when,y,split\n"
                                 "2023-01-01T00:00Z,1,train\n"
                                 "2024-07-01T06:00Z,2,train\n"
                                 "2024-07-02T06:00Z,4,train\n"
                                 ",3,train\n"
                                 "2024-03-30T18:00Z,3,test\n";

START_TEST(a_date_becomes_a_trend_and_places_on_circles) {
  struct dataset_row row;
  data_import_text(data_dir, trained_on, &row);
  struct data_settings settings;
  data_settings_make(&settings, "y");
  strcpy(settings.split.column, "split");
  settings.task = TASK_CHOICE_REGRESSION;
  settings.scaling = SCALING_NONE;
  struct prepared prepared;
  prepare(&row, &settings, &prepared);
  ck_assert_uint_eq(prepared.preprocessor.input_width, 8);
  const double instants[3] = {1672531200, 1719813600, 1719900000}, mean = (instants[0] + instants[1] + instants[2]) / 3;
  double squares = 0;
  for (size_t i = 0; i < 3; i++) squares += pow(instants[i] - mean, 2);
  const float *x = prepared.data.train.x;
  for (size_t i = 0; i < 3; i++) ck_assert_float_eq_tol(x[8 * i], (float)((instants[i] - mean) / sqrt(squares / 3)), 1e-6F);
  /* 1 January is where the year begins; a Sunday is six days into the week; midnight begins the day. */
  static const double shares[3][3] = {{0, 6.0 / 7, 0}, {182.0 / 366, 0, 0.25}, {183.0 / 366, 1.0 / 7, 0.25}};
  for (size_t i = 0; i < 3; i++) {
    for (size_t part = 0; part < 3; part++) {
      ck_assert_float_eq_tol(x[8 * i + 1 + 2 * part], (float)sin(2 * M_PI * shares[i][part]), 1e-6F);
      ck_assert_float_eq_tol(x[8 * i + 2 + 2 * part], (float)cos(2 * M_PI * shares[i][part]), 1e-6F);
    }
    ck_assert_float_eq(x[8 * i + 7], 0);
  }
  for (size_t i = 0; i < 7; i++) ck_assert_float_eq(x[8 * 3 + i], 0); /* missing: the mean time, and nowhere on the circles */
  ck_assert_float_eq(x[8 * 3 + 7], 1);
  struct error error = {0};
  float again[8];
  const struct cell cell = {.kind = CELL_TEXT, .text = "2024-03-30T19:00+01:00"}; /* the same instant an hour on by the clock */
  ck_assert_int_eq(preprocessor_transform(&prepared.preprocessor, &cell, "", again, &error), ERROR_NONE);
  for (size_t i = 0; i < 5; i++) ck_assert_float_eq(again[i], prepared.test.x[i]);
  ck_assert_float_eq_tol(again[5], (float)sin(2 * M_PI * 19 / 24), 1e-6F);
  prepared_deinit(&prepared);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(what_never_varied_in_training_is_nothing_to_the_network) {
  struct dataset_row row;
  data_import_text(data_dir, "when,y,split\n2024-01-01T08:00Z,1,train\n2024-01-08T08:00Z,2,train\n2025-06-03T20:30Z,3,test\n", &row);
  struct data_settings settings;
  data_settings_make(&settings, "y");
  strcpy(settings.split.column, "split");
  settings.task = TASK_CHOICE_REGRESSION;
  struct prepared prepared;
  prepare(&row, &settings, &prepared);
  ck_assert_float_gt(prepared.test.x[0], 1);
  ck_assert_float_ne(prepared.test.x[2], 0);
  for (size_t i = 3; i < 7; i++) ck_assert_float_eq(prepared.test.x[i], 0); /* always a Monday, always at eight */
  prepared_deinit(&prepared);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(what_is_no_date_is_refused_with_the_form_that_would_be_right) {
  struct dataset_row row;
  data_import_text(data_dir, "when,y\n1/3/2024,1\n2/3/2024,2\n13/3/2024,3\n14/3/2024,4\n", &row);
  struct data_settings settings;
  data_settings_make(&settings, "y");
  settings.split.validation = settings.split.test = 0;
  settings.task = TASK_CHOICE_REGRESSION;
  struct prepared prepared;
  prepare(&row, &settings, &prepared);
  struct error error = {0};
  float x[8], iso[8];
  struct cell cell = {.kind = CELL_TEXT, .text = "3/13/2024"};
  ck_assert_int_eq(preprocessor_transform(&prepared.preprocessor, &cell, "/rows/0", x, &error), ERROR_INVALID);
  ck_assert_str_eq(error.items[0].pointer, "/rows/0/when");
  ck_assert_str_eq(error.items[0].detail,
                   "\"3/13/2024\" is no date; \"when\" takes dates and times as 2024-03-01 or 2024-03-01T13:45:10Z, or the day first, as "
                   "31/12/2024, or null where it is missing");
  cell.text = "13/3/2024";
  ck_assert_int_eq(preprocessor_transform(&prepared.preprocessor, &cell, "/rows/0", x, &error), ERROR_NONE);
  cell.text = "2024-03-13";
  ck_assert_int_eq(preprocessor_transform(&prepared.preprocessor, &cell, "/rows/0", iso, &error), ERROR_NONE);
  ck_assert_mem_eq(x, iso, 5 * sizeof *x);
  prepared_deinit(&prepared);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(a_date_is_no_target) {
  struct dataset_row row;
  data_import_text(data_dir, "when,y\n2024-03-01,1\n2024-03-02,2\n2024-03-03,3\n2024-03-04,4\n", &row);
  struct data_settings settings;
  data_settings_make(&settings, "when");
  struct data_plan plan;
  struct error error = {0};
  ck_assert_int_eq(data_plan_create(&row, NULL, &settings, 1, &plan, &error), ERROR_INVALID);
  ck_assert_ptr_nonnull(strstr(error.items[0].detail, "\"when\" is of dates; a target must be numeric or categorical"));
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *texts = suite_add_case(suite, "texts");
  tcase_add_loop_test(texts, dates_of_every_form_are_their_instants, 0, sizeof good / sizeof good[0]);
  tcase_add_test(texts, what_is_no_date_is_refused);
  tcase_add_test(texts, instants_are_written_as_they_are_read_and_as_the_library_has_them);
  TCase *columns = suite_add_case(suite, "columns");
  tcase_add_checked_fixture(columns, set_up, tear_down);
  tcase_add_test(columns, a_column_of_dates_is_found_where_it_is_clear);
  tcase_add_test(columns, statistics_of_dates_are_of_the_order_that_is_right);
  TCase *features = suite_add_case(suite, "features");
  tcase_add_checked_fixture(features, set_up, tear_down);
  tcase_add_test(features, a_date_becomes_a_trend_and_places_on_circles);
  tcase_add_test(features, what_never_varied_in_training_is_nothing_to_the_network);
  tcase_add_test(features, what_is_no_date_is_refused_with_the_form_that_would_be_right);
  tcase_add_test(features, a_date_is_no_target);
}

int main(void) { return suite_main("datetime", add_cases); }
