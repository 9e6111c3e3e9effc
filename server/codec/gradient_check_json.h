/* Gradient checks as their clients ask for them and see them. */
#ifndef SERVER_CODEC_GRADIENT_CHECK_JSON_H
#define SERVER_CODEC_GRADIENT_CHECK_JSON_H

#include <jansson.h>

#include "engine/gradient_check.h"
#include "engine/train.h"
#include "server/data/data_settings.h"

/* What a gradient check takes besides model or network, rows, targets and weights. */
struct gradient_check_settings {
  struct train_settings train; /* loss, seed */
  struct data_settings data;   /* dataset, target, features: instead of rows */
  int64_t row_count;           /* of the dataset */
  double tolerance;
};
extern const struct param gradient_check_params[6];

/* Fills them with defaults. Free with gradient_check_settings_deinit. */
__attribute__((warn_unused_result)) enum error_code gradient_check_settings_init(struct gradient_check_settings *settings,
                                                                                 struct error *error);
void gradient_check_settings_deinit(struct gradient_check_settings *settings);

/* What a finished check took. */
struct gradient_check_cost {
  double backprop_s, differences_s;
  double loss; /* the cost, without penalties */
};

/* {"passes", "tolerance", "loss", "loss_spec", "rows", "parameters", "kinks", "unresolved", "largest_error",
 *  "backprop": {"seconds", "loss_evaluations"}, "differences": {"seconds", "loss_evaluations"},
 *  "tensors": [{"layer", "name", "shape", "count", "kinks", "unresolved", "largest_error", "mean_error",
 *               "worst": {"index", "position", "backprop", "difference"}, "passes", "non_finite"}]}. Errors that aren't finite are null,
 * and "non_finite" is true then. New reference, or NULL. */
json_t *gradient_check_to_json(const struct network *network, const struct gradient_check *check,
                               const struct gradient_check_settings *settings, size_t row_count, const struct gradient_check_cost *cost);

#endif
