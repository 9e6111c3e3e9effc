/* A worker: takes jobs from the queue and runs each from start to end. The engine is called here (and in
 * prepare.c, finish.c), nowhere else.
 *
 *     queue_take ─▶ run_prepare ─▶ trainer_run ─▶ run_finish ─▶ queue_release
 *                                   │  ▲ report → outbox, checkpoint → store, poll ← requests, clock
 */
#include <inttypes.h>
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/jobs/run.h"
#include "server/log.h"
#include "server/store/blobs.h"

bool run_is_interrupted(void *context) {
  struct run *run = context;
  if (atomic_load_explicit(&run->jobs->stopping, memory_order_relaxed)) return true;
  int request = atomic_load_explicit(&run->request, memory_order_relaxed);
  /* A cancelled job whose checkpoint isn't loaded yet goes on until it is: a model is made of it. */
  return request == RUN_PAUSE || (request == RUN_CANCEL && (run->checkpoint_blob == 0 || run->is_trained));
}

void duration_add(struct duration *duration, int64_t us) {
  const uint64_t added_us = us > 0 ? (uint64_t)us : 0;
  atomic_fetch_add(&duration->count, 1);
  atomic_fetch_add(&duration->total_us, added_us);
  uint64_t longest_us = atomic_load(&duration->longest_us);
  while (added_us > longest_us && !atomic_compare_exchange_weak(&duration->longest_us, &longest_us, added_us)) continue;
}

static enum train_request poll_request(void *context) {
  struct run *run = context;
  if (run->taken_us != 0) duration_add(&run->jobs->starts, clock_now_us() - run->taken_us);
  run->taken_us = 0;
  if (run->lacks_memory || run_is_interrupted(run)) return TRAIN_STOP;
  return clock_now_ms() >= run->next_checkpoint_ms && !keeper_is_busy(run) ? TRAIN_CHECKPOINT : TRAIN_CONTINUE;
}

uint64_t run_count_samples(const struct run *run, uint64_t step) {
  uint64_t row_count = run->prepared.data.train.count;
  if (run->steps_per_epoch == 0) return 0;
  uint64_t in_epoch = (step % run->steps_per_epoch) * (uint64_t)run->spec.train.batch_size * (uint64_t)run->spec.train.accumulate_steps;
  return step / run->steps_per_epoch * row_count + (in_epoch < row_count ? in_epoch : row_count);
}

static void add_mark(struct outbox *outbox, int64_t now_ms, uint64_t samples) {
  size_t newest = (outbox->mark_count + MARK_COUNT - 1) % MARK_COUNT;
  if (outbox->mark_count > 1 && now_ms - outbox->marks[newest].at_ms < MARK_INTERVAL_MS) return;
  outbox->marks[outbox->mark_count % MARK_COUNT].at_ms = now_ms;
  outbox->marks[outbox->mark_count % MARK_COUNT].samples = samples;
  outbox->mark_count++;
}

static void set_progress(struct run *run, uint64_t step, uint64_t epoch) {
  struct outbox *outbox = &run->outbox;
  int64_t now_ms = clock_now_ms();
  pthread_mutex_lock(&outbox->mutex);
  struct job_progress *progress = &outbox->progress;
  if (step > progress->step) atomic_fetch_add_explicit(&run->jobs->steps_total, step - progress->step, memory_order_relaxed);
  progress->step = step;
  progress->epoch = epoch;
  progress->samples = run_count_samples(run, step);
  progress->training_ms = run->row.progress.training_ms + now_ms - run->sitting_start_ms;
  outbox->has_progress = true;
  add_mark(outbox, now_ms, progress->samples);
  pthread_mutex_unlock(&outbox->mutex);
}

static const struct train_value *find_value(const struct train_report *report, const char *name) {
  for (size_t i = 0; i < report->value_count; i++)
    if (strcmp(report->values[i].name, name) == 0) return &report->values[i];
  return NULL;
}

/* Is this epoch the best so far, by what early stopping monitors, or else by the validation (or training) loss? */
static bool is_best(struct run *run, const struct train_report *report) {
  const struct early_stopping *stopping = &run->spec.train.early_stopping;
  const char *name = stopping->is_enabled ? monitor_names[stopping->monitor] : "validation_loss";
  const struct train_value *value = find_value(report, name);
  if (value == NULL && !stopping->is_enabled) value = find_value(report, "loss");
  if (value == NULL || !isfinite(value->value)) return false;
  double min_delta = stopping->is_enabled ? stopping->min_delta : 0;
  bool wants_higher = strstr(name, "accuracy") != NULL;
  double gain = wants_higher ? value->value - run->best_monitored : run->best_monitored - value->value;
  if (!isnan(run->best_monitored) && !(gain > min_delta)) return false;
  run->best_monitored = value->value;
  return true;
}

static void replace_text(struct run *run, char **text, char *fresh) {
  if (fresh == NULL) {
    run->lacks_memory = true;
    return;
  }
  pthread_mutex_lock(&run->outbox.mutex);
  free(*text);
  *text = fresh;
  pthread_mutex_unlock(&run->outbox.mutex);
}

