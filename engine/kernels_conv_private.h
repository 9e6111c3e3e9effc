/* What the three directions of convolution share: sizes, copies of images, tiles. Included by kernels_conv*.c only.
 *
 * Each image is first copied, with what the padding makes up, so that every tap of the window reads it at a fixed distance. With strides it
 * is also taken apart: values that one tap reads are a stride apart, so those of each remainder by the stride, a phase, are put side by
 * side. A copy is [channels, phases, rows, width]; place (o_y, o_x) has the number j = o_y · width + o_x in it, and tap k of channel c
 * reads the copy at c · channel + shift(k) + j. What lies between the rows, at j with o_x ≥ x.out, is computed and dropped.
 *
 *   forward           z(f, j) = bias(f) + Σ over c, k of w[f, c, k] · copy(c, shift(k) + j)
 *   input gradient    the copy's gradient, phase by phase:  (c, u) = Σ over f, taps k of the phase of w[f, c, k] · δ(f, u − shift(k)),
 *                     where δ has the same rows, with zeros between and around; then what padding copied is added up
 *   weight gradient   dw[f, c, k] = Σ over samples, places of δ(f, j) · copy(c, shift(k) + j)
 *
 * Samples go by in blocks whose copies stay near in the cache. Sums run over channels (or filters), then taps, in order; weight gradients
 * over the places of a sample, then samples. Letters: f filter, c channel, k tap, j place; g group; n sample.
 */
#ifndef ENGINE_KERNELS_CONV_PRIVATE_H
#define ENGINE_KERNELS_CONV_PRIVATE_H

#include <stddef.h>
#include <stdint.h>

#include "engine/kernels_window.h"
#include "engine/kernels_work.h"
#include "engine/vector_float.h"

/* Tiles as large as the registers hold, of no more places than a vector has lanes. */
#if defined(__AVX512F__)
#define CONV_LANE_PLACES 14
enum { CONV_TILE_ROWS = 8 };
#elif defined(__AVX__)
#define CONV_LANE_PLACES 6
enum { CONV_TILE_ROWS = 4 };
#else
#define CONV_LANE_PLACES 4
enum { CONV_TILE_ROWS = 4 };
#endif
_Static_assert(CONV_LANE_PLACES <= (int)VECTOR_FLOATS, "a tile's places are turned to one vector");
enum {
  CONV_TILE_VECTORS = 2,                          /* of places, beside CONV_TILE_ROWS filters */
  CONV_LONE_VECTORS = 4,                          /* of places, beside one filter */
  CONV_SLACK = CONV_LONE_VECTORS * VECTOR_FLOATS, /* floats that tiles may read behind an array */
  CONV_LANE_VECTORS = 2,                          /* of filters (or channels), beside CONV_LANE_PLACES places */
  CONV_LANE_BLOCK = CONV_LANE_VECTORS * VECTOR_FLOATS,
  CONV_LANES_MIN = VECTOR_FLOATS / 2, /* filters (or channels) of a group from which on they lie side by side in vectors … */
  CONV_LANE_TERMS = 32,               /* … if sums have so many terms that turning them over doesn't matter */
  CONV_BLOCK_FLOATS = 1 << 17,        /* of copies in a block of samples, unless one sample has more */
  CONV_BLOCK_SAMPLES = 64,            /* in a block, at most */
  CONV_PRODUCTS_PER_NS = 32,          /* multiply-adds and … */
  CONV_COPIES_PER_NS = 4              /* … copied values, roughly, to decide how much work is worth a piece */
};

/* How the sums of one direction are computed. A group has so many results at each place, filters or channels, of so many terms each. With
 * lanes the results lie side by side in vectors; else places do. */
struct conv_side {
  size_t results, terms, lanes;
  bool has_lanes;
};

