/* adadelta: steps in the unit of the weights themselves (Zeiler, arXiv:1212.5701), PyTorch's Adadelta.
 *
 *   g ← g + weight_decay · w
 *   s ← rho · s + (1 − rho) g²
 *   d = √(u + ε) / √(s + ε) · g
 *   u ← rho · u + (1 − rho) d²
 *   w ← w − η d
 */
#include "engine/optimizers/optimizers.h"

struct adadelta {
  struct optimizer_common common;
  double rho, epsilon, weight_decay;
  bool maximize;
};

static const struct param params[] = {
    OPTIMIZER_LEARNING_RATE_ROW(struct adadelta, 1),
    PARAM_NUMBER_ROW(struct adadelta, rho, 0, 1, 0.9, "share of the mean squares that is kept"),
    OPTIMIZER_EPSILON_ROW(struct adadelta, 1e-6),
    OPTIMIZER_WEIGHT_DECAY_ROW(struct adadelta, 0, OPTIMIZER_L2_HELP),
    OPTIMIZER_MAXIMIZE_ROW(struct adadelta),
};

struct coefficients {
  float sign, rate, decay, keep, fresh, epsilon; /* keep = rho, fresh = 1 − rho */
};

static void loop(const struct optimizer_work *work, size_t begin, size_t end) {
  const struct coefficients c = *(const struct coefficients *)work->coefficients;
  float *restrict w = work->weights, *restrict s = work->slots[0], *restrict u = work->slots[1];
  const float *restrict g = work->gradients;
  for (size_t i = begin; i < end; i++) {
    float gradient = c.sign * g[i] + c.decay * w[i];
    s[i] = c.keep * s[i] + c.fresh * (gradient * gradient);
    float d = sqrtf(u[i] + c.epsilon) / sqrtf(s[i] + c.epsilon) * gradient;
    u[i] = c.keep * u[i] + c.fresh * (d * d);
    w[i] -= c.rate * d;
  }
}

static size_t slot_count(const void *settings) {
  (void)settings;
  return 2;
}

static void step(const void *settings, double learning_rate, const struct parallel *parallel, size_t count, float *weights,
                 const float *gradients, struct optimizer_state *state) {
  const struct adadelta *adadelta = settings;
  struct coefficients coefficients = {.sign = adadelta->maximize ? -1 : 1,
                                      .rate = (float)learning_rate,
                                      .decay = (float)adadelta->weight_decay,
                                      .keep = (float)adadelta->rho,
                                      .fresh = (float)(1 - adadelta->rho),
                                      .epsilon = (float)adadelta->epsilon};
  struct optimizer_work work = optimizer_make_work(&coefficients, count, weights, gradients, state, loop);
  optimizer_run(parallel, &work);
  state->step++;
}

const struct optimizer_kind optimizer_adadelta = {
    .kind = {.name = "adadelta",
             .summary = "needs no learning rate: steps follow the size of earlier steps",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct adadelta)},
    .formula = "d = √(u + ε)/√(s + ε) · g, w ← w − η d",
    .slot_count = slot_count,
    .step = step,
};
