/* The matches of `make bench-peers`: what ours and every peer train, word for word the same.
 *
 * A match fixes network, loss, optimizer, batch size, rows and steps; the rows themselves, their order and the start weights are computed
 * here and written to files, from which the peers read them. Used by duel.c, which referees, and ours.c, which plays our side.
 */
#ifndef BENCH_PEERS_MATCH_H
#define BENCH_PEERS_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MATCH_WIDTHS = 6, MATCH_SEED = 7 };

struct match {
  const char *key; /* its folder */
  const char *title;
  const char *network;         /* the spec, as a client writes it; NULL: dense layers by `widths` and the activations below */
  size_t tokens;               /* input values are indices below this; 0: numbers */
  size_t widths[MATCH_WIDTHS]; /* values of an input row, hidden …, output; 0 at the end */
  const char *hidden, *output; /* activations */
  const char *loss;
  const char *optimizer;
  double learning_rate, momentum;
  size_t batch, rows, epochs; /* rows: a multiple of batch */
  bool has_bfloat16;          /* large enough for bfloat16 to be worth a try */
};

extern const struct match matches[];
extern const size_t match_count;

size_t match_depth(const struct match *match); /* dense layers */
size_t match_steps(const struct match *match);
size_t match_classes(const struct match *match); /* 2 for one output */

/* Rows that a network of this kind can learn something from, but not all: x [rows, input], y [rows] class indices. */
void match_fill_rows(const struct match *match, float *x, float *y);
/* Row numbers [steps, batch], as the trainer takes them. Allocated with malloc; NULL if memory is short. */
uint32_t *match_create_order(const struct match *match);

/* Start weights as the files have them. `names` says, where the match has a network, "tensor LAYER.NAME size …" line by line. */
struct match_weights {
  const float *values; /* layer by layer; of a dense layer weight [out, in], then bias [out] */
  size_t count;
  const char *names;
};

/* Writes case.txt (one "key value …" a line), x.f32, y.f32, order.u32, weights.f32 and, if the match has one, network.json into `folder`,
 * which it creates. False with a word on stderr if that fails. */
__attribute__((warn_unused_result)) bool match_write(const struct match *match, const char *folder, const struct match_weights *weights);

#endif
