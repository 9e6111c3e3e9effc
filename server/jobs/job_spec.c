/* The table of a job spec: names of its own, and the tables of data and training at the same level. */
#include "server/jobs/job_spec.h"

enum { THREADS_MAX = 256, PRIORITY_MAX = 100, PRIORITY_DEFAULT = 50 };

const struct param job_params[7] = {
    {.name = "name",
     .type = PARAM_TEXT,
     .offset = offsetof(struct job_spec, name),
     .help = "unique name of the job; one is made up if it is left out"},
    {.name = "network",
     .type = PARAM_TEXT,
     .flags = PARAM_REQUIRED,
     .offset = offsetof(struct job_spec, network),
     .help = "id or name of the network to train"},
    {.name = "init_from",
     .type = PARAM_TEXT,
     .offset = offsetof(struct job_spec, init_from),
     .default_name = "",
     .help = "id or name of a model: layers with the name of one of its layers start with that one's weights"},
    PARAM_INLINE_ROW(struct job_spec, data, data_params),
    PARAM_INLINE_ROW(struct job_spec, train, train_params),
    PARAM_INTEGER_ROW(struct job_spec, threads, 1, THREADS_MAX, 1,
                      "threads that one training step may use; any number gives the same weights, bit for bit"),
    PARAM_INTEGER_ROW(struct job_spec, priority, 0, PRIORITY_MAX, PRIORITY_DEFAULT, "higher runs first; among equals the older job"),
};
const size_t job_param_count = PARAM_COUNT(job_params);

void job_spec_deinit(struct job_spec *spec) { settings_deinit(spec, job_params, job_param_count); }
