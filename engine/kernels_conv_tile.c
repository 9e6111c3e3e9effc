/* The tiles of convolutions (kernels_conv_private.h): sums that stay in registers from the first term to the last. */
#include "engine/kernels_conv_private.h"

/* out[rows][vectors] = Σ over `outer` channels, `taps` taps of weights[row][outer, tap] · from(outer · step + shift(tap) …).
 * rows and vectors are constants wherever this is inlined. */
static inline __attribute__((always_inline)) void add_products(size_t rows, size_t vectors, size_t outer, size_t taps,
                                                               const float *const *weights, const float *from, size_t step,
                                                               const ptrdiff_t *shifts, float *out) {
  vector sums[CONV_TILE_ROWS * CONV_TILE_VECTORS] = {0};
  for (size_t c = 0, p = 0; c < outer; c++, from += step) {
    for (size_t tap = 0; tap < taps; tap++, p++) {
      vector values[CONV_LONE_VECTORS];
#pragma GCC unroll 4
      for (size_t v = 0; v < vectors; v++) values[v] = vector_load(from + shifts[tap] + v * VECTOR_FLOATS);
#pragma GCC unroll 8
      for (size_t i = 0; i < rows; i++) {
        const float weight = weights[i][p];
#pragma GCC unroll 4
        for (size_t v = 0; v < vectors; v++) sums[i * vectors + v] += weight * values[v];
      }
    }
  }
#pragma GCC unroll 16
  for (size_t i = 0; i < rows * vectors; i++) vector_store(out + i * VECTOR_FLOATS, sums[i]);
}

void conv_compute_tile(struct conv_strip strip, size_t outer, size_t taps, const float *const *weights, const float *from, size_t step,
                       const ptrdiff_t *shifts, float *out) {
  if (strip.rows == 1)
    add_products(1, CONV_LONE_VECTORS, outer, taps, weights, from, step, shifts, out);
  else
    add_products(CONV_TILE_ROWS, CONV_TILE_VECTORS, outer, taps, weights, from, step, shifts, out);
}

/* tile[places][vectors] = Σ over `outer` channels, `taps` taps of weights[outer, tap][lanes] · from(outer · step + shift(tap) + place).
 * places and vectors are constants wherever this is inlined. */
static inline __attribute__((always_inline)) void add_lane_products(size_t places, size_t vectors, size_t outer, size_t taps,
                                                                    const float *weights, size_t weight_step, const float *from,
                                                                    size_t step, const ptrdiff_t *shifts, vector *tile) {
  vector sums[CONV_LANE_PLACES * CONV_LANE_VECTORS] = {0};
  for (size_t c = 0; c < outer; c++, from += step) {
    for (size_t tap = 0; tap < taps; tap++, weights += weight_step) {
      const float *values = from + shifts[tap];
      const vector first = vector_load(weights), second = vectors > 1 ? vector_load(weights + VECTOR_FLOATS) : first;
#pragma GCC unroll 14
      for (size_t i = 0; i < places; i++) {
        sums[i * vectors] += values[i] * first;
        if (vectors > 1) sums[i * vectors + 1] += values[i] * second;
      }
    }
  }
  for (size_t i = 0; i < places * vectors; i++) tile[i] = sums[i];
}

#define LANE_CASE(places_)                                                                                                                 \
  case places_:                                                                                                                            \
    if (vectors > 1)                                                                                                                       \
      add_lane_products(places_, 2, t->outer, t->taps, t->weights, t->weight_step, t->from, t->step, t->shifts, tile);                     \
    else                                                                                                                                   \
      add_lane_products(places_, 1, t->outer, t->taps, t->weights, t->weight_step, t->from, t->step, t->shifts, tile);                     \
    break;

void conv_compute_lanes(size_t places, size_t vectors, const struct conv_lane_tile *t, vector *tile) {
  switch (places) {
    LANE_CASE(2)
#if CONV_LANE_PLACES > 4
    LANE_CASE(4)
#endif
#if CONV_LANE_PLACES > 6
    LANE_CASE(6)
    LANE_CASE(8)
    LANE_CASE(10)
    LANE_CASE(12)
#endif
  default: LANE_CASE(CONV_LANE_PLACES)
  }
}
