/* The metric kinds, one per file, and what they share. metrics.c puts the kinds into the table.
 *
 * Definitions are scikit-learn's: a ratio whose denominator is 0 is 0, macro averages go over the classes that occur among targets or
 * predictions (over all labels where there are several). Sums are taken in float64, in the order of the rows.
 */
#ifndef ENGINE_METRICS_METRICS_H
#define ENGINE_METRICS_METRICS_H

#include "engine/metric.h"

enum {
  METRIC_OF_CLASSES = 1u << TASK_CLASSIFICATION,
  METRIC_OF_LABELS = 1u << TASK_MULTILABEL,
  METRIC_OF_NUMBERS = 1u << TASK_REGRESSION,
  METRIC_OF_CATEGORIES = 1u << (TASK_REGRESSION + 1) /* of a regression whose outputs have category_spans */
};

/* One row a kind, in the order in which they are shown. */
/* clang-format off */
#define METRIC_KINDS(row) \
  row(metric, accuracy) \
  row(metric, top_k_accuracy) \
  row(metric, precision) \
  row(metric, recall) \
  row(metric, f1) \
  row(metric, roc_auc) \
  row(metric, log_loss) \
  row(metric, per_class) \
  row(metric, confusion_matrix) \
  row(metric, mae) \
  row(metric, rmse) \
  row(metric, r2)
/* clang-format on */
METRIC_KINDS(KIND_DECLARE)

/* How often one class (or label) was right, said, and true. */
struct class_tally {
  size_t true_positives;
  size_t predicted;
  size_t actual;
};

/* Checks that outputs and classes fit and that each target is a class. Every metric of classes asks this first. */
__attribute__((warn_unused_result)) enum error_code metric_check_classes(const struct metric_input *input, struct error *error);

/* One tally for each class or label; free() them. */
__attribute__((warn_unused_result)) enum error_code metric_tally(const struct metric_input *input, struct class_tally **out_tallies,
                                                                 size_t *out_count, struct error *error);

/* true positives / predicted; true positives / actual; their harmonic mean. */
double class_tally_precision(const struct class_tally *tally);
double class_tally_recall(const struct class_tally *tally);
double class_tally_f1(const struct class_tally *tally);

/* The mean of such a ratio over classes or labels. */
__attribute__((warn_unused_result)) enum error_code metric_macro(const struct metric_input *input,
                                                                 double (*ratio)(const struct class_tally *tally),
                                                                 struct metric_value *out_value, struct error *error);

/* Gives `value` a matrix of zeros. */
__attribute__((warn_unused_result)) enum error_code metric_value_init_matrix(struct metric_value *value, size_t row_count,
                                                                             size_t column_count, struct error *error);

#endif
