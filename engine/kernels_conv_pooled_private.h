/* What forward pass and gradients of pooled convolutions (kernels_conv_pooled.h) share: sizes and copies of
 * images. Nobody else includes this.
 *
 * An image is copied with its padding, [rows, width] of each channel: place (y, x) sees with tap k the value y · width + x + shift(k).
 * Samples go by in pieces, each of which has a slot of working memory of its own, and pieces in rounds of as many as there are slots.
 */
#ifndef ENGINE_KERNELS_CONV_POOLED_PRIVATE_H
#define ENGINE_KERNELS_CONV_POOLED_PRIVATE_H

#include "engine/kernels_conv_pooled.h"
#include "engine/kernels_work.h"
#include "engine/vector_float.h"

enum {
  POOLED_PLACES = 4,     /* of a window */
  POOLED_NO_WINNER = 4,  /* it lets no gradient through */
  POOLED_POINTS = 16,    /* of Winograd's transforms, for … */
  POOLED_THREE_TAPS = 9, /* … windows of 3 × 3 */
  POOLED_PRODUCTS_PER_NS = 32
};

/* Sizes in floats, if nothing else is said. */
struct pooled_plan {
  const struct kernel_conv *conv;
  size_t taps, terms;        /* channels · taps */
  size_t rows, width, plane; /* of a copied channel */
  size_t windows_y, windows_x, windows;
  size_t lanes;                /* filters, rounded up to whole vectors */
  size_t channels;             /* likewise */
  size_t image, pool, partial; /* of a slot: [channels, plane]; [windows, lanes], both rounded up to whole vectors; [terms, lanes] */
  size_t turned;               /* of a slot, in the place of these: [plane, channels], rounded up */
  size_t transformed;          /* behind it, and before the pool, in Winograd's algorithm: [windows, points, channels] */
  size_t slot, slot_count;
  bool has_winograd;
  bool has_filter_lanes;           /* weight gradients are summed with filters side by side in vectors; else with channels */
  size_t *shifts;                  /* [taps] */
  size_t *bases;                   /* [windows]: the first of their places in a copied channel */
  size_t steps[POOLED_PLACES + 1]; /* from there to each of them */
  float *weights;                  /* arranged for a direction */
  float *sums;                     /* of the weight gradient, likewise: sum_count */
  size_t sum_count;
  double *bias_sums; /* [lanes] */
  float *slots;
};

struct pooled_plan pooled_make_plan(const struct kernel_conv *conv, struct work_cutter *cutter);
struct pooled_plan pooled_begin(const struct kernel_conv *conv, float *work);

static inline float *pooled_slot(const struct pooled_plan *plan, size_t slot) { return plan->slots + slot * plan->slot; }

/* What the pieces of one call share. */
struct pooled_job {
  const struct pooled_plan *plan;
  bool is_rectified;
  const float *x, *delta, *bias;
  float *out;                   /* z or dx */
  uint8_t *winners;             /* of the forward pass */
  const uint8_t *known_winners; /* of the gradients */
  size_t samples;               /* of a piece */
  size_t first, end;            /* samples of the round */
};

/* The samples of a piece: [first, end). */
struct pooled_samples {
  size_t first, end;
};
static inline struct pooled_samples pooled_samples_of(const struct pooled_job *job, size_t piece) {
  const size_t first = job->first + piece * job->samples;
  return (struct pooled_samples){.first = first, .end = work_smaller(first + job->samples, job->end)};
}

/* Runs piece(job, 0 …) for all samples, round by round; after each, end_round(job, count of pieces) if it is not NULL, on this thread. A
 * sample costs so many nanoseconds. */
void pooled_run(const struct parallel *parallel, struct pooled_job *job, size_t cost, parallel_piece *piece,
                void (*end_round)(const struct pooled_job *job, size_t piece_count));

/* Sets the first so many floats of all slots to 0: the borders of images, which copies leave alone. */
void pooled_clear_slots(const struct pooled_plan *plan, size_t count);
/* One sample as [channels, plane]. */
void pooled_copy_image(const struct pooled_plan *plan, const float *x, float *image);
/* One sample as [plane, channels]. */
void pooled_turn_image(const struct pooled_plan *plan, const float *x, float *turned);
/* [windows, lanes] of some filters → their z, [filters, windows] */
void pooled_turn_windows(const struct pooled_plan *plan, const float *held, size_t lanes, size_t filters, float *z);

/* Where values of row y, column x … and channels c … of one sample are in its turned image. */
static inline size_t pooled_turned_place(const struct pooled_plan *plan, size_t y, size_t x, size_t c) {
  return ((y + plan->conv->y.before) * plan->width + plan->conv->x.before + x) * plan->channels + c;
}

/* Winograd's algorithm, if pooled_can_winograd: weights once, then sample n by sample. */
bool pooled_can_winograd(const struct kernel_conv *conv);
void pooled_transform_weights(const struct pooled_plan *plan, const float *w);
void pooled_forward_winograd(const struct pooled_job *job, size_t n, float *slot);

/* The largest of a window's places, and which it is. What is not a number stays seen. */
static inline __attribute__((always_inline)) void pooled_choose(const vector places[POOLED_PLACES], bool is_rectified, vector *out_largest,
                                                                vector_lanes *out_winner) {
  vector largest = places[0];
  vector_lanes winner = {0};
  vector_mask is_nan = vector_is_nan(places[0]);
#pragma GCC unroll 3
  for (int p = 1; p < POOLED_PLACES; p++) {
    const vector_mask is_larger = vector_is_larger(places[p], largest);
    largest = vector_choose(is_larger, places[p], largest);
    winner = vector_choose_lanes(is_larger, (vector_lanes){0} + p, winner);
    is_nan = (vector_mask)(is_nan | vector_is_nan(places[p]));
  }
  if (is_rectified) {
    const vector zeros = {0};
    const vector_mask is_positive = vector_is_larger(largest, zeros);
    winner = vector_choose_lanes(is_positive, winner, (vector_lanes){0} + POOLED_NO_WINNER);
    largest = vector_choose(is_positive, largest, zeros);
  }
  largest = vector_choose(is_nan, (places[0] + places[1]) + (places[2] + places[3]), largest);
  *out_largest = largest;
  *out_winner = winner;
}
#endif
