/* Backpropagation: one forward pass that remembers z and a, one backward pass of the δ recurrences, one step of the optimizer
 * (Rumelhart, Hinton, Williams: "Learning representations by back-propagating errors", Nature 323, 1986).
 *
 * With accumulate_steps the step's gradient is that of all its batches' rows together: Σ weightᵢ · gᵢ / Σ weightᵢ over batches i, whose
 * mean gradients gᵢ are over weightᵢ rows (or what class weights make of them), so that a short last batch counts for what it is.
 */
#include <math.h>
#include <string.h>

#include "engine/algorithms/algorithm.h"

/* The gradient under way: where and into what. */
struct backprop {
  struct trainer *trainer;
  const float *parameters;
  float *buffers;
  struct step_cost *cost;
};

/* Forward and backward of one batch into `gradients`. False if its loss is not finite. */
static bool pass(const struct backprop *backprop, size_t index, float *gradients) {
  struct trainer *trainer = backprop->trainer;
  const struct pass_options options = algorithm_pass(trainer, index, algorithm_gather(trainer, index));
  algorithm_forward(trainer, &options, backprop->parameters, backprop->buffers, backprop->cost);
  if (!isfinite(backprop->cost->loss_sum)) return false;
  network_backward(trainer->network, trainer->workspace, &options, trainer->batch_x, backprop->parameters, &trainer->loss,
                   trainer->class_weights, trainer->batch_y, gradients, NULL);
  return true;
}

/* total ← total + weight · gradients */
static void add_gradients(size_t count, double weight, const float *restrict gradients, float *restrict total) {
  const float factor = (float)weight;
  for (size_t i = 0; i < count; i++) total[i] += factor * gradients[i];
}

static enum step_outcome accumulate(const struct backprop *backprop, size_t batch_count, float *gradients) {
  struct trainer *trainer = backprop->trainer;
  const size_t count = trainer->trained_count;
  memset(gradients, 0, count * sizeof(float));
  for (size_t i = 0; i < batch_count; i++) {
    if (i > 0 && algorithm_must_stop(trainer)) return STEP_ABANDONED;
    const double before = backprop->cost->loss_weight;
    if (!pass(backprop, i, trainer->batch_gradients)) return STEP_DIVERGED;
    add_gradients(count, backprop->cost->loss_weight - before, trainer->batch_gradients, gradients);
  }
  const float share = backprop->cost->loss_weight > 0 ? (float)(1 / backprop->cost->loss_weight) : 0;
  for (size_t i = 0; i < count; i++) gradients[i] *= share;
  return STEP_TAKEN;
}

static enum step_outcome gradient(struct trainer *trainer, float *parameters, float *buffers, float *gradients,
                                  struct step_cost *out_cost) {
  const struct backprop backprop = {.trainer = trainer, .parameters = parameters, .buffers = buffers, .cost = out_cost};
  const size_t batch_count = algorithm_batch_count(trainer);
  *out_cost = (struct step_cost){.evaluations = 1};
  memcpy(buffers, trainer->buffers, trainer->buffer_count * sizeof(float));
  if (batch_count > 1) return accumulate(&backprop, batch_count, gradients);
  return pass(&backprop, 0, gradients) ? STEP_TAKEN : STEP_DIVERGED;
}

static uint64_t evaluation_count(const void *settings, size_t trained_count) {
  (void)settings;
  (void)trained_count;
  return 1;
}

const struct algorithm_kind algorithm_backprop = {
    .kind = {.name = "backprop", .summary = "gradient by backpropagation, then a step of the optimizer"},
    .formula = "δₗ = (Wₗ₊₁ᵀ δₗ₊₁) ⊙ f′(zₗ), ∂C/∂Wₗ = δₗ aₗ₋₁ᵀ",
    .evaluation_count = evaluation_count,
    .step = algorithm_descend,
    .settles = true,
    .gradient = gradient,
};
