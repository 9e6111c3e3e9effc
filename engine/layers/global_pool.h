/* What global_avg_pool and global_max_pool share: channels of images [channels, …] are the first axis, features of sequences [time,
 * features] the last. An input is seen as [samples · outer, count, inner], of which `count` values become one.
 */
#ifndef ENGINE_LAYERS_GLOBAL_POOL_H
#define ENGINE_LAYERS_GLOBAL_POOL_H

#include "engine/layer.h"

struct global_pool {
  struct layer_common common;
};
extern const struct param global_pool_params[2];

struct global_view {
  size_t outer, count, inner; /* of one sample */
};

static inline struct global_view global_pool_view(const struct layer *layer) {
  const struct shape *in = &layer->in[0];
  if (in->rank == 2) return (struct global_view){.outer = 1, .count = in->sizes[0], .inner = in->sizes[1]};
  return (struct global_view){.outer = in->sizes[0], .count = shape_size(in) / in->sizes[0], .inner = 1};
}

/* How many of a row's values are real; a row is a sample's sequence, or one channel of its image. */
static inline size_t global_pool_count(const struct global_view *view, const uint32_t *lengths, size_t row) {
  return lengths == NULL ? view->count : lengths[row];
}

__attribute__((warn_unused_result)) enum error_code global_pool_compile(struct layer *layer, struct error *error);

#endif
