#include "server/data/read_ahead.h"

#include <stdbool.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* Having read ahead, a thread has no reason to wait any more; it goes on for so long before it tries without. */
enum { BATCHES_AFTER_FAULT = 512 };

static bool is_wanted(struct read_ahead *ahead) {
  struct rusage usage;
  if (getrusage(RUSAGE_THREAD, &usage) != 0) return false;
  if (usage.ru_majflt != ahead->faults) ahead->batches_left = BATCHES_AFTER_FAULT;
  ahead->faults = usage.ru_majflt;
  return ahead->batches_left > 0 && ahead->batches_left-- > 0;
}

void read_ahead_expect_rows(void *context, const struct row_reader *reader, const uint32_t *rows, size_t count) {
  if (!is_wanted(context)) return;
  const uintptr_t page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
  for (size_t i = 0; i < count; i++) {
    const uintptr_t begin = (uintptr_t)row_reader_locate(reader, rows[i]), first = begin / page_bytes * page_bytes;
    (void)madvise((void *)first, begin + reader->bytes - first, MADV_WILLNEED);
  }
}
