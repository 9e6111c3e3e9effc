#include "engine/layers/conv.h"

#include "engine/activations/kinds.h"
#include "engine/kernels_conv_library.h"
#include "engine/kernels_conv_pooled.h"
#include "engine/layers/kinds.h"
#include "engine/layers/pool.h"

const char *const conv_padding_modes[5] = {"zeros", "reflect", "replicate", "circular", NULL};

enum { WEIGHT, BIAS };

static struct kernel_conv make_kernel(const struct layer *layer, size_t batch) {
  const struct conv *conv = layer->settings;
  const struct window window = {.size_name = "kernel_size",
                                .size = &conv->kernel_size,
                                .stride = &conv->stride,
                                .dilation = &conv->dilation,
                                .padding = &conv->padding};
  struct kernel_conv kernel = {.batch = batch,
                               .channels = window_channels(layer),
                               .filters = (size_t)conv->filters,
                               .groups = (size_t)conv->groups,
                               .padding = (enum kernel_padding)conv->padding_mode,
                               .channels_last = window_is_sequence(layer)};
  window_axes(layer, &window, &kernel.y, &kernel.x);
  return kernel;
}

static enum error_code check_groups(const struct layer *layer, struct error *error) {
  const struct conv *conv = layer->settings;
  const size_t channels = window_channels(layer), filters = (size_t)conv->filters, groups = (size_t)conv->groups;
  if (channels % groups == 0 && filters % groups == 0) return ERROR_NONE;
  return error_add(error, "/groups", "%s layer \"%s\" has %zu groups, which must divide both its %zu filters and the %zu %s of \"%s\"",
                   layer->kind->kind.name, layer->name, groups, filters, channels, window_is_sequence(layer) ? "features" : "channels",
                   layer->input_names[0]);
}

/* What is mirrored or repeated has to be there, and at one place in all samples. */
static enum error_code check_padding(const struct layer *layer, const struct kernel_conv *kernel, struct error *error) {
  const struct kernel_axis *const axes[2] = {&kernel->y, &kernel->x};
  if (layer->has_lengths[0] && kernel->padding != KERNEL_PAD_ZEROS)
    return error_add(error, "/padding_mode", "%s layer \"%s\" can pad sequences of different length, as \"%s\" gives them, with zeros only",
                     layer->kind->kind.name, layer->name, layer->input_names[0]);
  for (size_t i = 0; i < 2; i++) {
    const size_t padding = axes[i]->after > axes[i]->before ? axes[i]->after : axes[i]->before;
    const size_t most = kernel->padding == KERNEL_PAD_REFLECT ? axes[i]->in - 1 : axes[i]->in;
    if (kernel->padding == KERNEL_PAD_ZEROS || kernel->padding == KERNEL_PAD_REPLICATE || padding <= most) continue;
    return error_add(error, "/padding", "%s layer \"%s\" can pad the %zu values of an axis of \"%s\" by at most %zu in mode %s, not by %zu",
                     layer->kind->kind.name, layer->name, axes[i]->in, layer->input_names[0], most, conv_padding_modes[kernel->padding],
                     padding);
  }
  return ERROR_NONE;
}

static void add_tensors(struct layer *layer, const struct kernel_conv *kernel) {
  const struct conv *conv = layer->settings;
  const size_t taps = kernel->y.size * kernel->x.size, group_channels = kernel->channels / kernel->groups;
  struct shape shape = {.rank = 4, .sizes = {kernel->filters, group_channels, kernel->y.size, kernel->x.size}};
  if (kernel->channels_last) shape = (struct shape){.rank = 3, .sizes = {kernel->filters, group_channels, kernel->x.size}};
  struct layer_tensor *weight = layer_add_tensor(layer, "weight", &shape);
  weight->fan_out = kernel->filters * taps;
  weight->initializer = &conv->initializer;
  weight->is_penalized = true;
  if (!conv->bias) return;
  struct layer_tensor *bias = layer_add_tensor(layer, "bias", &(struct shape){.rank = 1, .sizes = {kernel->filters}});
  bias->initializer = &conv->bias_initializer;
  bias->fan_in = group_channels * taps;
  bias->is_shift = true;
}

/* What a library would need, where it wins. */
static void add_library_room(struct layer *layer, const struct kernel_conv *kernel) {
  for (int is_half = 0; is_half <= 1; is_half++) {
    struct kernel_conv_room room;
    if (!kernel_conv_library_measure(kernel, is_half, &room)) continue;
    layer->work_fixed = room.work_count > layer->work_fixed ? room.work_count : layer->work_fixed;
    layer->half_fixed = room.half_count;
  }
}

