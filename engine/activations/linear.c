/* Linear: a = z. The network lets a be z and skips the calls where a layer has this activation. */
#include "engine/activations/by_value.h"

static inline float f(const void *settings, float z) {
  (void)settings;
  return z;
}
static inline float f_prime(const void *settings, float z, float a) {
  (void)settings, (void)z, (void)a;
  return 1.0f;
}
static inline double f64(const void *settings, double z) {
  (void)settings;
  return z;
}

ACTIVATION_BY_VALUE(void)

const struct activation_kind activation_linear = {
    .kind = {.name = "linear", .summary = "the identity"},
    .formula = "a = z",
    .forward = forward,
    .backward = backward,
    .forward64 = forward64,
};
