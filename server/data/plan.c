/* The plan in the order in which it is made: split column, targets, task, features (plan_features.c), parts, layout (plan_layout.c), test
 * dataset (plan_test_dataset.c). Each step adds its field errors; the first step with any ends it. */
#include "server/data/plan_private.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/data/column_stats.h"
#include "server/data/csv.h"
#include "server/data/row_cache.h"
#include "server/data/split.h"

enum { AUTO_CLASSES_MAX = 20, AUTO_REPEATS_MIN = 5 };

size_t plan_count_items(const struct error *error) { return error->item_count + error->items_dropped; }

static bool has_errors(const struct planner *planner, const struct error *error) { return plan_count_items(error) > planner->items_before; }

static const char *get_column_name(const void *context, size_t index) { return ((const struct dataset_row *)context)->columns[index].name; }

const struct dataset_column *plan_get_column(const struct dataset_row *dataset, const char *name) {
  for (size_t i = 0; i < dataset->column_count; i++) {
    if (strcmp(dataset->columns[i].name, name) == 0) return &dataset->columns[i];
  }
  return NULL;
}

size_t plan_find_column(const struct dataset_row *dataset, const char *name, const char *pointer, struct error *error) {
  for (size_t i = 0; i < dataset->column_count; i++) {
    if (strcmp(dataset->columns[i].name, name) == 0) return i;
  }
  const char *near = param_suggest(name, dataset->column_count, get_column_name, dataset);
  if (near != NULL) {
    (void)error_add(error, pointer, "dataset \"%s\" has no column \"%.80s\"; did you mean \"%.80s\"?", dataset->name, name, near);
  } else {
    (void)error_add(error, pointer, "dataset \"%s\" has no column \"%.80s\"; its columns are %s", dataset->name, name,
                    dataset->has_header ? "listed with it"
                                        : "column_1, column_2, …, as its first line was taken for data; if that line names them, upload "
                                          "the file with ?header=true");
  }
  return dataset->column_count;
}

const char *plan_point_at(const char *field, size_t index, size_t count, char pointer[POINTER_BYTES]) {
  if (count == 1) {
    snprintf(pointer, POINTER_BYTES, "/%s", field);
  } else {
    snprintf(pointer, POINTER_BYTES, "/%s/%zu", field, index);
  }
  return pointer;
}

const char *plan_kind_word(const struct dataset_column *column) {
  if (column->kind == COLUMN_DATETIME) return "of dates";
  if (column->kind == COLUMN_SEQUENCE) return "of lists of numbers";
  return column->kind == COLUMN_TEXT ? "free text" : column_kind_names[column->kind];
}

/* "is free text (line 17: "n/b"; …)" */
static const char *describe_kind(const struct dataset_column *column, char text[COLUMN_WORDS_BYTES]) {
  char kind[32];
  snprintf(kind, sizeof kind, "is %s", plan_kind_word(column));
  return column_describe_words(column, kind, text);
}

/* ---- split column ---- */

/* "auto": the column that was made at upload, unless the test part is a dataset of its own. */
static void choose_split_column(struct planner *planner) {
  const struct dataset_row *dataset = planner->dataset;
  struct data_split *split = &planner->settings->split;
  split->column[0] = '\0';
  for (size_t i = 0; i < dataset->column_count && planner->test_dataset == NULL; i++)
    if (dataset->columns[i].says_part) snprintf(split->column, sizeof split->column, "%s", dataset->columns[i].name);
}

