/* server/data/image_import.h: archives of images in every layout become rows and records; what can't be decoded
 * is a bad row that says why. */
#include "server/data/image_import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/allocations.h"
#include "tests/support/archive.h"
#include "tests/support/data_files.h"
#include "tests/support/pictures.h"
#include "tests/support/suite.h"

enum { CELL_BYTES = 256, ROWS_MAX = 16, COLUMNS_MAX = 8 };

static char *data_dir;
static struct dataset_row dataset;
static struct tensor_file tensors;

static void make_dir(void) { data_dir = data_dir_create(); }
static void remove_dir(void) {
  tensor_file_close(&tensors);
  dataset_row_deinit(&dataset);
  dataset = (struct dataset_row){0};
  data_dir_remove(data_dir);
}

/* A flat picture: of grey components 1, or RGB (value, value / 2, 0). */
static void add_picture(struct archive *archive, const char *name, size_t width, size_t height, size_t components, uint8_t value) {
  uint8_t pixels[64 * 64 * 3];
  for (size_t i = 0; i < width * height * components; i++)
    pixels[i] = (uint8_t)(i % components == 0 ? value : i % components == 1 ? value / 2 : 0);
  const struct picture picture = {width, height, components, pixels};
  size_t count;
  const bool is_jpeg = strstr(name, ".jp") != NULL;
  char *bytes = is_jpeg ? picture_make_jpeg(&picture, NULL, &count) : picture_make_png(&picture, NULL, &count);
  archive_add(archive, &(struct archive_entry){.name = name, .bytes = bytes, .count = count});
  free(bytes);
}

static enum error_code import_archive(struct archive *archive, const struct image_options *options, struct error *error) {
  static const struct import_source source = {.sha256 = "0", .bytes = 1};
  static const struct image_options found;
  archive_finish(archive);
  FILE *file = tmpfile();
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(archive->bytes, 1, archive->count, file), archive->count);
  ck_assert_int_eq(fflush(file), 0);
  archive_deinit(archive);
  struct zip_reader *reader;
  struct import *import;
  ck_assert_int_eq(import_begin(data_dir, &(struct import_options){.delimiter = ',', .header = 1, .is_made = true}, &import, error),
                   ERROR_NONE);
  import_set_source(import, &source);
  enum error_code code = zip_reader_open(fileno(file), 1 << 30, &reader, error);
  if (code == ERROR_NONE) {
    code = image_import(import, reader, options != NULL ? options : &found, error);
    zip_reader_close(reader);
  }
  fclose(file);
  if (code == ERROR_NONE) return import_finish(import, &dataset, error);
  import_abort(import);
  return code;
}

static void import_whole(struct archive *archive, const struct image_options *options) {
  struct error error = {0};
  ck_assert_msg(import_archive(archive, options, &error) == ERROR_NONE, "%s", error.detail);
  ck_assert_int_eq(tensor_file_open(data_dir, &dataset, &tensors, &error), ERROR_NONE);
}

static void check_refused(struct archive *archive, const char *reason) {
  struct error error = {0};
  ck_assert_int_eq(import_archive(archive, NULL, &error), ERROR_INVALID);
  ck_assert_msg(strstr(error.detail, reason) != NULL, "%s", error.detail);
  ck_assert_uint_eq(data_dir_count_files(data_dir), 0);
}

struct table_text {
  char *text;
  size_t bytes;
};

static enum error_code append_row(void *context, uint64_t index, const char *const *cells, struct error *error) {
  struct table_text *table = context;
  (void)index, (void)error;
  for (size_t i = 0; i < dataset.column_count; i++) {
    char *longer = NULL;
    ck_assert_int_ge(asprintf(&longer, "%s%s%s", table->text != NULL ? table->text : "", i > 0 ? "|" : "", cells[i]), 0);
    free(table->text);
    table->text = longer;
  }
  char *longer = NULL;
  ck_assert_int_ge(asprintf(&longer, "%s\n", table->text), 0);
  free(table->text);
  table->text = longer;
  return ERROR_NONE;
}

/* Names and cells, by | and line breaks. */
static void check_table(const char *names, const char *expected) {
  char found[CELL_BYTES * COLUMNS_MAX] = "";
  for (size_t i = 0; i < dataset.column_count; i++) {
    if (i > 0) strcat(found, "|");
    strcat(found, dataset.columns[i].name);
  }
  ck_assert_str_eq(found, names);
  struct table_text table = {0};
  struct error error = {0};
  ck_assert_int_eq(dataset_read_rows(data_dir, &dataset, 0, dataset.rows, append_row, &table, &error), ERROR_NONE);
  ck_assert_str_eq(table.text, expected);
  free(table.text);
}

