/* sgd: stochastic gradient descent with momentum (Polyak 1964; Sutskever et al., ICML 2013), PyTorch's SGD.
 *
 *   g ← g + weight_decay · w
 *   v ← g at the first step, else momentum · v + (1 − dampening) g
 *   w ← w − η v,   with nesterov   w ← w − η (g + momentum · v)
 */
#include "engine/optimizers/optimizers.h"

struct sgd {
  struct optimizer_common common;
  double momentum, dampening, weight_decay;
  bool nesterov, maximize;
};

static const struct param params[] = {
    OPTIMIZER_LEARNING_RATE_ROW(struct sgd, 1e-3),
    PARAM_NUMBER_ROW(struct sgd, momentum, 0, INFINITY, 0, "share of the last step that is kept"),
    PARAM_NUMBER_ROW(struct sgd, dampening, -INFINITY, INFINITY, 0, "share of the gradient that momentum leaves out"),
    OPTIMIZER_WEIGHT_DECAY_ROW(struct sgd, 0, OPTIMIZER_L2_HELP),
    PARAM_BOOLEAN_ROW(struct sgd, nesterov, 0, "look ahead along the momentum; needs momentum > 0 and dampening 0"),
    OPTIMIZER_MAXIMIZE_ROW(struct sgd),
};

struct coefficients {
  float sign, rate, decay, momentum, fresh; /* fresh = 1 − dampening */
  bool nesterov;
};

static void plain_loop(const struct optimizer_work *work, size_t begin, size_t end) {
  const struct coefficients *c = work->coefficients;
  float *restrict w = work->weights;
  const float *restrict g = work->gradients;
  const float sign = c->sign, rate = c->rate, decay = c->decay;
  for (size_t i = begin; i < end; i++) w[i] -= rate * (sign * g[i] + decay * w[i]);
}

static void momentum_loop(const struct optimizer_work *work, size_t begin, size_t end) {
  const struct coefficients *c = work->coefficients;
  float *restrict w = work->weights;
  const float *restrict g = work->gradients;
  float *restrict v = work->slots[0];
  const float sign = c->sign, rate = c->rate, decay = c->decay, momentum = c->momentum, fresh = c->fresh;
  const float gradient_share = c->nesterov ? 1 : 0, velocity_share = c->nesterov ? momentum : 1;
  for (size_t i = begin; i < end; i++) {
    float d = sign * g[i] + decay * w[i];
    v[i] = momentum * v[i] + fresh * d;
    w[i] -= rate * (gradient_share * d + velocity_share * v[i]);
  }
}

static size_t slot_count(const void *settings) { return ((const struct sgd *)settings)->momentum != 0 ? 1 : 0; }

static void step(const void *settings, double learning_rate, const struct parallel *parallel, size_t count, float *weights,
                 const float *gradients, struct optimizer_state *state) {
  const struct sgd *sgd = settings;
  /* The velocity starts as the first gradient, undampened. */
  double dampening = state->step == 0 ? 0 : sgd->dampening;
  struct coefficients coefficients = {.sign = sgd->maximize ? -1 : 1,
                                      .rate = (float)learning_rate,
                                      .decay = (float)sgd->weight_decay,
                                      .momentum = (float)optimizer_momentum(state, sgd->momentum),
                                      .fresh = (float)(1 - dampening),
                                      .nesterov = sgd->nesterov};
  struct optimizer_work work = {.coefficients = &coefficients,
                                .count = count,
                                .weights = weights,
                                .gradients = gradients,
                                .slots = {state->slots[0]},
                                .loop = sgd->momentum != 0 ? momentum_loop : plain_loop};
  optimizer_run(parallel, &work);
  state->step++;
}

static enum error_code check(const void *settings, const char *pointer, struct error *error) {
  const struct sgd *sgd = settings;
  if (!sgd->nesterov || (sgd->momentum > 0 && sgd->dampening == 0)) return ERROR_NONE;
  char path[ERROR_POINTER_BYTES];
  error_pointer(path, pointer, "nesterov");
  return error_add(error, path, "needs momentum above 0 and dampening 0");
}

const struct optimizer_kind optimizer_sgd = {
    .kind = {.name = "sgd",
             .summary = "gradient descent, with or without momentum",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct sgd),
             .check = check},
    .formula = "v ← momentum·v + g, w ← w − η v",
    .slot_count = slot_count,
    .step = step,
};
