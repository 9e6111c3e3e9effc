/* Blocks of queries: S = Q Kᵀ, O = D V and their gradients, as self_attention.c has it; what happens to rows of S is in attention_rows.c.
 *
 * An item of work is one head of one sample; a piece is some items, one after the other in the piece's own room for two blocks of S. What the
 * next item will read is fetched meanwhile: its rows are short and far apart.
 */
#include <string.h>

#include "engine/kernels.h"
#include "engine/layers/attention.h"

enum {
  QUERY_ROWS = 64,     /* of a block */
  CAUSAL_ROWS = 32,    /* the same if causal: what lies behind the last query's key needn't be computed */
  PIECES_MAX = 32,     /* more threads than that are not kept busy by one layer */
  ROW_FLOATS = 16,     /* of which rows of a block are multiples: a vector, as wide as any processor's */
  LINE_FLOATS = 16,    /* of a cache line */
  PRODUCTS_PER_NS = 24 /* multiply-adds, roughly, to decide how much work is worth a piece */
};

static size_t smaller(size_t left, size_t right) { return left < right ? left : right; }

size_t attention_block_rows(const struct layer *layer) {
  const struct self_attention *settings = layer->settings;
  return smaller(settings->causal ? CAUSAL_ROWS : QUERY_ROWS, layer->in[0].sizes[0]);
}

/* From one row of a block to the next. */
static size_t count_row_floats(size_t columns) { return (columns + ROW_FLOATS - 1) / ROW_FLOATS * ROW_FLOATS; }

static size_t count_extra(const struct self_attention *settings) { return (size_t)settings->add_bias_kv + (size_t)settings->add_zero_attn; }

size_t attention_block_floats(const struct layer *layer) {
  const size_t columns = layer->in[0].sizes[0] + count_extra(layer->settings);
  return (size_t)PIECES_MAX * 2 * attention_block_rows(layer) * count_row_floats(columns);
}

size_t attention_items_per_piece(const struct attention *attention) {
  const size_t items = attention->batch * attention->heads, columns = attention->time + attention->extra;
  const size_t enough = parallel_items_per_piece(items, 2 * attention->time * columns * attention->depth / PRODUCTS_PER_NS);
  const size_t least = parallel_piece_count(items, PIECES_MAX);
  return enough < least ? least : enough;
}

static size_t find_qkv(const struct attention_block *block, size_t position) {
  return (block->sample * block->attention->time + position) * 3 * block->attention->width + block->head * block->attention->depth;
}
static size_t find_mixed(const struct attention_block *block, size_t position) {
  return (block->sample * block->attention->time + position) * block->attention->width + block->head * block->attention->depth;
}
static float *find_statistics(const struct attention_block *block) {
  return block->attention->statistics +
         ((block->sample * block->attention->heads + block->head) * block->attention->time + block->first) * 2;
}
static const float *find_query(const struct attention_block *block) { return block->attention->qkv + find_qkv(block, block->first); }
static const float *find_key(const struct attention_block *block) {
  return block->attention->qkv + find_qkv(block, 0) + block->attention->width;
}
static const float *find_value(const struct attention_block *block) {
  return block->attention->qkv + find_qkv(block, 0) + 2 * block->attention->width;
}

/* scores = queries · keysᵀ, the factor 1 / √depth left out */
static void score(const struct attention_block *block) {
  const struct attention *attention = block->attention;
  struct kernel_part part = {
      .m = block->rows, .n = block->keys, .k = attention->depth, .is_b_transposed = true, .c_row = block->row_floats};
  part.a = find_query(block);
  part.b = find_key(block);
  part.a_row = part.b_row = 3 * attention->width;
  part.c = block->scores;
  kernel_multiply_part(&part);
  if (attention->extra == 0) return;
  for (size_t row = 0; row < block->rows; row++) block->scores[row * block->row_floats + block->columns - 1] = 0;
  if (attention->bias_k == NULL) return;
  part.n = 1;
  part.b = attention->bias_k + block->head * attention->depth;
  part.b_row = attention->depth;
  part.c = block->scores + block->keys;
  kernel_multiply_part(&part);
}

