/* The memory that a job needs, computed before anything is allocated, and whether the budget can hold it. */
#include <inttypes.h>
#include <stdio.h>

#include "engine/metric_rows.h"
#include "server/jobs/run.h"

/* Adds count · bytes_each to *sum; false if that overflows. */
static bool add_bytes(uint64_t *sum, uint64_t count, uint64_t bytes_each) {
  uint64_t bytes;
  return !__builtin_mul_overflow(count, bytes_each, &bytes) && !__builtin_add_overflow(*sum, bytes, sum);
}

static uint64_t larger_of(uint64_t left, uint64_t right) { return left > right ? left : right; }

/* A blob on its way to the store: a piece of it is copied into the database's row, and the row into pages of the database's cache. */
static uint64_t measure_pieces(uint64_t blob_bytes) {
  static const uint64_t cache_bytes = 2000 << 10; /* SQLite's */
  const uint64_t row_bytes = blob_bytes < STORE_PIECE_BYTES ? blob_bytes : STORE_PIECE_BYTES;
  return row_bytes + (row_bytes < cache_bytes ? row_bytes : cache_bytes);
}

static uint64_t count_weights(const struct network *network) {
  return (uint64_t)network_parameter_count(network) + network_buffer_count(network);
}

/* Passes over the test part: inputs, outputs, targets as the loss wants them, the sorting that ROC AUC does, the
 * confusion matrix and its JSON. */
static enum error_code measure_evaluation(const struct job_spec *spec, const struct network *network, const struct data_plan *plan,
                                          uint64_t *out_bytes, struct error *error) {
  /* A score and what it is of, and as much again that qsort takes; a count, as JSON too. */
  enum { SORTED_ROW_BYTES = 16, CONFUSION_BYTES = 52 };
  *out_bytes = 0;
  if (plan->test_rows_max == 0) return ERROR_NONE;
  size_t workspace_bytes = 0;
  enum error_code code = workspace_measure(network, EVALUATION_BATCH, false, &workspace_bytes, error);
  if (code != ERROR_NONE) return code;
  uint64_t width = shape_size(network_get_output_shape(network)), input_size = shape_size(network_get_input_shape(network));
  bool has_classes = plan->layout.task == TASK_CLASSIFICATION;
  bool has_loss = spec->train.loss.kind != NULL;
  const size_t steps = preprocessor_count_steps(&plan->layout);
  bool has_one_hot = has_classes && width > 1 && has_loss && loss_of(&spec->train.loss)->target_form == TARGET_VALUES;
  uint64_t class_count = has_classes ? plan->layout.targets[0].class_count : 0;
  const struct metric_rows_options rows = {.task = plan->layout.task,
                                           .row_count = plan->test_rows_max,
                                           .target_steps = steps > 1 ? steps : 0,
                                           .target_width = plan->layout.target_width};
  uint64_t row_bytes = 0;
  *out_bytes = workspace_bytes + EVALUATION_BATCH * (input_size + (has_one_hot ? width : 0)) * sizeof(float);
  if (metric_rows_measure(network, &rows, &row_bytes) && add_bytes(out_bytes, row_bytes, 1) &&
      add_bytes(out_bytes, plan->test_rows_max * steps, plan->layout.task == TASK_REGRESSION ? 0 : SORTED_ROW_BYTES) &&
      add_bytes(out_bytes, class_count, class_count * CONFUSION_BYTES))
    return ERROR_NONE;
  return error_set(error, ERROR_OVER_BUDGET, "the evaluation of %" PRIu64 " test rows needs more memory than can be counted",
                   plan->test_rows_max);
}

/* The weights in one piece, to be hashed and stored. */
static uint64_t measure_model(const struct network *network) {
  uint64_t bytes = 0;
  if (!add_bytes(&bytes, count_weights(network), sizeof(float))) return UINT64_MAX;
  return add_bytes(&bytes, measure_pieces(bytes), 1) ? bytes : UINT64_MAX;
}

