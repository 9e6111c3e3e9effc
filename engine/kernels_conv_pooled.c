/* Pooled convolutions (kernels_conv_pooled.h), forward. A tile holds in registers all places of some windows of a row for some vectors of
 * filters; their sums run over channels, then taps, as those of kernels_conv.c do.
 */
#include "engine/kernels_conv_pooled_private.h"

#include <string.h>

#if defined(__AVX512F__)
#define WIDE_WINDOWS 3
#define NARROW_WINDOWS 6
#else
#define WIDE_WINDOWS 1
#define NARROW_WINDOWS 2
#endif
enum {
  TILE_VECTORS = 2, /* of filters */
  TILE_LANES = TILE_VECTORS * VECTOR_FLOATS,
  SLACK = 2 * VECTOR_FLOATS,
  SLOTS_MIN = 4,
  SLOTS_MAX = 16,
  SLOT_FLOATS = 1 << 20 /* of all slots, unless the fewest have more */
};

bool kernel_conv_pooled_can(const struct kernel_conv *conv, const struct kernel_pool *pool) {
  const struct kernel_axis *const axes[2] = {&conv->y, &conv->x}, *const pools[2] = {&pool->y, &pool->x};
  for (size_t i = 0; i < 2; i++) {
    if (axes[i]->stride != 1 || axes[i]->dilation != 1 || pools[i]->in != axes[i]->out) return false;
    if (pools[i]->size != 2 || pools[i]->stride != 2 || pools[i]->dilation != 1 || pools[i]->before != 0) return false;
    if (pools[i]->out != axes[i]->out / 2 || pools[i]->out == 0) return false;
  }
  return conv->padding == KERNEL_PAD_ZEROS && conv->groups == 1 && !conv->channels_last && pool->inner == 1 && pool->lengths == NULL &&
         conv->filters >= VECTOR_FLOATS / 2;
}

/* Sizes */

struct pooled_plan pooled_make_plan(const struct kernel_conv *conv, struct work_cutter *cutter) {
  struct pooled_plan plan = {.conv = conv, .windows_y = conv->y.out / 2, .windows_x = conv->x.out / 2};
  bool *is_overflow = &cutter->is_overflow;
  plan.taps = work_multiply(is_overflow, conv->y.size, conv->x.size);
  plan.terms = work_multiply(is_overflow, conv->channels, plan.taps);
  plan.rows = conv->y.out + conv->y.size - 1;
  plan.width = conv->x.out + conv->x.size - 1;
  plan.plane = work_multiply(is_overflow, plan.rows, plan.width);
  plan.windows = work_multiply(is_overflow, plan.windows_y, plan.windows_x);
  plan.lanes = work_round_up(conv->filters, VECTOR_FLOATS);
  plan.channels = work_round_up(conv->channels, VECTOR_FLOATS);
  plan.has_filter_lanes = POOLED_PLACES * conv->channels <= plan.channels;
  plan.image = work_round_up(work_multiply(is_overflow, conv->channels, plan.plane) + SLACK, VECTOR_FLOATS);
  plan.pool = work_multiply(is_overflow, work_round_up(plan.windows, VECTOR_FLOATS), plan.lanes);
  plan.partial = plan.has_filter_lanes ? work_multiply(is_overflow, plan.terms + 1, plan.lanes) : 0;
  plan.turned = work_multiply(is_overflow, work_round_up(plan.plane, VECTOR_FLOATS), plan.channels);
  plan.has_winograd = pooled_can_winograd(conv);
  plan.transformed =
      plan.has_winograd ? work_multiply(is_overflow, work_multiply(is_overflow, plan.windows, POOLED_POINTS), plan.channels) : 0;
  const size_t by_channels = plan.turned + plan.transformed + plan.pool;
  plan.slot = plan.image + plan.pool + plan.partial;
  if (plan.slot < by_channels) plan.slot = by_channels;
  plan.slot_count = SLOT_FLOATS / plan.slot + 1;
  if (plan.slot_count < SLOTS_MIN) plan.slot_count = SLOTS_MIN;
  if (plan.slot_count > SLOTS_MAX) plan.slot_count = SLOTS_MAX;
  plan.shifts = work_cut(cutter, plan.taps, sizeof *plan.shifts);
  plan.bases = work_cut(cutter, plan.windows, sizeof *plan.bases);
  plan.bias_sums = work_cut(cutter, plan.lanes, sizeof *plan.bias_sums);
  const size_t points = work_multiply(is_overflow, plan.has_winograd ? POOLED_POINTS : plan.taps, conv->channels);
  const size_t by_filter = work_multiply(is_overflow, plan.lanes, points);
  const size_t by_channel = work_multiply(is_overflow, work_multiply(is_overflow, conv->filters, plan.taps), plan.channels);
  const size_t weights = by_filter > by_channel ? by_filter : by_channel;
  plan.weights = work_cut(cutter, weights, sizeof *plan.weights);
  plan.sum_count = plan.has_filter_lanes ? plan.partial : by_channel;
  plan.sums = work_cut(cutter, plan.sum_count, sizeof *plan.sums);
  plan.slots = work_cut(cutter, work_multiply(is_overflow, plan.slot, plan.slot_count), sizeof *plan.slots);
  return plan;
}

