/* golden [--bfloat16] FOLDER [FILE…]: every *.json of the folder is one network with what PyTorch computes for it;
 * README.md says what stands in it.
 *
 * Everything in a file is checked, and everything in it must be understood: an unknown layer, loss, optimizer or key fails the file. So
 * does whatever is missing, but for the input's gradient, which indices don't have.
 * For each file one line with the worst error of each kind, in units of the tolerance (1 is the most that passes). Steps of training are
 * taken by the real trainer, with a batch of all samples, which it leaves in their order.
 * With --bfloat16 matrix products are computed in that precision, where processor and build can.
 * Ends with "N passed, N failed" and non-zero if any failed or there was none.
 */
#include <dirent.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/kernels.h"
#include "engine/kernels_conv_primitive.h"
#include "engine/kernels_private.h"
#include "engine/network.h"
#include "engine/train.h"
#include "server/codec/settings_json.h"

enum { FILES_MAX = 4096, STEPS_MAX = 1 << 20, MESSAGE_BYTES = 512, LINE_BYTES = 1024 };

/* |x − y| ≤ absolute + relative · |y|, where |y| is that of the value itself or of its tensor's largest. */
struct tolerance {
  double absolute, relative;
  bool is_of_largest;
};
struct precision {
  bool is_half;
  struct tolerance pass, training;
};
static const struct precision float32 = {.pass = {.absolute = 1e-6, .relative = 1e-4}, .training = {.absolute = 1e-5, .relative = 1e-3}};
/* A number of 8 bits is off by 2⁻⁹ of itself, and so is a sum of products; where large terms cancel, that is much of what is left. */
static const struct precision bfloat16 = {.is_half = true,
                                          .pass = {.absolute = 1e-6, .relative = 2e-2, .is_of_largest = true},
                                          .training = {.absolute = 1e-5, .relative = 2e-2, .is_of_largest = true}};

/* What a file's "train" says, read by a parameter table as everything else. */
struct golden_train {
  struct spec optimizer;
  int64_t steps;
  double clip_norm;
};
static const struct param train_rows[] = {
    {.name = "optimizer",
     .type = PARAM_KIND,
     .flags = PARAM_REQUIRED,
     .offset = offsetof(struct golden_train, optimizer),
     .kinds = &optimizer_kinds,
     .help = "as in a job"},
    PARAM_INTEGER_ROW(struct golden_train, steps, 1, STEPS_MAX, 0, "full-batch steps from the start values", .flags = PARAM_REQUIRED),
    PARAM_NUMBER_ROW(struct golden_train, clip_norm, 0, INFINITY, NAN, "as in a job", .flags = PARAM_OPTIONAL | PARAM_ABOVE_MIN),
};

/* A file under check. */
struct golden {
  const struct precision *precision;
  json_t *file;
  struct network_spec spec;
  struct network *network;
  struct workspace *workspace;
  struct spec loss;
  double *class_weights;                                /* [width] or NULL */
  size_t samples, input_size, output_size, target_size; /* values per sample */
  float *input, *target;
  float *parameters, *buffers; /* start values */
  float *moved_buffers;        /* after the pass in training mode */
  float *gradients, *input_gradient;
  uint16_t *half; /* NULL: float32 */
  bool has_failed;
  char message[MESSAGE_BYTES]; /* of the first failure */
  char line[LINE_BYTES];       /* worst errors */
};

__attribute__((format(printf, 2, 3))) static bool fail(struct golden *golden, const char *format, ...) {
  if (golden->has_failed) return false;
  golden->has_failed = true;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(golden->message, sizeof golden->message, format, arguments);
  va_end(arguments);
  return false;
}

static bool fail_with(struct golden *golden, const struct error *error) {
  if (error->item_count > 0) return fail(golden, "%s %s", error->items[0].pointer, error->items[0].detail);
  return fail(golden, "%s", error->detail);
}

