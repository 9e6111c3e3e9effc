/* Pooling, place by place. Work is cut into whole planes, [y, x, inner] of one `outer`. Letters: o place, k tap, as in kernels_window.h. */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "engine/kernels_window.h"

enum { TAPS_PER_NS = 1 };

struct job {
  const struct kernel_pool *pool;
  const struct kernel_mean *mean; /* NULL: maximum */
  const float *x, *z, *delta;
  float *out; /* z or dx */
  size_t planes_per_piece;
};

static size_t count_in(const struct kernel_pool *pool) { return pool->y.in * pool->x.in * pool->inner; }
static size_t count_out(const struct kernel_pool *pool) { return pool->y.out * pool->x.out * pool->inner; }

typedef void plane_function(const struct job *job, size_t outer);

static inline __attribute__((always_inline)) void run_planes(const struct job *job, size_t piece, plane_function *function) {
  const size_t first = piece * job->planes_per_piece, rest = job->pool->outer - first;
  const size_t count = rest < job->planes_per_piece ? rest : job->planes_per_piece;
  for (size_t outer = first; outer < first + count; outer++) function(job, outer);
}

static void run(const struct parallel *parallel, struct job *job, parallel_piece *piece) {
  const struct kernel_pool *pool = job->pool;
  job->planes_per_piece = parallel_items_per_piece(pool->outer, count_out(pool) * pool->y.size * pool->x.size / TAPS_PER_NS);
  parallel_run(parallel, parallel_piece_count(pool->outer, job->planes_per_piece), piece, job);
}

/* Largest values */

/* The first tap of a window that is inside, tap by tap: the row of `inner` values that it sees, or NULL. */
static const float *find_tap(const struct kernel_pool *pool, const float *plane, size_t place, size_t tap) {
  const size_t y = kernel_axis_at(&pool->y, place / pool->x.out, tap / pool->x.size);
  const size_t x = kernel_axis_at(&pool->x, place % pool->x.out, tap % pool->x.size);
  return y == SIZE_MAX || x == SIZE_MAX ? NULL : plane + (y * pool->x.in + x) * pool->inner;
}

static void max_plane(const struct job *job, size_t outer) {
  const struct kernel_pool *pool = job->pool;
  const float *plane = job->x + outer * count_in(pool);
  float *z = job->out + outer * count_out(pool);
  for (size_t place = 0; place < pool->y.out * pool->x.out; place++, z += pool->inner) {
    for (size_t i = 0; i < pool->inner; i++) z[i] = -INFINITY;
    for (size_t tap = 0; tap < pool->y.size * pool->x.size; tap++) {
      const float *x = find_tap(pool, plane, place, tap);
      for (size_t i = 0; i < pool->inner && x != NULL; i++) z[i] = x[i] <= z[i] ? z[i] : x[i]; /* what is not a number stays seen */
    }
  }
}

static void max_piece(void *argument, size_t piece) { run_planes(argument, piece, max_plane); }

void kernel_max_pool_forward(const struct parallel *parallel, const struct kernel_pool *pool, const float *x, float *z) {
  struct job job = {.pool = pool, .x = x, .out = z};
  run(parallel, &job, max_piece);
}

static void max_backward_plane(const struct job *job, size_t outer) {
  const struct kernel_pool *pool = job->pool;
  const size_t taps = pool->y.size * pool->x.size;
  const float *plane = job->x + outer * count_in(pool);
  const float *z = job->z + outer * count_out(pool), *delta = job->delta + outer * count_out(pool);
  float *dx = job->out + outer * count_in(pool);
  memset(dx, 0, count_in(pool) * sizeof *dx);
  for (size_t place = 0; place < pool->y.out * pool->x.out; place++, z += pool->inner, delta += pool->inner) {
    for (size_t i = 0; i < pool->inner; i++) {
      for (size_t tap = 0; tap < taps; tap++) {
        const float *x = find_tap(pool, plane, place, tap);
        if (x == NULL || x[i] != z[i]) continue;
        dx[x + i - plane] += delta[i];
        break;
      }
    }
  }
}

