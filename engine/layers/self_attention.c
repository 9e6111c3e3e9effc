/* Multi-head self-attention (Vaswani, Shazeer, Parmar, Uszkoreit, Jones, Gomez, Kaiser, Polosukhin 2017), as in PyTorch's
 * MultiheadAttention with query, key and value the same sequence x [time, width]:
 *
 *   [Q K V] = x W_inᵀ + b_in                             in_proj_weight is W_in [3 · width, width]
 *   S = Q Kᵀ / √depth,  P = softmax S,  D = dropout P    for each head, which has `depth` = width / heads columns of Q, K and V
 *   O = D V
 *   z = O W_outᵀ + b_out                                 O: the heads' side by side
 *
 * causal: position i attends to positions ≤ i. add_bias_kv appends a trained key and value, add_zero_attn ones of zeros: the `extra` columns
 * of S, behind the others, which every position may attend to.
 *
 * Backward, with M the dropout's factors, D = P ∘ M, and dX for ∂C/∂X:
 *   dO = δ W_out,   dV = Dᵀ dO,   dP = (dO Vᵀ) ∘ M,   dS = P ∘ (dP − r),   dQ = dS K / √depth,   dK = dSᵀ Q / √depth
 *   r(i) = Σⱼ P(i, j) dP(i, j)
 *
 * Padded steps are neither keys nor queries.
 * Without extra columns the keys' bias adds the same to all of a query's scores and so changes nothing: its gradient is 0, and not the
 * noise of a sum that cancels, from which optimizers that divide by a gradient's size would make steps.
 *
 * S is computed a block of some queries at a time, forward and again backward (Dao, Fu, Ermon, Rudra, Ré 2022: "FlashAttention"):
 * what is saved grows with time, not its square. An item of work is one head of one sample; a piece is some items, one after the other in
 * the piece's own room for two blocks of S.
 *
 *   saved  qkv [batch, time, 3, heads, depth], O [batch, time, heads, depth], statistics [batch, heads, time, 2]: max S, 1 / Σ exp(S − max)
 *   work   in inference qkv and O, backward dqkv and dO; the gradients of the appended key and value by sample [2, batch, width];
 *          blocks [PIECES_MAX, 2, block_rows, time + extra]
 */
#include <math.h>
#include <string.h>

#include "engine/kernels.h"
#include "engine/layers/kinds.h"
#include "engine/vector_math.h"

struct self_attention {
  struct layer_common common;
  int64_t heads;
  bool causal;
  double dropout;
  bool bias, add_bias_kv, add_zero_attn;
  struct spec initializer, bias_initializer;
};

static const struct param params[] = {
    PARAM_INLINE_ROW(struct self_attention, common, layer_name_params),
    PARAM_INTEGER_ROW(struct self_attention, heads, 1, LIMIT_UNITS, 0, "number of heads; divides the width of the input",
                      .flags = PARAM_REQUIRED),
    PARAM_BOOLEAN_ROW(struct self_attention, causal, false, "whether a position sees only itself and those before it"),
    PARAM_NUMBER_ROW(struct self_attention, dropout, 0, 1, 0, "share of the attention weights that are dropped while training",
                     .flags = PARAM_BELOW_MAX),
    PARAM_BOOLEAN_ROW(struct self_attention, bias, true, "whether biases are added before and after"),
    PARAM_BOOLEAN_ROW(struct self_attention, add_bias_kv, false, "whether a trained key and value are appended to the sequence's"),
    PARAM_BOOLEAN_ROW(struct self_attention, add_zero_attn, false, "whether a key and value of zeros are appended"),
    PARAM_INLINE_ROW(struct self_attention, common, layer_activation_params),
    PARAM_KIND_ROW(struct self_attention, initializer, &initializer_kinds, "glorot_uniform", "start values of the weights"),
    PARAM_KIND_ROW(struct self_attention, bias_initializer, &initializer_kinds, "zeros", "start values of the biases"),
    PARAM_INLINE_ROW(struct self_attention, common, layer_penalty_params),
};

enum { IN_WEIGHT, OUT_WEIGHT, IN_BIAS, OUT_BIAS, BIASES };
enum {
  QUERY_ROWS = 64,     /* of a block */
  CAUSAL_ROWS = 32,    /* the same if causal: what lies behind the last query's key needn't be computed */
  PIECES_MAX = 32,     /* more threads than that are not kept busy by one layer */
  LANES = 16,          /* of sums and maxima */
  UNIFORM_COUNT = 256, /* random numbers drawn at once */
  PRODUCTS_PER_NS = 24 /* multiply-adds, roughly, to decide how much work is worth a piece */
};