/* A checkpoint is read as a whole before it is handed to the trainer; from then on the keeper holds a copy of that size, and writes it. */
static enum error_code measure_checkpoint(const struct train_settings *train, const struct network *network, uint64_t *out_bytes,
                                          struct error *error) {
  size_t count = 0;
  enum error_code code = trainer_measure_block(network, train, &count, error);
  if (code != ERROR_NONE) return code;
  *out_bytes = 0;
  if (add_bytes(out_bytes, count, sizeof(float)) && add_bytes(out_bytes, measure_pieces(*out_bytes), 1)) return ERROR_NONE;
  return error_set(error, ERROR_OVER_BUDGET, "a checkpoint needs more memory than can be counted");
}

/* What each input and label is called, for the doctor. */
static size_t measure_names(const struct preprocessor *layout) {
  return (layout->input_width + layout->target_count) * sizeof(const char *);
}

enum error_code jobs_measure(const struct job_spec *spec, const struct network *network, const struct data_plan *plan, uint64_t *out_bytes,
                             struct error *error) {
  size_t preparing_bytes = 0, rows_bytes = 0, trainer_bytes = 0;
  uint64_t evaluation_bytes = 0, checkpoint_bytes = 0;
  enum task task = plan->layout.task;
  struct train_data data = {.task = task,
                            .class_count = task == TASK_CLASSIFICATION ? plan->layout.targets[0].class_count : 0,
                            .target_steps = preprocessor_count_steps(&plan->layout) > 1 ? plan->layout.target_count : 0,
                            .train = {.count = plan->train_rows_max},
                            .validation = {.count = plan->validation_rows_max}};
  enum error_code code = data_plan_measure(plan, false, &preparing_bytes, error);
  if (code == ERROR_NONE) code = data_plan_measure_kept(plan, false, &rows_bytes, error);
  if (code == ERROR_NONE) code = trainer_measure(network, &spec->train, &data, &trainer_bytes, error);
  if (code == ERROR_NONE) code = measure_evaluation(spec, network, plan, &evaluation_bytes, error);
  if (code == ERROR_NONE) code = measure_checkpoint(&spec->train, network, &checkpoint_bytes, error);
  if (code != ERROR_NONE) return code;
  rows_bytes += measure_names(&plan->layout) + output_units_measure(&plan->layout);
  /* What never meets: preparing the rows; or with rows and trainer one of checkpoints, evaluation, making the model. */
  uint64_t passing_bytes = larger_of(checkpoint_bytes, larger_of(evaluation_bytes, measure_model(network)));
  uint64_t sum = rows_bytes;
  if (!add_bytes(&sum, trainer_bytes, 1) || !add_bytes(&sum, passing_bytes, 1)) {
    return error_set(error, ERROR_OVER_BUDGET, "the job needs more memory than can be counted");
  }
  *out_bytes = larger_of(preparing_bytes, sum);
  return ERROR_NONE;
}

/* "1.5 GiB" */
static const char *format_bytes(uint64_t bytes, char *text, size_t text_bytes) {
  static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double number = (double)bytes;
  size_t unit = 0;
  while (number >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
    number /= 1024;
    unit++;
  }
  snprintf(text, text_bytes, unit == 0 ? "%.0f %s" : "%.1f %s", number, units[unit]);
  return text;
}

enum error_code jobs_admit(const struct jobs *jobs, uint64_t bytes, struct error *error) {
  if (bytes <= jobs->budget_bytes) return ERROR_NONE;
  char need[32], budget[32];
  return error_set(error, ERROR_OVER_BUDGET,
                   "this needs %" PRIu64 " bytes (%s), the memory budget is %" PRIu64
                   " bytes (%s); a smaller network, batch or dataset fits, or a larger --memory-budget",
                   bytes, format_bytes(bytes, need, sizeof need), jobs->budget_bytes,
                   format_bytes(jobs->budget_bytes, budget, sizeof budget));
}

uint64_t jobs_get_memory_budget(const struct jobs *jobs) { return jobs->budget_bytes; }
