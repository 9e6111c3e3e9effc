/* The table of routes. OpenAPI, Allow headers, dispatch and the tests' list of what must have a case all come from it. */
#include <stdio.h>
#include <string.h>

#include "server/api/handlers.h"
#include "server/assets.h"

enum { POST_JSON = ROUTE_JSON_BODY | ROUTE_IDEMPOTENCY };

/* Rows too long for a line are broken after the handler's name; columns: method, path, handler, name, summary, flags, status,
 * request schema, response schema, response type, query. */
const struct route routes[] = {
    {"GET", "/", root_get_page, "getPage", "The page", ROUTE_PUBLIC | ROUTE_ETAG, 200, NULL, NULL, "text/html", NULL},
    {"GET", "/healthz", health_get_live, "getLiveness", "Whether the process answers", ROUTE_PUBLIC, 200, NULL, "Health", NULL, NULL},
    {"GET", "/readyz", health_get_ready, "getReadiness", "Whether requests can be served: 503 while draining or without a whole database",
     ROUTE_PUBLIC, 200, NULL, "Health", NULL, NULL},
    {"GET", "/metrics", health_get_metrics, "getServerMetrics", "Counters and gauges as Prometheus reads them", 0, 200, NULL, NULL,
     "text/plain; version=0.0.4", NULL},
    {"GET", "/openapi.json", openapi_get, "getOpenapi", "This description, OpenAPI 3.1", ROUTE_ETAG, 200, NULL, "Anything", NULL, NULL},
    {"GET", "/v1", root_get_version, "getVersion", "Version, kernels, limits, counts", 0, 200, NULL, "Version", NULL, NULL},
    {"GET", "/v1/schema", root_get_schema, "getSchema", "Every kind with its parameters, and the forms of networks, jobs and datasets",
     ROUTE_ETAG, 200, NULL, "Schema", NULL, NULL},

    {"POST", "/v1/networks", networks_post, "createNetwork", "Check and keep a network; dry_run checks only", POST_JSON, 201, "NetworkSpec",
     "Network", NULL, "dry_run"},
    {"GET", "/v1/networks", networks_get_list, "listNetworks", "Networks, newest first", ROUTE_ETAG, 200, NULL, "NetworkList", NULL,
     "limit cursor"},
    {"GET", "/v1/networks/{id}", networks_get_one, "getNetwork", "A network with its shapes and sizes", ROUTE_ETAG, 200, NULL, "Network",
     NULL, NULL},
    {"POST", "/v1/networks/{id}/trace", networks_trace, "traceNetwork",
     "A step of training on a few rows, every number of it, with weights given or random", ROUTE_JSON_BODY, 200, "TraceRequest", "Trace",
     NULL, NULL},
    {"DELETE", "/v1/networks/{id}", networks_delete_one, "deleteNetwork", "Delete a network; jobs keep their own copy", 0, 204, NULL, NULL,
     NULL, NULL},

    {"POST", "/v1/datasets", datasets_post, "createDataset", "Upload a dataset: the body is the file itself, or a form of several files",
     ROUTE_STREAMS_BODY | ROUTE_IDEMPOTENCY, 201, NULL, "Dataset", NULL, "name format delimiter header size width height channels"},
    {"GET", "/v1/uploads", uploads_get_list, "listUploads", "Uploads of datasets under way: what has come of each", 0, 200, NULL,
     "UploadList", NULL, NULL},
    {"GET", "/v1/datasets", datasets_get_list, "listDatasets", "Datasets, newest first", ROUTE_ETAG, 200, NULL, "DatasetList", NULL,
     "limit cursor"},
    {"GET", "/v1/datasets/{id}", datasets_get_one, "getDataset", "A dataset with its columns and bad rows", ROUTE_ETAG, 200, NULL,
     "Dataset", NULL, NULL},
    {"PATCH", "/v1/datasets/{id}", datasets_patch, "changeDataset", "Rename a dataset, correct the kinds of its columns", ROUTE_JSON_BODY,
     200, "DatasetChange", "Dataset", NULL, NULL},
    {"DELETE", "/v1/datasets/{id}", datasets_delete_one, "deleteDataset", "Delete a dataset and its file; not while unfinished jobs use it",
     0, 204, NULL, NULL, NULL, NULL},
    {"GET", "/v1/datasets/{id}/rows", datasets_get_rows, "getDatasetRows", "Some rows of a dataset, or of those that fulfil conditions", 0,
     200, NULL, "DatasetRows", NULL, "offset limit where"},
    {"GET", "/v1/datasets/{id}/rows/{row}/image", datasets_get_image, "getDatasetImage", "The image of a row, as PNG", ROUTE_ETAG, 200,
     NULL, NULL, "image/png", "column size"},
    {"GET", "/v1/datasets/{id}/columns/{column}/histogram", datasets_get_histogram, "getColumnHistogram",
     "How a column's values are spread", ROUTE_ETAG | ROUTE_ESCAPES, 200, NULL, "ColumnHistogram", NULL, "bins"},
    {"GET", "/v1/datasets/{id}/report", datasets_get_report, "getDatasetReport",
     "What to know before training: class balance, what goes with the target, duplicates, leaks", ROUTE_ETAG | ROUTE_LONG, 200, NULL,
     "DatasetReport", NULL, "target test_dataset"},

    {"POST", "/v1/jobs", jobs_post, "createJob", "Queue a training job; dry_run checks only", POST_JSON, 202, "JobSpec", "Job", NULL,
     "dry_run"},
    {"GET", "/v1/jobs", jobs_get_list, "listJobs", "Jobs, newest first", ROUTE_ETAG, 200, NULL, "JobList", NULL, "limit cursor state"},
    {"GET", "/v1/jobs/{id}", jobs_get_one, "getJob", "A job with its progress right now", ROUTE_ETAG, 200, NULL, "Job", NULL, NULL},
    {"PATCH", "/v1/jobs/{id}", jobs_patch, "changeJob", "Rename a job or change its priority", ROUTE_JSON_BODY, 200, "JobChange", "Job",
     NULL, NULL},
    {"DELETE", "/v1/jobs/{id}", jobs_delete_one, "deleteJob", "Delete a job that isn't running; its model stays", 0, 204, NULL, NULL, NULL,
     NULL},
    {"POST", "/v1/jobs/{id}/pause", jobs_post_pause, "pauseJob", "Stop a job after its current step, to go on later", ROUTE_IDEMPOTENCY,
     202, NULL, "Job", NULL, NULL},
    {"POST", "/v1/jobs/{id}/resume", jobs_post_resume, "resumeJob", "Queue a paused job again", ROUTE_IDEMPOTENCY, 202, NULL, "Job", NULL,
     NULL},
    {"POST", "/v1/jobs/{id}/cancel", jobs_post_cancel, "cancelJob", "End a job after its current step; what it has learned becomes a model",
     ROUTE_IDEMPOTENCY, 202, NULL, "Job", NULL, NULL},
    {"GET", "/v1/jobs/{id}/metrics", jobs_get_metrics, "getJobMetrics", "What a job has measured, step by step, as JSON or CSV", 0, 200,
     NULL, "MetricSeries", NULL, "after max_points names format"},
    {"GET", "/v1/jobs/{id}/events", jobs_get_events, "streamJobEvents", "A job's events as they happen; Last-Event-ID or after resumes", 0,
     200, NULL, NULL, "text/event-stream", "after"},
    {"GET", "/v1/jobs/{id}/log", jobs_get_log, "getJobLog", "A job's log, a line an event", 0, 200, NULL, NULL, "text/plain", "after"},

    {"GET", "/v1/models", models_get_list, "listModels", "Models, newest first", ROUTE_ETAG, 200, NULL, "ModelList", NULL, "limit cursor"},
    {"GET", "/v1/models/{id}", models_get_one, "getModel", "A model with its inputs, outputs and metrics", ROUTE_ETAG, 200, NULL, "Model",
     NULL, NULL},
    {"DELETE", "/v1/models/{id}", models_delete_one, "deleteModel", "Delete a model", 0, 204, NULL, NULL, NULL, NULL},
    {"GET", "/v1/models/{id}/export", models_export, "exportModel", "The model as a file", 0, 200, NULL, NULL, "application/octet-stream",
     "format"},
    {"POST", "/v1/models/{id}/predict", models_predict, "predict", "Raw rows in, predictions out: JSON, or CSV of any length",
     ROUTE_JSON_OR_OTHER_BODY | ROUTE_STREAMS_BODY, 200, "PredictRequest", "Predictions", NULL, NULL},
    {"POST", "/v1/models/{id}/evaluate", models_evaluate, "evaluate", "A model's metrics on a dataset", ROUTE_JSON_BODY | ROUTE_LONG, 200,
     "EvaluateRequest", "Evaluation", NULL, NULL},
    {"POST", "/v1/models/{id}/trace", models_trace, "traceModel", "A step of training on a few rows, every number of it", ROUTE_JSON_BODY,
     200, "TraceRequest", "Trace", NULL, NULL},

    {"POST", "/v1/gradient-checks", gradient_checks_post, "checkGradients", "Backpropagation beside central differences, weight by weight",
     ROUTE_JSON_BODY | ROUTE_LONG, 200, "GradientCheckRequest", "GradientCheck", NULL, NULL},

    {"GET", "/assets/{file}", root_get_asset, "getAsset", "A file of the page", ROUTE_PUBLIC | ROUTE_ETAG, 200, NULL, NULL, "text/plain",
     NULL},
};
const size_t route_count = sizeof routes / sizeof routes[0];

