/* Hard sigmoid, three straight lines: ∂a/∂z is 1/6 inside and 0 at and beyond the kinks. */
#include "engine/activations/by_value.h"

static inline float f(const void *settings, float z) {
  (void)settings;
  float shifted = z + 3.0f;
  shifted = shifted < 0.0f ? 0.0f : shifted;
  shifted = shifted > 6.0f ? 6.0f : shifted;
  return shifted * (1.0f / 6.0f);
}
static inline float f_prime(const void *settings, float z, float a) {
  (void)settings, (void)z, (void)a;
  return fabsf(z) < 3.0f ? 1.0f / 6.0f : 0.0f;
}
static inline double f64(const void *settings, double z) {
  (void)settings;
  return fmin(fmax(z + 3.0, 0.0), 6.0) / 6.0;
}

ACTIVATION_BY_VALUE(void)

const struct activation_kind activation_hard_sigmoid = {
    .kind = {.name = "hard_sigmoid", .summary = "sigmoid of three straight lines"},
    .formula = "a = min(max(z + 3, 0), 6) / 6",
    .flat = ACTIVATION_FLAT_BOTH,
    .steepest = 1.0f / 6.0f,
    .forward = forward,
    .backward = backward,
    .forward64 = forward64,
};
