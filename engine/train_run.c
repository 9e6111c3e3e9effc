/* The training loop: batches, steps, epochs, reports, checkpoints, stops.
 *
 *     ┌▶ gather a batch ─▶ algorithm's step ─▶ report if due ─▶ poll: go on, save, stop ─┐
 *     │        └ after the last batch: validation ─▶ best? ─▶ schedule ─▶ report         │
 *     └──────────────────────────────────────────────────────────────────────────────────┘
 *
 * Invariant: whenever poll is asked, position and block together are all that it takes to go on from here. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/algorithms/algorithm.h"
#include "engine/kernels.h"
#include "engine/random.h"

enum {
  ROWS_AHEAD = 2,        /* fetched while others are copied */
  ROWS_EXPECTED = 64,    /* told of ahead, or a batch if that is more */
  SHORT_ROW_BYTES = 1024 /* of rows up to this length a whole batch is fetched ahead */
};

/* One call of trainer_run. */
struct run {
  struct trainer *trainer;
  const struct train_sink *sink;
  struct train_result *result;
  struct error *error;
};

double trainer_get_learning_rate(const struct trainer *trainer, uint64_t step) {
  const struct train_settings *settings = trainer->settings;
  const struct algorithm_kind *algorithm = trainer_get_algorithm(trainer);
  if (algorithm->learning_rate != NULL) return algorithm->learning_rate(trainer, step);
  const double base = ((const struct optimizer_common *)settings->optimizer.settings)->learning_rate;
  return schedule_learning_rate(&settings->schedule, base, step, trainer->total_steps, trainer->steps_per_epoch,
                                &trainer->position.schedule);
}

void trainer_evaluate_loss(const struct trainer *trainer, const struct workspace *workspace, size_t rows, const struct targets *targets,
                           double *sum, double *weight) {
  struct loss_batch batch = workspace_get_loss_batch(workspace, &trainer->loss, rows, targets->values);
  batch.class_weights = trainer->class_weights;
  batch.are_shares = targets->are_shares;
  loss_evaluate(&trainer->loss, &batch, sum, weight);
}

void trainer_settle(struct trainer *trainer) {
  if (trainer->is_unsettled) trainer->sink->settle(trainer->sink->context);
  trainer->is_unsettled = false;
}

bool trainer_has_ended(const struct trainer *trainer) {
  const struct algorithm_kind *algorithm = trainer_get_algorithm(trainer);
  const int64_t granted = trainer->settings->max_evaluations;
  if (algorithm->has_ended != NULL && algorithm->has_ended(trainer)) return true;
  return granted != PARAM_INTEGER_NONE && trainer->position.evaluations >= (uint64_t)granted;
}

bool trainer_is_at_last_batch(const struct trainer *trainer) {
  if (trainer_get_algorithm(trainer)->has_ended != NULL) return true; /* any may be the last */
  return trainer->position.batch_in_epoch + 1 == trainer->steps_per_epoch || trainer->position.step + 1 == trainer->total_steps;
}

/* After its last step; the budget may end it before. */
static bool is_at_epoch_end(const struct trainer *trainer) {
  const uint64_t done = trainer->position.batch_in_epoch;
  return done == trainer->steps_per_epoch || (done > 0 && trainer_has_ended(trainer));
}

bool trainer_is_at_report(const struct trainer *trainer) {
  return trainer_is_at_last_batch(trainer) || (trainer->position.step + 1) % trainer->report_every == 0;
}

/* ---- one step ---- */

void trainer_copy_target(const struct trainer *trainer, const struct row_reader *reader, size_t row, size_t width, float *target) {
  if (trainer->data.target_is_input) {
    row_reader_copy(reader, row, target);
    return;
  }
  const float *y = reader->rows.y + row * trainer->row_width;
  if (trainer->row_width == width) {
    memcpy(target, y, trainer->row_width * sizeof(float));
    return;
  }
  for (size_t step = 0; step < trainer->steps; step++)
    for (size_t j = 0; j < trainer->step_width; j++) target[step * trainer->step_width + j] = (float)j == y[step] ? 1 : 0;
}

/* The epoch's order of the rows. Where one batch takes them all, they stay as they stand: sums then are the same to the bit as long as
 * their terms are, and L-BFGS, which lives on differences of gradients, sees none where there is none. */
