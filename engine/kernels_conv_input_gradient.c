/* The input gradient of convolution (kernels_conv_private.h), phase by phase of the copy. */
#include "engine/kernels_conv_private.h"

#include <string.h>

/* Adds the gradients of the copy's entries u … of `channels` channels to the values that they are copies of. */
static void fold_tile(const struct conv_job *job, struct conv_strip strip, size_t phase, float *const *dx, size_t channels, size_t u,
                      const float *tile) {
  const struct conv_plan *plan = job->plan;
  const struct kernel_conv *conv = plan->conv;
  const size_t *columns = plan->columns + phase % plan->phases_x * plan->width, step = conv->channels_last ? conv->channels : 1;
  for (size_t column = 0; column < strip.columns;) {
    const size_t row = (u + column) / plan->width, x = (u + column) % plan->width;
    if (row >= plan->rows) return;
    const size_t count = work_smaller(strip.columns - column, plan->width - x);
    const size_t source = conv_find_source(&conv->y, conv->padding, phase / plan->phases_x, row);
    for (size_t i = 0; i < channels && source != SIZE_MAX; i++) {
      const float *from = tile + i * strip.columns + column;
      float *to = dx[i] + source * conv->x.in * step;
      for (size_t k = 0; k < count; k++)
        if (columns[x + k] != SIZE_MAX) to[columns[x + k] * step] += from[k];
    }
    column += count;
  }
}

/* dx of one strip of channels of one sample. */
static void input_gradient_strip(void *argument, size_t item) {
  const struct conv_job *job = argument;
  const struct conv_plan *plan = job->plan;
  const struct kernel_conv *conv = plan->conv;
  const struct conv_strip strip = conv_choose_strip(plan->group_channels);
  const size_t strips = (plan->group_channels + strip.rows - 1) / strip.rows, all = strips * conv->groups;
  const size_t n = item / all, group = item % all / strips, first = item % strips * strip.rows, size = conv->y.in * conv->x.in;
  const size_t channels = work_smaller(strip.rows, plan->group_channels - first), c = group * plan->group_channels + first;
  const size_t filter = plan->margin + plan->plane;
  const float *delta = plan->deltas + n * plan->spread + group * plan->group_filters * filter + plan->margin;
  float *dx[CONV_TILE_ROWS];
  for (size_t i = 0; i < channels; i++) {
    dx[i] = job->out + n * conv->channels * size + (conv->channels_last ? c + i : (c + i) * size);
    if (conv->channels_last)
      for (size_t x = 0; x < size; x++) dx[i][x * conv->channels] = 0;
    else
      memset(dx[i], 0, size * sizeof *dx[i]);
  }
  const float *phase_weights = plan->weights;
  for (size_t phase = 0, tap = 0; phase < plan->phases; phase++) {
    const size_t taps = plan->phase_ends[phase] - tap, terms = plan->group_filters * taps;
    const float *weights[CONV_TILE_ROWS];
    for (size_t i = 0; i < strip.rows; i++) weights[i] = phase_weights + (c + work_smaller(i, channels - 1)) * terms;
    for (size_t u = 0; u < plan->plane; u += strip.columns) {
      float tile[CONV_TILE_ROWS * CONV_TILE_VECTORS * VECTOR_FLOATS];
      conv_compute_tile(strip, plan->group_filters, taps, weights, delta + u, filter, plan->back_shifts + tap, tile);
      fold_tile(job, strip, phase, dx, channels, u, tile);
    }
    phase_weights += conv->channels * terms;
    tap += taps;
  }
}

/* The entries of a row of a phase that are copies of something: [first, end). */
static void find_columns(const struct conv_plan *plan, size_t phase, size_t *out_first, size_t *out_end) {
  const size_t *columns = plan->columns + phase % plan->phases_x * plan->width;
  size_t first = 0, end = plan->width;
  while (first < end && columns[first] == SIZE_MAX) first++;
  while (end > first && columns[end - 1] == SIZE_MAX) end--;
  *out_first = first;
  *out_end = end;
}

/* Adds the first `count` entries, from column x on, of a tile of lanes to the values that they are copies of. `dx` is the
 * row's, of the first channel. */
static void fold_lanes(const struct conv_job *job, size_t phase, float *dx, size_t channels, size_t x, size_t count, const vector *tile) {
  const struct conv_plan *plan = job->plan;
  const struct kernel_conv *conv = plan->conv;
  const size_t *columns = plan->columns + phase % plan->phases_x * plan->width + x;
  const size_t vectors = (channels + VECTOR_FLOATS - 1) / VECTOR_FLOATS, plane = conv->y.in * conv->x.in;
  for (size_t v = 0; v < vectors;
       v++, dx += conv->channels_last ? VECTOR_FLOATS : VECTOR_FLOATS * plane, channels -= work_smaller(channels, VECTOR_FLOATS)) {
    if (conv->channels_last) {
      for (size_t i = 0; i < count; i++) {
        float *to = dx + columns[i] * conv->channels;
        if (columns[i] != SIZE_MAX) vector_store_some(to, vector_load_some(to, channels) + tile[i * vectors + v], channels);
      }
      continue;
    }
    vector turned[VECTOR_FLOATS];
    conv_turn_tile(count, vectors, tile + v, turned);
    for (size_t c = 0; c < work_smaller(channels, VECTOR_FLOATS); c++) {
      if (conv_is_plain(conv)) {
        vector_store_some(dx + c * plane + columns[0], turned[c], count);
        continue;
      }
      for (size_t i = 0; i < count; i++)
        if (columns[i] != SIZE_MAX) dx[c * plane + columns[i]] += turned[c][i];
    }
  }
}

