/* POST /v1/models/{id}/predict: raw rows in, predictions out. JSON for some rows; CSV for any number, in bounded memory; and what
 * predict_raw.c and predict_images.c take. */
#include <stdlib.h>
#include <string.h>

#include "engine/param.h"
#include "server/api/predict_private.h"
#include "server/codec/prediction_json.h"
#include "server/codec/row_json.h"
#include "server/data/csv.h"
#include "server/data/decimal_comma.h"
#include "server/data/forecast_rows.h"
#include "server/data/header.h"
#include "server/data/lookup.h"

enum { READ_PART_BYTES = 64 << 10 };

static enum error_code find_rows(const json_t *body, json_t **out_rows, struct error *error) {
  static const char *const known[] = {"rows", NULL};
  object_check_keys(body, known, "", error);
  *out_rows = json_object_get(body, "rows");
  if (!json_is_array(*out_rows))
    error_add(error, "/rows", "must be an array of rows: objects {\"input\": value} or arrays of values");
  else if (json_array_size(*out_rows) == 0)
    error_add(error, "/rows", "must have at least one row");
  return error->code;
}

/* Row `index` of a request into its place in the batch; errors are collected, so that a client sees all of them. */
static enum error_code transform_json(struct predictor *predictor, struct row_cells *cells, const json_t *row, size_t index,
                                      struct error *error) {
  const struct preprocessor *preprocessor = &predictor->model->preprocessor;
  char pointer[ERROR_POINTER_BYTES];
  error_pointer(pointer, "/rows", "%zu", index);
  enum error_code code = row_cells_from_json(cells, preprocessor, row, pointer, error);
  if (code != ERROR_NONE) return code;
  float *x = predictor->x + index % predictor->batch * predictor->input_width;
  return preprocessor_transform(preprocessor, cells->cells, pointer, x, error);
}

static enum error_code predict_json_rows(struct predictor *predictor, const struct request *request, const json_t *rows,
                                         struct prediction_text *text, struct error *error) {
  struct row_cells cells;
  enum error_code code = row_cells_init(&cells, &predictor->model->preprocessor, error);
  if (code != ERROR_NONE) return code;
  size_t count = json_array_size(rows);
  for (size_t first = 0; first < count; first += predictor->batch) {
    size_t portion = count - first < predictor->batch ? count - first : predictor->batch;
    for (size_t i = 0; i < portion && error_has_room(error); i++) {
      enum error_code row_code = transform_json(predictor, &cells, json_array_get(rows, first + i), first + i, error);
      if (row_code != ERROR_NONE) code = row_code;
    }
    if (code != ERROR_NONE) continue;
    if (request_is_abandoned(request)) {
      code = error_set(error, ERROR_UNAVAILABLE, "broken off: nobody waits for the answer");
      break;
    }
    predictor_run(predictor, portion);
    const struct predictor_rows computed = {predictor->x, predictor->outputs, predictor->lengths, portion};
    predictor_write(predictor->model, &computed, text);
  }
  row_cells_deinit(&cells);
  return code;
}

/* A forecast is made from the last rows, as many as a window has. */
static enum error_code predict_json_window(struct predictor *predictor, const json_t *rows, struct prediction_text *text,
                                           struct error *error) {
  const struct preprocessor *preprocessor = &predictor->model->preprocessor;
  struct row_cells cells;
  struct forecast_rows taken;
  enum error_code code = row_cells_init(&cells, preprocessor, error);
  if (code != ERROR_NONE) return code;
  code = forecast_rows_init(&taken, preprocessor, error);
  for (size_t i = 0; i < json_array_size(rows) && code != ERROR_OUT_OF_MEMORY && error_has_room(error); i++) {
    char pointer[ERROR_POINTER_BYTES];
    const json_t *row = json_array_get(rows, i);
    error_pointer(pointer, "/rows", "%zu", i);
    enum error_code row_code = row_cells_from_json(&cells, preprocessor, row, pointer, error);
    const struct cell time = row_cells_get_time(&cells, preprocessor, row);
    if (row_code == ERROR_NONE)
      row_code = preprocessor_transform(preprocessor, cells.cells, pointer, forecast_rows_get_place(&taken), error);
    if (row_code == ERROR_NONE) row_code = forecast_rows_take(&taken, &time, pointer, error);
    if (row_code != ERROR_NONE) code = row_code;
  }
  if (code == ERROR_NONE) code = forecast_rows_write(&taken, "/rows", predictor->x, error);
  row_cells_deinit(&cells);
  forecast_rows_deinit(&taken);
  if (code != ERROR_NONE) return code;
  predictor_run(predictor, 1);
  const struct predictor_rows computed = {predictor->x, predictor->outputs, predictor->lengths, 1};
  predictor_write(predictor->model, &computed, text);
  return ERROR_NONE;
}

