/* One class (or answer to a label) has nearly all rows. */
#include "engine/diagnosis/rules.h"

#define SHARES_LIMIT 10
#define LEARNED_LIMIT 0.5

/* A network that is right much more often than the constant answer has seen past the imbalance: then it is only told. */
static void check(const struct diagnosis_view *view, struct diagnosis_verdict *out_verdict) {
  const struct diagnosis_facts *facts = view->facts;
  if (!isfinite(facts->baseline_hits) || facts->has_class_weights) return;
  if (!(facts->largest_share >= SHARES_LIMIT * facts->least_share)) return;
  const double learned = (view->epoch->hits - facts->baseline_hits) / (1 - facts->baseline_hits);
  *out_verdict = (struct diagnosis_verdict){.severity = learned >= LEARNED_LIMIT ? DIAGNOSIS_INFO : DIAGNOSIS_WARNING,
                                            .layer = DIAGNOSIS_NO_LAYER,
                                            .numbers = {(double)facts->largest_class, facts->largest_share, (double)facts->least_class,
                                                        facts->least_share, view->epoch->hits, facts->baseline_hits}};
}

static void tell(const struct diagnosis_facts *facts, const struct diagnosis_finding *finding, char *out_text, size_t bytes) {
  const double *numbers = finding->numbers;
  char largest[DIAGNOSIS_NAME_BYTES], least[DIAGNOSIS_NAME_BYTES];
  if (facts->task == TASK_MULTILABEL)
    (void)snprintf(
        out_text, bytes,
        "The %s has the same answer in %.3g %% of the training rows. Giving each label its commoner answer would be right in %.3g %% of "
        "all answers; the network is in %.3g %%.",
        diagnosis_name("label", facts->class_names, numbers[0], largest), 100 * numbers[1], 100 * numbers[5], 100 * numbers[4]);
  else
    (void)snprintf(
        out_text, bytes,
        "The %s has %.3g %% of the training rows, the %s only %.3g %%. Always answering the commonest would be right in %.3g %%; the "
        "network is in %.3g %%.",
        diagnosis_name("class", facts->class_names, numbers[0], largest), 100 * numbers[1],
        diagnosis_name("class", facts->class_names, numbers[2], least), 100 * numbers[3], 100 * numbers[5], 100 * numbers[4]);
}

const struct diagnosis_rule diagnosis_class_imbalance = {
    .code = "class_imbalance",
    .summary = "a class that is rare beside another",
    .rule = "the commonest class has " SAY(
        SHARES_LIMIT) " times the training rows of the rarest (or one answer to a label those of the "
                      "other) or more, and the loss has no class_weights; only for information once the network removes a share of " SAY(
                          LEARNED_LIMIT) " of the constant answer's errors",
    .why =
        "Errors on a rare class hardly count in the mean, so that the network may never learn it and still look good: accuracy says little "
        "here.",
    .advice = {{.text = "\"class_weights\": \"balanced\" in the loss"},
               {.text = "judge by f1, per_class and confusion_matrix, not by accuracy"},
               {.text = "more rows of the rare class"}},
    .number_names = {"largest_class", "largest_share", "least_class", "least_share", "accuracy", "constant_accuracy"},
    .epochs_needed = 3,
    .check = check,
    .tell = tell,
};
