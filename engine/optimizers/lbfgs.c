/* lbfgs: Newton's direction from the last steps and what they did to the gradient (Liu, Nocedal, "On the limited memory BFGS method for
 * large scale optimization", Mathematical Programming 45, 1989), PyTorch's LBFGS: a step is up to max_iter iterations, one unless it is
 * asked for more. For the cost of all training rows: a gradient of other rows would be taken for curvature.
 *
 *   s = tₖ₋₁ dₖ₋₁, y = gₖ − gₖ₋₁, remembered if s·y > 1e-10, the last history_size of them
 *   d = −H g by two loops over them, from H₀ = (s·y / y·y) I;  d = −g at first
 *   w ← w + t d
 *
 * line_search "none": t is the learning rate, at the first step min(1, 1/Σ|g|) times it. "strong_wolfe": from there on the step is made
 * longer until a good one is bracketed, then the bracket is cut by cubic interpolation (Nocedal, Wright, "Numerical Optimization", 2006,
 * algorithms 3.5 and 3.6), until C falls enough, C(w + td) ≤ C + 1e-4 t g·d, and the slope as well, |g(w + td)·d| ≤ 0.9 |g·d|. Each point
 * looked at is an evaluation more.
 *
 * A step of several iterations ends before max_iter where the gradient, the iteration's step or the change of the cost has become too
 * small, and with the iteration in which max_eval evaluations are reached.
 *
 * The pairs (s, y) stand in a ring of history_size + max_iter places. Those beyond the ones that count are free, so that a step that is
 * abandoned has written to nothing that the next one reads. All else that a step of several iterations changes it keeps in scratch until it
 * is complete.
 */
#include <string.h>

#include "engine/optimizers/optimizers.h"
#include "engine/reduce.h"

enum { RING = 2, ITERATIONS_MAX = 100, HISTORY_MAX = (LIMIT_OPTIMIZER_SLOTS - RING) / 2 - ITERATIONS_MAX, SEARCH_POINTS_MAX = 25 };
enum { T, H0, OLDEST, PAIRS }; /* among the state's scalars: t, H₀, place of the oldest pair, how many there are */
enum { DIRECTION, GRADIENT };  /* among the slots: d and g of the last step, then the ring's s and y */
enum { NEW_DIRECTION, POINT, POINT_GRADIENT, SEARCH_SCRATCH };                                  /* of a search */
enum { LAST_DIRECTION = SEARCH_SCRATCH, LAST_GRADIENT, NOW, NOW_GRADIENT, ITERATIONS_SCRATCH }; /* and of several iterations */
enum line_search { LINE_SEARCH_NONE, LINE_SEARCH_STRONG_WOLFE };
static const char *const line_searches[] = {"none", "strong_wolfe", NULL};
static const double DECREASE = 1e-4, CURVATURE = 0.9, LEAST_CURVATURE = 1e-10;

struct lbfgs {
  struct optimizer_common common;
  int64_t history_size;
  int64_t max_iter, max_eval;
  double tolerance_grad, tolerance_change;
  int line_search;
};

static const struct param params[] = {
    OPTIMIZER_LEARNING_RATE_ROW(struct lbfgs, 1),
    PARAM_INTEGER_ROW(struct lbfgs, history_size, 1, HISTORY_MAX, 100, "steps that are remembered; each takes the memory of two gradients"),
    PARAM_INTEGER_ROW(struct lbfgs, max_iter, 1, ITERATIONS_MAX, 1,
                      "iterations of a step; each but the first evaluates the cost of all rows again"),
    PARAM_INTEGER_ROW(struct lbfgs, max_eval, 1, 1000000, 0,
                      "no further iteration of a step begins after so many evaluations; null: 5/4 of max_iter", .flags = PARAM_OPTIONAL),
    PARAM_NUMBER_ROW(struct lbfgs, tolerance_grad, 0, INFINITY, 1e-7, "no step is taken where no gradient value is larger"),
    PARAM_NUMBER_ROW(struct lbfgs, tolerance_change, 0, INFINITY, 1e-9,
                     "no step is taken where the slope along it is less; of several iterations the last is the one that "
                     "changes no weight, or the cost, by more"),
    PARAM_CHOICE_ROW(struct lbfgs, line_search, line_searches, LINE_SEARCH_NONE,
                     "how long a step is: learning_rate, or by the strong Wolfe conditions, with several evaluations a step"),
};

