/* Pooling. Work is cut into whole planes, [y, x, inner] of one `outer`. A plane goes tap by tap, row by row: for all places of a row at
 * which a tap sees a value at once. Windows of 2 × 2 side by side, the commonest, have a way of their own through vectors.
 *
 * Letters: o place, k tap, as in kernels_window.h.
 */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "engine/kernels_window.h"
#include "engine/vector_float.h"

enum { TAPS_PER_NS = 1, CHUNK = 256 /* places that are looked at together */ };

struct job {
  const struct kernel_pool *pool;
  const struct kernel_mean *mean; /* NULL: maximum */
  const float *x, *z, *delta;
  float *out; /* z or dx */
  size_t planes_per_piece;
};

static size_t smaller(size_t left, size_t right) { return left < right ? left : right; }
static size_t count_in(const struct kernel_pool *pool) { return pool->y.in * pool->x.in * pool->inner; }
static size_t count_out(const struct kernel_pool *pool) { return pool->y.out * pool->x.out * pool->inner; }

/* One plane: its own axes and arrays. */
struct plane {
  struct kernel_pool pool;
  const struct kernel_mean *mean;
  const float *x, *z, *delta;
  float *out;
};

typedef void plane_function(const struct plane *plane);

/* Calls function for each plane of a piece. What a sequence of its own length doesn't reach is 0. */
static inline __attribute__((always_inline)) void run_planes(const struct job *job, size_t piece, bool is_forward,
                                                             plane_function *function) {
  const struct kernel_pool *whole = job->pool;
  const size_t first = piece * job->planes_per_piece, end = smaller(first + job->planes_per_piece, whole->outer);
  const size_t in = count_in(whole), out = count_out(whole);
  struct plane plane = {.pool = *whole, .mean = job->mean};
  for (size_t outer = first; outer < end; outer++) {
    plane.x = job->x == NULL ? NULL : job->x + outer * in;
    plane.z = job->z == NULL ? NULL : job->z + outer * out;
    plane.delta = job->delta == NULL ? NULL : job->delta + outer * out;
    plane.out = job->out + outer * (is_forward ? out : in);
    if (whole->lengths != NULL) {
      plane.pool.x.in = whole->lengths[outer];
      plane.pool.x.out = kernel_places_of(whole->x, whole->ceil_mode, whole->lengths[outer]);
      const size_t used = is_forward ? count_out(&plane.pool) : count_in(&plane.pool);
      memset(plane.out + used, 0, ((is_forward ? out : in) - used) * sizeof *plane.out);
    }
    function(&plane);
  }
}

static void run(const struct parallel *parallel, struct job *job, parallel_piece *piece) {
  const struct kernel_pool *pool = job->pool;
  job->planes_per_piece = parallel_items_per_piece(pool->outer, count_out(pool) * pool->y.size * pool->x.size / TAPS_PER_NS);
  parallel_run(parallel, parallel_piece_count(pool->outer, job->planes_per_piece), piece, job);
}

/* What a tap sees from a row of places: places [first, end), the first of which sees value `at` of the plane. */
struct seen {
  size_t first, end, at;
};

/* The taps that see something from a row of places: `count` of them, row after row of `width`, from (y, x) on. */
struct taps {
  size_t y, x, width, count;
};

static struct taps find_taps(const struct kernel_pool *pool, size_t row) {
  if (pool->x.out == 0) return (struct taps){0};
  const struct kernel_taps y = kernel_axis_taps(&pool->y, row, row), x = kernel_axis_taps(&pool->x, 0, pool->x.out - 1);
  return (struct taps){.y = y.first, .x = x.first, .width = x.end - x.first, .count = (y.end - y.first) * (x.end - x.first)};
}

static struct seen find_seen(const struct kernel_pool *pool, size_t row, size_t tap_y, size_t tap_x) {
  const struct kernel_axis *x = &pool->x;
  const size_t y = kernel_axis_at(&pool->y, row, tap_y), ahead = tap_x * x->dilation, last = x->before + x->in;
  if (y == SIZE_MAX || ahead >= last) return (struct seen){0};
  struct seen seen = {.first = ahead >= x->before ? 0 : (x->before - ahead + x->stride - 1) / x->stride};
  seen.end = smaller((last - ahead + x->stride - 1) / x->stride, x->out);
  if (seen.first >= seen.end) return (struct seen){0};
  seen.at = (y * x->in + seen.first * x->stride + ahead - x->before) * pool->inner;
  return seen;
}

/* 2 × 2, side by side */

static bool is_square(const struct kernel_pool *pool) {
  const struct kernel_axis *const axes[2] = {&pool->y, &pool->x};
  for (size_t i = 0; i < 2; i++)
    if (axes[i]->size != 2 || axes[i]->stride != 2 || axes[i]->dilation != 1 || axes[i]->before != 0 || 2 * axes[i]->out > axes[i]->in)
      return false;
  return pool->inner == 1;
}

