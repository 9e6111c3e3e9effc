/* The table of optimizers, and the cutting of a step into pieces. Called by algorithms/. */
#include "engine/optimizers/optimizers.h"

KIND_TABLE(optimizer, OPTIMIZER_KINDS)

static void optimizer_run_piece(void *argument, size_t piece) {
  const struct optimizer_work *work = argument;
  size_t begin = piece * OPTIMIZER_PIECE;
  size_t end = begin + OPTIMIZER_PIECE < work->count ? begin + OPTIMIZER_PIECE : work->count;
  work->loop(work, begin, end);
}

void optimizer_run(const struct parallel *parallel, struct optimizer_work *work) {
  parallel_run(parallel, (work->count + OPTIMIZER_PIECE - 1) / OPTIMIZER_PIECE, optimizer_run_piece, work);
}
