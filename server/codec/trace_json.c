#include "server/codec/trace_json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "server/codec/json_text.h"
#include "server/codec/settings_json.h"
#include "server/codec/tensor_json.h"

const struct param pass_params[2] = {
    PARAM_KIND_ROW(struct train_settings, loss, &loss_kinds, NULL, "the cost; left out: the model's, or what follows from the output",
                   .flags = PARAM_AUTO),
    PARAM_INTEGER_ROW(struct train_settings, seed, 0, 9007199254740992.0, 0, "of start weights and dropout"),
};

static const struct param step_params[] = {
    PARAM_KIND_ROW(struct train_settings, optimizer, &optimizer_kinds, "sgd",
                   "how the gradient becomes a step; left out: the model's, or sgd"),
    PARAM_NUMBER_ROW(struct train_settings, clip_norm, 0, INFINITY, NAN, "largest norm of the whole gradient; left out: the model's",
                     .flags = PARAM_OPTIONAL | PARAM_ABOVE_MIN),
    PARAM_NUMBER_ROW(struct train_settings, clip_value, 0, INFINITY, NAN, "largest magnitude of one gradient value; left out: the model's",
                     .flags = PARAM_OPTIONAL | PARAM_ABOVE_MIN),
};

const struct param trace_params[4] = {
    PARAM_INLINE_ROW(struct trace_settings, train, pass_params),
    PARAM_INLINE_ROW(struct trace_settings, train, step_params),
    PARAM_INTEGER_ROW(struct trace_settings, steps, 0, LIMIT_TRACE_STEPS, 0, "updates made on a scratch copy before the traced pass"),
    PARAM_BOOLEAN_ROW(struct trace_settings, step, 0, "also take the traced step on the scratch copy, and tell the loss after it"),
};

enum error_code trace_settings_init(struct trace_settings *settings, struct error *error) {
  *settings = (struct trace_settings){0};
  enum error_code code = settings_init(&settings->train, train_params, train_param_count, error);
  if (code != ERROR_NONE) return code;
  spec_deinit(&settings->train.optimizer);
  return spec_init(&settings->train.optimizer, kind_table_find(&optimizer_kinds, "sgd"), error);
}

void trace_settings_deinit(struct trace_settings *settings) { settings_deinit(&settings->train, train_params, train_param_count); }

/* Windows */

static const struct param window_params[] = {
    PARAM_INTEGER_ROW(struct trace_window, offset, 0, 9007199254740992.0, 0, "index of the first value"),
    PARAM_INTEGER_ROW(struct trace_window, limit, 1, LIMIT_TRACE_WINDOW_VALUES, 100, "values at most"),
};

static void window_from_json(const json_t *json, const char *pointer, struct trace_window *out_window, struct error *error) {
  char at[ERROR_POINTER_BYTES];
  struct error found = {0};
  const char *tensor = json_string_value(json_object_get(json, "tensor"));
  json_t *rest = json_is_object(json) ? json_copy((json_t *)(uintptr_t)json) : NULL;
  *out_window = (struct trace_window){0};
  if (rest == NULL) {
    error_add(error, pointer, "must be an object {\"tensor\": name, \"offset\": 0, \"limit\": 100}");
    return;
  }
  json_object_del(rest, "tensor");
  error_pointer(at, pointer, "tensor");
  if (tensor == NULL || strlen(tensor) >= sizeof out_window->tensor)
    error_add(&found, at, "must be a tensor's name, as the answer's tensors say it: \"hidden.weight_gradient\"");
  else
    memcpy(out_window->tensor, tensor, strlen(tensor) + 1);
  enum error_code code = settings_init(out_window, window_params, PARAM_COUNT(window_params), &found);
  if (code == ERROR_NONE) code = settings_from_json(rest, window_params, PARAM_COUNT(window_params), pointer, out_window, &found);
  if (code != ERROR_NONE || found.code != ERROR_NONE) error_merge(error, &found);
  json_decref(rest);
}

void trace_windows_from_json(const json_t *json, struct trace_window *out_windows, size_t *out_count, struct error *error) {
  *out_count = 0;
  if (json == NULL || json_is_null(json)) return;
  if (!json_is_array(json) || json_array_size(json) > LIMIT_TRACE_WINDOWS) {
    error_add(error, "/windows", "must be an array of at most %d windows {\"tensor\", \"offset\", \"limit\"}", LIMIT_TRACE_WINDOWS);
    return;
  }
  for (; *out_count < json_array_size(json); ++*out_count) {
    char pointer[ERROR_POINTER_BYTES];
    error_pointer(pointer, "/windows", "%zu", *out_count);
    window_from_json(json_array_get(json, *out_count), pointer, &out_windows[*out_count], error);
  }
}

