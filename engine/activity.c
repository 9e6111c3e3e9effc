#include "engine/activity.h"

#include <math.h>
#include <string.h>

enum {
  CHUNK = 1024, /* values whose slopes are on the stack at once, and whose sums are taken in float32 */
  LANES = 16
};
typedef float vector __attribute__((vector_size(LANES * sizeof(float))));

/* A row's values as [outer, units, inner]. */
struct units {
  size_t count, inner;
};

static struct units find_units(const struct shape *shape) {
  const size_t size = shape_size(shape);
  if (shape->rank == 0) return (struct units){.count = 1, .inner = 1};
  if (shape->rank == 2) return (struct units){.count = shape->sizes[1], .inner = 1};
  return (struct units){.count = shape->sizes[0], .inner = size / shape->sizes[0]};
}

static enum activation_flat flat_of(const struct spec *activation) {
  return activation == NULL || activation->kind == NULL ? ACTIVATION_NEVER_FLAT : activation_of(activation)->flat;
}

size_t activity_unit_count(const struct shape *shape, const struct spec *activation) {
  return flat_of(activation) == ACTIVATION_FLAT_BELOW ? find_units(shape).count : 0;
}

bool activity_can_saturate(const struct spec *activation) { return flat_of(activation) == ACTIVATION_FLAT_BOTH; }

/* Σ (a − shift) and Σ (a − shift)², at most CHUNK of them: value i belongs to partial sum i mod LANES. */
static void sum_chunk(size_t count, const float *a, float shift, double *sum, double *square) {
  vector sums = {0}, squares = {0};
  float rest[LANES] = {0};
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) {
    vector values;
    memcpy(&values, a + i, sizeof values);
    values -= shift;
    sums += values;
    squares += values * values;
  }
  for (size_t lane = 0; i < count; i++, lane++) rest[lane] = a[i] - shift;
  for (size_t lane = 0; lane < LANES; lane++) {
    *sum += (double)sums[lane] + (double)rest[lane];
    *square += (double)squares[lane] + (double)rest[lane] * (double)rest[lane];
  }
}

/* Mean and squares of both samples together (Chan, Golub, LeVeque 1979). Distances are taken from the first value, so that a large mean
 * costs no precision. */
static void add_moments(struct activity *activity, size_t count, const float *a) {
  const double n = (double)count;
  double sum = 0, square = 0;
  for (size_t done = 0; done < count; done += CHUNK) sum_chunk(count - done < CHUNK ? count - done : CHUNK, a + done, a[0], &sum, &square);
  const double total = activity->count + n, step = (double)a[0] + sum / n - activity->mean, centered = square - sum * sum / n;
  activity->mean += step * n / total;
  activity->square += (centered > 0 ? centered : 0) + step * step * activity->count * n / total;
  activity->count = total;
}

/* |f′(z)| of at most CHUNK values. */
static void take_slopes(const struct activity_batch *batch, size_t first, size_t count, float *slopes) {
  const struct activation_kind *kind = activation_of(batch->activation);
  for (size_t i = 0; i < count; i++) slopes[i] = 1;
  kind->backward(batch->activation->settings, 1, count, batch->z + first, batch->a + first, slopes);
  for (size_t i = 0; i < count; i++) slopes[i] = fabsf(slopes[i]);
}

static size_t count_flat(const struct activity_batch *batch, size_t first, size_t count) {
  const float bound = ACTIVITY_FLAT * activation_of(batch->activation)->steepest;
  float slopes[CHUNK];
  size_t flat = 0;
  for (size_t done = 0; done < count; done += CHUNK) {
    const size_t size = count - done < CHUNK ? count - done : CHUNK;
    take_slopes(batch, first + done, size, slopes);
    for (size_t i = 0; i < size; i++) flat += slopes[i] < bound;
  }
  return flat;
}

static void raise(size_t count, const float *restrict by, float *restrict peaks) {
  for (size_t i = 0; i < count; i++) peaks[i] = by[i] > peaks[i] ? by[i] : peaks[i];
}

/* Units are the last axis: `width` of them in each line. Where several lines fit, the later half is folded onto the earlier one. */
static void raise_lines(const struct activity_batch *batch, size_t width, size_t first, size_t count, float *peaks) {
  const size_t chunk = width < CHUNK ? CHUNK / width * width : CHUNK;
  float slopes[CHUNK];
  for (size_t done = 0, size; done < count; done += size) {
    const size_t unit = done % width, rest = width < CHUNK ? count - done : width - unit;
    size = rest < chunk ? rest : chunk;
    take_slopes(batch, first + done, size, slopes);
    for (size_t lines = size / width; lines > 1; lines -= lines / 2) raise(lines / 2 * width, slopes + (lines - lines / 2) * width, slopes);
    raise(size < width ? size : width, slopes, peaks + unit);
  }
}

/* Units are the first axis of each row: `inner` values of one after the other. */
static void raise_planes(const struct activity_batch *batch, const struct units *units, size_t first, size_t count, float *peaks) {
  float slopes[CHUNK];
  for (size_t done = 0, size; done < count; done += size) {
    float *peak = &peaks[done / units->inner % units->count];
    const size_t rest = units->inner - done % units->inner;
    size = rest < CHUNK ? rest : CHUNK;
    take_slopes(batch, first + done, size, slopes);
    for (size_t i = 0; i < size; i++) *peak = slopes[i] > *peak ? slopes[i] : *peak;
  }
}

/* Values that stand one after the other and begin with a row. */
static void add_values(struct activity *activity, float *peaks, const struct activity_batch *batch, size_t first, size_t count) {
  const enum activation_flat flat = flat_of(batch->activation);
  const struct units units = find_units(batch->shape);
  if (count == 0) return;
  add_moments(activity, count, batch->a + first);
  if (flat == ACTIVATION_FLAT_BOTH) activity->flat_count += (double)count_flat(batch, first, count);
  if (flat == ACTIVATION_FLAT_BELOW && units.inner == 1) raise_lines(batch, units.count, first, count, peaks);
  if (flat == ACTIVATION_FLAT_BELOW && units.inner > 1) raise_planes(batch, &units, first, count, peaks);
}

void activity_add(struct activity *activity, float *peaks, const struct activity_batch *batch) {
  const size_t size = shape_size(batch->shape), most = size < ACTIVITY_VALUES_MAX ? ACTIVITY_VALUES_MAX / size : 1;
  const size_t rows = batch->rows < most ? batch->rows : most;
  if (batch->lengths == NULL) {
    add_values(activity, peaks, batch, 0, rows * size);
    return;
  }
  const size_t step = size / batch->shape->sizes[0];
  for (size_t i = 0; i < rows; i++) add_values(activity, peaks, batch, i * size, batch->lengths[i] * step);
}

double activity_std(const struct activity *activity) { return activity->count > 0 ? sqrt(activity->square / activity->count) : 0; }

double activity_saturated_fraction(const struct activity *activity) {
  return activity->count > 0 ? activity->flat_count / activity->count : 0;
}

double activity_dead_fraction(const struct spec *activation, size_t unit_count, const float *peaks) {
  const float bound = ACTIVITY_DEAD * activation_of(activation)->steepest;
  size_t dead = 0;
  for (size_t i = 0; i < unit_count; i++) dead += peaks[i] <= bound;
  return unit_count > 0 ? (double)dead / (double)unit_count : 0;
}
