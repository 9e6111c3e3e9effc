/* Convolution over images [channels, height, width] (LeCun et al. 1989), PyTorch's Conv2d: its weight is [filters, channels / groups,
 * height, width] of the window.
 *
 *   z(f, o) = b(f) + Σ over c, k of w(f, c, k) · x(c, o · stride + k · dilation − padding)
 */
#include "engine/layers/conv.h"
#include "engine/layers/kinds.h"

static const struct param params[] = CONV_PARAMS(2);

static enum error_code compile(struct layer *layer, struct error *error) { return conv_compile(layer, 2, error); }

const struct layer_kind layer_conv2d = {
    .kind = {.name = "conv2d",
             .summary = "slides filters over an image [channels, height, width]",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct conv)},
    .formula = "z[f] = b[f] + sum over c of w[f, c] * x[c]",
    .gradient_formula = "∂C/∂w[f, c] = δ[f] * x[c], ∂C/∂b[f] = Σ δ[f], ∂C/∂x[c] = sum over f of δ[f] * (w[f, c] turned round)",
    .input_min = 1,
    .input_max = 1,
    .compile = compile,
    .forward = conv_forward,
    .backward = conv_backward,
    .forward64 = conv_forward64,
    .join = conv_join,
    .forward_joined = conv_forward_joined,
    .backward_joined = conv_backward_joined,
};
