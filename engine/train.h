/* Training: the engine's public top. Train a network on a dataset; report, checkpoint, stop.
 *
 * A trainer is created with everything it will ever need: memory is computed (trainer_measure), admitted by the caller, allocated by
 * trainer_create; trainer_run allocates nothing. All floats that a checkpoint must hold (parameters, buffers, optimizer slots, best
 * parameters and buffers) are one block; the rest is one flat struct train_position.
 *
 * Same network spec, settings, data, seed, build and kernels → the same weights, bit for bit, for any number of threads and
 * however often the run was stopped and restored.
 * Threads: a trainer belongs to one thread; `parallel` lends others.
 */
#ifndef ENGINE_TRAIN_H
#define ENGINE_TRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/augmentation.h"
#include "engine/diagnosis/diagnosis.h"
#include "engine/error.h"
#include "engine/metric.h"
#include "engine/network.h"
#include "engine/optimizer.h"
#include "engine/schedule.h"
#include "engine/train_rows.h"

struct early_stopping {
  bool is_enabled;  /* set where the object was given */
  int monitor;      /* index into monitor_names */
  int64_t patience; /* epochs without improvement */
  double min_delta;
  bool restore_best; /* end with the best epoch's weights, not the last's */
};

/* Whose weights a run ends with. auto is one of the others: train_resolve_keep. */
enum { KEEP_AUTO, KEEP_BEST, KEEP_LAST };

/* What a job spec says of training. train_params is the table; its rows stand at the job spec's top level. */
struct train_settings {
  struct spec algorithm, loss, optimizer, schedule; /* loss kind NULL: "auto", resolved from the target */
  double clip_norm, clip_value;                     /* NAN: off */
  double ema_decay;                                 /* NAN: off */
  int64_t epochs, batch_size;
  int64_t accumulate_steps; /* batches whose gradients make one step */
  int64_t max_evaluations;  /* PARAM_INTEGER_NONE: no limit */
  int64_t seed;
  int precision;                    /* 0 float32, 1 bfloat16 */
  struct augmentation augmentation; /* of the training rows */
  struct early_stopping early_stopping;
  int keep; /* KEEP_*; of auto that was not resolved, the last epoch's weights stay unless early stopping restores the best */
};
extern const struct param train_params[16];
extern const size_t train_param_count;

/* Epochs over so many training rows: those of the settings, or what their "auto" means. Few rows make short epochs, and a network learns by
 * steps. */
uint64_t train_count_epochs(const struct train_settings *settings, uint64_t rows);

/* Decides `keep` in place where it is auto: early stopping's restore_best; without early stopping the best epoch where rows validate (a
 * range test's weights are of no use). ERROR_INVALID at "/keep" if it says another thing than restore_best. */
__attribute__((warn_unused_result)) enum error_code train_resolve_keep(struct train_settings *settings, bool has_validation,
                                                                       struct error *error);
bool train_keeps_best(const struct train_settings *settings);

/* The precision that is really computed in, "float32" or "bfloat16": what the kernels and the CPU can. */
const char *train_get_precision(const struct train_settings *settings);

struct train_data {
  enum task task;
  size_t class_count; /* classification */
  /* Classification: y has a class for each of so many steps, of an output [time, classes]; 0: one class a row. Steps behind a sequence's
   * end may have any; steps whose class is LOSS_NO_CLASS count neither in cross_entropy nor in the accuracy, and other losses take none. */
  size_t target_steps;
  bool target_is_input; /* reconstruction: a row's target is the row as it goes in, before it is varied, and y is NULL. The network gives as
                           many values as it takes */
  struct train_rows train, validation; /* validation.count may be 0 */
  /* NULL, or told before a batch is gathered which training rows the batches after it will take, so that what is in a mapped file can be
   * read by then. Every row of an epoch is told of once, but those of its first batch. */
  void (*expect_rows)(void *context, const struct row_reader *reader, const uint32_t *rows, size_t count);
  void *expect_context;
  const char *const *class_names; /* [class_count], or a multilabel task's labels, for the doctor to speak of; NULL: by number */
  const char *const *input_names; /* [values of an input], likewise */
  const double *target_scale;     /* regression: [width], what a target was divided by; mae is reported times it. NULL: all 1 */
  const size_t *category_spans;   /* regression: as in struct metric_input */
};

