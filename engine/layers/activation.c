/* Activation: a layer that is nothing but its activation. z = x; the network applies a = f(z) as it does for every layer. */
#include "engine/layers/identity.h"
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
  layer->lengths = LAYER_LENGTHS_KEEP;
  return ERROR_NONE;
}

const struct layer_kind layer_activation = {
    .kind = {.name = "activation",
             .summary = "applies an activation function",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct activation)},
    .formula = "a = f(x)",
    .gradient_formula = "∂C/∂x = δ",
    .keeps_values = true,
    .input_min = 1,
    .input_max = 1,
    .compile = compile,
    .forward = identity_forward,
    .backward = identity_backward,
    .forward64 = identity_forward64,
};
