/* The plan of a forecast: the rows are a series, its parts are one behind the other, and what is learned is windows within each. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/data/plan_private.h"
#include "server/data/windows.h"

static void check_time(const struct planner *planner, struct error *error) {
  const struct dataset_row *dataset = planner->dataset;
  const char *name = planner->settings->window.time;
  if (name[0] == '\0') return;
  const size_t index = plan_find_column(dataset, name, "/window/time", error);
  if (index == dataset->column_count) return;
  const struct dataset_column *column = &dataset->columns[index];
  if (!column->can_be_numeric && column->datetime_form == 0)
    (void)error_add(error, "/window/time", "\"%.80s\" is %s; it must be dates or numbers, to put the rows in order", name,
                    plan_kind_word(column));
  else if (column->missing > 0)
    (void)error_add(error, "/window/time", "\"%.80s\" is missing in %" PRIu64 " rows; each must say when it is", name, column->missing);
}

void plan_check_window(const struct planner *planner, struct error *error) {
  const struct data_settings *settings = planner->settings;
  if (settings->task != TASK_CHOICE_REGRESSION)
    (void)error_add(error, "/task", "must be \"auto\" or \"regression\": with a window, numbers are forecast");
  if (settings->split.column[0] != '\0')
    (void)error_add(error, "/split/column", "must be left out: with a window, the parts are one behind the other in time");
  if (settings->test_dataset[0] != '\0')
    (void)error_add(error, "/test_dataset", "must be left out: with a window, the test part is the end of the series");
  check_time(planner, error);
}

bool plan_is_clock(const struct planner *planner, size_t index) {
  const struct data_settings *settings = planner->settings;
  const struct dataset_column *column = &planner->dataset->columns[index];
  return settings->window.is_enabled && column->kind == COLUMN_NUMERIC && strcmp(settings->window.time, column->name) == 0;
}

void plan_measure_windows(struct planner *planner, struct error *error) {
  static const char *const pointers[PART_COUNT] = {"/window", "/split/validation", "/split/test"};
  static const char *const names[PART_COUNT] = {"training", "validation", "test"};
  struct data_plan *plan = planner->plan;
  const struct window_settings *settings = &planner->settings->window;
  const struct window window = {(size_t)settings->length, (size_t)settings->horizon, (size_t)settings->stride};
  uint64_t rows[PART_COUNT] = {0}, counts[PART_COUNT] = {0};
  if (data_plan_split(plan, plan->rows, rows, error) != ERROR_NONE) return;
  for (int part = 0; part < PART_COUNT; part++) {
    counts[part] = windows_count(&window, rows[part]);
    if (counts[part] > 0 || rows[part] == 0) continue;
    (void)error_add(error, pointers[part],
                    "the %s part has %" PRIu64
                    " rows, too few for a window of %zu and the %zu behind it: it takes a shorter window, a larger share%s",
                    names[part], rows[part], window.length, window.horizon, part == PART_TRAIN ? " or more rows" : ", or the share 0");
  }
  plan->train_rows_max = counts[PART_TRAIN];
  plan->validation_rows_max = counts[PART_VALIDATION];
  plan->test_rows_max = counts[PART_TEST];
}

/* False: no memory. */
static bool set_clock(struct planner *planner) {
  const struct dataset_row *dataset = planner->dataset;
  const char *name = planner->settings->window.time;
  struct clock *clock = &planner->plan->layout.clock;
  for (size_t i = 0; i < dataset->column_count && name[0] != '\0'; i++) {
    if (strcmp(dataset->columns[i].name, name) != 0) continue;
    const int form = dataset->columns[i].datetime_form;
    *clock = (struct clock){.name = strdup(name), .column = i, .has_dates = form != 0, .order = datetime_form_unpack(form).order};
    return clock->name != NULL;
  }
  return true;
}

/* Each target becomes `horizon` of them, one behind the other: "load+1", "load+2", … */
bool plan_spread_targets(struct planner *planner) {
  struct preprocessor *layout = &planner->plan->layout;
  const struct window_settings *settings = &planner->settings->window;
  const size_t horizon = (size_t)settings->horizon, columns = layout->target_count;
  layout->window = (struct window){(size_t)settings->length, horizon, (size_t)settings->stride};
  layout->input_width *= layout->window.length;
  if (!set_clock(planner)) return false;
  if (horizon == 1) return true;
  for (size_t i = columns; i-- > 0;) {
    const struct target original = layout->targets[i];
    layout->targets[i] = (struct target){0};
    for (size_t step = horizon; step-- > 0;) {
      struct target *target = &layout->targets[i * horizon + step];
      *target = original;
      target->source = strdup(original.name);
      if (asprintf(&target->name, "%s+%zu", original.name, step + 1) < 0) target->name = NULL;
      layout->target_count = columns * horizon;
      if (target->name != NULL && target->source != NULL) continue;
      free(original.name);
      return false;
    }
    free(original.name);
  }
  return true;
}
