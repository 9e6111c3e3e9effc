/* The queue: which job starts next, and whether memory and threads allow it now.
 *
 * Strict order, by priority then age: a job that doesn't fit beside those running waits for them to end, and those behind it wait too, so
 * that a large job is never starved by small ones.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/kernels.h"
#include "server/jobs/run.h"
#include "server/log.h"

enum attempt { ATTEMPT_BEGAN, ATTEMPT_NOTHING, ATTEMPT_AGAIN, ATTEMPT_FAILED };

static size_t count_runs(const struct jobs *jobs) {
  size_t count = 0;
  for (const struct run *run = jobs->runs; run != NULL; run = run->next) count++;
  return count;
}

void queue_share_threads(struct jobs *jobs) {
  size_t waiting = count_runs(jobs);
  size_t spare = jobs->thread_limit > waiting ? jobs->thread_limit - waiting : 0;
  for (struct run *run = jobs->runs; run != NULL; run = run->next, waiting--) {
    size_t share = (spare + waiting - 1) / waiting;
    size_t extra = run->thread_max - 1 < share ? run->thread_max - 1 : share;
    spare -= extra;
    if (run->team != NULL) team_set_limit(run->team, 1 + extra);
  }
}

/* Reserves memory and a thread for the run and registers it. A run alone always gets them; prepare refuses what
 * the budget can never hold. */
static bool reserve(struct run *run, bool is_closer) {
  struct jobs *jobs = run->jobs;
  uint64_t need = run->row.memory_bytes;
  pthread_mutex_lock(&jobs->mutex);
  uint64_t free_bytes = jobs->budget_bytes > jobs->memory_bytes ? jobs->budget_bytes - jobs->memory_bytes : 0;
  bool fits = jobs->runs == NULL || (need <= free_bytes && (is_closer || count_runs(jobs) < jobs->thread_limit));
  if (fits) {
    run->next = jobs->runs;
    jobs->runs = run;
    jobs->memory_bytes += need;
    queue_share_threads(jobs);
  }
  pthread_mutex_unlock(&jobs->mutex);
  return fits;
}

void queue_release(struct run *run) {
  struct jobs *jobs = run->jobs;
  pthread_mutex_lock(&jobs->committer.commit_mutex);
  pthread_mutex_lock(&jobs->mutex);
  struct run **at = &jobs->runs;
  while (*at != run) at = &(*at)->next;
  *at = run->next;
  jobs->memory_bytes -= run->row.memory_bytes;
  queue_share_threads(jobs);
  jobs->generation++;
  pthread_cond_broadcast(&jobs->wake);
  pthread_mutex_unlock(&jobs->mutex);
  pthread_mutex_unlock(&jobs->committer.commit_mutex);
}

static struct run *run_create(struct jobs *jobs, const char *id, enum run_request request, struct error *error) {
  struct run *run = calloc(1, sizeof *run);
  if (run == NULL) {
    (void)error_set(error, ERROR_OUT_OF_MEMORY, "no memory to start job %s", id);
    return NULL;
  }
  outbox_init(&run->outbox);
  run->jobs = jobs;
  run->request = (int)request;
  run->taken_us = clock_now_us();
  run->thread_max = 1;
  if (jobs_get(jobs->store, id, &run->row, error) != ERROR_NONE) {
    run_destroy(run);
    return NULL;
  }
  run->checkpoint_blob = run->row.checkpoint_blob;
  run->outbox.progress = run->row.progress;
  return run;
}

