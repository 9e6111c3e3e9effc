/* The preparation of a series for forecasting. The walks over the file are those of prepared.c; what differs is that rows are
 * put in order of time, that the parts are one behind the other, and that all rows stand in one matrix, in which windows are
 * only told by where they begin. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/data/csv.h"
#include "server/data/prepared_private.h"
#include "server/data/windows.h"

/* ---- survey ---- */

struct moment {
  double time;
  uint32_t row;
};

struct timetable {
  const struct builder *builder;
  const struct dataset_column *column;
  size_t index; /* of the column */
  struct moment *moments;
};

static enum error_code take_time(void *context, uint64_t row, const char *const *cells, struct error *error) {
  struct timetable *timetable = context;
  struct moment *moment = &timetable->moments[row];
  struct datetime datetime;
  const enum datetime_order order = datetime_form_unpack(timetable->column->datetime_form).order;
  moment->row = (uint32_t)row;
  if (timetable->column->datetime_form == 0) {
    if (csv_parse_number(cells[timetable->index], &moment->time)) return prepared_check_poll(timetable->builder, row, error);
  } else if (datetime_parse(cells[timetable->index], order, &datetime)) {
    moment->time = datetime.instant;
    return prepared_check_poll(timetable->builder, row, error);
  }
  return error_set(error, ERROR_INTERNAL, "column \"%.100s\" of dataset \"%s\" has a value that was not counted", timetable->column->name,
                   timetable->builder->dataset->name);
}

/* Rows of one time stay in the file's order. */
static int compare_moments(const void *left, const void *right) {
  const struct moment *a = left, *b = right;
  if (a->time != b->time) return a->time < b->time ? -1 : 1;
  return (a->row > b->row) - (a->row < b->row);
}

static enum error_code find_positions(struct builder *builder, struct error *error) {
  const struct dataset_row *dataset = builder->dataset;
  struct timetable timetable = {.builder = builder};
  while (timetable.index + 1 < dataset->column_count &&
         strcmp(dataset->columns[timetable.index].name, builder->plan->settings.window.time) != 0)
    timetable.index++;
  timetable.column = &dataset->columns[timetable.index];
  timetable.moments = malloc(builder->usable * sizeof *timetable.moments);
  builder->positions = malloc(builder->usable * sizeof *builder->positions);
  enum error_code code = ERROR_NONE;
  if (timetable.moments == NULL || builder->positions == NULL)
    code = error_set(error, ERROR_OUT_OF_MEMORY, "no memory to put %zu rows in order", builder->usable);
  if (code == ERROR_NONE) code = row_cache_read(&builder->rows, take_time, &timetable, error);
  if (code == ERROR_NONE) qsort(timetable.moments, builder->usable, sizeof *timetable.moments, compare_moments);
  for (size_t i = 0; code == ERROR_NONE && i < builder->usable; i++) builder->positions[timetable.moments[i].row] = (uint32_t)i;
  free(timetable.moments);
  return code;
}

static size_t get_position(const struct builder *builder, uint64_t row) {
  return builder->positions == NULL ? (size_t)row : builder->positions[row];
}

