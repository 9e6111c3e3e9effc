/* Idempotency-Key: a POST that is sent again with the same key and body gets its first answer again, and creates nothing.
 *
 * The rows that a POST inserts and the record of its answer are one transaction: after a crash either both are there or neither.
 */
#ifndef SERVER_API_ONCE_H
#define SERVER_API_ONCE_H

#include "server/api/context.h"

/* What a repetition is recognized by: the query and the body (or, for an upload, its SHA-256). */
struct once {
  bool has_key;
  char key[STORE_ID_BYTES + IDEMPOTENCY_KEY_BYTES_MAX + 160];
  char fingerprint[STORE_SHA256_HEX_BYTES];
};

/* ERROR_MALFORMED if the key can't be one. `content_sha256`: of a streamed body; NULL: the request's own body. */
__attribute__((warn_unused_result)) enum error_code once_init(struct once *once, const struct request *request, const char *content_sha256,
                                                              struct error *error);

/* If this is a repetition, answers it and sets *out_is_answered. ERROR_INVALID if the key came with another body. */
__attribute__((warn_unused_result)) enum error_code once_replay(struct api *api, const struct once *once, struct response *response,
                                                                bool *out_is_answered, struct error *error);

/* Runs `write`, which inserts rows and leaves its answer in `response`, and records the answer, all in one transaction; or replays. */
typedef enum error_code once_write(void *context, struct response *response, struct error *error);
__attribute__((warn_unused_result)) enum error_code once_run(struct api *api, const struct once *once, once_write *write, void *context,
                                                             struct response *response, struct error *error);

/* Records the answer of a POST that has a transaction of its own, within that. */
__attribute__((warn_unused_result)) enum error_code once_record(struct api *api, const struct once *once, struct response *response,
                                                                struct error *error);

#endif