static void clear_channels(const struct kernel_conv *conv, float *dx, size_t channels) {
  const size_t values = conv->y.in * conv->x.in;
  if (!conv->channels_last)
    memset(dx, 0, channels * values * sizeof *dx);
  else
    for (size_t i = 0; i < values; i++) memset(dx + i * conv->channels, 0, channels * sizeof *dx);
}

/* dx of one block of lanes of one sample. */
static void input_gradient_lanes(void *argument, size_t item) {
  const struct conv_job *job = argument;
  const struct conv_plan *plan = job->plan;
  const struct kernel_conv *conv = plan->conv;
  const size_t lanes = plan->backward.lanes, blocks = (lanes + CONV_LANE_BLOCK - 1) / CONV_LANE_BLOCK, all = blocks * conv->groups;
  const size_t n = item / all, group = item % all / blocks, lane = item % blocks * CONV_LANE_BLOCK;
  const size_t channels = work_smaller(CONV_LANE_BLOCK, plan->group_channels - lane),
               vectors = (channels + VECTOR_FLOATS - 1) / VECTOR_FLOATS;
  const size_t c = group * plan->group_channels + lane, plane = conv->y.in * conv->x.in, filter = plan->margin + plan->plane;
  const float *delta = plan->deltas + n * plan->spread + group * plan->group_filters * filter + plan->margin;
  float *dx = job->out + n * conv->channels * plane + (conv->channels_last ? c : c * plane);
  if (!conv_is_plain(conv) || conv->channels_last) clear_channels(conv, dx, channels);
  for (size_t phase = 0, tap = 0; phase < plan->phases; tap = plan->phase_ends[phase++]) {
    struct conv_lane_tile t = {.outer = plan->group_filters, .taps = plan->phase_ends[phase] - tap, .weight_step = lanes, .step = filter};
    t.weights = plan->weights + (conv->groups * tap + group * t.taps) * plan->group_filters * lanes + lane;
    t.shifts = plan->back_shifts + tap;
    size_t first, end;
    find_columns(plan, phase, &first, &end);
    const struct conv_cut_row cut_row = conv_cut_places(end - first);
    for (size_t row = 0; row < plan->rows; row++) {
      const size_t source = conv_find_source(&conv->y, conv->padding, phase / plan->phases_x, row);
      for (size_t x = first; x < end && source != SIZE_MAX; x += cut_row.tile) {
        vector tile[CONV_LANE_PLACES * CONV_LANE_VECTORS];
        t.from = delta + row * plan->width + x;
        conv_compute_lanes(cut_row.tile, vectors, &t, tile);
        fold_lanes(job, phase, dx + source * conv->x.in * (conv->channels_last ? conv->channels : 1), channels, x,
                   work_smaller(cut_row.tile, end - x), tile);
      }
    }
  }
}

/* Phase by phase, [filters, channels of a group, taps] → by lanes [groups, filters of a group, taps of the phase, lanes], or without
 * [channels, filters of a group, taps of the phase]. */
static void turn_weights(const struct conv_plan *plan, const float *w) {
  const struct kernel_conv *conv = plan->conv;
  const size_t lanes = plan->backward.lanes, group_filters = plan->group_filters, group_channels = plan->group_channels;
  for (size_t phase = 0, tap = 0; phase < plan->phases; tap = plan->phase_ends[phase++]) {
    const size_t taps = plan->phase_ends[phase] - tap;
    const size_t term_step = plan->backward.has_lanes ? lanes : 1, channel_step = plan->backward.has_lanes ? 1 : group_filters * taps;
    for (size_t f = 0; f < conv->filters; f++) {
      const size_t group = f / group_filters, i = f % group_filters;
      for (size_t k = 0; k < taps; k++) {
        float *to = plan->weights + (conv->groups * tap + group * taps) * group_filters * lanes + (i * taps + k) * term_step;
        for (size_t c = 0; c < lanes; c++)
          to[c * channel_step] = c < group_channels ? w[(f * group_channels + c) * plan->taps + plan->back_taps[tap + k]] : 0;
      }
    }
  }
}

void kernel_conv_input_gradient(const struct parallel *parallel, const struct kernel_conv *conv, const float *delta, const float *w,
                                float *dx, float *work) {
  const struct conv_plan plan = conv_begin(conv, work);
  const struct conv_strip strip = conv_choose_strip(plan.group_channels);
  const size_t strips = (plan.group_channels + strip.rows - 1) / strip.rows * conv->groups;
  const size_t blocks = (plan.backward.lanes + CONV_LANE_BLOCK - 1) / CONV_LANE_BLOCK * conv->groups;
  const size_t row_cost = plan.backward.terms * plan.plane / CONV_PRODUCTS_PER_NS;
  turn_weights(&plan, w);
  memset(plan.deltas, 0, work_smaller(plan.block, conv->batch) * plan.spread * sizeof *plan.deltas);
  for (size_t n = 0; n < conv->batch; n += plan.block) {
    struct conv_job job = {.plan = &plan, .samples = work_smaller(plan.block, conv->batch - n)};
    job.delta = delta + n * conv->filters * plan.places;
    job.out = dx + n * conv->channels * conv->y.in * conv->x.in;
    conv_spread_deltas(parallel, &job);
    if (plan.backward.has_lanes)
      conv_run_items(parallel, &job, input_gradient_lanes, job.samples * blocks, row_cost * CONV_LANE_BLOCK);
    else
      conv_run_items(parallel, &job, input_gradient_strip, job.samples * strips, row_cost * strip.rows);
  }
}