/* Findings with news become events, to be stored with the metrics of their step. Returns how many. */
static size_t make_diagnosis_events(struct run *run, const struct train_report *report, struct event_row events[DIAGNOSIS_RULES_MAX]) {
  struct diagnosis_finding findings[DIAGNOSIS_RULES_MAX];
  if (report->diagnosis_news == 0) return 0;
  const size_t count = trainer_list_findings(run->trainer, report->diagnosis_news, findings);
  for (size_t i = 0; i < count; i++) {
    events[i] = (struct event_row){
        .kind = EVENT_DIAGNOSIS, .step = report->step, .epoch = report->epoch, .data = run->jobs->translator->encode_finding(&findings[i])};
  }
  return count;
}

void run_set_diagnosis(struct run *run) {
  struct diagnosis_finding findings[DIAGNOSIS_RULES_MAX];
  const size_t count = trainer_list_findings(run->trainer, UINT32_MAX, findings);
  replace_text(run, &run->outbox.diagnosis_json, run->jobs->translator->encode_findings(findings, count));
  run->diagnosed_ms = clock_now_ms();
}

static void take_report(void *context, const struct train_report *report) {
  struct run *run = context;
  const struct job_translator *translator = run->jobs->translator;
  const bool has_values = report->value_count > 0;
  run->is_trained = true;
  set_progress(run, report->step, report->epoch);
  if (report->is_epoch_end) run->has_epoch_values = true;
  if (has_values && (report->is_epoch_end || !run->has_epoch_values)) {
    replace_text(run, &run->outbox.latest_json, translator->encode_values(report->values, report->value_count, report->epoch));
  }
  if (report->is_epoch_end && is_best(run, report)) {
    replace_text(run, &run->outbox.best_json, translator->encode_values(report->values, report->value_count, report->epoch));
  }
  const bool is_due = report->is_epoch_end && clock_now_ms() - run->diagnosed_ms >= DIAGNOSIS_INTERVAL_MS;
  if (report->diagnosis_news != 0 || is_due) run_set_diagnosis(run);
  struct event_row events[DIAGNOSIS_RULES_MAX + 1];
  size_t count = make_diagnosis_events(run, report, events);
  if (has_values)
    events[count++] =
        (struct event_row){.kind = EVENT_METRICS, .step = report->step, .epoch = report->epoch, .data = translator->encode_report(report)};
  run_push_events(run, events, count, !run->has_reported);
  run->has_reported = true;
}

void run_write_checkpoint(struct run *run, const struct train_snapshot *snapshot) {
  struct jobs *jobs = run->jobs;
  int64_t start_ms = clock_now_ms();
  struct error why = {0};
  int64_t blob = 0;
  enum error_code code = blobs_write(jobs->store, snapshot->block, snapshot->block_count * sizeof(float), &blob, &why);
  if (code == ERROR_NONE) {
    struct job_update update = {.checkpoint_blob = &blob, .position = snapshot->position, .position_bytes = sizeof *snapshot->position};
    code = committer_commit(run, &update, &why);
    if (code == ERROR_NONE)
      run->checkpoint_blob = blob;
    else
      blobs_discard(jobs->store, blob);
  }
  if (code == ERROR_NONE) {
    atomic_fetch_add(&jobs->checkpoints_total, 1);
    run->has_warned_of_disk = false;
  } else if (!run->has_warned_of_disk) {
    run_log(run, "a checkpoint could not be written, training goes on and the one before is kept: %s", why.detail);
    run->has_warned_of_disk = true;
  }
  int64_t now_ms = clock_now_ms(), cost_ms = (now_ms - start_ms) * (CHECKPOINT_SHARE - 1);
  run->next_checkpoint_ms = now_ms + (cost_ms > jobs->checkpoint_interval_ms ? cost_ms : jobs->checkpoint_interval_ms);
}

/* A run that is told to stop writes its last checkpoint itself. */
static void save_snapshot(struct run *run, const struct train_snapshot *snapshot) {
  if (run->keeper.is_started && !run->lacks_memory && !run_is_interrupted(run)) {
    if (!keeper_is_busy(run)) keeper_take(run, snapshot);
    return;
  }
  keeper_stop(run);
  if (atomic_load(&run->request) == RUN_CANCEL) return; /* its weights become a model at once */
  run_write_checkpoint(run, snapshot);
}

static enum error_code take_checkpoint(void *context, const struct train_snapshot *snapshot, struct error *error) {
  struct run *run = context;
  (void)error;
  const int64_t start_us = clock_now_us();
  run->is_trained = snapshot->position->step > 0;
  set_progress(run, snapshot->position->step, snapshot->position->epoch);
  save_snapshot(run, snapshot);
  run->pause_us = clock_now_us() - start_us;
  return ERROR_NONE;
}

/* Training goes on: its pause was the taking of the checkpoint and what of the copying was left to wait for. */
static void settle_checkpoint(void *context) {
  struct run *run = context;
  const int64_t start_us = clock_now_us();
  keeper_settle(run);
  duration_add(&run->jobs->pauses, run->pause_us + clock_now_us() - start_us);
}

