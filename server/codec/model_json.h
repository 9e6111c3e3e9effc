/* Models as their clients see them. */
#ifndef SERVER_CODEC_MODEL_JSON_H
#define SERVER_CODEC_MODEL_JSON_H

#include <jansson.h>

#include "server/store/models.h"

/* {"id", "name", "job", "task", "inputs", "outputs", "network", "preprocessing", "job_spec", "metrics", "parameters", "weights_sha256",
 *  "created_at"}; in lists (not whole) without network, preprocessing and job_spec. New reference, or NULL if memory is short. */
json_t *model_to_json(const struct model_row *row, bool is_whole);

#endif
