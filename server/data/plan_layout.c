/* The preprocessor that a plan comes to: an entry for each feature and target, and which of the network's inputs a feature
 * fills. Nothing is fitted yet. */
#include <stdlib.h>
#include <string.h>

#include "server/data/plan_private.h"

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
  const struct dataset_column *column = plan_get_target(planner, at);
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
  if (layout->task == TASK_MULTILABEL && plan_find_labels(column, labels) && strcmp(target->classes[0], labels[0]) != 0) {
    char *first = target->classes[0];
    target->classes[0] = target->classes[1];
    target->classes[1] = first;
  }
  return true;
}

enum error_code plan_lay_out(struct planner *planner, struct error *error) {
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

void plan_note_padding(struct planner *planner) {
  const struct feature *first = &planner->plan->layout.features[0];
  const struct dataset_column *column = &planner->dataset->columns[first->column];
  planner->plan->has_padding = (column->rank == 0 && column->list_shortest < first->list.length) || column->missing > 0;
}
