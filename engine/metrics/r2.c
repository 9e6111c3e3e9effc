/* r2: 1 − Σ (a − y)² / Σ (y − ȳ)² of each output, averaged over outputs: the share of the variance that is explained.
 *
 * Of an output whose targets are all equal: 1 if each is hit exactly, else 0. NAN with less than two rows.
 */
#include <math.h>

#include "engine/metrics/metrics.h"

static double r2_of_output(const struct metric_input *input, size_t output) {
  size_t end = input->rows * input->width;
  /* Sums of differences from the first target: where all are equal, their mean is exact and the total is 0. */
  double first = (double)input->targets[output], shift = 0, residual = 0, total = 0;
  for (size_t i = output; i < end; i += input->width) shift += (double)input->targets[i] - first;
  double mean = first + shift / (double)input->rows;
  for (size_t i = output; i < end; i += input->width) {
    double target = (double)input->targets[i], difference = (double)input->outputs[i] - target;
    residual += difference * difference;
    total += (target - mean) * (target - mean);
  }
  if (total > 0 || isnan(residual)) return 1 - residual / total;
  return residual > 0 ? 0 : 1;
}

static enum error_code compute(const struct metric_input *input, struct metric_value *out_value, struct error *error) {
  (void)error;
  double sum = 0;
  for (size_t j = 0; j < input->width && input->rows > 1; j++) sum += r2_of_output(input, j);
  out_value->scalar = input->rows > 1 ? sum / (double)input->width : (double)NAN;
  return ERROR_NONE;
}

const struct metric_kind metric_r2 = {
    .kind = {.name = "r2", .summary = "share of the targets' variance that is explained; 1 is perfect, 0 as good as their mean"},
    .tasks = METRIC_OF_NUMBERS,
    .is_better_when_higher = true,
    .compute = compute,
};
