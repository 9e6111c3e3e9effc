/* server/data/upload.h with arrays: forms of several files, their parts in any order, what does not fit, what is left on disk. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/support/allocations.h"
#include "tests/support/data_files.h"
#include "tests/support/suite.h"
#include "tests/support/whole_upload.h"

enum { TRAIN = 10, TEST = 4, SIDE = 6 };

static char *data_dir;

static void set_up(void) { data_dir = data_dir_create(); }
static void tear_down(void) { data_dir_remove(data_dir); }

static enum error_code upload_limited(const char *boundary, const struct bytes *body, size_t portion, uint64_t bytes_max,
                                      struct dataset_row *out_row, struct error *error) {
  const struct upload_options options = {.data_dir = data_dir, .boundary = boundary, .header = -1, .bytes_max = bytes_max};
  return upload_whole(&options, body, portion, out_row, error);
}

static enum error_code upload(const char *boundary, const struct bytes *body, size_t portion, struct dataset_row *out_row,
                              struct error *error) {
  return upload_limited(boundary, body, portion, 1 << 26, out_row, error);
}

/* The four files of a form, in an order of digits ("0123"), those of even digits packed. */
static struct bytes make_form(const char *order) {
  static const char *const names[] = {"images", "labels", "test_images", "test_labels"};
  struct bytes files[] = {idx_make_images(TRAIN, SIDE, SIDE, 1), idx_make_labels(TRAIN), idx_make_images(TEST, SIDE, SIDE, 2),
                          idx_make_labels(TEST)};
  struct bytes body = {0};
  for (; *order != '\0'; order++) {
    const struct bytes *file = &files[*order - '0'];
    if (*order % 2 == 0) {
      struct bytes packed = gzip_make(file->at, file->count);
      body_add_file(&body, names[*order - '0'], packed.at, packed.count);
      bytes_free(&packed);
    } else {
      body_add_file(&body, names[*order - '0'], file->at, file->count);
    }
  }
  body_end(&body);
  for (size_t i = 0; i < 4; i++) bytes_free(&files[i]);
  return body;
}

static enum error_code check_row(void *context, uint64_t row, const char *const *cells, struct error *error) {
  (void)context, (void)error;
  ck_assert_str_eq(cells[0], "");
  ck_assert_str_eq(cells[1], (row < TRAIN ? row : row - TRAIN) % 2 == 0 ? "0" : "1");
  ck_assert_str_eq(cells[2], row < TRAIN ? "train" : "test");
  return ERROR_NONE;
}

START_TEST(parts_in_any_order_and_portions_make_the_same_dataset) {
  static const char *const orders[] = {"0123", "3210", "1032", "2301"};
  char sha256[STORE_SHA256_HEX_BYTES] = "";
  for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
    struct bytes body = make_form(orders[i]);
    struct dataset_row row;
    struct error error = {0};
    enum error_code code = upload(BODY_BOUNDARY, &body, 1 + 37 * i, &row, &error);
    ck_assert_msg(code == ERROR_NONE, "%s", error.detail);
    ck_assert_uint_eq(row.rows, TRAIN + TEST);
    ck_assert_uint_eq(row.bytes, 2 * 16 + 2 * 8 + (TRAIN + TEST) * (SIDE * SIDE + 1));
    ck_assert_uint_eq(row.column_count, 3);
    ck_assert_str_eq(row.columns[0].name, "image");
    ck_assert_int_eq(row.columns[0].kind, COLUMN_IMAGE);
    ck_assert_uint_eq(row.columns[0].sizes[0], 1);
    ck_assert_uint_eq(row.columns[0].sizes[2], SIDE);
    ck_assert_str_eq(row.columns[1].name, "label");
    ck_assert_str_eq(row.columns[2].name, "part");
    ck_assert(row.columns[2].says_part);
    ck_assert_int_eq(dataset_read_rows(data_dir, &row, 0, row.rows, check_row, NULL, &error), ERROR_NONE);
    struct bytes train = idx_make_images(TRAIN, SIDE, SIDE, 1), test = idx_make_images(TEST, SIDE, SIDE, 2);
    struct tensor_file file;
    ck_assert_int_eq(tensor_file_open(data_dir, &row, &file, &error), ERROR_NONE);
    ck_assert_mem_eq(file.bytes, train.at + 16, TRAIN * SIDE * SIDE);
    ck_assert_mem_eq(file.bytes + TRAIN * SIDE * SIDE, test.at + 16, TEST * SIDE * SIDE);
    tensor_file_close(&file);
    bytes_free(&train);
    bytes_free(&test);
    if (i > 0) ck_assert_str_eq(row.sha256, sha256);
    memcpy(sha256, row.sha256, sizeof sha256);
    import_remove_files(data_dir, &row);
    ck_assert_uint_eq(data_dir_count_files(data_dir), 0);
    dataset_row_deinit(&row);
    bytes_free(&body);
  }
}
END_TEST

