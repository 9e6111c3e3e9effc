/* Cells of whole datasets → floats, fast: what preprocessor_transform does for a few rows, with tables for the categories and the columns
 * found once. Both write through the encode_… functions, so that they can't differ. */
#ifndef SERVER_DATA_ENCODE_H
#define SERVER_DATA_ENCODE_H

#include "server/data/lookup.h"
#include "server/data/preprocessor.h"
#include "server/data/tensor_file.h"

/* The floats of one feature of a row x, by what its cell holds. */
void encode_number(const struct feature *feature, double value, float *x);
void encode_category(const struct feature *feature, size_t index, float *x); /* LOOKUP_NONE, or not seen in training: all zeros */
void encode_text(const struct feature *feature, const char *text, float *x);
void encode_datetime(const struct feature *feature, const struct datetime *datetime, float *x);
/* False: the text is no list of numbers. */
bool encode_list(const struct feature *feature, const char *text, float *x);
void encode_missing(const struct feature *feature, float *x);
/* y of a classification. */
void encode_class(const struct preprocessor *preprocessor, size_t index, bool as_values, float *y);
float encode_target_number(const struct target *target, double value);

/* Where a preprocessor's columns stand in one dataset. */
struct encoder {
  const struct preprocessor *preprocessor; /* borrowed; may be fitted after encoder_init */
  const struct dataset_row *dataset;       /* borrowed */
  size_t *feature_columns, *target_columns;
  struct lookup *features, *targets; /* of categories and classes; empty for numbers */
  const struct tensor_file *tensors; /* of the dataset, borrowed: for its images; to be set after encoder_init */
};

/* Finds the columns by name. ERROR_INVALID, naming it, if one is missing or holds words where numbers are needed. */
__attribute__((warn_unused_result)) enum error_code encoder_init(struct encoder *encoder, const struct preprocessor *preprocessor,
                                                                 const struct dataset_row *dataset, const char *pointer,
                                                                 struct error *error);
void encoder_deinit(struct encoder *encoder);
/* Bytes that encoder_init allocates. */
size_t encoder_measure(const struct preprocessor *preprocessor);

/* The pixels of a row in the column of feature `index`, an image. */
const uint8_t *encoder_get_pixels(const struct encoder *encoder, size_t index, uint64_t row);
/* … the steps of a sequence, as many as its column's sizes say. */
const float *encoder_get_steps(const struct encoder *encoder, size_t index, uint64_t row);
/* x[row width] of a row of the dataset's cells. */
__attribute__((warn_unused_result)) enum error_code encoder_encode(const struct encoder *encoder, const char *const *cells, uint64_t row,
                                                                   float *x, struct error *error);
/* A date in the column of feature `index`. */
bool encoder_parse_date(const struct encoder *encoder, size_t index, const char *text, struct datetime *out_datetime);
/* Whether a row has no target: it lacks one of them, or, of a class for each step, all. */
bool encoder_lacks_target(const struct encoder *encoder, const char *const *cells);
/* y; *out_missing: a target is missing and nothing was written. Of a reconstruction nothing is written either: its target is x. */
__attribute__((warn_unused_result)) enum error_code encoder_encode_target(const struct encoder *encoder, const char *const *cells,
                                                                          uint64_t row, bool as_values, float *y, bool *out_missing,
                                                                          struct error *error);

#endif
