/* Metrics of a whole dataset: how good are these outputs? One file per kind in metrics/. */
#ifndef ENGINE_METRIC_H
#define ENGINE_METRIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"
#include "engine/param.h"

enum task {
  TASK_CLASSIFICATION, /* one class per row: outputs are probabilities [rows, classes], targets [rows] class indices;
                             or one sigmoid output for two classes: outputs [rows, 1] */
  TASK_MULTILABEL,     /* several yes/no labels: outputs and targets [rows, labels] */
  TASK_REGRESSION      /* numbers: outputs and targets [rows, width], as they are trained on */
};
extern const char *const task_names[4]; /* "classification", "multilabel", "regression", NULL */

/* Outputs that come without learning. */
struct metric_baseline {
  const char *name;
  const float *outputs; /* [rows, width] */
};

struct metric_input {
  enum task task;
  size_t rows;
  size_t width;       /* columns of `outputs` */
  size_t class_count; /* classification: classes (2 where width is 1) */
  size_t top_k;       /* of top_k_accuracy; 0: 5. At most the classes. */
  const float *outputs;
  const float *targets;
  const struct metric_baseline *baselines; /* what the outputs are to be compared with; the metrics themselves don't look at them */
  size_t baseline_count;
  const uint32_t
      *lengths;        /* regression, multilabel: [rows] so many values of a row count, from its first on: the others are of padded steps;
                              NULL: all */
  const double *scale; /* regression: [width], what a difference of 1 is in the data's own units. NULL: all 1 */
  /* Regression: [width], 0 for a number; for each of n outputs in a row that are the categories of one column, one-hot, n. Such outputs
   * have a part in no metric of numbers. NULL: all are numbers. */
  const size_t *category_spans;
  /* Regression: all outputs are of one kind, as the pixels of an image, of which many may hardly vary: rmse and r2 add up squares over all
   * of them instead of averaging over outputs. */
  bool is_one_quantity;
};

/* A metric's value: a scalar, or a matrix [row_count, column_count] (confusion matrix [true][predicted];
 * per_class [class][precision, recall, f1, support]). NAN: not defined for this data (ROC AUC with one class present, no rows). */
struct metric_value {
  double scalar;
  size_t row_count, column_count;  /* 0: scalar */
  const char *const *column_names; /* per_class: names of the columns; or NULL */
  size_t ratio_column_count;       /* so many columns are ratios; those after them count rows, in whole numbers */
  double *matrix;                  /* owned */
};

struct metric_kind {
  struct kind kind;
  unsigned tasks; /* bit (1 << enum task) for each task it applies to; METRIC_OF_CATEGORIES for those of a reconstruction (metrics.h) */
  bool is_better_when_higher;
  /* ERROR_INVALID if width and classes don't fit, or a target is no class; ERROR_OUT_OF_MEMORY. *out_value is to
   * be deinit'ed either way. */
  enum error_code (*compute)(const struct metric_input *input, struct metric_value *out_value, struct error *error);
};

/* The class that a row of `width` outputs says: the largest, the first of equals; of one sigmoid output, 1 above one half. */
static inline size_t metric_class_of(const float *outputs, size_t width) {
  if (width == 1) return outputs[0] > 0.5f;
  size_t best = 0;
  for (size_t j = 1; j < width; j++)
    if (outputs[j] > outputs[best]) best = j;
  return best;
}

/* Whether the output j of that row counts, as a number or as a label. */
static inline bool metric_counts(const struct metric_input *input, size_t row, size_t j) {
  return (input->lengths == NULL || j < input->lengths[row]) && (input->category_spans == NULL || input->category_spans[j] == 0);
}

/* Rows in which output j counts. */
static inline size_t metric_row_count(const struct metric_input *input, size_t j) {
  size_t count = 0;
  for (size_t row = 0; row < input->rows; row++) count += metric_counts(input, row, j);
  return count;
}

/* Output minus target of column `j`, at index `i` of the matrix, in the data's own units. Their offset cancels out,
 * so no digit is lost to it. */
static inline double metric_difference(const struct metric_input *input, size_t i, size_t j) {
  return ((double)input->outputs[i] - (double)input->targets[i]) * (input->scale == NULL ? 1 : input->scale[j]);
}

/* Whether there is anything for that metric to measure: it is one of the task's, and of numbers, categories alone have none. */
bool metric_applies(const struct metric_kind *kind, const struct metric_input *input);

extern const struct kind_table metric_kinds; /* accuracy, top_k_accuracy, precision, recall, f1, roc_auc, log_loss, per_class,
                                                  confusion_matrix, mae, rmse, r2 */

void metric_value_deinit(struct metric_value *value);

#endif
