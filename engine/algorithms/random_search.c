/* Random search: try a random step, keep it if the cost falls, else go back (Rastrigin: "The convergence of the random search method in the
 * extremal control of a many-parameter system", Automation and Remote Control 24, 1963).
 *
 *   w′ = w + σ ξ,  ξ ~ N(0, 1) for each weight;   w ← w′ if C(w′) < C(w)
 *
 * σ grows after a step that helped and shrinks after one that didn't (Schumer, Steiglitz, "Adaptive step size random search", IEEE
 * Transactions on Automatic Control 13, 1968). The defaults keep it where about one step in five helps, Rechenberg's rule
 * ("Evolutionsstrategie", 1973): 1.2 · 0.955⁴ ≈ 1.
 */
#include <math.h>
#include <string.h>

#include "engine/algorithms/algorithm.h"

struct random_search {
  double step_size, expansion, contraction;
  int64_t candidates;
};

enum { STEP_SIZE = 0 /* σ among the position's scalars */, CANDIDATES_MAX = 1 << 16 };
static const double STEP_SIZE_RANGE = 1e6; /* σ stays within step_size / and · this */

static const struct param params[] = {
    PARAM_NUMBER_ROW(struct random_search, step_size, 0, INFINITY, 0.05, "deviation of a random step, for each weight, at the start (σ)",
                     .flags = PARAM_ABOVE_MIN),
    PARAM_NUMBER_ROW(struct random_search, expansion, 1, 10, 1.2, "factor on the step size after a step that helped"),
    PARAM_NUMBER_ROW(struct random_search, contraction, 0, 1, 0.955, "factor on the step size after one that did not",
                     .flags = PARAM_ABOVE_MIN),
    PARAM_INTEGER_ROW(struct random_search, candidates, 1, CANDIDATES_MAX, 1, "random steps tried of which the best may be taken"),
};

static double get_step_size(const struct trainer *trainer) {
  const struct random_search *settings = trainer->settings->algorithm.settings;
  return trainer->position.evaluations == 0 ? settings->step_size : trainer->position.algorithm_scalars[STEP_SIZE];
}

static void adapt(struct trainer *trainer, bool has_helped) {
  const struct random_search *settings = trainer->settings->algorithm.settings;
  const double factor = has_helped ? settings->expansion : settings->contraction;
  const double least = settings->step_size / STEP_SIZE_RANGE, greatest = settings->step_size * STEP_SIZE_RANGE;
  trainer->position.algorithm_scalars[STEP_SIZE] = fmin(fmax(get_step_size(trainer) * factor, least), greatest);
}

/* w + σ ξ */
static void make_candidate(const struct trainer *trainer, size_t index, float *candidate) {
  const struct random_stream stream = algorithm_stream(trainer, RANDOM_SEARCH, index);
  const float sigma = (float)get_step_size(trainer);
  memcpy(candidate, trainer->parameters, trainer->parameter_count * sizeof(float));
  random_fill_normal(&stream, 0, trainer->trained_count, candidate);
  for (size_t i = 0; i < trainer->trained_count; i++) candidate[i] = trainer->parameters[i] + sigma * candidate[i];
}

/* The pass with the weights as they are comes last: its outputs, running statistics and cost are the step's. */
static enum step_outcome step(struct trainer *trainer, struct step_cost *out_cost) {
  const struct random_search *settings = trainer->settings->algorithm.settings;
  const size_t count = trainer->parameter_count;
  float *candidate = algorithm_scratch(trainer, 0), *best = algorithm_scratch(trainer, 1);
  double least = INFINITY;
  for (size_t i = 0; i < (size_t)settings->candidates; i++) {
    struct step_cost cost;
    make_candidate(trainer, i, candidate);
    if (!algorithm_evaluate(trainer, candidate, trainer->trial_buffers, &cost)) return STEP_ABANDONED;
    const double mean = algorithm_cost(trainer, candidate, &cost);
    if (!(mean < least)) continue;
    least = mean;
    memcpy(best, candidate, count * sizeof(float));
  }
  if (!algorithm_evaluate(trainer, trainer->parameters, trainer->trial_buffers, out_cost)) return STEP_ABANDONED;
  out_cost->evaluations = (uint64_t)settings->candidates + 1;
  if (!isfinite(out_cost->loss_sum)) return STEP_DIVERGED;
  const bool has_helped = least < algorithm_cost(trainer, trainer->parameters, out_cost);
  adapt(trainer, has_helped);
  algorithm_keep_buffers(trainer);
  if (has_helped) memcpy(trainer->parameters, best, count * sizeof(float));
  return STEP_TAKEN;
}

static size_t scratch_count(const void *settings) {
  (void)settings;
  return 2;
}

static uint64_t evaluation_count(const void *settings, size_t trained_count) {
  (void)trained_count;
  return (uint64_t)((const struct random_search *)settings)->candidates + 1;
}

static const char *const value_names[] = {"step_size", NULL};
static void fill_values(const struct trainer *trainer, double *values) { values[0] = get_step_size(trainer); }

const struct algorithm_kind algorithm_random_search = {
    .kind = {.name = "random_search",
             .summary = "a random step is taken if the cost falls by it, else not",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct random_search)},
    .formula = "w′ = w + σ ξ, ξ ~ N(0, 1); w ← w′ if C(w′) < C(w)",
    .scratch_count = scratch_count,
    .evaluation_count = evaluation_count,
    .step = step,
    .value_names = value_names,
    .fill_values = fill_values,
};
