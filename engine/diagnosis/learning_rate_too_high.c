/* Steps that overshoot: the loss rises, or the weights are thrown about. */
#include "engine/diagnosis/rules.h"

#define RISE_LIMIT 0.2
#define BASELINE_LIMIT 1.1
#define RATIO_LIMIT 0.01
#define RISE_RATIO_LIMIT 0.001
#define GRADIENT_LIMIT 1000
#define CRITICAL_LIMIT 100

enum { LOSS, BEST_LOSS, BASELINE_LOSS, RATE, RATIO };

/* A run that diverges although its first gradient was a fair one was driven there by its steps. */
static bool was_driven_away(const struct diagnosis_view *view) {
  return view->epoch->is_diverged && view->epoch->step > 1 && !(view->history->first_gradient_norm >= GRADIENT_LIMIT);
}

static bool is_thrown_about(const struct diagnosis_view *view) {
  const double baseline = view->facts->baseline_loss, loss = view->epoch->loss, ratio = view->update_ratio;
  if (view->epoch->is_diverged) return false;
  return (loss > view->history->best_loss && loss >= BASELINE_LIMIT * baseline && ratio >= RATIO_LIMIT) ||
         (loss - view->history->best_loss >= RISE_LIMIT * baseline && ratio >= RISE_RATIO_LIMIT);
}

static void check(const struct diagnosis_view *view, struct diagnosis_verdict *out_verdict) {
  if (!view->epoch->has_gradient) return;
  if (!was_driven_away(view) && !is_thrown_about(view)) return;
  out_verdict->severity = view->epoch->loss >= CRITICAL_LIMIT * view->facts->baseline_loss ? DIAGNOSIS_CRITICAL : DIAGNOSIS_WARNING;
  out_verdict->numbers[LOSS] = view->epoch->loss;
  out_verdict->numbers[BEST_LOSS] = isfinite(view->history->best_loss) ? view->history->best_loss : (double)NAN;
  out_verdict->numbers[BASELINE_LOSS] = view->facts->baseline_loss;
  out_verdict->numbers[RATE] = view->epoch->learning_rate;
  out_verdict->numbers[RATIO] = view->epoch->is_diverged ? (double)NAN : view->update_ratio;
}

static void tell(const struct diagnosis_facts *facts, const struct diagnosis_finding *finding, char *out_text, size_t bytes) {
  const double *numbers = finding->numbers;
  (void)facts;
  if (isnan(numbers[RATIO]))
    (void)snprintf(out_text, bytes,
                   "The first gradients were of ordinary size, but with a learning rate of %.3g the loss ran away within %llu steps.",
                   numbers[RATE], (unsigned long long)finding->step);
  else
    (void)snprintf(
        out_text, bytes,
        "The training loss is %.4g after it was %.4g at best; a constant answer would make it %.4g. A step changes the weights by "
        "%.3g %%, at a learning rate of %.3g.",
        numbers[LOSS], numbers[BEST_LOSS], numbers[BASELINE_LOSS], 100 * numbers[RATIO], numbers[RATE]);
}

/* Sentences with numbers in them, which clang-format would tear apart. */
/* clang-format off */
const struct diagnosis_rule diagnosis_learning_rate_too_high = {
    .code = "learning_rate_too_high",
    .summary = "steps that overshoot, so that the loss rises or jumps",
    .rule = "the training loss is above its best and " SAY(BASELINE_LIMIT) " times that of a constant answer or more, while a step "
            "changes the weights by a share of " SAY(RATIO_LIMIT) " or more; or it has risen from its best by " SAY(RISE_LIMIT)
            " of that, while a step changes them by " SAY(RISE_RATIO_LIMIT) " or more; or the run diverges after its first step, whose "
            "gradient norm was below " SAY(GRADIENT_LIMIT) "; critical at " SAY(CRITICAL_LIMIT) " times the loss of a constant answer",
    .why =
        "A gradient says where downhill is only nearby. Steps beyond that land on the other slope, higher up, and the next one is larger "
        "still.",
    .advice = {{.text = "a learning rate three to ten times smaller"},
               {.text = "a schedule: cosine with warmup_steps, or reduce_on_plateau"},
               {.text = "clip_norm 1", .applies = diagnosis_has_no_clipping},
               {.text = "a larger batch_size, if the loss jumps from batch to batch"}},
    .number_names = {"loss", "best_loss", "constant_loss", "learning_rate", "update_ratio"},
    .epochs_needed = 2,
    .sees_divergence = true,
    .check = check,
    .tell = tell,
};
