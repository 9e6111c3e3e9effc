/* How strongly each column of a dataset goes with the target, and whether it tells the target all alone (then it often is the target in
 * disguise: a leak). Computed on a sample of the rows, evenly spaced, in bounded memory.
 *
 *   measure            of                                  value
 *   pearson            numbers with numbers                r, −1 … 1
 *   correlation_ratio  numbers with classes, or reversed   η = √(variance between the classes / variance), 0 … 1 (Pearson, 1905)
 *   cramers_v          classes with classes                √(χ² / (n · (min(rows, columns) − 1))), 0 … 1 (Cramér, 1946)
 *
 * `alone`: of every two rows of the sample the first is learned from and the second predicted, by the commonest class (or mean) of the
 * column's value, numbers in up to 64 bins of equally many rows: accuracy of classes, R² of numbers. `baseline` is that of the answer that
 * is always the same: the share of the commonest class, or 0.
 */
#ifndef SERVER_DATA_ASSOCIATION_H
#define SERVER_DATA_ASSOCIATION_H

#include "engine/error.h"
#include "server/store/datasets.h"

enum { ASSOCIATION_CELLS = 4 << 20 /* of the sample: 16 MiB */ };

enum association_measure { ASSOCIATION_NONE, ASSOCIATION_PEARSON, ASSOCIATION_RATIO, ASSOCIATION_CRAMER };
extern const char *const association_measure_names[5]; /* "none", "pearson", "correlation_ratio", "cramers_v", NULL */

struct association {
  enum association_measure measure; /* none: the column has no few categories and no numbers, or too little of both columns is present */
  double value;
  bool has_alone;
  double alone, baseline;
  bool is_leak;     /* alone comes within 2 % of the way from the baseline to being always right */
  bool counts_rows; /* the column is the row's number, up to a constant */
};

struct association_request {
  const char *data_dir;
  const struct dataset_row *dataset;
  size_t target;               /* column_count: none, and only counts_rows is told */
  bool is_class;               /* the target's values are classes */
  bool (*poll)(void *context); /* may be NULL; true gives up with ERROR_UNAVAILABLE */
  void *poll_context;
};
/* Fills out_associations[column_count]; that of the target itself is of measure none. */
__attribute__((warn_unused_result)) enum error_code associations_read(const struct association_request *request,
                                                                      struct association *out_associations, uint64_t *out_rows_read,
                                                                      struct error *error);

#endif