enum error_code conv_compile(struct layer *layer, size_t axis_count, struct error *error) {
  const struct conv *conv = layer->settings;
  const struct window window = {.size_name = "kernel_size",
                                .size = &conv->kernel_size,
                                .stride = &conv->stride,
                                .dilation = &conv->dilation,
                                .padding = &conv->padding};
  enum error_code code = window_compile(layer, &window, axis_count, error);
  if (code == ERROR_NONE) code = check_groups(layer, error);
  if (code != ERROR_NONE) return code;
  const struct kernel_conv kernel = make_kernel(layer, 1);
  code = check_padding(layer, &kernel, error);
  if (code != ERROR_NONE) return code;
  layer->out = window_shape(layer, kernel.filters, &kernel.y, &kernel.x);
  layer->work_fixed = kernel_conv_work_size(&kernel);
  if (layer->work_fixed == 0)
    return error_add(error, kernel.y.before + kernel.x.before > 0 ? "/padding" : "/filters",
                     "%s layer \"%s\" with its padding is too large for any machine", layer->kind->kind.name, layer->name);
  add_library_room(layer, &kernel);
  if (layer->has_lengths[0]) layer->lengths = LAYER_LENGTHS_OWN; /* padded steps hold zeros, as what is made up does */
  add_tensors(layer, &kernel);
  const double products = (double)(kernel.channels / kernel.groups) * (double)kernel.y.size * (double)kernel.x.size;
  layer->flops_per_sample = 2.0 * products * (double)kernel.filters * (double)kernel.y.out * (double)kernel.x.out;
  return ERROR_NONE;
}

static struct kernel_conv_room get_room(const struct layer *layer, const struct pass *pass) {
  struct kernel_conv_room room = {.work = pass->work, .work_count = layer->work_fixed};
  if (pass->half == NULL || layer->half_fixed == 0) return room;
  room.half = pass->half;
  room.half_count = layer->half_fixed;
  return room;
}

void conv_forward(const struct layer *layer, const struct pass *pass) {
  const struct kernel_conv kernel = make_kernel(layer, pass->batch);
  const struct kernel_conv_room room = get_room(layer, pass);
  window_write_lengths(&kernel.x, false, pass->batch, pass->lengths[0], pass->out_lengths);
  const float *weight = pass->parameters + layer->tensors[WEIGHT].offset;
  const float *bias = layer->tensor_count > BIAS ? pass->parameters + layer->tensors[BIAS].offset : NULL;
  if (!kernel_conv_library_forward(pass->parallel, &kernel, pass->x[0], weight, bias, pass->z, &room))
    kernel_conv_forward(pass->parallel, &kernel, pass->x[0], weight, bias, pass->z, pass->work);
}

static void weight_gradient(const struct layer *layer, const struct pass *pass, const struct kernel_conv *kernel) {
  const struct kernel_conv_room room = get_room(layer, pass);
  float *gradient = pass->gradients + layer->tensors[WEIGHT].offset;
  if (!kernel_conv_library_weight_gradient(pass->parallel, kernel, pass->x[0], pass->delta, gradient, &room))
    kernel_conv_weight_gradient(pass->parallel, kernel, pass->x[0], pass->delta, gradient, pass->work);
  if (layer->tensor_count <= BIAS) return;
  const size_t places = kernel->y.out * kernel->x.out;
  kernel_channel_sums(pass->parallel, kernel->channels_last ? pass->batch * places : pass->batch, kernel->filters,
                      kernel->channels_last ? 1 : places, pass->delta, pass->gradients + layer->tensors[BIAS].offset);
}

void conv_backward(const struct layer *layer, const struct pass *pass) {
  const struct kernel_conv kernel = make_kernel(layer, pass->batch);
  const struct kernel_conv_room room = get_room(layer, pass);
  if (!pass->skips_gradients) weight_gradient(layer, pass, &kernel);
  if (pass->dx[0] == NULL) return;
  const float *weight = pass->parameters + layer->tensors[WEIGHT].offset;
  if (!kernel_conv_library_input_gradient(pass->parallel, &kernel, pass->delta, weight, pass->dx[0], &room))
    kernel_conv_input_gradient(pass->parallel, &kernel, pass->delta, weight, pass->dx[0], pass->work);
}

/* In one go with the pooling behind it */

bool conv_join(struct layer *layer, const struct spec *activation, const struct layer *next) {
  if (next->kind != &layer_max_pool2d || (activation != NULL && activation->kind != &activation_relu.kind)) return false;
  const struct kernel_conv kernel = make_kernel(layer, 1);
  const struct kernel_pool pool = pool_kernel(next, 1, NULL);
  const size_t winner_bytes = kernel_conv_pooled_winner_bytes(&kernel), work = kernel_conv_pooled_work_size(&kernel);
  if (!kernel_conv_pooled_can(&kernel, &pool) || winner_bytes == 0 || work == 0) return false;
  layer->saved_per_sample = (winner_bytes + sizeof(float) - 1) / sizeof(float);
  layer->work_fixed = work > layer->work_fixed ? work : layer->work_fixed;
  layer->half_fixed = 0; /* bfloat16 would gain nothing on it */
  return true;
}

