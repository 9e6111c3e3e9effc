/* exponential: the rate is multiplied by `gamma` at each epoch's end; PyTorch's ExponentialLR. */
#include "engine/schedules/schedules.h"

struct exponential {
  struct schedule_common common;
  double gamma;
};

static const struct param params[] = {
    PARAM_INLINE_ROW(struct exponential, common, schedule_common_params),
    PARAM_NUMBER_ROW(struct exponential, gamma, 0, INFINITY, 0.95, "factor of each epoch", .flags = PARAM_ABOVE_MIN),
};

static double factor(const void *settings, const struct schedule_position *position, const struct schedule_state *state) {
  const struct exponential *exponential = settings;
  (void)state;
  return pow(exponential->gamma, (double)position->epoch);
}

const struct schedule_kind schedule_exponential = {
    .kind = {.name = "exponential",
             .summary = "falls by the same factor every epoch",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct exponential)},
    .formula = "η = base · gamma^epoch",
    .factor = factor,
};
