/* The translator that main lends to jobs: job specs, reports, preprocessors and metrics as JSON texts. */
#ifndef SERVER_CODEC_JOB_TRANSLATOR_H
#define SERVER_CODEC_JOB_TRANSLATOR_H

#include <jansson.h>

#include "server/codec/json_text.h"
#include "server/jobs/jobs.h"

extern const struct job_translator job_translator;

/* JSON with every metric that applies, as encode_metrics. New reference. */
__attribute__((warn_unused_result)) enum error_code metrics_to_json(const struct metric_input *input, double loss,
                                                                    const struct preprocessor *preprocessor, json_t **out_json,
                                                                    struct error *error);

#endif
