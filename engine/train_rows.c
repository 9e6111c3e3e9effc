#include "engine/train_rows.h"

#include <stdbool.h>

void row_reader_init(struct row_reader *reader, const struct train_rows *rows, const struct shape *input) {
  const size_t size = shape_size(input), stride = rows->x_stride > 0 ? rows->x_stride : size;
  const size_t element_bytes = rows->x_bytes != NULL ? sizeof(uint8_t) : sizeof(float);
  *reader = (struct row_reader){.rows = *rows,
                                .size = size,
                                .channels = input->rank == 3 ? input->sizes[0] : 1,
                                .bytes = size * element_bytes,
                                .base = rows->x_bytes != NULL ? rows->x_bytes : (const unsigned char *)rows->x,
                                .stride_bytes = stride * element_bytes};
}

void train_rows_convert(const uint8_t *bytes, size_t channels, size_t inner, const float *center, const float *scale, float *out_x) {
  for (size_t channel = 0; channel < channels; channel++) {
    const uint8_t *restrict from = bytes + channel * inner;
    float *restrict to = out_x + channel * inner;
    const float shift = center == NULL ? 0 : center[channel], factor = scale == NULL ? 1 : 1 / scale[channel];
    for (size_t i = 0; i < inner; i++) to[i] = ((float)from[i] - shift) * factor;
  }
}

static bool stands_as_input(const struct row_reader *reader) {
  return reader->rows.x_bytes == NULL && reader->rows.x_rows == NULL && reader->stride_bytes == reader->bytes;
}

const float *row_reader_get(const struct row_reader *reader, size_t first, size_t count, float *buffer) {
  if (stands_as_input(reader)) return reader->rows.x + first * reader->size;
  for (size_t i = 0; i < count; i++) row_reader_copy(reader, first + i, buffer + i * reader->size);
  return buffer;
}
