/* Kernels in plain C with the compiler's vector types: matrix products.
 *
 * A product holds a tile of c, [TILE_ROWS, up to 2 vectors], in registers and adds to it, term by term of the sum, a column of a times a
 * row of b. It goes, outermost first,
 *
 *     over groups of c's columns ▷ blocks of the sum ▷ tiles of rows ▷ the group's tiles of columns
 *
 * so that a block of b for a group's columns stays in the second cache while all rows pass by, and a tile's rows of a in the first while
 * the columns do. What would be read from many places far apart, or against the grain, is copied for that: always of b where its rows
 * lie along the sum (a · bᵀ). Few rows of c are computed as columns, cᵀ = b · aᵀ, so that the copy is one of a, the smaller; and so are
 * few columns of aᵀ · b, a narrow layer's ∂C/∂W = δᵀ x: then all of δ is read as it lies, and what is copied is x. A tile that sticks
 * out over the last row repeats that row and stores what is valid. So each value of c is computed by the same operations wherever it
 * stands, and however the work is cut.
 *
 * Letters: c[m, n], the sum runs over k; i, j, p index m, n, k.
 */
#include <stdint.h>
#include <string.h>

#include "engine/kernels.h"
#include "engine/kernels_private.h"
#include "engine/kernels_tile.h"

enum {
  GROUP_TILES = 4,
  GROUP_COLUMNS = GROUP_TILES * TILE_COLUMNS,
  BLOCK_K = 320,        /* of the sum, taken at a time, at most */
  BLOCK_ROWS = 256,     /* of c in a piece, at least, if there are so many: what is copied of b serves them all */
  HELD_FLOATS = 8192,   /* of c, kept here until they are complete */
  SWAP_ROWS = 64,       /* of c up to which it is computed as columns */
  NARROW = 4,           /* times as many rows of c as columns, from which on these are computed as rows */
  FAR_FLOATS = 1024,    /* rows that are so long lie each on a page of its own … */
  ALIASED_FLOATS = 256, /* … and those of such multiples in few sets of the cache … */
  COPY_ROWS = 64,       /* … so that copying them pays, from so many rows of c on */
  AHEAD = 16,           /* rows that a copy has fetched ahead */
  LIBRARY_ROWS = 1024,  /* of c in a library's piece */
  LIBRARY_COLUMNS = 1024,
  HALF_PRODUCTS = 1 << 20, /* m · n · k from which on bfloat16 is worth the rounding */
  SMALL_PRODUCTS = 1024,   /* m · n · k up to which nothing beats plain loops … */
  SMALL_ROWS = 4,          /* … over so many rows of c at a time */
  PRODUCTS_PER_NS = 32     /* multiply-adds, roughly, to decide how much work is worth a piece */
};

/* A product, with operands as strides: a(i, p) = a[i · a_row + p · a_step], b(p, j) = b[p · b_step + j · b_column]. */
struct product {
  size_t m, n, k;
  const float *a, *b;
  size_t a_row, a_step, b_step, b_column, c_row;
  float *c;          /* [m, n], rows c_row apart; [n, m] if is_swapped */
  const float *bias; /* NULL, or added to c: [n]; [m] if is_swapped */
  bool is_swapped, accumulate;
  bool is_b_packed; /* b is as kernel_pack_rows arranges it, whatever b_step and b_column say */
};

/* Part of c: rows [row_begin, row_end), columns likewise. */
struct part {
  size_t row_begin, row_end, column_begin, column_end;
};

/* What a thread needs while it computes a part. */
struct desk {
  float a[TILE_ROWS * BLOCK_K];
  float b[GROUP_TILES][BLOCK_K * TILE_COLUMNS];
  float held[HELD_FLOATS];
} __attribute__((aligned(VECTOR_FLOATS * sizeof(float))));

static size_t smaller(size_t left, size_t right) { return left < right ? left : right; }
static size_t round_up(size_t value, size_t multiple) { return (value + multiple - 1) / multiple * multiple; }

/* Products too small for copies, tiles and cutting: SMALL_ROWS values of a vector of columns at a time, straight from the
 * operands. Where b's rows lie along the sum, its columns are first put side by side. Rows that stick out over the last one repeat
 * it. A value has a tile's bits. */
