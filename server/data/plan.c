/* The plan in the order in which it is made: split column, targets, task, features (plan_features.c), parts, test dataset. Each step adds its field errors;
 * the first step with any ends it. */
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
#include "server/data/encode.h"
#include "server/data/row_cache.h"
#include "server/data/split.h"

enum { AUTO_CLASSES_MAX = 20, AUTO_REPEATS_MIN = 5 };

size_t plan_count_items(const struct error *error) { return error->item_count + error->items_dropped; }

static bool has_errors(const struct planner *planner, const struct error *error) { return plan_count_items(error) > planner->items_before; }

static const char *get_column_name(const void *context, size_t index) { return ((const struct dataset_row *)context)->columns[index].name; }

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

static const struct dataset_column *get_target(const struct planner *planner, size_t index) {
  return &planner->dataset->columns[planner->targets[index]];
}

/* The column's two values as {no, yes}; false if they aren't such a pair. */
static bool find_labels(const struct dataset_column *column, const char *out_labels[2]) {
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
    const struct dataset_column *column = get_target(planner, 0);
    return data_plan_is_of_classes(column) ? TASK_CHOICE_CLASSIFICATION : TASK_CHOICE_REGRESSION;
  }
  const char *labels[2];
  size_t label_count = 0, category_count = 0;
  for (size_t i = 0; i < count; i++) {
    label_count += find_labels(get_target(planner, i), labels);
    category_count += get_target(planner, i)->kind == COLUMN_CATEGORICAL;
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
    const struct dataset_column *column = get_target(planner, i);
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
      if (planner->settings->task == TASK_CHOICE_MULTILABEL && plan_count_items(error) == items && !find_labels(column, labels)) {
        (void)error_add(error, pointer, "\"%.80s\" is no label; its values must be 0 and 1, no and yes, or false and true", column->name);
      }
    }
  }
}

/* ---- layout ---- */

static char **copy_categories(const struct dataset_column *column) {
  char **texts = calloc(column->category_count + 1, sizeof *texts);
  for (size_t i = 0; texts != NULL && i < column->category_count; i++) {
    texts[i] = strdup(column->categories[i].value);
    if (texts[i] != NULL) continue;
    for (size_t k = 0; k < i; k++) free(texts[k]);
    free(texts);
    return NULL;
  }
  return texts;
}

static struct text_encoding make_text_encoding(const struct text_settings *settings) {
  const bool is_sequence = settings->encoding == TEXT_ENCODING_TOKENS;
  return (struct text_encoding){
      .form = is_sequence ? TEXT_TOKENS : TEXT_TF_IDF,
      .tokenizer = {.unit = (enum token_unit)settings->tokens,
                    .is_lowercase = settings->lowercase,
                    .ngram_max = is_sequence ? 1 : (size_t)settings->ngrams},
      .length = (size_t)settings->max_length,
      .vocabulary_max = (size_t)settings->vocabulary,
      .min_frequency = (uint64_t)settings->min_frequency,
  };
}

/* No more bins than lie between the column's values. */
static size_t count_bins(const struct number_settings *settings, const struct dataset_column *column) {
  const size_t bins = (size_t)settings->bins;
  if (!column->has_categories || column->category_count > bins) return bins;
  return column->category_count > 2 ? column->category_count - 1 : 1;
}

