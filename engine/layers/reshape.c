/* Reshape: other axes over the same values, which stay where they are. */
#include "engine/layers/identity.h"
#include "engine/layers/kinds.h"

struct reshape {
  struct layer_common common;
  struct shape shape;
};

static const struct param params[] = {
    PARAM_INLINE_ROW(struct reshape, common, layer_name_params),
    {.name = "shape",
     .type = PARAM_SHAPE,
     .offset = offsetof(struct reshape, shape),
     .flags = PARAM_REQUIRED,
     .help = "sizes of the axes of one sample, whose product is that of the input's"},
    PARAM_INLINE_ROW(struct reshape, common, layer_activation_params),
};

static enum error_code compile(struct layer *layer, struct error *error) {
  const struct reshape *reshape = layer->settings;
  size_t size = 1;
  bool is_too_large = false;
  for (size_t i = 0; i < reshape->shape.rank; i++) is_too_large |= __builtin_mul_overflow(size, reshape->shape.sizes[i], &size);
  if (is_too_large || size != shape_size(&layer->in[0])) {
    char in[SHAPE_TEXT_BYTES], out[SHAPE_TEXT_BYTES];
    return error_set(error, ERROR_INVALID, "layer \"%s\" can't reshape the %zu values of \"%s\", %s, to %s", layer->name,
                     shape_size(&layer->in[0]), layer->input_names[0], shape_format(&layer->in[0], in, sizeof in),
                     shape_format(&reshape->shape, out, sizeof out));
  }
  layer->out = reshape->shape;
  return ERROR_NONE;
}

const struct layer_kind layer_reshape = {
    .kind = {.name = "reshape",
             .summary = "sees the same values with other axes",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct reshape)},
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
