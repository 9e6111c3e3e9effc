/* The table of metrics, in the order in which they are shown. Called by whoever measures a whole dataset. */
#include "engine/metrics/metrics.h"

#include <stdlib.h>

const char *const task_names[4] = {
    [TASK_CLASSIFICATION] = "classification", [TASK_MULTILABEL] = "multilabel", [TASK_REGRESSION] = "regression", NULL};

KIND_TABLE(metric, METRIC_KINDS)

bool metric_applies(const struct metric_kind *kind, const struct metric_input *input) {
  if (input->task != TASK_REGRESSION || input->category_spans == NULL) return (kind->tasks & (1u << input->task)) != 0;
  bool has_numbers = false, has_categories = false;
  for (size_t j = 0; j < input->width; j++) {
    has_numbers = has_numbers || input->category_spans[j] == 0;
    has_categories = has_categories || input->category_spans[j] > 0;
  }
  return (has_numbers && (kind->tasks & METRIC_OF_NUMBERS) != 0) || (has_categories && (kind->tasks & METRIC_OF_CATEGORIES) != 0);
}

enum error_code metric_value_init_matrix(struct metric_value *value, size_t row_count, size_t column_count, struct error *error) {
  size_t count;
  bool overflows = __builtin_mul_overflow(row_count, column_count, &count);
  *value = (struct metric_value){.row_count = row_count, .column_count = column_count};
  value->matrix = overflows ? NULL : calloc(count, sizeof *value->matrix);
  return value->matrix != NULL ? ERROR_NONE
                               : error_set(error, ERROR_OUT_OF_MEMORY, "no memory for a matrix of %zu by %zu", row_count, column_count);
}

void metric_value_deinit(struct metric_value *value) {
  free(value->matrix);
  *value = (struct metric_value){0};
}
