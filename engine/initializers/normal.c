/* Normal of a given mean and standard deviation. Without std: 1/√fan_in. */
#include <math.h>

#include "engine/initializers/fill.h"
#include "engine/initializers/kinds.h"

struct normal {
  double mean, std;
};
static const struct param params[] = {
    PARAM_NUMBER_ROW(struct normal, mean, -INFINITY, INFINITY, 0, "mean"),
    PARAM_NUMBER_ROW(struct normal, std, 0, INFINITY, 0, "standard deviation; null is 1 / sqrt(fan_in)", .flags = PARAM_OPTIONAL),
};

static void fill(const void *settings, const struct random_stream *stream, size_t rows, size_t columns, size_t fan_in, size_t fan_out,
                 float *weights) {
  (void)fan_out;
  const struct normal *normal = settings;
  double std = isnan(normal->std) ? 1.0 / sqrt((double)fan_in) : normal->std;
  fill_normal(stream, rows * columns, normal->mean, std, weights);
}

const struct initializer_kind initializer_normal = {
    .kind = {.name = "normal",
             .summary = "normal around a mean",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct normal)},
    .fill = fill,
};
