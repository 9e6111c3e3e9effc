#include "server/api/subject.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/codec/network_json.h"
#include "server/codec/row_json.h"
#include "server/codec/settings_json.h"
#include "server/codec/tensor_json.h"
#include "server/store/networks.h"

enum { KEYS_MAX = 32 };

/* A network's task, as far as its output tells it. */
static enum task guess_task(const struct network *network) {
  const struct activation_kind *activation = activation_of(network_get_output_activation(network));
  if (activation->is_row_wise) return TASK_CLASSIFICATION;
  return strcmp(activation->kind.name, "sigmoid") == 0 ? TASK_MULTILABEL : TASK_REGRESSION;
}

enum error_code subject_open_model(struct subject *subject, struct api *api, const char *id_or_name, struct error *error) {
  subject->api = api;
  enum error_code code = model_cache_take(api->models, id_or_name, &subject->model, error);
  if (code != ERROR_NONE) return resource_explain(api, RESOURCE_MODEL, id_or_name, code, error);
  subject->network = subject->model->network;
  subject->task = subject->model->preprocessor.task;
  snprintf(subject->id, sizeof subject->id, "%s", subject->model->row.id);
  return ERROR_NONE;
}

enum error_code subject_compile(struct subject *subject, const char *pointer, struct error *error) {
  if (!network_spec_is_complete(&subject->spec))
    return error_add(error, pointer,
                     "waits for a dataset: give input.shape, units and activations in numbers and names instead of \"auto\", or take a "
                     "model that was trained with it");
  enum error_code code = network_create(&subject->spec, &subject->own_network, error);
  if (code != ERROR_NONE) return code;
  subject->network = subject->own_network;
  subject->task = guess_task(subject->network);
  return ERROR_NONE;
}

static enum error_code load_stored(struct subject *subject, const char *id_or_name, struct error *error) {
  struct network_row row = {0};
  enum error_code code = networks_get(subject->api->store, id_or_name, &row, error);
  if (code != ERROR_NONE) return code;
  json_t *json = json_read_own(row.spec_json);
  code = network_spec_from_json(json, "", &subject->spec, error);
  snprintf(subject->id, sizeof subject->id, "%s", row.id);
  json_decref(json);
  network_row_deinit(&row);
  return code == ERROR_NONE ? network_spec_resolve(&subject->spec, NULL, error) : code;
}

enum error_code subject_open_network(struct subject *subject, struct api *api, const char *id_or_name, struct error *error) {
  subject->api = api;
  enum error_code code = load_stored(subject, id_or_name, error);
  if (code != ERROR_NONE) return resource_explain(api, RESOURCE_NETWORK, id_or_name, code, error);
  return subject_compile(subject, "", error);
}

/* Errors of a spec, at its place in the body. */
static void move_errors(const struct error *found, const char *pointer, struct error *error) {
  struct error moved = *found;
  for (size_t i = 0; i < moved.item_count; i++) {
    if (strncmp(found->items[i].pointer, pointer, strlen(pointer)) == 0) continue;
    snprintf(moved.items[i].pointer, ERROR_POINTER_BYTES, "%s%.120s", pointer, found->items[i].pointer);
  }
  error_merge(error, &moved);
}

enum error_code subject_load_network(struct subject *subject, struct api *api, const json_t *network, const char *pointer,
                                     struct error *error) {
  struct error found = {0};
  subject->api = api;
  if (json_is_string(network)) {
    enum error_code code = load_stored(subject, json_string_value(network), &found);
    if (code == ERROR_NONE) return ERROR_NONE;
    if (code == ERROR_NOT_FOUND)
      resource_add_missing(api, RESOURCE_NETWORK, json_string_value(network), pointer, error);
    else
      error_merge(error, &found);
    return error->code;
  }
  if (!json_is_object(network)) return error_add(error, pointer, "must be the id or name of a network, or a network itself");
  enum error_code code = network_spec_from_json(network, pointer, &subject->spec, &found);
  if (code == ERROR_NONE) code = network_spec_resolve(&subject->spec, NULL, &found);
  if (code == ERROR_NONE) return ERROR_NONE;
  move_errors(&found, pointer, error);
  return error->code;
}

