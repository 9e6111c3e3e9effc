/* Gaussian error linear unit (Hendrycks, Gimpel 2016): a = z Φ(z), ∂a/∂z = Φ(z) + z φ(z), Φ the normal distribution function. */
#include "engine/activations/by_value.h"

enum { APPROXIMATE_NONE, APPROXIMATE_TANH };
static const char *const approximations[] = {"none", "tanh", NULL};

struct gelu {
  int approximate;
};
static const struct param params[] = {
    PARAM_CHOICE_ROW(struct gelu, approximate, approximations, APPROXIMATE_NONE, "how the normal distribution function is computed"),
};

/* The approximation: Φ(z) ≈ ½ (1 + tanh u), u = √(2/π) (z + 0.044715 z³). */
static const float sqrt_2_pi = 0.797884561f, cubic = 0.044715f;

static inline float f(const struct gelu *settings, float z) {
  if (settings->approximate == APPROXIMATE_TANH) return 0.5f * z * (1.0f + vector_tanh(sqrt_2_pi * (z + cubic * z * z * z)));
  return z * vector_normal(z);
}
static inline float f_prime(const struct gelu *settings, float z, float a) {
  if (settings->approximate == APPROXIMATE_TANH) {
    float t = vector_tanh(sqrt_2_pi * (z + cubic * z * z * z));
    return 0.5f * (1.0f + t) + 0.5f * z * (1.0f - t * t) * sqrt_2_pi * (1.0f + 3.0f * cubic * z * z);
  }
  float distribution = fabsf(z) < 1e-18f ? 0.5f : a / z; /* a has it already; where z is tiny, a may have lost digits */
  return distribution + z * vector_normal_density(z);
}
static inline double f64(const struct gelu *settings, double z) {
  if (settings->approximate == APPROXIMATE_TANH) return 0.5 * z * (1.0 + tanh(0.79788456080286535588 * (z + 0.044715 * z * z * z)));
  return 0.5 * z * erfc(-z * 0.70710678118654752440);
}

ACTIVATION_BY_VALUE(struct gelu)

const struct activation_kind activation_gelu = {
    .kind = {.name = "gelu",
             .summary = "z times the normal distribution function of z",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct gelu)},
    .formula = "a = z Phi(z)",
    .flat = ACTIVATION_FLAT_BELOW,
    .steepest = 1,
    .forward = forward,
    .backward = backward,
    .forward64 = forward64,
};
