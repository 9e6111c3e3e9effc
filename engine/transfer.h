/* Transfer: starting a network with the weights of another, layer by layer. A layer takes those of the layer that has its name, if type,
 * tensors and shapes are the same; a layer whose name the other network doesn't have is new and keeps its own start weights. */
#ifndef ENGINE_TRANSFER_H
#define ENGINE_TRANSFER_H

#include "engine/network.h"

enum transfer_fate {
  TRANSFER_NOTHING, /* the layer has no tensors and no buffers */
  TRANSFER_TAKEN,
  TRANSFER_NEW,
  TRANSFER_MISFIT /* the other network has a layer of that name that differs */
};

/* What becomes of layer `index` of `to`; *out_source: the layer of `from` with its name, unless it is new. */
enum transfer_fate transfer_judge(const struct network *from, const struct network *to, size_t index, size_t *out_source);

/* Adds an error at `pointer` for each layer that doesn't fit, saying both shapes; and one if no layer is taken at all. */
__attribute__((warn_unused_result)) enum error_code transfer_check(const struct network *from, const struct network *to,
                                                                   const char *pointer, struct error *error);

/* Where the weights of `from` come from: `count` of its parameters (or buffers) from `offset` on. */
struct transfer_source {
  void *context;
  enum error_code (*read)(void *context, bool is_buffer, size_t offset, size_t count, float *out_values, struct error *error);
};

/* Reads the tensors and buffers of all layers that are taken into `to`'s arrays. Networks that passed transfer_check. */
__attribute__((warn_unused_result)) enum error_code transfer_read(const struct network *from, const struct network *to,
                                                                  const struct transfer_source *source, float *parameters, float *buffers,
                                                                  struct error *error);

#endif