/* Appends the column to the layout; false if memory is short. */
static bool add_feature(struct preprocessor *layout, const struct data_settings *settings, const struct dataset_column *column,
                        size_t index) {
  struct feature *feature = &layout->features[layout->feature_count++];
  *feature = (struct feature){
      .kind = column->kind, .column = index, .offset = layout->input_width, .has_indicator = column->missing > 0, .scale = 1};
  if (layout->is_reconstruction) feature->has_indicator = false; /* no row with a missing value is trained on */
  feature->name = strdup(column->name);
  size_t values = 1;
  if (column->kind == COLUMN_NUMERIC && settings->number.encoding == NUMBER_PIECEWISE_LINEAR) {
    values = count_bins(&settings->number, column);
    if (!number_bins_init(&feature->bins, values)) return false;
  }
  if (column->kind == COLUMN_CATEGORICAL) {
    feature->categories = copy_categories(column);
    feature->category_count = values = column->category_count;
    feature->is_seen = malloc(column->category_count + 1);
    if (feature->categories == NULL || feature->is_seen == NULL) return false;
    memset(feature->is_seen, true, column->category_count);
  }
  if (column->kind == COLUMN_IMAGE) {
    feature->image = (struct image_encoding){.channels = column->sizes[0], .height = column->sizes[1], .width = column->sizes[2]};
    values = image_encoding_get_width(&feature->image);
  }
  if (column->kind == COLUMN_TEXT) {
    feature->text = make_text_encoding(&settings->text);
    feature->has_indicator = feature->has_indicator && feature->text.form != TEXT_TOKENS;
    values = text_encoding_get_width(&feature->text);
  }
  if (column->kind == COLUMN_SEQUENCE) {
    const size_t length_max = (size_t)settings->sequence.max_length;
    feature->list.length = column->list_longest < length_max ? column->list_longest : length_max;
    feature->list.features = 1;
    if (column->rank > 0) {
      feature->list.length = column->sizes[0] < length_max ? column->sizes[0] : length_max;
      feature->list.features = column->sizes[1];
      feature->list.centers = calloc(column->sizes[1], sizeof *feature->list.centers);
      feature->list.scales = calloc(column->sizes[1], sizeof *feature->list.scales);
      if (feature->list.centers == NULL || feature->list.scales == NULL) return false;
    }
    feature->has_indicator = feature->has_indicator && settings->sequence.form != SEQUENCE_STEPS;
    values = sequence_get_width(&feature->list);
  }
  if (column->kind == COLUMN_DATETIME) {
    feature->dates.form = datetime_form_unpack(column->datetime_form);
    memset(feature->dates.is_used, true, sizeof feature->dates.is_used);
    values = datetime_get_width(&feature->dates);
  }
  feature->width = values + feature->has_indicator;
  layout->input_width += feature->width; /* at most CSV_COLUMNS_MAX · (LIMIT_UNITS + 1) */
  return feature->name != NULL;
}

static bool add_target(const struct planner *planner, struct preprocessor *layout, size_t at) {
  const struct dataset_column *column = get_target(planner, at);
  const size_t index = planner->targets[at];
  struct target *target = &layout->targets[layout->target_count++];
  *target = (struct target){.column = index, .scale = 1, .is_class = layout->task != TASK_REGRESSION};
  target->name = strdup(column->name);
  if (target->name == NULL) return false;
  if (!target->is_class) return true;
  if (plan_has_steps(planner)) return plan_copy_step_classes(planner, target);
  target->classes = copy_categories(column);
  if (target->classes == NULL) return false;
  target->class_count = column->category_count;
  const char *labels[2];
  if (layout->task == TASK_MULTILABEL && find_labels(column, labels) && strcmp(target->classes[0], labels[0]) != 0) {
    char *first = target->classes[0];
    target->classes[0] = target->classes[1];
    target->classes[1] = first;
  }
  return true;
}