void subject_deinit(struct subject *subject) {
  if (subject->model != NULL) model_cache_return(subject->api->models, subject->model);
  network_destroy(subject->own_network);
  network_spec_deinit(&subject->spec);
  free(subject->x);
  free(subject->targets);
  free(subject->class_weights);
  memset(subject, 0, sizeof *subject);
}

/* Settings */

static enum error_code replace_spec(struct spec *field, const struct spec *with, struct error *error) {
  spec_deinit(field);
  return with->kind == NULL ? ERROR_NONE : spec_copy(field, with, error);
}

enum error_code subject_inherit(const struct subject *subject, struct train_settings *train, struct error *error) {
  if (subject->model == NULL) return ERROR_NONE;
  const struct train_settings *own = &subject->model->job_spec.train;
  train->clip_norm = own->clip_norm;
  train->clip_value = own->clip_value;
  enum error_code code = replace_spec(&train->loss, &own->loss, error);
  return code == ERROR_NONE ? replace_spec(&train->optimizer, &own->optimizer, error) : code;
}

static size_t add_param_keys(const struct param *params, size_t param_count, const char *keys[KEYS_MAX + 1], size_t count) {
  for (size_t i = 0; i < param_count && count < KEYS_MAX; i++) {
    if (params[i].type == PARAM_INLINE)
      count = add_param_keys(params[i].params, params[i].param_count, keys, count);
    else
      keys[count++] = params[i].name;
  }
  return count;
}

