/* Prepared data: a plan carried out. Reads the file, splits the rows, fits the preprocessor on the training part and fills float matrices.
 * A pure function of file, plan and seed. */
#ifndef SERVER_DATA_PREPARED_H
#define SERVER_DATA_PREPARED_H

#include "engine/train.h"
#include "server/data/plan.h"
#include "server/data/row_storage.h"
#include "server/data/tensor_file.h"

struct prepared {
  struct preprocessor preprocessor; /* fitted */
  struct train_data data;           /* train and validation; targets scaled, or of a reconstruction the rows themselves */
  struct train_rows test;           /* count 0 if there is no test part */
  uint64_t left_out;                /* rows without a target */
  const float *baselines[2];        /* [test.count, target width] of windows: as windows_repeat_last and windows_repeat_all; else NULL */
  struct row_storage storage;       /* owned: the matrices */
  struct tensor_file tensors, test_tensors; /* owned: mapped rows of the dataset, of the test dataset */
};

/* poll may be NULL; asked now and then, true → gives up with ERROR_CONFLICT (cancelled). */
__attribute__((warn_unused_result)) enum error_code prepared_create(const char *data_dir, const struct dataset_row *dataset,
                                                                    const struct dataset_row *test_dataset, const struct data_plan *plan,
                                                                    bool as_values, bool (*poll)(void *context), void *context,
                                                                    struct prepared *out_prepared, struct error *error);
void prepared_deinit(struct prepared *prepared);

/* Test rows whose inputs and targets the training rows have too; *out_is_estimate: of a share of them, scaled up. 3 MiB while it runs. */
__attribute__((warn_unused_result)) enum error_code prepared_count_shared_rows(const struct prepared *prepared, const struct shape *input,
                                                                               size_t target_width, uint64_t *out_count,
                                                                               bool *out_is_estimate, struct error *error);

/* The whole of a dataset through a fitted preprocessor, for evaluate: columns are found by name, rows without a target are left out.
 * `handler` gets x, y and count of at most `portion` rows at a time. */
__attribute__((warn_unused_result)) enum error_code
preprocessor_read_dataset(const struct preprocessor *preprocessor, const char *data_dir, const struct dataset_row *dataset, bool as_values,
                          size_t portion,
                          enum error_code (*handler)(void *context, const float *x, const float *y, size_t count, struct error *error),
                          void *context, struct error *error);

#endif