static void multiply_small_columns(const struct product *q, size_t column, size_t columns) {
  const float *b = q->b + column * q->b_column;
  size_t b_step = q->b_step;
  float copy[SMALL_PRODUCTS];
  if (q->b_column != 1) {
    for (size_t p = 0; p < q->k; p++)
      for (size_t j = 0; j < columns; j++) copy[p * columns + j] = b[p * b_step + j * q->b_column];
    b = copy, b_step = columns;
  }
  const vector none = {0}, bias = q->bias == NULL ? none : vector_load_some(q->bias + column, columns);
  for (size_t row = 0; row < q->m; row += SMALL_ROWS) {
    const float *a[SMALL_ROWS], *b_p = b;
    vector sums[SMALL_ROWS] = {0};
    for (size_t i = 0; i < SMALL_ROWS; i++) a[i] = q->a + smaller(row + i, q->m - 1) * q->a_row;
    for (size_t p = 0, at = 0; p < q->k; p++, at += q->a_step, b_p += b_step) {
      const vector terms = vector_load_some(b_p, columns);
#pragma GCC unroll 4
      for (size_t i = 0; i < SMALL_ROWS; i++) sums[i] += a[i][at] * terms;
    }
    float *c = q->c + row * q->c_row + column;
    for (size_t i = 0; i < SMALL_ROWS && row + i < q->m; i++, c += q->c_row) {
      if (q->accumulate) sums[i] += vector_load_some(c, columns);
      vector_store_some(c, sums[i] + bias, columns);
    }
  }
}

static void multiply_small(const struct product *q) {
  for (size_t column = 0; column < q->n; column += VECTOR_FLOATS) multiply_small_columns(q, column, smaller(q->n - column, VECTOR_FLOATS));
}

/* Copies */

/* `k` terms of the columns of b, whose rows lie along the columns, to rows of TILE_COLUMNS; 0 from `columns` on. */
static void copy_rows(const float *b, size_t b_step, size_t k, size_t columns, float *to) {
  const vector zeros = {0};
  for (size_t p = 0; p < k; p++, b += b_step, to += TILE_COLUMNS) {
    if (columns == TILE_COLUMNS) {
      __builtin_prefetch(b + AHEAD * b_step);
      __builtin_prefetch(b + AHEAD * b_step + VECTOR_FLOATS);
      vector_store(to, vector_load(b));
      vector_store(to + VECTOR_FLOATS, vector_load(b + VECTOR_FLOATS));
      continue;
    }
    vector_store(to, vector_load_some(b, columns));
    vector_store(to + VECTOR_FLOATS, columns > VECTOR_FLOATS ? vector_load_some(b + VECTOR_FLOATS, columns - VECTOR_FLOATS) : zeros);
  }
}

static bool is_far(size_t stride) { return stride >= FAR_FLOATS || stride % ALIASED_FLOATS == 0; }

/* The block of b for a tile's columns, terms [first, first + k) of the sum. */
static struct columns_of_b find_b(const struct product *q, size_t first, size_t k, size_t column, size_t columns, float *copy) {
  if (q->is_b_packed) return (struct columns_of_b){q->b + column * q->k + first * TILE_COLUMNS, TILE_COLUMNS};
  const float *b = q->b + first * q->b_step + column * q->b_column;
  if (q->b_column != 1) {
    tile_copy_transposed(b, q->b_column, k, columns, copy);
  } else if (columns % VECTOR_FLOATS != 0 || (is_far(q->b_step) && q->m >= COPY_ROWS)) {
    copy_rows(b, q->b_step, k, columns, copy);
  } else {
    return (struct columns_of_b){b, q->b_step};
  }
  return (struct columns_of_b){copy, TILE_COLUMNS};
}

/* The block of a for a tile's rows. Rows along the sum are read in place, unless they are far apart and read for several tiles of columns;
 * a transposed a, if it is read once only. */
static struct rows_of_a find_a(const struct product *q, size_t first, size_t k, size_t row, size_t rows, size_t tiles, float *copy) {
  const float *a = q->a + row * q->a_row + first * q->a_step;
  if (q->a_step != 1 && q->a_row == 1 && rows == TILE_ROWS && tiles == 1) return (struct rows_of_a){.panel = a, .panel_step = q->a_step};
  if (q->a_step != 1) {
    for (size_t p = 0; p < k; p++, a += q->a_step) {
      if (rows == TILE_ROWS)
        memcpy(copy + p * TILE_ROWS, a, TILE_ROWS * sizeof *copy);
      else
        for (size_t i = 0; i < rows; i++) copy[p * TILE_ROWS + i] = a[i * q->a_row];
    }
    return (struct rows_of_a){.panel = copy, .panel_step = TILE_ROWS};
  }
  size_t stride = q->a_row;
  if (tiles > 1 && is_far(q->a_row)) {
    for (size_t i = 0; i < rows; i++) memcpy(copy + i * BLOCK_K, a + i * q->a_row, k * sizeof *copy);
    a = copy, stride = BLOCK_K;
  }
  struct rows_of_a found = {.panel = NULL};
  for (size_t i = 0; i < TILE_ROWS; i++) found.rows[i] = a + smaller(i, rows - 1) * stride;
  return found;
}

