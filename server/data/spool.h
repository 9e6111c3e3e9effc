/* A temporary file in the data directory that has no name: gone when it is closed, whatever happens. Written once, then mapped and read.
 * Threads: belongs to one thread. */
#ifndef SERVER_DATA_SPOOL_H
#define SERVER_DATA_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

struct spool {
  int fd; /* −1: closed */
  uint64_t byte_count;
  const unsigned char *bytes; /* NULL until it is mapped */
};

/* Makes <data-dir>/datasets if it isn't there. */
__attribute__((warn_unused_result)) enum error_code spool_open(const char *data_dir, struct spool *out_spool, struct error *error);
void spool_close(struct spool *spool);
/* ERROR_DISK_FULL. */
__attribute__((warn_unused_result)) enum error_code spool_write(struct spool *spool, const void *bytes, size_t byte_count,
                                                                struct error *error);
/* All of it in spool->bytes, to be read from its beginning to its end; of an empty one a pointer to nothing. */
__attribute__((warn_unused_result)) enum error_code spool_map(struct spool *spool, struct error *error);

#endif
