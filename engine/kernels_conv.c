/* Convolution forward, as products of shifted rows (kernels_conv_private.h). */
#include "engine/kernels_conv_private.h"

/* Writes the valid part of a tile whose first place is j. */
static void store_places(const struct conv_job *job, struct conv_strip strip, size_t n, size_t f, size_t filters, size_t j,
                         const float *tile) {
  const struct conv_plan *plan = job->plan;
  const struct kernel_conv *conv = plan->conv;
  float *z = job->out + n * conv->filters * plan->places;
  const size_t filter_step = conv->channels_last ? 1 : plan->places, place_step = conv->channels_last ? conv->filters : 1;
  for (size_t column = 0; column < strip.columns;) {
    const size_t row = (j + column) / plan->width, x = (j + column) % plan->width, rest = strip.columns - column;
    if (row >= conv->y.out) return;
    const size_t count = x < conv->x.out ? work_smaller(rest, conv->x.out - x) : 0;
    for (size_t i = 0; i < filters; i++) {
      const float bias = job->bias == NULL ? 0 : job->bias[f + i];
      const float *from = tile + i * strip.columns + column;
      float *to = z + (f + i) * filter_step + (row * conv->x.out + x) * place_step;
      if (place_step == 1)
        for (size_t k = 0; k < count; k++) to[k] = from[k] + bias;
      else
        for (size_t k = 0; k < count; k++) to[k * place_step] = from[k] + bias;
    }
    column += work_smaller(rest, plan->width - x);
  }
}

/* Writes the part of a tile that begins in a row of places and ends with it, if not before. */
static void store_row(const struct conv_job *job, struct conv_strip strip, size_t n, size_t f, size_t filters, size_t place, size_t count,
                      const float *tile) {
  const struct conv_plan *plan = job->plan;
  float *z = job->out + (n * plan->conv->filters + f) * plan->places + place;
  for (size_t i = 0; i < filters; i++, z += plan->places, tile += strip.columns) {
    const float bias = job->bias == NULL ? 0 : job->bias[f + i];
    for (size_t k = 0; k < count; k += VECTOR_FLOATS) vector_store_some(z + k, vector_load(tile + k) + bias, count - k);
  }
}

/* Whether rows of places nearly fill tiles: then each begins a tile of its own. */
static bool fits_rows(const struct kernel_conv *conv, struct conv_strip strip) {
  return !conv->channels_last && 5 * conv->x.out > 4 * work_round_up(conv->x.out, strip.columns);
}

/* z of one strip of filters of one sample. */
static void forward_strip(void *argument, size_t item) {
  const struct conv_job *job = argument;
  const struct conv_plan *plan = job->plan;
  const struct conv_strip strip = conv_choose_strip(plan->group_filters);
  const size_t strips = (plan->group_filters + strip.rows - 1) / strip.rows, all = strips * plan->conv->groups;
  const size_t n = item / all, group = item % all / strips, first = item % strips * strip.rows;
  const size_t filters = work_smaller(strip.rows, plan->group_filters - first), f = group * plan->group_filters + first;
  const float *image = plan->images + n * plan->image + group * plan->group_channels * plan->channel;
  const float *weights[CONV_TILE_ROWS];
  for (size_t i = 0; i < strip.rows; i++) weights[i] = job->w + (f + work_smaller(i, filters - 1)) * plan->group_channels * plan->taps;
  const size_t end = (plan->conv->y.out - 1) * plan->width + plan->conv->x.out;
  if (fits_rows(plan->conv, strip)) {
    for (size_t place = 0, x = 0; place < plan->places; x += strip.columns) {
      if (x >= plan->conv->x.out) {
        image += plan->width;
        x = 0;
      }
      const size_t count = work_smaller(strip.columns, plan->conv->x.out - x);
      float tile[CONV_TILE_ROWS * CONV_TILE_VECTORS * VECTOR_FLOATS];
      conv_compute_tile(strip, plan->group_channels, plan->taps, weights, image + x, plan->channel, plan->shifts, tile);
      store_row(job, strip, n, f, filters, place, count, tile);
      place += count;
    }
    return;
  }
  for (size_t j = 0; j < end; j += strip.columns) {
    float tile[CONV_TILE_ROWS * CONV_TILE_VECTORS * VECTOR_FLOATS];
    conv_compute_tile(strip, plan->group_channels, plan->taps, weights, image + j, plan->channel, plan->shifts, tile);
    store_places(job, strip, n, f, filters, j, tile);
  }
}

