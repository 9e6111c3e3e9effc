/* Zeros: for biases. Weights that start equal stay equal, so not for them. */
#include "engine/initializers/kinds.h"

static void fill(const void *settings, const struct random_stream *stream, size_t rows, size_t columns, size_t fan_in, size_t fan_out,
                 float *weights) {
  (void)settings, (void)stream, (void)fan_in, (void)fan_out;
  for (size_t i = 0; i < rows * columns; i++) weights[i] = 0.0f;
}

const struct initializer_kind initializer_zeros = {
    .kind = {.name = "zeros", .summary = "all 0: for biases"},
    .fill = fill,
};
