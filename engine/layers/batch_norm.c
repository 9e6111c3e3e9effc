/* Batch normalization (Ioffe, Szegedy 2015), PyTorch's numerics: z = γ x̂ + β with x̂ = (x − μ) / √(σ² + ε), channel by channel.
 *
 * In training μ and σ² (biased) are the batch's, and running_mean and running_var (of the unbiased σ²) move towards them:
 * running ← momentum · running + (1 − momentum) · batch. In inference they are the running ones.
 *
 *   ∂C/∂β = Σ δ      ∂C/∂γ = Σ δ x̂      ∂C/∂x = γ / √(σ² + ε) · (δ − ∂C/∂β / n − x̂ ∂C/∂γ / n)      n: values of a channel
 *
 * The channels of [channels], [channels, length …] are the first axis, but of [time, features] the last. An array is seen as
 * [outer, channels, inner]. Work is cut into blocks of channels. `saved` holds μ and 1/√(σ² + ε), [2, channels].
 *
 * Frozen, it uses the running ones in training, too, and leaves them as they are; then ∂C/∂x = γ / √(σ² + ε) · δ.
 *
 * Of sequences of different length, [time, features], only the real steps count: n is their number. x and δ are 0 at the padded ones, so
 * that sums of them need no care, but Σ (x − μ)² does.
 */
#include <math.h>
#include <string.h>

#include "engine/layers/kinds.h"
#include "engine/reduce.h"

struct batch_norm {
  struct layer_common common;
  double momentum, epsilon;
  bool affine, track_running_stats;
};

static const struct param params[] = {
    PARAM_INLINE_ROW(struct batch_norm, common, layer_name_params),
    PARAM_NUMBER_ROW(struct batch_norm, momentum, 0, 1, 0.9, "share of the running statistics that a step keeps"),
    PARAM_NUMBER_ROW(struct batch_norm, epsilon, 0, INFINITY, 1e-5, "added to the variance", .flags = PARAM_ABOVE_MIN),
    PARAM_BOOLEAN_ROW(struct batch_norm, affine, true, "whether a trained weight and bias follow"),
    PARAM_BOOLEAN_ROW(struct batch_norm, track_running_stats, true, "whether inference uses running statistics; else it uses the batch's"),
    PARAM_INLINE_ROW(struct batch_norm, common, layer_activation_params),
};

enum { WEIGHT, BIAS };
enum { RUNNING_MEAN, RUNNING_VAR };
enum { BLOCK_CHANNELS = 64, COST_PER_VALUE = 2 };

static size_t find_channel_axis(const struct shape *shape) { return shape->rank == 2 ? 1 : 0; }

/* A frozen layer is the fixed map that it is in inference. */
static bool uses_batch_statistics(const struct layer *layer, bool training) {
  const struct batch_norm *norm = layer->settings;
  return (training && !layer->is_frozen) || !norm->track_running_stats;
}

static enum error_code compile(struct layer *layer, struct error *error) {
  const struct batch_norm *norm = layer->settings;
  if (layer->in[0].rank == 0)
    return error_set(error, ERROR_INVALID, "batch_norm layer \"%s\" needs an input with at least one axis, \"%s\" gives []", layer->name,
                     layer->input_names[0]);
  if (layer->has_lengths[0] && layer->in[0].rank != 2) {
    char text[SHAPE_TEXT_BYTES];
    return error_set(error, ERROR_INVALID,
                     "batch_norm layer \"%s\" takes sequences of different length as [time, features] only, but \"%s\" gives %s: reshape "
                     "them, or use layer_norm",
                     layer->name, layer->input_names[0], shape_format(&layer->in[0], text, sizeof text));
  }
  layer->out = layer->in[0];
  layer->lengths = LAYER_LENGTHS_KEEP;
  layer->takes_off_shifts = uses_batch_statistics(layer, true);
  struct shape channels = {.rank = 1, .sizes = {layer->out.sizes[find_channel_axis(&layer->out)]}};
  if (norm->affine) {
    layer_add_tensor(layer, "weight", &channels)->fill = 1;
    layer_add_tensor(layer, "bias", &channels)->is_shift = true;
  }
  if (norm->track_running_stats) {
    layer_add_buffer(layer, "running_mean", &channels, 0);
    layer_add_buffer(layer, "running_var", &channels, 1);
  }
  layer->saved_fixed = 2 * channels.sizes[0];
  layer->flops_per_sample = 4.0 * (double)shape_size(&layer->out);
  return ERROR_NONE;
}

