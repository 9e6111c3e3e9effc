/* Blocks in pages as large as the system has them: a walk over rows far apart, as products with a transposed operand make, then finds its
 * addresses in the processor's table. Without such pages all is the same but slower. */
#include "engine/block.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE_BYTES = 4096, LARGE_PAGE_BYTES = 1 << 21 };

static void ask_for_large_pages(char *block, size_t bytes) {
  const size_t before = (PAGE_BYTES - (uintptr_t)block % PAGE_BYTES) % PAGE_BYTES;
  if (bytes < before + LARGE_PAGE_BYTES) return;
  (void)madvise(block + before, (bytes - before) / PAGE_BYTES * PAGE_BYTES, MADV_HUGEPAGE);
}

void *block_create(size_t bytes) {
  char *block = aligned_alloc(BLOCK_ALIGNMENT, bytes);
  if (block == NULL) return NULL;
  ask_for_large_pages(block, bytes);
  memset(block, 0, bytes);
  return block;
}
