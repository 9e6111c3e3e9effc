#include "tests/support/image_files.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

/* The upper half is brighter in rows of label 0, the lower in those of label 1; the rest is noise. */
uint8_t image_set_get_pixel(const struct image_set *set, size_t row, size_t pixel) {
  const size_t inner = set->height * set->width, at = pixel % inner, channel = pixel / inner;
  unsigned noise = (unsigned)(row * 977 + pixel * 131 + set->seed * 31 + 7) * 2654435761U;
  const int is_bright = (at < inner / 2) == (row % 2 == 0);
  return (uint8_t)((is_bright ? 120 : 20) + 20 * channel + (noise >> 24) % 50);
}

void image_set_import(const char *data_dir, const struct image_set *set, struct dataset_row *out_row) {
  const size_t pixel_count = set->channels * set->height * set->width, column_count = set->test > 0 ? 4 : 3;
  const struct tensor_column image = {.kind = COLUMN_IMAGE, .rank = 3, .sizes = {set->channels, set->height, set->width}};
  const struct import_source source = {.sha256 = "0", .bytes = 1};
  struct import *import;
  struct error error = {0};
  uint8_t *pixels = malloc(pixel_count);
  ck_assert_int_eq(import_begin(data_dir, &(struct import_options){.delimiter = ',', .header = 1, .is_made = true}, &import, &error), 0);
  import_set_source(import, &source);
  if (set->test > 0) import_set_part_column(import, 3);
  ck_assert_int_eq(import_set_tensors(import, &image, 1, &error), ERROR_NONE);
  ck_assert_int_eq(import_add_row(import, (const char *const[]){"image", "label", "weight", "part"}, column_count, &error), ERROR_NONE);
  for (size_t row = 0; row < set->train + set->test; row++) {
    char weight[16];
    snprintf(weight, sizeof weight, "%zu.5", row * 7 % 100);
    const char *const cells[] = {"", row % 2 == 0 ? "0" : "1", weight, row < set->train ? "train" : "test"};
    for (size_t i = 0; i < pixel_count; i++) pixels[i] = image_set_get_pixel(set, row, i);
    ck_assert_int_eq(import_add_row(import, cells, column_count, &error), ERROR_NONE);
    ck_assert_int_eq(import_add_records(import, pixels, 1, &error), ERROR_NONE);
  }
  free(pixels);
  ck_assert_msg(import_finish(import, out_row, &error) == ERROR_NONE, "%s", error.detail);
  snprintf(out_row->name, sizeof out_row->name, "test");
}
