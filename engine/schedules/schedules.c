/* The table of schedules, and the learning rate of a step: base · warm-up · factor. Called by train.c.
 *
 * During the warm-up the schedule stands at its own first step, so that the rate has no jump where the warm-up ends.
 */
#include "engine/schedules/schedules.h"

const char *const monitor_names[MONITOR_COUNT + 1] = {"validation_loss", "validation_accuracy", "loss", "accuracy", NULL};

const struct param schedule_common_params[1] = {
    PARAM_INTEGER_ROW(struct schedule_common, warmup_steps, 0, 1e9, 0, "steps over which the rate first rises linearly from 0"),
};

KIND_TABLE(schedule, SCHEDULE_KINDS)

static struct schedule_position locate(const struct spec *schedule, uint64_t step, uint64_t total_steps, uint64_t steps_per_epoch) {
  uint64_t warmup = (uint64_t)((const struct schedule_common *)schedule->settings)->warmup_steps;
  struct schedule_position position = {.step = step > warmup ? step - warmup : 0,
                                       .total_steps = total_steps > warmup ? total_steps - warmup : 1,
                                       .steps_per_epoch = steps_per_epoch};
  position.epoch = position.step / steps_per_epoch;
  return position;
}

double schedule_learning_rate(const struct spec *schedule, double base, uint64_t step, uint64_t total_steps, uint64_t steps_per_epoch,
                              const struct schedule_state *state) {
  uint64_t warmup = (uint64_t)((const struct schedule_common *)schedule->settings)->warmup_steps;
  struct schedule_position position = locate(schedule, step, total_steps, steps_per_epoch);
  position.base = base;
  double warm = step < warmup ? (double)(step + 1) / (double)warmup : 1;
  return base * warm * schedule_of(schedule)->factor(schedule->settings, &position, state);
}

double schedule_momentum(const struct spec *schedule, uint64_t step, uint64_t total_steps, uint64_t steps_per_epoch) {
  const struct schedule_kind *kind = schedule_of(schedule);
  if (kind->momentum == NULL) return NAN;
  struct schedule_position position = locate(schedule, step, total_steps, steps_per_epoch);
  return kind->momentum(schedule->settings, &position);
}

void schedule_end_epoch(const struct spec *schedule, double base, const double values[MONITOR_COUNT], struct schedule_state *state) {
  const struct schedule_kind *kind = schedule_of(schedule);
  if (kind->epoch_end == NULL) return;
  int monitor = kind->monitor(schedule->settings);
  if (isnan(values[MONITOR_VALIDATION_LOSS])) monitor = monitor_of_training(monitor);
  kind->epoch_end(schedule->settings, base, values[monitor], state);
}