enum error_code prepared_survey_windows(struct builder *builder, struct error *error) {
  const struct data_plan *plan = builder->plan;
  builder->usable = (size_t)plan->rows;
  builder->parts = malloc(builder->usable);
  if (builder->parts == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory to split %zu rows", builder->usable);
  enum error_code code = data_plan_split(plan, plan->rows, builder->part_rows, error);
  if (code == ERROR_NONE && plan->settings.window.time[0] != '\0') code = find_positions(builder, error);
  if (code != ERROR_NONE) return code;
  const uint64_t train_end = builder->part_rows[PART_TRAIN], validation_end = train_end + builder->part_rows[PART_VALIDATION];
  for (uint64_t row = 0; row < plan->rows; row++) {
    const size_t position = get_position(builder, row);
    builder->parts[row] = position < train_end ? PART_TRAIN : position < validation_end ? PART_VALIDATION : PART_TEST;
  }
  return ERROR_NONE;
}

/* ---- fill ---- */

static size_t align(size_t floats) {
  const size_t unit = ROW_STORAGE_ALIGNMENT_BYTES / sizeof(float);
  return (floats + unit - 1) / unit * unit;
}

static size_t count_columns(const struct builder *builder) {
  return builder->preprocessor.target_count / builder->preprocessor.window.horizon;
}

/* The same terms as in measure.c. */
static enum error_code allocate(struct builder *builder, struct error *error) {
  const struct preprocessor *preprocessor = &builder->preprocessor;
  const size_t row_width = preprocessor_get_row_width(preprocessor), y_width = preprocessor->target_width;
  const uint64_t limits[PART_COUNT] = {builder->plan->train_rows_max, builder->plan->validation_rows_max, builder->plan->test_rows_max};
  size_t disk_bytes, floats = align(builder->usable * row_width) + 2 * align((size_t)limits[PART_TEST] * y_width);
  enum error_code code = data_plan_measure_disk(builder->plan, builder->as_values, &disk_bytes, error);
  if (code != ERROR_NONE) return code;
  for (int part = 0; part < PART_COUNT; part++) {
    builder->sizes[part] = limits[part];
    floats += align((size_t)limits[part]) + align((size_t)limits[part] * y_width);
  }
  builder->series = malloc(builder->usable * count_columns(builder) * sizeof *builder->series);
  if (builder->series == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for a series of %zu rows", builder->usable);
  code = row_storage_open(builder->data_dir, floats * sizeof(float), disk_bytes > 0, &builder->storage, error);
  if (code != ERROR_NONE) return code;
  float *next = builder->storage.floats;
  for (int part = 0; part < PART_COUNT; part++) builder->x[part] = next;
  next += align(builder->usable * row_width);
  for (int part = 0; part < PART_COUNT; part++) {
    builder->starts[part] = (uint32_t *)(void *)next;
    builder->y[part] = next + align((size_t)limits[part]);
    next = builder->y[part] + align((size_t)limits[part] * y_width);
  }
  for (int i = 0; i < 2; i++) builder->baselines[i] = next + (size_t)i * align((size_t)limits[PART_TEST] * y_width);
  return ERROR_NONE;
}

static enum error_code fill_row(void *context, uint64_t row, const char *const *cells, struct error *error) {
  struct builder *builder = context;
  const struct preprocessor *preprocessor = &builder->preprocessor;
  const size_t position = get_position(builder, row), columns = count_columns(builder), horizon = preprocessor->window.horizon;
  enum error_code code = prepared_check_poll(builder, row, error);
  for (size_t i = 0; i < columns; i++) {
    const char *text = cells[builder->encoder.target_columns[i * horizon]];
    double number;
    const bool is_known = !csv_is_missing(text) && csv_parse_number(text, &number);
    builder->series[position * columns + i] = is_known ? encode_target_number(&preprocessor->targets[i * horizon], number) : NAN;
  }
  if (code != ERROR_NONE) return code;
  return encoder_encode(&builder->encoder, cells, row, builder->x[PART_TRAIN] + position * preprocessor_get_row_width(preprocessor), error);
}

/* The windows of one part, which begins with row `first`. */
static void place_windows(struct builder *builder, enum split_part part, size_t first) {
  const struct window *window = &builder->preprocessor.window;
  const struct series series = {builder->series, count_columns(builder)};
  const size_t y_width = builder->preprocessor.target_width;
  for (size_t i = 0; i < builder->sizes[part]; i++) {
    const size_t start = first + i * window->stride, at = (size_t)builder->filled[part];
    if (!windows_take_targets(&series, window, start, builder->y[part] + at * y_width)) {
      builder->left_out++;
      continue;
    }
    builder->starts[part][at] = (uint32_t)start;
    builder->filled[part]++;
    if (part != PART_TEST) continue;
    windows_repeat_last(&series, window, start, builder->baselines[0] + at * y_width);
    windows_repeat_all(&series, window, start, builder->baselines[1] + at * y_width);
  }
}

enum error_code prepared_fill_windows(struct builder *builder, struct error *error) {
  builder->usable = (size_t)builder->plan->rows;
  enum error_code code = allocate(builder, error);
  if (code == ERROR_NONE) code = row_cache_read(&builder->rows, fill_row, builder, error);
  if (code != ERROR_NONE) return code;
  size_t first = 0;
  for (int part = 0; part < PART_COUNT; part++) {
    place_windows(builder, (enum split_part)part, first);
    first += (size_t)builder->part_rows[part];
  }
  free(builder->series);
  builder->series = NULL;
  if (builder->filled[PART_TRAIN] > 0) return ERROR_NONE;
  return error_add(error, "/target", "is missing behind every window of the training part");
}

struct train_rows prepared_get_windows(const struct builder *builder, enum split_part part) {
  return (struct train_rows){.count = (size_t)builder->filled[part],
                             .x = builder->x[part],
                             .x_stride = preprocessor_get_row_width(&builder->preprocessor),
                             .x_rows = builder->starts[part],
                             .y = builder->y[part]};
}
