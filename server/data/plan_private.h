/* What the steps of a plan share: plan.c and the files plan_*.c. Nobody else includes this. */
#ifndef SERVER_DATA_PLAN_PRIVATE_H
#define SERVER_DATA_PLAN_PRIVATE_H

#include "server/data/plan.h"

enum { POINTER_BYTES = 32 };

struct planner {
  const struct dataset_row *dataset, *test_dataset;
  struct data_settings *settings;
  struct data_plan *plan;
  size_t *targets;     /* columns, [settings->target.count] */
  bool *is_feature;    /* [column_count] */
  size_t split_column; /* or column_count: none */
  size_t items_before; /* field errors that the caller had already */
};

/* The column's index, or column_count and a field error. */
size_t plan_find_column(const struct dataset_row *dataset, const char *name, const char *pointer, struct error *error);

/* The column of that name, or NULL. */
const struct dataset_column *plan_get_column(const struct dataset_row *dataset, const char *name);
/* "numeric", "free text" … */
const char *plan_kind_word(const struct dataset_column *column);
/* Field errors so far. */
size_t plan_count_items(const struct error *error);

/* "/target/1", or "/target" where there is one only (it may have been given as a string). */
const char *plan_point_at(const char *field, size_t index, size_t count, char pointer[POINTER_BYTES]);

/* Column of a target, by its place in settings->target. */
const struct dataset_column *plan_get_target(const struct planner *planner, size_t index);
/* The column's two values as {no, yes}; false if they aren't such a pair. */
bool plan_find_labels(const struct dataset_column *column, const char *out_labels[2]);

/* Fills planner->is_feature; after targets and split column are found. */
void plan_choose_features(struct planner *planner, struct error *error);

/* Forecasting (plan_window.c): whether the spec and the dataset make one, the parts as windows, and the targets of one that is laid out. */
void plan_check_window(const struct planner *planner, struct error *error);
bool plan_is_clock(const struct planner *planner, size_t index); /* a column of numbers that only puts the rows in order */
void plan_measure_windows(struct planner *planner, struct error *error);
__attribute__((warn_unused_result)) bool plan_spread_targets(struct planner *planner);

/* Fills plan->layout, after task, targets and features are decided (plan_layout.c). */
__attribute__((warn_unused_result)) enum error_code plan_lay_out(struct planner *planner, struct error *error);
/* Notes whether some sequence is shorter than the first feature's steps. */
void plan_note_padding(struct planner *planner);

/* Adds field errors for what the test dataset, if there is one, lacks of the layout; notes its rows (plan_test_dataset.c). */
__attribute__((warn_unused_result)) enum error_code plan_check_test_dataset(struct planner *planner, struct error *error);

/* Several targets of a classification: a class for each step of a sequence, all of one list. */
bool plan_has_steps(const struct planner *planner);
void plan_check_steps(const struct planner *planner, struct error *error);
/* Gives the target the classes of all. False: no memory. */
bool plan_copy_step_classes(const struct planner *planner, struct target *target);

/* A reconstruction's targets are its features. */
bool plan_is_reconstruction(const struct planner *planner);
__attribute__((warn_unused_result)) enum error_code plan_target_features(struct planner *planner, struct error *error);

#endif