bool predict_is_long(const struct predictor *predictor, size_t row_count) {
  static const double short_flops_max = 1e9; /* about 50 ms of one core */
  return (double)row_count * network_flops_per_sample(predictor->model->network) > short_flops_max;
}

/* As JSON; the image that an autoencoder gives back also as PNG. */
static enum error_code answer_rows(struct predictor *predictor, const struct request *request, const json_t *rows,
                                   struct response *response, struct error *error) {
  const bool gives_image = predictor_gives_image(predictor, request), has_window = predictor->model->preprocessor.window.length > 0;
  const size_t count = json_array_size(rows);
  struct prediction_text text = {0};
  if (gives_image && count > 1) return error_add(error, "/rows", "has %zu rows; image/png is the answer to one", count);
  enum error_code code =
      has_window ? predict_json_window(predictor, rows, &text, error) : predict_json_rows(predictor, request, rows, &text, error);
  if (code == ERROR_NONE && !gives_image) return predictor_respond(&text, response, error);
  free(text.bytes);
  return code == ERROR_NONE ? predictor_respond_image(predictor, response, error) : code;
}

enum error_code predict_json(struct api *api, const struct request *request, struct response *response, struct error *error) {
  json_t *body = NULL, *rows = NULL;
  struct predictor predictor = {0};
  enum error_code code;
  if (predict_numbers(api, request, response, &code, error)) return code;
  code = request_parse_object(request, &body, error);
  if (code == ERROR_NONE) code = find_rows(body, &rows, error);
  if (code == ERROR_NONE) code = predictor_init(&predictor, api, request->id, json_array_size(rows), error);
  response->is_deferred = code == ERROR_NONE && !request->may_take_long && predict_is_long(&predictor, json_array_size(rows));
  if (code == ERROR_NONE && !response->is_deferred) code = answer_rows(&predictor, request, rows, response, error);
  predictor_deinit(&predictor);
  json_decref(body);
  return code;
}

/* A CSV body on its way through. */
struct csv_prediction {
  struct predictor predictor;
  FILE *file;
  bool has_columns; /* what is below is known */
  size_t column_count;
  size_t *features;   /* per column: index of its feature, feature_count for a clock that is none, or SIZE_MAX: not looked at */
  struct cell *cells; /* per feature, and one for such a clock */
  size_t count;       /* rows in the batch */
  uint64_t row_count;
  struct forecast_rows forecast; /* of a model with a window; else rows stand for themselves */
};

static const char *get_feature_name(const void *context, size_t index) {
  return ((const struct preprocessor *)context)->features[index].name;
}

static bool is_target(const struct preprocessor *preprocessor, const char *name) {
  for (size_t i = 0; i < preprocessor->target_count; i++) {
    if (strcmp(target_get_column_name(&preprocessor->targets[i]), name) == 0) return true;
  }
  return false;
}

/* A column that is neither input nor target where an input is missing: likely that one's misspelt name. */
static void refuse_column(const struct preprocessor *preprocessor, const char *name, size_t column, struct error *error) {
  const char *nearest = param_suggest(name, preprocessor->feature_count, get_feature_name, preprocessor);
  char pointer[ERROR_POINTER_BYTES];
  error_pointer(pointer, "/header", "%zu", column);
  error_add(error, pointer, "the model has no input \"%.64s\"%s%s%s; the first line must name the columns", name,
            nearest == NULL ? "" : ", did you mean \"", nearest == NULL ? "" : nearest, nearest == NULL ? "" : "\"?");
}

