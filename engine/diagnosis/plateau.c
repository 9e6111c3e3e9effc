/* The loss has stopped falling long before it is low. */
#include "engine/diagnosis/rules.h"

#define EPOCHS_LIMIT 12
#define FALL_LIMIT 0.005
#define RISE_LIMIT 0.05
#define INFO_LIMIT 0.5
#define WARNING_LIMIT 0.8
#define RATE_LIMIT 0.05
#define RATIO_LIMIT 0.00001

enum { LOSS, BEST_BEFORE, EPOCHS, BASELINE_LOSS };

/* The last third of the run so far against all before it. A rate that the schedule has brought to nearly 0 is why nothing moves then. */
static void check(const struct diagnosis_view *view, struct diagnosis_verdict *out_verdict) {
  const struct diagnosis_history *history = view->history;
  const size_t count = history->part_count, recent = count / 3;
  const double baseline = view->facts->baseline_loss;
  if (view->epoch->epoch < EPOCHS_LIMIT || view->epoch->learning_rate < RATE_LIMIT * view->facts->learning_rate) return;
  /* Steps too small to tell are learning_rate_too_low, and where a layer is dead, that is it. */
  if (view->update_ratio < RATIO_LIMIT || view->has_dead_layer) return;
  double before = INFINITY, since = INFINITY;
  for (size_t i = 0; i < count; i++) {
    double *best = i + recent < count ? &before : &since;
    if ((double)history->parts[i].loss < *best) *best = (double)history->parts[i].loss;
  }
  if (!(since > INFO_LIMIT * baseline) || !(since > (1 - FALL_LIMIT) * before) || since > (1 + RISE_LIMIT) * before) return;
  out_verdict->severity = since > WARNING_LIMIT * baseline ? DIAGNOSIS_WARNING : DIAGNOSIS_INFO;
  out_verdict->numbers[LOSS] = since;
  out_verdict->numbers[BEST_BEFORE] = before;
  out_verdict->numbers[EPOCHS] = (double)(recent * history->epochs_per_part);
  out_verdict->numbers[BASELINE_LOSS] = baseline;
}

static void tell(const struct diagnosis_facts *facts, const struct diagnosis_finding *finding, char *out_text, size_t bytes) {
  (void)facts;
  (void)snprintf(
      out_text, bytes,
      "In the last %.0f epochs the training loss has hardly fallen: %.4g, and %.4g before. A constant answer would make it %.4g.",
      finding->numbers[EPOCHS], finding->numbers[LOSS], finding->numbers[BEST_BEFORE], finding->numbers[BASELINE_LOSS]);
}

/* Sentences with numbers in them, which clang-format would tear apart. */
/* clang-format off */
const struct diagnosis_rule diagnosis_plateau = {
    .code = "plateau",
    .summary = "a loss that has stopped falling while it is still high",
    .rule = "after " SAY(EPOCHS_LIMIT) " epochs or more, the training loss of the last third of them is less than a share of "
            SAY(FALL_LIMIT) " below the best before and at most " SAY(RISE_LIMIT) " above it, and above " SAY(INFO_LIMIT)
            " of that of a constant answer (a warning above " SAY(WARNING_LIMIT) "); unless a layer is dead, the schedule has brought "
            "the rate below " SAY(RATE_LIMIT) " of what it was, or steps change the weights by a share below " SAY(RATIO_LIMIT),
    .why = "Either the network is stuck where the slope is flat, or it is too small, or the features don't tell the target: "
           "more epochs of the same change nothing.",
    .advice = {{.text = "another learning rate: larger if update_ratio is below 0.001, smaller if the loss jumps"},
               {.text = "adam or momentum, which carry on over flat stretches"},
               {.text = "more units or another layer"},
               {.text = "features that say more about the target, and a look at wrong labels"}},
    .number_names = {"loss", "best_before", "epochs", "constant_loss"},
    .epochs_needed = 2,
    .check = check,
    .tell = tell,
};
