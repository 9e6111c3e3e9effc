/* adamw: adam whose weight decay is apart from the gradient (Loshchilov, Hutter, arXiv:1711.05101), PyTorch's AdamW.
 *
 *   w ← w − η weight_decay w, then adam's step without weight decay
 */
#include "engine/optimizers/adam.h"

static const struct param params[] = {
    OPTIMIZER_LEARNING_RATE_ROW(struct adam, 1e-3),
    ADAM_BETA1_ROW(struct adam),
    ADAM_BETA2_ROW(struct adam),
    OPTIMIZER_EPSILON_ROW(struct adam, 1e-8),
    OPTIMIZER_WEIGHT_DECAY_ROW(struct adam, 1e-2, "each step shrinks the weights by η · weight_decay"),
    ADAM_AMSGRAD_ROW(struct adam),
    OPTIMIZER_MAXIMIZE_ROW(struct adam),
};

static void step(const void *settings, double learning_rate, const struct parallel *parallel, size_t count, float *weights,
                 const float *gradients, struct optimizer_state *state) {
  struct optimizer_work work = {.count = count, .weights = weights, .gradients = gradients};
  adam_step(settings, true, learning_rate, parallel, &work, state);
}

const struct optimizer_kind optimizer_adamw = {
    .kind = {.name = "adamw",
             .summary = "adam with decoupled weight decay",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct adam)},
    .formula = "w ← (1 − η·weight_decay) w, then adam",
    .slot_count = adam_slot_count,
    .step = step,
};
