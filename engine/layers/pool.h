/* What the four pooling layers share, but for the arithmetic. */
#ifndef ENGINE_LAYERS_POOL_H
#define ENGINE_LAYERS_POOL_H

#include "engine/layers/window.h"

struct pool {
  struct layer_common common;
  struct axis_sizes pool_size, stride, padding, dilation;
  bool ceil_mode, count_include_pad;
  int64_t divisor_override;
};

#define POOL_PARAMS(axis_count_)                                                                                                           \
  PARAM_INLINE_ROW(struct pool, common, layer_name_params),                                                                                \
      PARAM_SIZES_ROW(struct pool, pool_size, axis_count_, 1, LIMIT_WINDOW, 0, "size of the window", .flags = PARAM_REQUIRED),             \
      PARAM_SIZES_ROW(struct pool, stride, axis_count_, 1, LIMIT_WINDOW, 0,                                                                \
                      "distance from one place of the window to the next; null: the window's size", .flags = PARAM_OPTIONAL),              \
      PARAM_SIZES_ROW(struct pool, padding, axis_count_, 0, LIMIT_WINDOW, 0,                                                               \
                      "values made up at each end, at most half the window's size"),                                                       \
      PARAM_BOOLEAN_ROW(struct pool, ceil_mode, false, "whether a last window may reach over the end"),                                    \
      PARAM_INLINE_ROW(struct pool, common, layer_activation_params)

__attribute__((warn_unused_result)) enum error_code pool_compile(struct layer *layer, size_t axis_count, struct error *error);
__attribute__((warn_unused_result)) enum error_code pool_check(const void *settings, const char *pointer, struct error *error);
/* `lengths` as the pass has them. */
struct kernel_pool pool_kernel(const struct layer *layer, size_t batch, const uint32_t *lengths);

void max_pool_forward(const struct layer *layer, const struct pass *pass);
void max_pool_backward(const struct layer *layer, const struct pass *pass);
void max_pool_forward64(const struct layer *layer, const struct pass64 *pass);
void avg_pool_forward(const struct layer *layer, const struct pass *pass);
void avg_pool_backward(const struct layer *layer, const struct pass *pass);
void avg_pool_forward64(const struct layer *layer, const struct pass64 *pass);

#endif
