/* Creating, measuring, saving and restoring a trainer. The loop itself is in train_run.c.
 *
 * Invariant: every array that a run needs exists when trainer_create returns; sizes were computed by measure(), which trainer_measure
 * reports as well, so that what is admitted is what is allocated. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/algorithms/algorithm.h"
#include "engine/block.h"
#include "engine/train_private.h"

static const struct early_stopping *stopping_of(const struct trainer *trainer) { return &trainer->settings->early_stopping; }

/* Without early stopping, the best epoch is still told, by the loss. Without a validation part, the training part's values stand in. */
int trainer_get_monitor(const struct trainer *trainer) {
  int monitor = stopping_of(trainer)->is_enabled ? stopping_of(trainer)->monitor : 0;
  return trainer->data.validation.count == 0 ? monitor_of_training(monitor) : monitor;
}

/* Is `value` of the monitored quantity better than the best so far? */
bool trainer_has_better(const struct trainer *trainer, double value) {
  const double delta = stopping_of(trainer)->is_enabled ? stopping_of(trainer)->min_delta : 0;
  const double best = trainer->position.best_monitored;
  if (!isfinite(value)) return false;
  if (trainer->position.best_epoch == 0) return true;
  return monitor_is_accuracy(trainer_get_monitor(trainer)) ? value > best + delta : value < best - delta;
}

enum {
  REPORTS_PER_RUN = 1000,
  SAMPLE_ROWS = 128,       /* at which the units of the layers are looked at in each epoch … */
  SAMPLE_STEPS_SHARE = 16, /* … but in no more than such a share of its steps */
  LOOK_STEPS = 128,        /* that lie between two looks at the layers, as far as … */
  LOOKS_PER_RUN = 100,     /* … a run comes to so many looks at least */
  FLOATS_PER_LINE = 16,
  ARRAYS_MAX = 9 /* that allocate makes of floats */
};

/* The sample are whole batches at the epoch's end: as many as make SAMPLE_ROWS, unless that takes too long. */
static void choose_sample(struct trainer *trainer) {
  const uint64_t steps = trainer->steps_per_epoch;
  const bool is_last_short = steps > 1 && trainer->data.train.count % trainer->batch_size != 0;
  const uint64_t wanted = (SAMPLE_ROWS - 1) / trainer->batch_size + 1, most = steps / SAMPLE_STEPS_SHARE;
  trainer->sample_end = is_last_short ? steps - 1 : steps;
  trainer->sample_steps = most == 0 ? 1 : wanted < most ? wanted : most;
  trainer->peak_count = 0;
  for (size_t i = 0; i < trainer->layer_count; i++) trainer->peak_count += trainer_unit_count(trainer, i);
}

/* Every array of the block, and every other one of floats, starts on a cache line: what vector code reads then never straddles two. */
static size_t padded(size_t count) { return (count + FLOATS_PER_LINE - 1) / FLOATS_PER_LINE * FLOATS_PER_LINE; }

static size_t count_optimizer_scratch(const struct trainer *trainer) {
  const struct spec *spec = &trainer->settings->optimizer;
  const bool is_used = algorithm_has_gradient(trainer_get_algorithm(trainer)) && optimizer_of(spec)->scratch_count != NULL;
  return is_used ? optimizer_of(spec)->scratch_count(spec->settings) : 0;
}

static void measure_algorithm(struct trainer *trainer) {
  const struct algorithm_kind *kind = trainer_get_algorithm(trainer);
  const void *settings = trainer->settings->algorithm.settings;
  const struct spec *optimizer = &trainer->settings->optimizer;
  trainer->slot_count = algorithm_has_gradient(kind) ? optimizer_of(optimizer)->slot_count(optimizer->settings) : 0;
  trainer->state_count = kind->state_count != NULL ? kind->state_count(settings) : 0;
  trainer->scratch_count = (kind->scratch_count != NULL ? kind->scratch_count(settings) : 0) + count_optimizer_scratch(trainer);
}

/* Steps until the evaluations that are granted are made, or the epochs. */
static uint64_t count_steps(const struct trainer *trainer) {
  const uint64_t steps = trainer->steps_per_epoch * trainer->epochs;
  if (trainer->settings->max_evaluations == PARAM_INTEGER_NONE) return steps;
  const uint64_t each = trainer_get_algorithm(trainer)->evaluation_count(trainer->settings->algorithm.settings, trainer->trained_count);
  const uint64_t granted = ((uint64_t)trainer->settings->max_evaluations - 1) / each + 1;
  return granted < steps ? granted : steps;
}

