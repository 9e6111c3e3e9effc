/* POST /v1/models/{id}/trace and /v1/networks/{id}/trace: one step of training on a few rows, every number of it.
 *
 * Nothing is kept between requests: `steps` updates are made anew on a scratch copy, always the same ones, then the next is looked at. So
 * "forward, backward, update, and again" is the same request with one more step.
 */
#include <string.h>

#include "server/api/handlers.h"
#include "server/api/subject.h"
#include "server/codec/settings_json.h"

struct trace_request {
  const struct request *request;
  struct subject subject;
  struct trace_settings settings;
  size_t window_count;
  struct trace_window windows[LIMIT_TRACE_WINDOWS];
  struct trace_options options;
  struct trace *trace;
  json_t *losses; /* before each step */
};

static enum error_code read_body(struct trace_request *trace, const json_t *body, struct error *error) {
  static const char *const others[] = {"rows", "targets", "weights", "windows", NULL};
  struct subject *subject = &trace->subject;
  enum error_code code = subject_inherit(subject, &trace->settings.train, error);
  if (code == ERROR_NONE)
    code = subject_read_settings(subject, body, others, trace_params, PARAM_COUNT(trace_params), &trace->settings, error);
  if (code != ERROR_NONE && code != ERROR_INVALID) return code;
  trace_windows_from_json(json_object_get(body, "windows"), trace->windows, &trace->window_count, error);
  return subject_read_rows(subject, body, &trace->settings.train, error);
}

/* Whether other requests would notice that a thread is busy with it. */
static bool is_long(const struct trace_request *trace) {
  static const double short_flops_max = 1e9; /* about 50 ms of one core */
  const struct network *network = trace->subject.network;
  const double pass = 3 * network_flops_per_sample(network) * (double)trace->subject.row_count;
  const double step = pass + 20 * (double)network_parameter_count(network);
  return step * (double)(trace->settings.steps + 3) > short_flops_max;
}

static enum error_code create_trace(struct trace_request *trace, const json_t *body, struct error *error) {
  const struct subject *subject = &trace->subject;
  const struct train_settings *train = &trace->settings.train;
  size_t bytes = 0;
  trace->options = (struct trace_options){.loss = &train->loss,
                                          .class_weights = subject->class_weights,
                                          .optimizer = &train->optimizer,
                                          .clip_norm = train->clip_norm,
                                          .clip_value = train->clip_value,
                                          .seed = (uint64_t)train->seed,
                                          .row_count = subject->row_count};
  enum error_code code = trace_measure(subject->network, &trace->options, &bytes, error);
  if (code == ERROR_NONE) code = jobs_admit(subject->api->jobs, bytes, error);
  if (code == ERROR_NONE) code = trace_create(subject->network, &trace->options, &trace->trace, error);
  if (code != ERROR_NONE) return code;
  memcpy(trace_get_input(trace->trace), subject->x, subject->row_count * subject->input_width * sizeof(float));
  memcpy(trace_get_target(trace->trace), subject->targets, subject->row_count * subject->target_width * sizeof(float));
  return subject_read_weights(subject, body, (uint64_t)train->seed, trace_get_parameters(trace->trace), trace_get_buffers(trace->trace),
                              error);
}

static enum error_code run(struct trace_request *trace, struct error *error) {
  for (int64_t step = 0;; step++) {
    trace_pass(trace->trace);
    json_append(&trace->losses, json_number(trace_get_loss(trace->trace)));
    trace_update(trace->trace);
    if (step == trace->settings.steps) return ERROR_NONE;
    trace_advance(trace->trace);
    if (request_is_abandoned(trace->request)) return error_set(error, ERROR_UNAVAILABLE, "broken off: nobody waits for the answer");
  }
}

static enum error_code answer(struct trace_request *trace, struct response *response, struct error *error) {
  json_t *json = NULL;
  const struct subject *subject = &trace->subject;
  const struct trace_view view = {.network = subject->network,
                                  .trace = trace->trace,
                                  .settings = &trace->settings,
                                  .row_count = subject->row_count,
                                  .target_width = subject->target_width,
                                  .window_count = trace->window_count,
                                  .windows = trace->windows};
  enum error_code code = trace_to_json(&view, &json, error);
  if (code != ERROR_NONE) return code;
  json_put(&json, subject->model != NULL ? "model" : "network", json_string(subject->id));
  json_put(&json, "losses", json_incref(trace->losses));
  if (trace->settings.step) {
    trace_look_ahead(trace->trace);
    json_put(&json, "after", trace_ahead_to_json(&view));
  }
  return respond_json_float(response, 200, json, error);
}

static enum error_code trace_subject(struct trace_request *trace, struct response *response, struct error *error) {
  json_t *body = NULL;
  enum error_code code = request_parse_object(trace->request, &body, error);
  if (code == ERROR_NONE) code = read_body(trace, body, error);
  response->is_deferred = code == ERROR_NONE && !trace->request->may_take_long && is_long(trace);
  if (code == ERROR_NONE && !response->is_deferred) {
    code = create_trace(trace, body, error);
    if (code == ERROR_NONE) code = run(trace, error);
    if (code == ERROR_NONE) code = answer(trace, response, error);
  }
  json_decref(body);
  return code;
}

typedef enum error_code subject_opener(struct subject *subject, struct api *api, const char *id_or_name, struct error *error);

static enum error_code handle(struct api *api, const struct request *request, subject_opener *open, struct response *response,
                              struct error *error) {
  struct trace_request trace = {.request = request, .losses = json_array()};
  enum error_code code = trace_settings_init(&trace.settings, error);
  if (code == ERROR_NONE) code = open(&trace.subject, api, request->id, error);
  if (code == ERROR_NONE) code = trace_subject(&trace, response, error);
  trace_destroy(trace.trace);
  trace_settings_deinit(&trace.settings);
  subject_deinit(&trace.subject);
  json_decref(trace.losses);
  return code;
}

enum error_code models_trace(struct api *api, const struct request *request, struct response *response, struct error *error) {
  return handle(api, request, subject_open_model, response, error);
}

enum error_code networks_trace(struct api *api, const struct request *request, struct response *response, struct error *error) {
  return handle(api, request, subject_open_network, response, error);
}
