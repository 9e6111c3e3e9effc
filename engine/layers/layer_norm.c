/* Layer normalization (Ba, Kiros, Hinton 2016): z = γ x̂ + β with x̂ = (x − μ) / √(σ² + ε), row by row; a row is the last `axes` axes of a
 * sample, and μ and σ² (biased) are its own.
 *
 *   ∂C/∂β = Σ over rows of δ      ∂C/∂γ = Σ over rows of δ x̂
 *   ∂C/∂x = (g − mean(g) − x̂ mean(g x̂)) / √(σ² + ε)      with g = γ δ, means over the row
 *
 * `saved` holds μ and 1/√(σ² + ε), [batch · rows per sample, 2].
 */
#include <math.h>
#include <string.h>

#include "engine/layers/kinds.h"
#include "engine/reduce.h"

struct layer_norm {
  struct layer_common common;
  int64_t axes;
  double epsilon;
  bool elementwise_affine, bias;
};

static const struct param params[] = {
    PARAM_INLINE_ROW(struct layer_norm, common, layer_name_params),
    PARAM_INTEGER_ROW(struct layer_norm, axes, 1, LIMIT_RANK, 1, "how many axes, counted from the last, are normalized together"),
    PARAM_NUMBER_ROW(struct layer_norm, epsilon, 0, INFINITY, 1e-5, "added to the variance", .flags = PARAM_ABOVE_MIN),
    PARAM_BOOLEAN_ROW(struct layer_norm, elementwise_affine, true, "whether a trained weight and bias follow"),
    PARAM_BOOLEAN_ROW(struct layer_norm, bias, true, "whether elementwise_affine has a bias"),
    PARAM_INLINE_ROW(struct layer_norm, common, layer_activation_params),
};

enum { WEIGHT, BIAS };
enum { BLOCK_COLUMNS = 64, COST_PER_VALUE = 2 };

static enum error_code compile(struct layer *layer, struct error *error) {
  const struct layer_norm *norm = layer->settings;
  size_t axes = (size_t)norm->axes, rank = layer->in[0].rank;
  if (rank < axes) {
    char text[SHAPE_TEXT_BYTES];
    return error_set(error, ERROR_INVALID, "layer \"%s\" normalizes the last %zu axes, but \"%s\" has the shape %s", layer->name, axes,
                     layer->input_names[0], shape_format(&layer->in[0], text, sizeof text));
  }
  if (layer->has_lengths[0] && axes == rank)
    return error_set(error, ERROR_INVALID,
                     "layer \"%s\" normalizes over the steps of sequences of different length, which \"%s\" gives: make axes at most %zu",
                     layer->name, layer->input_names[0], rank - 1);
  layer->out = layer->in[0];
  layer->lengths = LAYER_LENGTHS_KEEP;
  struct shape row = {.rank = axes};
  memcpy(row.sizes, layer->out.sizes + rank - axes, axes * sizeof row.sizes[0]);
  if (norm->elementwise_affine) {
    layer_add_tensor(layer, "weight", &row)->fill = 1;
    if (norm->bias) layer_add_tensor(layer, "bias", &row)->is_shift = axes == 1 && rank <= 2;
  }
  layer->saved_per_sample = 2 * (shape_size(&layer->out) / shape_size(&row));
  layer->flops_per_sample = 6.0 * (double)shape_size(&layer->out);
  return ERROR_NONE;
}

struct job {
  const struct layer *layer;
  const struct pass *pass;
  size_t rows, width;
  size_t rows_per_piece;
  size_t block_count, blocks_per_piece; /* a block: BLOCK_COLUMNS columns, the last may be smaller */
  const float *weight;                  /* γ [width], or NULL: all 1 */
  const float *bias;                    /* β [width], or NULL: all 0 */
};

static struct job make_job(const struct layer *layer, const struct pass *pass, size_t batch) {
  size_t width = 1;
  const struct layer_norm *norm = layer->settings;
  for (size_t i = layer->out.rank - (size_t)norm->axes; i < layer->out.rank; i++) width *= layer->out.sizes[i];
  struct job job = {.layer = layer, .pass = pass, .rows = batch * (shape_size(&layer->out) / width), .width = width};
  job.rows_per_piece = parallel_items_per_piece(job.rows, width * COST_PER_VALUE);
  job.block_count = parallel_piece_count(width, BLOCK_COLUMNS);
  job.blocks_per_piece = parallel_items_per_piece(job.block_count, BLOCK_COLUMNS * job.rows * COST_PER_VALUE);
  if (pass == NULL) return job;
  if (layer->tensor_count > WEIGHT) job.weight = pass->parameters + layer->tensors[WEIGHT].offset;
  if (layer->tensor_count > BIAS) job.bias = pass->parameters + layer->tensors[BIAS].offset;
  return job;
}

static void forward_row(const struct job *job, size_t row) {
  const struct layer_norm *norm = job->layer->settings;
  const float *restrict x = job->pass->x[0] + row * job->width, *restrict weight = job->weight, *restrict bias = job->bias;
  float *restrict z = job->pass->z + row * job->width;
  double n = (double)job->width, mean = reduce_sum(job->width, x) / n;
  double variance = reduce_product(job->width, x, mean, x, mean) / n;
  float shift = (float)mean, inverse = (float)(1.0 / sqrt(variance + norm->epsilon));
  if (weight == NULL)
    for (size_t j = 0; j < job->width; j++) z[j] = (x[j] - shift) * inverse;
  else if (bias == NULL)
    for (size_t j = 0; j < job->width; j++) z[j] = (x[j] - shift) * inverse * weight[j];
  else
    for (size_t j = 0; j < job->width; j++) z[j] = (x[j] - shift) * inverse * weight[j] + bias[j];
  if (!job->pass->training) return;
  job->pass->saved[2 * row] = shift;
  job->pass->saved[2 * row + 1] = inverse;
}

