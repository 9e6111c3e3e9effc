/* What conv2d and conv1d share: settings, and all functions but for the number of axes. */
#ifndef ENGINE_LAYERS_CONV_H
#define ENGINE_LAYERS_CONV_H

#include "engine/layers/window.h"

struct conv {
  struct layer_common common;
  int64_t filters, groups;
  struct axis_sizes kernel_size, stride, padding, dilation;
  int padding_mode; /* enum kernel_padding */
  bool bias;
  struct spec initializer, bias_initializer;
};
extern const char *const conv_padding_modes[5];

#define CONV_PARAMS(axis_count_)                                                                                                           \
  {                                                                                                                                        \
    PARAM_INLINE_ROW(struct conv, common, layer_name_params),                                                                              \
        PARAM_INTEGER_ROW(struct conv, filters, 1, LIMIT_UNITS, 0, "number of output channels", .flags = PARAM_REQUIRED),                  \
        PARAM_SIZES_ROW(struct conv, kernel_size, axis_count_, 1, LIMIT_WINDOW, 0, "size of the window", .flags = PARAM_REQUIRED),         \
        PARAM_SIZES_ROW(struct conv, stride, axis_count_, 1, LIMIT_WINDOW, 1, "distance from one place of the window to the next"),        \
        PARAM_SIZES_ROW(struct conv, padding, axis_count_, 0, LIMIT_WINDOW, 0,                                                             \
                        "values made up at each end; \"same\": as many as keep the size, \"valid\": none", .choices = window_words),       \
        PARAM_CHOICE_ROW(struct conv, padding_mode, conv_padding_modes, 0, "what the made-up values are"),                                 \
        PARAM_SIZES_ROW(struct conv, dilation, axis_count_, 1, LIMIT_WINDOW, 1, "distance between the values that a window sees"),         \
        PARAM_INTEGER_ROW(struct conv, groups, 1, LIMIT_UNITS, 1,                                                                          \
                          "channels and filters are cut into so many groups that don't see each other"),                                   \
        PARAM_INLINE_ROW(struct conv, common, layer_activation_params),                                                                    \
        PARAM_BOOLEAN_ROW(struct conv, bias, true, "whether a bias is added"),                                                             \
        PARAM_KIND_ROW(struct conv, initializer, &initializer_kinds, "glorot_uniform", "start values of the weights"),                     \
        PARAM_KIND_ROW(struct conv, bias_initializer, &initializer_kinds, "zeros", "start values of the biases"),                          \
        PARAM_INLINE_ROW(struct conv, common, layer_penalty_params),                                                                       \
  }

__attribute__((warn_unused_result)) enum error_code conv_compile(struct layer *layer, size_t axis_count, struct error *error);
void conv_forward(const struct layer *layer, const struct pass *pass);
void conv_backward(const struct layer *layer, const struct pass *pass);
/* With max pooling of an image by 2 × 2, rectified or not. */
bool conv_join(struct layer *layer, const struct spec *activation, const struct layer *next);
void conv_forward_joined(const struct layer *layer, const struct spec *activation, const struct pass *pass);
void conv_backward_joined(const struct layer *layer, const struct spec *activation, const struct pass *pass);
void conv_forward64(const struct layer *layer, const struct pass64 *pass);

#endif
