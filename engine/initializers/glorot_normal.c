/* Glorot or Xavier normal (Glorot, Bengio: "Understanding the difficulty of training deep feedforward neural networks", 2010): variance
 * gain² · 2 / (fan_in + fan_out), for layers whose activation is near the identity around 0. */
#include <math.h>

#include "engine/initializers/fill.h"
#include "engine/initializers/kinds.h"

struct glorot {
  double gain;
};
static const struct param params[] = {
    PARAM_NUMBER_ROW(struct glorot, gain, 0, INFINITY, 1, "factor on the spread", .flags = PARAM_ABOVE_MIN),
};

static void fill(const void *settings, const struct random_stream *stream, size_t rows, size_t columns, size_t fan_in, size_t fan_out,
                 float *weights) {
  const struct glorot *glorot = settings;
  double std = glorot->gain * sqrt(2.0 / (double)(fan_in + fan_out));
  fill_normal(stream, rows * columns, 0, std, weights);
}

const struct initializer_kind initializer_glorot_normal = {
    .kind = {.name = "glorot_normal",
             .summary = "normal, variance 2 / (fan_in + fan_out): for tanh, sigmoid, softmax",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct glorot)},
    .fill = fill,
};