enum { PLACES_MAX = 2 };

/* What stands for each {…} of a pattern. */
struct places {
  char texts[PLACES_MAX][sizeof((struct route_match *)0)->part];
};

static void restore_escapes(char *text) {
  char *to = text;
  for (const char *from = text; *from != '\0'; from++) {
    const bool is_escape = *from == PATH_ESCAPE && from[1] != '\0';
    if (is_escape) from++;
    *to++ = is_escape ? (char)(*from ^ PATH_ESCAPE_BIT) : *from;
  }
  *to = '\0';
}

/* Whether `path` has the form of `pattern`. */
static bool match_path(const char *pattern, const char *path, struct places *out_places) {
  size_t count = 0;
  for (size_t i = 0; i < PLACES_MAX; i++) out_places->texts[i][0] = '\0';
  while (*pattern != '\0' && *path != '\0') {
    if (*pattern != '{') {
      if (*pattern++ != *path++) return false;
      continue;
    }
    size_t length = strcspn(path, "/");
    const size_t room = count == 0 ? sizeof((struct route_match *)0)->id : sizeof out_places->texts[0];
    if (length == 0 || length >= room || count == PLACES_MAX) return false;
    memcpy(out_places->texts[count], path, length);
    out_places->texts[count++][length] = '\0';
    path += length;
    pattern += strcspn(pattern, "}") + 1;
  }
  return *pattern == '\0' && *path == '\0';
}

