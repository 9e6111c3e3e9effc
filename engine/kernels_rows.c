/* The kernel of predictions: a dense layer row by row. Training's kernels may choose their way by the size of a batch; here each value is
 * one dot product, summed in one order, so that a row's result has the same bits alone and among others, whatever the kernels of the build.
 *
 *   z(i, j) = Σ over lanes of [ Σ over p = lane, lane + LANES, lane + 2 LANES … of x(i, p) · w(j, p) ] + bias(j)
 *
 * Lanes are added by halves: to 8, to 4, to 2, to 1. All sums of a block go through that together, as many in a vector as have room in it;
 * each is added of the same pairs as if it were alone.
 *
 * Letters: z[m, n], the sum runs over k; i, j, p index m, n, k.
 */
#include "engine/kernels.h"
#include "engine/vector_float.h"

enum {
  LANES = 16, /* of a sum, on any processor: narrower vectors take them part by part */
  PARTS = LANES / VECTOR_FLOATS,
  QUAD = 4,                     /* a block is QUAD units of a few rows, or more units of one row */
  QUADS = VECTOR_FLOATS / QUAD, /* in a vector */
/* As many sums as there are registers for, beside a vector of each row and one of w. */
#if defined(__AVX512F__) || defined(__aarch64__)
  BLOCK_ROWS = 4,
  UNITS_ALONE = 16,
#else
  BLOCK_ROWS = 3,
  UNITS_ALONE = 8,
#endif
  NEAR_FLOATS = 1 << 16, /* of rows, which stay in the second cache while all units pass by, … */
  NEAR_BLOCKS_MIN = 8    /* … but so many blocks of them, or units would pass by too often */
};

typedef float quad __attribute__((vector_size(QUAD * sizeof(float))));

/* Into a register: the compiler would rather read it from memory for each product, which takes longer than the product. */
static inline vector load_once(const float *from) {
  typedef float unaligned __attribute__((vector_size(sizeof(vector)), aligned(sizeof(float)), may_alias));
  return *(const volatile unaligned *)from;
}

/* VECTOR_FLOATS lanes, `lane` and those behind, of the sum of row i and unit j: sums[j % QUAD][i + j / QUAD]. The others are 0. `rows` and
 * `units` are constants wherever this is inlined, as all below. */
static inline __attribute__((always_inline)) void sum_part(size_t rows, size_t units, size_t lane, size_t k, const float *x, const float *w,
                                                           vector sums[QUAD][QUAD]) {
#pragma GCC unroll 16
  for (size_t s = 0; s < QUAD * QUAD; s++) sums[s % QUAD][s / QUAD] = (vector){0};
  vector terms[QUAD];
  size_t p = lane;
  for (; p - lane + LANES <= k; p += LANES) {
#pragma GCC unroll 4
    for (size_t i = 0; i < rows; i++) terms[i] = load_once(x + i * k + p);
#pragma GCC unroll 16
    for (size_t j = 0; j < units; j++) {
      const vector weights = load_once(w + j * k + p);
#pragma GCC unroll 4
      for (size_t i = 0; i < rows; i++) sums[j % QUAD][i + j / QUAD] += terms[i] * weights;
    }
  }
  if (p >= k) return;
#pragma GCC unroll 4
  for (size_t i = 0; i < rows; i++) terms[i] = vector_load_some(x + i * k + p, k - p);
#pragma GCC unroll 16
  for (size_t j = 0; j < units; j++) {
    const vector weights = vector_load_some(w + j * k + p, k - p);
#pragma GCC unroll 4
    for (size_t i = 0; i < rows; i++) sums[j % QUAD][i + j / QUAD] += terms[i] * weights;
  }
}

/* All lanes, added as far as whole vectors go. */
static inline __attribute__((always_inline)) void sum_lanes(size_t rows, size_t units, size_t k, const float *x, const float *w,
                                                            vector sums[QUAD][QUAD]) {
  vector parts[PARTS][QUAD][QUAD];
#pragma GCC unroll 4
  for (size_t part = 0; part < PARTS; part++) sum_part(rows, units, part * VECTOR_FLOATS, k, x, w, parts[part]);
#pragma GCC unroll 16
  for (size_t s = 0; s < QUAD * QUAD; s++) {
    vector values[PARTS];
#pragma GCC unroll 4
    for (size_t part = 0; part < PARTS; part++) values[part] = parts[part][s % QUAD][s / QUAD];
#pragma GCC unroll 2
    for (size_t half = PARTS / 2; half > 0; half /= 2)
#pragma GCC unroll 2
      for (size_t part = 0; part < half; part++) values[part] += values[part + half];
    sums[s % QUAD][s / QUAD] = values[0];
  }
}

/* Of each group of 2 · size lanes of two vectors in a row, the halves, added. */
static inline vector add_groups(vector first, vector second, size_t size) {
  vector even, odd;
  vector_part_groups(first, second, size, &even, &odd);
  return even + odd;
}

/* Likewise of each four lanes, those of the two vectors by turns. */
static inline vector add_in_quads(vector first, vector second, size_t size) {
  vector low, high;
  vector_mix_groups(first, second, size, &low, &high);
  return low + high;
}

