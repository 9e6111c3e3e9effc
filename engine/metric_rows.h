/* The outputs of a whole dataset beside its targets, gathered batch by batch, as the metrics take them.
 *
 * Padded steps of sequences have no part in any metric. Of a class for each step, rows here are the real steps whose class is known; of
 * numbers and labels, a row's real steps are its first values, and it is kept how many.
 */
#ifndef ENGINE_METRIC_ROWS_H
#define ENGINE_METRIC_ROWS_H

#include "engine/metric.h"
#include "engine/network.h"

struct metric_rows {
  enum task task;
  size_t steps;        /* rows of metrics that a row of data makes at most: > 1 with a class for each step */
  size_t output_width; /* of one such row … */
  size_t target_width; /* … and of its target */
  size_t step_width;   /* values of one step, where outputs are sequences */
  size_t capacity, count;
  bool is_borrowed;  /* they stand in the options' memory */
  float *outputs;    /* [capacity, output_width], owned, as all, unless borrowed */
  float *targets;    /* [capacity, target_width] */
  uint32_t *lengths; /* [capacity] values that count; NULL: all */
};

/* `target_steps`: as in struct train_data; `target_width`: floats of a row's target, class indices or values. */
struct metric_rows_options {
  enum task task;
  size_t row_count, target_steps, target_width;
  void *memory; /* as many bytes as measured, which must outlive the rows; NULL: allocated */
};
/* Bytes that metric_rows_init allocates; false if that overflows. */
bool metric_rows_measure(const struct network *network, const struct metric_rows_options *options, uint64_t *out_bytes);
/* Free with metric_rows_deinit, whatever the outcome. */
__attribute__((warn_unused_result)) enum error_code metric_rows_init(struct metric_rows *rows, const struct network *network,
                                                                     const struct metric_rows_options *options, struct error *error);
void metric_rows_deinit(struct metric_rows *rows);

/* Adds the outputs of the workspace's last forward pass beside targets[count, target width]. No more than row_count altogether. */
void metric_rows_add(struct metric_rows *rows, const struct workspace *workspace, const float *targets, size_t count);

/* For the metrics; class_count and scale are the caller's to set. Borrows from `rows`. */
struct metric_input metric_rows_get(const struct metric_rows *rows);

#endif
