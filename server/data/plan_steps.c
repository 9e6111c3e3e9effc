/* Classes of a sequence's steps: of several categorical columns, one a step, one list of classes. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "server/data/csv.h"
#include "server/data/plan_private.h"

struct value {
  const char *text;
  double number;
};

static int compare_texts(const void *left, const void *right) {
  return strcmp(((const struct value *)left)->text, ((const struct value *)right)->text);
}

/* Of several spellings of one number the shortest first. */
static int compare_numbers(const void *left, const void *right) {
  const struct value *a = left, *b = right;
  if (a->number != b->number) return a->number < b->number ? -1 : 1;
  const size_t a_bytes = strlen(a->text), b_bytes = strlen(b->text);
  if (a_bytes != b_bytes) return a_bytes < b_bytes ? -1 : 1;
  return strcmp(a->text, b->text);
}

/* The columns' values, sorted as a column's are, each once. Returns how many; 0: no memory. *out_values is the caller's to free. */
static size_t merge(const struct planner *planner, struct value **out_values) {
  size_t count = 0, kept = 0;
  bool are_numbers = true;
  for (size_t i = 0; i < planner->settings->target.count; i++) count += planner->dataset->columns[planner->targets[i]].category_count;
  struct value *values = calloc(count + 1, sizeof *values);
  *out_values = values;
  if (values == NULL) return 0;
  count = 0;
  for (size_t i = 0; i < planner->settings->target.count; i++) {
    const struct dataset_column *column = &planner->dataset->columns[planner->targets[i]];
    for (size_t k = 0; k < column->category_count; k++) {
      struct value *value = &values[count++];
      value->text = column->categories[k].value;
      are_numbers = csv_parse_number(value->text, &value->number) && are_numbers;
    }
  }
  qsort(values, count, sizeof *values, are_numbers ? compare_numbers : compare_texts);
  for (size_t i = 0; i < count; i++) {
    const bool is_same =
        kept > 0 && (are_numbers ? values[kept - 1].number == values[i].number : strcmp(values[kept - 1].text, values[i].text) == 0);
    if (!is_same) values[kept++] = values[i];
  }
  return kept;
}

bool plan_has_steps(const struct planner *planner) {
  return planner->settings->task == TASK_CHOICE_CLASSIFICATION && planner->settings->target.count > 1;
}

static void check_column(const struct planner *planner, size_t index, struct error *error) {
  const struct dataset_column *column = &planner->dataset->columns[planner->targets[index]];
  char pointer[POINTER_BYTES];
  plan_point_at("target", index, planner->settings->target.count, pointer);
  if (column->missing >= planner->dataset->rows)
    (void)error_add(error, pointer, "\"%.80s\" is missing in every row", column->name);
  else if (column->kind != COLUMN_NUMERIC && column->kind != COLUMN_CATEGORICAL)
    (void)error_add(error, pointer,
                    "\"%.80s\" is %s; several targets of a classification are the classes of a sequence's steps, each categorical",
                    column->name, plan_kind_word(column));
  else if (!column->has_categories)
    (void)error_add(error, pointer, "\"%.80s\" has more different values than can be classes of a sequence's steps", column->name);
}

void plan_check_steps(const struct planner *planner, struct error *error) {
  const size_t items_before = plan_count_items(error);
  for (size_t i = 0; i < planner->settings->target.count && error_has_room(error); i++) check_column(planner, i, error);
  if (plan_count_items(error) > items_before) return;
  struct value *values;
  if (merge(planner, &values) == 1)
    (void)error_add(error, "/target", "all targets are \"%.80s\" in every row; there must be at least two classes to tell apart",
                    values[0].text);
  free(values);
}

bool plan_copy_step_classes(const struct planner *planner, struct target *target) {
  struct value *values;
  const size_t count = merge(planner, &values);
  target->classes = values == NULL ? NULL : calloc(count + 1, sizeof *target->classes);
  bool is_whole = target->classes != NULL;
  while (is_whole && target->class_count < count) {
    target->classes[target->class_count] = strdup(values[target->class_count].text);
    is_whole = target->classes[target->class_count] != NULL;
    target->class_count += is_whole;
  }
  free(values);
  return is_whole;
}
