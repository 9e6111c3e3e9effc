/* Softplus: a smooth relu; ∂a/∂z = σ(βz). ln(1 + eᵘ) is max(u, 0) + ln(1 + e⁻|ᵘ|), which never overflows. */
#include "engine/activations/by_value.h"

struct softplus {
  double beta, threshold;
};
static const struct param params[] = {
    PARAM_NUMBER_ROW(struct softplus, beta, 0, INFINITY, 1, "sharpness of the bend", .flags = PARAM_ABOVE_MIN),
    PARAM_NUMBER_ROW(struct softplus, threshold, -INFINITY, INFINITY, 20, "a = z where beta z is above it"),
};

static inline float f(const struct softplus *settings, float z) {
  float u = (float)settings->beta * z;
  float smooth = (u > 0.0f ? u : 0.0f) + vector_log1p_unit(vector_exp(-fabsf(u)));
  return u > (float)settings->threshold ? z : smooth / (float)settings->beta;
}
static inline float f_prime(const struct softplus *settings, float z, float a) {
  (void)a;
  float u = (float)settings->beta * z;
  return u > (float)settings->threshold ? 1.0f : vector_sigmoid(u);
}
static inline double f64(const struct softplus *settings, double z) {
  double u = settings->beta * z;
  return u > settings->threshold ? z : (fmax(u, 0.0) + log1p(exp(-fabs(u)))) / settings->beta;
}

ACTIVATION_BY_VALUE(struct softplus)

const struct activation_kind activation_softplus = {
    .kind = {.name = "softplus",
             .summary = "a smooth relu",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct softplus)},
    .formula = "a = ln(1 + exp(beta z)) / beta",
    .flat = ACTIVATION_FLAT_BELOW,
    .steepest = 1,
    .forward = forward,
    .backward = backward,
    .forward64 = forward64,
};