struct job {
  const struct layer *layer;
  const struct pass *pass;
  size_t outer, channels, inner;
  size_t steps;                         /* outer indices of one sample */
  const uint32_t *lengths;              /* [outer / steps] how many of them are real; NULL: all */
  size_t block_count, blocks_per_piece; /* a block: BLOCK_CHANNELS channels, the last may be smaller */
};

/* Values of a channel that count: n. */
static double count_values(const struct job *job) {
  if (job->lengths == NULL) return (double)(job->outer * job->inner);
  double count = 0;
  for (size_t sample = 0; sample < job->outer / job->steps; sample++) count += job->lengths[sample];
  return count;
}

static bool is_padding(const struct job *job, size_t outer) {
  return job->lengths != NULL && outer % job->steps >= job->lengths[outer / job->steps];
}

static struct job make_job(const struct layer *layer, const struct pass *pass, size_t batch) {
  const struct shape *shape = &layer->out;
  size_t axis = find_channel_axis(shape), channels = shape->sizes[axis], before = axis == 1 ? shape->sizes[0] : 1;
  struct job job = {.layer = layer, .pass = pass, .outer = batch * before, .channels = channels, .steps = before};
  if (pass != NULL) job.lengths = pass->lengths[0];
  job.inner = shape_size(shape) / channels / before;
  job.block_count = parallel_piece_count(channels, BLOCK_CHANNELS);
  job.blocks_per_piece = parallel_items_per_piece(job.block_count, BLOCK_CHANNELS * job.outer * job.inner * COST_PER_VALUE);
  return job;
}

/* sums[c] = Σ x over the block's channels first … first + count − 1. */
static void sum_channels(const struct job *job, size_t first, size_t count, const float *x, double sums[BLOCK_CHANNELS]) {
  memset(sums, 0, BLOCK_CHANNELS * sizeof *sums);
  for (size_t outer = 0; outer < job->outer; outer++) {
    const float *row = x + (outer * job->channels + first) * job->inner;
    if (job->inner == 1)
      for (size_t c = 0; c < count; c++) sums[c] += (double)row[c];
    else
      for (size_t c = 0; c < count; c++) sums[c] += reduce_sum(job->inner, row + c * job->inner);
  }
}

/* sums[c] = Σ (x − x_shift[c]) (y − y_shift[c]), likewise. */
static void sum_channel_products(const struct job *job, const size_t range[2], const float *x, const double *x_shift, const float *y,
                                 const double *y_shift, double sums[BLOCK_CHANNELS]) {
  size_t count = range[1];
  memset(sums, 0, BLOCK_CHANNELS * sizeof *sums);
  for (size_t outer = 0; outer < job->outer; outer++) {
    if (is_padding(job, outer)) continue;
    size_t start = (outer * job->channels + range[0]) * job->inner;
    const float *x_row = x + start, *y_row = y + start;
    if (job->inner == 1)
      for (size_t c = 0; c < count; c++) sums[c] += ((double)x_row[c] - x_shift[c]) * ((double)y_row[c] - y_shift[c]);
    else
      for (size_t c = 0; c < count; c++)
        sums[c] += reduce_product(job->inner, x_row + c * job->inner, x_shift[c], y_row + c * job->inner, y_shift[c]);
  }
}

/* out = (x − shift[c]) · scale[c] + offset[c] over the block. */
static void write_scaled(const struct job *job, size_t first, size_t count, const float *x, const float *restrict shift,
                         const float *restrict scale, const float *restrict offset, float *restrict out) {
  for (size_t outer = 0; outer < job->outer; outer++) {
    size_t start = (outer * job->channels + first) * job->inner;
    const float *restrict from = x + start;
    float *restrict to = out + start;
    if (job->inner == 1) {
      for (size_t c = 0; c < count; c++) to[c] = (from[c] - shift[c]) * scale[c] + offset[c];
      continue;
    }
    for (size_t c = 0; c < count; c++)
      for (size_t i = 0; i < job->inner; i++) to[c * job->inner + i] = (from[c * job->inner + i] - shift[c]) * scale[c] + offset[c];
  }
}

