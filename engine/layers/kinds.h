/* The records that layers.c lists, one in each file of this folder. */
#ifndef ENGINE_LAYERS_KINDS_H
#define ENGINE_LAYERS_KINDS_H

#include "engine/layer.h"

/* One row a kind, in the order in which they are shown. */
/* clang-format off */
#define LAYER_KINDS(row) \
  row(layer, dense) \
  row(layer, activation) \
  row(layer, dropout) \
  row(layer, batch_norm) \
  row(layer, layer_norm) \
  row(layer, add) \
  row(layer, concat) \
  row(layer, flatten) \
  row(layer, reshape) \
  row(layer, embedding) \
  row(layer, masking) \
  row(layer, self_attention)
/* clang-format on */
LAYER_KINDS(KIND_DECLARE)

#endif
