/* Blocks of queries: S = Q Kᵀ, O = D V and their gradients, as self_attention.c has it; what happens to rows of S is in attention_rows.c.
 *
 * If causal, a block is computed by stripes of a few queries, each with the keys that these see: half of S on the diagonal needn't be
 * computed. Sums over queries, dK and dV, are those of a block, from the first of its stripes that sees a key.
 *
 * An item of work is one head of one sample; a piece is some items, one after the other in the piece's own room for two blocks of S. What
 * the next item will read is fetched meanwhile: its rows are short and far apart.
 */
#include <string.h>

#include "engine/kernels.h"
#include "engine/layers/attention.h"

enum {
  QUERY_ROWS = 64,  /* of a block */
  STRIPE_ROWS = 16, /* of a stripe */
  PIECES_MAX = 32,  /* more threads than that are not kept busy by one layer; fewer … */
  PIECES_MIN = 8,
  PIECES_DEPTH = 4096, /* … where so many columns of keys, those of all pieces together, are not enough */
  ROW_FLOATS = 16,     /* of which rows of a block are multiples: a vector, as wide as any processor's */
  LINE_FLOATS = 16,    /* of a cache line */
  PRODUCTS_PER_NS = 24 /* multiply-adds, roughly, to decide how much work is worth a piece */
};

static size_t smaller(size_t left, size_t right) { return left < right ? left : right; }

size_t attention_block_rows(const struct layer *layer) { return smaller(QUERY_ROWS, layer->in[0].sizes[0]); }

/* From one row of a block to the next. */
static size_t count_row_floats(size_t columns) { return (columns + ROW_FLOATS - 1) / ROW_FLOATS * ROW_FLOATS; }

static size_t count_extra(const struct self_attention *settings) { return (size_t)settings->add_bias_kv + (size_t)settings->add_zero_attn; }

/* What a piece needs: scores, gradients, keys, values. */
static size_t count_block(size_t rows, size_t columns) { return rows * count_row_floats(columns); }
static size_t count_room(size_t rows, size_t time, size_t extra, size_t depth) {
  return 2 * count_block(rows, time + extra) + 2 * kernel_packed_count(time, depth);
}

static size_t count_pieces_max(size_t depth) {
  const size_t count = smaller(PIECES_MAX, PIECES_DEPTH / depth);
  return count < PIECES_MIN ? PIECES_MIN : count;
}

size_t attention_block_floats(const struct layer *layer) {
  const struct self_attention *settings = layer->settings;
  const size_t time = layer->in[0].sizes[0], depth = layer->in[0].sizes[1] / (size_t)settings->heads;
  return count_pieces_max(depth) * count_room(attention_block_rows(layer), time, count_extra(settings), depth);
}