/* Tensors by layer and quantity */

static const char *const tensor_suffixes[TRACE_TENSOR_QUANTITIES] = {"", "_gradient", "_step", "_after"};
static const char *const tensor_keys[TRACE_TENSOR_QUANTITIES] = {"value", "gradient", "step", "after"};

static void set_shape(struct tensor_view *tensor, size_t rows, const struct shape *shape) {
  tensor->rank = 0;
  if (rows > 0) tensor->sizes[tensor->rank++] = rows;
  for (size_t i = 0; i < shape->rank; i++) tensor->sizes[tensor->rank++] = shape->sizes[i];
}

/* False: there are no such values. */
static bool get_quantity(const struct trace_view *view, size_t index, enum trace_quantity quantity, struct tensor_view *out_tensor) {
  const struct layer *layer = network_get_layer(view->network, index);
  *out_tensor = (struct tensor_view){0};
  out_tensor->values = trace_get_values(view->trace, index, quantity, &out_tensor->count);
  if (out_tensor->values == NULL) return false;
  set_shape(out_tensor, view->row_count, &layer->out);
  if (quantity == TRACE_ACTIVATION_JACOBIAN) {
    out_tensor->sizes[out_tensor->rank] = layer->out.rank == 0 ? 1 : layer->out.sizes[layer->out.rank - 1];
    out_tensor->rank++;
  }
  snprintf(out_tensor->name, sizeof out_tensor->name, "%s.%s", layer->name, trace_quantity_names[quantity]);
  return true;
}

static void get_tensor(const struct trace_view *view, size_t index, size_t t, enum trace_tensor_quantity quantity,
                       struct tensor_view *out_tensor) {
  const struct layer *layer = network_get_layer(view->network, index);
  *out_tensor = (struct tensor_view){0};
  out_tensor->values = trace_get_tensor(view->trace, index, t, quantity, &out_tensor->count);
  set_shape(out_tensor, 0, &layer->tensors[t].shape);
  snprintf(out_tensor->name, sizeof out_tensor->name, "%s.%s%s", layer->name, layer->tensors[t].name, tensor_suffixes[quantity]);
}

/* "input", "input_gradient", "target": what is the rows' own. */
static bool get_outer(const struct trace_view *view, const char *name, struct tensor_view *out_tensor) {
  const struct shape *input = network_get_input_shape(view->network);
  *out_tensor = (struct tensor_view){.count = view->row_count * shape_size(input)};
  snprintf(out_tensor->name, sizeof out_tensor->name, "%.40s", name);
  set_shape(out_tensor, view->row_count, input);
  if (strcmp(name, "input") == 0) {
    out_tensor->values = trace_get_input(view->trace);
  } else if (strcmp(name, "input_gradient") == 0) {
    out_tensor->values = trace_get_input_gradient(view->trace);
  } else if (strcmp(name, "target") == 0) {
    out_tensor->values = trace_get_target(view->trace);
    out_tensor->count = view->row_count * view->target_width;
    set_shape(out_tensor, view->row_count, &(struct shape){.rank = view->target_width > 1, .sizes = {view->target_width}});
  }
  return out_tensor->values != NULL;
}

/* The tensor of that name, "hidden.weight_gradient". */
static bool find_tensor(const struct trace_view *view, const char *name, struct tensor_view *out_tensor) {
  if (get_outer(view, name, out_tensor)) return true;
  for (size_t i = 0; i < network_layer_count(view->network); i++) {
    const struct layer *layer = network_get_layer(view->network, i);
    const size_t length = strlen(layer->name);
    if (strncmp(name, layer->name, length) != 0 || name[length] != '.') continue;
    for (size_t quantity = 0; quantity < TRACE_QUANTITIES; quantity++)
      if (strcmp(name + length + 1, trace_quantity_names[quantity]) == 0)
        return get_quantity(view, i, (enum trace_quantity)quantity, out_tensor);
    for (size_t t = 0; t < layer->tensor_count; t++)
      for (size_t quantity = 0; quantity < TRACE_TENSOR_QUANTITIES; quantity++) {
        get_tensor(view, i, t, (enum trace_tensor_quantity)quantity, out_tensor);
        if (strcmp(name, out_tensor->name) == 0) return true;
      }
  }
  return false;
}

/* The answer */