/* One named number. Names: DESIGN.md section 3 ("loss", "validation_loss", "layers.hidden.gradient_norm" …). */
struct train_value {
  const char *name; /* borrowed from the trainer */
  double value;     /* may be non-finite */
};

/* News of one training step; at an epoch's last step it also carries the epoch's values. Which steps report depends on
 * the settings alone (about 1000 per run, and each epoch's end), never on time. */
struct train_report {
  uint64_t step;  /* steps done, from 1 */
  uint64_t epoch; /* epochs done; the epoch under way counts when it ends */
  bool is_epoch_end;
  size_t value_count;               /* 0: findings alone, of a step that was told before */
  const struct train_value *values; /* step: batch_loss, evaluations (of the cost, so far), learning_rate, gradient_norm (of this step,
                                          before clipping; both only where the algorithm has a gradient), what the algorithm tells
                                          besides; epoch: also loss, accuracy or mae, validation_loss, validation_accuracy or
                                          validation_mae, layers.<name>.… (where epochs are many and of few steps, not every one: as many
                                          as settings and data say, the first and the last among them).
                                          Losses are without the l1, l2 penalties, so that training, validation and test compare. */
  uint32_t diagnosis_news; /* a bit for each of diagnosis_rules whose finding is new, past, or of another severity: trainer_list_findings */
};

enum { ALGORITHM_SCALARS = 8 };

/* Everything besides the float block that a run remembers. Plain data, stored as bytes with its version in front. */
struct train_position {
  uint32_t version;             /* TRAIN_POSITION_VERSION */
  uint32_t is_finished;         /* 0, or 1 + enum train_outcome: running it again returns that at once */
  uint64_t step, epoch;         /* steps done; whole epochs done */
  uint64_t batch_in_epoch;      /* steps done of the epoch under way; all of them: its validation is under way */
  uint64_t evaluations;         /* of the cost of a step's rows, so far; validation isn't counted */
  double loss_sum, loss_weight; /* of the epoch under way */
  double correct_sum, correct_count;
  double batch_loss, gradient_norm; /* of the last step */
  uint64_t best_epoch;              /* 0: none yet */
  double best_monitored;
  uint64_t epochs_without_improvement;
  double optimizer_scalars[OPTIMIZER_SCALARS];
  uint64_t optimizer_step;
  double algorithm_scalars[ALGORITHM_SCALARS]; /* the kind's own; 0 before the first step */
  struct schedule_state schedule;
  struct diagnosis_state diagnosis;
};
enum { TRAIN_POSITION_VERSION = 4 };

/* A consistent state of a run; borrowed for the duration of the callback, and with `settle` what is not fleeting for longer. */
struct train_snapshot {
  const struct train_position *position;
  const float *block;
  size_t block_count;    /* floats */
  size_t fleeting_count; /* the first so many of them, which the next forward pass may write: buffers. Few. */
};

/* Weights that are not finite are not saved: then the run has diverged instead. */
enum train_request {
  TRAIN_CONTINUE,
  TRAIN_CHECKPOINT, /* save and go on */
  TRAIN_STOP        /* save and return TRAIN_STOPPED */
};

struct train_sink {
  void *context;
  void (*report)(void *context, const struct train_report *report);
  enum error_code (*checkpoint)(void *context, const struct train_snapshot *snapshot, struct error *error);
  enum train_request (*poll)(void *context); /* asked after every step, and within one that takes several passes; must be cheap */
  /* NULL: a checkpoint is over when `checkpoint` returns. Else the block, but for its fleeting part, stays as it is for longer, so that
   * another thread can copy it while the next forward and backward pass only read it; and before anything writes to it this is called, once
   * a checkpoint, and returns when the copy is made. After a stop, nothing writes to it any more. */
  void (*settle)(void *context);
};

enum train_outcome {
  TRAIN_COMPLETED,
  TRAIN_EARLY_STOPPED,
  TRAIN_STOPPED, /* poll said so */
  TRAIN_DIVERGED
};

struct train_result {
  enum train_outcome outcome;
  uint64_t step, epoch, best_epoch;
  char diverged_layer[LIMIT_NAME_BYTES + 1]; /* where the first non-finite number was seen, "" for the loss itself */
  char detail[ERROR_DETAIL_BYTES];           /* in words, for TRAIN_DIVERGED; and what an algorithm has found, for TRAIN_COMPLETED */
};

