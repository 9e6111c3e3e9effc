/* The schedule kinds, one per file; schedules.c puts them into the table and adds the warm-up. */
#ifndef ENGINE_SCHEDULES_SCHEDULES_H
#define ENGINE_SCHEDULES_SCHEDULES_H

#include <math.h>

#include "engine/schedule.h"

/* One row a kind, in the order in which they are shown. */
/* clang-format off */
#define SCHEDULE_KINDS(row) \
  row(schedule, constant) \
  row(schedule, step) \
  row(schedule, exponential) \
  row(schedule, cosine) \
  row(schedule, one_cycle) \
  row(schedule, reduce_on_plateau)
/* clang-format on */
SCHEDULE_KINDS(KIND_DECLARE)

static const double schedule_pi = 3.14159265358979323846;

#endif
