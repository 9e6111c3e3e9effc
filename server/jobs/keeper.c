/* The keeper of a run: copies and writes its checkpoints on a thread of its own, so that training waits for neither memory nor disk.
 *
 *     worker: keeper_take ─▶ next forward, backward pass ─▶ keeper_settle: copies what is left ─▶ optimizer's step …
 *     keeper:        └─────▶ copies the block, piece by piece ───────────────────┴──▶ run_write_checkpoint(copy) ─▶ the next may be taken
 *
 * Invariants: 1. one checkpoint is under way at a time; while there is one, or the copy's memory is not there yet, none is taken.
 * 2. The copy is consistent: what a forward pass writes to is copied at once, all else while the trainer only reads it (train.h, settle).
 * Events of later steps may be stored before it is; a resumed run repeats them.
 * 3. keeper_stop returns when nothing is under way; a run ends, or writes a checkpoint by itself, only after it.
 * 4. A piece is copied by who claims it. With no processor free for the keeper, the worker copies them all.
 * The copy takes as much memory as the checkpoint that a run may have started from, which is gone by then: measure.c counts it once.
 */
#include <stdlib.h>
#include <string.h>

#include "server/jobs/run.h"

enum { PIECE_FLOATS = 1 << 18 };

static void copy_pieces(struct keeper *keeper) {
  size_t piece;
  while ((piece = atomic_fetch_add(&keeper->claimed_count, 1)) < keeper->piece_count) {
    const size_t first = keeper->first + piece * PIECE_FLOATS, left = keeper->block_count - first;
    memcpy(keeper->block + first, keeper->source + first, (left < PIECE_FLOATS ? left : PIECE_FLOATS) * sizeof *keeper->block);
    if (atomic_fetch_add(&keeper->copied_count, 1) + 1 < keeper->piece_count) continue;
    pthread_mutex_lock(&keeper->mutex);
    pthread_cond_broadcast(&keeper->changed);
    pthread_mutex_unlock(&keeper->mutex);
  }
}

static void finish_copy(struct keeper *keeper) {
  copy_pieces(keeper);
  pthread_mutex_lock(&keeper->mutex);
  while (atomic_load(&keeper->copied_count) < keeper->piece_count) pthread_cond_wait(&keeper->changed, &keeper->mutex);
  pthread_mutex_unlock(&keeper->mutex);
}

static void *keeper_main(void *context) {
  struct run *run = context;
  struct keeper *keeper = &run->keeper;
  thread_lower_priority();
  /* Every page is touched before a step has to wait for it. */
  memset(keeper->block, 0, keeper->block_count * sizeof *keeper->block);
  pthread_mutex_lock(&keeper->mutex);
  atomic_store(&keeper->is_free, true);
  while (true) {
    while (!keeper->has_work && !keeper->is_stopping) pthread_cond_wait(&keeper->changed, &keeper->mutex);
    if (!keeper->has_work) break;
    keeper->has_work = false;
    pthread_mutex_unlock(&keeper->mutex);
    finish_copy(keeper);
    const struct train_snapshot snapshot = {.position = &keeper->position, .block = keeper->block, .block_count = keeper->block_count};
    run_write_checkpoint(run, &snapshot);
    pthread_mutex_lock(&keeper->mutex);
    atomic_store(&keeper->is_free, true);
  }
  pthread_mutex_unlock(&keeper->mutex);
  return NULL;
}

void keeper_start(struct run *run) {
  struct keeper *keeper = &run->keeper;
  keeper->block_count = trainer_get_block_count(run->trainer);
  keeper->block = malloc((keeper->block_count + 1) * sizeof *keeper->block);
  if (keeper->block == NULL) return;
  pthread_mutex_init(&keeper->mutex, NULL);
  pthread_cond_init(&keeper->changed, NULL);
  keeper->is_stopping = keeper->has_work = false;
  keeper->is_started = thread_start(&keeper->thread, keeper_main, run);
  if (keeper->is_started) return;
  pthread_cond_destroy(&keeper->changed);
  pthread_mutex_destroy(&keeper->mutex);
  free(keeper->block);
  keeper->block = NULL;
}

bool keeper_is_busy(struct run *run) { return run->keeper.is_started && !atomic_load(&run->keeper.is_free); }

void keeper_take(struct run *run, const struct train_snapshot *snapshot) {
  struct keeper *keeper = &run->keeper;
  keeper->position = *snapshot->position;
  keeper->source = snapshot->block;
  keeper->first = snapshot->fleeting_count;
  keeper->piece_count = (keeper->block_count - keeper->first + PIECE_FLOATS - 1) / PIECE_FLOATS;
  memcpy(keeper->block, snapshot->block, snapshot->fleeting_count * sizeof *keeper->block);
  pthread_mutex_lock(&keeper->mutex);
  atomic_store(&keeper->claimed_count, 0);
  atomic_store(&keeper->copied_count, 0);
  atomic_store(&keeper->is_free, false);
  keeper->has_work = true;
  pthread_cond_signal(&keeper->changed);
  pthread_mutex_unlock(&keeper->mutex);
}

void keeper_settle(struct run *run) {
  if (run->keeper.is_started) finish_copy(&run->keeper);
}

void keeper_stop(struct run *run) {
  struct keeper *keeper = &run->keeper;
  if (!keeper->is_started) return;
  pthread_mutex_lock(&keeper->mutex);
  keeper->is_stopping = true;
  pthread_cond_signal(&keeper->changed);
  pthread_mutex_unlock(&keeper->mutex);
  pthread_join(keeper->thread, NULL);
  pthread_cond_destroy(&keeper->changed);
  pthread_mutex_destroy(&keeper->mutex);
  free(keeper->block);
  keeper->block = NULL;
  keeper->is_started = false;
}
