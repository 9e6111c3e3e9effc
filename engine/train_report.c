/* What a trainer reports: the values of a step, of an epoch and of its layers, with their names. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/algorithms/algorithm.h"
#include "engine/kernels.h"
#include "engine/reduce.h"
#include "engine/train_private.h"

enum { STEP_VALUES = 4, EPOCH_VALUES = 4, LAYER_NAME_BYTES = LIMIT_NAME_BYTES + 32 };
static const char *const layer_value_names[LAYER_VALUES] = {"gradient_norm",  "weight_norm",   "update_ratio",      "activation_mean",
                                                            "activation_std", "dead_fraction", "saturated_fraction"};

size_t trainer_unit_count(const struct trainer *trainer, size_t layer) {
  const struct layer *of = network_get_layer(trainer->network, layer);
  return activity_unit_count(&of->out, activation_of_layer(of));
}

/* Whether this value says something of that layer. */
static bool has_value(const struct trainer *trainer, size_t index, enum layer_value value) {
  const struct layer *layer = network_get_layer(trainer->network, index);
  const bool is_trained = layer->tensor_count > 0 && !layer->is_frozen;
  switch (value) {
  case LAYER_GRADIENT_NORM: return is_trained && algorithm_has_gradient(trainer_get_algorithm(trainer));
  case LAYER_UPDATE_RATIO: return is_trained;
  case LAYER_WEIGHT_NORM: return layer->tensor_count > 0;
  case LAYER_DEAD_FRACTION: return activity_unit_count(&layer->out, activation_of_layer(layer)) > 0;
  case LAYER_SATURATED_FRACTION: return activity_can_saturate(activation_of_layer(layer));
  case LAYER_ACTIVATION_MEAN:
  case LAYER_ACTIVATION_STD:
  case LAYER_VALUES: break;
  }
  return true;
}

static size_t count_layer_values(const struct trainer *trainer) {
  size_t count = 0;
  for (size_t i = 0; i < network_layer_count(trainer->network); i++)
    for (size_t value = 0; value < LAYER_VALUES; value++) count += has_value(trainer, i, (enum layer_value)value);
  return count;
}

size_t report_value_count(const struct trainer *trainer) {
  return STEP_VALUES + ALGORITHM_VALUES + EPOCH_VALUES + count_layer_values(trainer);
}
size_t report_name_bytes(const struct trainer *trainer) { return count_layer_values(trainer) * LAYER_NAME_BYTES; }

/* "layers.hidden.gradient_norm", one after the other in the order of the epoch's report. */
void report_init_names(struct trainer *trainer) {
  char *name = trainer->names;
  for (size_t i = 0; i < trainer->layer_count; i++) {
    for (size_t value = 0; value < LAYER_VALUES; value++) {
      if (!has_value(trainer, i, (enum layer_value)value)) continue;
      (void)snprintf(name, LAYER_NAME_BYTES, "layers.%s.%s", network_get_layer_name(trainer->network, i), layer_value_names[value]);
      name += LAYER_NAME_BYTES;
    }
  }
}

size_t report_fill_step(struct trainer *trainer) {
  const struct algorithm_kind *algorithm = trainer_get_algorithm(trainer);
  struct train_value *values = trainer->values;
  size_t count = 0;
  values[count++] = (struct train_value){"batch_loss", trainer->position.batch_loss};
  values[count++] = (struct train_value){"evaluations", (double)trainer->position.evaluations};
  if (algorithm_has_gradient(algorithm)) {
    values[count++] = (struct train_value){"learning_rate", trainer->learning_rate};
    values[count++] = (struct train_value){"gradient_norm", trainer->position.gradient_norm};
  }
  if (algorithm->value_names == NULL) return count;
  double own[ALGORITHM_VALUES];
  algorithm->fill_values(trainer, own);
  for (size_t i = 0; algorithm->value_names[i] != NULL; i++) values[count++] = (struct train_value){algorithm->value_names[i], own[i]};
  return count;
}

