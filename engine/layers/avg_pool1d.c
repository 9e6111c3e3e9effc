/* Mean of each window of a sequence, feature by feature: PyTorch's AvgPool1d. */
#include "engine/layers/kinds.h"
#include "engine/layers/pool.h"

static const struct param params[] = {
    POOL_PARAMS(1),
    PARAM_BOOLEAN_ROW(struct pool, count_include_pad, true, "whether made-up values, which are 0, count in the mean"),
};

static enum error_code compile(struct layer *layer, struct error *error) { return pool_compile(layer, 1, error); }

const struct layer_kind layer_avg_pool1d = {
    .kind = {.name = "avg_pool1d",
             .summary = "mean of each window of a sequence [time, features]",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct pool),
             .check = pool_check},
    .formula = "z = mean of x over a window",
    .gradient_formula = "∂C/∂x = sum of δ / size over the windows that x is in",
    .takes_steps = true,
    .input_min = 1,
    .input_max = 1,
    .compile = compile,
    .forward = avg_pool_forward,
    .backward = avg_pool_backward,
    .forward64 = avg_pool_forward64,
};