static enum ending get_interruption(const struct run *run) {
  int request = atomic_load(&run->request);
  if (request == RUN_CANCEL) return ENDING_CANCELLED;
  return request == RUN_PAUSE ? ENDING_PAUSED : ENDING_LEFT;
}

/* That the model is not what the last epoch made, if so it is. */
static void tell_kept(const struct run *run, const struct train_result *result, char line[], size_t line_bytes) {
  if (!train_keeps_best(&run->spec.train) || result->best_epoch == 0 || result->best_epoch == result->epoch) return;
  snprintf(line, line_bytes, "the model has the weights of epoch %" PRIu64 ", the best of %" PRIu64, result->best_epoch, result->epoch);
}

/* Trains to the end or to an interruption. Fills `line` with what the job's log should say of it. */
static enum ending train(struct run *run, char line[], size_t line_bytes, struct error *error) {
  run->sitting_start_ms = clock_now_ms();
  run->next_checkpoint_ms = run->sitting_start_ms + run->jobs->checkpoint_interval_ms;
  pthread_mutex_lock(&run->outbox.mutex);
  add_mark(&run->outbox, run->sitting_start_ms, run_count_samples(run, run->outbox.progress.step));
  pthread_mutex_unlock(&run->outbox.mutex);
  struct train_sink sink = {
      .context = run, .report = take_report, .checkpoint = take_checkpoint, .poll = poll_request, .settle = settle_checkpoint};
  struct train_result result = {0};
  keeper_start(run);
  enum error_code code = trainer_run(run->trainer, &sink, &result, error);
  keeper_stop(run);
  if (code != ERROR_NONE) return ENDING_ERROR;
  if (result.step > 0) run->is_trained = true;
  set_progress(run, result.step, result.epoch);
  run_set_diagnosis(run);
  if (run->lacks_memory) {
    (void)error_set(error, ERROR_OUT_OF_MEMORY, "no memory to keep the job's metrics");
    return ENDING_ERROR;
  }
  switch (result.outcome) {
  case TRAIN_COMPLETED:
    snprintf(line, line_bytes, "%s", result.detail);
    if (result.detail[0] == '\0') tell_kept(run, &result, line, line_bytes);
    return ENDING_SUCCEEDED;
  case TRAIN_EARLY_STOPPED:
    snprintf(line, line_bytes, "early stopping at epoch %" PRIu64 ", the best was epoch %" PRIu64, result.epoch, result.best_epoch);
    return ENDING_EARLY_STOPPED;
  case TRAIN_DIVERGED:
    snprintf(line, line_bytes, "diverged: %s", result.detail);
    (void)error_set(error, ERROR_DIVERGED, "%s", result.detail);
    return ENDING_DIVERGED;
  case TRAIN_STOPPED: break;
  }
  return get_interruption(run);
}

static void work(struct run *run) {
  struct error error = {0};
  char line[ERROR_DETAIL_BYTES + sizeof "diverged: "] = "";
  enum ending ending = ENDING_ERROR;
  enum error_code code = run_prepare(run, &error);
  if (code == ERROR_NONE)
    ending = run_is_interrupted(run) ? get_interruption(run) : train(run, line, sizeof line, &error);
  else if (code == ERROR_CONFLICT && run_is_interrupted(run))
    ending = get_interruption(run);
  if (code == ERROR_OVER_BUDGET) { /* it was admitted by an earlier process, with more memory */
    ending = ENDING_PAUSED;
    snprintf(line, sizeof line, "paused: %s", error.detail);
  }
  run_finish(run, ending, &error, line);
}

/* What takes memory; the run itself stays registered until that is given back. */
static void free_training(struct run *run) {
  trainer_destroy(run->trainer);
  network_destroy(run->network);
  if (run->has_prepared) prepared_deinit(&run->prepared);
  if (run->has_plan) data_plan_deinit(&run->plan);
  if (run->has_network_spec) network_spec_deinit(&run->network_spec);
  if (run->has_spec) job_spec_deinit(&run->spec);
  dataset_row_deinit(&run->dataset);
  dataset_row_deinit(&run->test_dataset);
  output_units_deinit(&run->units);
  free(run->input_names);
  free(run->label_names);
  run->input_names = run->label_names = NULL;
  pthread_mutex_lock(&run->jobs->mutex);
  struct team *team = run->team;
  run->team = NULL;
  pthread_mutex_unlock(&run->jobs->mutex);
  team_destroy(team);
}

void run_destroy(struct run *run) {
  if (run == NULL) return;
  for (size_t i = 0; i < run->in_flight_count; i++) event_row_deinit(&run->in_flight[i]);
  free(run->in_flight);
  outbox_deinit(&run->outbox);
  job_row_deinit(&run->row);
  free(run);
}

void *worker_main(void *context) {
  struct worker *worker = context;
  thread_lower_priority();
  for (struct run *run; (run = queue_take(worker->jobs, worker->is_closer)) != NULL;) {
    work(run);
    free_training(run);
    malloc_trim(0); /* the matrices go back to the system before others are let in */
    queue_release(run);
    run_destroy(run);
  }
  return NULL;
}
