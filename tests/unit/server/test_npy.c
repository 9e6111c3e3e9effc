/* server/data/npy.h, and arrays of NumPy as uploads: headers, types, archives, what does not fit. */
#include "server/data/npy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/data/upload.h"
#include "tests/support/archive.h"
#include "tests/support/data_files.h"
#include "tests/support/suite.h"
#include "tests/support/upload_bodies.h"

static char *data_dir;

static void set_up(void) { data_dir = data_dir_create(); }
static void tear_down(void) { data_dir_remove(data_dir); }

/* ---- headers ---- */

static const struct {
  const char *header;
  enum array_type type;
  bool is_big_endian;
  size_t rank;
  uint64_t sizes[3];
  size_t element_bytes;
} good_headers[] = {
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }          \n", ARRAY_FLOAT32, false, 2, {2, 3}, 24},
    {"{'descr': '>f8', 'fortran_order': False, 'shape': (2,), }\n", ARRAY_FLOAT64, true, 1, {2}, 16},
    {"{'shape':(4,1,1),'fortran_order':False,'descr':'|u1'}", ARRAY_UINT8, false, 3, {4, 1, 1}, 4},
    {"{\"descr\": \"|b1\", \"fortran_order\": False, \"shape\": (3,)}\n", ARRAY_BOOL, false, 1, {3}, 3},
    {"{'descr': '<i8', 'fortran_order': False, 'shape': (), }\n", ARRAY_INT64, false, 0, {0}, 8},
    {"{'descr': '<f2', 'fortran_order': True, 'shape': (5,), }\n", ARRAY_FLOAT16, false, 1, {5}, 10},
    {" { 'descr' : '=u2' , 'fortran_order' : False , 'shape' : ( 1 , 2 ) } ", ARRAY_UINT16, false, 2, {1, 2}, 4},
    {"{'descr': '<i4', 'fortran_order': False, 'shape': (0, 7), }\n", ARRAY_INT32, false, 2, {0, 7}, 0},
};

START_TEST(headers_of_every_version_are_read) {
  for (unsigned version = 1; version <= 3; version++) {
    struct bytes file = npy_make(version, good_headers[_i].header, NULL, good_headers[_i].element_bytes);
    struct array array;
    struct error error = {0};
    ck_assert_msg(npy_parse((const unsigned char *)file.at, file.count, "it", &array, &error) == ERROR_NONE, "%s", error.detail);
    ck_assert_int_eq(array.type, good_headers[_i].type);
    ck_assert_int_eq(array.is_big_endian, good_headers[_i].is_big_endian);
    ck_assert_uint_eq(array.rank, good_headers[_i].rank);
    for (size_t i = 0; i < array.rank; i++) ck_assert_uint_eq(array.sizes[i], good_headers[_i].sizes[i]);
    ck_assert_ptr_eq(array.elements, file.at + file.count - good_headers[_i].element_bytes);
    bytes_free(&file);
  }
}
END_TEST

#define HEADER(descr, shape) "{'descr': " descr ", 'fortran_order': False, 'shape': " shape ", }\n"
static const struct {
  const char *header, *words;
} bad_headers[] = {
    {"{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }\n", "Fortran order; save np.ascontiguousarray(x)"},
    {HEADER("'|O'", "(3,)"), "objects are pickled Python"},
    {HEADER("'<U5'", "(3,)"), "np.unique(y, return_inverse=True)[1]"},
    {HEADER("'|S5'", "(3,)"), "np.unique"},
    {HEADER("'<c16'", "(3,)"), "x.real and x.imag"},
    {HEADER("'<M8[ns]'", "(3,)"), "save times as numbers"},
    {HEADER("'<f16'", "(3,)"), "np.float64"},
    {HEADER("[('a', '<f4'), ('b', '<i4')]", "(3,)"), "structured dtype"},
    {HEADER("'<f4'", "(2, 3"), "broken"},
    {HEADER("'<f4'", "(2 3)"), "broken shape"},
    {HEADER("'<f4'", "(-2, 3)"), "broken or too large size"},
    {HEADER("'<f4'", "(99999999999999999999,)"), "broken or too large size"},
    {HEADER("'<f4'", "(18446744073709551615, 2)"), "more than any file holds"},
    {HEADER("'<f8'", "(4294967296, 4294967296)"), "more than any file holds"},
    {HEADER("'<f4'", "(1,1,1,1,1,1,1,1,1)"), "more than 8 axes"},
    {HEADER("'<f4'", "(1000,)"), "4000 bytes, but 24 follow; the file is cut off"},
    {HEADER("'<f4'", "(5,)"), "20 bytes, but 24 follow"},
    {HEADER("'<f4'", "7"), "no shape"},
    {"{'descr': '<f4', 'shape': (6,), }\n", "must have descr, fortran_order and shape"},
    {"{'descr': '<f4', 'descr': '<f8', 'fortran_order': False, 'shape': (6,), }\n", "unknown, or twice"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (6,), 'evil': 1}\n", "unknown, or twice"},
    {"{'descr': '<f4', 'fortran_order': 0, 'shape': (6,)}\n", "True or False"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (6,)} + exit()\n", "more behind its end"},
    {"['descr']\n", "no dictionary"},
    {"{'descr\\'': 1}\n", "broken"},
    {"{", "broken"},
    {"", "no dictionary"},
};

