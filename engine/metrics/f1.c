/* f1: 2 P R / (P + R), harmonic mean of precision and recall, the mean over classes (or labels). */
#include "engine/metrics/metrics.h"

static enum error_code compute(const struct metric_input *input, struct metric_value *out_value, struct error *error) {
  return metric_macro(input, class_tally_f1, out_value, error);
}

const struct metric_kind metric_f1 = {
    .kind = {.name = "f1", .summary = "harmonic mean of precision and recall, averaged over classes"},
    .tasks = METRIC_OF_CLASSES | METRIC_OF_LABELS,
    .is_better_when_higher = true,
    .compute = compute,
};
