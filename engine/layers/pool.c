#include "engine/layers/pool.h"

#include <math.h>

static struct window make_window(const struct pool *pool) {
  return (struct window){.size = &pool->pool_size,
                         .stride = &pool->stride,
                         .dilation = pool->dilation.count == 0 ? NULL : &pool->dilation,
                         .padding = &pool->padding,
                         .ceil_mode = pool->ceil_mode};
}

enum error_code pool_check(const void *settings, const char *pointer, struct error *error) {
  const struct pool *pool = settings;
  const size_t axes = pool->pool_size.count > pool->padding.count ? pool->pool_size.count : pool->padding.count;
  for (size_t i = 0; i < axes; i++) {
    if (2 * sizes_at(&pool->padding, i) <= sizes_at(&pool->pool_size, i)) continue;
    char field[ERROR_POINTER_BYTES];
    error_pointer(field, pointer, "padding");
    return error_add(error, field, "must be at most half of pool_size, %lld, not %lld", (long long)sizes_at(&pool->pool_size, i),
                     (long long)sizes_at(&pool->padding, i));
  }
  return ERROR_NONE;
}

enum error_code pool_compile(struct layer *layer, size_t axis_count, struct error *error) {
  const struct window window = make_window(layer->settings);
  enum error_code code = window_compile(layer, &window, axis_count, error);
  if (code != ERROR_NONE) return code;
  const struct kernel_pool kernel = pool_kernel(layer, 1);
  layer->out = window_shape(layer, window_channels(layer), &kernel.y, &kernel.x);
  layer->flops_per_sample = (double)shape_size(&layer->out) * (double)kernel.y.size * (double)kernel.x.size;
  return ERROR_NONE;
}

struct kernel_pool pool_kernel(const struct layer *layer, size_t batch) {
  const struct window window = make_window(layer->settings);
  const size_t channels = window_channels(layer);
  const bool is_sequence = window_is_sequence(layer);
  struct kernel_pool kernel = {.outer = is_sequence ? batch : batch * channels, .inner = is_sequence ? channels : 1};
  window_axes(layer, &window, &kernel.y, &kernel.x);
  return kernel;
}

size_t pool_find(const struct kernel_pool *kernel, size_t place, size_t tap) {
  const size_t y = kernel_axis_at(&kernel->y, place / kernel->x.out, tap / kernel->x.size);
  const size_t x = kernel_axis_at(&kernel->x, place % kernel->x.out, tap % kernel->x.size);
  return y == SIZE_MAX || x == SIZE_MAX ? SIZE_MAX : (y * kernel->x.in + x) * kernel->inner;
}

/* Largest values */

void max_pool_forward(const struct layer *layer, const struct pass *pass) {
  const struct kernel_pool kernel = pool_kernel(layer, pass->batch);
  kernel_max_pool_forward(pass->parallel, &kernel, pass->x[0], pass->z);
}

void max_pool_backward(const struct layer *layer, const struct pass *pass) {
  const struct kernel_pool kernel = pool_kernel(layer, pass->batch);
  if (pass->dx[0] != NULL) kernel_max_pool_backward(pass->parallel, &kernel, pass->x[0], pass->z, pass->delta, pass->dx[0]);
}

void max_pool_forward64(const struct layer *layer, const struct pass64 *pass) {
  const struct kernel_pool kernel = pool_kernel(layer, pass->batch);
  const size_t places = kernel.y.out * kernel.x.out, in = kernel.y.in * kernel.x.in * kernel.inner;
  for (size_t at = 0; at < kernel.outer * places * kernel.inner; at++) {
    const size_t place = at / kernel.inner % places;
    const double *plane = pass->x[0] + at / kernel.inner / places * in + at % kernel.inner;
    double largest = -INFINITY;
    for (size_t tap = 0; tap < kernel.y.size * kernel.x.size; tap++) {
      const size_t seen = pool_find(&kernel, place, tap);
      if (seen != SIZE_MAX) largest = fmax(largest, plane[seen]);
    }
    pass->z[at] = largest;
  }
}

/* Means */

static struct kernel_mean make_mean(const struct layer *layer) {
  const struct pool *pool = layer->settings;
  const bool is_given = pool->divisor_override > 0;
  return (struct kernel_mean){.divisor = is_given ? (size_t)pool->divisor_override : 0, .counts_padding = pool->count_include_pad};
}

void avg_pool_forward(const struct layer *layer, const struct pass *pass) {
  const struct kernel_pool kernel = pool_kernel(layer, pass->batch);
  const struct kernel_mean mean = make_mean(layer);
  kernel_mean_pool_forward(pass->parallel, &kernel, &mean, pass->x[0], pass->z);
}

void avg_pool_backward(const struct layer *layer, const struct pass *pass) {
  const struct kernel_pool kernel = pool_kernel(layer, pass->batch);
  const struct kernel_mean mean = make_mean(layer);
  if (pass->dx[0] != NULL) kernel_mean_pool_backward(pass->parallel, &kernel, &mean, pass->delta, pass->dx[0]);
}

void avg_pool_forward64(const struct layer *layer, const struct pass64 *pass) {
  const struct kernel_pool kernel = pool_kernel(layer, pass->batch);
  const struct kernel_mean mean = make_mean(layer);
  const size_t places = kernel.y.out * kernel.x.out, in = kernel.y.in * kernel.x.in * kernel.inner;
  for (size_t at = 0; at < kernel.outer * places * kernel.inner; at++) {
    const size_t place = at / kernel.inner % places;
    const double *plane = pass->x[0] + at / kernel.inner / places * in + at % kernel.inner;
    double sum = 0;
    for (size_t tap = 0; tap < kernel.y.size * kernel.x.size; tap++) {
      const size_t seen = pool_find(&kernel, place, tap);
      if (seen != SIZE_MAX) sum += plane[seen];
    }
    pass->z[at] = sum / (double)kernel_mean_divisor(&kernel, &mean, place / kernel.x.out, place % kernel.x.out);
  }
}
