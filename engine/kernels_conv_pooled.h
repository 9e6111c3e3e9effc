/* Convolution with max pooling in one go, of windows of 2 × 2 side by side: the places' values are never written, and backward only those
 * that were the largest of their window are looked at, one in four.
 *
 *   forward   z(n, f, o) = max over the 4 places p of window o of f(z of the convolution at p),   f: none or the rectifier max(0, z)
 *   winner    which of them was the first largest: 0 … 3, row by row; 4 if it let no gradient through, rectified
 *
 * As the kernels of kernels_window.h: the same bits for any number of threads, and a sample's results don't depend on what else is in the
 * batch. They are not the bits of convolution, rectifier and pooling one after the other: sums are taken in another order, and those of
 * windows of 3 × 3 by fewer products.
 */
#ifndef ENGINE_KERNELS_CONV_POOLED_H
#define ENGINE_KERNELS_CONV_POOLED_H

#include "engine/kernels_window.h"

struct kernel_conv_pooled {
  struct kernel_conv conv;
  bool is_rectified;
};

/* Whether that can be computed: of images padded with zeros, stride, dilation and groups 1. `pool` is of the convolution's output. */
bool kernel_conv_pooled_can(const struct kernel_conv *conv, const struct kernel_pool *pool);

/* Bytes of a sample's winners; floats of working memory, on a cache line, that the functions below need, whatever the batch.
 * 0: too many to be counted. */
size_t kernel_conv_pooled_winner_bytes(const struct kernel_conv *conv);
size_t kernel_conv_pooled_work_size(const struct kernel_conv *conv);

/* z: [batch, filters, y.out / 2, x.out / 2]. `winners` is written in an order of these functions' own; NULL: nobody wants it. */
void kernel_conv_pooled_forward(const struct parallel *parallel, const struct kernel_conv_pooled *pooled, const float *x, const float *w,
                                const float *bias, float *z, uint8_t *winners, float *work);
/* From delta = ∂C/∂z and what forward wrote to `winners`: dw as w, dbias [filters] or NULL, dx as x. */
void kernel_conv_pooled_weight_gradient(const struct parallel *parallel, const struct kernel_conv_pooled *pooled, const float *x,
                                        const float *delta, const uint8_t *winners, float *dw, float *dbias, float *work);
void kernel_conv_pooled_input_gradient(const struct parallel *parallel, const struct kernel_conv_pooled *pooled, const float *delta,
                                       const uint8_t *winners, const float *w, float *dx, float *work);

#endif
