/* What the files of self_attention share: its settings, one pass over it, and the work on blocks of queries. Nobody else includes this.
 *
 *   self_attention.c     the layer: settings, tensors, projections before and after
 *   attention_blocks.c   S, P, O and their gradients, a block of queries of one head at a time
 *   attention_rows.c     what happens to a row of a block: softmax, dropout, and back
 *   attention64.c        the same in float64, query by query
 */
#ifndef ENGINE_LAYERS_ATTENTION_H
#define ENGINE_LAYERS_ATTENTION_H

#include "engine/layer.h"

struct self_attention {
  struct layer_common common;
  int64_t heads;
  bool causal;
  double dropout;
  bool bias, add_bias_kv, add_zero_attn;
  struct spec initializer, bias_initializer;
};

enum { ATTENTION_IN_WEIGHT, ATTENTION_OUT_WEIGHT, ATTENTION_IN_BIAS, ATTENTION_OUT_BIAS, ATTENTION_BIASES };

/* The appended key and value, side by side in the table of tensors; NULL: none. */
const struct layer_tensor *attention_find_bias_k(const struct layer *layer);

/* One pass over the layer. */
struct attention {
  const struct layer *layer;
  const struct pass *pass;
  size_t batch, time, width, heads, depth;
  size_t extra; /* appended keys: the trained one first, then that of zeros */
  bool causal;
  size_t block_rows;            /* queries in a block */
  float scale;                  /* 1 / √depth */
  float rate, factor;           /* M is 0 with probability `rate`, else `factor` */
  const float *bias_k, *bias_v; /* [heads, depth], or NULL */
  float *qkv, *mixed;           /* O is `mixed` */
  float *statistics;            /* NULL in inference */
  float *dqkv, *dmixed;         /* backward */
  float *dbias_k, *dbias_v;     /* [batch, heads, depth], or NULL */
  float *blocks;                /* for each piece two blocks of S, and keys and values of an item */
  size_t items_per_piece;
};

/* Queries in a block of S; floats of `blocks`. */
size_t attention_block_rows(const struct layer *layer);
size_t attention_block_floats(const struct layer *layer);
/* How much of the work is a piece. */
size_t attention_items_per_piece(const struct attention *attention);

/* O from qkv, and in training the statistics. */
void attention_mix(const struct attention *attention);
/* dqkv, and of each sample the gradients of the appended key and value, from dO and what attention_mix left. */
void attention_mix_back(const struct attention *attention);

/* Some queries of an item: a block, or a stripe of one. */
struct attention_block {
  const struct attention *attention;
  size_t sample, head;
  size_t length;                    /* real positions of the sample */
  size_t first, rows;               /* queries [first, first + rows) */
  size_t keys;                      /* of the sequence, that any of them sees */
  size_t columns;                   /* keys + extra */
  size_t width;                     /* columns, rounded up to whole vectors */
  size_t row_floats;                /* from one row of `scores` to the next */
  float *scores, *gradients;        /* [rows, row_floats], of each row `width` in use: S, then P or D; dS */
  float *key_panels, *value_panels; /* K and V of the item, as kernel_pack_rows arranges them; V in backward */
};

/* Of each row, S becomes D times the row's sum of exponentials, 0 where the query doesn't look. `statistics`: [rows, 2], for each
 * row max S and 1 / that sum. */
void attention_soften(const struct attention_block *block, float *statistics);
/* From S and dO Vᵀ to D in `scores` and dS / √depth in `gradients`, with the statistics that attention_soften gave. */
void attention_differentiate(const struct attention_block *block, const float *statistics);

void attention_forward64(const struct layer *layer, const struct pass64 *pass);

#endif