static void check_shape(size_t channels, size_t height, size_t width) {
  const struct dataset_column *column = &dataset.columns[0];
  ck_assert_str_eq(column->name, "image");
  ck_assert_int_eq(column->kind, COLUMN_IMAGE);
  ck_assert_uint_eq(column->rank, 3);
  ck_assert_uint_eq(column->sizes[0], channels);
  ck_assert_uint_eq(column->sizes[1], height);
  ck_assert_uint_eq(column->sizes[2], width);
}

/* Of flat pictures: the first value of each channel of a row. */
static void check_pixel(uint64_t row, size_t channel, int expected) {
  const uint8_t *elements = tensor_file_get(&tensors, 0, row);
  const struct dataset_column *column = &dataset.columns[0];
  const int found = elements[channel * column->sizes[1] * column->sizes[2]];
  ck_assert_msg(abs(found - expected) <= 2, "row %d, channel %zu: %d, not %d", (int)row, channel, found, expected);
}

START_TEST(folders_are_labels) {
  struct archive archive = {0};
  archive_add_text(&archive, "pets/README.txt", "Pictures.");
  add_picture(&archive, "pets/cats/1.png", 5, 4, 1, 10);
  add_picture(&archive, "pets/dogs/big/2.jpg", 5, 4, 1, 200);
  add_picture(&archive, "pets/cats/3.PNG", 5, 4, 1, 30);
  import_whole(&archive, NULL);
  check_shape(1, 4, 5);
  check_table("image|label|file", "|cats|pets/cats/1.png\n|dogs|pets/dogs/big/2.jpg\n|cats|pets/cats/3.PNG\n");
  ck_assert_uint_eq(dataset.bad_row_count, 0);
  check_pixel(0, 0, 10);
  check_pixel(1, 0, 200);
  check_pixel(2, 0, 30);
  ck_assert_int_eq(dataset.columns[1].kind, COLUMN_CATEGORICAL);
}
END_TEST

START_TEST(top_folders_of_parts_become_a_column) {
  struct archive archive = {0};
  add_picture(&archive, "x/train/a/1.png", 3, 3, 1, 1);
  add_picture(&archive, "x/train/b/2.png", 3, 3, 1, 2);
  add_picture(&archive, "x/Test/a/3.png", 3, 3, 1, 3);
  add_picture(&archive, "x/val/b/4.png", 3, 3, 1, 4);
  import_whole(&archive, NULL);
  check_table("image|label|file|part",
              "|a|x/train/a/1.png|train\n|b|x/train/b/2.png|train\n|a|x/Test/a/3.png|test\n|b|x/val/b/4.png|validation\n");
  ck_assert(dataset.columns[3].says_part);
}
END_TEST

START_TEST(one_folder_alone_is_a_label_and_none_is_none) {
  struct archive archive = {0};
  add_picture(&archive, "cats/1.png", 3, 3, 1, 1);
  import_whole(&archive, NULL);
  check_table("image|label|file", "|cats|cats/1.png\n");
  tensor_file_close(&tensors);
  dataset_row_deinit(&dataset);
  add_picture(&archive, "1.png", 3, 3, 1, 1);
  add_picture(&archive, "2.png", 3, 3, 1, 1);
  import_whole(&archive, NULL);
  check_table("image|file", "|1.png\n|2.png\n");
}
END_TEST

START_TEST(a_table_gives_the_columns) {
  struct archive archive = {0};
  archive_add_text(&archive, "data/labels.csv",
                   "image,age,\"label\"\nb.jpg,7,\"x, y\"\nimages/a.png,8,z\n./images/a,9,z\nnone.png,1,z\nshort.png\n");
  add_picture(&archive, "data/images/a.png", 4, 4, 1, 50);
  add_picture(&archive, "data/images/b.jpg", 4, 4, 1, 150);
  import_whole(&archive, NULL);
  check_table("image|file|age|label", "|b.jpg|7|x, y\n|images/a.png|8|z\n|./images/a|9|z\n");
  check_pixel(0, 0, 150);
  check_pixel(1, 0, 50);
  check_pixel(2, 0, 50);
  ck_assert_uint_eq(dataset.bad_row_count, 2);
  ck_assert_uint_eq(dataset.bad_rows[0].line, 5);
  ck_assert_str_eq(dataset.bad_rows[0].reason, "\"none.png\" names no image of the archive");
  ck_assert_str_eq(dataset.bad_rows[1].reason, "\"short.png\" has 1 cells, the first row has 3");
}
END_TEST

