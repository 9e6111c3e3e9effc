/* Units that never fire and so never learn. */
#include "engine/diagnosis/rules.h"

#define DEAD_LIMIT 0.5
#define ALL_DEAD 0.99
#define SAMPLE_LIMIT 16

static bool can_die(const struct diagnosis_layer *layer) { return layer->can_die; }

static void check(const struct diagnosis_view *view, struct diagnosis_verdict *out_verdict) {
  double worst;
  size_t affected;
  if (view->facts->sample_rows < SAMPLE_LIMIT) return;
  const int layer = diagnosis_find_worst(view, LAYER_DEAD_FRACTION, can_die, DEAD_LIMIT, &worst, &affected);
  if (affected == 0) return;
  *out_verdict = (struct diagnosis_verdict){.severity = worst >= ALL_DEAD ? DIAGNOSIS_CRITICAL : DIAGNOSIS_WARNING,
                                            .layer = layer,
                                            .numbers = {worst, (double)affected, (double)view->facts->sample_rows}};
}

static void tell(const struct diagnosis_facts *facts, const struct diagnosis_finding *finding, char *out_text, size_t bytes) {
  (void)facts;
  (void)snprintf(out_text, bytes, "In layer \"%s\" %.3g %% of the units let no gradient through at any of about %.0f rows%s.",
                 finding->layer, 100 * finding->numbers[0], finding->numbers[2],
                 finding->numbers[1] > 1 ? "; other layers are affected too" : "");
}

const struct diagnosis_rule diagnosis_dead_relu = {
    .code = "dead_relu",
    .summary = "units of relu layers and their relatives that never fire",
    .rule = "in a hidden layer a share of " SAY(DEAD_LIMIT) " of the units or more is dead: |f'(z)| <= 0.001 at every row of the epoch's "
                                                            "sample, which has " SAY(SAMPLE_LIMIT) " rows or more; critical from " SAY(
                                                                ALL_DEAD),
    .why =
        "A unit whose activation is flat for every row, as a relu that is always 0, passes no gradient, so that its weights never change "
        "again: the network is smaller than it was made, and where a whole layer is dead, nothing before it learns.",
    .advice = {{.text = "a smaller learning rate: one large step is enough to kill a unit"},
               {.text = "leaky_relu, elu or gelu, which let some gradient through below 0"},
               {.text = "he_uniform as initializer, and biases that start at 0"},
               {.text = "BatchNorm before the activation", .applies = diagnosis_has_no_normalization}},
    .number_names = {"dead_fraction", "layers", "sample_rows"},
    .epochs_needed = 3,
    .check = check,
    .tell = tell,
};
