/* server/data/import.h: what is learned of a file, what is refused, what is left on disk. */
#include "server/data/import.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/allocations.h"
#include "tests/support/data_files.h"
#include "tests/support/suite.h"

static char *data_dir;

static void set_up(void) { data_dir = data_dir_create(); }
static void tear_down(void) { data_dir_remove(data_dir); }

static const struct dataset_column *get_column(const struct dataset_row *row, const char *name) {
  for (size_t i = 0; i < row->column_count; i++) {
    if (strcmp(row->columns[i].name, name) == 0) return &row->columns[i];
  }
  ck_abort_msg("no column %s", name);
  return NULL;
}

/* ---- the example files; numbers computed with Python's fsum and pstdev ---- */

struct expected_column {
  const char *file, *name;
  enum column_kind kind;
  uint64_t missing;
  double min, max, mean, std;
  bool is_integral;
  size_t category_count; /* 0: not checked */
};

static const struct expected_column expected_columns[] = {
    {"digits", "pixel_0_2", COLUMN_NUMERIC, 0, 0, 16, 5.204785754034502, 4.753503165476307, true, 17},
    {"digits", "pixel_3_4", COLUMN_NUMERIC, 0, 0, 16, 9.927100723427936, 6.150380825954414, true, 17},
    {"digits", "pixel_0_0", COLUMN_NUMERIC, 0, 0, 0, 0, 0, true, 1},
    {"digits", "digit", COLUMN_NUMERIC, 0, 0, 9, 4.490818030050083, 2.864506423320853, true, 10},
    {"iris", "sepal_length", COLUMN_NUMERIC, 0, 4.3, 7.9, 5.843333333333334, 0.8253012917851409, false, 35},
    {"iris", "petal_width", COLUMN_NUMERIC, 0, 0.1, 2.5, 1.1993333333333334, 0.7596926279021594, false, 22},
    {"iris", "species", COLUMN_CATEGORICAL, 0, NAN, NAN, NAN, NAN, false, 3},
    {"penguins", "bill_length_mm", COLUMN_NUMERIC, 2, 32.1, 59.6, 43.9219298245614, 5.4515960231618195, false, 164},
    {"penguins", "flipper_length_mm", COLUMN_NUMERIC, 2, 172, 231, 200.91520467836258, 14.041140568589102, true, 55},
    {"penguins", "body_mass_g", COLUMN_NUMERIC, 2, 2700, 6300, 4201.754385964912, 800.781229238452, true, 94},
    {"penguins", "year", COLUMN_NUMERIC, 0, 2007, 2009, 2008.0290697674418, 0.8171655889620334, true, 3},
    {"penguins", "sex", COLUMN_CATEGORICAL, 11, NAN, NAN, NAN, NAN, false, 2},
    {"penguins", "species", COLUMN_CATEGORICAL, 0, NAN, NAN, NAN, NAN, false, 3},
    {"penguins", "island", COLUMN_CATEGORICAL, 0, NAN, NAN, NAN, NAN, false, 3},
    {"udhr_sentences", "language", COLUMN_CATEGORICAL, 0, NAN, NAN, NAN, NAN, false, 20},
    {"udhr_sentences", "text", COLUMN_TEXT, 0, NAN, NAN, NAN, NAN, false, 0},
};
enum { EXPECTED_COLUMN_COUNT = sizeof expected_columns / sizeof expected_columns[0] };

static void check_number(double number, double expected) {
  if (isnan(expected)) {
    ck_assert(isnan(number));
  } else {
    ck_assert_double_eq_tol(number, expected, 1e-12 * fmax(1, fabs(expected)));
  }
}

