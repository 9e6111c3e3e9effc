/* The loss kinds, one per file; losses.c puts them into the table. */
#ifndef ENGINE_LOSSES_LOSSES_H
#define ENGINE_LOSSES_LOSSES_H

#include "engine/loss.h"

extern const struct loss_kind loss_squared_error;
extern const struct loss_kind loss_mean_squared_error;
extern const struct loss_kind loss_mean_absolute_error;
extern const struct loss_kind loss_huber;
extern const struct loss_kind loss_binary_cross_entropy;
extern const struct loss_kind loss_cross_entropy;

/* The class_weights of cross_entropy's settings. */
const struct numbers *loss_cross_entropy_class_weights(const void *settings);

#endif
