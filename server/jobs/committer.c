/* The committer: events, progress and checkpoints of all runs on their way to the store.
 *
 * A worker pushes an event into its run's outbox; the committer's thread takes what all runs have and writes it in one transaction, at most
 * COMMIT_INTERVAL_MS after the first of it was pushed; a run's first metrics at once. A worker that commits by itself (a checkpoint, the
 * end) takes the run's events along, so that what is stored of a run is always a beginning of it.
 *
 * Invariants: 1. events leave the outbox for run->in_flight and leave that only when they are stored, so a failed commit loses none.
 * 2. commit_mutex is held from taking to storing: a run's events are stored in their order.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/jobs/run.h"
#include "server/log.h"

enum { LOG_EVENT_BYTES = 512, WAIT_FOR_DISK_MS = 100 };

void outbox_init(struct outbox *outbox) {
  pthread_mutex_init(&outbox->mutex, NULL);
  condition_init(&outbox->drained);
}

void outbox_deinit(struct outbox *outbox) {
  for (size_t i = 0; i < outbox->count; i++) event_row_deinit(&outbox->events[i]);
  free(outbox->events);
  free(outbox->latest_json);
  free(outbox->best_json);
  free(outbox->diagnosis_json);
  pthread_cond_destroy(&outbox->drained);
  pthread_mutex_destroy(&outbox->mutex);
}

static void set_due(struct committer *committer, int64_t at_ms) {
  pthread_mutex_lock(&committer->mutex);
  if (at_ms < committer->due_ms) {
    committer->due_ms = at_ms;
    pthread_cond_signal(&committer->wake);
  }
  pthread_mutex_unlock(&committer->mutex);
}

static bool append_event(struct outbox *outbox, struct event_row event) {
  if (outbox->count == outbox->capacity) {
    size_t capacity = outbox->capacity == 0 ? 16 : 2 * outbox->capacity;
    struct event_row *events = realloc(outbox->events, capacity * sizeof *events);
    if (events == NULL) return false;
    outbox->events = events;
    outbox->capacity = capacity;
  }
  outbox->events[outbox->count++] = event;
  outbox->bytes += strlen(event.data);
  return true;
}

static bool is_full(const struct outbox *outbox) { return outbox->count >= OUTBOX_EVENTS_MAX || outbox->bytes >= OUTBOX_BYTES_MAX; }

void run_push_event(struct run *run, struct event_row event, bool is_urgent) { run_push_events(run, &event, 1, is_urgent); }

void run_push_events(struct run *run, struct event_row *events, size_t count, bool is_urgent) {
  struct outbox *outbox = &run->outbox;
  pthread_mutex_lock(&outbox->mutex);
  /* The disk can't keep up, or is full. A run that is told to stop must not wait for it. */
  while (is_full(outbox) && !run_is_interrupted(run)) {
    condition_wait_until(&outbox->drained, &outbox->mutex, clock_now_ms() + WAIT_FOR_DISK_MS);
  }
  for (size_t i = 0; i < count; i++) {
    events[i].at_ms = store_now_ms();
    if (!run->lacks_memory && events[i].data != NULL && append_event(outbox, events[i])) continue;
    run->lacks_memory = true;
    free(events[i].data);
  }
  is_urgent = is_urgent || outbox->count >= OUTBOX_EVENTS_MAX / 2 || outbox->bytes >= OUTBOX_BYTES_MAX / 2;
  pthread_mutex_unlock(&outbox->mutex);
  set_due(&run->jobs->committer, clock_now_ms() + (is_urgent ? 0 : COMMIT_INTERVAL_MS));
}

void run_log(struct run *run, const char *format, ...) {
  char line[LOG_EVENT_BYTES];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  log_info("job %s: %s", run->row.id, line);
  run_push_event(run, (struct event_row){.kind = EVENT_LOG, .data = strdup(line)}, false);
}

/* Moves the outbox's events behind those in flight. With `takes_all` false it leaves them where they are while
 * earlier ones can't be stored. */
static enum error_code take_events(struct run *run, bool takes_all, struct error *error) {
  struct outbox *outbox = &run->outbox;
  enum error_code code = ERROR_NONE;
  pthread_mutex_lock(&outbox->mutex);
  if (run->in_flight_count == 0) {
    free(run->in_flight);
    run->in_flight = outbox->events;
    run->in_flight_count = outbox->count;
    outbox->events = NULL;
    outbox->count = outbox->capacity = outbox->bytes = 0;
  } else if (takes_all && outbox->count > 0) {
    struct event_row *events = realloc(run->in_flight, (run->in_flight_count + outbox->count) * sizeof *events);
    if (events != NULL) {
      memcpy(events + run->in_flight_count, outbox->events, outbox->count * sizeof *events);
      run->in_flight = events;
      run->in_flight_count += outbox->count;
      outbox->count = outbox->bytes = 0;
    } else {
      code = error_set(error, ERROR_OUT_OF_MEMORY, "no memory to commit %zu events", outbox->count);
    }
  }
  pthread_cond_broadcast(&outbox->drained);
  pthread_mutex_unlock(&outbox->mutex);
  return code;
}

