/* What a job spec says of training: the table, and what the table can't check. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "engine/algorithms/algorithm.h"
#include "engine/kernels.h"
#include "engine/train.h"

static const char *const precisions[] = {"float32", "bfloat16", NULL};
static const char *const keeps[] = {"auto", "best", "last", NULL};

static const struct param early_stopping_params[] = {
    PARAM_CHOICE_ROW(struct early_stopping, monitor, monitor_names, 0, "value that must improve"),
    PARAM_INTEGER_ROW(struct early_stopping, patience, 1, LIMIT_EPOCHS, 5, "epochs without improvement before training stops"),
    PARAM_NUMBER_ROW(struct early_stopping, min_delta, 0, INFINITY, 0, "smallest change that counts as an improvement"),
    PARAM_BOOLEAN_ROW(struct early_stopping, restore_best, true, "end with the weights of the best epoch, not of the last"),
};

const struct param train_params[16] = {
    PARAM_KIND_ROW(struct train_settings, algorithm, &algorithm_kinds, "backprop", "how the weights are found"),
    PARAM_KIND_ROW(struct train_settings, loss, &loss_kinds, NULL, "the cost to minimize; auto follows from the network's output",
                   .flags = PARAM_AUTO),
    PARAM_KIND_ROW(struct train_settings, optimizer, &optimizer_kinds, "adam", "how a gradient becomes a step"),
    PARAM_KIND_ROW(struct train_settings, schedule, &schedule_kinds, "constant", "the learning rate over time"),
    PARAM_NUMBER_ROW(struct train_settings, clip_norm, 0, INFINITY, NAN, "largest norm of the whole gradient",
                     .flags = PARAM_OPTIONAL | PARAM_ABOVE_MIN),
    PARAM_NUMBER_ROW(struct train_settings, clip_value, 0, INFINITY, NAN, "largest magnitude of one gradient value",
                     .flags = PARAM_OPTIONAL | PARAM_ABOVE_MIN),
    PARAM_NUMBER_ROW(
        struct train_settings, ema_decay, 0, 1, NAN,
        "share that an exponential moving average of the weights keeps at each step; it is what is validated and becomes the model",
        .flags = PARAM_OPTIONAL | PARAM_ABOVE_MIN | PARAM_BELOW_MAX),
    PARAM_INTEGER_ROW(struct train_settings, epochs, 1, LIMIT_EPOCHS, 0,
                      "passes over the training part; auto: 30, and for few rows as many as make 2000 batches, up to 500",
                      .flags = PARAM_AUTO),
    PARAM_INTEGER_ROW(struct train_settings, batch_size, 1, LIMIT_BATCH_SIZE, 32, "rows of one pass, and of a step unless it accumulates"),
    PARAM_INTEGER_ROW(struct train_settings, accumulate_steps, 1, LIMIT_ACCUMULATE_STEPS, 1,
                      "batches whose gradients are averaged before one step: large batches in little memory"),
    PARAM_INTEGER_ROW(struct train_settings, max_evaluations, 1, 9007199254740992.0, 0,
                      "training ends once the cost of a batch was computed so often: what algorithms are compared by",
                      .flags = PARAM_OPTIONAL),
    PARAM_INTEGER_ROW(struct train_settings, seed, 0, 9007199254740992.0, 0, "of start weights, split, order of rows and dropout"),
    PARAM_CHOICE_ROW(struct train_settings, precision, precisions, 0, "number format of the matrix products"),
    PARAM_OBJECT_ROW(struct train_settings, augmentation, augmentation_params, "vary the training rows, differently in every epoch",
                     .flags = PARAM_OPTIONAL, .given_offset = offsetof(struct train_settings, augmentation.is_given)),
    PARAM_OBJECT_ROW(struct train_settings, early_stopping, early_stopping_params, "end when a value has stopped to improve",
                     .flags = PARAM_OPTIONAL, .given_offset = offsetof(struct train_settings, early_stopping.is_enabled)),
    PARAM_CHOICE_ROW(
        struct train_settings, keep, keeps, KEEP_AUTO,
        "the epoch whose weights become the model: the best one by the validation loss (or what early_stopping monitors), or the "
        "last; auto: the best where there is a validation part, or as early_stopping says"),
};
const size_t train_param_count = PARAM_COUNT(train_params);

uint64_t train_count_epochs(const struct train_settings *settings, uint64_t rows) {
  enum { EPOCHS_MIN = 30, EPOCHS_MAX = 500, BATCHES_MIN = 2000 };
  if (settings->epochs != PARAM_INTEGER_AUTO) return (uint64_t)settings->epochs;
  const uint64_t batch = (uint64_t)settings->batch_size, batches = rows > 0 ? (rows - 1) / batch + 1 : 1;
  const uint64_t epochs = (BATCHES_MIN - 1) / batches + 1;
  return epochs < EPOCHS_MIN ? EPOCHS_MIN : epochs > EPOCHS_MAX ? EPOCHS_MAX : epochs;
}

enum error_code train_resolve_keep(struct train_settings *settings, bool has_validation, struct error *error) {
  const struct early_stopping *stopping = &settings->early_stopping;
  const bool is_range_test = algorithm_of(&settings->algorithm)->learning_rate != NULL;
  const bool is_best = stopping->is_enabled ? stopping->restore_best : has_validation && !is_range_test;
  const int wanted = is_best ? KEEP_BEST : KEEP_LAST;
  if (stopping->is_enabled && settings->keep != KEEP_AUTO && settings->keep != wanted)
    return error_add(error, "/keep", "must be \"auto\" or \"%s\": early_stopping's restore_best is %s", keeps[wanted],
                     is_best ? "true" : "false");
  if (settings->keep == KEEP_AUTO) settings->keep = wanted;
  return ERROR_NONE;
}

bool train_keeps_best(const struct train_settings *settings) {
  return settings->keep == KEEP_BEST ||
         (settings->keep == KEEP_AUTO && settings->early_stopping.is_enabled && settings->early_stopping.restore_best);
}

const char *train_get_precision(const struct train_settings *settings) { return precisions[kernels_can_half() ? settings->precision : 0]; }

/* Classes and labels need outputs that are probabilities. Who wants others, a perceptron's say, names the loss. */
static enum error_code choose_loss(struct train_settings *settings, const struct network *network, enum task task, struct error *error) {
  const char *activation = network_get_output_activation(network)->kind->name, *loss = NULL;
  if (task == TASK_REGRESSION) loss = "mean_squared_error";
  if (task == TASK_CLASSIFICATION && strcmp(activation, "softmax") == 0) loss = "cross_entropy";
  if (task != TASK_REGRESSION && strcmp(activation, "sigmoid") == 0) loss = "binary_cross_entropy";
  if (loss != NULL) return spec_init(&settings->loss, kind_table_find(&loss_kinds, loss), error);
  const char *output = network_get_layer_name(network, network_layer_count(network) - 1);
  return error_add(error, "/loss",
                   "does not follow from the output layer \"%s\": the activation \"%s\" gives no probabilities of %s. Give that layer the "
                   "activation \"auto\" (which is \"%s\"), or name a loss",
                   output, activation, task == TASK_CLASSIFICATION ? "classes" : "labels",
                   task == TASK_CLASSIFICATION ? "softmax" : "sigmoid");
}

