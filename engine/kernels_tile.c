/* The tile of matrix products (kernels_tile.h). Sums stay in registers from the first term to the last, whichever part of a tile is valid. */
#include "engine/kernels_tile.h"

/* Values of c that don't fill vectors, or rows that don't fill a tile. */
static void store_rest(const struct place *to, size_t vectors, vector sums[TILE_ROWS][2]) {
  float *c = to->c;
  for (size_t i = 0; i < to->rows; i++, c += to->row) {
    for (size_t v = 0, first = 0; v < vectors && first < to->columns; v++, first += VECTOR_FLOATS) {
      const size_t count = to->columns - first;
      vector_store_some(c + first, to->adds ? vector_load_some(c + first, count) + sums[i][v] : sums[i][v], count);
    }
  }
}

/* `rows` and `vectors` are constants wherever this is inlined; so sums that fill a tile go from registers. */
static inline __attribute__((always_inline)) void store_tile(size_t rows, size_t vectors, const struct place *to,
                                                             const vector sums[TILE_ROWS][2]) {
  float *c = to->c;
  if (to->rows != rows || to->columns != vectors * VECTOR_FLOATS) {
    vector copies[TILE_ROWS][2];
    memcpy(copies, sums, sizeof copies);
    store_rest(to, vectors, copies);
  } else if (to->adds) {
#pragma GCC unroll 8
    for (size_t i = 0; i < rows; i++, c += to->row) {
      vector_store(c, vector_load(c) + sums[i][0]);
      if (vectors > 1) vector_store(c + VECTOR_FLOATS, vector_load(c + VECTOR_FLOATS) + sums[i][1]);
    }
  } else {
#pragma GCC unroll 8
    for (size_t i = 0; i < rows; i++, c += to->row) {
      vector_store(c, sums[i][0]);
      if (vectors > 1) vector_store(c + VECTOR_FLOATS, sums[i][1]);
    }
  }
}

/* One tile of the sum over `k` terms, Σ a(i, p) b(p, j). `rows`, `vectors` and `is_panel` are constants wherever this is inlined. */
static inline __attribute__((always_inline)) void compute_tile(size_t rows, size_t vectors, bool is_panel, size_t k,
                                                               const struct rows_of_a *a, const struct columns_of_b *from,
                                                               const struct place *to) {
  vector sums[TILE_ROWS][2] = {0};
  const float *a_rows[TILE_ROWS], *panel = a->panel, *b = from->b;
  for (size_t i = 0; i < rows; i++) a_rows[i] = a->rows[i];
  for (size_t p = 0; p < k; p++, panel += TILE_ROWS, b += from->step) {
    vector b0 = vector_load(b), b1 = vectors > 1 ? vector_load(b + VECTOR_FLOATS) : b0;
#pragma GCC unroll 8
    for (size_t i = 0; i < rows; i++) {
      float value = is_panel ? panel[i] : a_rows[i][p];
      sums[i][0] += value * b0;
      if (vectors > 1) sums[i][1] += value * b1;
    }
  }
  store_tile(rows, vectors, to, sums);
}

/* Each in a function of its own, or the compiler runs out of registers. */
#define TILE_KIND(name_, rows_, vectors_, is_panel_)                                                                                       \
  static __attribute__((noinline)) void name_(size_t k, const struct rows_of_a *a, const struct columns_of_b *b, const struct place *to) { \
    compute_tile(rows_, vectors_, is_panel_, k, a, b, to);                                                                                 \
  }
TILE_KIND(panel_8_wide, TILE_ROWS, 2, true)
TILE_KIND(panel_8, TILE_ROWS, 1, true)
TILE_KIND(panel_4_wide, 4, 2, true)
TILE_KIND(panel_4, 4, 1, true)
TILE_KIND(panel_2_wide, 2, 2, true)
TILE_KIND(panel_2, 2, 1, true)
TILE_KIND(rows_8_wide, TILE_ROWS, 2, false)
TILE_KIND(rows_8, TILE_ROWS, 1, false)
TILE_KIND(rows_4_wide, 4, 2, false)
TILE_KIND(rows_4, 4, 1, false)
TILE_KIND(rows_2_wide, 2, 2, false)
TILE_KIND(rows_2, 2, 1, false)

typedef void tile_kind(size_t k, const struct rows_of_a *a, const struct columns_of_b *b, const struct place *to);

void multiply_tile(size_t k, const struct rows_of_a *a, const struct columns_of_b *b, const struct place *to) {
  static tile_kind *const kinds[2][3][2] = {{{rows_8, rows_8_wide}, {rows_4, rows_4_wide}, {rows_2, rows_2_wide}},
                                            {{panel_8, panel_8_wide}, {panel_4, panel_4_wide}, {panel_2, panel_2_wide}}};
  kinds[a->panel != NULL][to->rows > 4 ? 0 : to->rows > 2 ? 1 : 2][to->columns > VECTOR_FLOATS](k, a, b, to);
}

/* VECTOR_FLOATS of the columns. */
static void copy_transposed(const float *b, size_t b_column, size_t k, size_t columns, float *to) {
  const float *from[VECTOR_FLOATS];
  for (size_t j = 0; j < VECTOR_FLOATS; j++) from[j] = b + (j < columns ? j : columns - 1) * b_column;
  for (size_t p = 0; p < k; p += VECTOR_FLOATS, to += VECTOR_FLOATS * TILE_COLUMNS) {
    vector square[VECTOR_FLOATS];
    const size_t terms = k - p < VECTOR_FLOATS ? k - p : VECTOR_FLOATS;
#pragma GCC unroll 16
    for (size_t j = 0; j < VECTOR_FLOATS; j++) square[j] = vector_load_some(from[j] + p, terms);
    vector_transpose(square);
#pragma GCC unroll 16
    for (size_t term = 0; term < VECTOR_FLOATS; term++)
      if (term < terms) vector_store(to + term * TILE_COLUMNS, square[term]);
  }
}

void tile_copy_transposed(const float *b, size_t b_column, size_t k, size_t columns, float *to) {
  copy_transposed(b, b_column, k, columns < VECTOR_FLOATS ? columns : VECTOR_FLOATS, to);
  if (columns > VECTOR_FLOATS) copy_transposed(b + VECTOR_FLOATS * b_column, b_column, k, columns - VECTOR_FLOATS, to + VECTOR_FLOATS);
}
