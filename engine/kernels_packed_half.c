/* Products whose right operand is used many times (kernels_packed.c), in bfloat16: it is arranged once, rounded, into panels of a tile's
 * columns in pairs of terms, [panel][k / 2][TILE_COLUMNS][2], filled up with zeros. The processor's instruction adds both products of a
 * pair to a float32 sum. Left rows are rounded as they come. A row has the same bits alone and among others. Where the program was built
 * for processors without that instruction, all is float32.
 *
 * Letters: c[m, n], the sum runs over k; i, j, p index m, n, k.
 */
#include "engine/kernels.h"
#include "engine/kernels_tile.h"

#if defined(__AVX512BF16__)

enum {
  ROWS = 8,    /* of a tile, of 2 vectors each */
  PAIRS = 512, /* of terms that go at once */
};

static size_t count_pairs(size_t k) { return (k + 1) / 2; }

/* Up to two vectors of values, in pairs of neighbours; those from `count` on are 0. */
static inline __m512i round_pairs(const float *from, size_t count) {
  const vector first = vector_load_some(from, count), zeros = {0};
  const vector second = count > VECTOR_FLOATS ? vector_load_some(from + VECTOR_FLOATS, count - VECTOR_FLOATS) : zeros;
  return (__m512i)_mm512_cvtne2ps_pbh((__m512)second, (__m512)first);
}

static void round_row(size_t count, const float *from, uint32_t *to) {
  for (size_t p = 0; p < count; p += 2 * VECTOR_FLOATS, to += VECTOR_FLOATS) _mm512_storeu_si512(to, round_pairs(from + p, count - p));
}

/* Columns lie along the sum: pairs of a square of columns are turned round. */
void kernel_half_pack_nt(size_t n, size_t k, const float *b, float *packed) {
  const size_t all = count_pairs(k);
  for (size_t column = 0; column < n; column += TILE_COLUMNS, packed += all * TILE_COLUMNS)
    for (size_t first = 0; first < TILE_COLUMNS; first += VECTOR_FLOATS)
      for (size_t pair = 0; pair < all; pair += VECTOR_FLOATS) {
        vector square[VECTOR_FLOATS];
        for (size_t j = 0; j < VECTOR_FLOATS; j++) {
          const vector zeros = {0};
          const size_t at = column + first + j;
          square[j] = at < n ? (vector)round_pairs(b + at * k + 2 * pair, k - 2 * pair) : zeros;
        }
        vector_transpose(square);
        for (size_t i = 0; i < VECTOR_FLOATS && pair + i < all; i++) vector_store(packed + (pair + i) * TILE_COLUMNS + first, square[i]);
      }
}

/* Rows lie along the columns: two of them are interleaved. */
void kernel_half_pack_nn(size_t n, size_t k, const float *b, float *packed) {
  uint16_t order[2 * VECTOR_FLOATS];
  for (size_t i = 0; i < VECTOR_FLOATS; i++) {
    order[2 * i] = (uint16_t)i;
    order[2 * i + 1] = (uint16_t)(i + VECTOR_FLOATS);
  }
  const __m512i interleaved = _mm512_loadu_si512(order);
  for (size_t column = 0; column < n; column += TILE_COLUMNS)
    for (size_t p = 0; p < k; p += 2, packed += TILE_COLUMNS)
      for (size_t first = 0; first < TILE_COLUMNS; first += VECTOR_FLOATS) {
        const size_t at = column + first, count = at < n ? n - at : 0;
        const vector zeros = {0}, upper = vector_load_some(b + p * n + at, count);
        const vector lower = p + 1 < k ? vector_load_some(b + (p + 1) * n + at, count) : zeros;
        const __m512i pairs = (__m512i)_mm512_cvtne2ps_pbh((__m512)lower, (__m512)upper);
        _mm512_storeu_si512(packed + first, _mm512_permutexvar_epi16(interleaved, pairs));
      }
}

/* sums[rows][2] = Σ over pairs of a · b */
static inline __attribute__((always_inline)) void add_pairs(size_t pairs, const uint32_t a[ROWS][PAIRS + VECTOR_FLOATS], const uint32_t *b,
                                                            vector sums[ROWS][2]) {
  __m512 tile[ROWS][2];
#pragma GCC unroll 8
  for (size_t i = 0; i < ROWS; i++) tile[i][0] = tile[i][1] = _mm512_setzero_ps();
  for (size_t p = 0; p < pairs; p++, b += TILE_COLUMNS) {
    const __m512bh b0 = (__m512bh)_mm512_loadu_si512(b), b1 = (__m512bh)_mm512_loadu_si512(b + VECTOR_FLOATS);
#pragma GCC unroll 8
    for (size_t i = 0; i < ROWS; i++) {
      const __m512bh value = (__m512bh)_mm512_set1_epi32((int)a[i][p]);
      tile[i][0] = _mm512_dpbf16_ps(tile[i][0], value, b0);
      tile[i][1] = _mm512_dpbf16_ps(tile[i][1], value, b1);
    }
  }
#pragma GCC unroll 8
  for (size_t i = 0; i < ROWS; i++) {
    sums[i][0] = (vector)tile[i][0];
    sums[i][1] = (vector)tile[i][1];
  }
}

static void put(size_t rows, size_t columns, vector sums[ROWS][2], float *c, size_t c_row, bool adds) {
  for (size_t i = 0; i < rows; i++, c += c_row)
    for (size_t v = 0, first = 0; v < 2 && first < columns; v++, first += VECTOR_FLOATS) {
      const size_t count = columns - first;
      vector_store_some(c + first, adds ? vector_load_some(c + first, count) + sums[i][v] : sums[i][v], count);
    }
}

void kernel_half_packed_matmul(size_t m, size_t n, size_t k, const float *a, const float *packed, float *c, bool accumulate) {
  const uint32_t *panels = (const uint32_t *)(const void *)packed;
  const size_t all = count_pairs(k);
  uint32_t rounded[ROWS][PAIRS + VECTOR_FLOATS];
  for (size_t row = 0; row < m; row += ROWS) {
    const size_t rows = m - row < ROWS ? m - row : ROWS;
    for (size_t first = 0; first < all; first += PAIRS) {
      const size_t pairs = all - first < PAIRS ? all - first : PAIRS, rest = k - 2 * first;
      for (size_t i = 0; i < ROWS; i++)
        round_row(rest < 2 * PAIRS ? rest : 2 * PAIRS, a + (row + (i < rows ? i : rows - 1)) * k + 2 * first, rounded[i]);
      for (size_t column = 0; column < n; column += TILE_COLUMNS) {
        vector sums[ROWS][2];
        add_pairs(pairs, (const uint32_t(*)[PAIRS + VECTOR_FLOATS]) rounded, panels + (column * all + first * TILE_COLUMNS), sums);
        put(rows, n - column, sums, c + row * n + column, n, accumulate || first > 0);
      }
    }
  }
}

#else

void kernel_half_pack_nt(size_t n, size_t k, const float *b, float *packed) { kernel_pack_nt(n, k, b, packed); }
void kernel_half_pack_nn(size_t n, size_t k, const float *b, float *packed) { kernel_pack_nn(n, k, b, packed); }
void kernel_half_packed_matmul(size_t m, size_t n, size_t k, const float *a, const float *packed, float *c, bool accumulate) {
  kernel_packed_matmul(m, n, k, a, packed, c, accumulate);
}

#endif
