/* Convolution as products of shifted rows.
 *
 * Each image is first copied, with what the padding makes up, so that every tap of the window reads it at a fixed distance. With strides it
 * is also taken apart: values that one tap reads are a stride apart, so those of each remainder by the stride, a phase, are put side by side.
 * A copy is [channels, phases, rows, width]; place (o_y, o_x) has the number j = o_y · width + o_x in it, and tap k of channel c
 * reads the copy at  c · channel + shift(k) + j.  What lies between the rows, at j with o_x ≥ x.out, is computed and dropped.
 *
 *   forward           z(f, j) = bias(f) + Σ over c, k of w[f, c, k] · copy(c, shift(k) + j)
 *   input gradient    the copy's gradient, phase by phase:  (c, u) = Σ over f, taps k of the phase of w[f, c, k] · δ(f, u − shift(k)),
 *                     where δ has the same rows, with zeros between and around; then what padding copied is added up
 *   weight gradient   dw[f, c, k] = Σ over samples, places of δ(f, j) · copy(c, shift(k) + j)
 *
 * Samples go by in blocks whose copies stay near in the cache. Sums run over channels (or filters), then taps, in order; weight gradients over
 * the places of a sample, then samples. Letters: f filter, c channel, k tap, j place; g group; n sample.
 */
#include <stdint.h>
#include <string.h>

#include "engine/kernels.h"
#include "engine/kernels_window.h"
#include "engine/reduce.h"
#include "engine/vector_float.h"

/* Tiles as large as the registers hold, of no more places than a vector has lanes. */
#if defined(__AVX512F__)
#define LANE_PLACES 14
enum { TILE_ROWS = 8 };
#elif defined(__AVX__)
#define LANE_PLACES 6
enum { TILE_ROWS = 4 };
#else
#define LANE_PLACES 4
enum { TILE_ROWS = 4 };
#endif
_Static_assert(LANE_PLACES <= (int)VECTOR_FLOATS, "a tile's places are turned to one vector");
enum {
  TILE_VECTORS = 2,                     /* of places, beside TILE_ROWS filters */
  LONE_VECTORS = 4,                     /* of places, beside one filter */
  SLACK = LONE_VECTORS * VECTOR_FLOATS, /* floats that tiles may read behind an array */
  LANE_VECTORS = 2,                     /* of filters (or channels), beside LANE_PLACES places */
  LANE_BLOCK = LANE_VECTORS * VECTOR_FLOATS,
  LANES_MIN = VECTOR_FLOATS / 2, /* filters (or channels) of a group from which on they lie side by side in vectors … */
  LANE_TERMS = 32,               /* … if sums have so many terms that turning them over doesn't matter */
  BLOCK_FLOATS = 1 << 17,        /* of copies in a block of samples, unless one sample has more */
  BLOCK_SAMPLES = 64,            /* in a block, at most */
  LINE_BYTES = 64,
  PRODUCTS_PER_NS = 32, /* multiply-adds and … */
  COPIES_PER_NS = 4     /* … copied values, roughly, to decide how much work is worth a piece */
};

static size_t smaller(size_t left, size_t right) { return left < right ? left : right; }
static size_t round_up(size_t count, size_t step) { return (count + step - 1) / step * step; }

/* Phases */

static size_t common_divisor(size_t left, size_t right) { return right == 0 ? left : common_divisor(right, left % right); }

/* Taps k and k + phases read the same phase of an axis. */
static size_t count_phases(const struct kernel_axis *axis) {
  return smaller(axis->size, axis->stride / common_divisor(axis->stride, axis->dilation));
}
/* Longest distance at which a tap reads within its phase. */
static size_t longest_shift(const struct kernel_axis *axis) { return (axis->size - 1) * axis->dilation / axis->stride; }

/* The value that entry `at` of a phase copies, or SIZE_MAX: none, it is 0. */
static size_t find_source(const struct kernel_axis *axis, enum kernel_padding padding, size_t phase, size_t at) {
  const size_t padded = at * axis->stride + phase * axis->dilation % axis->stride;
  if (padded >= axis->before && padded - axis->before < axis->in) return padded - axis->before;
  if (padding == KERNEL_PAD_ZEROS || padded >= axis->before + axis->in + axis->after) return SIZE_MAX;
  const bool is_before = padded < axis->before;
  const size_t beyond = is_before ? axis->before - padded : padded - axis->before - axis->in; /* before: 1 …, behind: 0 … */
  switch (padding) {
  case KERNEL_PAD_REFLECT: return is_before ? beyond : axis->in - 2 - beyond;
  case KERNEL_PAD_REPLICATE: return is_before ? 0 : axis->in - 1;
  case KERNEL_PAD_CIRCULAR: return is_before ? axis->in - beyond : beyond;
  case KERNEL_PAD_ZEROS: break;
  }
  return SIZE_MAX;
}

/* How the sums of one direction are computed. A group has so many results at each place, filters or channels, of so many terms each. With
 * lanes the results lie side by side in vectors; else places do. */
struct side {
  size_t results, terms, lanes;
  bool has_lanes;
};

static struct side make_side(size_t results, size_t terms) {
  const bool has_lanes = results >= LANES_MIN && terms >= LANE_TERMS;
  return (struct side){
      .results = results, .terms = terms, .has_lanes = has_lanes, .lanes = has_lanes ? round_up(results, VECTOR_FLOATS) : results};
}

