/* The rules, one in each file of this folder, and what they share. */
#ifndef ENGINE_DIAGNOSIS_RULES_H
#define ENGINE_DIAGNOSIS_RULES_H

#include <math.h>
#include <stdio.h>

#include "engine/diagnosis/diagnosis.h"

/* One row a rule, causes before their consequences. */
/* clang-format off */
#define DIAGNOSIS_RULES(row) \
  row(divergence) \
  row(unscaled_input) \
  row(class_imbalance) \
  row(exploding_gradients) \
  row(vanishing_gradients) \
  row(dead_relu) \
  row(saturation) \
  row(learning_rate_too_high) \
  row(learning_rate_too_low) \
  row(plateau) \
  row(overfitting) \
  row(still_improving)
/* clang-format on */
#define DIAGNOSIS_DECLARE(name) extern const struct diagnosis_rule diagnosis_##name;
DIAGNOSIS_RULES(DIAGNOSIS_DECLARE)

/* A limit as it stands in the code, for the rule's text. */
#define SAY(limit) SAY_EXPANDED(limit)
#define SAY_EXPANDED(limit) #limit

static inline double diagnosis_layer_value(const struct diagnosis_view *view, size_t layer, enum layer_value value) {
  return (double)view->epoch->layer_values[layer * LAYER_VALUES + value];
}

/* The hidden layer with the largest `value` among those for which `has` is set; how many are at or above `limit`. Returns
 * DIAGNOSIS_NO_LAYER if there is none. */
int diagnosis_find_worst(const struct diagnosis_view *view, enum layer_value value, bool (*has)(const struct diagnosis_layer *layer),
                         double limit, double *out_worst, size_t *out_count);

#define VANISHED_RATIO 0.001 /* of the last layer's gradient */

/* "class \"setosa\"", or "class 3" where they have no names. */
enum { DIAGNOSIS_NAME_BYTES = 80 };
const char *diagnosis_name(const char *noun, const char *const *names, double index, char out_text[DIAGNOSIS_NAME_BYTES]);

bool diagnosis_has_no_clipping(const struct diagnosis_facts *facts);
bool diagnosis_has_no_normalization(const struct diagnosis_facts *facts);

#endif
