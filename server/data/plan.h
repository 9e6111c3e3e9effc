/* The plan: what a job will do with a dataset, decided from the dataset's row alone, before its file is read. So that POST /v1/jobs can
 * validate everything, resolve the network's "auto" and admit the memory, without waiting for the disk. */
#ifndef SERVER_DATA_PLAN_H
#define SERVER_DATA_PLAN_H

#include "engine/network.h"
#include "server/data/data_settings.h"
#include "server/data/preprocessor.h"
#include "server/data/split.h"

struct data_plan {
  struct preprocessor layout;    /* names, kinds, offsets, categories (all seen), classes; scales not yet fitted */
  struct data_settings settings; /* borrowed strings of the caller's settings, which must outlive the plan */
  uint64_t rows;                 /* usable at most (rows with a missing target are left out) */
  uint64_t train_rows_max, validation_rows_max, test_rows_max;
  bool has_validation, has_test;
  bool validation_from_training; /* of an upload of several parts, none of them validation: the share is taken of the training rows */
  bool has_padding;              /* the first feature is of sequences that are not all of one length */
  bool images_are_vectors;       /* the network takes an image's pixels as one vector */
  bool takes_steps;              /* the network takes windows as steps; else side by side */
  uint64_t seed;
  size_t row_cache_bytes; /* held while the rows are prepared */
};

/* Chooses features and task and checks: target exists (else the nearest name is suggested), is not a feature, has at least two classes or
 * varies; columns are usable; the parts are not empty; the test dataset has the same columns. Field errors point into the job spec.
 * Task "auto": several targets that are all two-valued 0/1 or yes/no words → multilabel; one categorical target, or several, each a class
 * for a step of a sequence → classification; a numeric target whose values are whole, at most 20 distinct, each at least 5 times on average
 * → classification; else regression. test_dataset may be NULL. Writes the decided task into *settings. */
__attribute__((warn_unused_result)) enum error_code data_plan_create(const struct dataset_row *dataset,
                                                                     const struct dataset_row *test_dataset, struct data_settings *settings,
                                                                     uint64_t seed, struct data_plan *out_plan, struct error *error);
void data_plan_deinit(struct data_plan *plan);

/* Whether task "auto" takes a single target for classes, not for numbers. */
bool data_plan_is_of_classes(const struct dataset_column *column);

/* A column without a name, in a file that names the others, whose whole numbers count the rows: the row numbers that R and pandas write.
 * They say where a row stood, not what it is; so they are a feature only where they are named. */
bool data_plan_is_row_number(const struct dataset_row *dataset, size_t index);

/* Whether rows are told apart by class, so that each part gets its share of every class; not by a class for each step of a sequence. */
bool data_plan_has_strata(const struct data_plan *plan);

/* Images alone are trained on where they lie, in the mapped file of the dataset's tensors: what is prepared are the numbers of the rows. */
static inline bool data_plan_is_mapped(const struct data_plan *plan) {
  return plan->layout.feature_count == 1 && plan->layout.features[0].kind == COLUMN_IMAGE;
}

/* Floats of a row's y as it is prepared: none of a reconstruction, whose rows are their own targets. */
static inline size_t data_plan_get_target_width(const struct data_plan *plan, bool as_values) {
  return plan->layout.is_reconstruction ? 0 : preprocessor_get_target_width(&plan->layout, as_values);
}

/* Whether any feature is scaled; categories are ones and zeros. */
bool data_plan_has_numbers(const struct data_plan *plan);

/* What the network's "auto" follows from. */
void data_plan_get_network_target(const struct data_plan *plan, struct network_target *out_target);

/* Fits a plan to the network that its rows are for, and checks that they go together.
 * An embedding of the network's input: numeric columns hold its tokens, as they are, and cells that are missing are its padding. Errors, at
 * "/features", "/test_dataset" and "/scaling", for columns that don't fit.
 * Images: a network whose layers take vectors gets their pixels as one, else [channels, height, width]. Error at "/network" for an input of
 * three other sizes.
 * Masking of the network's input: cells that are missing, and the steps that short lists lack, are its mask_value. */
struct plan_datasets {
  const struct dataset_row *dataset, *test_dataset; /* test_dataset may be NULL */
};
__attribute__((warn_unused_result)) enum error_code data_plan_follow_network(struct data_plan *plan, const struct plan_datasets *datasets,
                                                                             const struct network_spec *network, struct error *error);

/* Refuses settings that change nothing of a plan that follows its network: of texts without a text among the features, shares beside a
 * column that says the parts, and so on. What a resolved spec says passes. Field errors point into the job spec. */
__attribute__((warn_unused_result)) enum error_code data_plan_check_effects(const struct data_plan *plan,
                                                                            const struct plan_datasets *datasets,
                                                                            const struct network_spec *network, struct error *error);

/* Whether a column of sequences is among the features: then a network of steps gets the numbers of one, as struct sequence_settings say. */
bool data_plan_has_sequence(const struct dataset_row *dataset, const struct data_settings *settings);

/* Two classes by one sigmoid output: tells the plan that the network ends so. */
void data_plan_set_single_output(struct data_plan *plan);

/* Sizes of the parts that so many usable rows make by the shares (not by a split column). ERROR_INVALID, saying how many rows it takes, if
 * a part that is asked for would be empty. */
__attribute__((warn_unused_result)) enum error_code data_plan_split(const struct data_plan *plan, uint64_t rows,
                                                                    uint64_t out_sizes[PART_COUNT], struct error *error);

/* Upper bound of the bytes that prepared_create will hold at once (rows of the file above a hundred KiB come on top while they are read).
 * as_values: class targets one-hot (for losses of TARGET_VALUES). */
__attribute__((warn_unused_result)) enum error_code data_plan_measure(const struct data_plan *plan, bool as_values, size_t *out_bytes,
                                                                      struct error *error);
/* What of it stays once they are prepared: the matrices, unless they are so large that they stand in a file (row_storage.h), and the
 * preprocessor that was fitted. */
__attribute__((warn_unused_result)) enum error_code data_plan_measure_kept(const struct data_plan *plan, bool as_values, size_t *out_bytes,
                                                                           struct error *error);
/* Bytes of that file; 0: there is none. */
__attribute__((warn_unused_result)) enum error_code data_plan_measure_disk(const struct data_plan *plan, bool as_values, size_t *out_bytes,
                                                                           struct error *error);

#endif