static void *allocate(size_t count, size_t bytes) {
  void *memory = calloc(count + 1, bytes);
  if (memory == NULL) {
    fprintf(stderr, "golden: not enough memory\n");
    exit(2);
  }
  return memory;
}

/* Every key of the object must be among `known`, a list that ends with NULL. */
static bool check_keys(struct golden *golden, const json_t *object, const char *where, const char *const *known) {
  const char *key;
  json_t *value;
  if (!json_is_object(object)) return fail(golden, "%s must be an object", where);
  json_object_foreach((json_t *)(uintptr_t)object, key, value) {
    size_t i = 0;
    while (known[i] != NULL && strcmp(known[i], key) != 0) i++;
    if (known[i] == NULL) return fail(golden, "%s has the unknown key \"%s\"", where, key);
  }
  return true;
}

/* Tensors */

static size_t count_of(const json_t *shape) {
  size_t count = 1;
  for (size_t i = 0; i < json_array_size(shape); i++) count *= (size_t)json_integer_value(json_array_get(shape, i));
  return count;
}

/* A tensor's shape is [rows, shape …]; `rows` 0: the shape alone. */
static bool shape_fits(const json_t *tensor, size_t rows, const struct shape *shape) {
  const json_t *sizes = json_object_get(tensor, "shape");
  size_t first = rows > 0 ? 1 : 0;
  if (json_array_size(sizes) != first + shape->rank) return false;
  if (rows > 0 && json_integer_value(json_array_get(sizes, 0)) != (json_int_t)rows) return false;
  for (size_t i = 0; i < shape->rank; i++)
    if (json_integer_value(json_array_get(sizes, first + i)) != (json_int_t)shape->sizes[i]) return false;
  return true;
}

/* {shape, data} whose sizes agree and whose values are numbers; the data array, or NULL after a failure. */
static const json_t *tensor_data(struct golden *golden, const json_t *tensor, const char *where) {
  static const char *const keys[] = {"shape", "data", NULL};
  if (!check_keys(golden, tensor, where, keys)) return NULL;
  const json_t *shape = json_object_get(tensor, "shape"), *data = json_object_get(tensor, "data");
  size_t count = json_array_size(data);
  bool is_right = json_is_array(shape) && json_is_array(data) && count == count_of(shape);
  for (size_t i = 0; i < count && is_right; i++) is_right = json_is_number(json_array_get(data, i));
  if (!is_right) fail(golden, "%s: shape and data don't fit", where);
  return is_right ? data : NULL;
}

static bool read_tensor(struct golden *golden, const json_t *tensor, const char *where, size_t count, float *values) {
  const json_t *data = tensor_data(golden, tensor, where);
  if (data == NULL) return false;
  if (json_array_size(data) != count) return fail(golden, "%s has %zu values, not %zu", where, json_array_size(data), count);
  for (size_t i = 0; i < count; i++) values[i] = (float)json_number_value(json_array_get(data, i));
  return true;
}

/* |x − y| in units of the tolerance; infinite for what is no number. */
static double error_of(double x, double y, double largest, const struct tolerance *tolerance) {
  double error = fabs(x - y) / (tolerance->absolute + tolerance->relative * (tolerance->is_of_largest ? largest : fabs(y)));
  return isfinite(error) ? error : INFINITY;
}

static double largest_of(const json_t *numbers) {
  double largest = 0;
  for (size_t i = 0; i < json_array_size(numbers); i++) largest = fmax(largest, fabs(json_number_value(json_array_get(numbers, i))));
  return largest;
}

static double worst_error(struct golden *golden, const json_t *tensor, const char *where, const float *values, size_t count,
                          const struct tolerance *tolerance) {
  const json_t *data = tensor_data(golden, tensor, where);
  if (data == NULL) return INFINITY;
  if (json_array_size(data) != count) {
    fail(golden, "%s has %zu values, not %zu", where, json_array_size(data), count);
    return INFINITY;
  }
  const double largest = largest_of(data);
  double worst = 0;
  for (size_t i = 0; i < count; i++)
    worst = fmax(worst, error_of((double)values[i], json_number_value(json_array_get(data, i)), largest, tolerance));
  return worst;
}

