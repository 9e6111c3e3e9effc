/* What association.c computes of two columns' samples. Private to it and its tests.
 *
 * A variable is values [count], NaN where missing; of classes, their indices below class_count; class_count 0: numbers.
 */
#ifndef SERVER_DATA_ASSOCIATION_MEASURES_H
#define SERVER_DATA_ASSOCIATION_MEASURES_H

#include "engine/error.h"

#include <stdbool.h>
#include <stddef.h>

struct variable {
  const float *values;
  size_t class_count;
};

/* NaN: one of them doesn't vary where both are present. `table` has room for x.class_count · y.class_count doubles of Cramér's V, or 3 of
 * each class of a correlation ratio. */
double measure_pearson(const struct variable *x, const struct variable *y, size_t count);
double measure_correlation_ratio(const struct variable *classes, const struct variable *numbers, size_t count, double *table);
double measure_cramers_v(const struct variable *x, const struct variable *y, size_t count, double *table);

/* Predicts the odd entries of y from x by what the even ones say. False: too few of both are present. */
__attribute__((warn_unused_result)) enum error_code measure_alone(const struct variable *x, const struct variable *y, size_t count,
                                                                  bool *out_is_known, double *out_score, double *out_baseline,
                                                                  struct error *error);

#endif
