/* Networks: a spec, compiled to a graph whose parameters are one contiguous block.
 *
 * struct network_spec is what a client describes (network_params is its table). network_create checks it as a whole (names,
 * inputs, cycles, shapes), orders the layers and lays out parameters and buffers. A network is immutable and holds no
 * weights: weights, gradients and buffers are arrays of the caller's, network_parameter_count() floats each.
 *
 * A struct workspace is the memory of passes over batches up to a fixed size: allocated once, before the first pass.
 * Threads: a network may be shared; a workspace belongs to one thread at a time.
 */
#ifndef ENGINE_NETWORK_H
#define ENGINE_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"
#include "engine/layer.h"
#include "engine/loss.h"
#include "engine/parallel.h"
#include "engine/param.h"

struct network_input {
  struct shape shape; /* rank 0: follows from the dataset */
};

struct network_spec {
  char name[LIMIT_NAME_BYTES + 1];
  struct network_input input;
  struct specs layers; /* of layer_kinds; settings start with struct layer_common */
};
extern const struct param network_params[3]; /* name, input, layers */

/* What "auto" and a missing input are resolved from. */
struct network_target {
  struct shape input;     /* of the dataset's features */
  bool is_classification; /* auto → softmax over output_width classes; else linear */
  bool is_multilabel;     /* auto → sigmoid */
  size_t output_width;    /* classes, or numbers to predict */
  size_t steps;           /* is_classification: > 1: a class for each of so many steps of a sequence, an output [steps, classes] */
  bool has_padding;       /* the features are steps of which some samples have fewer than others */
  size_t token_count;     /* the features are a text's tokens 0 … token_count − 1, of which 0 is padding; else 0 */
};

void network_spec_deinit(struct network_spec *spec);

/* Names every layer ("dense_0" by type and position), fills "auto" units and activations and a missing input from `target`, and checks
 * that input and output fit the target, and that padding, if there is some, is left out (network_spec_mask_padding). Without a target
 * (NULL), what is "auto" stays so, and names, inputs, order and all shapes that can be known are checked. Changes `spec` in place. */
__attribute__((warn_unused_result)) enum error_code network_spec_resolve(struct network_spec *spec, const struct network_target *target,
                                                                         struct error *error);

/* Whether a layer takes the network's input and needs it to be steps, [time, features]. */
bool network_spec_takes_steps(const struct network_spec *spec);
/* Puts a masking layer before all others of a resolved spec, if there is none and the network can leave padding out. */
__attribute__((warn_unused_result)) enum error_code network_spec_mask_padding(struct network_spec *spec, struct error *error);

/* Whether a layer takes the network's input as tokens. */
bool network_spec_takes_tokens(const struct network_spec *spec);
/* Which tokens: 0 … count − 1; padding: the one that fills up short sequences, −1 if there is none. The least that any of the layers takes.
 * False if the network takes none, or how many is still "auto". */
bool network_spec_get_tokens(const struct network_spec *spec, size_t *out_count, int64_t *out_padding);
/* Whether all layers take vectors, so that a sample of several axes is best given to them as one vector: dense layers, and what goes with
 * them. */
bool network_spec_takes_vectors(const struct network_spec *spec);
/* Whether a layer takes the network's input and wants it as it is, as tokens or otherwise. */
bool network_spec_takes_unscaled(const struct network_spec *spec);

/* The value of which padding is full, where a masking layer takes the network's input, as it is or reshaped. False: none does. */
bool network_spec_get_mask(const struct network_spec *spec, double *out_value);

struct network;

/* Compiles a resolved spec. The network borrows `spec`, which must outlive it. Errors carry pointers such as "/layers/2/inputs/0".
 * Refuses: duplicate names, unknown inputs, cycles, shapes that don't fit (naming both layers), unused layers that lead nowhere,
 * sizes that overflow. The last layer is the output. */
__attribute__((warn_unused_result)) enum error_code network_create(const struct network_spec *spec, struct network **out_network,
                                                                   struct error *error);
void network_destroy(struct network *network);

size_t network_layer_count(const struct network *network);
const struct layer *network_get_layer(const struct network *network, size_t index); /* in the order of computation */
const char *network_get_layer_name(const struct network *network, size_t index);
const struct shape *network_get_input_shape(const struct network *network);
const struct shape *network_get_output_shape(const struct network *network);
const struct spec *network_get_output_activation(const struct network *network);
bool network_has_output_lengths(const struct network *network);         /* samples of its output are sequences of different length */
size_t network_parameter_count(const struct network *network);          /* floats in the parameter block */
size_t network_trained_count(const struct network *network);            /* the first so many of them; those of frozen layers follow */
size_t network_buffer_count(const struct network *network);             /* floats in the buffer block */
size_t network_half_count(const struct network *network, size_t batch); /* bfloat16 values that pass_options.half needs room for */
bool network_hides_values(const struct network *network);       /* passes with pass_options.joins leave less to be seen than others */
double network_flops_per_sample(const struct network *network); /* forward */

/* Start weights by each tensor's initializer, buffers by their fill; a pure function of seed. */
void network_initialize(const struct network *network, uint64_t seed, float *parameters, float *buffers);

