/* Rows of data as they lie in memory or in a mapped file, and how they become the float inputs of a network.
 *
 * Rows are floats or bytes, one after the other, picked by number, or overlapping (windows of a series); nobody but this module does
 * arithmetic on their addresses. Bytes become (byte − center) · (1 / scale) of their channel.
 * All functions are pure; rows are only read, by any number of threads.
 */
#ifndef ENGINE_TRAIN_ROWS_H
#define ENGINE_TRAIN_ROWS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "engine/param.h"

/* Prepared rows. Borrowed. */
struct train_rows {
  size_t count;
  const float *x;         /* elements of the rows … */
  const uint8_t *x_bytes; /* … or bytes; exactly one is not NULL (count > 0) */
  size_t x_stride;        /* elements from the start of one row to that of the next; 0: those of an input. Fewer: windows that overlap */
  const uint32_t *x_rows; /* [count] which row of x; NULL: row i is i */
  const float
      *byte_center; /* [channels]; NULL: 0. Channels are the input's first size if it has rank 3 ([channels, height, width]), else 1 */
  const float *byte_scale; /* [channels], not 0; NULL: 1 */
  const float *y; /* [count] class indices, [count, target_steps] class indices, or [count, width] values; x_rows doesn't pick them. NULL: a
                     row is its own target */
};

/* Rows and the shape of the input that they are to become, worked out once. Borrows the rows and what they point to. */
struct row_reader {
  struct train_rows rows;
  size_t size;               /* elements of an input */
  size_t channels;           /* of bytes, size / channels elements each */
  size_t bytes;              /* of a row as it stands */
  const unsigned char *base; /* of row 0 */
  size_t stride_bytes;
};

void row_reader_init(struct row_reader *reader, const struct train_rows *rows, const struct shape *input);

/* Where row `row` starts. */
static inline const void *row_reader_locate(const struct row_reader *reader, size_t row) {
  const size_t at = reader->rows.x_rows == NULL ? row : reader->rows.x_rows[row];
  return reader->base + at * reader->stride_bytes;
}

/* Asks the processor for a row that will be read soon: rows that are far apart it can't guess. */
static inline void row_reader_prefetch(const struct row_reader *reader, size_t row) {
  enum { CACHE_LINE_BYTES = 64 };
  const unsigned char *start = row_reader_locate(reader, row);
  for (size_t at = 0; at < reader->bytes; at += CACHE_LINE_BYTES) __builtin_prefetch(start + at, 0, 2);
}

/* count bytes of one row, [channels, inner], as floats: what predictions do to bytes that were trained on so. */
void train_rows_convert(const uint8_t *bytes, size_t channels, size_t inner, const float *center, const float *scale, float *out_x);

/* What stands for nothing in a channel: what a byte 0 becomes, black; of floats 0. */
static inline float row_reader_get_background(const struct row_reader *reader, size_t channel) {
  const uint8_t black = 0;
  const struct train_rows *rows = &reader->rows;
  float background = 0;
  if (rows->x_bytes != NULL)
    train_rows_convert(&black, 1, 1, rows->byte_center == NULL ? NULL : rows->byte_center + channel,
                       rows->byte_scale == NULL ? NULL : rows->byte_scale + channel, &background);
  return background;
}

/* One row as the network takes it, [input …]. */
static inline void row_reader_copy(const struct row_reader *reader, size_t row, float *out_x) {
  const void *start = row_reader_locate(reader, row);
  if (reader->rows.x_bytes == NULL)
    memcpy(out_x, start, reader->bytes);
  else
    train_rows_convert(start, reader->channels, reader->size / reader->channels, reader->rows.byte_center, reader->rows.byte_scale, out_x);
}

/* Rows first … first + count − 1 as [count, input …]: where they stand so already, else copied to `buffer`, which has room for them. */
const float *row_reader_get(const struct row_reader *reader, size_t first, size_t count, float *buffer);

#endif
