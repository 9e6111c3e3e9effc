/* What adam and adamw share: they differ only in where the weight decay enters. */
#ifndef ENGINE_OPTIMIZERS_ADAM_H
#define ENGINE_OPTIMIZERS_ADAM_H

#include "engine/optimizers/optimizers.h"

struct adam {
  struct optimizer_common common;
  double beta1, beta2, epsilon, weight_decay;
  bool amsgrad, maximize;
};

#define ADAM_BETA1_ROW(type_) PARAM_NUMBER_ROW(type_, beta1, 0, 1, 0.9, "share of the mean gradient that is kept", .flags = PARAM_BELOW_MAX)
#define ADAM_BETA2_ROW(type_)                                                                                                              \
  PARAM_NUMBER_ROW(type_, beta2, 0, 1, 0.999, "share of the mean squared gradient that is kept", .flags = PARAM_BELOW_MAX)
#define ADAM_AMSGRAD_ROW(type_)                                                                                                            \
  PARAM_BOOLEAN_ROW(type_, amsgrad, 0, "divide by the greatest mean square so far (Reddi, Kale, Kumar, ICLR 2018)")

size_t adam_slot_count(const void *settings);

/* One step; with `is_decoupled` the weights shrink by η · weight_decay, else weight_decay · w is added to the gradient. */
void adam_step(const struct adam *adam, bool is_decoupled, double learning_rate, const struct parallel *parallel,
               struct optimizer_work *work, struct optimizer_state *state);

#endif
