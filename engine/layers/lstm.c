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
#include "engine/vector_gates.h"

enum { GATES = 4 };

/* Of a row: the sums in `gates` become the gates; the four of a unit, and its c, are computed together, and h, which waits for c, after all of
 * them. `bias_ih` and `bias_hh` are [GATES, n] too. */
static void remember(size_t n, float *restrict gates, const float *restrict bias_ih, const float *restrict bias_hh,
                     const float *restrict c_before, float *restrict c, float *restrict h) {
  for (size_t j = 0; j < n; j += VECTOR_FLOATS) {
    const size_t count = n - j;
    vector sums[GATES];
#pragma GCC unroll 4
    for (size_t gate = 0, at = j; gate < GATES; gate++, at += n)
      sums[gate] = vector_load_some(gates + at, count) + (vector_load_some(bias_ih + at, count) + vector_load_some(bias_hh + at, count));
    const vector i = vector_sigmoids(sums[0]), f = vector_sigmoids(sums[1]), q = vector_tanhs(sums[2]), o = vector_sigmoids(sums[3]);
    vector_store_some(gates + j, i, count);
    vector_store_some(gates + n + j, f, count);
    vector_store_some(gates + 2 * n + j, q, count);
    vector_store_some(gates + 3 * n + j, o, count);
    vector_store_some(c + j, f * vector_load_some(c_before + j, count) + i * q, count);
  }
  for (size_t j = 0; j < n; j += VECTOR_FLOATS)
    vector_store_some(h + j, vector_load_some(gates + 3 * n + j, n - j) * vector_tanhs(vector_load_some(c + j, n - j)), n - j);
}

static void forward_cell(const struct recurrent_step *step) {
  const size_t n = step->units;
  for (size_t row = 0; row < step->rows; row++)
    remember(n, step->g + row * GATES * n, step->bias_ih, step->bias_hh, step->c_before + row * n, step->c + row * n, step->h + row * n);
}

/* Of a row: each gate is replaced by its gradient. */
static void forget(size_t n, float *restrict gates, const float *restrict c, const float *restrict c_before, float *restrict dh,
                   float *restrict dc) {
  float *i_gate = gates, *f_gate = gates + n, *q_gate = gates + 2 * n, *o_gate = gates + 3 * n;
  for (size_t j = 0; j < n; j += VECTOR_FLOATS) {
    const size_t count = n - j;
    const vector i = vector_load_some(i_gate + j, count), f = vector_load_some(f_gate + j, count);
    const vector q = vector_load_some(q_gate + j, count), o = vector_load_some(o_gate + j, count);
    const vector dh_t = vector_load_some(dh + j, count), tanh_c = vector_tanhs(vector_load_some(c + j, count));
    const vector dc_t = vector_load_some(dc + j, count) + dh_t * o * (1.0f - tanh_c * tanh_c);
    vector_store_some(i_gate + j, dc_t * q * i * (1.0f - i), count);
    vector_store_some(f_gate + j, dc_t * vector_load_some(c_before + j, count) * f * (1.0f - f), count);
    vector_store_some(q_gate + j, dc_t * i * (1.0f - q * q), count);
    vector_store_some(o_gate + j, dh_t * tanh_c * o * (1.0f - o), count);
    vector_store_some(dc + j, dc_t * f, count);
    vector_store_some(dh + j, (vector){0}, count);
  }
}

static void backward_cell(const struct recurrent_step *step) {
  const size_t n = step->units;
  for (size_t row = 0; row < step->rows; row++)
    forget(n, step->g + row * GATES * n, step->c + row * n, step->c_before + row * n, step->dh + row * n, step->dc + row * n);
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
