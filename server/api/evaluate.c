/* POST /v1/models/{id}/evaluate: a model's metrics on a dataset that has its target columns. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/metric_rows.h"
#include "server/api/handlers.h"
#include "server/api/predictor.h"
#include "server/codec/job_translator.h"
#include "server/data/output_units.h"
#include "server/data/prepared.h"

enum { SORTED_ROW_BYTES = 16 /* a score and what it is of, and as much again that qsort takes */ };

struct evaluation {
  const struct request *request;
  struct predictor predictor;
  struct dataset_row dataset;
  size_t capacity, count; /* rows */
  size_t target_width;
  struct row_storage storage; /* of what `rows` keeps: a file if that is much */
  struct metric_rows rows;
  struct output_units units; /* mae and rmse are in the data's own units */
  float *one_hot;            /* [batch, output_width], where the loss compares classes as values */
  double loss_sum, loss_weight;
};

static void evaluation_deinit(struct evaluation *evaluation) {
  predictor_deinit(&evaluation->predictor);
  dataset_row_deinit(&evaluation->dataset);
  metric_rows_deinit(&evaluation->rows);
  row_storage_close(&evaluation->storage);
  output_units_deinit(&evaluation->units);
  free(evaluation->one_hot);
}

static const struct preprocessor *get_preprocessor(const struct evaluation *evaluation) {
  return &evaluation->predictor.model->preprocessor;
}

/* Whether the loss wants a class as a row of zeros and a one. */
static bool takes_one_hot(const struct evaluation *evaluation) {
  const struct spec *loss = &evaluation->predictor.model->job_spec.train.loss;
  return get_preprocessor(evaluation)->task == TASK_CLASSIFICATION && evaluation->predictor.output_width > 1 && loss->kind != NULL &&
         loss_of(loss)->target_form == TARGET_VALUES;
}

/* What the outputs and targets of all rows take, in memory or in a file. Sorting the scores of classes takes memory in any case. */
static enum error_code open_storage(struct evaluation *evaluation, const struct metric_rows_options *options, struct error *error) {
  const struct api *api = evaluation->predictor.api;
  const char *data_dir = store_get_data_dir(api->store);
  uint64_t bytes, memory_bytes = 0;
  if (!metric_rows_measure(evaluation->predictor.model->network, options, &bytes)) bytes = UINT64_MAX;
  const bool is_file = row_storage_is_file(bytes);
  const uint64_t sorted_bytes = options->task == TASK_REGRESSION ? 0 : SORTED_ROW_BYTES;
  if (__builtin_mul_overflow(sorted_bytes, (uint64_t)options->row_count, &memory_bytes) ||
      __builtin_add_overflow(memory_bytes, is_file ? 0 : bytes, &memory_bytes))
    memory_bytes = UINT64_MAX;
  enum error_code code = jobs_admit(api->jobs, memory_bytes, error);
  if (code == ERROR_NONE && is_file) code = row_storage_check_disk(data_dir, bytes, error);
  return code == ERROR_NONE ? row_storage_open(data_dir, (size_t)bytes, is_file, &evaluation->storage, error) : code;
}

