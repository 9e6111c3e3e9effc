/* Convolution by a library's primitives, in float32 or with operands rounded to bfloat16 and sums in float32: where it was measured to
 * be faster than the kernels of kernels_window.h (docs/performance.md has the figures). Same arrays, same promises: the same bits for
 * any number of threads, and a sample's results (not its share of a gradient) don't depend on what else is in the batch. The bits are
 * not those of kernels_window.h.
 */
#ifndef ENGINE_KERNELS_CONV_LIBRARY_H
#define ENGINE_KERNELS_CONV_LIBRARY_H

#include "engine/kernels_window.h"

/* Working memory, whatever the batch, on cache lines. */
struct kernel_conv_room {
  float *work;
  uint16_t *half; /* operands; NULL: float32 */
  size_t work_count, half_count;
};

/* Counts what the three functions below need, in bfloat16 or in float32; false, with counts of 0: they won't compute it. Depends on the
 * problem alone, and on what the processor can. */
bool kernel_conv_library_measure(const struct kernel_conv *conv, bool is_half, struct kernel_conv_room *out_room);

/* As the functions of kernels_window.h of that name. False, with the result as it was or half written, if the library could not or there
 * is less room than it needs. */
bool kernel_conv_library_forward(const struct parallel *parallel, const struct kernel_conv *conv, const float *x, const float *w,
                                 const float *bias, float *z, const struct kernel_conv_room *room);
bool kernel_conv_library_input_gradient(const struct parallel *parallel, const struct kernel_conv *conv, const float *delta, const float *w,
                                        float *dx, const struct kernel_conv_room *room);
bool kernel_conv_library_weight_gradient(const struct parallel *parallel, const struct kernel_conv *conv, const float *x,
                                         const float *delta, float *dw, const struct kernel_conv_room *room);

#endif
