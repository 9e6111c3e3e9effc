/* The records that initializers.c lists, one in each file of this folder. */
#ifndef ENGINE_INITIALIZERS_KINDS_H
#define ENGINE_INITIALIZERS_KINDS_H

#include "engine/initializer.h"

/* One row a kind, in the order in which they are shown. */
/* clang-format off */
#define INITIALIZER_KINDS(row) \
  row(initializer, glorot_uniform) \
  row(initializer, glorot_normal) \
  row(initializer, he_uniform) \
  row(initializer, he_normal) \
  row(initializer, lecun_normal) \
  row(initializer, uniform) \
  row(initializer, normal) \
  row(initializer, orthogonal) \
  row(initializer, zeros)
/* clang-format on */
INITIALIZER_KINDS(KIND_DECLARE)

#endif