/* The four values that `count` windows see, a vector for each tap. */
static inline void load_squares(const float *row, size_t width, size_t count, vector taps[4]) {
  for (size_t y = 0; y < 2; y++, row += width) {
    const size_t values = 2 * count, first = smaller(values, VECTOR_FLOATS);
    vector_part(vector_load_some(row, first), vector_load_some(row + first, values - first), &taps[2 * y], &taps[2 * y + 1]);
  }
}

static inline void store_squares(const vector taps[4], size_t width, size_t count, float *row) {
  for (size_t y = 0; y < 2; y++, row += width) {
    const size_t values = 2 * count, first = smaller(values, VECTOR_FLOATS);
    vector low, high;
    vector_join(taps[2 * y], taps[2 * y + 1], &low, &high);
    vector_store_some(row, low, first);
    vector_store_some(row + first, high, values - first);
  }
}

/* Largest values. What is not a number stays seen. */

static inline vector larger_of(vector largest, vector x) {
  return vector_choose((vector_mask)(vector_is_larger(x, largest) | vector_is_nan(x)), x, largest);
}

static void max_squares(const struct kernel_pool *pool, const float *plane, float *z) {
  for (size_t row = 0; row < pool->y.out; row++, plane += 2 * pool->x.in, z += pool->x.out) {
    for (size_t o = 0; o < pool->x.out; o += VECTOR_FLOATS) {
      const size_t count = smaller(VECTOR_FLOATS, pool->x.out - o);
      vector taps[4];
      load_squares(plane + 2 * o, pool->x.in, count, taps);
      vector_store_some(z + o, larger_of(larger_of(larger_of(taps[0], taps[1]), taps[2]), taps[3]), count);
    }
  }
}

static void max_row(const struct kernel_pool *pool, const struct seen *seen, const float *x, float *z) {
  const size_t inner = pool->inner, step = pool->x.stride * inner;
  for (size_t o = 0; o < seen->end - seen->first; o++, x += step, z += inner)
    for (size_t i = 0; i < inner; i++) z[i] = x[i] <= z[i] || isnan(z[i]) ? z[i] : x[i];
}

static void max_plane(const struct plane *plane) {
  const struct kernel_pool *pool = &plane->pool;
  float *z = plane->out;
  if (is_square(pool)) {
    max_squares(pool, plane->x, z);
    return;
  }
  for (size_t i = 0; i < count_out(pool); i++) z[i] = -INFINITY;
  for (size_t row = 0; row < pool->y.out; row++, z += pool->x.out * pool->inner) {
    const struct taps taps = find_taps(pool, row);
    for (size_t tap = 0; tap < taps.count; tap++) {
      const struct seen seen = find_seen(pool, row, taps.y + tap / taps.width, taps.x + tap % taps.width);
      if (seen.end > 0) max_row(pool, &seen, plane->x + seen.at, z + seen.first * pool->inner);
    }
    for (size_t i = 0; i < pool->x.out * pool->inner && pool->lengths != NULL; i++)
      if (z[i] == -INFINITY) z[i] = 0;
  }
}

static void max_piece(void *argument, size_t piece) { run_planes(argument, piece, true, max_plane); }

void kernel_max_pool_forward(const struct parallel *parallel, const struct kernel_pool *pool, const float *x, float *z) {
  struct job job = {.pool = pool, .x = x, .out = z};
  run(parallel, &job, max_piece);
}

static void max_squares_backward(const struct kernel_pool *pool, const float *plane, const float *z, const float *delta, float *dx) {
  for (size_t row = 0; row < pool->y.out; row++) {
    for (size_t o = 0; o < pool->x.out; o += VECTOR_FLOATS) {
      const size_t count = smaller(VECTOR_FLOATS, pool->x.out - o);
      const vector largest = vector_load_some(z + o, count);
      vector_lanes rest = (vector_lanes)vector_load_some(delta + o, count);
      vector taps[4];
      load_squares(plane + 2 * o, pool->x.in, count, taps);
      for (size_t tap = 0; tap < 4; tap++) {
        const vector_lanes is_largest = taps[tap] == largest;
        taps[tap] = (vector)(rest & is_largest);
        rest &= ~is_largest;
      }
      store_squares(taps, pool->x.in, count, dx + 2 * o);
    }
    plane += 2 * pool->x.in;
    dx += 2 * pool->x.in;
    z += pool->x.out;
    delta += pool->x.out;
  }
}

/* Value i of `inner` at some places of a row, at most CHUNK. */
static void max_chunk_backward(const struct plane *plane, size_t row, struct taps taps, struct seen places, size_t i) {
  const struct kernel_pool *pool = &plane->pool;
  const float *z = plane->z + row * pool->x.out * pool->inner + i, *delta = plane->delta + row * pool->x.out * pool->inner + i;
  bool is_given[CHUNK] = {false};
  for (size_t tap = 0; tap < taps.count; tap++) {
    const struct seen seen = find_seen(pool, row, taps.y + tap / taps.width, taps.x + tap % taps.width);
    const size_t first = seen.first > places.first ? seen.first : places.first, end = smaller(seen.end, places.end);
    for (size_t o = first; o < end; o++) {
      const size_t at = seen.at + (o - seen.first) * pool->x.stride * pool->inner, out = o * pool->inner;
      if (is_given[o - places.first] || plane->x[at + i] != z[out]) continue;
      plane->out[at + i] += delta[out];
      is_given[o - places.first] = true;
    }
  }
}

