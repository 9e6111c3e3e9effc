/* Add: the sum of layers of one shape, as residual connections want it. Each input's gradient is δ itself: also in
 * place, where the network has both in one array. */
#include <string.h>

#include "engine/layers/kinds.h"

struct add {
  struct layer_common common;
};

static const struct param params[] = {
    PARAM_INLINE_ROW(struct add, common, layer_name_params),
    PARAM_INLINE_ROW(struct add, common, layer_activation_params),
};

static enum error_code compile(struct layer *layer, struct error *error) {
  for (size_t i = 1; i < layer->input_count; i++) {
    if (shape_equal(&layer->in[0], &layer->in[i])) continue;
    char first[SHAPE_TEXT_BYTES], other[SHAPE_TEXT_BYTES];
    return error_set(error, ERROR_INVALID, "layer \"%s\" can't add %s of \"%s\" and %s of \"%s\": the shapes must be equal", layer->name,
                     shape_format(&layer->in[0], first, sizeof first), layer->input_names[0],
                     shape_format(&layer->in[i], other, sizeof other), layer->input_names[i]);
  }
  layer->out = layer->in[0];
  layer->lengths = LAYER_LENGTHS_KEEP;
  layer->passes_shifts_on = true;
  layer->flops_per_sample = (double)(layer->input_count - 1) * (double)shape_size(&layer->out);
  return ERROR_NONE;
}

static void forward(const struct layer *layer, const struct pass *pass) {
  size_t count = pass->batch * shape_size(&layer->out);
  const float *restrict first = pass->x[0], *restrict x = pass->x[1];
  float *restrict z = pass->z;
  for (size_t i = 0; i < count; i++) z[i] = first[i] + x[i];
  for (size_t input = 2; input < layer->input_count; input++) {
    x = pass->x[input];
    for (size_t i = 0; i < count; i++) z[i] += x[i];
  }
}

static void backward(const struct layer *layer, const struct pass *pass) {
  size_t count = pass->batch * shape_size(&layer->out);
  for (size_t input = 0; input < layer->input_count; input++)
    if (pass->dx[input] != NULL && pass->dx[input] != pass->delta) memcpy(pass->dx[input], pass->delta, count * sizeof *pass->delta);
}

static void forward64(const struct layer *layer, const struct pass64 *pass) {
  size_t count = pass->batch * shape_size(&layer->out);
  for (size_t i = 0; i < count; i++) {
    pass->z[i] = 0;
    for (size_t input = 0; input < layer->input_count; input++) pass->z[i] += pass->x[input][i];
  }
}

const struct layer_kind layer_add = {
    .kind = {.name = "add",
             .summary = "sum of several layers of one shape",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct add)},
    .formula = "z = x_0 + x_1 + ...",
    .gradient_formula = "∂C/∂x_i = δ",
    .input_min = 2,
    .input_max = LIMIT_LAYER_INPUTS,
    .hands_delta_on = true,
    .compile = compile,
    .forward = forward,
    .backward = backward,
    .forward64 = forward64,
};
