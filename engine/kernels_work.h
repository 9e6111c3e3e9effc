/* Working memory of the window kernels: cut into arrays on cache lines, or only counted. Included by their .c files only. */
#ifndef ENGINE_KERNELS_WORK_H
#define ENGINE_KERNELS_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WORK_LINE_BYTES = 64 };

/* Hands out pieces of `memory`, or counts them if there is none. */
struct work_cutter {
  char *memory;
  size_t used;
  bool is_overflow;
};

static inline void *work_cut(struct work_cutter *cutter, size_t count, size_t item_bytes) {
  char *piece = cutter->memory == NULL ? NULL : cutter->memory + cutter->used;
  size_t bytes;
  cutter->is_overflow |= __builtin_mul_overflow(count, item_bytes, &bytes) || __builtin_add_overflow(bytes, WORK_LINE_BYTES - 1, &bytes);
  bytes -= bytes % WORK_LINE_BYTES;
  cutter->is_overflow |= __builtin_add_overflow(cutter->used, bytes, &cutter->used);
  return piece;
}

/* left · right, or 0 if that can't be counted in bytes of any type. */
static inline size_t work_multiply(bool *is_overflow, size_t left, size_t right) {
  size_t product;
  *is_overflow |= __builtin_mul_overflow(left, right, &product) || product > SIZE_MAX / 64;
  return *is_overflow ? 0 : product;
}

static inline size_t work_smaller(size_t left, size_t right) { return left < right ? left : right; }
static inline size_t work_round_up(size_t count, size_t step) { return (count + step - 1) / step * step; }

#endif
