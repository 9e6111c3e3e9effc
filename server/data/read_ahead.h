/* Reading ahead in mapped rows: while the thread that trains has to wait for the disk, the pages of rows to come are asked for before they
 * are touched, many at once; one that finds everything in memory is left alone but for one look a batch.
 *
 * Rows in any order are otherwise read a page at a time, each after the one before: that is how long a disk takes to answer, not how much
 * it can deliver. Plain data; belongs to the thread that trains. */
#ifndef SERVER_DATA_READ_AHEAD_H
#define SERVER_DATA_READ_AHEAD_H

#include "engine/train_rows.h"

/* All zeros: nothing seen yet. */
struct read_ahead {
  long faults;       /* of this thread that waited for a disk, so far */
  long batches_left; /* to be read ahead after the last such fault */
};

/* For struct train_data; `context` is a struct read_ahead. */
void read_ahead_expect_rows(void *context, const struct row_reader *reader, const uint32_t *rows, size_t count);

#endif