/* Sizes of the copies, in floats, and tables of the taps. */
struct plan {
  const struct kernel_conv *conv;
  size_t group_channels, group_filters, taps;
  size_t phases_y, phases_x, phases;
  size_t rows, width, plane, channel; /* of a copy: [channels, phases, rows · width] */
  size_t places;                      /* y.out · x.out */
  struct side forward, backward;
  size_t margin;                /* longest shift; zeros ahead of a filter's δ */
  size_t lanes;                 /* of a group's filters side by side */
  size_t image, spread, turned; /* floats of a sample: its copy; its δ with zeros; its δ turned to [places, groups · lanes] */
  size_t block;                 /* samples in a block */
  bool has_lanes;               /* weight gradients take the turned δ, else the spread one */
  /* In working memory: */
  ptrdiff_t *shifts;      /* [taps] from a channel's first value, with the phase */
  ptrdiff_t *back_shifts; /* [taps], phase by phase: −shift within the phase */
  size_t *back_taps;      /* [taps], likewise: which tap */
  size_t *phase_ends;     /* [phases]: how many taps until there */
  size_t *columns;        /* [phases_x, width]: find_source */
  float *images, *deltas; /* [block, …] */
  float *weights;         /* by lanes [groups, terms, lanes]; for the input gradient phase by phase, without lanes [channels, terms] */
  float *sums;            /* [group_channels · taps, groups · lanes]: the weight gradient, turned */
};

/* Hands out working memory, or counts it if there is none. */
struct cutter {
  char *memory;
  size_t used;
  bool is_overflow;
};

static void *cut(struct cutter *cutter, size_t count, size_t item_bytes) {
  char *piece = cutter->memory == NULL ? NULL : cutter->memory + cutter->used;
  size_t bytes;
  cutter->is_overflow |= __builtin_mul_overflow(count, item_bytes, &bytes) || __builtin_add_overflow(bytes, LINE_BYTES - 1, &bytes);
  bytes -= bytes % LINE_BYTES;
  cutter->is_overflow |= __builtin_add_overflow(cutter->used, bytes, &cutter->used);
  return piece;
}

static size_t multiply(bool *is_overflow, size_t left, size_t right) {
  size_t product;
  *is_overflow |= __builtin_mul_overflow(left, right, &product) || product > SIZE_MAX / 64;
  return *is_overflow ? 0 : product;
}

static struct plan make_plan(const struct kernel_conv *conv, struct cutter *cutter) {
  struct plan plan = {.conv = conv, .group_channels = conv->channels / conv->groups, .group_filters = conv->filters / conv->groups};
  bool is_overflow = false;
  plan.taps = multiply(&is_overflow, conv->y.size, conv->x.size);
  plan.phases_y = count_phases(&conv->y);
  plan.phases_x = count_phases(&conv->x);
  plan.phases = multiply(&is_overflow, plan.phases_y, plan.phases_x);
  plan.rows = conv->y.out + longest_shift(&conv->y);
  plan.width = conv->x.out + longest_shift(&conv->x);
  plan.plane = multiply(&is_overflow, plan.rows, plan.width);
  plan.channel = multiply(&is_overflow, plan.phases, plan.plane);
  plan.places = multiply(&is_overflow, conv->y.out, conv->x.out);
  plan.margin = longest_shift(&conv->y) * plan.width + longest_shift(&conv->x);
  plan.has_lanes = plan.group_filters >= LANES_MIN;
  plan.lanes = plan.has_lanes ? round_up(plan.group_filters, VECTOR_FLOATS) : plan.group_filters;
  plan.image = multiply(&is_overflow, conv->channels, plan.channel) + SLACK;
  plan.spread = multiply(&is_overflow, conv->filters, plan.margin + plan.plane) + SLACK;
  plan.turned = plan.has_lanes ? multiply(&is_overflow, plan.places, conv->groups * plan.lanes) : 0;
  const size_t delta = plan.turned > plan.spread ? plan.turned : plan.spread;
  plan.block = BLOCK_FLOATS / (plan.image + delta) + 1;
  plan.block = smaller(plan.block, BLOCK_SAMPLES);
  const size_t terms = multiply(&is_overflow, plan.group_channels, plan.taps);
  plan.forward = make_side(plan.group_filters, terms);
  plan.backward = make_side(plan.group_channels, multiply(&is_overflow, plan.group_filters, plan.taps));
  cutter->is_overflow |= is_overflow;
  plan.shifts = cut(cutter, plan.taps, sizeof *plan.shifts);
  plan.back_shifts = cut(cutter, plan.taps, sizeof *plan.back_shifts);
  plan.back_taps = cut(cutter, plan.taps, sizeof *plan.back_taps);
  plan.phase_ends = cut(cutter, plan.phases, sizeof *plan.phase_ends);
  plan.columns = cut(cutter, multiply(&cutter->is_overflow, plan.phases_x, plan.width), sizeof *plan.columns);
  plan.images = cut(cutter, multiply(&cutter->is_overflow, plan.block, plan.image), sizeof(float));
  plan.deltas = cut(cutter, multiply(&cutter->is_overflow, plan.block, delta), sizeof(float));
  const size_t forward_weights = plan.forward.has_lanes ? multiply(&cutter->is_overflow, terms, conv->groups * plan.forward.lanes) : 0;
  const size_t backward_weights = multiply(&cutter->is_overflow, plan.backward.terms, conv->groups * plan.backward.lanes);
  plan.weights = cut(cutter, forward_weights > backward_weights ? forward_weights : backward_weights, sizeof(float));
  plan.sums = cut(cutter, multiply(&cutter->is_overflow, terms, conv->groups * plan.lanes), sizeof(float));
  return plan;
}

