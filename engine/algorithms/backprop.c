/* Backpropagation: one forward pass that remembers z and a, one backward pass of the δ recurrences, one step of the optimizer
 * (Rumelhart, Hinton, Williams: "Learning representations by back-propagating errors", Nature 323, 1986).
 *
 * With accumulate_steps the step's gradient is that of all its batches' rows together: Σ weightᵢ · gᵢ / Σ weightᵢ over batches i, whose
 * mean gradients gᵢ are over weightᵢ rows (or what class weights make of them), so that a short last batch counts for what it is.
 */
#include <math.h>
#include <string.h>

#include "engine/algorithms/algorithm.h"

/* Forward and backward of one batch into `gradients`. False if its loss is not finite. */
static bool pass(struct trainer *trainer, size_t index, float *buffers, float *gradients, struct step_cost *cost) {
  const struct pass_options options = algorithm_pass(trainer, index, algorithm_gather(trainer, index));
  algorithm_forward(trainer, &options, trainer->parameters, buffers, cost);
  if (!isfinite(cost->loss_sum)) return false;
  network_backward(trainer->network, trainer->workspace, &options, trainer->batch_x, trainer->parameters, &trainer->loss,
                   trainer->class_weights, trainer->batch_y, gradients, NULL);
  return true;
}

/* total ← total + weight · gradients */
static void add_gradients(size_t count, double weight, const float *restrict gradients, float *restrict total) {
  const float factor = (float)weight;
  for (size_t i = 0; i < count; i++) total[i] += factor * gradients[i];
}

/* The passes of several batches. Buffers change in trial_buffers until all are done, since the step may be abandoned between them. */
static enum step_outcome accumulate(struct trainer *trainer, size_t batch_count, struct step_cost *cost) {
  const size_t count = trainer->parameter_count;
  memcpy(trainer->trial_buffers, trainer->buffers, trainer->buffer_count * sizeof(float));
  memset(trainer->gradients, 0, count * sizeof(float));
  for (size_t i = 0; i < batch_count; i++) {
    if (i > 0 && algorithm_must_stop(trainer)) return STEP_ABANDONED;
    const double before = cost->loss_weight;
    if (!pass(trainer, i, trainer->trial_buffers, trainer->batch_gradients, cost)) return STEP_DIVERGED;
    add_gradients(count, cost->loss_weight - before, trainer->batch_gradients, trainer->gradients);
  }
  const float share = cost->loss_weight > 0 ? (float)(1 / cost->loss_weight) : 0;
  for (size_t i = 0; i < count; i++) trainer->gradients[i] *= share;
  memcpy(trainer->buffers, trainer->trial_buffers, trainer->buffer_count * sizeof(float));
  return STEP_TAKEN;
}

static enum step_outcome step(struct trainer *trainer, struct step_cost *out_cost) {
  const size_t batch_count = algorithm_batch_count(trainer);
  out_cost->evaluations = 1;
  if (batch_count > 1) {
    const enum step_outcome outcome = accumulate(trainer, batch_count, out_cost);
    if (outcome != STEP_TAKEN) return outcome;
  } else if (!pass(trainer, 0, trainer->buffers, trainer->gradients, out_cost)) {
    return STEP_DIVERGED;
  }
  return algorithm_descend(trainer);
}

static uint64_t evaluation_count(const void *settings, size_t parameter_count) {
  (void)settings;
  (void)parameter_count;
  return 1;
}

const struct algorithm_kind algorithm_backprop = {
    .kind = {.name = "backprop", .summary = "gradient by backpropagation, then a step of the optimizer"},
    .formula = "δₗ = (Wₗ₊₁ᵀ δₗ₊₁) ⊙ f′(zₗ), ∂C/∂Wₗ = δₗ aₗ₋₁ᵀ",
    .has_gradient = true,
    .evaluation_count = evaluation_count,
    .step = step,
    .settles = true,
};