/* What the answer holds may not grow with the number of layers beyond all bounds: in networks of many, less is told whole. */
static size_t choose_whole_max(const struct network *network) {
  size_t tensors = 3;
  for (size_t i = 0; i < network_layer_count(network); i++) {
    const struct layer *layer = network_get_layer(network, i);
    tensors += TRACE_QUANTITIES + layer->input_count + TRACE_TENSOR_QUANTITIES * layer->tensor_count;
  }
  const size_t share = LIMIT_TRACE_VALUES / tensors;
  return share < LIMIT_TRACE_TENSOR_VALUES ? share : LIMIT_TRACE_TENSOR_VALUES;
}

static json_t *text_or_null(const char *text) { return text == NULL ? json_null() : json_string(text); }

static json_t *layer_tensors_to_json(const struct trace_view *view, size_t index, size_t whole_max) {
  const struct layer *layer = network_get_layer(view->network, index);
  json_t *array = json_array();
  for (size_t t = 0; t < layer->tensor_count; t++) {
    json_t *json = json_pack("{s:s}", "name", layer->tensors[t].name);
    for (size_t quantity = 0; quantity < TRACE_TENSOR_QUANTITIES; quantity++) {
      struct tensor_view tensor;
      if (quantity == TRACE_AFTER && !view->settings->step) continue;
      get_tensor(view, index, t, (enum trace_tensor_quantity)quantity, &tensor);
      json_put(&json, tensor_keys[quantity], tensor_to_json(&tensor, whole_max));
    }
    json_append(&array, json);
  }
  return array;
}

/* What a layer takes: its sources' a, or the rows. */
static json_t *layer_inputs_to_json(const struct trace_view *view, const struct layer *layer, size_t whole_max) {
  json_t *array = json_array();
  for (size_t input = 0; input < layer->input_count; input++) {
    struct tensor_view tensor;
    char name[TENSOR_NAME_BYTES];
    snprintf(name, sizeof name, "%s.a", layer->input_names[input]);
    const bool is_input = strcmp(layer->input_names[input], "input") == 0;
    if (find_tensor(view, is_input ? "input" : name, &tensor)) json_append(&array, tensor_to_json(&tensor, whole_max));
  }
  return array;
}

/* ‖∂C/∂(all weights of the layer)‖; null if it has none. */
static json_t *layer_norm_to_json(const struct trace_view *view, size_t index) {
  const struct layer *layer = network_get_layer(view->network, index);
  double squares = 0;
  for (size_t t = 0; t < layer->tensor_count; t++) {
    size_t count;
    const float *gradient = trace_get_tensor(view->trace, index, t, TRACE_GRADIENT, &count);
    for (size_t i = 0; i < count; i++) squares += (double)gradient[i] * (double)gradient[i];
  }
  return layer->tensor_count == 0 ? json_null() : json_number(sqrt(squares));
}

static const char *describe_delta(const struct trace_view *view, size_t index, const struct spec *activation) {
  const bool is_output = index + 1 == network_layer_count(view->network);
  if (is_output && network_is_fused(view->network, &view->settings->train.loss)) {
    const bool is_softmax = activation_of(activation)->is_row_wise;
    return is_softmax ? "δ_j = Σ_k ∂C/∂a_k ∂a_k/∂z_j, computed together with the loss"
                      : "δ = ∂C/∂a ⊙ f′(z), computed together with the loss";
  }
  if (activation == NULL || strcmp(activation->kind->name, "linear") == 0) return "δ = ∂C/∂a";
  return activation_of(activation)->is_row_wise ? "δ_j = Σ_k ∂C/∂a_k ∂a_k/∂z_j" : "δ = ∂C/∂a ⊙ f′(z)";
}

static json_t *layer_to_json(const struct trace_view *view, size_t index, size_t whole_max) {
  const struct layer *layer = network_get_layer(view->network, index);
  const struct layer_common *common = layer->settings;
  const struct spec *activation = common->activation.kind == NULL ? NULL : &common->activation;
  json_t *inputs = json_array();
  for (size_t i = 0; i < layer->input_count; i++) json_append(&inputs, json_string(layer->input_names[i]));
  json_t *json =
      json_pack("{s:s, s:s, s:o, s:s, s:o, s:o, s:s, s:o, s:o}", "name", layer->name, "type", layer->kind->kind.name, "inputs", inputs,
                "formula", layer->kind->formula, "activation", activation == NULL ? json_null() : spec_to_json(activation),
                "activation_formula", text_or_null(activation == NULL ? NULL : activation_of(activation)->formula), "delta_formula",
                describe_delta(view, index, activation), "gradient_formula", text_or_null(layer->kind->gradient_formula), "input",
                layer_inputs_to_json(view, layer, whole_max));
  for (size_t quantity = 0; quantity < TRACE_QUANTITIES; quantity++) {
    struct tensor_view tensor;
    if (get_quantity(view, index, (enum trace_quantity)quantity, &tensor))
      json_put(&json, trace_quantity_names[quantity], tensor_to_json(&tensor, whole_max));
  }
  json_put(&json, "gradient_norm", layer_norm_to_json(view, index));
  json_put(&json, "tensors", layer_tensors_to_json(view, index, whole_max));
  return json;
}