/* The appended key and value, side by side in the table of tensors. */
static const struct layer_tensor *find_bias_k(const struct layer *layer) {
  const struct self_attention *attention = layer->settings;
  return attention->add_bias_kv ? &layer->tensors[attention->bias ? BIASES : IN_BIAS] : NULL;
}

static struct layer_tensor *add_weight(struct layer *layer, const char *name, size_t rows, size_t columns) {
  const struct self_attention *attention = layer->settings;
  struct layer_tensor *tensor = layer_add_tensor(layer, name, &(struct shape){.rank = 2, .sizes = {rows, columns}});
  tensor->initializer = &attention->initializer;
  tensor->is_penalized = true;
  return tensor;
}

static void add_bias(struct layer *layer, const char *name, size_t size) {
  const struct self_attention *attention = layer->settings;
  struct layer_tensor *tensor = layer_add_tensor(layer, name, &(struct shape){.rank = 1, .sizes = {size}});
  tensor->initializer = &attention->bias_initializer;
  tensor->fan_in = layer->in[0].sizes[1];
  tensor->is_shift = size == layer->in[0].sizes[1]; /* that of z */
}

static void add_tensors(struct layer *layer, size_t width) {
  const struct self_attention *attention = layer->settings;
  (void)add_weight(layer, "in_proj_weight", 3 * width, width);
  (void)add_weight(layer, "out_proj.weight", width, width);
  if (attention->bias) {
    add_bias(layer, "in_proj_bias", 3 * width);
    add_bias(layer, "out_proj.bias", width);
  }
  if (!attention->add_bias_kv) return;
  const struct shape one = {.rank = 3, .sizes = {1, 1, width}};
  layer_add_tensor(layer, "bias_k", &one)->initializer = &attention->initializer;
  layer_add_tensor(layer, "bias_v", &one)->initializer = &attention->initializer;
}

static size_t smaller(size_t left, size_t right) { return left < right ? left : right; }

/* Queries in a block of S. */
static size_t count_block_rows(const struct layer *layer) {
  const struct self_attention *attention = layer->settings;
  return smaller(attention->causal ? CAUSAL_ROWS : QUERY_ROWS, layer->in[0].sizes[0]);
}

static enum error_code compile(struct layer *layer, struct error *error) {
  const struct self_attention *attention = layer->settings;
  const struct shape *in = &layer->in[0];
  const size_t time = in->sizes[0], width = in->rank == 2 ? in->sizes[1] : 0, heads = (size_t)attention->heads;
  if (in->rank != 2) {
    char text[SHAPE_TEXT_BYTES];
    return error_set(error, ERROR_INVALID, "self_attention layer \"%s\" needs a sequence [time, features], \"%s\" gives %s", layer->name,
                     layer->input_names[0], shape_format(in, text, sizeof text));
  }
  if (width % heads != 0)
    return error_set(error, ERROR_INVALID,
                     "self_attention layer \"%s\" can't share the %zu features of \"%s\" among %zu heads: heads must divide them",
                     layer->name, width, layer->input_names[0], heads);
  if (width > LIMIT_UNITS)
    return error_set(error, ERROR_INVALID, "self_attention layer \"%s\" takes at most %d features, \"%s\" gives %zu", layer->name,
                     LIMIT_UNITS, layer->input_names[0], width);
  layer->out = *in;
  layer->lengths = LAYER_LENGTHS_KEEP;
  add_tensors(layer, width);
  const size_t columns = time + attention->add_bias_kv + attention->add_zero_attn;
  layer->saved_per_sample = 4 * time * width + 2 * heads * time;
  layer->work_per_sample = 4 * time * width + (attention->add_bias_kv ? 2 * width : 0);
  layer->work_fixed = (size_t)PIECES_MAX * 2 * count_block_rows(layer) * columns;
  layer->half_per_sample = 4 * time * width;
  layer->half_fixed = 3 * width * width + KERNEL_HALF_SPARE;
  layer->flops_per_sample = 8.0 * (double)(time * width) * (double)width + 4.0 * (double)(time * width) * (double)columns;
  return ERROR_NONE;
}

