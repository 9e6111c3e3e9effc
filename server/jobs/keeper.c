/* The keeper of a run: writes its checkpoints on a thread of its own, so that training waits for a copy in memory and not for the disk.
 *
 *     worker: keeper_take ─ copies the block ─▶ goes on training          keeper: run_write_checkpoint(copy) ─▶ the next may be taken
 *
 * Invariants: 1. one checkpoint is under way at a time; while there is one, or the copy's memory is not there yet, none is taken.
 * 2. The copy is consistent: it is made between two steps. Events of later steps may be stored before it is; a resumed run repeats them.
 * 3. keeper_stop returns when nothing is under way; a run ends, or writes a checkpoint by itself, only after it.
 * The copy takes as much memory as the checkpoint that a run may have started from, which is gone by then: measure.c counts it once.
 */
#include <stdlib.h>
#include <string.h>

#include "server/jobs/run.h"

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
  memcpy(keeper->block, snapshot->block, keeper->block_count * sizeof *keeper->block);
  pthread_mutex_lock(&keeper->mutex);
  atomic_store(&keeper->is_free, false);
  keeper->has_work = true;
  pthread_cond_signal(&keeper->changed);
  pthread_mutex_unlock(&keeper->mutex);
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
