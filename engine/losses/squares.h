/* Σ (a − y)² and its gradient: what squared_error and mean_squared_error share; they differ in what they divide by. */
#ifndef ENGINE_LOSSES_SQUARES_H
#define ENGINE_LOSSES_SQUARES_H

#include "engine/loss.h"

static inline double loss_sum_squares(const struct loss_batch *batch) {
  double sum = 0;
  for (size_t i = 0; i < batch->rows * batch->width; i++) {
    double difference = (double)batch->a[i] - (double)batch->target[i];
    sum += difference * difference;
  }
  return sum;
}

static inline double loss_sum_squares64(const struct loss_batch *batch, const double *a64) {
  double sum = 0;
  for (size_t i = 0; i < batch->rows * batch->width; i++) {
    double difference = a64[i] - (double)batch->target[i];
    sum += difference * difference;
  }
  return sum;
}

/* delta = 2 (a − y) / divisor */
static inline void loss_squares_gradient(const struct loss_batch *batch, double divisor, float *delta) {
  float scale = (float)(2.0 / divisor);
  for (size_t i = 0; i < batch->rows * batch->width; i++) delta[i] = scale * (batch->a[i] - batch->target[i]);
}

#endif