static void shuffle(struct trainer *trainer) {
  const size_t count = trainer->data.train.count;
  const struct random_stream stream = {
      .seed = (uint64_t)trainer->settings->seed, .purpose = RANDOM_SHUFFLE, .epoch = trainer->position.epoch};
  if (trainer->batch_size < count)
    random_permutation(&stream, count, trainer->order);
  else
    for (size_t i = 0; i < count; i++) trainer->order[i] = (uint32_t)i;
  trainer->order_epoch = trainer->position.epoch;
}

/* Of the epoch's order, from `first` on: a batch of `count` rows is about to be gathered, and as far ahead as rows are told of, it was told
 * already. */
static void expect_rows(const struct trainer *trainer, size_t first, size_t count) {
  const struct train_data *data = &trainer->data;
  if (data->expect_rows == NULL) return;
  const size_t ahead = trainer->batch_size < ROWS_EXPECTED ? ROWS_EXPECTED : trainer->batch_size;
  const size_t begin = first == 0 ? count : first + ahead, wanted = first + ahead + count;
  const size_t end = wanted < data->train.count ? wanted : data->train.count;
  if (begin < end) data->expect_rows(data->expect_context, &trainer->train_x, trainer->order + begin, end - begin);
}

static void gather_rows(struct trainer *trainer, size_t first, size_t count) {
  const struct row_reader *reader = &trainer->train_x;
  const size_t ahead = reader->bytes <= SHORT_ROW_BYTES ? trainer->batch_size : ROWS_AHEAD;
  for (size_t i = 0; i < count; i++) {
    if (first + i + ahead < reader->rows.count) row_reader_prefetch(reader, trainer->order[first + i + ahead]);
    row_reader_copy(reader, trainer->order[first + i], trainer->batch_x + i * trainer->input_size);
  }
}

/* The same, varied. */
static void gather_varied_rows(struct trainer *trainer, size_t first, size_t count) {
  const struct augmenter *augmenter = &trainer->augmenter;
  const struct augmenter_rows rows = {
      .reader = &trainer->train_x, .epoch = trainer->position.epoch, .rows = trainer->order + first, .count = count};
  augmenter_fetch(augmenter, &rows, trainer->parallel, trainer->batch_x);
  if (!augmenter->mixes) return;
  const double share = augmenter_draw_share(augmenter, &rows);
  augmenter_mix(share, count, trainer->input_size, trainer->batch_x);
  augmenter_mix(share, count, trainer->batch_target_width, trainer->batch_y);
}

size_t trainer_gather_batch(struct trainer *trainer, size_t index) {
  const struct train_rows *rows = &trainer->data.train;
  if (trainer->order_epoch != trainer->position.epoch) shuffle(trainer);
  const size_t first = (size_t)trainer->position.batch_in_epoch * trainer->step_rows + index * trainer->batch_size;
  const size_t count = rows->count - first < trainer->batch_size ? rows->count - first : trainer->batch_size;
  expect_rows(trainer, first, count);
  const size_t width = trainer->batch_target_width;
  for (size_t i = 0; i < count; i++)
    trainer_copy_target(trainer, &trainer->train_x, trainer->order[first + i], width, trainer->batch_y + i * width);
  if (augmenter_is_idle(&trainer->augmenter))
    gather_rows(trainer, first, count);
  else
    gather_varied_rows(trainer, first, count);
  return count;
}

static bool is_finite(size_t count, const float *values) {
  for (size_t i = 0; i < count; i++)
    if (!isfinite(values[i])) return false;
  return true;
}

/* A pass that leaves not all values to be looked at: the last pass again, layer by layer. */
static void repeat_pass(struct trainer *trainer, size_t rows, bool is_backward) {
  if (!network_hides_values(trainer->network) || report_looks_at_layers(trainer)) return;
  struct pass_options options = algorithm_pass(trainer, trainer->gathered, rows);
  options.joins = false;
  memcpy(trainer->search_buffers, trainer->buffers, trainer->buffer_count * sizeof(float));
  network_forward(trainer->network, trainer->workspace, &options, trainer->batch_x, trainer->parameters, trainer->search_buffers);
  if (!is_backward || !trainer_get_algorithm(trainer)->settles) return; /* others have their gradient from losses */
  network_backward(trainer->network, trainer->workspace, &options, trainer->batch_x, trainer->parameters, &trainer->loss,
                   trainer->class_weights, trainer->batch_y, trainer->gradients, NULL);
}

