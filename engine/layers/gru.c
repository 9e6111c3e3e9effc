/* GRU (Cho et al. 2014), PyTorch's GRU, whose reset gate acts on the product of W_hh. With the rows of g and u in the order r, z, n:
 *
 *   r = σ(g + u)   z = σ(g + u)   n = tanh(g + r u)      h_t = (1 − z) n + z h_(t−1)
 *
 *   with n′ = ∂C/∂h (1 − z) (1 − n²):  ∂C/∂g of n = n′,  ∂C/∂u of n = n′ r,  ∂C/∂r = n′ u,  ∂C/∂z = ∂C/∂h (h_(t−1) − n)
 *
 * In training u holds, of n, u + b_hh from forward to backward.
 */
#include <math.h>

#include "engine/layers/kinds.h"
#include "engine/layers/recurrent.h"
#include "engine/vector_math.h"

enum { GATES = 3 };

static void forward_cell(const struct recurrent_step *step) {
  const size_t n = step->units;
  const float *restrict b = step->bias_ih, *restrict d = step->bias_hh;
  for (size_t row = 0; row < step->rows; row++) {
    float *restrict g = step->g + row * GATES * n, *restrict u = step->u + row * GATES * n, *restrict h = step->h + row * n;
    const float *restrict h_before = step->h_before + row * n;
    for (size_t j = 0; j < n; j++) {
      const float r = vector_sigmoid(g[j] + u[j] + (b[j] + d[j]));
      const float z = vector_sigmoid(g[n + j] + u[n + j] + (b[n + j] + d[n + j]));
      const float hidden = u[2 * n + j] + d[2 * n + j];
      const float candidate = vector_tanh(g[2 * n + j] + b[2 * n + j] + r * hidden);
      h[j] = candidate + z * (h_before[j] - candidate);
      g[j] = r;
      g[n + j] = z;
      g[2 * n + j] = candidate;
      u[2 * n + j] = hidden;
    }
  }
}

static void backward_cell(const struct recurrent_step *step) {
  const size_t n = step->units;
  for (size_t row = 0; row < step->rows; row++) {
    float *restrict g = step->g + row * GATES * n, *restrict u = step->u + row * GATES * n, *restrict dh = step->dh + row * n;
    const float *restrict h_before = step->h_before + row * n;
    for (size_t j = 0; j < n; j++) {
      const float r = g[j], z = g[n + j], candidate = g[2 * n + j];
      const float d_candidate = dh[j] * (1 - z) * (1 - candidate * candidate);
      g[j] = u[j] = d_candidate * u[2 * n + j] * r * (1 - r);
      g[n + j] = u[n + j] = dh[j] * (h_before[j] - candidate) * z * (1 - z);
      g[2 * n + j] = d_candidate;
      u[2 * n + j] = d_candidate * r;
      dh[j] *= z;
    }
  }
}

static double sigmoid64(double x) { return 1 / (1 + exp(-x)); }

static void forward64_cell(const void *settings, size_t n, const double *g, const double *u, double *h, double *c) {
  (void)settings, (void)c;
  for (size_t j = 0; j < n; j++) {
    const double r = sigmoid64(g[j] + u[j]), z = sigmoid64(g[n + j] + u[n + j]);
    const double candidate = tanh(g[2 * n + j] + r * u[2 * n + j]);
    h[j] = (1 - z) * candidate + z * h[j];
  }
}

static const struct recurrent_cell cell = {
    .gate_count = GATES, .has_c = false, .keeps_u = true, .forward = forward_cell, .backward = backward_cell, .forward64 = forward64_cell};

static enum error_code compile(struct layer *layer, struct error *error) { return recurrent_compile(&cell, layer, error); }
static void forward(const struct layer *layer, const struct pass *pass) { recurrent_forward(&cell, layer, pass); }
static void backward(const struct layer *layer, const struct pass *pass) { recurrent_backward(&cell, layer, pass); }
static void forward64(const struct layer *layer, const struct pass64 *pass) { recurrent_forward64(&cell, layer, pass); }

const struct layer_kind layer_gru = {
    .kind = {.name = "gru",
             .summary = "gated recurrent unit: recurrent, with gates that reset and keep its state",
             .params = recurrent_params,
             .param_count = PARAM_COUNT(recurrent_params),
             .settings_bytes = sizeof(struct recurrent)},
    .formula = "r, z = sigmoid of W_ih x_t + b_ih + W_hh h_(t-1) + b_hh; n = tanh(W_in x_t + b_in + r (W_hn h_(t-1) + b_hn)); h_t = (1 - "
               "z) n + z h_(t-1)",
    .input_min = 1,
    .input_max = 1,
    .compile = compile,
    .forward = forward,
    .backward = backward,
    .forward64 = forward64,
};
