/* What a job spec says of its data. data_params is the table; its rows stand at the job spec's top level. */
#ifndef SERVER_DATA_DATA_SETTINGS_H
#define SERVER_DATA_DATA_SETTINGS_H

#include "engine/param.h"

enum { TASK_CHOICE_AUTO, TASK_CHOICE_CLASSIFICATION, TASK_CHOICE_MULTILABEL, TASK_CHOICE_REGRESSION, TASK_CHOICE_RECONSTRUCTION };
enum {
  SCALING_STANDARD,
  SCALING_MIN_MAX,
  SCALING_NONE,
  SCALING_AUTO /* none for networks that take their input as it is, min_max for a reconstruction by a sigmoid, else standard */
};

/* The column that says the part of rows that were uploaded as several parts; "" of other datasets. */
#define SPLIT_COLUMN_AUTO "auto"

struct data_split {
  double validation, test;           /* shares of the rows; default 0.15 each; together < 1 */
  bool stratify;                     /* classification: same class shares in each part; default true */
  char column[LIMIT_NAME_BYTES + 1]; /* "", or a column that says training/train, validation/valid, test for each row; "auto" */
};

/* What columns of numbers become (server/data/number_bins.h). */
enum { NUMBER_SCALED, NUMBER_PIECEWISE_LINEAR };
struct number_settings {
  int encoding; /* NUMBER_* */
  int64_t bins; /* piecewise_linear: at most */
};

/* What text columns become (server/data/text_encoding.h). */
enum { TEXT_ENCODING_AUTO, TEXT_ENCODING_TOKENS, TEXT_ENCODING_TF_IDF };
struct text_settings {
  int encoding; /* TEXT_ENCODING_*; auto: tokens for a network that begins with an embedding, else tf_idf */
  int tokens;   /* enum token_unit */
  bool lowercase;
  int64_t vocabulary, min_frequency;
  int64_t max_length; /* of a sequence of tokens */
  int64_t ngrams;     /* tf_idf */
};

/* What columns of lists of numbers become (server/data/sequence.h). */
enum { SEQUENCE_AUTO, SEQUENCE_STEPS, SEQUENCE_FLAT };
struct sequence_settings {
  int form; /* SEQUENCE_*; auto: steps for a network that begins with a layer of steps, else flat */
  int64_t max_length;
};

/* Forecasting: the rows are a series, and what is learned is windows of it (server/data/windows.h). */
struct window_settings {
  bool is_enabled;                 /* set where the object was given */
  int64_t length, horizon, stride; /* rows: seen, forecast, from one window to the next */
  char time[LIMIT_NAME_BYTES + 1]; /* "" (the rows are in order) or the column by which they are put in order */
};

struct data_settings {
  char dataset[LIMIT_NAME_BYTES + 1];      /* id or name; required */
  char test_dataset[LIMIT_NAME_BYTES + 1]; /* "" or a dataset that is the test part, whole; split.test then counts as 0 */
  struct names target;                     /* columns to predict; for a reconstruction, the features, as the plan fills in */
  struct names features;                   /* empty: all but target and split column (and image columns, for now) */
  int task;                                /* TASK_CHOICE_*; auto: see data_plan_create */
  int scaling;                             /* of numeric features */
  struct number_settings number;
  struct text_settings text;
  struct sequence_settings sequence;
  struct window_settings window;
  struct data_split split;
};
extern const struct param data_params[11];
extern const size_t data_param_count;

#endif
