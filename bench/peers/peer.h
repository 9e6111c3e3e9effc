/* A peer: another library in a process of its own, which waits on its standard input while others are measured. Used by duel.c.
 *
 *   we say                it answers, one line each
 *   (start)               hello LABEL                          or it ends: it is missing
 *   open FOLDER           ready SETTING  |  cannot REASON      reads the match's files, warms up
 *   run SECONDS           done STEP_SECONDS SHARE LOSS         the whole match from the start weights on, as often as fits: see struct outcome
 *   (end of input)        ends
 */
#ifndef BENCH_PEERS_PEER_H
#define BENCH_PEERS_PEER_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "bench/peers/ours.h"

enum { PEER_TEXT_BYTES = 256 };

struct peer {
  char name[PEER_TEXT_BYTES];
  bool is_bfloat16;
  bool is_alive;
  char label[PEER_TEXT_BYTES];   /* with its version */
  char setting[PEER_TEXT_BYTES]; /* what it chose for the open match */
  char reason[PEER_TEXT_BYTES];  /* why it is missing or can't take part */
  pid_t pid;
  FILE *in, *out; /* its input, its output */
};

/* Starts `command` under /bin/sh. False if it doesn't say hello; then `reason` says so. */
bool peer_start(struct peer *peer, const char *command);
/* False if it can't or won't take part in this match; `reason` says why. */
bool peer_open(struct peer *peer, const char *folder);
bool peer_run(struct peer *peer, double seconds, struct outcome *out_outcome);
void peer_stop(struct peer *peer);

#endif
