/* Augmentation: training rows that are a little different in every epoch, so that a network learns what doesn't matter. One file per kind
 * in augmentations/.
 *
 * What happens to a row is a pure function of (seed, epoch, row): the same for any number of threads, and for a run that was stopped and
 * went on. Validation, test and prediction see the rows as they are.
 *
 *   row ─▶ kinds that place: one map of the plane, pixels interpolated once ─▶ kinds that change values ─▶ mixup of the batch
 */
#ifndef ENGINE_AUGMENTATION_H
#define ENGINE_AUGMENTATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/affine.h"
#include "engine/error.h"
#include "engine/parallel.h"
#include "engine/param.h"
#include "engine/random.h"
#include "engine/train_rows.h"

/* What a job spec says of it; 0 and false, for crop 1: not used. augmentation_params is the table. */
struct augmentation {
  bool is_given;
  bool horizontal_flip, vertical_flip;
  double rotation; /* degrees */
  int64_t shift;   /* pixels */
  double crop;     /* share of the area */
  double erasing;  /* probability */
  double noise;    /* standard deviation */
  double mixup;    /* α */
};
enum { AUGMENTATION_COUNT = 8 };
extern const struct param augmentation_params[AUGMENTATION_COUNT];

struct augmentation_kind {
  const char *name;                                   /* of its row */
  uint32_t lane;                                      /* of its random numbers: never renumber */
  bool needs_image;                                   /* an input [channels, height, width]; others take any numbers */
  double (*get)(const struct augmentation *settings); /* how much of it; 0: none */
  /* One of these three. Streams are of this kind and row. */
  /* Joins to `map` what it does to the places of a row's pixels. */
  void (*place)(double amount, const struct random_stream *stream, const struct shape *image, struct affine *map);
  /* Changes a row's values. */
  void (*change)(double amount, const struct random_stream *stream, const struct shape *input, float *x);
  /* λ: the share that a row keeps where it is mixed with another; the stream is of the batch's first row. */
  double (*draw_share)(double amount, const struct random_stream *stream);
};

/* Kind `index` < AUGMENTATION_COUNT, in the order in which they are applied. */
const struct augmentation_kind *augmentation_get(size_t index);

/* Whether any kind is used that mixes rows: then targets are mixed, too. */
bool augmentation_mixes(const struct augmentation *settings);

/* How a trainer's rows are varied. Plain data; the trainer owns the scratch. */
struct augmenter {
  const struct augmentation *settings; /* borrowed */
  struct shape input;
  uint64_t seed;
  bool places, changes, mixes; /* kinds of that sort are used */
  size_t batch_size;           /* at most so many rows at once */
  size_t piece_rows;           /* of which so many are one piece of parallel work … */
  size_t piece_floats;         /* … that needs so much scratch */
  size_t scratch_count;        /* floats: background [channels], then the pieces'. 0 if none is needed */
  float *scratch;
};

/* Sizes; scratch is NULL until the caller sets it to scratch_count floats and calls augmenter_start. */
void augmenter_init(struct augmenter *augmenter, const struct augmentation *settings, const struct shape *input, uint64_t seed,
                    size_t batch_size);
void augmenter_start(struct augmenter *augmenter, const struct row_reader *reader);

static inline bool augmenter_is_idle(const struct augmenter *augmenter) {
  return !augmenter->places && !augmenter->changes && !augmenter->mixes;
}

/* Rows of an epoch, varied each by itself: rows[count] of the reader's → x[count, input …]. */
struct augmenter_rows {
  const struct row_reader *reader;
  uint64_t epoch;
  const uint32_t *rows;
  size_t count; /* ≤ batch_size */
};
void augmenter_fetch(const struct augmenter *augmenter, const struct augmenter_rows *rows, const struct parallel *parallel, float *x);

/* Mixes row i of a batch with row count − 1 − i: values[count, width] ← λ · its own + (1 − λ) · the other's. To be called for inputs and
 * targets, with the same λ. */
double augmenter_draw_share(const struct augmenter *augmenter, const struct augmenter_rows *rows);
void augmenter_mix(double share, size_t count, size_t width, float *values);

#endif