/* Outputs and targets of every row are held until the end: what that takes is admitted before. */
static enum error_code allocate(struct evaluation *evaluation, struct error *error) {
  struct predictor *predictor = &evaluation->predictor;
  evaluation->target_width = get_preprocessor(evaluation)->target_width;
  evaluation->capacity = (size_t)evaluation->dataset.rows;
  const size_t steps = preprocessor_count_steps(get_preprocessor(evaluation));
  struct metric_rows_options options = {.task = get_preprocessor(evaluation)->task,
                                        .row_count = evaluation->capacity,
                                        .target_steps = steps > 1 ? steps : 0,
                                        .target_width = evaluation->target_width};
  enum error_code code = open_storage(evaluation, &options, error);
  if (code != ERROR_NONE) return code;
  options.memory = evaluation->storage.floats;
  code = metric_rows_init(&evaluation->rows, predictor->model->network, &options, error);
  if (code != ERROR_NONE) return code;
  evaluation->one_hot = calloc(predictor->batch + 1, predictor->output_width * sizeof(float));
  if (evaluation->one_hot == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  return output_units_init(&evaluation->units, get_preprocessor(evaluation), error);
}

static const float *get_loss_target(struct evaluation *evaluation, const float *y, size_t count) {
  if (!takes_one_hot(evaluation)) return y;
  size_t width = evaluation->predictor.output_width;
  memset(evaluation->one_hot, 0, count * width * sizeof(float));
  for (size_t i = 0; i < count; i++) evaluation->one_hot[i * width + (size_t)y[i]] = 1;
  return evaluation->one_hot;
}

static void add_loss(struct evaluation *evaluation, const float *y, size_t count) {
  const struct spec *loss = &evaluation->predictor.model->job_spec.train.loss;
  if (loss->kind == NULL) return;
  struct loss_batch batch = workspace_get_loss_batch(evaluation->predictor.workspace, loss, count, get_loss_target(evaluation, y, count));
  batch.class_weights = get_preprocessor(evaluation)->targets[0].class_weights;
  double sum = 0, weight = 0;
  loss_evaluate(loss, &batch, &sum, &weight);
  evaluation->loss_sum += sum;
  evaluation->loss_weight += weight;
}

static void keep_rows(struct evaluation *evaluation, const float *y, size_t count) {
  metric_rows_add(&evaluation->rows, evaluation->predictor.workspace, y, count);
  evaluation->count += count;
}

static enum error_code take_rows(void *context, const float *x, const float *y, size_t count, struct error *error) {
  struct evaluation *evaluation = context;
  const struct model *model = evaluation->predictor.model;
  if (request_is_abandoned(evaluation->request)) return error_set(error, ERROR_UNAVAILABLE, "broken off: nobody waits for the answer");
  if (count > evaluation->capacity - evaluation->count) return error_set(error, ERROR_INTERNAL, "the dataset has more rows than it says");
  struct pass_options options = {.batch = count, .joins = true};
  network_forward(model->network, evaluation->predictor.workspace, &options, x, model->parameters, model->buffers);
  add_loss(evaluation, y, count);
  keep_rows(evaluation, y, count);
  return ERROR_NONE;
}

static enum error_code read_body(struct api *api, const json_t *body, struct dataset_row *out_dataset, struct error *error) {
  static const char *const known[] = {"dataset", NULL};
  object_check_keys(body, known, "", error);
  const char *name = json_string_value(json_object_get(body, "dataset"));
  if (name == NULL) return error_add(error, "/dataset", "must be the id or name of a dataset");
  struct error found = {0};
  enum error_code code = datasets_get(api->store, name, out_dataset, &found);
  if (code == ERROR_NOT_FOUND)
    resource_add_missing(api, RESOURCE_DATASET, name, "/dataset", error);
  else if (code != ERROR_NONE)
    error_set(error, code, "%s", found.detail);
  return error->code;
}

static enum error_code measure(struct evaluation *evaluation, json_t **out_metrics, struct error *error) {
  const struct preprocessor *preprocessor = get_preprocessor(evaluation);
  const struct window *window = &preprocessor->window;
  if (evaluation->count == 0 && window->length > 0)
    return error_set(error, ERROR_INVALID, "the dataset has no window of %zu rows with known targets in the %zu rows behind it",
                     window->length, window->horizon);
  if (evaluation->count == 0) return error_set(error, ERROR_INVALID, "no row of the dataset has a known target");
  struct metric_input input = metric_rows_get(&evaluation->rows);
  input.class_count = preprocessor->task == TASK_CLASSIFICATION ? preprocessor->targets[0].class_count : 0;
  input.scale = evaluation->units.scale;
  input.category_spans = evaluation->units.category_spans;
  input.is_one_quantity = evaluation->units.is_one_quantity;
  double loss = evaluation->loss_weight > 0 ? evaluation->loss_sum / evaluation->loss_weight : (double)NAN;
  return metrics_to_json(&input, loss, preprocessor, out_metrics, error);
}

enum error_code models_evaluate(struct api *api, const struct request *request, struct response *response, struct error *error) {
  json_t *body = NULL, *metrics = NULL;
  struct evaluation evaluation = {.request = request};
  enum error_code code = request_parse_object(request, &body, error);
  if (code == ERROR_NONE) code = predictor_init(&evaluation.predictor, api, request->id, 0, error);
  if (code == ERROR_NONE) code = read_body(api, body, &evaluation.dataset, error);
  if (code == ERROR_NONE) code = allocate(&evaluation, error);
  if (code == ERROR_NONE) {
    code = preprocessor_read_dataset(get_preprocessor(&evaluation), store_get_data_dir(api->store), &evaluation.dataset, false,
                                     evaluation.predictor.batch, take_rows, &evaluation, error);
  }
  if (code == ERROR_NONE) code = measure(&evaluation, &metrics, error);
  if (code == ERROR_NONE) {
    json_t *json = json_pack("{s:s, s:s, s:I, s:o}", "model", evaluation.predictor.model->row.id, "dataset", evaluation.dataset.id, "rows",
                             (json_int_t)evaluation.count, "metrics", metrics);
    code = respond_json(response, 200, json, error);
  }
  evaluation_deinit(&evaluation);
  json_decref(body);
  return code;
}