/* Moves the running statistics of channel `channel` towards the batch's. */
static void update_running(const struct job *job, size_t channel, double mean, double variance) {
  const struct batch_norm *norm = job->layer->settings;
  double n = count_values(job);
  float *running_mean = job->pass->buffers + job->layer->buffers[RUNNING_MEAN].offset + channel;
  float *running_var = job->pass->buffers + job->layer->buffers[RUNNING_VAR].offset + channel;
  *running_mean = (float)(norm->momentum * (double)*running_mean + (1 - norm->momentum) * mean);
  if (n > 1) /* one value has no unbiased variance: the running one stays */
    *running_var = (float)(norm->momentum * (double)*running_var + (1 - norm->momentum) * variance * n / (n - 1));
}

static void forward_block(const struct job *job, size_t block) {
  const struct pass *pass = job->pass;
  const struct layer *layer = job->layer;
  const struct batch_norm *norm = layer->settings;
  size_t first = block * BLOCK_CHANNELS, rest = job->channels - first, count = rest < BLOCK_CHANNELS ? rest : BLOCK_CHANNELS;
  size_t range[2] = {first, count};
  double n = count_values(job), means[BLOCK_CHANNELS], variances[BLOCK_CHANNELS];
  float shift[BLOCK_CHANNELS], scale[BLOCK_CHANNELS], offset[BLOCK_CHANNELS];
  bool uses_batch = uses_batch_statistics(layer, pass->training);
  if (uses_batch) {
    sum_channels(job, first, count, pass->x[0], means);
    for (size_t c = 0; c < count; c++) means[c] /= n;
    sum_channel_products(job, range, pass->x[0], means, pass->x[0], means, variances);
    for (size_t c = 0; c < count; c++) variances[c] /= n;
  }
  for (size_t c = 0; c < count; c++) {
    if (!uses_batch) {
      means[c] = (double)pass->buffers[layer->buffers[RUNNING_MEAN].offset + first + c];
      variances[c] = (double)pass->buffers[layer->buffers[RUNNING_VAR].offset + first + c];
    } else if (pass->training && norm->track_running_stats) {
      update_running(job, first + c, means[c], variances[c]);
    }
    double inverse = 1.0 / sqrt(variances[c] + norm->epsilon);
    double gamma = norm->affine ? (double)pass->parameters[layer->tensors[WEIGHT].offset + first + c] : 1.0;
    shift[c] = (float)means[c];
    scale[c] = (float)(gamma * inverse);
    offset[c] = norm->affine ? pass->parameters[layer->tensors[BIAS].offset + first + c] : 0.0f;
    if (!pass->training) continue;
    pass->saved[first + c] = shift[c];
    pass->saved[job->channels + first + c] = (float)inverse;
  }
  write_scaled(job, first, count, pass->x[0], shift, scale, offset, pass->z);
}

static void forward_piece(void *argument, size_t piece) {
  const struct job *job = argument;
  size_t begin = piece * job->blocks_per_piece;
  for (size_t block = begin; block < begin + job->blocks_per_piece && block < job->block_count; block++) forward_block(job, block);
}

static void forward(const struct layer *layer, const struct pass *pass) {
  struct job job = make_job(layer, pass, pass->batch);
  parallel_run(pass->parallel, parallel_piece_count(job.block_count, job.blocks_per_piece), forward_piece, &job);
}

/* dx = (δ − mean_delta[c] − (x − mean[c]) · slope[c]) · scale[c] */
static void write_input_gradient(const struct job *job, const size_t range[2], const float *restrict mean_delta,
                                 const float *restrict slope, const float *restrict scale) {
  const float *restrict mean = job->pass->saved + range[0];
  for (size_t outer = 0; outer < job->outer; outer++) {
    size_t start = (outer * job->channels + range[0]) * job->inner;
    const float *restrict delta = job->pass->delta + start, *restrict x = job->pass->x[0] + start;
    float *restrict dx = job->pass->dx[0] + start;
    if (job->inner == 1) {
      for (size_t c = 0; c < range[1]; c++) dx[c] = (delta[c] - mean_delta[c] - (x[c] - mean[c]) * slope[c]) * scale[c];
      continue;
    }
    for (size_t c = 0; c < range[1]; c++)
      for (size_t i = c * job->inner; i < (c + 1) * job->inner; i++)
        dx[i] = (delta[i] - mean_delta[c] - (x[i] - mean[c]) * slope[c]) * scale[c];
  }
}

