/* The preprocessor: raw cells ⇄ the network's floats. Fitted on the training part only, stored with the model, plain data.
 *
 * Layout of one input row x[input_width], column after column in the dataset's order:
 *   numeric      1 float, scaled: (v − center) / scale; missing → 0 after imputation by the training mean (so `fill` scaled)
 *                cut into bins: as number_bins.h says; missing → as the training mean
 *                tokens for an embedding: 1 float, as it is; missing → the padding
 *   categorical  one float per category (one-hot); a category that the training part did not have: all zeros
 *   datetime     as datetime.h says: the instant, scaled as a number is (where numbers are left as they are: standardized), and pairs of
 *                sine and cosine; missing → 0
 *   sequence     as sequence.h says: a list of numbers, padded
 *   text         as text_encoding.h says: a sequence of token numbers, or a number for each token of the vocabulary
 *   image        a float for each pixel, [channels, height, width], as image_encoding.h says; nothing else beside it
 *   … each followed by 1 float "is missing" (0 or 1) if has_indicator (never a sequence of tokens)
 * For a network that begins with masking, what is missing is its mask_value instead, and there is no indicator.
 * Categories and classes are compared as text without spaces around it; where all of them are numbers, by value ("1.0" is "1").
 * Threads: constant after fitting; may be shared.
 */
#ifndef SERVER_DATA_PREPROCESSOR_H
#define SERVER_DATA_PREPROCESSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"
#include "engine/metric.h"
#include "server/data/datetime.h"
#include "server/data/image_encoding.h"
#include "server/data/number_bins.h"
#include "server/data/sequence.h"
#include "server/data/text_encoding.h"
#include "server/store/datasets.h"

struct feature {
  char *name;
  enum column_kind kind;
  size_t column;        /* in the dataset */
  size_t offset, width; /* floats in x, the indicator included */
  bool has_indicator;
  double center, scale, fill; /* numeric, datetime (seconds); scale is never 0; fill in the column's own units */
  bool has_mask;              /* missing → `mask` in all its floats, as they are, for a masking layer */
  double mask;
  size_t token_count; /* numeric: > 0 if it holds tokens 0 … token_count − 1 for an embedding, as they are; missing → fill, the padding */
  struct number_bins bins; /* numeric: width > 0 if it is cut into them */
  size_t category_count;
  char **categories;
  bool *is_seen;                  /* in the training part */
  struct text_encoding text;      /* of a text */
  struct datetime_encoding dates; /* of a datetime */
  struct image_encoding image;    /* of an image */
  struct sequence_encoding list;  /* of a sequence; center, scale as of a number */
};

struct target {
  char *name;
  char *source; /* of a forecast: the column's name, to which `name` adds which of the rows behind the window it is; NULL: it is `name` */
  size_t column;
  bool is_class; /* classification and multilabel */
  size_t class_count;
  char **classes;        /* of classification: the output's order; of a multilabel column: {negative, positive} */
  double *class_weights; /* [class_count] that the loss was computed with; NULL: all 1 */
  double center, scale;  /* regression: standardized for training */
};

/* Forecasting: what goes in is `length` rows one behind the other, what comes out the targets in the `horizon` rows behind them. */
struct window {
  size_t length, horizon, stride; /* length 0: none, a row stands for itself */
};

/* … and the column by which the rows are put in order of time. */
struct clock {
  char *name;    /* owned; NULL: none, rows are in order as they stand */
  size_t column; /* in the dataset */
  bool has_dates;
  enum datetime_order order; /* of dates; else they are numbers */
};

struct preprocessor {
  enum task task;
  /* A regression whose targets are the features, numeric, categorical or one image: what comes out is laid out as x is, and x is what
   * should. One target for each feature, in their order; none has an indicator. */
  bool is_reconstruction;
  size_t feature_count;
  struct feature *features; /* owned, with all below */
  size_t target_count;
  struct target *targets;
  struct window window;
  struct clock clock;  /* of a window */
  size_t input_width;  /* of the network: of a row, or of the rows of a window */
  size_t output_width; /* of the network: classes, labels, numbers; 1 for two classes by one sigmoid; steps · classes */
  size_t target_width; /* floats of one y: 1 class index, or one a step, or values; of a reconstruction those of x */
};
/* Several targets of a classification are the classes of a sequence's steps, all of one list; a step whose cell is missing has none. 1 of
 * anything else. */