size_t kernel_conv_pooled_work_size(const struct kernel_conv *conv) {
  struct work_cutter cutter = {0};
  (void)pooled_make_plan(conv, &cutter);
  return cutter.is_overflow ? 0 : cutter.used / sizeof(float);
}

size_t kernel_conv_pooled_winner_bytes(const struct kernel_conv *conv) {
  bool is_overflow = false;
  const size_t windows = work_multiply(&is_overflow, conv->y.out / 2, conv->x.out / 2);
  return work_multiply(&is_overflow, windows, work_round_up(conv->filters, VECTOR_FLOATS));
}

struct pooled_plan pooled_begin(const struct kernel_conv *conv, float *work) {
  struct work_cutter cutter = {.memory = (char *)work};
  struct pooled_plan plan = pooled_make_plan(conv, &cutter);
  for (size_t tap = 0; tap < plan.taps; tap++) plan.shifts[tap] = tap / conv->x.size * plan.width + tap % conv->x.size;
  for (size_t window = 0; window < plan.windows; window++)
    plan.bases[window] = 2 * (window / plan.windows_x * plan.width + window % plan.windows_x);
  for (size_t place = 0; place < POOLED_PLACES; place++) plan.steps[place] = place / 2 * plan.width + place % 2;
  return plan;
}

/* Samples */

void pooled_run(const struct parallel *parallel, struct pooled_job *job, size_t cost, parallel_piece *piece,
                void (*end_round)(const struct pooled_job *job, size_t piece_count)) {
  const size_t batch = job->plan->conv->batch;
  const bool is_alone = parallel == NULL || parallel->thread_count <= 1; /* then one slot, which stays in the cache */
  job->samples = parallel_items_per_piece(batch, cost);
  for (job->first = 0; job->first < batch; job->first = job->end) {
    job->end = work_smaller(job->first + job->samples * (is_alone ? 1 : job->plan->slot_count), batch);
    const size_t count = parallel_piece_count(job->end - job->first, job->samples);
    parallel_run(parallel, count, piece, job);
    if (end_round != NULL) end_round(job, count);
  }
}

void pooled_clear_slots(const struct pooled_plan *plan, size_t count) {
  for (size_t slot = 0; slot < work_smaller(plan->slot_count, plan->conv->batch); slot++)
    memset(pooled_slot(plan, slot), 0, count * sizeof(float));
}

void pooled_copy_image(const struct pooled_plan *plan, const float *x, float *image) {
  const struct kernel_conv *conv = plan->conv;
  image += conv->y.before * plan->width + conv->x.before;
  for (size_t c = 0; c < conv->channels; c++, image += plan->plane)
    for (size_t row = 0; row < conv->y.in; row++, x += conv->x.in)
      for (size_t i = 0; i < conv->x.in; i += VECTOR_FLOATS) {
        const size_t count = conv->x.in - i;
        vector_store_some(image + row * plan->width + i, vector_load_some(x + i, count), count);
      }
}

void pooled_turn_image(const struct pooled_plan *plan, const float *x, float *turned) {
  const struct kernel_conv *conv = plan->conv;
  const size_t values = conv->y.in * conv->x.in;
  for (size_t y = 0; y < conv->y.in; y++) {
    for (size_t at = 0; at < conv->x.in; at += VECTOR_FLOATS) {
      const size_t count = work_smaller(VECTOR_FLOATS, conv->x.in - at);
      for (size_t c = 0; c < conv->channels; c += VECTOR_FLOATS)
        vector_turn(x + c * values + y * conv->x.in + at, values, work_smaller(VECTOR_FLOATS, conv->channels - c), count,
                    turned + pooled_turned_place(plan, y, at, c), plan->channels);
    }
  }
}

