/* Kernels in plain C with the compiler's vector types.
 *
 * A matrix product holds a tile of c, [TILE_ROWS, up to 2 vectors], in registers and adds to it, term by term of the sum, a column of a
 * times a row of b. Where b's rows lie along c's columns (a · b, aᵀ · b) and are short it is read in place; else (a · bᵀ, long rows, and the
 * last columns, which don't fill a tile) a block of it is first copied to rows of a tile's width. A tile that sticks out over the last row repeats that row and
 * stores what is valid. So each value of c is computed by the same operations wherever it stands, and however the work is cut.
 *
 * Letters: c[m, n], the sum runs over k; i, j, p index m, n, k.
 */
#include <stdint.h>
#include <string.h>

#include "engine/kernels.h"
#include "engine/kernels_private.h"
#include "engine/kernels_tile.h"

enum {
  BLOCK_K = 256,       /* of the sum, taken at a time: what is read of b for a tile's columns stays in cache */
  BLOCK_ROWS = 256,    /* of c in a piece, at least, if there are so many: what is copied of b serves them all */
  BLOCK_COLUMNS = 128, /* of c in a piece, likewise: what is read of a stays in cache for all of them */
  FAR_FLOATS = 1024,   /* rows of b that are so long lie each on a page of its own, and in few sets of the cache … */
  COPY_ROWS = 64,      /* … so that copying them pays, from so many rows of c on */
  AHEAD = 16,          /* rows that a copy has fetched ahead */
  LIBRARY_ROWS = 1024, /* of c in a library's piece */
  LIBRARY_COLUMNS = 1024,
  HALF_PRODUCTS = 1 << 20, /* m · n · k from which on bfloat16 is worth the rounding */
  SMALL_PRODUCTS = 512,    /* m · n · k up to which nothing beats three loops */
  PRODUCTS_PER_NS = 32     /* multiply-adds, roughly, to decide how much work is worth a piece */
};

typedef int32_t vector_lanes __attribute__((vector_size(VECTOR_FLOATS * sizeof(float))));

/* A product, with operands as strides: a(i, p) = a[i · a_row + p · a_step], b(p, j) = b[p · b_step + j · b_column]. */
struct product {
  size_t m, n, k;
  const float *a, *b;
  float *c; /* [m, n], rows c_row apart */
  size_t c_row, a_row, a_step, b_step, b_column;
  bool accumulate;
};

/* Part of c: rows [row_begin, row_end), columns likewise. */
struct part {
  size_t row_begin, row_end, column_begin, column_end;
};

static size_t smaller(size_t left, size_t right) { return left < right ? left : right; }

/* Three loops, for products too small for anything else. */
static void multiply_small(const struct product *q) {
  for (size_t i = 0; i < q->m; i++) {
    for (size_t j = 0; j < q->n; j++) {
      float sum = 0;
      for (size_t p = 0; p < q->k; p++) sum += q->a[i * q->a_row + p * q->a_step] * q->b[p * q->b_step + j * q->b_column];
      float *c = q->c + i * q->c_row + j;
      *c = q->accumulate ? *c + sum : sum;
    }
  }
}

/* Tiles */

/* One step of transposing: swaps the off-diagonal quarters of every square of 2 · half lanes. */
static inline void swap_quarters(vector rows[VECTOR_FLOATS], size_t half) {
  vector_lanes upper = {0}, lower = {0};
#pragma GCC unroll 16
  for (size_t lane = 0; lane < VECTOR_FLOATS; lane++) {
    upper[lane] = (int32_t)((lane & half) == 0 ? lane : VECTOR_FLOATS + lane - half);
    lower[lane] = (int32_t)((lane & half) == 0 ? lane + half : VECTOR_FLOATS + lane);
  }
#pragma GCC unroll 16
  for (size_t i = 0; i < VECTOR_FLOATS; i++) {
    if ((i & half) != 0) continue;
    vector first = rows[i], second = rows[i + half];
    rows[i] = __builtin_shuffle(first, second, upper);
    rows[i + half] = __builtin_shuffle(first, second, lower);
  }
}

