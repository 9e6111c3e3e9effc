/* An image column ⇄ the network's floats: (byte − center) / scale, each channel with its own, computed as the engine does from mapped bytes
 * (engine/train_rows.h), so that predictions see the same bits as training did. */
#ifndef SERVER_DATA_IMAGE_ENCODING_H
#define SERVER_DATA_IMAGE_ENCODING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/store/datasets.h"

enum { IMAGE_CHANNELS_MAX = 4 };

struct image_encoding {
  size_t channels, height, width;
  bool is_uniform;                                             /* the network doesn't take channels: one center and scale for all of them */
  float center[IMAGE_CHANNELS_MAX], scale[IMAGE_CHANNELS_MAX]; /* scale is never 0 */
};
static inline size_t image_encoding_get_width(const struct image_encoding *encoding) {
  return encoding->channels * encoding->height * encoding->width;
}

/* Whether the column holds images of that shape. */
bool image_encoding_fits(const struct image_encoding *encoding, const struct dataset_column *column);

/* x[channels, height, width] of as many pixels. */
void image_encoding_encode(const struct image_encoding *encoding, const uint8_t *pixels, float *x);

/* The pixel that a float stands for: not rounded, and not kept to 0 … 255. */
static inline double image_encoding_restore(const struct image_encoding *encoding, size_t channel, float x) {
  return (double)x * (double)encoding->scale[channel] + (double)encoding->center[channel];
}
/* Pixels of x[channels, height, width], rounded and kept to 0 … 255; what isn't finite is 0. */
void image_encoding_decode(const struct image_encoding *encoding, const float *x, uint8_t *pixels);

/* What is learned of the training part, exactly, whatever the rows' order. All zeros: nothing yet. */
struct image_fit {
  uint64_t count; /* images */
  uint64_t sums[IMAGE_CHANNELS_MAX], squares[IMAGE_CHANNELS_MAX];
};
void image_fit_add(struct image_fit *fit, const struct image_encoding *encoding, const uint8_t *pixels);
/* `scaling` as data_settings.h says: standard is mean 0 and deviation 1, min_max 0 to 1 for 0 to 255, none the bytes as they are. */
void image_fit_finish(const struct image_fit *fit, int scaling, struct image_encoding *encoding);

#endif
