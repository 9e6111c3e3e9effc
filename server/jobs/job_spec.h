/* The job spec: what POST /v1/jobs takes. Plain data with one parameter table, built from the tables of data and training. */
#ifndef SERVER_JOBS_JOB_SPEC_H
#define SERVER_JOBS_JOB_SPEC_H

#include "engine/train.h"
#include "server/data/data_settings.h"

struct job_spec {
  char name[LIMIT_NAME_BYTES + 1];
  char network[LIMIT_NAME_BYTES + 1];   /* id or name; required */
  char init_from[LIMIT_NAME_BYTES + 1]; /* "" or id or name of a model; the resolved spec has the id */
  struct data_settings data;
  struct train_settings train;
  int64_t threads;  /* of this job; default 1 */
  int64_t priority; /* 0 … 100, default 50 */
};
extern const struct param job_params[7]; /* name, network, init_from, (data), (train), threads, priority */
extern const size_t job_param_count;
void job_spec_deinit(struct job_spec *spec);

#endif
