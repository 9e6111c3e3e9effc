/* Which columns of a dataset a job learns from: those that are named, or all that can be used; why a column can't be. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/data/column_stats.h"
#include "server/data/header.h"
#include "server/data/plan_private.h"

enum { OBSTACLE_BYTES = COLUMN_WORDS_BYTES + 64 };

bool plan_is_reconstruction(const struct planner *planner) { return planner->settings->task == TASK_CHOICE_RECONSTRUCTION; }

/* Of a reconstruction, targets are features and no obstacle to each other. */
static bool is_only_target(const struct planner *planner, size_t index) {
  if (planner->settings->window.is_enabled) return false; /* its past tells of its future */
  for (size_t i = 0; i < planner->settings->target.count && !plan_is_reconstruction(planner); i++)
    if (planner->targets[i] == index) return true;
  return false;
}

/* What comes out can be told as what went in. */
static bool can_be_reconstructed(const struct dataset_column *column) {
  return column->kind == COLUMN_NUMERIC || column->kind == COLUMN_CATEGORICAL || column->kind == COLUMN_IMAGE;
}

/* Why a column can't be a feature, or NULL. */
static const char *find_obstacle(const struct planner *planner, size_t index, char text[OBSTACLE_BYTES]) {
  const struct dataset_column *column = &planner->dataset->columns[index];
  if (is_only_target(planner, index)) return "is the target; a feature must be another column";
  char words[COLUMN_WORDS_BYTES];
  if (plan_is_reconstruction(planner) && !can_be_reconstructed(column)) {
    char kind[32];
    snprintf(kind, sizeof kind, "is %s", plan_kind_word(column));
    snprintf(text, OBSTACLE_BYTES, "%s; a reconstruction is of numbers, categories or one image",
             column_describe_words(column, kind, words));
    return text;
  }
  if (index == planner->split_column) return "is the split column; a feature must be another column";
  if (column->missing >= planner->dataset->rows) return "is missing in every row";
  if (planner->settings->window.is_enabled && column->kind == COLUMN_IMAGE) return "is an image; windows are of rows of a table";
  if (planner->settings->window.is_enabled && column->rank > 0) return "is of arrays; windows are of rows of a table";
  if (column->kind == COLUMN_CATEGORICAL && !column->has_categories) return "has too many different values to be categorical; leave it out";
  if (column->kind == COLUMN_SEQUENCE && fmax(fabs(column->min), fabs(column->max)) > FLT_MAX) {
    return "has numbers beyond ±3.4e38, the range of float32; leave it out";
  }
  if (column->kind == COLUMN_NUMERIC && !column->can_be_numeric) {
    snprintf(text, OBSTACLE_BYTES, "%s; PATCH the dataset to make it categorical", column_describe_words(column, "holds words", words));
    return text;
  }
  if (column->kind == COLUMN_NUMERIC && fmax(fabs(column->min), fabs(column->max)) > FLT_MAX) {
    return "has numbers beyond ±3.4e38, the range of float32; leave it out";
  }
  return NULL;
}

/* Rows of the largest part of an upload of several; of any other, all. */
static uint64_t count_longest_part(const struct dataset_row *dataset) {
  uint64_t most = 0;
  for (size_t i = 0; i < dataset->column_count; i++)
    for (size_t k = 0; dataset->columns[i].says_part && k < dataset->columns[i].category_count; k++)
      if (dataset->columns[i].categories[k].count > most) most = dataset->columns[i].categories[k].count;
  return most > 0 ? most : dataset->rows;
}

/* Numbers as far apart as the rows are many: counted through all parts, or from the start again in each. */
bool data_plan_is_row_number(const struct dataset_row *dataset, size_t index) {
  const struct dataset_column *column = &dataset->columns[index];
  const double span = column->max - column->min + 1;
  return dataset->has_header && header_is_made_name(column->name) && column->kind == COLUMN_NUMERIC && column->is_integral &&
         column->missing == 0 && dataset->column_count > 2 &&
         (span == (double)dataset->rows || span == (double)count_longest_part(dataset));
}

/* None was named and none is possible: says so, and of each column why. */
static void explain_no_feature(const struct planner *planner, struct error *error) {
  const struct dataset_row *dataset = planner->dataset;
  char text[OBSTACLE_BYTES];
  (void)error_add(error, "/features", "dataset \"%s\" has no column besides the target to predict from", dataset->name);
  for (size_t i = 0; i < dataset->column_count && error_has_room(error); i++) {
    if (!is_only_target(planner, i))
      (void)error_add(error, "/features", "\"%.80s\" %s", dataset->columns[i].name,
                      dataset->columns[i].says_part ? "tells parts of the upload" : find_obstacle(planner, i, text));
  }
}

/* An image, a sequence of tokens, or of numbers, is a network's whole input: the only column of the kind, where none was named. Columns of
 * whole numbers may be tokens already, other numbers steps. `words` say of an error what they are, with two numbers. */
