/* per_class: precision, recall, F1 and the number of rows of each class (or label). */
#include <stdlib.h>

#include "engine/metrics/metrics.h"

enum { COLUMNS = 4, RATIOS = 3 };
static const char *const column_names[COLUMNS + 1] = {"precision", "recall", "f1", "support", NULL};

static enum error_code compute(const struct metric_input *input, struct metric_value *out_value, struct error *error) {
  struct class_tally *tallies = NULL;
  size_t count = 0;
  enum error_code code = metric_tally(input, &tallies, &count, error);
  if (code == ERROR_NONE) code = metric_value_init_matrix(out_value, count, COLUMNS, error);
  for (size_t i = 0; i < count && code == ERROR_NONE; i++) {
    double *row = out_value->matrix + i * COLUMNS;
    row[0] = class_tally_precision(&tallies[i]);
    row[1] = class_tally_recall(&tallies[i]);
    row[2] = class_tally_f1(&tallies[i]);
    row[3] = (double)tallies[i].actual;
  }
  out_value->column_names = column_names;
  out_value->ratio_column_count = RATIOS;
  free(tallies);
  return code;
}

const struct metric_kind metric_per_class = {
    .kind = {.name = "per_class", .summary = "precision, recall, F1 and number of rows of each class"},
    .tasks = METRIC_OF_CLASSES | METRIC_OF_LABELS,
    .is_better_when_higher = true,
    .compute = compute,
};
