/* radam: adam that takes the mean square into account only once enough gradients are in it (Liu et al., "On the variance of the adaptive
 * learning rate and beyond", ICLR 2020), PyTorch's RAdam. At step t, from 1:
 *
 *   g ← g + weight_decay · w                 (decoupled: w ← w − η weight_decay w)
 *   m ← β₁ m + (1 − β₁) g                    v ← β₂ v + (1 − β₂) g²
 *   ρ∞ = 2/(1 − β₂) − 1                      ρ = ρ∞ − 2t β₂ᵗ/(1 − β₂ᵗ)
 *   ρ > 5:  w ← w − η/(1 − β₁ᵗ) · m · r √(1 − β₂ᵗ)/(√v + ε),   r² = (ρ − 4)(ρ − 2)ρ∞ / ((ρ∞ − 4)(ρ∞ − 2)ρ)
 *   else    w ← w − η/(1 − β₁ᵗ) · m
 */
#include "engine/optimizers/adam.h"

struct radam {
  struct optimizer_common common;
  double beta1, beta2, epsilon, weight_decay;
  bool decoupled_weight_decay, maximize;
};

static const double LEAST_LENGTH = 5; /* of the moving average: ρ above which v counts */

static const struct param params[] = {
    OPTIMIZER_LEARNING_RATE_ROW(struct radam, 1e-3),
    ADAM_BETA1_ROW(struct radam),
    ADAM_BETA2_ROW(struct radam),
    OPTIMIZER_EPSILON_ROW(struct radam, 1e-8),
    OPTIMIZER_WEIGHT_DECAY_ROW(struct radam, 0, OPTIMIZER_L2_HELP),
    PARAM_BOOLEAN_ROW(struct radam, decoupled_weight_decay, 0, "shrink the weights as adamw does"),
    OPTIMIZER_MAXIMIZE_ROW(struct radam),
};

struct coefficients {
  float sign, rate, decay, shrink, beta1, fresh1, beta2, fresh2, epsilon; /* rate includes r √(1 − β₂ᵗ) where v counts */
};

static inline float update_means(const struct coefficients *c, float g, float *w, float *m, float *v) {
  *w *= c->shrink;
  const float d = c->sign * g + c->decay * *w;
  *v = c->beta2 * *v + c->fresh2 * (d * d);
  return *m = c->beta1 * *m + c->fresh1 * d;
}

static void adaptive_loop(const struct optimizer_work *work, size_t begin, size_t end) {
  const struct coefficients c = *(const struct coefficients *)work->coefficients;
  float *restrict w = work->weights, *restrict m = work->slots[0], *restrict v = work->slots[1];
  const float *restrict g = work->gradients;
  for (size_t i = begin; i < end; i++) {
    const float mean = update_means(&c, g[i], &w[i], &m[i], &v[i]);
    w[i] -= c.rate * (mean / (sqrtf(v[i]) + c.epsilon));
  }
}

static void plain_loop(const struct optimizer_work *work, size_t begin, size_t end) {
  const struct coefficients c = *(const struct coefficients *)work->coefficients;
  float *restrict w = work->weights, *restrict m = work->slots[0], *restrict v = work->slots[1];
  const float *restrict g = work->gradients;
  for (size_t i = begin; i < end; i++) w[i] -= c.rate * update_means(&c, g[i], &w[i], &m[i], &v[i]);
}

static size_t slot_count(const void *settings) {
  (void)settings;
  return 2;
}

/* r √(1 − β₂ᵗ), or 0 while v doesn't count. */
static double rectification(double beta2, double t) {
  const double longest = 2 / (1 - beta2) - 1, power = pow(beta2, t);
  const double length = longest - 2 * t * power / (1 - power);
  if (!(length > LEAST_LENGTH)) return 0;
  return sqrt((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)) * sqrt(1 - power);
}

static void step(const void *settings, double learning_rate, const struct parallel *parallel, size_t count, float *weights,
                 const float *gradients, struct optimizer_state *state) {
  const struct radam *radam = settings;
  const double t = (double)++state->step, beta1 = optimizer_momentum(state, radam->beta1);
  const double rate = learning_rate / (1 - pow(beta1, t)), factor = rectification(radam->beta2, t);
  const bool is_decoupled = radam->decoupled_weight_decay;
  struct coefficients coefficients = {.sign = radam->maximize ? -1 : 1,
                                      .rate = (float)(factor > 0 ? rate * factor : rate),
                                      .decay = is_decoupled ? 0 : (float)radam->weight_decay,
                                      .shrink = is_decoupled ? (float)(1 - learning_rate * radam->weight_decay) : 1,
                                      .beta1 = (float)beta1,
                                      .fresh1 = (float)(1 - beta1),
                                      .beta2 = (float)radam->beta2,
                                      .fresh2 = (float)(1 - radam->beta2),
                                      .epsilon = (float)radam->epsilon};
  struct optimizer_work work =
      optimizer_make_work(&coefficients, count, weights, gradients, state, factor > 0 ? adaptive_loop : plain_loop);
  optimizer_run(parallel, &work);
}

const struct optimizer_kind optimizer_radam = {
    .kind = {.name = "radam",
             .summary = "adam that warms itself up: rectified while its mean square is of few gradients",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct radam)},
    .formula = "m, v as adam; w ← w − η r m̂/(√v̂ + ε), r by how many gradients v holds",
    .slot_count = slot_count,
    .step = step,
};
