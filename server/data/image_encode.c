#include "server/data/image_encode.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>

/* [channels, height, width] → pixels[height, width, channels] of another size. */
static enum error_code resize(const struct image_shape *from, const uint8_t *elements, const struct image_shape *to, uint8_t *pixels,
                              struct error *error) {
  struct image_resizer *resizer = NULL;
  uint8_t *row = malloc(from->width * from->channels);
  enum error_code code =
      row != NULL ? image_resizer_create(from, to, &resizer, error) : error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  for (size_t y = 0; code == ERROR_NONE && y < from->height; y++) {
    for (size_t x = 0; x < from->width; x++)
      for (size_t c = 0; c < from->channels; c++) row[x * from->channels + c] = elements[(c * from->height + y) * from->width + x];
    image_resizer_take_row(resizer, row);
  }
  for (size_t y = 0; code == ERROR_NONE && y < to->height; y++)
    for (size_t x = 0; x < to->width; x++)
      for (size_t c = 0; c < to->channels; c++) *pixels++ = image_resizer_get(resizer, c, y, x);
  image_resizer_destroy(resizer);
  free(row);
  return code;
}

static enum error_code write_png(const struct image_shape *shape, const uint8_t *pixels, char **out_png, size_t *out_bytes,
                                 struct error *error) {
  png_image image;
  memset(&image, 0, sizeof image);
  image.version = PNG_IMAGE_VERSION;
  image.width = (png_uint_32)shape->width;
  image.height = (png_uint_32)shape->height;
  image.format = shape->channels == 1 ? PNG_FORMAT_GRAY : shape->channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_RGBA;
  image.flags = PNG_IMAGE_FLAG_FAST;
  png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(image);
  char *png = malloc(bytes);
  if (png == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  if (!png_image_write_to_memory(&image, png, &bytes, 0, pixels, 0, NULL)) {
    free(png);
    return error_set(error, ERROR_INTERNAL, "an image could not be written: %s", image.message);
  }
  *out_png = png;
  *out_bytes = bytes;
  return ERROR_NONE;
}

enum error_code image_encode_png(const struct image_shape *shape, const uint8_t *elements, size_t height, size_t width, char **out_png,
                                 size_t *out_bytes, struct error *error) {
  *out_png = NULL;
  const struct image_shape to = {shape->channels, height, width};
  uint8_t *pixels = malloc(to.channels * height * width);
  if (pixels == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  enum error_code code = resize(shape, elements, &to, pixels, error);
  if (code == ERROR_NONE) code = write_png(&to, pixels, out_png, out_bytes, error);
  free(pixels);
  return code;
}