struct telling {
  uint64_t times, row_count;
};

static void tell(void *context, uint64_t row_count) {
  struct telling *telling = context;
  ck_assert_uint_gt(row_count, telling->row_count);
  telling->times++;
  telling->row_count = row_count;
}

/* All of its bytes are there before its first row is. */
START_TEST(what_is_read_whole_tells_its_rows_on_the_way) {
  enum { ROWS = 2000 };
  struct bytes images = idx_make_images(ROWS, 2, 2, 1);
  struct telling telling = {0};
  const struct upload_options options = {
      .data_dir = data_dir, .header = -1, .bytes_max = 1 << 26, .progress = tell, .progress_context = &telling};
  struct upload *upload;
  struct dataset_row row;
  struct error error = {0};
  ck_assert_int_eq(upload_begin(&options, &upload, &error), ERROR_NONE);
  ck_assert_int_eq(upload_write(upload, images.at, images.count, &error), ERROR_NONE);
  ck_assert_uint_eq(telling.times, 0);
  ck_assert_int_eq(upload_finish(upload, &row, &error), ERROR_NONE);
  ck_assert_uint_gt(telling.times, 3);
  ck_assert_uint_le(telling.row_count, ROWS);
  dataset_row_deinit(&row);
  bytes_free(&images);
}
END_TEST

START_TEST(images_alone_are_a_dataset) {
  struct bytes images = idx_make_images(TRAIN, SIDE, SIDE, 1), body = {0};
  struct dataset_row row;
  struct error error = {0};
  ck_assert_int_eq(upload(NULL, &images, 100, &row, &error), ERROR_NONE);
  ck_assert_uint_eq(row.rows, TRAIN);
  ck_assert_uint_eq(row.column_count, 1);
  ck_assert_str_eq(row.columns[0].name, "image");
  ck_assert_uint_eq(row.bytes, images.count);
  dataset_row_deinit(&row);
  body_add_file(&body, "file", images.at, images.count);
  body_end(&body);
  ck_assert_int_eq(upload(BODY_BOUNDARY, &body, 100, &row, &error), ERROR_NONE);
  ck_assert_uint_eq(row.rows, TRAIN);
  dataset_row_deinit(&row);
  bytes_free(&body);
  bytes_free(&images);
}
END_TEST