START_TEST(columns_of_classes_are_not_taken_for_files) {
  struct archive archive = {0};
  archive_add_text(&archive, "labels.csv", "digit,id\n1,0\n0,1\n1,2\n0,3\n");
  static const char *const names[] = {"0.png", "1.png", "2.png", "3.png"};
  for (uint8_t i = 0; i < 4; i++) add_picture(&archive, names[i], 4, 4, 1, (uint8_t)(100 + i));
  import_whole(&archive, NULL);
  check_table("image|digit|file", "|1|0\n|0|1\n|1|2\n|0|3\n");
  for (size_t i = 0; i < 4; i++) check_pixel(i, 0, (int)(100 + i));
}
END_TEST

START_TEST(tables_without_header_and_with_taken_names_work) {
  struct archive archive = {0};
  archive_add_text(&archive, "labels.csv", "00001,cat\n00002,dog\n00003,cat\n");
  add_picture(&archive, "i/00001.png", 4, 4, 1, 50);
  add_picture(&archive, "i/00002.png", 4, 4, 1, 51);
  add_picture(&archive, "i/00003.png", 4, 4, 1, 52);
  import_whole(&archive, NULL);
  check_table("image|file|label", "|00001|cat\n|00002|dog\n|00003|cat\n");
  tensor_file_close(&tensors);
  dataset_row_deinit(&dataset);
  archive_add_text(&archive, "t.tsv", "file\timage\tpart\nx\ttrain\\1.png\tq\ny\ttest\\1.png\tr\n");
  add_picture(&archive, "train/1.png", 4, 4, 1, 50);
  add_picture(&archive, "test/1.png", 4, 4, 1, 60);
  import_whole(&archive, NULL);
  check_table("image|file_|file|part_|part", "|x|train\\1.png|q|train\n|y|test\\1.png|r|test\n");
  check_pixel(1, 0, 60);
}
END_TEST

START_TEST(size_and_channels_follow_from_the_images) {
  struct archive archive = {0};
  add_picture(&archive, "a/1.png", 6, 3, 1, 10);
  add_picture(&archive, "a/2.png", 8, 4, 1, 10);
  add_picture(&archive, "b/3.jpg", 8, 4, 3, 100);
  archive_add_text(&archive, "b/4.png", "broken");
  import_whole(&archive, NULL);
  check_shape(3, 4, 8);
  check_pixel(0, 2, 10);
  check_pixel(2, 0, 100);
  check_pixel(2, 1, 50);
  tensor_file_close(&tensors);
  dataset_row_deinit(&dataset);
  /* Grey, though stored in colours; and large. */
  uint8_t grey[64 * 3];
  memset(grey, 77, sizeof grey);
  size_t count;
  char *png = picture_make_png(&(struct picture){8, 8, 3, grey}, NULL, &count);
  archive_add(&archive, &(struct archive_entry){.name = "a/1.png", .bytes = png, .count = count});
  free(png);
  import_whole(&archive, NULL);
  check_shape(1, 8, 8);
  tensor_file_close(&tensors);
  dataset_row_deinit(&dataset);
  uint8_t *wide = calloc(200 * 100, 1);
  png = picture_make_png(&(struct picture){200, 100, 1, wide}, NULL, &count);
  free(wide);
  for (int i = 0; i < 3; i++) {
    static const struct {
      struct image_options options;
      size_t channels, height, width;
    } cases[] = {{{0, 0, 0}, 1, 32, 64}, {{3, 0, 50}, 3, 25, 50}, {{4, 7, 9}, 4, 7, 9}};
    archive_add(&archive, &(struct archive_entry){.name = "a/1.png", .bytes = png, .count = count});
    import_whole(&archive, &cases[i].options);
    check_shape(cases[i].channels, cases[i].height, cases[i].width);
    tensor_file_close(&tensors);
    dataset_row_deinit(&dataset);
    dataset = (struct dataset_row){0};
  }
  free(png);
}
END_TEST

