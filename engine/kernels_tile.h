/* The tile of c that matrix products hold in registers, [TILE_ROWS, up to 2 vectors]: to it they add, term by term of the sum, a column of a
 * times a row of b. Each value is so computed by the same operations wherever in a tile it stands. For kernels_plain.c and kernels_packed.c;
 * nobody else includes this.
 *
 * Letters: c[m, n], the sum runs over k; i, j, p index m, n, k.
 */
#ifndef ENGINE_KERNELS_TILE_H
#define ENGINE_KERNELS_TILE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#if defined(__AVX512F__)
enum { VECTOR_FLOATS = 16, TILE_ROWS = 8 };
#elif defined(__AVX__)
enum { VECTOR_FLOATS = 8, TILE_ROWS = 6 };
#else
enum { VECTOR_FLOATS = 4, TILE_ROWS = 4 };
#endif
enum { TILE_COLUMNS = 2 * VECTOR_FLOATS };

typedef float vector __attribute__((vector_size(VECTOR_FLOATS * sizeof(float))));

static inline vector load(const float *from) {
  vector value;
  memcpy(&value, from, sizeof value);
  return value;
}
static inline void store(float *to, vector value) { memcpy(to, &value, sizeof value); }

/* One tile of the sum over `k` terms: tile[TILE_ROWS][vectors] = Σ a(i, p) b(p, j). a_rows point to a(i, first p). */
static inline void multiply_tile(size_t vectors, size_t k, const float *const a_rows[TILE_ROWS], size_t a_step, const float *b,
                                 size_t b_step, vector tile[TILE_ROWS][2]) {
  vector sums[TILE_ROWS][2] = {0};
  const float *rows[TILE_ROWS];
  for (size_t i = 0; i < TILE_ROWS; i++) rows[i] = a_rows[i];
  for (size_t p = 0, a_at = 0; p < k; p++, a_at += a_step, b += b_step) {
    vector b0 = load(b), b1 = vectors > 1 ? load(b + VECTOR_FLOATS) : b0;
#pragma GCC unroll 8
    for (size_t i = 0; i < TILE_ROWS; i++) {
      float a = rows[i][a_at];
      sums[i][0] += a * b0;
      if (vectors > 1) sums[i][1] += a * b1;
    }
  }
  for (size_t i = 0; i < TILE_ROWS; i++)
    for (size_t v = 0; v < vectors; v++) tile[i][v] = sums[i][v];
}

/* Writes or adds the valid part of a tile to c[·, n] at its place. */
static inline void store_tile(float *c, size_t n, size_t rows, size_t columns, bool adds, vector tile[TILE_ROWS][2]) {
  for (size_t i = 0; i < rows; i++, c += n) {
    if (columns == TILE_COLUMNS) {
      store(c, adds ? load(c) + tile[i][0] : tile[i][0]);
      store(c + VECTOR_FLOATS, adds ? load(c + VECTOR_FLOATS) + tile[i][1] : tile[i][1]);
      continue;
    }
    float values[TILE_COLUMNS];
    store(values, tile[i][0]);
    if (columns > VECTOR_FLOATS) store(values + VECTOR_FLOATS, tile[i][1]);
    for (size_t j = 0; j < columns; j++) c[j] = adds ? c[j] + values[j] : values[j];
  }
}

#endif
