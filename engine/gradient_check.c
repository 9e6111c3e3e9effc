#include "engine/gradient_check.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

static const double step64 = 1e-5;     /* h, in units of max(1, |w|) */
static const double refinement = 32;   /* how much narrower or wider the next step is */
static const double layer_share = 0.1; /* of its rms that an error is measured by at least */

struct gradient_check {
  const struct network *network;
  struct gradient_check_options options;
  struct workspace *workspace;
  size_t parameter_count;
  float *gradients;                   /* g, [parameter_count] */
  float *buffers;                     /* a copy: passes of training write them */
  double *x, *parameters, *buffers64; /* the options' in float64 */
  double *differences;                /* ĝ, [parameter_count] */
  double cost;                        /* C(w) */
  uint64_t evaluations;
  size_t tensor_count;
  struct gradient_check_tensor *tensors;
};

static size_t count_tensors(const struct network *network) {
  size_t count = 0;
  for (size_t i = 0; i < network_layer_count(network); i++) count += network_get_layer(network, i)->tensor_count;
  return count;
}

enum error_code gradient_check_measure(const struct network *network, const struct gradient_check_options *options, size_t *out_bytes,
                                       struct error *error) {
  const size_t parameters = network_parameter_count(network), buffers = network_buffer_count(network);
  size_t workspace_bytes = 0, cost_bytes = 0, inputs, bytes = 0;
  enum error_code code = workspace_measure(network, options->row_count, true, &workspace_bytes, error);
  if (code == ERROR_NONE) code = network_cost64_measure(network, options->row_count, &cost_bytes, error);
  if (code != ERROR_NONE) return code;
  bool is_overflow = __builtin_mul_overflow(options->row_count, shape_size(network_get_input_shape(network)), &inputs);
  is_overflow |= __builtin_mul_overflow(inputs, sizeof(double), &bytes);
  const size_t parts[] = {parameters * (sizeof(float) + 2 * sizeof(double)), buffers * (sizeof(float) + sizeof(double)), workspace_bytes,
                          cost_bytes, count_tensors(network) * sizeof(struct gradient_check_tensor) + sizeof(struct gradient_check)};
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) is_overflow |= __builtin_add_overflow(bytes, parts[i], &bytes);
  *out_bytes = bytes;
  if (is_overflow) return error_set(error, ERROR_OVER_BUDGET, "a gradient check needs more memory than can be addressed");
  return ERROR_NONE;
}

static double *widen(const float *values, size_t count) {
  double *wide = calloc(count + 1, sizeof *wide);
  for (size_t i = 0; wide != NULL && i < count; i++) wide[i] = (double)values[i];
  return wide;
}

enum error_code gradient_check_create(const struct network *network, const struct gradient_check_options *options,
                                      struct gradient_check **out_check, struct error *error) {
  const size_t parameters = network_parameter_count(network), buffers = network_buffer_count(network);
  *out_check = NULL;
  struct gradient_check *check = calloc(1, sizeof *check);
  if (check == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "not enough memory for a gradient check");
  *check = (struct gradient_check){
      .network = network, .options = *options, .parameter_count = parameters, .tensor_count = count_tensors(network)};
  check->gradients = calloc(parameters + 1, sizeof *check->gradients);
  check->buffers = calloc(buffers + 1, sizeof *check->buffers);
  check->differences = calloc(parameters + 1, sizeof *check->differences);
  check->tensors = calloc(check->tensor_count + 1, sizeof *check->tensors);
  check->x = widen(options->x, options->row_count * shape_size(network_get_input_shape(network)));
  check->parameters = widen(options->parameters, parameters);
  check->buffers64 = widen(options->buffers, buffers);
  enum error_code code = workspace_create(network, options->row_count, true, &check->workspace, error);
  if (check->gradients == NULL || check->buffers == NULL || check->differences == NULL || check->tensors == NULL || check->x == NULL ||
      check->parameters == NULL || check->buffers64 == NULL)
    code = error_set(error, ERROR_OUT_OF_MEMORY, "not enough memory for a gradient check of %zu weights", parameters);
  if (code != ERROR_NONE) {
    gradient_check_destroy(check);
    return code;
  }
  for (size_t i = 0; i < buffers; i++) check->buffers[i] = options->buffers[i];
  *out_check = check;
  return ERROR_NONE;
}

void gradient_check_destroy(struct gradient_check *check) {
  if (check == NULL) return;
  workspace_destroy(check->workspace);
  free(check->gradients);
  free(check->buffers);
  free(check->differences);
  free(check->tensors);
  free(check->x);
  free(check->parameters);
  free(check->buffers64);
  free(check);
}

static struct pass_options make_options(const struct gradient_check *check) {
  return (struct pass_options){.batch = check->options.row_count, .training = true, .seed = check->options.seed};
}