static void find_split_column(struct planner *planner, struct error *error) {
  const struct dataset_row *dataset = planner->dataset;
  const struct data_split *split = &planner->settings->split;
  planner->split_column = dataset->column_count;
  if (strcmp(split->column, SPLIT_COLUMN_AUTO) == 0) choose_split_column(planner);
  if (split->column[0] == '\0') return;
  planner->split_column = plan_find_column(dataset, split->column, "/split/column", error);
  if (planner->split_column == dataset->column_count) return;
  const struct dataset_column *column = &dataset->columns[planner->split_column];
  static const char wanted[] = "each of its rows must say train, validation or test";
  if (column->missing > 0) {
    (void)error_add(error, "/split/column", "column \"%.80s\" is missing in %" PRIu64 " rows; %s", column->name, column->missing, wanted);
  }
  if (!column->has_categories) (void)error_add(error, "/split/column", "column \"%.80s\" has too many values; %s", column->name, wanted);
  for (size_t i = 0; i < column->category_count; i++) {
    if (split_part_of_word(column->categories[i].value) != PART_COUNT) continue;
    (void)error_add(error, "/split/column", "column \"%.80s\" says \"%.60s\"; %s", column->name, column->categories[i].value, wanted);
    return;
  }
}

/* ---- targets and task ---- */

static void find_targets(struct planner *planner, struct error *error) {
  const struct names *names = &planner->settings->target;
  if (names->count == 0) (void)error_add(error, "/target", "name the column to predict");
  for (size_t i = 0; i < names->count && error_has_room(error); i++) {
    char pointer[POINTER_BYTES];
    plan_point_at("target", i, names->count, pointer);
    size_t column = plan_find_column(planner->dataset, names->items[i], pointer, error);
    planner->targets[i] = column;
    if (column == planner->dataset->column_count) continue;
    if (column == planner->split_column) (void)error_add(error, pointer, "\"%.80s\" is the split column; predict another", names->items[i]);
    for (size_t k = 0; k < i; k++) {
      if (planner->targets[k] == column) (void)error_add(error, pointer, "\"%.80s\" is named twice", names->items[i]);
    }
  }
}

const struct dataset_column *plan_get_target(const struct planner *planner, size_t index) {
  return &planner->dataset->columns[planner->targets[index]];
}

bool plan_find_labels(const struct dataset_column *column, const char *out_labels[2]) {
  static const char *const pairs[][2] = {{"0", "1"}, {"no", "yes"}, {"false", "true"}, {"n", "y"}, {"f", "t"}, {"off", "on"}};
  if (!column->has_categories || column->category_count != 2) return false;
  const char *first = column->categories[0].value, *second = column->categories[1].value;
  double zero, one;
  if (column->can_be_numeric) {
    out_labels[0] = first;
    out_labels[1] = second;
    return csv_parse_number(first, &zero) && csv_parse_number(second, &one) && zero == 0 && one == 1;
  }
  for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
    bool is_swapped = strcasecmp(first, pairs[i][1]) == 0 && strcasecmp(second, pairs[i][0]) == 0;
    if (!is_swapped && (strcasecmp(first, pairs[i][0]) != 0 || strcasecmp(second, pairs[i][1]) != 0)) continue;
    out_labels[0] = is_swapped ? second : first;
    out_labels[1] = is_swapped ? first : second;
    return true;
  }
  return false;
}

/* A numeric column whose values look like names of classes. */
static bool looks_like_classes(const struct dataset_column *column) {
  uint64_t present = 0;
  for (size_t i = 0; i < column->category_count; i++) present += column->categories[i].count;
  return column->is_integral && column->has_categories && column->category_count <= AUTO_CLASSES_MAX &&
         present >= AUTO_REPEATS_MIN * (uint64_t)column->category_count;
}

bool data_plan_is_of_classes(const struct dataset_column *column) { return column->kind != COLUMN_NUMERIC || looks_like_classes(column); }

