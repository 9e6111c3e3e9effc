/* The learning rate range test (Smith: "Cyclical learning rates for training neural networks", WACV 2017): backpropagation with a learning
 * rate that rises exponentially over the run, from too low to too high, while the loss is watched.
 *
 *   ηₜ = min · (max/min)^(t/(T − 1)),   sₜ = the batches' loss, smoothed:  aₜ = β aₜ₋₁ + (1 − β) Cₜ,  sₜ = aₜ/(1 − βᵗ⁺¹)
 *
 * The run ends once s exceeds `divergence` times its least value, or the loss is not finite: that is what it looks for, not a failure. It
 * suggests the rate at which s fell fastest (by log η; the first tenth of the run, in which s is of few batches, doesn't count), but at
 * most one tenth of the rate at which it ended so.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/algorithms/algorithm.h"

struct range_test {
  double min_learning_rate, max_learning_rate, smoothing, divergence;
};

/* Among the position's scalars. */
enum { AVERAGE, SMOOTHED, LEAST, STEEPEST, SUGGESTION, DIVERGED_AT };
enum { SKIPPED_SHARE = 10 };
static const double DIVERGENCE_SHARE = 0.1;

static const struct param params[] = {
    PARAM_NUMBER_ROW(struct range_test, min_learning_rate, 0, INFINITY, 1e-7, "learning rate of the first step", .flags = PARAM_ABOVE_MIN),
    PARAM_NUMBER_ROW(struct range_test, max_learning_rate, 0, INFINITY, 10, "learning rate of the last step", .flags = PARAM_ABOVE_MIN),
    PARAM_NUMBER_ROW(struct range_test, smoothing, 0, 1, 0.9, "share of the smoothed loss that each step keeps", .flags = PARAM_BELOW_MAX),
    PARAM_NUMBER_ROW(struct range_test, divergence, 1, INFINITY, 4, "the test ends once the smoothed loss is so many times its least value",
                     .flags = PARAM_ABOVE_MIN),
};

static double get_learning_rate(const struct trainer *trainer, uint64_t step) {
  const struct range_test *settings = trainer->settings->algorithm.settings;
  const double share = trainer->total_steps > 1 ? (double)step / (double)(trainer->total_steps - 1) : 0;
  return settings->min_learning_rate * pow(settings->max_learning_rate / settings->min_learning_rate, share);
}

static void watch(struct trainer *trainer, double loss) {
  const struct range_test *settings = trainer->settings->algorithm.settings;
  double *scalars = trainer->position.algorithm_scalars;
  const uint64_t step = trainer->position.step;
  const double before = scalars[SMOOTHED];
  scalars[AVERAGE] = settings->smoothing * scalars[AVERAGE] + (1 - settings->smoothing) * loss;
  const double smoothed = scalars[AVERAGE] / (1 - pow(settings->smoothing, (double)(step + 1)));
  scalars[SMOOTHED] = smoothed;
  if (step == 0 || smoothed < scalars[LEAST]) scalars[LEAST] = smoothed;
  if (smoothed > settings->divergence * scalars[LEAST]) scalars[DIVERGED_AT] = trainer->learning_rate;
  if (step == 0 || step < trainer->total_steps / SKIPPED_SHARE || !(smoothed - before < scalars[STEEPEST])) return;
  scalars[STEEPEST] = smoothed - before; /* log η rises by the same each step */
  scalars[SUGGESTION] = trainer->learning_rate;
}

static enum step_outcome step(struct trainer *trainer, struct step_cost *out_cost) {
  const enum step_outcome outcome = algorithm_descend(trainer, out_cost);
  if (outcome == STEP_ABANDONED) return outcome;
  if (outcome == STEP_DIVERGED) {
    trainer->position.algorithm_scalars[DIVERGED_AT] = trainer->learning_rate;
    return STEP_ENDED;
  }
  watch(trainer, algorithm_mean(out_cost));
  return STEP_TAKEN;
}

static enum step_outcome gradient(struct trainer *trainer, float *parameters, float *buffers, float *gradients,
                                  struct step_cost *out_cost) {
  return algorithm_backprop.gradient(trainer, parameters, buffers, gradients, out_cost);
}

static uint64_t evaluation_count(const void *settings, size_t trained_count) {
  (void)settings;
  (void)trained_count;
  return 1;
}

static bool has_ended(const struct trainer *trainer) { return trainer->position.algorithm_scalars[DIVERGED_AT] > 0; }

/* 0: the loss never fell. */
static double suggest(const struct trainer *trainer) {
  const double *scalars = trainer->position.algorithm_scalars;
  return has_ended(trainer) ? fmin(scalars[SUGGESTION], DIVERGENCE_SHARE * scalars[DIVERGED_AT]) : scalars[SUGGESTION];
}

static const char *const value_names[] = {"smoothed_loss", "suggested_learning_rate", NULL};
static void fill_values(const struct trainer *trainer, double *values) {
  values[0] = trainer->position.algorithm_scalars[SMOOTHED];
  values[1] = suggest(trainer);
}

static void describe(const struct trainer *trainer, char *text, size_t text_bytes) {
  const double suggestion = suggest(trainer), diverged_at = trainer->position.algorithm_scalars[DIVERGED_AT];
  char end[64] = "and did not diverge";
  if (has_ended(trainer)) (void)snprintf(end, sizeof end, "and diverged at %.3g", diverged_at);
  if (trainer->position.step < 2)
    (void)snprintf(text, text_bytes, "no learning rate to suggest: after one step there is no other loss to compare with, %s", end);
  else if (suggestion > 0)
    (void)snprintf(text, text_bytes, "suggested learning rate: %.3g; the smoothed loss fell fastest at %.3g %s", suggestion,
                   trainer->position.algorithm_scalars[SUGGESTION], end);
  else
    (void)snprintf(text, text_bytes, "no learning rate to suggest: the smoothed loss never fell, %s", end);
}

static enum error_code check(const void *settings, const char *pointer, struct error *error) {
  const struct range_test *test = settings;
  if (test->min_learning_rate < test->max_learning_rate) return ERROR_NONE;
  char path[ERROR_POINTER_BYTES];
  error_pointer(path, pointer, "max_learning_rate");
  return error_add(error, path, "must be above min_learning_rate, %g", test->min_learning_rate);
}

const struct algorithm_kind algorithm_learning_rate_range_test = {
    .kind = {.name = "learning_rate_range_test",
             .summary = "backpropagation with a rising learning rate, to find a good one: reports the loss of each and suggests one",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct range_test),
             .check = check},
    .formula = "ηₜ = min · (max/min)^(t/(T − 1))",
    .evaluation_count = evaluation_count,
    .steps_min = 2,
    .step = step,
    .settles = true,
    .gradient = gradient,
    .learning_rate = get_learning_rate,
    .has_ended = has_ended,
    .value_names = value_names,
    .fill_values = fill_values,
    .describe = describe,
};