START_TEST(headers_that_cannot_be_are_refused_and_say_what_would_be_right) {
  struct bytes file = npy_make(1, bad_headers[_i].header, NULL, 24);
  struct array array;
  struct error error = {0};
  ck_assert_int_eq(npy_parse((const unsigned char *)file.at, file.count, "it", &array, &error), ERROR_INVALID);
  ck_assert_msg(strstr(error.detail, bad_headers[_i].words) != NULL, "\"%s\" lacks \"%s\"", error.detail, bad_headers[_i].words);
  bytes_free(&file);
}
END_TEST

START_TEST(cut_and_mutated_files_end_somehow) {
  struct bytes whole = npy_make(1, HEADER("'<f4'", "(2, 3)"), NULL, 24);
  struct array array;
  for (size_t count = 0; count < whole.count; count++) {
    struct error error = {0};
    unsigned char *copy = malloc(count + 1); /* so that reading beyond shows */
    memcpy(copy, whole.at, count);
    ck_assert_int_eq(npy_parse(copy, count, "it", &array, &error), ERROR_INVALID);
    free(copy);
  }
  unsigned state = 5;
  for (size_t round = 0; round < 50000; round++) {
    struct error error = {0};
    unsigned char *copy = malloc(whole.count);
    memcpy(copy, whole.at, whole.count);
    for (size_t k = 0; k < 1 + round % 3; k++) {
      state = state * 1664525U + 1013904223U;
      copy[6 + (state >> 8) % (whole.count - 30)] =
          (unsigned char)(round % 2 == 0 ? state >> 24 : (unsigned)"{}(),:'0 "[(state >> 20) % 9]);
    }
    enum error_code code = npy_parse(copy, whole.count, "it", &array, &error);
    ck_assert(code == ERROR_NONE || code == ERROR_INVALID);
    free(copy);
  }
  struct bytes version = npy_make(4, HEADER("'<f4'", "(6,)"), NULL, 24);
  struct error error = {0};
  ck_assert_int_eq(npy_parse((const unsigned char *)version.at, version.count, "it", &array, &error), ERROR_INVALID);
  ck_assert_ptr_nonnull(strstr(error.detail, "version 4.0"));
  bytes_free(&version);
  bytes_free(&whole);
}
END_TEST

/* ---- elements ---- */

