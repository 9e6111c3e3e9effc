/* Counts and refuses allocations: all of a test binary's malloc, calloc, realloc, aligned_alloc and free pass through allocations.c. Not
 * under sanitizers, which have allocators of their own. */
#ifndef TESTS_SUPPORT_ALLOCATIONS_H
#define TESTS_SUPPORT_ALLOCATIONS_H

#include <stdbool.h>
#include <stddef.h>

/* False under a sanitizer: then nothing is counted and nothing fails. */
bool allocations_can_count(void);
/* Allocations since the program started, of all threads. */
size_t allocations_count(void);
/* Those of them that were not freed yet. */
size_t allocations_live(void);
/* Bytes of the live ones now, and the most there were since allocations_reset_peak. */
size_t allocations_live_bytes(void);
size_t allocations_peak_bytes(void);
void allocations_reset_peak(void);
/* Lets `successes` more allocations succeed and all later ones fail; SIZE_MAX: none fails. */
void allocations_fail_after(size_t successes);

#endif
