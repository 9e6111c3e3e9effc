/* Products with a layer's weights (affine.h), in the precision that the pass asks for. */
#include "engine/layers/affine.h"

#include "engine/kernels.h"

void affine_forward(const struct affine *affine, const struct pass *pass, const float *x, float *y) {
  const size_t rows = affine->rows, units = affine->units, features = affine->features;
  const float *weight = pass->parameters + affine->weight->offset;
  const float *bias = affine->bias == NULL ? NULL : pass->parameters + affine->bias->offset;
  if (pass->row_by_row) {
    kernel_dense_rows(rows, units, features, x, weight, bias, y);
    return;
  }
  if (pass->half == NULL) {
    kernel_matmul_nt_bias(pass->parallel, rows, units, features, x, weight, bias, y);
    return;
  }
  kernel_half_matmul_nt(pass->parallel, rows, units, features, x, weight, y, pass->half);
  if (bias != NULL) kernel_add_bias(pass->parallel, rows, units, bias, y);
}

static void write_gradients(const struct affine *affine, const struct pass *pass, const float *x, const float *dy) {
  const size_t rows = affine->rows, units = affine->units, features = affine->features;
  float *gradient = pass->gradients + affine->weight->offset;
  if (pass->half != NULL)
    kernel_half_matmul_tn(pass->parallel, units, features, rows, dy, x, gradient, pass->half);
  else
    kernel_matmul_tn(pass->parallel, units, features, rows, dy, x, gradient, false);
  if (affine->bias != NULL) kernel_column_sums(pass->parallel, rows, units, dy, pass->gradients + affine->bias->offset);
}

void affine_backward(const struct affine *affine, const struct pass *pass, const float *x, const float *dy, float *dx) {
  const size_t rows = affine->rows, units = affine->units, features = affine->features;
  const float *weight = pass->parameters + affine->weight->offset;
  if (!pass->skips_gradients) write_gradients(affine, pass, x, dy);
  if (dx == NULL) return;
  if (pass->half != NULL)
    kernel_half_matmul_nn(pass->parallel, rows, features, units, dy, weight, dx, pass->half);
  else
    kernel_matmul_nn(pass->parallel, rows, features, units, dy, weight, dx, false);
}

size_t affine_count_half(size_t rows, size_t units, size_t features) { return rows * (features + units); }
