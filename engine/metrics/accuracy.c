/* accuracy: the share of rows whose class is right; of labels that are right, where there are several; of reconstructed categories. */
#include "engine/metrics/metrics.h"

static void count_classes(const struct metric_input *input, size_t *correct, size_t *count) {
  *count = input->rows;
  for (size_t i = 0; i < input->rows; i++)
    *correct += metric_class_of(input->outputs + i * input->width, input->width) == (size_t)input->targets[i];
}

static void count_labels(const struct metric_input *input, size_t *correct, size_t *count) {
  for (size_t i = 0; i < input->rows * input->width; i++) {
    if (!metric_counts(input, i / input->width, i % input->width)) continue;
    *correct += (input->outputs[i] > 0.5f) == (input->targets[i] > 0.5f);
    ++*count;
  }
}

/* The largest of so many outputs is the one whose target is 1. A category that was not there to be learned has no 1 and can't be right. */
static bool is_category_right(const float *outputs, const float *targets, size_t count) {
  size_t best = 0;
  for (size_t j = 1; j < count; j++)
    if (outputs[j] > outputs[best]) best = j;
  return targets[best] == 1;
}

static void count_categories(const struct metric_input *input, size_t *correct, size_t *count) {
  const size_t *spans = input->category_spans;
  for (size_t i = 0; i < input->rows; i++) {
    const float *outputs = input->outputs + i * input->width, *targets = input->targets + i * input->width;
    for (size_t j = 0; j<input->width; j += spans[j]> 0 ? spans[j] : 1) {
      if (spans[j] == 0) continue;
      *correct += is_category_right(outputs + j, targets + j, spans[j]);
      ++*count;
    }
  }
}

static enum error_code compute(const struct metric_input *input, struct metric_value *out_value, struct error *error) {
  enum error_code code = metric_check_classes(input, error);
  if (code != ERROR_NONE) return code;
  size_t correct = 0, count = 0;
  switch (input->task) {
  case TASK_CLASSIFICATION: count_classes(input, &correct, &count); break;
  case TASK_MULTILABEL: count_labels(input, &correct, &count); break;
  case TASK_REGRESSION: count_categories(input, &correct, &count); break;
  }
  out_value->scalar = (double)correct / (double)count;
  return ERROR_NONE;
}

const struct metric_kind metric_accuracy = {
    .kind = {.name = "accuracy",
             .summary = "share of rows (of labels, or of reconstructed categories, if there are several) that are right"},
    .tasks = METRIC_OF_CLASSES | METRIC_OF_LABELS | METRIC_OF_CATEGORIES,
    .is_better_when_higher = true,
    .compute = compute,
};
