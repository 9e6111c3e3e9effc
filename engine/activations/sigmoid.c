/* Sigmoid: a = 1 / (1 + e⁻ᶻ), ∂a/∂z = a (1 − a). */
#include "engine/activations/by_value.h"

static inline float f(const void *settings, float z) {
  (void)settings;
  return vector_sigmoid(z);
}
static inline float f_prime(const void *settings, float z, float a) {
  (void)settings, (void)z, (void)a;
  return a * (1.0f - a);
}
static inline double f64(const void *settings, double z) {
  (void)settings;
  return 1.0 / (1.0 + exp(-z));
}

ACTIVATION_BY_VALUE(void)

static float inverse(float a) { return logf(a / (1.0f - a)); }

const struct activation_kind activation_sigmoid = {
    .kind = {.name = "sigmoid", .summary = "squashes to (0, 1): yes or no"},
    .formula = "a = 1 / (1 + exp(-z))",
    .inverse = inverse,
    .flat = ACTIVATION_FLAT_BOTH,
    .steepest = 0.25f,
    .forward = forward,
    .backward = backward,
    .forward64 = forward64,
};
