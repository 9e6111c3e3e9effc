/* step: the rate drops by `gamma` every `step_size` epochs; PyTorch's StepLR. */
#include "engine/schedules/schedules.h"

struct step {
  struct schedule_common common;
  int64_t step_size;
  double gamma;
};

static const struct param params[] = {
    PARAM_INLINE_ROW(struct step, common, schedule_common_params),
    PARAM_INTEGER_ROW(struct step, step_size, 1, LIMIT_EPOCHS, 10, "epochs between two drops"),
    PARAM_NUMBER_ROW(struct step, gamma, 0, INFINITY, 0.1, "factor of each drop", .flags = PARAM_ABOVE_MIN),
};

static double factor(const void *settings, const struct schedule_position *position, const struct schedule_state *state) {
  const struct step *step = settings;
  (void)state;
  return pow(step->gamma, (double)(position->epoch / (uint64_t)step->step_size));
}

const struct schedule_kind schedule_step = {
    .kind = {.name = "step",
             .summary = "drops by a factor every few epochs",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct step)},
    .formula = "η = base · gamma^⌊epoch / step_size⌋",
    .factor = factor,
};
