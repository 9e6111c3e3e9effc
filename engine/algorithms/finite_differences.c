/* Finite differences: the gradient as one would measure it without backpropagation, each weight moved a little up and down,
 *
 *   ∂C/∂wᵢ ≈ (C(w + ε eᵢ) − C(w − ε eᵢ)) / 2ε
 *
 * then the same step of the optimizer. Two evaluations a weight and one for the report: 2n + 1 where backpropagation needs one. As a way to
 * train it is older than the chain rule's use for it: Kiefer, Wolfowitz, "Stochastic estimation of the maximum of a regression function",
 * Annals of Mathematical Statistics 23, 1952.
 * The error is ε²·C‴/6 of the formula and some 6e-8·C/ε of float32; the default lies near the least of their sum.
 */
#include <math.h>
#include <string.h>

#include "engine/algorithms/algorithm.h"

struct finite_differences {
  double epsilon;
};

static const struct param params[] = {
    PARAM_NUMBER_ROW(struct finite_differences, epsilon, 0, INFINITY, 5e-3, "how far each weight is moved up and down (ε)",
                     .flags = PARAM_ABOVE_MIN),
};

/* The difference quotient for one weight, which is put back. The distance is the one that float32 really makes of w ± ε. */
static bool differentiate(struct trainer *trainer, float *weight, double epsilon, float *out_gradient) {
  const float kept = *weight, up = (float)((double)kept + epsilon), down = (float)((double)kept - epsilon);
  struct step_cost above, below = {0};
  *weight = up;
  bool is_done = algorithm_evaluate(trainer, trainer->parameters, &above);
  *weight = down;
  is_done = is_done && algorithm_evaluate(trainer, trainer->parameters, &below);
  *weight = kept;
  *out_gradient = up > down ? (float)((algorithm_mean(&above) - algorithm_mean(&below)) / ((double)up - (double)down)) : 0;
  return is_done;
}

/* The pass with the weights themselves comes last: its outputs, running statistics and cost are the step's. */
static enum step_outcome step(struct trainer *trainer, struct step_cost *out_cost) {
  const struct finite_differences *settings = trainer->settings->algorithm.settings;
  for (size_t i = 0; i < trainer->parameter_count; i++)
    if (!differentiate(trainer, &trainer->parameters[i], settings->epsilon, &trainer->gradients[i])) return STEP_ABANDONED;
  if (!algorithm_evaluate(trainer, trainer->parameters, out_cost)) return STEP_ABANDONED;
  out_cost->evaluations = 2 * (uint64_t)trainer->parameter_count + 1;
  if (!isfinite(out_cost->loss_sum)) return STEP_DIVERGED;
  const enum step_outcome outcome = algorithm_descend(trainer);
  if (outcome == STEP_TAKEN) memcpy(trainer->buffers, trainer->trial_buffers, trainer->buffer_count * sizeof(float));
  return outcome;
}

static uint64_t evaluation_count(const void *settings, size_t parameter_count) {
  (void)settings;
  return 2 * (uint64_t)parameter_count + 1;
}

const struct algorithm_kind algorithm_finite_differences = {
    .kind = {.name = "finite_differences",
             .summary = "gradient by central differences, two evaluations of the cost for each weight, then a step of the optimizer",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct finite_differences)},
    .formula = "∂C/∂wᵢ ≈ (C(w + ε eᵢ) − C(w − ε eᵢ)) / 2ε",
    .has_gradient = true,
    .evaluation_count = evaluation_count,
    .step = step,
};