static void max_backward_plane(const struct plane *plane) {
  const struct kernel_pool *pool = &plane->pool;
  const bool covers = is_square(pool) && 2 * pool->y.out == pool->y.in && 2 * pool->x.out == pool->x.in;
  if (!covers) memset(plane->out, 0, count_in(pool) * sizeof *plane->out);
  if (is_square(pool)) {
    max_squares_backward(pool, plane->x, plane->z, plane->delta, plane->out);
    return;
  }
  for (size_t row = 0; row < pool->y.out; row++) {
    const struct taps taps = find_taps(pool, row);
    for (size_t o = 0; o < pool->x.out; o += CHUNK)
      for (size_t i = 0; i < pool->inner; i++)
        max_chunk_backward(plane, row, taps, (struct seen){.first = o, .end = smaller(o + CHUNK, pool->x.out)}, i);
  }
}

static void max_backward_piece(void *argument, size_t piece) { run_planes(argument, piece, false, max_backward_plane); }

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
  const size_t first = begin < low ? low : begin, last = smaller(end, high);
  return last > first ? last - first : 0;
}

size_t kernel_mean_divisor(const struct kernel_pool *pool, const struct kernel_mean *mean, size_t out_y, size_t out_x) {
  if (mean->divisor > 0) return mean->divisor;
  return count_seen(&pool->y, out_y, mean->counts_padding) * count_seen(&pool->x, out_x, mean->counts_padding);
}

static float share_of(const struct plane *plane, size_t row, size_t o) {
  return 1.0f / (float)kernel_mean_divisor(&plane->pool, plane->mean, row, o);
}

static void mean_plane(const struct plane *plane) {
  const struct kernel_pool *pool = &plane->pool;
  const size_t inner = pool->inner;
  float *z = plane->out;
  memset(z, 0, count_out(pool) * sizeof *z);
  for (size_t row = 0; row < pool->y.out; row++, z += pool->x.out * inner) {
    const struct taps taps = find_taps(pool, row);
    for (size_t tap = 0; tap < taps.count; tap++) {
      const struct seen seen = find_seen(pool, row, taps.y + tap / taps.width, taps.x + tap % taps.width);
      const float *x = plane->x + seen.at;
      for (size_t o = seen.first; o < seen.end; o++, x += pool->x.stride * inner)
        for (size_t i = 0; i < inner; i++) z[o * inner + i] += x[i];
    }
    for (size_t o = 0; o < pool->x.out; o++) {
      const float share = share_of(plane, row, o);
      for (size_t i = 0; i < inner; i++) z[o * inner + i] *= share;
    }
  }
}

static void mean_piece(void *argument, size_t piece) { run_planes(argument, piece, true, mean_plane); }

void kernel_mean_pool_forward(const struct parallel *parallel, const struct kernel_pool *pool, const struct kernel_mean *mean,
                              const float *x, float *z) {
  struct job job = {.pool = pool, .mean = mean, .x = x, .out = z};
  run(parallel, &job, mean_piece);
}

static void mean_backward_plane(const struct plane *plane) {
  const struct kernel_pool *pool = &plane->pool;
  const size_t inner = pool->inner;
  const float *delta = plane->delta;
  memset(plane->out, 0, count_in(pool) * sizeof *plane->out);
  for (size_t row = 0; row < pool->y.out; row++, delta += pool->x.out * inner) {
    const struct taps taps = find_taps(pool, row);
    for (size_t first = 0; first < pool->x.out; first += CHUNK) {
      const size_t end = smaller(first + CHUNK, pool->x.out);
      float shares[CHUNK] = {0};
      for (size_t o = first; o < end; o++) shares[o - first] = share_of(plane, row, o);
      for (size_t tap = 0; tap < taps.count; tap++) {
        const struct seen seen = find_seen(pool, row, taps.y + tap / taps.width, taps.x + tap % taps.width);
        for (size_t o = seen.first > first ? seen.first : first; o < smaller(seen.end, end); o++) {
          float *dx = plane->out + seen.at + (o - seen.first) * pool->x.stride * inner;
          for (size_t i = 0; i < inner; i++) dx[i] += delta[o * inner + i] * shares[o - first];
        }
      }
    }
  }
}

static void mean_backward_piece(void *argument, size_t piece) { run_planes(argument, piece, false, mean_backward_plane); }

void kernel_mean_pool_backward(const struct parallel *parallel, const struct kernel_pool *pool, const struct kernel_mean *mean,
                               const float *delta, float *dx) {
  struct job job = {.pool = pool, .mean = mean, .delta = delta, .out = dx};
  run(parallel, &job, mean_backward_piece);
}
