/* Backpropagation: one forward pass that remembers z and a, one backward pass of the δ recurrences, one step of the optimizer
 * (Rumelhart, Hinton, Williams: "Learning representations by back-propagating errors", Nature 323, 1986). */
#include <math.h>

#include "engine/algorithms/algorithm.h"

static bool step(struct trainer *trainer, size_t rows, struct step_cost *out_cost) {
  const struct pass_options options = {.batch = rows,
                                       .training = true,
                                       .seed = (uint64_t)trainer->settings->seed,
                                       .epoch = trainer->position.epoch,
                                       .step = trainer->position.batch_in_epoch,
                                       .parallel = trainer->parallel,
                                       .half = trainer->half};
  network_forward(trainer->network, trainer->workspace, &options, trainer->batch_x, trainer->parameters, trainer->buffers);
  *out_cost = (struct step_cost){0};
  trainer_evaluate_loss(trainer, trainer->workspace, rows, trainer->batch_y, &out_cost->loss_sum, &out_cost->loss_weight);
  if (!isfinite(out_cost->loss_sum)) return false;
  network_backward(trainer->network, trainer->workspace, &options, trainer->batch_x, trainer->parameters, &trainer->loss,
                   trainer->class_weights, trainer->batch_y, trainer->gradients, NULL);
  return algorithm_descend(trainer);
}

const struct algorithm_kind algorithm_backprop = {
    .kind = {.name = "backprop", .summary = "gradient by backpropagation, then a step of the optimizer"},
    .formula = "δₗ = (Wₗ₊₁ᵀ δₗ₊₁) ⊙ f′(zₗ), ∂C/∂Wₗ = δₗ aₗ₋₁ᵀ",
    .step = step,
    .settles = true};
