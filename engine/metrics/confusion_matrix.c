/* confusion_matrix: rows of each true class by the class that was said, [true][predicted]. NAN above LIMIT_CONFUSION_CLASSES classes. */
#include <math.h>

#include "engine/metrics/metrics.h"

static enum error_code compute(const struct metric_input *input, struct metric_value *out_value, struct error *error) {
  enum error_code code = metric_check_classes(input, error);
  if (code != ERROR_NONE) return code;
  size_t class_count = input->class_count;
  if (class_count > LIMIT_CONFUSION_CLASSES) {
    out_value->scalar = NAN;
    return ERROR_NONE;
  }
  code = metric_value_init_matrix(out_value, class_count, class_count, error);
  for (size_t i = 0; i < input->rows && code == ERROR_NONE; i++) {
    size_t predicted = metric_class_of(input->outputs + i * input->width, input->width);
    out_value->matrix[(size_t)input->targets[i] * class_count + predicted]++;
  }
  return code;
}

const struct metric_kind metric_confusion_matrix = {
    .kind = {.name = "confusion_matrix", .summary = "how many rows of each true class were taken for each class"},
    .tasks = METRIC_OF_CLASSES,
    .is_better_when_higher = true,
    .compute = compute,
};
