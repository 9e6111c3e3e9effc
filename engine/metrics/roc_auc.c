/* roc_auc: the probability that a row of the class scores higher than a row of another, ties counting half (Mann-Whitney U / (P N)).
 *
 * Two classes: the score is the second class's output. More classes, or labels: one against the rest, averaged over those that have rows
 * on both sides. NAN if none has, or if a score is not a number.
 */
#include <math.h>
#include <stdlib.h>

#include "engine/metrics/metrics.h"

struct scored {
  float score;
  bool is_positive;
};

static int scored_compare(const void *left, const void *right) {
  float a = ((const struct scored *)left)->score, b = ((const struct scored *)right)->score;
  return (a > b) - (a < b);
}

/* Sorts `rows`. Counts are whole or halves: exact in float64. */
static double area_under_curve(size_t count, struct scored *rows) {
  for (size_t i = 0; i < count; i++)
    if (isnan(rows[i].score)) return NAN;
  qsort(rows, count, sizeof *rows, scored_compare);
  double wins = 0, positives = 0, negatives = 0;
  for (size_t i = 0; i < count;) {
    double tied_positives = 0, tied_negatives = 0;
    float score = rows[i].score;
    for (; i < count && rows[i].score == score; i++) {
      if (rows[i].is_positive)
        tied_positives++;
      else
        tied_negatives++;
    }
    wins += tied_positives * (negatives + 0.5 * tied_negatives);
    positives += tied_positives;
    negatives += tied_negatives;
  }
  return wins / (positives * negatives);
}

/* Returns how many. */
static size_t gather(const struct metric_input *input, size_t class_index, struct scored *rows) {
  size_t column = input->width == 1 ? 0 : class_index, count = 0;
  for (size_t i = 0; i < input->rows; i++) {
    if (!metric_counts(input, i, column)) continue;
    rows[count].score = input->outputs[i * input->width + column];
    rows[count++].is_positive =
        input->task == TASK_MULTILABEL ? input->targets[i * input->width + column] > 0.5f : (size_t)input->targets[i] == class_index;
  }
  return count;
}

static enum error_code compute(const struct metric_input *input, struct metric_value *out_value, struct error *error) {
  out_value->scalar = NAN;
  if (input->rows == 0) return ERROR_NONE;
  struct class_tally *tallies = NULL;
  size_t count = 0, counted = 0;
  double sum = 0;
  enum error_code code = metric_tally(input, &tallies, &count, error);
  if (code != ERROR_NONE) return code;
  struct scored *rows = calloc(input->rows, sizeof *rows);
  if (rows == NULL) code = error_set(error, ERROR_OUT_OF_MEMORY, "no memory to sort %zu rows", input->rows);
  bool is_binary = input->task == TASK_CLASSIFICATION && count == 2;
  for (size_t i = is_binary ? 1 : 0; i < count && rows != NULL; i++) {
    if (tallies[i].actual == 0) continue;
    const size_t row_count = gather(input, i, rows);
    if (tallies[i].actual == row_count) continue;
    sum += area_under_curve(row_count, rows);
    counted++;
  }
  free(rows);
  free(tallies);
  out_value->scalar = counted == 0 ? (double)NAN : sum / (double)counted;
  return code;
}

const struct metric_kind metric_roc_auc = {
    .kind = {.name = "roc_auc", .summary = "area under the ROC curve; one class against the rest, averaged, if there are more than two"},
    .tasks = METRIC_OF_CLASSES | METRIC_OF_LABELS,
    .is_better_when_higher = true,
    .compute = compute,
};
