/* Optimizers: w ← w − step(g, state). Loops over flat arrays; one file per kind in optimizers/. Numerics are PyTorch's. */
#ifndef ENGINE_OPTIMIZER_H
#define ENGINE_OPTIMIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/parallel.h"
#include "engine/param.h"

enum { OPTIMIZER_SCALARS = 4, OPTIMIZER_SCRATCH = 7 };

/* What an optimizer remembers. Persisted with every checkpoint. */
struct optimizer_state {
  uint64_t step;     /* steps taken so far; 0 before the first */
  bool has_momentum; /* the schedule sets the next step's momentum, to the value below. Not persisted */
  double momentum;
  double scalars[OPTIMIZER_SCALARS];   /* kind's own (nadam's product of momenta); 0 before the first step */
  float *slots[LIMIT_OPTIMIZER_SLOTS]; /* slot_count(settings) arrays of `count` floats; 0 before the first step */
  float *scratch[OPTIMIZER_SCRATCH];   /* scratch_count(settings) arrays of `count` floats. Not persisted */
};

/* The cost as a function of all weights, for an optimizer that looks at it at several points within one step. */
struct cost_function {
  void *context;
  double start; /* cost at the weights as they are, penalties included */
  /* Cost, penalties included, and its gradient [count] at other weights. False: the step is to be abandoned. */
  bool (*evaluate)(void *context, float *weights, double *out_cost, float *gradients);
};

struct optimizer_kind {
  struct kind kind;
  const char *formula;
  size_t (*slot_count)(const void *settings);
  /* One step over all `count` parameters with the schedule's learning rate. Increments state->step. */
  void (*step)(const void *settings, double learning_rate, const struct parallel *parallel, size_t count, float *weights,
               const float *gradients, struct optimizer_state *state);
  /* For kinds that want more than one gradient a step: */
  bool is_full_batch;                            /* steps are of all training rows, and the gradient is not clipped */
  size_t (*scratch_count)(const void *settings); /* 0: `step` will do; NULL: always */
  /* As `step`, with the cost at hand. False: abandoned; weights and all of the state that counts are as before. */
  bool (*search)(const void *settings, double learning_rate, const struct cost_function *cost, size_t count, float *weights,
                 const float *gradients, struct optimizer_state *state);
};

extern const struct kind_table optimizer_kinds;

static inline const struct optimizer_kind *optimizer_of(const struct spec *spec) { return (const struct optimizer_kind *)spec->kind; }

/* Before the step: g ← g · clip_norm / (norm + 1e-6) if that shrinks it, as PyTorch's clip_grad_norm_, where `norm` is that of the whole
 * gradient; then each value into ±clip_value. NAN: without that bound. */
void gradient_clip(double clip_norm, double clip_value, double norm, size_t count, float *gradients);

/* Every optimizer's settings start with this. */
struct optimizer_common {
  double learning_rate;
};

#endif
