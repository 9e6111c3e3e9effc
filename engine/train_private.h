/* The trainer, as train.c creates it and train_run.c, train_report.c and algorithms/ use it. Nobody else includes this. */
#ifndef ENGINE_TRAIN_PRIVATE_H
#define ENGINE_TRAIN_PRIVATE_H

#include "engine/activity.h"
#include "engine/diagnosis/diagnosis.h"
#include "engine/train.h"

struct trainer {
  const struct network *network;
  const struct train_settings *settings;
  struct train_data data; /* the rows and the scale are borrowed */
  struct row_reader train_x, validation_x;
  const struct parallel *parallel;
  struct spec loss;      /* resolved; owned */
  double *class_weights; /* [width] or NULL; owned */

  size_t batch_size;               /* of the settings, or the training rows if they are fewer */
  size_t step_rows;                /* of accumulate_steps batches */
  size_t input_size, output_width; /* values of one sample */
  size_t steps, step_width;        /* classification: output_width = steps · step_width, with a class for each step; else 1 and all */
  size_t row_width;                /* … of one row of the data's y */
  size_t target_width;             /* … of one target as the loss wants it */
  size_t batch_target_width;       /* … as it stands in batch_y: where rows are mixed, a class is a share of each */
  bool has_shares;                 /* … and then so it is */
  size_t half_count;               /* bfloat16 values of `half`; 0: in float32 */
  size_t parameter_count, buffer_count, slot_count, layer_count;
  size_t trained_count;              /* the first so many parameters; those of frozen layers follow */
  size_t array_floats;               /* parameter_count, up to the end of its last cache line */
  size_t state_count, scratch_count; /* arrays of that size for the algorithm; of the latter, the last ones are the optimizer's */
  uint64_t epochs, steps_per_epoch, total_steps;
  uint64_t report_every; /* steps */
  uint64_t look_every;   /* epochs: the layers are looked at, and the doctor comes (trainer_looks_at_epoch) */

  /* The checkpoint block: buffers, parameters, optimizer slots, layer values, sums of the sample, the algorithm's arrays, the average, then
   * best parameters and buffers if they are kept. Owned. */
  float *block;
  size_t block_count;
  float *parameters, *buffers, *best;
  float *average;              /* exponential moving average of the parameters; NULL: there is none */
  float *layer_values;         /* [layer_count, LAYER_VALUES]: saved, since a stop during validation comes between them and their report */
  struct activity *activities; /* [layer_count]: of the epoch's sample so far */
  float *peaks;                /* [peak_count]: likewise, of each unit that can die */
  size_t peak_count;
  uint64_t sample_end, sample_steps; /* the sample is made of so many batches, the last of which has index sample_end − 1 in its epoch */
  float *state;                      /* [state_count, array_floats] */
  struct optimizer_state optimizer;
  struct train_position position;

  /* Not saved: recomputed by every step. Owned. */
  float *gradients;
  float *batch_gradients;     /* of one of several batches of a step; NULL: a step has one */
  float *trial_buffers;       /* running statistics as they become if the step is taken … */
  float *search_buffers;      /* … and as they would in passes that only look at a cost. Both in one allocation */
  float *scratch;             /* [scratch_count, array_floats] */
  size_t gathered;            /* which of the step's batches stands in batch_x, batch_y; SIZE_MAX: none yet */
  size_t gathered_rows;       /* of it */
  struct augmenter augmenter; /* its scratch is owned */
  float *batch_x, *batch_y;   /* batch_x with room for one row more; of a validation batch too */
  uint16_t *half;             /* operands rounded to bfloat16; NULL: in float32 */
  uint32_t *order;            /* of the training rows in epoch `order_epoch` */
  uint64_t order_epoch;
  struct workspace *workspace; /* training */
  struct workspace *inference; /* for validation; NULL if there is none */
  double learning_rate;        /* of the step under way or just taken */

  const struct train_sink *sink; /* while trainer_run runs */
  bool looks_at_epoch;           /* likewise: trainer_looks_at_epoch of the epoch under way */
  bool is_unsettled;             /* a checkpoint may still be read from the block */

  /* Diagnosis. Owned. */
  struct diagnosis_facts facts;
  struct diagnosis_layer *diagnosed; /* [layer_count] */
  float *constant_z, *constant_a;    /* [output_width]: the best constant answer */
  double *target_means;              /* [output_width] */

  /* Reports. Owned. */
  struct train_value *values;
  size_t value_max;
  char *names;   /* of the per-layer values */
  float *before; /* parameters before the last step of an epoch, for update_ratio */
};

