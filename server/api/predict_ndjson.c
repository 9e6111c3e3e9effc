/* POST /v1/models/{id}/predict with NDJSON: a row a line in, a prediction a line out, any number of them in bounded memory. Values are what
 * an upload makes of them (server/data/json_line.h). Of a forecast, the lines are the rows of a window, and one line comes out. */
#include <stdlib.h>
#include <string.h>

#include "engine/param.h"
#include "server/api/predict_private.h"
#include "server/api/predictor.h"
#include "server/data/forecast_rows.h"
#include "server/data/json_line.h"
#include "server/data/ndjson.h"

enum { READ_PART_BYTES = 64 << 10 };

struct ndjson_prediction {
  struct predictor predictor;
  const struct request *request;
  FILE *file;
  struct json_line_reader reader;
  char *held; /* the beginning of a line */
  size_t held_bytes, held_capacity;
  uint64_t line;
  struct cell *cells; /* per feature, and one for a clock that is none, of the line under way … */
  char *texts;        /* … whose texts are here: unescaped, they are no longer than the line */
  size_t text_bytes, text_capacity;
  char unknown[128]; /* a key that is neither input nor target; "" if there was none */
  size_t given;      /* inputs of the line */
  size_t count;      /* rows in the batch */
  uint64_t row_count;
  struct forecast_rows forecast; /* of a model with a window; else rows stand for themselves */
  struct prediction_text text;
};

static const struct preprocessor *get_preprocessor(const struct ndjson_prediction *prediction) {
  return &prediction->predictor.model->preprocessor;
}

static const char *get_feature_name(const void *context, size_t index) {
  return ((const struct preprocessor *)context)->features[index].name;
}

static bool is_target(const struct preprocessor *preprocessor, const char *key) {
  for (size_t i = 0; i < preprocessor->target_count; i++)
    if (strcmp(target_get_column_name(&preprocessor->targets[i]), key) == 0) return true;
  return false;
}

static const char *take_member(void *context, const char *key, const char *value) {
  struct ndjson_prediction *prediction = context;
  const struct preprocessor *preprocessor = get_preprocessor(prediction);
  size_t i = prediction->given; /* usually in the model's order */
  if (i >= preprocessor->feature_count || strcmp(preprocessor->features[i].name, key) != 0)
    for (i = 0; i < preprocessor->feature_count && strcmp(preprocessor->features[i].name, key) != 0;) i++;
  const bool is_clock = preprocessor->clock.name != NULL && strcmp(preprocessor->clock.name, key) == 0;
  if (i == preprocessor->feature_count && !is_clock) {
    if (!is_target(preprocessor, key)) snprintf(prediction->unknown, sizeof prediction->unknown, "%.100s", key);
    return NULL;
  }
  struct cell *cell = &prediction->cells[i];
  if (cell->text != NULL) return "has an input twice";
  const size_t bytes = strlen(value) + 1;
  char *text = prediction->texts + prediction->text_bytes;
  memcpy(text, value, bytes);
  prediction->text_bytes += bytes;
  *cell = (struct cell){.kind = bytes > 1 ? CELL_TEXT : CELL_MISSING, .text = text};
  prediction->given += i < preprocessor->feature_count;
  return NULL;
}

static enum error_code write_batch(struct ndjson_prediction *prediction, struct error *error) {
  struct predictor *predictor = &prediction->predictor;
  const size_t count = prediction->count;
  prediction->count = 0;
  if (request_is_abandoned(prediction->request)) return error_set(error, ERROR_UNAVAILABLE, "broken off: nobody waits for the answer");
  predictor_run(predictor, count);
  const struct predictor_rows computed = {predictor->x, predictor->outputs, predictor->lengths, count};
  for (size_t i = 0; i < count; i++) {
    prediction->text.count = 0;
    const struct prediction row = predictor_get_row(predictor->model, &computed, i);
    prediction_write_json(&row, &prediction->text);
    prediction_text_append(&prediction->text, "\n", 1);
    if (prediction->text.lacks_memory) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
    fwrite(prediction->text.bytes, 1, prediction->text.count, prediction->file);
  }
  return ERROR_NONE;
}

static float *find_place(const struct ndjson_prediction *prediction) {
  const struct preprocessor *preprocessor = get_preprocessor(prediction);
  if (preprocessor->window.length > 0) return forecast_rows_get_place(&prediction->forecast);
  return prediction->predictor.x + prediction->count * prediction->predictor.input_width;
}

static enum error_code refuse_key(const struct ndjson_prediction *prediction, const char *pointer, struct error *error) {
  const struct preprocessor *preprocessor = get_preprocessor(prediction);
  const char *nearest = param_suggest(prediction->unknown, preprocessor->feature_count, get_feature_name, preprocessor);
  return error_add(error, pointer, "the model has no input \"%.64s\"%s%s%s", prediction->unknown,
                   nearest == NULL ? "" : ", did you mean \"", nearest == NULL ? "" : nearest, nearest == NULL ? "" : "\"?");
}

