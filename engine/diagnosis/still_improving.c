/* The run ended while it was getting better. */
#include "engine/diagnosis/rules.h"

#define EPOCHS_LIMIT 4
#define FALL_LIMIT 0.1
#define BEST_LIMIT 1.1
#define FALL_OF_BASELINE 0.02
#define WARNING_LIMIT 0.5

enum { LOSS, LOSS_BEFORE, EPOCHS, BASELINE_LOSS };

/* The last part against that of a quarter of the run before; of the validation loss, if there is one. */
static void check(const struct diagnosis_view *view, struct diagnosis_verdict *out_verdict) {
  const struct diagnosis_history *history = view->history;
  const size_t count = history->part_count;
  if (view->epoch->epoch != view->facts->epochs || view->epoch->epoch < EPOCHS_LIMIT || count < EPOCHS_LIMIT) return;
  const size_t recent = count / 4;
  const struct diagnosis_part *now = &history->parts[count - 1], *then = &history->parts[count - 1 - recent];
  const bool is_validated = view->facts->has_validation;
  const double after = (double)(is_validated ? now->validation_loss : now->loss),
               before = (double)(is_validated ? then->validation_loss : then->loss);
  const double baseline = view->facts->baseline_loss;
  const double best = is_validated ? history->best_validation_loss : history->best_loss;
  if (!(after <= BEST_LIMIT * best)) return; /* it was better in between, and only comes back */
  if (!(before - after >= FALL_LIMIT * before) || !(before - after >= FALL_OF_BASELINE * baseline)) return;
  out_verdict->severity = after > WARNING_LIMIT * baseline ? DIAGNOSIS_WARNING : DIAGNOSIS_INFO;
  out_verdict->numbers[LOSS] = after;
  out_verdict->numbers[LOSS_BEFORE] = before;
  out_verdict->numbers[EPOCHS] = (double)(recent * history->epochs_per_part);
  out_verdict->numbers[BASELINE_LOSS] = baseline;
}

static void tell(const struct diagnosis_facts *facts, const struct diagnosis_finding *finding, char *out_text, size_t bytes) {
  (void)snprintf(
      out_text, bytes,
      "When the run ended, the %s loss was still falling: from %.4g to %.4g in its last %.0f epochs. A constant answer would make "
      "it %.4g.",
      facts->has_validation ? "validation" : "training", finding->numbers[LOSS_BEFORE], finding->numbers[LOSS], finding->numbers[EPOCHS],
      finding->numbers[BASELINE_LOSS]);
}

const struct diagnosis_rule diagnosis_still_improving = {
    .code = "still_improving",
    .summary = "a run that ended while the network was getting better",
    .rule = "in the last quarter of the run the validation loss (without a validation part, the training loss) fell by a share "
            "of " SAY(FALL_LIMIT) " or more, and by " SAY(FALL_OF_BASELINE) " of the loss of a constant answer, to at most " SAY(
                BEST_LIMIT) " times its best; a warning while it is above " SAY(WARNING_LIMIT) " of that of a constant answer",
    .why = "The network has not learned all it can: the same run, longer, gives a better model.",
    .advice = {{.text = "more epochs, with early_stopping so that it ends by itself"},
               {.text = "a larger learning rate"},
               {.text = "a smaller batch_size, which makes more steps of an epoch"}},
    .number_names = {"loss", "loss_before", "epochs", "constant_loss"},
    .epochs_needed = 1,
    .check = check,
    .tell = tell,
};