/* Looks at the cost. */
struct looks {
  int count;
  double last_t; /* of the point in scratch */
};

/* One step. Arrays are of `count` values. */
struct iteration {
  const struct lbfgs *settings;
  struct optimizer_state *state;
  const struct cost_function *cost;
  size_t count;
  const float *w, *g;
  float *d; /* to be written */
  size_t oldest, pairs;
  double h0;
  double slope; /* g·d */
  struct looks *looks;
};

/* ---- the direction ---- */

static double dot(size_t count, const float *x, const float *y) { return reduce_product(count, x, 0, y, 0); }

/* y ← y + a x */
static void add_scaled(size_t count, double a, const float *restrict x, float *restrict y) {
  const float factor = (float)a;
  for (size_t i = 0; i < count; i++) y[i] += factor * x[i];
}

static size_t count_places(const struct lbfgs *settings) { return (size_t)settings->history_size + (size_t)settings->max_iter; }

/* s and y of pair `index`, the oldest first. */
static float *get_s(const struct iteration *it, size_t index) {
  const size_t places = count_places(it->settings);
  return it->state->slots[RING + (it->oldest + index) % places];
}
static float *get_y(const struct iteration *it, size_t index) {
  const size_t places = count_places(it->settings);
  return it->state->slots[RING + places + (it->oldest + index) % places];
}

/* The pair that the last step makes, into the next free place; it counts if the curvature along it is positive. */
static void remember_pair(struct iteration *it) {
  const float *last_d = it->state->slots[DIRECTION], *last_g = it->state->slots[GRADIENT];
  const float t = (float)it->state->scalars[T];
  float *s = get_s(it, it->pairs), *y = get_y(it, it->pairs);
  for (size_t i = 0; i < it->count; i++) {
    s[i] = t * last_d[i];
    y[i] = it->g[i] - last_g[i];
  }
  const double sy = dot(it->count, s, y);
  if (!(sy > LEAST_CURVATURE)) return;
  it->h0 = sy / dot(it->count, y, y);
  if (it->pairs < (size_t)it->settings->history_size)
    it->pairs++;
  else
    it->oldest = (it->oldest + 1) % count_places(it->settings);
}

/* d = −H g: the two loops. */
static void find_direction(struct iteration *it) {
  double rho[HISTORY_MAX] = {0}, alpha[HISTORY_MAX] = {0};
  float *d = it->d;
  for (size_t i = 0; i < it->count; i++) d[i] = -it->g[i];
  for (size_t k = it->pairs; k-- > 0;) {
    rho[k] = 1 / dot(it->count, get_y(it, k), get_s(it, k));
    alpha[k] = rho[k] * dot(it->count, get_s(it, k), d);
    add_scaled(it->count, -alpha[k], get_y(it, k), d);
  }
  for (size_t i = 0; i < it->count; i++) d[i] *= (float)it->h0;
  for (size_t k = 0; k < it->pairs; k++) {
    const double beta = rho[k] * dot(it->count, get_y(it, k), d);
    add_scaled(it->count, alpha[k] - beta, get_s(it, k), d);
  }
}

static double greatest(size_t count, const float *x) {
  float most = 0;
  for (size_t i = 0; i < count; i++) most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
  return (double)most;
}

static double absolute_sum(size_t count, const float *x) {
  double sum = 0;
  for (size_t i = 0; i < count; i++) sum += fabs((double)x[i]);
  return sum;
}

/* Fills the iteration. False: the gradient or the slope says that there is nowhere to go. */
static bool begin(struct iteration *it) {
  const struct optimizer_state *state = it->state;
  it->oldest = (size_t)state->scalars[OLDEST];
  it->pairs = (size_t)state->scalars[PAIRS];
  it->h0 = state->step == 0 ? 1 : state->scalars[H0];
  if (greatest(it->count, it->g) <= it->settings->tolerance_grad) return false;
  if (state->step > 0) remember_pair(it);
  find_direction(it);
  it->slope = dot(it->count, it->g, it->d);
  return it->slope <= -it->settings->tolerance_change;
}