/* Forward, the first layer whose z or a is not finite; backward, the first whose δ or gradients are not. */
static const char *find_diverged_layer(const struct trainer *trainer, size_t rows, bool is_backward) {
  const size_t count = trainer->layer_count;
  for (size_t i = 0; i < count; i++) {
    const size_t size = rows * shape_size(&network_get_layer(trainer->network, i)->out);
    if (!is_finite(size, workspace_get_z(trainer->workspace, i)) || !is_finite(size, workspace_get_a(trainer->workspace, i)))
      return network_get_layer_name(trainer->network, i);
  }
  for (size_t i = count; is_backward && i-- > 0;) {
    const struct layer *layer = network_get_layer(trainer->network, i);
    bool is_sound = is_finite(rows * shape_size(&layer->out), workspace_get_delta(trainer->workspace, i));
    for (size_t t = 0; t < layer->tensor_count; t++)
      is_sound = is_sound && is_finite(shape_size(&layer->tensors[t].shape), trainer->gradients + layer->tensors[t].offset);
    if (!is_sound) return network_get_layer_name(trainer->network, i);
  }
  return "";
}

static void describe_divergence(struct run *run, size_t rows, bool is_backward) {
  struct train_result *result = run->result;
  repeat_pass(run->trainer, rows, is_backward);
  const char *layer = find_diverged_layer(run->trainer, rows, is_backward);
  const unsigned long long step = (unsigned long long)run->trainer->position.step + 1;
  result->outcome = TRAIN_DIVERGED;
  (void)snprintf(result->diverged_layer, sizeof result->diverged_layer, "%s", layer);
  if (layer[0] != '\0')
    (void)snprintf(result->detail, sizeof result->detail, "the %s is not finite at step %llu; the first such number is in layer \"%s\"",
                   is_backward ? "gradient" : "loss", step, layer);
  else
    (void)snprintf(result->detail, sizeof result->detail, "the %s is not finite at step %llu", is_backward ? "gradient" : "loss", step);
}

static void report(struct run *run, uint64_t step, bool is_epoch_end, size_t value_count, uint32_t diagnosis_news) {
  const struct train_report news = {.step = step,
                                    .epoch = run->trainer->position.epoch,
                                    .is_epoch_end = is_epoch_end,
                                    .value_count = value_count,
                                    .values = run->trainer->values,
                                    .diagnosis_news = diagnosis_news};
  run->sink->report(run->sink->context, &news);
}

/* The findings of a run that diverges within an epoch. `step`: where it was seen. */
static uint32_t diagnose_divergence(struct run *run, uint64_t step) {
  const struct epoch_values none = {.loss = NAN, .hits = NAN, .validation_loss = NAN, .validation_hits = NAN};
  return trainer_diagnose_epoch(run->trainer, step, &none, run->result->diverged_layer);
}

/* The norms of the weights, layer by layer. False: one is not finite, so the run diverged. */
static bool check_norms(struct run *run) {
  const struct trainer *trainer = run->trainer;
  struct train_result *result = run->result;
  for (size_t i = 0; i < trainer->layer_count; i++) {
    if (isfinite(trainer->layer_values[i * LAYER_VALUES + LAYER_WEIGHT_NORM])) continue;
    const char *layer = network_get_layer_name(trainer->network, i);
    result->outcome = TRAIN_DIVERGED;
    (void)snprintf(result->diverged_layer, sizeof result->diverged_layer, "%s", layer);
    (void)snprintf(result->detail, sizeof result->detail, "the weights of layer \"%s\" are not finite after step %llu", layer,
                   (unsigned long long)trainer->position.step);
    return false;
  }
  return true;
}

static void set_momentum(struct trainer *trainer) {
  struct optimizer_state *optimizer = &trainer->optimizer;
  optimizer->momentum =
      schedule_momentum(&trainer->settings->schedule, trainer->position.step, trainer->total_steps, trainer->steps_per_epoch);
  optimizer->has_momentum = !isnan(optimizer->momentum);
}

/* a ← decay · a + (1 − decay) w; after the first step, a is w (as in PyTorch's AveragedModel). */
static void average_weights(struct trainer *trainer) {
  if (trainer->average == NULL) return;
  const float decay = trainer->position.step == 0 ? 0 : (float)trainer->settings->ema_decay;
  const float *restrict w = trainer->parameters;
  float *restrict a = trainer->average;
  for (size_t i = 0; i < trainer->trained_count; i++) a[i] = decay * a[i] + (1 - decay) * w[i];
}

