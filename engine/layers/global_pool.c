#include "engine/layers/global_pool.h"

const struct param global_pool_params[2] = {
    PARAM_INLINE_ROW(struct global_pool, common, layer_name_params),
    PARAM_INLINE_ROW(struct global_pool, common, layer_activation_params),
};

enum error_code global_pool_compile(struct layer *layer, struct error *error) {
  if (layer->in[0].rank < 2) {
    char text[SHAPE_TEXT_BYTES];
    return error_set(error, ERROR_INVALID,
                     "%s layer \"%s\" needs an image [channels, height, width] or a sequence [time, features], \"%s\" gives %s",
                     layer->kind->kind.name, layer->name, layer->input_names[0], shape_format(&layer->in[0], text, sizeof text));
  }
  if (layer->has_lengths[0] && layer->in[0].rank != 2) {
    char text[SHAPE_TEXT_BYTES];
    return error_set(error, ERROR_INVALID,
                     "%s layer \"%s\" takes sequences of different length as [time, features] only, but \"%s\" gives %s: reshape them",
                     layer->kind->kind.name, layer->name, layer->input_names[0], shape_format(&layer->in[0], text, sizeof text));
  }
  const struct global_view view = global_pool_view(layer);
  layer->out = (struct shape){.rank = 1, .sizes = {view.outer * view.inner}};
  layer->flops_per_sample = (double)shape_size(&layer->in[0]);
  return ERROR_NONE;
}
