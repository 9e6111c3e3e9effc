/* POST /v1/gradient-checks: backpropagation beside central differences, on a model or a network and some rows.
 *
 *     model ────────────────────────────────┐
 *     network, complete ────────────────────┼─▶ rows: in the body, or of a dataset ─▶ backprop ─▶ differences
 *     network, and a dataset and target ────┘   (through the model's preprocessing, or one fitted on the dataset)
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/handlers.h"
#include "server/api/planning.h"
#include "server/api/subject.h"
#include "server/codec/gradient_check_json.h"
#include "server/codec/network_json.h"
#include "server/codec/settings_json.h"
#include "server/data/plan.h"
#include "server/data/prepared.h"

enum { PORTION = 256 }; /* rows of a dataset at a time */

struct check_request {
  struct api *api;
  const struct request *request;
  const json_t *body; /* borrowed */
  struct subject subject;
  struct gradient_check_settings settings;
  struct dataset_row dataset; /* id "": none was named */
  struct data_plan plan;      /* of a network on a dataset */
  struct prepared prepared;   /* likewise */
  bool has_plan, has_prepared;
  float *parameters, *buffers;
  struct gradient_check *check;
  uint64_t total, seen, taken; /* rows of a dataset */
};

static void check_request_deinit(struct check_request *check) {
  gradient_check_destroy(check->check);
  free(check->parameters);
  free(check->buffers);
  if (check->has_prepared) prepared_deinit(&check->prepared);
  if (check->has_plan) data_plan_deinit(&check->plan);
  dataset_row_deinit(&check->dataset);
  subject_deinit(&check->subject);
  gradient_check_settings_deinit(&check->settings);
}

static bool is_abandoned(void *context) { return request_is_abandoned(((const struct check_request *)context)->request); }

/* What the body says, as far as it can be checked by itself. */

static const json_t *get_given(const struct check_request *check, const char *key) {
  const json_t *value = json_object_get(check->body, key);
  return json_is_null(value) ? NULL : value;
}

static void check_choices(const struct check_request *check, struct error *error) {
  const bool has_model = get_given(check, "model") != NULL, has_network = get_given(check, "network") != NULL;
  const bool has_rows = get_given(check, "rows") != NULL, has_dataset = check->settings.data.dataset[0] != '\0';
  if (has_model == has_network)
    error_add(error, has_model ? "/network" : "",
              has_model ? "is too much beside \"model\": give one of them" : "needs \"model\" or \"network\": what is to be checked");
  if (has_rows == has_dataset)
    error_add(error, has_rows ? "/dataset" : "/rows",
              has_rows ? "is too much beside \"rows\": give one of them"
                       : "must be an array of rows, unless \"dataset\" says where to take them from");
  if (has_dataset && has_network && check->settings.data.target.count == 0)
    error_add(error, "/target", "is needed: the dataset's column that the network is to predict");
  if (has_model && check->settings.data.target.count > 0) error_add(error, "/target", "is known: it is the model's");
  if (has_model && check->settings.data.features.count > 0) error_add(error, "/features", "are known: they are the model's");
}

static void load_dataset(struct check_request *check, struct error *error) {
  const char *name = check->settings.data.dataset;
  struct error found = {0};
  if (name[0] == '\0') return;
  enum error_code code = datasets_get(check->api->store, name, &check->dataset, &found);
  if (code == ERROR_NOT_FOUND)
    resource_add_missing(check->api, RESOURCE_DATASET, name, "/dataset", error);
  else if (code != ERROR_NONE)
    error_merge(error, &found);
}

static void load_subject(struct check_request *check, struct error *error) {
  const json_t *model = get_given(check, "model"), *network = get_given(check, "network");
  struct error found = {0};
  if (model != NULL && !json_is_string(model)) {
    error_add(error, "/model", "must be the id or name of a model");
  } else if (model != NULL) {
    enum error_code code = subject_open_model(&check->subject, check->api, json_string_value(model), &found);
    if (code == ERROR_NOT_FOUND)
      resource_add_missing(check->api, RESOURCE_MODEL, json_string_value(model), "/model", error);
    else if (code != ERROR_NONE)
      error_merge(error, &found);
  } else if (network != NULL && subject_load_network(&check->subject, check->api, network, "/network", &found) != ERROR_NONE) {
    error_merge(error, &found);
  }
}