static void max_backward_piece(void *argument, size_t piece) { run_planes(argument, piece, max_backward_plane); }

void kernel_max_pool_backward(const struct parallel *parallel, const struct kernel_pool *pool, const float *x, const float *z,
                              const float *delta, float *dx) {
  struct job job = {.pool = pool, .x = x, .z = z, .delta = delta, .out = dx};
  run(parallel, &job, max_backward_piece);
}

/* Means */

/* How many values a window has on one axis: inside, or with those made up at either end. */
static size_t count_seen(const struct kernel_axis *axis, size_t place, bool counts_padding) {
  const size_t begin = place * axis->stride, end = begin + axis->size;
  const size_t low = counts_padding ? 0 : axis->before, high = axis->before + axis->in + (counts_padding ? axis->after : 0);
  const size_t first = begin < low ? low : begin, last = end < high ? end : high;
  return last > first ? last - first : 0;
}

size_t kernel_mean_divisor(const struct kernel_pool *pool, const struct kernel_mean *mean, size_t out_y, size_t out_x) {
  if (mean->divisor > 0) return mean->divisor;
  return count_seen(&pool->y, out_y, mean->counts_padding) * count_seen(&pool->x, out_x, mean->counts_padding);
}

static float share_of(const struct job *job, size_t place) {
  const size_t width = job->pool->x.out;
  return 1.0f / (float)kernel_mean_divisor(job->pool, job->mean, place / width, place % width);
}

static void mean_plane(const struct job *job, size_t outer) {
  const struct kernel_pool *pool = job->pool;
  const float *plane = job->x + outer * count_in(pool);
  float *z = job->out + outer * count_out(pool);
  for (size_t place = 0; place < pool->y.out * pool->x.out; place++, z += pool->inner) {
    const float share = share_of(job, place);
    for (size_t i = 0; i < pool->inner; i++) z[i] = 0;
    for (size_t tap = 0; tap < pool->y.size * pool->x.size; tap++) {
      const float *x = find_tap(pool, plane, place, tap);
      for (size_t i = 0; i < pool->inner && x != NULL; i++) z[i] += x[i];
    }
    for (size_t i = 0; i < pool->inner; i++) z[i] *= share;
  }
}

static void mean_piece(void *argument, size_t piece) { run_planes(argument, piece, mean_plane); }

void kernel_mean_pool_forward(const struct parallel *parallel, const struct kernel_pool *pool, const struct kernel_mean *mean,
                              const float *x, float *z) {
  struct job job = {.pool = pool, .mean = mean, .x = x, .out = z};
  run(parallel, &job, mean_piece);
}

static void mean_backward_plane(const struct job *job, size_t outer) {
  const struct kernel_pool *pool = job->pool;
  const float *delta = job->delta + outer * count_out(pool);
  float *dx = job->out + outer * count_in(pool);
  memset(dx, 0, count_in(pool) * sizeof *dx);
  for (size_t place = 0; place < pool->y.out * pool->x.out; place++, delta += pool->inner) {
    const float share = share_of(job, place);
    for (size_t tap = 0; tap < pool->y.size * pool->x.size; tap++) {
      const float *seen = find_tap(pool, dx, place, tap);
      for (size_t i = 0; i < pool->inner && seen != NULL; i++) dx[seen + i - dx] += delta[i] * share;
    }
  }
}

static void mean_backward_piece(void *argument, size_t piece) { run_planes(argument, piece, mean_backward_plane); }

void kernel_mean_pool_backward(const struct parallel *parallel, const struct kernel_pool *pool, const struct kernel_mean *mean,
                               const float *delta, float *dx) {
  struct job job = {.pool = pool, .mean = mean, .delta = delta, .out = dx};
  run(parallel, &job, mean_backward_piece);
}
