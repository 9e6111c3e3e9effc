/* Concat: several layers side by side along one axis; all other axes agree. The gradient is cut up the same way.
 *
 * A sample of input i is [outer, size_i, inner] with the sizes before and after the axis multiplied up; a row of it, one outer index, is
 * size_i · inner values that stay together.
 */
#include <string.h>

#include "engine/layers/kinds.h"

struct concat {
  struct layer_common common;
  int64_t axis;
};

static const struct param params[] = {
    PARAM_INLINE_ROW(struct concat, common, layer_name_params),
    PARAM_INTEGER_ROW(struct concat, axis, -LIMIT_RANK, LIMIT_RANK - 1, -1, "axis of a sample along which they are joined; -1 is the last"),
    PARAM_INLINE_ROW(struct concat, common, layer_activation_params),
};

/* The axis counted from the first; `rank` if there is no such axis. */
static size_t find_axis(const struct concat *concat, size_t rank) {
  int64_t axis = concat->axis < 0 ? concat->axis + (int64_t)rank : concat->axis;
  return axis < 0 || axis >= (int64_t)rank ? rank : (size_t)axis;
}

static bool can_join(const struct shape *left, const struct shape *right, size_t axis) {
  if (left->rank != right->rank) return false;
  for (size_t i = 0; i < left->rank; i++)
    if (i != axis && left->sizes[i] != right->sizes[i]) return false;
  return true;
}

static enum error_code compile(struct layer *layer, struct error *error) {
  char first[SHAPE_TEXT_BYTES], other[SHAPE_TEXT_BYTES];
  const struct concat *concat = layer->settings;
  layer->out = layer->in[0];
  size_t axis = find_axis(concat, layer->out.rank);
  layer->lengths = LAYER_LENGTHS_KEEP;
  shape_format(&layer->in[0], first, sizeof first);
  if (axis == layer->out.rank)
    return error_set(error, ERROR_INVALID, "layer \"%s\" joins along axis %lld, but \"%s\" has the shape %s", layer->name,
                     (long long)concat->axis, layer->input_names[0], first);
  for (size_t i = 1; i < layer->input_count; i++) {
    if (!can_join(&layer->in[0], &layer->in[i], axis))
      return error_set(error, ERROR_INVALID, "layer \"%s\" can't join %s of \"%s\" and %s of \"%s\": they may differ in axis %zu only",
                       layer->name, first, layer->input_names[0], shape_format(&layer->in[i], other, sizeof other), layer->input_names[i],
                       axis);
    layer->out.sizes[axis] += layer->in[i].sizes[axis];
  }
  for (size_t i = 0; i < layer->input_count && axis == 0; i++)
    if (layer->has_lengths[i])
      return error_set(error, ERROR_INVALID,
                       "layer \"%s\" can't join the steps of sequences of different length, which \"%s\" gives, "
                       "behind each other: join along another axis, or flatten or pool them first",
                       layer->name, layer->input_names[i]);
  return ERROR_NONE;
}

static size_t count_outer(const struct layer *layer) {
  size_t axis = find_axis(layer->settings, layer->out.rank), outer = 1;
  for (size_t i = 0; i < axis; i++) outer *= layer->out.sizes[i];
  return outer;
}

static void forward(const struct layer *layer, const struct pass *pass) {
  size_t outer = count_outer(layer), rows = pass->batch * outer;
  size_t out_width = shape_size(&layer->out) / outer, start = 0;
  for (size_t input = 0; input < layer->input_count; input++) {
    size_t width = shape_size(&layer->in[input]) / outer;
    for (size_t row = 0; row < rows; row++)
      memcpy(pass->z + row * out_width + start, pass->x[input] + row * width, width * sizeof *pass->z);
    start += width;
  }
}

static void backward(const struct layer *layer, const struct pass *pass) {
  size_t outer = count_outer(layer), rows = pass->batch * outer;
  size_t out_width = shape_size(&layer->out) / outer, start = 0;
  for (size_t input = 0; input < layer->input_count; input++) {
    size_t width = shape_size(&layer->in[input]) / outer;
    for (size_t row = 0; row < rows && pass->dx[input] != NULL; row++)
      memcpy(pass->dx[input] + row * width, pass->delta + row * out_width + start, width * sizeof *pass->delta);
    start += width;
  }
}

static void forward64(const struct layer *layer, const struct pass64 *pass) {
  size_t outer = count_outer(layer), rows = pass->batch * outer;
  size_t out_width = shape_size(&layer->out) / outer, start = 0;
  for (size_t input = 0; input < layer->input_count; input++) {
    size_t width = shape_size(&layer->in[input]) / outer;
    for (size_t row = 0; row < rows; row++)
      memcpy(pass->z + row * out_width + start, pass->x[input] + row * width, width * sizeof *pass->z);
    start += width;
  }
}

const struct layer_kind layer_concat = {
    .kind = {.name = "concat",
             .summary = "several layers joined along one axis",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct concat)},
    .formula = "z = [x_0, x_1, ...]",
    .gradient_formula = "[∂C/∂x_0, ∂C/∂x_1, ...] = δ",
    .input_min = 2,
    .input_max = LIMIT_LAYER_INPUTS,
    .compile = compile,
    .forward = forward,
    .backward = backward,
    .forward64 = forward64,
};