struct workspace;

/* Bytes that a workspace for `batch` samples takes; ERROR_OVER_BUDGET if that overflows. */
__attribute__((warn_unused_result)) enum error_code workspace_measure(const struct network *network, size_t batch, bool training,
                                                                      size_t *out_bytes, struct error *error);
__attribute__((warn_unused_result)) enum error_code workspace_create(const struct network *network, size_t batch, bool training,
                                                                     struct workspace **out_workspace, struct error *error);
void workspace_destroy(struct workspace *workspace);

/* Who looks on while a backward pass runs, on the thread that runs it. */
struct pass_observer {
  void *context;
  /* ∂C/∂a of a layer, [batch, out …], whole: just before its activation turns it into δ in place. Borrowed for the call. Not called for an
   * output layer that network_is_fused, where the loss gives δ itself. */
  void (*see_a_gradient)(void *context, size_t layer, const float *a_gradient);
};

struct pass_options {
  size_t batch; /* ≤ the workspace's */
  bool training;
  bool skips_frozen;               /* backward: without the gradients of frozen layers, and of what only those take */
  bool joins;                      /* z, a and δ of layers but the last need not be there afterwards: some are computed in one go */
  bool row_by_row;                 /* inference: the same bits for a row alone and among others */
  bool has_shares;                 /* backward: the target of a TARGET_CLASS loss is shares of the classes, as loss_batch's are_shares */
  uint64_t seed, epoch, step;      /* of random masks */
  const struct parallel *parallel; /* NULL: this thread only */
  uint16_t *half;                  /* network_half_count values on a cache line: matrix products in bfloat16; NULL: in float32 */
  const struct pass_observer *observer; /* of the backward pass; NULL: nobody */
};

/* Forward pass; `x` is [batch, input …]. Buffers are written in training only. */
void network_forward(const struct network *network, struct workspace *workspace, const struct pass_options *options, const float *x,
                     const float *parameters, float *buffers);

/* Output of the last forward pass, borrowed: a (and z) of the output layer, [batch, output …]. */
const float *workspace_get_output(const struct workspace *workspace);
const float *workspace_get_output_z(const struct workspace *workspace);
/* [batch] real steps along axis 0 of each sample of the output; NULL if all are. Behind them the output is 0. */
const uint32_t *workspace_get_output_lengths(const struct workspace *workspace);
const uint32_t *workspace_get_lengths(const struct workspace *workspace, size_t layer); /* likewise of any layer */
/* The output of the last forward pass over `samples` samples beside their targets, as the loss_… functions take it; class weights are the
 * caller's to set. */
struct loss_batch workspace_get_loss_batch(const struct workspace *workspace, const struct spec *loss, size_t samples, const float *target);
/* z, a, δ of any layer after a pass, borrowed, [batch, out …]; δ after a backward pass. For trace, diagnosis, tests; of passes without
 * pass_options.joins. */
const float *workspace_get_z(const struct workspace *workspace, size_t layer);
const float *workspace_get_a(const struct workspace *workspace, size_t layer);
const float *workspace_get_delta(const struct workspace *workspace, size_t layer);

/* Backward pass after network_forward(training) of the same batch and options: loss gradient, δ of each layer, gradients[parameter_count]
 * overwritten (without penalties). `input_gradient` [batch, input …] or NULL if not wanted. */
void network_backward(const struct network *network, struct workspace *workspace, const struct pass_options *options, const float *x,
                      const float *parameters, const struct spec *loss, const double *class_weights, const float *target, float *gradients,
                      float *input_gradient);

/* Whether this loss gives δ of the output layer at once, computed together with its activation. */
bool network_is_fused(const struct network *network, const struct spec *loss);

/* A loss's rows and their width in the output of `samples` samples; no arrays yet. */
struct loss_batch network_lay_out_loss(const struct network *network, const struct spec *loss, size_t samples);

/* Checks that the loss can follow this network's output: fused losses need their activation, TARGET_CLASS one row of classes, or one for
 * each step of a sequence [time, classes]. */
__attribute__((warn_unused_result)) enum error_code network_check_loss(const struct network *network, const struct spec *loss,
                                                                       const char *pointer, struct error *error);

/* l1 Σ|w| + l2 Σ w² over penalized tensors of layers that aren't frozen; and its gradient added to `gradients`. */
double network_penalty(const struct network *network, const float *parameters);
void network_add_penalty_gradient(const struct network *network, const float *parameters, float *gradients);

/* Bytes that network_cost64 allocates. */
__attribute__((warn_unused_result)) enum error_code network_cost64_measure(const struct network *network, size_t batch, size_t *out_bytes,
                                                                           struct error *error);

/* Cost of a batch in float64, from float64 parameters, by the kinds' forward64; allocates its own memory. The
 * reference of gradient checks. */
__attribute__((warn_unused_result)) enum error_code network_cost64(const struct network *network, const struct pass_options *options,
                                                                   const double *x, const double *parameters, const double *buffers,
                                                                   const struct spec *loss, const double *class_weights,
                                                                   const float *target, double *out_cost, struct error *error);

#endif
