/* A team runs every piece exactly once, whatever its size and however its limit moves. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/jobs/team.h"
#include "tests/support/suite.h"

enum { PIECES_MAX = 300 };

struct tally {
  int runs[PIECES_MAX]; /* plain memory: a piece that runs twice at once is a race that TSan sees */
  _Atomic int now, most;
};

static void count_piece(void *argument, size_t piece) {
  struct tally *tally = argument;
  int now = atomic_fetch_add(&tally->now, 1) + 1;
  int most = atomic_load(&tally->most);
  while (now > most && !atomic_compare_exchange_weak(&tally->most, &most, now)) {}
  tally->runs[piece]++;
  atomic_fetch_sub(&tally->now, 1);
}

static struct team *create(size_t thread_count) {
  struct team *team = NULL;
  struct error error = {0};
  ck_assert_int_eq(team_create(thread_count, &team, &error), ERROR_NONE);
  return team;
}

START_TEST(every_piece_runs_once_in_every_batch) {
  static const size_t sizes[] = {1, 2, 4, 7};
  for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
    struct team *team = create(sizes[s]);
    const struct parallel *parallel = team_get_parallel(team);
    ck_assert_uint_eq(parallel->thread_count, sizes[s]);
    for (size_t batch = 0; batch < 3000; batch++) {
      size_t piece_count = batch % (batch % 100 == 0 ? PIECES_MAX : 9) + 1;
      struct tally tally;
      memset(&tally, 0, sizeof tally);
      parallel_run(parallel, piece_count, count_piece, &tally);
      for (size_t i = 0; i < PIECES_MAX; i++) ck_assert_int_eq(tally.runs[i], i < piece_count ? 1 : 0);
    }
    team_destroy(team);
  }
}
END_TEST

START_TEST(helpers_that_fell_asleep_wake_for_the_next_batch) {
  struct team *team = create(3);
  for (int batch = 0; batch < 20; batch++) {
    struct tally tally;
    memset(&tally, 0, sizeof tally);
    usleep(3000);
    parallel_run(team_get_parallel(team), PIECES_MAX, count_piece, &tally);
    for (size_t i = 0; i < PIECES_MAX; i++) ck_assert_int_eq(tally.runs[i], 1);
  }
  team_destroy(team);
}
END_TEST

START_TEST(no_more_threads_than_the_limit_claim_pieces) {
  struct team *team = create(4);
  for (size_t limit = 1; limit <= 4; limit++) {
    team_set_limit(team, limit);
    struct tally tally;
    memset(&tally, 0, sizeof tally);
    parallel_run(team_get_parallel(team), 1, count_piece, &tally); /* who was admitted before has finished after this */
    usleep(20000);
    memset(&tally, 0, sizeof tally);
    for (int batch = 0; batch < 200; batch++) parallel_run(team_get_parallel(team), PIECES_MAX, count_piece, &tally);
    ck_assert_int_le(tally.most, (int)limit);
    ck_assert_int_ge(tally.most, 1);
  }
  team_destroy(team);
}
END_TEST

struct mover {
  struct team *team;
  atomic_bool stopping;
};

static void *move_limit(void *context) {
  struct mover *mover = context;
  for (unsigned i = 0; !atomic_load(&mover->stopping); i++) {
    team_set_limit(mover->team, i % 5);
    usleep(100);
  }
  return NULL;
}

START_TEST(the_limit_may_move_while_pieces_run) {
  struct mover mover = {.team = create(4)};
  pthread_t thread;
  ck_assert_int_eq(pthread_create(&thread, NULL, move_limit, &mover), 0);
  for (int batch = 0; batch < 5000; batch++) {
    struct tally tally;
    memset(&tally, 0, sizeof tally);
    parallel_run(team_get_parallel(mover.team), 16, count_piece, &tally);
    for (size_t i = 0; i < 16; i++) ck_assert_int_eq(tally.runs[i], 1);
  }
  atomic_store(&mover.stopping, true);
  pthread_join(thread, NULL);
  team_destroy(mover.team);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "team");
  tcase_add_test(test_case, every_piece_runs_once_in_every_batch);
  tcase_add_test(test_case, helpers_that_fell_asleep_wake_for_the_next_batch);
  tcase_add_test(test_case, no_more_threads_than_the_limit_claim_pieces);
  tcase_add_test(test_case, the_limit_may_move_while_pieces_run);
}

int main(void) { return suite_main("team", add_cases); }
