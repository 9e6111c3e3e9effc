/* GRU (Cho et al. 2014), PyTorch's GRU, whose reset gate acts on the product of W_hh. With the rows of g and u in the order r, z, n:
 *
 *   r = σ(g + u)   z = σ(g + u)   n = tanh(g + r u)      h_t = (1 − z) n + z h_(t−1)
 *
 *   with n′ = ∂C/∂h (1 − z) (1 − n²):  ∂C/∂g of n = n′,  ∂C/∂u of n = n′ r,  ∂C/∂r = n′ u,  ∂C/∂z = ∂C/∂h (h_(t−1) − n)
 *
 * In training u holds, of n, u + b_hh from forward to backward.
 */
#include <math.h>
#include <string.h>

#include "engine/layers/kinds.h"
#include "engine/layers/recurrent.h"
#include "engine/vector_math.h"

enum { CANDIDATE = 2, GATES = 3 };

/* r or z of a row: values = σ(values + u + biases). */
static void open_gate(size_t n, float *restrict values, const float *restrict u, const float *restrict bias_ih,
                      const float *restrict bias_hh) {
  for (size_t j = 0; j < n; j++) values[j] = vector_sigmoid(values[j] + u[j] + (bias_ih[j] + bias_hh[j]));
}

static void propose(size_t n, float *restrict values, float *restrict u, const float *restrict r, const float *restrict bias_ih,
                    const float *restrict bias_hh) {
  for (size_t j = 0; j < n; j++) {
    u[j] += bias_hh[j];
    values[j] = vector_tanh(values[j] + bias_ih[j] + r[j] * u[j]);
  }
}

static void forward_cell(const struct recurrent_step *step) {
  const size_t n = step->units;
  const float *b = step->bias_ih, *d = step->bias_hh;
  for (size_t row = 0; row < step->rows; row++) {
    float *g = step->g + row * GATES * n, *u = step->u + row * GATES * n;
    for (size_t gate = 0; gate < CANDIDATE; gate++) open_gate(n, g + gate * n, u + gate * n, b + gate * n, d + gate * n);
    propose(n, g + CANDIDATE * n, u + CANDIDATE * n, g, b + CANDIDATE * n, d + CANDIDATE * n);
    const float *restrict z = g + n, *restrict candidate = g + CANDIDATE * n, *restrict h_before = step->h_before + row * n;
    float *restrict h = step->h + row * n;
    for (size_t j = 0; j < n; j++) h[j] = candidate[j] + z[j] * (h_before[j] - candidate[j]);
  }
}

/* Of a row: the gates g are replaced by their gradients, and n's part of u by its own; those of r and z are g's. */
static void reset(size_t n, float *restrict r_gate, float *restrict z_gate, float *restrict candidate_gate, float *restrict hidden,
                  const float *restrict h_before, float *restrict dh) {
  for (size_t j = 0; j < n; j++) {
    const float r = r_gate[j], z = z_gate[j], candidate = candidate_gate[j];
    const float d_candidate = dh[j] * (1 - z) * (1 - candidate * candidate);
    r_gate[j] = d_candidate * hidden[j] * r * (1 - r);
    z_gate[j] = dh[j] * (h_before[j] - candidate) * z * (1 - z);
    candidate_gate[j] = d_candidate;
    hidden[j] = d_candidate * r;
    dh[j] *= z;
  }
}

static void backward_cell(const struct recurrent_step *step) {
  const size_t n = step->units;
  for (size_t row = 0; row < step->rows; row++) {
    float *g = step->g + row * GATES * n, *u = step->u + row * GATES * n;
    reset(n, g, g + n, g + CANDIDATE * n, u + CANDIDATE * n, step->h_before + row * n, step->dh + row * n);
    memcpy(u, g, CANDIDATE * n * sizeof *u);
  }
}

static void forward64_cell(const void *settings, size_t n, const double *g, const double *u, double *h, double *c) {
  (void)settings, (void)c;
  for (size_t j = 0; j < n; j++) {
    const double r = recurrent_sigmoid64(g[j] + u[j]), z = recurrent_sigmoid64(g[n + j] + u[n + j]);
    const double candidate = tanh(g[2 * n + j] + r * u[2 * n + j]);
    h[j] = (1 - z) * candidate + z * h[j];
  }
}

static const struct recurrent_cell cell = {
    .gate_count = GATES, .has_c = false, .keeps_u = true, .forward = forward_cell, .backward = backward_cell, .forward64 = forward64_cell};

RECURRENT_FUNCTIONS(cell)

const struct layer_kind layer_gru = {
    .kind = {.name = "gru",
             .summary = "gated recurrent unit: recurrent, with gates that reset and keep its state",
             .params = recurrent_params,
             .param_count = PARAM_COUNT(recurrent_params),
             .settings_bytes = sizeof(struct recurrent)},
    .formula = "r, z = sigmoid of W_ih x_t + b_ih + W_hh h_(t-1) + b_hh; n = tanh(W_in x_t + b_in + r (W_hn h_(t-1) + b_hn)); h_t = (1 - "
               "z) n + z h_(t-1)",
    .gradient_formula = "back through time: dh_t = δ_t + what h_t does to the next step; dn = dh (1 - z), dz = dh (h_(t-1) - n), dr = dn "
                        "n' (W_hn h_(t-1) + b_hn), each times its slope, are d_t; ∂C/∂W_ih = Σ d_t x_t^T, ∂C/∂W_hh = Σ d_t h_(t-1)^T (n's "
                        "part times r), ∂C/∂x_t = W_ih^T d_t",
    .takes_steps = true,
    .input_min = 1,
    .input_max = 1,
    .compile = compile,
    .forward = forward,
    .backward = backward,
    .forward64 = forward64,
};
