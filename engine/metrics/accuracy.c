/* accuracy: the share of rows whose class is right; of labels that are right, where there are several. */
#include "engine/metrics/metrics.h"

static enum error_code compute(const struct metric_input *input, struct metric_value *out_value, struct error *error) {
  enum error_code code = metric_check_classes(input, error);
  if (code != ERROR_NONE) return code;
  size_t correct = 0, count = 0;
  for (size_t i = 0; i < input->rows * input->width && input->task == TASK_MULTILABEL; i++) {
    if (!metric_counts(input, i / input->width, i % input->width)) continue;
    correct += (input->outputs[i] > 0.5f) == (input->targets[i] > 0.5f);
    count++;
  }
  for (size_t i = 0; i < input->rows && input->task == TASK_CLASSIFICATION; i++, count++)
    correct += metric_class_of(input->outputs + i * input->width, input->width) == (size_t)input->targets[i];
  out_value->scalar = (double)correct / (double)count;
  return ERROR_NONE;
}

const struct metric_kind metric_accuracy = {
    .kind = {.name = "accuracy", .summary = "share of rows (of labels, if there are several) that are right"},
    .tasks = METRIC_OF_CLASSES | METRIC_OF_LABELS,
    .is_better_when_higher = true,
    .compute = compute,
};
