/* one_cycle: up to the base rate and far down again within one run (Smith, Topin, arXiv:1708.07120), PyTorch's OneCycleLR; the optimizer's
 * learning rate is its max_lr. Unless cycle_momentum is off, an optimizer's momentum (beta1 of adam's kin) takes the opposite way.
 *
 *   base/div_factor ──pct_start of the steps──▶ base ──────▶ base/(div_factor · final_div_factor)
 *   three_phase: … ──▶ base ──as many steps──▶ base/div_factor ──▶ base/(div_factor · final_div_factor)
 *   momentum:    max_momentum ──▶ base_momentum ──▶ max_momentum, and with three_phase it stays there
 */
#include <stdbool.h>

#include "engine/schedules/schedules.h"

struct one_cycle {
  struct schedule_common common;
  double pct_start, div_factor, final_div_factor;
  int anneal_strategy;
  bool three_phase, cycle_momentum;
  double base_momentum, max_momentum;
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
    PARAM_BOOLEAN_ROW(struct one_cycle, cycle_momentum, 1,
                      "momentum (beta1 of adam, adamw, nadam) falls while the rate rises, and back; not one that is 0"),
    PARAM_NUMBER_ROW(struct one_cycle, base_momentum, 0, 1, 0.85, "the lowest momentum, at the highest rate", .flags = PARAM_BELOW_MAX),
    PARAM_NUMBER_ROW(struct one_cycle, max_momentum, 0, 1, 0.95, "the highest momentum, at both ends", .flags = PARAM_BELOW_MAX),
};

/* Values at the starts of the phases, and at the end of the last. */
struct course {
  double start, peak, fallen, end;
};

static double anneal(const struct one_cycle *cycle, double from, double to, double share) {
  if (cycle->anneal_strategy == ANNEAL_LINEAR) return from + (to - from) * share;
  return to + (from - to) / 2 * (1 + cos(schedule_pi * share));
}

/* Where a value stands that takes this course; without three_phase it goes from its peak to its end at once. */
static double follow(const struct one_cycle *cycle, const struct schedule_position *position, const struct course *course) {
  double step = (double)position->step, total = (double)position->total_steps, rise = cycle->pct_start * total;
  const double ends[] = {rise - 1, cycle->three_phase ? 2 * rise - 2 : total - 1, total - 1};
  const double values[] = {course->start, course->peak, cycle->three_phase ? course->fallen : course->end, course->end};
  const size_t count = cycle->three_phase ? 3 : 2;
  double start = 0;
  size_t i = 0;
  while (i + 1 < count && step > ends[i]) start = ends[i++];
  double length = ends[i] - start;
  double share = length > 0 ? (step - start) / length : 1;
  return anneal(cycle, values[i], values[i + 1], share < 0 ? 0 : share > 1 ? 1 : share);
}

static double factor(const void *settings, const struct schedule_position *position, const struct schedule_state *state) {
  const struct one_cycle *cycle = settings;
  (void)state;
  double first = 1 / cycle->div_factor;
  const struct course course = {.start = first, .peak = 1, .fallen = first, .end = first / cycle->final_div_factor};
  return follow(cycle, position, &course);
}

static double momentum(const void *settings, const struct schedule_position *position) {
  const struct one_cycle *cycle = settings;
  if (!cycle->cycle_momentum) return NAN;
  const double most = cycle->max_momentum;
  const struct course course = {.start = most, .peak = cycle->base_momentum, .fallen = most, .end = most};
  return follow(cycle, position, &course);
}

const struct schedule_kind schedule_one_cycle = {
    .kind = {.name = "one_cycle",
             .summary = "rises to the rate, then falls far below it",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct one_cycle)},
    .formula = "η: base/div_factor → base → base/(div_factor · final_div_factor)",
    .factor = factor,
    .momentum = momentum,
};