size_t report_fill_epoch(struct trainer *trainer, size_t count, const struct epoch_values *epoch) {
  const bool is_regression = trainer->data.task == TASK_REGRESSION;
  struct train_value *values = trainer->values;
  values[count++] = (struct train_value){"loss", epoch->loss};
  values[count++] = (struct train_value){is_regression ? "mae" : "accuracy", epoch->hits};
  if (trainer->data.validation.count > 0) {
    values[count++] = (struct train_value){"validation_loss", epoch->validation_loss};
    values[count++] = (struct train_value){is_regression ? "validation_mae" : "validation_accuracy", epoch->validation_hits};
  }
  const char *name = trainer->names;
  for (size_t i = 0; epoch->is_looked_at && i < trainer->layer_count; i++) {
    for (size_t value = 0; value < LAYER_VALUES; value++) {
      if (!has_value(trainer, i, (enum layer_value)value)) continue;
      values[count++] = (struct train_value){name, (double)trainer->layer_values[i * LAYER_VALUES + value]};
      name += LAYER_NAME_BYTES;
    }
  }
  return count;
}

/* A layer's tensors stand one after the other in the block; false if it has none. */
static bool find_part(const struct trainer *trainer, size_t index, size_t *out_first, size_t *out_count) {
  const struct layer *layer = network_get_layer(trainer->network, index);
  if (layer->tensor_count == 0) return false;
  const struct layer_tensor *last = &layer->tensors[layer->tensor_count - 1];
  *out_first = layer->tensors[0].offset;
  *out_count = last->offset + shape_size(&last->shape) - *out_first;
  return true;
}

bool report_measures_layers(const struct trainer *trainer) { return trainer->looks_at_epoch && trainer_is_at_last_batch(trainer); }

void report_measure_gradients(struct trainer *trainer) {
  size_t first, count;
  for (size_t i = 0; i < trainer->layer_count; i++) {
    if (!find_part(trainer, i, &first, &count)) continue;
    trainer->layer_values[i * LAYER_VALUES + LAYER_GRADIENT_NORM] =
        (float)sqrt(kernel_sum_squares(trainer->parallel, count, trainer->gradients + first));
  }
}

void report_measure_weights(struct trainer *trainer) {
  size_t first, count;
  for (size_t i = 0; i < trainer->layer_count; i++) {
    if (!find_part(trainer, i, &first, &count)) continue;
    const float *after = trainer->parameters + first, *before = trainer->before + first;
    const double change = reduce_square_distance(count, after, before);
    const double norm = sqrt(kernel_sum_squares(trainer->parallel, count, before));
    float *values = trainer->layer_values + i * LAYER_VALUES;
    values[LAYER_WEIGHT_NORM] = (float)sqrt(kernel_sum_squares(trainer->parallel, count, after));
    values[LAYER_UPDATE_RATIO] = norm > 0 ? (float)(sqrt(change) / norm) : 0;
  }
}

void report_measure_weight_norms(struct trainer *trainer) {
  size_t first, count;
  for (size_t i = 0; i < trainer->layer_count; i++)
    if (find_part(trainer, i, &first, &count))
      trainer->layer_values[i * LAYER_VALUES + LAYER_WEIGHT_NORM] =
          (float)sqrt(kernel_sum_squares(trainer->parallel, count, trainer->parameters + first));
}

static void finish_activity(struct trainer *trainer, size_t index, const float *peaks) {
  const struct activity *activity = &trainer->activities[index];
  const struct spec *activation = activation_of_layer(network_get_layer(trainer->network, index));
  const size_t units = trainer_unit_count(trainer, index);
  float *values = trainer->layer_values + index * LAYER_VALUES;
  values[LAYER_ACTIVATION_MEAN] = (float)activity->mean;
  values[LAYER_ACTIVATION_STD] = (float)activity_std(activity);
  values[LAYER_SATURATED_FRACTION] = (float)activity_saturated_fraction(activity);
  values[LAYER_DEAD_FRACTION] = units > 0 ? (float)activity_dead_fraction(activation, units, peaks) : 0;
}

/* Of the epoch under way, which the budget may cut short. */
static uint64_t sample_end(const struct trainer *trainer) {
  const uint64_t left = trainer->total_steps - trainer->position.epoch * trainer->steps_per_epoch;
  return trainer->sample_end < left ? trainer->sample_end : left;
}

/* The sample of batches, [begin, end). */
struct sample {
  uint64_t begin, end;
};
static struct sample find_sample(const struct trainer *trainer) {
  const uint64_t batch = trainer->position.batch_in_epoch;
  const uint64_t end = trainer_get_algorithm(trainer)->has_ended != NULL ? batch + 1 : sample_end(trainer);
  return (struct sample){.begin = end > trainer->sample_steps ? end - trainer->sample_steps : 0, .end = end};
}