void gradient_check_backprop(struct gradient_check *check) {
  const struct gradient_check_options *options = &check->options;
  const struct pass_options pass = make_options(check);
  network_forward(check->network, check->workspace, &pass, options->x, options->parameters, check->buffers);
  network_backward(check->network, check->workspace, &pass, options->x, options->parameters, options->loss, options->class_weights,
                   options->target, check->gradients, NULL);
}

enum error_code gradient_check_evaluate(struct gradient_check *check, double *out_cost, struct error *error) {
  const struct gradient_check_options *options = &check->options;
  const struct pass_options pass = make_options(check);
  if (options->is_abandoned != NULL && options->is_abandoned(options->context))
    return error_set(error, ERROR_UNAVAILABLE, "broken off: nobody waits for the answer");
  check->evaluations++;
  return network_cost64(check->network, &pass, check->x, check->parameters, check->buffers64, options->loss, options->class_weights,
                        options->target, out_cost, error);
}

/* The cost around a weight: to its right and left, at distance `step`. */
struct slopes {
  double right, left; /* one-sided differences */
  double central;     /* ĝ */
};

static enum error_code measure_slopes(struct gradient_check *check, size_t index, double share, struct slopes *out_slopes,
                                      struct error *error) {
  const double w = check->parameters[index], step = share * step64 * fmax(1, fabs(w));
  /* Of w ± step as float64 holds them. */
  const double above_w = w + step, below_w = w - step;
  double above = 0, below = 0;
  check->parameters[index] = above_w;
  enum error_code code = gradient_check_evaluate(check, &above, error);
  check->parameters[index] = below_w;
  if (code == ERROR_NONE) code = gradient_check_evaluate(check, &below, error);
  check->parameters[index] = w;
  *out_slopes = (struct slopes){.right = (above - check->cost) / (above_w - w),
                                .left = (check->cost - below) / (w - below_w),
                                .central = (above - below) / (above_w - below_w)};
  return code;
}

/* Root mean square of what is finite. */
static double measure_rms(const double *values, size_t count) {
  double squares = 0;
  for (size_t i = 0; i < count; i++)
    if (isfinite(values[i])) squares += values[i] * values[i];
  return count == 0 ? 0 : sqrt(squares / (double)count);
}

/* What errors are measured by at least. */
struct scales {
  double tensor, layer; /* root mean squares of ĝ */
};

static double relative_error(double g, double difference, const struct scales *scales) {
  const double scale = fmax(fmax(fabs(g), fabs(difference)), fmax(scales->tensor, layer_share * scales->layer));
  if (!isfinite(g) || !isfinite(difference)) return INFINITY;
  return scale > 0 ? fabs(g - difference) / scale : 0;
}

/* Which numbers an entry is judged by, and whether it can be judged at all. */
struct verdict {
  double error;
  bool is_kink, is_unresolved;
};

/* How far a difference with that step may be off because the cost is rounded. */
static double measure_rounding(const struct gradient_check *check, size_t index, double share) {
  return 16 * DBL_EPSILON * fabs(check->cost) / (share * step64 * fmax(1, fabs(check->parameters[index])));
}

/* Takes the difference if it agrees better. */
static void take_better(struct gradient_check *check, size_t index, double difference, const struct scales *scales,
                        struct verdict *verdict) {
  const double error = relative_error((double)check->gradients[index], difference, scales);
  if (error >= verdict->error) return;
  verdict->error = error;
  check->differences[index] = difference;
}

/* An entry that is off by no more than rounding: a wider step tells more of it. */
static enum error_code look_wider(struct gradient_check *check, size_t index, const struct scales *scales, struct verdict *verdict,
                                  struct error *error) {
  const double g = (double)check->gradients[index];
  double share = 1;
  verdict->is_unresolved = fabs(g - check->differences[index]) <= measure_rounding(check, index, share);
  for (int i = 0; i < 2 && verdict->is_unresolved && verdict->error > check->options.tolerance; i++) {
    struct slopes slopes;
    share *= refinement;
    enum error_code code = measure_slopes(check, index, share, &slopes, error);
    if (code != ERROR_NONE) return code;
    take_better(check, index, slopes.central, scales, verdict);
    verdict->is_unresolved = fabs(g - slopes.central) <= measure_rounding(check, index, share);
  }
  verdict->is_unresolved = verdict->is_unresolved && verdict->error > check->options.tolerance;
  return ERROR_NONE;
}

