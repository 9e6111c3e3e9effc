/* precision: true positives / predicted, the mean over classes (or labels). */
#include "engine/metrics/metrics.h"

static enum error_code compute(const struct metric_input *input, struct metric_value *out_value, struct error *error) {
  return metric_macro(input, class_tally_precision, out_value, error);
}

const struct metric_kind metric_precision = {
    .kind = {.name = "precision", .summary = "share of a class's predictions that are right, averaged over classes"},
    .tasks = METRIC_OF_CLASSES | METRIC_OF_LABELS,
    .is_better_when_higher = true,
    .compute = compute,
};
