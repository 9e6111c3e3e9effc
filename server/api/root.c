/* The page and its files, /v1, /v1/schema. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/kernels.h"
#include "engine/train.h"
#include "server/api/context.h"
#include "server/api/handlers.h"
#include "server/api/model_cache.h"
#include "server/assets.h"
#include "server/codec/settings_json.h"
#include "server/data/csv.h"
#include "server/data/image_decode.h"
#include "server/data/import.h"
#include "server/data/multipart.h"
#include "server/data/zip_reader.h"
#include "server/jobs/job_spec.h"

static const struct {
  const char *extension, *content_type;
} content_types[] = {{".html", "text/html; charset=utf-8"},
                     {".js", "text/javascript; charset=utf-8"},
                     {".css", "text/css; charset=utf-8"},
                     {".svg", "image/svg+xml"},
                     {".png", "image/png"},
                     {".ico", "image/x-icon"},
                     {".json", "application/json"},
                     {".woff2", "font/woff2"},
                     {".md", "text/plain; charset=utf-8"}};

static const char *find_content_type(const char *path) {
  const char *extension = strrchr(path, '.');
  for (size_t i = 0; extension != NULL && i < sizeof content_types / sizeof content_types[0]; i++) {
    if (strcmp(extension, content_types[i].extension) == 0) return content_types[i].content_type;
  }
  return "text/plain; charset=utf-8";
}

static enum error_code respond_asset(const char *path, struct response *response, struct error *error) {
  const struct asset *asset = assets_find(path);
  if (asset == NULL) return error_set(error, ERROR_NOT_FOUND, "this program was built without %.100s", path);
  response->body = malloc(asset->byte_count + 1);
  if (response->body == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  memcpy(response->body, asset->bytes, asset->byte_count);
  response->body[asset->byte_count] = '\0';
  response->body_bytes = asset->byte_count;
  response->status = 200;
  response->content_type = find_content_type(path);
  /* Kept by browsers, but asked for again: the ETag changes with the program. */
  response_add_header(response, "Cache-Control", "no-cache");
  return ERROR_NONE;
}

enum error_code root_get_page(struct api *api, const struct request *request, struct response *response, struct error *error) {
  (void)api, (void)request;
  return respond_asset("web/index.html", response, error);
}

enum error_code root_get_asset(struct api *api, const struct request *request, struct response *response, struct error *error) {
  (void)api;
  static const char prefix[] = "/assets/";
  char path[256];
  snprintf(path, sizeof path, "web/%.200s", strncmp(request->path, prefix, strlen(prefix)) == 0 ? request->path + strlen(prefix) : "");
  return respond_asset(path, response, error);
}

struct limit {
  const char *name;
  uint64_t value;
};

static json_t *limits_to_json(const struct api *api) {
  const struct server_limits *set = &api->options.limits;
  const struct limit limits[] = {
      {"json_body_bytes", set->json_body_bytes},
      {"upload_bytes", set->upload_bytes},
      {"memory_budget_bytes", jobs_get_memory_budget(api->jobs)},
      {"json_depth", JSON_DEPTH_MAX},
      {"json_containers", JSON_CONTAINERS_MAX},
      {"name_bytes", LIMIT_NAME_BYTES},
      {"list_limit", LIST_LIMIT_MAX},
      {"dataset_rows_limit", ROWS_LIMIT_MAX},
      {"queued_jobs", set->queued_jobs},
      {"gradient_check_parameters", set->gradient_check_parameters},
      {"trace_rows", LIMIT_TRACE_ROWS},
      {"trace_steps", LIMIT_TRACE_STEPS},
      {"trace_tensor_values", LIMIT_TRACE_TENSOR_VALUES},
      {"trace_values", LIMIT_TRACE_VALUES},
      {"trace_windows", LIMIT_TRACE_WINDOWS},
      {"trace_window_values", LIMIT_TRACE_WINDOW_VALUES},
      {"idempotency_key_bytes", IDEMPOTENCY_KEY_BYTES_MAX},
      {"cached_model_bytes", MODEL_CACHE_BYTES_MAX},
      {"csv_cell_bytes", CSV_CELL_BYTES_MAX},
      {"csv_row_bytes", CSV_ROW_BYTES_MAX},
      {"csv_columns", CSV_COLUMNS_MAX},
      {"categories_of_a_column", IMPORT_CATEGORIES},
      {"category_bytes", IMPORT_CATEGORY_BYTES},
      {"bad_rows_reported", IMPORT_BAD_ROWS_KEPT},
      {"archive_entries", ZIP_ENTRIES_MAX},
      {"form_files", MULTIPART_PARTS_MAX},
      {"image_file_bytes", IMAGE_FILE_BYTES_MAX},
      {"image_pixels", IMAGE_PIXELS_MAX},
      {"image_side", IMAGE_SIDE_MAX},
      {"layers", LIMIT_LAYERS},
      {"layer_inputs", LIMIT_LAYER_INPUTS},
      {"rank", LIMIT_RANK},
      {"units", LIMIT_UNITS},
      {"class_weights", LIMIT_CLASS_WEIGHTS},
      {"batch_size", LIMIT_BATCH_SIZE},
      {"epochs", LIMIT_EPOCHS},
      {"report_values", LIMIT_REPORT_VALUES},
      {"connections", set->connections},
      {"handler_threads", set->handler_threads},
      {"long_requests", set->long_requests},
      {"queued_requests", set->queued_requests},
      {"uploads", set->uploads},
      {"event_streams", set->event_streams},
      {"request_head_bytes", LIMIT_REQUEST_HEAD_BYTES},
      {"collected_bodies_bytes", set->collected_bodies_bytes},
      {"header_timeout_ms", set->header_timeout_ms},
      {"body_idle_timeout_ms", set->body_idle_timeout_ms},
      {"body_bytes_per_second_min", set->body_bytes_per_second_min},
  };
  json_t *json = json_object();
  for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) json_put(&json, limits[i].name, json_integer((json_int_t)limits[i].value));
  return json;
}

