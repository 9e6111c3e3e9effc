/* RNN (Elman 1990), PyTorch's RNN: h_t = f(g + u), f = tanh or relu. ∂C/∂g = ∂C/∂h f′, with 1 − h² or, for relu, 1 where h > 0. */
#include <math.h>

#include "engine/layers/kinds.h"
#include "engine/layers/recurrent.h"
#include "engine/vector_gates.h"

struct rnn {
  struct recurrent recurrent;
  int nonlinearity;
};

enum { NONLINEARITY_TANH, NONLINEARITY_RELU };
static const char *const nonlinearities[] = {"tanh", "relu", NULL};

static const struct param params[] = {
    PARAM_INLINE_ROW(struct rnn, recurrent, recurrent_params),
    PARAM_CHOICE_ROW(struct rnn, nonlinearity, nonlinearities, NONLINEARITY_TANH, "what a step's sum goes through"),
};

static bool is_relu(const void *settings) { return ((const struct rnn *)settings)->nonlinearity == NONLINEARITY_RELU; }

/* NaN stays NaN. */
static vector rectify(vector z) {
  const vector none = {0};
  return vector_choose(vector_is_larger(none, z), none, z);
}

static void forward_cell(const struct recurrent_step *step) {
  const size_t n = step->units;
  const bool relu = is_relu(step->settings);
  for (size_t row = 0; row < step->rows; row++) {
    float *restrict g = step->g + row * n, *restrict h = step->h + row * n;
    for (size_t j = 0; j < n; j += VECTOR_FLOATS) {
      const size_t count = n - j;
      const vector bias = vector_load_some(step->bias_ih + j, count) + vector_load_some(step->bias_hh + j, count);
      const vector z = vector_load_some(g + j, count) + bias, a = relu ? rectify(z) : vector_tanhs(z);
      vector_store_some(g + j, a, count);
      vector_store_some(h + j, a, count);
    }
  }
}

static void backward_cell(const struct recurrent_step *step) {
  const size_t count = step->rows * step->units;
  const bool relu = is_relu(step->settings);
  float *restrict g = step->g, *restrict dh = step->dh;
  for (size_t j = 0; j < count; j++) {
    g[j] = dh[j] * (relu ? (g[j] > 0 ? 1.0f : 0.0f) : 1 - g[j] * g[j]);
    dh[j] = 0;
  }
}

static void forward64_cell(const void *settings, size_t n, const double *g, const double *u, double *h, double *c) {
  (void)c;
  for (size_t j = 0; j < n; j++) h[j] = is_relu(settings) ? fmax(g[j] + u[j], 0) : tanh(g[j] + u[j]);
}

static const struct recurrent_cell cell = {
    .gate_count = 1, .has_c = false, .keeps_u = false, .forward = forward_cell, .backward = backward_cell, .forward64 = forward64_cell};

RECURRENT_FUNCTIONS(cell)

const struct layer_kind layer_rnn = {
    .kind = {.name = "rnn",
             .summary = "recurrent: each step sees its input and the output of the step before",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct rnn)},
    .formula = "h_t = f(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh)",
    .gradient_formula = "back through time: d_t = (δ_t + W_hh^T d_(t+1)) f'; ∂C/∂W_ih = Σ d_t x_t^T, ∂C/∂W_hh = Σ d_t h_(t-1)^T, ∂C/∂b = Σ "
                        "d_t, ∂C/∂x_t = W_ih^T d_t",
    .takes_steps = true,
    .input_min = 1,
    .input_max = 1,
    .compile = compile,
    .forward = forward,
    .backward = backward,
    .forward64 = forward64,
};