static enum error_code map_names(struct csv_prediction *prediction, char *const *names, struct error *error) {
  const struct preprocessor *preprocessor = &prediction->predictor.model->preprocessor;
  struct lookup lookup;
  enum error_code code = lookup_init(&lookup, names, prediction->column_count, error);
  if (code != ERROR_NONE) return code;
  size_t input_count = 0;
  for (size_t i = 0; i < preprocessor->feature_count; i++) {
    size_t column = lookup_find(&lookup, preprocessor->features[i].name);
    if (column == LOOKUP_NONE) continue;
    prediction->features[column] = i;
    input_count++;
  }
  const bool has_clock = preprocessor->clock.name != NULL && preprocessor_find_clock(preprocessor) == preprocessor->feature_count;
  const size_t clock = has_clock ? lookup_find(&lookup, preprocessor->clock.name) : LOOKUP_NONE;
  if (clock != LOOKUP_NONE) prediction->features[clock] = preprocessor->feature_count;
  lookup_deinit(&lookup);
  for (size_t column = 0; column < prediction->column_count && input_count < preprocessor->feature_count && error_has_room(error);
       column++) {
    if (prediction->features[column] == SIZE_MAX && !is_target(preprocessor, names[column]))
      refuse_column(preprocessor, names[column], column, error);
  }
  if (input_count == 0) error_add(error, "/header", "the first line names none of the model's inputs; it must name the columns");
  return error->code;
}

/* Was the model trained on a file without a header, and has this one none either? */
static bool lacks_header(const struct preprocessor *preprocessor, const struct csv_row *row) {
  for (size_t i = 0; i < preprocessor->feature_count; i++) {
    if (!header_is_made_name(preprocessor->features[i].name)) return false;
  }
  for (size_t column = 0; column < row->cell_count; column++) {
    if (header_is_made_name(row->cells[column].text)) return false;
  }
  return true;
}

/* Without names: the inputs alone in their order, or all columns as they stood in the file that was trained on. */
static enum error_code map_positions(struct csv_prediction *prediction, struct error *error) {
  const struct preprocessor *preprocessor = &prediction->predictor.model->preprocessor;
  bool is_inputs_alone = prediction->column_count == preprocessor->feature_count;
  for (size_t i = 0; i < preprocessor->feature_count; i++) {
    size_t column = is_inputs_alone ? i : preprocessor->features[i].column;
    if (column >= prediction->column_count) {
      return error_add(error, "/lines/1", "has %zu cells; the model takes %zu, or as many as the file that it was trained on",
                       prediction->column_count, preprocessor->feature_count);
    }
    prediction->features[column] = i;
  }
  const struct clock *clock = &preprocessor->clock;
  const bool has_clock = clock->name != NULL && !is_inputs_alone && clock->column < prediction->column_count;
  if (has_clock && prediction->features[clock->column] == SIZE_MAX) prediction->features[clock->column] = preprocessor->feature_count;
  return ERROR_NONE;
}

/* The first line names the columns as in an upload, in any order. Columns besides the inputs are passed over if all inputs are there, so
 * that the file that was trained on can be predicted on. */