/* One pass over the layer. */
struct job {
  const struct layer *layer;
  const struct pass *pass;
  size_t batch, time, width, heads, depth;
  size_t extra; /* appended keys: the trained one first, then that of zeros */
  bool causal;
  size_t block_rows;            /* queries in a block */
  float scale;                  /* 1 / √depth */
  float rate, factor;           /* M is 0 with probability `rate`, else `factor` */
  const float *bias_k, *bias_v; /* [heads, depth], or NULL */
  float *qkv, *mixed;           /* O is `mixed` */
  float *statistics;            /* NULL in inference */
  float *dqkv, *dmixed;         /* backward */
  float *dbias_k, *dbias_v;     /* [batch, heads, depth], or NULL */
  float *blocks;                /* [pieces, 2, block_rows, time + extra] */
  size_t items_per_piece;
};

static struct job make_job(const struct layer *layer, const struct pass *pass) {
  const struct self_attention *attention = layer->settings;
  struct job job = {.layer = layer, .pass = pass, .batch = pass->batch, .time = layer->in[0].sizes[0], .width = layer->in[0].sizes[1]};
  job.heads = (size_t)attention->heads;
  job.depth = job.width / job.heads;
  job.extra = (size_t)attention->add_bias_kv + (size_t)attention->add_zero_attn;
  job.causal = attention->causal;
  job.block_rows = count_block_rows(layer);
  job.scale = (float)(1.0 / sqrt((double)job.depth));
  job.rate = pass->training ? (float)attention->dropout : 0;
  job.factor = pass->training ? (float)(1.0 / (1.0 - attention->dropout)) : 1;
  const struct layer_tensor *bias_k = find_bias_k(layer);
  if (bias_k != NULL) {
    job.bias_k = pass->parameters + bias_k[0].offset;
    job.bias_v = pass->parameters + bias_k[1].offset;
  }
  const size_t rows = job.batch * job.time, items = job.batch * job.heads;
  float *saved = pass->training ? pass->saved : pass->work;
  job.qkv = saved;
  job.mixed = saved + rows * 3 * job.width;
  job.statistics = pass->training ? saved + rows * 4 * job.width : NULL;
  job.dqkv = pass->work;
  job.dmixed = pass->work + rows * 3 * job.width;
  float *behind = pass->work + rows * 4 * job.width;
  if (bias_k != NULL) {
    job.dbias_k = behind;
    job.dbias_v = behind + job.batch * job.width;
    behind += 2 * job.batch * job.width;
  }
  job.blocks = behind;
  job.items_per_piece = parallel_items_per_piece(items, 2 * job.time * (job.time + job.extra) * job.depth / PRODUCTS_PER_NS);
  const size_t least = parallel_piece_count(items, PIECES_MAX);
  if (job.items_per_piece < least) job.items_per_piece = least;
  return job;
}

/* One block of queries of an item. */
struct block {
  const struct job *job;
  size_t sample, head;
  size_t length;             /* real positions of the sample */
  size_t first, rows;        /* queries [first, first + rows) */
  size_t keys;               /* of the sequence, that any of them sees */
  size_t columns;            /* keys + extra */
  float *scores, *gradients; /* [rows, columns]: S, then P or D; dS */
};

static size_t find_qkv(const struct block *block, size_t position) {
  return (block->sample * block->job->time + position) * 3 * block->job->width + block->head * block->job->depth;
}
static size_t find_mixed(const struct block *block, size_t position) {
  return (block->sample * block->job->time + position) * block->job->width + block->head * block->job->depth;
}
static float *find_statistics(const struct block *block) {
  return block->job->statistics + ((block->sample * block->job->heads + block->head) * block->job->time + block->first) * 2;
}
static const float *find_query(const struct block *block) { return block->job->qkv + find_qkv(block, block->first); }
static const float *find_key(const struct block *block) { return block->job->qkv + find_qkv(block, 0) + block->job->width; }
static const float *find_value(const struct block *block) { return block->job->qkv + find_qkv(block, 0) + 2 * block->job->width; }

/* How many of the sequence's keys the block's query `row` sees. */
static size_t count_seen(const struct block *block, size_t row) { return block->job->causal ? block->first + row + 1 : block->keys; }

