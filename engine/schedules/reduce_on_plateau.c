/* reduce_on_plateau: the rate drops when what is monitored has not improved for `patience` epochs; PyTorch's ReduceLROnPlateau. */
#include "engine/schedules/schedules.h"

struct reduce_on_plateau {
  struct schedule_common common;
  double factor, threshold, min_lr, epsilon;
  int64_t patience, cooldown;
  int threshold_mode, mode, monitor;
};

enum { THRESHOLD_REL, THRESHOLD_ABS };
static const char *const threshold_modes[] = {"rel", "abs", NULL};
enum { MODE_MIN, MODE_MAX };
static const char *const modes[] = {"min", "max", NULL};

static const struct param params[] = {
    PARAM_INLINE_ROW(struct reduce_on_plateau, common, schedule_common_params),
    PARAM_CHOICE_ROW(struct reduce_on_plateau, monitor, monitor_names, MONITOR_VALIDATION_LOSS,
                     "value that must improve; without a validation part, the same of the training part"),
    PARAM_CHOICE_ROW(struct reduce_on_plateau, mode, modes, MODE_MIN, "whether it should fall, as a loss, or rise, as an accuracy"),
    PARAM_NUMBER_ROW(struct reduce_on_plateau, factor, 0, 1, 0.1, "factor of each drop", .flags = PARAM_BELOW_MAX),
    PARAM_INTEGER_ROW(struct reduce_on_plateau, patience, 0, LIMIT_EPOCHS, 10, "epochs without improvement that are put up with"),
    PARAM_NUMBER_ROW(struct reduce_on_plateau, threshold, 0, INFINITY, 1e-4, "how much better counts as an improvement"),
    PARAM_CHOICE_ROW(struct reduce_on_plateau, threshold_mode, threshold_modes, THRESHOLD_REL,
                     "threshold is a share of the best value, or a difference"),
    PARAM_INTEGER_ROW(struct reduce_on_plateau, cooldown, 0, LIMIT_EPOCHS, 0, "epochs after a drop that are not counted"),
    PARAM_NUMBER_ROW(struct reduce_on_plateau, min_lr, 0, INFINITY, 0, "the rate never drops below this"),
    PARAM_NUMBER_ROW(struct reduce_on_plateau, epsilon, 0, INFINITY, 1e-8, "drops smaller than this are left out"),
};

/* The state's scalars. All are 0 before the first epoch's end. */
enum { REDUCTION, BEST, BAD_EPOCHS, COOLDOWN }; /* REDUCTION: the factor so far; 0 stands for "not begun" */

static double factor(const void *settings, const struct schedule_position *position, const struct schedule_state *state) {
  (void)settings, (void)position;
  return state->scalars[REDUCTION] == 0 ? 1 : state->scalars[REDUCTION];
}

static void reduce(const struct reduce_on_plateau *plateau, double base, double *scalars) {
  double rate = base * scalars[REDUCTION];
  double reduced = fmax(rate * plateau->factor, plateau->min_lr);
  if (rate - reduced > plateau->epsilon) scalars[REDUCTION] = reduced > 0 ? reduced / base : 1e-300;
  scalars[COOLDOWN] = (double)plateau->cooldown;
  scalars[BAD_EPOCHS] = 0;
}

static bool is_better(const struct reduce_on_plateau *plateau, double value, double best) {
  double sign = plateau->mode == MODE_MAX ? 1 : -1;
  double bar = plateau->threshold_mode == THRESHOLD_REL ? best * (1 + sign * plateau->threshold) : best + sign * plateau->threshold;
  return plateau->mode == MODE_MAX ? value > bar : value < bar;
}

static int monitor(const void *settings) { return ((const struct reduce_on_plateau *)settings)->monitor; }

static enum error_code check(const void *settings, const char *pointer, struct error *error) {
  const struct reduce_on_plateau *plateau = settings;
  int right = monitor_is_accuracy(plateau->monitor) ? MODE_MAX : MODE_MIN;
  if (plateau->mode == right) return ERROR_NONE;
  char path[ERROR_POINTER_BYTES];
  error_pointer(path, pointer, "mode");
  return error_add(error, path, "must be \"%s\": \"%s\" improves when it %s", modes[right], monitor_names[plateau->monitor],
                   right == MODE_MAX ? "rises" : "falls");
}

static void epoch_end(const void *settings, double base, double value, struct schedule_state *state) {
  const struct reduce_on_plateau *plateau = settings;
  double *scalars = state->scalars;
  bool is_first = scalars[REDUCTION] == 0;
  if (is_first) scalars[REDUCTION] = 1;
  if (is_first || is_better(plateau, value, scalars[BEST])) {
    scalars[BEST] = value;
    scalars[BAD_EPOCHS] = 0;
  } else {
    scalars[BAD_EPOCHS]++;
  }
  if (scalars[COOLDOWN] > 0) {
    scalars[COOLDOWN]--;
    scalars[BAD_EPOCHS] = 0;
  }
  if (scalars[BAD_EPOCHS] > (double)plateau->patience) reduce(plateau, base, scalars);
}

const struct schedule_kind schedule_reduce_on_plateau = {
    .kind = {.name = "reduce_on_plateau",
             .summary = "drops when the loss no longer falls, or the accuracy no longer rises",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct reduce_on_plateau),
             .check = check},
    .formula = "η ← max(η · factor, min_lr) after more than patience epochs without improvement",
    .factor = factor,
    .monitor = monitor,
    .epoch_end = epoch_end,
};