static enum error_code take_line(struct ndjson_prediction *prediction, const char *bytes, size_t count, struct error *error) {
  const struct preprocessor *preprocessor = get_preprocessor(prediction);
  const size_t needed = 2 * count + preprocessor->feature_count + 16, clock = preprocessor_find_clock(preprocessor);
  const char *reason = NULL;
  char pointer[ERROR_POINTER_BYTES];
  prediction->line++;
  if (count == 0 || (count == 1 && *bytes == '\r')) return ERROR_NONE;
  error_pointer(pointer, "/lines", "%llu", (unsigned long long)prediction->line);
  if (prediction->text_capacity < needed) {
    char *texts = realloc(prediction->texts, needed);
    if (texts == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
    prediction->texts = texts;
    prediction->text_capacity = needed;
  }
  for (size_t i = 0; i <= preprocessor->feature_count; i++) prediction->cells[i] = (struct cell){.kind = CELL_MISSING};
  prediction->text_bytes = prediction->given = 0;
  prediction->unknown[0] = '\0';
  enum error_code code = json_line_read(&prediction->reader, bytes, count, take_member, prediction, &reason, error);
  if (code != ERROR_NONE) return code;
  if (reason != NULL) return error_add(error, pointer, "%s", reason);
  if (prediction->unknown[0] != '\0' && prediction->given < preprocessor->feature_count) return refuse_key(prediction, pointer, error);
  code = preprocessor_transform(preprocessor, prediction->cells, pointer, find_place(prediction), error);
  if (code != ERROR_NONE) return code;
  prediction->row_count++;
  if (preprocessor->window.length > 0) return forecast_rows_take(&prediction->forecast, &prediction->cells[clock], pointer, error);
  if (++prediction->count < prediction->predictor.batch) return ERROR_NONE;
  return write_batch(prediction, error);
}

static enum error_code hold(struct ndjson_prediction *prediction, const char *bytes, size_t count, struct error *error) {
  const size_t needed = prediction->held_bytes + count;
  if (needed > NDJSON_LINE_BYTES_MAX)
    return error_set(error, ERROR_INVALID, "line %llu is longer than 8 MiB", (unsigned long long)prediction->line + 1);
  if (prediction->held_capacity < needed) {
    char *held = realloc(prediction->held, 2 * needed);
    if (held == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
    prediction->held = held;
    prediction->held_capacity = 2 * needed;
  }
  memcpy(prediction->held + prediction->held_bytes, bytes, count);
  prediction->held_bytes = needed;
  return ERROR_NONE;
}

static enum error_code take_part(struct ndjson_prediction *prediction, const char *bytes, size_t count, struct error *error) {
  enum error_code code = ERROR_NONE;
  for (size_t at = 0; at < count && code == ERROR_NONE;) {
    const char *end = memchr(bytes + at, '\n', count - at);
    const size_t length = end == NULL ? count - at : (size_t)(end - bytes) - at;
    if (end == NULL || prediction->held_bytes > 0) code = hold(prediction, bytes + at, length, error);
    if (code == ERROR_NONE && end != NULL)
      code = prediction->held_bytes > 0 ? take_line(prediction, prediction->held, prediction->held_bytes, error)
                                        : take_line(prediction, bytes + at, length, error);
    if (end != NULL) prediction->held_bytes = 0;
    at += length + 1;
  }
  return code;
}

static enum error_code read_lines(struct ndjson_prediction *prediction, struct error *error) {
  char *part = malloc(READ_PART_BYTES);
  if (part == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  enum error_code code = ERROR_NONE;
  for (size_t bytes = 1; code == ERROR_NONE && bytes > 0;) {
    code = prediction->request->read(prediction->request->read_context, part, READ_PART_BYTES, &bytes, error);
    if (code == ERROR_NONE && bytes > 0) code = take_part(prediction, part, bytes, error);
  }
  if (code == ERROR_NONE && prediction->held_bytes > 0) code = take_line(prediction, prediction->held, prediction->held_bytes, error);
  free(part);
  return code;
}

static enum error_code allocate(struct ndjson_prediction *prediction, struct error *error) {
  const struct preprocessor *preprocessor = get_preprocessor(prediction);
  for (size_t i = 0; i < preprocessor->feature_count; i++)
    if (preprocessor->features[i].kind == COLUMN_IMAGE)
      return error_set(error, ERROR_INVALID,
                       "the model's input \"%.64s\" is an image: send images as application/json, image/png or application/zip",
                       preprocessor->features[i].name);
  prediction->cells = calloc(preprocessor->feature_count + 1, sizeof *prediction->cells);
  if (prediction->cells == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  enum error_code code = preprocessor->window.length > 0 ? forecast_rows_init(&prediction->forecast, preprocessor, error) : ERROR_NONE;
  if (code != ERROR_NONE) return code;
  return temporary_open(prediction->predictor.api, &prediction->file, error);
}

enum error_code predict_ndjson(struct api *api, const struct request *request, struct response *response, struct error *error) {
  struct ndjson_prediction prediction = {.request = request};
  enum error_code code = predictor_init(&prediction.predictor, api, request->id, 0, error);
  if (code == ERROR_NONE) code = allocate(&prediction, error);
  if (code == ERROR_NONE) code = read_lines(&prediction, error);
  if (code == ERROR_NONE && prediction.row_count == 0)
    code = error_set(error, ERROR_INVALID, "there are no rows: each line is one, {\"input\": value, …}");
  const bool has_window = code == ERROR_NONE && get_preprocessor(&prediction)->window.length > 0;
  if (has_window) code = forecast_rows_write(&prediction.forecast, NULL, prediction.predictor.x, error);
  if (has_window && code == ERROR_NONE) prediction.count = 1;
  if (code == ERROR_NONE && prediction.count > 0) code = write_batch(&prediction, error);
  json_line_reader_deinit(&prediction.reader);
  free(prediction.held);
  free(prediction.cells);
  free(prediction.texts);
  forecast_rows_deinit(&prediction.forecast);
  free(prediction.text.bytes);
  predictor_deinit(&prediction.predictor);
  if (code == ERROR_NONE) return respond_file(response, "application/x-ndjson", prediction.file, error);
  if (prediction.file != NULL) fclose(prediction.file);
  return code;
}