/* Sizes of the copies, in floats, and tables of the taps. */
struct conv_plan {
  const struct kernel_conv *conv;
  size_t group_channels, group_filters, taps;
  size_t phases_y, phases_x, phases;
  size_t rows, width, plane, channel; /* of a copy: [channels, phases, rows · width] */
  size_t places;                      /* y.out · x.out */
  struct conv_side forward, backward;
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
  size_t *columns;        /* [phases_x, width]: conv_find_source */
  float *images, *deltas; /* [block, …] */
  float *weights;         /* by lanes [groups, terms, lanes]; for the input gradient phase by phase, without lanes [channels, terms] */
  float *sums;            /* [group_channels · taps, groups · lanes]: the weight gradient, turned */
};

struct conv_plan conv_begin(const struct kernel_conv *conv, float *work);

/* One block of samples under way. */
struct conv_job {
  const struct conv_plan *plan;
  const float *x, *delta, *w, *bias; /* of the block's first sample */
  float *out;                        /* z or dx, likewise */
  size_t samples;
  size_t item_count, items_per_piece;
  parallel_piece *item; /* one item's work; `piece` is its number */
};

/* Runs item(job, 0 … count − 1), each of a cost of so many nanoseconds. */
void conv_run_items(const struct parallel *parallel, struct conv_job *job, parallel_piece *item, size_t count, size_t cost);

/* Copies */

/* The value that entry `at` of a phase copies, or SIZE_MAX: none, it is 0. */
size_t conv_find_source(const struct kernel_axis *axis, enum kernel_padding padding, size_t phase, size_t at);
/* Whether each value of the input has one copy, in one phase, and a row of copies lies as the row of values does. */
bool conv_is_plain(const struct kernel_conv *conv);
void conv_copy_images(const struct parallel *parallel, struct conv_job *job);
/* Zeros around and behind what every block of samples copies. */
void conv_clear_images(const struct conv_plan *plan);
/* δ of the block's samples, with zeros around, which are there already. */
void conv_spread_deltas(const struct parallel *parallel, struct conv_job *job);

/* Tiles */

/* How the filters (or channels) of a group are cut into strips of tiles. */
struct conv_strip {
  size_t rows; /* of a tile: CONV_TILE_ROWS or 1 */
  size_t columns;
};
static inline struct conv_strip conv_choose_strip(size_t group_rows) {
  const bool is_lone = group_rows < 3;
  return (struct conv_strip){.rows = is_lone ? 1 : CONV_TILE_ROWS,
                             .columns = (is_lone ? CONV_LONE_VECTORS : CONV_TILE_VECTORS) * VECTOR_FLOATS};
}

/* A tile of a strip: out[rows][vectors] = Σ over `outer` channels, `taps` taps of weights[row][outer, tap] ·
 * from(outer · step + shift(tap) …). */
void conv_compute_tile(struct conv_strip strip, size_t outer, size_t taps, const float *const *weights, const float *from, size_t step,
                       const ptrdiff_t *shifts, float *out);

/* A row of places, cut into tiles of one size. */
struct conv_cut_row {
  size_t count, tile; /* tiles; places of each */
};
static inline struct conv_cut_row conv_cut_places(size_t places) {
  const size_t count = (places + CONV_LANE_PLACES - 1) / CONV_LANE_PLACES;
  return (struct conv_cut_row){.count = count, .tile = work_round_up((places + count - 1) / count, 2)};
}

/* Where one tile of lanes reads. */
struct conv_lane_tile {
  size_t outer, taps, weight_step, step;
  const float *weights, *from;
  const ptrdiff_t *shifts;
};

/* tile[places][vectors] = Σ over `outer` channels, `taps` taps of weights[outer, tap][lanes] · from(outer · step + shift(tap) + place). */
void conv_compute_lanes(size_t places, size_t vectors, const struct conv_lane_tile *t, vector *tile);

/* Turns the `count` places of one of a tile's vectors of lanes to one vector of places for each lane. */
static inline void conv_turn_tile(size_t count, size_t vectors, const vector *tile, vector turned[VECTOR_FLOATS]) {
  const vector zeros = {0};
  for (size_t i = 0; i < VECTOR_FLOATS; i++) turned[i] = i < count ? tile[i * vectors] : zeros;
  vector_transpose(turned);
}

#endif
