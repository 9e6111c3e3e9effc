/* Inputs of very different size, or far from 0. */
#include "engine/diagnosis/rules.h"

#define RMS_LIMIT 10

static void check(const struct diagnosis_view *view, struct diagnosis_verdict *out_verdict) {
  const struct diagnosis_facts *facts = view->facts;
  if (!facts->is_scale_felt || !(facts->widest_rms >= RMS_LIMIT)) return;
  *out_verdict = (struct diagnosis_verdict){.severity = DIAGNOSIS_WARNING,
                                            .layer = DIAGNOSIS_NO_LAYER,
                                            .numbers = {(double)facts->widest_input, facts->widest_rms, facts->narrowest_rms}};
}

static void tell(const struct diagnosis_facts *facts, const struct diagnosis_finding *finding, char *out_text, size_t bytes) {
  char name[DIAGNOSIS_NAME_BYTES];
  (void)snprintf(
      out_text, bytes,
      "The values of %s are of size %.3g (root mean square over the training part), those of the smallest input of %.3g; about 1 would be "
      "right.",
      diagnosis_name("input", facts->input_names, finding->numbers[0], name), finding->numbers[1], finding->numbers[2]);
}

const struct diagnosis_rule diagnosis_unscaled_input = {
    .code = "unscaled_input",
    .summary = "inputs whose values are far from the size that weights are made for",
    .rule = "the largest root mean square of an input over the training part is " SAY(RMS_LIMIT) " or more, and the layer that takes it is "
                                                                                                 "neither an embedding nor a normalization",
    .why =
        "Start weights are drawn for inputs of about 1. Large ones drive units into saturation, make gradients large, and drown the small "
        "inputs beside them: the rate that one weight needs is wrong for the next.",
    .advice = {{.text = "scaling \"standard\" (mean 0 and deviation 1, fitted on the training part), or \"min_max\""},
               {.text = "a batch_norm layer first", .applies = diagnosis_has_no_normalization}},
    .number_names = {"input", "largest_rms", "smallest_rms"},
    .epochs_needed = 1,
    .check = check,
    .tell = tell,
};
