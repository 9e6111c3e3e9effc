#include "engine/layers/window.h"

#include <string.h>

const char *const window_words[3] = {"same", "valid", NULL};

static size_t size_at(const struct axis_sizes *sizes, size_t axis) { return (size_t)sizes_at(sizes, axis); }

static size_t span_of(const struct kernel_axis *axis) { return (axis->size - 1) * axis->dilation + 1; }

/* "same": as many places as values, or one for each stride; what is odd is made up at the end. */
static void pad_same(struct kernel_axis *axis) {
  const size_t places = (axis->in + axis->stride - 1) / axis->stride, needed = (places - 1) * axis->stride + span_of(axis);
  const size_t padding = needed > axis->in ? needed - axis->in : 0;
  axis->before = padding / 2;
  axis->after = padding - axis->before;
}

static struct kernel_axis make_axis(const struct window *window, size_t index, size_t in) {
  struct kernel_axis axis = {.in = in, .size = size_at(window->size, index)};
  axis.stride = window->stride->count == 0 ? axis.size : size_at(window->stride, index);
  axis.dilation = window->dilation == NULL ? 1 : size_at(window->dilation, index);
  if (window->padding->word == WINDOW_SAME)
    pad_same(&axis);
  else if (window->padding->word < 0)
    axis.before = axis.after = size_at(window->padding, index);
  axis.out = kernel_axis_places(&axis, window->ceil_mode);
  return axis;
}

void window_axes(const struct layer *layer, const struct window *window, struct kernel_axis *out_y, struct kernel_axis *out_x) {
  const struct shape *in = &layer->in[0];
  const bool is_sequence = window_is_sequence(layer);
  *out_y =
      is_sequence ? (struct kernel_axis){.in = 1, .out = 1, .size = 1, .stride = 1, .dilation = 1} : make_axis(window, 0, in->sizes[1]);
  *out_x = is_sequence ? make_axis(window, 0, in->sizes[0]) : make_axis(window, 1, in->sizes[2]);
}

/* The parameter that makes a window too long: "/kernel_size", or "/dilation" if it alone is to blame; "/kernel_size/1"
 * where each axis has its own. */
static void point_to_length(const struct window *window, const struct kernel_axis *found, size_t axis,
                            char out_pointer[ERROR_POINTER_BYTES]) {
  const bool is_dilation = found->size <= found->in + found->before + found->after;
  error_pointer(out_pointer, "", "%s", is_dilation ? "dilation" : window->size_name);
  if ((is_dilation ? window->dilation : window->size)->count > 1) error_pointer(out_pointer, out_pointer, "%zu", axis);
}

enum error_code window_compile(const struct layer *layer, const struct window *window, size_t axis_count, struct error *error) {
  const struct shape *in = &layer->in[0];
  const char *type = layer->kind->kind.name, *axes = axis_count == 1 ? "[time, features]" : "[channels, height, width]";
  char text[SHAPE_TEXT_BYTES];
  shape_format(in, text, sizeof text);
  if (in->rank != axis_count + 1)
    return error_set(error, ERROR_INVALID,
                     "%s layer \"%s\" needs an input %s, \"%s\" gives %s: put a reshape layer before it, or set input.shape", type,
                     layer->name, axes, layer->input_names[0], text);
  if (layer->has_lengths[0] && axis_count != 1)
    return error_set(error, ERROR_INVALID, "%s layer \"%s\" can't take sequences of different length, as \"%s\" gives them", type,
                     layer->name, layer->input_names[0]);
  if (layer->has_lengths[0] && window->padding->word == WINDOW_SAME && sizes_at(window->stride, 0) != 1)
    return error_add(error, "/padding",
                     "%s layer \"%s\" has padding \"same\" with a stride, where it would depend on the length of the longest sequence: "
                     "give a number",
                     type, layer->name);
  struct kernel_axis found[2];
  window_axes(layer, window, &found[0], &found[1]);
  for (size_t i = 0; i < 2; i++) {
    const struct kernel_axis *axis = &found[i];
    if (axis->out > 0) continue;
    char pointer[ERROR_POINTER_BYTES];
    point_to_length(window, axis, axis_count == 1 ? 0 : i, pointer);
    return error_add(error, pointer,
                     "%s layer \"%s\" has a window of %zu values on the axis of %s, longer than the %zu that \"%s\", %s, gives with its "
                     "padding: take a smaller window or dilation, or more padding",
                     type, layer->name, span_of(axis),
                     axis_count == 1 ? "time"
                     : i == 0        ? "height"
                                     : "width",
                     axis->in + axis->before + axis->after, layer->input_names[0], text);
  }
  return ERROR_NONE;
}

struct shape window_shape(const struct layer *layer, size_t channels, const struct kernel_axis *y, const struct kernel_axis *x) {
  if (window_is_sequence(layer)) return (struct shape){.rank = 2, .sizes = {x->out, channels}};
  return (struct shape){.rank = 3, .sizes = {channels, y->out, x->out}};
}
