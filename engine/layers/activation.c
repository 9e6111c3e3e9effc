/* Activation: a layer that is nothing but its activation. z = x; the network applies a = f(z) as it does for every layer. */
#include <string.h>

#include "engine/layers/kinds.h"

struct activation {
  struct layer_common common;
};

static const struct param params[] = {
    PARAM_INLINE_ROW(struct activation, common, layer_name_params),
    {.name = "function",
     .type = PARAM_KIND,
     .offset = offsetof(struct activation, common.activation),
     .kinds = &activation_kinds,
     .flags = PARAM_REQUIRED | PARAM_AUTO,
     .help = "the function; \"auto\" (last layer only) follows from the target"},
};

static enum error_code compile(struct layer *layer, struct error *error) {
  (void)error;
  layer->out = layer->in[0];
  return ERROR_NONE;
}

static void forward(const struct layer *layer, const struct pass *pass) {
  memcpy(pass->z, pass->x[0], pass->batch * shape_size(&layer->out) * sizeof *pass->z);
}

static void backward(const struct layer *layer, const struct pass *pass) {
  if (pass->dx[0] != NULL) memcpy(pass->dx[0], pass->delta, pass->batch * shape_size(&layer->out) * sizeof *pass->delta);
}

static void forward64(const struct layer *layer, const struct pass64 *pass) {
  memcpy(pass->z, pass->x[0], pass->batch * shape_size(&layer->out) * sizeof *pass->z);
}

const struct layer_kind layer_activation = {
    .kind = {.name = "activation",
             .summary = "applies an activation function",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct activation)},
    .formula = "a = f(x)",
    .input_min = 1,
    .input_max = 1,
    .compile = compile,
    .forward = forward,
    .backward = backward,
    .forward64 = forward64,
};
