/* Table idempotency: first answers to POSTs that carried an Idempotency-Key, kept for a day. */
#ifndef SERVER_STORE_IDEMPOTENCY_H
#define SERVER_STORE_IDEMPOTENCY_H

#include "server/store/store.h"

struct idempotency_row {
  char *key; /* "POST /v1/jobs <key>" */
  char body_sha256[STORE_SHA256_HEX_BYTES];
  int status;
  char *location; /* Location header, or NULL */
  char *body;
};
void idempotency_row_deinit(struct idempotency_row *row);

/* ERROR_NOT_FOUND if the key is new. */
__attribute__((warn_unused_result)) enum error_code idempotency_get(struct store *store, const char *key, struct idempotency_row *out_row,
                                                                    struct error *error);
__attribute__((warn_unused_result)) enum error_code idempotency_insert(struct store *store, const struct idempotency_row *row,
                                                                       struct error *error);

#endif
