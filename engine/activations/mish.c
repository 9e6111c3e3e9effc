/* Mish (Misra: "Mish: a self regularized non-monotonic activation function", 2019): a = z tanh(softplus(z)).
 *
 * With e = eᶻ and t = tanh(ln(1 + e)) = (e² + 2e) / (e² + 2e + 2), ∂a/∂z = t + z (1 − t²) σ(z). */
#include "engine/activations/by_value.h"

static inline float tanh_softplus(float z) {
  float e = vector_exp(z > 20.0f ? 20.0f : z); /* from there on the quotient is 1 */
  float n = e * e + 2.0f * e;
  return n / (n + 2.0f);
}

static inline float f(const void *settings, float z) {
  (void)settings;
  return z * tanh_softplus(z);
}
static inline float f_prime(const void *settings, float z, float a) {
  (void)settings, (void)z, (void)a;
  float t = tanh_softplus(z);
  return t + z * (1.0f - t * t) * vector_sigmoid(z);
}
static inline double f64(const void *settings, double z) {
  (void)settings;
  return z * tanh(fmax(z, 0.0) + log1p(exp(-fabs(z))));
}

ACTIVATION_BY_VALUE(void)

const struct activation_kind activation_mish = {
    .kind = {.name = "mish", .summary = "z times tanh of softplus, smooth"},
    .formula = "a = z tanh(ln(1 + exp(z)))",
    .flat = ACTIVATION_FLAT_BELOW,
    .steepest = 1,
    .forward = forward,
    .backward = backward,
    .forward64 = forward64,
};
