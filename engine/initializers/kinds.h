/* The records that initializers.c lists, one in each file of this folder. */
#ifndef ENGINE_INITIALIZERS_KINDS_H
#define ENGINE_INITIALIZERS_KINDS_H

#include "engine/initializer.h"

extern const struct initializer_kind initializer_glorot_uniform;
extern const struct initializer_kind initializer_glorot_normal;
extern const struct initializer_kind initializer_he_uniform;
extern const struct initializer_kind initializer_he_normal;
extern const struct initializer_kind initializer_lecun_normal;
extern const struct initializer_kind initializer_uniform;
extern const struct initializer_kind initializer_normal;
extern const struct initializer_kind initializer_orthogonal;
extern const struct initializer_kind initializer_zeros;

#endif
