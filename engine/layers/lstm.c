/* LSTM (Hochreiter, Schmidhuber 1997, with the forget gate of Gers, Schmidhuber, Cummins 2000), PyTorch's LSTM. With the rows of g + u in the
 * order of the gates i, f, q (PyTorch's g), o:
 *
 *   i = σ(·)  f = σ(·)  q = tanh(·)  o = σ(·)      c_t = f c_(t−1) + i q      h_t = o tanh(c_t)
 *
 *   ∂C/∂o = ∂C/∂h tanh(c_t)      ∂C/∂c_t = ∂C/∂h o (1 − tanh²(c_t)) + what later steps send back
 *   ∂C/∂i = ∂C/∂c_t q    ∂C/∂q = ∂C/∂c_t i    ∂C/∂f = ∂C/∂c_t c_(t−1)    ∂C/∂c_(t−1) = ∂C/∂c_t f
 */
#include <math.h>

#include "engine/layers/kinds.h"
#include "engine/layers/recurrent.h"
#include "engine/vector_math.h"

enum { GATES = 4 };

/* Of a row: the sums in `gates` become the gates; the four of a unit, and its c and h, are computed together. `bias_ih` and `bias_hh` are
 * [GATES, n] too. */
static void remember(size_t n, float *restrict gates, const float *restrict bias_ih, const float *restrict bias_hh,
                     const float *restrict c_before, float *restrict c, float *restrict h) {
  float *i_gate = gates, *f_gate = gates + n, *q_gate = gates + 2 * n, *o_gate = gates + 3 * n;
  const float *b = bias_ih, *d = bias_hh;
#pragma GCC ivdep
  for (size_t j = 0; j < n; j++) {
    const float i = vector_sigmoid(i_gate[j] + (b[j] + d[j])), f = vector_sigmoid(f_gate[j] + (b[n + j] + d[n + j]));
    const float q = vector_tanh(q_gate[j] + (b[2 * n + j] + d[2 * n + j])), o = vector_sigmoid(o_gate[j] + (b[3 * n + j] + d[3 * n + j]));
    i_gate[j] = i;
    f_gate[j] = f;
    q_gate[j] = q;
    o_gate[j] = o;
    c[j] = f * c_before[j] + i * q;
    h[j] = o * vector_tanh(c[j]);
  }
}

static void forward_cell(const struct recurrent_step *step) {
  const size_t n = step->units;
  for (size_t row = 0; row < step->rows; row++)
    remember(n, step->g + row * GATES * n, step->bias_ih, step->bias_hh, step->c_before + row * n, step->c + row * n, step->h + row * n);
}

/* The arrays of a row are apart; each gate is replaced by its gradient. */
static void forget(size_t n, float *restrict i_gate, float *restrict f_gate, float *restrict q_gate, float *restrict o_gate,
                   const float *restrict c, const float *restrict c_before, float *restrict dh, float *restrict dc) {
  for (size_t j = 0; j < n; j++) {
    const float i = i_gate[j], f = f_gate[j], q = q_gate[j], o = o_gate[j], tanh_c = vector_tanh(c[j]);
    const float dc_t = dc[j] + dh[j] * o * (1 - tanh_c * tanh_c);
    i_gate[j] = dc_t * q * i * (1 - i);
    f_gate[j] = dc_t * c_before[j] * f * (1 - f);
    q_gate[j] = dc_t * i * (1 - q * q);
    o_gate[j] = dh[j] * tanh_c * o * (1 - o);
    dc[j] = dc_t * f;
    dh[j] = 0;
  }
}

static void backward_cell(const struct recurrent_step *step) {
  const size_t n = step->units;
  for (size_t row = 0; row < step->rows; row++) {
    float *gates = step->g + row * GATES * n;
    forget(n, gates, gates + n, gates + 2 * n, gates + 3 * n, step->c + row * n, step->c_before + row * n, step->dh + row * n,
           step->dc + row * n);
  }
}

static void forward64_cell(const void *settings, size_t n, const double *g, const double *u, double *h, double *c) {
  (void)settings;
  for (size_t j = 0; j < n; j++) {
    const double i = recurrent_sigmoid64(g[j] + u[j]), f = recurrent_sigmoid64(g[n + j] + u[n + j]);
    const double q = tanh(g[2 * n + j] + u[2 * n + j]), o = recurrent_sigmoid64(g[3 * n + j] + u[3 * n + j]);
    c[j] = f * c[j] + i * q;
    h[j] = o * tanh(c[j]);
  }
}

static const struct recurrent_cell cell = {
    .gate_count = GATES, .has_c = true, .keeps_u = false, .forward = forward_cell, .backward = backward_cell, .forward64 = forward64_cell};

RECURRENT_FUNCTIONS(cell)

const struct layer_kind layer_lstm = {
    .kind = {.name = "lstm",
             .summary = "long short-term memory: recurrent, with a memory that gates write, keep and read",
             .params = recurrent_params,
             .param_count = PARAM_COUNT(recurrent_params),
             .settings_bytes = sizeof(struct recurrent)},
    .formula = "i, f, o = sigmoid, q = tanh of W_ih x_t + b_ih + W_hh h_(t-1) + b_hh; c_t = f c_(t-1) + i q; h_t = o tanh(c_t)",
    .gradient_formula =
        "back through time: dh_t = δ_t + W_hh^T d_(t+1), dc_t = dh_t o tanh'(c_t) + f_(t+1) dc_(t+1); d_t = [dc q, dc c_(t-1), dc i, dh "
        "tanh(c)] times the slopes of i, f, q, o; ∂C/∂W_ih = Σ d_t x_t^T, ∂C/∂W_hh = Σ d_t h_(t-1)^T, ∂C/∂x_t = W_ih^T d_t",
    .takes_steps = true,
    .input_min = 1,
    .input_max = 1,
    .compile = compile,
    .forward = forward,
    .backward = backward,
    .forward64 = forward64,
};