size_t kernel_conv_work_size(const struct kernel_conv *conv) {
  struct cutter cutter = {0};
  (void)make_plan(conv, &cutter);
  return cutter.is_overflow ? 0 : cutter.used / sizeof(float);
}

static size_t shift_in_phase(const struct plan *plan, size_t tap) {
  const struct kernel_axis *y = &plan->conv->y, *x = &plan->conv->x;
  return tap / x->size * y->dilation / y->stride * plan->width + tap % x->size * x->dilation / x->stride;
}
static size_t phase_of(const struct plan *plan, size_t tap) {
  const size_t size_x = plan->conv->x.size;
  return tap / size_x % plan->phases_y * plan->phases_x + tap % size_x % plan->phases_x;
}

static struct plan begin(const struct kernel_conv *conv, float *work) {
  struct cutter cutter = {.memory = (char *)work};
  struct plan plan = make_plan(conv, &cutter);
  for (size_t tap = 0; tap < plan.taps; tap++)
    plan.shifts[tap] = (ptrdiff_t)(phase_of(&plan, tap) * plan.plane + shift_in_phase(&plan, tap));
  for (size_t phase = 0, count = 0; phase < plan.phases; phase++) {
    for (size_t tap = 0; tap < plan.taps; tap++) {
      if (phase_of(&plan, tap) != phase) continue;
      plan.back_taps[count] = tap;
      plan.back_shifts[count++] = -(ptrdiff_t)shift_in_phase(&plan, tap);
    }
    plan.phase_ends[phase] = count;
  }
  for (size_t phase = 0; phase < plan.phases_x; phase++)
    for (size_t at = 0; at < plan.width; at++) plan.columns[phase * plan.width + at] = find_source(&conv->x, conv->padding, phase, at);
  return plan;
}

/* One block of samples under way. */
struct job {
  const struct plan *plan;
  const float *x, *delta, *w, *bias; /* of the block's first sample */
  float *out;                        /* z or dx, likewise */
  size_t samples;
  size_t item_count, items_per_piece;
  parallel_piece *item; /* one item's work; `piece` is its number */
};

static void run_piece(void *argument, size_t piece) {
  struct job *job = argument;
  const size_t first = piece * job->items_per_piece, end = smaller(first + job->items_per_piece, job->item_count);
  for (size_t item = first; item < end; item++) job->item(job, item);
}

/* Runs item(job, 0 … count − 1), each of a cost of so many nanoseconds. */
static void run_items(const struct parallel *parallel, struct job *job, parallel_piece *item, size_t count, size_t cost) {
  job->item = item;
  job->item_count = count;
  job->items_per_piece = parallel_items_per_piece(count, cost);
  parallel_run(parallel, parallel_piece_count(count, job->items_per_piece), run_piece, job);
}

/* Copies of images */

/* Short rows, for which a call of memcpy would cost more than the copy. */
static inline void copy_floats(float *to, const float *from, size_t count) {
  for (size_t i = 0; i < count; i += VECTOR_FLOATS) vector_store_some(to + i, vector_load_some(from + i, count - i), count - i);
}

/* Whether each value of the input has one copy, in one phase, and a row of copies lies as the row of values does. */
static bool is_plain(const struct kernel_conv *conv) {
  return conv->padding == KERNEL_PAD_ZEROS && conv->y.stride == 1 && conv->x.stride == 1;
}

static void copy_row(const struct plan *plan, size_t phase_x, const float *from, size_t step, float *to) {
  const size_t *columns = plan->columns + phase_x * plan->width;
  for (size_t at = 0; at < plan->width; at++) to[at] = columns[at] == SIZE_MAX ? 0 : from[columns[at] * step];
}

/* Copies one channel of one sample. */
static void copy_channel(void *argument, size_t item) {
  const struct job *job = argument;
  const struct plan *plan = job->plan;
  const struct kernel_conv *conv = plan->conv;
  const size_t n = item / conv->channels, c = item % conv->channels, size = conv->y.in * conv->x.in;
  const float *from = job->x + n * conv->channels * size + (conv->channels_last ? c : c * size);
  const size_t step = conv->channels_last ? conv->channels : 1;
  float *to = plan->images + n * plan->image + c * plan->channel;
  if (is_plain(conv) && step == 1) { /* between zeros, which are there already */
    to += conv->y.before * plan->width + conv->x.before;
    for (size_t row = 0; row < conv->y.in; row++) copy_floats(to + row * plan->width, from + row * conv->x.in, conv->x.in);
    return;
  }
  for (size_t phase = 0; phase < plan->phases; phase++) {
    for (size_t row = 0; row < plan->rows; row++, to += plan->width) {
      const size_t source = find_source(&conv->y, conv->padding, phase / plan->phases_x, row);
      if (source == SIZE_MAX)
        memset(to, 0, plan->width * sizeof *to);
      else
        copy_row(plan, phase % plan->phases_x, from + source * conv->x.in * step, step, to);
    }
  }
}

static void copy_images(const struct parallel *parallel, struct job *job) {
  run_items(parallel, job, copy_channel, job->samples * job->plan->conv->channels, job->plan->channel / COPIES_PER_NS);
}

/* Zeros around and behind what every block of samples copies. */
static void clear_images(const struct plan *plan) {
  memset(plan->images, 0, smaller(plan->block, plan->conv->batch) * plan->image * sizeof *plan->images);
}

/* Tiles */

/* out[rows][vectors] = Σ over `outer` channels, `taps` taps of weights[row][outer, tap] · from(outer · step + shift(tap) …).
 * rows and vectors are constants wherever this is inlined. */