enum error_code subject_read_settings(struct subject *subject, const json_t *body, const char *const *others, const struct param *params,
                                      size_t param_count, void *settings, struct error *error) {
  const char *keys[KEYS_MAX + 1] = {NULL};
  const size_t own_count = add_param_keys(params, param_count, keys, 0);
  size_t count = own_count;
  for (size_t i = 0; others[i] != NULL && count < KEYS_MAX; i++) keys[count++] = others[i];
  object_check_keys(body, keys, "", error);
  json_t *own = json_object();
  for (size_t i = 0; i < own_count; i++) {
    json_t *value = json_object_get(body, keys[i]);
    if (value != NULL) json_put(&own, keys[i], json_incref(value));
  }
  if (own == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  subject->is_loss_given = json_object_get(own, "loss") != NULL;
  enum error_code code = settings_from_json(own, params, param_count, "", settings, error);
  json_decref(own);
  return code == ERROR_NONE ? error->code : code;
}

/* What a target in class indices looks like: one, or one for each step of a sequence. */
static struct shape class_shape(const struct network *network) {
  struct shape shape = *network_get_output_shape(network);
  if (shape.rank > 0) shape.rank--;
  return shape;
}

static size_t count_classes(const struct network *network) {
  const struct shape *output = network_get_output_shape(network);
  return output->rank == 0 ? 1 : output->sizes[output->rank - 1];
}

enum error_code subject_resolve_loss(struct subject *subject, struct train_settings *train, struct error *error) {
  enum error_code code = train_settings_resolve(train, subject->network, subject->task, error);
  if (code != ERROR_NONE) return code;
  const bool is_class = loss_of(&train->loss)->target_form == TARGET_CLASS;
  subject->input_width = shape_size(network_get_input_shape(subject->network));
  const struct shape target = is_class ? class_shape(subject->network) : *network_get_output_shape(subject->network);
  subject->target_width = shape_size(&target);
  subject->as_values = !is_class && subject->task == TASK_CLASSIFICATION;
  if (subject->as_values && subject->model != NULL && preprocessor_count_steps(&subject->model->preprocessor) > 1)
    return error_add(error, "/loss", "must be \"cross_entropy\": the model's targets are a class for each step of a sequence");
  return ERROR_NONE;
}

/* Rows */

static enum error_code find_rows(const json_t *body, const json_t **out_rows, const json_t **out_targets, struct error *error) {
  const json_t *rows = json_object_get(body, "rows"), *targets = json_object_get(body, "targets");
  const size_t count = json_array_size(rows);
  if (!json_is_array(rows))
    error_add(error, "/rows", "must be an array of rows, one for a single sample");
  else if (count == 0 || count > LIMIT_TRACE_ROWS)
    error_add(error, "/rows", "must have 1 to %d rows, not %zu", LIMIT_TRACE_ROWS, count);
  else if (targets != NULL && (!json_is_array(targets) || json_array_size(targets) != count))
    error_add(error, "/targets", "must be an array of %zu, one target for each row", count);
  *out_rows = rows;
  *out_targets = targets;
  return error->code;
}

static void read_classes(const json_t *json, const struct network *network, const char *pointer, float *out_target, struct error *error) {
  const struct shape shape = class_shape(network);
  const size_t count = shape_size(&shape), class_count = count_classes(network);
  if (floats_from_json(json, &shape, pointer, out_target, error) != ERROR_NONE) return;
  for (size_t i = 0; i < count; i++) {
    const double index = (double)out_target[i];
    if (index >= 0 && index < (double)class_count && index == floor(index)) continue;
    if (count > 1 && index == LOSS_NO_CLASS) continue;
    error_add(error, pointer, "must be the index of the right output, from 0 to %zu%s, not %.9g", class_count - 1,
              count > 1 ? ", for each step; -100 where it isn't known" : "", index);
    return;
  }
}

static void check_tokens(const struct subject *subject, const float *x, const char *pointer, struct error *error) {
  size_t count;
  int64_t padding;
  if (!network_spec_get_tokens(&subject->spec, &count, &padding)) return;
  for (size_t i = 0; i < subject->input_width; i++) {
    const double token = (double)x[i];
    if (token >= 0 && token < (double)count && token == floor(token)) continue;
    error_add(error, pointer, "has %.9g, but the network begins with an embedding of %zu tokens: whole numbers from 0 to %zu", token, count,
              count - 1);
    return;
  }
}

static void check_target_range(const struct loss_kind *loss, const float *target, size_t count, const char *pointer, struct error *error) {
  for (size_t i = 0; i < count && loss_has_target_range(loss); i++) {
    const double value = (double)target[i];
    if (value >= loss->target_min && value <= loss->target_max) continue;
    error_add(error, pointer, "has %.9g, but %s takes targets from %g to %g; another loss, as mean_squared_error, takes any number", value,
              loss->kind.name, loss->target_min, loss->target_max);
    return;
  }
}

static void read_plain_row(struct subject *subject, const json_t *row, const json_t *target, const struct loss_kind *loss, size_t index,
                           struct error *error) {
  const struct shape *output = network_get_output_shape(subject->network);
  char pointer[ERROR_POINTER_BYTES];
  error_pointer(pointer, "/rows", "%zu", index);
  enum error_code code =
      floats_from_json(row, network_get_input_shape(subject->network), pointer, subject->x + index * subject->input_width, error);
  if (code == ERROR_NONE) check_tokens(subject, subject->x + index * subject->input_width, pointer, error);
  error_pointer(pointer, "/targets", "%zu", index);
  float *to = subject->targets + index * subject->target_width;
  if (loss->target_form == TARGET_CLASS)
    read_classes(target, subject->network, pointer, to, error);
  else if (code != ERROR_OUT_OF_MEMORY && floats_from_json(target, output, pointer, to, error) == ERROR_NONE)
    check_target_range(loss, to, subject->target_width, pointer, error);
}

static enum error_code read_plain_rows(struct subject *subject, const json_t *rows, const json_t *targets, const struct loss_kind *loss,
                                       struct error *error) {
  if (targets == NULL) return error_add(error, "/targets", "must be an array: what the network should give for each row");
  for (size_t i = 0; i < subject->row_count && error_has_room(error); i++)
    read_plain_row(subject, json_array_get(rows, i), json_array_get(targets, i), loss, i, error);
  return error->code;
}

/* A row that is to be given back: itself its target, unless another is given, as a noisy one's clean one. */
static enum error_code read_own_target(struct subject *subject, struct row_cells *cells, const json_t *row, const json_t *target,
                                       size_t index, struct error *error) {
  const struct preprocessor *preprocessor = &subject->model->preprocessor;
  const json_t *const sides[] = {row, target != NULL ? target : row};
  float *const to[] = {subject->x + index * subject->input_width, subject->targets + index * subject->target_width};
  enum error_code code = ERROR_NONE;
  for (size_t i = 0; i < 2 && code == ERROR_NONE; i++) {
    char pointer[ERROR_POINTER_BYTES];
    error_pointer(pointer, i == 1 && target != NULL ? "/targets" : "/rows", "%zu", index);
    code = row_cells_from_json(cells, preprocessor, sides[i], pointer, error);
    if (code == ERROR_NONE) code = preprocessor_transform(preprocessor, cells->cells, pointer, to[i], error);
  }
  return code;
}

/* A row and its target by the model's preprocessing. */
static enum error_code read_raw_row(struct subject *subject, struct row_cells *features, struct row_cells *targets, const json_t *row,
                                    const json_t *target, size_t index, struct error *error) {
  const struct preprocessor *preprocessor = &subject->model->preprocessor;
  if (preprocessor->is_reconstruction) return read_own_target(subject, features, row, target, index, error);
  char pointer[ERROR_POINTER_BYTES];
  error_pointer(pointer, "/rows", "%zu", index);
  enum error_code code = row_cells_from_json(features, preprocessor, row, pointer, error);
  if (code == ERROR_NONE)
    code = preprocessor_transform(preprocessor, features->cells, pointer, subject->x + index * subject->input_width, error);
  if (target == NULL && !json_is_object(row))
    return error_add(error, "/targets", "is needed: rows that are arrays have no targets in them");
  if (target != NULL) error_pointer(pointer, "/targets", "%zu", index);
  enum error_code target_code = target_cells_from_json(targets, preprocessor, target != NULL ? target : row, pointer, error);
  if (target_code != ERROR_NONE) return target_code;
  /* Where the value stands alone, or in an array, it has no key. */
  struct error found = {0};
  target_code = preprocessor_transform_target(preprocessor, targets->cells, pointer, subject->as_values,
                                              subject->targets + index * subject->target_width, &found);
  const bool has_keys = target == NULL || json_is_object(target);
  for (size_t i = 0; i < found.item_count; i++) error_add(error, has_keys ? found.items[i].pointer : pointer, "%s", found.items[i].detail);
  return code != ERROR_NONE ? code : target_code;
}

static enum error_code read_raw_rows(struct subject *subject, const json_t *rows, const json_t *target_rows, struct error *error) {
  const struct preprocessor *preprocessor = &subject->model->preprocessor;
  struct row_cells features = {0}, targets = {0};
  if (preprocessor->input_width != subject->input_width ||
      preprocessor_get_target_width(preprocessor, subject->as_values) != subject->target_width)
    return error_set(error, ERROR_INTERNAL, "the model's preprocessing doesn't fit its network");
  enum error_code code = row_cells_init(&features, preprocessor, error);
  if (code == ERROR_NONE) code = target_cells_init(&targets, preprocessor, error);
  for (size_t i = 0; i < subject->row_count && error_has_room(error) && code != ERROR_OUT_OF_MEMORY; i++) {
    enum error_code row_code = read_raw_row(subject, &features, &targets, json_array_get(rows, i),
                                            target_rows == NULL ? NULL : json_array_get(target_rows, i), i, error);
    if (row_code != ERROR_NONE) code = row_code;
  }
  row_cells_deinit(&features);
  row_cells_deinit(&targets);
  return code;
}

enum error_code subject_make_room(struct subject *subject, size_t row_count, struct error *error) {
  subject->row_count = row_count;
  subject->x = calloc(row_count * subject->input_width + 1, sizeof *subject->x);
  subject->targets = calloc(row_count * subject->target_width + 1, sizeof *subject->targets);
  if (subject->x == NULL || subject->targets == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  return ERROR_NONE;
}

/* A model's numbers are scaled; a loss that was named for the trace may not take them so. */
static void check_scaled_targets(const struct subject *subject, const struct loss_kind *loss, struct error *error) {
  for (size_t i = 0; i < subject->row_count && error_has_room(error) && subject->task == TASK_REGRESSION; i++) {
    char pointer[ERROR_POINTER_BYTES];
    error_pointer(pointer, subject->model->preprocessor.is_reconstruction ? "/rows" : "/targets", "%zu", i);
    check_target_range(loss, subject->targets + i * subject->target_width, subject->target_width, pointer, error);
  }
}

static enum error_code read_rows(struct subject *subject, const json_t *body, const struct train_settings *train, struct error *error) {
  const json_t *rows, *targets;
  const size_t window = subject->model == NULL ? 0 : subject->model->preprocessor.window.length;
  if (window > 0) /* before rows are found wanting that no rows could mend */
    return error_add(error, "/rows", "the model forecasts from windows of %zu rows; a row by itself can't be traced or checked", window);
  enum error_code code = find_rows(body, &rows, &targets, error);
  if (code != ERROR_NONE) return code;
  code = subject_make_room(subject, json_array_size(rows), error);
  if (code != ERROR_NONE) return code;
  if (subject->model != NULL) {
    code = read_raw_rows(subject, rows, targets, error);
    if (code == ERROR_NONE) check_scaled_targets(subject, loss_of(&train->loss), error);
    return code == ERROR_NONE ? error->code : code;
  }
  return read_plain_rows(subject, rows, targets, loss_of(&train->loss), error);
}

enum error_code subject_weigh_classes(struct subject *subject, const struct train_settings *train, struct error *error) {
  const bool is_own = subject->model != NULL && !subject->is_loss_given;
  const bool is_class = loss_of(&train->loss)->target_form == TARGET_CLASS;
  const size_t width = is_class ? count_classes(subject->network) : shape_size(network_get_output_shape(subject->network));
  const size_t target_count = subject->row_count * (is_class ? subject->target_width : 1);
  if (loss_class_weights(&train->loss) == NULL) return ERROR_NONE;
  double *weights = calloc(width, sizeof *weights);
  if (weights == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  const double *trained = is_own ? subject->model->preprocessor.targets[0].class_weights : NULL;
  if (trained != NULL) memcpy(weights, trained, width * sizeof *weights);
  if (trained != NULL || (!is_own && loss_resolve_class_weights(&train->loss, width, target_count, subject->targets, weights)))
    subject->class_weights = weights;
  else
    free(weights);
  return ERROR_NONE;
}

enum error_code subject_read_rows(struct subject *subject, const json_t *body, struct train_settings *train, struct error *error) {
  struct error found = {0};
  enum error_code code = subject_resolve_loss(subject, train, &found);
  if (code == ERROR_NONE) code = read_rows(subject, body, train, &found);
  if (code == ERROR_NONE) code = subject_weigh_classes(subject, train, &found);
  if (code != ERROR_NONE && found.code == ERROR_NONE) found.code = code;
  return error_merge(error, &found);
}

/* Weights */

/* Finds the tensor of that name; NULL: none. */
static const struct layer_tensor *find_tensor(const struct network *network, const char *name) {
  for (size_t i = 0; i < network_layer_count(network); i++) {
    const struct layer *layer = network_get_layer(network, i);
    const size_t length = strlen(layer->name);
    if (strncmp(name, layer->name, length) != 0 || name[length] != '.') continue;
    for (size_t t = 0; t < layer->tensor_count; t++)
      if (strcmp(name + length + 1, layer->tensors[t].name) == 0) return &layer->tensors[t];
  }
  return NULL;
}

enum error_code subject_read_weights(const struct subject *subject, const json_t *body, uint64_t seed, float *parameters, float *buffers,
                                     struct error *error) {
  const json_t *weights = json_object_get(body, "weights");
  const size_t buffer_count = network_buffer_count(subject->network);
  network_initialize(subject->network, seed, parameters, buffers);
  if (subject->model != NULL) {
    memcpy(parameters, subject->model->parameters, network_parameter_count(subject->network) * sizeof *parameters);
    if (buffer_count > 0) memcpy(buffers, subject->model->buffers, buffer_count * sizeof *buffers);
  }
  if (weights == NULL || json_is_null(weights)) return ERROR_NONE;
  if (!json_is_object(weights)) return error_add(error, "/weights", "must be an object {\"layer.tensor\": numbers}");
  const char *name;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)weights, name, value) {
    char pointer[ERROR_POINTER_BYTES];
    const struct layer_tensor *tensor = find_tensor(subject->network, name);
    error_pointer(pointer, "/weights", "%s", name);
    if (!error_has_room(error)) break;
    if (tensor == NULL)
      error_add(error, pointer, "is no tensor of the network; they are called \"layer.tensor\", such as \"%.64s.weight\"",
                network_get_layer_name(subject->network, 0));
    else if (floats_from_json(value, &tensor->shape, pointer, parameters + tensor->offset, error) == ERROR_OUT_OF_MEMORY)
      break;
  }
  return error->code;
}