START_TEST(what_cannot_be_decoded_is_a_bad_row) {
  struct archive archive = {0};
  add_picture(&archive, "a/1.png", 4, 4, 1, 10);
  archive_add_text(&archive, "a/2.png", "not an image");
  archive_add_text(&archive, "b/3.gif", "GIF89a............");
  archive_add_text(&archive, "b/4.jpg", "\xFF\xD8\xFF");
  add_picture(&archive, "5.png", 4, 4, 1, 10);
  archive_add(&archive, &(struct archive_entry){.name = "b/6.png", .bytes = "abc", .count = 3, .has_wrong_checksum = true});
  add_picture(&archive, "b/7.png", 4, 4, 1, 20);
  import_whole(&archive, NULL);
  check_table("image|label|file", "|a|a/1.png\n|b|b/7.png\n");
  check_pixel(1, 0, 20);
  ck_assert_uint_eq(dataset.bad_row_count, 5);
  static const char *const reasons[] = {"\"a/2.png\" is no image; PNG and JPEG are read",
                                        "\"b/3.gif\" is a GIF image; PNG and JPEG are read", "\"b/4.jpg\" is a JPEG that is broken",
                                        "\"5.png\" lies in no folder", "entry \"b/6.png\" of the ZIP archive is broken"};
  for (size_t i = 0; i < 5; i++) {
    ck_assert_uint_eq(dataset.bad_rows[i].line, i + 2);
    ck_assert_msg(strncmp(dataset.bad_rows[i].reason, reasons[i], strlen(reasons[i])) == 0, "%s", dataset.bad_rows[i].reason);
  }
}
END_TEST

START_TEST(archives_without_what_is_needed_are_refused) {
  struct archive archive = {0};
  check_refused(&archive, "empty");
  archive_add_text(&archive, "a.txt", "hello");
  check_refused(&archive, "no image");
  archive_add_text(&archive, "a.csv", "x,y\n7,8\n");
  add_picture(&archive, "1.png", 4, 4, 1, 10);
  add_picture(&archive, "2.png", 4, 4, 1, 10);
  check_refused(&archive, "names its images");
  archive_add_text(&archive, "a.csv", "file,y\n1.png,2\n");
  archive_add_text(&archive, "b.csv", "file,y\n1.png,2\n");
  add_picture(&archive, "1.png", 4, 4, 1, 10);
  check_refused(&archive, "2 tables");
  archive_add_text(&archive, "a/1.png", "no");
  check_refused(&archive, "none of the 1 row");
}
END_TEST

START_TEST(no_memory_is_an_error_that_leaves_nothing) {
  if (!allocations_can_count()) return;
  struct error error = {0};
  enum error_code code = ERROR_OUT_OF_MEMORY;
  for (size_t successes = 60; code != ERROR_NONE; successes += 1) {
    struct archive archive = {0};
    archive_add_text(&archive, "labels.csv", "file,y\n1.png,2\n2.png,3\n");
    add_picture(&archive, "1.png", 8, 8, 3, 10);
    add_picture(&archive, "2.png", 4, 4, 1, 10);
    error_clear(&error);
    static const struct import_source source = {.sha256 = "0", .bytes = 1};
    archive_finish(&archive);
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    fwrite(archive.bytes, 1, archive.count, file);
    fflush(file);
    archive_deinit(&archive);
    struct zip_reader *reader = NULL;
    struct import *import = NULL;
    ck_assert_int_eq(import_begin(data_dir, &(struct import_options){.delimiter = ',', .header = 1, .is_made = true}, &import, &error),
                     ERROR_NONE);
    import_set_source(import, &source);
    allocations_fail_after(successes);
    code = zip_reader_open(fileno(file), 1 << 30, &reader, &error);
    if (code == ERROR_NONE) code = image_import(import, reader, &(struct image_options){0}, &error);
    zip_reader_close(reader);
    const size_t bad_rows = 0;
    if (code == ERROR_NONE) {
      code = import_finish(import, &dataset, &error);
    } else {
      import_abort(import);
    }
    allocations_fail_after(SIZE_MAX);
    fclose(file);
    if (code == ERROR_NONE) ck_assert_uint_eq(dataset.bad_row_count, bad_rows);
    ck_assert(code == ERROR_NONE || code == ERROR_OUT_OF_MEMORY || code == ERROR_INVALID);
    if (code != ERROR_NONE) ck_assert_uint_eq(data_dir_count_files(data_dir), 0);
  }
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *tcase = suite_add_case(suite, "image_import");
  tcase_add_checked_fixture(tcase, make_dir, remove_dir);
  tcase_add_test(tcase, folders_are_labels);
  tcase_add_test(tcase, top_folders_of_parts_become_a_column);
  tcase_add_test(tcase, one_folder_alone_is_a_label_and_none_is_none);
  tcase_add_test(tcase, a_table_gives_the_columns);
  tcase_add_test(tcase, columns_of_classes_are_not_taken_for_files);
  tcase_add_test(tcase, tables_without_header_and_with_taken_names_work);
  tcase_add_test(tcase, size_and_channels_follow_from_the_images);
  tcase_add_test(tcase, what_cannot_be_decoded_is_a_bad_row);
  tcase_add_test(tcase, archives_without_what_is_needed_are_refused);
  tcase_add_test(tcase, no_memory_is_an_error_that_leaves_nothing);
}

int main(void) { return suite_main("image_import", add_cases); }
