/* POST /v1/jobs: everything that can be known before training is checked here, so that a job that was accepted can run.
 *
 *     body ──▶ job spec ──▶ network, datasets ──▶ plan of the data ──▶ resolved network ──▶ loss ──▶ memory ──▶ queue
 *
 * The stored job keeps its resolved spec and its own copy of the network: what happens to either resource later doesn't touch it.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/transfer.h"
#include "server/api/context.h"
#include "server/api/handlers.h"
#include "server/api/once.h"
#include "server/api/planning.h"
#include "server/codec/job_json.h"
#include "server/codec/network_json.h"
#include "server/store/models.h"
#include "server/store/networks.h"

struct submission {
  struct api *api;
  json_t *inline_network; /* the network, if the body gives one instead of a name; borrowed from the body */
  struct job_spec spec;
  struct network_spec network_spec;
  struct network *network;
  struct dataset_row dataset, test_dataset;
  struct network_spec source_spec; /* of the model that the job starts from … */
  struct network *source;          /* … NULL: from none */
  struct data_plan plan;
  uint64_t memory_bytes;
  size_t disk_bytes; /* of prepared rows that stand in a file */
};

static void submission_deinit(struct submission *submission) {
  data_plan_deinit(&submission->plan);
  network_destroy(submission->source);
  network_spec_deinit(&submission->source_spec);
  network_destroy(submission->network);
  network_spec_deinit(&submission->network_spec);
  job_spec_deinit(&submission->spec);
  dataset_row_deinit(&submission->dataset);
  dataset_row_deinit(&submission->test_dataset);
}

/* Network errors point into the network's spec. In a body that names the network they are about "/network" as a whole. */
static void take_network_errors(const struct submission *submission, const struct error *found, struct error *error) {
  for (size_t i = 0; i < found->item_count; i++) {
    const struct error_item *item = &found->items[i];
    if (submission->inline_network != NULL) {
      char pointer[2 * ERROR_POINTER_BYTES];
      bool is_whole = strncmp(item->pointer, "/network", 8) == 0;
      snprintf(pointer, sizeof pointer, "%s%s", is_whole ? "" : "/network", item->pointer);
      pointer[ERROR_POINTER_BYTES - 1] = '\0';
      error_add(error, pointer, "%s", item->detail);
    } else {
      error_add(error, "/network", "network \"%s\", at %.100s: %s", submission->spec.network, item->pointer, item->detail);
    }
  }
  if (found->item_count == 0) error_add(error, "/network", "%s", found->detail);
  if (found->code != ERROR_INVALID) error->code = found->code;
}

static void load_inline_network(struct submission *submission, struct error *error) {
  struct error found = {0};
  if (network_spec_from_json(submission->inline_network, "/network", &submission->network_spec, &found) != ERROR_NONE) {
    take_network_errors(submission, &found, error);
  }
}

static void load_named_network(struct submission *submission, struct error *error) {
  struct network_row row = {0};
  const char *name = submission->spec.network;
  struct error found = {0};
  enum error_code code = networks_get(submission->api->store, name, &row, &found);
  if (code != ERROR_NONE) {
    if (code == ERROR_NOT_FOUND)
      resource_add_missing(submission->api, RESOURCE_NETWORK, name, "/network", error);
    else
      error_set(error, code, "%s", found.detail);
    return;
  }
  json_t *json = json_read_own(row.spec_json);
  if (network_spec_from_json(json, "", &submission->network_spec, &found) != ERROR_NONE) take_network_errors(submission, &found, error);
  json_decref(json);
  network_row_deinit(&row);
}

static void load_dataset(struct api *api, const char *name, const char *pointer, struct dataset_row *out_row, struct error *error) {
  struct error found = {0};
  enum error_code code = datasets_get(api->store, name, out_row, &found);
  if (code == ERROR_NOT_FOUND)
    resource_add_missing(api, RESOURCE_DATASET, name, pointer, error);
  else if (code != ERROR_NONE)
    error_set(error, code, "%s", found.detail);
}

