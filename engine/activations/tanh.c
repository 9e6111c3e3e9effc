/* Hyperbolic tangent: ∂a/∂z = 1 − a². */
#include "engine/activations/by_value.h"

static inline float f(const void *settings, float z) {
  (void)settings;
  return vector_tanh(z);
}
static inline float f_prime(const void *settings, float z, float a) {
  (void)settings, (void)z, (void)a;
  return 1.0f - a * a;
}
static inline double f64(const void *settings, double z) {
  (void)settings;
  return tanh(z);
}

ACTIVATION_BY_VALUE(void)

const struct activation_kind activation_tanh = {
    .kind = {.name = "tanh", .summary = "squashes to (-1, 1)"},
    .formula = "a = tanh(z)",
    .flat = ACTIVATION_FLAT_BOTH,
    .steepest = 1,
    .forward = forward,
    .backward = backward,
    .forward64 = forward64,
};