/* 0 in the options means one per core. */
static json_int_t count_or_cores(size_t count) { return count > 0 ? (json_int_t)count : (json_int_t)sysconf(_SC_NPROCESSORS_ONLN); }

enum error_code root_get_version(struct api *api, const struct request *request, struct response *response, struct error *error) {
  (void)request;
  uint64_t counts[JOB_STATE_COUNT] = {0};
  enum error_code code = jobs_count(api->store, counts, error);
  if (code != ERROR_NONE) return code;
  json_t *jobs = json_object();
  for (size_t i = 0; i < JOB_STATE_COUNT; i++) json_put(&jobs, job_state_names[i], json_integer((json_int_t)counts[i]));
  return respond_json(response, 200,
                      json_pack("{s:s, s:s, s:s, s:I, s:I, s:o, s:o, s:o}", "name", "backpropd", "version", api->options.version, "kernels",
                                kernels_name(), "workers", count_or_cores(api->options.workers), "threads",
                                count_or_cores(api->options.threads), "limits", limits_to_json(api), "jobs", jobs, "started_at",
                                json_time(api->started_ms)),
                      error);
}

static const struct {
  const char *group;
  const struct kind_table *kinds;
} groups[] = {{"layers", &layer_kinds},         {"activations", &activation_kinds}, {"initializers", &initializer_kinds},
              {"losses", &loss_kinds},          {"optimizers", &optimizer_kinds},   {"schedules", &schedule_kinds},
              {"algorithms", &algorithm_kinds}, {"metrics", &metric_kinds}};

/* The doctor's rules, as a job's findings state them. */
static json_t *diagnosis_rules_to_json(void) {
  json_t *rules = json_array();
  for (size_t i = 0; i < diagnosis_rule_count; i++) {
    const struct diagnosis_rule *rule = diagnosis_rules[i];
    json_t *advice = json_array(), *numbers = json_array();
    for (size_t k = 0; k < DIAGNOSIS_TRIES && rule->advice[k].text != NULL; k++) json_append(&advice, json_string(rule->advice[k].text));
    for (size_t k = 0; k < DIAGNOSIS_NUMBERS && rule->number_names[k] != NULL; k++)
      json_append(&numbers, json_string(rule->number_names[k]));
    json_append(&rules, json_pack("{s:s, s:s, s:s, s:I, s:s, s:o, s:o}", "code", rule->code, "summary", rule->summary, "rule", rule->rule,
                                  "epochs", (json_int_t)rule->epochs_needed, "why", rule->why, "try", advice, "numbers", numbers));
  }
  return rules;
}

enum error_code root_get_schema(struct api *api, const struct request *request, struct response *response, struct error *error) {
  (void)api, (void)request;
  json_t *json = json_object();
  for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) json_put(&json, groups[i].group, kind_table_to_json(groups[i].kinds));
  json_put(&json, "diagnosis", diagnosis_rules_to_json());
  json_put(&json, "network", json_pack("{s:o}", "parameters", params_to_json(network_params, PARAM_COUNT(network_params))));
  json_put(&json, "job", json_pack("{s:o}", "parameters", params_to_json(job_params, job_param_count)));
  /* An upload's parameters stand in the query, its body is the file. */
  json_put(&json, "dataset",
           json_pack("{s:[{s:s, s:s, s:s}, {s:s, s:s, s:[s, s, s, s, s], s:s, s:s}, {s:s, s:s, s:[s, s, s], s:s, s:s}]}", "parameters",
                     "name", "name", "type", "text", "help", "unique name; one is made up if it is left out", "name", "delimiter", "type",
                     "choice", "choices", "auto", "comma", "semicolon", "tab", "pipe", "default", "auto", "help",
                     "what stands between cells", "name", "header", "type", "choice", "choices", "auto", "true", "false", "default", "auto",
                     "help", "whether the first line names the columns"));
  return respond_json(response, 200, json, error);
}
