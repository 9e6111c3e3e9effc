/* What rnn, lstm and gru share: everything but what happens within one step. recurrent.c walks through time; a cell, one for each kind,
 * turns the products of a step into gates and the next h.
 *
 *   g_t = W_ih x_t      u_t = W_hh h_(t−1)      h_t, c_t = cell(g_t + b_ih, u_t + b_hh, h_(t−1), c_(t−1))
 *
 * W_ih is [gates · units, features], W_hh [gates · units, units], as in PyTorch, whose names and order of gates the tensors have; those of
 * the direction from last to first end in _reverse.
 */
#ifndef ENGINE_LAYERS_RECURRENT_H
#define ENGINE_LAYERS_RECURRENT_H

#include <math.h>

#include "engine/layer.h"

/* The first member of the kinds' settings; recurrent_params describes it, at offset 0. */
struct recurrent {
  struct layer_common common;
  int64_t units;
  bool return_sequences, bidirectional, bias;
  struct spec initializer, recurrent_initializer, bias_initializer;
};
extern const struct param recurrent_params[10];

/* One step of some rows, all at the same step. H: units; G: gates · units. */
struct recurrent_step {
  const void *settings;
  size_t rows, units;
  /* [rows, G]. Forward: W_ih x, or W_ih x + W_hh h if the cell keeps no u, replaced by the gates; backward: the gates, replaced by ∂C/∂g */
  float *g;
  float *u; /* [rows, G], if the cell keeps it. Forward: W_hh h; backward: as forward left it, replaced by ∂C/∂u */
  const float *bias_ih, *bias_hh;   /* [G]; zeros without bias. Forward only */
  const float *h_before, *c_before; /* [rows, H] */
  float *h;                         /* [rows, H], written by forward */
  float *c;                         /* [rows, H], likewise, if the cell has a c */
  float *dh;                        /* [rows, H], backward: ∂C/∂h, replaced by what of it reaches h_before other than by u */
  float *dc;                        /* [rows, H], backward: ∂C/∂c of the steps after, replaced by ∂C/∂c_before */
};

struct recurrent_cell {
  size_t gate_count;
  bool has_c;
  bool keeps_u; /* forward takes u apart from g, it is kept for backward, and ∂C/∂u differs from ∂C/∂g */
  void (*forward)(const struct recurrent_step *step);
  void (*backward)(const struct recurrent_step *step);
  /* One row in float64: from g and u, biases included, and h, c of the step before to those of this one, in place. */
  void (*forward64)(const void *settings, size_t units, const double *g, const double *u, double *h, double *c);
};

enum error_code recurrent_compile(const struct recurrent_cell *cell, struct layer *layer, struct error *error);
void recurrent_forward(const struct recurrent_cell *cell, const struct layer *layer, const struct pass *pass);
void recurrent_backward(const struct recurrent_cell *cell, const struct layer *layer, const struct pass *pass);
void recurrent_forward64(const struct recurrent_cell *cell, const struct layer *layer, const struct pass64 *pass);

/* The functions of a kind's record, those above with its cell. */
#define RECURRENT_FUNCTIONS(cell_)                                                                                                         \
  static enum error_code compile(struct layer *layer, struct error *error) { return recurrent_compile(&(cell_), layer, error); }           \
  static void forward(const struct layer *layer, const struct pass *pass) { recurrent_forward(&(cell_), layer, pass); }                    \
  static void backward(const struct layer *layer, const struct pass *pass) { recurrent_backward(&(cell_), layer, pass); }                  \
  static void forward64(const struct layer *layer, const struct pass64 *pass) { recurrent_forward64(&(cell_), layer, pass); }

static inline double recurrent_sigmoid64(double x) { return 1 / (1 + exp(-x)); }

#endif