static void choose_sequence(struct planner *planner, enum column_kind kind, const char *words, struct error *error) {
  const struct dataset_row *dataset = planner->dataset;
  const bool are_named = planner->settings->features.count > 0;
  size_t sequence_count = 0, feature_count = 0;
  for (size_t i = 0; i < dataset->column_count; i++) {
    feature_count += planner->is_feature[i];
    sequence_count += planner->is_feature[i] && dataset->columns[i].kind == kind;
  }
  if (sequence_count == 0 || feature_count == 1) return;
  if (sequence_count > 1 || are_named) {
    (void)error_add(error, "/features", "%zu columns, %zu of them %s", feature_count, sequence_count, words);
    return;
  }
  for (size_t i = 0; i < dataset->column_count; i++) planner->is_feature[i] &= dataset->columns[i].kind == kind;
}

bool data_plan_has_sequence(const struct dataset_row *dataset, const struct data_settings *settings) {
  for (size_t i = 0; i < dataset->column_count; i++) {
    bool is_named = settings->features.count == 0, is_target = false;
    for (size_t k = 0; k < settings->features.count; k++) is_named |= strcmp(settings->features.items[k], dataset->columns[i].name) == 0;
    for (size_t k = 0; k < settings->target.count; k++) is_target |= strcmp(settings->target.items[k], dataset->columns[i].name) == 0;
    if (dataset->columns[i].kind == COLUMN_SEQUENCE && is_named && !is_target) return true;
  }
  return false;
}

static void check_bag(const struct planner *planner, struct error *error) {
  const struct text_settings *text = &planner->settings->text;
  if (text->encoding == TEXT_ENCODING_TOKENS || text->tokens != TOKEN_BYTES) return;
  for (size_t i = 0; i < planner->dataset->column_count; i++) {
    if (!planner->is_feature[i] || planner->dataset->columns[i].kind != COLUMN_TEXT) continue;
    (void)error_add(error, "/text/tokens",
                    "bytes make a sequence of tokens, for a network that begins with an embedding; for tf_idf take "
                    "words or characters");
    return;
  }
}

void plan_choose_features(struct planner *planner, struct error *error) {
  const struct dataset_row *dataset = planner->dataset;
  const struct names *names = &planner->settings->features;
  char text[OBSTACLE_BYTES];
  for (size_t i = 0; i < names->count && error_has_room(error); i++) {
    char pointer[POINTER_BYTES];
    plan_point_at("features", i, names->count, pointer);
    size_t column = plan_find_column(dataset, names->items[i], pointer, error);
    if (column == dataset->column_count) continue;
    const char *obstacle = planner->is_feature[column] ? "is named twice" : find_obstacle(planner, column, text);
    if (obstacle != NULL) (void)error_add(error, pointer, "\"%.80s\" %s", names->items[i], obstacle);
    planner->is_feature[column] = true;
  }
  bool has_feature = false;
  for (size_t i = 0; i < dataset->column_count && names->count == 0; i++)
    has_feature |= planner->is_feature[i] = find_obstacle(planner, i, text) == NULL && !dataset->columns[i].says_part &&
                                            !data_plan_is_row_number(dataset, i) && !plan_is_clock(planner, i);
  if (!has_feature && names->count == 0) explain_no_feature(planner, error);
  choose_sequence(planner, COLUMN_IMAGE, "images: a network takes one image and nothing else; name that column alone", error);
  if (planner->settings->text.encoding == TEXT_ENCODING_TOKENS)
    choose_sequence(planner, COLUMN_TEXT,
                    "text: a network that begins with an embedding takes the tokens of one text and nothing else; name that column, or set "
                    "text.encoding to tf_idf and begin with another layer",
                    error);
  if (planner->settings->sequence.form == SEQUENCE_STEPS)
    choose_sequence(planner, COLUMN_SEQUENCE,
                    "sequences: a network that begins with a layer of steps takes one sequence and nothing else; name that column, or "
                    "begin with another layer, which takes all of them side by side",
                    error);
  check_bag(planner, error);
}

/* What a reconstruction predicts: its features. A spec that was resolved before names them. */
enum error_code plan_target_features(struct planner *planner, struct error *error) {
  struct names *names = &planner->settings->target;
  const struct dataset_row *dataset = planner->dataset;
  size_t count = 0;
  bool are_same = true;
  if (planner->settings->number.encoding != NUMBER_SCALED)
    return error_add(error, "/number/encoding", "must be \"scaled\": a reconstruction's features are its targets, a number each");
  for (size_t i = 0; i < dataset->column_count; i++) {
    if (!planner->is_feature[i]) continue;
    are_same = are_same && count < names->count && strcmp(names->items[count], dataset->columns[i].name) == 0;
    planner->targets[count++] = i;
  }
  if (names->count > 0 && are_same && names->count == count) return ERROR_NONE;
  if (names->count > 0)
    return error_add(error, "/target", "must be left out: a reconstruction's target are its features, %zu columns", count);
  names->items = calloc(count + 1, sizeof *names->items);
  if (names->items == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for %zu targets", count);
  for (; names->count < count; names->count++) {
    names->items[names->count] = strdup(dataset->columns[planner->targets[names->count]].name);
    if (names->items[names->count] == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for %zu targets", count);
  }
  return ERROR_NONE;
}