static inline __attribute__((always_inline)) void add_products(size_t rows, size_t vectors, size_t outer, size_t taps,
                                                               const float *const *weights, const float *from, size_t step,
                                                               const ptrdiff_t *shifts, float *out) {
  vector sums[TILE_ROWS * TILE_VECTORS] = {0};
  for (size_t c = 0, p = 0; c < outer; c++, from += step) {
    for (size_t tap = 0; tap < taps; tap++, p++) {
      vector values[LONE_VECTORS];
#pragma GCC unroll 4
      for (size_t v = 0; v < vectors; v++) values[v] = vector_load(from + shifts[tap] + v * VECTOR_FLOATS);
#pragma GCC unroll 8
      for (size_t i = 0; i < rows; i++) {
        const float weight = weights[i][p];
#pragma GCC unroll 4
        for (size_t v = 0; v < vectors; v++) sums[i * vectors + v] += weight * values[v];
      }
    }
  }
#pragma GCC unroll 16
  for (size_t i = 0; i < rows * vectors; i++) vector_store(out + i * VECTOR_FLOATS, sums[i]);
}

/* How the filters (or channels) of a group are cut into strips of tiles. */
struct strip {
  size_t rows; /* of a tile: TILE_ROWS or 1 */
  size_t columns;
};
static struct strip choose_strip(size_t group_rows) {
  const bool is_lone = group_rows < 3;
  return (struct strip){.rows = is_lone ? 1 : TILE_ROWS, .columns = (is_lone ? LONE_VECTORS : TILE_VECTORS) * VECTOR_FLOATS};
}

static void compute_tile(struct strip strip, size_t outer, size_t taps, const float *const *weights, const float *from, size_t step,
                         const ptrdiff_t *shifts, float *out) {
  if (strip.rows == 1)
    add_products(1, LONE_VECTORS, outer, taps, weights, from, step, shifts, out);
  else
    add_products(TILE_ROWS, TILE_VECTORS, outer, taps, weights, from, step, shifts, out);
}

/* tile[places][vectors] = Σ over `outer` channels, `taps` taps of weights[outer, tap][lanes] · from(outer · step + shift(tap) + place).
 * places and vectors are constants wherever this is inlined. */
static inline __attribute__((always_inline)) void add_lane_products(size_t places, size_t vectors, size_t outer, size_t taps,
                                                                    const float *weights, size_t weight_step, const float *from,
                                                                    size_t step, const ptrdiff_t *shifts, vector *tile) {
  vector sums[LANE_PLACES * LANE_VECTORS] = {0};
  for (size_t c = 0; c < outer; c++, from += step) {
    for (size_t tap = 0; tap < taps; tap++, weights += weight_step) {
      const float *values = from + shifts[tap];
      const vector first = vector_load(weights), second = vectors > 1 ? vector_load(weights + VECTOR_FLOATS) : first;
#pragma GCC unroll 14
      for (size_t i = 0; i < places; i++) {
        sums[i * vectors] += values[i] * first;
        if (vectors > 1) sums[i * vectors + 1] += values[i] * second;
      }
    }
  }
  for (size_t i = 0; i < places * vectors; i++) tile[i] = sums[i];
}

/* A row of places, cut into tiles of one size. */
struct cut_row {
  size_t count, tile; /* tiles; places of each */
};
static struct cut_row cut_places(size_t places) {
  const size_t count = (places + LANE_PLACES - 1) / LANE_PLACES;
  return (struct cut_row){.count = count, .tile = round_up((places + count - 1) / count, 2)};
}

/* Where one tile of lanes reads. */
struct lane_tile {
  size_t outer, taps, weight_step, step;
  const float *weights, *from;
  const ptrdiff_t *shifts;
};

#define LANE_CASE(places_)                                                                                                                 \
  case places_:                                                                                                                            \
    if (vectors > 1)                                                                                                                       \
      add_lane_products(places_, 2, t->outer, t->taps, t->weights, t->weight_step, t->from, t->step, t->shifts, tile);                     \
    else                                                                                                                                   \
      add_lane_products(places_, 1, t->outer, t->taps, t->weights, t->weight_step, t->from, t->step, t->shifts, tile);                     \
    break;

static void compute_lanes(size_t places, size_t vectors, const struct lane_tile *t, vector *tile) {
  switch (places) {
    LANE_CASE(2)
#if LANE_PLACES > 4
    LANE_CASE(4)
#endif
#if LANE_PLACES > 6
    LANE_CASE(6)
    LANE_CASE(8)
    LANE_CASE(10)
    LANE_CASE(12)
#endif
  default: LANE_CASE(LANE_PLACES)
  }
}

/* Turns the `count` places of one of a tile's vectors of lanes to one vector of places for each lane. */
static inline void turn_tile(size_t count, size_t vectors, const vector *tile, vector turned[VECTOR_FLOATS]) {
  const vector zeros = {0};
  for (size_t i = 0; i < VECTOR_FLOATS; i++) turned[i] = i < count ? tile[i * vectors] : zeros;
  vector_transpose(turned);
}

/* Forward */

