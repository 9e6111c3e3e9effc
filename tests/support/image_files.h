/* Datasets of images for unit tests, made without a server. */
#ifndef TESTS_SUPPORT_IMAGE_FILES_H
#define TESTS_SUPPORT_IMAGE_FILES_H

#include "server/data/import.h"

struct image_set {
  size_t channels, height, width;
  size_t train, test; /* rows; with test 0 there is no column `part` */
  unsigned seed;
};
/* Columns image, label (0, 1: the row's number modulo 2), weight (numbers) and part; named "test". Of pixel i of
 * row r is image_set_get_pixel. */
void image_set_import(const char *data_dir, const struct image_set *set, struct dataset_row *out_row);
uint8_t image_set_get_pixel(const struct image_set *set, size_t row, size_t pixel);

#endif
