#include "tests/support/allocations.h"

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

bool allocations_can_count(void) { return false; }
size_t allocations_count(void) { return 0; }
size_t allocations_live(void) { return 0; }
size_t allocations_live_bytes(void) { return 0; }
size_t allocations_peak_bytes(void) { return 0; }
void allocations_reset_peak(void) {}
void allocations_fail_after(size_t successes) { (void)successes; }

#else

static atomic_size_t count, live, live_bytes, peak_bytes;
static atomic_size_t remaining = SIZE_MAX;

/* glibc's own, under the names that it keeps for those who replace malloc. */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t members, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);
void __libc_free(void *memory);

bool allocations_can_count(void) { return true; }
size_t allocations_count(void) { return count; }
size_t allocations_live(void) { return live; }
size_t allocations_live_bytes(void) { return live_bytes; }
size_t allocations_peak_bytes(void) { return peak_bytes; }
void allocations_reset_peak(void) { peak_bytes = live_bytes; }
void allocations_fail_after(size_t successes) { remaining = successes; }

static bool is_refused(void) {
  count++;
  if (remaining == SIZE_MAX) return false;
  if (remaining == 0) {
    errno = ENOMEM;
    return true;
  }
  remaining--;
  return false;
}

/* Near enough with several threads: the peak is then that of one of them. */
static void add_bytes(void *memory) {
  size_t bytes = live_bytes += malloc_usable_size(memory);
  if (bytes > peak_bytes) peak_bytes = bytes;
}

static void *counted(void *memory) {
  if (memory == NULL) return NULL;
  live++;
  add_bytes(memory);
  return memory;
}

void *malloc(size_t bytes) { return is_refused() ? NULL : counted(__libc_malloc(bytes)); }
void *calloc(size_t members, size_t bytes) { return is_refused() ? NULL : counted(__libc_calloc(members, bytes)); }
void *aligned_alloc(size_t alignment, size_t bytes) { return is_refused() ? NULL : counted(__libc_memalign(alignment, bytes)); }
void *realloc(void *memory, size_t bytes) {
  if (is_refused()) return NULL;
  if (memory == NULL) return counted(__libc_malloc(bytes));
  size_t old_bytes = malloc_usable_size(memory);
  void *moved = __libc_realloc(memory, bytes);
  if (moved == NULL) return NULL;
  live_bytes -= old_bytes;
  add_bytes(moved);
  return moved;
}
int posix_memalign(void **out_memory, size_t alignment, size_t bytes) {
  void *memory = aligned_alloc(alignment, bytes);
  if (memory == NULL) return ENOMEM;
  *out_memory = memory;
  return 0;
}
void free(void *memory) {
  if (memory == NULL) return;
  live--;
  live_bytes -= malloc_usable_size(memory);
  __libc_free(memory);
}

#endif