/* Quad i of `out` is, of sums[0][i], [1][i], [2][i] and [3][i], the sum of each one's lanes. */
static inline __attribute__((always_inline)) void add_lanes(vector sums[QUAD][QUAD], vector out[QUAD / QUADS]) {
#pragma GCC unroll 4
  for (size_t j = 0; j < QUAD; j++) {
#pragma GCC unroll 2
    for (size_t size = VECTOR_FLOATS / 2, count = QUAD / 2; size >= QUAD; size /= 2, count /= 2)
#pragma GCC unroll 2
      for (size_t i = 0; i < count; i++) sums[j][i] = add_groups(sums[j][2 * i], sums[j][2 * i + 1], size);
  }
#pragma GCC unroll 4
  for (size_t i = 0; i < QUAD / QUADS; i++)
    out[i] = add_in_quads(add_in_quads(sums[0][i], sums[1][i], 1), add_in_quads(sums[2][i], sums[3][i], 1), 2);
}

/* Units from w on, and what belongs to them. */
struct units {
  size_t n, k;
  const float *w, *bias; /* NULL: without */
};

/* z of one block: of rows from x on. */
static inline __attribute__((always_inline)) void compute_block(size_t rows, size_t units, const struct units *of, const float *x,
                                                                float *z) {
  vector sums[QUAD][QUAD], out[QUAD / QUADS];
  sum_lanes(rows, units, of->k, x, of->w, sums);
  add_lanes(sums, out);
  const size_t row_quads = (units + QUAD - 1) / QUAD;
#pragma GCC unroll 4
  for (size_t q = 0; q < rows * row_quads; q++) {
    const size_t i = q / row_quads, j = q % row_quads * QUAD, count = units - j < QUAD ? units - j : QUAD;
    quad values, bias = {0};
    memcpy(&values, (const char *)&out[q / QUADS] + q % QUADS * sizeof values, sizeof values);
    if (of->bias != NULL) memcpy(&bias, of->bias + j, count * sizeof(float));
    values += bias;
    memcpy(z + i * of->n + j, &values, count * sizeof(float));
  }
}

/* z of `count` rows, whole blocks of them. Each kind in a function of its own, or the compiler runs out of registers. */
typedef void block_kind(size_t count, const struct units *of, const float *x, float *z);
#define BLOCK_KIND(name_, rows_, units_)                                                                                                   \
  static __attribute__((noinline)) void name_(size_t count, const struct units *of, const float *x, float *z) {                            \
    for (size_t i = 0; i < count; i += rows_) compute_block(rows_, units_, of, x + i * of->k, z + i * of->n);                              \
  }
BLOCK_KIND(rows_1, BLOCK_ROWS, 1)
BLOCK_KIND(rows_2, BLOCK_ROWS, 2)
BLOCK_KIND(rows_3, BLOCK_ROWS, 3)
BLOCK_KIND(rows_4, BLOCK_ROWS, 4)
BLOCK_KIND(two_1, 2, 1)
BLOCK_KIND(two_2, 2, 2)
BLOCK_KIND(two_3, 2, 3)
BLOCK_KIND(two_4, 2, 4)
BLOCK_KIND(one_1, 1, 1)
BLOCK_KIND(one_2, 1, 2)
BLOCK_KIND(one_3, 1, 3)
BLOCK_KIND(one_4, 1, 4)
BLOCK_KIND(alone, 1, UNITS_ALONE)

/* Rows that are near: a block of weights is read once and stays nearer still while all of them pass by. */
static void multiply_rows(size_t m, size_t n, size_t k, const float *x, const float *w, const float *bias, float *z) {
  static block_kind *const kinds[QUAD][3] = {
      {one_1, two_1, rows_1}, {one_2, two_2, rows_2}, {one_3, two_3, rows_3}, {one_4, two_4, rows_4}};
  for (size_t j = 0, units; j < n; j += units) {
    const struct units of = {.n = n, .k = k, .w = w + j * k, .bias = bias == NULL ? NULL : bias + j};
    units = n - j < QUAD ? n - j : QUAD;
    if (m == 1 && n - j >= UNITS_ALONE) {
      units = UNITS_ALONE;
      alone(1, &of, x, z + j);
      continue;
    }
    for (size_t i = 0, rows; i < m; i += rows) {
      const size_t rest = m - i, kind = rest >= BLOCK_ROWS ? 2 : rest >= 2 ? 1 : 0;
      rows = rest >= BLOCK_ROWS ? rest - rest % BLOCK_ROWS : rest >= 2 ? 2 : 1;
      kinds[units - 1][kind](rows, &of, x + i * k, z + i * n + j);
    }
  }
}

void kernel_dense_rows(size_t m, size_t n, size_t k, const float *x, const float *w, const float *bias, float *z) {
  size_t blocks = NEAR_FLOATS / (BLOCK_ROWS * k + 1);
  if (blocks < NEAR_BLOCKS_MIN) blocks = NEAR_BLOCKS_MIN;
  for (size_t i = 0, rows; i < m; i += rows) {
    rows = m - i < blocks * BLOCK_ROWS ? m - i : blocks * BLOCK_ROWS;
    multiply_rows(rows, n, k, x + i * k, w, bias, z + i * n);
  }
}
