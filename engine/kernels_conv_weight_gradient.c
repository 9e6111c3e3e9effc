/* The weight and bias gradients of convolution (kernels_conv_private.h). */
#include "engine/kernels_conv_private.h"

#include <string.h>

#include "engine/kernels.h"
#include "engine/reduce.h"

/* Weight gradient */

/* δ of one sample, turned to [places, groups · lanes]; lanes that have no filter are 0. */
static void turn_delta(void *argument, size_t n) {
  const struct conv_job *job = argument;
  const struct conv_plan *plan = job->plan;
  const struct kernel_conv *conv = plan->conv;
  const float *from = job->delta + n * conv->filters * plan->places;
  const size_t step = conv->groups * plan->lanes;
  float *to = plan->deltas + n * plan->turned;
  for (size_t group = 0; group < conv->groups; group++, to += plan->lanes) {
    for (size_t lane = 0; lane < plan->lanes; lane += VECTOR_FLOATS) {
      const size_t f = group * plan->group_filters + lane, filters = work_smaller(VECTOR_FLOATS, plan->group_filters - lane);
      for (size_t j = 0; j < plan->places; j += VECTOR_FLOATS) {
        const size_t count = work_smaller(VECTOR_FLOATS, plan->places - j);
        const vector zeros = {0};
        vector square[VECTOR_FLOATS];
        if (conv->channels_last) {
          for (size_t i = 0; i < count; i++) square[i] = vector_load_some(from + (j + i) * conv->filters + f, filters);
        } else {
          for (size_t i = 0; i < VECTOR_FLOATS; i++)
            square[i] = i < filters ? vector_load_some(from + (f + i) * plan->places + j, count) : zeros;
          vector_transpose(square);
        }
        for (size_t i = 0; i < count; i++) vector_store(to + (j + i) * step + lane, square[i]);
      }
    }
  }
}

/* sums[rows][vectors] = Σ over places of values[row](j) · delta(j, lane …) */
static inline __attribute__((always_inline)) void add_outer_products(const struct conv_plan *plan, size_t rows, size_t vectors,
                                                                     const float *const *values, const float *delta, vector *sums) {
  const struct kernel_conv *conv = plan->conv;
  const size_t step = conv->groups * plan->lanes;
  vector tile[CONV_TILE_ROWS * CONV_TILE_VECTORS] = {0};
  for (size_t row = 0; row < conv->y.out; row++) {
    for (size_t j = row * plan->width; j < row * plan->width + conv->x.out; j++, delta += step) {
      vector deltas[CONV_TILE_VECTORS];
#pragma GCC unroll 2
      for (size_t v = 0; v < vectors; v++) deltas[v] = vector_load(delta + v * VECTOR_FLOATS);
#pragma GCC unroll 8
      for (size_t i = 0; i < rows; i++) {
        const float value = values[i][j];
#pragma GCC unroll 2
        for (size_t v = 0; v < vectors; v++) tile[i * vectors + v] += value * deltas[v];
      }
    }
  }
  for (size_t i = 0; i < rows * vectors; i++) sums[i] = tile[i];
}

#define OUTER_CASE(rows_)                                                                                                                  \
  case rows_:                                                                                                                              \
    if (vectors > 1)                                                                                                                       \
      add_outer_products(plan, rows_, 2, values, delta, sums);                                                                             \
    else                                                                                                                                   \
      add_outer_products(plan, rows_, 1, values, delta, sums);                                                                             \
    break;

static void compute_outer(const struct conv_plan *plan, size_t rows, size_t vectors, const float *const *values, const float *delta,
                          vector *sums) {
  switch (rows) {
#if CONV_LANE_PLACES > 6
    OUTER_CASE(5)
    OUTER_CASE(6)
    OUTER_CASE(7)
    OUTER_CASE(8)
#endif
    OUTER_CASE(3)
  default: OUTER_CASE(4)
  }
}

/* Of how many terms a tile is, so that the last of all is nearly full: more than half of CONV_TILE_ROWS. */
static size_t choose_rows(size_t terms) {
  size_t best = CONV_TILE_ROWS;
  for (size_t rows = CONV_TILE_ROWS - 1; rows > CONV_TILE_ROWS / 2; rows--)
    if (work_round_up(terms, rows) < work_round_up(terms, best)) best = rows;
  return best;
}

/* Adds the block's samples to a tile of sums: CONV_TILE_ROWS terms (c, k), all lanes of a group. */
static void add_lanes(void *argument, size_t item) {
  const struct conv_job *job = argument;
  const struct conv_plan *plan = job->plan;
  const size_t terms = plan->group_channels * plan->taps, tile_rows = choose_rows(terms), tiles = (terms + tile_rows - 1) / tile_rows;
  const size_t group = item / tiles, first = item % tiles * tile_rows, rows = work_smaller(tile_rows, terms - first);
  const size_t step = plan->conv->groups * plan->lanes;
  float *sums = plan->sums + first * step + group * plan->lanes;
  for (size_t n = 0; n < job->samples; n++) {
    const float *image = plan->images + n * plan->image + group * plan->group_channels * plan->channel, *values[CONV_TILE_ROWS];
    const float *delta = plan->deltas + n * plan->turned + group * plan->lanes;
    for (size_t i = 0; i < CONV_TILE_ROWS; i++) {
      const size_t term = first + work_smaller(i, rows - 1);
      values[i] = image + term / plan->taps * plan->channel + plan->shifts[term % plan->taps];
    }
    for (size_t lane = 0; lane < plan->lanes; lane += CONV_TILE_VECTORS * VECTOR_FLOATS) {
      const size_t vectors = plan->lanes - lane > VECTOR_FLOATS ? 2 : 1;
      vector tile[CONV_TILE_ROWS * CONV_TILE_VECTORS];
      compute_outer(plan, tile_rows, vectors, values, delta + lane, tile);
      for (size_t i = 0; i < rows; i++)
        for (size_t v = 0; v < vectors; v++) {
          float *sum = sums + i * step + lane + v * VECTOR_FLOATS;
          vector_store(sum, vector_load(sum) + tile[i * vectors + v]);
        }
    }
  }
}

