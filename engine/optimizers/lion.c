/* lion: a step of one size for every weight, by the sign of a mean gradient (Chen et al., "Symbolic discovery of optimization algorithms",
 * NeurIPS 2023, arXiv:2302.06675).
 *
 *   w ← w − η weight_decay w
 *   w ← w − η sign(β₁ m + (1 − β₁) g)
 *   m ← β₂ m + (1 − β₂) g
 */
#include "engine/optimizers/adam.h"

struct lion {
  struct optimizer_common common;
  double beta1, beta2, weight_decay;
  bool maximize;
};

static const struct param params[] = {
    OPTIMIZER_LEARNING_RATE_ROW(struct lion, 1e-4),
    PARAM_NUMBER_ROW(struct lion, beta1, 0, 1, 0.9, "share of the mean gradient in a step's direction", .flags = PARAM_BELOW_MAX),
    PARAM_NUMBER_ROW(struct lion, beta2, 0, 1, 0.99, "share of the mean gradient that is kept", .flags = PARAM_BELOW_MAX),
    OPTIMIZER_WEIGHT_DECAY_ROW(struct lion, 0, "share of a weight, times the learning rate, that each step takes off it"),
    OPTIMIZER_MAXIMIZE_ROW(struct lion),
};

struct coefficients {
  float sign, rate, shrink, beta1, fresh1, beta2, fresh2;
};

static void loop(const struct optimizer_work *work, size_t begin, size_t end) {
  const struct coefficients c = *(const struct coefficients *)work->coefficients;
  float *restrict w = work->weights, *restrict m = work->slots[0];
  const float *restrict g = work->gradients;
  for (size_t i = begin; i < end; i++) {
    const float d = c.sign * g[i], direction = c.beta1 * m[i] + c.fresh1 * d;
    const float unit = (float)(direction > 0) - (float)(direction < 0);
    w[i] = w[i] * c.shrink - c.rate * unit;
    m[i] = c.beta2 * m[i] + c.fresh2 * d;
  }
}

static size_t slot_count(const void *settings) {
  (void)settings;
  return 1;
}

static void step(const void *settings, double learning_rate, const struct parallel *parallel, size_t count, float *weights,
                 const float *gradients, struct optimizer_state *state) {
  const struct lion *lion = settings;
  const double beta1 = optimizer_momentum(state, lion->beta1);
  struct coefficients coefficients = {.sign = lion->maximize ? -1 : 1,
                                      .rate = (float)learning_rate,
                                      .shrink = (float)(1 - learning_rate * lion->weight_decay),
                                      .beta1 = (float)beta1,
                                      .fresh1 = (float)(1 - beta1),
                                      .beta2 = (float)lion->beta2,
                                      .fresh2 = (float)(1 - lion->beta2)};
  struct optimizer_work work = optimizer_make_work(&coefficients, count, weights, gradients, state, loop);
  optimizer_run(parallel, &work);
  state->step++;
}

const struct optimizer_kind optimizer_lion = {
    .kind = {.name = "lion",
             .summary = "the sign of a mean gradient; wants a rate some ten times smaller than adam's",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct lion)},
    .formula = "w ← w − η sign(β₁m + (1 − β₁)g), m ← β₂m + (1 − β₂)g",
    .slot_count = slot_count,
    .step = step,
};
