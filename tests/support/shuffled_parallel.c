#include "tests/support/shuffled_parallel.h"

static void run(void *context, size_t piece_count, parallel_piece *piece, void *argument) {
  struct shuffled_parallel *state = context;
  state->runs++;
  state->pieces += piece_count;
  for (size_t round = 0; round < 2; round++)
    for (size_t i = piece_count; i-- > 0;)
      if (i % 2 == round) piece(argument, i);
}

struct parallel shuffled_parallel(struct shuffled_parallel *state) {
  *state = (struct shuffled_parallel){0};
  return (struct parallel){.context = state, .thread_count = 4, .run = run};
}