/* What an update borrows for the time of its commit. */
struct loan {
  struct job_progress progress;
  char *latest_json, *best_json, *diagnosis_json;
  struct event_row *events;
};

static void loan_deinit(struct loan *loan) {
  free(loan->latest_json);
  free(loan->best_json);
  free(loan->diagnosis_json);
  free(loan->events);
}

/* Completes `update` with the run's events before its own, and with its progress. False: no memory. */
static bool fill_update(struct run *run, struct job_update *update, struct loan *loan) {
  struct outbox *outbox = &run->outbox;
  pthread_mutex_lock(&outbox->mutex);
  outbox->has_progress = false;
  loan->progress = outbox->progress;
  update->precision = outbox->precision;
  loan->latest_json = outbox->latest_json == NULL ? NULL : strdup(outbox->latest_json);
  loan->best_json = outbox->best_json == NULL ? NULL : strdup(outbox->best_json);
  loan->diagnosis_json = outbox->diagnosis_json == NULL ? NULL : strdup(outbox->diagnosis_json);
  bool is_whole = (outbox->latest_json == NULL) == (loan->latest_json == NULL) &&
                  (outbox->best_json == NULL) == (loan->best_json == NULL) &&
                  (outbox->diagnosis_json == NULL) == (loan->diagnosis_json == NULL);
  pthread_mutex_unlock(&outbox->mutex);
  size_t event_count = run->in_flight_count + update->event_count;
  loan->events = calloc(event_count + 1, sizeof *loan->events);
  if (loan->events == NULL || !is_whole) return false;
  if (run->in_flight_count > 0) memcpy(loan->events, run->in_flight, run->in_flight_count * sizeof *loan->events);
  if (update->event_count > 0) memcpy(loan->events + run->in_flight_count, update->events, update->event_count * sizeof *loan->events);
  update->job_id = run->row.id;
  update->progress = &loan->progress;
  update->latest_json = loan->latest_json;
  update->best_json = loan->best_json;
  update->diagnosis_json = loan->diagnosis_json;
  update->events = loan->events;
  update->event_count = event_count;
  return true;
}

static void mark_uncommitted(struct run *run) {
  pthread_mutex_lock(&run->outbox.mutex);
  run->outbox.has_progress = true;
  pthread_mutex_unlock(&run->outbox.mutex);
}

static void forget_in_flight(struct run *run) {
  for (size_t i = 0; i < run->in_flight_count; i++) event_row_deinit(&run->in_flight[i]);
  free(run->in_flight);
  run->in_flight = NULL;
  run->in_flight_count = 0;
}

enum error_code committer_commit(struct run *run, struct job_update *update, struct error *error) {
  struct jobs *jobs = run->jobs;
  struct loan loan = {0};
  pthread_mutex_lock(&jobs->committer.commit_mutex);
  enum error_code code = take_events(run, true, error);
  if (code == ERROR_NONE && !fill_update(run, update, &loan))
    code = error_set(error, ERROR_OUT_OF_MEMORY, "no memory to commit a job's news");
  if (code == ERROR_NONE) code = jobs_commit(jobs->store, update, 1, error);
  if (code == ERROR_NONE) {
    forget_in_flight(run);
    atomic_fetch_add(&jobs->commits_total, 1);
  } else {
    mark_uncommitted(run);
  }
  pthread_mutex_unlock(&jobs->committer.commit_mutex);
  loan_deinit(&loan);
  if (code == ERROR_NONE) hub_notify(jobs, run->row.id);
  return code;
}

static bool has_news(struct run *run) {
  pthread_mutex_lock(&run->outbox.mutex);
  bool has = run->outbox.count > 0 || run->outbox.has_progress;
  pthread_mutex_unlock(&run->outbox.mutex);
  return has || run->in_flight_count > 0;
}

/* The runs that have something to store. They can't disappear: that takes commit_mutex, which the caller holds. */
static size_t list_runs_with_news(struct jobs *jobs, struct run **runs, size_t run_max) {
  size_t count = 0;
  pthread_mutex_lock(&jobs->mutex);
  for (struct run *run = jobs->runs; run != NULL && count < run_max; run = run->next) runs[count++] = run;
  pthread_mutex_unlock(&jobs->mutex);
  size_t kept = 0;
  for (size_t i = 0; i < count; i++)
    if (has_news(runs[i])) runs[kept++] = runs[i];
  return kept;
}

