/* The table of algorithms, and what they share: a step's batches, its cost, and what follows a gradient. */
#include <math.h>
#include <string.h>

#include "engine/algorithms/algorithm.h"
#include "engine/kernels.h"

KIND_TABLE(algorithm, ALGORITHM_KINDS)

/* ---- batches ---- */

size_t algorithm_batch_count(const struct trainer *trainer) {
  const size_t first = (size_t)trainer->position.batch_in_epoch * trainer->step_rows, rest = trainer->data.train.count - first;
  return ((rest < trainer->step_rows ? rest : trainer->step_rows) - 1) / trainer->batch_size + 1;
}

size_t algorithm_gather(struct trainer *trainer, size_t index) {
  if (trainer->gathered != index) trainer->gathered_rows = trainer_gather_batch(trainer, index);
  trainer->gathered = index;
  return trainer->gathered_rows;
}

/* Random masks are those of the batch's number in its epoch. */
struct pass_options algorithm_pass(const struct trainer *trainer, size_t index, size_t rows) {
  return (struct pass_options){.batch = rows,
                               .training = true,
                               .skips_frozen = true,
                               .joins = !report_looks_at_layers(trainer),
                               .has_shares = trainer->has_shares,
                               .seed = (uint64_t)trainer->settings->seed,
                               .epoch = trainer->position.epoch,
                               .step = trainer->position.batch_in_epoch * (uint64_t)trainer->settings->accumulate_steps + index,
                               .parallel = trainer->parallel,
                               .half = trainer->half};
}

struct random_stream algorithm_stream(const struct trainer *trainer, enum random_purpose purpose, size_t lane) {
  return (struct random_stream){.seed = (uint64_t)trainer->settings->seed,
                                .purpose = (uint32_t)purpose,
                                .lane = (uint32_t)lane,
                                .epoch = trainer->position.epoch,
                                .step = trainer->position.batch_in_epoch};
}

/* ---- costs ---- */

void algorithm_forward(struct trainer *trainer, const struct pass_options *options, const float *parameters, float *buffers,
                       struct step_cost *cost) {
  network_forward(trainer->network, trainer->workspace, options, trainer->batch_x, parameters, buffers);
  const struct targets targets = trainer_get_targets(trainer);
  trainer_evaluate_loss(trainer, trainer->workspace, options->batch, &targets, &cost->loss_sum, &cost->loss_weight);
  report_count_hits(trainer, trainer->workspace, options->batch, &targets, &cost->correct_sum, &cost->correct_count);
}

bool algorithm_must_stop(struct trainer *trainer) {
  return trainer->sink != NULL && trainer->sink->poll(trainer->sink->context) == TRAIN_STOP;
}

bool algorithm_evaluate(struct trainer *trainer, const float *parameters, float *buffers, struct step_cost *out_cost) {
  *out_cost = (struct step_cost){0};
  memcpy(buffers, trainer->buffers, trainer->buffer_count * sizeof(float));
  const size_t batch_count = algorithm_batch_count(trainer);
  for (size_t i = 0; i < batch_count; i++) {
    if (algorithm_must_stop(trainer)) return false;
    const struct pass_options options = algorithm_pass(trainer, i, algorithm_gather(trainer, i));
    algorithm_forward(trainer, &options, parameters, buffers, out_cost);
  }
  return true;
}

void algorithm_keep_buffers(struct trainer *trainer) {
  memcpy(trainer->buffers, trainer->trial_buffers, trainer->buffer_count * sizeof(float));
}

double algorithm_mean(const struct step_cost *cost) { return cost->loss_weight > 0 ? cost->loss_sum / cost->loss_weight : cost->loss_sum; }

double algorithm_cost(const struct trainer *trainer, const float *parameters, const struct step_cost *cost) {
  return algorithm_mean(cost) + network_penalty(trainer->network, parameters);
}

/* ---- after the gradient ---- */

/* The norm is computed where somebody wants it: for clipping, for a report, and of a run's first step, for its diagnosis. Else a look at
 * the gradient, whether it is finite, is enough. */
static bool measure_gradient(struct trainer *trainer) {
  const bool wants_norm = trainer_is_at_report(trainer) || !isnan(trainer->settings->clip_norm) || trainer->position.step == 0;
  if (!wants_norm && kernel_is_finite(trainer->parallel, trainer->trained_count, trainer->gradients)) return true;
  trainer->position.gradient_norm = sqrt(kernel_sum_squares(trainer->parallel, trainer->trained_count, trainer->gradients));
  return isfinite(trainer->position.gradient_norm);
}

/* kind->gradient, and the penalties'. */
static enum step_outcome find_gradient(struct trainer *trainer, float *parameters, float *buffers, float *gradients,
                                       struct step_cost *out_cost) {
  const enum step_outcome outcome = trainer_get_algorithm(trainer)->gradient(trainer, parameters, buffers, gradients, out_cost);
  if (outcome == STEP_TAKEN) network_add_penalty_gradient(trainer->network, parameters, gradients);
  return outcome;
}

/* The cost for an optimizer's search. */
struct search {
  struct trainer *trainer;
  uint64_t evaluations;
};

static bool evaluate_at(void *context, float *weights, double *out_cost, float *gradients) {
  struct search *search = context;
  struct trainer *trainer = search->trainer;
  struct step_cost cost = {0};
  if (algorithm_must_stop(trainer)) return false;
  memcpy(weights + trainer->trained_count, trainer->parameters + trainer->trained_count,
         (trainer->parameter_count - trainer->trained_count) * sizeof(float));
  const enum step_outcome outcome = find_gradient(trainer, weights, trainer->search_buffers, gradients, &cost);
  search->evaluations += cost.evaluations;
  *out_cost = outcome == STEP_TAKEN ? algorithm_cost(trainer, weights, &cost) : (double)NAN;
  return outcome != STEP_ABANDONED;
}

/* False: abandoned. */
static bool optimize(struct trainer *trainer, struct step_cost *cost) {
  const struct spec *spec = &trainer->settings->optimizer;
  const struct optimizer_kind *optimizer = optimizer_of(spec);
  if (optimizer->scratch_count == NULL || optimizer->scratch_count(spec->settings) == 0) {
    optimizer->step(spec->settings, trainer->learning_rate, trainer->parallel, trainer->trained_count, trainer->parameters,
                    trainer->gradients, &trainer->optimizer);
    return true;
  }
  struct search search = {.trainer = trainer};
  const struct cost_function function = {
      .context = &search, .start = algorithm_cost(trainer, trainer->parameters, cost), .evaluate = evaluate_at};
  const bool is_done = optimizer->search(spec->settings, trainer->learning_rate, &function, trainer->trained_count, trainer->parameters,
                                         trainer->gradients, &trainer->optimizer);
  cost->evaluations += search.evaluations;
  return is_done;
}

enum step_outcome algorithm_descend(struct trainer *trainer, struct step_cost *out_cost) {
  const struct train_settings *settings = trainer->settings;
  const enum step_outcome outcome = find_gradient(trainer, trainer->parameters, trainer->trial_buffers, trainer->gradients, out_cost);
  if (outcome != STEP_TAKEN) return outcome;
  if (!measure_gradient(trainer)) return STEP_DIVERGED;
  trainer_settle(trainer);
  if (report_measures_layers(trainer)) report_measure_gradients(trainer);
  gradient_clip(settings->clip_norm, settings->clip_value, trainer->position.gradient_norm, trainer->trained_count, trainer->gradients);
  if (!optimize(trainer, out_cost)) return STEP_ABANDONED;
  algorithm_keep_buffers(trainer);
  return STEP_TAKEN;
}
