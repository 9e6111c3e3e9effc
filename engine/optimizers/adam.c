/* adam: mean gradient over its recent size (Kingma, Ba, arXiv:1412.6980), PyTorch's Adam. At step t, from 1:
 *
 *   g ← g + weight_decay · w                       (adamw instead: w ← w − η weight_decay w)
 *   m ← β₁ m + (1 − β₁) g
 *   v ← β₂ v + (1 − β₂) g²                         amsgrad: v̂ ← max(v̂, v), used in place of v below
 *   w ← w − η/(1 − β₁ᵗ) · m / (√v/√(1 − β₂ᵗ) + ε)
 */
#include "engine/optimizers/adam.h"

static const struct param params[] = {
    OPTIMIZER_LEARNING_RATE_ROW(struct adam, 1e-3),
    ADAM_BETA1_ROW(struct adam),
    ADAM_BETA2_ROW(struct adam),
    OPTIMIZER_EPSILON_ROW(struct adam, 1e-8),
    OPTIMIZER_WEIGHT_DECAY_ROW(struct adam, 0, OPTIMIZER_L2_HELP),
    ADAM_AMSGRAD_ROW(struct adam),
    OPTIMIZER_MAXIMIZE_ROW(struct adam),
};

struct coefficients {
  float sign, rate, decay, shrink, beta1, fresh1, beta2, fresh2, root, epsilon; /* root = 1/√(1 − β₂ᵗ) */
};

static inline float update_means(const struct coefficients *c, float g, float *w, float *m, float *v) {
  *w *= c->shrink;
  float d = c->sign * g + c->decay * *w;
  *v = c->beta2 * *v + c->fresh2 * (d * d);
  return *m = c->beta1 * *m + c->fresh1 * d;
}

static void loop(const struct optimizer_work *work, size_t begin, size_t end) {
  const struct coefficients c = *(const struct coefficients *)work->coefficients;
  float *restrict w = work->weights, *restrict m = work->slots[0], *restrict v = work->slots[1];
  const float *restrict g = work->gradients;
  for (size_t i = begin; i < end; i++) {
    float mean = update_means(&c, g[i], &w[i], &m[i], &v[i]);
    w[i] -= c.rate * (mean / (sqrtf(v[i]) * c.root + c.epsilon));
  }
}

static void amsgrad_loop(const struct optimizer_work *work, size_t begin, size_t end) {
  const struct coefficients c = *(const struct coefficients *)work->coefficients;
  float *restrict w = work->weights, *restrict m = work->slots[0], *restrict v = work->slots[1], *restrict greatest = work->slots[2];
  const float *restrict g = work->gradients;
  for (size_t i = begin; i < end; i++) {
    float mean = update_means(&c, g[i], &w[i], &m[i], &v[i]);
    greatest[i] = v[i] > greatest[i] ? v[i] : greatest[i];
    w[i] -= c.rate * (mean / (sqrtf(greatest[i]) * c.root + c.epsilon));
  }
}

size_t adam_slot_count(const void *settings) { return ((const struct adam *)settings)->amsgrad ? 3 : 2; }

void adam_step(const struct adam *adam, bool is_decoupled, double learning_rate, const struct parallel *parallel,
               struct optimizer_work *work, struct optimizer_state *state) {
  double t = (double)++state->step, beta1 = optimizer_momentum(state, adam->beta1);
  struct coefficients coefficients = {.sign = adam->maximize ? -1 : 1,
                                      .rate = (float)(learning_rate / (1 - pow(beta1, t))),
                                      .decay = is_decoupled ? 0 : (float)adam->weight_decay,
                                      .shrink = is_decoupled ? (float)(1 - learning_rate * adam->weight_decay) : 1,
                                      .beta1 = (float)beta1,
                                      .fresh1 = (float)(1 - beta1),
                                      .beta2 = (float)adam->beta2,
                                      .fresh2 = (float)(1 - adam->beta2),
                                      .root = (float)(1 / sqrt(1 - pow(adam->beta2, t))),
                                      .epsilon = (float)adam->epsilon};
  work->coefficients = &coefficients;
  work->loop = adam->amsgrad ? amsgrad_loop : loop;
  for (size_t i = 0; i < adam_slot_count(adam); i++) work->slots[i] = state->slots[i];
  optimizer_run(parallel, work);
}

static void step(const void *settings, double learning_rate, const struct parallel *parallel, size_t count, float *weights,
                 const float *gradients, struct optimizer_state *state) {
  struct optimizer_work work = {.count = count, .weights = weights, .gradients = gradients};
  adam_step(settings, false, learning_rate, parallel, &work, state);
}

const struct optimizer_kind optimizer_adam = {
    .kind = {.name = "adam",
             .summary = "mean gradient over its recent size; a good first choice",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct adam)},
    .formula = "m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², w ← w − η m̂/(√v̂ + ε)",
    .slot_count = adam_slot_count,
    .step = step,
};
