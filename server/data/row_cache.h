/* The rows of a dataset that is walked over several times: those of a small file are split into cells once and kept, so that a job on it
 * starts at once; a large file is read anew each time. */
#ifndef SERVER_DATA_ROW_CACHE_H
#define SERVER_DATA_ROW_CACHE_H

#include "server/data/import.h"

struct row_cache {
  const char *data_dir;
  const struct dataset_row *dataset;
  /* Of a small dataset, once it was walked over; NULL before, and of a large one. Owned. */
  char *text;                   /* all cells, one after the other, each NUL-terminated */
  uint32_t *positions;          /* [rows, columns] where in `text` */
  const char **cells;           /* [columns] of one row */
  size_t text_bytes, row_count; /* kept so far */
  bool is_whole;
};

/* Borrows both; nothing is read yet. */
void row_cache_init(struct row_cache *cache, const char *data_dir, const struct dataset_row *dataset);
void row_cache_deinit(struct row_cache *cache);
/* Bytes that it will hold at most. */
size_t row_cache_measure(const struct dataset_row *dataset);
/* All good rows, as dataset_read_rows. */
__attribute__((warn_unused_result)) enum error_code row_cache_read(struct row_cache *cache, dataset_row_handler *handler, void *context,
                                                                   struct error *error);

#endif
