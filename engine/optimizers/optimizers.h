/* The optimizer kinds, one per file, and what they share: how the flat arrays are cut into pieces.
 *
 * Each weight's step is a function of that weight, its gradient and its slots alone; a piece is a fixed number of weights, so that the
 * same bits come out for any number of threads. In the formulas g is the gradient, w the weight, η the learning rate.
 */
#ifndef ENGINE_OPTIMIZERS_OPTIMIZERS_H
#define ENGINE_OPTIMIZERS_OPTIMIZERS_H

#include <math.h>
#include <stdbool.h>

#include "engine/optimizer.h"

enum { OPTIMIZER_PIECE = 1 << 14, OPTIMIZER_WORK_SLOTS = 4 };

/* One row a kind, in the order in which they are shown. */
/* clang-format off */
#define OPTIMIZER_KINDS(row) \
  row(optimizer, adam) \
  row(optimizer, adamw) \
  row(optimizer, nadam) \
  row(optimizer, sgd) \
  row(optimizer, rmsprop) \
  row(optimizer, adagrad) \
  row(optimizer, adadelta) \
  row(optimizer, adamax) \
  row(optimizer, radam) \
  row(optimizer, lion) \
  row(optimizer, rprop) \
  row(optimizer, lbfgs)
/* clang-format on */
OPTIMIZER_KINDS(KIND_DECLARE)

/* The rows that optimizers have in common; `type_`'s first member is a struct optimizer_common named `common`. */
#define OPTIMIZER_LEARNING_RATE_ROW(type_, default_)                                                                                       \
  {                                                                                                                                        \
    .name = "learning_rate", .type = PARAM_NUMBER, .offset = offsetof(type_, common.learning_rate), .min = 0, .max = INFINITY,             \
    .default_value = (default_), .flags = PARAM_ABOVE_MIN, .help = "size of a step (η)"                                                   \
  }
#define OPTIMIZER_EPSILON_ROW(type_, default_)                                                                                             \
  PARAM_NUMBER_ROW(type_, epsilon, 0, INFINITY, default_, "added to the divisor so that it is never 0")
#define OPTIMIZER_WEIGHT_DECAY_ROW(type_, default_, help_) PARAM_NUMBER_ROW(type_, weight_decay, 0, INFINITY, default_, help_)
#define OPTIMIZER_MAXIMIZE_ROW(type_) PARAM_BOOLEAN_ROW(type_, maximize, 0, "climb instead of descend")

#define OPTIMIZER_L2_HELP "L2 penalty added to the gradient: g + weight_decay · w"

/* One step over flat arrays. A kind's own coefficients stand in the struct that `coefficients` points to. */
struct optimizer_work {
  const void *coefficients;
  size_t count;
  float *weights;
  const float *gradients;
  float *slots[OPTIMIZER_WORK_SLOTS];
  void (*loop)(const struct optimizer_work *work, size_t begin, size_t end);
};

/* The momentum of a step: the schedule's, or else the settings'. One that the settings have as 0 stays off: it has no slot. */
static inline double optimizer_momentum(const struct optimizer_state *state, double own) {
  return state->has_momentum && own != 0 ? state->momentum : own;
}

/* A step of `loop` on the state's slots. */
static inline struct optimizer_work optimizer_make_work(const void *coefficients, size_t count, float *weights, const float *gradients,
                                                        const struct optimizer_state *state,
                                                        void (*loop)(const struct optimizer_work *work, size_t begin, size_t end)) {
  struct optimizer_work work = {.coefficients = coefficients, .count = count, .weights = weights, .gradients = gradients, .loop = loop};
  for (size_t slot = 0; slot < OPTIMIZER_WORK_SLOTS; slot++) work.slots[slot] = state->slots[slot];
  return work;
}

/* Runs work->loop over all pieces. */
void optimizer_run(const struct parallel *parallel, struct optimizer_work *work);

#endif
