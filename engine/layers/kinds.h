/* The records that layers.c lists, one in each file of this folder. */
#ifndef ENGINE_LAYERS_KINDS_H
#define ENGINE_LAYERS_KINDS_H

#include "engine/layer.h"

extern const struct layer_kind layer_dense;
extern const struct layer_kind layer_activation;
extern const struct layer_kind layer_dropout;
extern const struct layer_kind layer_batch_norm;
extern const struct layer_kind layer_layer_norm;
extern const struct layer_kind layer_add;
extern const struct layer_kind layer_concat;
extern const struct layer_kind layer_flatten;
extern const struct layer_kind layer_reshape;

#endif