/* False: it diverged, or was abandoned, and the outcome is set. */
static bool take_step(struct run *run) {
  struct trainer *trainer = run->trainer;
  struct train_position *position = &trainer->position;
  const bool is_measured = report_measures_layers(trainer);
  trainer->gathered = SIZE_MAX;
  trainer->learning_rate = trainer_get_learning_rate(trainer, position->step);
  set_momentum(trainer);
  position->gradient_norm = NAN;
  if (is_measured) memcpy(trainer->before, trainer->parameters, trainer->parameter_count * sizeof(float));
  struct step_cost cost = {0};
  const struct algorithm_kind *algorithm = trainer_get_algorithm(trainer);
  if (!algorithm->settles) trainer_settle(trainer);
  const enum step_outcome outcome = algorithm->step(trainer, &cost);
  if (outcome == STEP_ABANDONED) {
    run->result->outcome = TRAIN_STOPPED;
    return false;
  }
  position->evaluations += cost.evaluations;
  position->batch_loss = algorithm_mean(&cost);
  if (outcome == STEP_DIVERGED) {
    describe_divergence(run, trainer->gathered_rows, isfinite(cost.loss_sum));
    const uint32_t findings = diagnose_divergence(run, position->step + 1);
    report(run, position->step + 1, false, report_fill_step(trainer), findings);
    return false;
  }
  report_measure_activity(trainer, trainer->gathered_rows);
  if (is_measured) report_measure_weights(trainer);
  average_weights(trainer);
  if (outcome != STEP_ENDED) {
    position->loss_sum += cost.loss_sum;
    position->loss_weight += cost.loss_weight;
    position->correct_sum += cost.correct_sum;
    position->correct_count += cost.correct_count;
  }
  position->batch_in_epoch++;
  position->step++;
  trainer_diagnose_step(trainer);
  return true;
}

/* ---- saving and stopping ---- */

/* What the last step has spoilt is not worth a checkpoint: the last finite one stays. Then the run diverged instead. */
static bool check_before_saving(struct run *run) {
  struct trainer *trainer = run->trainer;
  if (trainer_get_algorithm(trainer)->has_ended != NULL) return true; /* it leads into divergence, and looks for that itself */
  if (kernel_is_finite(trainer->parallel, trainer->parameter_count, trainer->parameters)) return true;
  report_measure_weight_norms(trainer);
  if (check_norms(run)) return true;
  const uint64_t step = trainer->position.step;
  report(run, step, false, 0, diagnose_divergence(run, step)); /* the step's values are told already */
  return false;
}

static enum error_code save(struct run *run) {
  struct trainer *trainer = run->trainer;
  struct train_position *position = &trainer->position;
  if (!check_before_saving(run)) return ERROR_NONE;
  position->optimizer_step = trainer->optimizer.step;
  memcpy(position->optimizer_scalars, trainer->optimizer.scalars, sizeof position->optimizer_scalars);
  const struct train_snapshot snapshot = {.position = position,
                                          .block = trainer->block,
                                          .block_count = trainer->block_count,
                                          .fleeting_count = (size_t)(trainer->parameters - trainer->block)};
  trainer_settle(trainer); /* the one before, if no step was taken since */
  trainer->is_unsettled = run->sink->settle != NULL;
  return run->sink->checkpoint(run->sink->context, &snapshot, run->error);
}

/* Asks the caller what to do, and does it. *out_stop: it said stop, or the run diverged; the outcome is set. */
static enum error_code poll(struct run *run, bool *out_stop) {
  const enum train_request request = run->sink->poll(run->sink->context);
  *out_stop = false;
  if (request == TRAIN_CONTINUE) return ERROR_NONE;
  if (request == TRAIN_STOP) run->result->outcome = TRAIN_STOPPED;
  enum error_code code = save(run);
  *out_stop = run->result->outcome != TRAIN_COMPLETED;
  return code;
}

/* ---- the end of an epoch ---- */