/* scores = queries · keysᵀ, the factor 1 / √depth left out */
static void score(const struct block *block) {
  const struct job *job = block->job;
  struct kernel_part part = {.m = block->rows, .n = block->keys, .k = job->depth, .is_b_transposed = true, .c_row = block->columns};
  part.a = find_query(block);
  part.b = find_key(block);
  part.a_row = part.b_row = 3 * job->width;
  part.c = block->scores;
  kernel_multiply_part(&part);
  if (job->extra == 0) return;
  for (size_t row = 0; row < block->rows; row++) block->scores[row * block->columns + block->columns - 1] = 0;
  if (job->bias_k == NULL) return;
  part.n = 1;
  part.b = job->bias_k + block->head * job->depth;
  part.b_row = job->depth;
  part.c = block->scores + block->keys;
  kernel_multiply_part(&part);
}

static float find_max(size_t count, const float *restrict s) {
  float lanes[LANES];
  for (size_t lane = 0; lane < LANES; lane++) lanes[lane] = -INFINITY;
  size_t j = 0;
  for (; j + LANES <= count; j += LANES)
    for (size_t lane = 0; lane < LANES; lane++) lanes[lane] = s[j + lane] > lanes[lane] ? s[j + lane] : lanes[lane];
  for (size_t lane = 0; j < count; j++, lane++) lanes[lane] = s[j] > lanes[lane] ? s[j] : lanes[lane];
  for (size_t half = LANES / 2; half > 0; half /= 2)
    for (size_t lane = 0; lane < half; lane++) lanes[lane] = lanes[lane + half] > lanes[lane] ? lanes[lane + half] : lanes[lane];
  return lanes[0];
}

/* s(j) becomes e^(scale (s(j) − max)); returns their sum. */
static float exponentiate(size_t count, float scale, float max, float *restrict s) {
  float lanes[LANES] = {0};
  for (size_t j = 0; j < count; j++) s[j] = vector_exp_negative((s[j] - max) * scale);
  size_t j = 0;
  for (; j + LANES <= count; j += LANES)
    for (size_t lane = 0; lane < LANES; lane++) lanes[lane] += s[j + lane];
  for (size_t lane = 0; j < count; j++, lane++) lanes[lane] += s[j];
  for (size_t half = LANES / 2; half > 0; half /= 2)
    for (size_t lane = 0; lane < half; lane++) lanes[lane] += lanes[lane + half];
  return lanes[0];
}

/* Moves the extra columns of row `row` next to the last key that it sees, so that what it attends to is one stretch, or back. Between
 * them stand keys that it doesn't see, with 0 in the end. Returns how long the stretch is. */
static size_t close_gap(const struct block *block, size_t row, float *s) {
  const size_t seen = count_seen(block, row), extra = block->job->extra;
  if (extra > 0 && seen < block->keys) memmove(s + seen, s + block->keys, extra * sizeof *s);
  return seen + extra;
}
static void open_gap(const struct block *block, size_t row, float *s) {
  const size_t seen = count_seen(block, row), extra = block->job->extra;
  if (seen == block->keys) return;
  memmove(s + block->keys, s + seen, extra * sizeof *s);
  memset(s + seen, 0, (block->keys - seen) * sizeof *s);
}

/* Number of the random number for the attention of `row` to column 0. */
static uint64_t find_random(const struct block *block, size_t row) {
  const struct job *job = block->job;
  const uint64_t query = (block->sample * job->heads + block->head) * job->time + block->first + row;
  return query * (job->time + job->extra);
}

/* Factors of dropout for `count` columns of a row from `column` on, as they stand in the block: extra columns have the last numbers. */
static void draw_mask(const struct block *block, size_t row, size_t column, size_t count, float *mask) {
  const struct job *job = block->job;
  const struct pass *pass = job->pass;
  const struct random_stream stream = {
      .seed = pass->seed, .purpose = RANDOM_DROPOUT, .lane = (uint32_t)job->layer->index, .epoch = pass->epoch, .step = pass->step};
  const size_t in_keys = column < block->keys ? smaller(count, block->keys - column) : 0, behind = column + in_keys - block->keys;
  random_fill_uniform(&stream, find_random(block, row) + column, in_keys, mask);
  if (in_keys < count) random_fill_uniform(&stream, find_random(block, row) + job->time + behind, count - in_keys, mask + in_keys);
  for (size_t j = 0; j < count; j++) mask[j] = mask[j] >= job->rate ? job->factor : 0.0f;
}

/* s(j) ← s(j) M(j) */
static void drop(const struct block *block, size_t row, float *s) {
  float mask[UNIFORM_COUNT];
  for (size_t column = 0; column < block->columns; column += UNIFORM_COUNT) {
    const size_t count = smaller(UNIFORM_COUNT, block->columns - column);
    draw_mask(block, row, column, count, mask);
    for (size_t j = 0; j < count; j++) s[column + j] *= mask[j];
  }
}

