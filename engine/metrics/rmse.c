/* rmse: √(1/n Σₖ (aₖ − yₖ)²) of each output, averaged over outputs (those that are padding in every row left out); of
 * one quantity, of all at once. */
#include <math.h>

#include "engine/metrics/metrics.h"

static double mean_square_of_output(const struct metric_input *input, size_t output) {
  double sum = 0, count = 0;
  for (size_t row = 0; row < input->rows; row++) {
    if (!metric_counts(input, row, output)) continue;
    double difference = metric_difference(input, row * input->width + output, output);
    sum += difference * difference;
    count++;
  }
  return sum / count;
}

static enum error_code compute(const struct metric_input *input, struct metric_value *out_value, struct error *error) {
  (void)error;
  double sum = 0;
  size_t known = 0;
  for (size_t j = 0; j < input->width; j++) {
    if (metric_row_count(input, j) == 0 && input->rows > 0) continue;
    const double mean_square = mean_square_of_output(input, j);
    sum += input->is_one_quantity ? mean_square : sqrt(mean_square);
    known++;
  }
  out_value->scalar = input->is_one_quantity ? sqrt(sum / (double)known) : sum / (double)known;
  return ERROR_NONE;
}

const struct metric_kind metric_rmse = {
    .kind = {.name = "rmse", .summary = "root of the mean squared error, in the data's own units"},
    .tasks = METRIC_OF_NUMBERS,
    .is_better_when_higher = false,
    .compute = compute,
};
