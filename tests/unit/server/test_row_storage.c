/* server/data/row_storage.h: rows in memory and rows in a file are the same to who uses them; a full disk is an error. */
#include "server/data/row_storage.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/support/data_files.h"
#include "tests/support/suite.h"

enum { BYTES = 3 << 20, COUNT = BYTES / sizeof(float) };

static char *data_dir;
static struct dataset_row dataset; /* so that the folder is there */

static void set_up(void) {
  data_dir = data_dir_create();
  data_import_text(data_dir, "a,b\n1,2\n", &dataset);
}

static void tear_down(void) {
  dataset_row_deinit(&dataset);
  data_dir_remove(data_dir);
}

START_TEST(floats_are_aligned_and_keep_what_is_written) {
  struct error error = {0};
  struct row_storage storage;
  ck_assert_int_eq(row_storage_open(data_dir, BYTES, _i == 1, &storage, &error), ERROR_NONE);
  ck_assert_uint_eq((uintptr_t)storage.floats % ROW_STORAGE_ALIGNMENT_BYTES, 0);
  for (size_t i = 0; i < COUNT; i++) storage.floats[i] = (float)i;
  row_storage_expect_any_order(&storage, storage.floats + 10, BYTES / 2);
  row_storage_expect_order(&storage, storage.floats + COUNT / 2, BYTES / 2);
  row_storage_expect_order(&storage, storage.floats + COUNT, 0);
  size_t differences = 0;
  for (size_t i = 0; i < COUNT; i++) differences += storage.floats[i] < (float)i || storage.floats[i] > (float)i;
  ck_assert_uint_eq(differences, 0);
  ck_assert_uint_eq(data_dir_count_files(data_dir), 1); /* the dataset's: that of the rows has no name */
  row_storage_close(&storage);
  ck_assert_ptr_null(storage.floats);
  row_storage_close(&storage);
}
END_TEST

START_TEST(what_the_disk_cannot_hold_is_refused_with_both_numbers) {
  struct error error = {0};
  ck_assert_int_eq(row_storage_check_disk(data_dir, 0, &error), ERROR_NONE);
  ck_assert_int_eq(row_storage_check_disk(data_dir, 1, &error), ERROR_NONE);
  ck_assert_int_eq(row_storage_check_disk(data_dir, UINT64_C(1) << 60, &error), ERROR_DISK_FULL);
  ck_assert_ptr_nonnull(strstr(error.detail, "1152921504606846976 bytes"));
  ck_assert_ptr_nonnull(strstr(error.detail, "are free"));
}
END_TEST

/* A file that may not grow is as good as a full disk. */
START_TEST(a_file_without_its_space_is_not_opened) {
  signal(SIGXFSZ, SIG_IGN);
  ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){BYTES - 1, BYTES - 1}), 0);
  struct error error = {0};
  struct row_storage storage;
  ck_assert_int_eq(row_storage_open(data_dir, BYTES, true, &storage, &error), ERROR_DISK_FULL);
  ck_assert_ptr_null(storage.floats);
  ck_assert_ptr_nonnull(strstr(error.detail, "not free"));
  ck_assert_int_eq(row_storage_open(data_dir, BYTES - 1, true, &storage, &error), ERROR_NONE);
  row_storage_close(&storage);
  ck_assert_uint_eq(data_dir_count_files(data_dir), 1);
}
END_TEST

START_TEST(a_missing_directory_is_an_error) {
  struct error error = {0};
  struct row_storage storage;
  ck_assert_int_eq(row_storage_open("/nonexistent", BYTES, true, &storage, &error), ERROR_INTERNAL);
  ck_assert_ptr_null(storage.floats);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "row_storage");
  tcase_add_checked_fixture(test_case, set_up, tear_down);
  tcase_add_loop_test(test_case, floats_are_aligned_and_keep_what_is_written, 0, 2);
  tcase_add_test(test_case, what_the_disk_cannot_hold_is_refused_with_both_numbers);
  tcase_add_test(test_case, a_file_without_its_space_is_not_opened);
  tcase_add_test(test_case, a_missing_directory_is_an_error);
}

int main(void) { return suite_main("row_storage", add_cases); }
