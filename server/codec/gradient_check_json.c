#include "server/codec/gradient_check_json.h"

#include <math.h>

#include "server/codec/json_text.h"
#include "server/codec/settings_json.h"
#include "server/codec/trace_json.h"

const struct param gradient_check_params[6] = {
    PARAM_INLINE_ROW(struct gradient_check_settings, train, pass_params),
    PARAM_NUMBER_ROW(struct gradient_check_settings, tolerance, 0, 1, 1e-4, "largest relative error that passes", .flags = PARAM_ABOVE_MIN),
    {.name = "dataset",
     .type = PARAM_TEXT,
     .offset = offsetof(struct gradient_check_settings, data.dataset),
     .default_name = "",
     .help = "id or name of a dataset to take the rows from, instead of giving them"},
    PARAM_INTEGER_ROW(struct gradient_check_settings, row_count, 1, LIMIT_TRACE_ROWS, 8, "rows of the dataset, spread over it"),
    {.name = "target",
     .type = PARAM_NAMES,
     .offset = offsetof(struct gradient_check_settings, data.target),
     .help = "of a network on a dataset: column to predict, or several"},
    {.name = "features",
     .type = PARAM_NAMES,
     .offset = offsetof(struct gradient_check_settings, data.features),
     .help = "of a network on a dataset: columns to predict from; empty: all but the target"},
};

enum error_code gradient_check_settings_init(struct gradient_check_settings *settings, struct error *error) {
  *settings = (struct gradient_check_settings){.row_count = 8, .tolerance = 1e-4};
  enum error_code code = settings_init(&settings->train, train_params, train_param_count, error);
  if (code == ERROR_NONE) code = settings_init(&settings->data, data_params, data_param_count, error);
  settings->data.split.validation = settings->data.split.test = 0;
  return code;
}

void gradient_check_settings_deinit(struct gradient_check_settings *settings) {
  settings_deinit(&settings->train, train_params, train_param_count);
  settings_deinit(&settings->data, data_params, data_param_count);
}

/* Row-major index → one index for each axis. */
static json_t *position_to_json(const struct shape *shape, size_t index) {
  json_t *position = json_array();
  for (size_t i = 0; i < shape->rank; i++) {
    size_t stride = 1;
    for (size_t k = i + 1; k < shape->rank; k++) stride *= shape->sizes[k];
    json_append(&position, json_integer((json_int_t)(index / stride % shape->sizes[i])));
  }
  return position;
}

static json_t *worst_to_json(const struct gradient_check_tensor *result, const struct shape *shape) {
  return json_pack("{s:I, s:o, s:o, s:o}", "index", (json_int_t)result->worst_index, "position",
                   position_to_json(shape, result->worst_index), "backprop", json_number(result->worst_backprop), "difference",
                   json_number(result->worst_difference));
}

static json_t *tensor_result_to_json(const struct network *network, const struct gradient_check_tensor *result) {
  const struct layer *layer = network_get_layer(network, result->layer);
  const struct layer_tensor *tensor = &layer->tensors[result->tensor];
  json_t *sizes = json_array();
  for (size_t i = 0; i < tensor->shape.rank; i++) json_append(&sizes, json_integer((json_int_t)tensor->shape.sizes[i]));
  return json_pack("{s:s, s:s, s:o, s:I, s:I, s:I, s:o, s:o, s:o, s:b, s:b}", "layer", layer->name, "name", tensor->name, "shape", sizes,
                   "count", (json_int_t)result->count, "kinks", (json_int_t)result->kink_count, "unresolved",
                   (json_int_t)result->unresolved_count, "largest_error", json_number(result->largest_error), "mean_error",
                   json_number(result->mean_error), "worst", worst_to_json(result, &tensor->shape), "passes", (int)result->passes,
                   "non_finite", (int)!isfinite(result->largest_error));
}

json_t *gradient_check_to_json(const struct network *network, const struct gradient_check *check,
                               const struct gradient_check_settings *settings, size_t row_count, const struct gradient_check_cost *cost) {
  json_t *tensors = json_array();
  size_t kinks = 0, unresolved = 0;
  double largest = 0;
  bool passes = true;
  for (size_t i = 0; i < gradient_check_get_tensor_count(check); i++) {
    const struct gradient_check_tensor *result = gradient_check_get_tensor(check, i);
    json_append(&tensors, tensor_result_to_json(network, result));
    kinks += result->kink_count;
    unresolved += result->unresolved_count;
    largest = fmax(largest, result->largest_error);
    passes = passes && result->passes;
  }
  return json_pack("{s:b, s:f, s:o, s:o, s:I, s:I, s:I, s:I, s:o, s:{s:f, s:i}, s:{s:f, s:I}, s:o}", "passes", (int)passes, "tolerance",
                   settings->tolerance, "loss", json_number(cost->loss), "loss_spec", spec_to_json(&settings->train.loss), "rows",
                   (json_int_t)row_count, "parameters", (json_int_t)network_parameter_count(network), "kinks", (json_int_t)kinks,
                   "unresolved", (json_int_t)unresolved, "largest_error", json_number(largest), "backprop", "seconds", cost->backprop_s,
                   "loss_evaluations", 1, "differences", "seconds", cost->differences_s, "loss_evaluations",
                   (json_int_t)gradient_check_get_evaluations(check), "tensors", tensors);
}
