/* What the cutting of products in kernels_plain.c asks of a library, if the program was built with one: kernels_onednn.c answers, or
 * kernels_no_library.c (make KERNELS=plain). Nobody else includes this. */
#ifndef ENGINE_KERNELS_PRIVATE_H
#define ENGINE_KERNELS_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>

/* A product or a piece of one: c[m, n] = op(a)[m, k] · op(b)[k, n], or added to c. Arrays are row-major with rows `…_row` values apart;
 * a transposed one is stored as [k, m] or [n, k]. a and b hold bfloat16 if is_half (then nothing is added), else float32. */
struct kernel_block {
  size_t m, n, k;
  const void *a, *b;
  float *c;
  size_t a_row, b_row, c_row;
  bool is_a_transposed, is_b_transposed, is_half, accumulate;
};

/* Of the arithmetic in kernels_plain.c: raised by whatever changes a bit of its results. The library's name follows it in kernels_name. */
#define KERNELS_PLAIN_NAME "plain 9"

/* Whether it multiplies bfloat16 faster than float32 on this processor. */
bool kernels_library_can_half(void);
/* From how many multiplications on a product is worth rounding to bfloat16. For tests, which want it of small ones
 * too; before threads start. */
void kernels_set_half_products(size_t count);
/* Whether it shall compute this float32 product: where it was measured to be faster. Depends on the problem alone. */
bool kernels_library_takes(const struct kernel_block *whole);
/* On this thread alone. False, with c as it was or half written, if it could not. */
bool kernels_library_multiply(const struct kernel_block *block);

#endif