static inline size_t preprocessor_count_steps(const struct preprocessor *preprocessor) {
  return preprocessor->task == TASK_CLASSIFICATION ? preprocessor->target_count : 1;
}
void preprocessor_deinit(struct preprocessor *preprocessor);
/* A copy that shares nothing with the original. */
__attribute__((warn_unused_result)) enum error_code preprocessor_copy(struct preprocessor *out_copy,
                                                                      const struct preprocessor *preprocessor, struct error *error);

/* Floats of one row: what preprocessor_transform writes. */
static inline size_t preprocessor_get_row_width(const struct preprocessor *preprocessor) {
  return preprocessor->window.length == 0 ? preprocessor->input_width : preprocessor->input_width / preprocessor->window.length;
}
static inline const char *target_get_column_name(const struct target *target) {
  return target->source == NULL ? target->name : target->source;
}

/* The feature that is the clock; feature_count: none is, or there is no clock. */
size_t preprocessor_find_clock(const struct preprocessor *preprocessor);

/* Copies weights[class_count]. False: no memory. */
__attribute__((warn_unused_result)) bool target_set_class_weights(struct target *target, const double *weights);

/* Whether a number can stand in this column: any, but of tokens whole ones in their range. */
bool feature_takes_number(const struct feature *feature, double number);

/* One raw cell. */
struct cell {
  enum { CELL_MISSING, CELL_NUMBER, CELL_TEXT, CELL_PIXELS, CELL_STEPS } kind;
  double number;
  const uint8_t *pixels; /* CELL_PIXELS: as many as the image has, [channels, height, width] */
  const float *values;   /* CELL_STEPS: [steps, features] */
  size_t steps;
  const char *text; /* also of numbers that came as text: kind CELL_TEXT is parsed where a number is wanted */
};

/* When a row is, by its cell of the clock: a number, or seconds since 1970. False: the cell is neither. */
__attribute__((warn_unused_result)) bool clock_read(const struct clock *clock, const struct cell *cell, double *out_time);

/* Adds a field error at pointer/name, the name escaped as RFC 6901 wants it; its code. */
__attribute__((format(printf, 4, 5))) enum error_code preprocessor_add_field_error(struct error *error, const char *pointer,
                                                                                   const char *name, const char *format, ...);

/* x[row width] from `cells`, one per feature in order. Errors (a word where a number is wanted) carry pointer + "/" + feature name and
 * say what would be right. */
__attribute__((warn_unused_result)) enum error_code preprocessor_transform(const struct preprocessor *preprocessor,
                                                                           const struct cell *cells, const char *pointer, float *x,
                                                                           struct error *error);
/* y from the targets' cells (not of a reconstruction, whose y is what preprocessor_transform makes); missing or unknown → ERROR_INVALID.
 * y holds preprocessor_get_target_width(as_values) floats: class indices, labels 0 or 1, scaled numbers. Of a class for each step those
 * that are missing are LOSS_NO_CLASS, but one must be there. With as_values, a class becomes one-hot [output_width] (one sigmoid output:
 * 0 or 1, the index itself). */
__attribute__((warn_unused_result)) enum error_code preprocessor_transform_target(const struct preprocessor *preprocessor,
                                                                                  const struct cell *cells, const char *pointer,
                                                                                  bool as_values, float *y, struct error *error);
static inline size_t preprocessor_get_target_width(const struct preprocessor *preprocessor, bool as_values) {
  return as_values && preprocessor->task == TASK_CLASSIFICATION ? preprocessor->output_width : preprocessor->target_width;
}
/* Standardized number → the data's own units. */
static inline double target_restore(const struct target *target, double value) { return value * target->scale + target->center; }

#endif