START_TEST(example_columns_have_the_kinds_and_statistics_that_they_should) {
  const struct expected_column *expected = &expected_columns[_i];
  char path[128];
  snprintf(path, sizeof path, "examples/data/%s.csv", expected->file);
  struct dataset_row row;
  data_import_file(data_dir, path, &row);
  const struct dataset_column *column = get_column(&row, expected->name);
  ck_assert_int_eq(column->kind, expected->kind);
  ck_assert_uint_eq(column->missing, expected->missing);
  ck_assert_int_eq(column->can_be_numeric, expected->kind == COLUMN_NUMERIC);
  ck_assert_int_eq(column->is_integral, expected->is_integral);
  check_number(column->min, expected->min);
  check_number(column->max, expected->max);
  check_number(column->mean, expected->mean);
  check_number(column->std, expected->std);
  if (expected->category_count > 0) {
    ck_assert(column->has_categories);
    ck_assert_uint_eq(column->category_count, expected->category_count);
    uint64_t counted = 0;
    for (size_t i = 0; i < column->category_count; i++) counted += column->categories[i].count;
    ck_assert_uint_eq(counted, row.rows - column->missing);
  }
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(a_dataset_row_describes_its_file) {
  struct dataset_row row;
  data_import_file(data_dir, "examples/data/penguins.csv", &row);
  ck_assert_uint_eq(row.rows, 344);
  ck_assert_uint_eq(row.bytes, 15241);
  ck_assert_str_eq(row.sha256, "f204db2c753b0937caac3cb35258562c14f073e4bbc76be24b4c51ce22767a93");
  ck_assert_int_eq(row.delimiter, ',');
  ck_assert(row.has_header);
  ck_assert_uint_eq(row.bad_row_count, 0);
  ck_assert_uint_eq(row.column_count, 8);
  ck_assert_uint_eq(row.index_stride, 64);
  ck_assert_uint_eq(row.index_count, 6);
  ck_assert_uint_eq(row.index[0], strlen("species,island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex,year\n"));
  char path[512], other_path[] = "examples/data/penguins.csv";
  snprintf(path, sizeof path, "%s/datasets/%s", data_dir, row.file);
  size_t count, other_count;
  char *bytes = data_read_file(path, &count), *other_bytes = data_read_file(other_path, &other_count);
  ck_assert_uint_eq(count, other_count);
  ck_assert_mem_eq(bytes, other_bytes, count);
  free(bytes);
  free(other_bytes);
  const struct dataset_column *species = get_column(&row, "species");
  ck_assert_str_eq(species->categories[0].value, "Adelie");
  ck_assert_uint_eq(species->categories[0].count, 152);
  ck_assert_str_eq(species->categories[2].value, "Gentoo");
  ck_assert_uint_eq(species->categories[2].count, 124);
  ck_assert_uint_eq(data_dir_count_files(data_dir), 1);
  import_remove_files(data_dir, &row);
  ck_assert_uint_eq(data_dir_count_files(data_dir), 0);
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(portions_of_any_size_give_the_same_dataset) {
  size_t count;
  char *bytes = data_read_file("examples/data/udhr_sentences.csv", &count);
  static const size_t portions[] = {1, 7, 4096, 65535, 65536, 65537, 1 << 20};
  for (size_t i = 0; i < sizeof portions / sizeof portions[0]; i++) {
    struct dataset_row row;
    struct error error = {0};
    ck_assert_int_eq(data_import(data_dir, bytes, count, portions[i], &row, &error), ERROR_NONE);
    ck_assert_str_eq(row.sha256, "4c054c5b16b3e01adadd4f8ff126b8a92a667143772f52beb707e1efd767b07e");
    ck_assert_uint_eq(row.rows, 1468);
    ck_assert_uint_eq(row.bad_row_count, 0);
    ck_assert_uint_eq(row.index_count, 23);
    char path[512];
    struct stat status;
    snprintf(path, sizeof path, "%s/datasets/%s", data_dir, row.file);
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq((size_t)status.st_size, count);
    dataset_row_deinit(&row);
  }
  free(bytes);
}
END_TEST

/* ---- small files: kinds, header, delimiter, bad rows ---- */

struct small_case {
  const char *name, *text;
  const char *columns; /* "name:kind,…"; kind n, c or t */
  uint64_t rows, bad_rows;
};

static const struct small_case small_cases[] = {
    {"one row", "a,b\n1,x\n", "a:n,b:c", 1, 0},
    {"one row without header", "1,2\n", "column_1:n,column_2:n", 1, 0},
    {"numbers only", "1,2\n3,4\n", "column_1:n,column_2:n", 2, 0},
    {"words above numbers", "x,y\n1,2\n3,4\n", "x:n,y:n", 2, 0},
    {"words only, one recurs", "red,apple\nyellow,banana\nred,cherry\n", "column_1:c,column_2:t", 3, 0},
    {"words only, none recurs", "color,fruit\nred,apple\nred,banana\nyellow,apple\nyellow,banana\n", "color:c,fruit:c", 4, 0},
    {"a first row with a number is data", "x,1\ny,2\nz,3\n", "column_1:t,column_2:n", 3, 0},
    {"years as names", "id,2019,2020\n1,5,6\n2,7,8\n", "id:n,2019:n,2020:n", 2, 0},
    {"only numbers above numbers", "1,2019\n1,5\n2,7\n", "column_1:n,column_2:n", 3, 0},
    {"empty name", ",a\n0,1\n1,5\n", "column_1:n,a:n", 2, 0},
    {"empty name over words", "a,,c\n1,x,2\n2,x,3\n", "a:n,column_2:c,c:n", 2, 0},
    {"spaces around names and values", " a , b \n 1 , x\n2,x \n", "a:n,b:c", 2, 0},
    {"semicolons", "a;b\n1;2\n", "a:n,b:n", 1, 0},
    {"tabs and CRLF", "a\tb\r\n1\tx y\r\n2\tx y\r\n", "a:n,b:c", 2, 0},
    {"missing in all spellings", "a,b\n1,x\n,x\nNA,y\nnan,y\nNull,x\n?,\nn/a,y\n2,x\n", "a:n,b:c", 8, 0},
    {"one word makes a column of words", "a,b\n1,1\n2,1\nx,1\nx,1\n1,2\n2,3\n", "a:c,b:n", 6, 0},
    {"a column without values", "a,b\n1,\n2,NA\n", "a:n,b:c", 2, 0},
    {"infinity is a word", "a\n1\ninf\n1\ninf\n", "a:c", 4, 0},
    {"mostly unique is text", "id,v\naa,1\nbb,2\ncc,3\ndd,4\ndd,5\n", "id:t,v:n", 5, 0},
    {"long values are text",
     "s,v\nthis is a whole sentence,1\nthis is a whole sentence,2\nand here is another one,3\nand here is another one,4\n", "s:t,v:n", 4,
     0},
    {"ragged rows", "a,b\n1,2\n3\n4,5,6\n7,8\n", "a:n,b:n", 2, 2},
    {"unreadable rows", "a,b\n1,2\n\"3,4\n5,6\n\xFF,7\n8,\"9\"x\n", "a:n,b:n", 2, 3},
    {"blank lines", "a,b\n\n1,2\n\n\n3,4\n\n", "a:n,b:n", 2, 0},
    {"byte order mark",
     "\xEF\xBB\xBF"
     "a,b\n1,2\n",
     "a:n,b:n", 1, 0},
    {"quoted numbers are numbers", "a,b\n\"1\",\"2.5\"\n", "a:n,b:n", 1, 0},
    {"single column", "text\nhello there\nhello there\nhello there\n", "text:c", 3, 0},
};
enum { SMALL_CASE_COUNT = sizeof small_cases / sizeof small_cases[0] };

START_TEST(small_files_are_understood) {
  const struct small_case *small = &small_cases[_i];
  struct dataset_row row;
  data_import_text(data_dir, small->text, &row);
  char columns[256] = "";
  for (size_t i = 0; i < row.column_count; i++) {
    size_t at = strlen(columns);
    snprintf(columns + at, sizeof columns - at, "%s%s:%c", i > 0 ? "," : "", row.columns[i].name, "ncti"[row.columns[i].kind]);
  }
  ck_assert_msg(strcmp(columns, small->columns) == 0, "%s: columns are %s, not %s", small->name, columns, small->columns);
  ck_assert_msg(row.rows == small->rows, "%s: %zu rows", small->name, (size_t)row.rows);
  ck_assert_msg(row.bad_row_count == small->bad_rows, "%s: %zu bad rows", small->name, (size_t)row.bad_row_count);
  dataset_row_deinit(&row);
}
END_TEST

struct refused_case {
  const char *name, *text;
  const char *detail; /* part of it */
};

static const struct refused_case refused_cases[] = {
    {"empty file", "", "the file is empty"},
    {"only blank lines", "\n\n\n", "no row"},
    {"only a header", "a,b\n", "a header but no row of data"},
    {"only ragged rows", "a,b\n1\n2\n", "none of the 2 rows can be used; line 2 has 1 cell, the header has 2"},
    {"only unreadable rows", "a,b\n\xFF,1\n", "none of the 1 row can be used; line 2 has a byte that is not UTF-8"},
    {"duplicate names", "a,b,c,b\n1,2,3,4\n", "columns 2 and 4 are both named \"b\""},
    {"duplicate after trimming", "a, a\n1,2\n", "columns 1 and 2 are both named \"a\""},
    {"a name that is made up exists", "column_2,,x\n1,2,3\n", "columns 1 and 2 are both named \"column_2\""},
    {"header in Latin-1",
     "gr\xF6\xDF"
     "e,b\n1,2\n",
     "line 1, the header, has a byte that is not UTF-8"},
    {"UTF-16",
     "\xFF\xFE"
     "a\0,\0b\0\n\0",
     "UTF-16"},
};
enum { REFUSED_CASE_COUNT = sizeof refused_cases / sizeof refused_cases[0] };

START_TEST(what_holds_no_data_is_refused_and_leaves_nothing_behind) {
  const struct refused_case *refused = &refused_cases[_i];
  struct dataset_row row;
  struct error error = {0};
  size_t live = allocations_live();
  enum error_code code = data_import(data_dir, refused->text, strlen(refused->text), 3, &row, &error);
  ck_assert_msg(code == ERROR_INVALID, "%s: code %d, %s", refused->name, code, error.detail);
  ck_assert_int_eq(error.code, ERROR_INVALID);
  ck_assert_msg(strstr(error.detail, refused->detail) != NULL, "%s: \"%s\"", refused->name, error.detail);
  ck_assert_uint_eq(data_dir_count_files(data_dir), 0);
  ck_assert_uint_eq(allocations_live(), live);
}
END_TEST

START_TEST(bad_rows_are_reported_by_line_the_first_hundred_of_them) {
  char text[8192] = "a,b\n1,2\n";
  for (int i = 0; i < 250; i++) strcat(text, i % 2 == 0 ? "1\n" : "1,2,3\n");
  for (int i = 0; i < 250; i++) strcat(text, "3,4\n");
  struct dataset_row row;
  data_import_text(data_dir, text, &row);
  ck_assert_uint_eq(row.rows, 251);
  ck_assert_uint_eq(row.bad_row_count, 250);
  ck_assert_uint_eq(row.bad_rows_kept, IMPORT_BAD_ROWS_KEPT);
  ck_assert_uint_eq(row.bad_rows[0].line, 3);
  ck_assert_str_eq(row.bad_rows[0].reason, "has 1 cell, the header has 2");
  ck_assert_uint_eq(row.bad_rows[99].line, 102);
  ck_assert_str_eq(row.bad_rows[99].reason, "has 3 cells, the header has 2");
  dataset_row_deinit(&row);
}
END_TEST

static enum error_code import_lines(const char *head, const char *line, int times, struct error *error) {
  char text[8192];
  struct import *import;
  struct dataset_row row;
  strcpy(text, head);
  for (int i = 0; i < times; i++) strcat(text, line);
  ck_assert_int_eq(import_begin(data_dir, &(struct import_options){.header = -1}, &import, error), ERROR_NONE);
  ck_assert_int_eq(import_write(import, text, strlen(text), error), ERROR_NONE);
  return import_finish(import, &row, error);
}

/* A comment before the header, a file that is no UTF-8. */
START_TEST(a_file_of_which_most_is_misread_is_refused) {
  struct error error = {0};
  ck_assert_int_eq(import_lines("# of May\na,b\n", "1,2\n3\n1,2\n", 50, &error), ERROR_INVALID);
  ck_assert_ptr_nonnull(strstr(error.detail, "101 of 151 rows can't be used: line 2 has 2 cells, the header has 1"));
  ck_assert_int_eq(import_lines("a,b\n", "1,2\ngr\xFCn,2\nwei\xDF,1\n", 50, &error), ERROR_INVALID);
  ck_assert_ptr_nonnull(strstr(error.detail, "save the file as UTF-8"));
  ck_assert_uint_eq(data_dir_count_files(data_dir), 0);
}
END_TEST

START_TEST(delimiter_and_header_can_be_given) {
  const struct import_options options = {.delimiter = '|', .header = 0};
  struct import *import = NULL;
  struct error error = {0};
  ck_assert_int_eq(import_begin(data_dir, &options, &import, &error), ERROR_NONE);
  static const char text[] = "a,b|c\nd,e|f\n";
  ck_assert_int_eq(import_write(import, text, strlen(text), &error), ERROR_NONE);
  struct dataset_row row;
  ck_assert_int_eq(import_finish(import, &row, &error), ERROR_NONE);
  ck_assert_uint_eq(row.rows, 2);
  ck_assert_str_eq(row.columns[0].name, "column_1");
  ck_assert(!row.has_header);
  ck_assert_int_eq(row.delimiter, '|');
  dataset_row_deinit(&row);
  const struct import_options years = {.header = 1};
  ck_assert_int_eq(import_begin(data_dir, &years, &import, &error), ERROR_NONE);
  ck_assert_int_eq(import_write(import, "2019,2020\n1,2\n", 14, &error), ERROR_NONE);
  ck_assert_int_eq(import_finish(import, &row, &error), ERROR_NONE);
  ck_assert_uint_eq(row.rows, 1);
  ck_assert_str_eq(row.columns[1].name, "2020");
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(an_aborted_import_leaves_nothing_behind) {
  size_t live = allocations_live();
  const struct import_options options = {.header = -1};
  struct import *import = NULL;
  struct error error = {0};
  ck_assert_int_eq(import_begin(data_dir, &options, &import, &error), ERROR_NONE);
  ck_assert_uint_eq(data_dir_count_files(data_dir), 1);
  size_t count;
  char *bytes = data_read_file("examples/data/digits.csv", &count);
  ck_assert_int_eq(import_write(import, bytes, count / 2, &error), ERROR_NONE);
  free(bytes);
  import_abort(import);
  import_abort(NULL);
  ck_assert_uint_eq(data_dir_count_files(data_dir), 0);
  ck_assert_uint_eq(allocations_live(), live);
}
END_TEST

/* A limit on file sizes makes write fail as a full disk does. */
START_TEST(a_full_disk_is_said_and_nothing_is_kept) {
  signal(SIGXFSZ, SIG_IGN);
  const struct rlimit limit = {.rlim_cur = 100000, .rlim_max = RLIM_INFINITY};
  ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
  size_t count;
  char *bytes = data_read_file("examples/data/digits.csv", &count);
  struct dataset_row row;
  struct error error = {0};
  ck_assert_int_eq(data_import(data_dir, bytes, count, 4096, &row, &error), ERROR_DISK_FULL);
  free(bytes);
  ck_assert_uint_eq(data_dir_count_files(data_dir), 0);
}
END_TEST

START_TEST(an_import_that_runs_out_of_memory_says_so_and_leaves_nothing_behind) {
  if (!allocations_can_count()) return;
  static const char text[] = "a,b,c\n1,x,this is a rather long text for a cell\n2,y,and so is this one here\n3\n";
  size_t live = allocations_live();
  bool succeeded = false;
  for (size_t successes = 0; !succeeded && successes < 10000; successes++) {
    struct dataset_row row;
    struct error error = {0};
    allocations_fail_after(successes);
    enum error_code code = data_import(data_dir, text, strlen(text), 5, &row, &error);
    allocations_fail_after(SIZE_MAX);
    succeeded = code == ERROR_NONE;
    if (succeeded) {
      import_remove_files(data_dir, &row);
      dataset_row_deinit(&row);
    } else {
      ck_assert_int_eq(code, ERROR_OUT_OF_MEMORY);
    }
    ck_assert_uint_eq(data_dir_count_files(data_dir), 0);
    ck_assert_uint_eq(allocations_live(), live);
  }
  ck_assert(succeeded);
}
END_TEST

/* ---- distinct values ---- */

START_TEST(categories_are_sorted_by_number_or_by_bytes) {
  struct dataset_row row;
  data_import_text(data_dir, "n,c\n10,b\n9,a\n2,B\n10,a\n2,b\n9,a\n-1,a\n-1,B\n", &row);
  static const char *const numbers[] = {"-1", "2", "9", "10"}, *const words[] = {"B", "a", "b"};
  ck_assert_uint_eq(row.columns[0].category_count, 4);
  for (size_t i = 0; i < 4; i++) ck_assert_str_eq(row.columns[0].categories[i].value, numbers[i]);
  ck_assert_uint_eq(row.columns[1].category_count, 3);
  for (size_t i = 0; i < 3; i++) ck_assert_str_eq(row.columns[1].categories[i].value, words[i]);
  ck_assert_uint_eq(row.columns[1].categories[1].count, 4);
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(spellings_of_one_number_are_one_category) {
  struct dataset_row row;
  data_import_text(data_dir, "n,m\n1.0,1.0\n1,1\n 1 ,x\n01,x\n1e0,1.0\n2,1\n", &row);
  ck_assert_uint_eq(row.columns[0].category_count, 2);
  ck_assert_str_eq(row.columns[0].categories[0].value, "1");
  ck_assert_uint_eq(row.columns[0].categories[0].count, 5);
  ck_assert_uint_eq(row.columns[1].category_count, 3); /* words are what they are */
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(too_many_or_too_long_values_are_not_kept) {
  char *text = malloc(64 * 1024), *at = text;
  ck_assert_ptr_nonnull(text);
  at += sprintf(at, "few,many,long\n");
  for (int i = 0; i < 2 * (IMPORT_CATEGORIES + 1); i++) at += sprintf(at, "%d,v%d,x\n", i % IMPORT_CATEGORIES, i % (IMPORT_CATEGORIES + 1));
  at += sprintf(at, "0,v0,%0*d\n", IMPORT_CATEGORY_BYTES + 1, 7);
  struct dataset_row row;
  data_import_text(data_dir, text, &row);
  free(text);
  ck_assert(row.columns[0].has_categories);
  ck_assert_uint_eq(row.columns[0].category_count, IMPORT_CATEGORIES);
  ck_assert(!row.columns[1].has_categories);
  ck_assert_uint_eq(row.columns[1].category_count, 0);
  ck_assert_ptr_null(row.columns[1].categories);
  ck_assert_int_eq(row.columns[1].kind, COLUMN_TEXT);
  ck_assert(!row.columns[2].has_categories);
  dataset_row_deinit(&row);
}
END_TEST

/* 2000 columns: one of ten classes, the others all different in every row, more than the budget for distinct values holds. */
START_TEST(many_columns_share_one_budget_and_classes_survive_it) {
  enum { COLUMNS = 2000, ROWS = 600 };
  const struct import_options options = {.header = 0};
  struct import *import = NULL;
  struct error error = {0};
  ck_assert_int_eq(import_begin(data_dir, &options, &import, &error), ERROR_NONE);
  char *line = malloc(COLUMNS * 16);
  ck_assert_ptr_nonnull(line);
  for (int row = 0; row < ROWS; row++) {
    char *at = line;
    for (int column = 1; column < COLUMNS; column++) at += sprintf(at, "%d.%d,", row * 7919 + column, column);
    at += sprintf(at, "%d\n", row % 10);
    ck_assert_int_eq(import_write(import, line, (size_t)(at - line), &error), ERROR_NONE);
  }
  free(line);
  struct dataset_row row;
  ck_assert_int_eq(import_finish(import, &row, &error), ERROR_NONE);
  ck_assert_uint_eq(row.column_count, COLUMNS);
  size_t kept_bytes = 0;
  for (size_t i = 0; i < row.column_count; i++) {
    for (size_t k = 0; k < row.columns[i].category_count; k++) kept_bytes += strlen(row.columns[i].categories[k].value) + 1;
  }
  ck_assert_uint_le(kept_bytes, IMPORT_CATEGORY_BYTES_TOTAL);
  ck_assert(row.columns[COLUMNS - 1].has_categories);
  ck_assert_uint_eq(row.columns[COLUMNS - 1].category_count, 10);
  dataset_row_deinit(&row);
}
END_TEST

/* 48 MB of numbers, words and text; the statistics, the index and one row are all that is held. */
START_TEST(memory_does_not_grow_with_the_file) {
  if (!allocations_can_count()) return;
  const struct import_options options = {.header = 0};
  struct import *import = NULL;
  struct error error = {0};
  size_t before = allocations_live_bytes();
  allocations_reset_peak();
  ck_assert_int_eq(import_begin(data_dir, &options, &import, &error), ERROR_NONE);
  char portion[1 << 15];
  for (size_t total = 0, row = 0; total < 48 << 20;) {
    size_t bytes = 0;
    for (; bytes + 128 < sizeof portion; row++) {
      bytes += (size_t)sprintf(portion + bytes, "%zu,%zu.5,w%zu,\"text, \"\"%zu\"\"\nand more\"\n", row, row % 977, row % 60, row);
    }
    ck_assert_int_eq(import_write(import, portion, bytes, &error), ERROR_NONE);
    total += bytes;
  }
  struct dataset_row row;
  ck_assert_int_eq(import_finish(import, &row, &error), ERROR_NONE);
  ck_assert_uint_lt(allocations_peak_bytes() - before, 4 << 20);
  ck_assert_uint_eq(row.bad_row_count, 0);
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(mean_and_deviation_hold_far_from_zero) {
  char *text = malloc(1 << 20), *at = text;
  ck_assert_ptr_nonnull(text);
  at += sprintf(at, "x\n");
  for (int i = 0; i < 10000; i++) at += sprintf(at, "%d\n", 1700000000 + i % 3 - 1);
  struct dataset_row row;
  data_import_text(data_dir, text, &row);
  free(text);
  double mean = 1700000000 - 1.0 / 10000, second = (3334.0 + 3333.0) / 10000 - 1e-8; /* −1 is there once more than 1 */
  ck_assert_double_eq_tol(row.columns[0].mean, mean, 1e-6);
  ck_assert_double_eq_tol(row.columns[0].std, sqrt(second), 1e-6);
  dataset_row_deinit(&row);
}
END_TEST

/* ---- reading back ---- */

struct reading {
  uint64_t next, rows;
  size_t column_count;
  char first[64];
};

static enum error_code note_cells(void *context, uint64_t index, const char *const *cells, struct error *error) {
  (void)error;
  struct reading *reading = context;
  ck_assert_uint_eq(index, reading->next);
  char expected[32];
  snprintf(expected, sizeof expected, "%zu", (size_t)index);
  ck_assert_str_eq(cells[0], expected);
  ck_assert_str_eq(cells[1], index % 3 == 0 ? "a\nb" : "c");
  reading->next++;
  reading->rows++;
  return ERROR_NONE;
}

/* 20000 good rows, a bad one behind every seventh, line breaks in some. */
static void import_numbered(struct dataset_row *out_row) {
  char *text = malloc(20000 * 32), *at = text;
  ck_assert_ptr_nonnull(text);
  at += sprintf(at, "n,s\r\n");
  for (int i = 0; i < 20000; i++) {
    at += sprintf(at, i % 3 == 0 ? "%d,\"a\nb\"\r\n" : "%d,c\r\n", i);
    if (i % 7 == 0) at += sprintf(at, i % 2 == 0 ? "ragged\r\n" : "\"x\"y,z\r\n");
  }
  data_import_text(data_dir, text, out_row);
  free(text);
  ck_assert_uint_eq(out_row->rows, 20000);
  ck_assert_uint_eq(out_row->bad_row_count, 2858);
}

START_TEST(any_range_of_rows_can_be_read_with_index_and_without) {
  struct dataset_row row;
  import_numbered(&row);
  static const uint64_t ranges[][2] = {{0, 1},       {0, 100},    {63, 2},    {64, 1},    {65, 64},
                                       {12345, 200}, {19990, 10}, {19999, 5}, {0, 20000}, {0, UINT64_MAX}};
  for (int indexed = 1; indexed >= 0; indexed--) {
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
      struct reading reading = {.next = ranges[i][0]};
      struct error error = {0};
      ck_assert_int_eq(dataset_read_rows(data_dir, &row, ranges[i][0], ranges[i][1], note_cells, &reading, &error), ERROR_NONE);
      uint64_t expected = ranges[i][1] < 20000 - ranges[i][0] ? ranges[i][1] : 20000 - ranges[i][0];
      ck_assert_uint_eq(reading.rows, expected);
    }
    row.index_count = 0;
  }
  struct reading none = {0};
  struct error error = {0};
  ck_assert_int_eq(dataset_read_rows(data_dir, &row, 20000, 1, note_cells, &none, &error), ERROR_NONE);
  ck_assert_uint_eq(none.rows, 0);
  dataset_row_deinit(&row);
}
END_TEST

static enum error_code stop_reading(void *context, uint64_t index, const char *const *cells, struct error *error) {
  (void)context;
  (void)cells;
  return index == 70 ? error_set(error, ERROR_CONFLICT, "stop") : ERROR_NONE;
}

START_TEST(a_handler_that_returns_an_error_ends_the_reading) {
  struct dataset_row row;
  import_numbered(&row);
  struct error error = {0};
  ck_assert_int_eq(dataset_read_rows(data_dir, &row, 0, 1000, stop_reading, NULL, &error), ERROR_CONFLICT);
  ck_assert_str_eq(error.detail, "stop");
  ck_assert_int_eq(dataset_read_rows(data_dir, &row, 70, 1, stop_reading, NULL, &error), ERROR_CONFLICT);
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(a_lost_or_shortened_file_is_an_error) {
  struct dataset_row row;
  import_numbered(&row);
  char path[512];
  snprintf(path, sizeof path, "%s/datasets/%s", data_dir, row.file);
  ck_assert_int_eq(truncate(path, 1000), 0);
  struct reading reading = {0};
  struct error error = {0};
  ck_assert_int_eq(dataset_read_rows(data_dir, &row, 0, 20000, note_cells, &reading, &error), ERROR_INTERNAL);
  ck_assert_int_eq(unlink(path), 0);
  reading = (struct reading){0};
  ck_assert_int_eq(dataset_read_rows(data_dir, &row, 0, 20000, note_cells, &reading, &error), ERROR_INTERNAL);
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(the_index_thins_out_when_it_is_full_and_still_finds_rows) {
  const uint64_t rows = (uint64_t)IMPORT_INDEX_ENTRIES * 64 + 1000;
  const struct import_options options = {.header = 0};
  struct import *import = NULL;
  struct error error = {0};
  ck_assert_int_eq(import_begin(data_dir, &options, &import, &error), ERROR_NONE);
  char buffer[4096];
  for (uint64_t i = 0; i < rows;) {
    size_t bytes = 0;
    for (; i < rows && bytes + 32 < sizeof buffer; i++)
      bytes += (size_t)sprintf(buffer + bytes, i % 3 == 0 ? "%zu,\"a\nb\"\n" : "%zu,c\n", (size_t)i);
    ck_assert_int_eq(import_write(import, buffer, bytes, &error), ERROR_NONE);
  }
  struct dataset_row row;
  ck_assert_int_eq(import_finish(import, &row, &error), ERROR_NONE);
  ck_assert_uint_eq(row.rows, rows);
  ck_assert_uint_eq(row.index_stride, 128);
  ck_assert_uint_eq(row.index_count, (rows + 127) / 128);
  static const uint64_t firsts[] = {0, 127, 128, 2000000, 4195000};
  for (size_t i = 0; i < sizeof firsts / sizeof firsts[0]; i++) {
    struct reading reading = {.next = firsts[i]};
    ck_assert_int_eq(dataset_read_rows(data_dir, &row, firsts[i], 300, note_cells, &reading, &error), ERROR_NONE);
    ck_assert_uint_eq(reading.rows, 300);
  }
  dataset_row_deinit(&row);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *files = suite_add_case(suite, "files");
  tcase_add_checked_fixture(files, set_up, tear_down);
  tcase_add_loop_test(files, example_columns_have_the_kinds_and_statistics_that_they_should, 0, EXPECTED_COLUMN_COUNT);
  tcase_add_test(files, a_dataset_row_describes_its_file);
  tcase_add_test(files, portions_of_any_size_give_the_same_dataset);
  tcase_add_loop_test(files, small_files_are_understood, 0, SMALL_CASE_COUNT);
  tcase_add_loop_test(files, what_holds_no_data_is_refused_and_leaves_nothing_behind, 0, REFUSED_CASE_COUNT);
  tcase_add_test(files, a_file_of_which_most_is_misread_is_refused);
  tcase_add_test(files, bad_rows_are_reported_by_line_the_first_hundred_of_them);
  tcase_add_test(files, delimiter_and_header_can_be_given);
  tcase_add_test(files, an_aborted_import_leaves_nothing_behind);
  tcase_add_test(files, a_full_disk_is_said_and_nothing_is_kept);
  tcase_add_test(files, an_import_that_runs_out_of_memory_says_so_and_leaves_nothing_behind);
  TCase *values = suite_add_case(suite, "values");
  tcase_add_checked_fixture(values, set_up, tear_down);
  tcase_add_test(values, categories_are_sorted_by_number_or_by_bytes);
  tcase_add_test(values, spellings_of_one_number_are_one_category);
  tcase_add_test(values, too_many_or_too_long_values_are_not_kept);
  tcase_add_test(values, many_columns_share_one_budget_and_classes_survive_it);
  tcase_add_test(values, memory_does_not_grow_with_the_file);
  tcase_add_test(values, mean_and_deviation_hold_far_from_zero);
  TCase *reading = suite_add_case(suite, "reading");
  tcase_add_checked_fixture(reading, set_up, tear_down);
  tcase_add_test(reading, any_range_of_rows_can_be_read_with_index_and_without);
  tcase_add_test(reading, a_handler_that_returns_an_error_ends_the_reading);
  tcase_add_test(reading, a_lost_or_shortened_file_is_an_error);
  tcase_add_test(reading, the_index_thins_out_when_it_is_full_and_still_finds_rows);
}

int main(void) { return suite_main("import", add_cases); }
