/* The models in use, ready to predict: parsed, compiled, weights in memory. Least recently used ones make room for others.
 *
 * A model that was taken stays valid until it is given back, even if it was deleted or pushed out meanwhile; it is read-only and may
 * be used by any number of threads at once, each with a workspace of its own.
 * Threads: every function may be called from any thread.
 */
#ifndef SERVER_API_MODEL_CACHE_H
#define SERVER_API_MODEL_CACHE_H

#include "engine/network.h"
#include "server/data/preprocessor.h"
#include "server/jobs/job_spec.h"
#include "server/store/models.h"

enum { MODEL_CACHE_BYTES_MAX = 256 << 20 }; /* weights held at once; a single larger model is held while it is in use */

/* Room for rows of several requests that are computed together; only the thread that gathers them (gather.c) touches it. */
struct model_batch {
  size_t row_max;   /* 0: a row is too much work to be computed between two rounds of http */
  size_t row_count; /* so far */
  struct workspace *workspace;
  float *x;          /* [row_max, input_width] */
  float *outputs;    /* [row_max, output_width] */
  uint32_t *lengths; /* [row_max] real steps of each output; NULL: all are */
};

struct model {
  struct model_row row; /* with all its texts */
  struct network_spec spec;
  struct network *network;
  struct preprocessor preprocessor;
  struct job_spec job_spec;    /* how it was trained: its loss */
  float *parameters, *buffers; /* one block; buffers behind parameters */
  struct model_batch batch;
  size_t bytes;
  /* the cache's own */
  size_t user_count;
  bool is_cached;
  struct model *next; /* most recently used first */
};

struct model_cache;
__attribute__((warn_unused_result)) enum error_code model_cache_create(struct store *store, struct model_cache **out_cache,
                                                                       struct error *error);
/* No model may be taken any more. */
void model_cache_destroy(struct model_cache *cache);

/* Loads the model unless it is there. Give it back with model_cache_return. */
__attribute__((warn_unused_result)) enum error_code model_cache_take(struct model_cache *cache, const char *id_or_name,
                                                                     struct model **out_model, struct error *error);
/* The same, but only if it is there already: reads nothing, waits for nobody. Else NULL. */
struct model *model_cache_take_cached(struct model_cache *cache, const char *id_or_name);
void model_cache_return(struct model_cache *cache, struct model *model);
/* Forgets a deleted model. */
void model_cache_forget(struct model_cache *cache, const char *id);
/* Bytes held, for /metrics. */
size_t model_cache_get_bytes(struct model_cache *cache);

#endif
