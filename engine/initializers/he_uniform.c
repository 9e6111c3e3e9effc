/* He or Kaiming uniform (He, Zhang, Ren, Sun: "Delving deep into rectifiers", 2015): variance 2 / ((1 + slope²) fan), which makes up for
 * the half that relu cuts off. */
#include <math.h>

#include "engine/initializers/fill.h"
#include "engine/initializers/kinds.h"

enum { MODE_FAN_IN, MODE_FAN_OUT };
static const char *const modes[] = {"fan_in", "fan_out", NULL};

struct he {
  double negative_slope;
  int mode;
};
static const struct param params[] = {
    PARAM_NUMBER_ROW(struct he, negative_slope, -INFINITY, INFINITY, 0, "slope of the leaky_relu that follows"),
    PARAM_CHOICE_ROW(struct he, mode, modes, MODE_FAN_IN, "whether the forward or the backward pass keeps its variance"),
};

static void fill(const void *settings, const struct random_stream *stream, size_t rows, size_t columns, size_t fan_in, size_t fan_out,
                 float *weights) {
  const struct he *he = settings;
  double fan = (double)(he->mode == MODE_FAN_IN ? fan_in : fan_out);
  double std = sqrt(2.0 / (1.0 + he->negative_slope * he->negative_slope) / fan);
  fill_uniform(stream, rows * columns, -sqrt(3.0) * std, sqrt(3.0) * std, weights);
}

const struct initializer_kind initializer_he_uniform = {
    .kind = {.name = "he_uniform",
             .summary = "uniform, variance 2 / fan_in: for relu and its kin",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct he)},
    .fill = fill,
};
