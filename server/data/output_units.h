/* What a network's outputs are in the data's own units: what metrics of numbers are told in. */
#ifndef SERVER_DATA_OUTPUT_UNITS_H
#define SERVER_DATA_OUTPUT_UNITS_H

#include "server/data/preprocessor.h"

struct output_units {
  double *scale;          /* [output_width], owned: what a difference of 1 is; NULL but for numbers */
  size_t *category_spans; /* [output_width], owned: as in struct metric_input; NULL: there are no categories */
  bool has_numbers;       /* not categories alone */
  bool is_one_quantity;   /* the pixels of an image */
};
/* Deinit whatever the outcome. */
__attribute__((warn_unused_result)) enum error_code output_units_init(struct output_units *units, const struct preprocessor *preprocessor,
                                                                      struct error *error);
void output_units_deinit(struct output_units *units);
/* Bytes that output_units_init allocates. */
size_t output_units_measure(const struct preprocessor *preprocessor);

#endif
