/* A `struct parallel` that runs its pieces on this thread in another order than one after the other, and counts them: what must not change
 * a bit of any result. */
#ifndef TESTS_SUPPORT_SHUFFLED_PARALLEL_H
#define TESTS_SUPPORT_SHUFFLED_PARALLEL_H

#include "engine/parallel.h"

struct shuffled_parallel {
  size_t runs, pieces; /* so far */
};

/* The pieces from the last to the first, every other one in a second round. Lends `state`, which must outlive it. */
struct parallel shuffled_parallel(struct shuffled_parallel *state);

#endif