START_TEST(channels_come_first_whatever_the_file_says) {
  enum { ROWS = 3, HEIGHT = 5, WIDTH = 2, CHANNELS = 3 };
  unsigned char elements[ROWS * HEIGHT * WIDTH * CHANNELS];
  for (size_t i = 0; i < sizeof elements; i++) elements[i] = (unsigned char)i;
  const uint32_t pixels[] = {ROWS, HEIGHT, WIDTH, CHANNELS}, planes[] = {ROWS, CHANNELS, HEIGHT, WIDTH};
  for (int is_planes = 0; is_planes < 2; is_planes++) {
    struct bytes file = idx_make(8, 4, is_planes ? planes : pixels, elements, sizeof elements);
    struct dataset_row row;
    struct error error = {0};
    struct tensor_file tensors;
    ck_assert_int_eq(upload(NULL, &file, 1000, &row, &error), ERROR_NONE);
    ck_assert_uint_eq(row.columns[0].sizes[0], CHANNELS);
    ck_assert_uint_eq(row.columns[0].sizes[1], HEIGHT);
    ck_assert_int_eq(tensor_file_open(data_dir, &row, &tensors, &error), ERROR_NONE);
    for (size_t n = 0; n < ROWS; n++)
      for (size_t c = 0; c < CHANNELS; c++)
        for (size_t p = 0; p < HEIGHT * WIDTH; p++) {
          const size_t at = is_planes ? (n * CHANNELS + c) * HEIGHT * WIDTH + p : (n * HEIGHT * WIDTH + p) * CHANNELS + c;
          ck_assert_uint_eq(((const uint8_t *)tensor_file_get(&tensors, 0, n))[c * HEIGHT * WIDTH + p], elements[at]);
        }
    tensor_file_close(&tensors);
    dataset_row_deinit(&row);
    bytes_free(&file);
  }
}
END_TEST

START_TEST(numbers_of_any_type_become_columns) {
  static const unsigned char elements[] = {0x00, 0x01, 0xFF, 0xFE, 0x7F, 0xFF, 0x80, 0x00}; /* 1, −2, 32767, −32768 as big-endian int16 */
  struct bytes file = idx_make(0x0B, 2, (const uint32_t[]){2, 2}, elements, sizeof elements);
  struct dataset_row row;
  struct error error = {0};
  ck_assert_int_eq(upload(NULL, &file, 1000, &row, &error), ERROR_NONE);
  ck_assert_str_eq(row.columns[0].name, "x_0");
  ck_assert_double_eq(row.columns[0].max, 32767);
  ck_assert_double_eq(row.columns[1].min, -32768);
  ck_assert_double_eq(row.columns[1].max, -2);
  dataset_row_deinit(&row);
  bytes_free(&file);
}
END_TEST

/* ---- what does not fit ---- */

static void expect_refusal(struct bytes *body, const char *boundary, enum error_code expected, const char *words) {
  struct dataset_row row;
  struct error error = {0};
  for (size_t portion = 1; portion < 5000; portion += 499) {
    enum error_code code = upload(boundary, body, portion, &row, &error);
    ck_assert_msg(code == expected, "%d: %s", (int)code, error.detail);
    ck_assert_msg(strstr(error.detail, words) != NULL, "\"%s\" lacks \"%s\"", error.detail, words);
    ck_assert_uint_eq(data_dir_count_files(data_dir), 0);
  }
  bytes_free(body);
}

static const struct {
  const char *name;
  unsigned type;
  size_t rank, element_bytes;
  uint32_t sizes[8];
  const char *words;
} bad_files[] = {
    {"truncated", 8, 3, 23, {2, 3, 4}, "24 bytes, but 23 follow; the file is cut off"},
    {"too long", 8, 3, 25, {2, 3, 4}, "24 bytes, but 25 follow"},
    {"no rows", 8, 3, 0, {0, 3, 4}, "has no rows"},
    {"no rows of labels", 8, 1, 0, {0}, "has no rows"},
    {"empty images", 8, 3, 0, {2, 0, 4}, "from 1 to some millions"},
    {"huge", 8, 3, 24, {UINT32_MAX, UINT32_MAX, UINT32_MAX}, "more than any file holds"},
    {"huge rows of doubles", 14, 2, 24, {UINT32_MAX, UINT32_MAX}, "more than any file holds"},
    {"huge with a zero", 8, 3, 0, {UINT32_MAX, UINT32_MAX, 0}, "from 1 to some millions"},
    {"many rows", 8, 1, 24, {UINT32_MAX}, "4294967295 bytes, but 24 follow"},
    {"channels", 8, 4, 80, {2, 5, 4, 2}, "1, 3 or 4 channels"},
    {"five axes", 8, 5, 2, {2, 1, 1, 1, 1}, "rows × height × width"},
    {"float images", 13, 4, 64, {1, 4, 4, 1}, "must be uint8"},
    {"header only", 8, 3, 0, {1, 2, 3}, "but 0 follow"},
    {"wide", 8, 2, 20000, {1, 20000}, "of 1 to 16383"},
};

