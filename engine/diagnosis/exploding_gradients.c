/* Gradients far larger than any healthy step is made of (Pascanu, Mikolov, Bengio: "On the difficulty of training recurrent neural
 * networks", 2013). */
#include "engine/diagnosis/rules.h"

#define NORM_LIMIT 1000

static int find_largest(const struct diagnosis_view *view) {
  int largest = DIAGNOSIS_NO_LAYER;
  double norm = 0;
  for (size_t i = 0; i < view->facts->layer_count; i++) {
    if (!(diagnosis_layer_value(view, i, LAYER_GRADIENT_NORM) > norm)) continue;
    norm = diagnosis_layer_value(view, i, LAYER_GRADIENT_NORM);
    largest = (int)i;
  }
  return largest;
}

/* At a divergence the layers' norms are those of an earlier epoch. */
static void check(const struct diagnosis_view *view, struct diagnosis_verdict *out_verdict) {
  const struct diagnosis_history *history = view->history;
  if (!(history->largest_gradient_norm >= NORM_LIMIT)) return;
  *out_verdict = (struct diagnosis_verdict){
      .severity = view->facts->is_clipped ? DIAGNOSIS_INFO : DIAGNOSIS_WARNING,
      .layer = view->epoch->is_diverged ? DIAGNOSIS_NO_LAYER : find_largest(view),
      .numbers = {history->largest_gradient_norm, (double)history->largest_gradient_step, history->first_gradient_norm}};
}

static void tell(const struct diagnosis_facts *facts, const struct diagnosis_finding *finding, char *out_text, size_t bytes) {
  (void)snprintf(out_text, bytes, "The gradient had a norm of %.3g at step %.0f%s%s%s%s.", finding->numbers[0], finding->numbers[1],
                 finding->layer == NULL ? "" : ", most of it in layer \"", finding->layer == NULL ? "" : finding->layer,
                 finding->layer == NULL ? "" : "\"", facts->is_clipped ? ", before clipping" : "");
}

const struct diagnosis_rule diagnosis_exploding_gradients = {
    .code = "exploding_gradients",
    .summary = "gradients so large that a step throws the weights away",
    .rule = "the norm of the whole gradient, before clipping, was " SAY(
        NORM_LIMIT) " or more at a step of the epoch, or of those just before that were not looked at",
    .why = "Each layer multiplies the gradient by its weights; where those are large, the product grows from layer to layer. One such step "
           "undoes what was learned, or ends in infinity.",
    .advice = {{.text = "clip_norm 1", .applies = diagnosis_has_no_clipping},
               {.text = "scaling \"standard\", if the inputs are not scaled"},
               {.text = "an initializer whose weights fit the layer's size: he_uniform for relu, glorot_uniform for tanh and sigmoid"},
               {.text = "BatchNorm between the layers", .applies = diagnosis_has_no_normalization},
               {.text = "a smaller learning rate; adam instead of sgd"}},
    .number_names = {"gradient_norm", "gradient_step", "first_gradient_norm"},
    .epochs_needed = 1,
    .sees_divergence = true,
    .check = check,
    .tell = tell,
};
