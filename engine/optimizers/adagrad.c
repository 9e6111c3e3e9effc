/* adagrad: each weight's rate falls with its own past gradients (Duchi, Hazan, Singer, JMLR 2011), PyTorch's Adagrad.
 *
 *   g ← g + weight_decay · w        s ← s + g²        (s starts at initial_accumulator_value)
 *   w ← w − η / (1 + t · lr_decay) · g / (√s + ε)     t = steps taken before this one
 */
#include "engine/optimizers/optimizers.h"

struct adagrad {
  struct optimizer_common common;
  double lr_decay, weight_decay, initial_accumulator_value, epsilon;
  bool maximize;
};

static const struct param params[] = {
    OPTIMIZER_LEARNING_RATE_ROW(struct adagrad, 1e-2),
    PARAM_NUMBER_ROW(struct adagrad, lr_decay, 0, INFINITY, 0, "the rate is divided by 1 + steps · lr_decay"),
    OPTIMIZER_WEIGHT_DECAY_ROW(struct adagrad, 0, OPTIMIZER_L2_HELP),
    PARAM_NUMBER_ROW(struct adagrad, initial_accumulator_value, 0, INFINITY, 0, "where the sum of squared gradients starts"),
    OPTIMIZER_EPSILON_ROW(struct adagrad, 1e-10),
    OPTIMIZER_MAXIMIZE_ROW(struct adagrad),
};

struct coefficients {
  float sign, rate, decay, start, epsilon; /* start: added to s at the first step */
};

static void loop(const struct optimizer_work *work, size_t begin, size_t end) {
  const struct coefficients *c = work->coefficients;
  float *restrict w = work->weights;
  const float *restrict g = work->gradients;
  float *restrict s = work->slots[0];
  const float sign = c->sign, rate = c->rate, decay = c->decay, start = c->start, epsilon = c->epsilon;
  for (size_t i = begin; i < end; i++) {
    float d = sign * g[i] + decay * w[i];
    s[i] = s[i] + start + d * d;
    w[i] -= rate * (d / (sqrtf(s[i]) + epsilon));
  }
}

static size_t slot_count(const void *settings) {
  (void)settings;
  return 1;
}

static void step(const void *settings, double learning_rate, const struct parallel *parallel, size_t count, float *weights,
                 const float *gradients, struct optimizer_state *state) {
  const struct adagrad *adagrad = settings;
  struct coefficients coefficients = {.sign = adagrad->maximize ? -1 : 1,
                                      .rate = (float)(learning_rate / (1 + (double)state->step * adagrad->lr_decay)),
                                      .decay = (float)adagrad->weight_decay,
                                      .start = state->step == 0 ? (float)adagrad->initial_accumulator_value : 0,
                                      .epsilon = (float)adagrad->epsilon};
  struct optimizer_work work = optimizer_make_work(&coefficients, count, weights, gradients, state, loop);
  optimizer_run(parallel, &work);
  state->step++;
}

const struct optimizer_kind optimizer_adagrad = {
    .kind = {.name = "adagrad",
             .summary = "smaller steps for weights that have moved much; for sparse inputs",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct adagrad)},
    .formula = "s ← s + g², w ← w − η g/(√s + ε)",
    .slot_count = slot_count,
    .step = step,
};
