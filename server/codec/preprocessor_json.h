/* JSON ⇄ the fitted preprocessor that is stored with a model. */
#ifndef SERVER_CODEC_PREPROCESSOR_JSON_H
#define SERVER_CODEC_PREPROCESSOR_JSON_H

#include <jansson.h>

#include "server/data/preprocessor.h"

json_t *preprocessor_to_json(const struct preprocessor *preprocessor);
__attribute__((warn_unused_result)) enum error_code preprocessor_from_json(const json_t *json, struct preprocessor *out_preprocessor,
                                                                           struct error *error);

#endif