/* train.c: the monitored quantity, as index into monitor_names. */
int trainer_get_monitor(const struct trainer *trainer);
bool trainer_has_better(const struct trainer *trainer, double value);

/* The weights that are validated, kept and handed out: the average, or the parameters. */
float *trainer_get_served(const struct trainer *trainer);

/* train_run.c */
/* Copies the rows of batch `index` of the step under way to batch_x, batch_y; returns how many they are. */
size_t trainer_gather_batch(struct trainer *trainer, size_t index);
/* The run is complete whatever the epoch: the evaluations that the settings grant are made, or the algorithm
 * has found what it looks for. */
bool trainer_has_ended(const struct trainer *trainer);
double trainer_get_learning_rate(const struct trainer *trainer, uint64_t step);
/* To be called before anything but a forward pass writes to the block. */
void trainer_settle(struct trainer *trainer);
/* The target of a row of the reader's, `width` values: its y as it stands, or a class as one 1 among 0s; or what goes in. */
void trainer_copy_target(const struct trainer *trainer, const struct row_reader *reader, size_t row, size_t width, float *target);

/* Targets of a batch. */
struct targets {
  const float *values; /* [rows, width] */
  size_t width;
  bool are_shares; /* of the classes: as loss_batch's */
};
/* Those of the batch that was gathered. */
static inline struct targets trainer_get_targets(const struct trainer *trainer) {
  return (struct targets){.values = trainer->batch_y, .width = trainer->batch_target_width, .are_shares = trainer->has_shares};
}
/* The step under way will be reported. */
bool trainer_is_at_report(const struct trainer *trainer);
/* The step under way is its epoch's last. */
bool trainer_is_at_last_batch(const struct trainer *trainer);
/* Adds the loss of the outputs that stand in `workspace`. */
void trainer_evaluate_loss(const struct trainer *trainer, const struct workspace *workspace, size_t rows, const struct targets *targets,
                           double *sum, double *weight);

/* train_diagnosis.c */
/* Facts of the run, once data, weights' layout and loss are known; batch_x and batch_y are written to. */
void trainer_gather_facts(struct trainer *trainer);
/* The epoch under way is one of those whose layers are looked at: a function of settings, data and position. */
bool trainer_looks_at_epoch(const struct trainer *trainer);
/* A step has been taken. */
void trainer_diagnose_step(struct trainer *trainer);
struct epoch_values;
/* An epoch is over, or the run diverges at `step`: in layer `diverged_layer`, "" for none in particular; NULL: it doesn't.
 * Returns the rules with news. */
uint32_t trainer_diagnose_epoch(struct trainer *trainer, uint64_t step, const struct epoch_values *values, const char *diverged_layer);

/* train_report.c */
/* The activation that a layer's settings name; its kind is NULL where there is none. */
static inline const struct spec *activation_of_layer(const struct layer *layer) {
  return &((const struct layer_common *)layer->settings)->activation;
}
struct epoch_values {
  bool is_looked_at;                       /* its layers were */
  double loss, hits;                       /* hits: accuracy or, for regression, mae */
  double validation_loss, validation_hits; /* NAN: no validation part */
};
/* Units of a layer that can die, 0 if they can't. */
size_t trainer_unit_count(const struct trainer *trainer, size_t layer);
size_t report_value_count(const struct trainer *trainer); /* at most */
size_t report_name_bytes(const struct trainer *trainer);
void report_init_names(struct trainer *trainer);
size_t report_fill_step(struct trainer *trainer); /* from index 0; returns how many */
size_t report_fill_epoch(struct trainer *trainer, size_t count, const struct epoch_values *epoch);
/* Layer by layer into layer_values: norms of the gradient (before clipping); then, after the step, of the weights and the step's share of
 * them, where `before` holds the weights before the step. */
bool report_measures_layers(const struct trainer *trainer); /* the step under way is the one for that */
void report_measure_gradients(struct trainer *trainer);
void report_measure_weights(struct trainer *trainer);
void report_measure_weight_norms(struct trainer *trainer); /* the weights' alone */
/* Whether the step under way belongs to the epoch's sample: then what each layer does is looked at. */
bool report_looks_at_layers(const struct trainer *trainer);
/* After a step of the epoch's sample: adds what the layers' units did in its forward pass, and after the last
 * of them fills layer_values. */
void report_measure_activity(struct trainer *trainer, size_t rows);
/* Adds the hits of a batch (right answers; for regression, absolute errors in the data's units) and what they are counted over. */
void report_count_hits(const struct trainer *trainer, const struct workspace *workspace, size_t rows, const struct targets *targets,
                       double *sum, double *count);

#endif
