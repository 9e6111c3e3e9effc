/* What the files of jobs/ share: struct jobs, and struct run, one job on one thread. Private to jobs/.
 *
 * Files: jobs.c (life, recovery, getters) · arrows.c (submit, pause, resume, cancel) · queue.c (which job is next, memory, threads) ·
 * worker.c (a run from start to end) · keeper.c (its checkpoints, behind its back) · prepare.c (data, network, trainer) · start_weights.c
 * (a model's) · finish.c (test part, model, last transaction) · committer.c (events and checkpoints to the store) · hub.c (who waits for
 * news) · team.c (threads of a step) · measure.c (memory) · threads.c.
 *
 * Locks, in the order they may be taken: take_mutex, committer.commit_mutex, (the store's), jobs.mutex, then any one of the leaves:
 * outbox.mutex, committer.mutex, hub.mutex. Neither jobs.mutex nor a leaf is held over a call of the store.
 */
#ifndef SERVER_JOBS_RUN_H
#define SERVER_JOBS_RUN_H

#include <pthread.h>
#include <stdatomic.h>

#include "server/data/output_units.h"
#include "server/data/read_ahead.h"
#include "server/jobs/jobs.h"
#include "server/jobs/team.h"
#include "server/jobs/threads.h"

enum {
  COMMIT_INTERVAL_MS = 200, /* between commits of metrics; with the commit itself within the 250 ms we promise */
  CHECKPOINT_INTERVAL_MS = 2000,
  CHECKPOINT_SHARE = 10,     /* writing checkpoints takes at most a tenth of the time */
  RETRY_MS = 1000,           /* after the store failed */
  OUTBOX_EVENTS_MAX = 16384, /* uncommitted events of one job; then it waits for the disk */
  OUTBOX_BYTES_MAX = 8 << 20,
  DIAGNOSIS_INTERVAL_MS = 250, /* between looks at findings that have no news but newer numbers */
  MARK_INTERVAL_MS = 250,
  MARK_COUNT = 16 /* speed is measured over the last MARK_COUNT · MARK_INTERVAL_MS */
};

enum run_request { RUN_GO_ON, RUN_PAUSE, RUN_CANCEL };

/* Events and progress of a run on their way to the store. */
struct outbox {
  pthread_mutex_t mutex;
  pthread_cond_t drained;
  size_t count, capacity, bytes;
  struct event_row *events;                       /* not yet taken by a commit */
  char *latest_json, *best_json, *diagnosis_json; /* current values; NULL: none */
  const char *precision;                          /* static; NULL until it is known */
  bool has_progress;                              /* something changed since the last commit */
  struct job_progress progress;
  struct {
    int64_t at_ms;
    uint64_t samples;
  } marks[MARK_COUNT];
  size_t mark_count; /* so far; the newest is (mark_count − 1) % MARK_COUNT */
};

/* What one thread holds to write a run's checkpoints while it trains. */
struct keeper {
  pthread_t thread;
  bool is_started;
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  bool has_work, is_stopping; /* guarded by mutex */
  atomic_bool is_free;        /* block and position may be written to by the worker; else they are the thread's */
  struct train_position position;
  size_t block_count;
  float *block;
  /* The copying under way. */
  const float *source; /* the trainer's block */
  size_t first, piece_count;
  _Atomic size_t claimed_count, copied_count; /* pieces */
};

/* How long something took, over all times that it happened. */
struct duration {
  _Atomic uint64_t count, total_us, longest_us;
};

struct run {
  struct run *next; /* in jobs.runs */
  struct jobs *jobs;
  struct job_row row;       /* as it was when the run began */
  _Atomic int request;      /* enum run_request */
  size_t thread_max;        /* guarded by jobs.mutex, as is team, for whoever is not the worker */
  struct team *team;        /* NULL: one thread */
  atomic_bool is_trained;   /* the trainer holds weights of at least one step */
  atomic_bool lacks_memory; /* an event could not be kept: the job can't go on */

  struct job_spec spec;
  struct network_spec network_spec;
  struct dataset_row dataset, test_dataset;
  bool has_spec, has_network_spec, has_plan, has_prepared;
  struct data_plan plan;
  struct prepared prepared;
  struct read_ahead read_ahead; /* in them, if they are mapped */
  struct network *network;
  struct trainer *trainer;
  struct output_units units;
  const char **input_names; /* of each float of an input row, the feature's, or of each label; both borrowed from the preprocessor */
  const char **label_names;

  uint64_t steps_per_epoch;
  int64_t sitting_start_ms; /* monotonic; 0 before training */
  _Atomic int64_t next_checkpoint_ms;
  struct keeper keeper;
  int64_t taken_us; /* when a worker took it (monotonic); 0 once a step was done */
  int64_t pause_us; /* for which training has waited for the checkpoint under way */
  bool has_reported, has_warned_of_disk;
  int64_t diagnosed_ms;            /* monotonic: when diagnosis_json was made */
  _Atomic int64_t checkpoint_blob; /* current one; 0: none */
  double best_monitored;           /* NAN: none yet */
  bool has_epoch_values;

  struct outbox outbox;
  size_t in_flight_count;      /* guarded by committer.commit_mutex */
  struct event_row *in_flight; /* taken from the outbox, not yet stored */
};

