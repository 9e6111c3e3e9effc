/* Steps so small that the run will end before the weights have moved. */
#include "engine/diagnosis/rules.h"

#define EPOCHS_LIMIT 4
#define MOVE_LIMIT 0.5
#define LOSS_LIMIT 0.7

enum { MOVE, RATIO, LOSS, BASELINE_LOSS, RATE };

/* How far all steps of the run would take the weights, as a share of their norm, if all went the same way; at the rate before the schedule,
 * so that a warmup is not mistaken for a low rate. */
static double possible_move(const struct diagnosis_view *view) {
  const struct diagnosis_facts *facts = view->facts;
  const double scheduled = view->epoch->learning_rate > 0 ? facts->learning_rate / view->epoch->learning_rate : 1;
  return view->update_ratio * scheduled * (double)facts->steps_per_epoch * (double)facts->epochs;
}

/* Where the loss will be when the run ends, if it goes on falling as in the last half of the run so far. */
static double expected_loss(const struct diagnosis_view *view) {
  const struct diagnosis_history *history = view->history;
  const size_t half = history->part_count / 2, last = history->part_count - 1;
  if (half == 0) return NAN;
  const double fall = (double)(history->parts[last - half].loss - history->parts[last].loss) / (double)(half * history->epochs_per_part);
  return (double)history->parts[last].loss - fall * (double)(view->facts->epochs - view->epoch->epoch);
}

/* Where gradients vanish, units are dead or saturated, that is why the loss stays high, and a larger rate would not help. */
static bool is_blocked(const struct diagnosis_view *view) {
  return view->has_dead_layer || view->is_saturated || view->gradients.vanished_count > 0;
}

static void check(const struct diagnosis_view *view, struct diagnosis_verdict *out_verdict) {
  const double move = possible_move(view), ratio = view->update_ratio, baseline = view->facts->baseline_loss;
  if (!view->epoch->has_gradient || view->epoch->epoch < EPOCHS_LIMIT || is_blocked(view)) return;
  if (!(ratio > 0) || !(move < MOVE_LIMIT) || !(view->epoch->loss > LOSS_LIMIT * baseline) ||
      !(expected_loss(view) > LOSS_LIMIT * baseline))
    return;
  out_verdict->severity = DIAGNOSIS_WARNING;
  out_verdict->numbers[MOVE] = move;
  out_verdict->numbers[RATIO] = ratio;
  out_verdict->numbers[LOSS] = view->epoch->loss;
  out_verdict->numbers[BASELINE_LOSS] = baseline;
  out_verdict->numbers[RATE] = view->epoch->learning_rate;
}

static void tell(const struct diagnosis_facts *facts, const struct diagnosis_finding *finding, char *out_text, size_t bytes) {
  const double *numbers = finding->numbers;
  (void)snprintf(
      out_text, bytes,
      "A step changes the weights by %.2g %%: all %llu steps of this run together can move them by %.2g %% of their size at most. The "
      "training loss is %.4g; a constant answer would make it %.4g.",
      100 * numbers[RATIO], (unsigned long long)(facts->steps_per_epoch * facts->epochs), 100 * numbers[MOVE], numbers[LOSS],
      numbers[BASELINE_LOSS]);
}

const struct diagnosis_rule diagnosis_learning_rate_too_low = {
    .code = "learning_rate_too_low",
    .summary = "steps so small that the network can't learn much in this run",
    .rule = "after " SAY(EPOCHS_LIMIT) " epochs or more, update ratio times all steps of the run is below " SAY(
        MOVE_LIMIT) ", and the training loss is above " SAY(LOSS_LIMIT) " of that of a constant answer and will be at the run's end, going "
                                                                        "on "
                                                                        "as now; unless gradients vanish, or a layer is dead or saturated",
    .why =
        "Weights that hardly move stay the random ones they began as. Nothing is broken, but the run will end long before the network has "
        "learned what it could.",
    .advice = {{.text = "a learning rate ten times larger (a healthy step changes weights by about 0.1 to 1 %)"},
               {.text = "more epochs, or a smaller batch_size, which makes more steps of an epoch"},
               {.text = "adam, if sgd is used"}},
    .number_names = {"possible_move", "update_ratio", "loss", "constant_loss", "learning_rate"},
    .epochs_needed = 2,
    .check = check,
    .tell = tell,
};
