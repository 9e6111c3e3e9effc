/* Counter-based random numbers: Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
 *
 * A number is a pure function of (seed, purpose, epoch, step, index): nothing is carried along, so any thread can compute any
 * number, and a resumed run draws what the uninterrupted one would have drawn.
 */
#ifndef ENGINE_RANDOM_H
#define ENGINE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* What a number is for. Values are stored nowhere but decide the stream: never renumber, only append. */
enum random_purpose {
  RANDOM_SPLIT = 1,        /* rows to training, validation, test */
  RANDOM_INITIALIZE = 2,   /* start weights; step = index of the layer, epoch = index of its tensor */
  RANDOM_SHUFFLE = 3,      /* order of the rows in an epoch */
  RANDOM_DROPOUT = 4,      /* masks; layer's index in the stream's `lane` */
  RANDOM_SEARCH = 5,       /* steps of a random search; the candidate in the lane */
  RANDOM_PARENTS = 6,      /* genetic: tournaments and crossover points; the child in the lane, as in the next three */
  RANDOM_CROSSOVER = 7,    /* … which parent's weight */
  RANDOM_MUTATION = 8,     /* … which weights change */
  RANDOM_CHANGE = 9,       /* … by how much */
  RANDOM_AUGMENTATION = 10 /* how a training row is varied: step = the row, lane = the kind */
};

/* One stream of numbers; `index` within it is the caller's. */
struct random_stream {
  uint64_t seed;
  uint32_t purpose; /* enum random_purpose */
  uint32_t lane;    /* sub-stream: a layer's index, say; below 2^16 */
  uint64_t epoch;   /* below 2^32 */
  uint64_t step;    /* below 2^32 */
};

/* Four random words for counter value `block` of the stream; `block` below 2^32. */
void random_block(const struct random_stream *stream, uint64_t block, uint32_t out_words[4]);

/* Number `index` of the stream, uniform in [0, 1), 24 bits. */
float random_uniform(const struct random_stream *stream, uint64_t index);

/* Fill `values[count]` with numbers first_index, first_index + 1, …; the same numbers as one by one. */
void random_fill_uniform(const struct random_stream *stream, uint64_t first_index, size_t count, float *values);
/* Standard normal (Box-Muller, computed in double). */
void random_fill_normal(const struct random_stream *stream, uint64_t first_index, size_t count, float *values);
/* Likewise, computed in float32 by vectors: for noise, of which there is much. Other numbers than random_fill_normal's, to about 1e-6. */
void random_fill_normal_fast(const struct random_stream *stream, uint64_t first_index, size_t count, float *values);

/* A permutation of 0 … count − 1 (Fisher-Yates) into `order`. */
void random_permutation(const struct random_stream *stream, size_t count, uint32_t *order);

#endif