/* A look costs as much as a step at most, so that epochs of few steps can't all be looked at. Where a step's search takes as many
 * evaluations as it likes of those that are granted, any epoch may be the last. */
static void choose_looks(struct trainer *trainer) {
  const bool ends_unforeseen = trainer->settings->max_evaluations != PARAM_INTEGER_NONE && count_optimizer_scratch(trainer) > 0;
  const uint64_t wanted = (LOOK_STEPS - 1) / trainer->steps_per_epoch + 1;
  const uint64_t most = ((trainer->total_steps - 1) / trainer->steps_per_epoch + 1) / LOOKS_PER_RUN;
  trainer->look_every = most == 0 || ends_unforeseen ? 1 : wanted < most ? wanted : most;
}

/* Sizes of everything, from network, settings and data. */
static void measure(struct trainer *trainer) {
  const struct network *network = trainer->network;
  const size_t rows = trainer->data.train.count;
  const size_t wanted = (size_t)trainer->settings->batch_size;
  trainer->batch_size = rows > 0 && rows < wanted ? rows : wanted;
  trainer->step_rows = trainer->batch_size * (size_t)trainer->settings->accumulate_steps;
  trainer->input_size = shape_size(network_get_input_shape(network));
  trainer->output_width = shape_size(network_get_output_shape(network));
  trainer->steps = trainer->data.task == TASK_CLASSIFICATION && trainer->data.target_steps > 0 ? trainer->data.target_steps : 1;
  trainer->step_width = trainer->output_width / trainer->steps;
  trainer->row_width = trainer->data.task == TASK_CLASSIFICATION ? trainer->steps : trainer->output_width;
  const bool is_half = strcmp(train_get_precision(trainer->settings), "bfloat16") == 0;
  trainer->half_count = is_half ? network_half_count(trainer->network, trainer->batch_size) : 0;
  trainer->parameter_count = network_parameter_count(network);
  trainer->trained_count = network_trained_count(network);
  trainer->buffer_count = network_buffer_count(network);
  trainer->layer_count = network_layer_count(network);
  trainer->array_floats = padded(trainer->parameter_count);
  augmenter_init(&trainer->augmenter, &trainer->settings->augmentation, network_get_input_shape(network), (uint64_t)trainer->settings->seed,
                 trainer->batch_size);
  measure_algorithm(trainer);
  trainer->steps_per_epoch = rows > 0 ? (rows - 1) / trainer->step_rows + 1 : 1;
  trainer->epochs = train_count_epochs(trainer->settings, rows);
  trainer->total_steps = count_steps(trainer);
  trainer->report_every = (trainer->total_steps - 1) / REPORTS_PER_RUN + 1;
  choose_sample(trainer);
  choose_looks(trainer);
  trainer->value_max = report_value_count(trainer);
}

static bool add_product(size_t *sum, size_t count, size_t bytes) {
  size_t product;
  return !__builtin_mul_overflow(count, bytes, &product) && !__builtin_add_overflow(*sum, product, sum);
}

static bool accumulates(const struct trainer *trainer) { return trainer->settings->accumulate_steps > 1; }

static bool averages(const struct trainer *trainer) { return !isnan(trainer->settings->ema_decay); }

static bool count_block(const struct trainer *trainer, size_t *out_count) {
  const size_t arrays = 1 + trainer->state_count + (averages(trainer) ? 1 : 0) + (train_keeps_best(trainer->settings) ? 1 : 0);
  *out_count = 0;
  return add_product(out_count, trainer->array_floats, arrays) &&
         add_product(out_count, padded(trainer->trained_count), trainer->slot_count) &&
         add_product(out_count, padded(trainer->layer_count * LAYER_VALUES), 1) &&
         add_product(out_count, padded(trainer->layer_count * sizeof(struct activity) / sizeof(float)), 1) &&
         add_product(out_count, padded(trainer->peak_count), 1) &&
         add_product(out_count, padded(trainer->buffer_count), train_keeps_best(trainer->settings) ? 2 : 1);
}

