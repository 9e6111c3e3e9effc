/* mae: 1/(n·m) Σₖ Σⱼ |aⱼ − yⱼ|, mean absolute error over rows and outputs. */
#include <math.h>

#include "engine/metrics/metrics.h"

static enum error_code compute(const struct metric_input *input, struct metric_value *out_value, struct error *error) {
  (void)error;
  size_t count = 0;
  double sum = 0;
  for (size_t i = 0; i < input->rows * input->width; i++) {
    if (!metric_counts(input, i / input->width, i % input->width)) continue;
    sum += fabs(metric_difference(input, i, i % input->width));
    count++;
  }
  out_value->scalar = sum / (double)count;
  return ERROR_NONE;
}

const struct metric_kind metric_mae = {
    .kind = {.name = "mae", .summary = "mean absolute error, in the data's own units"},
    .tasks = METRIC_OF_NUMBERS,
    .is_better_when_higher = false,
    .compute = compute,
};
