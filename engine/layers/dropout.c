/* Dropout (Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov 2014), inverted: in training each value is 0 with probability `rate`
 * and else multiplied by 1 / (1 − rate); in inference nothing happens.
 *
 * The mask is a function of (seed, layer, epoch, step, index), so that a float64 pass, a resumed run and any number of threads see the
 * same one. Forward leaves it, as factors, in `saved` [batch, out …].
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/layers/kinds.h"

struct dropout {
  struct layer_common common;
  double rate;
};

static const struct param params[] = {
    PARAM_INLINE_ROW(struct dropout, common, layer_name_params),
    PARAM_NUMBER_ROW(struct dropout, rate, 0, 1, 0.5, "share of the values that are dropped", .flags = PARAM_BELOW_MAX),
};

enum { COST_PER_VALUE = 1 };

static enum error_code compile(struct layer *layer, struct error *error) {
  (void)error;
  layer->out = layer->in[0];
  layer->lengths = LAYER_LENGTHS_KEEP;
  layer->saved_per_sample = shape_size(&layer->out);
  layer->flops_per_sample = (double)shape_size(&layer->out);
  return ERROR_NONE;
}

/* Turns uniform numbers into factors. */
static void uniform_to_factors(const struct dropout *dropout, size_t count, float *values) {
  float rate = (float)dropout->rate, kept = (float)(1.0 / (1.0 - dropout->rate));
  for (size_t i = 0; i < count; i++) values[i] = values[i] >= rate ? kept : 0.0f;
}

/* The random number of value i, of [batch, out …]. Of sequences of different length step by step, all samples' first steps first: so that
 * padding further changes no real step's. */
static size_t find_number(const struct layer *layer, size_t batch, size_t i) {
  if (!layer->has_lengths[0]) return i;
  const size_t steps = layer->out.sizes[0], step_size = shape_size(&layer->out) / steps, row = i / step_size;
  return (row % steps * batch + row / steps) * step_size + i % step_size;
}

struct job {
  const struct layer *layer;
  const struct pass *pass;
  struct random_stream stream;
  size_t count, per_piece;
};

/* The numbers of values begin … begin + count − 1; those of one step follow each other. */
static void draw(const struct job *job, size_t begin, size_t count, float *numbers) {
  const struct layer *layer = job->layer;
  const size_t run = layer->has_lengths[0] ? shape_size(&layer->out) / layer->out.sizes[0] : job->count;
  for (size_t done = 0; done < count;) {
    const size_t at = begin + done, left = run - at % run, taken = left < count - done ? left : count - done;
    random_fill_uniform(&job->stream, find_number(layer, job->pass->batch, at), taken, numbers + done);
    done += taken;
  }
}

static void forward_piece(void *argument, size_t piece) {
  const struct job *job = argument;
  size_t begin = piece * job->per_piece, rest = job->count - begin, count = rest < job->per_piece ? rest : job->per_piece;
  float *restrict factors = job->pass->saved + begin;
  draw(job, begin, count, factors);
  uniform_to_factors(job->layer->settings, count, factors);
  const float *restrict x = job->pass->x[0] + begin;
  float *restrict z = job->pass->z + begin;
  for (size_t i = 0; i < count; i++) z[i] = x[i] * factors[i];
}

static void forward(const struct layer *layer, const struct pass *pass) {
  size_t count = pass->batch * shape_size(&layer->out);
  if (!pass->training) {
    memcpy(pass->z, pass->x[0], count * sizeof *pass->z);
    return;
  }
  struct job job = {.layer = layer, .pass = pass, .count = count, .per_piece = parallel_items_per_piece(count, COST_PER_VALUE)};
  job.stream = (struct random_stream){
      .seed = pass->seed, .purpose = RANDOM_DROPOUT, .lane = (uint32_t)layer->index, .epoch = pass->epoch, .step = pass->step};
  parallel_run(pass->parallel, parallel_piece_count(count, job.per_piece), forward_piece, &job);
}

static void backward(const struct layer *layer, const struct pass *pass) {
  size_t count = pass->batch * shape_size(&layer->out);
  const float *restrict factors = pass->saved, *restrict delta = pass->delta;
  float *restrict dx = pass->dx[0];
  if (dx == NULL) return;
  for (size_t i = 0; i < count; i++) dx[i] = delta[i] * factors[i];
}

static void forward64(const struct layer *layer, const struct pass64 *pass) {
  size_t count = pass->batch * shape_size(&layer->out);
  memcpy(pass->z, pass->x[0], count * sizeof *pass->z);
  if (!pass->training) return;
  struct random_stream stream = {
      .seed = pass->seed, .purpose = RANDOM_DROPOUT, .lane = (uint32_t)layer->index, .epoch = pass->epoch, .step = pass->step};
  const struct dropout *dropout = layer->settings;
  const double kept = 1.0 / (1.0 - dropout->rate);
  for (size_t i = 0; i < count; i++)
    pass->z[i] *= random_uniform(&stream, find_number(layer, pass->batch, i)) >= (float)dropout->rate ? kept : 0.0;
}

const struct layer_kind layer_dropout = {
    .kind = {.name = "dropout",
             .summary = "drops values at random while training, against overfitting",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct dropout)},
    .formula = "z = x m / (1 - rate), m = 0 with probability rate, else 1",
    .gradient_formula = "∂C/∂x = δ m / (1 - rate)",
    .input_min = 1,
    .input_max = 1,
    .compile = compile,
    .forward = forward,
    .backward = backward,
    .forward64 = forward64,
};
