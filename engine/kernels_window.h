/* Kernels of windows that slide over images: convolution and pooling. As those of kernels.h: row-major arrays, the same bits for any number
 * of threads; and a sample's results don't depend on what else is in the batch.
 *
 * On each axis a window of `size` taps, `dilation` apart, stands at `out` places, `stride` apart, the first of them `before` values ahead
 * of the axis' beginning:   out place o, tap k  ↔  value  o · stride + k · dilation − before.
 */
#ifndef ENGINE_KERNELS_WINDOW_H
#define ENGINE_KERNELS_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/parallel.h"

struct kernel_axis {
  size_t in, out; /* values, places */
  size_t size, stride, dilation;
  size_t before, after; /* values that are made up at either end */
};

enum kernel_padding { KERNEL_PAD_ZEROS, KERNEL_PAD_REFLECT, KERNEL_PAD_REPLICATE, KERNEL_PAD_CIRCULAR };

/* Convolution (cross-correlation, as everywhere in the field). Channel c of group g belongs to filters of group g only.
 * Images are [channels, y, x] → [filters, y, x]; with channels_last [x, channels] → [x, filters], and the y axis has one value. */
struct kernel_conv {
  size_t batch, channels, filters, groups; /* groups divides both */
  struct kernel_axis y, x;
  enum kernel_padding padding;
  bool channels_last;
};

/* Floats of working memory that the three functions below need, whatever the batch; 0 if they are too many to be counted. It starts on a
 * cache line. */
size_t kernel_conv_work_size(const struct kernel_conv *conv);

/* z(n, f, o) = bias(f) + Σ over channels c of its group, taps k of w[f, c, k] · x(n, c, o · stride + k · dilation − before); w is
 * [filters, channels / groups, y.size, x.size], bias [filters] or NULL. */
void kernel_conv_forward(const struct parallel *parallel, const struct kernel_conv *conv, const float *x, const float *w, const float *bias,
                         float *z, float *work);
/* dx(n, c, i) = Σ over filters f of its group, taps k and places o that see i of w[f, c, k] · delta(n, f, o) */
void kernel_conv_input_gradient(const struct parallel *parallel, const struct kernel_conv *conv, const float *delta, const float *w,
                                float *dx, float *work);
/* dw[f, c, k] = Σ over samples n, places o of delta(n, f, o) · x(n, c, o · stride + k · dilation − before) */
void kernel_conv_weight_gradient(const struct parallel *parallel, const struct kernel_conv *conv, const float *x, const float *delta,
                                 float *dw, float *work);

/* sums[channels] = Σ over outer and inner of x[outer, channels, inner], in float64 inside. */
void kernel_channel_sums(const struct parallel *parallel, size_t outer, size_t channels, size_t inner, const float *x, float *sums);

/* How many places a window has; with ceil_mode a last one counts that begins inside even if it ends outside. 0: none. */
static inline size_t kernel_axis_places(const struct kernel_axis *axis, bool ceil_mode) {
  const size_t padded = axis->in + axis->before + axis->after, span = (axis->size - 1) * axis->dilation + 1;
  if (padded < span) return ceil_mode && span - padded < axis->stride; /* one place, whose window reaches over the end */
  const size_t places = (padded - span) / axis->stride + 1;
  const bool has_more = ceil_mode && (padded - span) % axis->stride != 0 && places * axis->stride < axis->in + axis->before;
  return places + (has_more ? 1 : 0);
}

/* Pooling of [outer, y, x, inner]: images are [batch · channels, y, x, 1], sequences [batch, 1, x, channels]. */
struct kernel_pool {
  size_t outer, inner;
  struct kernel_axis y, x;
  bool ceil_mode;
  const uint32_t *lengths; /* [outer] how many of x.in are there at all, each as if it were alone; NULL: all. z is 0 behind its places */
};
/* Places of a sequence of that length; at least 1: one that is shorter than the window stands in it with nothing behind. */
static inline size_t kernel_places_of(struct kernel_axis axis, bool ceil_mode, size_t length) {
  axis.in = length;
  const size_t places = kernel_axis_places(&axis, ceil_mode);
  return places == 0 ? 1 : places;
}

/* z = the largest value of each window; what is made up doesn't count. 0 where a short sequence has none in it. */
void kernel_max_pool_forward(const struct parallel *parallel, const struct kernel_pool *pool, const float *x, float *z);
/* dx = Σ of the delta of the windows whose first largest value it is. */
void kernel_max_pool_backward(const struct parallel *parallel, const struct kernel_pool *pool, const float *x, const float *z,
                              const float *delta, float *dx);

/* What a sum over a window is divided by. */
struct kernel_mean {
  size_t divisor;      /* 0: the number of values in the window … */
  bool counts_padding; /* … with those made up at either end */
};
size_t kernel_mean_divisor(const struct kernel_pool *pool, const struct kernel_mean *mean, size_t out_y, size_t out_x);
/* z = the mean of each window; what is made up is 0. */
void kernel_mean_pool_forward(const struct parallel *parallel, const struct kernel_pool *pool, const struct kernel_mean *mean,
                              const float *x, float *z);
void kernel_mean_pool_backward(const struct parallel *parallel, const struct kernel_pool *pool, const struct kernel_mean *mean,
                               const float *delta, float *dx);

/* The value that place `place`, tap `tap` see: below in, or SIZE_MAX if it is outside. */
static inline size_t kernel_axis_at(const struct kernel_axis *axis, size_t place, size_t tap) {
  const size_t at = place * axis->stride + tap * axis->dilation;
  return at < axis->before || at - axis->before >= axis->in ? SIZE_MAX : at - axis->before;
}

/* Taps [first, end) among which are all that see a value from one of the places first_place … last_place; the others see padding alone. Of
 * a window far larger than what it slides over those are most. */
struct kernel_taps {
  size_t first, end;
};
static inline struct kernel_taps kernel_axis_taps(const struct kernel_axis *axis, size_t first_place, size_t last_place) {
  const size_t low = first_place * axis->stride, high = last_place * axis->stride, last = axis->before + axis->in;
  struct kernel_taps taps = {.first = high >= axis->before ? 0 : (axis->before - high + axis->dilation - 1) / axis->dilation};
  if (low < last) taps.end = (last - low + axis->dilation - 1) / axis->dilation;
  if (taps.end > axis->size) taps.end = axis->size;
  return taps.first < taps.end ? taps : (struct kernel_taps){0};
}

#endif
