/* Predictions of rows of numbers that are too much work to be gathered: they are read as gathered ones are (rows_text.h), without building
 * JSON values, which took longer than to compute them. What isn't of that form, and every error, goes the general way (predict.c), whose
 * answers are the same to the last bit.
 */
#include <stdlib.h>
#include <string.h>

#include "server/api/predict_private.h"
#include "server/codec/rows_text.h"

/* How many rows there are if the body is of that form: it has a bracket for each, and one around them. */
static size_t count_rows(const struct request *request) {
  size_t brackets = 0;
  for (size_t i = 0; i < request->body_bytes; i++) brackets += request->body[i] == '[';
  return brackets == 0 ? 0 : brackets - 1;
}

/* The rows as the network takes them, [count, input_width], malloc'd; NULL if the body is of another form. */
static float *read_rows(const struct preprocessor *preprocessor, const struct request *request, size_t *out_count) {
  const size_t rows = count_rows(request);
  /* A number takes a byte and one that ends it: so a small body never asks for much memory. */
  if (rows == 0 || preprocessor->feature_count > request->body_bytes / 2 / rows) return NULL;
  float *x = reallocarray(NULL, rows, preprocessor->input_width * sizeof *x);
  if (x != NULL && rows_read(preprocessor, request->body, request->body_bytes, rows, x, out_count)) return x;
  free(x);
  return NULL;
}

static enum error_code answer(struct predictor *predictor, const struct request *request, const float *x, size_t count,
                              struct response *response, struct error *error) {
  const size_t width = predictor->input_width;
  struct prediction_text text = {0};
  for (size_t first = 0; first < count; first += predictor->batch) {
    const size_t portion = count - first < predictor->batch ? count - first : predictor->batch;
    if (request_is_abandoned(request)) {
      free(text.bytes);
      return error_set(error, ERROR_UNAVAILABLE, "broken off: nobody waits for the answer");
    }
    memcpy(predictor->x, x + first * width, portion * width * sizeof *x);
    predictor_run(predictor, portion);
    const struct predictor_rows computed = {predictor->x, predictor->outputs, predictor->lengths, portion};
    predictor_write(predictor->model, &computed, &text);
  }
  return predictor_respond(&text, response, error);
}

bool predict_numbers(struct api *api, const struct request *request, struct response *response, enum error_code *out_code,
                     struct error *error) {
  struct model *model = model_cache_take_cached(api->models, request->id);
  if (model == NULL) return false;
  size_t count = 0;
  float *x = read_rows(&model->preprocessor, request, &count);
  if (x == NULL) {
    model_cache_return(api->models, model);
    return false;
  }
  struct predictor predictor;
  *out_code = predictor_init_with(&predictor, api, model, count, error);
  response->is_deferred = *out_code == ERROR_NONE && !request->may_take_long && predict_is_long(&predictor, count);
  if (*out_code == ERROR_NONE && !response->is_deferred) *out_code = answer(&predictor, request, x, count, response, error);
  free(x);
  predictor_deinit(&predictor);
  return true;
}