/* Adds a worst error to the line; more than 1 fails the file. */
static void note(struct golden *golden, const char *what, double worst) {
  size_t used = strlen(golden->line);
  snprintf(golden->line + used, sizeof golden->line - used, "  %s %.2g", what, worst);
  if (!(worst <= 1)) fail(golden, "%s is off by %.3g times the tolerance", what, worst);
}

static void check_values(struct golden *golden, const json_t *expect, const char *what, const float *values, const struct shape *shape) {
  const json_t *tensor = json_object_get(expect, what);
  size_t count = golden->samples * shape_size(shape);
  if (!shape_fits(tensor, golden->samples, shape))
    fail(golden, "expect.%s is missing, or has another shape than the network's", what);
  else
    note(golden, what, worst_error(golden, tensor, what, values, count, &golden->precision->pass));
}

/* Named tensors: an object "layer.tensor" → {shape, data} beside the network's block of parameters or buffers. */

struct block {
  bool is_buffers;
  float *values;
};

typedef bool tensor_visit(struct golden *golden, const json_t *tensor, const char *name, float *values, size_t count, void *context);

/* Visits each of the network's tensors with its place in the file; a tensor missing on either side fails. */
static bool visit_tensors(struct golden *golden, const json_t *tensors, const struct block *block, tensor_visit *visit, void *context) {
  size_t count = 0;
  for (size_t i = 0; i < network_layer_count(golden->network); i++) {
    const struct layer *layer = network_get_layer(golden->network, i);
    const struct layer_tensor *own = block->is_buffers ? layer->buffers : layer->tensors;
    size_t own_count = block->is_buffers ? layer->buffer_count : layer->tensor_count;
    for (size_t t = 0; t < own_count; t++, count++) {
      char name[ERROR_DETAIL_BYTES];
      snprintf(name, sizeof name, "%.*s.%.*s", LIMIT_NAME_BYTES, network_get_layer_name(golden->network, i), (int)sizeof own[t].name,
               own[t].name);
      const json_t *tensor = json_object_get(tensors, name);
      if (tensor == NULL) return fail(golden, "the file lacks the tensor \"%s\"", name);
      if (!shape_fits(tensor, 0, &own[t].shape)) return fail(golden, "\"%s\" has another shape than the network's", name);
      if (!visit(golden, tensor, name, block->values + own[t].offset, shape_size(&own[t].shape), context)) return false;
    }
  }
  if (count == json_object_size(tensors)) return true;
  return fail(golden, "the file has %zu tensors, the network %zu", json_object_size(tensors), count);
}

static bool load_tensor(struct golden *golden, const json_t *tensor, const char *name, float *values, size_t count, void *context) {
  (void)context;
  return read_tensor(golden, tensor, name, count, values);
}

struct comparison {
  struct tolerance tolerance;
  double worst;
};

static bool compare_tensor(struct golden *golden, const json_t *tensor, const char *name, float *values, size_t count, void *context) {
  struct comparison *comparison = context;
  comparison->worst = fmax(comparison->worst, worst_error(golden, tensor, name, values, count, &comparison->tolerance));
  return true;
}

static void check_tensors(struct golden *golden, const json_t *tensors, const char *what, const struct block *block,
                          const struct tolerance *tolerance) {
  struct comparison comparison = {.tolerance = *tolerance};
  if (!json_is_object(tensors))
    fail(golden, "%s must be an object", what);
  else if (visit_tensors(golden, tensors, block, compare_tensor, &comparison))
    note(golden, what, comparison.worst);
}

/* The network, its loss and its batch */

