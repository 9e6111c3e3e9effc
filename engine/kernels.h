/* Kernels: the arithmetic that takes the time. Raw pointers and dimensions, row-major; no structs but the thread lender, and one for what
 * would be a dozen arguments.
 *
 * Each output value is computed whole within one piece of fixed size, sums run in one fixed order: the same bits for any number of
 * threads. `accumulate` adds to c instead of overwriting it.
 */
#ifndef ENGINE_KERNELS_H
#define ENGINE_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/parallel.h"

/* "plain 9", "plain 8, onednn 2.6.0": recorded with every job. */
const char *kernels_name(void);
/* Whether the products by kernel_half_… below are worth their while on this processor. */
bool kernels_can_half(void);

/* c[m, n] = a[m, k] · b[n, k]ᵀ           (z = x Wᵀ) */
void kernel_matmul_nt(const struct parallel *parallel, size_t m, size_t n, size_t k, const float *a, const float *b, float *c,
                      bool accumulate);
/* c[m, n] = a[m, k] · b[n, k]ᵀ + bias[n] in each row; NULL: without */
void kernel_matmul_nt_bias(const struct parallel *parallel, size_t m, size_t n, size_t k, const float *a, const float *b, const float *bias,
                           float *c);
/* c[m, n] = a[m, k] · b[k, n]            (∂C/∂x = δ W) */
void kernel_matmul_nn(const struct parallel *parallel, size_t m, size_t n, size_t k, const float *a, const float *b, float *c,
                      bool accumulate);
/* c[m, n] = a[k, m]ᵀ · b[k, n]           (∂C/∂W = δᵀ x) */
void kernel_matmul_tn(const struct parallel *parallel, size_t m, size_t n, size_t k, const float *a, const float *b, float *c,
                      bool accumulate);

/* A product of parts of larger matrices, whose rows lie `…_row` floats apart: c[m, n] = op(a)[m, k] · op(b)[k, n]. A transposed operand is
 * stored as [k, m] or [n, k]; a packed b as kernel_pack_rows arranges it, of whose columns the first n are taken. */
struct kernel_part {
  size_t m, n, k;
  const float *a, *b;
  float *c;
  size_t a_row, b_row, c_row;
  bool is_a_transposed, is_b_transposed, is_b_packed, accumulate;
};
/* On this thread, by the plain kernels: one of the many small products that a layer cuts its work into. */
void kernel_multiply_part(const struct kernel_part *part);

/* The same three with a and b rounded to bfloat16 and sums in float32, where the product is large enough to gain by it; else in float32.
 * `half` has room for both, m · k + k · n + KERNEL_HALF_SPARE values. */
enum { KERNEL_HALF_SPARE = 32 };
void kernel_half_matmul_nt(const struct parallel *parallel, size_t m, size_t n, size_t k, const float *a, const float *b, float *c,
                           uint16_t *half);
void kernel_half_matmul_nn(const struct parallel *parallel, size_t m, size_t n, size_t k, const float *a, const float *b, float *c,
                           uint16_t *half);
void kernel_half_matmul_tn(const struct parallel *parallel, size_t m, size_t n, size_t k, const float *a, const float *b, float *c,
                           uint16_t *half);

/* c[m, n] = a[m, k] · b as above, with b arranged beforehand: for a b that is used many times, where m is small. On this thread; a row's
 * bits don't depend on m. `packed` holds kernel_packed_count(n, k) floats. */
size_t kernel_packed_count(size_t n, size_t k);
void kernel_pack_nt(size_t n, size_t k, const float *b, float *packed);                 /* b[n, k], for a · bᵀ */
void kernel_pack_rows(size_t n, size_t k, const float *b, size_t b_row, float *packed); /* likewise, rows b_row floats apart */
void kernel_pack_nn(size_t n, size_t k, const float *b, float *packed);                 /* b[k, n], for a · b */
void kernel_packed_matmul(size_t m, size_t n, size_t k, const float *a, const float *packed, float *c, bool accumulate);
/* The same before another of the same size: that one's a is meanwhile fetched, little by little. */
void kernel_packed_matmul_before(size_t m, size_t n, size_t k, const float *a, const float *packed, float *c, bool accumulate,
                                 const float *next_a);
/* The same with a and b rounded to bfloat16 and sums in float32; arranged by these, in as many floats at most. In float32 where the program
 * was built for processors that can't. */
void kernel_half_pack_nt(size_t n, size_t k, const float *b, float *packed);
void kernel_half_pack_nn(size_t n, size_t k, const float *b, float *packed);
void kernel_half_packed_matmul(size_t m, size_t n, size_t k, const float *a, const float *packed, float *c, bool accumulate);

/* y[rows, width] += bias[width] in each row */
void kernel_add_bias(const struct parallel *parallel, size_t rows, size_t width, const float *bias, float *y);
/* sums[width] = Σ over rows of x[rows, width]: of eight rows in float32, and of those sums in float64 */
void kernel_column_sums(const struct parallel *parallel, size_t rows, size_t width, const float *x, float *sums);

/* z[m, n] = x[m, k] · w[n, k]ᵀ + bias[n] (NULL: none), for predictions: a row's bits don't depend on m. On this thread. */
void kernel_dense_rows(size_t m, size_t n, size_t k, const float *x, const float *w, const float *bias, float *z);

/* Whether no x is NaN or infinite. */
bool kernel_is_finite(const struct parallel *parallel, size_t count, const float *x);
/* Σ x², in float64, fixed order. */
double kernel_sum_squares(const struct parallel *parallel, size_t count, const float *x);

#endif
