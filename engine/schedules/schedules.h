/* The schedule kinds, one per file; schedules.c puts them into the table and adds the warm-up. */
#ifndef ENGINE_SCHEDULES_SCHEDULES_H
#define ENGINE_SCHEDULES_SCHEDULES_H

#include <math.h>

#include "engine/schedule.h"

extern const struct schedule_kind schedule_constant;
extern const struct schedule_kind schedule_step;
extern const struct schedule_kind schedule_exponential;
extern const struct schedule_kind schedule_cosine;
extern const struct schedule_kind schedule_one_cycle;
extern const struct schedule_kind schedule_reduce_on_plateau;

static const double schedule_pi = 3.14159265358979323846;

#endif
