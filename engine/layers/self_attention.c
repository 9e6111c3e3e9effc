/* Multi-head self-attention (Vaswani, Shazeer, Parmar, Uszkoreit, Jones, Gomez, Kaiser, Polosukhin 2017), as in PyTorch's
 * MultiheadAttention with query, key and value the same sequence x [time, width]:
 *
 *   [Q K V] = x W_inᵀ + b_in                             in_proj_weight is W_in [3 · width, width]
 *   S = Q Kᵀ / √depth,  P = softmax S,  D = dropout P    for each head, which has `depth` = width / heads columns of Q, K and V
 *   O = D V
 *   z = O W_outᵀ + b_out                                 O: the heads' side by side
 *
 * causal: position i attends to positions ≤ i. add_bias_kv appends a trained key and value, add_zero_attn ones of zeros: the `extra`
 * columns of S, behind the others, which every position may attend to.
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
 * what is saved grows with time, not its square.
 *
 *   saved  qkv [batch, time, 3, heads, depth], O [batch, time, heads, depth], statistics [batch, heads, time, 2]: max S, 1 / Σ exp(S − max)
 *   work   in inference qkv and O, backward dqkv and dO; the gradients of the appended key and value by sample [2, batch, width];
 *          blocks of S (attention_blocks.c)
 */
#include <math.h>
#include <string.h>

#include "engine/kernels.h"
#include "engine/layers/affine.h"
#include "engine/layers/attention.h"
#include "engine/layers/kinds.h"

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

const struct layer_tensor *attention_find_bias_k(const struct layer *layer) {
  const struct self_attention *settings = layer->settings;
  return settings->add_bias_kv ? &layer->tensors[settings->bias ? ATTENTION_BIASES : ATTENTION_IN_BIAS] : NULL;
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
  layer->work_fixed = attention_block_floats(layer);
  layer->half_per_sample = affine_count_half(time, 3 * width, width);
  layer->half_fixed = 3 * width * width + KERNEL_HALF_SPARE;
  layer->flops_per_sample = 8.0 * (double)(time * width) * (double)width + 4.0 * (double)(time * width) * (double)columns;
  return ERROR_NONE;
}

static struct attention make_pass(const struct layer *layer, const struct pass *pass) {
  const struct self_attention *settings = layer->settings;
  struct attention attention = {
      .layer = layer, .pass = pass, .batch = pass->batch, .time = layer->in[0].sizes[0], .width = layer->in[0].sizes[1]};
  attention.heads = (size_t)settings->heads;
  attention.depth = attention.width / attention.heads;
  attention.extra = (size_t)settings->add_bias_kv + (size_t)settings->add_zero_attn;
  attention.causal = settings->causal;
  attention.block_rows = attention_block_rows(layer);
  attention.scale = (float)(1.0 / sqrt((double)attention.depth));
  attention.rate = pass->training ? (float)settings->dropout : 0;
  attention.factor = pass->training ? (float)(1.0 / (1.0 - settings->dropout)) : 1;
  const struct layer_tensor *bias_k = attention_find_bias_k(layer);
  if (bias_k != NULL) {
    attention.bias_k = pass->parameters + bias_k[0].offset;
    attention.bias_v = pass->parameters + bias_k[1].offset;
  }
  const size_t rows = attention.batch * attention.time;
  float *saved = pass->training ? pass->saved : pass->work;
  attention.qkv = saved;
  attention.mixed = saved + rows * 3 * attention.width;
  attention.statistics = pass->training ? saved + rows * 4 * attention.width : NULL;
  attention.dqkv = pass->work;
  attention.dmixed = pass->work + rows * 3 * attention.width;
  float *behind = pass->work + rows * 4 * attention.width;
  if (bias_k != NULL) {
    attention.dbias_k = behind;
    attention.dbias_v = behind + attention.batch * attention.width;
    behind += 2 * attention.batch * attention.width;
  }
  attention.blocks = behind;
  attention.items_per_piece = attention_items_per_piece(&attention);
  return attention;
}

/* A projection: the first, to Q, K and V, or the second, from O. */
static struct affine find_projection(const struct attention *attention, size_t weight) {
  const struct layer *layer = attention->layer;
  const struct self_attention *settings = layer->settings;
  struct affine projection = {.rows = attention->batch * attention->time, .features = attention->width};
  projection.units = layer->tensors[weight].shape.sizes[0];
  projection.weight = &layer->tensors[weight];
  projection.bias = settings->bias ? &layer->tensors[weight + ATTENTION_IN_BIAS] : NULL;
  return projection;
}

static void forward(const struct layer *layer, const struct pass *pass) {
  const struct attention attention = make_pass(layer, pass);
  const struct affine in = find_projection(&attention, ATTENTION_IN_WEIGHT), out = find_projection(&attention, ATTENTION_OUT_WEIGHT);
  affine_forward(&in, pass, pass->x[0], attention.qkv);
  attention_mix(&attention);
  affine_forward(&out, pass, attention.mixed, pass->z);
}

static void backward(const struct layer *layer, const struct pass *pass) {
  const struct attention attention = make_pass(layer, pass);
  const struct affine in = find_projection(&attention, ATTENTION_IN_WEIGHT), out = find_projection(&attention, ATTENTION_OUT_WEIGHT);
  affine_backward(&out, pass, attention.mixed, pass->delta, attention.dmixed);
  attention_mix_back(&attention);
  const struct layer_tensor *bias_k = attention_find_bias_k(layer);
  if (bias_k != NULL) {
    kernel_column_sums(pass->parallel, attention.batch, attention.width, attention.dbias_k, pass->gradients + bias_k[0].offset);
    kernel_column_sums(pass->parallel, attention.batch, attention.width, attention.dbias_v, pass->gradients + bias_k[1].offset);
  }
  affine_backward(&in, pass, pass->x[0], attention.dqkv, pass->dx[0]);
  if (in.bias != NULL && attention.extra == 0)
    memset(pass->gradients + in.bias->offset + attention.width, 0, attention.width * sizeof(float));
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
    .takes_steps = true,
    .input_min = 1,
    .input_max = 1,
    .compile = compile,
    .forward = forward,
    .backward = backward,
    .forward64 = attention_forward64,
};