/* out[rows, depth], rows out_row apart, = weights[rows, columns] · (values, then the appended one) */
static void mix(const struct block *block, const float *values, const float *extra_values, float *out, size_t out_row,
                const float *weights) {
  const struct job *job = block->job;
  struct kernel_part part = {.m = block->rows, .n = job->depth, .k = block->keys, .a = weights, .a_row = block->columns};
  part.b = values;
  part.b_row = 3 * job->width;
  part.c = out;
  part.c_row = out_row;
  kernel_multiply_part(&part);
  if (extra_values == NULL) return;
  part.k = 1;
  part.a += block->keys;
  part.b = extra_values + block->head * job->depth;
  part.accumulate = true;
  kernel_multiply_part(&part);
}

static void forward_block(const struct block *block) {
  const struct job *job = block->job;
  float *mixed = job->mixed + find_mixed(block, block->first), inverses[QUERY_ROWS] = {0};
  score(block);
  for (size_t row = 0; row < block->rows; row++) {
    float *s = block->scores + row * block->columns;
    const size_t count = close_gap(block, row, s);
    const float max = find_max(count, s);
    inverses[row] = 1.0f / exponentiate(count, job->scale, max, s);
    open_gap(block, row, s);
    if (job->rate > 0) drop(block, row, s);
    if (job->statistics == NULL) continue;
    find_statistics(block)[2 * row] = max;
    find_statistics(block)[2 * row + 1] = inverses[row];
  }
  mix(block, find_value(block), job->bias_v, mixed, job->width, block->scores);
  for (size_t row = 0; row < block->rows; row++)
    for (size_t i = 0; i < job->depth; i++) mixed[row * job->width + i] *= inverses[row];
}

/* Σ p(j) g(j) */
static float sum_products(size_t count, const float *restrict p, const float *restrict g) {
  float lanes[LANES] = {0};
  size_t j = 0;
  for (; j + LANES <= count; j += LANES)
    for (size_t lane = 0; lane < LANES; lane++) lanes[lane] += p[j + lane] * g[j + lane];
  for (size_t lane = 0; j < count; j++, lane++) lanes[lane] += p[j] * g[j];
  for (size_t half = LANES / 2; half > 0; half /= 2)
    for (size_t lane = 0; lane < half; lane++) lanes[lane] += lanes[lane + half];
  return lanes[0];
}

/* From S and dO Vᵀ to D in `scores` and dS / √depth in `gradients`, for one row. */
static void differentiate_row(const struct block *block, size_t row) {
  const struct job *job = block->job;
  float *restrict s = block->scores + row * block->columns, *restrict g = block->gradients + row * block->columns;
  const float max = find_statistics(block)[2 * row], inverse = find_statistics(block)[2 * row + 1], scale = job->scale;
  if (job->rate > 0) drop(block, row, g);
  const size_t count = close_gap(block, row, s);
  (void)close_gap(block, row, g);
  for (size_t j = 0; j < count; j++) s[j] = vector_exp_negative((s[j] - max) * scale) * inverse;
  const float r = sum_products(count, s, g);
  for (size_t j = 0; j < count; j++) g[j] = s[j] * (g[j] - r) * scale;
  open_gap(block, row, s);
  open_gap(block, row, g);
  if (job->rate > 0) drop(block, row, s);
}

/* gradients = dO Vᵀ */
static void backward_weights(const struct block *block) {
  const struct job *job = block->job;
  struct kernel_part part = {.m = block->rows, .n = block->keys, .k = job->depth, .is_b_transposed = true, .c_row = block->columns};
  part.a = job->dmixed + find_mixed(block, block->first);
  part.a_row = job->width;
  part.b = find_value(block);
  part.b_row = 3 * job->width;
  part.c = block->gradients;
  kernel_multiply_part(&part);
  if (job->extra == 0) return;
  for (size_t row = 0; row < block->rows; row++) block->gradients[row * block->columns + block->columns - 1] = 0;
  if (job->bias_v == NULL) return;
  part.n = 1;
  part.b = job->bias_v + block->head * job->depth;
  part.b_row = job->depth;
  part.c = block->gradients + block->keys;
  kernel_multiply_part(&part);
}

