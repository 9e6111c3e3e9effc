/* Algorithms: how a step over one batch changes the weights. The protocol between the training loop and a kind; private to the engine. */
#ifndef ENGINE_ALGORITHMS_ALGORITHM_H
#define ENGINE_ALGORITHMS_ALGORITHM_H

#include "engine/train_private.h"

/* Cost of a batch before the step, without penalties. */
struct step_cost {
  double loss_sum, loss_weight;
};

struct algorithm_kind {
  struct kind kind;
  const char *formula;
  /* batch_x and batch_y hold `rows` rows, learning_rate is the schedule's. Writes gradients, position.gradient_norm and the new weights.
   * False, with the weights unchanged, if the loss or the gradient is not finite. */
  bool (*step)(struct trainer *trainer, size_t rows, struct step_cost *out_cost);
  /* The step itself calls trainer_settle before it first writes to parameters or optimizer slots; else that is done before the step. */
  bool settles;
};

/* For kinds that have a gradient: penalties, norm, clipping, learning rate, optimizer. False if the norm is not finite. Settles. */
bool algorithm_descend(struct trainer *trainer);

/* One row a kind, in the order in which they are shown. */
#define ALGORITHM_KINDS(row) row(algorithm, backprop)
ALGORITHM_KINDS(KIND_DECLARE)

static inline const struct algorithm_kind *algorithm_of(const struct spec *spec) { return (const struct algorithm_kind *)spec->kind; }

#endif