static int decide_task(const struct planner *planner) {
  size_t count = planner->settings->target.count;
  if (planner->settings->task != TASK_CHOICE_AUTO) return planner->settings->task;
  if (planner->settings->window.is_enabled) return TASK_CHOICE_REGRESSION;
  if (count == 1) {
    const struct dataset_column *column = plan_get_target(planner, 0);
    return data_plan_is_of_classes(column) ? TASK_CHOICE_CLASSIFICATION : TASK_CHOICE_REGRESSION;
  }
  const char *labels[2];
  size_t label_count = 0, category_count = 0;
  for (size_t i = 0; i < count; i++) {
    label_count += plan_find_labels(plan_get_target(planner, i), labels);
    category_count += plan_get_target(planner, i)->kind == COLUMN_CATEGORICAL;
  }
  if (label_count == count) return TASK_CHOICE_MULTILABEL;
  return category_count == count ? TASK_CHOICE_CLASSIFICATION : TASK_CHOICE_REGRESSION;
}

static void check_class_target(const struct dataset_column *column, const char *pointer, struct error *error) {
  char words[COLUMN_WORDS_BYTES];
  if (column->kind != COLUMN_NUMERIC && column->kind != COLUMN_CATEGORICAL) {
    (void)error_add(error, pointer, "\"%.60s\" %s; a target must be numeric or categorical (PATCH the dataset if it is one of them)",
                    column->name, describe_kind(column, words));
  } else if (!column->has_categories) {
    (void)error_add(error, pointer, "\"%.60s\" %s; ask for task \"regression\"", column->name,
                    column_describe_words(column, "has more different values than can be classes", words));
  } else if (column->category_count == 1) {
    (void)error_add(error, pointer, "\"%.80s\" has one class only, \"%.80s\"; there must be at least two to tell apart", column->name,
                    column->categories[0].value);
  }
}

static void check_number_target(const struct planner *planner, const struct dataset_column *column, const char *pointer,
                                struct error *error) {
  char words[COLUMN_WORDS_BYTES];
  if (!column->can_be_numeric && planner->settings->window.is_enabled) {
    (void)error_add(
        error, pointer,
        "\"%.60s\" %s; with a window, numbers are forecast: name a column of numbers, or leave window out to predict it row by row",
        column->name, describe_kind(column, words));
  } else if (!column->can_be_numeric) {
    (void)error_add(error, pointer, "\"%.60s\" %s; the target of a regression must be numbers", column->name, describe_kind(column, words));
  } else if (column->min >= column->max) {
    (void)error_add(error, pointer, "\"%.80s\" is %g in every row; there is nothing to predict", column->name, column->min);
  } else if (fmax(fabs(column->min), fabs(column->max)) > FLT_MAX) {
    (void)error_add(error, pointer, "\"%.80s\" has numbers beyond ±3.4e38, the range of float32", column->name);
  }
}

static void check_targets(const struct planner *planner, struct error *error) {
  size_t count = planner->settings->target.count;
  if (planner->settings->task == TASK_CHOICE_RECONSTRUCTION) return; /* they were checked as features */
  if (plan_has_steps(planner)) {
    plan_check_steps(planner, error);
    return;
  }
  for (size_t i = 0; i < count; i++) {
    const struct dataset_column *column = plan_get_target(planner, i);
    const char *labels[2];
    char pointer[POINTER_BYTES];
    plan_point_at("target", i, count, pointer);
    if (column->missing >= planner->dataset->rows) {
      (void)error_add(error, pointer, "\"%.80s\" is missing in every row", column->name);
    } else if (planner->settings->task == TASK_CHOICE_REGRESSION) {
      check_number_target(planner, column, pointer, error);
    } else {
      size_t items = plan_count_items(error);
      check_class_target(column, pointer, error);
      if (planner->settings->task == TASK_CHOICE_MULTILABEL && plan_count_items(error) == items && !plan_find_labels(column, labels)) {
        (void)error_add(error, pointer, "\"%.80s\" is no label; its values must be 0 and 1, no and yes, or false and true", column->name);
      }
    }
  }
}

/* ---- parts ---- */

static uint64_t max_missing(const struct planner *planner) {
  uint64_t missing = 0;
  if (plan_has_steps(planner)) return 0; /* whether a row lacks them all shows when it is read */
  for (size_t i = 0; i < planner->settings->target.count; i++) {
    if (plan_get_target(planner, i)->missing > missing) missing = plan_get_target(planner, i)->missing;
  }
  return missing;
}