static void forward_piece(void *argument, size_t piece) {
  const struct job *job = argument;
  size_t begin = piece * job->rows_per_piece, rest = job->rows - begin;
  size_t count = rest < job->rows_per_piece ? rest : job->rows_per_piece;
  for (size_t row = begin; row < begin + count; row++) forward_row(job, row);
}

static void forward(const struct layer *layer, const struct pass *pass) {
  struct job job = make_job(layer, pass, pass->batch);
  parallel_run(pass->parallel, parallel_piece_count(job.rows, job.rows_per_piece), forward_piece, &job);
}

/* ∂C/∂γ and ∂C/∂β for a block of columns. */
static void parameter_gradient_block(const struct job *job, size_t block) {
  const struct pass *pass = job->pass;
  double weight_sums[BLOCK_COLUMNS] = {0}, bias_sums[BLOCK_COLUMNS] = {0};
  size_t first = block * BLOCK_COLUMNS, rest = job->width - first, count = rest < BLOCK_COLUMNS ? rest : BLOCK_COLUMNS;
  for (size_t row = 0; row < job->rows; row++) {
    const float *x = pass->x[0] + row * job->width + first, *delta = pass->delta + row * job->width + first;
    double shift = (double)pass->saved[2 * row], inverse = (double)pass->saved[2 * row + 1];
    for (size_t j = 0; j < count; j++) {
      weight_sums[j] += (double)delta[j] * ((double)x[j] - shift) * inverse;
      bias_sums[j] += (double)delta[j];
    }
  }
  for (size_t j = 0; j < count; j++) {
    pass->gradients[job->layer->tensors[WEIGHT].offset + first + j] = (float)weight_sums[j];
    if (job->bias != NULL) pass->gradients[job->layer->tensors[BIAS].offset + first + j] = (float)bias_sums[j];
  }
}

static void parameter_gradient_piece(void *argument, size_t piece) {
  const struct job *job = argument;
  size_t begin = piece * job->blocks_per_piece;
  for (size_t block = begin; block < begin + job->blocks_per_piece && block < job->block_count; block++)
    parameter_gradient_block(job, block);
}

static void input_gradient_row(const struct job *job, size_t row) {
  const float *restrict x = job->pass->x[0] + row * job->width, *restrict delta = job->pass->delta + row * job->width;
  const float *restrict weight = job->weight;
  float *restrict dx = job->pass->dx[0] + row * job->width;
  float shift = job->pass->saved[2 * row], inverse = job->pass->saved[2 * row + 1];
  /* dx holds g until both of its means are known. */
  for (size_t j = 0; j < job->width; j++) dx[j] = weight == NULL ? delta[j] : delta[j] * weight[j];
  double n = (double)job->width;
  float mean_g = (float)(reduce_sum(job->width, dx) / n);
  double product = reduce_product(job->width, x, (double)shift, dx, 0) / n;
  float slope = (float)(product * (double)inverse * (double)inverse);
  for (size_t j = 0; j < job->width; j++) dx[j] = (dx[j] - mean_g - (x[j] - shift) * slope) * inverse;
}

static void input_gradient_piece(void *argument, size_t piece) {
  const struct job *job = argument;
  size_t begin = piece * job->rows_per_piece, rest = job->rows - begin;
  size_t count = rest < job->rows_per_piece ? rest : job->rows_per_piece;
  for (size_t row = begin; row < begin + count; row++) input_gradient_row(job, row);
}

static void backward(const struct layer *layer, const struct pass *pass) {
  struct job job = make_job(layer, pass, pass->batch);
  if (job.weight != NULL && !pass->skips_gradients)
    parallel_run(pass->parallel, parallel_piece_count(job.block_count, job.blocks_per_piece), parameter_gradient_piece, &job);
  if (pass->dx[0] != NULL) parallel_run(pass->parallel, parallel_piece_count(job.rows, job.rows_per_piece), input_gradient_piece, &job);
}

static void forward64(const struct layer *layer, const struct pass64 *pass) {
  const struct layer_norm *norm = layer->settings;
  struct job job = make_job(layer, NULL, pass->batch);
  for (size_t row = 0; row < job.rows; row++) {
    const double *x = pass->x[0] + row * job.width;
    double mean = 0, variance = 0, n = (double)job.width;
    for (size_t j = 0; j < job.width; j++) mean += x[j] / n;
    for (size_t j = 0; j < job.width; j++) variance += (x[j] - mean) * (x[j] - mean) / n;
    for (size_t j = 0; j < job.width; j++) {
      double gamma = layer->tensor_count > WEIGHT ? pass->parameters[layer->tensors[WEIGHT].offset + j] : 1;
      double beta = layer->tensor_count > BIAS ? pass->parameters[layer->tensors[BIAS].offset + j] : 0;
      pass->z[row * job.width + j] = gamma * (x[j] - mean) / sqrt(variance + norm->epsilon) + beta;
    }
  }
}

const struct layer_kind layer_layer_norm = {
    .kind = {.name = "layer_norm",
             .summary = "normalizes each sample over its last axes",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct layer_norm)},
    .formula = "z = weight (x - mean) / sqrt(variance + epsilon) + bias",
    .gradient_formula = "with u = (x - mean) / sqrt(variance + epsilon) and g = δ weight: ∂C/∂weight = Σ δ u, ∂C/∂bias = Σ δ, ∂C/∂x = (g - "
                        "mean(g) - u mean(g u)) / sqrt(variance + epsilon)",
    .input_min = 1,
    .input_max = 1,
    .normalizes = true,
    .compile = compile,
    .forward = forward,
    .backward = backward,
    .forward64 = forward64,
};