static bool create_network(struct golden *golden) {
  struct error error = {0};
  const json_t *network = json_object_get(golden->file, "network");
  if (settings_init(&golden->spec, network_params, PARAM_COUNT(network_params), &error) != ERROR_NONE ||
      settings_from_json(network, network_params, PARAM_COUNT(network_params), "/network", &golden->spec, &error) != ERROR_NONE ||
      network_spec_resolve(&golden->spec, NULL, &error) != ERROR_NONE ||
      network_create(&golden->spec, &golden->network, &error) != ERROR_NONE)
    return fail_with(golden, &error);
  golden->input_size = shape_size(network_get_input_shape(golden->network));
  golden->output_size = shape_size(network_get_output_shape(golden->network));
  return true;
}

static bool read_loss(struct golden *golden) {
  static const struct param row = {
      .name = "loss", .type = PARAM_KIND, .flags = PARAM_REQUIRED, .kinds = &loss_kinds, .offset = 0, .help = "as in a job"};
  struct error error = {0};
  if (json_object_get(golden->file, "loss") == NULL) return fail(golden, "the file lacks a loss");
  json_t *holder = json_pack("{s:O}", "loss", json_object_get(golden->file, "loss"));
  enum error_code code = settings_from_json(holder, &row, 1, "", &golden->loss, &error);
  json_decref(holder);
  if (code == ERROR_NONE) code = network_check_loss(golden->network, &golden->loss, "/loss", &error);
  if (code == ERROR_NONE) code = loss_check_width(&golden->loss, golden->output_size, "/loss", &error);
  golden->target_size = golden->loss.kind != NULL && loss_of(&golden->loss)->target_form == TARGET_CLASS ? 1 : golden->output_size;
  return code == ERROR_NONE || fail_with(golden, &error);
}

static bool read_batch(struct golden *golden) {
  const json_t *input = json_object_get(golden->file, "input"), *target = json_object_get(golden->file, "target");
  golden->samples = (size_t)json_integer_value(json_array_get(json_object_get(input, "shape"), 0));
  if (golden->samples == 0 || golden->samples > LIMIT_BATCH_SIZE) return fail(golden, "there are no samples, or too many");
  bool is_class = loss_of(&golden->loss)->target_form == TARGET_CLASS;
  if (!shape_fits(input, golden->samples, network_get_input_shape(golden->network)))
    return fail(golden, "input is not of the network's shape");
  if (!shape_fits(target, golden->samples, is_class ? &(struct shape){0} : network_get_output_shape(golden->network)))
    return fail(golden, "target is not of the output's shape");
  golden->input = allocate(golden->samples * golden->input_size, sizeof(float));
  golden->target = allocate(golden->samples * golden->target_size, sizeof(float));
  if (!read_tensor(golden, input, "input", golden->samples * golden->input_size, golden->input) ||
      !read_tensor(golden, target, "target", golden->samples * golden->target_size, golden->target))
    return false;
  for (size_t i = 0; i < golden->samples && is_class; i++) {
    float class = golden->target[i];
    if (!(class >= 0 && class < (float)golden->output_size && class == floorf(class))) return fail(golden, "target %zu is no class", i);
  }
  if (loss_class_weights(&golden->loss) == NULL) return true;
  golden->class_weights = allocate(golden->output_size, sizeof(double));
  (void)loss_resolve_class_weights(&golden->loss, golden->output_size, golden->samples, golden->target, golden->class_weights);
  return true;
}

/* On a cache line. */
static uint16_t *allocate_half(size_t count) {
  uint16_t *half = aligned_alloc(64, (count * sizeof *half / 64 + 1) * 64);
  if (half == NULL) abort();
  return half;
}