/* out[rows, depth], rows out_row apart, = weights[rows, columns] · (values, then the appended one) */
static void mix(const struct attention_block *block, const float *values, const float *extra_values, float *out, size_t out_row,
                const float *weights) {
  const struct attention *attention = block->attention;
  struct kernel_part part = {.m = block->rows, .n = attention->depth, .k = block->keys, .a = weights, .a_row = block->row_floats};
  part.b = values;
  part.b_row = 3 * attention->width;
  part.c = out;
  part.c_row = out_row;
  kernel_multiply_part(&part);
  if (extra_values == NULL) return;
  part.k = 1;
  part.a += block->keys;
  part.b = extra_values + block->head * attention->depth;
  part.accumulate = true;
  kernel_multiply_part(&part);
}

static void forward_block(const struct attention_block *block) {
  const struct attention *attention = block->attention;
  float *mixed = attention->mixed + find_mixed(block, block->first), own[2 * QUERY_ROWS];
  float *statistics = attention->statistics == NULL ? own : find_statistics(block);
  score(block);
  attention_soften(block, statistics);
  mix(block, find_value(block), attention->bias_v, mixed, attention->width, block->scores);
  for (size_t row = 0; row < block->rows; row++)
    for (size_t i = 0; i < attention->depth; i++) mixed[row * attention->width + i] *= statistics[2 * row + 1];
}

/* gradients = dO Vᵀ */
static void backward_weights(const struct attention_block *block) {
  const struct attention *attention = block->attention;
  struct kernel_part part = {
      .m = block->rows, .n = block->keys, .k = attention->depth, .is_b_transposed = true, .c_row = block->row_floats};
  part.a = attention->dmixed + find_mixed(block, block->first);
  part.a_row = attention->width;
  part.b = find_value(block);
  part.b_row = 3 * attention->width;
  part.c = block->gradients;
  kernel_multiply_part(&part);
  if (attention->extra == 0) return;
  for (size_t row = 0; row < block->rows; row++) block->gradients[row * block->row_floats + block->columns - 1] = 0;
  if (attention->bias_v == NULL) return;
  part.n = 1;
  part.b = attention->bias_v + block->head * attention->depth;
  part.b_row = attention->depth;
  part.c = block->gradients + block->keys;
  kernel_multiply_part(&part);
}

/* out[keys, depth] += weights[rows, columns]ᵀ · from[rows, depth], and the appended one's, whose place is extra_out; the item's last block,
 * which is the first to be computed, overwrites. */
static void gather(const struct attention_block *block, const float *weights, const float *from, size_t from_row, float *out,
                   float *extra_out) {
  const struct attention *attention = block->attention;
  struct kernel_part part = {.m = block->keys, .n = attention->depth, .k = block->rows, .is_a_transposed = true};
  part.accumulate = block->first + block->rows < block->length;
  part.a = weights;
  part.a_row = block->row_floats;
  part.b = from;
  part.b_row = from_row;
  part.c = out;
  part.c_row = 3 * attention->width;
  kernel_multiply_part(&part);
  if (extra_out == NULL) return;
  part.m = 1;
  part.a += block->keys;
  part.c = extra_out + block->sample * attention->width + block->head * attention->depth;
  kernel_multiply_part(&part);
}

static void backward_block(const struct attention_block *block) {
  const struct attention *attention = block->attention;
  const float *dmixed = attention->dmixed + find_mixed(block, block->first);
  score(block);
  backward_weights(block);
  attention_differentiate(block, find_statistics(block));
  float *dqkv = attention->dqkv + find_qkv(block, 0);
  gather(block, block->scores, dmixed, attention->width, dqkv + 2 * attention->width, attention->dbias_v);
  gather(block, block->gradients, find_query(block), 3 * attention->width, dqkv + attention->width, attention->dbias_k);
  mix(block, find_key(block), attention->bias_k, attention->dqkv + find_qkv(block, block->first), 3 * attention->width, block->gradients);
}