/* to[p · TILE_COLUMNS + j] = from_rows[j][p] for a square of VECTOR_FLOATS. */
static inline void transpose_square(const float *const from_rows[VECTOR_FLOATS], float *to) {
  vector rows[VECTOR_FLOATS];
#pragma GCC unroll 16
  for (size_t j = 0; j < VECTOR_FLOATS; j++) rows[j] = load(from_rows[j]);
#pragma GCC unroll 4
  for (size_t half = VECTOR_FLOATS / 2; half > 0; half /= 2) swap_quarters(rows, half);
#pragma GCC unroll 16
  for (size_t p = 0; p < VECTOR_FLOATS; p++) store(to + p * TILE_COLUMNS, rows[p]);
}

/* Copies `k` terms of VECTOR_FLOATS columns of bᵀ, whose rows lie along k, to rows of TILE_COLUMNS. The last column stands in for those
 * from `columns` on. */
static void copy_transposed(const float *b, size_t b_column, size_t k, size_t columns, float *to) {
  const float *rows[VECTOR_FLOATS];
  for (size_t j = 0; j < VECTOR_FLOATS; j++) rows[j] = b + smaller(j, columns - 1) * b_column;
  size_t p = 0;
  for (; p + VECTOR_FLOATS <= k; p += VECTOR_FLOATS) {
    transpose_square(rows, to + p * TILE_COLUMNS);
    for (size_t j = 0; j < VECTOR_FLOATS; j++) rows[j] += VECTOR_FLOATS;
  }
  for (size_t rest = 0; p < k; p++, rest++)
    for (size_t j = 0; j < VECTOR_FLOATS; j++) to[p * TILE_COLUMNS + j] = rows[j][rest];
}

/* `k` terms of the columns of b, whose rows lie along the columns, to rows of TILE_COLUMNS; 0 from `columns` on. */
static void copy_rows(const float *b, size_t b_step, size_t k, size_t columns, float *to) {
  for (size_t p = 0; p < k; p++, b += b_step, to += TILE_COLUMNS) {
    if (columns == TILE_COLUMNS) {
      __builtin_prefetch(b + AHEAD * b_step);
      __builtin_prefetch(b + AHEAD * b_step + VECTOR_FLOATS);
      store(to, load(b));
      store(to + VECTOR_FLOATS, load(b + VECTOR_FLOATS));
      continue;
    }
    for (size_t j = 0; j < columns; j++) to[j] = b[j];
    for (size_t j = columns; j < TILE_COLUMNS; j++) to[j] = 0;
  }
}

/* The block of b for a tile's columns, terms [first, first + k) of the sum: in place, or copied. *out_step: floats between its rows. */
static const float *find_b(const struct product *q, size_t first, size_t k, size_t column, size_t columns, float *copy, size_t *out_step) {
  const float *b = q->b + first * q->b_step + column * q->b_column;
  *out_step = TILE_COLUMNS;
  if (q->b_column != 1) {
    copy_transposed(b, q->b_column, k, smaller(columns, VECTOR_FLOATS), copy);
    if (columns > VECTOR_FLOATS)
      copy_transposed(b + VECTOR_FLOATS * q->b_column, q->b_column, k, columns - VECTOR_FLOATS, copy + VECTOR_FLOATS);
    return copy;
  }
  if (columns < TILE_COLUMNS || (q->b_step >= FAR_FLOATS && q->m >= COPY_ROWS)) {
    copy_rows(b, q->b_step, k, columns, copy);
    return copy;
  }
  *out_step = q->b_step;
  return b;
}

/* Has what a tile will be written to fetched while the tile is computed. */
static inline void prefetch_tile(const float *c, size_t n, size_t rows) {
  for (size_t i = 0; i < rows; i++) {
    __builtin_prefetch(c + i * n, 1);
    __builtin_prefetch(c + i * n + VECTOR_FLOATS, 1);
  }
}

/* A tile's columns of a part of c, terms [first, first + k) of the sum. */
static void multiply_tile_column(const struct product *q, const struct part *part, size_t first, size_t k, size_t column) {
  float copy[BLOCK_K * TILE_COLUMNS] __attribute__((aligned(VECTOR_FLOATS * sizeof(float))));
  size_t columns = smaller(part->column_end - column, TILE_COLUMNS), b_step;
  const float *b = find_b(q, first, k, column, columns, copy, &b_step);
  for (size_t row = part->row_begin; row < part->row_end; row += TILE_ROWS) {
    size_t rows = smaller(part->row_end - row, TILE_ROWS);
    float *c = q->c + row * q->c_row + column;
    if (q->c_row >= FAR_FLOATS) prefetch_tile(c, q->c_row, rows);
    const float *a_rows[TILE_ROWS];
    for (size_t i = 0; i < TILE_ROWS; i++) a_rows[i] = q->a + (row + smaller(i, rows - 1)) * q->a_row + first * q->a_step;
    vector tile[TILE_ROWS][2];
    if (columns > VECTOR_FLOATS)
      multiply_tile(2, k, a_rows, q->a_step, b, b_step, tile);
    else
      multiply_tile(1, k, a_rows, q->a_step, b, b_step, tile);
    store_tile(c, q->c_row, rows, columns, q->accumulate || first > 0, tile);
  }
}

