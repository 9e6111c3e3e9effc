/* The augmentations, one per file; augmentation.c puts them into the table. */
#ifndef ENGINE_AUGMENTATIONS_KINDS_H
#define ENGINE_AUGMENTATIONS_KINDS_H

#include <math.h>

#include "engine/augmentation.h"

/* One row a kind, in the order in which they are applied. */
/* clang-format off */
#define AUGMENTATION_KINDS(row) \
  row(augmentation, horizontal_flip) \
  row(augmentation, vertical_flip) \
  row(augmentation, rotation) \
  row(augmentation, shift) \
  row(augmentation, crop) \
  row(augmentation, erasing) \
  row(augmentation, noise) \
  row(augmentation, mixup)
/* clang-format on */
AUGMENTATION_KINDS(KIND_DECLARE)

/* Each file has its row of the parameter table, too: offsets are those of struct augmentation. */
#define AUGMENTATION_DECLARE_PARAMS(sort_, name_) extern const struct param sort_##_##name_##_params[1];
AUGMENTATION_KINDS(AUGMENTATION_DECLARE_PARAMS)

#endif
