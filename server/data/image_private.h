/* Between image_decode.c and the formats. Private to server/data. */
#ifndef SERVER_DATA_IMAGE_PRIVATE_H
#define SERVER_DATA_IMAGE_PRIVATE_H

#include "server/data/image_decode.h"

/* Takes decoded rows from the top to the bottom, converts their pixels to the wanted channels and resizes them. */
struct image_sink {
  struct image_shape shape; /* wanted, as the file stores it: before it is turned */
  size_t width, height;     /* of the decoded image; image_sink_begin sets them */
  size_t components;        /* of its pixels: 1 grey, 2 grey and opacity, 3 RGB, 4 RGB and opacity */
  uint8_t *pixels;          /* [width, channels of shape]: a row, converted; NULL: needs no conversion */
  struct image_resizer *resizer;
};

__attribute__((warn_unused_result)) enum error_code image_sink_begin(struct image_sink *sink, size_t width, size_t height,
                                                                     size_t components, struct error *error);
/* row[width, components] */
void image_sink_take_row(struct image_sink *sink, const uint8_t *row);

/* Exif (TIFF) orientation 1 … 8 of an APP1 marker's bytes; 1 if it has none. */
int image_read_orientation(const uint8_t *bytes, size_t byte_count);

/* Of each format: the header with sizes as stored and its orientation, and all of it into the sink. */
__attribute__((warn_unused_result)) enum error_code image_png_read_info(const void *bytes, size_t byte_count, struct image_info *out_info,
                                                                        struct error *error);
__attribute__((warn_unused_result)) enum error_code image_png_decode(const void *bytes, size_t byte_count, struct image_sink *sink,
                                                                     struct error *error);
__attribute__((warn_unused_result)) enum error_code image_jpeg_read_info(const void *bytes, size_t byte_count, struct image_info *out_info,
                                                                         int *out_orientation, struct error *error);
__attribute__((warn_unused_result)) enum error_code image_jpeg_decode(const void *bytes, size_t byte_count, struct image_sink *sink,
                                                                      struct error *error);

#endif
