/* The arrows that clients take: submit, pause, resume, cancel. Each is one jobs_commit from the states it may start from, so that whatever
 * happens at the same time, a job is never in a state that the machine in jobs.h doesn't have.
 */
#include <stdlib.h>
#include <string.h>

#include "server/jobs/run.h"

/* Where an arrow leads from each state; JOB_STATE_COUNT: there is no such arrow. */
static const struct {
  const char *verb;
  enum job_state to[JOB_STATE_COUNT];
} arrows[] = {
    [JOBS_PAUSE] = {"paused",
                    {[JOB_QUEUED] = JOB_PAUSED,
                     [JOB_RUNNING] = JOB_PAUSING,
                     [JOB_PAUSING] = JOB_STATE_COUNT,
                     [JOB_PAUSED] = JOB_STATE_COUNT,
                     [JOB_CANCELLING] = JOB_STATE_COUNT,
                     [JOB_CANCELLED] = JOB_STATE_COUNT,
                     [JOB_SUCCEEDED] = JOB_STATE_COUNT,
                     [JOB_FAILED] = JOB_STATE_COUNT}},
    [JOBS_RESUME] = {"resumed",
                     {[JOB_QUEUED] = JOB_STATE_COUNT,
                      [JOB_RUNNING] = JOB_STATE_COUNT,
                      [JOB_PAUSING] = JOB_STATE_COUNT,
                      [JOB_PAUSED] = JOB_QUEUED,
                      [JOB_CANCELLING] = JOB_STATE_COUNT,
                      [JOB_CANCELLED] = JOB_STATE_COUNT,
                      [JOB_SUCCEEDED] = JOB_STATE_COUNT,
                      [JOB_FAILED] = JOB_STATE_COUNT}},
    [JOBS_CANCEL] = {"cancelled",
                     {[JOB_QUEUED] = JOB_CANCELLED,
                      [JOB_RUNNING] = JOB_CANCELLING,
                      [JOB_PAUSING] = JOB_CANCELLING,
                      [JOB_PAUSED] = JOB_CANCELLED,
                      [JOB_CANCELLING] = JOB_STATE_COUNT,
                      [JOB_CANCELLED] = JOB_STATE_COUNT,
                      [JOB_SUCCEEDED] = JOB_STATE_COUNT,
                      [JOB_FAILED] = JOB_STATE_COUNT}},
};
enum { ATTEMPTS = 8 }; /* a worker may take an arrow of its own between our look and our commit */

static enum error_code commit_with(struct jobs *jobs, const struct job_update *update, const struct jobs_witness *witness,
                                   struct error *error) {
  if (witness == NULL) return jobs_commit(jobs->store, update, 1, error);
  enum error_code code = store_begin(jobs->store, error);
  if (code != ERROR_NONE) return code;
  code = jobs_commit(jobs->store, update, 1, error);
  if (code == ERROR_NONE) code = witness->write(witness->context, error);
  if (code == ERROR_NONE) return store_commit(jobs->store, error);
  store_rollback(jobs->store);
  return code;
}

/* One transition of a job that no thread runs, with its events; `witness` may be NULL. */
static enum error_code commit_state(struct jobs *jobs, const char *id, enum job_state from, enum job_state to,
                                    const struct jobs_witness *witness, struct error *error) {
  bool is_end = to == JOB_CANCELLED;
  const char *stop_reason = is_end ? "cancelled" : "";
  int64_t now_ms = store_now_ms();
  struct event_row events[2] = {{.kind = EVENT_STATE, .at_ms = now_ms, .data = jobs->translator->encode_state(to, stop_reason, "")},
                                {.kind = EVENT_END, .at_ms = now_ms, .data = jobs->translator->encode_state(to, stop_reason, "")}};
  struct job_update update = {.job_id = id,
                              .expected_states = 1u << from,
                              .sets_state = true,
                              .state = to,
                              .stop_reason = is_end ? stop_reason : NULL,
                              .finished_ms = is_end ? now_ms : 0,
                              .events = events,
                              .event_count = is_end ? 2 : 1};
  enum error_code code = ERROR_NONE;
  if (events[0].data == NULL || events[1].data == NULL) code = error_set(error, ERROR_OUT_OF_MEMORY, "no memory to change job %s", id);
  if (code == ERROR_NONE) code = commit_with(jobs, &update, witness, error);
  free(events[0].data);
  free(events[1].data);
  if (code == ERROR_NONE) hub_notify(jobs, id);
  return code;
}

