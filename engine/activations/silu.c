/* Sigmoid linear unit, also "swish": a = z σ(z), ∂a/∂z = σ(z) (1 + z (1 − σ(z))). */
#include "engine/activations/by_value.h"

static inline float f(const void *settings, float z) {
  (void)settings;
  return z * vector_sigmoid(z);
}
static inline float f_prime(const void *settings, float z, float a) {
  (void)settings, (void)z, (void)a;
  float s = vector_sigmoid(z);
  return s * (1.0f + z * (1.0f - s));
}
static inline double f64(const void *settings, double z) {
  (void)settings;
  return z / (1.0 + exp(-z));
}

ACTIVATION_BY_VALUE(void)

const struct activation_kind activation_silu = {
    .kind = {.name = "silu", .summary = "z times its sigmoid, smooth"},
    .formula = "a = z / (1 + exp(-z))",
    .flat = ACTIVATION_FLAT_BELOW,
    .steepest = 1,
    .forward = forward,
    .backward = backward,
    .forward64 = forward64,
};
