/* Self-attention in float64, query by query, as self_attention.c's head comment has it: what gradient checks differentiate. */
#include <math.h>
#include <string.h>

#include "engine/layers/attention.h"

/* y = W x + b for one row. */
static void project64(const struct layer *layer, const struct pass64 *pass, size_t weight, const double *x, double *y) {
  const struct self_attention *attention = layer->settings;
  const size_t units = layer->tensors[weight].shape.sizes[0], width = layer->tensors[weight].shape.sizes[1];
  const double *w = pass->parameters + layer->tensors[weight].offset;
  for (size_t unit = 0; unit < units; unit++) {
    y[unit] = attention->bias ? pass->parameters[layer->tensors[weight + ATTENTION_IN_BIAS].offset + unit] : 0;
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
  const struct layer_tensor *bias_k = attention_find_bias_k(layer);
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

void attention_forward64(const struct layer *layer, const struct pass64 *pass) {
  const struct self_attention *attention = layer->settings;
  const size_t time = layer->in[0].sizes[0], width = layer->in[0].sizes[1], heads = (size_t)attention->heads;
  double *qkv = pass->work, *mixed = qkv + time * 3 * width, *scores = mixed + width;
  for (size_t sample = 0; sample < pass->batch; sample++) {
    const double *x = pass->x[0] + sample * time * width;
    struct query64 query = {.layer = layer, .pass = pass, .sample = sample, .length = time, .qkv = qkv};
    if (pass->lengths[0] != NULL) query.length = pass->lengths[0][sample];
    memset(pass->z + sample * time * width, 0, time * width * sizeof *pass->z);
    for (size_t position = 0; position < time; position++)
      project64(layer, pass, ATTENTION_IN_WEIGHT, x + position * width, qkv + position * 3 * width);
    for (query.position = 0; query.position < query.length; query.position++) {
      for (query.head = 0; query.head < heads; query.head++) attend64(&query, scores, mixed + query.head * (width / heads));
      project64(layer, pass, ATTENTION_OUT_WEIGHT, mixed, pass->z + (sample * time + query.position) * width);
    }
  }
}