static bool method_matches(const struct route *route, const char *method) {
  return strcmp(route->method, method) == 0 || (strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

static void add_allowed(char *allow, size_t allow_bytes, const char *method) {
  size_t length = strlen(allow);
  snprintf(allow + length, allow_bytes - length, "%s%s%s", length == 0 ? "" : ", ", method, strcmp(method, "GET") == 0 ? ", HEAD" : "");
}

/* The last row stands for every file of the page, in whatever folder; it matches only files that are there. */
static bool match_asset(const char *path) {
  static const char prefix[] = "/assets/";
  char asset[256];
  if (strncmp(path, prefix, strlen(prefix)) != 0) return false;
  return snprintf(asset, sizeof asset, "web/%s", path + strlen(prefix)) < (int)sizeof asset && assets_find(asset) != NULL;
}

enum error_code api_match(const char *method, const char *path, struct route_match *out_match, struct error *error) {
  memset(out_match, 0, sizeof *out_match);
  for (size_t i = 0; i < route_count; i++) {
    const struct route *route = &routes[i];
    struct places places;
    bool is_match = i == route_count - 1 ? match_asset(path) : match_path(route->path, path, &places);
    if (!is_match) continue;
    if (method_matches(route, method)) {
      out_match->route = route;
      if (i < route_count - 1) {
        memcpy(out_match->id, places.texts[0], sizeof out_match->id);
        if (route->flags & ROUTE_ESCAPES) restore_escapes(places.texts[1]);
        memcpy(out_match->part, places.texts[1], sizeof out_match->part);
      }
      return ERROR_NONE;
    }
    add_allowed(out_match->allow, sizeof out_match->allow, route->method);
  }
  if (out_match->allow[0] != '\0')
    return error_set(error, ERROR_METHOD, "%.16s is not possible here; allowed: %s", method, out_match->allow);
  return error_set(error, ERROR_NOT_FOUND, "nothing is at \"%.128s\"; GET /openapi.json lists every path", path);
}
