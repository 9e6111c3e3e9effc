/* LeCun normal (LeCun, Bottou, Orr, Müller: "Efficient BackProp", 1998): variance 1 / fan_in, what selu wants. */
#include <math.h>

#include "engine/initializers/fill.h"
#include "engine/initializers/kinds.h"

static void fill(const void *settings, const struct random_stream *stream, size_t rows, size_t columns, size_t fan_in, size_t fan_out,
                 float *weights) {
  (void)settings, (void)fan_out;
  fill_normal(stream, rows * columns, 0, sqrt(1.0 / (double)fan_in), weights);
}

const struct initializer_kind initializer_lecun_normal = {
    .kind = {.name = "lecun_normal", .summary = "normal, variance 1 / fan_in: for selu"},
    .fill = fill,
};
