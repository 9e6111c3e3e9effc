/* Threads lent to the engine by a test: a parallel that runs its pieces on `thread_count` threads, made anew for each call. */
#ifndef TESTS_SUPPORT_THREADS_H
#define TESTS_SUPPORT_THREADS_H

#include "engine/parallel.h"

struct parallel threads_make_parallel(size_t thread_count); /* at most 8 */

#endif
