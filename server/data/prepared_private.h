/* What the steps of a preparation share: prepared.c and prepare_windows.c. Nobody else includes this. */
#ifndef SERVER_DATA_PREPARED_PRIVATE_H
#define SERVER_DATA_PREPARED_PRIVATE_H

#include "server/data/column_stats.h"
#include "server/data/encode.h"
#include "server/data/prepared.h"
#include "server/data/row_cache.h"

struct builder {
  const char *data_dir;
  const struct dataset_row *dataset, *test_dataset;
  const struct data_plan *plan;
  bool as_values;
  bool (*poll)(void *context);
  void *poll_context;
  struct preprocessor preprocessor;
  struct encoder encoder; /* of the dataset being walked */
  struct row_cache rows;  /* of `dataset` */
  size_t split_column;    /* if plan->settings.split.column is set */
  size_t usable;          /* rows met so far that have all targets */
  uint64_t left_out;
  int32_t *strata; /* [plan->rows], or NULL */
  uint8_t *parts;  /* [plan->rows] of each usable row */
  struct moments *features, *targets;
  struct text_fit *texts;        /* of text features */
  struct moments **steps;        /* of features that are arrays of steps, [features] each */
  struct image_fit image;        /* of the image, which is the only feature then */
  struct datetime_fit *dates;    /* of datetime features */
  struct number_sample *numbers; /* of features that are cut into bins */
  uint64_t sizes[PART_COUNT], filled[PART_COUNT];
  struct row_storage storage;
  float *x[PART_COUNT], *y[PART_COUNT]; /* in it; of mapped rows, x are their numbers, uint32_t */
  struct tensor_file tensors, test_tensors;
  size_t test_column; /* of the image in the test dataset */
  /* Of windows (windows.h): */
  uint32_t *positions;            /* [plan->rows] of each row in time; NULL: as they stand */
  uint64_t part_rows[PART_COUNT]; /* rows of each part, one part behind the other */
  uint32_t *starts[PART_COUNT];   /* [sizes] the row with which each window begins; in the storage, as is all x in x[PART_TRAIN] */
  float *baselines[2];            /* [test windows, target width] */
  float *series;                  /* [plan->rows, targets]; owned */
};

__attribute__((warn_unused_result)) enum error_code prepared_check_poll(const struct builder *builder, uint64_t row, struct error *error);

/* Of a series: which row is where in time, and so of which part; then all rows as one matrix and where windows begin in it. */
__attribute__((warn_unused_result)) enum error_code prepared_survey_windows(struct builder *builder, struct error *error);
__attribute__((warn_unused_result)) enum error_code prepared_fill_windows(struct builder *builder, struct error *error);
struct train_rows prepared_get_windows(const struct builder *builder, enum split_part part);

#endif