static enum error_code measure_bytes(struct trainer *trainer, size_t *out_bytes, struct error *error) {
  size_t bytes = sizeof *trainer, workspace = 0;
  enum error_code code = workspace_measure(trainer->network, trainer->batch_size, true, &workspace, error);
  if (code != ERROR_NONE) return code;
  bool fits = add_product(&bytes, workspace, 1);
  if (trainer->data.validation.count > 0) {
    code = workspace_measure(trainer->network, trainer->batch_size, false, &workspace, error);
    if (code != ERROR_NONE) return code;
    fits = fits && add_product(&bytes, workspace, 1);
  }
  size_t block;
  fits = fits && count_block(trainer, &block) && add_product(&bytes, block, sizeof(float)) &&
         add_product(&bytes, trainer->array_floats, (size_t)(accumulates(trainer) ? 3 : 2) * sizeof(float)) &&
         add_product(&bytes, trainer->array_floats, trainer->scratch_count * sizeof(float)) &&
         add_product(&bytes, trainer->buffer_count, 2 * sizeof(float)) &&
         add_product(&bytes, trainer->batch_size + 1, (trainer->input_size + trainer->output_width) * sizeof(float)) &&
         add_product(&bytes, padded(trainer->half_count / 2 + 1), sizeof(float)) &&
         add_product(&bytes, trainer->augmenter.scratch_count, sizeof(float)) &&
         add_product(&bytes, ARRAYS_MAX, (1 + FLOATS_PER_LINE) * sizeof(float)) &&
         add_product(&bytes, trainer->data.train.count, sizeof(uint32_t)) &&
         add_product(&bytes, trainer->value_max, sizeof(struct train_value)) && add_product(&bytes, report_name_bytes(trainer), 1) &&
         add_product(&bytes, trainer->output_width, 2 * sizeof(double) + 2 * sizeof(float)) &&
         add_product(&bytes, trainer->layer_count, sizeof(struct diagnosis_layer));
  if (!fits) return error_set(error, ERROR_OVER_BUDGET, "the memory that this network needs can't be addressed");
  *out_bytes = bytes;
  return ERROR_NONE;
}

uint64_t train_count_steps(const struct network *network, const struct train_settings *settings, size_t row_count) {
  struct trainer trainer = {.network = network, .settings = settings, .data.train.count = row_count};
  measure(&trainer);
  return trainer.total_steps;
}

/* Some optimizers are for the cost of all rows alone. */
static enum error_code check_rows(const struct trainer *trainer, struct error *error) {
  const struct spec *optimizer = &trainer->settings->optimizer;
  const bool is_used = algorithm_has_gradient(trainer_get_algorithm(trainer));
  if (!is_used || !optimizer_of(optimizer)->is_full_batch || trainer->steps_per_epoch <= 1) return ERROR_NONE;
  return error_add(error, "/batch_size", "%s needs all %zu training rows in one step: make it %zu or more, or accumulate_steps %zu",
                   optimizer->kind->name, trainer->data.train.count, trainer->data.train.count,
                   (trainer->data.train.count - 1) / trainer->batch_size + 1);
}

enum error_code trainer_measure(const struct network *network, const struct train_settings *settings, const struct train_data *data,
                                size_t *out_bytes, struct error *error) {
  struct trainer trainer = {.network = network, .settings = settings, .data = *data};
  measure(&trainer);
  enum error_code code = check_rows(&trainer, error);
  return code != ERROR_NONE ? code : measure_bytes(&trainer, out_bytes, error);
}

enum error_code trainer_measure_block(const struct network *network, const struct train_settings *settings, size_t *out_count,
                                      struct error *error) {
  struct trainer trainer = {.network = network, .settings = settings};
  measure(&trainer);
  if (count_block(&trainer, out_count)) return ERROR_NONE;
  return error_set(error, ERROR_OVER_BUDGET, "the checkpoint that this network needs can't be addressed");
}

/* The loss of the settings, or what "auto" means for this network. */
static enum error_code resolve_loss(struct trainer *trainer, struct error *error) {
  struct train_settings settings = *trainer->settings;
  settings.loss = (struct spec){0};
  enum error_code code = ERROR_NONE;
  if (trainer->settings->loss.kind != NULL) code = spec_copy(&settings.loss, &trainer->settings->loss, error);
  if (code == ERROR_NONE) code = train_settings_resolve(&settings, trainer->network, trainer->data.task, error);
  trainer->loss = settings.loss;
  if (code != ERROR_NONE) return code;
  const bool is_class = loss_of(&trainer->loss)->target_form == TARGET_CLASS;
  trainer->target_width = is_class ? trainer->steps : trainer->output_width;
  trainer->has_shares = is_class && augmentation_mixes(&trainer->settings->augmentation);
  trainer->batch_target_width = trainer->has_shares ? trainer->output_width : trainer->target_width;
  return ERROR_NONE;
}

