/* JSON ⇄ job specs, and jobs as their clients see them. */
#ifndef SERVER_CODEC_JOB_JSON_H
#define SERVER_CODEC_JOB_JSON_H

#include <jansson.h>

#include "server/jobs/jobs.h"

/* On error *out_spec is as far filled as could be read; free it with job_spec_deinit whatever the outcome. */
__attribute__((warn_unused_result)) enum error_code job_spec_from_json(const json_t *json, struct job_spec *out_spec, struct error *error);
json_t *job_spec_to_json(const struct job_spec *spec);

/* A job's row, and what only the running server knows of it. */
struct job_view {
  const struct job_row *row;
  const struct job_live *live; /* NULL: not running */
  size_t queue_position;       /* 0: not queued */
};

/* DESIGN.md's job as JSON text. Rows of lists have no spec and network texts; then those keys are left out. malloc'd; NULL if memory is
 * short. */
char *job_write(const struct job_view *view);

#endif
