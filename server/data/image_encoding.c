#include "server/data/image_encoding.h"

#include <math.h>

#include "engine/train_rows.h"
#include "server/data/data_settings.h"

enum { EXACT_BYTES = 1 << 16 /* whose squares 32 bits can add up */ };

bool image_encoding_fits(const struct image_encoding *encoding, const struct dataset_column *column) {
  return column->kind == COLUMN_IMAGE && column->rank == 3 && column->element == ELEMENT_UINT8 && column->sizes[0] == encoding->channels &&
         column->sizes[1] == encoding->height && column->sizes[2] == encoding->width;
}

void image_encoding_encode(const struct image_encoding *encoding, const uint8_t *pixels, float *x) {
  train_rows_convert(pixels, encoding->channels, encoding->height * encoding->width, encoding->center, encoding->scale, x);
}

void image_encoding_decode(const struct image_encoding *encoding, const float *x, uint8_t *pixels) {
  const size_t inner = encoding->height * encoding->width;
  for (size_t i = 0; i < image_encoding_get_width(encoding); i++) {
    const double pixel = round(image_encoding_restore(encoding, i / inner, x[i]));
    pixels[i] = pixel > UINT8_MAX ? UINT8_MAX : pixel > 0 ? (uint8_t)pixel : 0;
  }
}

static void add_channel(const uint8_t *pixels, size_t count, uint64_t *sum, uint64_t *squares) {
  for (size_t first = 0; first < count; first += EXACT_BYTES) {
    const size_t end = count - first < EXACT_BYTES ? count : first + EXACT_BYTES;
    uint32_t portion_sum = 0, portion_squares = 0;
    for (size_t i = first; i < end; i++) {
      const uint32_t pixel = pixels[i];
      portion_sum += pixel;
      portion_squares += pixel * pixel;
    }
    *sum += portion_sum;
    *squares += portion_squares;
  }
}

void image_fit_add(struct image_fit *fit, const struct image_encoding *encoding, const uint8_t *pixels) {
  const size_t inner = encoding->height * encoding->width;
  fit->count++;
  for (size_t c = 0; c < encoding->channels; c++) add_channel(pixels + c * inner, inner, &fit->sums[c], &fit->squares[c]);
}

static void set_channel(struct image_encoding *encoding, size_t channel, uint64_t count, uint64_t sum, uint64_t squares) {
  const double mean = (double)sum / (double)count, variance = (double)squares / (double)count - mean * mean;
  encoding->center[channel] = (float)mean;
  encoding->scale[channel] = variance > 0 ? (float)sqrt(variance) : 1;
}

void image_fit_finish(const struct image_fit *fit, int scaling, struct image_encoding *encoding) {
  const uint64_t pixels = fit->count * encoding->height * encoding->width;
  uint64_t sum = 0, squares = 0;
  for (size_t c = 0; c < encoding->channels; c++) {
    sum += fit->sums[c];
    squares += fit->squares[c];
  }
  for (size_t c = 0; c < encoding->channels; c++) {
    encoding->center[c] = 0;
    encoding->scale[c] = scaling == SCALING_MIN_MAX ? UINT8_MAX : 1;
    if (scaling != SCALING_STANDARD || pixels == 0) continue;
    if (encoding->is_uniform)
      set_channel(encoding, c, pixels * encoding->channels, sum, squares);
    else
      set_channel(encoding, c, pixels, fit->sums[c], fit->squares[c]);
  }
}