static enum error_code read_body(struct check_request *check, struct error *error) {
  static const char *const others[] = {"model", "network", "rows", "targets", "weights", NULL};
  enum error_code code = subject_read_settings(&check->subject, check->body, others, gradient_check_params,
                                               PARAM_COUNT(gradient_check_params), &check->settings, error);
  if (code != ERROR_NONE && code != ERROR_INVALID) return code;
  check_choices(check, error);
  load_dataset(check, error);
  load_subject(check, error);
  if (error->code != ERROR_NONE || check->subject.model == NULL || check->subject.is_loss_given) return error->code;
  return subject_inherit(&check->subject, &check->settings.train, error);
}

/* A network on a dataset: as in a job, all rows being training rows. */

static enum error_code fit_network(struct check_request *check, struct error *error) {
  struct subject *subject = &check->subject;
  struct data_settings *data = &check->settings.data;
  struct network_target target = {0};
  const struct planning planning = {.network = &subject->spec, .dataset = &check->dataset, .seed = (uint64_t)check->settings.train.seed};
  check->has_plan = true;
  enum error_code code = plan_for_network(&planning, data, &check->plan, error);
  if (code != ERROR_NONE) return code;
  data_plan_get_network_target(&check->plan, &target);
  struct error found = {0};
  code = network_spec_resolve(&subject->spec, &target, &found);
  const struct plan_datasets datasets = {.dataset = &check->dataset};
  if (code == ERROR_NONE)
    code = data_plan_follow_network(&check->plan, &datasets, &subject->spec, &found); /* it may have got a masking layer */
  if (code == ERROR_NONE) code = subject_compile(subject, "/network", &found);
  subject->task = check->plan.layout.task;
  for (size_t i = 0; i < found.item_count; i++) error_add(error, "/network", "%s", found.items[i].detail);
  if (code != ERROR_NONE && found.item_count == 0) error_merge(error, &found);
  return code;
}

/* Rows of a dataset, spread over it. */

static bool is_wanted(struct check_request *check) {
  const uint64_t asked = (uint64_t)check->settings.row_count, wanted = asked < check->total ? asked : check->total;
  return check->taken < wanted && check->seen++ >= check->taken * check->total / wanted;
}

static enum error_code take_rows(void *context, const float *x, const float *y, size_t count, struct error *error) {
  struct check_request *check = context;
  struct subject *subject = &check->subject;
  if (is_abandoned(check)) return error_set(error, ERROR_UNAVAILABLE, "broken off: nobody waits for the answer");
  for (size_t i = 0; i < count; i++) {
    if (!is_wanted(check)) continue;
    memcpy(subject->x + check->taken * subject->input_width, x + i * subject->input_width, subject->input_width * sizeof(float));
    memcpy(subject->targets + check->taken * subject->target_width, y + i * subject->target_width, subject->target_width * sizeof(float));
    check->taken++;
  }
  return ERROR_NONE;
}

static enum error_code take_train_rows(struct check_request *check, const struct train_rows *rows, struct error *error) {
  struct row_reader reader;
  row_reader_init(&reader, rows, network_get_input_shape(check->subject.network));
  float *buffer = malloc(PORTION * reader.size * sizeof *buffer);
  enum error_code code = buffer != NULL ? ERROR_NONE : error_set(error, ERROR_OUT_OF_MEMORY, "no memory for %d rows", PORTION);
  for (size_t first = 0; code == ERROR_NONE && first < rows->count; first += PORTION) {
    const size_t count = rows->count - first < PORTION ? rows->count - first : PORTION;
    const float *x = row_reader_get(&reader, first, count, buffer);
    code = take_rows(check, x, rows->y == NULL ? x : rows->y + first * check->subject.target_width, count, error);
  }
  free(buffer);
  return code;
}

