/* Bringing images to another size, row by row: each output pixel is the mean of the area it covers where an axis shrinks, and linear
 * between the centres of the two nearest pixels where it grows; an axis that stays is copied. The axes are resized each by itself: an image
 * of another aspect ratio is stretched.
 *
 * Memory: the output in float32, not the input. Deterministic. Threads: a resizer belongs to one thread.
 */
#ifndef SERVER_DATA_IMAGE_RESIZE_H
#define SERVER_DATA_IMAGE_RESIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

struct image_shape {
  size_t channels, height, width;
};

struct image_resizer;
/* From height × width of `from` to those of `to`, which have the same channels; all are at least 1 and their products fit size_t. */
__attribute__((warn_unused_result)) enum error_code image_resizer_create(const struct image_shape *from, const struct image_shape *to,
                                                                         struct image_resizer **out_resizer, struct error *error);
void image_resizer_destroy(struct image_resizer *resizer);
/* The next row from the top: pixels[width, channels]. */
void image_resizer_take_row(struct image_resizer *resizer, const uint8_t *pixels);
/* After the last row: the value at y, x of the output, in 0 … 255. */
uint8_t image_resizer_get(const struct image_resizer *resizer, size_t channel, size_t y, size_t x);

#endif
