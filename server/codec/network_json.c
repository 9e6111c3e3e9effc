#include "server/codec/network_json.h"

#include <string.h>

#include "engine/train.h"
#include "server/codec/json_text.h"
#include "server/codec/settings_json.h"

enum error_code network_spec_from_json(const json_t *json, const char *pointer, struct network_spec *out_spec, struct error *error) {
  enum error_code code = settings_init(out_spec, network_params, PARAM_COUNT(network_params), error);
  if (code != ERROR_NONE) return code;
  code = settings_from_json(json, network_params, PARAM_COUNT(network_params), pointer, out_spec, error);
  if (code != ERROR_NONE) {
    network_spec_deinit(out_spec);
    memset(out_spec, 0, sizeof *out_spec);
  }
  return code;
}

json_t *network_spec_to_json(const struct network_spec *spec) {
  return settings_to_json(spec, network_params, PARAM_COUNT(network_params));
}

/* Whether one of the rows still says "auto". Only rows that take "auto" can, so this knows no parameter's name. */
static bool has_auto(const void *settings, const struct param *params, size_t param_count) {
  for (size_t i = 0; i < param_count; i++) {
    const struct param *param = &params[i];
    const void *field = param_field_const(settings, param);
    if (param->type == PARAM_INLINE && has_auto(field, param->params, param->param_count)) return true;
    if ((param->flags & PARAM_AUTO) == 0) continue;
    if (param->type == PARAM_INTEGER && *(const int64_t *)field == PARAM_INTEGER_AUTO) return true;
    if (param->type == PARAM_KIND && ((const struct spec *)field)->kind == NULL) return true;
  }
  return false;
}

bool network_spec_is_complete(const struct network_spec *spec) {
  if (spec->input.shape.rank == 0) return false;
  for (size_t i = 0; i < spec->layers.count; i++) {
    const struct spec *layer = &spec->layers.items[i];
    if (has_auto(layer->settings, layer->kind->params, layer->kind->param_count)) return false;
  }
  return true;
}

bool network_spec_ends_in_sigmoid(const struct network_spec *spec) {
  if (spec->layers.count == 0) return false;
  const struct layer_common *common = spec->layers.items[spec->layers.count - 1].settings;
  return common->activation.kind != NULL && strcmp(common->activation.kind->name, "sigmoid") == 0;
}

bool network_spec_ends_in_one_sigmoid(const struct network_spec *spec) {
  if (!network_spec_ends_in_sigmoid(spec)) return false;
  for (size_t i = spec->layers.count; i > 0; i--) {
    const struct spec *layer = &spec->layers.items[i - 1];
    for (size_t k = 0; k < layer->kind->param_count; k++) {
      const struct param *param = &layer->kind->params[k];
      if (param->type != PARAM_INTEGER || strcmp(param->name, "units") != 0) continue;
      int64_t units = *(const int64_t *)param_field_const(layer->settings, param);
      return units == 1 || units == PARAM_INTEGER_AUTO;
    }
  }
  return false;
}

enum error_code network_measure_training(const struct network *network, size_t *out_bytes, struct error *error) {
  struct train_settings settings;
  enum error_code code = settings_init(&settings, train_params, train_param_count, error);
  if (code != ERROR_NONE) return code;
  settings.batch_size = NETWORK_SUMMARY_BATCH;
  code = spec_init(&settings.loss, kind_table_find(&loss_kinds, "mean_squared_error"), error);
  struct train_data data = {.task = TASK_REGRESSION, .train = {.count = NETWORK_SUMMARY_BATCH}};
  if (code == ERROR_NONE) code = trainer_measure(network, &settings, &data, out_bytes, error);
  settings_deinit(&settings, train_params, train_param_count);
  return code;
}

static json_t *shape_to_json(const struct shape *shape) {
  json_t *sizes = json_array();
  for (size_t i = 0; i < shape->rank; i++) json_append(&sizes, json_integer((json_int_t)shape->sizes[i]));
  return sizes;
}

static json_t *tensors_to_json(const struct layer_tensor *tensors, size_t count, size_t *out_floats) {
  json_t *array = json_array();
  *out_floats = 0;
  for (size_t i = 0; i < count; i++) {
    size_t floats = shape_size(&tensors[i].shape);
    *out_floats += floats;
    json_append(&array, json_pack("{s:s, s:o, s:I}", "name", tensors[i].name, "shape", shape_to_json(&tensors[i].shape), "count",
                                  (json_int_t)floats));
  }
  return array;
}

static json_t *layer_to_json(const struct network *network, size_t index) {
  const struct layer *layer = network_get_layer(network, index);
  json_t *inputs = json_array();
  for (size_t i = 0; i < layer->input_count; i++) json_append(&inputs, shape_to_json(&layer->in[i]));
  size_t parameters = 0, buffer_floats = 0;
  json_t *tensors = tensors_to_json(layer->tensors, layer->tensor_count, &parameters);
  json_t *buffers = tensors_to_json(layer->buffers, layer->buffer_count, &buffer_floats);
  return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:I, s:f}", "name", network_get_layer_name(network, index), "type",
                   layer->kind->kind.name, "input_shapes", inputs, "output_shape", shape_to_json(&layer->out), "tensors", tensors,
                   "buffers", buffers, "parameters", (json_int_t)parameters, "flops_per_sample", layer->flops_per_sample);
}

json_t *network_summary(const struct network *network, size_t training_bytes) {
  json_t *layers = json_array();
  for (size_t i = 0; i < network_layer_count(network); i++) json_append(&layers, layer_to_json(network, i));
  size_t floats = network_parameter_count(network) + network_buffer_count(network);
  return json_pack("{s:o, s:o, s:o, s:I, s:I, s:f, s:{s:I, s:I, s:i}}", "input_shape", shape_to_json(network_get_input_shape(network)),
                   "output_shape", shape_to_json(network_get_output_shape(network)), "layers", layers, "parameters",
                   (json_int_t)network_parameter_count(network), "buffers", (json_int_t)network_buffer_count(network), "flops_per_sample",
                   network_flops_per_sample(network), "bytes", "weights", (json_int_t)(floats * sizeof(float)), "training",
                   (json_int_t)training_bytes, "batch_size", NETWORK_SUMMARY_BATCH);
}