struct committer {
  pthread_t thread;
  bool is_started;
  pthread_mutex_t commit_mutex; /* one commit at a time, and no run disappears during one */
  pthread_mutex_t mutex;
  pthread_cond_t wake;
  int64_t due_ms; /* when to commit next; INT64_MAX: nothing to commit */
  bool stopping;
};

struct hub {
  pthread_mutex_t mutex;
  struct job_subscription *subscriptions;
};

struct worker {
  struct jobs *jobs;
  bool is_closer; /* makes models of waiting jobs that were cancelled, and nothing else */
  pthread_t thread;
};

struct jobs {
  struct store *store;
  const struct job_translator *translator;
  size_t worker_count, thread_limit;
  uint64_t budget_bytes;
  int64_t checkpoint_interval_ms;

  pthread_mutex_t take_mutex; /* one worker at a time looks for work */
  pthread_mutex_t mutex;      /* the six below */
  pthread_cond_t wake;
  uint64_t generation; /* counts what could let a waiting worker start */
  struct run *runs;
  uint64_t memory_bytes; /* of runs */
  size_t closing_count, closing_capacity;
  char (*closing)[STORE_ID_BYTES]; /* cancelled while waiting, with a checkpoint */

  atomic_bool stopping;
  bool has_stopped;
  struct worker *workers; /* worker_count, and the closer */
  size_t started_count;
  struct committer committer;
  struct hub hub;
  _Atomic uint64_t steps_total, checkpoints_total, commits_total;
  struct duration pauses, starts;
};

/* queue.c */
/* Waits for a job that may start and begins it: registered, its memory reserved, `running` in the store. NULL: the pool stops. */
struct run *queue_take(struct jobs *jobs, bool is_closer);
/* Takes a run out of the list, returns its memory and threads, wakes who waits for them. */
void queue_release(struct run *run);
/* Shares threads among the runs anew. Called with jobs.mutex held. */
void queue_share_threads(struct jobs *jobs);
/* Hands a cancelled job to the closer. False: no memory. */
bool queue_close(struct jobs *jobs, const char *id);

/* worker.c */
void *worker_main(void *context);
/* Is the run to stop where it stands? */
bool run_is_interrupted(void *context);
/* Samples that so many steps train on. */
uint64_t run_count_samples(const struct run *run, uint64_t step);
void run_destroy(struct run *run);
/* What the doctor says now, for the job's next commit. */
void run_set_diagnosis(struct run *run);
/* Writes a checkpoint and says when the next is due; that it can't be written (the disk is full) is no reason to stop training. */
void run_write_checkpoint(struct run *run, const struct train_snapshot *snapshot);

void duration_add(struct duration *duration, int64_t us);

/* keeper.c */
/* Without memory or a thread for it, there is none, and the worker writes by itself. */
void keeper_start(struct run *run);
/* It has a checkpoint to write, or isn't ready for the first. */
bool keeper_is_busy(struct run *run);
/* Begins to copy a snapshot, to be written soon. Only while it is started and not busy. */
void keeper_take(struct run *run, const struct train_snapshot *snapshot);
/* Helps with the copying and waits for its end: then what was taken may be written to. */
void keeper_settle(struct run *run);
/* Waits until what was taken is written, and ends the thread. Fine if there is none. */
void keeper_stop(struct run *run);

/* prepare.c: everything that a run needs before its first step. ERROR_CONFLICT: interrupted. */
__attribute__((warn_unused_result)) enum error_code run_prepare(struct run *run, struct error *error);
/* Checkpoint into the trainer. */
__attribute__((warn_unused_result)) enum error_code run_restore(struct run *run, struct error *error);

/* start_weights.c: the weights that the first step begins with, where a model's are asked for. */
__attribute__((warn_unused_result)) enum error_code run_take_start_weights(struct run *run, struct error *error);

/* finish.c */
enum ending { ENDING_SUCCEEDED, ENDING_EARLY_STOPPED, ENDING_DIVERGED, ENDING_ERROR, ENDING_PAUSED, ENDING_CANCELLED, ENDING_LEFT };
/* Writes the end of a run, as often as it takes; `error` says why for DIVERGED and ERROR. `line` is a log line, "" for none. */
void run_finish(struct run *run, enum ending ending, const struct error *reason, const char *line);

/* committer.c */
void outbox_init(struct outbox *outbox);
void outbox_deinit(struct outbox *outbox);
/* Takes `data` over (NULL: no memory; then the run is marked so). */
void run_push_event(struct run *run, struct event_row event, bool is_urgent);
/* Several that are stored together or not at all. */
void run_push_events(struct run *run, struct event_row *events, size_t count, bool is_urgent);
__attribute__((format(printf, 2, 3))) void run_log(struct run *run, const char *format, ...);
void committer_init(struct jobs *jobs);
void committer_deinit(struct jobs *jobs);
bool committer_start(struct jobs *jobs);
void committer_stop(struct jobs *jobs);
/* One transaction: the run's events so far and its progress, with `update` (its events come last). Tells the hub. */
__attribute__((warn_unused_result)) enum error_code committer_commit(struct run *run, struct job_update *update, struct error *error);

/* hub.c */
void hub_notify(struct jobs *jobs, const char *job_id);

/* measure.c */
/* Samples per pass of the test part's evaluation. */
enum { EVALUATION_BATCH = 256 };

#endif
