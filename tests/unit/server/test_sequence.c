/* server/data/sequence.h: which cells are lists of numbers, and what a network gets of them. */
#include "server/data/sequence.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "server/data/prepared.h"
#include "tests/support/data_files.h"
#include "tests/support/suite.h"

static char *data_dir;

static void set_up(void) { data_dir = data_dir_create(); }
static void tear_down(void) { data_dir_remove(data_dir); }

static bool add_up(void *context, double number) {
  double *sum = context;
  *sum = *sum * 10 + number; /* the order shows too */
  return true;
}

START_TEST(lists_of_every_form_are_read) {
  static const struct {
    const char *text;
    size_t count;
    double sum;
    bool has_brackets;
  } cases[] = {
      {"1 2 3", 3, 123, false},
      {" 1\t2  3 ", 3, 123, false},
      {"1,2,3", 3, 123, false},
      {"1;2;3", 3, 123, false},
      {"1, 2 ; 3", 3, 123, false},
      {"[1, 2, 3]", 3, 123, true},
      {" [ 1 2 3 ] ", 3, 123, true},
      {"(1 2)", 2, 12, true},
      {"[]", 0, 0, true},
      {"[ ]", 0, 0, true},
      {"5", 1, 5, false},
      {"[5]", 1, 5, true},
      {"-1e1 +2", 2, -98, false},
      {"[1\n 2\n 3]", 3, 123, true},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    size_t count;
    bool has_brackets;
    double sum = 0;
    ck_assert_msg(sequence_is_list(cases[i].text, &count, &has_brackets), "\"%s\"", cases[i].text);
    ck_assert_uint_eq(count, cases[i].count);
    ck_assert_int_eq(has_brackets, cases[i].has_brackets);
    ck_assert(sequence_walk(cases[i].text, add_up, &sum));
    ck_assert_double_eq(sum, cases[i].sum);
  }
}
END_TEST

START_TEST(what_is_no_list_is_refused) {
  static const char *const bad[] = {"",    "  ",   "a",     "1 a",     "1,",    ",1",        "1,,2", "[1,]",         "[1",
                                    "1]",  "[1]]", "[1] 2", "[[1,2]]", "1 nan", "[1, null]", "1;;2", "2024-03-01 5", "1 2)",
                                    "(1]", "[,1]", "1 - 2", "1e999 2"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    bool has_brackets;
    ck_assert_msg(!sequence_is_list(bad[i], NULL, &has_brackets), "\"%s\"", bad[i]);
  }
}
END_TEST

static enum column_kind find_kind(const char *text, struct dataset_column *out_column) {
  struct dataset_row row;
  data_import_text(data_dir, text, &row);
  *out_column = row.columns[0];
  const enum column_kind kind = row.columns[0].kind;
  dataset_row_deinit(&row);
  return kind;
}

START_TEST(columns_of_lists_are_found_with_their_lengths_and_statistics) {
  struct dataset_column column;
  ck_assert_int_eq(find_kind("s,y\n1 2 3,1\n,2\n4 5,3\n6,4\n", &column), COLUMN_SEQUENCE);
  ck_assert_uint_eq(column.list_shortest, 1);
  ck_assert_uint_eq(column.list_longest, 3);
  ck_assert_double_eq(column.min, 1);
  ck_assert_double_eq(column.max, 6);
  ck_assert_double_eq_tol(column.mean, 3.5, 1e-12);
  ck_assert_double_eq_tol(column.std, sqrt(17.5 / 6), 1e-12);
  ck_assert_int_eq(find_kind("s,y\n6,1\n4 5,2\n1 2 3,3\n", &column), COLUMN_SEQUENCE); /* begins with a number */
  ck_assert_uint_eq(column.list_shortest, 1);
  ck_assert_double_eq_tol(column.mean, 3.5, 1e-12);
  ck_assert_int_eq(find_kind("s,y\n\"[1, 2]\",1\n[],2\n", &column), COLUMN_SEQUENCE);
  ck_assert_uint_eq(column.list_shortest, 0);
  ck_assert_int_eq(find_kind("s,y\n1,1\n2,2\n3,3\n", &column), COLUMN_NUMERIC);
  ck_assert_int_eq(find_kind("s,y\n1 2 3,1\n4 x,2\n5 6 7,3\n", &column), COLUMN_TEXT);
  ck_assert_uint_eq(column.list_longest, 0);
  char few[512] = "s,y\n"; /* few values that come again and again are categories */
  for (int i = 0; i < 40; i++) sprintf(few + strlen(few), "%d %d,%d\n", i % 2, i % 2 + 1, i);
  ck_assert_int_eq(find_kind(few, &column), COLUMN_CATEGORICAL);
  ck_assert_uint_eq(column.list_longest, 2);
}
END_TEST