static enum error_code read_fitted_rows(struct check_request *check, struct error *error) {
  size_t bytes = 0;
  enum error_code code = data_plan_measure(&check->plan, check->subject.as_values, &bytes, error);
  if (code == ERROR_NONE) code = jobs_admit(check->api->jobs, bytes + PORTION * check->subject.input_width * sizeof(float), error);
  if (code == ERROR_NONE)
    code = prepared_create(store_get_data_dir(check->api->store), &check->dataset, NULL, &check->plan, check->subject.as_values,
                           is_abandoned, check, &check->prepared, error);
  check->has_prepared = code == ERROR_NONE;
  if (code != ERROR_NONE) return code;
  const struct train_rows *rows = &check->prepared.data.train;
  const struct preprocessor *preprocessor = &check->prepared.preprocessor;
  if (preprocessor->input_width != check->subject.input_width ||
      preprocessor_get_target_width(preprocessor, check->subject.as_values) != check->subject.target_width)
    return error_add(error, "/network", "doesn't fit the dataset's rows");
  check->total = rows->count;
  return take_train_rows(check, rows, error);
}

static enum error_code read_dataset(struct check_request *check, struct error *error) {
  struct subject *subject = &check->subject;
  enum error_code code = subject_resolve_loss(subject, &check->settings.train, error);
  if (code == ERROR_NONE) code = subject_make_room(subject, (size_t)check->settings.row_count, error);
  if (code != ERROR_NONE) return code;
  check->total = check->dataset.rows;
  if (subject->model != NULL)
    code = preprocessor_read_dataset(&subject->model->preprocessor, store_get_data_dir(check->api->store), &check->dataset,
                                     subject->as_values, PORTION, take_rows, check, error);
  else
    code = read_fitted_rows(check, error);
  subject->row_count = check->taken;
  if (code == ERROR_NONE && check->taken == 0) code = error_add(error, "/dataset", "has no row with a known target");
  return code == ERROR_NONE ? subject_weigh_classes(subject, &check->settings.train, error) : code;
}

static enum error_code read_rows(struct check_request *check, struct error *error) {
  const bool has_dataset = check->dataset.id[0] != '\0';
  enum error_code code = ERROR_NONE;
  if (check->subject.model == NULL) code = has_dataset ? fit_network(check, error) : subject_compile(&check->subject, "/network", error);
  if (code != ERROR_NONE) return code;
  return has_dataset ? read_dataset(check, error) : subject_read_rows(&check->subject, check->body, &check->settings.train, error);
}

/* The check itself */

static struct gradient_check_options make_options(struct check_request *check, size_t row_count) {
  return (struct gradient_check_options){.loss = &check->settings.train.loss,
                                         .class_weights = check->subject.class_weights,
                                         .seed = (uint64_t)check->settings.train.seed,
                                         .row_count = row_count,
                                         .x = check->subject.x,
                                         .target = check->subject.targets,
                                         .parameters = check->parameters,
                                         .buffers = check->buffers,
                                         .tolerance = check->settings.tolerance,
                                         .is_abandoned = is_abandoned,
                                         .context = check};
}

/* Before any of it is allocated: its own weights and those of the check. */
static enum error_code admit(struct check_request *check, size_t row_count, struct error *error) {
  const struct network *network = check->subject.network;
  const struct gradient_check_options options = make_options(check, row_count);
  const size_t own_bytes = (network_parameter_count(network) + network_buffer_count(network)) * sizeof(float);
  size_t bytes = 0;
  enum error_code code = gradient_check_measure(network, &options, &bytes, error);
  return code == ERROR_NONE ? jobs_admit(check->api->jobs, (uint64_t)bytes + own_bytes, error) : code;
}

static enum error_code create_check(struct check_request *check, size_t row_count, struct error *error) {
  const struct gradient_check_options options = make_options(check, row_count);
  enum error_code code = admit(check, row_count, error);
  return code == ERROR_NONE ? gradient_check_create(check->subject.network, &options, &check->check, error) : code;
}

