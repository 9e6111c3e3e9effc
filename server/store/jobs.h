/* Tables jobs, events: training jobs and their durable log. All that changes a job after its creation is a struct job_update, and
 * several updates are one transaction: so a checkpoint, the metrics up to it and the progress are on disk together or not at all. */
#ifndef SERVER_STORE_JOBS_H
#define SERVER_STORE_JOBS_H

#include "server/store/models.h"
#include "server/store/store.h"

/* Stored as numbers: new ones go to the end. */
enum job_state {
  JOB_QUEUED,
  JOB_RUNNING,
  JOB_PAUSING,
  JOB_PAUSED,
  JOB_CANCELLING,
  JOB_CANCELLED,
  JOB_SUCCEEDED,
  JOB_FAILED,
  JOB_STATE_COUNT
};
extern const char *const job_state_names[JOB_STATE_COUNT];
#define JOB_STATES_UNFINISHED ((1u << JOB_QUEUED) | (1u << JOB_RUNNING) | (1u << JOB_PAUSING) | (1u << JOB_PAUSED) | (1u << JOB_CANCELLING))

struct job_progress {
  uint64_t epoch, epochs, step, steps;
  uint64_t samples;    /* samples trained on so far */
  int64_t training_ms; /* time spent training, over all sittings */
};

struct job_row {
  char id[STORE_ID_BYTES];
  char name[LIMIT_NAME_BYTES + 1];
  enum job_state state;
  char stop_reason[16];                                             /* "" while unfinished */
  int64_t priority;                                                 /* 0 … 100, higher first */
  char *spec_json;                                                  /* resolved job spec */
  char *network_json;                                               /* resolved network spec, frozen at submission */
  char *start_json;                                                 /* which layers start with a model's weights; NULL: none */
  char dataset_id[STORE_ID_BYTES], test_dataset_id[STORE_ID_BYTES]; /* "" if none */
  uint64_t memory_bytes;                                            /* computed need */
  struct job_progress progress;
  char *latest_json, *best_json, *test_json, *error_json; /* objects, or NULL */
  char *diagnosis_json;                                   /* array, or NULL */
  char kernels[64];
  char precision[16];                          /* really computed in; "" until it has started */
  char weights_sha256[STORE_SHA256_HEX_BYTES]; /* "" until there are final weights */
  char model_id[STORE_ID_BYTES];               /* "" until there is a model */
  int64_t checkpoint_blob;                     /* 0: none */
  size_t position_bytes;
  void *position;                              /* the trainer's position that goes with the blob */
  uint64_t last_event;                         /* highest event seq */
  uint64_t last_metrics_step;                  /* highest step among metrics events */
  int64_t created_ms, started_ms, finished_ms; /* 0: not yet */
};
void job_row_deinit(struct job_row *row);

/* Stored as numbers as well. */
enum event_kind { EVENT_METRICS, EVENT_STATE, EVENT_LOG, EVENT_END, EVENT_DIAGNOSIS };
extern const char *const event_kind_names[5];

struct event_row {
  uint64_t seq; /* 1, 2, … within the job; assigned by the store */
  enum event_kind kind;
  uint64_t step, epoch; /* metrics, diagnosis: where; else 0 */
  int64_t at_ms;
  char *data; /* JSON (metrics, state, end, diagnosis) or text (log) */
};
void event_row_deinit(struct event_row *row);

/* A change of one job. Parts that are NULL or 0 leave things as they are. */
struct job_update {
  const char *job_id;
  unsigned expected_states; /* bit mask; 0: any. ERROR_CONFLICT if the job's state is not in it */
  bool sets_state;
  enum job_state state;
  const char *stop_reason;
  const int64_t *priority;
  const char *name;
  const struct job_progress *progress;
  const char *latest_json, *best_json, *test_json, *error_json, *diagnosis_json;
  const char *kernels, *precision, *weights_sha256;
  const int64_t *checkpoint_blob; /* becomes current, the one before is deleted; 0 drops the checkpoint */
  const void *position;
  size_t position_bytes;
  struct model_row *model; /* inserted, and the job's model_id set; its weights_blob is adopted. Its name,
                                        the job's if empty, is made unique; id, name, job_id, created_ms are filled in */
  size_t event_count;
  struct event_row *events;        /* appended; seq is filled in. A metrics or diagnosis event whose step ≤ last_metrics_step is skipped
                                        (seq 0; a diagnosis event stands before the metrics of its step, in the same update):
                                        a resumed run repeats what was stored after its checkpoint */
  int64_t started_ms, finished_ms; /* 0: unchanged */
};

/* All or none. On ERROR_CONFLICT of one update nothing is written. */
__attribute__((warn_unused_result)) enum error_code jobs_commit(struct store *store, const struct job_update *updates, size_t update_count,
                                                                struct error *error);

/* Inserts a queued job and its first event (kind state). Fills id, name if empty, created_ms.
 * ERROR_NOT_FOUND if one of its datasets is gone. */
__attribute__((warn_unused_result)) enum error_code jobs_insert(struct store *store, struct job_row *row, const char *event_data,
                                                                struct error *error);
__attribute__((warn_unused_result)) enum error_code jobs_get(struct store *store, const char *id_or_name, struct job_row *out_row,
                                                             struct error *error);
/* `states`: bit mask, 0 = all. Without position, spec and network texts (NULL). */
__attribute__((warn_unused_result)) enum error_code jobs_list(struct store *store, const struct store_page *page, unsigned states,
                                                              struct job_row **out_rows, size_t *out_count,
                                                              char out_next_cursor[sizeof(((struct store_page *)0)->cursor)],
                                                              struct error *error);
/* Queue order: priority, then age. Ids of queued jobs, first first. Allocated by the callee. */
__attribute__((warn_unused_result)) enum error_code jobs_list_queue(struct store *store, char (**out_ids)[STORE_ID_BYTES],
                                                                    uint64_t **out_memory_bytes, size_t *out_count, struct error *error);
/* 1 for the next to run; 0 if the job is not queued. */
__attribute__((warn_unused_result)) enum error_code jobs_get_queue_position(struct store *store, const char *id, size_t *out_position,
                                                                            struct error *error);
/* Deletes a finished, queued or paused job with events and checkpoint (its model stays). ERROR_CONFLICT otherwise. */
__attribute__((warn_unused_result)) enum error_code jobs_delete(struct store *store, const char *id_or_name, struct error *error);

/* Events with seq > after, in order, at most `limit`, of the kinds in the mask (0: all). Array allocated by the callee. */
__attribute__((warn_unused_result)) enum error_code events_list(struct store *store, const char *job_id, uint64_t after, unsigned kinds,
                                                                size_t limit, struct event_row **out_events, size_t *out_count,
                                                                struct error *error);
void events_free(struct event_row *events, size_t count);

/* Counts by state, for /metrics and /v1. */
__attribute__((warn_unused_result)) enum error_code jobs_count(struct store *store, uint64_t out_counts[JOB_STATE_COUNT],
                                                               struct error *error);

#endif