static enum error_code create_class_weights(struct trainer *trainer, struct error *error) {
  if (loss_class_weights(&trainer->loss) == NULL) return ERROR_NONE;
  trainer->class_weights = calloc(trainer->step_width, sizeof(double));
  if (trainer->class_weights == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for class weights");
  const struct train_rows *rows = &trainer->data.train;
  (void)loss_resolve_class_weights(&trainer->loss, trainer->step_width, rows->count * trainer->steps, rows->y, trainer->class_weights);
  return ERROR_NONE;
}

static void lay_out_block(struct trainer *trainer) {
  float *next = trainer->block;
  trainer->buffers = next;
  next += padded(trainer->buffer_count);
  trainer->parameters = next;
  next += trainer->array_floats;
  for (size_t i = 0; i < trainer->slot_count; i++, next += padded(trainer->trained_count)) trainer->optimizer.slots[i] = next;
  trainer->layer_values = next;
  next += padded(trainer->layer_count * LAYER_VALUES);
  trainer->activities = (struct activity *)(void *)next;
  next += padded(trainer->layer_count * sizeof(struct activity) / sizeof(float));
  trainer->peaks = next;
  next += padded(trainer->peak_count);
  trainer->state = next;
  next += trainer->state_count * trainer->array_floats;
  trainer->average = averages(trainer) ? next : NULL;
  if (averages(trainer)) next += trainer->array_floats;
  trainer->best = train_keeps_best(trainer->settings) ? next : NULL;
}

static void lay_out_scratch(struct trainer *trainer) {
  const size_t count = count_optimizer_scratch(trainer);
  trainer->search_buffers = trainer->trial_buffers + trainer->buffer_count;
  for (size_t i = 0; i < count; i++) trainer->optimizer.scratch[i] = algorithm_scratch(trainer, trainer->scratch_count - count + i);
}

/* `count` zeros, at least one. */
static float *allocate_floats(size_t count) { return block_create(padded(count + 1) * sizeof(float)); }

static enum error_code allocate(struct trainer *trainer, struct error *error) {
  if (!count_block(trainer, &trainer->block_count)) return error_set(error, ERROR_OVER_BUDGET, "the network is too large");
  trainer->block = allocate_floats(trainer->block_count);
  trainer->gradients = allocate_floats(trainer->parameter_count);
  trainer->before = allocate_floats(trainer->parameter_count);
  trainer->trial_buffers = allocate_floats(2 * trainer->buffer_count);
  trainer->scratch = allocate_floats(trainer->scratch_count * trainer->array_floats);
  if (accumulates(trainer)) trainer->batch_gradients = allocate_floats(trainer->parameter_count);
  trainer->batch_x = allocate_floats((trainer->batch_size + 1) * trainer->input_size);
  trainer->batch_y = allocate_floats(trainer->batch_size * trainer->batch_target_width);
  trainer->augmenter.scratch = allocate_floats(trainer->augmenter.scratch_count);
  trainer->order = calloc(trainer->data.train.count + 1, sizeof(uint32_t));
  trainer->diagnosed = calloc(trainer->layer_count, sizeof(struct diagnosis_layer));
  trainer->constant_z = calloc(2 * trainer->output_width, sizeof(float));
  trainer->target_means = calloc(trainer->output_width, sizeof(double));
  trainer->values = calloc(trainer->value_max, sizeof(struct train_value));
  trainer->names = calloc(report_name_bytes(trainer) + 1, 1);
  if (trainer->half_count > 0) trainer->half = (uint16_t *)(void *)allocate_floats(trainer->half_count / 2 + 1);
  if (trainer->half_count > 0 && trainer->half == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for training");
  if (accumulates(trainer) && trainer->batch_gradients == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for training");
  if (!trainer->block || !trainer->gradients || !trainer->before || !trainer->trial_buffers || !trainer->scratch || !trainer->batch_x ||
      !trainer->batch_y || !trainer->augmenter.scratch || !trainer->order || !trainer->values || !trainer->names || !trainer->diagnosed ||
      !trainer->constant_z || !trainer->target_means)
    return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for training");
  enum error_code code = workspace_create(trainer->network, trainer->batch_size, true, &trainer->workspace, error);
  if (code == ERROR_NONE && trainer->data.validation.count > 0)
    code = workspace_create(trainer->network, trainer->batch_size, false, &trainer->inference, error);
  return code;
}

static enum error_code check_classes(const struct train_rows *rows, const struct train_data *data, const char *part, struct error *error) {
  const size_t steps = data->target_steps > 0 ? data->target_steps : 1;
  for (size_t i = 0; i < rows->count * steps; i++) {
    const float class = rows->y[i];
    if (data->target_steps > 0 && class == LOSS_NO_CLASS) continue;
    if (!(class >= 0 && class < (float)data->class_count && class == floorf(class)))
      return error_set(error, ERROR_INVALID, "row %zu of the %s part has the class %g, not one of 0 … %zu", i / steps, part, (double)class,
                       data->class_count - 1);
  }
  return ERROR_NONE;
}

/* That each row has the classes that the output wants: one, or one for each step. */
static enum error_code check_outputs(const struct network *network, const struct train_data *data, struct error *error) {
  const struct shape *out = network_get_output_shape(network);
  const size_t steps = out->rank == 2 ? out->sizes[0] : 1, width = shape_size(out) / steps;
  const size_t given = data->target_steps > 0 ? data->target_steps : 1;
  if (given != steps)
    return error_set(error, ERROR_INVALID, "the network has outputs for %zu step%s, the data classes for %zu", steps, steps == 1 ? "" : "s",
                     given);
  if (width != data->class_count && !(width == 1 && data->class_count == 2))
    return error_set(error, ERROR_INVALID, "the network has %zu outputs, the data %zu classes", width, data->class_count);
  return ERROR_NONE;
}

static enum error_code check_reconstruction(const struct network *network, const struct train_data *data, struct error *error) {
  const size_t in = shape_size(network_get_input_shape(network)), out = shape_size(network_get_output_shape(network));
  if (data->task != TASK_REGRESSION) return error_set(error, ERROR_INVALID, "rows that are their own targets are numbers");
  if (in == out) return ERROR_NONE;
  return error_set(error, ERROR_INVALID, "the network takes %zu values and gives %zu, but is to give back what it takes", in, out);
}

static enum error_code check_data(const struct network *network, const struct train_data *data, struct error *error) {
  if (data->train.count == 0) return error_set(error, ERROR_INVALID, "the training part has no rows");
  if (data->train.count > UINT32_MAX) return error_set(error, ERROR_INVALID, "at most %u training rows", UINT32_MAX);
  if (data->target_is_input) return check_reconstruction(network, data, error);
  if (data->task != TASK_CLASSIFICATION) return ERROR_NONE;
  enum error_code code = check_outputs(network, data, error);
  if (code == ERROR_NONE) code = check_classes(&data->train, data, "training", error);
  return code != ERROR_NONE ? code : check_classes(&data->validation, data, "validation", error);
}

enum error_code trainer_create(const struct network *network, const struct train_settings *settings, const struct train_data *data,
                               const struct parallel *parallel, struct trainer **out_trainer, struct error *error) {
  *out_trainer = NULL;
  enum error_code code = check_data(network, data, error);
  if (code != ERROR_NONE) return code;
  struct trainer *trainer = calloc(1, sizeof *trainer);
  if (trainer == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for a trainer");
  trainer->network = network;
  trainer->settings = settings;
  trainer->data = *data;
  trainer->parallel = parallel;
  row_reader_init(&trainer->train_x, &data->train, network_get_input_shape(network));
  row_reader_init(&trainer->validation_x, &data->validation, network_get_input_shape(network));
  measure(trainer);
  code = check_rows(trainer, error);
  if (code == ERROR_NONE) code = resolve_loss(trainer, error);
  if (code == ERROR_NONE) code = create_class_weights(trainer, error);
  if (code == ERROR_NONE) code = allocate(trainer, error);
  if (code != ERROR_NONE) {
    trainer_destroy(trainer);
    return code;
  }
  lay_out_block(trainer);
  lay_out_scratch(trainer);
  augmenter_start(&trainer->augmenter, &trainer->train_x);
  report_init_names(trainer);
  network_initialize(network, (uint64_t)settings->seed, trainer->parameters, trainer->buffers);
  trainer_set_weights(trainer, trainer->parameters, NULL);
  trainer->position = (struct train_position){.version = TRAIN_POSITION_VERSION};
  diagnosis_start(&trainer->position.diagnosis);
  trainer_gather_facts(trainer);
  trainer->order_epoch = UINT64_MAX;
  *out_trainer = trainer;
  return ERROR_NONE;
}

void trainer_destroy(struct trainer *trainer) {
  if (trainer == NULL) return;
  workspace_destroy(trainer->workspace);
  workspace_destroy(trainer->inference);
  spec_deinit(&trainer->loss);
  free(trainer->class_weights);
  free(trainer->block);
  free(trainer->gradients);
  free(trainer->batch_gradients);
  free(trainer->trial_buffers);
  free(trainer->scratch);
  free(trainer->half);
  free(trainer->before);
  free(trainer->augmenter.scratch);
  free(trainer->batch_x);
  free(trainer->batch_y);
  free(trainer->order);
  free(trainer->diagnosed);
  free(trainer->constant_z);
  free(trainer->target_means);
  free(trainer->values);
  free(trainer->names);
  free(trainer);
}

size_t trainer_get_block_count(const struct trainer *trainer) { return trainer->block_count; }

enum error_code trainer_restore(struct trainer *trainer, const struct train_position *position, const float *block, size_t block_count,
                                struct error *error) {
  if (position->version != TRAIN_POSITION_VERSION)
    return error_set(error, ERROR_INVALID, "the checkpoint is of version %u, this program reads version %d", position->version,
                     TRAIN_POSITION_VERSION);
  if (block_count != trainer->block_count)
    return error_set(error, ERROR_INVALID, "the checkpoint has %zu values, this job has %zu", block_count, trainer->block_count);
  if (position->step > trainer->total_steps || position->batch_in_epoch > trainer->steps_per_epoch)
    return error_set(error, ERROR_INVALID, "the checkpoint's position is beyond the end of this job");
  trainer->position = *position;
  memcpy(trainer->block, block, block_count * sizeof(float));
  trainer->optimizer.step = position->optimizer_step;
  memcpy(trainer->optimizer.scalars, position->optimizer_scalars, sizeof trainer->optimizer.scalars);
  return ERROR_NONE;
}

void trainer_set_weights(struct trainer *trainer, const float *parameters, const float *buffers) {
  if (parameters != trainer->parameters) memcpy(trainer->parameters, parameters, trainer->parameter_count * sizeof(float));
  if (trainer->average != NULL) memcpy(trainer->average, parameters, trainer->parameter_count * sizeof(float));
  if (buffers != NULL) memcpy(trainer->buffers, buffers, trainer->buffer_count * sizeof(float));
}

float *trainer_get_served(const struct trainer *trainer) { return trainer->average != NULL ? trainer->average : trainer->parameters; }
const float *trainer_get_parameters(const struct trainer *trainer) { return trainer_get_served(trainer); }
const float *trainer_get_buffers(const struct trainer *trainer) { return trainer->buffers; }
const double *trainer_get_class_weights(const struct trainer *trainer) { return trainer->class_weights; }
uint64_t trainer_get_total_steps(const struct trainer *trainer) { return trainer->total_steps; }
uint64_t trainer_get_steps_per_epoch(const struct trainer *trainer) { return trainer->steps_per_epoch; }

void predict_rows(const struct network *network, struct workspace *workspace, size_t workspace_batch, const struct parallel *parallel,
                  const float *parameters, const float *buffers, const float *x, size_t count, float *out_outputs, uint32_t *out_lengths) {
  const size_t input_size = shape_size(network_get_input_shape(network)), width = shape_size(network_get_output_shape(network));
  for (size_t first = 0; first < count; first += workspace_batch) {
    const size_t rows = count - first < workspace_batch ? count - first : workspace_batch;
    const struct pass_options options = {.batch = rows, .joins = true, .row_by_row = true, .parallel = parallel};
    /* In inference mode buffers are only read. */
    network_forward(network, workspace, &options, x + first * input_size, parameters, (float *)(uintptr_t)buffers);
    memcpy(out_outputs + first * width, workspace_get_output(workspace), rows * width * sizeof(float));
    const uint32_t *lengths = workspace_get_output_lengths(workspace);
    if (lengths != NULL && out_lengths != NULL) memcpy(out_lengths + first, lengths, rows * sizeof *lengths);
  }
}