static const struct {
  enum array_type type;
  bool is_big_endian;
  unsigned char bytes[8];
  const char *text;
} elements[] = {
    {ARRAY_BOOL, false, {1}, "1"},
    {ARRAY_UINT8, false, {255}, "255"},
    {ARRAY_INT8, false, {0x80}, "-128"},
    {ARRAY_UINT16, false, {0x34, 0x12}, "4660"},
    {ARRAY_UINT16, true, {0x12, 0x34}, "4660"},
    {ARRAY_INT16, false, {0xFE, 0xFF}, "-2"},
    {ARRAY_UINT32, false, {0xFF, 0xFF, 0xFF, 0xFF}, "4294967295"},
    {ARRAY_INT32, true, {0xFF, 0xFF, 0xFF, 0xFD}, "-3"},
    {ARRAY_UINT64, false, {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}, "18446744073709551615"},
    {ARRAY_INT64, false, {1, 0, 0, 0, 0, 0, 0, 0x80}, "-9223372036854775807"},
    {ARRAY_FLOAT16, false, {0x00, 0x3C}, "1"},
    {ARRAY_FLOAT16, false, {0x01, 0x80}, "-5.96046448e-08"},
    {ARRAY_FLOAT16, true, {0x7B, 0xFF}, "65504"},
    {ARRAY_FLOAT16, false, {0x00, 0x7E}, ""},
    {ARRAY_FLOAT16, false, {0x00, 0xFC}, NULL},
    {ARRAY_FLOAT32, false, {0xCD, 0xCC, 0xCC, 0x3D}, "0.100000001"},
    {ARRAY_FLOAT32, true, {0x7F, 0x80, 0, 0}, NULL},
    {ARRAY_FLOAT64, false, {0x9A, 0x99, 0x99, 0x99, 0x99, 0x99, 0xB9, 0x3F}, "0.10000000000000001"},
    {ARRAY_FLOAT64, true, {0x7F, 0xF8, 0, 0, 0, 0, 0, 0}, ""},
};

START_TEST(elements_of_every_type_are_read) {
  const struct array array = {
      .type = elements[_i].type, .is_big_endian = elements[_i].is_big_endian, .rank = 1, .sizes = {1}, .elements = elements[_i].bytes};
  char text[ARRAY_NUMBER_BYTES];
  const bool is_finite = array_format_number(&array, 0, text);
  ck_assert_int_eq(is_finite, elements[_i].text != NULL);
  if (is_finite) ck_assert_str_eq(text, elements[_i].text);
}
END_TEST

/* ---- uploads ---- */

static enum error_code upload_as(const struct format *format, const char *boundary, const struct bytes *body, struct dataset_row *out_row,
                                 struct error *error) {
  const struct upload_options options = {.data_dir = data_dir, .format = format, .boundary = boundary, .header = -1, .bytes_max = 1 << 26};
  struct upload *upload;
  enum error_code code = upload_begin(&options, &upload, error);
  if (code == ERROR_NONE) code = upload_write(upload, body->at, body->count, error);
  if (code == ERROR_NONE) return upload_finish(upload, out_row, error);
  upload_abort(upload);
  return code;
}

static enum error_code upload(const char *boundary, const struct bytes *body, struct dataset_row *out_row, struct error *error) {
  return upload_as(NULL, boundary, body, out_row, error);
}

static void expect_columns(const struct dataset_row *row, const char *names) {
  char found[256] = "";
  for (size_t i = 0; i < row->column_count; i++)
    snprintf(found + strlen(found), sizeof found - strlen(found), "%s%s", i > 0 ? "," : "", row->columns[i].name);
  ck_assert_str_eq(found, names);
}

START_TEST(an_array_of_two_axes_becomes_columns_of_numbers) {
  const float numbers[] = {1.5F, 2, 3, 4, NAN, 6};
  struct bytes file = npy_make(1, HEADER("'<f4'", "(2, 3)"), numbers, sizeof numbers);
  struct dataset_row row;
  struct error error = {0};
  ck_assert_msg(upload(NULL, &file, &row, &error) == ERROR_NONE, "%s", error.detail);
  expect_columns(&row, "x_0,x_1,x_2");
  ck_assert_double_eq(row.columns[0].min, 1.5);
  ck_assert_uint_eq(row.columns[1].missing, 1);
  dataset_row_deinit(&row);
  bytes_free(&file);
}
END_TEST

START_TEST(files_of_a_form_are_parts_by_their_names) {
  struct bytes body = {0}, x = npy_make(1, HEADER("'|u1'", "(4, 2, 2)"), NULL, 16), y = npy_make(2, HEADER("'<i8'", "(4,)"), NULL, 32),
               x_test = npy_make(3, HEADER("'|u1'", "(2, 2, 2)"), NULL, 8), y_test = npy_make(1, HEADER("'<i8'", "(2,)"), NULL, 16);
  body_add_file(&body, "y_test", y_test.at, y_test.count);
  body_add_file(&body, "x_train.npy", x.at, x.count);
  body_add_file(&body, "y_train", y.at, y.count);
  body_add_file(&body, "x_test", x_test.at, x_test.count);
  body_end(&body);
  struct dataset_row row;
  struct error error = {0};
  ck_assert_msg(upload(BODY_BOUNDARY, &body, &row, &error) == ERROR_NONE, "%s", error.detail);
  expect_columns(&row, "image,y,part");
  ck_assert_uint_eq(row.rows, 6);
  dataset_row_deinit(&row);
  bytes_free(&body);
  bytes_free(&x);
  bytes_free(&y);
  bytes_free(&x_test);
  bytes_free(&y_test);
}
END_TEST

