/* rmsprop: gradients divided by their recent size (Tieleman, Hinton, Coursera lecture 6e, 2012), PyTorch's RMSprop; `decay` is its alpha.
 *
 *   g ← g + weight_decay · w
 *   s ← decay · s + (1 − decay) g²
 *   centered:   m ← decay · m + (1 − decay) g,  d = √(s − m²) + ε      else   d = √s + ε
 *   momentum:   v ← momentum · v + g/d,  w ← w − η v                   else   w ← w − η g/d
 */
#include "engine/optimizers/optimizers.h"

struct rmsprop {
  struct optimizer_common common;
  double decay, epsilon, weight_decay, momentum;
  bool centered, maximize;
};

static const struct param params[] = {
    OPTIMIZER_LEARNING_RATE_ROW(struct rmsprop, 1e-2),
    PARAM_NUMBER_ROW(struct rmsprop, decay, 0, 1, 0.99, "share of the mean square that is kept (PyTorch's alpha)"),
    OPTIMIZER_EPSILON_ROW(struct rmsprop, 1e-8),
    OPTIMIZER_WEIGHT_DECAY_ROW(struct rmsprop, 0, OPTIMIZER_L2_HELP),
    PARAM_NUMBER_ROW(struct rmsprop, momentum, 0, INFINITY, 0, "share of the last step that is kept"),
    PARAM_BOOLEAN_ROW(struct rmsprop, centered, 0, "divide by the deviation instead of the size"),
    OPTIMIZER_MAXIMIZE_ROW(struct rmsprop),
};

struct coefficients {
  float sign, rate, decay, keep, fresh, momentum, epsilon; /* keep = decay, fresh = 1 − decay */
};

/* d = g + decay · w and s ← …; the same in each of the four loops below. */
static inline float update_square(const struct coefficients *c, float g, float w, float *s) {
  float d = c->sign * g + c->decay * w;
  *s = c->keep * *s + c->fresh * (d * d);
  return d;
}

static inline float centered_root(const struct coefficients *c, float d, float s, float *m) {
  *m = *m + c->fresh * (d - *m);
  float variance = s - *m * *m;
  /* Rounding can leave a variance just below 0. */
  return sqrtf(variance < 0 ? 0 : variance);
}

static void plain_loop(const struct optimizer_work *work, size_t begin, size_t end) {
  const struct coefficients c = *(const struct coefficients *)work->coefficients;
  float *restrict w = work->weights, *restrict s = work->slots[0];
  const float *restrict g = work->gradients;
  for (size_t i = begin; i < end; i++) {
    float d = update_square(&c, g[i], w[i], &s[i]);
    w[i] -= c.rate * (d / (sqrtf(s[i]) + c.epsilon));
  }
}

static void centered_loop(const struct optimizer_work *work, size_t begin, size_t end) {
  const struct coefficients c = *(const struct coefficients *)work->coefficients;
  float *restrict w = work->weights, *restrict s = work->slots[0], *restrict m = work->slots[1];
  const float *restrict g = work->gradients;
  for (size_t i = begin; i < end; i++) {
    float d = update_square(&c, g[i], w[i], &s[i]);
    w[i] -= c.rate * (d / (centered_root(&c, d, s[i], &m[i]) + c.epsilon));
  }
}

static void momentum_loop(const struct optimizer_work *work, size_t begin, size_t end) {
  const struct coefficients c = *(const struct coefficients *)work->coefficients;
  float *restrict w = work->weights, *restrict s = work->slots[0], *restrict v = work->slots[1];
  const float *restrict g = work->gradients;
  for (size_t i = begin; i < end; i++) {
    float d = update_square(&c, g[i], w[i], &s[i]);
    v[i] = c.momentum * v[i] + d / (sqrtf(s[i]) + c.epsilon);
    w[i] -= c.rate * v[i];
  }
}

static void centered_momentum_loop(const struct optimizer_work *work, size_t begin, size_t end) {
  const struct coefficients c = *(const struct coefficients *)work->coefficients;
  float *restrict w = work->weights, *restrict s = work->slots[0], *restrict m = work->slots[1], *restrict v = work->slots[2];
  const float *restrict g = work->gradients;
  for (size_t i = begin; i < end; i++) {
    float d = update_square(&c, g[i], w[i], &s[i]);
    v[i] = c.momentum * v[i] + d / (centered_root(&c, d, s[i], &m[i]) + c.epsilon);
    w[i] -= c.rate * v[i];
  }
}

static size_t slot_count(const void *settings) {
  const struct rmsprop *rmsprop = settings;
  size_t count = 1;
  if (rmsprop->centered) count++;
  if (rmsprop->momentum > 0) count++;
  return count;
}

static void step(const void *settings, double learning_rate, const struct parallel *parallel, size_t count, float *weights,
                 const float *gradients, struct optimizer_state *state) {
  const struct rmsprop *rmsprop = settings;
  bool has_momentum = rmsprop->momentum > 0;
  struct coefficients coefficients = {.sign = rmsprop->maximize ? -1 : 1,
                                      .rate = (float)learning_rate,
                                      .decay = (float)rmsprop->weight_decay,
                                      .keep = (float)rmsprop->decay,
                                      .fresh = (float)(1 - rmsprop->decay),
                                      .momentum = (float)optimizer_momentum(state, rmsprop->momentum),
                                      .epsilon = (float)rmsprop->epsilon};
  struct optimizer_work work = {.coefficients = &coefficients,
                                .count = count,
                                .weights = weights,
                                .gradients = gradients,
                                .slots = {state->slots[0], state->slots[1], state->slots[2]}};
  if (rmsprop->centered)
    work.loop = has_momentum ? centered_momentum_loop : centered_loop;
  else
    work.loop = has_momentum ? momentum_loop : plain_loop;
  optimizer_run(parallel, &work);
  state->step++;
}

const struct optimizer_kind optimizer_rmsprop = {
    .kind = {.name = "rmsprop",
             .summary = "gradient divided by its recent size",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct rmsprop)},
    .formula = "s ← decay·s + (1 − decay) g², w ← w − η g/(√s + ε)",
    .slot_count = slot_count,
    .step = step,
};