/* queued → running. */
static enum error_code commit_start(struct run *run, struct error *error) {
  struct event_row event = {.kind = EVENT_STATE, .at_ms = store_now_ms(), .data = run->jobs->translator->encode_state(JOB_RUNNING, "", "")};
  if (event.data == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory to start job %s", run->row.id);
  struct job_update update = {.expected_states = 1u << JOB_QUEUED,
                              .sets_state = true,
                              .state = JOB_RUNNING,
                              .kernels = kernels_name(),
                              .events = &event,
                              .event_count = 1,
                              .started_ms = run->row.started_ms == 0 ? event.at_ms : 0};
  enum error_code code = committer_commit(run, &update, error);
  free(event.data);
  return code;
}

static enum attempt begin_queued(struct jobs *jobs, const char *id, struct run **out_run, struct error *error) {
  struct run *run = run_create(jobs, id, RUN_GO_ON, error);
  if (run == NULL) return error->code == ERROR_NOT_FOUND ? ATTEMPT_AGAIN : ATTEMPT_FAILED;
  if (run->row.state != JOB_QUEUED) {
    run_destroy(run);
    return ATTEMPT_AGAIN;
  }
  if (!reserve(run, false)) {
    run_destroy(run);
    return ATTEMPT_NOTHING;
  }
  /* Registered before it is `running` in the store, so that whoever sees that state also finds the run. */
  enum error_code code = commit_start(run, error);
  if (code == ERROR_NONE) {
    *out_run = run;
    return ATTEMPT_BEGAN;
  }
  queue_release(run);
  run_destroy(run);
  return code == ERROR_CONFLICT || code == ERROR_NOT_FOUND ? ATTEMPT_AGAIN : ATTEMPT_FAILED;
}

static enum attempt try_queue(struct jobs *jobs, struct run **out_run, struct error *error) {
  char(*ids)[STORE_ID_BYTES] = NULL;
  uint64_t *memory_bytes = NULL;
  size_t count = 0;
  if (jobs_list_queue(jobs->store, &ids, &memory_bytes, &count, error) != ERROR_NONE) return ATTEMPT_FAILED;
  enum attempt attempt = count == 0 ? ATTEMPT_NOTHING : begin_queued(jobs, ids[0], out_run, error);
  free(ids);
  free(memory_bytes);
  return attempt;
}

static void drop_closing(struct jobs *jobs) {
  pthread_mutex_lock(&jobs->mutex);
  memmove(jobs->closing, jobs->closing + 1, --jobs->closing_count * sizeof *jobs->closing);
  pthread_mutex_unlock(&jobs->mutex);
}

static enum attempt try_closing(struct jobs *jobs, struct run **out_run, struct error *error) {
  char id[STORE_ID_BYTES] = "";
  pthread_mutex_lock(&jobs->mutex);
  if (jobs->closing_count > 0) memcpy(id, jobs->closing[0], sizeof id);
  pthread_mutex_unlock(&jobs->mutex);
  if (id[0] == '\0') return ATTEMPT_NOTHING;
  struct run *run = run_create(jobs, id, RUN_CANCEL, error);
  if (run == NULL && error->code != ERROR_NOT_FOUND) return ATTEMPT_FAILED;
  if (run == NULL || run->row.state != JOB_CANCELLING) {
    run_destroy(run);
    drop_closing(jobs);
    return ATTEMPT_AGAIN;
  }
  if (!reserve(run, true)) {
    run_destroy(run);
    return ATTEMPT_NOTHING;
  }
  drop_closing(jobs);
  *out_run = run;
  return ATTEMPT_BEGAN;
}

static bool make_room(struct jobs *jobs) {
  if (jobs->closing_count < jobs->closing_capacity) return true;
  size_t capacity = jobs->closing_capacity == 0 ? 8 : 2 * jobs->closing_capacity;
  char(*closing)[STORE_ID_BYTES] = realloc(jobs->closing, capacity * sizeof *closing);
  if (closing == NULL) return false;
  jobs->closing = closing;
  jobs->closing_capacity = capacity;
  return true;
}

bool queue_close(struct jobs *jobs, const char *id) {
  pthread_mutex_lock(&jobs->mutex);
  bool has_room = make_room(jobs);
  if (has_room) {
    char *entry = jobs->closing[jobs->closing_count++];
    memset(entry, 0, STORE_ID_BYTES);
    memcpy(entry, id, strnlen(id, STORE_ID_BYTES - 1));
    jobs->generation++;
    pthread_cond_broadcast(&jobs->wake);
  }
  pthread_mutex_unlock(&jobs->mutex);
  return has_room;
}

/* Sleeps until something changed since `generation`, or `wait_ms` (−1: for ever) have passed. */
static void wait_for_change(struct jobs *jobs, uint64_t generation, int64_t wait_ms) {
  int64_t until_ms = clock_now_ms() + wait_ms;
  pthread_mutex_lock(&jobs->mutex);
  while (jobs->generation == generation && !atomic_load(&jobs->stopping)) {
    if (wait_ms < 0) {
      pthread_cond_wait(&jobs->wake, &jobs->mutex);
    } else {
      if (clock_now_ms() >= until_ms) break;
      condition_wait_until(&jobs->wake, &jobs->mutex, until_ms);
    }
  }
  pthread_mutex_unlock(&jobs->mutex);
}

struct run *queue_take(struct jobs *jobs, bool is_closer) {
  bool has_failed = false;
  while (!atomic_load(&jobs->stopping)) {
    pthread_mutex_lock(&jobs->mutex);
    uint64_t generation = jobs->generation;
    pthread_mutex_unlock(&jobs->mutex);
    struct error error = {0};
    struct run *run = NULL;
    pthread_mutex_lock(&jobs->take_mutex);
    enum attempt attempt = is_closer ? try_closing(jobs, &run, &error) : try_queue(jobs, &run, &error);
    pthread_mutex_unlock(&jobs->take_mutex);
    if (attempt == ATTEMPT_BEGAN) return run;
    if (attempt == ATTEMPT_FAILED && !has_failed) log_warn("no job can be started for now: %s", error.detail);
    has_failed = attempt == ATTEMPT_FAILED;
    if (attempt != ATTEMPT_AGAIN) wait_for_change(jobs, generation, has_failed ? RETRY_MS : -1);
  }
  return NULL;
}

void jobs_wake(struct jobs *jobs) {
  pthread_mutex_lock(&jobs->mutex);
  jobs->generation++;
  pthread_cond_broadcast(&jobs->wake);
  pthread_mutex_unlock(&jobs->mutex);
}
