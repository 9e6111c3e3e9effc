/* The gradient dies on its way to the first layers (Hochreiter 1991; Glorot, Bengio: "Understanding the difficulty of training deep
 * feedforward neural networks", 2010). */
#include "engine/diagnosis/rules.h"

static void check(const struct diagnosis_view *view, struct diagnosis_verdict *out_verdict) {
  const struct diagnosis_gradients *gradients = &view->gradients;
  if (view->has_dead_layer || gradients->vanished_count == 0) return;
  *out_verdict = (struct diagnosis_verdict){.severity = DIAGNOSIS_WARNING,
                                            .layer = gradients->least_layer,
                                            .numbers = {gradients->least_rms / gradients->last_rms, gradients->least_rms,
                                                        gradients->last_rms, (double)gradients->vanished_count}};
}

static void tell(const struct diagnosis_facts *facts, const struct diagnosis_finding *finding, char *out_text, size_t bytes) {
  (void)facts;
  (void)snprintf(
      out_text, bytes,
      "The gradient in layer \"%s\" is %.2g times that in the last layer (root mean square per weight: %.2g and %.2g); %.0f layer%s "
      "below a thousandth of it.",
      finding->layer, finding->numbers[0], finding->numbers[1], finding->numbers[2], finding->numbers[3],
      finding->numbers[3] > 1 ? "s are" : " is");
}

static bool is_not_adaptive(const struct diagnosis_facts *facts) { return facts->optimizer[0] == 's'; }

const struct diagnosis_rule diagnosis_vanishing_gradients = {
    .code = "vanishing_gradients",
    .summary = "gradients that die on their way to the first layers",
    .rule = "in a layer the root mean square of the gradient is below " SAY(VANISHED_RATIO) " of that in the last layer",
    .why =
        "Backward, each layer multiplies the gradient by its weights and by the slope of its activation, of a sigmoid at most a quarter. "
        "What arrives in the first layers is next to nothing, and they stay as random as they began.",
    .advice = {{.text = "relu (or its relatives) instead of sigmoid and tanh in hidden layers"},
               {.text = "BatchNorm after each hidden layer", .applies = diagnosis_has_no_normalization},
               {.text = "an initializer that keeps the spread: he_uniform with relu, glorot_uniform with tanh"},
               {.text = "adam, which measures each weight's step by its own gradient", .applies = is_not_adaptive},
               {.text = "fewer layers, or residual connections around them (add)"}},
    .number_names = {"ratio", "gradient_rms", "last_layer_gradient_rms", "layers"},
    .epochs_needed = 2,
    .check = check,
    .tell = tell,
};