static bool load_weights(struct golden *golden) {
  size_t parameter_count = network_parameter_count(golden->network), buffer_count = network_buffer_count(golden->network);
  golden->parameters = allocate(parameter_count, sizeof(float));
  golden->gradients = allocate(parameter_count, sizeof(float));
  golden->buffers = allocate(buffer_count, sizeof(float));
  golden->moved_buffers = allocate(buffer_count, sizeof(float));
  golden->input_gradient = allocate(golden->samples * golden->input_size, sizeof(float));
  const struct block parameters = {.values = golden->parameters}, buffers = {.is_buffers = true, .values = golden->buffers};
  if (!visit_tensors(golden, json_object_get(golden->file, "parameters"), &parameters, load_tensor, NULL) ||
      !visit_tensors(golden, json_object_get(golden->file, "buffers"), &buffers, load_tensor, NULL))
    return false;
  memcpy(golden->moved_buffers, golden->buffers, buffer_count * sizeof(float));
  if (golden->precision->is_half) golden->half = allocate_half(network_half_count(golden->network, golden->samples));
  struct error error = {0};
  return workspace_create(golden->network, golden->samples, true, &golden->workspace, &error) == ERROR_NONE || fail_with(golden, &error);
}

/* One forward and backward pass */

static void check_loss(struct golden *golden, const json_t *expect) {
  struct loss_batch batch = workspace_get_loss_batch(golden->workspace, &golden->loss, golden->samples, golden->target);
  batch.class_weights = golden->class_weights;
  double sum = 0, weight = 0;
  const json_t *expected = json_object_get(expect, "loss");
  if (!json_is_number(expected)) fail(golden, "expect.loss must be a number");
  loss_evaluate(&golden->loss, &batch, &sum, &weight);
  const double y = json_number_value(expected);
  note(golden, "loss", error_of(sum / weight, y, fabs(y), &golden->precision->pass));
}

/* `joins`: layers that can be are computed in one go. */
static void check_passes(struct golden *golden, const json_t *expect, bool joins) {
  const struct shape *input = network_get_input_shape(golden->network), *output = network_get_output_shape(golden->network);
  struct pass_options options = {.batch = golden->samples, .joins = joins, .half = golden->half};
  memcpy(golden->moved_buffers, golden->buffers, network_buffer_count(golden->network) * sizeof(float));
  network_forward(golden->network, golden->workspace, &options, golden->input, golden->parameters, golden->moved_buffers);
  check_values(golden, expect, "output_inference", workspace_get_output(golden->workspace), output);
  options.training = true;
  network_forward(golden->network, golden->workspace, &options, golden->input, golden->parameters, golden->moved_buffers);
  check_values(golden, expect, "output", workspace_get_output(golden->workspace), output);
  check_loss(golden, expect);
  bool has_input_gradient = json_object_get(expect, "input_gradient") != NULL;
  network_backward(golden->network, golden->workspace, &options, golden->input, golden->parameters, &golden->loss, golden->class_weights,
                   golden->target, golden->gradients, has_input_gradient ? golden->input_gradient : NULL);
  const struct block gradients = {.values = golden->gradients}, buffers = {.is_buffers = true, .values = golden->moved_buffers};
  check_tensors(golden, json_object_get(expect, "gradients"), "gradients", &gradients, &golden->precision->pass);
  if (has_input_gradient) check_values(golden, expect, "input_gradient", golden->input_gradient, input);
  check_tensors(golden, json_object_get(expect, "buffers"), "buffers", &buffers, &golden->precision->pass);
}

/* Training */

struct losses {
  struct golden *golden;
  const json_t *expected;
  size_t count;
  double worst;
};

/* One step is one epoch, so every step reports its loss. */
static void compare_loss(void *context, const struct train_report *report) {
  struct losses *losses = context;
  for (size_t i = 0; i < report->value_count; i++) {
    if (strcmp(report->values[i].name, "batch_loss") != 0) continue;
    const json_t *expected = json_array_get(losses->expected, losses->count++);
    double error =
        error_of(report->values[i].value, json_number_value(expected), largest_of(losses->expected), &losses->golden->precision->training);
    losses->worst = fmax(losses->worst, json_is_number(expected) ? error : (double)INFINITY);
  }
}

static enum error_code skip_checkpoint(void *context, const struct train_snapshot *snapshot, struct error *error) {
  (void)context, (void)snapshot, (void)error;
  return ERROR_NONE;
}

