/* Gathering: requests whose rows go straight into their model's batch, and the one pass per model that answers them.
 *
 * It runs on http's own thread, so it takes only what is short and certain: a model that is in memory already, rows of numbers, little
 * work. All else, and every error, goes the general way (predict.c), whose answers are the same to the last bit: both run the rows through
 * predict_rows and write them with predictor_write.
 */
#include "server/api/gather.h"

#include <stdlib.h>

#include "server/api/handlers.h"
#include "server/api/predictor.h"
#include "server/codec/rows_text.h"

enum { GATHERED_MAX = 256 };

/* About 0.2 ms of one core: longer no other client's bytes should lie there. */
static const double ROUND_FLOPS_MAX = 16e6;

struct gathered {
  struct model *model; /* taken */
  const struct route *route;
  struct response *response;
  size_t first_row, row_count; /* in the model's batch */
  uint64_t started_us;
};

struct gathering {
  size_t count;
  double flops; /* of all rows */
  struct gathered requests[GATHERED_MAX];
};

enum error_code gathering_create(struct gathering **out_gathering, struct error *error) {
  *out_gathering = calloc(1, sizeof **out_gathering);
  return *out_gathering == NULL ? error_set(error, ERROR_OUT_OF_MEMORY, "out of memory") : ERROR_NONE;
}

void gathering_destroy(struct gathering *gathering) { free(gathering); }

bool api_gather(struct api *api, const struct route *route, const struct request *request, struct response *response) {
  struct gathering *gathering = api->gathering;
  if (route->handler != models_predict || request->body == NULL || request->query_count > 0 || gathering->count == GATHERED_MAX ||
      atomic_load_explicit(&api->is_draining, memory_order_relaxed) || !media_type_is(request->content_type, "application/json"))
    return false;
  const uint64_t started_us = api_now_us();
  struct model *model = model_cache_take_cached(api->models, request->id);
  if (model == NULL) return false;
  struct model_batch *batch = &model->batch;
  size_t row_count = 0;
  bool is_taken = batch->row_count < batch->row_max &&
                  rows_read(&model->preprocessor, request->body, request->body_bytes, batch->row_max - batch->row_count,
                            batch->x + batch->row_count * model->preprocessor.input_width, &row_count);
  const double flops = (double)row_count * network_flops_per_sample(model->network);
  if (!is_taken || gathering->flops + flops > ROUND_FLOPS_MAX) {
    model_cache_return(api->models, model);
    return false;
  }
  gathering->requests[gathering->count++] = (struct gathered){.model = model,
                                                              .route = route,
                                                              .response = response,
                                                              .first_row = batch->row_count,
                                                              .row_count = row_count,
                                                              .started_us = started_us};
  gathering->flops += flops;
  batch->row_count += row_count;
  return true;
}

static void answer(struct api *api, const struct gathered *gathered) {
  struct model *model = gathered->model;
  struct error error;
  struct prediction_text text = {0};
  error_clear(&error);
  const struct preprocessor *preprocessor = &model->preprocessor;
  const struct predictor_rows rows = {.x = model->batch.x + gathered->first_row * preprocessor->input_width,
                                      .outputs = model->batch.outputs + gathered->first_row * preprocessor->output_width,
                                      .lengths = model->batch.lengths == NULL ? NULL : model->batch.lengths + gathered->first_row,
                                      .count = gathered->row_count};
  predictor_write(model, &rows, &text);
  if (predictor_respond(&text, gathered->response, &error) != ERROR_NONE) api_render_error(&error, NULL, gathered->response);
  api_count_answer(api, gathered->route, gathered->response, gathered->started_us);
}

void api_answer_gathered(struct api *api) {
  struct gathering *gathering = api->gathering;
  for (size_t i = 0; i < gathering->count; i++) {
    struct model *model = gathering->requests[i].model;
    struct model_batch *batch = &model->batch;
    /* The first request of a model has the whole batch computed. */
    if (batch->row_count > 0)
      predict_rows(model->network, batch->workspace, batch->row_max, NULL, model->parameters, model->buffers, batch->x, batch->row_count,
                   batch->outputs, batch->lengths);
    batch->row_count = 0;
    answer(api, &gathering->requests[i]);
  }
  for (size_t i = 0; i < gathering->count; i++) model_cache_return(api->models, gathering->requests[i].model);
  gathering->count = 0;
  gathering->flops = 0;
}
