/* Exponential linear unit (Clevert, Unterthiner, Hochreiter 2015): for z ≤ 0 ∂a/∂z = α eᶻ = a + α. */
#include "engine/activations/by_value.h"

struct elu {
  double alpha;
};
static const struct param params[] = {
    PARAM_NUMBER_ROW(struct elu, alpha, -INFINITY, INFINITY, 1, "minus the limit where z goes to minus infinity"),
};

static inline float f(const struct elu *settings, float z) {
  float negative = (float)settings->alpha * vector_expm1(z);
  return z > 0.0f ? z : negative;
}
static inline float f_prime(const struct elu *settings, float z, float a) {
  float negative = a + (float)settings->alpha;
  return z > 0.0f ? 1.0f : negative;
}
static inline double f64(const struct elu *settings, double z) { return z > 0 ? z : settings->alpha * expm1(z); }

ACTIVATION_BY_VALUE(struct elu)

const struct activation_kind activation_elu = {
    .kind = {.name = "elu",
             .summary = "z where positive, else alpha (exp(z) - 1)",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct elu)},
    .formula = "a = z if z > 0 else alpha (exp(z) - 1)",
    .flat = ACTIVATION_FLAT_BELOW,
    .steepest = 1,
    .forward = forward,
    .backward = backward,
    .forward64 = forward64,
};
