/* The records that activations.c lists, one in each file of this folder. */
#ifndef ENGINE_ACTIVATIONS_KINDS_H
#define ENGINE_ACTIVATIONS_KINDS_H

#include "engine/activation.h"

/* One row a kind, in the order in which they are shown. */
/* clang-format off */
#define ACTIVATION_KINDS(row) \
  row(activation, linear) \
  row(activation, sigmoid) \
  row(activation, tanh) \
  row(activation, relu) \
  row(activation, leaky_relu) \
  row(activation, elu) \
  row(activation, selu) \
  row(activation, gelu) \
  row(activation, silu) \
  row(activation, softplus) \
  row(activation, hard_sigmoid) \
  row(activation, mish) \
  row(activation, softmax)
/* clang-format on */
ACTIVATION_KINDS(KIND_DECLARE)

#endif