/* What the next step needs to know of this one, of length t. */
static void commit(struct iteration *it, double t) {
  struct optimizer_state *state = it->state;
  state->scalars[T] = t;
  state->scalars[H0] = it->h0;
  state->scalars[OLDEST] = (double)it->oldest;
  state->scalars[PAIRS] = (double)it->pairs;
  if (it->d != state->slots[DIRECTION]) memcpy(state->slots[DIRECTION], it->d, it->count * sizeof(float));
  memcpy(state->slots[GRADIENT], it->g, it->count * sizeof(float));
  state->step++;
}

static double first_length(const struct iteration *it, double learning_rate) {
  return it->state->step == 0 ? fmin(1, 1 / absolute_sum(it->count, it->g)) * learning_rate : learning_rate;
}

static void step(const void *settings, double learning_rate, const struct parallel *parallel, size_t count, float *weights,
                 const float *gradients, struct optimizer_state *state) {
  (void)parallel;
  struct iteration it = {.settings = settings, .state = state, .count = count, .w = weights, .g = gradients, .d = state->slots[DIRECTION]};
  if (!begin(&it)) return;
  const double t = first_length(&it, learning_rate);
  add_scaled(count, t, it.d, weights);
  commit(&it, t);
}

/* ---- the line search ---- */

/* A point w + t d: cost and slope along d. A cost that isn't finite is too high. */
struct point {
  double t, cost, slope;
};

static bool look_at(const struct iteration *it, double t, struct point *out_point) {
  float *at = it->state->scratch[POINT], *g = it->state->scratch[POINT_GRADIENT];
  memcpy(at, it->w, it->count * sizeof(float));
  add_scaled(it->count, t, it->d, at);
  *out_point = (struct point){.t = t};
  it->looks->count++;
  it->looks->last_t = t;
  if (!it->cost->evaluate(it->cost->context, at, &out_point->cost, g)) return false;
  out_point->slope = dot(it->count, g, it->d);
  if (!isfinite(out_point->cost)) out_point->cost = INFINITY;
  return true;
}

/* Where the cubic through two points with these slopes is least, within the bounds; their middle if that is nowhere. */
static double interpolate(const struct point *p, const struct point *q, double lower, double upper) {
  const struct point *left = p->t <= q->t ? p : q, *right = p->t <= q->t ? q : p;
  const double d1 = left->slope + right->slope - 3 * (left->cost - right->cost) / (left->t - right->t);
  const double d2 = sqrt(d1 * d1 - left->slope * right->slope);
  const double t = right->t - (right->t - left->t) * ((right->slope + d2 - d1) / (right->slope - left->slope + 2 * d2));
  return isfinite(t) ? fmin(fmax(t, lower), upper) : (lower + upper) / 2;
}

static bool falls_enough(const struct iteration *it, const struct point *start, const struct point *point) {
  return point->cost <= start->cost + DECREASE * point->t * it->slope;
}
static bool is_flat_enough(const struct iteration *it, const struct point *point) { return fabs(point->slope) <= -CURVATURE * it->slope; }

/* Two points between which there is a good one; or *out_is_found, and that is the first. */
struct bracket {
  struct point points[2];
  bool is_found;
  int points_left; /* that may still be looked at */
};

/* Longer and longer steps until one is too long. False: abandoned. */
static bool bracket_minimum(const struct iteration *it, const struct point *start, double t, struct bracket *out) {
  struct point before = *start, now;
  *out = (struct bracket){.points_left = SEARCH_POINTS_MAX};
  if (!look_at(it, t, &now)) return false;
  for (int i = 0; i < SEARCH_POINTS_MAX; i++) {
    out->points_left = SEARCH_POINTS_MAX - i;
    out->points[0] = before;
    out->points[1] = now;
    if (!falls_enough(it, start, &now) || (i > 1 && now.cost >= before.cost)) return true;
    if (is_flat_enough(it, &now)) {
      out->points[0] = now;
      out->is_found = true;
      return true;
    }
    if (now.slope >= 0) return true;
    const double next = interpolate(&before, &now, now.t + 0.01 * (now.t - before.t), now.t * 10);
    before = now;
    if (!look_at(it, next, &now)) return false;
  }
  out->points_left = 0;
  out->points[0] = *start;
  out->points[1] = now;
  return true;
}

