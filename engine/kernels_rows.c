/* The kernel of predictions: a dense layer row by row. Training's kernels may choose their way by the size of a batch; here each value is one
 * dot product, summed in one order, so that a row's result has the same bits alone and among others, whatever the kernels of the build.
 *
 *   z(i, j) = Σ over lanes of [ Σ over p = lane, lane + V, lane + 2V … of x(i, p) · w(j, p) ] + bias(j)
 *
 * Letters: z[m, n], the sum runs over k; i, j, p index m, n, k; V = ROW_VECTOR_FLOATS.
 */
#include <string.h>

#include "engine/kernels.h"

/* Functions that take vectors wider than the processor's have no fixed ABI; here all of them are inlined. */
#pragma GCC diagnostic ignored "-Wpsabi"

enum { ROW_VECTOR_FLOATS = 16, BLOCK_ROWS = 4, BLOCK_UNITS = 4 };

typedef float vector __attribute__((vector_size(ROW_VECTOR_FLOATS * sizeof(float))));
typedef float vector_8 __attribute__((vector_size(8 * sizeof(float))));
typedef float vector_4 __attribute__((vector_size(4 * sizeof(float))));

static inline vector load(const float *from) {
  vector value;
  memcpy(&value, from, sizeof value);
  return value;
}

/* The last terms of a row, 0 behind them. */
static inline vector load_some(const float *from, size_t count) {
  vector value = {0};
  memcpy(&value, from, count * sizeof *from);
  return value;
}

/* Halves are added until one value is left. */
static inline float add_lanes(vector v) {
  const vector_8 eight =
      __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) + __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
  const vector_4 four = __builtin_shufflevector(eight, eight, 0, 1, 2, 3) + __builtin_shufflevector(eight, eight, 4, 5, 6, 7);
  return (four[0] + four[2]) + (four[1] + four[3]);
}

/* z(i, j) for `rows` rows from x and `units` units from w; both are constants wherever this is inlined. */
static inline __attribute__((always_inline)) void multiply_block(size_t rows, size_t units, size_t n, size_t k, const float *x,
                                                                 const float *w, const float *bias, float *z) {
  vector sums[BLOCK_ROWS * BLOCK_UNITS] = {0};
  size_t p = 0;
  for (; p + ROW_VECTOR_FLOATS <= k; p += ROW_VECTOR_FLOATS) {
    vector terms[BLOCK_ROWS], weights[BLOCK_UNITS];
#pragma GCC unroll 4
    for (size_t i = 0; i < rows; i++) terms[i] = load(x + i * k + p);
#pragma GCC unroll 4
    for (size_t j = 0; j < units; j++) weights[j] = load(w + j * k + p);
#pragma GCC unroll 4
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 4
      for (size_t j = 0; j < units; j++) sums[j * rows + i] += terms[i] * weights[j];
  }
  if (p < k) {
    for (size_t j = 0; j < units; j++)
      for (size_t i = 0; i < rows; i++) sums[j * rows + i] += load_some(x + i * k + p, k - p) * load_some(w + j * k + p, k - p);
  }
#pragma GCC unroll 4
  for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 4
    for (size_t j = 0; j < units; j++) z[i * n + j] = add_lanes(sums[j * rows + i]) + (bias == NULL ? 0 : bias[j]);
}

void kernel_dense_rows(size_t m, size_t n, size_t k, const float *x, const float *w, const float *bias, float *z) {
  /* Units outside: a block of weights is read once and stays near while all rows pass by. */
  for (size_t j = 0; j < n;) {
    const size_t units = n - j >= BLOCK_UNITS ? BLOCK_UNITS : 1;
    const float *bias_j = bias == NULL ? NULL : bias + j;
    size_t i = 0;
    for (; i + BLOCK_ROWS <= m && units == BLOCK_UNITS; i += BLOCK_ROWS)
      multiply_block(BLOCK_ROWS, BLOCK_UNITS, n, k, x + i * k, w + j * k, bias_j, z + i * n + j);
    for (; i < m; i++) {
      if (units == BLOCK_UNITS)
        multiply_block(1, BLOCK_UNITS, n, k, x + i * k, w + j * k, bias_j, z + i * n + j);
      else
        multiply_block(1, 1, n, k, x + i * k, w + j * k, bias_j, z + i * n + j);
    }
    j += units;
  }
}