/* out[keys, depth] += weights[rows, columns]ᵀ · from[rows, depth], and the appended one's, whose place is extra_out; the item's last block,
 * which is the first to be computed, overwrites. */
static void gather(const struct block *block, const float *weights, const float *from, size_t from_row, float *out, float *extra_out) {
  const struct job *job = block->job;
  struct kernel_part part = {.m = block->keys, .n = job->depth, .k = block->rows, .is_a_transposed = true};
  part.accumulate = block->first + block->rows < block->length;
  part.a = weights;
  part.a_row = block->columns;
  part.b = from;
  part.b_row = from_row;
  part.c = out;
  part.c_row = 3 * job->width;
  kernel_multiply_part(&part);
  if (extra_out == NULL) return;
  part.m = 1;
  part.a += block->keys;
  part.c = extra_out + block->sample * job->width + block->head * job->depth;
  kernel_multiply_part(&part);
}

static void backward_block(const struct block *block) {
  const struct job *job = block->job;
  const float *dmixed = job->dmixed + find_mixed(block, block->first);
  score(block);
  backward_weights(block);
  for (size_t row = 0; row < block->rows; row++) differentiate_row(block, row);
  float *dqkv = job->dqkv + find_qkv(block, 0);
  gather(block, block->scores, dmixed, job->width, dqkv + 2 * job->width, job->dbias_v);
  gather(block, block->gradients, find_query(block), 3 * job->width, dqkv + job->width, job->dbias_k);
  mix(block, find_key(block), job->bias_k, job->dqkv + find_qkv(block, block->first), 3 * job->width, block->gradients);
}

/* Padded steps of an item, of `parts` heads side by side, `width` apart, become 0: neither outputs nor gradients come from there. */
static void clear_padding(const struct job *job, size_t sample, size_t head, size_t length, size_t parts, float *values) {
  for (size_t step = (sample * job->time + length) * parts; step < (sample + 1) * job->time * parts; step++)
    memset(values + step * job->width + head * job->depth, 0, job->depth * sizeof *values);
}

static size_t count_steps(const struct job *job, size_t sample) {
  const uint32_t *lengths = job->pass->lengths[0];
  return lengths == NULL ? job->time : lengths[sample];
}

/* All blocks of an item, from the last, whose queries see all keys, to the first. */
static void run_item(const struct job *job, size_t item, float *room, void (*run)(const struct block *block)) {
  struct block block = {.job = job, .sample = item / job->heads, .head = item % job->heads};
  block.length = count_steps(job, block.sample);
  block.scores = room;
  block.gradients = room + job->block_rows * (job->time + job->extra);
  for (size_t blocks = parallel_piece_count(block.length, job->block_rows); blocks-- > 0;) {
    block.first = blocks * job->block_rows;
    block.rows = smaller(job->block_rows, block.length - block.first);
    block.keys = job->causal ? block.first + block.rows : block.length;
    block.columns = block.keys + job->extra;
    run(&block);
  }
}

static void run_piece(const struct job *job, size_t piece, bool is_forward) {
  float *room = job->blocks + piece * 2 * job->block_rows * (job->time + job->extra);
  const size_t begin = piece * job->items_per_piece, end = smaller(begin + job->items_per_piece, job->batch * job->heads);
  for (size_t item = begin; item < end; item++) {
    const size_t sample = item / job->heads, head = item % job->heads, length = count_steps(job, sample);
    clear_padding(job, sample, head, length, is_forward ? 1 : 3, is_forward ? job->mixed : job->dqkv);
    run_item(job, item, room, is_forward ? forward_block : backward_block);
  }
}

static void forward_piece(void *argument, size_t piece) { run_piece(argument, piece, true); }
static void backward_piece(void *argument, size_t piece) { run_piece(argument, piece, false); }

static void run_pieces(const struct job *job, parallel_piece *piece) {
  parallel_run(job->pass->parallel, parallel_piece_count(job->batch * job->heads, job->items_per_piece), piece, (void *)(size_t)job);
}

/* A projection: y[rows, units] = x[rows, width] Wᵀ + b */
static void project(const struct job *job, size_t weight, size_t units, const float *x, float *y) {
  const struct layer *layer = job->layer;
  const struct pass *pass = job->pass;
  const struct self_attention *attention = layer->settings;
  const size_t rows = job->batch * job->time;
  const float *w = pass->parameters + layer->tensors[weight].offset;
  const float *bias = attention->bias ? pass->parameters + layer->tensors[weight + IN_BIAS].offset : NULL;
  if (pass->row_by_row) {
    kernel_dense_rows(rows, units, job->width, x, w, bias, y);
    return;
  }
  if (pass->half == NULL) {
    kernel_matmul_nt_bias(pass->parallel, rows, units, job->width, x, w, bias, y);
    return;
  }
  kernel_half_matmul_nt(pass->parallel, rows, units, job->width, x, w, y, pass->half);
  if (bias != NULL) kernel_add_bias(pass->parallel, rows, units, bias, y);
}

