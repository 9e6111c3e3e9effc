/* Convolution over sequences [time, features] (Waibel et al. 1989), PyTorch's Conv1d but for the order of the axes: its weight is
 * [filters, features / groups, length of the window].
 *
 *   z(f, o) = b(f) + Σ over c, k of w(f, c, k) · x(c, o · stride + k · dilation − padding)
 */
#include "engine/layers/conv.h"
#include "engine/layers/kinds.h"

static const struct param params[] = CONV_PARAMS(1);

static enum error_code compile(struct layer *layer, struct error *error) { return conv_compile(layer, 1, error); }

const struct layer_kind layer_conv1d = {
    .kind = {.name = "conv1d",
             .summary = "slides filters over a sequence [time, features]",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct conv)},
    .formula = "z[f] = b[f] + sum over c of w[f, c] * x[c]",
    .gradient_formula = "∂C/∂w[f, c] = δ[f] * x[c], ∂C/∂b[f] = Σ δ[f], ∂C/∂x[c] = sum over f of δ[f] * (w[f, c] turned round)",
    .takes_steps = true,
    .input_min = 1,
    .input_max = 1,
    .compile = compile,
    .forward = conv_forward,
    .backward = conv_backward,
    .forward64 = conv_forward64,
};
