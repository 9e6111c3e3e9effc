/* The table of algorithms, and what those with a gradient share. */
#include <math.h>

#include "engine/algorithms/algorithm.h"
#include "engine/kernels.h"

KIND_TABLE(algorithm, ALGORITHM_KINDS)

/* The norm is computed where somebody wants it: for clipping, for a report. Else a look at the gradient, whether it is finite, is enough. */
static bool measure_gradient(struct trainer *trainer) {
  const bool wants_norm = trainer_is_at_report(trainer) || !isnan(trainer->settings->clip_norm);
  if (!wants_norm && kernel_is_finite(trainer->parallel, trainer->parameter_count, trainer->gradients)) return true;
  trainer->position.gradient_norm = sqrt(kernel_sum_squares(trainer->parallel, trainer->parameter_count, trainer->gradients));
  return isfinite(trainer->position.gradient_norm);
}

bool algorithm_descend(struct trainer *trainer) {
  const struct train_settings *settings = trainer->settings;
  network_add_penalty_gradient(trainer->network, trainer->parameters, trainer->gradients);
  if (!measure_gradient(trainer)) return false;
  trainer_settle(trainer);
  if (trainer_is_at_last_batch(trainer)) report_measure_gradients(trainer);
  gradient_clip(settings->clip_norm, settings->clip_value, trainer->position.gradient_norm, trainer->parameter_count, trainer->gradients);
  optimizer_of(&settings->optimizer)
      ->step(settings->optimizer.settings, trainer->learning_rate, trainer->parallel, trainer->parameter_count, trainer->parameters,
             trainer->gradients, &trainer->optimizer);
  return true;
}
