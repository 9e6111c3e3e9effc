/* Which row goes to which part: training, validation, test. Pure functions of counts, classes and seed. */
#ifndef SERVER_DATA_SPLIT_H
#define SERVER_DATA_SPLIT_H

#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

enum split_part { PART_TRAIN, PART_VALIDATION, PART_TEST, PART_COUNT };

/* Rows of a part: share · rows, rounded to the nearest. */
uint64_t split_size(double share, uint64_t rows);
/* The fewest rows of which a share > 0 makes at least one; at most UINT32_MAX, which is as many as a job can use. */
uint64_t split_rows_needed(double share);

/* The part that a cell of a split column names (train, training, validation, valid, val, test, testing; any case, spaces around it
 * ignored), or PART_COUNT. */
enum split_part split_part_of_word(const char *text);

/* Chances are those of a random permutation; sizes are exact. With strata, each class is shared out by largest remainder, and keeps at
 * least one row in training as far as the sizes allow it (classes of three or more rows first). */
struct split_request {
  uint64_t seed;
  size_t count;            /* rows, below 2^32 */
  size_t validation, test; /* rows of these parts; together below count */
  const int32_t *strata;   /* [count] class of each row; NULL: all alike */
  size_t stratum_count;
};
/* Fills parts[count] with enum split_part. Memory while it runs: 4 bytes per row, 24 per stratum. */
__attribute__((warn_unused_result)) enum error_code split_assign(const struct split_request *request, uint8_t *parts, struct error *error);

#endif
