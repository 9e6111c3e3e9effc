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

static void forward_cell(const struct recurrent_step *step) {
  const size_t n = step->units;
  const float *restrict b = step->bias_ih, *restrict d = step->bias_hh;
  for (size_t row = 0; row < step->rows; row++) {
    float *restrict g = step->g + row * GATES * n, *restrict c = step->c + row * n, *restrict h = step->h + row * n;
    const float *restrict u = step->u + row * GATES * n, *restrict c_before = step->c_before + row * n;
    for (size_t j = 0; j < n; j++) {
      const float i = vector_sigmoid(g[j] + u[j] + (b[j] + d[j]));
      const float f = vector_sigmoid(g[n + j] + u[n + j] + (b[n + j] + d[n + j]));
      const float q = vector_tanh(g[2 * n + j] + u[2 * n + j] + (b[2 * n + j] + d[2 * n + j]));
      const float o = vector_sigmoid(g[3 * n + j] + u[3 * n + j] + (b[3 * n + j] + d[3 * n + j]));
      c[j] = f * c_before[j] + i * q;
      h[j] = o * vector_tanh(c[j]);
      g[j] = i;
      g[n + j] = f;
      g[2 * n + j] = q;
      g[3 * n + j] = o;
    }
  }
}

static void backward_cell(const struct recurrent_step *step) {
  const size_t n = step->units;
  for (size_t row = 0; row < step->rows; row++) {
    float *restrict g = step->g + row * GATES * n, *restrict dh = step->dh + row * n, *restrict dc = step->dc + row * n;
    const float *restrict c = step->c + row * n, *restrict c_before = step->c_before + row * n;
    for (size_t j = 0; j < n; j++) {
      const float i = g[j], f = g[n + j], q = g[2 * n + j], o = g[3 * n + j], tanh_c = vector_tanh(c[j]);
      const float dc_t = dc[j] + dh[j] * o * (1 - tanh_c * tanh_c);
      g[j] = dc_t * q * i * (1 - i);
      g[n + j] = dc_t * c_before[j] * f * (1 - f);
      g[2 * n + j] = dc_t * i * (1 - q * q);
      g[3 * n + j] = dh[j] * tanh_c * o * (1 - o);
      dc[j] = dc_t * f;
      dh[j] = 0;
    }
  }
}

static double sigmoid64(double x) { return 1 / (1 + exp(-x)); }

static void forward64_cell(const void *settings, size_t n, const double *g, const double *u, double *h, double *c) {
  (void)settings;
  for (size_t j = 0; j < n; j++) {
    const double i = sigmoid64(g[j] + u[j]), f = sigmoid64(g[n + j] + u[n + j]);
    const double q = tanh(g[2 * n + j] + u[2 * n + j]), o = sigmoid64(g[3 * n + j] + u[3 * n + j]);
    c[j] = f * c[j] + i * q;
    h[j] = o * tanh(c[j]);
  }
}

static const struct recurrent_cell cell = {
    .gate_count = GATES, .has_c = true, .keeps_u = false, .forward = forward_cell, .backward = backward_cell, .forward64 = forward64_cell};

static enum error_code compile(struct layer *layer, struct error *error) { return recurrent_compile(&cell, layer, error); }
static void forward(const struct layer *layer, const struct pass *pass) { recurrent_forward(&cell, layer, pass); }
static void backward(const struct layer *layer, const struct pass *pass) { recurrent_backward(&cell, layer, pass); }
static void forward64(const struct layer *layer, const struct pass64 *pass) { recurrent_forward64(&cell, layer, pass); }

const struct layer_kind layer_lstm = {
    .kind = {.name = "lstm",
             .summary = "long short-term memory: recurrent, with a memory that gates write, keep and read",
             .params = recurrent_params,
             .param_count = PARAM_COUNT(recurrent_params),
             .settings_bytes = sizeof(struct recurrent)},
    .formula = "i, f, o = sigmoid, q = tanh of W_ih x_t + b_ih + W_hh h_(t-1) + b_hh; c_t = f c_(t-1) + i q; h_t = o tanh(c_t)",
    .input_min = 1,
    .input_max = 1,
    .compile = compile,
    .forward = forward,
    .backward = backward,
    .forward64 = forward64,
};
