/* /healthz, /readyz and /metrics: for those who keep a server running. */
#include <stdlib.h>
#include <string.h>

#include "server/api/context.h"
#include "server/api/handlers.h"
#include "server/api/model_cache.h"
#include "server/api/upload_board.h"

enum error_code health_get_live(struct api *api, const struct request *request, struct response *response, struct error *error) {
  (void)api, (void)request;
  return respond_json(response, 200, json_pack("{s:s}", "status", "ok"), error);
}

enum error_code health_get_ready(struct api *api, const struct request *request, struct response *response, struct error *error) {
  (void)request;
  if (atomic_load(&api->is_draining)) return error_set(error, ERROR_UNAVAILABLE, "the server is shutting down");
  struct error found = {0};
  if (store_check(api->store, &found) != ERROR_NONE)
    return error_set(error, ERROR_UNAVAILABLE, "the database can't be used: %s", found.detail);
  return respond_json(response, 200, json_pack("{s:s}", "status", "ready"), error);
}

/* Prometheus text format 0.0.4. */
static void write_head(FILE *file, const char *name, const char *type, const char *help) {
  fprintf(file, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_value(FILE *file, const char *name, const char *type, const char *help, double value) {
  write_head(file, name, type, help);
  fprintf(file, "%s %.17g\n", name, value);
}

static void write_requests(FILE *file, struct api *api) {
  write_head(file, "backpropd_http_requests_total", "counter", "Answered requests by route and class of status.");
  for (size_t i = 0; i < route_count; i++) {
    for (int class = 1; class < STATUS_CLASSES; class ++) {
      unsigned long long count = atomic_load(&api->answers[i][class]);
      if (count == 0) continue;
      fprintf(file, "backpropd_http_requests_total{method=\"%s\",route=\"%s\",status=\"%dxx\"} %llu\n", routes[i].method, routes[i].path,
              class, count);
    }
  }
  write_head(file, "backpropd_http_handler_seconds_total", "counter", "Time spent in handlers by route.");
  for (size_t i = 0; i < route_count; i++) {
    unsigned long long spent_us = atomic_load(&api->answer_us[i]);
    if (spent_us == 0) continue;
    fprintf(file, "backpropd_http_handler_seconds_total{method=\"%s\",route=\"%s\"} %.6f\n", routes[i].method, routes[i].path,
            (double)spent_us / 1e6);
  }
}

/* Also what never reached a route: refused connections, bad framing. */
static void write_traffic(FILE *file, struct api *api) {
  void (*read_traffic)(void *, struct api_traffic *) = atomic_load(&api->read_traffic);
  if (read_traffic == NULL) return;
  struct api_traffic traffic = {0};
  read_traffic(atomic_load(&api->traffic_context), &traffic);
  write_value(file, "backpropd_connection_requests_total", "counter", "Requests received, refused ones too.", (double)traffic.requests);
  write_value(file, "backpropd_connection_client_errors_total", "counter", "Answers with a 4xx status.", (double)traffic.responses_4xx);
  write_value(file, "backpropd_connection_server_errors_total", "counter", "Answers with a 5xx status.", (double)traffic.responses_5xx);
  write_value(file, "backpropd_connections", "gauge", "Open connections.", (double)traffic.connections);
  write_value(file, "backpropd_event_streams", "gauge", "Open event streams.", (double)traffic.streams);
}

/* NAME_seconds as a summary, and NAME_longest_seconds. */
static void write_duration(FILE *file, const char *name, const char *help, const struct jobs_duration *duration) {
  fprintf(file, "# HELP %s_seconds %s\n# TYPE %s_seconds summary\n", name, help, name);
  fprintf(file, "%s_seconds_sum %.6f\n%s_seconds_count %llu\n", name, (double)duration->total_us / 1e6, name,
          (unsigned long long)duration->count);
  fprintf(file, "# HELP %s_longest_seconds The longest of these times.\n# TYPE %s_longest_seconds gauge\n", name, name);
  fprintf(file, "%s_longest_seconds %.6f\n", name, (double)duration->longest_us / 1e6);
}

static enum error_code write_jobs(FILE *file, struct api *api, struct error *error) {
  uint64_t states[JOB_STATE_COUNT] = {0};
  enum error_code code = jobs_count(api->store, states, error);
  if (code != ERROR_NONE) return code;
  write_head(file, "backpropd_jobs", "gauge", "Jobs by state.");
  for (size_t i = 0; i < JOB_STATE_COUNT; i++) {
    fprintf(file, "backpropd_jobs{state=\"%s\"} %llu\n", job_state_names[i], (unsigned long long)states[i]);
  }
  struct jobs_counts counts = {0};
  jobs_get_counts(api->jobs, &counts);
  write_value(file, "backpropd_training_jobs", "gauge", "Jobs that a worker trains right now.", (double)counts.running);
  write_value(file, "backpropd_training_memory_bytes", "gauge", "Computed memory of the jobs being trained.", (double)counts.memory_bytes);
  write_value(file, "backpropd_memory_budget_bytes", "gauge", "Memory that jobs may have at once.",
              (double)jobs_get_memory_budget(api->jobs));
  write_value(file, "backpropd_training_steps_total", "counter", "Training steps done.", (double)counts.steps_total);
  write_value(file, "backpropd_checkpoints_total", "counter", "Checkpoints written.", (double)counts.checkpoints_total);
  write_value(file, "backpropd_commits_total", "counter", "Transactions of the committer.", (double)counts.commits_total);
  write_duration(file, "backpropd_checkpoint_pause", "For how long training stood still for a checkpoint.", &counts.pauses);
  write_duration(file, "backpropd_job_start", "From a worker's taking of a job to its first step done.", &counts.starts);
  return ERROR_NONE;
}

/* Resident memory, as the kernel counts it. */
static double read_resident_bytes(void) {
  FILE *file = fopen("/proc/self/status", "re");
  double kibibytes = 0;
  char line[256];
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    if (strncmp(line, "VmRSS:", 6) == 0) kibibytes = strtod(line + 6, NULL);
  }
  if (file != NULL) fclose(file);
  return kibibytes * 1024;
}

enum error_code health_get_metrics(struct api *api, const struct request *request, struct response *response, struct error *error) {
  (void)request;
  char *text = NULL;
  size_t bytes = 0;
  FILE *file = open_memstream(&text, &bytes);
  if (file == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
  write_head(file, "backpropd_info", "gauge", "Version of the program.");
  fprintf(file, "backpropd_info{version=\"%s\"} 1\n", api->options.version);
  write_value(file, "backpropd_start_time_seconds", "gauge", "When the server was started, in Unix time.",
              (double)api->started_ms / 1000.0);
  write_value(file, "backpropd_resident_memory_bytes", "gauge", "Resident memory of the process.", read_resident_bytes());
  write_value(file, "backpropd_cached_model_bytes", "gauge", "Weights of models held for prediction.",
              (double)model_cache_get_bytes(api->models));
  size_t upload_count;
  const uint64_t upload_bytes = upload_board_sum(api->uploads, &upload_count);
  write_value(file, "backpropd_uploads", "gauge", "Uploads of datasets under way.", (double)upload_count);
  write_value(file, "backpropd_upload_bytes", "gauge", "Bytes received of the uploads under way.", (double)upload_bytes);
  write_requests(file, api);
  write_traffic(file, api);
  enum error_code code = write_jobs(file, api, error);
  fclose(file);
  if (code == ERROR_NONE) return respond_text(response, 200, "text/plain; version=0.0.4; charset=utf-8", text, error);
  free(text);
  return code;
}