bool report_looks_at_layers(const struct trainer *trainer) {
  if (!trainer->looks_at_epoch) return false;
  const struct sample sample = find_sample(trainer);
  return trainer->position.batch_in_epoch >= sample.begin && trainer->position.batch_in_epoch < sample.end;
}

void report_measure_activity(struct trainer *trainer, size_t rows) {
  if (!report_looks_at_layers(trainer)) return;
  const struct sample sample = find_sample(trainer);
  const uint64_t batch = trainer->position.batch_in_epoch;
  if (batch == sample.begin) {
    memset(trainer->activities, 0, trainer->layer_count * sizeof *trainer->activities);
    memset(trainer->peaks, 0, trainer->peak_count * sizeof *trainer->peaks);
  }
  float *peaks = trainer->peaks;
  for (size_t i = 0; i < trainer->layer_count; i++) {
    const struct layer *layer = network_get_layer(trainer->network, i);
    const struct activity_batch values = {.shape = &layer->out,
                                          .activation = activation_of_layer(layer),
                                          .rows = rows,
                                          .lengths = workspace_get_lengths(trainer->workspace, i),
                                          .z = workspace_get_z(trainer->workspace, i),
                                          .a = workspace_get_a(trainer->workspace, i)};
    activity_add(&trainer->activities[i], peaks, &values);
    if (batch + 1 == sample.end) finish_activity(trainer, i, peaks);
    peaks += trainer_unit_count(trainer, i);
  }
}

/* The class that the target of a step, `width` values, says: an index, or one 1 among 0s; of shares, the one that has most. */
static size_t target_class(const struct trainer *trainer, const float *target, size_t width) {
  if (width == 1 && trainer->step_width > 1) return (size_t)target[0];
  return metric_class_of(target, trainer->step_width);
}

/* A step whose class isn't known, in either form. */
static bool is_unknown(const struct trainer *trainer, const float *target, size_t width) {
  if (trainer->data.target_steps == 0) return false;
  if (width == 1) return target[0] == LOSS_NO_CLASS;
  for (size_t j = 0; j < trainer->step_width; j++)
    if (target[j] != 0) return false;
  return true;
}

/* `width` is that of a step's target. */
static void count_classes(const struct trainer *trainer, size_t steps, const float *outputs, const float *targets, size_t width,
                          double *sum, double *count) {
  for (size_t step = 0; step < steps; step++) {
    const float *target = targets + step * width;
    if (is_unknown(trainer, target, width)) continue;
    *sum += metric_class_of(outputs + step * trainer->step_width, trainer->step_width) == target_class(trainer, target, width);
    (*count)++;
  }
}

static void count_numbers(const struct trainer *trainer, size_t width, const float *outputs, const float *targets, double *sum,
                          double *count) {
  const double *scale = trainer->data.target_scale;
  const size_t *spans = trainer->data.category_spans;
  const bool is_regression = trainer->data.task == TASK_REGRESSION;
  for (size_t j = 0; j < width; j++) {
    if (spans != NULL && spans[j] > 0) continue;
    if (is_regression)
      *sum += fabs((double)outputs[j] - (double)targets[j]) * (scale != NULL ? scale[j] : 1);
    else
      *sum += (outputs[j] > 0.5f) == (targets[j] > 0.5f);
    (*count)++;
  }
}

void report_count_hits(const struct trainer *trainer, const struct workspace *workspace, size_t rows, const struct targets *targets,
                       double *sum, double *count) {
  const struct shape *out = network_get_output_shape(trainer->network);
  const uint32_t *lengths = workspace_get_output_lengths(workspace);
  const float *outputs = workspace_get_output(workspace);
  for (size_t i = 0; i < rows; i++) {
    const float *output = outputs + i * trainer->output_width, *target = targets->values + i * targets->width;
    if (trainer->data.task == TASK_CLASSIFICATION)
      count_classes(trainer, trainer->steps > 1 && lengths != NULL ? lengths[i] : trainer->steps, output, target,
                    targets->width / trainer->steps, sum, count);
    else
      count_numbers(trainer, lengths == NULL ? trainer->output_width : lengths[i] * (trainer->output_width / out->sizes[0]), output, target,
                    sum, count);
  }
}
