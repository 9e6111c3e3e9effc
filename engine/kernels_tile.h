/* The tile of c that matrix products hold in registers, [TILE_ROWS, up to 2 vectors]: to it they add, term by term of the sum, a column of
 * a times a row of b. Each value is so computed by the same operations wherever in a tile it stands. Computed in kernels_tile.c, for
 * kernels_plain.c and kernels_packed.c; nobody else includes this.
 *
 * Letters: c[m, n], the sum runs over k; i, j, p index m, n, k.
 */
#ifndef ENGINE_KERNELS_TILE_H
#define ENGINE_KERNELS_TILE_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/vector_float.h"

#if defined(__AVX512F__)
enum { TILE_ROWS = 8 };
#elif defined(__AVX__)
enum { TILE_ROWS = 6 };
#else
enum { TILE_ROWS = 4 };
#endif
enum { TILE_COLUMNS = 2 * VECTOR_FLOATS };

/* Where the terms of a block are read. Of a: a panel, [k, TILE_ROWS], rows panel_step floats apart; or, NULL, rows along the sum. Meanwhile
 * the rows `next`, which a later tile will read, are fetched little by little: all at once they would have to wait for each other. Who
 * knows of none names its own. */
enum { TILE_NEXT_ROWS = 2 };
struct rows_of_a {
  const float *panel;
  size_t panel_step;
  const float *rows[TILE_ROWS];
  const float *next[TILE_NEXT_ROWS];
};
struct columns_of_b {
  const float *b;
  size_t step;
};

/* Where a tile's values go, whether they are added to what is there, and what is then added to each row. */
struct place {
  float *c;
  size_t row;           /* floats from one row to the next */
  size_t rows, columns; /* that are valid */
  bool adds;
  const float *bias; /* [columns], or NULL */
};

/* One tile of the sum over `k` terms, Σ a(i, p) b(p, j), for up to TILE_ROWS rows and TILE_COLUMNS columns. */
void multiply_tile(size_t k, const struct rows_of_a *a, const struct columns_of_b *b, const struct place *to);

/* Copies `k` terms of up to TILE_COLUMNS columns of b, which lie along the sum, b_column floats apart, to rows of TILE_COLUMNS. The last
 * column stands in for those from `columns` on, but a whole vector of them is left as it was. */
void tile_copy_transposed(const float *b, size_t b_column, size_t k, size_t columns, float *to);

#endif
