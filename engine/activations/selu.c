/* Scaled exponential linear unit (Klambauer, Unterthiner, Mayr, Hochreiter: "Self-normalizing neural networks", 2017). */
#include "engine/activations/by_value.h"

static const float scale = 1.0507009873554805f, alpha = 1.6732632423543772f; /* make mean 0 and variance 1 a fixed point */

static inline float f(const void *settings, float z) {
  (void)settings;
  return scale * (z > 0.0f ? z : alpha * vector_expm1(z));
}
static inline float f_prime(const void *settings, float z, float a) {
  (void)settings, (void)z, (void)a;
  return z > 0.0f ? scale : a + scale * alpha;
}
static inline double f64(const void *settings, double z) {
  (void)settings;
  return 1.0507009873554804934 * (z > 0 ? z : 1.6732632423543772848 * expm1(z));
}

ACTIVATION_BY_VALUE(void)

const struct activation_kind activation_selu = {
    .kind = {.name = "selu", .summary = "elu scaled so that activations keep mean 0 and variance 1"},
    .formula = "a = 1.0507 (z if z > 0 else 1.6733 (exp(z) - 1))",
    .flat = ACTIVATION_FLAT_BELOW,
    .steepest = 1,
    .forward = forward,
    .backward = backward,
    .forward64 = forward64,
};
