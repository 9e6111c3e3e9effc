/* Positional embedding: z_t = x_t + P_t, with a trained row of numbers for each of the steps of [time, features], so that what follows can
 * tell them apart. P, the tensor "weight", is [time, features] as in PyTorch's Embedding over positions. ∂C/∂P_t = Σ over samples of δ_t;
 * ∂C/∂x = δ.
 */
#include <string.h>

#include "engine/layers/identity.h"
#include "engine/layers/kinds.h"

struct positional_embedding {
  struct layer_common common;
  struct spec initializer;
};

static const struct param params[] = {
    PARAM_INLINE_ROW(struct positional_embedding, common, layer_name_params),
    PARAM_INLINE_ROW(struct positional_embedding, common, layer_activation_params),
    PARAM_KIND_ROW(struct positional_embedding, initializer, &initializer_kinds, "glorot_uniform", "start values of the table"),
    PARAM_INLINE_ROW(struct positional_embedding, common, layer_penalty_params),
};

enum { WEIGHT };
enum { BLOCK_VALUES = 64 };

static enum error_code compile(struct layer *layer, struct error *error) {
  const struct positional_embedding *embedding = layer->settings;
  char text[SHAPE_TEXT_BYTES];
  if (layer->in[0].rank != 2)
    return error_set(error, ERROR_INVALID, "positional_embedding layer \"%s\" takes sequences [time, features], but \"%s\" gives %s",
                     layer->name, layer->input_names[0], shape_format(&layer->in[0], text, sizeof text));
  layer->out = layer->in[0];
  layer->lengths = LAYER_LENGTHS_KEEP;
  struct layer_tensor *weight = layer_add_tensor(layer, "weight", &layer->out);
  weight->initializer = &embedding->initializer;
  weight->is_penalized = true;
  layer->flops_per_sample = (double)shape_size(&layer->out);
  return ERROR_NONE;
}

static void forward(const struct layer *layer, const struct pass *pass) {
  const size_t size = shape_size(&layer->out);
  const float *restrict weight = pass->parameters + layer->tensors[WEIGHT].offset;
  for (size_t sample = 0; sample < pass->batch; sample++) {
    const float *restrict x = pass->x[0] + sample * size;
    float *restrict z = pass->z + sample * size;
    for (size_t i = 0; i < size; i++) z[i] = x[i] + weight[i];
  }
}

/* δ is 0 at padded steps, so that their rows are trained by the samples that have them. Sums in float64, a block of values at a time. */
static void backward(const struct layer *layer, const struct pass *pass) {
  const size_t size = shape_size(&layer->out);
  float *gradient = pass->gradients + layer->tensors[WEIGHT].offset;
  for (size_t first = 0; first < size; first += BLOCK_VALUES) {
    const size_t count = size - first < BLOCK_VALUES ? size - first : BLOCK_VALUES;
    double sums[BLOCK_VALUES] = {0};
    for (size_t sample = 0; sample < pass->batch; sample++)
      for (size_t i = 0; i < count; i++) sums[i] += (double)pass->delta[sample * size + first + i];
    for (size_t i = 0; i < count; i++) gradient[first + i] = (float)sums[i];
  }
  identity_backward(layer, pass);
}

static void forward64(const struct layer *layer, const struct pass64 *pass) {
  const size_t size = shape_size(&layer->out);
  const double *weight = pass->parameters + layer->tensors[WEIGHT].offset;
  for (size_t i = 0; i < pass->batch * size; i++) pass->z[i] = pass->x[0][i] + weight[i % size];
}

const struct layer_kind layer_positional_embedding = {
    .kind = {.name = "positional_embedding",
             .summary = "adds a trained row of numbers to each step, by its position",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct positional_embedding)},
    .formula = "z_t = x_t + P_t",
    .gradient_formula = "∂C/∂P_t = sum of δ_t over the samples, ∂C/∂x = δ",
    .takes_steps = true,
    .hands_delta_on = true,
    .input_min = 1,
    .input_max = 1,
    .compile = compile,
    .forward = forward,
    .backward = backward,
    .forward64 = forward64,
};
