#include "server/codec/job_json.h"

#include <math.h>
#include <string.h>

#include "server/codec/json_text.h"
#include "server/codec/settings_json.h"

enum error_code job_spec_from_json(const json_t *json, struct job_spec *out_spec, struct error *error) {
  enum error_code code = settings_init(out_spec, job_params, job_param_count, error);
  if (code != ERROR_NONE) return code;
  return settings_from_json(json, job_params, job_param_count, "", out_spec, error);
}

json_t *job_spec_to_json(const struct job_spec *spec) { return settings_to_json(spec, job_params, job_param_count); }

static json_t *text_or_null(const char *text) { return text[0] == '\0' ? json_null() : json_string(text); }

/* An object that the row keeps as text; {} where there is none yet. */
static json_t *object_or_empty(const char *text) { return text == NULL ? json_object() : json_read_own(text); }

static double get_samples_per_second(const struct job_view *view) {
  if (view->live != NULL) return view->live->samples_per_second;
  const struct job_progress *progress = &view->row->progress;
  return progress->training_ms <= 0 ? (double)NAN : 1000.0 * (double)progress->samples / (double)progress->training_ms;
}

static json_t *progress_to_json(const struct job_view *view) {
  const struct job_progress *progress = view->live != NULL ? &view->live->progress : &view->row->progress;
  double fraction = progress->steps == 0 ? 0.0 : (double)progress->step / (double)progress->steps;
  if (view->row->state == JOB_SUCCEEDED) fraction = 1.0;
  return json_pack("{s:I, s:I, s:I, s:I, s:f, s:o, s:o}", "epoch", (json_int_t)progress->epoch, "epochs", (json_int_t)progress->epochs,
                   "step", (json_int_t)progress->step, "steps", (json_int_t)progress->steps, "fraction", fraction, "samples_per_second",
                   json_number(get_samples_per_second(view)), "eta_seconds",
                   json_number(view->live != NULL ? view->live->eta_seconds : (double)NAN));
}

/* The precision that is really computed in: a CPU without bfloat16 falls back to float32, and the job says so. */
static const char *get_precision(const json_t *spec) {
  const char *asked = json_string_value(json_object_get(spec, "precision"));
  struct train_settings settings = {.precision = asked != NULL && strcmp(asked, "bfloat16") == 0};
  return train_get_precision(&settings);
}

/* While it runs, as they are now: those in the row are up to a commit's interval older than the progress beside them. */
static json_t *current_metrics_to_json(const struct job_view *view) {
  const struct job_row *row = view->row;
  const char *latest = view->live != NULL && view->live->latest_json != NULL ? view->live->latest_json : row->latest_json;
  const char *best = view->live != NULL && view->live->best_json != NULL ? view->live->best_json : row->best_json;
  return json_pack("{s:o, s:o, s:o}", "latest", object_or_empty(latest), "best", object_or_empty(best), "test",
                   object_or_empty(row->test_json));
}

json_t *job_to_json(const struct job_view *view) {
  const struct job_row *row = view->row;
  json_t *json = json_pack("{s:s, s:s, s:s, s:o, s:o, s:I, s:o, s:o, s:[], s:o, s:o}", "id", row->id, "name", row->name, "state",
                           job_state_names[row->state], "stop_reason", text_or_null(row->stop_reason), "queue_position",
                           view->queue_position == 0 ? json_null() : json_integer((json_int_t)view->queue_position), "priority",
                           (json_int_t)row->priority, "progress", progress_to_json(view), "metrics", current_metrics_to_json(view),
                           "diagnosis", "model", text_or_null(row->model_id), "error", json_read_own(row->error_json));
  json_put(&json, "dataset_id", text_or_null(row->dataset_id));
  if (row->spec_json != NULL) {
    json_t *spec = json_read_own(row->spec_json);
    json_put(&json, "precision", json_string(get_precision(spec)));
    json_put(&json, "spec", spec);
  }
  if (row->network_json != NULL) json_put(&json, "network_spec", json_read_own(row->network_json));
  json_put(&json, "memory_bytes", json_integer((json_int_t)row->memory_bytes));
  json_put(&json, "kernels", text_or_null(row->kernels));
  json_put(&json, "weights_sha256", text_or_null(row->weights_sha256));
  json_put(&json, "created_at", json_time(row->created_ms));
  json_put(&json, "started_at", json_time(row->started_ms));
  json_put(&json, "finished_at", json_time(row->finished_ms));
  return json;
}