void pooled_turn_windows(const struct pooled_plan *plan, const float *held, size_t lanes, size_t filters, float *z) {
  for (size_t f = 0; f < filters; f += VECTOR_FLOATS)
    for (size_t window = 0; window < plan->windows; window += VECTOR_FLOATS)
      vector_turn(held + window * lanes + f, lanes, work_smaller(VECTOR_FLOATS, plan->windows - window),
                  work_smaller(VECTOR_FLOATS, filters - f), z + f * plan->windows + window, plan->windows);
}

/* Forward */

/* [filters, terms] → [blocks of TILE_LANES, terms, the block's lanes] */
static void arrange_weights(const struct pooled_plan *plan, const float *w) {
  float *to = plan->weights;
  for (size_t first = 0; first < plan->lanes; first += TILE_LANES) {
    const size_t lanes = work_smaller(TILE_LANES, plan->lanes - first);
    for (size_t term = 0; term < plan->terms; term++, to += lanes)
      for (size_t i = 0; i < lanes; i++) to[i] = first + i < plan->conv->filters ? w[(first + i) * plan->terms + term] : 0;
  }
}

/* Where a tile reads and writes. */
struct tile {
  const struct pooled_plan *plan;
  bool is_rectified;
  const float *from, *weights;
  vector bias[TILE_VECTORS];
  float *held;      /* [windows, vectors] of the block */
  uint8_t *winners; /* [windows, lanes]; NULL: nobody wants them */
};

/* windows and vectors are constants wherever this is inlined. */
static inline __attribute__((always_inline)) void compute_windows(size_t windows, size_t vectors, const struct tile *t) {
  const struct pooled_plan *plan = t->plan;
  const size_t taps = plan->taps, width = plan->width;
  const float *from = t->from, *weights = t->weights;
  vector sums[NARROW_WINDOWS * POOLED_PLACES] = {0};
  for (size_t c = 0; c < plan->conv->channels; c++, from += plan->plane) {
    for (size_t tap = 0; tap < taps; tap++, weights += vectors * VECTOR_FLOATS) {
      const float *upper = from + plan->shifts[tap], *lower = upper + width;
      const vector first = vector_load(weights), second = vectors > 1 ? vector_load(weights + VECTOR_FLOATS) : first;
#pragma GCC unroll 12
      for (size_t i = 0; i < 2 * windows; i++) {
        const size_t at = (i / 2 * POOLED_PLACES + i % 2) * vectors;
        sums[at] += upper[i] * first;
        sums[at + 2 * vectors] += lower[i] * first;
        if (vectors > 1) sums[at + 1] += upper[i] * second;
        if (vectors > 1) sums[at + 1 + 2 * vectors] += lower[i] * second;
      }
    }
  }
#pragma GCC unroll 6
  for (size_t i = 0; i < windows; i++) {
#pragma GCC unroll 2
    for (size_t v = 0; v < vectors; v++) {
      vector places[POOLED_PLACES], largest;
      vector_lanes winner;
#pragma GCC unroll 4
      for (size_t p = 0; p < POOLED_PLACES; p++) places[p] = sums[(i * POOLED_PLACES + p) * vectors + v] + t->bias[v];
      pooled_choose(places, t->is_rectified, &largest, &winner);
      vector_store(t->held + (i * vectors + v) * VECTOR_FLOATS, largest);
      if (t->winners == NULL) continue;
      vector_store_bytes(t->winners + i * plan->lanes + v * VECTOR_FLOATS, winner);
    }
  }
}

/* Each in a function of its own, or the compiler runs out of registers. */
#define TILE_KIND(windows_, vectors_)                                                                                                      \
  static __attribute__((noinline)) void tile_##windows_##_##vectors_(const struct tile *t) { compute_windows(windows_, vectors_, t); }
