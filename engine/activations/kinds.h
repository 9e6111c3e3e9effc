/* The records that activations.c lists, one in each file of this folder. */
#ifndef ENGINE_ACTIVATIONS_KINDS_H
#define ENGINE_ACTIVATIONS_KINDS_H

#include "engine/activation.h"

extern const struct activation_kind activation_linear;
extern const struct activation_kind activation_sigmoid;
extern const struct activation_kind activation_tanh;
extern const struct activation_kind activation_relu;
extern const struct activation_kind activation_leaky_relu;
extern const struct activation_kind activation_elu;
extern const struct activation_kind activation_selu;
extern const struct activation_kind activation_gelu;
extern const struct activation_kind activation_silu;
extern const struct activation_kind activation_softplus;
extern const struct activation_kind activation_hard_sigmoid;
extern const struct activation_kind activation_mish;
extern const struct activation_kind activation_softmax;

#endif
