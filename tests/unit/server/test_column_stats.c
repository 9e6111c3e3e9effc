/* What an import tells of a column is the same however its values come: few or many, repeated or not, numbers until the last cell. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/data_files.h"
#include "tests/support/suite.h"

enum { ROWS = 20000, ROW_BYTES = 64 };

static char *data_dir;
static struct dataset_row row;

static void set_up(void) { data_dir = data_dir_create(); }
static void tear_down(void) {
  dataset_row_deinit(&row);
  data_dir_remove(data_dir);
}

/* The value of row i. */
typedef void cell_maker(size_t i, char cell[ROW_BYTES]);

/* A table of two columns, of which the second is made; returns its description. */
static const struct dataset_column *import_column(cell_maker *make) {
  char *text = malloc(ROWS * ROW_BYTES * 2), *at = text, cell[ROW_BYTES];
  ck_assert_ptr_nonnull(text);
  at += sprintf(at, "number,made\n");
  for (size_t i = 0; i < ROWS; i++) {
    make(i, cell);
    at += sprintf(at, "%zu,%s\n", i, cell);
  }
  data_import_text(data_dir, text, &row);
  free(text);
  ck_assert_uint_eq(row.rows, ROWS);
  return &row.columns[1];
}

/* Beside means and deviations computed in two passes. */
static void check_numbers(const struct dataset_column *column, cell_maker *make) {
  long double sum = 0, squares = 0, min = INFINITY, max = -INFINITY;
  char cell[ROW_BYTES];
  for (size_t i = 0; i < ROWS; i++) {
    make(i, cell);
    const long double value = strtold(cell, NULL);
    sum += value;
    min = fminl(min, value);
    max = fmaxl(max, value);
  }
  const long double mean = sum / ROWS;
  for (size_t i = 0; i < ROWS; i++) {
    make(i, cell);
    squares += (strtold(cell, NULL) - mean) * (strtold(cell, NULL) - mean);
  }
  const double std = (double)sqrtl(squares / ROWS);
  ck_assert(column->can_be_numeric);
  ck_assert_double_eq_tol(column->min, (double)min, 1e-12);
  ck_assert_double_eq_tol(column->max, (double)max, 1e-12);
  ck_assert_double_eq_tol(column->mean, (double)mean, 1e-12 * (fabs((double)mean) + std));
  ck_assert_double_eq_tol(column->std, std, 1e-12 * std);
}

static void make_few(size_t i, char cell[ROW_BYTES]) { sprintf(cell, "%zu", i * i % 17); }
static void make_far(size_t i, char cell[ROW_BYTES]) { sprintf(cell, "%zu.25", 1700000000 + i * 7919 % 12); }
static void make_many(size_t i, char cell[ROW_BYTES]) { sprintf(cell, "%zu.%03zu", i * 31 % 997, i * 7 % 1000); }
/* A thousand rows of three values, then ever new ones of fourteen characters. */
static void make_late(size_t i, char cell[ROW_BYTES]) { sprintf(cell, i < 1000 ? "%zu" : "%zu.0000000001", i < 1000 ? i % 3 : i); }

START_TEST(moments_are_those_of_all_cells) {
  static cell_maker *const makers[] = {make_few, make_far, make_many, make_late};
  const struct dataset_column *column = import_column(makers[_i]);
  check_numbers(column, makers[_i]);
  ck_assert(column->has_categories == (_i < 2));
  ck_assert(column->is_integral == (_i == 0));
}
END_TEST

static void make_last_word(size_t i, char cell[ROW_BYTES]) { sprintf(cell, i == ROWS - 1 ? "word" : "%zu", i % 5); }

START_TEST(a_word_in_the_last_row_makes_it_a_column_of_words) {
  const struct dataset_column *column = import_column(make_last_word);
  ck_assert(!column->can_be_numeric && !column->is_integral);
  ck_assert(isnan(column->mean));
  ck_assert_uint_eq(column->category_count, 6);
  for (size_t i = 0; i < 5; i++) ck_assert_uint_eq(column->categories[i].count, ROWS / 5 - (i == (ROWS - 1) % 5));
  ck_assert_str_eq(column->categories[5].value, "word");
  ck_assert_int_eq(column->kind, COLUMN_CATEGORICAL);
}
END_TEST

/* Longer than eight bytes, and alike in the first eight; with spaces around some. */
static void make_long(size_t i, char cell[ROW_BYTES]) {
  sprintf(cell, i % 2 == 0 ? "category number %zu" : " category number %zu\t", i % 40);
}

START_TEST(long_values_are_told_apart) {
  const struct dataset_column *column = import_column(make_long);
  ck_assert_uint_eq(column->category_count, 40);
  for (size_t i = 0; i < 40; i++) ck_assert_uint_eq(column->categories[i].count, ROWS / 40);
}
END_TEST

