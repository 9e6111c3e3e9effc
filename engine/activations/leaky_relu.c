/* Leaky rectified linear unit: like relu, but lets a little through where z is negative. */
#include "engine/activations/by_value.h"

struct leaky_relu {
  double negative_slope;
};
static const struct param params[] = {
    PARAM_NUMBER_ROW(struct leaky_relu, negative_slope, -INFINITY, INFINITY, 0.01, "slope where z is negative"),
};

static inline float f(const struct leaky_relu *settings, float z) {
  float negative = (float)settings->negative_slope * z;
  return z > 0.0f ? z : negative;
}
static inline float f_prime(const struct leaky_relu *settings, float z, float a) {
  (void)a;
  float slope = (float)settings->negative_slope;
  return z > 0.0f ? 1.0f : slope;
}
static inline double f64(const struct leaky_relu *settings, double z) { return z > 0 ? z : settings->negative_slope * z; }

ACTIVATION_BY_VALUE(struct leaky_relu)

const struct activation_kind activation_leaky_relu = {
    .kind = {.name = "leaky_relu",
             .summary = "relu with a small slope where z is negative",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct leaky_relu)},
    .formula = "a = z if z > 0 else negative_slope z",
    .flat = ACTIVATION_FLAT_BELOW,
    .steepest = 1,
    .forward = forward,
    .backward = backward,
    .forward64 = forward64,
};