/* Adds the block's samples to the sums of one filter, where a group has few. */
static void add_filter(void *argument, size_t f) {
  const struct conv_job *job = argument;
  const struct conv_plan *plan = job->plan;
  const size_t group = f / plan->group_filters, filter = plan->margin + plan->plane;
  const size_t end = (plan->conv->y.out - 1) * plan->width + plan->conv->x.out;
  for (size_t n = 0; n < job->samples; n++) {
    const float *delta = plan->deltas + n * plan->spread + f * filter + plan->margin;
    const float *image = plan->images + n * plan->image + group * plan->group_channels * plan->channel;
    for (size_t term = 0; term < plan->group_channels * plan->taps; term++) {
      const float *from = image + term / plan->taps * plan->channel + plan->shifts[term % plan->taps];
      vector lanes = {0};
      size_t j = 0;
      for (; j + VECTOR_FLOATS <= end; j += VECTOR_FLOATS) lanes += vector_load(delta + j) * vector_load(from + j);
      float sum = 0;
      for (; j < end; j++) sum += delta[j] * from[j];
      for (size_t lane = 0; lane < VECTOR_FLOATS; lane++) sum += lanes[lane];
      plan->sums[term * plan->conv->filters + f] += sum;
    }
  }
}

void kernel_conv_weight_gradient(const struct parallel *parallel, const struct kernel_conv *conv, const float *x, const float *delta,
                                 float *dw, float *work) {
  const struct conv_plan plan = conv_begin(conv, work);
  const size_t terms = plan.group_channels * plan.taps, step = conv->groups * plan.lanes;
  memset(plan.sums, 0, terms * step * sizeof *plan.sums);
  conv_clear_images(&plan);
  if (!plan.has_lanes) memset(plan.deltas, 0, work_smaller(plan.block, conv->batch) * plan.spread * sizeof *plan.deltas);
  for (size_t n = 0; n < conv->batch; n += plan.block) {
    struct conv_job job = {.plan = &plan, .samples = work_smaller(plan.block, conv->batch - n)};
    job.x = x + n * conv->channels * conv->y.in * conv->x.in;
    job.delta = delta + n * conv->filters * plan.places;
    const size_t places = job.samples * plan.places;
    conv_copy_images(parallel, &job);
    if (plan.has_lanes) {
      const size_t tile_rows = choose_rows(terms), tiles = (terms + tile_rows - 1) / tile_rows;
      conv_run_items(parallel, &job, turn_delta, job.samples, plan.turned / CONV_COPIES_PER_NS);
      conv_run_items(parallel, &job, add_lanes, tiles * conv->groups, places * tile_rows * plan.lanes / CONV_PRODUCTS_PER_NS);
    } else {
      conv_spread_deltas(parallel, &job);
      conv_run_items(parallel, &job, add_filter, conv->filters, places * terms / CONV_PRODUCTS_PER_NS);
    }
  }
  for (size_t f = 0; f < conv->filters; f++)
    for (size_t term = 0; term < terms; term++)
      dw[f * terms + term] = plan.sums[term * step + f / plan.group_filters * plan.lanes + f % plan.group_filters];
}

/* Bias gradient */

struct sums_job {
  size_t outer, channels, inner, channels_per_piece;
  const float *x;
  float *sums;
};

static void sums_piece(void *argument, size_t piece) {
  const struct sums_job *job = argument;
  const size_t first = piece * job->channels_per_piece, end = work_smaller(first + job->channels_per_piece, job->channels);
  for (size_t c = first; c < end; c++) {
    double sum = 0;
    for (size_t outer = 0; outer < job->outer; outer++) sum += reduce_sum(job->inner, job->x + (outer * job->channels + c) * job->inner);
    job->sums[c] = (float)sum;
  }
}

void kernel_channel_sums(const struct parallel *parallel, size_t outer, size_t channels, size_t inner, const float *x, float *sums) {
  if (inner == 1) {
    kernel_column_sums(parallel, outer, channels, x, sums);
    return;
  }
  struct sums_job job = {.outer = outer, .channels = channels, .inner = inner, .x = x, .sums = sums};
  job.channels_per_piece = parallel_items_per_piece(channels, outer * inner / CONV_COPIES_PER_NS);
  parallel_run(parallel, parallel_piece_count(channels, job.channels_per_piece), sums_piece, &job);
}
