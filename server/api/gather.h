/* Predictions that arrive together: api_gather and api_answer_gathered (api.h). Private to server/api. */
#ifndef SERVER_API_GATHER_H
#define SERVER_API_GATHER_H

#include "engine/error.h"

struct gathering;
__attribute__((warn_unused_result)) enum error_code gathering_create(struct gathering **out_gathering, struct error *error);
void gathering_destroy(struct gathering *gathering);

#endif
