/* rprop: a step size for each weight that grows while its gradient keeps its sign and shrinks when it turns (Riedmiller, Braun, "A direct
 * adaptive method for faster backpropagation learning: the RPROP algorithm", ICNN 1993), PyTorch's Rprop. Made for full batches: it looks
 * at signs alone. The learning rate is the step size at the start.
 *
 *   h ← h · eta_plus   if g g₋₁ > 0,     h · eta_minus   if g g₋₁ < 0, and then g ← 0;     within step_size_min … step_size_max
 *   w ← w − h sign(g)
 */
#include "engine/optimizers/optimizers.h"

struct rprop {
  struct optimizer_common common;
  double eta_minus, eta_plus, step_size_min, step_size_max;
  bool maximize;
};

static const struct param params[] = {
    OPTIMIZER_LEARNING_RATE_ROW(struct rprop, 1e-2),
    PARAM_NUMBER_ROW(struct rprop, eta_minus, 0, 1, 0.5, "factor on the step size of a weight whose gradient turns",
                     .flags = PARAM_ABOVE_MIN | PARAM_BELOW_MAX),
    PARAM_NUMBER_ROW(struct rprop, eta_plus, 1, INFINITY, 1.2, "factor on that of one whose gradient keeps its sign",
                     .flags = PARAM_ABOVE_MIN),
    PARAM_NUMBER_ROW(struct rprop, step_size_min, 0, INFINITY, 1e-6, "least step size"),
    PARAM_NUMBER_ROW(struct rprop, step_size_max, 0, INFINITY, 50, "greatest step size", .flags = PARAM_ABOVE_MIN),
    OPTIMIZER_MAXIMIZE_ROW(struct rprop),
};

enum { PREVIOUS, SIZE, SLOTS }; /* g₋₁ and h */

struct coefficients {
  float sign, start, minus, plus, least, greatest;
  bool is_first;
};

static void loop(const struct optimizer_work *work, size_t begin, size_t end) {
  const struct coefficients c = *(const struct coefficients *)work->coefficients;
  float *restrict w = work->weights, *restrict previous = work->slots[PREVIOUS], *restrict h = work->slots[SIZE];
  const float *restrict g = work->gradients;
  for (size_t i = begin; i < end; i++) {
    float d = c.sign * g[i];
    const float agreement = d * previous[i], factor = agreement > 0 ? c.plus : agreement < 0 ? c.minus : 1;
    const float size = (c.is_first ? c.start : h[i]) * factor;
    h[i] = size < c.least ? c.least : size > c.greatest ? c.greatest : size;
    d = agreement < 0 ? 0 : d;
    w[i] -= h[i] * ((float)(d > 0) - (float)(d < 0));
    previous[i] = d;
  }
}

static size_t slot_count(const void *settings) {
  (void)settings;
  return SLOTS;
}

static void step(const void *settings, double learning_rate, const struct parallel *parallel, size_t count, float *weights,
                 const float *gradients, struct optimizer_state *state) {
  const struct rprop *rprop = settings;
  struct coefficients coefficients = {.sign = rprop->maximize ? -1 : 1,
                                      .start = (float)learning_rate,
                                      .minus = (float)rprop->eta_minus,
                                      .plus = (float)rprop->eta_plus,
                                      .least = (float)rprop->step_size_min,
                                      .greatest = (float)rprop->step_size_max,
                                      .is_first = state->step == 0};
  struct optimizer_work work = optimizer_make_work(&coefficients, count, weights, gradients, state, loop);
  optimizer_run(parallel, &work);
  state->step++;
}

static enum error_code check(const void *settings, const char *pointer, struct error *error) {
  const struct rprop *rprop = settings;
  if (rprop->step_size_min <= rprop->step_size_max) return ERROR_NONE;
  char path[ERROR_POINTER_BYTES];
  error_pointer(path, pointer, "step_size_min");
  return error_add(error, path, "must be at most step_size_max, %g", rprop->step_size_max);
}

const struct optimizer_kind optimizer_rprop = {
    .kind = {.name = "rprop",
             .summary = "a step size for each weight, by whether its gradient keeps its sign; for full batches",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct rprop),
             .check = check},
    .formula = "h ← h · (η⁺ if g g₋₁ > 0, η⁻ if g g₋₁ < 0), w ← w − h sign(g)",
    .slot_count = slot_count,
    .step = step,
};
