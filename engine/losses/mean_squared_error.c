/* mean_squared_error: C = 1/(n·m) Σₖ Σⱼ (aⱼ − yⱼ)², PyTorch's MSELoss. ∂C/∂a = 2/(n·m) (a − y) */
#include "engine/losses/losses.h"
#include "engine/losses/squares.h"

static double weigh(const void *settings, const struct loss_batch *batch) {
  (void)settings;
  return (double)(batch->rows * batch->width);
}

static void evaluate(const void *settings, const struct loss_batch *batch, double *sum, double *weight) {
  (void)settings;
  *sum += loss_sum_squares(batch);
  *weight += weigh(settings, batch);
}

static void gradient(const void *settings, const struct loss_batch *batch, float *delta) {
  (void)settings;
  loss_squares_gradient(batch, (double)(batch->rows * batch->width), delta);
}

static double cost64(const void *settings, const struct loss_batch *batch, const double *z64, const double *a64) {
  (void)settings, (void)z64;
  return loss_sum_squares64(batch, a64) / (double)(batch->rows * batch->width);
}

const struct loss_kind loss_mean_squared_error = {
    .kind = {.name = "mean_squared_error", .summary = "squared difference, averaged over samples and outputs"},
    .formula = "C = 1/(n·m) Σₖ Σⱼ (aⱼ − yⱼ)²",
    .target_form = TARGET_VALUES,
    .evaluate = evaluate,
    .weigh = weigh,
    .gradient = gradient,
    .cost64 = cost64,
};
