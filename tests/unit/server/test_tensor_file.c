/* server/data/tensor_file.h and made tables: records beside rows, what is known of them, what is left on disk. */
#include "server/data/tensor_file.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "server/data/import.h"
#include "tests/support/allocations.h"
#include "tests/support/data_files.h"
#include "tests/support/suite.h"

enum { ROWS = 1000, HEIGHT = 4, WIDTH = 3, PIXELS = HEIGHT * WIDTH };

static char *data_dir;
static const struct tensor_column image = {.column = 0, .kind = COLUMN_IMAGE, .rank = 3, .sizes = {1, HEIGHT, WIDTH}};
static const struct import_source source = {.sha256 = "0123", .bytes = 4711};

static void set_up(void) { data_dir = data_dir_create(); }
static void tear_down(void) { data_dir_remove(data_dir); }

static uint8_t get_pixel(size_t row, size_t pixel) { return (uint8_t)(row * 7 + pixel * 13); }

static enum error_code add_image_row(struct import *import, size_t row, struct error *error) {
  uint8_t pixels[PIXELS];
  char label[8];
  snprintf(label, sizeof label, "%zu", row % 10);
  for (size_t i = 0; i < PIXELS; i++) pixels[i] = get_pixel(row, i);
  enum error_code code = import_add_row(import, (const char *const[]){"", label, row % 4 == 0 ? "test" : "train"}, 3, error);
  return code == ERROR_NONE ? import_add_records(import, pixels, 1, error) : code;
}

/* Images, their labels and their part. */
static enum error_code import_images(size_t rows, size_t records, struct dataset_row *out_row, struct error *error) {
  struct import *import;
  enum error_code code = import_begin(data_dir, &(struct import_options){.delimiter = ',', .header = 1, .is_made = true}, &import, error);
  if (code != ERROR_NONE) return code;
  import_set_source(import, &source);
  import_set_part_column(import, 2);
  code = import_set_tensors(import, &image, 1, error);
  if (code == ERROR_NONE) code = import_add_row(import, (const char *const[]){"image", "label", "part"}, 3, error);
  for (size_t i = 0; i < rows && code == ERROR_NONE; i++) code = add_image_row(import, i, error);
  const uint8_t more[PIXELS] = {0};
  for (size_t i = rows; i < records && code == ERROR_NONE; i++) code = import_add_records(import, more, 1, error);
  if (code == ERROR_NONE) return import_finish(import, out_row, error);
  import_abort(import);
  return code;
}