static struct kernel_conv_pooled make_pooled(const struct layer *layer, const struct spec *activation, size_t batch) {
  return (struct kernel_conv_pooled){.conv = make_kernel(layer, batch), .is_rectified = activation != NULL};
}

void conv_forward_joined(const struct layer *layer, const struct spec *activation, const struct pass *pass) {
  const struct kernel_conv_pooled kernel = make_pooled(layer, activation, pass->batch);
  const float *bias = layer->tensor_count > BIAS ? pass->parameters + layer->tensors[BIAS].offset : NULL;
  kernel_conv_pooled_forward(pass->parallel, &kernel, pass->x[0], pass->parameters + layer->tensors[WEIGHT].offset, bias, pass->z,
                             (uint8_t *)pass->saved, pass->work);
}

void conv_backward_joined(const struct layer *layer, const struct spec *activation, const struct pass *pass) {
  const struct kernel_conv_pooled kernel = make_pooled(layer, activation, pass->batch);
  const uint8_t *winners = (const uint8_t *)pass->saved;
  if (!pass->skips_gradients)
    kernel_conv_pooled_weight_gradient(pass->parallel, &kernel, pass->x[0], pass->delta, winners,
                                       pass->gradients + layer->tensors[WEIGHT].offset,
                                       layer->tensor_count > BIAS ? pass->gradients + layer->tensors[BIAS].offset : NULL, pass->work);
  if (pass->dx[0] != NULL)
    kernel_conv_pooled_input_gradient(pass->parallel, &kernel, pass->delta, winners, pass->parameters + layer->tensors[WEIGHT].offset,
                                      pass->dx[0], pass->work);
}

/* The value that a tap sees on one axis, with what padding makes up; SIZE_MAX: 0. Written apart from the kernels, which it checks. */
static size_t find_source(const struct kernel_axis *axis, int padding_mode, size_t place, size_t tap) {
  int64_t in = (int64_t)axis->in, at = (int64_t)(place * axis->stride + tap * axis->dilation) - (int64_t)axis->before;
  if (at >= 0 && at < in) return (size_t)at;
  switch (padding_mode) {
  case KERNEL_PAD_REFLECT: return (size_t)(at < 0 ? -at : 2 * (in - 1) - at);
  case KERNEL_PAD_REPLICATE: return (size_t)(at < 0 ? 0 : in - 1);
  case KERNEL_PAD_CIRCULAR: return (size_t)((at + in) % in);
  default: return SIZE_MAX;
  }
}

/* Σ over channels and taps for filter f of sample n at (y, x). */
static double sum_window(const struct layer *layer, const struct pass64 *pass, const struct kernel_conv *kernel, const size_t at[4]) {
  const struct conv *conv = layer->settings;
  const size_t n = at[0], f = at[1], group_channels = kernel->channels / kernel->groups;
  const size_t first = f / (kernel->filters / kernel->groups) * group_channels, in = kernel->y.in * kernel->x.in;
  const double *w = pass->parameters + layer->tensors[WEIGHT].offset + f * group_channels * kernel->y.size * kernel->x.size;
  const double *image = pass->x[0] + n * kernel->channels * in;
  double sum = layer->tensor_count > BIAS ? pass->parameters[layer->tensors[BIAS].offset + f] : 0;
  for (size_t c = first; c < first + group_channels; c++) {
    for (size_t ky = 0; ky < kernel->y.size; ky++) {
      for (size_t kx = 0; kx < kernel->x.size; kx++, w++) {
        const size_t y = find_source(&kernel->y, conv->padding_mode, at[2], ky), x = find_source(&kernel->x, conv->padding_mode, at[3], kx);
        if (y == SIZE_MAX || x == SIZE_MAX) continue;
        const size_t place = y * kernel->x.in + x;
        sum += *w * image[kernel->channels_last ? place * kernel->channels + c : c * in + place];
      }
    }
  }
  return sum;
}

void conv_forward64(const struct layer *layer, const struct pass64 *pass) {
  const struct kernel_conv kernel = make_kernel(layer, pass->batch);
  window_write_lengths(&kernel.x, false, pass->batch, pass->lengths[0], pass->out_lengths);
  const size_t places = kernel.y.out * kernel.x.out;
  for (size_t n = 0; n < pass->batch; n++) {
    for (size_t f = 0; f < kernel.filters; f++) {
      for (size_t place = 0; place < places; place++) {
        const size_t at[4] = {n, f, place / kernel.x.out, place % kernel.x.out};
        const size_t to = kernel.channels_last ? place * kernel.filters + f : f * places + place;
        pass->z[n * kernel.filters * places + to] = sum_window(layer, pass, &kernel, at);
      }
    }
  }
}
