/* Sums over float32 arrays, taken in float64 in a fixed order that vector code can follow: value i belongs to partial sum i mod 8. */
#ifndef ENGINE_REDUCE_H
#define ENGINE_REDUCE_H

#include <stddef.h>

enum { REDUCE_LANES = 8 };

static inline double reduce_lanes(const double lanes[REDUCE_LANES]) {
  return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

/* Σ x */
static inline double reduce_sum(size_t count, const float *x) {
  double lanes[REDUCE_LANES] = {0};
  size_t i = 0;
  for (; i + REDUCE_LANES <= count; i += REDUCE_LANES)
    for (size_t lane = 0; lane < REDUCE_LANES; lane++) lanes[lane] += (double)x[i + lane];
  for (size_t lane = 0; i < count; i++, lane++) lanes[lane] += (double)x[i];
  return reduce_lanes(lanes);
}

/* Σ (x − x_shift) (y − y_shift) */
static inline double reduce_product(size_t count, const float *x, double x_shift, const float *y, double y_shift) {
  double lanes[REDUCE_LANES] = {0};
  size_t i = 0;
  for (; i + REDUCE_LANES <= count; i += REDUCE_LANES)
    for (size_t lane = 0; lane < REDUCE_LANES; lane++) lanes[lane] += ((double)x[i + lane] - x_shift) * ((double)y[i + lane] - y_shift);
  for (size_t lane = 0; i < count; i++, lane++) lanes[lane] += ((double)x[i] - x_shift) * ((double)y[i] - y_shift);
  return reduce_lanes(lanes);
}

/* Σ (x − y)² */
static inline double reduce_square_distance(size_t count, const float *x, const float *y) {
  double lanes[REDUCE_LANES] = {0};
  size_t i = 0;
  for (; i + REDUCE_LANES <= count; i += REDUCE_LANES) {
    for (size_t lane = 0; lane < REDUCE_LANES; lane++) {
      const double difference = (double)x[i + lane] - (double)y[i + lane];
      lanes[lane] += difference * difference;
    }
  }
  for (size_t lane = 0; i < count; i++, lane++) lanes[lane] += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
  return reduce_lanes(lanes);
}

#endif
