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
  row(layer, conv2d) \
  row(layer, conv1d) \
  row(layer, max_pool2d) \
  row(layer, avg_pool2d) \
  row(layer, max_pool1d) \
  row(layer, avg_pool1d) \
  row(layer, global_avg_pool) \
  row(layer, global_max_pool) \
  row(layer, add) \
  row(layer, concat) \
  row(layer, flatten) \
  row(layer, reshape) \
  row(layer, embedding) \
  row(layer, masking) \
  row(layer, positional_embedding) \
  row(layer, rnn) \
  row(layer, lstm) \
  row(layer, gru) \
  row(layer, self_attention)
/* clang-format on */
LAYER_KINDS(KIND_DECLARE)

/* A masking layer's mask_value. */
double layer_masking_get_value(const struct spec *spec);

#endif
