/* Largest value of each window of an image, channel by channel: PyTorch's MaxPool2d. What is made up never is the largest. */
#include "engine/layers/kinds.h"
#include "engine/layers/pool.h"

static const struct param params[] = {
    POOL_PARAMS(2),
    PARAM_SIZES_ROW(struct pool, dilation, 2, 1, LIMIT_WINDOW, 1, "distance between the values that a window sees"),
};

static enum error_code compile(struct layer *layer, struct error *error) { return pool_compile(layer, 2, error); }

const struct layer_kind layer_max_pool2d = {
    .kind = {.name = "max_pool2d",
             .summary = "largest value of each window of an image [channels, height, width]",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct pool),
             .check = pool_check},
    .formula = "z = max of x over a window",
    .gradient_formula = "∂C/∂x = sum of δ over the windows where x is the greatest",
    .reads_z = true,
    .input_min = 1,
    .input_max = 1,
    .compile = compile,
    .forward = max_pool_forward,
    .backward = max_pool_backward,
    .forward64 = max_pool_forward64,
};
