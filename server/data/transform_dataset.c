/* A dataset through a model's preprocessor, in portions: for evaluate. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/data/csv.h"
#include "server/data/encode.h"
#include "server/data/import.h"
#include "server/data/prepared.h"
#include "server/data/windows.h"

typedef enum error_code portion_handler(void *context, const float *x, const float *y, size_t count, struct error *error);

struct transformer {
  struct encoder encoder;
  bool as_values;
  size_t portion, count; /* rows at most, and so far */
  size_t x_width, y_width;
  float *x, *y; /* y NULL: a row is its own target */
  /* Of a series: its last rows, as many as a window and what is to come behind it; then again as many, so that they
   * move once in a while only. */
  uint64_t row_count;
  size_t clock; /* column of the dataset; its column_count: none */
  double time;  /* of the row before */
  size_t held;  /* rows in `rows` and `targets` */
  float *rows, *targets;
  portion_handler *handler;
  void *context;
};

static enum error_code flush(struct transformer *transformer, struct error *error) {
  size_t count = transformer->count;
  transformer->count = 0;
  const float *y = transformer->y == NULL ? transformer->x : transformer->y;
  return count == 0 ? ERROR_NONE : transformer->handler(transformer->context, transformer->x, y, count, error);
}

static enum error_code take_row(void *context, uint64_t row, const char *const *cells, struct error *error) {
  struct transformer *transformer = context;
  bool is_missing;
  float *x = transformer->x + transformer->count * transformer->x_width, *y = transformer->y;
  if (y != NULL) y += transformer->count * transformer->y_width;
  enum error_code code = encoder_encode_target(&transformer->encoder, cells, row, transformer->as_values, y, &is_missing, error);
  if (code != ERROR_NONE || is_missing) return code;
  code = encoder_encode(&transformer->encoder, cells, row, x, error);
  if (code != ERROR_NONE || ++transformer->count < transformer->portion) return code;
  return flush(transformer, error);
}

static size_t count_span(const struct window *window) { return window->length + window->horizon; }

/* The window that the last rows make, if one begins there and all its targets are known. */
static enum error_code take_window(struct transformer *transformer, struct error *error) {
  const struct preprocessor *preprocessor = transformer->encoder.preprocessor;
  const struct window *window = &preprocessor->window;
  const size_t span = count_span(window), row_width = preprocessor_get_row_width(preprocessor);
  if (transformer->row_count < span || (transformer->row_count - span) % window->stride != 0) return ERROR_NONE;
  const size_t start = transformer->held - span;
  const struct series series = {transformer->targets, preprocessor->target_count / window->horizon};
  if (!windows_take_targets(&series, window, start, transformer->y + transformer->count * transformer->y_width)) return ERROR_NONE;
  memcpy(transformer->x + transformer->count * transformer->x_width, transformer->rows + start * row_width,
         transformer->x_width * sizeof(float));
  return ++transformer->count < transformer->portion ? ERROR_NONE : flush(transformer, error);
}

/* Windows are cut as the rows come: where they say when they are, they must come in order. */
static enum error_code check_time(struct transformer *transformer, uint64_t row, const char *text, struct error *error) {
  const struct clock *clock = &transformer->encoder.preprocessor->clock;
  const struct dataset_row *dataset = transformer->encoder.dataset;
  struct clock own = *clock; /* its dates may be written in another order than those that were trained on */
  double time;
  if (dataset->columns[transformer->clock].datetime_form != 0)
    own.order = datetime_form_unpack(dataset->columns[transformer->clock].datetime_form).order;
  const struct cell cell = {.kind = csv_is_missing(text) ? CELL_MISSING : CELL_TEXT, .text = text};
  if (!clock_read(&own, &cell, &time))
    return error_add(error, "/dataset", "row %" PRIu64 ": \"%.60s\" is no %s; \"%.80s\" must say when each row is", row, text,
                     clock->has_dates ? "date" : "number", clock->name);
  const bool is_late = transformer->row_count == 0 || time >= transformer->time;
  transformer->time = time;
  if (is_late) return ERROR_NONE;
  return error_add(error, "/dataset",
                   "row %" PRIu64
                   " (\"%.60s\") is earlier than the row before it; upload the rows in order of \"%.80s\", the earliest first",
                   row, text, clock->name);
}

