/* The life of the pool: what an earlier process left is put in order, threads start, threads stop. And what can be asked of it. */
#include "server/jobs/jobs.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/jobs/run.h"
#include "server/log.h"

enum { RECOVERY_PAGE = 100 };

/* ---- what an earlier process left ---- */

/* running → queued, pausing → paused, cancelling → cancelled, unless the closer must still make a model of its checkpoint. */
static enum error_code recover_job(struct jobs *jobs, const struct job_row *row, struct error *error) {
  enum job_state to = row->state == JOB_RUNNING ? JOB_QUEUED : row->state == JOB_PAUSING ? JOB_PAUSED : JOB_CANCELLED;
  if (to == JOB_CANCELLED && row->checkpoint_blob != 0 && queue_close(jobs, row->id)) return ERROR_NONE;
  const char *stop_reason = to == JOB_CANCELLED ? "cancelled" : "";
  int64_t now_ms = store_now_ms();
  struct event_row events[3] = {{.kind = EVENT_LOG, .data = strdup("the server was restarted")},
                                {.kind = EVENT_STATE, .data = jobs->translator->encode_state(to, stop_reason, "")},
                                {.kind = EVENT_END, .data = jobs->translator->encode_state(to, stop_reason, "")}};
  for (size_t i = 0; i < 3; i++) events[i].at_ms = now_ms;
  struct job_update update = {.job_id = row->id,
                              .sets_state = true,
                              .state = to,
                              .stop_reason = to == JOB_CANCELLED ? stop_reason : NULL,
                              .finished_ms = to == JOB_CANCELLED ? now_ms : 0,
                              .events = events,
                              .event_count = to == JOB_CANCELLED ? 3 : 2};
  enum error_code code = ERROR_NONE;
  for (size_t i = 0; i < 3; i++)
    if (events[i].data == NULL) code = error_set(error, ERROR_OUT_OF_MEMORY, "no memory to put job %s in order", row->id);
  if (code == ERROR_NONE) code = jobs_commit(jobs->store, &update, 1, error);
  for (size_t i = 0; i < 3; i++) free(events[i].data);
  if (code == ERROR_NONE)
    log_info("job %s: was %s when the server ended, is %s", row->id, job_state_names[row->state], job_state_names[to]);
  return code;
}

static enum error_code recover_page(struct jobs *jobs, struct store_page *page, bool *out_is_last, struct error *error) {
  unsigned states = 1u << JOB_RUNNING | 1u << JOB_PAUSING | 1u << JOB_CANCELLING;
  struct job_row *rows = NULL;
  size_t count = 0;
  char next_cursor[sizeof page->cursor] = "";
  enum error_code code = jobs_list(jobs->store, page, states, &rows, &count, next_cursor, error);
  for (size_t i = 0; i < count; i++) {
    if (code == ERROR_NONE) code = recover_job(jobs, &rows[i], error);
    job_row_deinit(&rows[i]);
  }
  free(rows);
  memcpy(page->cursor, next_cursor, sizeof page->cursor);
  *out_is_last = next_cursor[0] == '\0';
  return code;
}

static enum error_code recover(struct jobs *jobs, struct error *error) {
  struct store_page page = {.limit = RECOVERY_PAGE};
  bool is_last = false;
  enum error_code code = ERROR_NONE;
  while (code == ERROR_NONE && !is_last) code = recover_page(jobs, &page, &is_last, error);
  return code;
}

/* ---- life ---- */

static uint64_t get_default_budget(void) {
  long page_count = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
  return page_count > 0 && page_bytes > 0 ? (uint64_t)page_count * (uint64_t)page_bytes / 10 * 8 : UINT64_C(1) << 30;
}

static size_t count_cores(void) {
  long count = sysconf(_SC_NPROCESSORS_ONLN);
  return count > 0 ? (size_t)count : 1;
}

static void set_options(struct jobs *jobs, const struct jobs_options *options) {
  jobs->worker_count = options->workers != 0 ? options->workers : count_cores();
  jobs->thread_limit = options->threads != 0 ? options->threads : count_cores();
  jobs->budget_bytes = options->memory_budget_bytes != 0 ? options->memory_budget_bytes : get_default_budget();
  jobs->checkpoint_interval_ms = options->checkpoint_interval_ms != 0 ? options->checkpoint_interval_ms : CHECKPOINT_INTERVAL_MS;
}

/* The workers, and the closer as the last. */
static bool start_workers(struct jobs *jobs) {
  for (size_t i = 0; i <= jobs->worker_count; i++) {
    jobs->workers[i] = (struct worker){.jobs = jobs, .is_closer = i == jobs->worker_count};
    if (!thread_start(&jobs->workers[i].thread, worker_main, &jobs->workers[i])) return false;
    jobs->started_count++;
  }
  return true;
}

