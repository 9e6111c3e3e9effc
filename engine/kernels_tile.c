/* The tile of matrix products (kernels_tile.h). Sums stay in registers from the first term to the last, whichever part of a tile is valid. */
#include "engine/kernels_tile.h"

enum { AHEAD = 16 }; /* rows of b that are fetched ahead where a is a panel: then b is often read as it lies, its rows far apart */

/* Values of c that don't fill vectors, or rows that don't fill a tile. */
static void store_rest(const struct place *to, size_t vectors, vector sums[TILE_ROWS][2]) {
  float *c = to->c;
  for (size_t i = 0; i < to->rows; i++, c += to->row) {
    for (size_t v = 0, first = 0; v < vectors && first < to->columns; v++, first += VECTOR_FLOATS) {
      const size_t count = to->columns - first;
      vector value = to->adds ? vector_load_some(c + first, count) + sums[i][v] : sums[i][v];
      if (to->bias != NULL) value += vector_load_some(to->bias + first, count);
      vector_store_some(c + first, value, count);
    }
  }
}

/* `rows` and `vectors` are constants wherever this is inlined; so sums that fill a tile go from registers. */
static inline __attribute__((always_inline)) void store_tile(size_t rows, size_t vectors, const struct place *to,
                                                             vector sums[TILE_ROWS][2]) {
  float *c = to->c;
  if (to->rows != rows || to->columns != vectors * VECTOR_FLOATS) {
    vector copies[TILE_ROWS][2];
    memcpy(copies, sums, sizeof copies);
    store_rest(to, vectors, copies);
    return;
  }
  if (to->adds) {
#pragma GCC unroll 8
    for (size_t i = 0; i < rows; i++) {
      sums[i][0] = vector_load(c + i * to->row) + sums[i][0];
      if (vectors > 1) sums[i][1] = vector_load(c + i * to->row + VECTOR_FLOATS) + sums[i][1];
    }
  }
  if (to->bias != NULL) {
    const vector bias0 = vector_load(to->bias), bias1 = vectors > 1 ? vector_load(to->bias + VECTOR_FLOATS) : bias0;
#pragma GCC unroll 8
    for (size_t i = 0; i < rows; i++) {
      sums[i][0] += bias0;
      if (vectors > 1) sums[i][1] += bias1;
    }
  }
#pragma GCC unroll 8
  for (size_t i = 0; i < rows; i++, c += to->row) {
    vector_store(c, sums[i][0]);
    if (vectors > 1) vector_store(c + VECTOR_FLOATS, sums[i][1]);
  }
}

/* Has what the tile will be written to fetched while it is computed. */
static inline __attribute__((always_inline)) void fetch_place(size_t vectors, const struct place *to) {
  for (size_t i = 0; i < to->rows; i++) {
    __builtin_prefetch(to->c + i * to->row, 1);
    if (vectors > 1) __builtin_prefetch(to->c + i * to->row + VECTOR_FLOATS, 1);
  }
}

/* One tile of the sum over `k` terms, Σ a(i, p) b(p, j). `rows`, `vectors` and `is_panel` are constants wherever this is inlined. */
static inline __attribute__((always_inline)) void compute_tile(size_t rows, size_t vectors, bool is_panel, size_t k,
                                                               const struct rows_of_a *a, const struct columns_of_b *from,
                                                               const struct place *to) {
  vector sums[TILE_ROWS][2] = {0};
  const float *a_rows[TILE_ROWS], *panel = a->panel, *b = from->b, *next0 = a->next[0], *next1 = a->next[1];
  const size_t b_step = from->step, panel_step = a->panel_step;
  for (size_t i = 0; i < rows; i++) a_rows[i] = a->rows[i];
  fetch_place(vectors, to);
  for (size_t p = 0; p < k; p++, panel += panel_step, b += b_step) {
    vector b0 = vector_load(b), b1 = vectors > 1 ? vector_load(b + VECTOR_FLOATS) : b0;
    __builtin_prefetch(is_panel ? b + AHEAD * b_step : next0 + p);
    if (!is_panel || vectors > 1) __builtin_prefetch(is_panel ? b + AHEAD * b_step + VECTOR_FLOATS : next1 + p);
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
