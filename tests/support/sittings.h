/* A training run in one sitting or several, for tests: it is stopped after so many polls, keeps what the checkpoint says, and goes on from
 * there in another trainer. Nothing is allocated while it runs. */
#ifndef TESTS_SUPPORT_SITTINGS_H
#define TESTS_SUPPORT_SITTINGS_H

#include "engine/train.h"

enum { SITTINGS_VALUES = 128 };

struct sittings {
  uint64_t polls, stop_at;        /* of the sitting under way; 0: never */
  struct train_position position; /* of the last checkpoint, with … */
  float *block;                   /* … its block; owned */
  size_t allocation_count;        /* while the last sitting ran (allocations.h) */
  size_t value_count;
  struct train_value values[SITTINGS_VALUES]; /* of the last report; their names are the trainer's */
};

/* Trains until it stops, or to its end; ends the test if that fails. */
struct train_result sittings_run(struct sittings *sittings, struct trainer *trainer);
/* Brings a new trainer to where the last one was stopped. */
void sittings_restore(const struct sittings *sittings, struct trainer *trainer);
/* A value of the last report, while its trainer lives; NAN if it has none of that name. */
double sittings_value(const struct sittings *sittings, const char *name);
/* Frees the block. */
void sittings_deinit(struct sittings *sittings);

/* The weights as they are, [parameters]; free it. */
float *sittings_copy_weights(const struct trainer *trainer, const struct network *network);

#endif