/* Of the rows x. */
static struct targets validation_targets(struct trainer *trainer, const float *x, size_t first, size_t count) {
  const size_t width = trainer->target_width;
  if (trainer->data.target_is_input) return (struct targets){.values = x, .width = width};
  if (trainer->row_width == width)
    return (struct targets){.values = trainer->data.validation.y + first * trainer->row_width, .width = width};
  for (size_t i = 0; i < count; i++) trainer_copy_target(trainer, &trainer->validation_x, first + i, width, trainer->batch_y + i * width);
  return (struct targets){.values = trainer->batch_y, .width = width};
}

/* Loss and hits of the validation part. Asks the caller between batches, so that a stop need not wait for its end; then the whole
 * validation is done again when the run goes on. */
static enum error_code validate(struct run *run, struct epoch_values *values, bool *out_stop) {
  struct trainer *trainer = run->trainer;
  const struct train_rows *rows = &trainer->data.validation;
  double loss = 0, weight = 0, hits = 0, count = 0;
  for (size_t first = 0; first < rows->count; first += trainer->batch_size) {
    const size_t batch = rows->count - first < trainer->batch_size ? rows->count - first : trainer->batch_size;
    const struct pass_options options = {.batch = batch, .joins = true, .parallel = trainer->parallel};
    const float *x = row_reader_get(&trainer->validation_x, first, batch, trainer->batch_x);
    const struct targets targets = validation_targets(trainer, x, first, batch);
    network_forward(trainer->network, trainer->inference, &options, x, trainer_get_served(trainer), trainer->buffers);
    trainer_evaluate_loss(trainer, trainer->inference, batch, &targets, &loss, &weight);
    report_count_hits(trainer, trainer->inference, batch, &targets, &hits, &count);
    enum error_code code = poll(run, out_stop);
    if (code != ERROR_NONE || *out_stop) return code;
  }
  values->validation_loss = weight > 0 ? loss / weight : 0;
  values->validation_hits = count > 0 ? hits / count : 0;
  return ERROR_NONE;
}

static void keep_if_best(struct trainer *trainer, double monitored) {
  struct train_position *position = &trainer->position;
  if (!trainer_has_better(trainer, monitored)) {
    position->epochs_without_improvement++;
    return;
  }
  position->best_epoch = position->epoch;
  position->best_monitored = monitored;
  position->epochs_without_improvement = 0;
  if (trainer->best == NULL) return;
  trainer_settle(trainer);
  memcpy(trainer->best, trainer_get_served(trainer), trainer->parameter_count * sizeof(float));
  memcpy(trainer->best + trainer->parameter_count, trainer->buffers, trainer->buffer_count * sizeof(float));
}

/* The last step of an epoch may have spoilt what no later batch would show: what the weights do to the validation part, and, where the
 * epoch is looked at, the weights themselves. Between looks the next step shows it, or the next checkpoint, or the next look. */
static void check_epoch(struct run *run, const struct epoch_values *values) {
  struct trainer *trainer = run->trainer;
  struct train_result *result = run->result;
  const bool is_loss_finite = trainer->data.validation.count == 0 || isfinite(values->validation_loss);
  if (trainer_get_algorithm(trainer)->has_ended != NULL) return; /* it looks for that itself */
  if (is_loss_finite && !values->is_looked_at) return;
  if (!values->is_looked_at) report_measure_weight_norms(trainer);
  if (!check_norms(run) || is_loss_finite) return;
  result->outcome = TRAIN_DIVERGED;
  (void)snprintf(result->detail, sizeof result->detail, "the validation loss is not finite after step %llu",
                 (unsigned long long)trainer->position.step);
}

static enum error_code end_epoch(struct run *run, bool *out_stop) {
  struct trainer *trainer = run->trainer;
  struct train_position *position = &trainer->position;
  struct epoch_values values = {.loss = position->loss_weight > 0 ? position->loss_sum / position->loss_weight : position->batch_loss,
                                .hits = position->correct_count > 0 ? position->correct_sum / position->correct_count : 0,
                                .validation_loss = NAN,
                                .validation_hits = NAN,
                                .is_looked_at = trainer->looks_at_epoch};
  enum error_code code = validate(run, &values, out_stop);
  if (code != ERROR_NONE || *out_stop) return code;
  const double monitored[MONITOR_COUNT] = {values.validation_loss, values.validation_hits, values.loss, values.hits};
  trainer->learning_rate = trainer_get_learning_rate(trainer, position->step - 1);
  position->epoch++;
  position->batch_in_epoch = 0;
  position->loss_sum = position->loss_weight = position->correct_sum = position->correct_count = 0;
  keep_if_best(trainer, monitored[trainer_get_monitor(trainer)]);
  trainer->looks_at_epoch = trainer_looks_at_epoch(trainer);
  const double base = ((const struct optimizer_common *)trainer->settings->optimizer.settings)->learning_rate;
  schedule_end_epoch(&trainer->settings->schedule, base, monitored, &position->schedule);
  check_epoch(run, &values);
  const char *diverged_layer = run->result->outcome == TRAIN_DIVERGED ? run->result->diverged_layer : NULL;
  const uint32_t findings = trainer_diagnose_epoch(trainer, position->step, &values, diverged_layer);
  report(run, position->step, true, report_fill_epoch(trainer, report_fill_step(trainer), &values), findings);
  return ERROR_NONE;
}

