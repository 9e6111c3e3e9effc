#include "tests/support/threads.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

enum { THREADS_MAX = 8 };

struct work {
  atomic_size_t next;
  size_t piece_count;
  parallel_piece *piece;
  void *argument;
};

static void *take_pieces(void *context) {
  struct work *work = context;
  for (size_t piece; (piece = atomic_fetch_add(&work->next, 1)) < work->piece_count;) work->piece(work->argument, piece);
  return NULL;
}

static void run(void *context, size_t piece_count, parallel_piece *piece, void *argument) {
  const size_t thread_count = (size_t)(uintptr_t)context;
  struct work work = {.piece_count = piece_count, .piece = piece, .argument = argument};
  pthread_t threads[THREADS_MAX];
  size_t started = 0;
  while (started + 1 < thread_count && started < THREADS_MAX && pthread_create(&threads[started], NULL, take_pieces, &work) == 0) started++;
  take_pieces(&work);
  for (size_t i = 0; i < started; i++) pthread_join(threads[i], NULL);
}

struct parallel threads_make_parallel(size_t thread_count) {
  return (struct parallel){.context = (void *)(uintptr_t)thread_count, .thread_count = thread_count, .run = run};
}