static enum error_code read_first_line(struct csv_prediction *prediction, const struct csv_row *row, bool *out_is_data,
                                       struct error *error) {
  const struct preprocessor *preprocessor = &prediction->predictor.model->preprocessor;
  prediction->has_columns = true;
  prediction->column_count = row->cell_count;
  prediction->features = calloc(row->cell_count + 1, sizeof *prediction->features);
  prediction->cells = calloc(preprocessor->feature_count + 1, sizeof *prediction->cells);
  if (prediction->features == NULL || prediction->cells == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  for (size_t column = 0; column < row->cell_count; column++) prediction->features[column] = SIZE_MAX;
  char **names = NULL;
  enum error_code code = ERROR_NONE;
  *out_is_data = lacks_header(preprocessor, row);
  if (*out_is_data) {
    code = map_positions(prediction, error);
  } else {
    code = header_make_names(row, true, &names, error);
    if (code == ERROR_NONE) code = map_names(prediction, names, error);
    header_free_names(names, row->cell_count);
  }
  if (code == ERROR_NONE) prediction_write_csv_header(preprocessor, prediction->file);
  return code;
}

static void flush_batch(struct csv_prediction *prediction) {
  struct predictor *predictor = &prediction->predictor;
  predictor_run(predictor, prediction->count);
  const struct predictor_rows rows = {predictor->x, predictor->outputs, predictor->lengths, prediction->count};
  for (size_t i = 0; i < prediction->count; i++) {
    const struct prediction row = predictor_get_row(predictor->model, &rows, i);
    prediction_write_csv(&row, prediction->file);
  }
  prediction->count = 0;
}

static enum error_code take_csv_row(void *context, const struct csv_row *row, struct error *error) {
  struct csv_prediction *prediction = context;
  struct predictor *predictor = &prediction->predictor;
  const struct preprocessor *preprocessor = &predictor->model->preprocessor;
  char pointer[ERROR_POINTER_BYTES];
  error_pointer(pointer, "/lines", "%llu", (unsigned long long)row->line);
  if (row->defect != NULL) return error_add(error, pointer, "%s", row->defect);
  if (!prediction->has_columns) {
    bool is_data = false;
    enum error_code code = read_first_line(prediction, row, &is_data, error);
    if (code != ERROR_NONE || !is_data) return code;
  }
  if (row->cell_count == 1 && prediction->column_count > 1 && row->cells[0].bytes == 0) return ERROR_NONE;
  if (row->cell_count != prediction->column_count) {
    return error_add(error, pointer, "has %zu cells, the first line has %zu", row->cell_count, prediction->column_count);
  }
  for (size_t i = 0; i <= preprocessor->feature_count; i++) prediction->cells[i] = (struct cell){.kind = CELL_MISSING};
  for (size_t column = 0; column < row->cell_count; column++) {
    if (prediction->features[column] == SIZE_MAX || csv_is_missing(row->cells[column].text)) continue;
    prediction->cells[prediction->features[column]] = (struct cell){.kind = CELL_TEXT, .text = row->cells[column].text};
  }
  const bool has_window = preprocessor->window.length > 0;
  float *x = has_window ? forecast_rows_get_place(&prediction->forecast) : predictor->x + prediction->count * predictor->input_width;
  enum error_code code = preprocessor_transform(preprocessor, prediction->cells, pointer, x, error);
  if (code != ERROR_NONE) return code;
  prediction->row_count++;
  if (has_window)
    return forecast_rows_take(&prediction->forecast, &prediction->cells[preprocessor_find_clock(preprocessor)], pointer, error);
  if (++prediction->count == predictor->batch) flush_batch(prediction);
  return ERROR_NONE;
}

/* A body's parts on their way to the parser. */
struct csv_feed {
  struct csv_parser *parser; /* NULL before the first part, which tells the delimiter and what stands before decimals */
  bool has_decimal_comma;
  struct decimal_comma decimals;
};

static enum error_code feed_part(struct csv_feed *feed, struct csv_prediction *prediction, const char *bytes, size_t count,
                                 struct error *error) {
  enum error_code code = ERROR_NONE;
  if (feed->parser == NULL) {
    feed->decimals.delimiter = csv_guess_delimiter(bytes, count);
    feed->has_decimal_comma = decimal_comma_find(bytes, count, feed->decimals.delimiter);
    code = csv_parser_create(feed->decimals.delimiter, take_csv_row, prediction, &feed->parser, error);
  }
  if (code == ERROR_NONE && feed->has_decimal_comma) code = decimal_comma_feed(&feed->decimals, bytes, count, &bytes, &count, error);
  return code == ERROR_NONE ? csv_parser_feed(feed->parser, bytes, count, error) : code;
}

static enum error_code feed_end(struct csv_feed *feed, struct error *error) {
  const char *bytes;
  size_t count;
  decimal_comma_finish(&feed->decimals, &bytes, &count);
  enum error_code code = csv_parser_feed(feed->parser, bytes, count, error);
  return code == ERROR_NONE ? csv_parser_finish(feed->parser, error) : code;
}

static enum error_code feed_parser(const struct request *request, struct csv_prediction *prediction, struct error *error) {
  char *part = malloc(READ_PART_BYTES);
  if (part == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  struct csv_feed feed = {0};
  enum error_code code = ERROR_NONE;
  for (size_t bytes = 1; code == ERROR_NONE && bytes > 0;) {
    code = request->read(request->read_context, part, READ_PART_BYTES, &bytes, error);
    if (code == ERROR_NONE && bytes > 0) code = feed_part(&feed, prediction, part, bytes, error);
  }
  if (code == ERROR_NONE && feed.parser != NULL) code = feed_end(&feed, error);
  csv_parser_destroy(feed.parser);
  decimal_comma_deinit(&feed.decimals);
  free(part);
  return code;
}

enum error_code predict_csv(struct api *api, const struct request *request, struct response *response, struct error *error) {
  struct csv_prediction prediction = {0};
  enum error_code code = predictor_init(&prediction.predictor, api, request->id, 0, error);
  const bool has_window = code == ERROR_NONE && prediction.predictor.model->preprocessor.window.length > 0;
  if (has_window) code = forecast_rows_init(&prediction.forecast, &prediction.predictor.model->preprocessor, error);
  if (code == ERROR_NONE) code = temporary_open(api, &prediction.file, error);
  if (code == ERROR_NONE) code = feed_parser(request, &prediction, error);
  if (code == ERROR_NONE && has_window) code = forecast_rows_write(&prediction.forecast, NULL, prediction.predictor.x, error);
  if (code == ERROR_NONE && has_window) prediction.count = 1;
  if (code == ERROR_NONE && prediction.count > 0) flush_batch(&prediction);
  if (code == ERROR_NONE && prediction.row_count == 0) {
    code = error_set(error, ERROR_INVALID, "there are no rows: the first line names the columns, each further one is a row");
  }
  free(prediction.features);
  free(prediction.cells);
  forecast_rows_deinit(&prediction.forecast);
  predictor_deinit(&prediction.predictor);
  if (code == ERROR_NONE) return respond_file(response, "text/csv; charset=utf-8", prediction.file, error);
  if (prediction.file != NULL) fclose(prediction.file);
  return code;
}

const struct predict_type predict_types[] = {
    {"application/json", "rows, as objects or arrays of values; an image is an array of pixels, or a PNG or JPEG file in base64",
     predict_json},
    {"text/csv", "rows under a line of names; the answer is CSV", predict_csv},
    {"application/x-ndjson", "rows, an object a line; the answer is NDJSON, a prediction a line", predict_ndjson},
    {"application/jsonl", "likewise", predict_ndjson},
    {"text/plain", "one text, for a model whose only input is a text", predict_text},
    {"image/png", "one image, for a model whose only input is an image; it is brought to the model's size and channels", predict_image},
    {"image/jpeg", "likewise", predict_image},
    {"application/zip", "many images; the answer is CSV", predict_archive},
    {"multipart/form-data", "many images, each a file of the form; the answer is CSV", predict_form},
    {NULL, NULL, NULL}};

enum error_code models_predict(struct api *api, const struct request *request, struct response *response, struct error *error) {
  char list[ERROR_DETAIL_BYTES / 2] = "";
  for (const struct predict_type *type = predict_types; type->media_type != NULL; type++) {
    if (media_type_is(request->content_type, type->media_type)) return type->handler(api, request, response, error);
    snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", list[0] == '\0' ? "" : ", ", type->media_type);
  }
  return error_set(error, ERROR_MEDIA_TYPE, "Content-Type must be one of %s, as the model's inputs are", list);
}
