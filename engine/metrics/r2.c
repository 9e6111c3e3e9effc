/* r2: 1 − Σ (a − y)² / Σ (y − ȳ)² of each output, averaged over outputs: the share of the variance that is explained. Of one
 * quantity both sums go over all outputs, each with its own mean.
 *
 * Of an output whose targets are all equal: 1 if each is hit exactly, else 0. Outputs that count in less than two rows are left out;
 * NAN if that are all.
 */
#include <math.h>

#include "engine/metrics/metrics.h"

struct squares {
  double residual, total;
};

static struct squares sum_squares(const struct metric_input *input, size_t output) {
  size_t row_count = metric_row_count(input, output), origin = 0;
  while (!metric_counts(input, origin, output)) origin++;
  /* Sums of differences from the first target: where all are equal, their mean is exact and the total is 0. */
  double first = (double)input->targets[origin * input->width + output], shift = 0;
  struct squares sums = {0};
  for (size_t row = origin; row < input->rows; row++)
    if (metric_counts(input, row, output)) shift += (double)input->targets[row * input->width + output] - first;
  double mean = first + shift / (double)row_count;
  for (size_t row = origin; row < input->rows; row++) {
    if (!metric_counts(input, row, output)) continue;
    const size_t i = row * input->width + output;
    double target = (double)input->targets[i], difference = (double)input->outputs[i] - target;
    sums.residual += difference * difference;
    sums.total += (target - mean) * (target - mean);
  }
  return sums;
}

static double get_share(const struct squares *sums) {
  if (sums->total > 0 || isnan(sums->residual)) return 1 - sums->residual / sums->total;
  return sums->residual > 0 ? 0 : 1;
}

static enum error_code compute(const struct metric_input *input, struct metric_value *out_value, struct error *error) {
  (void)error;
  struct squares all = {0};
  double sum = 0;
  size_t known = 0;
  for (size_t j = 0; j < input->width; j++) {
    if (metric_row_count(input, j) < 2) continue;
    const struct squares sums = sum_squares(input, j);
    all.residual += sums.residual;
    all.total += sums.total;
    sum += get_share(&sums);
    known++;
  }
  out_value->scalar = known == 0 ? (double)NAN : input->is_one_quantity ? get_share(&all) : sum / (double)known;
  return ERROR_NONE;
}

const struct metric_kind metric_r2 = {
    .kind = {.name = "r2", .summary = "share of the targets' variance that is explained; 1 is perfect, 0 as good as their mean"},
    .tasks = METRIC_OF_NUMBERS,
    .is_better_when_higher = true,
    .compute = compute,
};