enum error_code jobs_create(struct store *store, const struct job_translator *translator, const struct jobs_options *options,
                            struct jobs **out_jobs, struct error *error) {
  struct jobs *jobs = calloc(1, sizeof *jobs);
  if (jobs == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for the worker pool");
  jobs->store = store;
  jobs->translator = translator;
  set_options(jobs, options);
  pthread_mutex_init(&jobs->take_mutex, NULL);
  pthread_mutex_init(&jobs->mutex, NULL);
  pthread_mutex_init(&jobs->hub.mutex, NULL);
  condition_init(&jobs->wake);
  committer_init(jobs);
  jobs->workers = calloc(jobs->worker_count + 1, sizeof *jobs->workers);
  enum error_code code = ERROR_NONE;
  if (jobs->workers == NULL) code = error_set(error, ERROR_OUT_OF_MEMORY, "no memory for %zu workers", jobs->worker_count);
  if (code == ERROR_NONE) code = recover(jobs, error);
  if (code == ERROR_NONE && !(committer_start(jobs) && start_workers(jobs))) {
    code = error_set(error, ERROR_UNAVAILABLE, "the system gives no thread for %zu workers", jobs->worker_count);
  }
  if (code != ERROR_NONE) {
    jobs_destroy(jobs);
    return code;
  }
  *out_jobs = jobs;
  return ERROR_NONE;
}

void jobs_stop(struct jobs *jobs) {
  if (jobs->has_stopped) return;
  jobs->has_stopped = true;
  pthread_mutex_lock(&jobs->mutex);
  atomic_store(&jobs->stopping, true);
  pthread_cond_broadcast(&jobs->wake);
  pthread_mutex_unlock(&jobs->mutex);
  for (size_t i = 0; i < jobs->started_count; i++) pthread_join(jobs->workers[i].thread, NULL);
  committer_stop(jobs);
}

void jobs_destroy(struct jobs *jobs) {
  if (jobs == NULL) return;
  jobs_stop(jobs);
  committer_deinit(jobs);
  pthread_cond_destroy(&jobs->wake);
  pthread_mutex_destroy(&jobs->hub.mutex);
  pthread_mutex_destroy(&jobs->mutex);
  pthread_mutex_destroy(&jobs->take_mutex);
  free(jobs->closing);
  free(jobs->workers);
  free(jobs);
}

/* ---- what can be asked ---- */

/* Speed between the oldest and the newest mark; 0 while there is only one. */
static double get_speed(const struct outbox *outbox) {
  if (outbox->mark_count < 2) return 0;
  size_t newest = (outbox->mark_count - 1) % MARK_COUNT;
  size_t oldest = outbox->mark_count > MARK_COUNT ? outbox->mark_count % MARK_COUNT : 0;
  int64_t elapsed_ms = outbox->marks[newest].at_ms - outbox->marks[oldest].at_ms;
  uint64_t samples = outbox->marks[newest].samples - outbox->marks[oldest].samples;
  return (double)samples * 1000 / (double)(elapsed_ms > 0 ? elapsed_ms : 1);
}

void job_live_deinit(struct job_live *live) {
  free(live->latest_json);
  free(live->best_json);
  free(live->diagnosis_json);
  *live = (struct job_live){0};
}

static void read_live(struct run *run, struct job_live *out_live) {
  struct outbox *outbox = &run->outbox;
  pthread_mutex_lock(&outbox->mutex);
  out_live->progress = outbox->progress;
  out_live->samples_per_second = get_speed(outbox);
  out_live->latest_json = outbox->latest_json == NULL ? NULL : strdup(outbox->latest_json);
  out_live->best_json = outbox->best_json == NULL ? NULL : strdup(outbox->best_json);
  out_live->diagnosis_json = outbox->diagnosis_json == NULL ? NULL : strdup(outbox->diagnosis_json);
  pthread_mutex_unlock(&outbox->mutex);
  const struct job_progress *progress = &out_live->progress;
  out_live->eta_seconds = (double)NAN;
  if (out_live->samples_per_second > 0 && progress->step > 0 && progress->steps >= progress->step) {
    double samples_per_step = (double)progress->samples / (double)progress->step;
    out_live->eta_seconds = (double)(progress->steps - progress->step) * samples_per_step / out_live->samples_per_second;
  }
}

bool jobs_get_live(struct jobs *jobs, const char *id, struct job_live *out_live) {
  bool is_running = false;
  pthread_mutex_lock(&jobs->mutex);
  for (struct run *run = jobs->runs; run != NULL && !is_running; run = run->next) {
    if (strcmp(run->row.id, id) != 0) continue;
    read_live(run, out_live);
    is_running = true;
  }
  pthread_mutex_unlock(&jobs->mutex);
  return is_running;
}

static struct jobs_duration get_duration(const struct duration *duration) {
  return (struct jobs_duration){.count = atomic_load(&duration->count),
                                .total_us = atomic_load(&duration->total_us),
                                .longest_us = atomic_load(&duration->longest_us)};
}

void jobs_get_counts(struct jobs *jobs, struct jobs_counts *out_counts) {
  *out_counts = (struct jobs_counts){.steps_total = atomic_load(&jobs->steps_total),
                                     .checkpoints_total = atomic_load(&jobs->checkpoints_total),
                                     .commits_total = atomic_load(&jobs->commits_total),
                                     .pauses = get_duration(&jobs->pauses),
                                     .starts = get_duration(&jobs->starts)};
  pthread_mutex_lock(&jobs->mutex);
  for (const struct run *run = jobs->runs; run != NULL; run = run->next) out_counts->running++;
  out_counts->memory_bytes = jobs->memory_bytes;
  pthread_mutex_unlock(&jobs->mutex);
}