static enum error_code lay_out(struct planner *planner, struct error *error) {
  static const enum task tasks[] = {[TASK_CHOICE_CLASSIFICATION] = TASK_CLASSIFICATION,
                                    [TASK_CHOICE_MULTILABEL] = TASK_MULTILABEL,
                                    [TASK_CHOICE_REGRESSION] = TASK_REGRESSION,
                                    [TASK_CHOICE_RECONSTRUCTION] = TASK_REGRESSION};
  const struct dataset_row *dataset = planner->dataset;
  struct preprocessor *layout = &planner->plan->layout;
  size_t target_count = planner->settings->target.count;
  const size_t horizon = planner->settings->window.is_enabled ? (size_t)planner->settings->window.horizon : 1;
  layout->task = tasks[planner->settings->task];
  layout->is_reconstruction = plan_is_reconstruction(planner);
  layout->features = calloc(dataset->column_count, sizeof *layout->features);
  layout->targets = calloc(target_count * horizon, sizeof *layout->targets);
  bool is_whole = layout->features != NULL && layout->targets != NULL;
  for (size_t i = 0; i < dataset->column_count && is_whole; i++) {
    if (planner->is_feature[i]) is_whole = add_feature(layout, planner->settings, &dataset->columns[i], i);
  }
  for (size_t i = 0; i < target_count && is_whole; i++) is_whole = add_target(planner, layout, i);
  if (is_whole && planner->settings->window.is_enabled) is_whole = plan_spread_targets(planner);
  if (!is_whole) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for the preprocessing of %zu columns", dataset->column_count);
  layout->output_width = layout->task == TASK_CLASSIFICATION ? layout->target_count * layout->targets[0].class_count : layout->target_count;
  if (layout->is_reconstruction) layout->output_width = layout->input_width;
  layout->target_width = layout->is_reconstruction ? layout->input_width : layout->target_count;
  return ERROR_NONE;
}

/* Whether some sequence is shorter than the first feature's steps. */
static void note_padding(struct planner *planner) {
  const struct feature *first = &planner->plan->layout.features[0];
  const struct dataset_column *column = &planner->dataset->columns[first->column];
  planner->plan->has_padding = (column->rank == 0 && column->list_shortest < first->list.length) || column->missing > 0;
}

/* ---- parts ---- */

static uint64_t max_missing(const struct planner *planner) {
  uint64_t missing = 0;
  if (plan_has_steps(planner)) return 0; /* whether a row lacks them all shows when it is read */
  for (size_t i = 0; i < planner->settings->target.count; i++) {
    if (get_target(planner, i)->missing > missing) missing = get_target(planner, i)->missing;
  }
  return missing;
}

