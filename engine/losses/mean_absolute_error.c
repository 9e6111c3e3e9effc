/* mean_absolute_error: C = 1/(n·m) Σₖ Σⱼ |aⱼ − yⱼ|, PyTorch's L1Loss. ∂C/∂a = sign(a − y)/(n·m), 0 where a = y */
#include <math.h>

#include "engine/losses/losses.h"

static double weigh(const void *settings, const struct loss_batch *batch) {
  (void)settings;
  return (double)(batch->rows * batch->width);
}

static void evaluate(const void *settings, const struct loss_batch *batch, double *sum, double *weight) {
  (void)settings;
  double total = 0;
  for (size_t i = 0; i < batch->rows * batch->width; i++) total += fabs((double)batch->a[i] - (double)batch->target[i]);
  *sum += total;
  *weight += weigh(settings, batch);
}

static void gradient(const void *settings, const struct loss_batch *batch, float *delta) {
  (void)settings;
  float scale = (float)(1.0 / (double)(batch->rows * batch->width));
  for (size_t i = 0; i < batch->rows * batch->width; i++) {
    float difference = batch->a[i] - batch->target[i];
    /* A difference that is not a number stays one, so that divergence is seen. */
    delta[i] = difference > 0 ? scale : difference < 0 ? -scale : difference;
  }
}

static double cost64(const void *settings, const struct loss_batch *batch, const double *z64, const double *a64) {
  (void)settings, (void)z64;
  double total = 0;
  for (size_t i = 0; i < batch->rows * batch->width; i++) total += fabs(a64[i] - (double)batch->target[i]);
  return total / (double)(batch->rows * batch->width);
}

const struct loss_kind loss_mean_absolute_error = {
    .kind = {.name = "mean_absolute_error", .summary = "absolute difference, averaged over samples and outputs; forgiving of outliers"},
    .formula = "C = 1/(n·m) Σₖ Σⱼ |aⱼ − yⱼ|",
    .target_form = TARGET_VALUES,
    .evaluate = evaluate,
    .weigh = weigh,
    .gradient = gradient,
    .cost64 = cost64,
};
