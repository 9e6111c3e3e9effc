/* How the values of one column are spread: numbers and dates in bins of equal width, texts by their length in bins that double. Categories
 * are counted at import already (struct dataset_column). One walk over the file, in bounded memory. */
#ifndef SERVER_DATA_HISTOGRAM_H
#define SERVER_DATA_HISTOGRAM_H

#include "engine/error.h"
#include "server/store/datasets.h"

enum { HISTOGRAM_BINS_MAX = 1000 };

struct histogram {
  size_t bin_count;
  double edges[HISTOGRAM_BINS_MAX + 1]; /* bin i is [edges[i], edges[i + 1]), the last one with its end */
  uint64_t counts[HISTOGRAM_BINS_MAX];
  uint64_t missing;
};

/* bin_count 0: Rice's rule, 2 · ∛n, between 1 and 60; of few different whole numbers, one bin for each. A column of texts chooses its bins
 * itself. ERROR_INVALID: a column of images, or none whose values are present. poll, which may be NULL, is asked now and then; true gives
 * up with ERROR_UNAVAILABLE. */
__attribute__((warn_unused_result)) enum error_code histogram_read(const char *data_dir, const struct dataset_row *dataset, size_t column,
                                                                   size_t bin_count, bool (*poll)(void *context), void *context,
                                                                   struct histogram *out_histogram, struct error *error);

#endif
