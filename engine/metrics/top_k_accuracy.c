/* top_k_accuracy: the share of rows whose class is among the k most probable. Of equal outputs the first ranks higher, as for accuracy. */
#include "engine/metrics/metrics.h"

enum { TOP_K_DEFAULT = 5 };

/* How many classes stand above the right one. */
static size_t rank_of(const float *outputs, size_t width, size_t actual) {
  size_t above = 0;
  for (size_t j = 0; j < actual; j++) above += outputs[j] >= outputs[actual];
  for (size_t j = actual + 1; j < width; j++) above += outputs[j] > outputs[actual];
  return above;
}

static enum error_code compute(const struct metric_input *input, struct metric_value *out_value, struct error *error) {
  enum error_code code = metric_check_classes(input, error);
  if (code != ERROR_NONE) return code;
  size_t k = input->top_k > 0 ? input->top_k : TOP_K_DEFAULT;
  size_t correct = 0, width = input->width;
  for (size_t i = 0; i < input->rows; i++) {
    const float *outputs = input->outputs + i * width;
    size_t actual = (size_t)input->targets[i];
    correct += width == 1 ? k > 1 || metric_class_of(outputs, 1) == actual : rank_of(outputs, width, actual) < k;
  }
  out_value->scalar = (double)correct / (double)input->rows;
  return ERROR_NONE;
}

const struct metric_kind metric_top_k_accuracy = {
    .kind = {.name = "top_k_accuracy", .summary = "share of rows whose class is among the 5 most probable"},
    .tasks = METRIC_OF_CLASSES,
    .is_better_when_higher = true,
    .compute = compute,
};
