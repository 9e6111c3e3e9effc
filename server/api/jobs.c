/* /v1/jobs: jobs as they are right now, and the arrows of their state machine that clients may take. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/context.h"
#include "server/api/handlers.h"
#include "server/api/once.h"
#include "server/codec/job_json.h"

static enum error_code get_row(struct api *api, const char *id_or_name, struct job_row *out_row, struct error *error) {
  memset(out_row, 0, sizeof *out_row);
  enum error_code code = jobs_get(api->store, id_or_name, out_row, error);
  return resource_explain(api, RESOURCE_JOB, id_or_name, code, error);
}

/* The row beside what only the running server knows. */
static char *write_row(struct api *api, const struct job_row *row) {
  struct job_view view = {.row = row};
  struct job_live live = {0};
  struct error ignored = {0};
  if ((JOB_STATES_UNFINISHED >> row->state & 1u) != 0 && jobs_get_live(api->jobs, row->id, &live)) view.live = &live;
  if (row->state == JOB_QUEUED && jobs_get_queue_position(api->store, row->id, &view.queue_position, &ignored) != ERROR_NONE) {
    view.queue_position = 0;
  }
  char *text = job_write(&view);
  job_live_deinit(&live);
  return text;
}

static enum error_code respond_job(struct api *api, const char *id, int status, struct response *response, struct error *error) {
  struct job_row row;
  enum error_code code = get_row(api, id, &row, error);
  if (code != ERROR_NONE) return code;
  code = respond_text(response, status, "application/json", write_row(api, &row), error);
  job_row_deinit(&row);
  return code;
}

enum error_code jobs_get_one(struct api *api, const struct request *request, struct response *response, struct error *error) {
  return respond_job(api, request->id, 200, response, error);
}

/* state=running,queued → a bit mask; 0: all. */
static enum error_code read_states(const struct request *request, unsigned *out_states, struct error *error) {
  *out_states = 0;
  const char *text = request_get_query(request, "state");
  for (const char *at = text; at != NULL && *at != '\0';) {
    size_t length = strcspn(at, ",");
    int found = -1;
    for (int i = 0; i < JOB_STATE_COUNT; i++) {
      if (strlen(job_state_names[i]) == length && strncmp(job_state_names[i], at, length) == 0) found = i;
    }
    if (found < 0) {
      return error_set(
          error, ERROR_MALFORMED,
          "query parameter \"state\" must be of queued, running, pausing, paused, cancelling, cancelled, succeeded, failed, with "
          "commas between them");
    }
    *out_states |= 1u << found;
    at += length + (at[length] == ',');
  }
  return ERROR_NONE;
}

/* As respond_page, of texts. */
static enum error_code respond_rows(struct api *api, const struct job_row *rows, size_t count, const char *next_cursor,
                                    struct response *response, struct error *error) {
  char *text = NULL;
  size_t bytes = 0;
  FILE *file = open_memstream(&text, &bytes);
  bool is_whole = file != NULL;
  if (is_whole) fputs("{\"items\":[", file);
  for (size_t i = 0; i < count && is_whole; i++) {
    char *row = write_row(api, &rows[i]);
    is_whole = row != NULL && fprintf(file, "%s%s", i > 0 ? "," : "", row) >= 0;
    free(row);
  }
  /* A cursor needs no escapes: it is of letters and digits. */
  if (is_whole && next_cursor[0] == '\0') fputs("],\"next_cursor\":null}", file);
  if (is_whole && next_cursor[0] != '\0') fprintf(file, "],\"next_cursor\":\"%s\"}", next_cursor);
  if (file != NULL && fclose(file) != 0) is_whole = false;
  if (is_whole) return respond_text(response, 200, "application/json", text, error);
  free(text);
  return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
}

enum error_code jobs_get_list(struct api *api, const struct request *request, struct response *response, struct error *error) {
  struct store_page page;
  unsigned states = 0;
  enum error_code code = query_get_page(request, &page, error);
  if (code == ERROR_NONE) code = read_states(request, &states, error);
  if (code != ERROR_NONE) return code;
  struct job_row *rows = NULL;
  size_t count = 0;
  char next[sizeof page.cursor] = "";
  code = jobs_list(api->store, &page, states, &rows, &count, next, error);
  if (code != ERROR_NONE) return code;
  code = respond_rows(api, rows, count, next, response, error);
  for (size_t i = 0; i < count; i++) job_row_deinit(&rows[i]);
  free(rows);
  return code;
}

