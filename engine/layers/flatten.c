/* Flatten: all axes of a sample become one. The values stay where they are. */
#include "engine/layers/identity.h"
#include "engine/layers/kinds.h"

struct flatten {
  struct layer_common common;
};

static const struct param params[] = {
    PARAM_INLINE_ROW(struct flatten, common, layer_name_params),
    PARAM_INLINE_ROW(struct flatten, common, layer_activation_params),
};

static enum error_code compile(struct layer *layer, struct error *error) {
  (void)error;
  layer->out = (struct shape){.rank = 1, .sizes = {shape_size(&layer->in[0])}};
  return ERROR_NONE;
}

const struct layer_kind layer_flatten = {
    .kind = {.name = "flatten",
             .summary = "makes one axis of all",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct flatten)},
    .formula = "z = x",
    .gradient_formula = "∂C/∂x = δ",
    .keeps_values = true,
    .input_min = 1,
    .input_max = 1,
    .compile = compile,
    .forward = identity_forward,
    .backward = identity_backward,
    .forward64 = identity_forward64,
};