/* Fills an "auto" loss in place by the network's output and the task (softmax → cross_entropy, sigmoid → binary_cross_entropy, else
 * mean_squared_error), and checks what the table can't: that loss, early stopping, network and task fit each other. Adds an item for
 * each error ("/loss", "/early_stopping/monitor"). Optional: trainer_create does the same for itself. */
__attribute__((warn_unused_result)) enum error_code train_settings_resolve(struct train_settings *settings, const struct network *network,
                                                                           enum task task, struct error *error);

struct trainer;

/* Bytes that trainer_create will allocate (weights, optimizer state, workspace, batch, report), without the rows themselves. */
__attribute__((warn_unused_result)) enum error_code trainer_measure(const struct network *network, const struct train_settings *settings,
                                                                    const struct train_data *data, size_t *out_bytes, struct error *error);

/* Steps of such a run over so many training rows, unless it is ended early. */
uint64_t train_count_steps(const struct network *network, const struct train_settings *settings, size_t row_count);

/* Refuses, at "/epochs" or "/max_evaluations", a run of fewer steps than its algorithm can make anything of. Settings whose epochs are
 * resolved. */
__attribute__((warn_unused_result)) enum error_code train_check_steps(const struct train_settings *settings, uint64_t steps,
                                                                      struct error *error);

/* Floats of the checkpoint block of such a trainer. */
__attribute__((warn_unused_result)) enum error_code
trainer_measure_block(const struct network *network, const struct train_settings *settings, size_t *out_count, struct error *error);

/* Borrows network, settings and the data's rows, which must outlive the trainer. Weights start as network_initialize(seed). */
__attribute__((warn_unused_result)) enum error_code trainer_create(const struct network *network, const struct train_settings *settings,
                                                                   const struct train_data *data, const struct parallel *parallel,
                                                                   struct trainer **out_trainer, struct error *error);
void trainer_destroy(struct trainer *trainer);

/* Floats of the checkpoint block. */
size_t trainer_get_block_count(const struct trainer *trainer);
/* Continues from a snapshot: copies position and block. ERROR_INVALID if version or size don't fit. */
__attribute__((warn_unused_result)) enum error_code trainer_restore(struct trainer *trainer, const struct train_position *position,
                                                                    const float *block, size_t block_count, struct error *error);
/* Copies given start weights in (golden tests, transfer). buffers may be NULL. */
void trainer_set_weights(struct trainer *trainer, const float *parameters, const float *buffers);

/* Runs until done, stopped or diverged. Error only if a checkpoint could not be written. After it returns, the weights are final (the best
 * epoch's if they are kept, but for a stop, after which the run may go on); on divergence they are those before the step that diverged. */
__attribute__((warn_unused_result)) enum error_code trainer_run(struct trainer *trainer, const struct train_sink *sink,
                                                                struct train_result *out_result, struct error *error);

/* With ema_decay, the averaged ones. */
const float *trainer_get_parameters(const struct trainer *trainer);
const float *trainer_get_buffers(const struct trainer *trainer);
/* [outputs] as the loss is computed with them, "balanced" resolved; NULL: all 1. Borrowed. */
const double *trainer_get_class_weights(const struct trainer *trainer);
uint64_t trainer_get_total_steps(const struct trainer *trainer);
uint64_t trainer_get_steps_per_epoch(const struct trainer *trainer);
/* What the doctor found so far, of the rules in the mask (UINT32_MAX: all). May be called from a report. Returns how many; names are
 * borrowed from the trainer. */
size_t trainer_list_findings(const struct trainer *trainer, uint32_t rules, struct diagnosis_finding out_findings[DIAGNOSIS_RULES_MAX]);

/* Outputs [count, width] for `rows`, in inference mode, batch by batch through `workspace` (created for inference). out_lengths[count]: the
 * real steps of each output, where these are sequences of different length (else it is left alone); NULL: not wanted. */
void predict_rows(const struct network *network, struct workspace *workspace, size_t workspace_batch, const struct parallel *parallel,
                  const float *parameters, const float *buffers, const float *x, size_t count, float *out_outputs, uint32_t *out_lengths);

/* The algorithms table: backprop, and later its prior art. Private protocol in algorithms/algorithm.h. */
extern const struct kind_table algorithm_kinds;

#endif
