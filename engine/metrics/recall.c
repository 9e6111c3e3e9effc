/* recall: true positives / actual, the mean over classes (or labels). */
#include "engine/metrics/metrics.h"

static enum error_code compute(const struct metric_input *input, struct metric_value *out_value, struct error *error) {
  return metric_macro(input, class_tally_recall, out_value, error);
}

const struct metric_kind metric_recall = {
    .kind = {.name = "recall", .summary = "share of a class's rows that are found, averaged over classes"},
    .tasks = METRIC_OF_CLASSES | METRIC_OF_LABELS,
    .is_better_when_higher = true,
    .compute = compute,
};
