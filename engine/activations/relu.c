/* Rectified linear unit: a = max(0, z); ∂a/∂z at 0 is 0, as in PyTorch. NaN goes through. */
#include "engine/activations/by_value.h"

static inline float f(const void *settings, float z) {
  (void)settings;
  return z < 0.0f ? 0.0f : z;
}
static inline float f_prime(const void *settings, float z, float a) {
  (void)settings, (void)z, (void)a;
  return z > 0.0f ? 1.0f : 0.0f;
}
static inline double f64(const void *settings, double z) {
  (void)settings;
  return z < 0.0 ? 0.0 : z;
}

ACTIVATION_BY_VALUE(void)

const struct activation_kind activation_relu = {
    .kind = {.name = "relu", .summary = "keeps what is positive"},
    .formula = "a = max(0, z)",
    .flat = ACTIVATION_FLAT_BELOW,
    .steepest = 1,
    .forward = forward,
    .backward = backward,
    .forward64 = forward64,
};
