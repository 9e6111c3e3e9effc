/* Embedding: each token, a whole number held as float, becomes its row of a trained table: z_t = W[x_t]. W is [input_dim, output_dim], as
 * in PyTorch's Embedding; a sample [time …] becomes [time …, output_dim].
 *
 *   ∂C/∂W[k] = Σ over all t with x_t = k of δ_t        there is no ∂C/∂x
 *
 * With padding_idx, tokens of that value behind the last other one are padding: the length of a sample is where they begin, at least 1. (Of
 * samples with more axes than [time], a step is padding if all of its tokens are.) Their row starts as zeros and is never trained.
 *
 * Whoever prepares data refuses tokens that aren't whole numbers from 0 to input_dim − 1; should one come all the same, its row is NaN.
 */
#include <math.h>
#include <string.h>

#include "engine/layers/kinds.h"

struct embedding {
  struct layer_common common;
  int64_t input_dim, output_dim, padding_idx;
  bool scale_grad_by_freq;
  struct spec initializer;
};

static const struct param params[] = {
    PARAM_INLINE_ROW(struct embedding, common, layer_name_params),
    PARAM_INTEGER_ROW(
        struct embedding, input_dim, 1, LIMIT_UNITS, 0,
        "number of different tokens: they are 0 … input_dim - 1; \"auto\": as many as the dataset's text has, and padding_idx is 0",
        .flags = PARAM_REQUIRED | PARAM_AUTO),
    PARAM_INTEGER_ROW(struct embedding, output_dim, 1, LIMIT_UNITS, 0, "numbers that a token becomes", .flags = PARAM_REQUIRED),
    PARAM_INTEGER_ROW(struct embedding, padding_idx, 0, LIMIT_UNITS, 0,
                      "token that fills up short sequences at their end; all that follows leaves these steps out", .flags = PARAM_OPTIONAL),
    PARAM_INLINE_ROW(struct embedding, common, layer_activation_params),
    PARAM_KIND_ROW(struct embedding, initializer, &initializer_kinds, "glorot_uniform", "start values of the table"),
    PARAM_BOOLEAN_ROW(struct embedding, scale_grad_by_freq, false,
                      "whether a token's gradient is divided by how often the batch has that token"),
    PARAM_INLINE_ROW(struct embedding, common, layer_penalty_params),
};

enum { WEIGHT };
enum { NO_TOKEN = -1, COPY_COST = 4 /* values in a nanosecond, about */ };

static enum error_code check(const void *settings, const char *pointer, struct error *error) {
  const struct embedding *embedding = settings;
  if (embedding->padding_idx == PARAM_INTEGER_NONE || embedding->input_dim == PARAM_INTEGER_AUTO) return ERROR_NONE;
  if (embedding->padding_idx < embedding->input_dim) return ERROR_NONE;
  char field[ERROR_POINTER_BYTES];
  error_pointer(field, pointer, "padding_idx");
  return error_add(error, field, "must be one of the tokens 0 … %lld", (long long)embedding->input_dim - 1);
}

static enum error_code compile(struct layer *layer, struct error *error) {
  const struct embedding *embedding = layer->settings;
  const struct shape *in = &layer->in[0];
  char text[SHAPE_TEXT_BYTES];
  if (embedding->input_dim == PARAM_INTEGER_AUTO)
    return error_set(error, ERROR_INVALID, "input_dim of layer \"%s\" is \"auto\": only a dataset's text says how many tokens there are",
                     layer->name);
  if (in->rank == 0 || in->rank == LIMIT_RANK)
    return error_set(error, ERROR_INVALID, "embedding layer \"%s\" takes tokens [time] or with up to %d axes, but \"%s\" gives %s",
                     layer->name, LIMIT_RANK - 1, layer->input_names[0], shape_format(in, text, sizeof text));
  layer->out = *in;
  layer->out.sizes[layer->out.rank++] = (size_t)embedding->output_dim;
  const bool has_padding = embedding->padding_idx != PARAM_INTEGER_NONE;
  if (has_padding) layer->lengths = LAYER_LENGTHS_OWN;
  struct layer_tensor *weight =
      layer_add_tensor(layer, "weight", &(struct shape){.rank = 2, .sizes = {(size_t)embedding->input_dim, (size_t)embedding->output_dim}});
  weight->initializer = &embedding->initializer;
  weight->zero_row = has_padding ? 1 + (size_t)embedding->padding_idx : 0;
  weight->is_penalized = true;
  if (embedding->scale_grad_by_freq) layer->work_fixed = (size_t)embedding->input_dim;
  return ERROR_NONE;
}

/* The token as an index into the table, or NO_TOKEN. */
static int64_t token_of(const struct embedding *embedding, double x) {
  return x >= 0 && x < (double)embedding->input_dim && x == floor(x) ? (int64_t)x : NO_TOKEN;
}

/* Value i of whichever of the two arrays is given. */
static double value_at(const float *x, const double *x64, size_t i) {
  if (x != NULL) return (double)x[i];
  return x64 != NULL ? x64[i] : (double)NAN;
}

/* One plus the last step that has a token other than padding; at least 1. In either precision. */
static uint32_t measure_length(const struct layer *layer, const float *x, const double *x64) {
  const struct embedding *embedding = layer->settings;
  const size_t tokens = shape_size(&layer->in[0]), steps = layer->in[0].sizes[0];
  size_t last = tokens;
  while (last > 0 && value_at(x, x64, last - 1) == (double)embedding->padding_idx) last--;
  return last == 0 ? 1 : (uint32_t)((last - 1) / (tokens / steps) + 1);
}

