/* A scene for tests of jobs: a temporary data directory with a store, a dataset, a pool, and jobs submitted as the API submits them. */
#ifndef TESTS_SUPPORT_JOB_SCENE_H
#define TESTS_SUPPORT_JOB_SCENE_H

#include "server/jobs/jobs.h"

struct job_scene {
  char data_dir[64];
  struct store *store;
  struct jobs *jobs;
  char dataset_id[STORE_ID_BYTES];
};

/* A new directory, a store, and a dataset "points": row_count rows of four numbers x1 … x4, a class "side" (left, right) and a number
 * "height". No pool yet. */
void job_scene_create(struct job_scene *scene, size_t row_count);
/* Closes pool and store, removes the directory. */
void job_scene_destroy(struct job_scene *scene);

/* Jobs submitted from here on are for this dataset. */
void job_scene_import(struct job_scene *scene, const char *csv);
/* … for one that was imported already. */
void job_scene_use(struct job_scene *scene, struct dataset_row *row);

/* The pool, or another one after job_scene_stop. */
void job_scene_start(struct job_scene *scene, const struct jobs_options *options);
void job_scene_stop(struct job_scene *scene);
/* Closes pool and store, as a process does at its end; job_scene_open opens the store again. */
void job_scene_close(struct job_scene *scene);
void job_scene_open(struct job_scene *scene);

struct scene_job {
  const char *network;   /* JSON; NULL: a dense layer of 8 with tanh, then "auto" */
  const char *target;    /* NULL: "side"; "": none, the features are given back */
  const char *features;  /* in quotes, with commas; NULL: x1 … x4 */
  const char *extra;     /* further members of the job spec, each followed by a comma: "\"epochs\": 3," */
  uint64_t memory_bytes; /* 0: as measured */
  int64_t priority;      /* 0: 50 */
};
void job_scene_submit(struct job_scene *scene, const struct scene_job *job, char out_id[STORE_ID_BYTES]);

/* Waits (for minutes, if need be) until the job is in one of the states; fails the test if it doesn't come. */
void job_scene_wait(struct job_scene *scene, const char *id, unsigned states, struct job_row *out_row);
/* Waits until it has so many metrics events. */
void job_scene_wait_for_metrics(struct job_scene *scene, const char *id, size_t count);

/* Steps of all metrics events, in order of their sequence; checks that sequence numbers go up. malloc'd. */
uint64_t *job_scene_list_steps(struct job_scene *scene, const char *id, size_t *out_count);
/* Does a log line contain `text`? */
bool job_scene_has_log(struct job_scene *scene, const char *id, const char *text);

#endif
