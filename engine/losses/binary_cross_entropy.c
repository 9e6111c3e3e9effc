/* binary_cross_entropy: each output is a yes/no question of its own; PyTorch's BCEWithLogitsLoss. Computed with the sigmoid, from z:
 *
 *   C = −1/(n·m) Σ w [ p y log σ(z) + (1 − y) log(1 − σ(z)) ]        p = pos_weight, w = weight
 *     =  1/(n·m) Σ w [ (1 − y) z + (1 + (p − 1) y) softplus(−z) ]     softplus(−z) = log(1 + e^−|z|) + max(−z, 0)
 *   ∂C/∂z = 1/(n·m) w [ (1 + (p − 1) y) σ(z) − p y ]
 */
#include <math.h>

#include "engine/losses/losses.h"
#include "engine/vector_math.h"

struct binary_cross_entropy {
  struct numbers pos_weight;
  struct numbers weight;
};

static const struct param params[] = {
    {.name = "pos_weight",
     .type = PARAM_NUMBERS,
     .flags = PARAM_OPTIONAL,
     .offset = offsetof(struct binary_cross_entropy, pos_weight),
     .min = 0,
     .max = INFINITY,
     .help = "factor on the cost of a yes, one for all outputs or one for each"},
    {.name = "weight",
     .type = PARAM_NUMBERS,
     .flags = PARAM_OPTIONAL,
     .offset = offsetof(struct binary_cross_entropy, weight),
     .min = 0,
     .max = INFINITY,
     .help = "factor on the cost, one for all outputs or one for each"},
};

/* Entry j of a list that is empty (all 1), one for all, or one for each. */
static double number_at(const struct numbers *numbers, size_t j) {
  return numbers->count == 0 ? 1.0 : numbers->values[numbers->count == 1 ? 0 : j];
}

static double cost_of(double z, double y, double pos_weight, double weight) {
  double softplus = log1p(exp(-fabs(z))) + (z < 0 ? -z : 0);
  return weight * ((1 - y) * z + (1 + (pos_weight - 1) * y) * softplus);
}

static double weigh(const void *settings, const struct loss_batch *batch) {
  (void)settings;
  return (double)(batch->rows * batch->width);
}

static void evaluate(const void *settings, const struct loss_batch *batch, double *sum, double *weight) {
  const struct binary_cross_entropy *loss = settings;
  double total = 0;
  for (size_t row = 0; row < batch->rows; row++) {
    for (size_t j = 0; j < batch->width; j++) {
      size_t i = row * batch->width + j;
      const float z = batch->z[i];
      double softplus = (double)(vector_log1p_unit(vector_exp(-fabsf(z))) + (z < 0 ? -z : 0));
      double y = (double)batch->target[i], pos_weight = number_at(&loss->pos_weight, j);
      total += number_at(&loss->weight, j) * ((1 - y) * (double)z + (1 + (pos_weight - 1) * y) * softplus);
    }
  }
  *sum += total;
  *weight += weigh(settings, batch);
}

static void gradient(const void *settings, const struct loss_batch *batch, float *delta) {
  const struct binary_cross_entropy *loss = settings;
  double scale = 1.0 / (double)(batch->rows * batch->width);
  for (size_t j = 0; j < batch->width; j++) {
    float p = (float)number_at(&loss->pos_weight, j);
    float w = (float)(scale * number_at(&loss->weight, j));
    for (size_t i = j; i < batch->rows * batch->width; i += batch->width) {
      float y = batch->target[i];
      delta[i] = w * ((1 + (p - 1) * y) * batch->a[i] - p * y);
    }
  }
}

/* ∂C/∂a = 1/(n·m) w [ (1 − y)/(1 − a) − p y/a ] */
static void a_gradient(const void *settings, const struct loss_batch *batch, float *a_gradient_out) {
  const struct binary_cross_entropy *loss = settings;
  const double scale = 1.0 / (double)(batch->rows * batch->width);
  for (size_t i = 0; i < batch->rows * batch->width; i++) {
    const double p = number_at(&loss->pos_weight, i % batch->width), w = scale * number_at(&loss->weight, i % batch->width);
    const double y = (double)batch->target[i], a = (double)batch->a[i];
    const double no = y == 1 ? 0 : (1 - y) / (1 - a), yes = y == 0 ? 0 : p * y / a;
    a_gradient_out[i] = (float)(w * (no - yes));
  }
}

static double cost64(const void *settings, const struct loss_batch *batch, const double *z64, const double *a64) {
  const struct binary_cross_entropy *loss = settings;
  (void)a64;
  double total = 0;
  for (size_t i = 0; i < batch->rows * batch->width; i++) {
    size_t j = i % batch->width;
    total += cost_of(z64[i], (double)batch->target[i], number_at(&loss->pos_weight, j), number_at(&loss->weight, j));
  }
  return total / (double)(batch->rows * batch->width);
}

static enum error_code check_count(const struct numbers *numbers, const char *name, size_t width, const char *pointer,
                                   struct error *error) {
  if (numbers->count <= 1 || numbers->count == width) return ERROR_NONE;
  char path[ERROR_POINTER_BYTES];
  error_pointer(path, pointer, "%s", name);
  return error_add(error, path, "must be one number, or one for each of the network's %zu outputs, not %zu", width, numbers->count);
}

static enum error_code check_width(const void *settings, size_t width, const char *pointer, struct error *error) {
  const struct binary_cross_entropy *loss = settings;
  enum error_code first = check_count(&loss->pos_weight, "pos_weight", width, pointer, error);
  enum error_code second = check_count(&loss->weight, "weight", width, pointer, error);
  return first != ERROR_NONE ? first : second;
}

const struct loss_kind loss_binary_cross_entropy = {
    .kind = {.name = "binary_cross_entropy",
             .summary = "for sigmoid outputs: one yes/no question, or several at once",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct binary_cross_entropy)},
    .formula = "C = −1/(n·m) Σₖ Σⱼ [yⱼ log aⱼ + (1 − yⱼ) log(1 − aⱼ)]",
    .target_form = TARGET_VALUES,
    .target_max = 1,
    .fused_activation = "sigmoid",
    .evaluate = evaluate,
    .weigh = weigh,
    .gradient = gradient,
    .a_gradient = a_gradient,
    .cost64 = cost64,
    .check_width = check_width,
};