/* ---- the run ---- */

static bool has_stopped_early(const struct trainer *trainer) {
  const struct early_stopping *stopping = &trainer->settings->early_stopping;
  return stopping->is_enabled && trainer->position.epochs_without_improvement >= (uint64_t)stopping->patience;
}

static bool is_done(const struct trainer *trainer) {
  if (trainer->position.is_finished != 0 || has_stopped_early(trainer)) return true;
  /* An epoch under way still gets its end. */
  const bool is_under_way = trainer->position.batch_in_epoch > 0;
  return trainer->position.epoch >= trainer->epochs || (!is_under_way && trainer_has_ended(trainer));
}

/* Sets the outcome once the loop is through, and brings back the best weights. */
static void finish(struct run *run) {
  struct trainer *trainer = run->trainer;
  const struct algorithm_kind *algorithm = trainer_get_algorithm(trainer);
  if (algorithm->describe != NULL) algorithm->describe(trainer, run->result->detail, sizeof run->result->detail);
  if (trainer->position.is_finished != 0) {
    run->result->outcome = (enum train_outcome)(trainer->position.is_finished - 1);
    return;
  }
  run->result->outcome = has_stopped_early(trainer) ? TRAIN_EARLY_STOPPED : TRAIN_COMPLETED;
  trainer->position.is_finished = 1 + (uint32_t)run->result->outcome;
  if (trainer->best == NULL || trainer->position.best_epoch == 0) return;
  trainer_settle(trainer);
  memcpy(trainer_get_served(trainer), trainer->best, trainer->parameter_count * sizeof(float));
  memcpy(trainer->buffers, trainer->best + trainer->parameter_count, trainer->buffer_count * sizeof(float));
}

/* *out_stop: leave the loop, the outcome is set. */
static enum error_code advance(struct run *run, bool *out_stop) {
  struct trainer *trainer = run->trainer;
  *out_stop = false;
  if (!is_at_epoch_end(trainer) && !take_step(run)) {
    *out_stop = true;
    return run->result->outcome == TRAIN_STOPPED ? save(run) : ERROR_NONE;
  }
  bool is_stopped = false;
  enum error_code code = ERROR_NONE;
  if (is_at_epoch_end(trainer))
    code = end_epoch(run, &is_stopped);
  else if (trainer->position.step % run->trainer->report_every == 0)
    report(run, trainer->position.step, false, report_fill_step(trainer), 0);
  if (run->result->outcome == TRAIN_DIVERGED) {
    *out_stop = true;
    return code;
  }
  if (code == ERROR_NONE && !is_stopped) code = poll(run, &is_stopped);
  *out_stop = is_stopped;
  return code;
}

enum error_code trainer_run(struct trainer *trainer, const struct train_sink *sink, struct train_result *out_result, struct error *error) {
  *out_result = (struct train_result){0};
  struct run run = {.trainer = trainer, .sink = sink, .result = out_result, .error = error};
  trainer->sink = sink;
  trainer->looks_at_epoch = trainer_looks_at_epoch(trainer);
  trainer->is_unsettled = false;
  enum error_code code = ERROR_NONE;
  bool is_stopped = false;
  while (code == ERROR_NONE && !is_stopped && !is_done(trainer)) code = advance(&run, &is_stopped);
  if (code == ERROR_NONE && !is_stopped) finish(&run);
  trainer->sink = NULL;
  out_result->step = trainer->position.step;
  out_result->epoch = trainer->position.epoch;
  out_result->best_epoch = trainer->position.best_epoch;
  return code;
}