/* Writes the valid part of a tile whose first place is j. */
static void store_places(const struct job *job, struct strip strip, size_t n, size_t f, size_t filters, size_t j, const float *tile) {
  const struct plan *plan = job->plan;
  const struct kernel_conv *conv = plan->conv;
  float *z = job->out + n * conv->filters * plan->places;
  const size_t filter_step = conv->channels_last ? 1 : plan->places, place_step = conv->channels_last ? conv->filters : 1;
  for (size_t column = 0; column < strip.columns;) {
    const size_t row = (j + column) / plan->width, x = (j + column) % plan->width, rest = strip.columns - column;
    if (row >= conv->y.out) return;
    const size_t count = x < conv->x.out ? smaller(rest, conv->x.out - x) : 0;
    for (size_t i = 0; i < filters; i++) {
      const float bias = job->bias == NULL ? 0 : job->bias[f + i];
      const float *from = tile + i * strip.columns + column;
      float *to = z + (f + i) * filter_step + (row * conv->x.out + x) * place_step;
      if (place_step == 1)
        for (size_t k = 0; k < count; k++) to[k] = from[k] + bias;
      else
        for (size_t k = 0; k < count; k++) to[k * place_step] = from[k] + bias;
    }
    column += smaller(rest, plan->width - x);
  }
}

/* Writes the part of a tile that begins in a row of places and ends with it, if not before. */
static void store_row(const struct job *job, struct strip strip, size_t n, size_t f, size_t filters, size_t place, size_t count,
                      const float *tile) {
  const struct plan *plan = job->plan;
  float *z = job->out + (n * plan->conv->filters + f) * plan->places + place;
  for (size_t i = 0; i < filters; i++, z += plan->places, tile += strip.columns) {
    const float bias = job->bias == NULL ? 0 : job->bias[f + i];
    for (size_t k = 0; k < count; k += VECTOR_FLOATS) vector_store_some(z + k, vector_load(tile + k) + bias, count - k);
  }
}

/* Whether rows of places nearly fill tiles: then each begins a tile of its own. */
static bool fits_rows(const struct kernel_conv *conv, struct strip strip) {
  return !conv->channels_last && 5 * conv->x.out > 4 * round_up(conv->x.out, strip.columns);
}

/* z of one strip of filters of one sample. */
static void forward_strip(void *argument, size_t item) {
  const struct job *job = argument;
  const struct plan *plan = job->plan;
  const struct strip strip = choose_strip(plan->group_filters);
  const size_t strips = (plan->group_filters + strip.rows - 1) / strip.rows, all = strips * plan->conv->groups;
  const size_t n = item / all, group = item % all / strips, first = item % strips * strip.rows;
  const size_t filters = smaller(strip.rows, plan->group_filters - first), f = group * plan->group_filters + first;
  const float *image = plan->images + n * plan->image + group * plan->group_channels * plan->channel;
  const float *weights[TILE_ROWS];
  for (size_t i = 0; i < strip.rows; i++) weights[i] = job->w + (f + smaller(i, filters - 1)) * plan->group_channels * plan->taps;
  const size_t end = (plan->conv->y.out - 1) * plan->width + plan->conv->x.out;
  if (fits_rows(plan->conv, strip)) {
    for (size_t place = 0, x = 0; place < plan->places; x += strip.columns) {
      if (x >= plan->conv->x.out) {
        image += plan->width;
        x = 0;
      }
      const size_t count = smaller(strip.columns, plan->conv->x.out - x);
      float tile[TILE_ROWS * TILE_VECTORS * VECTOR_FLOATS];
      compute_tile(strip, plan->group_channels, plan->taps, weights, image + x, plan->channel, plan->shifts, tile);
      store_row(job, strip, n, f, filters, place, count, tile);
      place += count;
    }
    return;
  }
  for (size_t j = 0; j < end; j += strip.columns) {
    float tile[TILE_ROWS * TILE_VECTORS * VECTOR_FLOATS];
    compute_tile(strip, plan->group_channels, plan->taps, weights, image + j, plan->channel, plan->shifts, tile);
    store_places(job, strip, n, f, filters, j, tile);
  }
}

/* Writes the first `count` places of a tile of lanes, from filter f and place (row, x) on. */
static void store_lanes(const struct job *job, size_t n, size_t f, size_t filters, size_t place, size_t count, const vector *tile) {
  const struct plan *plan = job->plan;
  const struct kernel_conv *conv = plan->conv;
  float *z = job->out + n * conv->filters * plan->places;
  const size_t vectors = (filters + VECTOR_FLOATS - 1) / VECTOR_FLOATS;
  for (size_t v = 0; v < vectors; v++, f += VECTOR_FLOATS, filters -= smaller(filters, VECTOR_FLOATS)) {
    vector bias = {0};
    if (job->bias != NULL) bias = vector_load_some(job->bias + f, filters);
    if (conv->channels_last) {
      for (size_t i = 0; i < count; i++) vector_store_some(z + (place + i) * conv->filters + f, tile[i * vectors + v] + bias, filters);
      continue;
    }
    vector turned[VECTOR_FLOATS];
    turn_tile(count, vectors, tile + v, turned);
    for (size_t i = 0; i < smaller(filters, VECTOR_FLOATS); i++)
      vector_store_some(z + (f + i) * plan->places + place, turned[i] + bias[i], count);
  }
}

/* z of one block of lanes of one sample. */
static void forward_lanes(void *argument, size_t item) {
  const struct job *job = argument;
  const struct plan *plan = job->plan;
  const struct kernel_conv *conv = plan->conv;
  const size_t blocks = (plan->forward.lanes + LANE_BLOCK - 1) / LANE_BLOCK, all = blocks * conv->groups;
  const size_t n = item / all, group = item % all / blocks, lane = item % blocks * LANE_BLOCK;
  const size_t filters = smaller(LANE_BLOCK, plan->group_filters - lane), vectors = (filters + VECTOR_FLOATS - 1) / VECTOR_FLOATS;
  const struct cut_row cut_row = cut_places(conv->x.out);
  struct lane_tile t = {.outer = plan->group_channels, .taps = plan->taps, .weight_step = plan->forward.lanes, .step = plan->channel};
  t.weights = plan->weights + group * plan->forward.terms * plan->forward.lanes + lane;
  t.shifts = plan->shifts;
  for (size_t row = 0; row < conv->y.out; row++) {
    t.from = plan->images + n * plan->image + group * plan->group_channels * plan->channel + row * plan->width;
    for (size_t x = 0; x < conv->x.out; x += cut_row.tile, t.from += cut_row.tile) {
      vector tile[LANE_PLACES * LANE_VECTORS];
      compute_lanes(cut_row.tile, vectors, &t, tile);
      const size_t count = smaller(cut_row.tile, conv->x.out - x);
      store_lanes(job, n, group * plan->group_filters + lane, filters, row * conv->x.out + x, count, tile);
    }
  }
}

