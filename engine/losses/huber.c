/* huber: quadratic near the target, linear beyond `delta`; PyTorch's HuberLoss (Huber, "Robust estimation of a location parameter", 1964).
 *
 *   e = a − y    C = 1/(n·m) Σ { ½ e²           |e| ≤ delta        ∂C/∂a = 1/(n·m) clamp(e, −delta, delta)
 *                              { delta (|e| − ½ delta)   else
 */
#include <math.h>

#include "engine/losses/losses.h"

struct huber {
  double delta;
};

static const struct param params[] = {
    PARAM_NUMBER_ROW(struct huber, delta, 0, INFINITY, 1, "difference at which quadratic turns into linear", .flags = PARAM_ABOVE_MIN),
};

static double huber_cost(double e, double delta) {
  double size = fabs(e);
  return size <= delta ? 0.5 * e * e : delta * (size - 0.5 * delta);
}

static double weigh(const void *settings, const struct loss_batch *batch) {
  (void)settings;
  return (double)(batch->rows * batch->width);
}

static void evaluate(const void *settings, const struct loss_batch *batch, double *sum, double *weight) {
  const struct huber *huber = settings;
  double total = 0;
  for (size_t i = 0; i < batch->rows * batch->width; i++) total += huber_cost((double)batch->a[i] - (double)batch->target[i], huber->delta);
  *sum += total;
  *weight += weigh(settings, batch);
}

static void gradient(const void *settings, const struct loss_batch *batch, float *delta) {
  const struct huber *huber = settings;
  float limit = (float)huber->delta;
  float scale = (float)(1.0 / (double)(batch->rows * batch->width));
  for (size_t i = 0; i < batch->rows * batch->width; i++) {
    float e = batch->a[i] - batch->target[i];
    delta[i] = scale * (e > limit ? limit : e < -limit ? -limit : e);
  }
}

static double cost64(const void *settings, const struct loss_batch *batch, const double *z64, const double *a64) {
  const struct huber *huber = settings;
  (void)z64;
  double total = 0;
  for (size_t i = 0; i < batch->rows * batch->width; i++) total += huber_cost(a64[i] - (double)batch->target[i], huber->delta);
  return total / (double)(batch->rows * batch->width);
}

const struct loss_kind loss_huber = {
    .kind = {.name = "huber",
             .summary = "squared near the target, absolute beyond delta",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct huber)},
    .formula = "C = 1/(n·m) Σ { ½e² if |e| ≤ delta, else delta (|e| − ½delta) }, e = a − y",
    .target_form = TARGET_VALUES,
    .evaluate = evaluate,
    .weigh = weigh,
    .gradient = gradient,
    .cost64 = cost64,
};