static void multiply_part(const struct product *q, const struct part *part) {
  for (size_t first = 0; first < q->k; first += BLOCK_K)
    for (size_t column = part->column_begin; column < part->column_end; column += TILE_COLUMNS)
      multiply_tile_column(q, part, first, smaller(q->k - first, BLOCK_K), column);
}

/* Cutting */

/* A product cut into pieces. `plain` or, for a library, `block`. */
struct cut {
  const struct product *plain; /* what float32 pieces are computed by if there is no library, or it can't */
  const struct kernel_block *block;
  size_t row_pieces, rows_per_piece, columns_per_piece;
};

static struct part find_part(const struct cut *cut, size_t m, size_t n, size_t piece) {
  size_t row = piece % cut->row_pieces * cut->rows_per_piece, column = piece / cut->row_pieces * cut->columns_per_piece;
  struct part part = {.row_begin = row, .row_end = smaller(row + cut->rows_per_piece, m)};
  part.column_begin = column;
  part.column_end = smaller(column + cut->columns_per_piece, n);
  return part;
}

static void plain_piece(void *argument, size_t piece) {
  const struct cut *cut = argument;
  struct part part = find_part(cut, cut->plain->m, cut->plain->n, piece);
  multiply_part(cut->plain, &part);
}

static float float_of_half(uint16_t half) {
  const uint32_t bits = (uint32_t)half << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* Slow, for the case that the library fails where it worked before. */
static void multiply_half_block(const struct kernel_block *block) {
  const uint16_t *a = block->a, *b = block->b;
  for (size_t i = 0; i < block->m; i++) {
    for (size_t j = 0; j < block->n; j++) {
      float sum = 0;
      for (size_t p = 0; p < block->k; p++)
        sum += float_of_half(a[block->is_a_transposed ? p * block->a_row + i : i * block->a_row + p]) *
               float_of_half(b[block->is_b_transposed ? j * block->b_row + p : p * block->b_row + j]);
      block->c[i * block->c_row + j] = sum;
    }
  }
}

static void library_piece(void *argument, size_t piece) {
  const struct cut *cut = argument;
  struct kernel_block block = *cut->block;
  const struct part part = find_part(cut, block.m, block.n, piece);
  const size_t value_bytes = block.is_half ? sizeof(uint16_t) : sizeof(float);
  block.a = (const char *)block.a + part.row_begin * (block.is_a_transposed ? 1 : block.a_row) * value_bytes;
  block.b = (const char *)block.b + part.column_begin * (block.is_b_transposed ? block.b_row : 1) * value_bytes;
  block.c += part.row_begin * block.c_row + part.column_begin;
  block.m = part.row_end - part.row_begin;
  block.n = part.column_end - part.column_begin;
  if (kernels_library_multiply(&block)) return;
  if (block.is_half)
    multiply_half_block(&block);
  else
    multiply_part(cut->plain, &part);
}

static size_t round_up(size_t value, size_t multiple) { return (value + multiple - 1) / multiple * multiple; }

/* Whole tiles. Rows are cut first, and columns if that is not enough; the other way round where b must be copied, so that no two pieces
 * copy the same. */
static void cut_plain(const struct product *q, struct cut *cut) {
  bool columns_first = q->b_column != 1;
  size_t other = columns_first ? q->m : q->n; /* values of c in a column, or a row */
  for (int turn = 0; turn < 2; turn++) {
    bool cuts_columns = (turn == 0) == columns_first;
    size_t count = cuts_columns ? q->n : q->m, tile = cuts_columns ? TILE_COLUMNS : TILE_ROWS;
    size_t per_piece = parallel_items_per_piece(count, other * q->k / PRODUCTS_PER_NS);
    size_t least = smaller(count, cuts_columns ? BLOCK_COLUMNS : BLOCK_ROWS);
    per_piece = round_up(per_piece > least ? per_piece : least, tile);
    *(cuts_columns ? &cut->columns_per_piece : &cut->rows_per_piece) = per_piece;
    other = smaller(per_piece, count);
  }
}

/* A library copies and arranges each piece's operands, so its pieces are larger. */
static void run_library(const struct parallel *parallel, const struct kernel_block *block, const struct product *plain) {
  struct cut cut = {.plain = plain, .block = block, .rows_per_piece = LIBRARY_ROWS, .columns_per_piece = LIBRARY_COLUMNS};
  cut.row_pieces = parallel_piece_count(block->m, cut.rows_per_piece);
  parallel_run(parallel, cut.row_pieces * parallel_piece_count(block->n, cut.columns_per_piece), library_piece, &cut);
}

static void run_plain(const struct parallel *parallel, const struct product *q) {
  struct cut cut = {.plain = q};
  cut_plain(q, &cut);
  cut.row_pieces = parallel_piece_count(q->m, cut.rows_per_piece);
  parallel_run(parallel, cut.row_pieces * parallel_piece_count(q->n, cut.columns_per_piece), plain_piece, &cut);
}

static void multiply(const struct parallel *parallel, const struct kernel_block *whole) {
  struct product q = {.m = whole->m, .n = whole->n, .k = whole->k, .a = whole->a, .b = whole->b, .c = whole->c};
  q.c_row = whole->c_row;
  q.accumulate = whole->accumulate;
  q.a_row = whole->is_a_transposed ? 1 : whole->a_row;
  q.a_step = whole->is_a_transposed ? whole->a_row : 1;
  q.b_step = whole->is_b_transposed ? 1 : whole->b_row;
  q.b_column = whole->is_b_transposed ? whole->b_row : 1;
  if (q.m == 0 || q.n == 0) return;
  if (q.m * q.n * q.k <= SMALL_PRODUCTS)
    multiply_small(&q);
  else if (kernels_library_takes(whole))
    run_library(parallel, whole, &q);
  else
    run_plain(parallel, &q);
}

void kernel_multiply_part(const struct kernel_part *part) {
  struct product q = {.m = part->m, .n = part->n, .k = part->k, .a = part->a, .b = part->b, .c = part->c, .c_row = part->c_row};
  q.accumulate = part->accumulate;
  q.a_row = part->is_a_transposed ? 1 : part->a_row;
  q.a_step = part->is_a_transposed ? part->a_row : 1;
  q.b_step = part->is_b_transposed ? 1 : part->b_row;
  q.b_column = part->is_b_transposed ? part->b_row : 1;
  if (q.m * q.n * q.k <= SMALL_PRODUCTS)
    multiply_small(&q);
  else
    multiply_part(&q, &(struct part){.row_end = q.m, .column_end = q.n});
}

/* The dimensions of the three products; a and b to be filled in. */
static struct kernel_block block_nt(size_t m, size_t n, size_t k, float *c) {
  return (struct kernel_block){.m = m, .n = n, .k = k, .c = c, .a_row = k, .b_row = k, .c_row = n, .is_b_transposed = true};
}
static struct kernel_block block_nn(size_t m, size_t n, size_t k, float *c) {
  return (struct kernel_block){.m = m, .n = n, .k = k, .c = c, .a_row = k, .b_row = n, .c_row = n};
}
static struct kernel_block block_tn(size_t m, size_t n, size_t k, float *c) {
  return (struct kernel_block){.m = m, .n = n, .k = k, .c = c, .a_row = m, .b_row = n, .c_row = n, .is_a_transposed = true};
}

static void multiply_float(const struct parallel *parallel, struct kernel_block block, const float *a, const float *b, bool accumulate) {
  block.a = a;
  block.b = b;
  block.accumulate = accumulate;
  multiply(parallel, &block);
}

void kernel_matmul_nt(const struct parallel *parallel, size_t m, size_t n, size_t k, const float *a, const float *b, float *c,
                      bool accumulate) {
  multiply_float(parallel, block_nt(m, n, k, c), a, b, accumulate);
}
void kernel_matmul_nn(const struct parallel *parallel, size_t m, size_t n, size_t k, const float *a, const float *b, float *c,
                      bool accumulate) {
  multiply_float(parallel, block_nn(m, n, k, c), a, b, accumulate);
}
void kernel_matmul_tn(const struct parallel *parallel, size_t m, size_t n, size_t k, const float *a, const float *b, float *c,
                      bool accumulate) {
  multiply_float(parallel, block_tn(m, n, k, c), a, b, accumulate);
}

/* bfloat16 */

enum { HALVES_PER_PIECE = 1 << 16 };

struct rounding {
  size_t count;
  const float *from;
  uint16_t *to;
};

/* To the nearest, ties to even: adding just less than half of what is cut off, or exactly half to odd, carries into what is kept. NaN stays
 * NaN. */
static void rounding_piece(void *argument, size_t piece) {
  const struct rounding *rounding = argument;
  const size_t begin = piece * HALVES_PER_PIECE, count = smaller(HALVES_PER_PIECE, rounding->count - begin);
  const float *restrict from = rounding->from + begin;
  uint16_t *restrict to = rounding->to + begin;
  for (size_t i = 0; i < count; i++) {
    uint32_t bits;
    memcpy(&bits, &from[i], sizeof bits);
    const uint32_t rounded = (bits + 0x7FFFu + (bits >> 16 & 1)) >> 16;
    to[i] = (uint16_t)((bits & 0x7FFFFFFFu) > 0x7F800000u ? 0x7FC0u : rounded);
  }
}

static void round_to_half(const struct parallel *parallel, size_t count, const float *from, uint16_t *to) {
  struct rounding rounding = {.count = count, .from = from, .to = to};
  parallel_run(parallel, parallel_piece_count(count, HALVES_PER_PIECE), rounding_piece, &rounding);
}

static size_t half_products = HALF_PRODUCTS;
void kernels_set_half_products(size_t count) { half_products = count; }

static void multiply_half(const struct parallel *parallel, struct kernel_block block, const float *a, const float *b, uint16_t *half) {
  if (block.m * block.n * block.k < half_products || !kernels_library_can_half()) {
    multiply_float(parallel, block, a, b, false);
    return;
  }
  uint16_t *half_b = half + round_up(block.m * block.k, KERNEL_HALF_SPARE);
  round_to_half(parallel, block.m * block.k, a, half);
  round_to_half(parallel, block.k * block.n, b, half_b);
  block.a = half;
  block.b = half_b;
  block.is_half = true;
  run_library(parallel, &block, NULL);
}

bool kernels_can_half(void) { return kernels_library_can_half(); }

void kernel_half_matmul_nt(const struct parallel *parallel, size_t m, size_t n, size_t k, const float *a, const float *b, float *c,
                           uint16_t *half) {
  multiply_half(parallel, block_nt(m, n, k, c), a, b, half);
}
void kernel_half_matmul_nn(const struct parallel *parallel, size_t m, size_t n, size_t k, const float *a, const float *b, float *c,
                           uint16_t *half) {
  multiply_half(parallel, block_nn(m, n, k, c), a, b, half);
}
void kernel_half_matmul_tn(const struct parallel *parallel, size_t m, size_t n, size_t k, const float *a, const float *b, float *c,
                           uint16_t *half) {
  multiply_half(parallel, block_tn(m, n, k, c), a, b, half);
}

/* Loops over rows */

struct bias_job {
  size_t rows, width, rows_per_piece;
  const float *bias;
  float *y;
};

static void bias_piece(void *argument, size_t piece) {
  const struct bias_job *job = argument;
  size_t begin = piece * job->rows_per_piece, end = smaller(begin + job->rows_per_piece, job->rows);
  const float *restrict bias = job->bias;
  for (size_t row = begin; row < end; row++) {
    float *restrict y = job->y + row * job->width;
    for (size_t j = 0; j < job->width; j++) y[j] += bias[j];
  }
}

void kernel_add_bias(const struct parallel *parallel, size_t rows, size_t width, const float *bias, float *y) {
  struct bias_job job = {.rows = rows, .width = width, .bias = bias, .y = y};
  job.rows_per_piece = parallel_items_per_piece(rows, width / 8);
  parallel_run(parallel, parallel_piece_count(rows, job.rows_per_piece), bias_piece, &job);
}

enum { SUM_COLUMNS = 64 }; /* summed side by side */

struct sums_job {
  size_t rows, width, block_count, blocks_per_piece;
  const float *x;
  float *sums;
};

static void sum_block(const struct sums_job *job, size_t block) {
  double sums[SUM_COLUMNS] = {0};
  size_t first = block * SUM_COLUMNS, count = smaller(job->width - first, SUM_COLUMNS);
  for (size_t row = 0; row < job->rows; row++) {
    const float *x = job->x + row * job->width + first;
    for (size_t j = 0; j < count; j++) sums[j] += (double)x[j];
  }
  for (size_t j = 0; j < count; j++) job->sums[first + j] = (float)sums[j];
}

static void sums_piece(void *argument, size_t piece) {
  const struct sums_job *job = argument;
  size_t begin = piece * job->blocks_per_piece, end = smaller(begin + job->blocks_per_piece, job->block_count);
  for (size_t block = begin; block < end; block++) sum_block(job, block);
}

void kernel_column_sums(const struct parallel *parallel, size_t rows, size_t width, const float *x, float *sums) {
  struct sums_job job = {.rows = rows, .width = width, .x = x, .sums = sums};
  job.block_count = parallel_piece_count(width, SUM_COLUMNS);
  job.blocks_per_piece = parallel_items_per_piece(job.block_count, rows * SUM_COLUMNS / 4);
  parallel_run(parallel, parallel_piece_count(job.block_count, job.blocks_per_piece), sums_piece, &job);
}

enum { VALUE_PIECES_MAX = 64, VALUES_PER_PIECE = 1 << 17, SQUARE_LANES = 32 };

/* A pass over all values of an array, in at most VALUE_PIECES_MAX pieces. */
struct values_job {
  size_t count, per_piece;
  const float *x;
  double sums[VALUE_PIECES_MAX]; /* of each piece */
};

/* Runs `piece` over x; returns the number of pieces. */
static size_t run_values(const struct parallel *parallel, struct values_job *job, parallel_piece *piece) {
  job->per_piece = job->count / VALUES_PER_PIECE < VALUE_PIECES_MAX ? VALUES_PER_PIECE : job->count / VALUE_PIECES_MAX + 1;
  const size_t pieces = parallel_piece_count(job->count, job->per_piece);
  parallel_run(parallel, pieces, piece, job);
  return pieces;
}

/* Value i belongs to partial sum i mod SQUARE_LANES: enough of them that additions need not wait for each other. */
static void squares_piece(void *argument, size_t piece) {
  struct values_job *job = argument;
  const float *x = job->x + piece * job->per_piece;
  const size_t count = smaller(job->per_piece, job->count - piece * job->per_piece);
  double lanes[SQUARE_LANES] = {0};
  size_t i = 0;
  for (; i + SQUARE_LANES <= count; i += SQUARE_LANES)
    for (size_t lane = 0; lane < SQUARE_LANES; lane++) lanes[lane] += (double)x[i + lane] * (double)x[i + lane];
  for (size_t lane = 0; i < count; i++, lane++) lanes[lane] += (double)x[i] * (double)x[i];
  for (size_t half = SQUARE_LANES / 2; half > 0; half /= 2)
    for (size_t lane = 0; lane < half; lane++) lanes[lane] += lanes[lane + half];
  job->sums[piece] = lanes[0];
}

double kernel_sum_squares(const struct parallel *parallel, size_t count, const float *x) {
  struct values_job job = {.count = count, .x = x};
  const size_t pieces = run_values(parallel, &job, squares_piece);
  double sum = 0;
  for (size_t piece = 0; piece < pieces; piece++) sum += job.sums[piece];
  return sum;
}

/* 0 times a number is 0, unless the number is not finite: then it is NaN, and so is every sum with it. */
static void zeros_piece(void *argument, size_t piece) {
  struct values_job *job = argument;
  const float *x = job->x + piece * job->per_piece;
  const size_t count = smaller(job->per_piece, job->count - piece * job->per_piece);
  vector sums[4] = {0};
  size_t i = 0;
  for (; i + 4 * VECTOR_FLOATS <= count; i += 4 * VECTOR_FLOATS)
    for (size_t v = 0; v < 4; v++) sums[v] += load(x + i + v * VECTOR_FLOATS) * 0.0f;
  float sum = 0;
  for (; i < count; i++) sum += x[i] * 0.0f;
  const vector all = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  for (size_t lane = 0; lane < VECTOR_FLOATS; lane++) sum += all[lane];
  job->sums[piece] = (double)sum;
}

bool kernel_is_finite(const struct parallel *parallel, size_t count, const float *x) {
  struct values_job job = {.count = count, .x = x};
  const size_t pieces = run_values(parallel, &job, zeros_piece);
  for (size_t piece = 0; piece < pieces; piece++)
    if (job.sums[piece] != 0) return false;
  return true;
}
