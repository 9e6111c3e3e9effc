/* y[rows, units] = x[rows, features] Wᵀ + b, as dense computes it and attention its projections. W is [units, features].
 *
 *   ∂C/∂W = ∂C/∂yᵀ x      ∂C/∂b = Σ over rows of ∂C/∂y      ∂C/∂x = ∂C/∂y W
 */
#ifndef ENGINE_LAYERS_AFFINE_H
#define ENGINE_LAYERS_AFFINE_H

#include "engine/layer.h"

struct affine {
  size_t rows, units, features;
  const struct layer_tensor *weight, *bias; /* bias NULL: none */
};

void affine_forward(const struct affine *affine, const struct pass *pass, const float *x, float *y);
/* dy is ∂C/∂y. Writes the tensors' gradients, unless the pass skips them, and dx, unless that is NULL. */
void affine_backward(const struct affine *affine, const struct pass *pass, const float *x, const float *dy, float *dx);
/* bfloat16 values that both need room for: each product has two of x or y, W, ∂C/∂y as operands. */
size_t affine_count_half(size_t rows, size_t units, size_t features);

#endif
