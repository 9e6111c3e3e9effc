/* one_cycle: up to the base rate and far down again within one run (Smith, Topin, arXiv:1708.07120), PyTorch's OneCycleLR; the
 * optimizer's learning rate is its max_lr. Momentum is left alone.
 *
 *   base/div_factor ──pct_start of the steps──▶ base ──────▶ base/(div_factor · final_div_factor)
 *   three_phase: … ──▶ base ──as many steps──▶ base/div_factor ──▶ base/(div_factor · final_div_factor)
 */
#include <stdbool.h>

#include "engine/schedules/schedules.h"

struct one_cycle {
  struct schedule_common common;
  double pct_start, div_factor, final_div_factor;
  int anneal_strategy;
  bool three_phase;
};

enum { ANNEAL_COS, ANNEAL_LINEAR };
static const char *const strategies[] = {"cos", "linear", NULL};

static const struct param params[] = {
    PARAM_INLINE_ROW(struct one_cycle, common, schedule_common_params),
    PARAM_NUMBER_ROW(struct one_cycle, pct_start, 0, 1, 0.3, "share of the steps on which the rate rises"),
    PARAM_CHOICE_ROW(struct one_cycle, anneal_strategy, strategies, ANNEAL_COS, "shape of the slopes"),
    PARAM_NUMBER_ROW(struct one_cycle, div_factor, 0, INFINITY, 25, "the first rate is base / div_factor", .flags = PARAM_ABOVE_MIN),
    PARAM_NUMBER_ROW(struct one_cycle, final_div_factor, 0, INFINITY, 1e4, "the last rate is the first / final_div_factor",
                     .flags = PARAM_ABOVE_MIN),
    PARAM_BOOLEAN_ROW(struct one_cycle, three_phase, 0, "fall as steeply as it rose, then on to the last rate"),
};

struct phase {
  double end;      /* step at which it ends */
  double from, to; /* factors */
};

static double anneal(const struct one_cycle *cycle, double from, double to, double share) {
  if (cycle->anneal_strategy == ANNEAL_LINEAR) return from + (to - from) * share;
  return to + (from - to) / 2 * (1 + cos(schedule_pi * share));
}

static double factor(const void *settings, const struct schedule_position *position, const struct schedule_state *state) {
  const struct one_cycle *cycle = settings;
  (void)state;
  double step = (double)position->step, total = (double)position->total_steps, rise = cycle->pct_start * total;
  double first = 1 / cycle->div_factor, last = first / cycle->final_div_factor;
  struct phase phases[3] = {{.end = rise - 1, .from = first, .to = 1}};
  size_t count = 1;
  if (cycle->three_phase) phases[count++] = (struct phase){.end = 2 * rise - 2, .from = 1, .to = first};
  phases[count++] = (struct phase){.end = total - 1, .from = cycle->three_phase ? first : 1, .to = last};
  double start = 0;
  size_t i = 0;
  while (i + 1 < count && step > phases[i].end) start = phases[i++].end;
  double length = phases[i].end - start;
  double share = length > 0 ? (step - start) / length : 1;
  return anneal(cycle, phases[i].from, phases[i].to, share < 0 ? 0 : share > 1 ? 1 : share);
}

const struct schedule_kind schedule_one_cycle = {
    .kind = {.name = "one_cycle",
             .summary = "rises to the rate, then falls far below it",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct one_cycle)},
    .formula = "η: base/div_factor → base → base/(div_factor · final_div_factor)",
    .factor = factor,
};