START_TEST(files_that_cannot_be_are_refused) {
  unsigned char *elements = calloc(1, 20000);
  struct bytes file = idx_make(bad_files[_i].type, bad_files[_i].rank, bad_files[_i].sizes, elements, bad_files[_i].element_bytes);
  free(elements);
  expect_refusal(&file, NULL, ERROR_INVALID, bad_files[_i].words);
}
END_TEST

START_TEST(truncated_headers_are_refused) {
  struct bytes whole = idx_make_images(2, 3, 4, 1);
  for (size_t count = 4; count < 16; count++) {
    struct bytes file = {0};
    bytes_append(&file, whole.at, count);
    expect_refusal(&file, NULL, ERROR_INVALID, "cut off in its header");
  }
  bytes_free(&whole);
}
END_TEST

START_TEST(files_without_magic_are_refused_by_name) {
  struct bytes file = {0};
  bytes_append_text(&file, "a,b\n1,2\n");
  expect_refusal(&file, NULL, ERROR_MEDIA_TYPE, "?format= (csv, tsv");
  bytes_append(&file, "\0\0\7\1\0\0\0\0", 8);
  expect_refusal(&file, NULL, ERROR_MEDIA_TYPE, "no known format");
  expect_refusal(&file, NULL, ERROR_INVALID, "the file is empty");
}
END_TEST

START_TEST(what_is_gzipped_twice_is_told) {
  struct bytes once = gzip_make("a,b\n1,2\n", 8), twice = gzip_make(once.at, once.count);
  expect_refusal(&twice, NULL, ERROR_INVALID, "gzipped twice");
  bytes_free(&once);
}
END_TEST

START_TEST(parts_that_do_not_fit_are_refused) {
  struct bytes images = idx_make_images(TRAIN, SIDE, SIDE, 1), labels = idx_make_labels(TRAIN), few = idx_make_labels(TRAIN - 1),
               other = idx_make_images(TEST, SIDE, SIDE + 1, 1), body = {0};
  body_add_file(&body, "labels", few.at, few.count);
  body_add_file(&body, "images", images.at, images.count);
  body_end(&body);
  expect_refusal(&body, BODY_BOUNDARY, ERROR_INVALID, "\"labels\" has 9 rows, but \"images\" has 10");
  body_add_file(&body, "images", images.at, images.count);
  body_add_file(&body, "lables", labels.at, labels.count);
  body_end(&body);
  expect_refusal(&body, BODY_BOUNDARY, ERROR_INVALID, "no part is called \"lables\"; of format idx there are images, labels, test_images");
  body_add_file(&body, "images", images.at, images.count);
  body_add_file(&body, "labels", labels.at, labels.count);
  body_add_file(&body, "test_images", images.at, images.count);
  body_end(&body);
  expect_refusal(&body, BODY_BOUNDARY, ERROR_INVALID, "the part \"test\" has \"test_images\" but no labels");
  body_add_file(&body, "images", images.at, images.count);
  body_add_file(&body, "test_images", other.at, other.count);
  body_end(&body);
  expect_refusal(&body, BODY_BOUNDARY, ERROR_INVALID, "all but the number of rows must be the same");
  body_add_file(&body, "images", images.at, images.count);
  body_add_file(&body, "images", images.at, images.count);
  body_end(&body);
  expect_refusal(&body, BODY_BOUNDARY, ERROR_INVALID, "two parts are called \"images\"");
  body_add_file(&body, "images", images.at, images.count);
  body_add_file(&body, "train_images", images.at, images.count);
  body_end(&body);
  expect_refusal(&body, BODY_BOUNDARY, ERROR_INVALID, "are the same of the part \"train\"");
  body_add_file(&body, "images", images.at, images.count);
  body_add_file(&body, "labels", "a,b\n", 4);
  body_end(&body);
  expect_refusal(&body, BODY_BOUNDARY, ERROR_MEDIA_TYPE, "part \"labels\" is of no known format");
  body_add_file(&body, "images", images.at, images.count);
  body_add_file(&body, "labels", NULL, 0);
  body_end(&body);
  expect_refusal(&body, BODY_BOUNDARY, ERROR_INVALID, "part \"labels\" is empty");
  body_add_file(&body, "images", labels.at, labels.count);
  body_add_file(&body, "labels", images.at, images.count);
  body_end(&body);
  expect_refusal(&body, BODY_BOUNDARY, ERROR_INVALID, "labels are numbers, not images; are the names of the parts swapped?");
  body_end(&body);
  expect_refusal(&body, BODY_BOUNDARY, ERROR_INVALID, "the form has no file");
  bytes_free(&images);
  bytes_free(&labels);
  bytes_free(&few);
  bytes_free(&other);
}
END_TEST

