/* Products whose right operand is used many times, as a recurrent layer's weights are at each step: it is arranged once into panels of a
 * tile's columns, [panel][k][TILE_COLUMNS], the last one filled up with zeros. Each value of c is one sum in the order of k, whatever m is:
 * so a row has the same bits alone and among others.
 *
 * Letters: c[m, n], the sum runs over k; i, j, p index m, n, k.
 */
#include <string.h>

#include "engine/kernels.h"
#include "engine/kernels_tile.h"

static size_t panel_count(size_t n) { return (n + TILE_COLUMNS - 1) / TILE_COLUMNS; }

size_t kernel_packed_count(size_t n, size_t k) { return panel_count(n) * TILE_COLUMNS * k; }

/* The last panel is filled up with zeros. */
static void clear_rest(size_t n, size_t k, float *packed) {
  if (n % TILE_COLUMNS == 0) return;
  float *panel = packed + n / TILE_COLUMNS * TILE_COLUMNS * k;
  for (size_t p = 0; p < k; p++, panel += TILE_COLUMNS)
    for (size_t j = n % TILE_COLUMNS; j < TILE_COLUMNS; j++) panel[j] = 0;
}

void kernel_pack_rows(size_t n, size_t k, const float *b, size_t b_row, float *packed) {
  for (size_t first = 0; first < n; first += TILE_COLUMNS)
    tile_copy_transposed(b + first * b_row, b_row, k, n - first < TILE_COLUMNS ? n - first : TILE_COLUMNS, packed + first * k);
  clear_rest(n, k, packed);
}

void kernel_pack_nt(size_t n, size_t k, const float *b, float *packed) { kernel_pack_rows(n, k, b, k, packed); }

void kernel_pack_nn(size_t n, size_t k, const float *b, float *packed) {
  for (size_t first = 0; first < n; first += TILE_COLUMNS) {
    const size_t columns = n - first < TILE_COLUMNS ? n - first : TILE_COLUMNS;
    for (size_t p = 0; p < k; p++) memcpy(packed + first * k + p * TILE_COLUMNS, b + p * n + first, columns * sizeof *b);
  }
  clear_rest(n, k, packed);
}

void kernel_packed_matmul(size_t m, size_t n, size_t k, const float *a, const float *packed, float *c, bool accumulate) {
  kernel_packed_matmul_before(m, n, k, a, packed, c, accumulate, a);
}

void kernel_packed_matmul_before(size_t m, size_t n, size_t k, const float *a, const float *packed, float *c, bool accumulate,
                                 const float *next_a) {
  size_t next = 0; /* row of next_a */
  for (size_t column = 0; column < n; column += TILE_COLUMNS, packed += k * TILE_COLUMNS) {
    const size_t columns = n - column < TILE_COLUMNS ? n - column : TILE_COLUMNS;
    for (size_t row = 0; row < m; row += TILE_ROWS) {
      const size_t rows = m - row < TILE_ROWS ? m - row : TILE_ROWS;
      struct rows_of_a from = {.panel = NULL};
      for (size_t i = 0; i < TILE_ROWS; i++) from.rows[i] = a + (row + (i < rows ? i : rows - 1)) * k;
      for (size_t i = 0; i < TILE_NEXT_ROWS; i++, next++) from.next[i] = next < m ? next_a + next * k : from.rows[0];
      const struct place to = {.c = c + row * n + column, .row = n, .rows = rows, .columns = columns, .adds = accumulate};
      multiply_tile(k, &from, &(struct columns_of_b){packed, TILE_COLUMNS}, &to);
    }
  }
}
