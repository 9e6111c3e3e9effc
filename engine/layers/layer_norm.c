/* Layer normalization (Ba, Kiros, Hinton 2016): z = γ x̂ + β with x̂ = (x − μ) / √(σ² + ε), row by row; a row is the last `axes` axes of a
 * sample, and μ and σ² (biased) are its own.
 *
 *   ∂C/∂β = Σ over rows of δ      ∂C/∂γ = Σ over rows of δ x̂
 *   ∂C/∂x = (g − mean(g) − x̂ mean(g x̂)) / √(σ² + ε)      with g = γ δ, means over the row
 *
 * `saved` holds μ and 1/√(σ² + ε), [batch · rows per sample, 2]; `work`, backward, each piece's sums for ∂C/∂γ and ∂C/∂β in float64,
 * [pieces, 2, width].
 */
#include <math.h>
#include <string.h>

#include "engine/layers/kinds.h"
#include "engine/vector_float.h"

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
enum {
  PIECES_MAX = 64,
  COST_PER_VALUE = 2,  /* about nanoseconds */
  CHUNK_FLOATS = 1024, /* values of a row that are added up in float32, vector by vector; chunks are added in float64 */
  DOUBLE_FLOATS = 2
};

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
  layer->work_fixed = (size_t)PIECES_MAX * 2 * DOUBLE_FLOATS * shape_size(&row);
  layer->flops_per_sample = 6.0 * (double)shape_size(&layer->out);
  return ERROR_NONE;
}

struct job {
  const struct layer *layer;
  const struct pass *pass;
  size_t rows, width;
  size_t rows_per_piece;
  const float *weight; /* γ [width], or NULL: all 1 */
  const float *bias;   /* β [width], or NULL: all 0 */
  double *sums;        /* [pieces, 2, width]; NULL: not wanted */
};

static struct job make_job(const struct layer *layer, const struct pass *pass, size_t batch) {
  size_t width = 1;
  const struct layer_norm *norm = layer->settings;
  for (size_t i = layer->out.rank - (size_t)norm->axes; i < layer->out.rank; i++) width *= layer->out.sizes[i];
  struct job job = {.layer = layer, .pass = pass, .rows = batch * (shape_size(&layer->out) / width), .width = width};
  job.rows_per_piece = parallel_items_per_piece(job.rows, width * COST_PER_VALUE);
  const size_t least = parallel_piece_count(job.rows, PIECES_MAX);
  if (job.rows_per_piece < least) job.rows_per_piece = least;
  if (pass == NULL) return job;
  if (layer->tensor_count > WEIGHT) job.weight = pass->parameters + layer->tensors[WEIGHT].offset;
  if (layer->tensor_count > BIAS) job.bias = pass->parameters + layer->tensors[BIAS].offset;
  return job;
}

static size_t smaller(size_t left, size_t right) { return left < right ? left : right; }

/* Σ x */
static double sum_row(size_t width, const float *x) {
  double sum = 0;
  for (size_t first = 0; first < width; first += CHUNK_FLOATS) {
    const size_t end = smaller(first + CHUNK_FLOATS, width);
    vector sums = {0};
    for (size_t j = first; j < end; j += VECTOR_FLOATS) sums += vector_load_some(x + j, end - j);
    sum += (double)vector_sum(sums);
  }
  return sum;
}

/* Σ (x − shift)² */
static double sum_squares(size_t width, const float *x, float shift) {
  double sum = 0;
  for (size_t first = 0; first < width; first += CHUNK_FLOATS) {
    const size_t end = smaller(first + CHUNK_FLOATS, width), whole = first + (end - first) / VECTOR_FLOATS * VECTOR_FLOATS;
    vector sums = {0};
    for (size_t j = first; j < whole; j += VECTOR_FLOATS) {
      const vector distance = vector_load(x + j) - shift;
      sums += distance * distance;
    }
    sum += (double)vector_sum(sums);
    for (size_t j = whole; j < end; j++) sum += (double)((x[j] - shift) * (x[j] - shift));
  }
  return sum;
}

