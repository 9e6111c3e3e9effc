/* Rows that are walked over several times: the same cells each time; of a small dataset from memory, of a large one from the file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/data/row_cache.h"
#include "tests/support/allocations.h"
#include "tests/support/data_files.h"
#include "tests/support/suite.h"

static char *data_dir;
static struct dataset_row dataset;
static struct row_cache cache;

static void set_up(void) { data_dir = data_dir_create(); }
static void tear_down(void) {
  row_cache_deinit(&cache);
  import_remove_files(data_dir, &dataset);
  dataset_row_deinit(&dataset);
  data_dir_remove(data_dir);
}

static void open_text(const char *text) {
  data_import_text(data_dir, text, &dataset);
  row_cache_init(&cache, data_dir, &dataset);
}

/* Writes each row as "index: cell|cell|…" lines. */
static enum error_code write_row(void *context, uint64_t row, const char *const *cells, struct error *error) {
  (void)error;
  FILE *file = context;
  fprintf(file, "%llu:", (unsigned long long)row);
  for (size_t i = 0; i < dataset.column_count; i++) fprintf(file, " %s|", cells[i]);
  fputc('\n', file);
  return ERROR_NONE;
}

static enum error_code walk(char **out_text) {
  struct error error = {0};
  size_t bytes;
  FILE *file = open_memstream(out_text, &bytes);
  const enum error_code code = row_cache_read(&cache, write_row, file, &error);
  fclose(file);
  return code;
}

static enum error_code stop_at_row_one(void *context, uint64_t row, const char *const *cells, struct error *error) {
  (void)context, (void)cells;
  return row == 1 ? error_set(error, ERROR_CONFLICT, "enough") : ERROR_NONE;
}

static const char odd_text[] = "number,\"a, word\",last\r\n1,\"x, \"\"y\"\"\",\r\n\r\n2,only two\r\n,\"two\nlines\",z\r\n3,é,q";
static const char odd_rows[] = "0: 1| x, \"y\"| |\n1: | two\nlines| z|\n2: 3| é| q|\n";

START_TEST(every_walk_has_the_same_cells_and_a_small_file_is_read_once) {
  char *first, *second;
  open_text(odd_text);
  ck_assert_int_eq(walk(&first), ERROR_NONE);
  ck_assert_str_eq(first, odd_rows);
  import_remove_files(data_dir, &dataset);
  ck_assert_int_eq(walk(&second), ERROR_NONE);
  ck_assert_str_eq(second, odd_rows);
  free(first);
  free(second);
}
END_TEST

START_TEST(a_walk_that_was_stopped_is_not_taken_for_a_whole_one) {
  struct error error = {0};
  char *text;
  open_text(odd_text);
  ck_assert_int_eq(row_cache_read(&cache, stop_at_row_one, NULL, &error), ERROR_CONFLICT);
  ck_assert_int_eq(walk(&text), ERROR_NONE);
  ck_assert_str_eq(text, odd_rows);
  free(text);
}
END_TEST

START_TEST(a_large_file_is_read_each_time_and_nothing_of_it_is_kept) {
  enum { ROWS = 300000 };
  char *text = malloc(ROWS * 16 + 16), *at = text;
  ck_assert_ptr_nonnull(text);
  at += sprintf(at, "a,b\n");
  for (int i = 0; i < ROWS; i++) at += sprintf(at, "%d,%d\n", i, i % 7);
  open_text(text);
  free(text);
  ck_assert_uint_eq(row_cache_measure(&dataset), 0);
  char *first, *second;
  ck_assert_int_eq(walk(&first), ERROR_NONE);
  ck_assert_ptr_null(cache.text);
  ck_assert_int_eq(walk(&second), ERROR_NONE);
  ck_assert_str_eq(first, second);
  free(first);
  free(second);
  import_remove_files(data_dir, &dataset);
  ck_assert_int_ne(walk(&first), ERROR_NONE);
  free(first);
}
END_TEST

START_TEST(it_holds_what_is_measured) {
  if (!allocations_can_count()) return;
  char *text;
  data_import_file(data_dir, "examples/data/digits.csv", &dataset);
  row_cache_init(&cache, data_dir, &dataset);
  ck_assert_int_eq(walk(&text), ERROR_NONE);
  free(text);
  const size_t with = allocations_live_bytes();
  row_cache_deinit(&cache);
  const size_t held = with - allocations_live_bytes(), measured = row_cache_measure(&dataset);
  ck_assert_msg(held <= measured + 256 && held + 4096 >= measured, "%zu bytes held, %zu measured", held, measured);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *tcase = suite_add_case(suite, "row_cache");
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_add_test(tcase, every_walk_has_the_same_cells_and_a_small_file_is_read_once);
  tcase_add_test(tcase, a_walk_that_was_stopped_is_not_taken_for_a_whole_one);
  tcase_add_test(tcase, a_large_file_is_read_each_time_and_nothing_of_it_is_kept);
  tcase_add_test(tcase, it_holds_what_is_measured);
}

int main(void) { return suite_main("row_cache", add_cases); }
