/* constant: the optimizer's learning rate, after the warm-up. */
#include "engine/schedules/schedules.h"

struct constant {
  struct schedule_common common;
};

static const struct param params[] = {PARAM_INLINE_ROW(struct constant, common, schedule_common_params)};

static double factor(const void *settings, const struct schedule_position *position, const struct schedule_state *state) {
  (void)settings, (void)position, (void)state;
  return 1;
}

const struct schedule_kind schedule_constant = {
    .kind = {.name = "constant",
             .summary = "the same rate throughout",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct constant)},
    .formula = "η = base",
    .factor = factor,
};