/* Tells every run of the job (one that just ended may still be listed). False: none is listed. */
static bool tell_run(struct jobs *jobs, const char *id, enum run_request request) {
  bool is_running = false;
  pthread_mutex_lock(&jobs->mutex);
  for (struct run *run = jobs->runs; run != NULL; run = run->next) {
    if (strcmp(run->row.id, id) != 0) continue;
    atomic_store(&run->request, (int)request);
    is_running = true;
  }
  pthread_mutex_unlock(&jobs->mutex);
  return is_running;
}

/* A job that is `running` in the store though no thread runs it: its end couldn't be written, or the pool has stopped. It is not resumed
 * before the next start; but it may be paused and cancelled. ERROR_CONFLICT here means that its end was written after all. */
static void settle_without_run(struct jobs *jobs, const char *id, enum job_state state, bool has_checkpoint) {
  struct error ignored = {0};
  if (atomic_load(&jobs->stopping)) return;
  if (state == JOB_PAUSING)
    (void)!commit_state(jobs, id, JOB_PAUSING, JOB_PAUSED, NULL, &ignored);
  else if (!has_checkpoint || !queue_close(jobs, id))
    (void)!commit_state(jobs, id, JOB_CANCELLING, JOB_CANCELLED, NULL, &ignored);
}

static enum error_code try_arrow(struct jobs *jobs, enum jobs_arrow arrow, const struct job_row *row, const struct jobs_witness *witness,
                                 struct error *error) {
  enum job_state to = arrows[arrow].to[row->state];
  if (to == JOB_STATE_COUNT) {
    return error_set(error, ERROR_CONFLICT, "job %s is %s and can't be %s", row->id, job_state_names[row->state], arrows[arrow].verb);
  }
  bool has_checkpoint = row->checkpoint_blob != 0;
  /* It was trained before: the closer makes a model of its checkpoint. */
  bool is_for_closer = to == JOB_CANCELLED && has_checkpoint;
  if (is_for_closer) to = JOB_CANCELLING;
  enum error_code code = commit_state(jobs, row->id, row->state, to, witness, error);
  if (code != ERROR_NONE) return code;
  if (to == JOB_QUEUED) jobs_wake(jobs);
  if (is_for_closer) {
    if (!queue_close(jobs, row->id)) (void)!commit_state(jobs, row->id, JOB_CANCELLING, JOB_CANCELLED, NULL, error);
  } else if (to == JOB_PAUSING || to == JOB_CANCELLING) {
    bool is_told = tell_run(jobs, row->id, to == JOB_PAUSING ? RUN_PAUSE : RUN_CANCEL);
    if (!is_told) settle_without_run(jobs, row->id, to, has_checkpoint);
  }
  return ERROR_NONE;
}

enum error_code jobs_take_arrow(struct jobs *jobs, enum jobs_arrow arrow, const char *id, const struct jobs_witness *witness,
                                struct error *error) {
  enum error_code code = ERROR_CONFLICT;
  for (int attempt = 0; code == ERROR_CONFLICT && attempt < ATTEMPTS; attempt++) {
    struct job_row row = {0};
    error_clear(error);
    code = jobs_get(jobs->store, id, &row, error);
    if (code != ERROR_NONE) return code;
    bool has_arrow = arrows[arrow].to[row.state] != JOB_STATE_COUNT;
    code = try_arrow(jobs, arrow, &row, witness, error);
    job_row_deinit(&row);
    if (!has_arrow) return code;
  }
  return code;
}

enum error_code jobs_pause(struct jobs *jobs, const char *id, struct error *error) {
  return jobs_take_arrow(jobs, JOBS_PAUSE, id, NULL, error);
}
enum error_code jobs_resume(struct jobs *jobs, const char *id, struct error *error) {
  return jobs_take_arrow(jobs, JOBS_RESUME, id, NULL, error);
}
enum error_code jobs_cancel(struct jobs *jobs, const char *id, struct error *error) {
  return jobs_take_arrow(jobs, JOBS_CANCEL, id, NULL, error);
}

enum error_code jobs_change(struct jobs *jobs, const char *id, const char *name, const int64_t *priority, struct error *error) {
  struct job_row row = {0};
  enum error_code code = jobs_get(jobs->store, id, &row, error);
  if (code != ERROR_NONE) return code;
  struct job_update update = {.job_id = row.id, .name = name, .priority = priority};
  code = jobs_commit(jobs->store, &update, 1, error);
  job_row_deinit(&row);
  if (code == ERROR_NONE) jobs_wake(jobs);
  return code;
}

enum error_code jobs_submit(struct jobs *jobs, struct job_row *row, struct error *error) {
  char *data = jobs->translator->encode_state(JOB_QUEUED, "", "");
  if (data == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory to submit a job");
  enum error_code code = jobs_insert(jobs->store, row, data, error);
  free(data);
  if (code == ERROR_NONE) jobs_wake(jobs);
  return code;
}
