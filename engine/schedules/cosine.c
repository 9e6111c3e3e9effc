/* cosine: half a cosine wave from the base rate to eta_min (Loshchilov, Hutter, arXiv:1608.03983), PyTorch's CosineAnnealingLR in its
 * closed form, step by step. With t_max the wave goes on after t_max epochs, up again, as PyTorch's does.
 */
#include "engine/schedules/schedules.h"

struct cosine {
  struct schedule_common common;
  int64_t t_max;
  double eta_min;
};

static const struct param params[] = {
    PARAM_INLINE_ROW(struct cosine, common, schedule_common_params),
    PARAM_INTEGER_ROW(struct cosine, t_max, 1, LIMIT_EPOCHS, 0, "epochs to the lowest rate; null: the whole run", .flags = PARAM_OPTIONAL),
    PARAM_NUMBER_ROW(struct cosine, eta_min, 0, INFINITY, 0, "the lowest rate"),
};

static double factor(const void *settings, const struct schedule_position *position, const struct schedule_state *state) {
  const struct cosine *cosine = settings;
  (void)state;
  double length =
      cosine->t_max == PARAM_INTEGER_NONE ? (double)position->total_steps : (double)cosine->t_max * (double)position->steps_per_epoch;
  double low = position->base > 0 ? cosine->eta_min / position->base : 0;
  return low + (1 - low) * (1 + cos(schedule_pi * (double)position->step / length)) / 2;
}

const struct schedule_kind schedule_cosine = {
    .kind = {.name = "cosine",
             .summary = "falls along half a cosine wave",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct cosine)},
    .formula = "η = eta_min + (base − eta_min) (1 + cos(π step / steps)) / 2",
    .factor = factor,
};
