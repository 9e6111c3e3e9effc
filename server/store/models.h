/* Table models: a trained network with all that a prediction needs. */
#ifndef SERVER_STORE_MODELS_H
#define SERVER_STORE_MODELS_H

#include "server/store/store.h"

struct model_row {
  char id[STORE_ID_BYTES];
  char name[LIMIT_NAME_BYTES + 1];
  char job_id[STORE_ID_BYTES]; /* the job may be deleted by now */
  char *network_json;          /* resolved network spec */
  char *preprocessing_json;    /* codec/preprocessor_json.h */
  char *job_spec_json;         /* how it was trained */
  char *metrics_json;          /* {"best": …, "test": …} */
  int64_t weights_blob;        /* parameters then buffers, float32 little-endian */
  uint64_t parameter_count, buffer_count;
  char weights_sha256[STORE_SHA256_HEX_BYTES];
  int64_t created_ms;
};
void model_row_deinit(struct model_row *row);

__attribute__((warn_unused_result)) enum error_code models_get(struct store *store, const char *id_or_name, struct model_row *out_row,
                                                               struct error *error);
__attribute__((warn_unused_result)) enum error_code models_list(struct store *store, const struct store_page *page,
                                                                struct model_row **out_rows, size_t *out_count,
                                                                char out_next_cursor[sizeof(((struct store_page *)0)->cursor)],
                                                                struct error *error);
__attribute__((warn_unused_result)) enum error_code models_delete(struct store *store, const char *id_or_name, struct error *error);

#endif
