/* Our side of a match: the engine's trainer, in the referee's own process. Used by duel.c. Ends the program on errors, as programs of
 * bench/ may.
 *
 * What is timed is trainer_run and nothing else: all steps of the match from the start weights on, with gathering of the rows, metrics,
 * reports and the ends of epochs, as a job does them. Every side tells the processor time of its process, so that what else the machine
 * does takes nobody's time but through its caches.
 */
#ifndef BENCH_PEERS_OURS_H
#define BENCH_PEERS_OURS_H

#include <stdbool.h>

#include "bench/peers/match.h"
#include "engine/train.h"

struct ours {
  const struct match *match;
  struct network_spec spec;
  struct train_settings settings;
  struct network *network;
  struct trainer *trainer;
  struct train_data data;
  float *x, *y;
  float *start;   /* weights at the start, [parameters] */
  float *block;   /* zeros, [block]: what a trainer starts from besides its weights */
  float *outputs; /* [rows, output] */
  struct workspace *workspace;
};

/* What one side did: the whole match, `runs` times over. */
struct outcome {
  double step_seconds; /* of processor time, mean over all steps */
  double share;        /* processor time of the time that went by: 1 on a machine of one's own */
  double loss;         /* mean over all rows, after the last step */
};

void ours_open(struct ours *ours, const struct match *match, bool is_bfloat16);
void ours_close(struct ours *ours);
/* The precision that it really computes in. */
const char *ours_get_precision(const struct ours *ours);
/* Start weights in the files' order; the caller frees. */
float *ours_copy_weights(const struct ours *ours, size_t *out_count);
/* Names and shapes of these, for struct match_weights; the caller frees. */
char *ours_list_tensors(const struct ours *ours);
double ours_measure_loss(struct ours *ours, const float *parameters);
/* Runs the match as often as fits into `seconds`, at least once. */
struct outcome ours_run(struct ours *ours, double seconds);

#endif