static void backward_block(const struct job *job, size_t block) {
  const struct pass *pass = job->pass;
  const struct layer *layer = job->layer;
  const struct batch_norm *norm = layer->settings;
  size_t first = block * BLOCK_CHANNELS, rest = job->channels - first, count = rest < BLOCK_CHANNELS ? rest : BLOCK_CHANNELS;
  size_t range[2] = {first, count};
  double n = count_values(job), delta_sums[BLOCK_CHANNELS], product_sums[BLOCK_CHANNELS];
  double means[BLOCK_CHANNELS] = {0}, zeros[BLOCK_CHANNELS] = {0};
  float mean_delta[BLOCK_CHANNELS], slope[BLOCK_CHANNELS], scale[BLOCK_CHANNELS];
  const bool uses_batch = uses_batch_statistics(layer, true);
  for (size_t c = 0; c < count; c++) means[c] = (double)pass->saved[first + c];
  sum_channels(job, first, count, pass->delta, delta_sums);
  sum_channel_products(job, range, pass->x[0], means, pass->delta, zeros, product_sums);
  for (size_t c = 0; c < count; c++) {
    double inverse = (double)pass->saved[job->channels + first + c];
    double gamma = norm->affine ? (double)pass->parameters[layer->tensors[WEIGHT].offset + first + c] : 1.0;
    if (norm->affine) {
      pass->gradients[layer->tensors[WEIGHT].offset + first + c] = (float)(product_sums[c] * inverse);
      pass->gradients[layer->tensors[BIAS].offset + first + c] = (float)delta_sums[c];
    }
    /* Running statistics don't depend on x. */
    mean_delta[c] = uses_batch ? (float)(delta_sums[c] / n) : 0;
    slope[c] = uses_batch ? (float)(product_sums[c] * inverse * inverse / n) : 0;
    scale[c] = (float)(gamma * inverse);
  }
  if (pass->dx[0] != NULL) write_input_gradient(job, range, mean_delta, slope, scale);
}

static void backward_piece(void *argument, size_t piece) {
  const struct job *job = argument;
  size_t begin = piece * job->blocks_per_piece;
  for (size_t block = begin; block < begin + job->blocks_per_piece && block < job->block_count; block++) backward_block(job, block);
}

static void backward(const struct layer *layer, const struct pass *pass) {
  struct job job = make_job(layer, pass, pass->batch);
  parallel_run(pass->parallel, parallel_piece_count(job.block_count, job.blocks_per_piece), backward_piece, &job);
}

static void forward64(const struct layer *layer, const struct pass64 *pass) {
  const struct batch_norm *norm = layer->settings;
  struct job job = make_job(layer, NULL, pass->batch);
  job.lengths = pass->lengths[0];
  double n = count_values(&job);
  for (size_t c = 0; c < job.channels; c++) {
    double mean = 0, variance = 0;
    if (uses_batch_statistics(layer, pass->training)) {
      for (size_t outer = 0; outer < job.outer; outer++)
        for (size_t i = 0; i < job.inner; i++) mean += pass->x[0][(outer * job.channels + c) * job.inner + i] / n;
      for (size_t outer = 0; outer < job.outer; outer++)
        for (size_t i = 0; i < job.inner && !is_padding(&job, outer); i++)
          variance += pow(pass->x[0][(outer * job.channels + c) * job.inner + i] - mean, 2) / n;
    } else {
      mean = pass->buffers[layer->buffers[RUNNING_MEAN].offset + c];
      variance = pass->buffers[layer->buffers[RUNNING_VAR].offset + c];
    }
    double gamma = norm->affine ? pass->parameters[layer->tensors[WEIGHT].offset + c] : 1;
    double beta = norm->affine ? pass->parameters[layer->tensors[BIAS].offset + c] : 0;
    for (size_t outer = 0; outer < job.outer; outer++) {
      for (size_t i = 0; i < job.inner; i++) {
        size_t at = (outer * job.channels + c) * job.inner + i;
        pass->z[at] = gamma * (pass->x[0][at] - mean) / sqrt(variance + norm->epsilon) + beta;
      }
    }
  }
}

const struct layer_kind layer_batch_norm = {
    .kind = {.name = "batch_norm",
             .summary = "normalizes each channel over the batch",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct batch_norm)},
    .formula = "z = weight (x - mean) / sqrt(variance + epsilon) + bias",
    .gradient_formula = "with u = (x - mean) / sqrt(variance + epsilon): ∂C/∂weight = Σ δ u, ∂C/∂bias = Σ δ, ∂C/∂x = weight / "
                        "sqrt(variance + epsilon) (δ - mean(δ) - u mean(δ u))",
    .input_min = 1,
    .input_max = 1,
    .normalizes = true,
    .compile = compile,
    .forward = forward,
    .backward = backward,
    .forward64 = forward64,
};