/* The share of tile `turn` of those rows of a, from `row` on, that the next tiles take. */
static inline void find_next(const struct product *q, size_t first, size_t row, size_t turn, struct rows_of_a *a) {
  for (size_t i = 0; i < TILE_NEXT_ROWS; i++) {
    const size_t next = row + turn * TILE_NEXT_ROWS + i;
    a->next[i] = q->a_step == 1 && next < smaller(row + TILE_ROWS, q->m) ? q->a + next * q->a_row + first : q->a;
  }
}

/* Parts */

static size_t held_width(const struct part *part) { return round_up(part->column_end - part->column_begin, TILE_COLUMNS); }

/* The tile at (row, column) of a group, terms [first, …) of the sum, the last ones or not. */
static struct place find_place(const struct product *q, const struct part *group, size_t first, bool is_last, size_t row, size_t column,
                               float *held) {
  struct place to = {.row = q->c_row, .adds = first > 0 || q->accumulate};
  to.rows = smaller(group->row_end - row, TILE_ROWS);
  to.columns = smaller(group->column_end - column, TILE_COLUMNS);
  if (q->is_swapped) {
    to.row = held_width(group);
    to.c = held + (row - group->row_begin) * to.row + (column - group->column_begin);
    to.columns = to.columns > VECTOR_FLOATS ? TILE_COLUMNS : VECTOR_FLOATS;
  } else {
    to.c = q->c + row * q->c_row + column;
    if (q->bias != NULL && is_last) to.bias = q->bias + column;
  }
  return to;
}

/* c[j, i] = held(i, j) + bias(i) for a group that was computed with rows and columns swapped. */
static void store_swapped(const struct product *q, const struct part *group, const float *held) {
  const size_t width = held_width(group), columns = group->column_end - group->column_begin;
  for (size_t row = group->row_begin; row < group->row_end; row += VECTOR_FLOATS) {
    const float *from = held + (row - group->row_begin) * width;
    const size_t rows = smaller(group->row_end - row, VECTOR_FLOATS);
    float *c = q->c + group->column_begin * q->c_row + row;
    for (size_t column = 0; column < columns; column += VECTOR_FLOATS) {
      vector square[VECTOR_FLOATS];
      for (size_t i = 0; i < VECTOR_FLOATS; i++) square[i] = vector_load(from + smaller(i, rows - 1) * width + column);
      vector_transpose(square);
      const size_t count = smaller(columns - column, VECTOR_FLOATS);
      for (size_t j = 0; j < count; j++) {
        if (q->bias != NULL) square[j] += vector_load_some(q->bias + row, rows);
        vector_store_some(c + (column + j) * q->c_row, square[j], rows);
      }
    }
  }
}

/* Terms of the sum in a block: blocks of about equal length. */
static size_t block_length(size_t k) {
  const size_t blocks = (k + BLOCK_K - 1) / BLOCK_K;
  return round_up((k + blocks - 1) / blocks, VECTOR_FLOATS);
}

/* Up to GROUP_COLUMNS columns. */
static void multiply_group(const struct product *q, const struct part *group, struct desk *desk) {
  const size_t tiles = parallel_piece_count(group->column_end - group->column_begin, TILE_COLUMNS), length = block_length(q->k);
  struct columns_of_b b[GROUP_TILES];
  for (size_t first = 0; first < q->k; first += length) {
    const size_t k = smaller(q->k - first, length);
    for (size_t t = 0, column = group->column_begin; t < tiles; t++, column += TILE_COLUMNS)
      b[t] = find_b(q, first, k, column, smaller(group->column_end - column, TILE_COLUMNS), desk->b[t]);
    for (size_t row = group->row_begin; row < group->row_end; row += TILE_ROWS) {
      struct rows_of_a a = find_a(q, first, k, row, smaller(group->row_end - row, TILE_ROWS), tiles, desk->a);
      for (size_t t = 0; t < tiles; t++) {
        const struct place to = find_place(q, group, first, first + k == q->k, row, group->column_begin + t * TILE_COLUMNS, desk->held);
        find_next(q, first, row + TILE_ROWS, t, &a);
        multiply_tile(k, &a, &b[t], &to);
      }
    }
  }
  if (q->is_swapped) store_swapped(q, group, desk->held);
}

