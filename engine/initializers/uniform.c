/* Uniform in [a, b). Without a and b: ±1/√fan_in, as PyTorch starts its linear layers. */
#include <math.h>

#include "engine/initializers/fill.h"
#include "engine/initializers/kinds.h"

struct uniform {
  double a, b;
};
static const struct param params[] = {
    PARAM_NUMBER_ROW(struct uniform, a, -INFINITY, INFINITY, 0, "lower bound; null is -1 / sqrt(fan_in)", .flags = PARAM_OPTIONAL),
    PARAM_NUMBER_ROW(struct uniform, b, -INFINITY, INFINITY, 0, "upper bound; null is 1 / sqrt(fan_in)", .flags = PARAM_OPTIONAL),
};

static enum error_code check(const void *settings, const char *pointer, struct error *error) {
  const struct uniform *uniform = settings;
  if (isnan(uniform->a) || isnan(uniform->b) || uniform->a <= uniform->b) return ERROR_NONE;
  char field[ERROR_POINTER_BYTES];
  error_pointer(field, pointer, "b");
  return error_add(error, field, "must be at least a, which is %g", uniform->a);
}

static void fill(const void *settings, const struct random_stream *stream, size_t rows, size_t columns, size_t fan_in, size_t fan_out,
                 float *weights) {
  (void)fan_out;
  const struct uniform *uniform = settings;
  double bound = 1.0 / sqrt((double)fan_in);
  double low = isnan(uniform->a) ? -bound : uniform->a, high = isnan(uniform->b) ? bound : uniform->b;
  fill_uniform(stream, rows * columns, low, high, weights);
}

const struct initializer_kind initializer_uniform = {
    .kind = {.name = "uniform",
             .summary = "evenly between a and b",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct uniform),
             .check = check},
    .fill = fill,
};