/* Its gradients, from dy [rows, units]; dx NULL: not wanted */
static void project_back(const struct job *job, size_t weight, size_t units, const float *x, const float *dy, float *dx) {
  const struct layer *layer = job->layer;
  const struct pass *pass = job->pass;
  const struct self_attention *attention = layer->settings;
  const size_t rows = job->batch * job->time;
  const float *w = pass->parameters + layer->tensors[weight].offset;
  float *gradient = pass->gradients + layer->tensors[weight].offset;
  if (pass->half != NULL && !pass->skips_gradients)
    kernel_half_matmul_tn(pass->parallel, units, job->width, rows, dy, x, gradient, pass->half);
  else if (!pass->skips_gradients)
    kernel_matmul_tn(pass->parallel, units, job->width, rows, dy, x, gradient, false);
  if (attention->bias && !pass->skips_gradients)
    kernel_column_sums(pass->parallel, rows, units, dy, pass->gradients + layer->tensors[weight + IN_BIAS].offset);
  if (dx == NULL) return;
  if (pass->half != NULL)
    kernel_half_matmul_nn(pass->parallel, rows, job->width, units, dy, w, dx, pass->half);
  else
    kernel_matmul_nn(pass->parallel, rows, job->width, units, dy, w, dx, false);
}

static void forward(const struct layer *layer, const struct pass *pass) {
  const struct job job = make_job(layer, pass);
  project(&job, IN_WEIGHT, 3 * job.width, pass->x[0], job.qkv);
  run_pieces(&job, forward_piece);
  project(&job, OUT_WEIGHT, job.width, job.mixed, pass->z);
}

static void backward(const struct layer *layer, const struct pass *pass) {
  const struct job job = make_job(layer, pass);
  project_back(&job, OUT_WEIGHT, job.width, job.mixed, pass->delta, job.dmixed);
  run_pieces(&job, backward_piece);
  const struct layer_tensor *bias_k = find_bias_k(layer);
  if (bias_k != NULL) {
    kernel_column_sums(pass->parallel, job.batch, job.width, job.dbias_k, pass->gradients + bias_k[0].offset);
    kernel_column_sums(pass->parallel, job.batch, job.width, job.dbias_v, pass->gradients + bias_k[1].offset);
  }
  project_back(&job, IN_WEIGHT, 3 * job.width, pass->x[0], job.dqkv, pass->dx[0]);
  const struct self_attention *attention = layer->settings;
  if (attention->bias && job.extra == 0) memset(pass->gradients + layer->tensors[IN_BIAS].offset + job.width, 0, job.width * sizeof(float));
}

/* y = W x + b for one row. */
static void project64(const struct layer *layer, const struct pass64 *pass, size_t weight, const double *x, double *y) {
  const struct self_attention *attention = layer->settings;
  const size_t units = layer->tensors[weight].shape.sizes[0], width = layer->tensors[weight].shape.sizes[1];
  const double *w = pass->parameters + layer->tensors[weight].offset;
  for (size_t unit = 0; unit < units; unit++) {
    y[unit] = attention->bias ? pass->parameters[layer->tensors[weight + IN_BIAS].offset + unit] : 0;
    for (size_t i = 0; i < width; i++) y[unit] += w[unit * width + i] * x[i];
  }
}

/* One query of one head in float64. */
struct query64 {
  const struct layer *layer;
  const struct pass64 *pass;
  size_t sample, head, position, length;
  const double *qkv; /* of the sample [time, 3, heads, depth] */
};

/* Key or value (part 1 or 2) number `column` of the head: the sequence's, then the appended ones; NULL: zeros. */
static const double *find64(const struct query64 *query, size_t column, size_t part) {
  const struct layer *layer = query->layer;
  const size_t width = layer->in[0].sizes[1], depth = width / (size_t)((const struct self_attention *)layer->settings)->heads;
  if (column < layer->in[0].sizes[0]) return query->qkv + (column * 3 + part) * width + query->head * depth;
  const struct layer_tensor *bias_k = find_bias_k(layer);
  if (column > layer->in[0].sizes[0] || bias_k == NULL) return NULL;
  return query->pass->parameters + bias_k[part - 1].offset + query->head * depth;
}

