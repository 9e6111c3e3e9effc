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

static inline float f_both(int approximate, float z, float *out_slope) {
  if (approximate == APPROXIMATE_TANH) {
    float t = vector_tanh(sqrt_2_pi * (z + cubic * z * z * z));
    *out_slope = 0.5f * (1.0f + t) + 0.5f * z * (1.0f - t * t) * sqrt_2_pi * (1.0f + 3.0f * cubic * z * z);
    return 0.5f * z * (1.0f + t);
  }
  float density, distribution = vector_normal_both(z, &density);
  *out_slope = distribution + z * density;
  return z * distribution;
}

/* `approximate` is a constant wherever these are inlined, or each value would be computed both ways. */
static inline __attribute__((always_inline)) void run_forward(int approximate, size_t count, const float *z, float *a) {
  float slope;
  ACTIVATION_INDEPENDENT
  for (size_t i = 0; i < count; i++) a[i] = f_both(approximate, z[i], &slope);
}
static inline __attribute__((always_inline)) void run_with_slope(int approximate, size_t count, float *restrict z, float *restrict a) {
  for (size_t i = 0; i < count; i++) {
    float slope;
    a[i] = f_both(approximate, z[i], &slope);
    z[i] = slope;
  }
}
static inline __attribute__((always_inline)) void run_backward(int approximate, size_t count, const float *restrict z,
                                                               float *restrict delta) {
  for (size_t i = 0; i < count; i++) {
    float slope;
    (void)f_both(approximate, z[i], &slope);
    delta[i] *= slope;
  }
}

static bool is_tanh(const void *settings) { return ((const struct gelu *)settings)->approximate == APPROXIMATE_TANH; }

static void forward(const void *settings, size_t rows, size_t width, const float *z, float *a) {
  if (is_tanh(settings))
    run_forward(APPROXIMATE_TANH, rows * width, z, a);
  else
    run_forward(APPROXIMATE_NONE, rows * width, z, a);
}

static void forward_with_slope(const void *settings, size_t rows, size_t width, float *z, float *a) {
  if (is_tanh(settings))
    run_with_slope(APPROXIMATE_TANH, rows * width, z, a);
  else
    run_with_slope(APPROXIMATE_NONE, rows * width, z, a);
}

static void backward(const void *settings, size_t rows, size_t width, const float *z, const float *a, float *delta) {
  (void)a;
  if (is_tanh(settings))
    run_backward(APPROXIMATE_TANH, rows * width, z, delta);
  else
    run_backward(APPROXIMATE_NONE, rows * width, z, delta);
}

static void forward64(const void *settings, size_t rows, size_t width, const double *z, double *a) {
  for (size_t i = 0; i < rows * width; i++) {
    if (is_tanh(settings))
      a[i] = 0.5 * z[i] * (1.0 + tanh(0.79788456080286535588 * (z[i] + 0.044715 * z[i] * z[i] * z[i])));
    else
      a[i] = 0.5 * z[i] * erfc(-z[i] * 0.70710678118654752440);
  }
}

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
    .forward_with_slope = forward_with_slope,
    .backward = backward,
    .forward64 = forward64,
};
