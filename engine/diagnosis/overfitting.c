/* The training part is learned by heart. */
#include "engine/diagnosis/rules.h"

#define RISE_LIMIT 0.1
#define RISE_OF_BASELINE 0.03
#define EPOCHS_LIMIT 3
#define GAP_LIMIT 0.2
#define GAP_LOSS_LIMIT 0.3

enum { LOSS, VALIDATION_LOSS, BEST_VALIDATION_LOSS, BEST_EPOCH, BASELINE_LOSS };

/* Validation gets worse while training gets better. */
static bool has_turned(const struct diagnosis_view *view) {
  const struct diagnosis_history *history = view->history;
  const double best = history->best_validation_loss, rise = view->epoch->validation_loss - best;
  return view->epoch->epoch >= history->best_validation_epoch + EPOCHS_LIMIT && rise >= RISE_LIMIT * best &&
         rise >= RISE_OF_BASELINE * view->facts->baseline_loss && view->epoch->validation_loss > view->epoch->loss &&
         view->epoch->loss < history->loss_at_best_validation;
}

/* Training is nearly perfect, validation is far from it. */
static bool is_apart(const struct diagnosis_view *view) {
  return view->epoch->loss <= GAP_LIMIT * view->epoch->validation_loss &&
         view->epoch->validation_loss >= GAP_LOSS_LIMIT * view->facts->baseline_loss;
}

static void check(const struct diagnosis_view *view, struct diagnosis_verdict *out_verdict) {
  if (!view->facts->has_validation || !(view->epoch->loss < view->facts->baseline_loss)) return;
  if (!has_turned(view) && !is_apart(view)) return;
  out_verdict->severity = view->facts->restores_best ? DIAGNOSIS_INFO : DIAGNOSIS_WARNING;
  out_verdict->numbers[LOSS] = view->epoch->loss;
  out_verdict->numbers[VALIDATION_LOSS] = view->epoch->validation_loss;
  out_verdict->numbers[BEST_VALIDATION_LOSS] = view->history->best_validation_loss;
  out_verdict->numbers[BEST_EPOCH] = (double)view->history->best_validation_epoch;
  out_verdict->numbers[BASELINE_LOSS] = view->facts->baseline_loss;
}

static void tell(const struct diagnosis_facts *facts, const struct diagnosis_finding *finding, char *out_text, size_t bytes) {
  const double *numbers = finding->numbers;
  (void)snprintf(
      out_text, bytes,
      "The training loss is down to %.4g, but the validation loss is %.4g, %.3g times that; it was best in epoch %.0f, with %.4g. The "
      "network has %.3g weights for each training row.",
      numbers[LOSS], numbers[VALIDATION_LOSS], numbers[VALIDATION_LOSS] / numbers[LOSS], numbers[BEST_EPOCH], numbers[BEST_VALIDATION_LOSS],
      (double)facts->weight_count / (double)facts->train_rows);
}

static bool has_no_restoring(const struct diagnosis_facts *facts) { return !facts->restores_best; }
static bool has_no_dropout(const struct diagnosis_facts *facts) { return !facts->has_dropout; }

const struct diagnosis_rule diagnosis_overfitting = {
    .code = "overfitting",
    .summary = "a network that learns its training rows by heart",
    .rule = "the validation loss is a share of " SAY(RISE_LIMIT) " above its best, of " SAY(
        EPOCHS_LIMIT) " epochs ago or more, and that is " SAY(RISE_OF_BASELINE) " of the loss of a constant answer or more, while the "
                                                                                "training loss is lower than then and than the "
                                                                                "validation loss; or the training loss is at most " SAY(
                                                                                    GAP_LIMIT) " of the validation loss, which is at "
                                                                                               "least " SAY(GAP_LOSS_LIMIT) " of that of a "
                                                                                                                            "constant "
                                                                                                                            "answer. Only "
                                                                                                                            "for "
                                                                                                                            "information "
                                                                                                                            "where the "
                                                                                                                            "best epoch's "
                                                                                                                            "weights are "
                                                                                                                            "kept",
    .why = "From there on the network learns what is particular to the training rows. On new ones it gets worse.",
    .advice = {{.text = "keep \"best\": the model gets the weights of the epoch that was best", .applies = has_no_restoring},
               {.text = "dropout (rate 0.2 to 0.5) after hidden layers", .applies = has_no_dropout},
               {.text = "an l2 penalty, or adamw with weight_decay"},
               {.text = "fewer units or layers"},
               {.text = "more training rows"}},
    .number_names = {"loss", "validation_loss", "best_validation_loss", "best_epoch", "constant_loss"},
    .epochs_needed = 3,
    .check = check,
    .tell = tell,
};
