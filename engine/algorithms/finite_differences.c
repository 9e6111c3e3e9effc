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

#include "engine/algorithms/algorithm.h"

struct finite_differences {
  double epsilon;
};

static const struct param params[] = {
    PARAM_NUMBER_ROW(struct finite_differences, epsilon, 1e-6, 1, 5e-3,
                     "how far each weight is moved up and down (ε); below 1e-6 rounding to float32 hides what it changes, and above 1 the "
                     "difference is no slope any more"),
};

/* The difference quotient for one weight, which is put back. The distance is the one that float32 really makes of w ± ε. */
static bool differentiate(struct trainer *trainer, float *parameters, size_t index, float *buffers, float *out_gradient) {
  const double epsilon = ((const struct finite_differences *)trainer->settings->algorithm.settings)->epsilon;
  const float kept = parameters[index], up = (float)((double)kept + epsilon), down = (float)((double)kept - epsilon);
  struct step_cost above, below = {0};
  parameters[index] = up;
  bool is_done = algorithm_evaluate(trainer, parameters, buffers, &above);
  parameters[index] = down;
  is_done = is_done && algorithm_evaluate(trainer, parameters, buffers, &below);
  parameters[index] = kept;
  *out_gradient = up > down ? (float)((algorithm_mean(&above) - algorithm_mean(&below)) / ((double)up - (double)down)) : 0;
  return is_done;
}

/* The pass with the weights themselves comes last: its outputs, running statistics and cost are the step's. */
static enum step_outcome gradient(struct trainer *trainer, float *parameters, float *buffers, float *gradients,
                                  struct step_cost *out_cost) {
  for (size_t i = 0; i < trainer->trained_count; i++)
    if (!differentiate(trainer, parameters, i, buffers, &gradients[i])) return STEP_ABANDONED;
  if (!algorithm_evaluate(trainer, parameters, buffers, out_cost)) return STEP_ABANDONED;
  out_cost->evaluations = 2 * (uint64_t)trainer->trained_count + 1;
  return isfinite(out_cost->loss_sum) ? STEP_TAKEN : STEP_DIVERGED;
}

static uint64_t evaluation_count(const void *settings, size_t trained_count) {
  (void)settings;
  return 2 * (uint64_t)trained_count + 1;
}

const struct algorithm_kind algorithm_finite_differences = {
    .kind = {.name = "finite_differences",
             .summary = "gradient by central differences, two evaluations of the cost for each weight, then a step of the optimizer",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct finite_differences)},
    .formula = "∂C/∂wᵢ ≈ (C(w + ε eᵢ) − C(w − ε eᵢ)) / 2ε",
    .evaluation_count = evaluation_count,
    .step = algorithm_descend,
    .gradient = gradient,
};
