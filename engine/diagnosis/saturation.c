/* Units at the flat ends of their activation (Glorot, Bengio 2010). */
#include "engine/diagnosis/rules.h"

#define SATURATED_LIMIT 0.5
#define ALL_SATURATED 0.99

static bool can_saturate(const struct diagnosis_layer *layer) { return layer->can_saturate; }

/* Not of the output layer: a sure classifier is saturated, and right so. */
static void check(const struct diagnosis_view *view, struct diagnosis_verdict *out_verdict) {
  double worst;
  size_t affected;
  const int layer = diagnosis_find_worst(view, LAYER_SATURATED_FRACTION, can_saturate, SATURATED_LIMIT, &worst, &affected);
  if (affected == 0) return;
  *out_verdict =
      (struct diagnosis_verdict){.severity = worst >= ALL_SATURATED ? DIAGNOSIS_CRITICAL : DIAGNOSIS_WARNING,
                                 .layer = layer,
                                 .numbers = {worst, (double)affected, diagnosis_layer_value(view, (size_t)layer, LAYER_ACTIVATION_MEAN),
                                             diagnosis_layer_value(view, (size_t)layer, LAYER_ACTIVATION_STD)}};
}

static void tell(const struct diagnosis_facts *facts, const struct diagnosis_finding *finding, char *out_text, size_t bytes) {
  (void)facts;
  (void)snprintf(out_text, bytes, "In layer \"%s\" %.3g %% of the values lie where the activation is flat (mean %.3g, spread %.3g)%s.",
                 finding->layer, 100 * finding->numbers[0], finding->numbers[2], finding->numbers[3],
                 finding->numbers[1] > 1 ? "; other layers are affected too" : "");
}

const struct diagnosis_rule diagnosis_saturation = {
    .code = "saturation",
    .summary = "sigmoid or tanh units that are stuck at their ends",
    .rule =
        "in a hidden layer a share of " SAY(SATURATED_LIMIT) " of the values of a sigmoid, tanh or hard_sigmoid or more has a slope below "
                                                             "0.05 of its steepest; critical from " SAY(ALL_SATURATED),
    .why = "Where the activation is flat, hardly any gradient comes through: these units, and all layers before them, learn very slowly.",
    .advice = {{.text = "scaling \"standard\", if the inputs are not scaled"},
               {.text = "glorot_uniform as initializer, or smaller weights"},
               {.text = "BatchNorm before the activation", .applies = diagnosis_has_no_normalization},
               {.text = "relu in hidden layers"},
               {.text = "a smaller learning rate, or an l2 penalty, if the weights have grown"}},
    .number_names = {"saturated_fraction", "layers", "activation_mean", "activation_std"},
    .epochs_needed = 3,
    .check = check,
    .tell = tell,
};
