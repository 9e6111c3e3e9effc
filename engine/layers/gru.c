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
#include "engine/vector_gates.h"

enum { CANDIDATE = 2, GATES = 3 };

/* Of a row: g becomes the gates, u of n what r multiplies; h. */
static void mix(size_t n, float *restrict g, float *restrict u, const float *restrict bias_ih, const float *restrict bias_hh,
                const float *restrict h_before, float *restrict h) {
  for (size_t j = 0; j < n; j += VECTOR_FLOATS) {
    const size_t count = n - j;
    vector gates[CANDIDATE];
#pragma GCC unroll 2
    for (size_t gate = 0, at = j; gate < CANDIDATE; gate++, at += n) {
      const vector bias = vector_load_some(bias_ih + at, count) + vector_load_some(bias_hh + at, count);
      gates[gate] = vector_sigmoids(vector_load_some(g + at, count) + vector_load_some(u + at, count) + bias);
      vector_store_some(g + at, gates[gate], count);
    }
    const vector r = gates[0], z = gates[1];
    const size_t at = CANDIDATE * n + j;
    const vector hidden = vector_load_some(u + at, count) + vector_load_some(bias_hh + at, count);
    const vector candidate = vector_tanhs(vector_load_some(g + at, count) + vector_load_some(bias_ih + at, count) + r * hidden);
    vector_store_some(u + at, hidden, count);
    vector_store_some(g + at, candidate, count);
    vector_store_some(h + j, candidate + z * (vector_load_some(h_before + j, count) - candidate), count);
  }
}

static void forward_cell(const struct recurrent_step *step) {
  const size_t n = step->units;
  for (size_t row = 0; row < step->rows; row++)
    mix(n, step->g + row * GATES * n, step->u + row * GATES * n, step->bias_ih, step->bias_hh, step->h_before + row * n, step->h + row * n);
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