START_TEST(records_come_back_by_their_rows_number) {
  struct dataset_row row;
  struct error error = {0};
  ck_assert_msg(import_images(ROWS, ROWS, &row, &error) == ERROR_NONE, "%s", error.detail);
  ck_assert_uint_eq(row.rows, ROWS);
  ck_assert_uint_eq(row.record_bytes, PIXELS);
  ck_assert_uint_eq(row.bytes, 4711);
  ck_assert_str_eq(row.sha256, "0123");
  ck_assert_uint_gt(row.table_bytes, ROWS * strlen("\"\",1,test\n"));
  ck_assert_uint_eq(data_dir_count_files(data_dir), 2);
  struct tensor_file file;
  ck_assert_int_eq(tensor_file_open(data_dir, &row, &file, &error), ERROR_NONE);
  for (size_t i = 0; i < ROWS; i++) {
    const uint8_t *pixels = tensor_file_get(&file, tensor_file_get_offset(&row, 0), i);
    for (size_t k = 0; k < PIXELS; k++) ck_assert_uint_eq(pixels[k], get_pixel(i, k));
  }
  tensor_file_close(&file);
  import_remove_files(data_dir, &row);
  ck_assert_uint_eq(data_dir_count_files(data_dir), 0);
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(a_column_of_tensors_is_known_by_shape_and_statistics) {
  struct dataset_row row;
  struct error error = {0};
  ck_assert_int_eq(import_images(ROWS, ROWS, &row, &error), ERROR_NONE);
  const struct dataset_column *column = &row.columns[0];
  double sum = 0, squares = 0;
  for (size_t i = 0; i < ROWS * PIXELS; i++) sum += get_pixel(i / PIXELS, i % PIXELS);
  const double mean = sum / (ROWS * PIXELS);
  for (size_t i = 0; i < ROWS * PIXELS; i++)
    squares += (get_pixel(i / PIXELS, i % PIXELS) - mean) * (get_pixel(i / PIXELS, i % PIXELS) - mean);
  ck_assert_str_eq(column->name, "image");
  ck_assert_int_eq(column->kind, COLUMN_IMAGE);
  ck_assert_uint_eq(column->rank, 3);
  ck_assert_uint_eq(column->sizes[1], HEIGHT);
  ck_assert_uint_eq(column->missing, 0);
  ck_assert_double_eq(column->min, 0);
  ck_assert_double_eq(column->max, 255);
  ck_assert_double_eq_tol(column->mean, mean, 1e-9);
  ck_assert_double_eq_tol(column->std, sqrt(squares / (ROWS * PIXELS)), 1e-9);
  ck_assert_int_eq(row.columns[1].kind, COLUMN_NUMERIC);
  ck_assert_uint_eq(row.columns[1].rank, 0);
  ck_assert(!row.columns[1].says_part && row.columns[2].says_part);
  ck_assert_uint_eq(row.columns[2].category_count, 2);
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(tensors_stand_at_multiples_of_their_elements) {
  struct dataset_column columns[] = {
      {.rank = 3, .sizes = {1, 1, 5}}, {.rank = 0}, {.rank = 2, .sizes = {2, 3}, .element = ELEMENT_FLOAT32}, {.rank = 1, .sizes = {3}}};
  const struct dataset_row row = {.columns = columns, .column_count = 4};
  ck_assert_uint_eq(tensor_file_get_offset(&row, 0), 0);
  ck_assert_uint_eq(tensor_file_get_offset(&row, 2), 8);
  ck_assert_uint_eq(tensor_file_get_offset(&row, 3), 32);
  struct import *import;
  struct error error = {0};
  ck_assert_int_eq(import_begin(data_dir, &(struct import_options){.delimiter = ',', .header = 1, .is_made = true}, &import, &error), 0);
  const struct tensor_column tensors[] = {{.column = 0, .rank = 3, .sizes = {1, 1, 5}},
                                          {.column = 2, .rank = 2, .sizes = {2, 3}, .element = ELEMENT_FLOAT32},
                                          {.column = 3, .rank = 1, .sizes = {3}}};
  ck_assert_int_eq(import_set_tensors(import, tensors, 3, &error), ERROR_NONE);
  import_set_source(import, &source);
  unsigned char record[36] = {0};
  memcpy(record + 8, &(float){-2.5F}, sizeof(float));
  ck_assert_int_eq(import_add_row(import, (const char *const[]){"a", "x", "b", "c"}, 4, &error), ERROR_NONE);
  ck_assert_int_eq(import_add_row(import, (const char *const[]){"", "1", "", ""}, 4, &error), ERROR_NONE);
  ck_assert_int_eq(import_add_records(import, record, 1, &error), ERROR_NONE);
  struct dataset_row made;
  ck_assert_int_eq(import_finish(import, &made, &error), ERROR_NONE);
  ck_assert_uint_eq(made.record_bytes, 36);
  ck_assert_double_eq(made.columns[2].min, -2.5);
  dataset_row_deinit(&made);
}
END_TEST

static enum error_code note_cells(void *context, uint64_t row, const char *const *cells, struct error *error) {
  (void)error;
  if (row == 1) memcpy(context, cells[0], strlen(cells[0]) + 1);
  return ERROR_NONE;
}

START_TEST(made_rows_read_back_as_they_were) {
  static const char *const texts[] = {"plain", "", " spaced ", "a,b", "say \"so\"", "two\nlines", "\"", "größe"};
  char read[64];
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    struct import *import;
    struct error error = {0};
    struct dataset_row row;
    ck_assert_int_eq(import_begin(data_dir, &(struct import_options){.delimiter = ',', .header = 1, .is_made = true}, &import, &error), 0);
    import_set_source(import, &source);
    ck_assert_int_eq(import_add_row(import, (const char *const[]){"text"}, 1, &error), ERROR_NONE);
    ck_assert_int_eq(import_add_row(import, (const char *const[]){"first"}, 1, &error), ERROR_NONE);
    ck_assert_int_eq(import_add_row(import, &texts[i], 1, &error), ERROR_NONE);
    ck_assert_int_eq(import_finish(import, &row, &error), ERROR_NONE);
    ck_assert_uint_eq(row.rows, 2);
    ck_assert_int_eq(dataset_read_rows(data_dir, &row, 0, 2, note_cells, read, &error), ERROR_NONE);
    ck_assert_str_eq(read, texts[i]);
    dataset_row_deinit(&row);
  }
}
END_TEST

START_TEST(records_without_rows_are_not_taken) {
  struct dataset_row row;
  struct error error = {0};
  ck_assert_int_eq(import_images(10, 11, &row, &error), ERROR_INTERNAL);
  ck_assert_uint_eq(data_dir_count_files(data_dir), 0);
}
END_TEST

START_TEST(shapes_that_no_record_can_have_are_refused) {
  static const size_t sizes[][3] = {
      {1, 0, 5}, {3, 1 << 16, 1 << 16}, {SIZE_MAX, SIZE_MAX, 2}, {1, TENSOR_RECORD_BYTES_MAX, 2}, {4, 1, 1 << 24}};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    struct import *import;
    struct error error = {0};
    ck_assert_int_eq(import_begin(data_dir, &(struct import_options){.is_made = true}, &import, &error), ERROR_NONE);
    struct tensor_column column = {.rank = 3, .element = i == 4 ? ELEMENT_FLOAT32 : ELEMENT_UINT8};
    memcpy(column.sizes, sizes[i], sizeof column.sizes);
    ck_assert_int_eq(import_set_tensors(import, &column, 1, &error), ERROR_INVALID);
    import_abort(import);
    ck_assert_uint_eq(data_dir_count_files(data_dir), 0);
  }
}
END_TEST

