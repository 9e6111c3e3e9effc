#include "engine/layers/pool.h"

#include <math.h>

static struct window make_window(const struct pool *pool) {
  return (struct window){.size_name = "pool_size",
                         .size = &pool->pool_size,
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

/* How many values all windows of an axis see together; of a window far larger than the axis most taps see padding
 * alone, and are not looked at. */
static double count_seen(const struct kernel_axis *axis) {
  double count = 0;
  for (size_t place = 0; place < axis->out; place++) {
    const struct kernel_taps taps = kernel_axis_taps(axis, place, place);
    count += (double)(taps.end - taps.first);
  }
  return count;
}

enum error_code pool_compile(struct layer *layer, size_t axis_count, struct error *error) {
  const struct window window = make_window(layer->settings);
  enum error_code code = window_compile(layer, &window, axis_count, error);
  if (code != ERROR_NONE) return code;
  const struct kernel_pool kernel = pool_kernel(layer, 1, NULL);
  if (layer->has_lengths[0]) layer->lengths = LAYER_LENGTHS_OWN;
  layer->out = window_shape(layer, window_channels(layer), &kernel.y, &kernel.x);
  layer->flops_per_sample = (double)window_channels(layer) * count_seen(&kernel.y) * count_seen(&kernel.x);
  return ERROR_NONE;
}

struct kernel_pool pool_kernel(const struct layer *layer, size_t batch, const uint32_t *lengths) {
  const struct pool *pool = layer->settings;
  const struct window window = make_window(layer->settings);
  const size_t channels = window_channels(layer);
  const bool is_sequence = window_is_sequence(layer);
  struct kernel_pool kernel = {.outer = is_sequence ? batch : batch * channels,
                               .inner = is_sequence ? channels : 1,
                               .ceil_mode = pool->ceil_mode,
                               .lengths = lengths};
  window_axes(layer, &window, &kernel.y, &kernel.x);
  return kernel;
}

/* One value of z in float64, written apart from the kernels, which it checks. */
struct place64 {
  struct kernel_pool kernel; /* of its sample alone */
  size_t y, x;
  const double *plane; /* of the sample and channel */
};

/* False: there is no such place, it is padding. */
static bool find_place(const struct kernel_pool *whole, size_t at, const double *x, struct place64 *out) {
  const size_t places = whole->y.out * whole->x.out, outer = at / whole->inner / places, place = at / whole->inner % places;
  *out = (struct place64){.kernel = *whole, .y = place / whole->x.out, .x = place % whole->x.out};
  out->plane = x + outer * whole->y.in * whole->x.in * whole->inner + at % whole->inner;
  if (whole->lengths == NULL) return true;
  out->kernel.x.in = whole->lengths[outer];
  out->kernel.x.out = kernel_places_of(whole->x, whole->ceil_mode, whole->lengths[outer]);
  return out->x < out->kernel.x.out;
}

/* The sum and the largest of the values that are seen there. */
static void look64(const struct place64 *place, double *out_sum, double *out_largest) {
  const struct kernel_pool *kernel = &place->kernel;
  const struct kernel_taps rows = kernel_axis_taps(&kernel->y, place->y, place->y),
                           columns = kernel_axis_taps(&kernel->x, place->x, place->x);
  for (size_t row = rows.first; row < rows.end; row++) {
    for (size_t column = columns.first; column < columns.end; column++) {
      const size_t y = kernel_axis_at(&kernel->y, place->y, row), x = kernel_axis_at(&kernel->x, place->x, column);
      if (y == SIZE_MAX || x == SIZE_MAX) continue;
      const double value = place->plane[(y * kernel->x.in + x) * kernel->inner];
      *out_sum += value;
      *out_largest = fmax(*out_largest, value);
    }
  }
}

static size_t count_values(const struct kernel_pool *kernel) { return kernel->outer * kernel->y.out * kernel->x.out * kernel->inner; }

/* Largest values */

void max_pool_forward(const struct layer *layer, const struct pass *pass) {
  const struct kernel_pool kernel = pool_kernel(layer, pass->batch, pass->lengths[0]);
  window_write_lengths(&kernel.x, kernel.ceil_mode, pass->batch, pass->lengths[0], pass->out_lengths);
  kernel_max_pool_forward(pass->parallel, &kernel, pass->x[0], pass->z);
}

void max_pool_backward(const struct layer *layer, const struct pass *pass) {
  const struct kernel_pool kernel = pool_kernel(layer, pass->batch, pass->lengths[0]);
  if (pass->dx[0] != NULL) kernel_max_pool_backward(pass->parallel, &kernel, pass->x[0], pass->z, pass->delta, pass->dx[0]);
}

void max_pool_forward64(const struct layer *layer, const struct pass64 *pass) {
  const struct kernel_pool kernel = pool_kernel(layer, pass->batch, pass->lengths[0]);
  window_write_lengths(&kernel.x, kernel.ceil_mode, pass->batch, pass->lengths[0], pass->out_lengths);
  for (size_t at = 0; at < count_values(&kernel); at++) {
    struct place64 place;
    double sum = 0, largest = -INFINITY;
    if (find_place(&kernel, at, pass->x[0], &place)) look64(&place, &sum, &largest);
    pass->z[at] = largest == -INFINITY ? 0 : largest;
  }
}

/* Means */

static struct kernel_mean make_mean(const struct layer *layer) {
  const struct pool *pool = layer->settings;
  const bool is_given = pool->divisor_override > 0;
  return (struct kernel_mean){.divisor = is_given ? (size_t)pool->divisor_override : 0, .counts_padding = pool->count_include_pad};
}

void avg_pool_forward(const struct layer *layer, const struct pass *pass) {
  const struct kernel_pool kernel = pool_kernel(layer, pass->batch, pass->lengths[0]);
  const struct kernel_mean mean = make_mean(layer);
  window_write_lengths(&kernel.x, kernel.ceil_mode, pass->batch, pass->lengths[0], pass->out_lengths);
  kernel_mean_pool_forward(pass->parallel, &kernel, &mean, pass->x[0], pass->z);
}

void avg_pool_backward(const struct layer *layer, const struct pass *pass) {
  const struct kernel_pool kernel = pool_kernel(layer, pass->batch, pass->lengths[0]);
  const struct kernel_mean mean = make_mean(layer);
  if (pass->dx[0] != NULL) kernel_mean_pool_backward(pass->parallel, &kernel, &mean, pass->delta, pass->dx[0]);
}

void avg_pool_forward64(const struct layer *layer, const struct pass64 *pass) {
  const struct kernel_pool kernel = pool_kernel(layer, pass->batch, pass->lengths[0]);
  const struct kernel_mean mean = make_mean(layer);
  window_write_lengths(&kernel.x, kernel.ceil_mode, pass->batch, pass->lengths[0], pass->out_lengths);
  for (size_t at = 0; at < count_values(&kernel); at++) {
    struct place64 place;
    double sum = 0, largest = -INFINITY;
    pass->z[at] = 0;
    if (!find_place(&kernel, at, pass->x[0], &place)) continue;
    look64(&place, &sum, &largest);
    pass->z[at] = sum / (double)kernel_mean_divisor(&place.kernel, &mean, place.y, place.x);
  }
}
