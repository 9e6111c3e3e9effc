#include "server/data/image_decode.h"

#include <stdlib.h>
#include <string.h>

#include "server/data/image_private.h"

enum { ORIENTATION_UPRIGHT = 1, ORIENTATION_FIRST_TRANSPOSED = 5, WHITE = 255 };

enum image_format image_sniff(const void *bytes, size_t byte_count, const char **out_name) {
  static const struct {
    const char *magic;
    size_t offset, count;
    enum image_format format;
    const char *name;
  } formats[] = {
      {"\x89PNG\r\n\x1a\n", 0, 8, IMAGE_PNG, "PNG"}, {"\xFF\xD8\xFF", 0, 3, IMAGE_JPEG, "JPEG"}, {"GIF8", 0, 4, IMAGE_UNKNOWN, "GIF"},
      {"WEBP", 8, 4, IMAGE_UNKNOWN, "WebP"},         {"BM", 0, 2, IMAGE_UNKNOWN, "BMP"},         {"II*\0", 0, 4, IMAGE_UNKNOWN, "TIFF"},
      {"MM\0*", 0, 4, IMAGE_UNKNOWN, "TIFF"},        {"ftypheic", 4, 8, IMAGE_UNKNOWN, "HEIC"},  {"ftypavif", 4, 8, IMAGE_UNKNOWN, "AVIF"}};
  for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
    if (byte_count < formats[i].offset + formats[i].count) continue;
    if (memcmp((const char *)bytes + formats[i].offset, formats[i].magic, formats[i].count) != 0) continue;
    if (out_name != NULL) *out_name = formats[i].name;
    return formats[i].format;
  }
  if (out_name != NULL) *out_name = NULL;
  return IMAGE_UNKNOWN;
}

/* Sizes as the file stores them, and how it is turned. */
static enum error_code read_stored_info(const void *bytes, size_t byte_count, struct image_info *info, int *orientation,
                                        struct error *error) {
  const char *name;
  enum error_code code = ERROR_NONE;
  *orientation = ORIENTATION_UPRIGHT;
  switch (image_sniff(bytes, byte_count, &name)) {
  case IMAGE_PNG: code = image_png_read_info(bytes, byte_count, info, error); break;
  case IMAGE_JPEG: code = image_jpeg_read_info(bytes, byte_count, info, orientation, error); break;
  case IMAGE_UNKNOWN:
  default:
    if (name == NULL) return error_set(error, ERROR_MEDIA_TYPE, "is no image; PNG and JPEG are read");
    return error_set(error, ERROR_MEDIA_TYPE, "is a %s image; PNG and JPEG are read", name);
  }
  if (code != ERROR_NONE) return code;
  if (info->width == 0 || info->height == 0) return error_set(error, ERROR_INVALID, "is an image without a pixel");
  if (info->width > IMAGE_PIXELS_MAX / info->height)
    return error_set(error, ERROR_TOO_LARGE, "is an image of %zu × %zu pixels; one may have %d in all", info->width, info->height,
                     IMAGE_PIXELS_MAX);
  return ERROR_NONE;
}

enum error_code image_read_info(const void *bytes, size_t byte_count, struct image_info *out_info, struct error *error) {
  struct image_info info = {0};
  int orientation;
  enum error_code code = read_stored_info(bytes, byte_count, &info, &orientation, error);
  if (code != ERROR_NONE) return code;
  *out_info = info;
  if (orientation >= ORIENTATION_FIRST_TRANSPOSED) {
    out_info->width = info.height;
    out_info->height = info.width;
  }
  return ERROR_NONE;
}

enum error_code image_sink_begin(struct image_sink *sink, size_t width, size_t height, size_t components, struct error *error) {
  sink->width = width;
  sink->height = height;
  sink->components = components;
  if (components != sink->shape.channels) {
    sink->pixels = malloc(width * sink->shape.channels);
    if (sink->pixels == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory to decode an image");
  }
  return image_resizer_create(&(struct image_shape){sink->shape.channels, height, width}, &sink->shape, &sink->resizer, error);
}

static uint8_t blend_white(unsigned value, unsigned opacity) {
  return (uint8_t)((value * opacity + WHITE * (WHITE - opacity) + WHITE / 2) / WHITE);
}

static uint8_t find_luma(unsigned r, unsigned g, unsigned b) { return (uint8_t)((299 * r + 587 * g + 114 * b + 500) / 1000); }

/* One pixel of `components` to one of `channels`. */
static void convert_pixel(const uint8_t *from, size_t components, uint8_t *to, size_t channels) {
  const bool is_grey = components <= 2, has_opacity = components % 2 == 0;
  uint8_t r = from[0], g = from[is_grey ? 0 : 1], b = from[is_grey ? 0 : 2];
  const uint8_t opacity = has_opacity ? from[components - 1] : WHITE;
  if (channels < 4 && opacity != WHITE) {
    r = blend_white(r, opacity);
    g = blend_white(g, opacity);
    b = blend_white(b, opacity);
  }
  if (channels == 1) {
    to[0] = is_grey ? r : find_luma(r, g, b);
    return;
  }
  to[0] = r;
  to[1] = g;
  to[2] = b;
  if (channels == 4) to[3] = opacity;
}

void image_sink_take_row(struct image_sink *sink, const uint8_t *row) {
  const size_t channels = sink->shape.channels;
  for (size_t x = 0; sink->pixels != NULL && x < sink->width; x++)
    convert_pixel(row + x * sink->components, sink->components, sink->pixels + x * channels, channels);
  image_resizer_take_row(sink->resizer, sink->pixels != NULL ? sink->pixels : row);
}

/* Where in the stored image, of `shape`, pixel (y, x) of the upright one is (Exif 2.32, tag 0x0112). */
static void find_stored(int orientation, const struct image_shape *shape, size_t y, size_t x, size_t *out_y, size_t *out_x) {
  const bool is_transposed = orientation >= ORIENTATION_FIRST_TRANSPOSED;
  const size_t row = is_transposed ? x : y, column = is_transposed ? y : x;
  const bool is_upside_down = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const bool is_mirrored = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  *out_y = is_upside_down ? shape->height - 1 - row : row;
  *out_x = is_mirrored ? shape->width - 1 - column : column;
}

static void write_elements(const struct image_sink *sink, int orientation, const struct image_shape *shape, uint8_t *out_elements) {
  for (size_t c = 0; c < shape->channels; c++)
    for (size_t y = 0; y < shape->height; y++)
      for (size_t x = 0; x < shape->width; x++) {
        size_t stored_y, stored_x;
        find_stored(orientation, &sink->shape, y, x, &stored_y, &stored_x);
        *out_elements++ = image_resizer_get(sink->resizer, c, stored_y, stored_x);
      }
}

enum error_code image_decode(const void *bytes, size_t byte_count, const struct image_shape *shape, uint8_t *out_elements,
                             struct error *error) {
  struct image_info info = {0};
  int orientation;
  enum error_code code = read_stored_info(bytes, byte_count, &info, &orientation, error);
  if (code != ERROR_NONE) return code;
  struct image_sink sink = {.shape = *shape};
  if (orientation >= ORIENTATION_FIRST_TRANSPOSED) {
    sink.shape.height = shape->width;
    sink.shape.width = shape->height;
  }
  code = info.format == IMAGE_PNG ? image_png_decode(bytes, byte_count, &sink, error) : image_jpeg_decode(bytes, byte_count, &sink, error);
  if (code == ERROR_NONE) write_elements(&sink, orientation, shape, out_elements);
  image_resizer_destroy(sink.resizer);
  free(sink.pixels);
  return code;
}
