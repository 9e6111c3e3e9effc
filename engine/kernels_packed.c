/* Products whose right operand is used many times, as a recurrent layer's weights are at each step: it is arranged once into panels of a
 * tile's columns, [panel][k][TILE_COLUMNS], the last one filled up with zeros. Each value of c is one sum in the order of k, whatever m is:
 * so a row has the same bits alone and among others.
 *
 * Letters: c[m, n], the sum runs over k; i, j, p index m, n, k.
 */
#include "engine/kernels.h"
#include "engine/kernels_tile.h"

static size_t panel_count(size_t n) { return (n + TILE_COLUMNS - 1) / TILE_COLUMNS; }

size_t kernel_packed_count(size_t n, size_t k) { return panel_count(n) * TILE_COLUMNS * k; }

/* b(p, j) = b[p · b_step + j · b_column] */
static void pack(size_t n, size_t k, const float *b, size_t b_step, size_t b_column, float *packed) {
  for (size_t first = 0; first < n; first += TILE_COLUMNS) {
    const size_t columns = n - first < TILE_COLUMNS ? n - first : TILE_COLUMNS;
    for (size_t p = 0; p < k; p++, packed += TILE_COLUMNS) {
      for (size_t j = 0; j < columns; j++) packed[j] = b[p * b_step + (first + j) * b_column];
      for (size_t j = columns; j < TILE_COLUMNS; j++) packed[j] = 0;
    }
  }
}

void kernel_pack_nt(size_t n, size_t k, const float *b, float *packed) { pack(n, k, b, 1, k, packed); }
void kernel_pack_nn(size_t n, size_t k, const float *b, float *packed) { pack(n, k, b, n, 1, packed); }

void kernel_packed_matmul(size_t m, size_t n, size_t k, const float *a, const float *packed, float *c, bool accumulate) {
  for (size_t column = 0; column < n; column += TILE_COLUMNS, packed += k * TILE_COLUMNS) {
    const size_t columns = n - column < TILE_COLUMNS ? n - column : TILE_COLUMNS;
    for (size_t row = 0; row < m; row += TILE_ROWS) {
      const size_t rows = m - row < TILE_ROWS ? m - row : TILE_ROWS;
      struct rows_of_a from = {.panel = NULL};
      for (size_t i = 0; i < TILE_ROWS; i++) from.rows[i] = a + (row + (i < rows ? i : rows - 1)) * k;
      const struct place to = {.c = c + row * n + column, .row = n, .rows = rows, .columns = columns, .adds = accumulate};
      multiply_tile(k, &from, &(struct columns_of_b){packed, TILE_COLUMNS}, &to);
    }
  }
}
