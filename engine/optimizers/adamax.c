/* adamax: adam with the greatest recent gradient in place of the root of the mean square (Kingma, Ba, arXiv:1412.6980, section 7),
 * PyTorch's Adamax. At step t, from 1:
 *
 *   g ← g + weight_decay · w
 *   m ← β₁ m + (1 − β₁) g
 *   u ← max(β₂ u, |g| + ε)
 *   w ← w − η/(1 − β₁ᵗ) · m / u
 */
#include "engine/optimizers/adam.h"

struct adamax {
  struct optimizer_common common;
  double beta1, beta2, epsilon, weight_decay;
  bool maximize;
};

static const struct param params[] = {
    OPTIMIZER_LEARNING_RATE_ROW(struct adamax, 2e-3),
    ADAM_BETA1_ROW(struct adamax),
    PARAM_NUMBER_ROW(struct adamax, beta2, 0, 1, 0.999, "share of the greatest gradient that is kept", .flags = PARAM_BELOW_MAX),
    OPTIMIZER_EPSILON_ROW(struct adamax, 1e-8),
    OPTIMIZER_WEIGHT_DECAY_ROW(struct adamax, 0, OPTIMIZER_L2_HELP),
    OPTIMIZER_MAXIMIZE_ROW(struct adamax),
};

struct coefficients {
  float sign, rate, decay, beta1, fresh1, beta2, epsilon;
};

static void loop(const struct optimizer_work *work, size_t begin, size_t end) {
  const struct coefficients c = *(const struct coefficients *)work->coefficients;
  float *restrict w = work->weights, *restrict m = work->slots[0], *restrict u = work->slots[1];
  const float *restrict g = work->gradients;
  for (size_t i = begin; i < end; i++) {
    const float d = c.sign * g[i] + c.decay * w[i], kept = c.beta2 * u[i], fresh = fabsf(d) + c.epsilon;
    m[i] = c.beta1 * m[i] + c.fresh1 * d;
    u[i] = kept > fresh ? kept : fresh;
    w[i] -= c.rate * (m[i] / u[i]);
  }
}

static size_t slot_count(const void *settings) {
  (void)settings;
  return 2;
}

static void step(const void *settings, double learning_rate, const struct parallel *parallel, size_t count, float *weights,
                 const float *gradients, struct optimizer_state *state) {
  const struct adamax *adamax = settings;
  const double t = (double)++state->step, beta1 = optimizer_momentum(state, adamax->beta1);
  struct coefficients coefficients = {.sign = adamax->maximize ? -1 : 1,
                                      .rate = (float)(learning_rate / (1 - pow(beta1, t))),
                                      .decay = (float)adamax->weight_decay,
                                      .beta1 = (float)beta1,
                                      .fresh1 = (float)(1 - beta1),
                                      .beta2 = (float)adamax->beta2,
                                      .epsilon = (float)adamax->epsilon};
  struct optimizer_work work = optimizer_make_work(&coefficients, count, weights, gradients, state, loop);
  optimizer_run(parallel, &work);
}

const struct optimizer_kind optimizer_adamax = {
    .kind = {.name = "adamax",
             .summary = "adam, divided by the greatest recent gradient",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct adamax)},
    .formula = "m ← β₁m + (1 − β₁)g, u ← max(β₂u, |g| + ε), w ← w − η m̂/u",
    .slot_count = slot_count,
    .step = step,
};