/* Keeps a new point a tenth of the bracket away from its ends, if it comes near one twice in a row or is beyond. */
static double keep_inside(const struct point points[2], double t, bool *was_near) {
  const double lower = fmin(points[0].t, points[1].t), upper = fmax(points[0].t, points[1].t), margin = 0.1 * (upper - lower);
  const bool is_near = fmin(upper - t, t - lower) < margin, is_beyond = t >= upper || t <= lower;
  if (is_near && (*was_near || is_beyond)) {
    *was_near = false;
    return fabs(t - upper) < fabs(t - lower) ? upper - margin : lower + margin;
  }
  *was_near = is_near;
  return t;
}

/* Cuts the bracket until its lower point is good. False: abandoned. */
static bool zoom(const struct iteration *it, const struct point *start, struct bracket *bracket, struct point *out_point) {
  struct point *points = bracket->points;
  const double reach = greatest(it->count, it->d);
  size_t low = !bracket->is_found && points[1].cost < points[0].cost;
  bool was_near = false;
  for (; !bracket->is_found && bracket->points_left > 0; bracket->points_left--) {
    if (fabs(points[1].t - points[0].t) * reach < it->settings->tolerance_change) break;
    const double lower = fmin(points[0].t, points[1].t), upper = fmax(points[0].t, points[1].t);
    const double t = keep_inside(points, interpolate(&points[0], &points[1], lower, upper), &was_near);
    struct point now;
    if (!look_at(it, t, &now)) return false;
    const size_t high = 1 - low;
    if (!falls_enough(it, start, &now) || now.cost >= points[low].cost) {
      points[high] = now;
      low = points[1].cost < points[0].cost;
      continue;
    }
    if (is_flat_enough(it, &now))
      bracket->is_found = true;
    else if (now.slope * (points[high].t - points[low].t) >= 0)
      points[high] = points[low];
    points[low] = now;
  }
  *out_point = points[low];
  return true;
}

/* How far to go along d from a point of that cost, and the cost there (NAN without a search). False: abandoned. */
static bool find_length(const struct iteration *it, double learning_rate, double cost, double *out_t, double *out_cost) {
  *out_t = first_length(it, learning_rate);
  *out_cost = (double)NAN;
  if (it->settings->line_search != LINE_SEARCH_STRONG_WOLFE) return true;
  const struct point start = {.t = 0, .cost = cost, .slope = it->slope};
  struct bracket bracket;
  struct point found;
  if (!bracket_minimum(it, &start, *out_t, &bracket) || !zoom(it, &start, &bracket, &found)) return false;
  *out_t = found.t;
  *out_cost = found.cost;
  return true;
}

static bool search(const void *settings, double learning_rate, const struct cost_function *cost, size_t count, float *weights,
                   const float *gradients, struct optimizer_state *state) {
  struct looks looks = {0};
  struct iteration it = {.settings = settings, .state = state, .cost = cost, .count = count, .w = weights, .g = gradients, .looks = &looks};
  it.d = state->scratch[NEW_DIRECTION];
  if (!begin(&it)) return true;
  double t, reached;
  if (!find_length(&it, learning_rate, cost->start, &t, &reached)) return false;
  add_scaled(count, t, it.d, weights);
  commit(&it, t);
  return true;
}

/* ---- several iterations ---- */

/* Cost and gradient where an iteration has come to. The search may have looked there last. False: abandoned. */
static bool arrive(const struct iteration *it, double t, double reached, double *out_cost) {
  float *const *scratch = it->state->scratch;
  const bool is_known = it->looks->count > 0 && it->looks->last_t == t;
  *out_cost = reached;
  if (is_known)
    memcpy(scratch[NOW_GRADIENT], scratch[POINT_GRADIENT], it->count * sizeof(float));
  else if (!it->cost->evaluate(it->cost->context, scratch[NOW], out_cost, scratch[NOW_GRADIENT]))
    return false;
  return true;
}