static json_t *windows_to_json(const struct trace_view *view, struct error *error) {
  json_t *array = json_array();
  for (size_t i = 0; i < view->window_count; i++) {
    const struct trace_window *window = &view->windows[i];
    struct tensor_view tensor;
    if (find_tensor(view, window->tensor, &tensor)) {
      json_append(&array, tensor_window_to_json(&tensor, (size_t)window->offset, (size_t)window->limit));
      continue;
    }
    char pointer[ERROR_POINTER_BYTES];
    error_pointer(pointer, "/windows", "%zu", i);
    error_pointer(pointer, pointer, "tensor");
    error_add(error, pointer, "no tensor is called \"%.100s\"; the answer's tensors say their names, such as \"%.64s.z\"", window->tensor,
              network_get_layer_name(view->network, 0));
  }
  return array;
}

static json_t *outer_to_json(const struct trace_view *view, const char *name, size_t whole_max) {
  struct tensor_view tensor;
  (void)get_outer(view, name, &tensor);
  return tensor_to_json(&tensor, whole_max);
}

/* A number, or null and its name in the list. */
static json_t *number_or_flag(double number, const char *name, json_t **non_finite) {
  if (!isfinite(number)) json_append(non_finite, json_string(name));
  return json_number(number);
}

enum error_code trace_to_json(const struct trace_view *view, json_t **out_json, struct error *error) {
  const size_t whole_max = choose_whole_max(view->network);
  const struct train_settings *train = &view->settings->train;
  json_t *layers = json_array(), *non_finite = json_array();
  json_t *windows = windows_to_json(view, error);
  for (size_t i = 0; i < network_layer_count(view->network) && error->code == ERROR_NONE; i++)
    json_append(&layers, layer_to_json(view, i, whole_max));
  json_t *loss = number_or_flag(trace_get_loss(view->trace), "loss", &non_finite);
  json_t *penalty = number_or_flag(trace_get_penalty(view->trace), "penalty", &non_finite);
  json_t *norm = number_or_flag(trace_get_gradient_norm(view->trace), "gradient_norm", &non_finite);
  json_t *json =
      json_pack("{s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:s}", "loss", loss, "penalty", penalty, "gradient_norm", norm, "non_finite",
                non_finite, "loss_spec", spec_to_json(&train->loss), "loss_formula", loss_of(&train->loss)->formula, "optimizer",
                spec_to_json(&train->optimizer), "optimizer_formula", optimizer_of(&train->optimizer)->formula);
  json_put(&json, "steps", json_integer(view->settings->steps));
  json_put(&json, "values_limit", json_integer((json_int_t)whole_max));
  json_put(&json, "input", outer_to_json(view, "input", whole_max));
  json_put(&json, "input_gradient", outer_to_json(view, "input_gradient", whole_max));
  json_put(&json, "target", outer_to_json(view, "target", whole_max));
  json_put(&json, "layers", layers);
  json_put(&json, "windows", windows);
  *out_json = json;
  if (error->code == ERROR_NONE && json == NULL) error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  if (error->code == ERROR_NONE) return ERROR_NONE;
  json_decref(json);
  *out_json = NULL;
  return error->code;
}

json_t *trace_ahead_to_json(const struct trace_view *view) {
  struct tensor_view output;
  json_t *non_finite = json_array();
  (void)get_quantity(view, network_layer_count(view->network) - 1, TRACE_A, &output);
  json_t *loss = number_or_flag(trace_get_loss(view->trace), "loss", &non_finite);
  json_t *penalty = number_or_flag(trace_get_penalty(view->trace), "penalty", &non_finite);
  return json_pack("{s:o, s:o, s:o, s:o}", "loss", loss, "penalty", penalty, "non_finite", non_finite, "output",
                   tensor_to_json(&output, choose_whole_max(view->network)));
}