/* An entry that is off by more: a narrower step shows whether a kink is the reason. */
static enum error_code look_closer(struct gradient_check *check, size_t index, const struct scales *scales, struct verdict *verdict,
                                   struct error *error) {
  const double g = (double)check->gradients[index];
  struct slopes wide, narrow;
  enum error_code code = measure_slopes(check, index, 1, &wide, error);
  if (code == ERROR_NONE) code = measure_slopes(check, index, 1 / refinement, &narrow, error);
  if (code != ERROR_NONE) return code;
  const double jump = fabs(narrow.right - narrow.left), wide_jump = fabs(wide.right - wide.left);
  const bool disagrees = relative_error(g, narrow.central, scales) > check->options.tolerance;
  verdict->is_kink = disagrees && jump > 2 * wide_jump / refinement && fabs(g - narrow.central) <= jump;
  take_better(check, index, narrow.central, scales, verdict);
  return ERROR_NONE;
}

static enum error_code judge(struct gradient_check *check, size_t index, const struct scales *scales, struct verdict *out_verdict,
                             struct error *error) {
  *out_verdict = (struct verdict){.error = relative_error((double)check->gradients[index], check->differences[index], scales)};
  enum error_code code = ERROR_NONE;
  if (out_verdict->error > check->options.tolerance) code = look_wider(check, index, scales, out_verdict, error);
  if (code == ERROR_NONE && out_verdict->error > check->options.tolerance && !out_verdict->is_unresolved)
    code = look_closer(check, index, scales, out_verdict, error);
  return code;
}

/* Whether an entry has no gradient by design, whatever it does to the cost: what stands for padding. */
static bool is_untrained(const struct layer_tensor *view, size_t entry) {
  const size_t row = shape_size(&view->shape) / view->shape.sizes[0];
  return view->zero_row > 0 && entry / row == view->zero_row - 1;
}

static enum error_code compare_tensor(struct gradient_check *check, const struct layer_tensor *view, struct scales scales,
                                      struct gradient_check_tensor *result, struct error *error) {
  const size_t count = shape_size(&view->shape);
  scales.tensor = measure_rms(check->differences + view->offset, count);
  double sum = 0;
  size_t judged_count = 0;
  result->count = count;
  result->largest_error = -1;
  for (size_t i = 0; i < count; i++) {
    const size_t index = view->offset + i;
    struct verdict verdict;
    if (is_untrained(view, i)) continue;
    enum error_code code = judge(check, index, &scales, &verdict, error);
    if (code != ERROR_NONE) return code;
    result->kink_count += verdict.is_kink;
    result->unresolved_count += verdict.is_unresolved;
    if (verdict.is_kink || verdict.is_unresolved) continue;
    judged_count++;
    sum += verdict.error;
    if (verdict.error <= result->largest_error) continue;
    result->largest_error = verdict.error;
    result->worst_index = i;
    result->worst_backprop = (double)check->gradients[index];
    result->worst_difference = check->differences[index];
  }
  result->largest_error = fmax(result->largest_error, 0);
  result->mean_error = judged_count > 0 ? sum / (double)judged_count : 0;
  result->passes = result->largest_error <= check->options.tolerance;
  return ERROR_NONE;
}

/* A layer's tensors stand one behind the other in the network's block. */
static double measure_layer_rms(const struct gradient_check *check, const struct layer *layer) {
  size_t count = 0;
  for (size_t t = 0; t < layer->tensor_count; t++) count += shape_size(&layer->tensors[t].shape);
  return count == 0 ? 0 : measure_rms(check->differences + layer->tensors[0].offset, count);
}

enum error_code gradient_check_differences(struct gradient_check *check, struct error *error) {
  enum error_code code = gradient_check_evaluate(check, &check->cost, error);
  for (size_t i = 0; i < check->parameter_count && code == ERROR_NONE; i++) {
    struct slopes slopes;
    code = measure_slopes(check, i, 1, &slopes, error);
    check->differences[i] = slopes.central;
  }
  size_t next = 0;
  for (size_t i = 0; i < network_layer_count(check->network) && code == ERROR_NONE; i++) {
    const struct layer *layer = network_get_layer(check->network, i);
    const struct scales scales = {.layer = measure_layer_rms(check, layer)};
    for (size_t t = 0; t < layer->tensor_count && code == ERROR_NONE; t++) {
      struct gradient_check_tensor *result = &check->tensors[next++];
      *result = (struct gradient_check_tensor){.layer = i, .tensor = t};
      code = compare_tensor(check, &layer->tensors[t], scales, result, error);
    }
  }
  return code;
}

double gradient_check_get_cost(const struct gradient_check *check) { return check->cost; }
uint64_t gradient_check_get_evaluations(const struct gradient_check *check) { return check->evaluations; }
size_t gradient_check_get_tensor_count(const struct gradient_check *check) { return check->tensor_count; }
const struct gradient_check_tensor *gradient_check_get_tensor(const struct gradient_check *check, size_t index) {
  return &check->tensors[index];
}
float *gradient_check_get_gradients(struct gradient_check *check) { return check->gradients; }
