/* Activations: a = f(z), and δ = ∂C/∂z from ∂C/∂a. f and f′ stand side by side in one record, one file per kind in activations/.
 *
 * Arrays are row-major [rows, width]; only softmax looks at a row as a whole, all others go value by value.
 * Threads: pure functions; different rows may be computed by different threads.
 */
#ifndef ENGINE_ACTIVATION_H
#define ENGINE_ACTIVATION_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/param.h"

/* Where f is so flat that no gradient comes through. */
enum activation_flat {
  ACTIVATION_NEVER_FLAT,
  ACTIVATION_FLAT_BELOW, /* where z is far below 0, or all of it: a unit can die */
  ACTIVATION_FLAT_BOTH   /* at both ends: a unit can saturate */
};

struct activation_kind {
  struct kind kind;
  const char *formula; /* "a = max(0, z)" */
  bool is_row_wise;    /* each a follows from a whole row of z: its derivative is a matrix */
  enum activation_flat flat;
  float steepest;            /* the slope that "flat" is measured by: largest |∂a/∂z|, or that far above 0; 0 where never flat */
  float (*inverse)(float a); /* a z that f makes a, 0 < a < 1: of activations that losses are fused with; NULL: z = a will do */
  /* a = f(z). `a` may be the same array as `z`. */
  void (*forward)(const void *settings, size_t rows, size_t width, const float *z, float *a);
  /* The same, and ∂a/∂z takes z's place; `a` is another array. Of kinds for which both together take little longer than one; NULL else. */
  void (*forward_with_slope)(const void *settings, size_t rows, size_t width, float *z, float *a);
  /* In place: delta holds ∂C/∂a on entry and δ = ∂C/∂z on return. */
  void (*backward)(const void *settings, size_t rows, size_t width, const float *z, const float *a, float *delta);
  /* The same a = f(z) in float64, as the literature writes it: the reference of gradient checks. */
  void (*forward64)(const void *settings, size_t rows, size_t width, const double *z, double *a);
};

extern const struct kind_table activation_kinds; /* each kind is the first member of a struct activation_kind */

static inline const struct activation_kind *activation_of(const struct spec *spec) { return (const struct activation_kind *)spec->kind; }

#endif