/* out[depth] = Σ over columns of softmax(q · k / √depth) M v. `scores` has room for all columns. */
static void attend64(const struct query64 *query, double *scores, double *out) {
  const struct self_attention *attention = query->layer->settings;
  const size_t time = query->layer->in[0].sizes[0], width = query->layer->in[0].sizes[1], depth = width / (size_t)attention->heads;
  const size_t columns = time + (size_t)attention->add_bias_kv + (size_t)attention->add_zero_attn;
  const size_t seen = attention->causal ? query->position + 1 : query->length;
  const double *q = query->qkv + query->position * 3 * width + query->head * depth;
  const struct random_stream stream = {.seed = query->pass->seed,
                                       .purpose = RANDOM_DROPOUT,
                                       .lane = (uint32_t)query->layer->index,
                                       .epoch = query->pass->epoch,
                                       .step = query->pass->step};
  const uint64_t first = ((query->sample * (size_t)attention->heads + query->head) * time + query->position) * columns;
  double max = -INFINITY, sum = 0;
  for (size_t j = 0; j < columns; j = j + 1 == seen ? time : j + 1) {
    const double *k = find64(query, j, 1);
    scores[j] = 0;
    for (size_t i = 0; i < depth && k != NULL; i++) scores[j] += q[i] * k[i] / sqrt((double)depth);
    max = fmax(max, scores[j]);
  }
  for (size_t j = 0; j < columns; j = j + 1 == seen ? time : j + 1) sum += scores[j] = exp(scores[j] - max);
  for (size_t i = 0; i < depth; i++) out[i] = 0;
  for (size_t j = 0; j < columns; j = j + 1 == seen ? time : j + 1) {
    const double *v = find64(query, j, 2);
    double weight = scores[j] / sum;
    if (query->pass->training && attention->dropout > 0)
      weight *= random_uniform(&stream, first + j) >= (float)attention->dropout ? 1.0 / (1.0 - attention->dropout) : 0.0;
    for (size_t i = 0; i < depth && v != NULL; i++) out[i] += weight * v[i];
  }
}

static void forward64(const struct layer *layer, const struct pass64 *pass) {
  const struct self_attention *attention = layer->settings;
  const size_t time = layer->in[0].sizes[0], width = layer->in[0].sizes[1], heads = (size_t)attention->heads;
  double *qkv = pass->work, *mixed = qkv + time * 3 * width, *scores = mixed + width;
  for (size_t sample = 0; sample < pass->batch; sample++) {
    const double *x = pass->x[0] + sample * time * width;
    struct query64 query = {.layer = layer, .pass = pass, .sample = sample, .length = time, .qkv = qkv};
    if (pass->lengths[0] != NULL) query.length = pass->lengths[0][sample];
    memset(pass->z + sample * time * width, 0, time * width * sizeof *pass->z);
    for (size_t position = 0; position < time; position++)
      project64(layer, pass, IN_WEIGHT, x + position * width, qkv + position * 3 * width);
    for (query.position = 0; query.position < query.length; query.position++) {
      for (query.head = 0; query.head < heads; query.head++) attend64(&query, scores, mixed + query.head * (width / heads));
      project64(layer, pass, OUT_WEIGHT, mixed, pass->z + (sample * time + query.position) * width);
    }
  }
}

const struct layer_kind layer_self_attention = {
    .kind = {.name = "self_attention",
             .summary = "lets each position of a sequence look at the others",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct self_attention)},
    .gradient_formula = "∂C/∂W_out = δᵀ O, dO = δ W_out; per head dV = Dᵀ dO, dP = dO Vᵀ, dS = P (dP - Σ P dP), dQ = dS K / √depth, "
                        "dK = dSᵀ Q / √depth; ∂C/∂W_in = [dQ dK dV]ᵀ x, ∂C/∂x = [dQ dK dV] W_in",
    .formula = "z = concat over heads of softmax(Q K^T / sqrt(depth)) V, times W_out^T + b_out, with [Q K V] = x W_in^T + b_in",
    .input_min = 1,
    .input_max = 1,
    .compile = compile,
    .forward = forward,
    .backward = backward,
    .forward64 = forward64,
};
