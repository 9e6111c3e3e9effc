/* Schedules: the learning rate of a step. One file per kind in schedules/. Linear warm-up may precede any of them. */
#ifndef ENGINE_SCHEDULE_H
#define ENGINE_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/param.h"

enum { SCHEDULE_SCALARS = 4 };

/* Reported values that schedules and early stopping may monitor: losses, which should fall, and accuracies, which should rise. */
enum { MONITOR_VALIDATION_LOSS, MONITOR_VALIDATION_ACCURACY, MONITOR_LOSS, MONITOR_ACCURACY, MONITOR_COUNT };
extern const char *const monitor_names[MONITOR_COUNT + 1]; /* NULL at the end */

static inline bool monitor_is_accuracy(int monitor) { return monitor == MONITOR_VALIDATION_ACCURACY || monitor == MONITOR_ACCURACY; }
static inline bool monitor_is_of_validation(int monitor) { return monitor <= MONITOR_VALIDATION_ACCURACY; }
/* The same of the training part. */
static inline int monitor_of_training(int monitor) {
  return monitor_is_of_validation(monitor) ? monitor + MONITOR_LOSS - MONITOR_VALIDATION_LOSS : monitor;
}

/* Every schedule's settings start with this; its table includes schedule_common_params by a PARAM_INLINE row. */
struct schedule_common {
  int64_t warmup_steps; /* the rate rises linearly, base · (step + 1) / warmup_steps, then the schedule begins */
};
extern const struct param schedule_common_params[1];

struct schedule_position {
  double base;                     /* the optimizer's learning rate */
  uint64_t step, total_steps;      /* of the schedule proper: warm-up taken off; step counts from 0 */
  uint64_t epoch, steps_per_epoch; /* epoch = step / steps_per_epoch: epochs since the warm-up */
};

/* What a schedule remembers (reduce_on_plateau). Persisted with every checkpoint. */
struct schedule_state {
  double scalars[SCHEDULE_SCALARS];
};

struct schedule_kind {
  struct kind kind;
  const char *formula;
  /* Factor on the base learning rate for this step. */
  double (*factor)(const void *settings, const struct schedule_position *position, const struct schedule_state *state);
  /* What an optimizer that has momentum is to use in its place at this step; NAN: its own. May be NULL. */
  double (*momentum)(const void *settings, const struct schedule_position *position);
  /* Index into monitor_names of what epoch_end looks at. NULL where epoch_end is. */
  int (*monitor)(const void *settings);
  /* Called once at each epoch's end with the base rate and the monitored value. May be NULL. */
  void (*epoch_end)(const void *settings, double base, double value, struct schedule_state *state);
};

extern const struct kind_table schedule_kinds;

static inline const struct schedule_kind *schedule_of(const struct spec *spec) { return (const struct schedule_kind *)spec->kind; }

/* The momentum for the training step `step` (from 0); NAN: the optimizer's own. */
double schedule_momentum(const struct spec *schedule, uint64_t step, uint64_t total_steps, uint64_t steps_per_epoch);

/* base · warm-up · factor for the training step `step` (from 0) of `total_steps`. */
double schedule_learning_rate(const struct spec *schedule, double base, uint64_t step, uint64_t total_steps, uint64_t steps_per_epoch,
                              const struct schedule_state *state);

/* Tells the schedule that an epoch is over, with its values in the order of monitor_names; those of the validation part are NAN if there is
 * none, and then the training part's stand in. */
void schedule_end_epoch(const struct spec *schedule, double base, const double values[MONITOR_COUNT], struct schedule_state *state);

#endif
