/* Sigmoid linear unit, also "swish": a = z σ(z), ∂a/∂z = σ(z) (1 + z (1 − σ(z))). */
#include "engine/activations/by_value.h"

static inline float f_both(const void *settings, float z, float *out_slope) {
  (void)settings;
  float s = vector_sigmoid(z);
  *out_slope = s * (1.0f + z * (1.0f - s));
  return z * s;
}
static inline float f(const void *settings, float z) {
  float slope;
  return f_both(settings, z, &slope);
}
static inline float f_prime(const void *settings, float z, float a) {
  (void)a;
  float slope;
  (void)f_both(settings, z, &slope);
  return slope;
}
static inline double f64(const void *settings, double z) {
  (void)settings;
  return z / (1.0 + exp(-z));
}

ACTIVATION_BY_VALUE(void)
ACTIVATION_WITH_SLOPE(void)

const struct activation_kind activation_silu = {
    .kind = {.name = "silu", .summary = "z times its sigmoid, smooth"},
    .formula = "a = z / (1 + exp(-z))",
    .flat = ACTIVATION_FLAT_BELOW,
    .steepest = 1,
    .forward = forward,
    .forward_with_slope = forward_with_slope,
    .backward = backward,
    .forward64 = forward64,
};
