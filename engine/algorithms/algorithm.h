/* Algorithms: how a step over one batch changes the weights: the first trained_count of them, the others are frozen. The protocol between
 * the training loop and a kind; private to the engine.
 *
 * A step's rows are one batch, or `accumulate_steps` of them. One evaluation is one computation of the cost of these rows; it is what
 * algorithms are compared by, so each kind counts those that it makes, with or without a gradient.
 * A step may be long. Between passes it asks algorithm_must_stop, and if that says so it leaves everything as it was: weights,
 * buffers, the optimizer's and its own state. The run that goes on later takes the step again, from the same numbers.
 */
#ifndef ENGINE_ALGORITHMS_ALGORITHM_H
#define ENGINE_ALGORITHMS_ALGORITHM_H

#include "engine/train_private.h"

/* Of a step's rows with the weights before the step: the cost, without penalties, and the hits. */
struct step_cost {
  double loss_sum, loss_weight;
  double correct_sum, correct_count;
  uint64_t evaluations; /* that the step made */
};

enum step_outcome {
  STEP_TAKEN,
  STEP_DIVERGED,  /* loss or gradient isn't finite; the weights are as before */
  STEP_ABANDONED, /* algorithm_must_stop said so; nothing has changed */
  STEP_ENDED      /* as diverged, but that is what it was to find: the run is complete */
};

enum { ALGORITHM_VALUES = 4 };

struct algorithm_kind {
  struct kind kind;
  const char *formula;
  /* Arrays of parameter_count floats that the kind keeps in the checkpoint (algorithm_state), and that it needs during a step only
   * (algorithm_scratch). NULL: none. */
  size_t (*state_count)(const void *settings);
  size_t (*scratch_count)(const void *settings);
  uint64_t steps_min; /* with fewer it can't do what it is for; 0: any will do */
  /* Evaluations of one step, for so many trained weights. */
  uint64_t (*evaluation_count)(const void *settings, size_t trained_count);
  /* Writes the new weights. Kinds with a gradient have algorithm_descend here. */
  enum step_outcome (*step)(struct trainer *trainer, struct step_cost *out_cost);
  /* The step itself calls trainer_settle before it first writes to parameters or optimizer slots; else that is done before the step. */
  bool settles;
  /* For kinds with a gradient: the mean gradient of the step's rows at these weights, without penalties. `parameters` may be changed
   * meanwhile, but are put back. `buffers` become what the pass makes of the running statistics. */
  enum step_outcome (*gradient)(struct trainer *trainer, float *parameters, float *buffers, float *gradients, struct step_cost *out_cost);
  /* The learning rate of a step, in place of the schedule's. NULL: the schedule's. */
  double (*learning_rate)(const struct trainer *trainer, uint64_t step);
  /* For kinds whose run may be complete before its epochs are; the epoch under way ends with it. NULL: never. */
  bool (*has_ended)(const struct trainer *trainer);
  /* What it reports besides, up to ALGORITHM_VALUES names with NULL at the end, and their values. NULL: nothing. */
  const char *const *value_names;
  void (*fill_values)(const struct trainer *trainer, double *values);
  /* What it has found, in a line, when it is complete. NULL: nothing but weights. */
  void (*describe)(const struct trainer *trainer, char *text, size_t text_bytes);
};

static inline float *algorithm_state(const struct trainer *trainer, size_t index) { return trainer->state + index * trainer->array_floats; }
static inline float *algorithm_scratch(const struct trainer *trainer, size_t index) {
  return trainer->scratch + index * trainer->array_floats;
}

/* The batch `index` of the step's, gathered into batch_x, batch_y unless it is there already; returns its rows. */
size_t algorithm_gather(struct trainer *trainer, size_t index);
/* Batches of the step under way: accumulate_steps, or fewer at an epoch's end. */
size_t algorithm_batch_count(const struct trainer *trainer);
struct pass_options algorithm_pass(const struct trainer *trainer, size_t index, size_t rows);

/* Forward pass of the gathered batch, and its loss and hits added to `cost`. */
void algorithm_forward(struct trainer *trainer, const struct pass_options *options, const float *parameters, float *buffers,
                       struct step_cost *cost);

/* One evaluation of the step's rows with these weights, in training mode with the step's random masks. `buffers` become what the pass makes
 * of the trainer's running statistics, which are left alone. False: the step is to be abandoned. */
bool algorithm_evaluate(struct trainer *trainer, const float *parameters, float *buffers, struct step_cost *out_cost);
/* Takes over the running statistics in trial_buffers. */
void algorithm_keep_buffers(struct trainer *trainer);
/* Its mean cost, without penalties; and with them, as a search compares weights. */
double algorithm_mean(const struct step_cost *cost);
double algorithm_cost(const struct trainer *trainer, const float *parameters, const struct step_cost *cost);

/* For steps of several passes, between them: has the caller asked to stop? */
bool algorithm_must_stop(struct trainer *trainer);

/* The step of kinds with a gradient: that, penalties, norm, clipping, learning rate, optimizer. Writes gradients and
 * position.gradient_norm. STEP_DIVERGED if loss or norm is not finite. Settles. */
enum step_outcome algorithm_descend(struct trainer *trainer, struct step_cost *out_cost);

/* A stream of random numbers of the step under way. */
struct random_stream algorithm_stream(const struct trainer *trainer, enum random_purpose purpose, size_t lane);

/* One row a kind, in the order in which they are shown. */
/* clang-format off */
#define ALGORITHM_KINDS(row) \
  row(algorithm, backprop) \
  row(algorithm, finite_differences) \
  row(algorithm, random_search) \
  row(algorithm, genetic) \
  row(algorithm, learning_rate_range_test)
/* clang-format on */
ALGORITHM_KINDS(KIND_DECLARE)

static inline const struct algorithm_kind *algorithm_of(const struct spec *spec) { return (const struct algorithm_kind *)spec->kind; }
static inline bool algorithm_has_gradient(const struct algorithm_kind *kind) { return kind->gradient != NULL; }
static inline const struct algorithm_kind *trainer_get_algorithm(const struct trainer *trainer) {
  return algorithm_of(&trainer->settings->algorithm);
}

#endif
