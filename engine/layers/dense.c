/* Dense: z = x Wᵀ + b over the last axis; all axes before it are more rows. W is [units, features], as in PyTorch's Linear.
 *
 *   ∂C/∂W = δᵀ x      ∂C/∂b = Σ over rows of δ      ∂C/∂x = δ W
 */
#include "engine/kernels.h"
#include "engine/layers/affine.h"
#include "engine/layers/kinds.h"

struct dense {
  struct layer_common common;
  int64_t units;
  bool bias;
  struct spec initializer, bias_initializer;
};

static const struct param params[] = {
    PARAM_INLINE_ROW(struct dense, common, layer_name_params),
    PARAM_INTEGER_ROW(struct dense, units, 1, LIMIT_UNITS, 0, "number of outputs; \"auto\" (last layer only) follows from the target",
                      .flags = PARAM_REQUIRED | PARAM_AUTO),
    PARAM_INLINE_ROW(struct dense, common, layer_activation_params),
    PARAM_BOOLEAN_ROW(struct dense, bias, true, "whether a bias is added"),
    PARAM_KIND_ROW(struct dense, initializer, &initializer_kinds, "glorot_uniform", "start values of the weights"),
    PARAM_KIND_ROW(struct dense, bias_initializer, &initializer_kinds, "zeros", "start values of the biases"),
    PARAM_INLINE_ROW(struct dense, common, layer_penalty_params),
};

enum { WEIGHT, BIAS };

static enum error_code compile(struct layer *layer, struct error *error) {
  const struct dense *dense = layer->settings;
  const struct shape *in = &layer->in[0];
  if (dense->units == PARAM_INTEGER_AUTO)
    return error_set(error, ERROR_INVALID, "units of layer \"%s\" are \"auto\": only a dataset's target says how many the last layer has",
                     layer->name);
  if (in->rank == 0)
    return error_set(error, ERROR_INVALID, "dense layer \"%s\" needs an input with at least one axis, \"%s\" gives []", layer->name,
                     layer->input_names[0]);
  size_t units = (size_t)dense->units, features = in->sizes[in->rank - 1];
  layer->out = *in;
  layer->out.sizes[in->rank - 1] = units;
  layer->lengths = LAYER_LENGTHS_KEEP;
  struct layer_tensor *weight = layer_add_tensor(layer, "weight", &(struct shape){.rank = 2, .sizes = {units, features}});
  weight->initializer = &dense->initializer;
  weight->is_penalized = true;
  if (dense->bias) {
    struct layer_tensor *bias = layer_add_tensor(layer, "bias", &(struct shape){.rank = 1, .sizes = {units}});
    bias->initializer = &dense->bias_initializer;
    bias->fan_in = features;
    bias->is_shift = in->rank <= 2;
  }
  layer->half_per_sample = affine_count_half(shape_size(in) / features, units, features);
  layer->half_fixed = features * units + KERNEL_HALF_SPARE;
  layer->flops_per_sample = 2.0 * (double)shape_size(in) * (double)units;
  return ERROR_NONE;
}

static struct affine find_affine(const struct layer *layer, size_t batch) {
  struct affine affine = {.features = layer->in[0].sizes[layer->in[0].rank - 1], .units = layer->out.sizes[layer->out.rank - 1]};
  affine.rows = batch * (shape_size(&layer->in[0]) / affine.features);
  affine.weight = &layer->tensors[WEIGHT];
  affine.bias = layer->tensor_count > BIAS ? &layer->tensors[BIAS] : NULL;
  return affine;
}

static void forward(const struct layer *layer, const struct pass *pass) {
  const struct affine affine = find_affine(layer, pass->batch);
  affine_forward(&affine, pass, pass->x[0], pass->z);
}

static void backward(const struct layer *layer, const struct pass *pass) {
  const struct affine affine = find_affine(layer, pass->batch);
  affine_backward(&affine, pass, pass->x[0], pass->delta, pass->dx[0]);
}

static void forward64(const struct layer *layer, const struct pass64 *pass) {
  const struct affine affine = find_affine(layer, pass->batch);
  const size_t rows = affine.rows, features = affine.features, units = affine.units;
  const double *weight = pass->parameters + layer->tensors[WEIGHT].offset;
  for (size_t row = 0; row < rows; row++) {
    for (size_t unit = 0; unit < units; unit++) {
      double sum = layer->tensor_count > BIAS ? pass->parameters[layer->tensors[BIAS].offset + unit] : 0;
      for (size_t i = 0; i < features; i++) sum += weight[unit * features + i] * pass->x[0][row * features + i];
      pass->z[row * units + unit] = sum;
    }
  }
}

const struct layer_kind layer_dense = {
    .kind = {.name = "dense",
             .summary = "fully connected over the last axis",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct dense)},
    .formula = "z = x W^T + b",
    .gradient_formula = "∂C/∂W = δ^T x, ∂C/∂b = Σ δ, ∂C/∂x = δ W",
    .input_min = 1,
    .input_max = 1,
    .compile = compile,
    .forward = forward,
    .backward = backward,
    .forward64 = forward64,
};