/* Writes the first `count` places of a tile of lanes, from filter f and place (row, x) on. */
static void store_lanes(const struct conv_job *job, size_t n, size_t f, size_t filters, size_t place, size_t count, const vector *tile) {
  const struct conv_plan *plan = job->plan;
  const struct kernel_conv *conv = plan->conv;
  float *z = job->out + n * conv->filters * plan->places;
  const size_t vectors = (filters + VECTOR_FLOATS - 1) / VECTOR_FLOATS;
  for (size_t v = 0; v < vectors; v++, f += VECTOR_FLOATS, filters -= work_smaller(filters, VECTOR_FLOATS)) {
    vector bias = {0};
    if (job->bias != NULL) bias = vector_load_some(job->bias + f, filters);
    if (conv->channels_last) {
      for (size_t i = 0; i < count; i++) vector_store_some(z + (place + i) * conv->filters + f, tile[i * vectors + v] + bias, filters);
      continue;
    }
    vector turned[VECTOR_FLOATS];
    conv_turn_tile(count, vectors, tile + v, turned);
    for (size_t i = 0; i < work_smaller(filters, VECTOR_FLOATS); i++)
      vector_store_some(z + (f + i) * plan->places + place, turned[i] + bias[i], count);
  }
}

/* z of one block of lanes of one sample. */
static void forward_lanes(void *argument, size_t item) {
  const struct conv_job *job = argument;
  const struct conv_plan *plan = job->plan;
  const struct kernel_conv *conv = plan->conv;
  const size_t blocks = (plan->forward.lanes + CONV_LANE_BLOCK - 1) / CONV_LANE_BLOCK, all = blocks * conv->groups;
  const size_t n = item / all, group = item % all / blocks, lane = item % blocks * CONV_LANE_BLOCK;
  const size_t filters = work_smaller(CONV_LANE_BLOCK, plan->group_filters - lane), vectors = (filters + VECTOR_FLOATS - 1) / VECTOR_FLOATS;
  const struct conv_cut_row cut_row = conv_cut_places(conv->x.out);
  struct conv_lane_tile t = {.outer = plan->group_channels, .taps = plan->taps, .weight_step = plan->forward.lanes, .step = plan->channel};
  t.weights = plan->weights + group * plan->forward.terms * plan->forward.lanes + lane;
  t.shifts = plan->shifts;
  for (size_t row = 0; row < conv->y.out; row++) {
    t.from = plan->images + n * plan->image + group * plan->group_channels * plan->channel + row * plan->width;
    for (size_t x = 0; x < conv->x.out; x += cut_row.tile, t.from += cut_row.tile) {
      vector tile[CONV_LANE_PLACES * CONV_LANE_VECTORS];
      conv_compute_lanes(cut_row.tile, vectors, &t, tile);
      const size_t count = work_smaller(cut_row.tile, conv->x.out - x);
      store_lanes(job, n, group * plan->group_filters + lane, filters, row * conv->x.out + x, count, tile);
    }
  }
}

/* [filters, terms] → [groups, terms, lanes] */
static void pack_weights(const struct conv_plan *plan, const float *w) {
  const struct conv_side *side = &plan->forward;
  float *to = plan->weights;
  for (size_t group = 0; group < plan->conv->groups; group++, w += side->results * side->terms)
    for (size_t term = 0; term < side->terms; term++, to += side->lanes)
      for (size_t i = 0; i < side->lanes; i++) to[i] = i < side->results ? w[i * side->terms + term] : 0;
}

void kernel_conv_forward(const struct parallel *parallel, const struct kernel_conv *conv, const float *x, const float *w, const float *bias,
                         float *z, float *work) {
  const struct conv_plan plan = conv_begin(conv, work);
  const struct conv_strip strip = conv_choose_strip(plan.group_filters);
  const size_t strips = (plan.group_filters + strip.rows - 1) / strip.rows * conv->groups;
  const size_t blocks = (plan.forward.lanes + CONV_LANE_BLOCK - 1) / CONV_LANE_BLOCK * conv->groups;
  const size_t row_cost = plan.forward.terms * plan.places / CONV_PRODUCTS_PER_NS;
  if (plan.forward.has_lanes) pack_weights(&plan, w);
  conv_clear_images(&plan);
  for (size_t n = 0; n < conv->batch; n += plan.block) {
    struct conv_job job = {.plan = &plan, .w = w, .bias = bias, .samples = work_smaller(plan.block, conv->batch - n)};
    job.x = x + n * conv->channels * conv->y.in * conv->x.in;
    job.out = z + n * conv->filters * plan.places;
    conv_copy_images(parallel, &job);
    if (plan.forward.has_lanes)
      conv_run_items(parallel, &job, forward_lanes, job.samples * blocks, row_cost * CONV_LANE_BLOCK);
    else
      conv_run_items(parallel, &job, forward_strip, job.samples * strips, row_cost * strip.rows);
  }
}