static enum error_code make_weights(struct check_request *check, struct error *error) {
  const struct network *network = check->subject.network;
  enum error_code code = admit(check, 1, error); /* of one row at least; of a network that is too large none is allocated */
  if (code != ERROR_NONE) return code;
  check->parameters = calloc(network_parameter_count(network) + 1, sizeof(float));
  check->buffers = calloc(network_buffer_count(network) + 1, sizeof(float));
  if (check->parameters == NULL || check->buffers == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  return subject_read_weights(&check->subject, check->body, (uint64_t)check->settings.train.seed, check->parameters, check->buffers, error);
}

static const char *format_seconds(double seconds, char *text, size_t text_bytes) {
  if (seconds < 120)
    snprintf(text, text_bytes, "%.*f s", seconds < 10 ? 1 : 0, seconds);
  else if (seconds < 7200)
    snprintf(text, text_bytes, "%.0f minutes", seconds / 60);
  else if (seconds < 172800)
    snprintf(text, text_bytes, "%.0f hours", seconds / 3600);
  else
    snprintf(text, text_bytes, "%.0f days", seconds / 86400);
  return text;
}

/* Says how long the differences would take: as one evaluation over one row does, so many times. */
static enum error_code refuse_size(struct check_request *check, struct error *error) {
  const uint64_t limit = check->api->options.limits.gradient_check_parameters;
  const uint64_t count = network_parameter_count(check->subject.network);
  double cost = 0;
  char text[64];
  enum error_code code = create_check(check, 1, error);
  if (code != ERROR_NONE) return code;
  const uint64_t started_us = api_now_us();
  code = gradient_check_evaluate(check->check, &cost, error);
  if (code != ERROR_NONE) return code;
  const double seconds = (double)(api_now_us() - started_us) * 1e-6 * (double)check->subject.row_count * 2 * (double)count;
  return error_add(error, check->subject.model != NULL ? "/model" : "/network",
                   "has %llu weights, gradients of at most %llu are checked (--max-gradient-check-parameters): differences would take %llu "
                   "evaluations of the loss, about %s here",
                   (unsigned long long)count, (unsigned long long)limit, (unsigned long long)count * 2,
                   format_seconds(seconds, text, sizeof text));
}

static enum error_code compare(struct check_request *check, struct response *response, struct error *error) {
  const struct subject *subject = &check->subject;
  struct gradient_check_cost cost = {0};
  enum error_code code = create_check(check, subject->row_count, error);
  if (code != ERROR_NONE) return code;
  const uint64_t started_us = api_now_us();
  gradient_check_backprop(check->check);
  const uint64_t between_us = api_now_us();
  code = gradient_check_differences(check->check, error);
  if (code != ERROR_NONE) return code;
  cost.backprop_s = (double)(between_us - started_us) * 1e-6;
  cost.differences_s = (double)(api_now_us() - between_us) * 1e-6;
  cost.loss = gradient_check_get_cost(check->check);
  json_t *json = gradient_check_to_json(subject->network, check->check, &check->settings, subject->row_count, &cost);
  if (subject->id[0] != '\0') json_put(&json, subject->model != NULL ? "model" : "network", json_string(subject->id));
  if (check->dataset.id[0] != '\0') json_put(&json, "dataset", json_string(check->dataset.id));
  return respond_json_float(response, 200, json, error);
}

enum error_code gradient_checks_post(struct api *api, const struct request *request, struct response *response, struct error *error) {
  json_t *body = NULL;
  struct check_request check = {.api = api, .request = request};
  enum error_code code = gradient_check_settings_init(&check.settings, error);
  if (code == ERROR_NONE) code = request_parse_object(request, &body, error);
  check.body = body;
  if (code == ERROR_NONE) code = read_body(&check, error);
  if (code == ERROR_NONE) code = read_rows(&check, error);
  if (code == ERROR_NONE) code = make_weights(&check, error);
  if (code == ERROR_NONE && network_parameter_count(check.subject.network) > api->options.limits.gradient_check_parameters)
    code = refuse_size(&check, error);
  if (code == ERROR_NONE) code = compare(&check, response, error);
  check_request_deinit(&check);
  json_decref(body);
  return code;
}