/* Whether to go on from a cost to another, as PyTorch decides; a gradient that is too small `begin` finds. */
static bool goes_on(const struct iteration *it, double t, double before, double now, int64_t evaluations) {
  const struct lbfgs *settings = it->settings;
  const int64_t most = settings->max_eval == PARAM_INTEGER_NONE ? settings->max_iter * 5 / 4 : settings->max_eval;
  return isfinite(now) && evaluations < most && fabs(t) * greatest(it->count, it->d) > settings->tolerance_change &&
         fabs(now - before) >= settings->tolerance_change;
}

/* Iterates on copies in scratch: `work` is the state with its last direction and gradient there. False: abandoned. */
static bool iterate(struct iteration *it, double learning_rate) {
  struct optimizer_state *work = it->state;
  float *now = work->scratch[NOW];
  double cost = it->cost->start, reached, t;
  int64_t evaluations = 1;
  for (int64_t i = 0; i < it->settings->max_iter; i++) {
    *it->looks = (struct looks){0};
    if (!begin(it)) return true;
    const double before = cost;
    if (!find_length(it, learning_rate, cost, &t, &reached)) return false;
    add_scaled(it->count, t, it->d, now);
    commit(it, t);
    if (i + 1 == it->settings->max_iter) return true;
    evaluations += it->looks->count > 0 ? it->looks->count : 1;
    if (!arrive(it, t, reached, &cost)) return false;
    if (!goes_on(it, t, before, cost, evaluations)) return true;
  }
  return true;
}

static bool search_several(const void *settings, double learning_rate, const struct cost_function *cost, size_t count, float *weights,
                           const float *gradients, struct optimizer_state *state) {
  const size_t bytes = count * sizeof(float);
  struct looks looks;
  struct optimizer_state work = *state;
  work.slots[DIRECTION] = state->scratch[LAST_DIRECTION];
  work.slots[GRADIENT] = state->scratch[LAST_GRADIENT];
  memcpy(work.slots[DIRECTION], state->slots[DIRECTION], bytes);
  memcpy(work.slots[GRADIENT], state->slots[GRADIENT], bytes);
  memcpy(state->scratch[NOW], weights, bytes);
  memcpy(state->scratch[NOW_GRADIENT], gradients, bytes);
  struct iteration it = {.settings = settings,
                         .state = &work,
                         .cost = cost,
                         .count = count,
                         .w = state->scratch[NOW],
                         .g = state->scratch[NOW_GRADIENT],
                         .d = state->scratch[NEW_DIRECTION],
                         .looks = &looks};
  if (!iterate(&it, learning_rate)) return false;
  memcpy(weights, state->scratch[NOW], bytes);
  memcpy(state->slots[DIRECTION], work.slots[DIRECTION], bytes);
  memcpy(state->slots[GRADIENT], work.slots[GRADIENT], bytes);
  memcpy(state->scalars, work.scalars, sizeof work.scalars);
  state->step = work.step;
  return true;
}

static bool search_any(const void *settings, double learning_rate, const struct cost_function *cost, size_t count, float *weights,
                       const float *gradients, struct optimizer_state *state) {
  const bool has_several = ((const struct lbfgs *)settings)->max_iter > 1;
  return (has_several ? search_several : search)(settings, learning_rate, cost, count, weights, gradients, state);
}

static size_t slot_count(const void *settings) { return 2 * count_places(settings) + RING; }

static size_t scratch_count(const void *settings) {
  const struct lbfgs *lbfgs = settings;
  return lbfgs->max_iter > 1 ? ITERATIONS_SCRATCH : lbfgs->line_search == LINE_SEARCH_STRONG_WOLFE ? SEARCH_SCRATCH : 0;
}

const struct optimizer_kind optimizer_lbfgs = {
    .kind = {.name = "lbfgs",
             .summary = "Newton's direction from the last steps; for full batches, and few weights",
             .params = params,
             .param_count = PARAM_COUNT(params),
             .settings_bytes = sizeof(struct lbfgs)},
    .formula = "d = −H g from the last pairs s = Δw, y = Δg; w ← w + t d",
    .slot_count = slot_count,
    .scratch_count = scratch_count,
    .is_full_batch = true,
    .step = step,
    .search = search_any,
};