/* One value is what another begins with; "1", "1.0" and "01" are one number. */
static void make_alike(size_t i, char cell[ROW_BYTES]) {
  static const char *const values[] = {"1", "12345678", "123456789", "1.0", "01", "12345678.0"};
  strcpy(cell, values[i % 6]);
}

START_TEST(spellings_of_a_number_are_one_category) {
  const struct dataset_column *column = import_column(make_alike);
  check_numbers(column, make_alike);
  ck_assert_uint_eq(column->category_count, 3);
  ck_assert_str_eq(column->categories[0].value, "1");
  ck_assert_uint_ge(column->categories[0].count, ROWS / 2);
  ck_assert_str_eq(column->categories[1].value, "12345678");
}
END_TEST

/* Millions, thousands and less, some with a fraction; and round thousands only. */
static void make_price(size_t i, char cell[ROW_BYTES]) {
  sprintf(cell, i % 3 == 0 ? "%zu.5" : "%zu", i * i * 7919 % (i % 2 == 0 ? 2000 : 5000000));
}
static void make_salary(size_t i, char cell[ROW_BYTES]) { sprintf(cell, "%zu", (100 + i % 500) * 1000); }

/* With commas between groups of three digits. */
static void group(const char *number, char cell[ROW_BYTES]) {
  const size_t digits = strcspn(number, ".");
  char *at = cell;
  *at++ = '"';
  for (size_t i = 0; i < digits; i++) {
    if (i > 0 && (digits - i) % 3 == 0) *at++ = ',';
    *at++ = number[i];
  }
  sprintf(at, "%s\"", number + digits);
}
static void make_grouped_price(size_t i, char cell[ROW_BYTES]) {
  char number[ROW_BYTES];
  make_price(i, number);
  group(number, cell);
}
static void make_grouped_salary(size_t i, char cell[ROW_BYTES]) {
  char number[ROW_BYTES];
  make_salary(i, number);
  group(number, cell);
}

START_TEST(commas_between_groups_of_digits_change_nothing) {
  static cell_maker *const makers[][2] = {{make_price, make_grouped_price}, {make_salary, make_grouped_salary}};
  struct dataset_row plain = {0};
  (void)import_column(makers[_i][0]);
  plain = row;
  row = (struct dataset_row){0};
  const struct dataset_column *column = import_column(makers[_i][1]), *expected = &plain.columns[1];
  ck_assert_int_eq(column->kind, COLUMN_NUMERIC);
  ck_assert(column->is_integral == expected->is_integral);
  ck_assert(column->min == expected->min && column->max == expected->max);
  ck_assert_double_eq_tol(column->mean, expected->mean, 1e-12 * expected->mean);
  ck_assert_double_eq_tol(column->std, expected->std, 1e-12 * expected->std);
  ck_assert_uint_eq(column->category_count, expected->category_count);
  ck_assert_ptr_null(column->first_word);
  dataset_row_deinit(&plain);
}
END_TEST

static void make_pair(size_t i, char cell[ROW_BYTES]) { sprintf(cell, "\"%zu,%zu\"", 10 + i % 900, 100 + i * 7 % 900); }
static void make_codes(size_t i, char cell[ROW_BYTES]) {
  sprintf(cell, i % 3 == 0 ? "%zu" : i % 3 == 1 ? "\"%zu,%zu\"" : "\"%zu,%zu,%zu\"", 100 + i % 900, 100 + i * 7 % 900, 100 + i * 11 % 900);
}
/* As one of thousands begins, but for one cell. */
static void make_late_list(size_t i, char cell[ROW_BYTES]) {
  if (i == ROWS - 1)
    strcpy(cell, "\"5,12\"");
  else
    make_grouped_price(i, cell);
}

START_TEST(lists_of_numbers_are_no_groups_of_digits) {
  static cell_maker *const makers[] = {make_pair, make_codes, make_late_list};
  const struct dataset_column *column = import_column(makers[_i]);
  ck_assert_int_eq(column->kind, COLUMN_SEQUENCE);
  ck_assert(!column->can_be_numeric);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "column_stats");
  tcase_add_checked_fixture(test_case, set_up, tear_down);
  tcase_add_loop_test(test_case, moments_are_those_of_all_cells, 0, 4);
  tcase_add_test(test_case, a_word_in_the_last_row_makes_it_a_column_of_words);
  tcase_add_test(test_case, long_values_are_told_apart);
  tcase_add_loop_test(test_case, commas_between_groups_of_digits_change_nothing, 0, 2);
  tcase_add_loop_test(test_case, lists_of_numbers_are_no_groups_of_digits, 0, 3);
  tcase_add_test(test_case, spellings_of_a_number_are_one_category);
}

int main(void) { return suite_main("column_stats", add_cases); }