struct member {
  const char *name, *header;
  size_t element_bytes;
};

static struct bytes make_npz(const struct member *members, size_t count, bool is_packed) {
  struct archive archive = {0};
  struct bytes npz = {0};
  for (size_t i = 0; i < count; i++) {
    struct bytes file = npy_make(1, members[i].header, NULL, members[i].element_bytes);
    archive_add(&archive, &(struct archive_entry){.name = members[i].name,
                                                  .bytes = file.at,
                                                  .count = file.count,
                                                  .method = is_packed ? ARCHIVE_DEFLATED : ARCHIVE_STORED});
    bytes_free(&file);
  }
  archive_finish(&archive);
  bytes_append(&npz, archive.bytes, archive.count);
  archive_deinit(&archive);
  return npz;
}

static const struct {
  struct member members[6];
  const char *columns;
  size_t rows;
} archives[] = {
    {{{"x_train.npy", HEADER("'|u1'", "(4, 2, 2)"), 16},
      {"y_train.npy", HEADER("'|u1'", "(4,)"), 4},
      {"x_test.npy", HEADER("'|u1'", "(2, 2, 2)"), 8},
      {"y_test.npy", HEADER("'|u1'", "(2,)"), 2}},
     "image,y,part",
     6},
    {{{"train_images.npy", HEADER("'|u1'", "(3, 2, 2, 3)"), 36},
      {"train_labels.npy", HEADER("'|u1'", "(3, 1)"), 3},
      {"val_images.npy", HEADER("'|u1'", "(1, 2, 2, 3)"), 12},
      {"val_labels.npy", HEADER("'|u1'", "(1, 1)"), 1},
      {"test_images.npy", HEADER("'|u1'", "(2, 2, 2, 3)"), 24},
      {"test_labels.npy", HEADER("'|u1'", "(2, 1)"), 2}},
     "image,label,part",
     6},
    {{{"X.npy", HEADER("'<f8'", "(3, 2)"), 48}, {"Y.npy", HEADER("'<f4'", "(3,)"), 12}}, "X_0,X_1,Y", 3},
    {{{"speed.npy", HEADER("'<f8'", "(3,)"), 24}, {"mass.npy", HEADER("'<f4'", "(3, 1)"), 12}, {"target.npy", HEADER("'|b1'", "(3,)"), 3}},
     "mass,speed,target",
     3},
    {{{"x.npy", HEADER("'<f4'", "(2, 5, 3)"), 120}, {"y.npy", HEADER("'<f4'", "(2, 2)"), 16}}, "sequence,y_0,y_1", 2},
};

START_TEST(archives_are_tables_by_the_names_of_their_arrays) {
  size_t count = 0;
  while (count < 6 && archives[_i].members[count].name != NULL) count++;
  for (int is_packed = 0; is_packed < 2; is_packed++) {
    struct bytes file = make_npz(archives[_i].members, count, is_packed != 0);
    struct dataset_row row;
    struct error error = {0};
    /* The types that clients send have no word for NumPy's archives. */
    const struct format *format = is_packed ? format_find_by_type("application/zip") : NULL;
    ck_assert_msg(upload_as(format, NULL, &file, &row, &error) == ERROR_NONE, "%s", error.detail);
    expect_columns(&row, archives[_i].columns);
    ck_assert_uint_eq(row.rows, archives[_i].rows);
    import_remove_files(data_dir, &row);
    ck_assert_uint_eq(data_dir_count_files(data_dir), 0);
    dataset_row_deinit(&row);
    bytes_free(&file);
  }
}
END_TEST

