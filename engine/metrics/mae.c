/* mae: 1/(n·m) Σₖ Σⱼ |aⱼ − yⱼ|, mean absolute error over rows and outputs. */
#include <math.h>

#include "engine/metrics/metrics.h"

static enum error_code compute(const struct metric_input *input, struct metric_value *out_value, struct error *error) {
  (void)error;
  size_t count = input->rows * input->width;
  double sum = 0;
  for (size_t i = 0; i < count; i++) sum += fabs(metric_difference(input, i, i % input->width));
  out_value->scalar = sum / (double)count;
  return ERROR_NONE;
}

const struct metric_kind metric_mae = {
    .kind = {.name = "mae", .summary = "mean absolute error, in the data's own units"},
    .tasks = METRIC_OF_NUMBERS,
    .is_better_when_higher = false,
    .compute = compute,
};
