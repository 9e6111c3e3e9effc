/* Rows of a block of S: softmax and dropout, forward and back (formulas: self_attention.c). A row is whole vectors long; what its query
 * doesn't see, keys behind it and what fills up the last vector, is made −∞ first, and so is 0 in P by the same operations as the rest.
 *
 * A sum over a row belongs to VECTOR_FLOATS partial sums, value j to number j mod VECTOR_FLOATS.
 */
#include <math.h>

#include "engine/layers/attention.h"
#include "engine/vector_float.h"
#include "engine/vector_math.h"

enum { UNIFORM_COUNT = 256 }; /* random numbers drawn at once */

static size_t smaller(size_t left, size_t right) { return left < right ? left : right; }

/* How many of the sequence's keys the block's query `row` sees. */
static size_t count_seen(const struct attention_block *block, size_t row) {
  return block->attention->causal ? block->first + row + 1 : block->keys;
}

static void fill(float *s, size_t begin, size_t end, float value) {
  for (size_t j = begin; j < end; j += VECTOR_FLOATS) vector_store_some(s + j, (vector){0} + value, end - j);
}

/* What the query doesn't see becomes `value`. */
static void hide(const struct attention_block *block, size_t row, float *s, float value) {
  fill(s, count_seen(block, row), block->keys, value);
  fill(s, block->columns, block->width, value);
}

static float find_max(size_t count, const float *s) {
  vector max = vector_load(s);
  for (size_t j = VECTOR_FLOATS; j < count; j += VECTOR_FLOATS) max = vector_larger(vector_load(s + j), max);
  return vector_max(max);
}

/* s(j) becomes e^(scale (s(j) − max)) · factor */
static inline void exponentiate(size_t count, float scale, float max, float factor, float *restrict s) {
  for (size_t j = 0; j < count; j += VECTOR_FLOATS)
    for (size_t lane = j; lane < j + VECTOR_FLOATS; lane++) s[lane] = vector_exp_negative((s[lane] - max) * scale) * factor;
}

static float sum(size_t count, const float *s) {
  vector sums = vector_load(s);
  for (size_t j = VECTOR_FLOATS; j < count; j += VECTOR_FLOATS) sums += vector_load(s + j);
  return vector_sum(sums);
}

/* Σ p(j) g(j) */
static float sum_products(size_t count, const float *p, const float *g) {
  vector sums = {0};
  for (size_t j = 0; j < count; j += VECTOR_FLOATS) sums += vector_load(p + j) * vector_load(g + j);
  return vector_sum(sums);
}

/* s(j) becomes p(j) (s(j) − r) · scale */
static void slope(size_t count, float scale, float r, const float *restrict p, float *restrict s) {
  for (size_t j = 0; j < count; j += VECTOR_FLOATS)
    for (size_t lane = j; lane < j + VECTOR_FLOATS; lane++) s[lane] = p[lane] * (s[lane] - r) * scale;
}

/* Number of the random number for the attention of `row` to column 0. */
static uint64_t find_random(const struct attention_block *block, size_t row) {
  const struct attention *attention = block->attention;
  const uint64_t query = (block->sample * attention->heads + block->head) * attention->time + block->first + row;
  return query * (attention->time + attention->extra);
}

/* Factors of dropout for `count` columns of a row from `column` on, as they stand in the block: extra columns have the last numbers. */
static void draw_mask(const struct attention_block *block, size_t row, size_t column, size_t count, float *mask) {
  const struct attention *attention = block->attention;
  const struct pass *pass = attention->pass;
  const struct random_stream stream = {
      .seed = pass->seed, .purpose = RANDOM_DROPOUT, .lane = (uint32_t)attention->layer->index, .epoch = pass->epoch, .step = pass->step};
  const size_t in_keys = column < block->keys ? smaller(count, block->keys - column) : 0, behind = column + in_keys - block->keys;
  random_fill_uniform(&stream, find_random(block, row) + column, in_keys, mask);
  if (in_keys < count) random_fill_uniform(&stream, find_random(block, row) + attention->time + behind, count - in_keys, mask + in_keys);
  for (size_t j = 0; j < count; j++) mask[j] = mask[j] >= attention->rate ? attention->factor : 0.0f;
}

/* s(j) ← s(j) M(j) */
static void drop(const struct attention_block *block, size_t row, float *s) {
  float mask[UNIFORM_COUNT];
  for (size_t column = 0; column < block->columns; column += UNIFORM_COUNT) {
    const size_t count = smaller(UNIFORM_COUNT, block->columns - column);
    draw_mask(block, row, column, count, mask);
    for (size_t j = 0; j < count; j++) s[column + j] *= mask[j];
  }
}

/* All rows of a block take a step before the next step: so none waits for another's sum. */

void attention_soften(const struct attention_block *block, float *statistics) {
  const struct attention *attention = block->attention;
  const size_t count = block->width, step = block->row_floats;
  for (size_t row = 0; row < block->rows; row++) {
    float *s = block->scores + row * step;
    hide(block, row, s, -INFINITY);
    statistics[2 * row] = find_max(count, s);
  }
  for (size_t row = 0; row < block->rows; row++) exponentiate(count, attention->scale, statistics[2 * row], 1, block->scores + row * step);
  for (size_t row = 0; row < block->rows; row++) statistics[2 * row + 1] = 1.0f / sum(count, block->scores + row * step);
  for (size_t row = 0; row < block->rows && attention->rate > 0; row++) drop(block, row, block->scores + row * step);
}

void attention_differentiate(const struct attention_block *block, const float *statistics) {
  const struct attention *attention = block->attention;
  const size_t count = block->width, step = block->row_floats;
  for (size_t row = 0; row < block->rows; row++) {
    if (attention->rate > 0) drop(block, row, block->gradients + row * step);
    hide(block, row, block->scores + row * step, -INFINITY);
    hide(block, row, block->gradients + row * step, 0);
  }
  for (size_t row = 0; row < block->rows; row++)
    exponentiate(count, attention->scale, statistics[2 * row], statistics[2 * row + 1], block->scores + row * step);
  for (size_t row = 0; row < block->rows; row++) {
    const float *p = block->scores + row * step;
    float *g = block->gradients + row * step;
    slope(count, attention->scale, sum_products(count, p, g), p, g);
  }
  for (size_t row = 0; row < block->rows && attention->rate > 0; row++) drop(block, row, block->scores + row * step);
}
