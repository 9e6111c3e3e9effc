/* rmse: √(1/n Σₖ (aₖ − yₖ)²) of each output, averaged over outputs. */
#include <math.h>

#include "engine/metrics/metrics.h"

static double rmse_of_output(const struct metric_input *input, size_t output) {
  double sum = 0;
  for (size_t i = output; i < input->rows * input->width; i += input->width) {
    double difference = metric_difference(input, i, output);
    sum += difference * difference;
  }
  return sqrt(sum / (double)input->rows);
}

static enum error_code compute(const struct metric_input *input, struct metric_value *out_value, struct error *error) {
  (void)error;
  double sum = 0;
  for (size_t j = 0; j < input->width; j++) sum += rmse_of_output(input, j);
  out_value->scalar = sum / (double)input->width;
  return ERROR_NONE;
}

const struct metric_kind metric_rmse = {
    .kind = {.name = "rmse", .summary = "root of the mean squared error, in the data's own units"},
    .tasks = METRIC_OF_NUMBERS,
    .is_better_when_higher = false,
    .compute = compute,
};