static const struct {
  struct member members[3];
  const char *words;
} bad_archives[] = {
    {{{"x.npy", HEADER("'<f8'", "(3, 2)"), 48}, {"y.npy", HEADER("'<f4'", "(2,)"), 8}}, "\"x\" has 3 rows, but \"y\" has 2"},
    {{{"x.npy", HEADER("'<f8'", "(3, 2)"), 48}, {"readme.txt", HEADER("'<f4'", "(3,)"), 12}}, "\"readme.txt\" in the archive is no array"},
    {{{"x.npy", HEADER("'<f8'", "(3, 2)"), 40}}, "array \"x\": its header says 3 × 2 float64"},
    {{{"x.npy", HEADER("'|O'", "(3,)"), 24}}, "array \"x\" has the dtype \"|O\""},
    {{{"x.npy", HEADER("'<f8'", "()"), 8}}, "is a single number"},
    {{{"x.npy", HEADER("'<f4'", "(3, 2, 2, 3)"), 144}}, "images must be uint8"},
    {{{"x.npy", HEADER("'<f8'", "(3, 2)"), 48}, {"images.npy", HEADER("'|u1'", "(3, 2, 2)"), 12}}, "are the same of the part"},
    {{{"x_train.npy", HEADER("'<f8'", "(3, 2)"), 48}, {"x_test.npy", HEADER("'<f4'", "(3, 2)"), 24}}, "but \"x_test\" is 3 × 2 float32"},
};

START_TEST(archives_that_do_not_fit_are_refused) {
  size_t count = 0;
  while (count < 3 && bad_archives[_i].members[count].name != NULL) count++;
  struct bytes file = make_npz(bad_archives[_i].members, count, true);
  struct dataset_row row;
  struct error error = {0};
  ck_assert_int_eq(upload(NULL, &file, &row, &error), ERROR_INVALID);
  ck_assert_msg(strstr(error.detail, bad_archives[_i].words) != NULL, "\"%s\" lacks \"%s\"", error.detail, bad_archives[_i].words);
  ck_assert_uint_eq(data_dir_count_files(data_dir), 0);
  bytes_free(&file);
}
END_TEST

START_TEST(numbers_that_are_not_finite_are_refused_where_they_cannot_be_missing) {
  float numbers[2 * 3 * 2] = {0};
  struct dataset_row row;
  struct error error = {0};
  numbers[7] = NAN;
  struct bytes file = npy_make(1, HEADER("'<f4'", "(2, 3, 2)"), numbers, sizeof numbers);
  ck_assert_int_eq(upload(NULL, &file, &row, &error), ERROR_INVALID);
  ck_assert_ptr_nonnull(strstr(error.detail, "in row 1"));
  bytes_free(&file);
  numbers[7] = INFINITY;
  file = npy_make(1, HEADER("'<f4'", "(6, 2)"), numbers, sizeof numbers);
  ck_assert_int_eq(upload(NULL, &file, &row, &error), ERROR_INVALID);
  ck_assert_ptr_nonnull(strstr(error.detail, "infinite number in row 3"));
  bytes_free(&file);
  ck_assert_uint_eq(data_dir_count_files(data_dir), 0);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *headers = suite_add_case(suite, "headers");
  tcase_add_loop_test(headers, headers_of_every_version_are_read, 0, sizeof good_headers / sizeof good_headers[0]);
  tcase_add_loop_test(headers, headers_that_cannot_be_are_refused_and_say_what_would_be_right, 0,
                      sizeof bad_headers / sizeof bad_headers[0]);
  tcase_add_test(headers, cut_and_mutated_files_end_somehow);
  tcase_add_loop_test(headers, elements_of_every_type_are_read, 0, sizeof elements / sizeof elements[0]);
  TCase *uploads = suite_add_case(suite, "uploads");
  tcase_add_checked_fixture(uploads, set_up, tear_down);
  tcase_add_test(uploads, an_array_of_two_axes_becomes_columns_of_numbers);
  tcase_add_test(uploads, files_of_a_form_are_parts_by_their_names);
  tcase_add_loop_test(uploads, archives_are_tables_by_the_names_of_their_arrays, 0, sizeof archives / sizeof archives[0]);
  tcase_add_loop_test(uploads, archives_that_do_not_fit_are_refused, 0, sizeof bad_archives / sizeof bad_archives[0]);
  tcase_add_test(uploads, numbers_that_are_not_finite_are_refused_where_they_cannot_be_missing);
}

int main(void) { return suite_main("npy", add_cases); }