static void multiply_part(const struct product *q, const struct part *part) {
  struct desk desk;
  for (size_t column = part->column_begin; column < part->column_end; column += GROUP_COLUMNS) {
    struct part group = {.row_end = part->row_end, .column_begin = column, .column_end = smaller(column + GROUP_COLUMNS, part->column_end)};
    size_t rows = part->row_end - part->row_begin;
    if (q->is_swapped) rows = smaller(rows, HELD_FLOATS / held_width(&group) / VECTOR_FLOATS * VECTOR_FLOATS);
    for (group.row_begin = part->row_begin; group.row_begin < part->row_end; group.row_begin += rows) {
      group.row_end = smaller(group.row_begin + rows, part->row_end);
      multiply_group(q, &group, &desk);
    }
  }
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

/* Whole tiles. Rows are cut first, and columns if that is not enough; the other way round where b must be copied, so that no two pieces
 * copy the same. */
static void cut_plain(const struct product *q, struct cut *cut) {
  bool columns_first = q->b_column != 1;
  size_t other = columns_first ? q->m : q->n; /* values of c in a column, or a row */
  for (int turn = 0; turn < 2; turn++) {
    bool cuts_columns = (turn == 0) == columns_first;
    size_t count = cuts_columns ? q->n : q->m, tile = cuts_columns ? TILE_COLUMNS : TILE_ROWS;
    size_t per_piece = parallel_items_per_piece(count, other * q->k / PRODUCTS_PER_NS);
    size_t least = smaller(count, cuts_columns ? GROUP_COLUMNS : BLOCK_ROWS);
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

/* Whether c has so few columns, a tile's at most, that they are better computed as rows. */
static bool is_narrow(const struct product *q, const struct kernel_block *whole) {
  return whole->is_a_transposed && !whole->is_b_transposed && !q->accumulate && q->n <= TILE_COLUMNS && q->m >= NARROW * q->n;
}

/* Rows and columns of c change places: cᵀ = op(b)ᵀ · op(a)ᵀ. */
static void swap_operands(struct product *q) {
  const struct product by_rows = *q;
  q->m = by_rows.n, q->n = by_rows.m;
  q->a = by_rows.b, q->b = by_rows.a;
  q->a_row = by_rows.b_column, q->a_step = by_rows.b_step;
  q->b_step = by_rows.a_step, q->b_column = by_rows.a_row;
  q->is_swapped = true;
}

/* Products that are worth tiles and cutting. Apart, so that small ones get by with few instructions. */
static __attribute__((noinline)) void multiply_large(const struct parallel *parallel, const struct kernel_block *whole, struct product *q) {
  const bool narrow = is_narrow(q, whole);
  if (q->bias == NULL && !narrow && kernels_library_takes(whole)) {
    run_library(parallel, whole, q);
    return;
  }
  const bool is_low = whole->is_b_transposed && !q->accumulate && q->m <= SWAP_ROWS && q->n > TILE_COLUMNS && q->m < q->n;
  if (is_low || narrow) swap_operands(q);
  run_plain(parallel, q);
}

/* `whole`, with a bias or without. */
static void multiply(const struct parallel *parallel, const struct kernel_block *whole, const float *bias) {
  struct product q = {.m = whole->m, .n = whole->n, .k = whole->k, .a = whole->a, .b = whole->b, .c = whole->c};
  q.c_row = whole->c_row;
  q.bias = bias;
  q.accumulate = whole->accumulate;
  q.a_row = whole->is_a_transposed ? 1 : whole->a_row;
  q.a_step = whole->is_a_transposed ? whole->a_row : 1;
  q.b_step = whole->is_b_transposed ? 1 : whole->b_row;
  q.b_column = whole->is_b_transposed ? whole->b_row : 1;
  if (q.m == 0 || q.n == 0) return;
  if (q.m * q.n * q.k <= SMALL_PRODUCTS)
    multiply_small(&q);
  else
    multiply_large(parallel, whole, &q);
}

void kernel_multiply_part(const struct kernel_part *part) {
  struct product q = {.m = part->m, .n = part->n, .k = part->k, .a = part->a, .b = part->b, .c = part->c, .c_row = part->c_row};
  q.accumulate = part->accumulate;
  q.a_row = part->is_a_transposed ? 1 : part->a_row;
  q.a_step = part->is_a_transposed ? part->a_row : 1;
  q.b_step = part->is_b_transposed ? 1 : part->b_row;
  q.b_column = part->is_b_transposed ? part->b_row : 1;
  q.is_b_packed = part->is_b_packed;
  if (q.m * q.n * q.k <= SMALL_PRODUCTS && !q.is_b_packed)
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
  multiply(parallel, &block, NULL);
}

void kernel_matmul_nt(const struct parallel *parallel, size_t m, size_t n, size_t k, const float *a, const float *b, float *c,
                      bool accumulate) {
  multiply_float(parallel, block_nt(m, n, k, c), a, b, accumulate);
}
void kernel_matmul_nt_bias(const struct parallel *parallel, size_t m, size_t n, size_t k, const float *a, const float *b, const float *bias,
                           float *c) {
  struct kernel_block block = block_nt(m, n, k, c);
  block.a = a;
  block.b = b;
  multiply(parallel, &block, bias);
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