static enum error_code commit_runs(struct jobs *jobs, struct run **runs, struct job_update *updates, struct loan *loans, size_t count,
                                   struct error *error) {
  enum error_code code = ERROR_NONE;
  for (size_t i = 0; i < count && code == ERROR_NONE; i++) {
    updates[i] = (struct job_update){0};
    code = take_events(runs[i], false, error);
    if (code == ERROR_NONE && !fill_update(runs[i], &updates[i], &loans[i])) {
      code = error_set(error, ERROR_OUT_OF_MEMORY, "no memory to commit the jobs' news");
    }
  }
  if (code == ERROR_NONE) code = jobs_commit(jobs->store, updates, count, error);
  for (size_t i = 0; i < count; i++) {
    if (code == ERROR_NONE)
      forget_in_flight(runs[i]);
    else
      mark_uncommitted(runs[i]);
    loan_deinit(&loans[i]);
  }
  return code;
}

/* Stores what every run has. Everything that a notification needs is copied before a run may disappear. */
static enum error_code commit_all(struct jobs *jobs, struct error *error) {
  size_t run_max = jobs->worker_count + 1;
  struct run **runs = calloc(run_max, sizeof *runs);
  struct job_update *updates = calloc(run_max, sizeof *updates);
  struct loan *loans = calloc(run_max, sizeof *loans);
  char(*ids)[STORE_ID_BYTES] = calloc(run_max, sizeof *ids);
  enum error_code code = ERROR_NONE;
  size_t count = 0;
  if (runs == NULL || updates == NULL || loans == NULL || ids == NULL) {
    code = error_set(error, ERROR_OUT_OF_MEMORY, "no memory to commit the jobs' news");
  } else {
    pthread_mutex_lock(&jobs->committer.commit_mutex);
    count = list_runs_with_news(jobs, runs, run_max);
    for (size_t i = 0; i < count; i++) memcpy(ids[i], runs[i]->row.id, sizeof ids[i]);
    if (count > 0) code = commit_runs(jobs, runs, updates, loans, count, error);
    pthread_mutex_unlock(&jobs->committer.commit_mutex);
  }
  if (code == ERROR_NONE && count > 0) {
    atomic_fetch_add(&jobs->commits_total, 1);
    for (size_t i = 0; i < count; i++) hub_notify(jobs, ids[i]);
  }
  free(ids);
  free(loans);
  free(updates);
  free(runs);
  return code;
}

static void *committer_main(void *context) {
  struct jobs *jobs = context;
  struct committer *committer = &jobs->committer;
  bool is_stopping = false, has_failed = false;
  while (!is_stopping) {
    pthread_mutex_lock(&committer->mutex);
    while (!committer->stopping && committer->due_ms > clock_now_ms()) {
      if (committer->due_ms == INT64_MAX)
        pthread_cond_wait(&committer->wake, &committer->mutex);
      else
        condition_wait_until(&committer->wake, &committer->mutex, committer->due_ms);
    }
    committer->due_ms = INT64_MAX;
    is_stopping = committer->stopping;
    pthread_mutex_unlock(&committer->mutex);
    struct error error = {0};
    enum error_code code = commit_all(jobs, &error);
    if (code != ERROR_NONE) {
      if (!has_failed) log_warn("metrics can't be stored for now, they are kept and tried again: %s", error.detail);
      set_due(committer, clock_now_ms() + RETRY_MS);
    }
    has_failed = code != ERROR_NONE;
  }
  return NULL;
}

void committer_init(struct jobs *jobs) {
  struct committer *committer = &jobs->committer;
  pthread_mutex_init(&committer->commit_mutex, NULL);
  pthread_mutex_init(&committer->mutex, NULL);
  condition_init(&committer->wake);
  committer->due_ms = INT64_MAX;
}

void committer_deinit(struct jobs *jobs) {
  pthread_cond_destroy(&jobs->committer.wake);
  pthread_mutex_destroy(&jobs->committer.mutex);
  pthread_mutex_destroy(&jobs->committer.commit_mutex);
}

bool committer_start(struct jobs *jobs) {
  jobs->committer.is_started = thread_start(&jobs->committer.thread, committer_main, jobs);
  return jobs->committer.is_started;
}

void committer_stop(struct jobs *jobs) {
  struct committer *committer = &jobs->committer;
  if (!committer->is_started) return;
  pthread_mutex_lock(&committer->mutex);
  committer->stopping = true;
  pthread_cond_signal(&committer->wake);
  pthread_mutex_unlock(&committer->mutex);
  pthread_join(committer->thread, NULL);
  committer->is_started = false;
}
