/* Traces: one step of training on a few rows, looked at from within. Every z, a, f′(z), ∂C/∂a, δ, ∂C/∂w, and the step that the optimizer
 * would make of them. A trace works on a copy of the weights: advance it as often as you like, nothing else changes.
 *
 *     set weights ─▶ ┌▶ trace_pass: forward, backward ─▶ trace_update: the step, beside the weights ─▶ look ─┐
 *                    └──────────────────────── trace_advance: the step is taken ◀────────────────────────────┘
 *
 * Passes are those of training, as if the rows were a dataset and each step an epoch: dropout drops, by seed and step; batch norm
 * normalizes over these rows. The same start gives the same bits.
 * Threads: a trace belongs to one thread.
 */
#ifndef ENGINE_TRACE_H
#define ENGINE_TRACE_H

#include "engine/network.h"
#include "engine/optimizer.h"

struct trace_options {
  const struct spec *loss;     /* resolved, and checked against the network (network_check_loss) */
  const double *class_weights; /* resolved, [outputs]; NULL: all 1 */
  const struct spec *optimizer;
  double clip_norm, clip_value; /* NAN: off */
  uint64_t seed;                /* of random masks */
  size_t row_count;
};

/* What there is of each layer. */
enum trace_quantity {
  TRACE_Z,                     /* [rows, out …] */
  TRACE_A,                     /* likewise */
  TRACE_ACTIVATION_DERIVATIVE, /* f′(z), likewise */
  TRACE_ACTIVATION_JACOBIAN,   /* of an activation by rows (softmax) instead: ∂a_k/∂z_j at [rows, out …, k → j] */
  TRACE_A_GRADIENT,            /* ∂C/∂a, as z */
  TRACE_DELTA,                 /* δ = ∂C/∂z, as z */
  TRACE_QUANTITIES
};
extern const char *const trace_quantity_names[TRACE_QUANTITIES];

/* … and of each of its tensors. */
enum trace_tensor_quantity {
  TRACE_VALUE,
  TRACE_GRADIENT, /* ∂C/∂w with the penalties' part, before clipping */
  TRACE_STEP,     /* Δw: what the update adds */
  TRACE_AFTER,    /* w + Δw */
  TRACE_TENSOR_QUANTITIES
};

enum { TRACE_JACOBIAN_VALUES_MAX = 1 << 20 }; /* a larger Jacobian is left out */

struct trace;

/* Bytes that trace_create allocates. */
__attribute__((warn_unused_result)) enum error_code trace_measure(const struct network *network, const struct trace_options *options,
                                                                  size_t *out_bytes, struct error *error);
/* Borrows network and options' specs. Weights are those of network_initialize(seed), rows are 0. */
__attribute__((warn_unused_result)) enum error_code trace_create(const struct network *network, const struct trace_options *options,
                                                                 struct trace **out_trace, struct error *error);
void trace_destroy(struct trace *trace);

/* To be filled before the first pass: weights, buffers, [rows, input …], and the target as the loss wants it. */
float *trace_get_parameters(struct trace *trace);
float *trace_get_buffers(struct trace *trace);
float *trace_get_input(struct trace *trace);
float *trace_get_target(struct trace *trace);

void trace_pass(struct trace *trace);
void trace_update(struct trace *trace);
void trace_advance(struct trace *trace);
/* The loss (without penalties) and output that the step leads to, as trace_get_loss and TRACE_A of the last layer then say; after it only
 * z and a are those of the new weights. */
void trace_look_ahead(struct trace *trace);

double trace_get_loss(const struct trace *trace); /* of the last pass, without penalties */
double trace_get_penalty(const struct trace *trace);
double trace_get_gradient_norm(const struct trace *trace); /* of all weights, before clipping */

/* Some values, borrowed until the next call. NULL where there is none of them: a Jacobian of what has a derivative value by value, and the
 * other way round, one that is too large, or ∂C/∂a where the loss doesn't say it. */
const float *trace_get_values(struct trace *trace, size_t layer, enum trace_quantity quantity, size_t *out_count);
const float *trace_get_tensor(struct trace *trace, size_t layer, size_t tensor, enum trace_tensor_quantity quantity, size_t *out_count);
/* ∂C/∂x of the rows themselves. */
const float *trace_get_input_gradient(const struct trace *trace);

#endif
