/* What the metrics of classes and labels share: checks, and counting what was right, said and true. Called by the kinds beside it. */
#include <stdlib.h>

#include "engine/metrics/metrics.h"

enum error_code metric_check_classes(const struct metric_input *input, struct error *error) {
  if (input->task != TASK_CLASSIFICATION) return ERROR_NONE;
  size_t class_count = input->width == 1 ? 2 : input->width;
  if (input->class_count != class_count)
    return error_set(error, ERROR_INVALID, "%zu outputs can't tell %zu classes apart", input->width, input->class_count);
  for (size_t i = 0; i < input->rows; i++) {
    float target = input->targets[i];
    if (!(target >= 0 && target < (float)class_count && target == (float)(size_t)target))
      return error_set(error, ERROR_INVALID, "the target of row %zu is %g; class indices go from 0 to %zu", i, (double)target,
                       class_count - 1);
  }
  return ERROR_NONE;
}

static void tally_classes(const struct metric_input *input, struct class_tally *tallies) {
  for (size_t i = 0; i < input->rows; i++) {
    size_t actual = (size_t)input->targets[i];
    size_t predicted = metric_class_of(input->outputs + i * input->width, input->width);
    tallies[actual].actual++;
    tallies[predicted].predicted++;
    if (predicted == actual) tallies[actual].true_positives++;
  }
}

static void tally_labels(const struct metric_input *input, struct class_tally *tallies) {
  for (size_t i = 0; i < input->rows; i++) {
    for (size_t j = 0; j < input->width; j++) {
      if (!metric_counts(input, i, j)) continue;
      bool actual = input->targets[i * input->width + j] > 0.5f;
      bool predicted = input->outputs[i * input->width + j] > 0.5f;
      tallies[j].actual += actual;
      tallies[j].predicted += predicted;
      tallies[j].true_positives += actual && predicted;
    }
  }
}

enum error_code metric_tally(const struct metric_input *input, struct class_tally **out_tallies, size_t *out_count, struct error *error) {
  enum error_code code = metric_check_classes(input, error);
  if (code != ERROR_NONE) return code;
  bool is_multilabel = input->task == TASK_MULTILABEL;
  size_t count = is_multilabel ? input->width : input->class_count;
  struct class_tally *tallies = calloc(count, sizeof *tallies);
  if (tallies == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory to count %zu classes", count);
  if (is_multilabel)
    tally_labels(input, tallies);
  else
    tally_classes(input, tallies);
  *out_tallies = tallies;
  *out_count = count;
  return ERROR_NONE;
}

static double ratio_of(size_t part, size_t whole) { return whole == 0 ? 0 : (double)part / (double)whole; }

double class_tally_precision(const struct class_tally *tally) { return ratio_of(tally->true_positives, tally->predicted); }

double class_tally_recall(const struct class_tally *tally) { return ratio_of(tally->true_positives, tally->actual); }

/* 2 P R / (P + R) = 2 TP / (predicted + actual) */
double class_tally_f1(const struct class_tally *tally) { return ratio_of(2 * tally->true_positives, tally->predicted + tally->actual); }

enum error_code metric_macro(const struct metric_input *input, double (*ratio)(const struct class_tally *tally),
                             struct metric_value *out_value, struct error *error) {
  struct class_tally *tallies = NULL;
  size_t count = 0, counted = 0;
  double sum = 0;
  enum error_code code = metric_tally(input, &tallies, &count, error);
  if (code != ERROR_NONE) return code;
  for (size_t i = 0; i < count; i++) {
    bool occurs = tallies[i].actual + tallies[i].predicted > 0;
    if (!occurs && (input->task != TASK_MULTILABEL || metric_row_count(input, i) == 0)) continue;
    sum += ratio(&tallies[i]);
    counted++;
  }
  free(tallies);
  out_value->scalar = sum / (double)counted; /* no rows: 0/0, NAN */
  return ERROR_NONE;
}
