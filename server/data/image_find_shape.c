/* One size and number of channels for images that may have many: looked up in their headers, pixels only where a
 * header says there may be colour. */
#include <stdlib.h>
#include <string.h>

#include "server/data/image_import.h"
#include "server/data/image_layout.h"

enum {
  HEAD_BYTES = 64 << 10,   /* in which a header mostly is; else the whole file is read */
  SIZES_MAX = 4096,        /* told apart */
  GREY_DIFFERENCE_MAX = 2, /* between R, G and B: JPEG rounds */
  COLOR_CHANNELS = 3
};

struct seen_size {
  size_t width, height, count;
};

struct survey {
  size_t size_count;
  struct seen_size sizes[SIZES_MAX];
  bool has_color;
  struct image_bytes bytes;
};

static void count_size(struct survey *survey, size_t width, size_t height) {
  for (size_t i = 0; i < survey->size_count; i++) {
    if (survey->sizes[i].width != width || survey->sizes[i].height != height) continue;
    survey->sizes[i].count++;
    return;
  }
  if (survey->size_count < SIZES_MAX) survey->sizes[survey->size_count++] = (struct seen_size){width, height, 1};
}

/* Are its pixels anything but grey? Decoded small: colour that is gone at that size is none to learn from. */
static bool shows_color(const struct image_bytes *bytes, const struct image_info *info) {
  const size_t width = info->width < IMAGE_FOUND_SIDE_MAX ? info->width : IMAGE_FOUND_SIDE_MAX;
  const size_t height = info->height < IMAGE_FOUND_SIDE_MAX ? info->height : IMAGE_FOUND_SIDE_MAX;
  uint8_t elements[COLOR_CHANNELS * IMAGE_FOUND_SIDE_MAX * IMAGE_FOUND_SIDE_MAX];
  struct error error = {0};
  if (image_decode(bytes->bytes, bytes->count, &(struct image_shape){COLOR_CHANNELS, height, width}, elements, &error) != ERROR_NONE)
    return false;
  const size_t plane = height * width;
  for (size_t i = 0; i < plane; i++) {
    const int r = elements[i], g = elements[plane + i], b = elements[2 * plane + i];
    if (abs(r - g) > GREY_DIFFERENCE_MAX || abs(b - g) > GREY_DIFFERENCE_MAX) return true;
  }
  return false;
}

/* What can't be read is no evidence; it becomes a bad row later. */
static enum error_code look_at(struct survey *survey, struct zip_reader *reader, size_t entry, bool wants_channels, struct error *error) {
  struct image_info info;
  struct error defect = {0};
  enum error_code code = image_bytes_read(&survey->bytes, reader, entry, HEAD_BYTES, &defect);
  if (code == ERROR_NONE) code = image_read_info(survey->bytes.bytes, survey->bytes.count, &info, &defect);
  if (code == ERROR_INVALID && survey->bytes.count >= HEAD_BYTES) {
    error_clear(&defect);
    code = image_bytes_read(&survey->bytes, reader, entry, SIZE_MAX, &defect);
    if (code == ERROR_NONE) code = image_read_info(survey->bytes.bytes, survey->bytes.count, &info, &defect);
  }
  if (code == ERROR_OUT_OF_MEMORY) return error_set(error, code, "%s", defect.detail);
  if (code != ERROR_NONE) return ERROR_NONE;
  count_size(survey, info.width, info.height);
  if (!wants_channels || survey->has_color || !info.has_color) return ERROR_NONE;
  if (image_bytes_read(&survey->bytes, reader, entry, SIZE_MAX, &defect) == ERROR_NONE)
    survey->has_color = shows_color(&survey->bytes, &info);
  return ERROR_NONE;
}

static size_t scale_side(size_t side, size_t numerator, size_t denominator) {
  const size_t scaled = (side * numerator + denominator / 2) / denominator;
  return scaled < 1 ? 1 : scaled > IMAGE_SIDE_MAX ? IMAGE_SIDE_MAX : scaled;
}

/* One side given: the other in proportion. */
static void choose_size(const struct survey *survey, const struct image_options *options, struct image_shape *shape) {
  struct seen_size best = {1, 1, 0};
  for (size_t i = 0; i < survey->size_count; i++)
    if (survey->sizes[i].count > best.count) best = survey->sizes[i];
  if (options->width > 0) {
    shape->height = scale_side(best.height, options->width, best.width);
  } else if (options->height > 0) {
    shape->width = scale_side(best.width, options->height, best.height);
  } else {
    const size_t longer = best.width > best.height ? best.width : best.height;
    const size_t side = longer < IMAGE_FOUND_SIDE_MAX ? longer : IMAGE_FOUND_SIDE_MAX;
    shape->width = scale_side(best.width, side, longer);
    shape->height = scale_side(best.height, side, longer);
  }
}

enum error_code image_find_shape(struct zip_reader *reader, const struct image_layout *layout, const struct image_options *options,
                                 struct image_shape *out_shape, struct error *error) {
  *out_shape = (struct image_shape){options->channels, options->height, options->width};
  const bool wants_size = options->height == 0 || options->width == 0, wants_channels = options->channels == 0;
  if (!wants_size && !wants_channels) return ERROR_NONE;
  struct survey *survey = calloc(1, sizeof *survey);
  if (survey == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory to look at images");
  enum error_code code = ERROR_NONE;
  for (size_t i = 0; code == ERROR_NONE && i < layout->count && (wants_size || !survey->has_color); i++)
    code = look_at(survey, reader, layout->files[i].entry, wants_channels, error);
  if (wants_size) choose_size(survey, options, out_shape);
  if (wants_channels) out_shape->channels = survey->has_color ? COLOR_CHANNELS : 1;
  free(survey->bytes.bytes);
  free(survey);
  return code;
}
