/* The compiled network, as network_compile.c builds it, network.c answers for it and workspace.c, pass.c and cost64.c walk it. Nobody else
 * includes this. */
#ifndef ENGINE_NETWORK_PRIVATE_H
#define ENGINE_NETWORK_PRIVATE_H

#include "engine/network.h"

/* Source of an edge that is the network's input, not a layer. */
#define SOURCE_INPUT SIZE_MAX

/* joined_with of a node that is computed by itself. */
#define NO_NODE SIZE_MAX

/* lengths_at of a node whose output has none. */
#define NO_LENGTHS SIZE_MAX

/* One layer and the edges that lead into it. Several layers may take one output; backward, in reverse order, the first of them writes
 * ∂C/∂a of that output, all others write to scratch memory, which is then added. */
struct node {
  struct layer layer;
  const struct spec *activation; /* borrowed; NULL: linear, a is z */
  size_t spec_index;             /* position in the spec */
  size_t out_size;               /* values of one sample */
  size_t lengths_at;             /* index of the node that keeps the lengths of this one's output, itself or one before; or NO_LENGTHS */
  size_t sources[LIMIT_LAYER_INPUTS]; /* index of a node, or SOURCE_INPUT */
  bool adds[LIMIT_LAYER_INPUTS];      /* this edge's gradient goes to scratch and is added */
  bool loses_shifts;                  /* in training, what is added to all values of a channel of its output changes nothing */
  size_t joined_with;                 /* the node after it that can be computed with it in one go, or NO_NODE */
  bool is_joined;                     /* there is a node before it whose joined_with it is */
  size_t delta_at;                    /* node whose `delta` holds this one's too, where nobody looks at δ: mostly itself */
  bool is_delta_read_later;           /* that array, by others */
  bool keeps_slope;                   /* its activation can leave ∂a/∂z in place of z, which nobody but backward looks at */
  bool shares_values;                 /* its z is its source's a, in one array … */
  bool shares_delta;                  /* … and its δ its source's */
  bool needs_gradient;                /* it, or a layer that its input comes from, has weights to train */
};

struct network {
  const struct network_spec *spec; /* borrowed */
  struct shape input;
  size_t input_size;
  size_t node_count;
  struct node *nodes; /* in an order of computation; the last is the output */
  size_t parameter_count, trained_count, buffer_count;
  double flops_per_sample;
};

/* Values of one sample that the source of an edge has. */
static inline size_t source_size(const struct network *network, size_t source) {
  return source == SOURCE_INPUT ? network->input_size : network->nodes[source].out_size;
}

/* Sets delta_at and is_delta_read_later, which say that each node has an array of its own, of a whole network. */
void network_place_deltas(struct network *network);

/* The layer that needs most room for its work in a batch: work_per_sample · batch + work_fixed. */
const struct layer *network_find_largest_work(const struct network *network, size_t batch);

/* Checks what can be checked of a named spec while a dataset is awaited: names, inputs, order; and shapes, if the input's is known, up to
 * the output layer, or with it if nothing in it is "auto". */
enum network_known { NETWORK_KNOWN_NOTHING, NETWORK_KNOWN_BUT_OUTPUT, NETWORK_KNOWN_ALL }; /* shapes of a draft, if its input's is known */
__attribute__((warn_unused_result)) enum error_code network_check_draft(const struct network_spec *spec, enum network_known known,
                                                                        struct error *error);

/* Where a layer's arrays are. `a` is `z` where the activation is linear. */
struct node_memory {
  float *z, *a;      /* [batch, out …] */
  float *delta;      /* ∂C/∂a, then δ in its place; training only */
  float *saved;      /* as the kind asked; training only */
  uint32_t *lengths; /* [batch]: where this node keeps lengths; else NULL */
};

/* Where the lengths of a node's output are kept, or NO_LENGTHS. `source` may be SOURCE_INPUT. */
static inline size_t source_lengths_at(const struct network *network, size_t source) {
  return source == SOURCE_INPUT ? NO_LENGTHS : network->nodes[source].lengths_at;
}
/* Lengths for a node that keeps lengths of its own although its layer writes none: its inputs' differ, the shorter holds. */
void lengths_take_shorter(const struct layer *layer, const uint32_t *const *lengths, size_t batch, uint32_t *out_lengths);

struct workspace {
  size_t batch;
  bool training;
  float *block;                  /* owned; everything below points into it */
  float *work;                   /* what a layer's call needs for itself */
  float *scratch;                /* gradients of a layer's edges that are added */
  const struct network *network; /* borrowed */
  struct node_memory nodes[];    /* node_count */
};

#endif