/* Padded steps of an item, of `parts` heads side by side, `width` apart, become 0: neither outputs nor gradients come from there. */
static void clear_padding(const struct attention *attention, size_t sample, size_t head, size_t length, size_t parts, float *values) {
  for (size_t step = (sample * attention->time + length) * parts; step < (sample + 1) * attention->time * parts; step++)
    memset(values + step * attention->width + head * attention->depth, 0, attention->depth * sizeof *values);
}

static size_t count_steps(const struct attention *attention, size_t sample) {
  const uint32_t *lengths = attention->pass->lengths[0];
  return lengths == NULL ? attention->time : lengths[sample];
}

/* All blocks of an item, from the last, whose queries see all keys, to the first. */
static void run_item(const struct attention *attention, size_t item, float *room, void (*run)(const struct attention_block *block)) {
  struct attention_block block = {.attention = attention, .sample = item / attention->heads, .head = item % attention->heads};
  block.length = count_steps(attention, block.sample);
  block.scores = room;
  block.gradients = room + attention->block_rows * count_row_floats(attention->time + attention->extra);
  for (size_t blocks = parallel_piece_count(block.length, attention->block_rows); blocks-- > 0;) {
    block.first = blocks * attention->block_rows;
    block.rows = smaller(attention->block_rows, block.length - block.first);
    block.keys = attention->causal ? block.first + block.rows : block.length;
    block.columns = block.keys + attention->extra;
    block.row_floats = count_row_floats(block.columns);
    run(&block);
  }
}

/* Has what the item will read fetched to the second cache. */
static void fetch_item(const struct attention *attention, size_t item, bool is_forward) {
  const size_t sample = item / attention->heads, head = item % attention->heads, length = count_steps(attention, sample);
  for (size_t step = 0; step < length; step++) {
    const size_t row = sample * attention->time + step;
    for (size_t i = head * attention->depth; i < (head + 1) * attention->depth; i += LINE_FLOATS) {
      const float *qkv = attention->qkv + row * 3 * attention->width + i;
      __builtin_prefetch(qkv, 0, 2);
      __builtin_prefetch(qkv + attention->width, 0, 2);
      __builtin_prefetch(qkv + 2 * attention->width, 0, 2);
      if (!is_forward) __builtin_prefetch(attention->dmixed + row * attention->width + i, 0, 2);
    }
  }
}

static void run_piece(const struct attention *attention, size_t piece, bool is_forward) {
  float *room = attention->blocks + piece * 2 * attention->block_rows * count_row_floats(attention->time + attention->extra);
  const size_t begin = piece * attention->items_per_piece,
               end = smaller(begin + attention->items_per_piece, attention->batch * attention->heads);
  for (size_t item = begin; item < end; item++) {
    if (item + 1 < end) fetch_item(attention, item + 1, is_forward);
    const size_t sample = item / attention->heads, head = item % attention->heads, length = count_steps(attention, sample);
    clear_padding(attention, sample, head, length, is_forward ? 1 : 3, is_forward ? attention->mixed : attention->dqkv);
    run_item(attention, item, room, is_forward ? forward_block : backward_block);
  }
}

static void forward_piece(void *argument, size_t piece) { run_piece(argument, piece, true); }
static void backward_piece(void *argument, size_t piece) { run_piece(argument, piece, false); }

static void run_pieces(const struct attention *attention, parallel_piece *piece) {
  parallel_run(attention->pass->parallel, parallel_piece_count(attention->batch * attention->heads, attention->items_per_piece), piece,
               (void *)(size_t)attention);
}

void attention_mix(const struct attention *attention) { run_pieces(attention, forward_piece); }
void attention_mix_back(const struct attention *attention) { run_pieces(attention, backward_piece); }