/* Whichever part an array without pixels stands in, the error names it. */
START_TEST(empty_images_of_any_part_are_refused) {
  static const char *const names[] = {"images", "test_images", "validation_images"};
  struct bytes images = idx_make(8, 3, (const uint32_t[]){2, 0, 4}, "", 0), body = {0};
  body_add_file(&body, names[_i], images.at, images.count);
  body_end(&body);
  char words[80];
  snprintf(words, sizeof words, "\"%s\" is 2 × 0 × 4 uint8; the sizes of a row's array must be from 1", names[_i]);
  expect_refusal(&body, BODY_BOUNDARY, ERROR_INVALID, words);
  bytes_free(&images);
}
END_TEST

START_TEST(a_bomb_is_refused) {
  const size_t count = 100 << 20;
  char *zeros = calloc(1, count);
  const unsigned char header[16] = {0, 0, 8, 3, 0, 25, 0, 0, 0, 0, 0, 8, 0, 0, 0, 8};
  memcpy(zeros, header, sizeof header);
  struct bytes packed = gzip_make(zeros, count), body = {0};
  free(zeros);
  struct dataset_row row;
  struct error error = {0};
  body_add_file(&body, "images", packed.at, packed.count);
  body_end(&body);
  ck_assert_int_eq(upload_limited(BODY_BOUNDARY, &body, 65536, 50 << 20, &row, &error), ERROR_TOO_LARGE);
  ck_assert_uint_eq(data_dir_count_files(data_dir), 0);
  bytes_free(&body);
  bytes_free(&packed);
}
END_TEST

START_TEST(what_is_unpacked_of_several_files_counts_together) {
  struct bytes body = make_form("0123");
  struct dataset_row row;
  struct error error = {0};
  ck_assert_int_eq(upload_limited(BODY_BOUNDARY, &body, 65536, TRAIN * SIDE * SIDE + 100, &row, &error), ERROR_TOO_LARGE);
  ck_assert_uint_eq(data_dir_count_files(data_dir), 0);
  bytes_free(&body);
}
END_TEST

