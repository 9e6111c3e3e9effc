/* Where prepared rows stand: a few in memory, many in a file that is mapped, so that rows larger than memory can be trained on.
 *
 * The file has no name (a crash leaves nothing behind), lies in the data directory, and has all its space from the start: a full disk is an
 * error here, and no write to the mapping can fail later. What is mapped is the system's to keep in memory or not, so that only rows in
 * memory count as such (row_storage_is_file).
 * Threads: as the floats'. */
#ifndef SERVER_DATA_ROW_STORAGE_H
#define SERVER_DATA_ROW_STORAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

enum { ROW_STORAGE_ALIGNMENT_BYTES = 64, ROW_STORAGE_MEMORY_BYTES_MAX = 16 << 20 };

struct row_storage {
  float *floats; /* aligned; undefined in memory, zeros in a file */
  size_t bytes;
  bool is_file;
};

/* Should rows of so many bytes stand in a file? */
static inline bool row_storage_is_file(uint64_t bytes) { return bytes > ROW_STORAGE_MEMORY_BYTES_MAX; }

/* ERROR_DISK_FULL if so many bytes are not free for the data directory now, which doesn't keep others from taking them. */
__attribute__((warn_unused_result)) enum error_code row_storage_check_disk(const char *data_dir, uint64_t bytes, struct error *error);

/* ERROR_OUT_OF_MEMORY, ERROR_DISK_FULL. */
__attribute__((warn_unused_result)) enum error_code row_storage_open(const char *data_dir, size_t bytes, bool in_file,
                                                                     struct row_storage *out_storage, struct error *error);
/* Of all zeros too: nothing was opened. */
void row_storage_close(struct row_storage *storage);

/* How a range of the floats will be read from now on: row by row in any order, so that reading ahead of a row only takes memory from
 * others; or from its begin to its end. Without effect in memory. */
void row_storage_expect_any_order(const struct row_storage *storage, const float *begin, size_t bytes);
void row_storage_expect_order(const struct row_storage *storage, const float *begin, size_t bytes);

#endif