static enum train_request go_on(void *context) {
  (void)context;
  return TRAIN_CONTINUE;
}

/* An optimizer that divides a gradient by its own size makes a whole step of what rounding left of one that was nearly 0, in one direction
 * or the other. What then can be compared after training in bfloat16 is the loss, not each weight. */
static bool has_comparable_weights(const struct golden *golden, const struct train_settings *settings) {
  return !golden->precision->is_half || strcmp(settings->optimizer.kind->name, "sgd") == 0;
}

static void compare_weights(struct golden *golden, const json_t *expect, const struct trainer *trainer) {
  memcpy(golden->parameters, trainer_get_parameters(trainer), network_parameter_count(golden->network) * sizeof(float));
  memcpy(golden->buffers, trainer_get_buffers(trainer), network_buffer_count(golden->network) * sizeof(float));
  const struct block parameters = {.values = golden->parameters}, buffers = {.is_buffers = true, .values = golden->buffers};
  check_tensors(golden, json_object_get(expect, "parameters"), "trained_parameters", &parameters, &golden->precision->training);
  check_tensors(golden, json_object_get(expect, "buffers"), "trained_buffers", &buffers, &golden->precision->training);
}

static void run_trainer(struct golden *golden, const struct train_settings *settings, const json_t *expect) {
  bool is_class = loss_of(&golden->loss)->target_form == TARGET_CLASS;
  const struct train_data data = {.task = is_class ? TASK_CLASSIFICATION : TASK_REGRESSION,
                                  .class_count = golden->output_size,
                                  .train = {.count = golden->samples, .x = golden->input, .y = golden->target}};
  struct losses losses = {.golden = golden, .expected = json_object_get(expect, "losses")};
  const struct train_sink sink = {.context = &losses, .report = compare_loss, .checkpoint = skip_checkpoint, .poll = go_on};
  struct train_result result;
  struct trainer *trainer = NULL;
  struct error error = {0};
  if (trainer_create(golden->network, settings, &data, NULL, &trainer, &error) != ERROR_NONE) {
    fail_with(golden, &error);
    return;
  }
  trainer_set_weights(trainer, golden->parameters, golden->buffers);
  if (trainer_run(trainer, &sink, &result, &error) != ERROR_NONE)
    fail_with(golden, &error);
  else if (result.outcome != TRAIN_COMPLETED)
    fail(golden, "training: %s", result.detail);
  else if (losses.count != json_array_size(losses.expected))
    fail(golden, "training took %zu steps, expect.train has %zu losses", losses.count, json_array_size(losses.expected));
  else {
    note(golden, "train_losses", losses.worst);
    if (has_comparable_weights(golden, settings)) compare_weights(golden, expect, trainer);
  }
  trainer_destroy(trainer);
}

static void check_training(struct golden *golden, const json_t *train, const json_t *expect) {
  struct error error = {0};
  struct golden_train wanted;
  struct train_settings settings;
  if (settings_init(&settings, train_params, train_param_count, &error) != ERROR_NONE ||
      settings_init(&wanted, train_rows, PARAM_COUNT(train_rows), &error) != ERROR_NONE) {
    fail_with(golden, &error);
    return;
  }
  if (settings_from_json(train, train_rows, PARAM_COUNT(train_rows), "/train", &wanted, &error) != ERROR_NONE) {
    fail_with(golden, &error);
  } else {
    struct spec standard = settings.optimizer;
    settings.optimizer = wanted.optimizer;
    settings.loss = golden->loss;
    settings.clip_norm = wanted.clip_norm;
    settings.epochs = wanted.steps;
    settings.batch_size = (int64_t)golden->samples;
    settings.precision = golden->precision->is_half;
    run_trainer(golden, &settings, expect);
    settings.optimizer = standard;
    settings.loss = (struct spec){0};
  }
  settings_deinit(&wanted, train_rows, PARAM_COUNT(train_rows));
  settings_deinit(&settings, train_params, train_param_count);
}

