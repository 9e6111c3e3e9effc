/* Jobs: the durable queue, the worker pool, and the hub (who waits for news of which job).
 *
 * The state machine; every arrow is taken by one jobs_commit with the states it may start from:
 *
 *                       take (worker)              finish (worker)
 *     ──submit──▶ queued ─────────────▶ running ──────────────────▶ succeeded | failed
 *                 │ ▲ ▲                 │  │  ▲ (after kill -9: resumed by the next start)
 *          pause  │ │ │ resume    pause │  │ cancel (also from pausing)
 *                 ▼ │ │                 ▼  ▼
 *               paused◀──stopped── pausing  cancelling ──stopped──▶ cancelled
 *                 └──────────cancel (also from queued)───────────▶ cancelled
 *
 * Three arrows more: a job that ends before it sees the pause goes from pausing to succeeded or failed; a waiting job that was trained
 * before (it has a checkpoint) is cancelled by way of cancelling, because a thread must still make a model of its weights. And a third: a
 * job that fits the memory budget no longer, because the server was started with a smaller one, goes from running to paused.
 *
 * A worker thread runs a job's training by the engine; the engine reports to the worker, the worker hands events to the committer, which
 * writes those of all jobs in one transaction at most 250 ms after they happened and then tells the hub. A checkpoint takes the events
 * before it along. Nothing here knows JSON: main lends a struct job_translator.
 */
#ifndef SERVER_JOBS_JOBS_H
#define SERVER_JOBS_JOBS_H

#include "server/data/prepared.h"
#include "server/jobs/job_spec.h"
#include "server/store/jobs.h"

/* JSON as jobs needs it, implemented by codec/job_translator.c. Returned texts are malloc'd; NULL means out of memory. */
struct job_translator {
  enum error_code (*decode_job_spec)(const char *json, struct job_spec *out_spec, struct error *error);
  enum error_code (*decode_network_spec)(const char *json, struct network_spec *out_spec, struct error *error);
  char *(*encode_report)(const struct train_report *report); /* data of a metrics event: {"step","epoch","values":{…}} */
  char *(*encode_values)(const struct train_value *values, size_t count,
                         uint64_t epoch);                                           /* latest_json, best_json: {"epoch":…, "loss":…} */
  char *(*encode_findings)(const struct diagnosis_finding *findings, size_t count); /* diagnosis_json: an array */
  char *(*encode_finding)(const struct diagnosis_finding *finding);                 /* data of a diagnosis event */
  char *(*encode_state)(enum job_state state, const char *stop_reason, const char *model_id); /* data of state and end events */
  char *(*encode_error)(const struct error *error);
  char *(*encode_preprocessor)(const struct preprocessor *preprocessor);
  char *(*encode_network_spec)(const struct network_spec *spec);
  /* Whole-dataset metrics: every kind of metric_kinds that applies, {"loss":…, "accuracy":…, "confusion_matrix":[[…]] …}. */
  char *(*encode_metrics)(const struct metric_input *input, double loss, const struct preprocessor *preprocessor, struct error *error);
  char *(*encode_model_metrics)(const char *best_json, const char *test_json);
};

struct jobs_options {
  size_t workers;                 /* worker threads; 0: one per core */
  size_t threads;                 /* most threads that all training together uses; 0: cores */
  uint64_t memory_budget_bytes;   /* of all running jobs together; 0: 80 % of RAM */
  int64_t checkpoint_interval_ms; /* 0: default (2 s); tests use short ones */
};

struct jobs;

/* Starts the threads. Jobs that an earlier process left running become queued again, with their checkpoint; pausing → paused,
 * cancelling → cancelled. */
__attribute__((warn_unused_result)) enum error_code jobs_create(struct store *store, const struct job_translator *translator,
                                                                const struct jobs_options *options, struct jobs **out_jobs,
                                                                struct error *error);
/* Checkpoints and stops every running job (it stays `running` in the store and is resumed by the next start), then the threads. All other
 * functions may still be called; a job submitted now waits for the next start. */
