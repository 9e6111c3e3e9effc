/* Rows that come again: within a dataset, and between what is learned from and what is tested on (there they make a test too kind).
 * Two rows are the same if all their values are, those of tensors included, but for columns that don't say what a row is: its part, the
 * name of its image's file, its number. */
#ifndef SERVER_DATA_REPEATS_H
#define SERVER_DATA_REPEATS_H

#include "engine/error.h"
#include "server/store/datasets.h"

enum { REPEATS_SHOWN = 5 };

struct repeat {
  uint64_t row, first_row; /* numbers of the row and of the one it repeats */
};

struct repeats_request {
  const char *data_dir;
  const struct dataset_row *dataset;
  const struct dataset_row *test_dataset; /* or NULL; needs the dataset's columns, by name */
  bool (*poll)(void *context);            /* may be NULL; true gives up with ERROR_UNAVAILABLE */
  void *poll_context;
};

struct repeats {
  uint64_t copies; /* rows that are the same as an earlier one */
  size_t copies_shown;
  struct repeat copies_first[REPEATS_SHOWN];
  bool has_parts;     /* there is a test dataset, or a column that says train, validation or test for each row */
  size_t part_column; /* column_count: none */
  uint64_t shared;    /* rows of the test dataset, or of the validation and test part, that the training rows have too */
  size_t shared_shown;
  struct repeat shared_first[REPEATS_SHOWN];
  bool is_estimate; /* too many different rows to keep: the counts are scaled up from a share of them */
};

/* ERROR_INVALID if the test dataset lacks a column. */
__attribute__((warn_unused_result)) enum error_code repeats_read(const struct repeats_request *request, struct repeats *out_repeats,
                                                                 struct error *error);

#endif
