/* nadam: adam with Nesterov's look-ahead (Dozat, ICLR workshop 2016), PyTorch's NAdam. At step t, from 1:
 *
 *   g ← g + weight_decay · w                 (decoupled: w ← w − η weight_decay w)
 *   μₜ = β₁ (1 − ½ · 0.96^(t · momentum_decay))        M ← M μₜ
 *   m ← β₁ m + (1 − β₁) g                    v ← β₂ v + (1 − β₂) g²
 *   w ← w − η [ (1 − μₜ)/(1 − M) g + μₜ₊₁/(1 − M μₜ μₜ₊₁) m ] / (√(v/(1 − β₂ᵗ)) + ε)
 *
 * The second μₜ in the last line is PyTorch 1.13's, whose numbers tests/golden holds; the paper has M μₜ₊₁ there.
 */
#include "engine/optimizers/adam.h"

struct nadam {
  struct optimizer_common common;
  double beta1, beta2, epsilon, weight_decay, momentum_decay;
  bool decoupled_weight_decay, maximize;
};

enum { MOMENTUM_PRODUCT = 0 }; /* M among the state's scalars */

static const struct param params[] = {
    OPTIMIZER_LEARNING_RATE_ROW(struct nadam, 2e-3),
    ADAM_BETA1_ROW(struct nadam),
    ADAM_BETA2_ROW(struct nadam),
    OPTIMIZER_EPSILON_ROW(struct nadam, 1e-8),
    OPTIMIZER_WEIGHT_DECAY_ROW(struct nadam, 0, OPTIMIZER_L2_HELP),
    PARAM_NUMBER_ROW(struct nadam, momentum_decay, 0, INFINITY, 4e-3, "how fast the momentum grows to beta1"),
    PARAM_BOOLEAN_ROW(struct nadam, decoupled_weight_decay, 0, "shrink the weights as adamw does"),
    OPTIMIZER_MAXIMIZE_ROW(struct nadam),
};

struct coefficients {
  float sign, gradient_rate, mean_rate, decay, shrink, beta1, fresh1, beta2, fresh2, root, epsilon; /* root = 1/√(1 − β₂ᵗ) */
};

static void loop(const struct optimizer_work *work, size_t begin, size_t end) {
  const struct coefficients c = *(const struct coefficients *)work->coefficients;
  float *restrict w = work->weights, *restrict m = work->slots[0], *restrict v = work->slots[1];
  const float *restrict g = work->gradients;
  for (size_t i = begin; i < end; i++) {
    float weight = w[i] * c.shrink;
    float d = c.sign * g[i] + c.decay * weight;
    m[i] = c.beta1 * m[i] + c.fresh1 * d;
    v[i] = c.beta2 * v[i] + c.fresh2 * (d * d);
    w[i] = weight - (c.gradient_rate * d + c.mean_rate * m[i]) / (sqrtf(v[i]) * c.root + c.epsilon);
  }
}

static size_t slot_count(const void *settings) {
  (void)settings;
  return 2;
}

static double momentum_at(const struct nadam *nadam, double beta1, double t) {
  return beta1 * (1 - 0.5 * pow(0.96, t * nadam->momentum_decay));
}

static void step(const void *settings, double learning_rate, const struct parallel *parallel, size_t count, float *weights,
                 const float *gradients, struct optimizer_state *state) {
  const struct nadam *nadam = settings;
  double product = state->step == 0 ? 1 : state->scalars[MOMENTUM_PRODUCT];
  double t = (double)++state->step;
  double beta1 = optimizer_momentum(state, nadam->beta1);
  double momentum = momentum_at(nadam, beta1, t), next = momentum_at(nadam, beta1, t + 1);
  product *= momentum;
  state->scalars[MOMENTUM_PRODUCT] = product;
  bool is_decoupled = nadam->decoupled_weight_decay;
  struct coefficients coefficients = {.sign = nadam->maximize ? -1 : 1,
                                      .gradient_rate = (float)(learning_rate * (1 - momentum) / (1 - product)),
                                      .mean_rate = (float)(learning_rate * next / (1 - product * momentum * next)),
                                      .decay = is_decoupled ? 0 : (float)nadam->weight_decay,
                                      .shrink = is_decoupled ? (float)(1 - learning_rate * nadam->weight_decay) : 1,
                                      .beta1 = (float)beta1,
                                      .fresh1 = (float)(1 - beta1),
                                      .beta2 = (float)nadam->beta2,
                                      .fresh2 = (float)(1 - nadam->beta2),
                                      .root = (float)(1 / sqrt(1 - pow(nadam->beta2, t))),
                                      .epsilon = (float)nadam->epsilon};
  struct optimizer_work work = optimizer_make_work(&coefficients, count, weights, gradients, state, loop);
  optimizer_run(parallel, &work);
}

const struct optimizer_kind optimizer_nadam = {
    .kind = {.name = "nadam",
             .summary = "adam with Nesterov momentum",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct nadam)},
    .formula = "w ← w − η (μ′m̂ + (1 − μ)ĝ)/(√v̂ + ε)",
    .slot_count = slot_count,
    .step = step,
};