static bool has_missing(const struct planner *planner) {
  for (size_t i = 0; i < planner->settings->target.count; i++)
    if (plan_get_target(planner, i)->missing > 0) return true;
  return false;
}

enum error_code data_plan_split(const struct data_plan *plan, uint64_t rows, uint64_t out_sizes[PART_COUNT], struct error *error) {
  const struct data_split *split = &plan->settings.split;
  const double shares[PART_COUNT] = {
      [PART_VALIDATION] = split->validation, [PART_TEST] = plan->settings.test_dataset[0] != '\0' ? 0 : split->test};
  static const char *const pointers[PART_COUNT] = {[PART_VALIDATION] = "/split/validation", [PART_TEST] = "/split/test"};
  const size_t items_before = plan_count_items(error);
  uint64_t taken = 0;
  for (int part = PART_VALIDATION; part < PART_COUNT; part++) {
    out_sizes[part] = split_size(shares[part], rows);
    taken += out_sizes[part];
    if (shares[part] <= 0 || out_sizes[part] > 0) continue;
    (void)error_add(error, pointers[part], "%g of %" PRIu64 " row%s is no row; it takes at least %" PRIu64 " rows, or the share 0",
                    shares[part], rows, rows == 1 ? "" : "s", split_rows_needed(shares[part]));
  }
  if (shares[PART_VALIDATION] + shares[PART_TEST] >= 1 || taken >= rows) {
    (void)error_add(error, "/split", "validation and test take all of the %" PRIu64 " row%s; leave some to learn from", rows,
                    rows == 1 ? "" : "s");
  }
  out_sizes[PART_TRAIN] = taken < rows ? rows - taken : 0;
  return plan_count_items(error) > items_before ? ERROR_INVALID : ERROR_NONE;
}

static void count_column_parts(const struct planner *planner, uint64_t sizes[PART_COUNT], struct error *error) {
  const struct dataset_column *column = &planner->dataset->columns[planner->split_column];
  for (size_t i = 0; i < column->category_count; i++) sizes[split_part_of_word(column->categories[i].value)] += column->categories[i].count;
  if (sizes[PART_TRAIN] == 0) (void)error_add(error, "/split/column", "column \"%.80s\" puts no row into the training part", column->name);
  if (sizes[PART_TEST] > 0 && planner->test_dataset != NULL) {
    (void)error_add(error, "/split/column", "column \"%.80s\" has test rows, and test_dataset is a test part too; give one of them",
                    column->name);
  }
}

static void measure_parts(struct planner *planner, struct error *error) {
  struct data_plan *plan = planner->plan;
  uint64_t sizes[PART_COUNT] = {0};
  plan->rows = planner->dataset->rows - (planner->settings->window.is_enabled ? 0 : max_missing(planner));
  if (plan->rows == 0) return; /* check_targets has said so */
  /* Tensors are trained on by the numbers of their rows. */
  if (plan->rows > UINT32_MAX || (planner->dataset->tensor_file[0] != '\0' && planner->dataset->rows > UINT32_MAX)) {
    (void)error_add(error, "/dataset", "it has %" PRIu64 " rows; at most %" PRIu32 " can be used", plan->rows, UINT32_MAX);
    return;
  }
  if (planner->settings->window.is_enabled) {
    plan_measure_windows(planner, error);
    return;
  }
  if (planner->split_column < planner->dataset->column_count) {
    count_column_parts(planner, sizes, error);
    /* Of the training rows that have a target; where some have none, rounding may leave one more for training. */
    plan->validation_from_training = planner->dataset->columns[planner->split_column].says_part && sizes[PART_VALIDATION] == 0 &&
                                     split_size(plan->settings.split.validation, sizes[PART_TRAIN]) > 0;
    if (plan->validation_from_training) {
      sizes[PART_VALIDATION] = split_size(plan->settings.split.validation, sizes[PART_TRAIN]);
      sizes[PART_TRAIN] -= sizes[PART_VALIDATION];
      if (max_missing(planner) > 0) sizes[PART_TRAIN]++;
    }
  } else {
    if (data_plan_split(plan, plan->rows, sizes, error) != ERROR_NONE) return;
    /* Of several targets, different rows may be missing: then there are fewer rows, and rounding may leave one more for training. */
    if (planner->settings->target.count > 1 && has_missing(planner)) sizes[PART_TRAIN]++;
  }
  plan->train_rows_max = sizes[PART_TRAIN];
  plan->validation_rows_max = sizes[PART_VALIDATION];
  plan->test_rows_max = sizes[PART_TEST];
}

