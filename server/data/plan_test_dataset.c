/* Whether the test dataset has what the layout needs, in the same kinds; and how many of its rows can be tested on. */
#include <inttypes.h>
#include <string.h>

#include "server/data/column_stats.h"
#include "server/data/lookup.h"
#include "server/data/plan_private.h"

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

enum error_code plan_check_test_dataset(struct planner *planner, struct error *error) {
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