/* Files */

static void check(struct golden *golden) {
  static const char *const keys[] = {"case",       "source",  "network", "loss",  "input", "target",
                                     "parameters", "buffers", "expect",  "train", NULL};
  static const char *const expect_keys[] = {"output_inference", "output", "loss", "gradients", "input_gradient", "buffers", "train", NULL};
  static const char *const train_keys[] = {"losses", "parameters", "buffers", NULL};
  const json_t *expect = json_object_get(golden->file, "expect"), *train = json_object_get(golden->file, "train");
  if (!check_keys(golden, golden->file, "the file", keys) || !check_keys(golden, expect, "expect", expect_keys)) return;
  if (!create_network(golden) || !read_loss(golden) || !read_batch(golden) || !load_weights(golden)) return;
  check_passes(golden, expect, false);
  if (network_hides_values(golden->network)) check_passes(golden, expect, true);
  if (golden->has_failed) return;
  const json_t *expect_train = json_object_get(expect, "train");
  if (check_keys(golden, expect_train, "expect.train", train_keys)) check_training(golden, train, expect_train);
}

static void golden_deinit(struct golden *golden) {
  workspace_destroy(golden->workspace);
  network_destroy(golden->network);
  network_spec_deinit(&golden->spec);
  spec_deinit(&golden->loss);
  free(golden->class_weights);
  free(golden->input);
  free(golden->target);
  free(golden->parameters);
  free(golden->buffers);
  free(golden->moved_buffers);
  free(golden->gradients);
  free(golden->input_gradient);
  free(golden->half);
  json_decref(golden->file);
}

static bool check_file(const struct precision *precision, const char *folder, const char *name) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  json_error_t json_error;
  struct golden golden = {.precision = precision, .file = json_load_file(path, JSON_REJECT_DUPLICATES, &json_error)};
  if (golden.file == NULL)
    fail(&golden, "line %d: %s", json_error.line, json_error.text);
  else
    check(&golden);
  printf("%-4s %s%s\n", golden.has_failed ? "FAIL" : "ok", name, golden.line);
  if (golden.has_failed) printf("     %s\n", golden.message);
  golden_deinit(&golden);
  return !golden.has_failed;
}

static bool is_json_name(const char *name) {
  size_t length = strlen(name);
  return length > 5 && strcmp(name + length - 5, ".json") == 0;
}

static int is_json_file(const struct dirent *entry) { return is_json_name(entry->d_name); }

int main(int argc, char **argv) {
  const bool is_half = argc > 1 && strcmp(argv[1], "--bfloat16") == 0;
  const struct precision *precision = is_half ? &bfloat16 : &float32;
  const char *const *files = (const char *const *)argv + (is_half ? 3 : 2);
  const int file_count = argc - (is_half ? 3 : 2);
  if (file_count < 0) {
    fprintf(stderr, "usage: golden [--bfloat16] FOLDER [FILE…]\n");
    return 2;
  }
  if (is_half && !kernels_can_half()) {
    printf("this processor or build has no bfloat16: nothing to compare\n");
    return 0;
  }
  kernels_set_half_products(0);
  kernel_conv_ask_library_always(is_half);
  const char *folder = files[-1];
  size_t passed = 0, failed = 0;
  for (int i = 0; i < file_count; i++) *(check_file(precision, folder, files[i]) ? &passed : &failed) += 1;
  struct dirent **entries = NULL;
  int count = file_count > 0 ? 0 : scandir(folder, &entries, is_json_file, alphasort);
  if (count < 0) perror(folder);
  for (int i = 0; i < count; i++) {
    *(check_file(precision, folder, entries[i]->d_name) ? &passed : &failed) += 1;
    free(entries[i]);
  }
  free(entries);
  printf("%zu passed, %zu failed\n", passed, failed);
  return failed > 0 || passed == 0;
}
