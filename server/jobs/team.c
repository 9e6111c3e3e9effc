/* Threads for one job's training steps. See team.h for the protocol and its invariants. */
#include "server/jobs/team.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "server/jobs/threads.h"

enum {
  /* Steps of small networks follow each other within microseconds: sleeping between them would cost more than they do. */
  SPINS_BEFORE_SLEEP = 4000,
  PIECES_MAX = 1 << 30
};

struct helper {
  struct team *team;
  size_t index; /* 1 … thread_count − 1; the owner is 0 */
  pthread_t thread;
};

struct team {
  struct parallel parallel;
  _Atomic uint64_t ticket; /* generation << 32 | unclaimed */
  _Atomic size_t finished; /* pieces of this generation */
  _Atomic size_t limit;
  _Atomic size_t sleeper_count;
  atomic_bool owner_sleeps, stopping;
  pthread_mutex_t mutex;
  pthread_cond_t work_came;  /* helpers wait */
  pthread_cond_t work_ended; /* the owner waits */
  pthread_cond_t limit_rose; /* helpers beyond the limit wait */
  /* Of the generation under way; see invariant 1. */
  parallel_piece *piece;
  void *argument;
  size_t piece_count;
  size_t helper_count;
  struct helper helpers[];
};

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

/* Claims and runs pieces of `generation` until none is left. */
static void run_pieces(struct team *team, uint64_t generation) {
  uint64_t ticket = atomic_load(&team->ticket);
  while (ticket >> 32 == generation && (ticket & UINT32_MAX) > 0) {
    if (!atomic_compare_exchange_weak(&team->ticket, &ticket, ticket - 1)) continue;
    size_t count = team->piece_count;
    team->piece(team->argument, count - (size_t)(ticket & UINT32_MAX));
    if (atomic_fetch_add(&team->finished, 1) + 1 == count && atomic_load(&team->owner_sleeps)) {
      pthread_mutex_lock(&team->mutex);
      pthread_cond_signal(&team->work_ended);
      pthread_mutex_unlock(&team->mutex);
    }
    ticket = atomic_load(&team->ticket);
  }
}

static bool is_admitted(struct team *team, const struct helper *helper) { return helper->index < atomic_load(&team->limit); }

static bool must_look(struct team *team, const struct helper *helper) {
  return (atomic_load(&team->ticket) & UINT32_MAX) > 0 || !is_admitted(team, helper) || atomic_load(&team->stopping);
}

static void sleep_until_work(struct team *team, const struct helper *helper) {
  pthread_mutex_lock(&team->mutex);
  /* Announced before the last look: the owner publishes first and then looks for sleepers, so one of the two sees the other. */
  atomic_fetch_add(&team->sleeper_count, 1);
  while (!must_look(team, helper)) pthread_cond_wait(&team->work_came, &team->mutex);
  atomic_fetch_sub(&team->sleeper_count, 1);
  pthread_mutex_unlock(&team->mutex);
}

/* Not counted as a sleeper, so that the owner doesn't call whoever may not come. */
static void sleep_until_admitted(struct team *team, const struct helper *helper) {
  pthread_mutex_lock(&team->mutex);
  while (!is_admitted(team, helper) && !atomic_load(&team->stopping)) pthread_cond_wait(&team->limit_rose, &team->mutex);
  pthread_mutex_unlock(&team->mutex);
}

static void *help(void *context) {
  struct helper *helper = context;
  struct team *team = helper->team;
  thread_lower_priority();
  while (!atomic_load(&team->stopping)) {
    if (!is_admitted(team, helper)) {
      sleep_until_admitted(team, helper);
      continue;
    }
    for (int spins = 0; !must_look(team, helper) && spins < SPINS_BEFORE_SLEEP; spins++) relax();
    if (!must_look(team, helper)) sleep_until_work(team, helper);
    if (is_admitted(team, helper)) run_pieces(team, atomic_load(&team->ticket) >> 32);
  }
  return NULL;
}

static void wake_all(struct team *team) {
  pthread_mutex_lock(&team->mutex);
  pthread_cond_broadcast(&team->work_came);
  pthread_cond_broadcast(&team->limit_rose);
  pthread_mutex_unlock(&team->mutex);
}

static void wait_for_helpers(struct team *team, size_t piece_count) {
  for (int spins = 0; spins < SPINS_BEFORE_SLEEP; spins++) {
    if (atomic_load(&team->finished) == piece_count) return;
    relax();
  }
  pthread_mutex_lock(&team->mutex);
  atomic_store(&team->owner_sleeps, true);
  while (atomic_load(&team->finished) != piece_count) pthread_cond_wait(&team->work_ended, &team->mutex);
  atomic_store(&team->owner_sleeps, false);
  pthread_mutex_unlock(&team->mutex);
}

static void team_run(void *context, size_t piece_count, parallel_piece *piece, void *argument) {
  struct team *team = context;
  if (atomic_load(&team->limit) <= 1 || piece_count > PIECES_MAX) {
    for (size_t i = 0; i < piece_count; i++) piece(argument, i);
    return;
  }
  team->piece = piece;
  team->argument = argument;
  team->piece_count = piece_count;
  atomic_store(&team->finished, 0);
  uint64_t generation = ((atomic_load(&team->ticket) >> 32) + 1) & UINT32_MAX;
  atomic_store(&team->ticket, generation << 32 | piece_count);
  if (atomic_load(&team->sleeper_count) > 0) {
    pthread_mutex_lock(&team->mutex);
    pthread_cond_broadcast(&team->work_came);
    pthread_mutex_unlock(&team->mutex);
  }
  run_pieces(team, generation);
  wait_for_helpers(team, piece_count);
}

enum error_code team_create(size_t thread_count, struct team **out_team, struct error *error) {
  size_t helper_max = thread_count - 1;
  struct team *team = calloc(1, sizeof *team + helper_max * sizeof team->helpers[0]);
  if (team == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for a team of %zu threads", thread_count);
  pthread_mutex_init(&team->mutex, NULL);
  pthread_cond_init(&team->work_came, NULL);
  pthread_cond_init(&team->work_ended, NULL);
  pthread_cond_init(&team->limit_rose, NULL);
  team->limit = thread_count;
  for (size_t i = 0; i < helper_max; i++) {
    team->helpers[i] = (struct helper){.team = team, .index = i + 1};
    if (!thread_start(&team->helpers[i].thread, help, &team->helpers[i])) break;
    team->helper_count++;
  }
  team->parallel = (struct parallel){.context = team, .thread_count = team->helper_count + 1, .run = team_run};
  *out_team = team;
  return ERROR_NONE;
}

void team_destroy(struct team *team) {
  if (team == NULL) return;
  atomic_store(&team->stopping, true);
  wake_all(team);
  for (size_t i = 0; i < team->helper_count; i++) pthread_join(team->helpers[i].thread, NULL);
  pthread_cond_destroy(&team->limit_rose);
  pthread_cond_destroy(&team->work_ended);
  pthread_cond_destroy(&team->work_came);
  pthread_mutex_destroy(&team->mutex);
  free(team);
}

void team_set_limit(struct team *team, size_t limit) {
  atomic_store(&team->limit, limit < 1 ? 1 : limit);
  wake_all(team);
}

const struct parallel *team_get_parallel(struct team *team) { return &team->parallel; }
