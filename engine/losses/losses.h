/* The loss kinds, one per file; losses.c puts them into the table. */
#ifndef ENGINE_LOSSES_LOSSES_H
#define ENGINE_LOSSES_LOSSES_H

#include "engine/loss.h"

/* One row a kind, in the order in which they are shown. */
/* clang-format off */
#define LOSS_KINDS(row) \
  row(loss, cross_entropy) \
  row(loss, binary_cross_entropy) \
  row(loss, mean_squared_error) \
  row(loss, mean_absolute_error) \
  row(loss, huber) \
  row(loss, squared_error)
/* clang-format on */
LOSS_KINDS(KIND_DECLARE)

/* The class_weights of cross_entropy's settings. */
const struct numbers *loss_cross_entropy_class_weights(const void *settings);

#endif
