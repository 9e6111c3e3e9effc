/* Arrays of float32 as JSON: small ones whole, large ones summarized, windows of them to page through; and arrays read from JSON.
 * A number that isn't finite is null, and counted.
 */
#ifndef SERVER_CODEC_TENSOR_JSON_H
#define SERVER_CODEC_TENSOR_JSON_H

#include <jansson.h>

#include "engine/param.h"

enum {
  TENSOR_RANK_MAX = LIMIT_RANK + 2,                                        /* a sample's axes, the rows before, a Jacobian's last */
  TENSOR_NAME_BYTES = LIMIT_NAME_BYTES + 2 * sizeof "activation_jacobian", /* "hidden.weight_gradient" */
  TENSOR_HISTOGRAM_BINS = 20
};

struct tensor_view {
  char name[TENSOR_NAME_BYTES];
  size_t rank;
  size_t sizes[TENSOR_RANK_MAX];
  size_t count;
  const float *values; /* borrowed */
};

/* {"tensor": name, "shape", "count", "non_finite": how many, "min", "max", "mean", "std", "norm": of those that are finite}, then
 * "values" if there are at most `whole_max`, else "quantiles": {"0.01": …, "0.99": …} and "histogram": {"edges", "counts"}. New
 * reference, or NULL if memory is short. */
json_t *tensor_to_json(const struct tensor_view *tensor, size_t whole_max);
/* {"tensor", "shape", "count", "offset", "values"} of what there is from `offset` on, at most `limit` values. */
json_t *tensor_window_to_json(const struct tensor_view *tensor, size_t offset, size_t limit);

/* shape_size(shape) numbers into out_values: nested arrays as the shape says, or one flat array of them all; for a single one, the number
 * itself. Each must be one that float32 holds. Adds an item for each error, below `pointer`. */
__attribute__((warn_unused_result)) enum error_code floats_from_json(const json_t *json, const struct shape *shape, const char *pointer,
                                                                     float *out_values, struct error *error);

#endif