static void check_monitor(int monitor, const char *pointer, struct error *error) {
  if (monitor_is_accuracy(monitor))
    error_add(error, pointer, "\"%s\" is not measured for a regression; use \"validation_loss\" or \"loss\"", monitor_names[monitor]);
}

static void check_monitors(const struct train_settings *settings, enum task task, struct error *error) {
  if (task != TASK_REGRESSION) return;
  const struct schedule_kind *schedule = schedule_of(&settings->schedule);
  if (settings->early_stopping.is_enabled) check_monitor(settings->early_stopping.monitor, "/early_stopping/monitor", error);
  if (schedule->monitor != NULL) check_monitor(schedule->monitor(settings->schedule.settings), "/schedule/monitor", error);
}

static void check_clipping(const struct train_settings *settings, struct error *error) {
  const struct spec *optimizer = &settings->optimizer;
  if (!optimizer_of(optimizer)->is_full_batch) return;
  static const char detail[] = "%s takes the gradient as it is: leave it out, or use another optimizer";
  if (!isnan(settings->clip_norm)) error_add(error, "/clip_norm", detail, optimizer->kind->name);
  if (!isnan(settings->clip_value)) error_add(error, "/clip_value", detail, optimizer->kind->name);
}

enum error_code train_check_steps(const struct train_settings *settings, uint64_t steps, struct error *error) {
  const struct algorithm_kind *algorithm = algorithm_of(&settings->algorithm);
  const char *name = algorithm->kind.name;
  const bool has_limit = settings->max_evaluations != PARAM_INTEGER_NONE;
  if (has_limit && (uint64_t)settings->max_evaluations < algorithm->steps_min)
    return error_add(error, "/max_evaluations", "must be at least %" PRIu64 ": %s compares the losses of steps; some 100 make a good curve",
                     algorithm->steps_min, name);
  if (steps >= algorithm->steps_min) return ERROR_NONE;
  return error_add(error, "/epochs",
                   "%" PRId64 " make%s %" PRIu64 " step%s, but %s compares the losses of steps and needs at least %" PRIu64
                   " (some 100 make a good curve): give more epochs, or a smaller batch_size",
                   settings->epochs, settings->epochs == 1 ? "s" : "", steps, steps == 1 ? "" : "s", name, algorithm->steps_min);
}

