/* Random numbers of a given spread, as most initializers want them. */
#ifndef ENGINE_INITIALIZERS_FILL_H
#define ENGINE_INITIALIZERS_FILL_H

#include <stddef.h>

#include "engine/random.h"

/* Uniform in [low, high). */
static inline void fill_uniform(const struct random_stream *stream, size_t count, double low, double high, float *weights) {
  random_fill_uniform(stream, 0, count, weights);
  for (size_t i = 0; i < count; i++) weights[i] = (float)(low + (high - low) * (double)weights[i]);
}

/* Normal with this mean and standard deviation. */
static inline void fill_normal(const struct random_stream *stream, size_t count, double mean, double std, float *weights) {
  random_fill_normal(stream, 0, count, weights);
  for (size_t i = 0; i < count; i++) weights[i] = (float)(mean + std * (double)weights[i]);
}

#endif
