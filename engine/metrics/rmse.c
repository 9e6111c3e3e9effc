/* rmse: √(1/n Σₖ (aₖ − yₖ)²) of each output, averaged over outputs (those that are padding in every row left out). */
#include <math.h>

#include "engine/metrics/metrics.h"

static double rmse_of_output(const struct metric_input *input, size_t output) {
  double sum = 0, count = 0;
  for (size_t row = 0; row < input->rows; row++) {
    if (!metric_counts(input, row, output)) continue;
    double difference = metric_difference(input, row * input->width + output, output);
    sum += difference * difference;
    count++;
  }
  return sqrt(sum / count);
}

static enum error_code compute(const struct metric_input *input, struct metric_value *out_value, struct error *error) {
  (void)error;
  double sum = 0;
  size_t known = 0;
  for (size_t j = 0; j < input->width; j++) {
    if (input->lengths != NULL && metric_row_count(input, j) == 0) continue;
    sum += rmse_of_output(input, j);
    known++;
  }
  out_value->scalar = sum / (double)known;
  return ERROR_NONE;
}

const struct metric_kind metric_rmse = {
    .kind = {.name = "rmse", .summary = "root of the mean squared error, in the data's own units"},
    .tasks = METRIC_OF_NUMBERS,
    .is_better_when_higher = false,
    .compute = compute,
};
