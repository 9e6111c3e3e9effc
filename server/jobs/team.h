/* A team of threads that runs the pieces of one training step: the engine's struct parallel, made of pthreads.
 *
 * The owner (a worker) publishes a batch of pieces as one word, `ticket` = generation << 32 | pieces not yet claimed. Owner and helpers
 * claim pieces by counting it down; a helper whose generation has passed claims nothing. Between batches helpers spin briefly, then sleep.
 *
 * Invariants: 1. function and argument are written before the ticket that publishes them and only while no piece is claimed and unfinished;
 * they are read only by who has claimed a piece. 2. run returns when every piece has finished. 3. At most `limit` threads, the owner
 * included, claim pieces; the pool moves the limit as jobs come and go. The results are the same bits for any limit.
 * Threads: team_set_limit from any; all else from the owner.
 */
#ifndef SERVER_JOBS_TEAM_H
#define SERVER_JOBS_TEAM_H

#include <stddef.h>

#include "engine/error.h"
#include "engine/parallel.h"

struct team;

/* thread_count ≥ 1 counts the owner. Fewer helpers than asked for if the system gives no more threads. */
__attribute__((warn_unused_result)) enum error_code team_create(size_t thread_count, struct team **out_team, struct error *error);
void team_destroy(struct team *team);

/* 1 … thread_count. */
void team_set_limit(struct team *team, size_t limit);
const struct parallel *team_get_parallel(struct team *team);

#endif