START_TEST(a_full_disk_is_said_and_nothing_is_kept) {
  signal(SIGXFSZ, SIG_IGN);
  struct bytes images = idx_make_images(2000, SIDE, SIDE, 1);
  struct dataset_row row;
  /* Room for neither; then for the table, which is smaller, but not for the tensors. */
  for (size_t i = 0; i < 2; i++) {
    struct error error = {0};
    struct rlimit limit = {.rlim_cur = i == 0 ? 5000 : 71000, .rlim_max = RLIM_INFINITY};
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_eq(upload(NULL, &images, 4096, &row, &error), ERROR_DISK_FULL);
    ck_assert_uint_eq(data_dir_count_files(data_dir), 0);
  }
  bytes_free(&images);
}
END_TEST

START_TEST(an_upload_that_runs_out_of_memory_leaves_nothing_behind) {
  if (!allocations_can_count()) return;
  struct bytes body = make_form("0123");
  upload_whole_without_memory(&(struct upload_options){.data_dir = data_dir, .boundary = BODY_BOUNDARY, .header = -1, .bytes_max = 1 << 26},
                              &body, 333);
  bytes_free(&body);
}
END_TEST

/* Flipped and cut bytes of a form: some answer, nothing left, nothing read where nothing is (make asan). */
START_TEST(mutated_forms_end_somehow) {
  struct bytes body = {0}, images = idx_make_images(4, 3, 3, 1);
  body_add_file(&body, "images", images.at, images.count);
  struct bytes labels = idx_make_labels(4);
  body_add_file(&body, "labels", labels.at, labels.count);
  body_end(&body);
  unsigned state = 3;
  for (size_t round = 0; round < 1500; round++) {
    struct bytes mutated = {0};
    bytes_append(&mutated, body.at, body.count);
    for (size_t k = 0; k < 1 + round % 3; k++) {
      state = state * 1664525U + 1013904223U;
      const size_t at = (state >> 8) % mutated.count;
      if (state % 4 == 0)
        mutated.count = at + 1;
      else
        mutated.at[at] = (char)(state % 4 == 1 ? 0xFF : state >> 24);
    }
    struct dataset_row row;
    struct error error = {0};
    if (upload(BODY_BOUNDARY, &mutated, 1 + round % 97, &row, &error) == ERROR_NONE) {
      import_remove_files(data_dir, &row);
      dataset_row_deinit(&row);
    }
    ck_assert_uint_eq(data_dir_count_files(data_dir), 0);
    bytes_free(&mutated);
  }
  bytes_free(&body);
  bytes_free(&images);
  bytes_free(&labels);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *forms = suite_add_case(suite, "forms");
  tcase_add_checked_fixture(forms, set_up, tear_down);
  tcase_add_test(forms, parts_in_any_order_and_portions_make_the_same_dataset);
  tcase_add_test(forms, what_is_read_whole_tells_its_rows_on_the_way);
  tcase_add_test(forms, images_alone_are_a_dataset);
  tcase_add_test(forms, channels_come_first_whatever_the_file_says);
  tcase_add_test(forms, numbers_of_any_type_become_columns);
  TCase *refused = suite_add_case(suite, "refused");
  tcase_add_checked_fixture(refused, set_up, tear_down);
  tcase_add_loop_test(refused, files_that_cannot_be_are_refused, 0, sizeof bad_files / sizeof bad_files[0]);
  tcase_add_test(refused, truncated_headers_are_refused);
  tcase_add_test(refused, files_without_magic_are_refused_by_name);
  tcase_add_test(refused, what_is_gzipped_twice_is_told);
  tcase_add_test(refused, parts_that_do_not_fit_are_refused);
  tcase_add_loop_test(refused, empty_images_of_any_part_are_refused, 0, 3);
  tcase_add_test(refused, a_bomb_is_refused);
  tcase_add_test(refused, what_is_unpacked_of_several_files_counts_together);
  tcase_add_test(refused, a_full_disk_is_said_and_nothing_is_kept);
  tcase_add_test(refused, an_upload_that_runs_out_of_memory_leaves_nothing_behind);
  tcase_add_test(refused, mutated_forms_end_somehow);
}

int main(void) { return suite_main("upload_arrays", add_cases); }