/* [filters, terms] → [groups, terms, lanes] */
static void pack_weights(const struct plan *plan, const float *w) {
  const struct side *side = &plan->forward;
  float *to = plan->weights;
  for (size_t group = 0; group < plan->conv->groups; group++, w += side->results * side->terms)
    for (size_t term = 0; term < side->terms; term++, to += side->lanes)
      for (size_t i = 0; i < side->lanes; i++) to[i] = i < side->results ? w[i * side->terms + term] : 0;
}

void kernel_conv_forward(const struct parallel *parallel, const struct kernel_conv *conv, const float *x, const float *w, const float *bias,
                         float *z, float *work) {
  const struct plan plan = begin(conv, work);
  const struct strip strip = choose_strip(plan.group_filters);
  const size_t strips = (plan.group_filters + strip.rows - 1) / strip.rows * conv->groups;
  const size_t blocks = (plan.forward.lanes + LANE_BLOCK - 1) / LANE_BLOCK * conv->groups;
  const size_t row_cost = plan.forward.terms * plan.places / PRODUCTS_PER_NS;
  if (plan.forward.has_lanes) pack_weights(&plan, w);
  clear_images(&plan);
  for (size_t n = 0; n < conv->batch; n += plan.block) {
    struct job job = {.plan = &plan, .w = w, .bias = bias, .samples = smaller(plan.block, conv->batch - n)};
    job.x = x + n * conv->channels * conv->y.in * conv->x.in;
    job.out = z + n * conv->filters * plan.places;
    copy_images(parallel, &job);
    if (plan.forward.has_lanes)
      run_items(parallel, &job, forward_lanes, job.samples * blocks, row_cost * LANE_BLOCK);
    else
      run_items(parallel, &job, forward_strip, job.samples * strips, row_cost * strip.rows);
  }
}

/* Input gradient */

/* δ of one filter of one sample, with zeros around, which are there already. */
static void spread_filter(void *argument, size_t item) {
  const struct job *job = argument;
  const struct plan *plan = job->plan;
  const struct kernel_conv *conv = plan->conv;
  const size_t n = item / conv->filters, f = item % conv->filters, step = conv->channels_last ? conv->filters : 1;
  const float *from = job->delta + n * conv->filters * plan->places + (conv->channels_last ? f : f * plan->places);
  float *to = plan->deltas + n * plan->spread + f * (plan->margin + plan->plane) + plan->margin;
  for (size_t row = 0; row < conv->y.out; row++, to += plan->width, from += conv->x.out * step) {
    if (step == 1)
      copy_floats(to, from, conv->x.out);
    else
      for (size_t x = 0; x < conv->x.out; x++) to[x] = from[x * step];
  }
}

static void spread_deltas(const struct parallel *parallel, struct job *job) {
  run_items(parallel, job, spread_filter, job->samples * job->plan->conv->filters, job->plan->places / COPIES_PER_NS);
}

/* Adds the gradients of the copy's entries u … of `channels` channels to the values that they are copies of. */
static void fold_tile(const struct job *job, struct strip strip, size_t phase, float *const *dx, size_t channels, size_t u,
                      const float *tile) {
  const struct plan *plan = job->plan;
  const struct kernel_conv *conv = plan->conv;
  const size_t *columns = plan->columns + phase % plan->phases_x * plan->width, step = conv->channels_last ? conv->channels : 1;
  for (size_t column = 0; column < strip.columns;) {
    const size_t row = (u + column) / plan->width, x = (u + column) % plan->width;
    if (row >= plan->rows) return;
    const size_t count = smaller(strip.columns - column, plan->width - x);
    const size_t source = find_source(&conv->y, conv->padding, phase / plan->phases_x, row);
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
  const struct job *job = argument;
  const struct plan *plan = job->plan;
  const struct kernel_conv *conv = plan->conv;
  const struct strip strip = choose_strip(plan->group_channels);
  const size_t strips = (plan->group_channels + strip.rows - 1) / strip.rows, all = strips * conv->groups;
  const size_t n = item / all, group = item % all / strips, first = item % strips * strip.rows, size = conv->y.in * conv->x.in;
  const size_t channels = smaller(strip.rows, plan->group_channels - first), c = group * plan->group_channels + first;
  const size_t filter = plan->margin + plan->plane;
  const float *delta = plan->deltas + n * plan->spread + group * plan->group_filters * filter + plan->margin;
  float *dx[TILE_ROWS];
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
    const float *weights[TILE_ROWS];
    for (size_t i = 0; i < strip.rows; i++) weights[i] = phase_weights + (c + smaller(i, channels - 1)) * terms;
    for (size_t u = 0; u < plan->plane; u += strip.columns) {
      float tile[TILE_ROWS * TILE_VECTORS * VECTOR_FLOATS];
      compute_tile(strip, plan->group_filters, taps, weights, delta + u, filter, plan->back_shifts + tap, tile);
      fold_tile(job, strip, phase, dx, channels, u, tile);
    }
    phase_weights += conv->channels * terms;
    tap += taps;
  }
}

