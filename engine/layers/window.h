/* What convolution and pooling share: the axes that a window slides over, from what the client asked for. */
#ifndef ENGINE_LAYERS_WINDOW_H
#define ENGINE_LAYERS_WINDOW_H

#include "engine/kernels_window.h"
#include "engine/layer.h"

/* Longest window, stride, distance or padding on an axis. */
enum { LIMIT_WINDOW = 1 << 16 };

enum window_word { WINDOW_SAME, WINDOW_VALID };
extern const char *const window_words[3]; /* what padding may be instead of numbers */

/* [channels, height, width], or [time, features] for one axis. */
struct window {
  const char *size_name;                                       /* the parameter's: "kernel_size" */
  const struct axis_sizes *size, *stride, *dilation, *padding; /* dilation NULL: 1; stride without numbers: the window's size */
  bool ceil_mode;                                              /* a last place that begins inside counts even if it ends outside */
};

/* The axes of a layer's only input; y of a sequence has one value. The layer compiled, or else window_compile says what is wrong. */
void window_axes(const struct layer *layer, const struct window *window, struct kernel_axis *out_y, struct kernel_axis *out_x);

/* Checks that the input has `axis_count` axes and one of channels, and that the window has a place on each. */
__attribute__((warn_unused_result)) enum error_code window_compile(const struct layer *layer, const struct window *window,
                                                                   size_t axis_count, struct error *error);

/* Writes how many places of each sequence are real, where they differ (`lengths` not NULL). */
static inline void window_write_lengths(const struct kernel_axis *time, bool ceil_mode, size_t batch, const uint32_t *lengths,
                                        uint32_t *out_lengths) {
  for (size_t i = 0; i < batch && lengths != NULL; i++) out_lengths[i] = (uint32_t)kernel_places_of(*time, ceil_mode, lengths[i]);
}

/* Its last axis is time or width, its channels are the first of images, the last of sequences. */
static inline bool window_is_sequence(const struct layer *layer) { return layer->in[0].rank == 2; }
static inline size_t window_channels(const struct layer *layer) { return layer->in[0].sizes[window_is_sequence(layer) ? 1 : 0]; }
/* The shape of an output with so many channels. */
struct shape window_shape(const struct layer *layer, size_t channels, const struct kernel_axis *y, const struct kernel_axis *x);

#endif
