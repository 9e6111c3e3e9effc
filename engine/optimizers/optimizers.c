/* The table of optimizers, the cutting of a step into pieces, and clipping. Called by algorithms/ and trace.c. */
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

void gradient_clip(double clip_norm, double clip_value, double norm, size_t count, float *gradients) {
  const double scale = clip_norm / (norm + 1e-6);
  if (scale < 1) {
    const float factor = (float)scale;
    for (size_t i = 0; i < count; i++) gradients[i] *= factor;
  }
  if (isnan(clip_value)) return;
  const float bound = (float)clip_value;
  for (size_t i = 0; i < count; i++) {
    const float g = gradients[i];
    gradients[i] = g > bound ? bound : g < -bound ? -bound : g;
  }
}