static bool has_missing(const struct planner *planner) {
  for (size_t i = 0; i < planner->settings->target.count; i++)
    if (get_target(planner, i)->missing > 0) return true;
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

/* ---- test dataset ---- */

const struct dataset_column *plan_get_column(const struct dataset_row *dataset, const char *name) {
  for (size_t i = 0; i < dataset->column_count; i++) {
    if (strcmp(dataset->columns[i].name, name) == 0) return &dataset->columns[i];
  }
  return NULL;
}

static const struct dataset_column *find_test_column(const struct planner *planner, const char *name, struct error *error) {
  const struct dataset_column *column = plan_get_column(planner->test_dataset, name);
  if (column != NULL) return column;
  (void)error_add(error, "/test_dataset", "dataset \"%s\" has no column \"%.80s\"; it needs all that the training dataset uses",
                  planner->test_dataset->name, name);
  return NULL;
}

static void check_test_numbers(const struct planner *planner, const struct dataset_column *column, struct error *error) {
  if (column->can_be_numeric || column->missing >= planner->test_dataset->rows) return;
  char words[COLUMN_WORDS_BYTES];
  (void)error_add(error, "/test_dataset", "column \"%.60s\" of dataset \"%s\" %s; it must be numbers, as in the training dataset",
                  column->name, planner->test_dataset->name, column_describe_words(column, "holds words", words));
}

static void check_test_images(const struct planner *planner, const struct feature *feature, const struct dataset_column *column,
                              struct error *error) {
  const struct image_encoding *image = &feature->image;
  if (image_encoding_fits(image, column)) return;
  (void)error_add(error, "/test_dataset", "column \"%.80s\" of dataset \"%s\" has no images of %zu × %zu × %zu, as the training dataset",
                  column->name, planner->test_dataset->name, image->channels, image->height, image->width);
}

static void check_test_dates(const struct planner *planner, const struct dataset_column *column, struct error *error) {
  if (!column->can_be_numeric) return; /* whether words are dates shows when they are read */
  (void)error_add(error, "/test_dataset", "column \"%.80s\" of dataset \"%s\" holds numbers; it must be dates, as in the training dataset",
                  column->name, planner->test_dataset->name);
}

static void check_test_lists(const struct planner *planner, const struct feature *feature, const struct dataset_column *column,
                             struct error *error) {
  if (feature->list.centers != NULL || column->rank > 0) {
    if (column->rank == 2 && feature->list.centers != NULL && column->sizes[1] == feature->list.features) return;
    (void)error_add(error, "/test_dataset",
                    "column \"%.80s\" of dataset \"%s\" has no arrays with %zu numbers a step, as the training dataset", column->name,
                    planner->test_dataset->name, feature->list.features);
    return;
  }
  if (column->list_longest > 0 || column->can_be_numeric || column->missing >= planner->test_dataset->rows) return;
  (void)error_add(error, "/test_dataset",
                  "column \"%.80s\" of dataset \"%s\" holds words; it must be lists of numbers, as in the training dataset", column->name,
                  planner->test_dataset->name);
}

static enum error_code check_test_classes(const struct planner *planner, const struct target *target, const struct dataset_column *column,
                                          struct error *error) {
  struct lookup lookup;
  enum error_code code = lookup_init(&lookup, target->classes, target->class_count, error);
  if (code != ERROR_NONE) return code;
  for (size_t i = 0; i < column->category_count; i++) {
    if (lookup_find(&lookup, column->categories[i].value) != LOOKUP_NONE) continue;
    (void)error_add(error, "/test_dataset",
                    "\"%.60s\" in column \"%.80s\" of dataset \"%s\" is none of the %zu classes of the training dataset",
                    column->categories[i].value, column->name, planner->test_dataset->name, target->class_count);
    break;
  }
  lookup_deinit(&lookup);
  return ERROR_NONE;
}

static enum error_code check_test_dataset(struct planner *planner, struct error *error) {
  const struct preprocessor *layout = &planner->plan->layout;
  if (planner->test_dataset == NULL) return ERROR_NONE;
  for (size_t i = 0; i < layout->feature_count; i++) {
    const struct dataset_column *column = find_test_column(planner, layout->features[i].name, error);
    if (column != NULL && layout->features[i].kind == COLUMN_NUMERIC) check_test_numbers(planner, column, error);
    if (column != NULL && layout->features[i].kind == COLUMN_IMAGE) check_test_images(planner, &layout->features[i], column, error);
    if (column != NULL && layout->features[i].kind == COLUMN_DATETIME) check_test_dates(planner, column, error);
    if (column != NULL && layout->features[i].kind == COLUMN_SEQUENCE) check_test_lists(planner, &layout->features[i], column, error);
  }
  const bool has_steps = plan_has_steps(planner);
  uint64_t missing = has_steps ? planner->test_dataset->rows : 0;
  for (size_t i = 0; i < layout->target_count; i++) {
    const struct dataset_column *column = find_test_column(planner, layout->targets[i].name, error);
    if (column == NULL) continue;
    if (has_steps ? column->missing < missing : column->missing > missing) missing = column->missing;
    if (layout->targets[i].is_class) {
      enum error_code code = check_test_classes(planner, &layout->targets[i], column, error);
      if (code != ERROR_NONE) return code;
    } else if (!layout->is_reconstruction) { /* whose targets were looked at as features */
      check_test_numbers(planner, column, error);
    }
  }
  if (has_steps && missing < planner->test_dataset->rows) missing = 0; /* not the same rows in all */
  planner->plan->test_rows_max = planner->test_dataset->rows - missing;
  if (planner->plan->test_rows_max == 0) {
    (void)error_add(error, "/test_dataset", "the target is missing in every row of dataset \"%s\"", planner->test_dataset->name);
  }
  return ERROR_NONE;
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
  enum error_code code = lay_out(planner, error);
  if (code == ERROR_NONE) code = check_test_dataset(planner, error);
  if (code == ERROR_NONE) note_padding(planner);
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