void jobs_stop(struct jobs *jobs);
/* jobs_stop, if that wasn't called, and the memory. Every subscription must be gone. */
void jobs_destroy(struct jobs *jobs);

/* Computed need of a job: rows, network, workspace, optimizer. */
__attribute__((warn_unused_result)) enum error_code jobs_measure(const struct job_spec *spec, const struct network *network,
                                                                 const struct data_plan *plan, uint64_t *out_bytes, struct error *error);
/* ERROR_OVER_BUDGET, with both numbers, if the budget can never hold so much. */
__attribute__((warn_unused_result)) enum error_code jobs_admit(const struct jobs *jobs, uint64_t bytes, struct error *error);
uint64_t jobs_get_memory_budget(const struct jobs *jobs);

/* Inserts the row (durable when it returns) and wakes the workers. May be called between store_begin and store_commit; then call
 * jobs_wake after the commit. */
__attribute__((warn_unused_result)) enum error_code jobs_submit(struct jobs *jobs, struct job_row *row, struct error *error);
void jobs_wake(struct jobs *jobs);

/* Arrows of the state machine. ERROR_CONFLICT, naming the state, where there is no such arrow. Durable when they return; a running job
 * stops after its current step. */
__attribute__((warn_unused_result)) enum error_code jobs_pause(struct jobs *jobs, const char *id, struct error *error);
__attribute__((warn_unused_result)) enum error_code jobs_resume(struct jobs *jobs, const char *id, struct error *error);
__attribute__((warn_unused_result)) enum error_code jobs_cancel(struct jobs *jobs, const char *id, struct error *error);
/* The same, with something that becomes durable together with the new state: `write` is called within the transaction that changes it, and
 * its error undoes both. */
struct jobs_witness {
  enum error_code (*write)(void *context, struct error *error);
  void *context;
};
enum jobs_arrow { JOBS_PAUSE, JOBS_RESUME, JOBS_CANCEL };
__attribute__((warn_unused_result)) enum error_code jobs_take_arrow(struct jobs *jobs, enum jobs_arrow arrow, const char *id,
                                                                    const struct jobs_witness *witness, struct error *error);
/* Name and priority (NULL: unchanged); priority matters while the job waits. */
__attribute__((warn_unused_result)) enum error_code jobs_change(struct jobs *jobs, const char *id, const char *name,
                                                                const int64_t *priority, struct error *error);

/* Progress right now, ahead of the store's. False if the job is not running. */
struct job_live {
  struct job_progress progress;
  double samples_per_second;                      /* of the last seconds */
  double eta_seconds;                             /* NAN: unknown */
  char *latest_json, *best_json, *diagnosis_json; /* that belong to this progress; NULL: none, or no memory. Owned: job_live_deinit */
};
void job_live_deinit(struct job_live *live);
bool jobs_get_live(struct jobs *jobs, const char *id, struct job_live *out_live);

/* For /metrics. */
struct jobs_counts {
  uint64_t running, memory_bytes, steps_total, checkpoints_total, commits_total;
  struct jobs_duration {
    uint64_t count, total_us, longest_us;
  } pauses, starts; /* of training for checkpoints; from a worker's taking of a job to its first step done */
};
void jobs_get_counts(struct jobs *jobs, struct jobs_counts *out_counts);

/* The hub. `notify` is called after events of the job were committed, from the committing thread: it must be quick and not call back. */
struct job_subscription;
__attribute__((warn_unused_result)) enum error_code jobs_subscribe(struct jobs *jobs, const char *id, void (*notify)(void *context),
                                                                   void *context, struct job_subscription **out_subscription,
                                                                   struct error *error);
void jobs_unsubscribe(struct jobs *jobs, struct job_subscription *subscription);
/* Wakes a job's subscribers as its events do: when it was deleted, they find that it is gone. */
void jobs_announce(struct jobs *jobs, const char *id);

#endif
