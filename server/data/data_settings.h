/* What a job spec says of its data. data_params is the table; its rows stand at the job spec's top level. */
#ifndef SERVER_DATA_DATA_SETTINGS_H
#define SERVER_DATA_DATA_SETTINGS_H

#include "engine/param.h"

enum { TASK_CHOICE_AUTO, TASK_CHOICE_CLASSIFICATION, TASK_CHOICE_MULTILABEL, TASK_CHOICE_REGRESSION };
enum { SCALING_STANDARD, SCALING_MIN_MAX, SCALING_NONE };

struct data_split {
  double validation, test;           /* shares of the rows; default 0.15 each; together < 1 */
  bool stratify;                     /* classification: same class shares in each part; default true */
  char column[LIMIT_NAME_BYTES + 1]; /* "" or a column that says training/train, validation/valid, test for each row */
};

struct data_settings {
  char dataset[LIMIT_NAME_BYTES + 1];      /* id or name; required */
  char test_dataset[LIMIT_NAME_BYTES + 1]; /* "" or a dataset that is the test part, whole; split.test then counts as 0 */
  struct names target;                     /* columns to predict; required */
  struct names features;                   /* empty: all but target and split column (and text or image columns, for now) */
  int task;                                /* TASK_CHOICE_*; auto: see data_plan_create */
  int scaling;                             /* of numeric features */
  struct data_split split;
};
extern const struct param data_params[7];
extern const size_t data_param_count;

#endif
