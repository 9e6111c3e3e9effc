/* server/data/decimal_comma.h: which files have commas before their decimals, and what becomes of their numbers, however they are cut. */
#include "server/data/decimal_comma.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/data_files.h"
#include "tests/support/suite.h"

static const struct {
  const char *text;
  char delimiter;
  bool is_found;
} files[] = {
    {"a;b\n7,5;1\n", ';', true},          {"a;b\n1;7,5", ';', true},
    {"a;b\n\"7,5\";x\n", ';', true},      {"a\tb\n7,5\t-0,25\n", '\t', true},
    {"a;b\n1.234,5;x\n", ';', true},      {"a;b\n1,234;x\n", ';', true},
    {"a\tb\n1,234\tx\n", '\t', false}, /* between groups, perhaps */
    {"a;b\n7,5;1.5\n", ';', false},       {"a;b\n7,5;0.125\n", ';', false},
    {"a;b\n7,5;1,2,3\n", ';', false}, /* lists */
    {"a;b\n7,5;01.03.2024\n", ';', true}, {"a;b\n7;x, y\n", ';', false},
    {"a,b\n7,5\n", ',', false},           {"", ';', false},
    {"a;\"x\n7,5;1.5\n", ';', false},
};

START_TEST(files_with_decimal_commas_are_found) {
  ck_assert_int_eq(decimal_comma_find(files[_i].text, strlen(files[_i].text), files[_i].delimiter), files[_i].is_found);
}
END_TEST

static const char before[] =
    "a;b;c\r\n7,5;-0,25;x, y\r\n1.234,5;\"1.234.567,25\";1.234\n\"a;7,5\";\"say \"\"7,5\"\";7,5\"; 7,5 \n+1,5;1,5,5;7,5e3\n;01.03.2024;0,5";
static const char after[] =
    "a;b;c\r\n7.5;-0.25;x, y\r\n 1234.5;\"  1234567.25\"; 1234\n\"a;7,5\";\"say \"\"7,5\"\";7,5\"; 7.5 \n+1.5;1,5,5;7,5e3\n;01.03.2024;0.5";

/* With a cell of 200 bytes before it, so that what is too long is passed over, too. */
START_TEST(numbers_get_a_point_however_they_are_cut) {
  char text[sizeof before + 400], expected[sizeof before + 400], found[sizeof before + 400];
  char long_cell[201];
  memset(long_cell, '7', 200);
  long_cell[200] = '\0';
  snprintf(text, sizeof text, "%s,5;\"%.150s\n7,5\";%s", long_cell, long_cell, before);
  snprintf(expected, sizeof expected, "%s,5;\"%.150s\n7,5\";%s", long_cell, long_cell, after);
  const size_t count = strlen(text);
  for (size_t portion = 1; portion <= count; portion++) {
    struct decimal_comma rewriter = {.delimiter = ';'};
    struct error error = {0};
    const char *bytes;
    size_t out_count, at = 0;
    for (size_t start = 0; start < count; start += portion) {
      const size_t given = count - start < portion ? count - start : portion;
      ck_assert_int_eq(decimal_comma_feed(&rewriter, text + start, given, &bytes, &out_count, &error), ERROR_NONE);
      memcpy(found + at, bytes, out_count);
      at += out_count;
      ck_assert_uint_lt(start + given - at, DECIMAL_CELL_BYTES);
    }
    decimal_comma_finish(&rewriter, &bytes, &out_count);
    memcpy(found + at, bytes, out_count);
    ck_assert_uint_eq(at + out_count, count);
    found[count] = '\0';
    ck_assert_str_eq(found, expected);
    decimal_comma_deinit(&rewriter);
  }
}
END_TEST

START_TEST(an_import_has_numbers) {
  char *data_dir = data_dir_create();
  struct dataset_row row;
  data_import_text(data_dir, "preis;menge\n7,5;1\n1.234,5;2\n-0,5;3\n", &row);
  ck_assert_int_eq(row.columns[0].kind, COLUMN_NUMERIC);
  ck_assert_double_eq(row.columns[0].max, 1234.5);
  ck_assert_double_eq(row.columns[0].min, -0.5);
  ck_assert_int_eq(row.delimiter, ';');
  dataset_row_deinit(&row);
  data_dir_remove(data_dir);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *decimals = suite_add_case(suite, "decimal comma");
  tcase_add_loop_test(decimals, files_with_decimal_commas_are_found, 0, sizeof files / sizeof files[0]);
  tcase_add_test(decimals, numbers_get_a_point_however_they_are_cut);
  tcase_add_test(decimals, an_import_has_numbers);
}

int main(void) { return suite_main("decimal comma", add_cases); }