/* The layer that reads the network's input as tokens, or tells padding by its values; NULL: none does. */
static const struct layer *find_literal_layer(const struct network *network) {
  for (size_t i = 0; i < network_layer_count(network); i++) {
    const struct layer *layer = network_get_layer(network, i);
    for (size_t k = 0; k < layer->input_count && (layer->kind->takes_tokens || layer->kind->takes_unscaled); k++)
      if (strcmp(layer->input_names[k], "input") == 0) return layer;
  }
  return NULL;
}

static void check_augmentation(const struct train_settings *settings, const struct network *network, enum task task, struct error *error) {
  const struct shape *input = network_get_input_shape(network), *output = network_get_output_shape(network);
  const struct layer *literal = find_literal_layer(network);
  char text[SHAPE_TEXT_BYTES], pointer[ERROR_POINTER_BYTES];
  for (size_t i = 0; i < AUGMENTATION_COUNT && settings->augmentation.is_given; i++) {
    const struct augmentation_kind *kind = augmentation_get(i);
    if (kind->get(&settings->augmentation) <= 0) continue;
    error_pointer(pointer, "/augmentation", "%s", kind->name);
    if (kind->needs_image && input->rank != 3)
      error_add(error, pointer, "is for images: the input must be [channels, height, width], not %s",
                shape_format(input, text, sizeof text));
    else if (literal != NULL)
      error_add(error, pointer, "is for numbers: layer \"%s\" takes %s", literal->name,
                literal->kind->takes_tokens ? "tokens, which have nothing between them" : "values as they are, and tells padding by them");
    else if (kind->draw_share != NULL && task == TASK_CLASSIFICATION && output->rank > 1)
      error_add(error, pointer, "needs one target a row, not a class for each step");
  }
}

enum error_code train_settings_resolve(struct train_settings *settings, const struct network *network, enum task task,
                                       struct error *error) {
  if (settings->loss.kind == NULL) {
    enum error_code code = choose_loss(settings, network, task, error);
    if (code != ERROR_NONE) return code;
  }
  if (network_check_loss(network, &settings->loss, "/loss", error) == ERROR_NONE) {
    const struct shape *out = network_get_output_shape(network);
    const size_t width = loss_of(&settings->loss)->target_form == TARGET_CLASS ? out->sizes[out->rank - 1] : shape_size(out);
    if (loss_check_width(&settings->loss, width, "/loss", error) != ERROR_NONE) return error->code;
  }
  if (task != TASK_CLASSIFICATION && loss_of(&settings->loss)->target_form == TARGET_CLASS)
    error_add(error, "/loss", "%s needs one class per row, but the task is %s; use %s", settings->loss.kind->name, task_names[task],
              task == TASK_MULTILABEL ? "\"binary_cross_entropy\"" : "\"mean_squared_error\", \"mean_absolute_error\" or \"huber\"");
  check_monitors(settings, task, error);
  check_clipping(settings, error);
  check_augmentation(settings, network, task, error);
  if (network_trained_count(network) == 0)
    error_add(error, "/network", "has nothing to train: at least one layer with weights must be \"trainable\"");
  if (algorithm_of(&settings->algorithm)->learning_rate != NULL && strcmp(settings->schedule.kind->name, "constant") != 0)
    error_add(error, "/schedule", "must be \"constant\": %s sets the learning rate itself", settings->algorithm.kind->name);
  return error->code;
}