static enum error_code take_series_row(void *context, uint64_t row, const char *const *cells, struct error *error) {
  struct transformer *transformer = context;
  const struct preprocessor *preprocessor = transformer->encoder.preprocessor;
  const size_t span = count_span(&preprocessor->window), row_width = preprocessor_get_row_width(preprocessor);
  const size_t columns = preprocessor->target_count / preprocessor->window.horizon;
  if (transformer->held == 2 * span) {
    memmove(transformer->rows, transformer->rows + span * row_width, span * row_width * sizeof(float));
    memmove(transformer->targets, transformer->targets + span * columns, span * columns * sizeof(float));
    transformer->held = span;
  }
  for (size_t i = 0; i < columns; i++) {
    const char *text = cells[transformer->encoder.target_columns[i * preprocessor->window.horizon]];
    double number;
    const bool is_known = !csv_is_missing(text) && csv_parse_number(text, &number);
    transformer->targets[transformer->held * columns + i] =
        is_known ? encode_target_number(&preprocessor->targets[i * preprocessor->window.horizon], number) : NAN;
  }
  enum error_code code = ERROR_NONE;
  if (transformer->clock < transformer->encoder.dataset->column_count)
    code = check_time(transformer, row, cells[transformer->clock], error);
  if (code == ERROR_NONE)
    code = encoder_encode(&transformer->encoder, cells, row, transformer->rows + transformer->held * row_width, error);
  if (code != ERROR_NONE) return code;
  transformer->held++;
  transformer->row_count++;
  return take_window(transformer, error);
}

static bool make_room_for_windows(struct transformer *transformer, const struct preprocessor *preprocessor) {
  const size_t rows = 2 * count_span(&preprocessor->window);
  transformer->rows = calloc(rows, preprocessor_get_row_width(preprocessor) * sizeof(float));
  transformer->targets = calloc(rows, preprocessor->target_count / preprocessor->window.horizon * sizeof(float));
  return transformer->rows != NULL && transformer->targets != NULL;
}

static size_t find_clock(const struct preprocessor *preprocessor, const struct dataset_row *dataset) {
  const char *name = preprocessor->clock.name;
  size_t column = 0;
  while (column < dataset->column_count && (name == NULL || strcmp(dataset->columns[column].name, name) != 0)) column++;
  return column;
}

enum error_code preprocessor_read_dataset(const struct preprocessor *preprocessor, const char *data_dir, const struct dataset_row *dataset,
                                          bool as_values, size_t portion,
                                          enum error_code (*handler)(void *context, const float *x, const float *y, size_t count,
                                                                     struct error *error),
                                          void *context, struct error *error) {
  struct transformer transformer = {.as_values = as_values, .portion = portion, .handler = handler, .context = context};
  transformer.x_width = preprocessor->input_width;
  transformer.clock = find_clock(preprocessor, dataset);
  transformer.y_width = preprocessor_get_target_width(preprocessor, as_values);
  size_t x_floats, y_floats;
  if (__builtin_mul_overflow(portion, transformer.x_width, &x_floats) || __builtin_mul_overflow(portion, transformer.y_width, &y_floats)) {
    return error_set(error, ERROR_OVER_BUDGET, "%zu rows need more memory than can be addressed", portion);
  }
  enum error_code code = encoder_init(&transformer.encoder, preprocessor, dataset, "/dataset", error);
  if (code != ERROR_NONE) return code;
  struct tensor_file tensors;
  code = tensor_file_open(data_dir, dataset, &tensors, error);
  transformer.encoder.tensors = &tensors;
  transformer.x = calloc(x_floats, sizeof *transformer.x);
  if (!preprocessor->is_reconstruction) transformer.y = calloc(y_floats, sizeof *transformer.y);
  const bool has_windows = preprocessor->window.length > 0;
  const bool has_room = transformer.x != NULL && (transformer.y != NULL || preprocessor->is_reconstruction) &&
                        (!has_windows || make_room_for_windows(&transformer, preprocessor));
  if (code == ERROR_NONE && !has_room) code = error_set(error, ERROR_OUT_OF_MEMORY, "no memory for %zu rows at a time", portion);
  if (code == ERROR_NONE)
    code = dataset_read_rows(data_dir, dataset, 0, dataset->rows, has_windows ? take_series_row : take_row, &transformer, error);
  if (code == ERROR_NONE) code = flush(&transformer, error);
  free(transformer.x);
  free(transformer.y);
  free(transformer.rows);
  free(transformer.targets);
  encoder_deinit(&transformer.encoder);
  tensor_file_close(&tensors);
  return code;
}
