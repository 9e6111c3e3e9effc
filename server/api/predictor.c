#include "server/api/predictor.h"

#include <stdlib.h>
#include <string.h>

#include "server/data/image_encode.h"

/* The largest batch whose workspace stays small; a single row is always possible. */
static enum error_code choose_batch(struct predictor *predictor, size_t rows, struct error *error) {
  size_t batch = rows > 0 && rows < PREDICT_BATCH ? rows : PREDICT_BATCH;
  size_t row_bytes = (predictor->input_width + predictor->output_width) * sizeof(float);
  for (;; batch /= 2) {
    size_t bytes = 0;
    enum error_code code = workspace_measure(predictor->model->network, batch, false, &bytes, error);
    if (code != ERROR_NONE && batch == 1) return code;
    if (code == ERROR_NONE && (bytes + batch * row_bytes <= PREDICT_WORKSPACE_BYTES_MAX || batch == 1)) break;
    if (code != ERROR_NONE) error_clear(error);
  }
  predictor->batch = batch;
  return ERROR_NONE;
}

enum error_code predictor_init(struct predictor *predictor, struct api *api, const char *id_or_name, size_t rows, struct error *error) {
  struct model *model = NULL;
  memset(predictor, 0, sizeof *predictor);
  const enum error_code code = model_cache_take(api->models, id_or_name, &model, error);
  if (code != ERROR_NONE) return resource_explain(api, RESOURCE_MODEL, id_or_name, code, error);
  return predictor_init_with(predictor, api, model, rows, error);
}

enum error_code predictor_init_with(struct predictor *predictor, struct api *api, struct model *model, size_t rows, struct error *error) {
  memset(predictor, 0, sizeof *predictor);
  predictor->api = api;
  predictor->model = model;
  predictor->input_width = predictor->model->preprocessor.input_width;
  predictor->output_width = shape_size(network_get_output_shape(predictor->model->network));
  enum error_code code = choose_batch(predictor, rows, error);
  if (code == ERROR_NONE) code = workspace_create(predictor->model->network, predictor->batch, false, &predictor->workspace, error);
  if (code != ERROR_NONE) return code;
  predictor->x = calloc(predictor->batch * predictor->input_width + 1, sizeof(float));
  predictor->outputs = calloc(predictor->batch * predictor->output_width + 1, sizeof(float));
  const bool has_lengths = network_has_output_lengths(predictor->model->network);
  if (has_lengths) predictor->lengths = calloc(predictor->batch, sizeof *predictor->lengths);
  if (predictor->x != NULL && predictor->outputs != NULL && (predictor->lengths != NULL || !has_lengths)) return ERROR_NONE;
  return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
}

void predictor_deinit(struct predictor *predictor) {
  workspace_destroy(predictor->workspace);
  free(predictor->x);
  free(predictor->outputs);
  free(predictor->lengths);
  if (predictor->model != NULL) model_cache_return(predictor->api->models, predictor->model);
  memset(predictor, 0, sizeof *predictor);
}

void predictor_run(struct predictor *predictor, size_t count) {
  const struct model *model = predictor->model;
  predict_rows(model->network, predictor->workspace, predictor->batch, NULL, model->parameters, model->buffers, predictor->x, count,
               predictor->outputs, predictor->lengths);
}

/* Targets of a prediction; of a reconstruction, outputs. Of a sequence of them, several may belong to one step. */
static size_t count_targets(const struct model *model, const uint32_t *length) {
  const struct preprocessor *preprocessor = &model->preprocessor;
  const size_t count = preprocessor->is_reconstruction ? preprocessor->output_width : preprocessor->target_count;
  return length == NULL ? count : *length * (count / network_get_output_shape(model->network)->sizes[0]);
}

struct prediction predictor_get_row(const struct model *model, const struct predictor_rows *rows, size_t index) {
  const struct preprocessor *preprocessor = &model->preprocessor;
  return (struct prediction){.preprocessor = preprocessor,
                             .x = rows->x + index * preprocessor->input_width,
                             .outputs = rows->outputs + index * preprocessor->output_width,
                             .real_count = count_targets(model, rows->lengths == NULL ? NULL : &rows->lengths[index])};
}

void predictor_write(const struct model *model, const struct predictor_rows *rows, struct prediction_text *text) {
  for (size_t i = 0; i < rows->count; i++) {
    if (text->count == 0) {
      prediction_text_append(text, "{\"model\":", 9);
      prediction_text_append_string(text, model->row.id);
      prediction_text_append(text, ",\"predictions\":[", 16);
    } else {
      prediction_text_append(text, ",", 1);
    }
    const struct prediction prediction = predictor_get_row(model, rows, i);
    prediction_write_json(&prediction, text);
  }
}

enum error_code predictor_respond(struct prediction_text *text, struct response *response, struct error *error) {
  prediction_text_append(text, "]}", 3); /* with its NUL */
  if (text->lacks_memory) {
    free(text->bytes);
    text->bytes = NULL;
  }
  return respond_text(response, 200, "application/json", text->bytes, error);
}

bool predictor_gives_image(const struct predictor *predictor, const struct request *request) {
  const struct preprocessor *preprocessor = &predictor->model->preprocessor;
  return preprocessor->is_reconstruction && preprocessor->features[0].kind == COLUMN_IMAGE && accept_names(request->accept, "image/png");
}

enum error_code predictor_respond_image(const struct predictor *predictor, struct response *response, struct error *error) {
  const struct image_encoding *image = &predictor->model->preprocessor.features[0].image;
  const struct image_shape shape = {image->channels, image->height, image->width};
  uint8_t *pixels = malloc(image_encoding_get_width(image));
  if (pixels == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  image_encoding_decode(image, predictor->outputs, pixels);
  enum error_code code = image_encode_png(&shape, pixels, shape.height, shape.width, &response->body, &response->body_bytes, error);
  free(pixels);
  response->status = 200;
  response->content_type = "image/png";
  return code;
}
