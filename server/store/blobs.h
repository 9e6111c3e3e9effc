/* Tables blobs, blob_pieces: large binary values (checkpoints, weights) in pieces of at most STORE_PIECE_BYTES, each written in its own
 * short transaction, so that no other writer waits long. A blob counts only when a job or model refers to it; store_open sweeps others. */
#ifndef SERVER_STORE_BLOBS_H
#define SERVER_STORE_BLOBS_H

#include "server/store/store.h"

/* Writes all pieces; out_blob is not yet referred to by anything. */
__attribute__((warn_unused_result)) enum error_code blobs_write(struct store *store, const void *bytes, size_t byte_count,
                                                                int64_t *out_blob, struct error *error);
__attribute__((warn_unused_result)) enum error_code blobs_get_size(struct store *store, int64_t blob, size_t *out_bytes,
                                                                   struct error *error);
/* Reads byte_count bytes from offset. */
__attribute__((warn_unused_result)) enum error_code blobs_read(struct store *store, int64_t blob, size_t offset, void *out_bytes,
                                                               size_t byte_count, struct error *error);
/* Forgets a blob that came to nothing. */
void blobs_discard(struct store *store, int64_t blob);

#endif