/* ---- all together ---- */

static enum error_code run_steps(struct planner *planner, struct error *error) {
  find_split_column(planner, error);
  if (plan_is_reconstruction(planner))
    plan_choose_features(planner, error);
  else
    find_targets(planner, error);
  if (has_errors(planner, error)) return ERROR_INVALID;
  if (plan_is_reconstruction(planner) && plan_target_features(planner, error) != ERROR_NONE) return error->code;
  planner->settings->task = decide_task(planner);
  planner->plan->settings = *planner->settings;
  check_targets(planner, error);
  if (planner->settings->window.is_enabled) plan_check_window(planner, error);
  if (!plan_is_reconstruction(planner)) plan_choose_features(planner, error);
  measure_parts(planner, error);
  if (has_errors(planner, error)) return ERROR_INVALID;
  enum error_code code = plan_lay_out(planner, error);
  if (code == ERROR_NONE) code = plan_check_test_dataset(planner, error);
  if (code == ERROR_NONE) plan_note_padding(planner);
  planner->plan->has_validation = planner->plan->validation_rows_max > 0;
  planner->plan->has_test = planner->plan->test_rows_max > 0;
  return code == ERROR_NONE && has_errors(planner, error) ? ERROR_INVALID : code;
}

enum error_code data_plan_create(const struct dataset_row *dataset, const struct dataset_row *test_dataset, struct data_settings *settings,
                                 uint64_t seed, struct data_plan *out_plan, struct error *error) {
  struct data_plan plan = {.settings = *settings, .seed = seed, .row_cache_bytes = row_cache_measure(dataset)};
  struct planner planner = {
      .dataset = dataset, .test_dataset = test_dataset, .settings = settings, .plan = &plan, .items_before = plan_count_items(error)};
  planner.targets = calloc(settings->target.count + dataset->column_count + 1, sizeof *planner.targets);
  planner.is_feature = calloc(dataset->column_count + 1, sizeof *planner.is_feature);
  enum error_code code = ERROR_NONE;
  if (planner.targets == NULL || planner.is_feature == NULL) {
    code = error_set(error, ERROR_OUT_OF_MEMORY, "no memory to plan for %zu columns", dataset->column_count);
  }
  if (code == ERROR_NONE) code = run_steps(&planner, error);
  free(planner.targets);
  free(planner.is_feature);
  if (code == ERROR_NONE) {
    *out_plan = plan;
  } else {
    data_plan_deinit(&plan);
  }
  return code;
}

bool data_plan_has_strata(const struct data_plan *plan) {
  const struct data_split *split = &plan->settings.split;
  return plan->layout.task == TASK_CLASSIFICATION && plan->layout.target_count == 1 && split->stratify &&
         (split->column[0] == '\0' || plan->validation_from_training);
}

bool data_plan_has_numbers(const struct data_plan *plan) {
  for (size_t i = 0; i < plan->layout.feature_count; i++)
    if (plan->layout.features[i].kind != COLUMN_CATEGORICAL) return true;
  return false;
}

void data_plan_deinit(struct data_plan *plan) { preprocessor_deinit(&plan->layout); }