START_TEST(a_tensor_file_of_another_length_is_an_error) {
  struct dataset_row row;
  struct error error = {0};
  struct tensor_file file;
  ck_assert_int_eq(import_images(ROWS, ROWS, &row, &error), ERROR_NONE);
  char path[512];
  snprintf(path, sizeof path, "%s/datasets/%s", data_dir, row.tensor_file);
  ck_assert_int_eq(truncate(path, ROWS * PIXELS - 1), 0);
  ck_assert_int_eq(tensor_file_open(data_dir, &row, &file, &error), ERROR_INTERNAL);
  ck_assert_int_eq(unlink(path), 0);
  ck_assert_int_eq(tensor_file_open(data_dir, &row, &file, &error), ERROR_INTERNAL);
  row.tensor_file[0] = '\0';
  ck_assert_int_eq(tensor_file_open(data_dir, &row, &file, &error), ERROR_NONE);
  ck_assert_ptr_null(file.bytes);
  tensor_file_close(&file);
  dataset_row_deinit(&row);
}
END_TEST

START_TEST(a_full_disk_is_said_and_nothing_is_kept) {
  signal(SIGXFSZ, SIG_IGN);
  struct rlimit limit = {.rlim_cur = 50 << 10, .rlim_max = RLIM_INFINITY};
  ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
  struct dataset_row row;
  struct error error = {0};
  ck_assert_int_eq(import_images(10000, 10000, &row, &error), ERROR_DISK_FULL);
  ck_assert_uint_eq(data_dir_count_files(data_dir), 0);
}
END_TEST

START_TEST(an_import_that_runs_out_of_memory_leaves_nothing_behind) {
  if (!allocations_can_count()) return;
  const size_t live = allocations_live();
  bool succeeded = false;
  for (size_t successes = 0; !succeeded && successes < 10000; successes++) {
    struct dataset_row row;
    struct error error = {0};
    allocations_fail_after(successes);
    enum error_code code = import_images(3, 3, &row, &error);
    allocations_fail_after(SIZE_MAX);
    succeeded = code == ERROR_NONE;
    if (succeeded) {
      import_remove_files(data_dir, &row);
      dataset_row_deinit(&row);
    } else {
      ck_assert_int_eq(code, ERROR_OUT_OF_MEMORY);
    }
    ck_assert_uint_eq(allocations_live(), live);
    ck_assert_uint_eq(data_dir_count_files(data_dir), 0);
  }
  ck_assert(succeeded);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *files = suite_add_case(suite, "files");
  tcase_add_checked_fixture(files, set_up, tear_down);
  tcase_add_test(files, records_come_back_by_their_rows_number);
  tcase_add_test(files, a_column_of_tensors_is_known_by_shape_and_statistics);
  tcase_add_test(files, tensors_stand_at_multiples_of_their_elements);
  tcase_add_test(files, made_rows_read_back_as_they_were);
  tcase_add_test(files, records_without_rows_are_not_taken);
  tcase_add_test(files, shapes_that_no_record_can_have_are_refused);
  tcase_add_test(files, a_tensor_file_of_another_length_is_an_error);
  tcase_add_test(files, a_full_disk_is_said_and_nothing_is_kept);
  tcase_add_test(files, an_import_that_runs_out_of_memory_leaves_nothing_behind);
}

int main(void) { return suite_main("tensor_file", add_cases); }
