/* Gradient checks: backpropagation in float32 beside central differences of the cost in float64, weight by weight.
 *
 *     ĝ = (C(w + h) − C(w − h)) / 2h,   h = 1e-5 max(1, |w|)
 *     error = |g − ĝ| / max(|g|, |ĝ|, rms ĝ of the tensor, a tenth of the rms ĝ of the layer)
 *
 * The rms (root mean squares) keep rounding in entries that are next to nothing, as of a bias before batch norm, from looking like
 * mistakes. C is the cost without penalties.
 *
 * Where the cost has a kink (relu at 0, |a − y| at 0, two equal maxima), differences mean nothing. An entry over the tolerance is looked at
 * again with a step 32 times smaller, which most kinks nearby no longer reach, and that difference counts. If it disagrees still, and the
 * slopes to both sides differ by what is missing and did not come closer with the step, as those of a smooth cost do, then the kink is at
 * the weight itself: the entry is counted as a kink and left out of the errors. A wrong gradient of a smooth cost is never excused so.
 *
 * Where an entry is off by no more than the cost's own rounding in float64 (gradients that have vanished), a step 32 and then 1024 times
 * wider tells more. What can't be told then either is counted as unresolved and left out too.
 *
 * A row that is never trained, an embedding's padding, is left out too.
 * Threads: a check belongs to one thread.
 */
#ifndef ENGINE_GRADIENT_CHECK_H
#define ENGINE_GRADIENT_CHECK_H

#include "engine/network.h"

struct gradient_check_options {
  const struct spec *loss;     /* resolved, and checked against the network */
  const double *class_weights; /* resolved, [outputs]; NULL: all 1 */
  uint64_t seed;               /* of random masks: the same in every evaluation */
  size_t row_count;
  const float *x, *target; /* [rows, input …]; as the loss wants it */
  const float *parameters, *buffers;
  double tolerance;
  bool (*is_abandoned)(void *context); /* asked between evaluations; NULL: never */
  void *context;
};

/* One tensor's result. Errors are those of entries that are neither kinks nor unresolved; not finite where a number is not. */
struct gradient_check_tensor {
  size_t layer, tensor;
  size_t count, kink_count, unresolved_count;
  double largest_error, mean_error;
  size_t worst_index; /* of largest_error, row-major */
  double worst_backprop, worst_difference;
  bool passes; /* largest_error ≤ tolerance */
};

struct gradient_check;

/* Bytes that a check takes, evaluations included. */
__attribute__((warn_unused_result)) enum error_code
gradient_check_measure(const struct network *network, const struct gradient_check_options *options, size_t *out_bytes, struct error *error);
/* Borrows network and options' arrays. */
__attribute__((warn_unused_result)) enum error_code gradient_check_create(const struct network *network,
                                                                          const struct gradient_check_options *options,
                                                                          struct gradient_check **out_check, struct error *error);
void gradient_check_destroy(struct gradient_check *check);

/* The gradient by backpropagation: one pass. */
void gradient_check_backprop(struct gradient_check *check);
/* The gradient by differences, then the comparison. ERROR_UNAVAILABLE if is_abandoned said so. */
__attribute__((warn_unused_result)) enum error_code gradient_check_differences(struct gradient_check *check, struct error *error);
/* The cost once, in float64: what differences evaluate twice for each weight. */
__attribute__((warn_unused_result)) enum error_code gradient_check_evaluate(struct gradient_check *check, double *out_cost,
                                                                            struct error *error);

double gradient_check_get_cost(const struct gradient_check *check);          /* at the weights, after the differences */
uint64_t gradient_check_get_evaluations(const struct gradient_check *check); /* of the cost, so far */
size_t gradient_check_get_tensor_count(const struct gradient_check *check);
/* After gradient_check_differences, in the order of computation. */
const struct gradient_check_tensor *gradient_check_get_tensor(const struct gradient_check *check, size_t index);
/* For tests: what backpropagation found, to be tampered with. */
float *gradient_check_get_gradients(struct gradient_check *check);

#endif
