/* Masking: z = x, and the steps of [time, features …] at a sample's end whose values all equal mask_value are padding: all that follows
 * leaves them out (layer.h). A sample keeps at least its first step. */
#include <math.h>

#include "engine/layers/identity.h"
#include "engine/layers/kinds.h"

struct masking {
  struct layer_common common;
  double mask_value;
};

static const struct param params[] = {
    PARAM_INLINE_ROW(struct masking, common, layer_name_params),
    PARAM_NUMBER_ROW(struct masking, mask_value, -INFINITY, INFINITY, 0, "value of which padded steps are full"),
};

static enum error_code compile(struct layer *layer, struct error *error) {
  char text[SHAPE_TEXT_BYTES];
  if (layer->in[0].rank < 2)
    return error_set(
        error, ERROR_INVALID,
        "masking layer \"%s\" takes sequences [time, features], but \"%s\" gives %s: make the network's input of that shape, or put "
        "a reshape before it",
        layer->name, layer->input_names[0], shape_format(&layer->in[0], text, sizeof text));
  layer->out = layer->in[0];
  layer->lengths = LAYER_LENGTHS_OWN;
  return ERROR_NONE;
}

/* Value i of whichever of the two arrays is given. */
static double value_at(const float *x, const double *x64, size_t i) {
  if (x != NULL) return (double)x[i];
  return x64 != NULL ? x64[i] : (double)NAN;
}

/* Of one sample, in either precision. Steps that its input has as padding already stay so. */
static uint32_t measure_length(const struct layer *layer, const float *x, const double *x64, const uint32_t *in_length) {
  const struct masking *masking = layer->settings;
  const float mask_value = (float)masking->mask_value;
  const size_t steps = layer->in[0].sizes[0], step_size = shape_size(&layer->in[0]) / steps;
  size_t last = (in_length != NULL ? *in_length : steps) * step_size;
  while (last > 0 && value_at(x, x64, last - 1) == (double)mask_value) last--;
  return last == 0 ? 1 : (uint32_t)((last - 1) / step_size + 1);
}

static void forward(const struct layer *layer, const struct pass *pass) {
  identity_forward(layer, pass);
  const size_t size = shape_size(&layer->in[0]);
  for (size_t sample = 0; sample < pass->batch; sample++)
    pass->out_lengths[sample] =
        measure_length(layer, pass->x[0] + sample * size, NULL, pass->lengths[0] != NULL ? &pass->lengths[0][sample] : NULL);
}

static void forward64(const struct layer *layer, const struct pass64 *pass) {
  identity_forward64(layer, pass);
  const size_t size = shape_size(&layer->in[0]);
  for (size_t sample = 0; sample < pass->batch; sample++)
    pass->out_lengths[sample] =
        measure_length(layer, NULL, pass->x[0] + sample * size, pass->lengths[0] != NULL ? &pass->lengths[0][sample] : NULL);
}

double layer_masking_get_value(const struct spec *spec) { return ((const struct masking *)spec->settings)->mask_value; }

const struct layer_kind layer_masking = {
    .kind = {.name = "masking",
             .summary = "leaves out padded steps at the end of sequences",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct masking)},
    .formula = "z = x",
    .gradient_formula = "∂C/∂x = δ",
    .takes_unscaled = true,
    .takes_steps = true,
    .input_min = 1,
    .input_max = 1,
    .compile = compile,
    .forward = forward,
    .backward = identity_backward,
    .forward64 = forward64,
};
