/* A loss or gradient that is no number any more: the run ends. */
#include "engine/diagnosis/rules.h"

static void check(const struct diagnosis_view *view, struct diagnosis_verdict *out_verdict) {
  if (!view->epoch->is_diverged) return;
  out_verdict->severity = DIAGNOSIS_CRITICAL;
  out_verdict->layer = view->epoch->diverged_layer;
  out_verdict->numbers[0] = (double)view->epoch->step;
  out_verdict->numbers[1] = view->history->first_gradient_norm;
  out_verdict->numbers[2] = view->history->largest_gradient_norm;
}

static void tell(const struct diagnosis_facts *facts, const struct diagnosis_finding *finding, char *out_text, size_t bytes) {
  (void)facts;
  const int used = snprintf(out_text, bytes, "At step %.0f a number was infinite or not a number", finding->numbers[0]);
  if (used < 0 || (size_t)used >= bytes) return;
  if (finding->layer != NULL)
    (void)snprintf(out_text + used, bytes - (size_t)used, "; the first was in layer \"%s\".", finding->layer);
  else
    (void)snprintf(out_text + used, bytes - (size_t)used, ", first in the loss itself.");
}

const struct diagnosis_rule diagnosis_divergence = {
    .code = "divergence",
    .summary = "the layer and the step of the first number that is not finite",
    .rule = "a loss, an output, a gradient or a weight is infinite or not a number",
    .why = "From such a number nothing can be learned: every weight it touches is lost. The run ends, with the weights from before.",
    .advice = {{.text = "a learning rate ten times smaller, or a schedule with warmup_steps"},
               {.text = "clip_norm 1, so that no single step can be so large", .applies = diagnosis_has_no_clipping},
               {.text = "scaling \"standard\" and a look at the data for extreme values"},
               {.text = "an initializer with smaller weights, or BatchNorm between the layers", .applies = diagnosis_has_no_normalization}},
    .number_names = {"step", "first_gradient_norm", "largest_gradient_norm"},
    .epochs_needed = 1,
    .sees_divergence = true,
    .check = check,
    .tell = tell,
};
