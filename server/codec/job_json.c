#include "server/codec/job_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
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

static json_t *small_members_to_json(const struct job_view *view) {
  const struct job_row *row = view->row;
  json_t *json = json_pack("{s:s, s:s, s:s, s:o, s:o, s:I, s:o, s:o}", "id", row->id, "name", row->name, "state",
                           job_state_names[row->state], "stop_reason", text_or_null(row->stop_reason), "queue_position",
                           view->queue_position == 0 ? json_null() : json_integer((json_int_t)view->queue_position), "priority",
                           (json_int_t)row->priority, "progress", progress_to_json(view), "model", text_or_null(row->model_id));
  json_put(&json, "dataset_id", text_or_null(row->dataset_id));
  json_put(&json, "memory_bytes", json_integer((json_int_t)row->memory_bytes));
  json_put(&json, "kernels", text_or_null(row->kernels));
  json_put(&json, "precision", text_or_null(row->precision));
  json_put(&json, "weights_sha256", text_or_null(row->weights_sha256));
  json_put(&json, "created_at", json_time(row->created_ms));
  json_put(&json, "started_at", json_time(row->started_ms));
  json_put(&json, "finished_at", json_time(row->finished_ms));
  return json;
}

static const char *or_else(const char *text, const char *otherwise) { return text != NULL ? text : otherwise; }

/* What the row keeps as JSON texts is written as it stands: it is most of a job, and reading it only to write it takes ten times as long as
 * all else that GET does. */
static void write_members(const struct job_view *view, const char *small_members, FILE *file) {
  const struct job_row *row = view->row;
  /* While it runs, the values as they are now: those in the row are up to a commit's interval older than the progress beside them. */
  const char *latest = view->live != NULL && view->live->latest_json != NULL ? view->live->latest_json : row->latest_json;
  const char *best = view->live != NULL && view->live->best_json != NULL ? view->live->best_json : row->best_json;
  fwrite(small_members, 1, strlen(small_members) - 1, file); /* but for its } */
  fprintf(file, ",\"metrics\":{\"latest\":%s,\"best\":%s,\"test\":%s}", or_else(latest, "{}"), or_else(best, "{}"),
          or_else(row->test_json, "{}"));
  const char *diagnosis = view->live != NULL && view->live->diagnosis_json != NULL ? view->live->diagnosis_json : row->diagnosis_json;
  fprintf(file, ",\"diagnosis\":%s", or_else(diagnosis, "[]"));
  fprintf(file, ",\"error\":%s", or_else(row->error_json, "null"));
  fprintf(file, ",\"init_from\":%s", or_else(row->start_json, "null"));
  if (row->spec_json != NULL) fprintf(file, ",\"spec\":%s", row->spec_json);
  if (row->network_json != NULL) fprintf(file, ",\"network_spec\":%s", row->network_json);
  fputc('}', file);
}

char *job_write(const struct job_view *view) {
  char *text = NULL;
  size_t bytes = 0;
  json_t *json = small_members_to_json(view);
  char *small_members = json_write(json);
  json_decref(json);
  FILE *file = small_members == NULL ? NULL : open_memstream(&text, &bytes);
  if (file != NULL) {
    write_members(view, small_members, file);
    if (fclose(file) != 0) {
      free(text);
      text = NULL;
    }
  }
  free(small_members);
  return text;
}