/* The entries of a row of a phase that are copies of something: [first, end). */
static void find_columns(const struct plan *plan, size_t phase, size_t *out_first, size_t *out_end) {
  const size_t *columns = plan->columns + phase % plan->phases_x * plan->width;
  size_t first = 0, end = plan->width;
  while (first < end && columns[first] == SIZE_MAX) first++;
  while (end > first && columns[end - 1] == SIZE_MAX) end--;
  *out_first = first;
  *out_end = end;
}

/* Adds the first `count` entries, from column x on, of a tile of lanes to the values that they are copies of. `dx` is the row's, of the first
 * channel. */
static void fold_lanes(const struct job *job, size_t phase, float *dx, size_t channels, size_t x, size_t count, const vector *tile) {
  const struct plan *plan = job->plan;
  const struct kernel_conv *conv = plan->conv;
  const size_t *columns = plan->columns + phase % plan->phases_x * plan->width + x;
  const size_t vectors = (channels + VECTOR_FLOATS - 1) / VECTOR_FLOATS, plane = conv->y.in * conv->x.in;
  for (size_t v = 0; v < vectors;
       v++, dx += conv->channels_last ? VECTOR_FLOATS : VECTOR_FLOATS * plane, channels -= smaller(channels, VECTOR_FLOATS)) {
    if (conv->channels_last) {
      for (size_t i = 0; i < count; i++) {
        float *to = dx + columns[i] * conv->channels;
        if (columns[i] != SIZE_MAX) vector_store_some(to, vector_load_some(to, channels) + tile[i * vectors + v], channels);
      }
      continue;
    }
    vector turned[VECTOR_FLOATS];
    turn_tile(count, vectors, tile + v, turned);
    for (size_t c = 0; c < smaller(channels, VECTOR_FLOATS); c++) {
      if (is_plain(conv)) {
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
  const struct job *job = argument;
  const struct plan *plan = job->plan;
  const struct kernel_conv *conv = plan->conv;
  const size_t lanes = plan->backward.lanes, blocks = (lanes + LANE_BLOCK - 1) / LANE_BLOCK, all = blocks * conv->groups;
  const size_t n = item / all, group = item % all / blocks, lane = item % blocks * LANE_BLOCK;
  const size_t channels = smaller(LANE_BLOCK, plan->group_channels - lane), vectors = (channels + VECTOR_FLOATS - 1) / VECTOR_FLOATS;
  const size_t c = group * plan->group_channels + lane, plane = conv->y.in * conv->x.in, filter = plan->margin + plan->plane;
  const float *delta = plan->deltas + n * plan->spread + group * plan->group_filters * filter + plan->margin;
  float *dx = job->out + n * conv->channels * plane + (conv->channels_last ? c : c * plane);
  if (!is_plain(conv) || conv->channels_last) clear_channels(conv, dx, channels);
  for (size_t phase = 0, tap = 0; phase < plan->phases; tap = plan->phase_ends[phase++]) {
    struct lane_tile t = {.outer = plan->group_filters, .taps = plan->phase_ends[phase] - tap, .weight_step = lanes, .step = filter};
    t.weights = plan->weights + (conv->groups * tap + group * t.taps) * plan->group_filters * lanes + lane;
    t.shifts = plan->back_shifts + tap;
    size_t first, end;
    find_columns(plan, phase, &first, &end);
    const struct cut_row cut_row = cut_places(end - first);
    for (size_t row = 0; row < plan->rows; row++) {
      const size_t source = find_source(&conv->y, conv->padding, phase / plan->phases_x, row);
      for (size_t x = first; x < end && source != SIZE_MAX; x += cut_row.tile) {
        vector tile[LANE_PLACES * LANE_VECTORS];
        t.from = delta + row * plan->width + x;
        compute_lanes(cut_row.tile, vectors, &t, tile);
        fold_lanes(job, phase, dx + source * conv->x.in * (conv->channels_last ? conv->channels : 1), channels, x,
                   smaller(cut_row.tile, end - x), tile);
      }
    }
  }
}

/* Phase by phase, [filters, channels of a group, taps] → by lanes [groups, filters of a group, taps of the phase, lanes], or without
 * [channels, filters of a group, taps of the phase]. */
static void turn_weights(const struct plan *plan, const float *w) {
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
  const struct plan plan = begin(conv, work);
  const struct strip strip = choose_strip(plan.group_channels);
  const size_t strips = (plan.group_channels + strip.rows - 1) / strip.rows * conv->groups;
  const size_t blocks = (plan.backward.lanes + LANE_BLOCK - 1) / LANE_BLOCK * conv->groups;
  const size_t row_cost = plan.backward.terms * plan.plane / PRODUCTS_PER_NS;
  turn_weights(&plan, w);
  memset(plan.deltas, 0, smaller(plan.block, conv->batch) * plan.spread * sizeof *plan.deltas);
  for (size_t n = 0; n < conv->batch; n += plan.block) {
    struct job job = {.plan = &plan, .samples = smaller(plan.block, conv->batch - n)};
    job.delta = delta + n * conv->filters * plan.places;
    job.out = dx + n * conv->channels * conv->y.in * conv->x.in;
    spread_deltas(parallel, &job);
    if (plan.backward.has_lanes)
      run_items(parallel, &job, input_gradient_lanes, job.samples * blocks, row_cost * LANE_BLOCK);
    else
      run_items(parallel, &job, input_gradient_strip, job.samples * strips, row_cost * strip.rows);
  }
}

/* Weight gradient */

/* δ of one sample, turned to [places, groups · lanes]; lanes that have no filter are 0. */
static void turn_delta(void *argument, size_t n) {
  const struct job *job = argument;
  const struct plan *plan = job->plan;
  const struct kernel_conv *conv = plan->conv;
  const float *from = job->delta + n * conv->filters * plan->places;
  const size_t step = conv->groups * plan->lanes;
  float *to = plan->deltas + n * plan->turned;
  for (size_t group = 0; group < conv->groups; group++, to += plan->lanes) {
    for (size_t lane = 0; lane < plan->lanes; lane += VECTOR_FLOATS) {
      const size_t f = group * plan->group_filters + lane, filters = smaller(VECTOR_FLOATS, plan->group_filters - lane);
      for (size_t j = 0; j < plan->places; j += VECTOR_FLOATS) {
        const size_t count = smaller(VECTOR_FLOATS, plan->places - j);
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
static inline __attribute__((always_inline)) void add_outer_products(const struct plan *plan, size_t rows, size_t vectors,
                                                                     const float *const *values, const float *delta, vector *sums) {
  const struct kernel_conv *conv = plan->conv;
  const size_t step = conv->groups * plan->lanes;
  vector tile[TILE_ROWS * TILE_VECTORS] = {0};
  for (size_t row = 0; row < conv->y.out; row++) {
    for (size_t j = row * plan->width; j < row * plan->width + conv->x.out; j++, delta += step) {
      vector deltas[TILE_VECTORS];
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

static void compute_outer(const struct plan *plan, size_t rows, size_t vectors, const float *const *values, const float *delta,
                          vector *sums) {
  switch (rows) {
#if LANE_PLACES > 6
    OUTER_CASE(5)
    OUTER_CASE(6)
    OUTER_CASE(7)
    OUTER_CASE(8)
#endif
    OUTER_CASE(3)
  default: OUTER_CASE(4)
  }
}

/* Of how many terms a tile is, so that the last of all is nearly full: more than half of TILE_ROWS. */
static size_t choose_rows(size_t terms) {
  size_t best = TILE_ROWS;
  for (size_t rows = TILE_ROWS - 1; rows > TILE_ROWS / 2; rows--)
    if (round_up(terms, rows) < round_up(terms, best)) best = rows;
  return best;
}

/* Adds the block's samples to a tile of sums: TILE_ROWS terms (c, k), all lanes of a group. */
static void add_lanes(void *argument, size_t item) {
  const struct job *job = argument;
  const struct plan *plan = job->plan;
  const size_t terms = plan->group_channels * plan->taps, tile_rows = choose_rows(terms), tiles = (terms + tile_rows - 1) / tile_rows;
  const size_t group = item / tiles, first = item % tiles * tile_rows, rows = smaller(tile_rows, terms - first);
  const size_t step = plan->conv->groups * plan->lanes;
  float *sums = plan->sums + first * step + group * plan->lanes;
  for (size_t n = 0; n < job->samples; n++) {
    const float *image = plan->images + n * plan->image + group * plan->group_channels * plan->channel, *values[TILE_ROWS];
    const float *delta = plan->deltas + n * plan->turned + group * plan->lanes;
    for (size_t i = 0; i < TILE_ROWS; i++) {
      const size_t term = first + smaller(i, rows - 1);
      values[i] = image + term / plan->taps * plan->channel + plan->shifts[term % plan->taps];
    }
    for (size_t lane = 0; lane < plan->lanes; lane += TILE_VECTORS * VECTOR_FLOATS) {
      const size_t vectors = plan->lanes - lane > VECTOR_FLOATS ? 2 : 1;
      vector tile[TILE_ROWS * TILE_VECTORS];
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
  const struct job *job = argument;
  const struct plan *plan = job->plan;
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
  const struct plan plan = begin(conv, work);
  const size_t terms = plan.group_channels * plan.taps, step = conv->groups * plan.lanes;
  memset(plan.sums, 0, terms * step * sizeof *plan.sums);
  clear_images(&plan);
  if (!plan.has_lanes) memset(plan.deltas, 0, smaller(plan.block, conv->batch) * plan.spread * sizeof *plan.deltas);
  for (size_t n = 0; n < conv->batch; n += plan.block) {
    struct job job = {.plan = &plan, .samples = smaller(plan.block, conv->batch - n)};
    job.x = x + n * conv->channels * conv->y.in * conv->x.in;
    job.delta = delta + n * conv->filters * plan.places;
    const size_t places = job.samples * plan.places;
    copy_images(parallel, &job);
    if (plan.has_lanes) {
      const size_t tile_rows = choose_rows(terms), tiles = (terms + tile_rows - 1) / tile_rows;
      run_items(parallel, &job, turn_delta, job.samples, plan.turned / COPIES_PER_NS);
      run_items(parallel, &job, add_lanes, tiles * conv->groups, places * tile_rows * plan.lanes / PRODUCTS_PER_NS);
    } else {
      spread_deltas(parallel, &job);
      run_items(parallel, &job, add_filter, conv->filters, places * terms / PRODUCTS_PER_NS);
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
  const size_t first = piece * job->channels_per_piece, end = smaller(first + job->channels_per_piece, job->channels);
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
  job.channels_per_piece = parallel_items_per_piece(channels, outer * inner / COPIES_PER_NS);
  parallel_run(parallel, parallel_piece_count(channels, job.channels_per_piece), sums_piece, &job);
}