static void forward_row(const struct job *job, size_t row) {
  const struct layer_norm *norm = job->layer->settings;
  const float *restrict x = job->pass->x[0] + row * job->width, *restrict weight = job->weight, *restrict bias = job->bias;
  float *restrict z = job->pass->z + row * job->width;
  const double n = (double)job->width;
  const float shift = (float)(sum_row(job->width, x) / n);
  const float inverse = (float)(1.0 / sqrt(sum_squares(job->width, x, shift) / n + norm->epsilon));
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

/* Σ g and Σ g x̂ of a row; g is δ where there is no γ. */
static void sum_gradients(const struct job *job, const float *x, const float *delta, float shift, float inverse, double *out_g,
                          double *out_product) {
  *out_g = *out_product = 0;
  for (size_t first = 0; first < job->width; first += CHUNK_FLOATS) {
    const size_t end = smaller(first + CHUNK_FLOATS, job->width);
    vector sums = {0}, products = {0};
    for (size_t j = first; j < end; j += VECTOR_FLOATS) {
      vector g = vector_load_some(delta + j, end - j);
      if (job->weight != NULL) g *= vector_load_some(job->weight + j, end - j);
      sums += g;
      products += g * ((vector_load_some(x + j, end - j) - shift) * inverse);
    }
    *out_g += (double)vector_sum(sums);
    *out_product += (double)vector_sum(products);
  }
}

static void input_gradient_row(const struct job *job, const float *restrict x, const float *restrict delta, const float *saved,
                               float *restrict dx) {
  const float shift = saved[0], inverse = saved[1], *restrict weight = job->weight;
  double g, product;
  sum_gradients(job, x, delta, shift, inverse, &g, &product);
  const float mean_g = (float)(g / (double)job->width), slope = (float)(product / (double)job->width);
  if (weight == NULL)
    for (size_t j = 0; j < job->width; j++) dx[j] = (delta[j] - mean_g - (x[j] - shift) * inverse * slope) * inverse;
  else
    for (size_t j = 0; j < job->width; j++) dx[j] = (delta[j] * weight[j] - mean_g - (x[j] - shift) * inverse * slope) * inverse;
}

static void parameter_gradient_row(const struct job *job, const float *restrict x, const float *restrict delta, const float *saved,
                                   double *restrict weight_sums, double *restrict bias_sums) {
  const float shift = saved[0], inverse = saved[1];
  for (size_t j = 0; j < job->width; j++) {
    weight_sums[j] += (double)(delta[j] * ((x[j] - shift) * inverse));
    bias_sums[j] += (double)delta[j];
  }
}

static void backward_piece(void *argument, size_t piece) {
  const struct job *job = argument;
  const size_t begin = piece * job->rows_per_piece, end = smaller(begin + job->rows_per_piece, job->rows);
  double *sums = job->sums == NULL ? NULL : job->sums + piece * 2 * job->width;
  if (sums != NULL) memset(sums, 0, 2 * job->width * sizeof *sums);
  for (size_t row = begin; row < end; row++) {
    const size_t at = row * job->width;
    const float *x = job->pass->x[0] + at, *delta = job->pass->delta + at, *saved = job->pass->saved + 2 * row;
    if (sums != NULL) parameter_gradient_row(job, x, delta, saved, sums, sums + job->width);
    if (job->pass->dx[0] != NULL) input_gradient_row(job, x, delta, saved, job->pass->dx[0] + at);
  }
}

/* ∂C/∂γ and ∂C/∂β, from the pieces' sums. */
static void write_gradients(const struct job *job, size_t pieces) {
  const struct layer *layer = job->layer;
  for (size_t piece = 1; piece < pieces; piece++)
    for (size_t j = 0; j < 2 * job->width; j++) job->sums[j] += job->sums[piece * 2 * job->width + j];
  for (size_t j = 0; j < job->width; j++) job->pass->gradients[layer->tensors[WEIGHT].offset + j] = (float)job->sums[j];
  for (size_t j = 0; j < job->width && job->bias != NULL; j++)
    job->pass->gradients[layer->tensors[BIAS].offset + j] = (float)job->sums[job->width + j];
}

static void backward(const struct layer *layer, const struct pass *pass) {
  struct job job = make_job(layer, pass, pass->batch);
  if (job.weight != NULL && !pass->skips_gradients) job.sums = (double *)(void *)pass->work;
  if (job.sums == NULL && pass->dx[0] == NULL) return;
  const size_t pieces = parallel_piece_count(job.rows, job.rows_per_piece);
  parallel_run(pass->parallel, pieces, backward_piece, &job);
  if (job.sums != NULL) write_gradients(&job, pieces);
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
