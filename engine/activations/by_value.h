/* What all activations share that go value by value. A kind's file defines, for its settings type,
 *
 *   static inline float f(const settings_type *settings, float z);                       a = f(z)
 *   static inline float f_prime(const settings_type *settings, float z, float a);        ∂a/∂z
 *   static inline double f64(const settings_type *settings, double z);                   the same a = f(z), by libm
 *
 * and then says ACTIVATION_BY_VALUE(settings_type), which makes the loops `forward`, `backward` and `forward64` of its record. One that has
 * both values for little more than one defines
 *
 *   static inline float f_both(const settings_type *settings, float z, float *out_slope);
 *
 * as well and says ACTIVATION_WITH_SLOPE(settings_type), which makes `forward_with_slope`.
 */
#ifndef ENGINE_ACTIVATIONS_BY_VALUE_H
#define ENGINE_ACTIVATIONS_BY_VALUE_H

#include <math.h>

#include "engine/activation.h"
#include "engine/activations/kinds.h"
#include "engine/vector_math.h"

/* Input and output may be one array, but a value never depends on another one's place: the loop may be vectorized. */
#define ACTIVATION_INDEPENDENT _Pragma("GCC ivdep")

#define ACTIVATION_BY_VALUE(settings_type)                                                                                                 \
  static void forward(const void *settings, size_t rows, size_t width, const float *z, float *a) {                                         \
    size_t count = rows * width;                                                                                                           \
    ACTIVATION_INDEPENDENT                                                                                                                 \
    for (size_t i = 0; i < count; i++) a[i] = f((const settings_type *)settings, z[i]);                                                    \
  }                                                                                                                                        \
  static void backward(const void *settings, size_t rows, size_t width, const float *z, const float *a, float *delta) {                    \
    size_t count = rows * width;                                                                                                           \
    ACTIVATION_INDEPENDENT                                                                                                                 \
    for (size_t i = 0; i < count; i++) delta[i] *= f_prime((const settings_type *)settings, z[i], a[i]);                                   \
  }                                                                                                                                        \
  static void forward64(const void *settings, size_t rows, size_t width, const double *z, double *a) {                                     \
    size_t count = rows * width;                                                                                                           \
    for (size_t i = 0; i < count; i++) a[i] = f64((const settings_type *)settings, z[i]);                                                  \
  }

#define ACTIVATION_WITH_SLOPE(settings_type)                                                                                               \
  static void forward_with_slope(const void *settings, size_t rows, size_t width, float *restrict z, float *restrict a) {                  \
    size_t count = rows * width;                                                                                                           \
    for (size_t i = 0; i < count; i++) {                                                                                                   \
      float slope;                                                                                                                         \
      a[i] = f_both((const settings_type *)settings, z[i], &slope);                                                                        \
      z[i] = slope;                                                                                                                        \
    }                                                                                                                                      \
  }

#endif