struct job {
  const struct layer *layer;
  const struct pass *pass;
  size_t tokens, dim; /* of the batch */
  size_t per_piece;   /* tokens, forward; rows of the table, backward */
};

static void forward_piece(void *argument, size_t piece) {
  const struct job *job = argument;
  const float *table = job->pass->parameters + job->layer->tensors[WEIGHT].offset; /* [input_dim, dim] */
  const size_t begin = piece * job->per_piece, rest = job->tokens - begin, count = rest < job->per_piece ? rest : job->per_piece;
  for (size_t i = begin; i < begin + count; i++) {
    const int64_t token = token_of(job->layer->settings, (double)job->pass->x[0][i]);
    float *z = job->pass->z + i * job->dim;
    if (token != NO_TOKEN)
      memcpy(z, table + (size_t)token * job->dim, job->dim * sizeof *z);
    else
      for (size_t j = 0; j < job->dim; j++) z[j] = NAN;
  }
}

static struct job make_job(const struct layer *layer, const struct pass *pass) {
  const struct embedding *embedding = layer->settings;
  return (struct job){
      .layer = layer, .pass = pass, .tokens = pass->batch * shape_size(&layer->in[0]), .dim = (size_t)embedding->output_dim};
}

static void forward(const struct layer *layer, const struct pass *pass) {
  struct job job = make_job(layer, pass);
  job.per_piece = parallel_items_per_piece(job.tokens, job.dim / COPY_COST + 1);
  parallel_run(pass->parallel, parallel_piece_count(job.tokens, job.per_piece), forward_piece, &job);
  const size_t size = shape_size(&layer->in[0]);
  for (size_t sample = 0; sample < pass->batch && pass->out_lengths != NULL; sample++)
    pass->out_lengths[sample] = measure_length(layer, pass->x[0] + sample * size, NULL);
}

/* A piece owns some rows of the table and looks through all tokens for them. */
static void backward_piece(void *argument, size_t piece) {
  const struct job *job = argument;
  const struct embedding *embedding = job->layer->settings;
  const size_t table_rows = (size_t)embedding->input_dim;
  const size_t begin = piece * job->per_piece, rest = table_rows - begin, count = rest < job->per_piece ? rest : job->per_piece;
  float *gradient = job->pass->gradients + job->layer->tensors[WEIGHT].offset;
  float *frequency = embedding->scale_grad_by_freq ? job->pass->work : NULL; /* [input_dim] */
  memset(gradient + begin * job->dim, 0, count * job->dim * sizeof *gradient);
  if (frequency != NULL) memset(frequency + begin, 0, count * sizeof *frequency);
  for (size_t i = 0; i < job->tokens; i++) {
    const int64_t token = token_of(embedding, (double)job->pass->x[0][i]);
    if (token < (int64_t)begin || token >= (int64_t)(begin + count) || token == embedding->padding_idx) continue;
    const float *restrict delta = job->pass->delta + i * job->dim;
    float *restrict row = gradient + (size_t)token * job->dim;
    for (size_t j = 0; j < job->dim; j++) row[j] += delta[j];
    if (frequency != NULL) frequency[token]++;
  }
  for (size_t k = begin; k < begin + count && frequency != NULL; k++)
    for (size_t j = 0; j < job->dim && frequency[k] > 0; j++) gradient[k * job->dim + j] /= frequency[k];
}

static void backward(const struct layer *layer, const struct pass *pass) {
  struct job job = make_job(layer, pass);
  const struct embedding *embedding = layer->settings;
  const size_t table_rows = (size_t)embedding->input_dim;
  /* A row costs its zeros and its share of the tokens' sums; looking through the tokens costs each piece the same. */
  job.per_piece = parallel_items_per_piece(table_rows, (1 + job.tokens / table_rows) * job.dim / COPY_COST + 1);
  while (parallel_piece_count(table_rows, job.per_piece) > 1 && job.per_piece * job.dim < job.tokens) job.per_piece *= 2;
  parallel_run(pass->parallel, parallel_piece_count(table_rows, job.per_piece), backward_piece, &job);
  if (pass->dx[0] != NULL) memset(pass->dx[0], 0, job.tokens * sizeof *pass->dx[0]);
}

static void forward64(const struct layer *layer, const struct pass64 *pass) {
  const struct embedding *embedding = layer->settings;
  const size_t size = shape_size(&layer->in[0]), dim = (size_t)embedding->output_dim;
  const double *table = pass->parameters + layer->tensors[WEIGHT].offset;
  for (size_t i = 0; i < pass->batch * size; i++) {
    const int64_t token = token_of(embedding, pass->x[0][i]);
    for (size_t j = 0; j < dim; j++) pass->z[i * dim + j] = token == NO_TOKEN ? NAN : table[(size_t)token * dim + j];
  }
  for (size_t sample = 0; sample < pass->batch && pass->out_lengths != NULL; sample++)
    pass->out_lengths[sample] = measure_length(layer, NULL, pass->x[0] + sample * size);
}

const struct layer_kind layer_embedding = {
    .kind = {.name = "embedding",
             .summary = "a trained row of numbers for each token",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct embedding),
             .check = check},
    .formula = "z_t = W[x_t]",
    .gradient_formula = "∂C/∂W[k] = sum of δ_t over all t with x_t = k",
    .input_min = 1,
    .input_max = 1,
    .takes_tokens = true,
    .compile = compile,
    .forward = forward,
    .backward = backward,
    .forward64 = forward64,
};