size_t attention_items_per_piece(const struct attention *attention) {
  const size_t items = attention->batch * attention->heads, columns = attention->time + attention->extra;
  const size_t enough = parallel_items_per_piece(items, 2 * attention->time * columns * attention->depth / PRODUCTS_PER_NS);
  const size_t least = parallel_piece_count(items, count_pieces_max(attention->depth));
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
  struct kernel_part part = {.m = block->rows, .n = block->keys, .k = attention->depth, .c_row = block->row_floats};
  part.a = find_query(block);
  part.a_row = 3 * attention->width;
  part.b = block->key_panels;
  part.is_b_packed = true;
  part.c = block->scores;
  kernel_multiply_part(&part);
  if (attention->extra == 0) return;
  for (size_t row = 0; row < block->rows; row++) block->scores[row * block->row_floats + block->columns - 1] = 0;
  if (attention->bias_k == NULL) return;
  part.n = 1;
  part.b = attention->bias_k + block->head * attention->depth;
  part.is_b_packed = false;
  part.b_row = 1;
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

/* Which keys the block's queries see. */
static void find_columns(struct attention_block *block) {
  block->keys = block->attention->causal ? block->first + block->rows : block->length;
  block->columns = block->keys + block->attention->extra;
  block->width = count_row_floats(block->columns);
}

/* Where all queries see the same keys, the block is one stripe. */
static size_t count_stripe_rows(const struct attention_block *block) { return block->attention->causal ? STRIPE_ROWS : block->rows; }

static struct attention_block find_stripe(const struct attention_block *block, size_t row) {
  struct attention_block stripe = *block;
  stripe.first += row;
  stripe.rows = smaller(count_stripe_rows(block), block->rows - row);
  stripe.scores += row * block->row_floats;
  stripe.gradients += row * block->row_floats;
  find_columns(&stripe);
  return stripe;
}

static void forward_stripe(const struct attention_block *stripe) {
  const struct attention *attention = stripe->attention;
  float *mixed = attention->mixed + find_mixed(stripe, stripe->first), own[2 * QUERY_ROWS];
  float *statistics = attention->statistics == NULL ? own : find_statistics(stripe);
  score(stripe);
  attention_soften(stripe, statistics);
  mix(stripe, find_value(stripe), attention->bias_v, mixed, attention->width, stripe->scores);
  for (size_t row = 0; row < stripe->rows; row++)
    for (size_t i = 0; i < attention->depth; i++) mixed[row * attention->width + i] *= statistics[2 * row + 1];
}

static void forward_block(const struct attention_block *block) {
  for (size_t row = 0; row < block->rows; row += count_stripe_rows(block)) {
    const struct attention_block stripe = find_stripe(block, row);
    forward_stripe(&stripe);
  }
}

/* gradients = dO Vᵀ */
static void backward_weights(const struct attention_block *block) {
  const struct attention *attention = block->attention;
  struct kernel_part part = {.m = block->rows, .n = block->keys, .k = attention->depth, .c_row = block->row_floats};
  part.a = attention->dmixed + find_mixed(block, block->first);
  part.a_row = attention->width;
  part.b = block->value_panels;
  part.is_b_packed = true;
  part.c = block->gradients;
  kernel_multiply_part(&part);
  if (attention->extra == 0) return;
  for (size_t row = 0; row < block->rows; row++) block->gradients[row * block->row_floats + block->columns - 1] = 0;
  if (attention->bias_v == NULL) return;
  part.n = 1;
  part.b = attention->bias_v + block->head * attention->depth;
  part.is_b_packed = false;
  part.b_row = 1;
  part.c = block->gradients + block->keys;
  kernel_multiply_part(&part);
}

/* out[m, depth], rows 3 · width apart, = weights[k, m]ᵀ · from[k, depth], or += */
static void gather(const struct attention_block *block, size_t m, size_t k, const float *weights, const float *from, size_t from_row,
                   float *out, bool accumulate) {
  struct kernel_part part = {.m = m, .n = block->attention->depth, .k = k, .is_a_transposed = true, .accumulate = accumulate};
  part.a = weights;
  part.a_row = block->row_floats;
  part.b = from;
  part.b_row = from_row;
  part.c = out;
  part.c_row = 3 * block->attention->width;
  kernel_multiply_part(&part);
}

/* out[keys, depth] += weights[rows, keys]ᵀ · from[rows, depth], each key's sum from the first stripe on that sees it; the item's last
 * block, which is the first to be computed, overwrites. */
static void gather_keys(const struct attention_block *block, const float *weights, const float *from, size_t from_row, float *out) {
  const bool accumulate = block->first + block->rows < block->length;
  const size_t shared = block->attention->causal ? block->first : block->keys; /* keys that all queries of the block see */
  if (shared > 0) gather(block, shared, block->rows, weights, from, from_row, out, accumulate);
  for (size_t row = 0; shared + row < block->keys; row += STRIPE_ROWS)
    gather(block, smaller(STRIPE_ROWS, block->rows - row), block->rows - row, weights + row * block->row_floats + shared + row,
           from + row * from_row, from_row, out + (shared + row) * 3 * block->attention->width, accumulate);
}

/* The same of the appended key, for a stripe; `out` is [batch, heads, depth]. */
static void gather_extra(const struct attention_block *stripe, const float *weights, const float *from, size_t from_row, float *out,
                         bool accumulate) {
  if (out == NULL) return;
  out += stripe->sample * stripe->attention->width + stripe->head * stripe->attention->depth;
  gather(stripe, 1, stripe->rows, weights + stripe->keys, from, from_row, out, accumulate);
}

static void backward_stripe(const struct attention_block *stripe, bool is_first) {
  const struct attention *attention = stripe->attention;
  score(stripe);
  backward_weights(stripe);
  attention_differentiate(stripe, find_statistics(stripe));
  gather_extra(stripe, stripe->scores, attention->dmixed + find_mixed(stripe, stripe->first), attention->width, attention->dbias_v,
               !is_first);
  gather_extra(stripe, stripe->gradients, find_query(stripe), 3 * attention->width, attention->dbias_k, !is_first);
  mix(stripe, find_key(stripe), attention->bias_k, attention->dqkv + find_qkv(stripe, stripe->first), 3 * attention->width,
      stripe->gradients);
}

static void backward_block(const struct attention_block *block) {
  const struct attention *attention = block->attention;
  const bool is_last = block->first + block->rows == block->length;
  for (size_t row = 0; row < block->rows; row += count_stripe_rows(block)) {
    const struct attention_block stripe = find_stripe(block, row);
    backward_stripe(&stripe, is_last && row == 0);
  }
  float *dqkv = attention->dqkv + find_qkv(block, 0);
  gather_keys(block, block->scores, attention->dmixed + find_mixed(block, block->first), attention->width, dqkv + 2 * attention->width);
  gather_keys(block, block->gradients, find_query(block), 3 * attention->width, dqkv + attention->width);
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
static void run_item(const struct attention *attention, size_t item, float *room, bool is_forward) {
  struct attention_block block = {.attention = attention, .sample = item / attention->heads, .head = item % attention->heads};
  const size_t block_floats = count_block(attention->block_rows, attention->time + attention->extra);
  block.length = count_steps(attention, block.sample);
  block.scores = room;
  block.gradients = room + block_floats;
  block.key_panels = room + 2 * block_floats;
  block.value_panels = block.key_panels + kernel_packed_count(attention->time, attention->depth);
  kernel_pack_rows(block.length, attention->depth, find_key(&block), 3 * attention->width, block.key_panels);
  if (!is_forward) kernel_pack_rows(block.length, attention->depth, find_value(&block), 3 * attention->width, block.value_panels);
  for (size_t blocks = parallel_piece_count(block.length, attention->block_rows); blocks-- > 0;) {
    block.first = blocks * attention->block_rows;
    block.rows = smaller(attention->block_rows, block.length - block.first);
    find_columns(&block);
    block.row_floats = block.width;
    if (is_forward)
      forward_block(&block);
    else
      backward_block(&block);
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
  float *room = attention->blocks + piece * count_room(attention->block_rows, attention->time, attention->extra, attention->depth);
  const size_t begin = piece * attention->items_per_piece,
               end = smaller(begin + attention->items_per_piece, attention->batch * attention->heads);
  for (size_t item = begin; item < end; item++) {
    if (item + 1 < end) fetch_item(attention, item + 1, is_forward);
    const size_t sample = item / attention->heads, head = item % attention->heads, length = count_steps(attention, sample);
    clear_padding(attention, sample, head, length, is_forward ? 1 : 3, is_forward ? attention->mixed : attention->dqkv);
    run_item(attention, item, room, is_forward);
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
