/* How the engine gets work done by several threads without knowing of threads.
 *
 * The caller lends a `run` function that calls piece(argument, i) once for each i < piece_count, on any thread, in any order, and
 * returns when all are done. Work is always cut into pieces of a fixed size that depends on the problem alone, and each output
 * value is computed whole within one piece: so the same bits come out for any number of threads.
 */
#ifndef ENGINE_PARALLEL_H
#define ENGINE_PARALLEL_H

#include <stddef.h>

typedef void parallel_piece(void *argument, size_t piece);

struct parallel {
  void *context;
  size_t thread_count; /* how many pieces may run at once; informative only */
  void (*run)(void *context, size_t piece_count, parallel_piece *piece, void *argument);
};

/* Runs the pieces one after the other where `parallel` is NULL, there is one piece only or one thread. */
static inline void parallel_run(const struct parallel *parallel, size_t piece_count, parallel_piece *piece, void *argument) {
  if (parallel == NULL || parallel->thread_count <= 1 || piece_count <= 1) {
    for (size_t i = 0; i < piece_count; i++) piece(argument, i);
    return;
  }
  parallel->run(parallel->context, piece_count, piece, argument);
}

enum { PARALLEL_PIECE_COST = 50000 }; /* about nanoseconds: less is not worth handing to another thread */

/* How many of `count` items, each of cost `item_cost` (about nanoseconds), make one piece. Depends on the problem alone. */
static inline size_t parallel_items_per_piece(size_t count, size_t item_cost) {
  size_t items = item_cost >= PARALLEL_PIECE_COST ? 1 : PARALLEL_PIECE_COST / (item_cost + 1) + 1;
  return items < count ? items : (count > 0 ? count : 1);
}

static inline size_t parallel_piece_count(size_t count, size_t items_per_piece) {
  return count / items_per_piece + (count % items_per_piece != 0);
}

#endif