/* The network of the model that the job starts from. The spec gets its id, so that it can be renamed. */
static void load_source(struct submission *submission, struct error *error) {
  struct model_row row = {0};
  struct job_spec *spec = &submission->spec;
  struct error found = {0};
  enum error_code code = models_get(submission->api->store, spec->init_from, &row, &found);
  if (code == ERROR_NOT_FOUND) {
    resource_add_missing(submission->api, RESOURCE_MODEL, spec->init_from, "/init_from", error);
    return;
  }
  json_t *json = code == ERROR_NONE ? json_read_own(row.network_json) : NULL;
  if (code == ERROR_NONE) code = network_spec_from_json(json, "", &submission->source_spec, &found);
  if (code == ERROR_NONE) code = network_create(&submission->source_spec, &submission->source, &found);
  if (code == ERROR_NONE)
    memcpy(spec->init_from, row.id, sizeof row.id);
  else
    error_set(error, code, "%s", found.detail);
  json_decref(json);
  model_row_deinit(&row);
}

static bool has_item_at(const struct error *error, const char *pointer) {
  for (size_t i = 0; i < error->item_count; i++) {
    if (strcmp(error->items[i].pointer, pointer) == 0) return true;
  }
  return false;
}

/* Reads the body and what it names, collecting every error there is. */
static enum error_code read_body(struct submission *submission, json_t *body, struct error *error) {
  json_t *named = json_copy(body);
  json_t *network = json_object_get(body, "network");
  if (json_is_object(network)) {
    submission->inline_network = network;
    const char *name = json_string_value(json_object_get(network, "name"));
    json_put(&named, "network", json_string(name != NULL && store_is_name(name) ? name : "inline"));
  }
  if (named == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  enum error_code code = job_spec_from_json(named, &submission->spec, error);
  json_decref(named);
  if (code != ERROR_NONE && code != ERROR_INVALID) return code;
  struct job_spec *spec = &submission->spec;
  if (spec->name[0] != '\0' && !store_is_name(spec->name)) {
    error_add(error, "/name", "must be " STORE_NAME_RULE, LIMIT_NAME_BYTES);
  }
  if (submission->inline_network != NULL)
    load_inline_network(submission, error);
  else if (spec->network[0] != '\0')
    load_named_network(submission, error);
  if (spec->data.dataset[0] != '\0') load_dataset(submission->api, spec->data.dataset, "/dataset", &submission->dataset, error);
  if (spec->data.test_dataset[0] != '\0') {
    load_dataset(submission->api, spec->data.test_dataset, "/test_dataset", &submission->test_dataset, error);
  }
  if (spec->init_from[0] != '\0') load_source(submission, error);
  if (spec->data.target.count == 0 && spec->data.task != TASK_CHOICE_RECONSTRUCTION && !has_item_at(error, "/target"))
    error_add(error, "/target", "is required: the column to predict, or several; only a reconstruction goes without");
  return error->code;
}

static enum error_code plan_data(struct submission *submission, struct error *error) {
  struct job_spec *spec = &submission->spec;
  const struct dataset_row *test = spec->data.test_dataset[0] == '\0' ? NULL : &submission->test_dataset;
  const struct planning planning = {
      .network = &submission->network_spec, .dataset = &submission->dataset, .test_dataset = test, .seed = (uint64_t)spec->train.seed};
  enum error_code code = plan_for_network(&planning, &spec->data, &submission->plan, error);
  if (code != ERROR_NONE) return code;
  const struct plan_datasets datasets = {&submission->dataset, test};
  code = data_plan_check_effects(&submission->plan, &datasets, &submission->network_spec, error);
  if (code != ERROR_NONE) return code;
  /* The resolved spec says what is done. */
  if (test != NULL) spec->data.split.test = 0;
  spec->data.split.stratify = data_plan_has_strata(&submission->plan);
  spec->train.epochs = (int64_t)train_count_epochs(&spec->train, submission->plan.train_rows_max);
  return train_resolve_keep(&spec->train, submission->plan.has_validation, error);
}

static enum error_code resolve_network(struct submission *submission, struct error *error) {
  struct network_target target = {0};
  data_plan_get_network_target(&submission->plan, &target);
  struct error found = {0};
  enum error_code code = network_spec_resolve(&submission->network_spec, &target, &found);
  if (code == ERROR_NONE) code = network_create(&submission->network_spec, &submission->network, &found);
  if (code == ERROR_NONE) return ERROR_NONE;
  take_network_errors(submission, &found, error);
  return error->code;
}

/* What is monitored must be measured: without a validation part there is no validation_loss. */
static void check_monitor(const struct submission *submission, struct error *error) {
  const struct early_stopping *stopping = &submission->spec.train.early_stopping;
  if (!stopping->is_enabled || submission->plan.has_validation) return;
  const char *monitor = monitor_names[stopping->monitor];
  if (strncmp(monitor, "validation", strlen("validation")) != 0) return;
  error_add(error, "/early_stopping/monitor", "\"%s\" needs a validation part: give split.validation a share, or monitor \"loss\"",
            monitor);
}

static uint64_t count_steps(const struct submission *submission) {
  return train_count_steps(submission->network, &submission->spec.train, submission->plan.train_rows_max);
}

/* Numbers to predict are standardized; only those of a reconstruction can be scaled to 0 … 1. */
static enum error_code check_target_range(const struct submission *submission, struct error *error) {
  const struct loss_kind *loss = loss_of(&submission->spec.train.loss);
  const struct preprocessor *layout = &submission->plan.layout;
  const bool is_scaled =
      layout->is_reconstruction && (submission->spec.data.scaling == SCALING_MIN_MAX || !data_plan_has_numbers(&submission->plan));
  if (!loss_has_target_range(loss) || layout->task != TASK_REGRESSION || is_scaled) return ERROR_NONE;
  return error_add(error, "/loss",
                   "%s takes targets from %g to %g, but %s: use \"mean_squared_error\", \"mean_absolute_error\" or \"huber\"%s",
                   loss->kind.name, loss->target_min, loss->target_max,
                   layout->is_reconstruction ? "the features are not scaled so" : "the numbers to predict are standardized",
                   layout->is_reconstruction ? ", or scaling \"min_max\"" : "");
}

static enum error_code check_training(struct submission *submission, struct error *error) {
  struct train_settings *train = &submission->spec.train;
  enum error_code code = train_settings_resolve(train, submission->network, submission->plan.layout.task, error);
  if (code != ERROR_NONE && code != ERROR_INVALID) return code;
  check_monitor(submission, error);
  if (preprocessor_count_steps(&submission->plan.layout) > 1 && loss_of(&train->loss)->target_form != TARGET_CLASS)
    error_add(error, "/loss", "must be \"cross_entropy\", behind a softmax: the targets are a class for each step of a sequence");
  if (submission->source != NULL && transfer_check(submission->source, submission->network, "/init_from", error) == ERROR_OUT_OF_MEMORY)
    return ERROR_OUT_OF_MEMORY;
  if (error->code != ERROR_NONE) return error->code;
  code = network_check_loss(submission->network, &train->loss, "/loss", error);
  if (code == ERROR_NONE) code = train_check_steps(train, count_steps(submission), error);
  if (code == ERROR_NONE) code = check_target_range(submission, error);
  if (code == ERROR_NONE) code = jobs_measure(&submission->spec, submission->network, &submission->plan, &submission->memory_bytes, error);
  if (code == ERROR_NONE) code = jobs_admit(submission->api->jobs, submission->memory_bytes, error);
  if (code == ERROR_NONE) code = data_plan_measure_disk(&submission->plan, false, &submission->disk_bytes, error);
  return code == ERROR_NONE ? row_storage_check_disk(store_get_data_dir(submission->api->store), submission->disk_bytes, error) : code;
}

static enum error_code check_queue(struct api *api, struct error *error) {
  uint64_t counts[JOB_STATE_COUNT] = {0};
  enum error_code code = jobs_count(api->store, counts, error);
  if (code != ERROR_NONE) return code;
  uint64_t limit = api->options.limits.queued_jobs;
  if (counts[JOB_QUEUED] < limit) return ERROR_NONE;
  return error_set(error, ERROR_TOO_MANY, "%llu jobs are queued, at most %llu may be", (unsigned long long)counts[JOB_QUEUED],
                   (unsigned long long)limit);
}

/* The body has errors already, but its dataset is known: what is wrong with the target should be said in the same answer. */
static void add_plan_errors(struct submission *submission, struct error *error) {
  const struct data_settings *data = &submission->spec.data;
  bool is_known = submission->dataset.id[0] != '\0' && (data->target.count > 0 || data->task == TASK_CHOICE_RECONSTRUCTION) &&
                  (data->test_dataset[0] == '\0' || submission->test_dataset.id[0] != '\0');
  struct error found = {0};
  if (!is_known || plan_data(submission, &found) == ERROR_NONE) return;
  for (size_t i = 0; i < found.item_count; i++) {
    if (!has_item_at(error, found.items[i].pointer)) error_add(error, found.items[i].pointer, "%s", found.items[i].detail);
  }
}

static enum error_code check_submission(struct submission *submission, json_t *body, struct error *error) {
  enum error_code code = read_body(submission, body, error);
  if (code == ERROR_INVALID) add_plan_errors(submission, error);
  if (code == ERROR_NONE) code = plan_data(submission, error);
  if (code == ERROR_NONE) code = resolve_network(submission, error);
  if (code == ERROR_NONE) code = check_training(submission, error);
  if (code == ERROR_NONE) code = check_queue(submission->api, error);
  return code;
}

/* The spec with nothing left open: "auto" decided, features by name. */
static json_t *resolved_spec_to_json(const struct submission *submission) {
  const struct preprocessor *layout = &submission->plan.layout;
  json_t *json = job_spec_to_json(&submission->spec);
  json_t *features = json_array();
  for (size_t i = 0; i < layout->feature_count; i++) json_append(&features, json_string(layout->features[i].name));
  json_put(&json, "features", features);
  return json;
}

/* Which layers start with the model's weights, and which don't; null without a model. */
static json_t *transfer_to_json(const struct submission *submission) {
  if (submission->source == NULL) return json_null();
  json_t *taken = json_array(), *fresh = json_array();
  for (size_t i = 0; i < network_layer_count(submission->network); i++) {
    size_t at;
    const enum transfer_fate fate = transfer_judge(submission->source, submission->network, i, &at);
    const char *name = network_get_layer_name(submission->network, i);
    if (fate == TRANSFER_TAKEN) json_append(&taken, json_string(name));
    if (fate == TRANSFER_NEW) json_append(&fresh, json_string(name));
  }
  return json_pack("{s:s, s:o, s:o}", "model", submission->spec.init_from, "taken", taken, "new", fresh);
}

static enum error_code fill_row(const struct submission *submission, struct job_row *row, struct error *error) {
  json_t *spec = resolved_spec_to_json(submission), *network = network_spec_to_json(&submission->network_spec);
  row->spec_json = json_write(spec);
  row->network_json = json_write(network);
  if (submission->source != NULL) {
    json_t *start = transfer_to_json(submission);
    row->start_json = json_write(start);
    json_decref(start);
  }
  json_decref(spec);
  json_decref(network);
  const bool has_start = submission->source == NULL || row->start_json != NULL;
  if (row->spec_json == NULL || row->network_json == NULL || !has_start) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  memcpy(row->name, submission->spec.name, sizeof row->name);
  memcpy(row->dataset_id, submission->dataset.id, sizeof row->dataset_id);
  memcpy(row->test_dataset_id, submission->test_dataset.id, sizeof row->test_dataset_id);
  row->priority = submission->spec.priority;
  row->memory_bytes = submission->memory_bytes;
  row->progress.epochs = (uint64_t)submission->spec.train.epochs;
  row->progress.steps = count_steps(submission);
  return ERROR_NONE;
}

/* In one transaction, so that no worker has taken the job before its place in the queue is known. */
static enum error_code submit(const struct submission *submission, struct job_row *row, size_t *out_position, struct error *error) {
  struct store *store = submission->api->store;
  enum error_code code = store_begin(store, error);
  if (code != ERROR_NONE) return code;
  code = jobs_submit(submission->api->jobs, row, error);
  if (code == ERROR_NONE) code = jobs_get_queue_position(store, row->id, out_position, error);
  if (code == ERROR_NONE) return store_commit(store, error);
  store_rollback(store);
  return code;
}

static enum error_code insert_job(void *context, struct response *response, struct error *error) {
  const struct submission *submission = context;
  struct job_row row = {0};
  size_t position = 0;
  enum error_code code = fill_row(submission, &row, error);
  if (code == ERROR_NONE) code = submit(submission, &row, &position, error);
  if (code == ERROR_NONE) {
    const struct job_view view = {.row = &row, .queue_position = position};
    response_add_header(response, "Location", "/v1/jobs/%s", row.id);
    code = respond_text(response, 202, "application/json", job_write(&view), error);
  }
  job_row_deinit(&row);
  return code;
}

static enum error_code respond_dry_run(const struct submission *submission, struct response *response, struct error *error) {
  const struct data_plan *plan = &submission->plan;
  json_t *rows = json_pack("{s:I, s:I, s:I, s:I}", "total", (json_int_t)plan->rows, "training", (json_int_t)plan->train_rows_max,
                           "validation", (json_int_t)plan->validation_rows_max, "test", (json_int_t)plan->test_rows_max);
  size_t training_bytes = 0;
  enum error_code code = network_measure_training(submission->network, &training_bytes, error);
  json_t *json = json_pack("{s:o, s:o, s:o, s:o, s:I, s:I, s:I}", "spec", resolved_spec_to_json(submission), "network_spec",
                           network_spec_to_json(&submission->network_spec), "summary", network_summary(submission->network, training_bytes),
                           "rows", rows, "steps", (json_int_t)count_steps(submission), "memory_bytes", (json_int_t)submission->memory_bytes,
                           "disk_bytes", (json_int_t)submission->disk_bytes);
  json_put(&json, "init_from", transfer_to_json(submission));
  if (code == ERROR_NONE) return respond_json(response, 200, json, error);
  json_decref(json);
  return code;
}

enum error_code jobs_post(struct api *api, const struct request *request, struct response *response, struct error *error) {
  bool is_dry_run = false;
  struct once once;
  json_t *body = NULL;
  struct submission submission = {.api = api};
  enum error_code code = query_get_boolean(request, "dry_run", &is_dry_run, error);
  if (code == ERROR_NONE) code = once_init(&once, request, NULL, error);
  if (code == ERROR_NONE) code = request_parse_object(request, &body, error);
  if (code == ERROR_NONE) code = check_submission(&submission, body, error);
  if (code == ERROR_NONE && is_dry_run) {
    code = respond_dry_run(&submission, response, error);
  } else if (code == ERROR_NONE) {
    code = once_run(api, &once, insert_job, &submission, response, error);
    if (code == ERROR_NONE) jobs_wake(api->jobs);
  }
  submission_deinit(&submission);
  json_decref(body);
  return code;
}