START_TEST(a_file_of_lists_without_names_keeps_its_first_row) {
  struct dataset_row row;
  data_import_text(data_dir, "1 2 3,a\n4 5 6,b\n7 8 9,c\n", &row);
  ck_assert_uint_eq(row.rows, 3);
  dataset_row_deinit(&row);
  data_import_text(data_dir, "2024-03-01,red\n2024-03-02,blue\n2024-03-03,green\n", &row);
  ck_assert_uint_eq(row.rows, 3);
  dataset_row_deinit(&row);
  data_import_text(data_dir, "place,2024-03-01,2024-03-02\nx,1,2\ny,3,4\n", &row); /* dates over numbers are names */
  ck_assert_uint_eq(row.rows, 2);
  ck_assert_str_eq(row.columns[1].name, "2024-03-01");
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(padding_can_be_told_from_every_number) {
  const struct sequence_encoding masked = {.length = 4, .features = 1, .is_masked = true, .padding = 0},
                                 plain = {.length = 4, .features = 1};
  float x[4];
  ck_assert(sequence_encode_text(&masked, "3 5 5", 5, 2, x));
  ck_assert_float_eq(x[0], -1);
  ck_assert_float_ne(x[1], 0); /* exactly the mean, and yet no padding */
  ck_assert_float_eq_tol(x[2], 0, FLT_MIN);
  ck_assert_float_ne(x[2], 0);
  ck_assert_float_eq(x[3], 0);
  ck_assert(sequence_encode_text(&plain, "3 5 5", 5, 2, x));
  ck_assert_float_eq(x[2], 0);
  ck_assert(sequence_encode_text(&masked, "1 2 3 4 5 6", 0, 1, x));
  for (size_t i = 0; i < 4; i++) ck_assert_float_eq(x[i], (float)i + 1);
  sequence_encode_missing(&masked, x);
  for (size_t i = 0; i < 4; i++) ck_assert_float_eq(x[i], 0);
  const struct sequence_encoding wide = {.length = 3, .features = 2, .is_masked = true, .padding = -7};
  const float steps[4] = {1, 2, 3, 4};
  float wide_x[6];
  static const float expected[6] = {1, 2, 3, 4, -7, -7};
  sequence_encode_steps(&wide, steps, 2, 0, 1, wide_x);
  ck_assert_mem_eq(wide_x, expected, sizeof expected);
  ck_assert(!sequence_encode_text(&masked, "1 two", 0, 1, x));
}
END_TEST

START_TEST(numbers_are_scaled_by_those_of_the_training_part) {
  struct dataset_row row;
  data_import_text(data_dir, "s,y,split\n1 2 3,1,train\n,2,train\n4 5,4,train\n100 200 300 400,3,test\n", &row);
  struct data_settings settings;
  data_settings_make(&settings, "y");
  strcpy(settings.split.column, "split");
  settings.task = TASK_CHOICE_REGRESSION;
  settings.sequence.form = SEQUENCE_STEPS;
  struct data_plan plan;
  struct error error = {0};
  ck_assert_int_eq(data_plan_create(&row, NULL, &settings, 1, &plan, &error), ERROR_NONE);
  struct network_target target;
  data_plan_get_network_target(&plan, &target);
  ck_assert_uint_eq(target.input.rank, 2);
  ck_assert_uint_eq(target.input.sizes[0], 4);
  ck_assert_uint_eq(target.input.sizes[1], 1);
  ck_assert(target.has_padding);
  plan.layout.features[0].list.is_masked = true;
  plan.layout.features[0].list.padding = -9;
  struct prepared prepared;
  ck_assert_int_eq(prepared_create(data_dir, &row, NULL, &plan, false, NULL, NULL, &prepared, &error), ERROR_NONE);
  const double deviation = sqrt(2);
  const float expected[12] = {(float)(-2 / deviation), (float)(-1 / deviation), 0,  -9, -9, -9, -9, -9,
                              (float)(1 / deviation),  (float)(2 / deviation),  -9, -9};
  for (size_t i = 0; i < 12; i++) ck_assert_float_eq_tol(prepared.data.train.x[i], expected[i], 1e-6F);
  ck_assert_float_eq_tol(prepared.test.x[3], (float)(397 / deviation), 1e-4F);
  const struct cell cell = {.kind = CELL_TEXT, .text = "7 x"};
  float x[4];
  ck_assert_int_eq(preprocessor_transform(&prepared.preprocessor, &cell, "/rows/0", x, &error), ERROR_INVALID);
  ck_assert_str_eq(error.items[0].detail,
                   "\"7 x\" is no list of numbers; \"s\" takes lists as [0.1, 0.2, 0.3] or \"0.1 0.2 0.3\", or null where "
                   "it is missing");
  prepared_deinit(&prepared);
  data_plan_deinit(&plan);
  data_settings_free(&settings);
  dataset_row_deinit(&row);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *lists = suite_add_case(suite, "lists");
  tcase_add_test(lists, lists_of_every_form_are_read);
  tcase_add_test(lists, what_is_no_list_is_refused);
  tcase_add_test(lists, padding_can_be_told_from_every_number);
  TCase *columns = suite_add_case(suite, "columns");
  tcase_add_checked_fixture(columns, set_up, tear_down);
  tcase_add_test(columns, columns_of_lists_are_found_with_their_lengths_and_statistics);
  tcase_add_test(columns, a_file_of_lists_without_names_keeps_its_first_row);
  tcase_add_test(columns, numbers_are_scaled_by_those_of_the_training_part);
}

int main(void) { return suite_main("sequence", add_cases); }