typedef void tile_kind(const struct tile *t);
TILE_KIND(1, 1)
TILE_KIND(1, 2)
TILE_KIND(2, 1)
#if WIDE_WINDOWS > 1
TILE_KIND(3, 1)
TILE_KIND(4, 1)
TILE_KIND(5, 1)
TILE_KIND(6, 1)
TILE_KIND(2, 2)
TILE_KIND(3, 2)
static tile_kind *const wide[WIDE_WINDOWS] = {tile_1_2, tile_2_2, tile_3_2};
static tile_kind *const narrow[NARROW_WINDOWS] = {tile_1_1, tile_2_1, tile_3_1, tile_4_1, tile_5_1, tile_6_1};
#else
static tile_kind *const wide[WIDE_WINDOWS] = {tile_1_2};
static tile_kind *const narrow[NARROW_WINDOWS] = {tile_1_1, tile_2_1};
#endif

/* All windows of one sample for one block of filters. */
static void forward_block(const struct pooled_job *job, const float *image, size_t n, size_t first, float *held) {
  const struct pooled_plan *plan = job->plan;
  const size_t lanes = work_smaller(TILE_LANES, plan->lanes - first), vectors = lanes / VECTOR_FLOATS;
  const size_t most = vectors > 1 ? WIDE_WINDOWS : NARROW_WINDOWS, tiles = (plan->windows_x + most - 1) / most;
  tile_kind *const *kinds = vectors > 1 ? wide : narrow;
  struct tile tile = {.plan = plan, .is_rectified = job->is_rectified, .weights = plan->weights + first * plan->terms, .held = held};
  for (size_t v = 0; v < vectors && job->bias != NULL; v++) {
    const size_t f = first + v * VECTOR_FLOATS;
    tile.bias[v] = vector_load_some(job->bias + f, plan->conv->filters - f);
  }
  if (job->winners != NULL) tile.winners = job->winners + n * plan->windows * plan->lanes + first;
  for (size_t row = 0; row < plan->windows_y; row++) {
    for (size_t i = 0, x = 0; i < tiles; i++) {
      const size_t end = (i + 1) * plan->windows_x / tiles, count = end - x; /* tiles of about equal size */
      tile.from = image + 2 * (row * plan->width + x);
      kinds[count - 1](&tile);
      tile.held += count * lanes;
      if (tile.winners != NULL) tile.winners += count * plan->lanes;
      x = end;
    }
  }
  pooled_turn_windows(plan, held, lanes, work_smaller(lanes, plan->conv->filters - first),
                      job->out + (n * plan->conv->filters + first) * plan->windows);
}

static void sums_piece(void *argument, size_t piece) {
  const struct pooled_job *job = argument;
  const struct pooled_plan *plan = job->plan;
  const struct pooled_samples samples = pooled_samples_of(job, piece);
  float *image = pooled_slot(plan, piece), *held = image + plan->image;
  for (size_t n = samples.first; n < samples.end; n++) {
    pooled_copy_image(plan, job->x + n * plan->conv->channels * plan->conv->y.in * plan->conv->x.in, image);
    for (size_t first = 0; first < plan->lanes; first += TILE_LANES) forward_block(job, image, n, first, held);
  }
}

static void winograd_piece(void *argument, size_t piece) {
  const struct pooled_job *job = argument;
  const struct pooled_samples samples = pooled_samples_of(job, piece);
  for (size_t n = samples.first; n < samples.end; n++) pooled_forward_winograd(job, n, pooled_slot(job->plan, piece));
}

void kernel_conv_pooled_forward(const struct parallel *parallel, const struct kernel_conv_pooled *pooled, const float *x, const float *w,
                                const float *bias, float *z, uint8_t *winners, float *work) {
  const struct pooled_plan plan = pooled_begin(&pooled->conv, work);
  struct pooled_job job = {.plan = &plan, .is_rectified = pooled->is_rectified, .x = x, .bias = bias, .out = z, .winners = winners};
  const size_t cost = POOLED_PLACES * plan.windows * plan.terms * plan.lanes / POOLED_PRODUCTS_PER_NS;
  if (plan.has_winograd) {
    pooled_transform_weights(&plan, w);
    pooled_clear_slots(&plan, plan.turned);
    pooled_run(parallel, &job, cost / 2, winograd_piece, NULL);
  } else {
    arrange_weights(&plan, w);
    pooled_clear_slots(&plan, plan.image);
    pooled_run(parallel, &job, cost, sums_piece, NULL);
  }
}
