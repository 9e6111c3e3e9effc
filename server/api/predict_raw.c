/* Predictions of what is sent as it is: a sentence as text/plain, an image as image/png or image/jpeg. One prediction, as JSON; the image
 * that an autoencoder gives back also as PNG. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistr.h>

#include "server/api/predict_private.h"
#include "server/data/csv.h"
#include "server/data/image_decode.h"

enum { FIRST_CAPACITY = 64 << 10, LISTED_MAX = 3 };

/* "\"text\" (text), \"age\" (numeric) and 2 more" */
static const char *list_inputs(const struct preprocessor *preprocessor, char *out_text, size_t text_bytes) {
  size_t at = 0;
  out_text[0] = '\0';
  for (size_t i = 0; i < preprocessor->feature_count && i < LISTED_MAX && at < text_bytes; i++)
    at += (size_t)snprintf(out_text + at, text_bytes - at, "%s\"%.30s\" (%s)", i > 0 ? ", " : "", preprocessor->features[i].name,
                           column_kind_names[preprocessor->features[i].kind]);
  if (preprocessor->feature_count > LISTED_MAX && at < text_bytes)
    snprintf(out_text + at, text_bytes - at, " and %zu more", preprocessor->feature_count - LISTED_MAX);
  return out_text;
}

enum error_code predictor_get_lone_feature(const struct predictor *predictor, enum column_kind kind, const char *what,
                                           const struct feature **out_feature, struct error *error) {
  const struct preprocessor *preprocessor = &predictor->model->preprocessor;
  char inputs[ERROR_DETAIL_BYTES / 2];
  *out_feature = &preprocessor->features[0];
  if (preprocessor->feature_count == 1 && preprocessor->features[0].kind == kind) return ERROR_NONE;
  const bool is_lone = preprocessor->feature_count == 1;
  return error_set(error, ERROR_INVALID, "the model doesn't take %s alone: its input%s %s; send %s", what, is_lone ? " is" : "s are",
                   list_inputs(preprocessor, inputs, sizeof inputs),
                   is_lone && preprocessor->features[0].kind == COLUMN_TEXT    ? "text/plain, application/json or text/csv"
                   : is_lone && preprocessor->features[0].kind == COLUMN_IMAGE ? "image/png, image/jpeg or application/json"
                                                                               : "rows as application/json or text/csv");
}

enum error_code body_append(struct body_bytes *body, const char *bytes, size_t count, size_t bytes_max, struct error *error) {
  if (count > bytes_max - body->count) return error_set(error, ERROR_TOO_LARGE, "it may have %zu bytes", bytes_max);
  if (body->count + count + 1 > body->capacity) {
    size_t capacity = body->capacity > 0 ? body->capacity : FIRST_CAPACITY;
    while (capacity < body->count + count + 1) capacity *= 2;
    char *grown = realloc(body->bytes, capacity);
    if (grown == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
    body->bytes = grown;
    body->capacity = capacity;
  }
  memcpy(body->bytes + body->count, bytes, count);
  body->count += count;
  body->bytes[body->count] = '\0';
  return ERROR_NONE;
}

enum error_code body_read(const struct request *request, size_t bytes_max, struct body_bytes *out_body, struct error *error) {
  char portion[16 << 10];
  *out_body = (struct body_bytes){0};
  enum error_code code = body_append(out_body, "", 0, bytes_max, error);
  for (size_t bytes = 1; code == ERROR_NONE && bytes > 0;) {
    code = request->read(request->read_context, portion, sizeof portion, &bytes, error);
    if (code == ERROR_NONE && bytes > 0) code = body_append(out_body, portion, bytes, bytes_max, error);
  }
  return code;
}

static enum error_code respond_one(struct predictor *predictor, const struct request *request, const struct cell *cell,
                                   struct response *response, struct error *error) {
  enum error_code code = preprocessor_transform(&predictor->model->preprocessor, cell, "", predictor->x, error);
  if (code != ERROR_NONE) return code;
  struct prediction_text text = {0};
  predictor_run(predictor, 1);
  if (predictor_gives_image(predictor, request)) return predictor_respond_image(predictor, response, error);
  const struct predictor_rows rows = {predictor->x, predictor->outputs, predictor->lengths, 1};
  predictor_write(predictor->model, &rows, &text);
  return predictor_respond(&text, response, error);
}

static enum error_code check_text(struct body_bytes *body, struct error *error) {
  while (body->count > 0 && (body->bytes[body->count - 1] == '\n' || body->bytes[body->count - 1] == '\r'))
    body->bytes[--body->count] = '\0';
  if (strlen(body->bytes) != body->count) return error_set(error, ERROR_MALFORMED, "the text has a NUL byte");
  if (u8_check((const uint8_t *)body->bytes, body->count) != NULL) return error_set(error, ERROR_MALFORMED, "the text is not UTF-8");
  return ERROR_NONE;
}

enum error_code predict_text(struct api *api, const struct request *request, struct response *response, struct error *error) {
  struct predictor predictor = {0};
  struct body_bytes body = {0};
  const struct feature *feature;
  enum error_code code = predictor_init(&predictor, api, request->id, 1, error);
  if (code == ERROR_NONE) code = predictor_get_lone_feature(&predictor, COLUMN_TEXT, "a text", &feature, error);
  if (code == ERROR_NONE) code = body_read(request, CSV_CELL_BYTES_MAX, &body, error);
  if (code == ERROR_NONE) code = check_text(&body, error);
  if (code == ERROR_NONE) {
    const struct cell cell = {.kind = csv_is_missing(body.bytes) ? CELL_MISSING : CELL_TEXT, .text = body.bytes};
    code = respond_one(&predictor, request, &cell, response, error);
  }
  free(body.bytes);
  predictor_deinit(&predictor);
  return code;
}

static enum error_code predict_pixels(struct predictor *predictor, const struct request *request, const struct feature *feature,
                                      const struct body_bytes *body, struct response *response, struct error *error) {
  const struct image_shape shape = {feature->image.channels, feature->image.height, feature->image.width};
  uint8_t *pixels = malloc(shape.channels * shape.height * shape.width);
  if (pixels == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  struct error defect = {0};
  enum error_code code = image_decode(body->bytes, body->count, &shape, pixels, &defect);
  if (code != ERROR_NONE)
    error_set(error, code == ERROR_MEDIA_TYPE ? ERROR_INVALID : code, "the body %s", defect.detail);
  else
    code = respond_one(predictor, request, &(struct cell){.kind = CELL_PIXELS, .pixels = pixels}, response, error);
  free(pixels);
  return code == ERROR_MEDIA_TYPE ? ERROR_INVALID : code;
}

enum error_code predict_image(struct api *api, const struct request *request, struct response *response, struct error *error) {
  struct predictor predictor = {0};
  struct body_bytes body = {0};
  const struct feature *feature = NULL;
  enum error_code code = predictor_init(&predictor, api, request->id, 1, error);
  if (code == ERROR_NONE) code = predictor_get_lone_feature(&predictor, COLUMN_IMAGE, "an image", &feature, error);
  if (code == ERROR_NONE) code = body_read(request, IMAGE_FILE_BYTES_MAX, &body, error);
  if (code == ERROR_NONE) code = predict_pixels(&predictor, request, feature, &body, response, error);
  free(body.bytes);
  predictor_deinit(&predictor);
  return code;
}