static void read_change(const json_t *body, const char **out_name, int64_t *out_priority, bool *out_has_priority, struct error *error) {
  static const char *const known[] = {"name", "priority", NULL};
  object_check_keys(body, known, "", error);
  const json_t *name = json_object_get(body, "name"), *priority = json_object_get(body, "priority");
  *out_name = json_string_value(name);
  if (name != NULL && (*out_name == NULL || !store_is_name(*out_name))) {
    error_add(error, "/name", "must be " STORE_NAME_RULE, LIMIT_NAME_BYTES);
  }
  *out_has_priority = priority != NULL;
  *out_priority = json_integer_value(priority);
  if (priority != NULL && (!json_is_integer(priority) || *out_priority < 0 || *out_priority > 100)) {
    error_add(error, "/priority", "must be a whole number from 0 to 100");
  }
}

enum error_code jobs_patch(struct api *api, const struct request *request, struct response *response, struct error *error) {
  json_t *body = NULL;
  struct job_row row = {0};
  const char *name = NULL;
  int64_t priority = 0;
  bool has_priority = false;
  enum error_code code = get_row(api, request->id, &row, error);
  if (code == ERROR_NONE) code = request_parse_object(request, &body, error);
  if (code == ERROR_NONE) {
    read_change(body, &name, &priority, &has_priority, error);
    code = error->code;
  }
  if (code == ERROR_NONE && (name != NULL || has_priority)) {
    code = jobs_change(api->jobs, row.id, name, has_priority ? &priority : NULL, error);
  }
  if (code == ERROR_NONE) code = respond_job(api, row.id, 200, response, error);
  job_row_deinit(&row);
  json_decref(body);
  return code;
}

enum error_code jobs_delete_one(struct api *api, const struct request *request, struct response *response, struct error *error) {
  struct job_row row;
  enum error_code code = get_row(api, request->id, &row, error);
  if (code == ERROR_NONE) code = jobs_delete(api->store, row.id, error);
  if (code == ERROR_NONE) {
    jobs_announce(api->jobs, row.id);
    store_vacuum(api->store);
    respond_nothing(response);
  }
  job_row_deinit(&row);
  return code;
}

struct action_answer {
  struct api *api;
  const char *id;
  const struct once *once;
  struct response *response;
};

/* Within the transaction that changes the state: a repetition finds the answer or the old state, never the new state alone. */
static enum error_code write_action_answer(void *context, struct error *error) {
  const struct action_answer *answer = context;
  enum error_code code = respond_job(answer->api, answer->id, 202, answer->response, error);
  return code == ERROR_NONE ? once_record(answer->api, answer->once, answer->response, error) : code;
}

static enum error_code act(struct api *api, const struct request *request, enum jobs_arrow arrow, struct response *response,
                           struct error *error) {
  struct once once;
  struct job_row row = {0};
  enum error_code code = once_init(&once, request, NULL, error);
  if (code == ERROR_NONE && request->body_bytes > 0 && strspn(request->body, " \t\r\n") != request->body_bytes &&
      strcmp(request->body, "{}") != 0) {
    code = error_set(error, ERROR_MALFORMED, "this request takes no body");
  }
  if (code == ERROR_NONE) code = get_row(api, request->id, &row, error);
  if (code != ERROR_NONE) return code;
  struct action_answer answer = {.api = api, .id = row.id, .once = &once, .response = response};
  code = jobs_take_arrow(api->jobs, arrow, row.id, &(struct jobs_witness){write_action_answer, &answer}, error);
  if (code == ERROR_CONFLICT) { /* perhaps since the same request has just been answered on another connection */
    struct error other = {0};
    bool is_answered = false;
    if (once_replay(api, &once, response, &is_answered, &other) == ERROR_NONE && is_answered) {
      error_clear(error);
      code = ERROR_NONE;
    }
  }
  job_row_deinit(&row);
  return code;
}

enum error_code jobs_post_pause(struct api *api, const struct request *request, struct response *response, struct error *error) {
  return act(api, request, JOBS_PAUSE, response, error);
}

enum error_code jobs_post_resume(struct api *api, const struct request *request, struct response *response, struct error *error) {
  return act(api, request, JOBS_RESUME, response, error);
}

enum error_code jobs_post_cancel(struct api *api, const struct request *request, struct response *response, struct error *error) {
  return act(api, request, JOBS_CANCEL, response, error);
}
