/* Optimizers beside PyTorch's update rules, written here once more for a single weight in float64, for every parameter that a kind has;
 * and the cutting into pieces, which must not change a bit. Full runs beside PyTorch itself are in tests/golden. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/optimizer.h"
#include "engine/random.h"
#include "tests/support/shuffled_parallel.h"
#include "tests/support/specs.h"
#include "tests/support/suite.h"

enum { STEPS = 12 };

/* One weight and what PyTorch keeps for it. */
struct weight64 {
  double w, slots[3], product;
  double t; /* steps so far, this one included */
};

/* The parameters as the test's texts set them. */
struct rule {
  const char *text;
  void (*step)(struct weight64 *weight, double g);
};

static void sgd(struct weight64 *s, double g) { s->w -= 0.1 * g; }

static void sgd_dampened(struct weight64 *s, double g) {
  g = g + 0.05 * s->w;
  s->slots[0] = s->t == 1 ? g : 0.8 * s->slots[0] + (1 - 0.3) * g;
  s->w -= 0.1 * s->slots[0];
}

static void sgd_nesterov(struct weight64 *s, double g) {
  g = -g; /* maximize */
  s->slots[0] = s->t == 1 ? g : 0.8 * s->slots[0] + g;
  s->w -= 0.1 * (g + 0.8 * s->slots[0]);
}

static void adagrad(struct weight64 *s, double g) {
  g = g + 0.05 * s->w;
  if (s->t == 1) s->slots[0] = 0.2;
  s->slots[0] += g * g;
  s->w -= 0.1 / (1 + (s->t - 1) * 0.3) * g / (sqrt(s->slots[0]) + 1e-3);
}

static void rmsprop(struct weight64 *s, double g) {
  s->slots[0] = 0.9 * s->slots[0] + 0.1 * g * g;
  s->w -= 0.01 * g / (sqrt(s->slots[0]) + 1e-3);
}

static void rmsprop_centered(struct weight64 *s, double g) {
  g = g + 0.05 * s->w;
  s->slots[0] = 0.9 * s->slots[0] + 0.1 * g * g;
  s->slots[1] = 0.9 * s->slots[1] + 0.1 * g;
  s->w -= 0.01 * g / (sqrt(s->slots[0] - s->slots[1] * s->slots[1]) + 1e-3);
}

static void rmsprop_momentum(struct weight64 *s, double g) {
  s->slots[0] = 0.9 * s->slots[0] + 0.1 * g * g;
  s->slots[1] = 0.7 * s->slots[1] + g / (sqrt(s->slots[0]) + 1e-3);
  s->w -= 0.01 * s->slots[1];
}

static void rmsprop_both(struct weight64 *s, double g) {
  s->slots[0] = 0.9 * s->slots[0] + 0.1 * g * g;
  s->slots[1] = 0.9 * s->slots[1] + 0.1 * g;
  s->slots[2] = 0.7 * s->slots[2] + g / (sqrt(s->slots[0] - s->slots[1] * s->slots[1]) + 1e-3);
  s->w -= 0.01 * s->slots[2];
}

static void adadelta(struct weight64 *s, double g) {
  g = -g + 0.05 * s->w;
  s->slots[0] = 0.8 * s->slots[0] + 0.2 * g * g;
  double d = sqrt(s->slots[1] + 1e-4) / sqrt(s->slots[0] + 1e-4) * g;
  s->slots[1] = 0.8 * s->slots[1] + 0.2 * d * d;
  s->w -= 0.5 * d;
}

static double adam_step(struct weight64 *s, double g, bool is_amsgrad) {
  s->slots[0] = 0.8 * s->slots[0] + 0.2 * g;
  s->slots[1] = 0.95 * s->slots[1] + 0.05 * g * g;
  s->slots[2] = fmax(s->slots[2], s->slots[1]);
  double v = is_amsgrad ? s->slots[2] : s->slots[1];
  return 0.01 / (1 - pow(0.8, s->t)) * s->slots[0] / (sqrt(v) / sqrt(1 - pow(0.95, s->t)) + 1e-4);
}

static void adam(struct weight64 *s, double g) { s->w -= adam_step(s, g + 0.05 * s->w, false); }
static void adam_amsgrad(struct weight64 *s, double g) { s->w -= adam_step(s, g, true); }
static void adam_maximize(struct weight64 *s, double g) { s->w -= adam_step(s, -g, false); }

static void adamw(struct weight64 *s, double g) {
  s->w *= 1 - 0.01 * 0.3;
  s->w -= adam_step(s, g, false);
}

static double nadam_step(struct weight64 *s, double g) {
  double now = 0.8 * (1 - 0.5 * pow(0.96, s->t * 0.1)), next = 0.8 * (1 - 0.5 * pow(0.96, (s->t + 1) * 0.1));
  s->product = (s->t == 1 ? 1 : s->product) * now;
  s->slots[0] = 0.8 * s->slots[0] + 0.2 * g;
  s->slots[1] = 0.95 * s->slots[1] + 0.05 * g * g;
  double d = sqrt(s->slots[1] / (1 - pow(0.95, s->t))) + 1e-4;
  return 0.01 * ((1 - now) / (1 - s->product) * g + next / (1 - s->product * now * next) * s->slots[0]) / d;
}

static void nadam(struct weight64 *s, double g) { s->w -= nadam_step(s, g + 0.05 * s->w); }
static void nadam_decoupled(struct weight64 *s, double g) {
  s->w *= 1 - 0.01 * 0.3;
  s->w -= nadam_step(s, g);
}

static void adamax(struct weight64 *s, double g) {
  g = g + 0.05 * s->w;
  s->slots[0] = 0.8 * s->slots[0] + 0.2 * g;
  s->slots[1] = fmax(0.95 * s->slots[1], fabs(g) + 1e-4);
  s->w -= 0.01 / (1 - pow(0.8, s->t)) * s->slots[0] / s->slots[1];
}

/* With β₂ = 0.95, ρ∞ = 39, and ρ passes 5 within the steps taken here: both branches. */
static double radam_step(struct weight64 *s, double g) {
  s->slots[0] = 0.8 * s->slots[0] + 0.2 * g;
  s->slots[1] = 0.95 * s->slots[1] + 0.05 * g * g;
  const double power = pow(0.95, s->t), mean = s->slots[0] / (1 - pow(0.8, s->t));
  const double rho = 39 - 2 * s->t * power / (1 - power);
  if (rho <= 5) return 0.01 * mean;
  const double r = sqrt((rho - 4) * (rho - 2) * 39 / ((39 - 4) * (39 - 2) * rho));
  return 0.01 * mean * r * sqrt(1 - power) / (sqrt(s->slots[1]) + 1e-4);
}
static void radam(struct weight64 *s, double g) { s->w -= radam_step(s, -g + 0.05 * s->w); }
static void radam_decoupled(struct weight64 *s, double g) {
  s->w *= 1 - 0.01 * 0.3;
  s->w -= radam_step(s, g);
}

static double sign(double x) { return x > 0 ? 1 : x < 0 ? -1 : 0; }

static void lion(struct weight64 *s, double g) {
  s->w -= 0.01 * 0.3 * s->w;
  s->w -= 0.01 * sign(0.8 * s->slots[0] + 0.2 * g);
  s->slots[0] = 0.95 * s->slots[0] + 0.05 * g;
}

static void rprop(struct weight64 *s, double g) {
  if (s->t == 1) s->slots[1] = 0.02;
  const double agreement = sign(g * s->slots[0]);
  s->slots[1] = fmin(fmax(s->slots[1] * (agreement > 0 ? 1.5 : agreement < 0 ? 0.4 : 1), 0.004), 0.04);
  if (agreement < 0) g = 0;
  s->w -= s->slots[1] * sign(g);
  s->slots[0] = g;
}

static const struct rule rules[] = {
    {"sgd learning_rate=0.1", sgd},
    {"sgd learning_rate=0.1 momentum=0.8 dampening=0.3 weight_decay=0.05", sgd_dampened},
    {"sgd learning_rate=0.1 momentum=0.8 nesterov=1 maximize=1", sgd_nesterov},
    {"adagrad learning_rate=0.1 lr_decay=0.3 weight_decay=0.05 initial_accumulator_value=0.2 epsilon=1e-3", adagrad},
    {"rmsprop learning_rate=0.01 decay=0.9 epsilon=1e-3", rmsprop},
    {"rmsprop learning_rate=0.01 decay=0.9 epsilon=1e-3 centered=1 weight_decay=0.05", rmsprop_centered},
    {"rmsprop learning_rate=0.01 decay=0.9 epsilon=1e-3 momentum=0.7", rmsprop_momentum},
    {"rmsprop learning_rate=0.01 decay=0.9 epsilon=1e-3 momentum=0.7 centered=1", rmsprop_both},
    {"adadelta learning_rate=0.5 rho=0.8 epsilon=1e-4 weight_decay=0.05 maximize=1", adadelta},
    {"adam learning_rate=0.01 beta1=0.8 beta2=0.95 epsilon=1e-4 weight_decay=0.05", adam},
    {"adam learning_rate=0.01 beta1=0.8 beta2=0.95 epsilon=1e-4 amsgrad=1", adam_amsgrad},
    {"adam learning_rate=0.01 beta1=0.8 beta2=0.95 epsilon=1e-4 maximize=1", adam_maximize},
    {"adamw learning_rate=0.01 beta1=0.8 beta2=0.95 epsilon=1e-4 weight_decay=0.3", adamw},
    {"nadam learning_rate=0.01 beta1=0.8 beta2=0.95 epsilon=1e-4 momentum_decay=0.1 weight_decay=0.05", nadam},
    {"nadam learning_rate=0.01 beta1=0.8 beta2=0.95 epsilon=1e-4 momentum_decay=0.1 weight_decay=0.3 decoupled_weight_decay=1",
     nadam_decoupled},
    {"adamax learning_rate=0.01 beta1=0.8 beta2=0.95 epsilon=1e-4 weight_decay=0.05", adamax},
    {"radam learning_rate=0.01 beta1=0.8 beta2=0.95 epsilon=1e-4 weight_decay=0.05 maximize=1", radam},
    {"radam learning_rate=0.01 beta1=0.8 beta2=0.95 epsilon=1e-4 weight_decay=0.3 decoupled_weight_decay=1", radam_decoupled},
    {"lion learning_rate=0.01 beta1=0.8 beta2=0.95 weight_decay=0.3", lion},
    {"rprop learning_rate=0.02 eta_minus=0.4 eta_plus=1.5 step_size_min=0.004 step_size_max=0.04", rprop},
};
enum { RULE_COUNT = sizeof rules / sizeof rules[0] };

static float gradient_at(size_t step, size_t index) {
  float value;
  random_fill_normal(&(struct random_stream){.seed = 4, .purpose = 90, .step = step}, index, 1, &value);
  return value;
}

/* `count` weights through STEPS steps; the weights are the caller's to free. */
static float *run(const char *text, size_t count, const struct parallel *parallel) {
  struct spec spec;
  spec_parse(&spec, &optimizer_kinds, text);
  const struct optimizer_kind *kind = optimizer_of(&spec);
  size_t slot_count = kind->slot_count(spec.settings);
  ck_assert_uint_le(slot_count, LIMIT_OPTIMIZER_SLOTS);
  struct optimizer_state state = {0};
  for (size_t i = 0; i < slot_count; i++) state.slots[i] = calloc(count, sizeof(float));
  float *weights = calloc(count, sizeof(float)), *gradients = calloc(count, sizeof(float));
  for (size_t i = 0; i < count; i++) weights[i] = gradient_at(1000, i);
  for (size_t step = 0; step < STEPS; step++) {
    random_fill_normal(&(struct random_stream){.seed = 4, .purpose = 90, .step = step}, 0, count, gradients);
    double learning_rate = ((const struct optimizer_common *)spec.settings)->learning_rate;
    kind->step(spec.settings, learning_rate, parallel, count, weights, gradients, &state);
    ck_assert_uint_eq(state.step, step + 1);
  }
  for (size_t i = 0; i < slot_count; i++) free(state.slots[i]);
  free(gradients);
  spec_deinit(&spec);
  return weights;
}

START_TEST(steps_are_those_of_the_rule) {
  enum { COUNT = 37 };
  float *weights = run(rules[_i].text, COUNT, NULL);
  for (size_t i = 0; i < COUNT; i++) {
    struct weight64 weight = {.w = (double)gradient_at(1000, i)};
    double start = weight.w;
    for (size_t step = 0; step < STEPS; step++) {
      weight.t = (double)(step + 1);
      rules[_i].step(&weight, (double)gradient_at(step, i));
    }
    ck_assert_double_ne(weight.w, start);
    ck_assert_msg(fabs((double)weights[i] - weight.w) <= 2e-5 * (1 + fabs(weight.w)), "%s: weight %zu is %.9g, not %.9g", rules[_i].text, i,
                  (double)weights[i], weight.w);
  }
  free(weights);
}
END_TEST

START_TEST(the_order_of_pieces_changes_no_bit) {
  enum { COUNT = 50021 };
  struct shuffled_parallel state;
  struct parallel shuffled = shuffled_parallel(&state);
  float *one = run(rules[_i].text, COUNT, NULL), *several = run(rules[_i].text, COUNT, &shuffled);
  ck_assert_uint_gt(state.pieces, 2 * state.runs);
  ck_assert_mem_eq(one, several, COUNT * sizeof(float));
  free(one);
  free(several);
}
END_TEST

START_TEST(the_learning_rate_given_to_a_step_is_the_one_taken) {
  struct spec spec;
  spec_parse(&spec, &optimizer_kinds, "sgd learning_rate=5");
  struct optimizer_state state = {0};
  float weight = 1, gradient = 2;
  optimizer_of(&spec)->step(spec.settings, 0.25, NULL, 1, &weight, &gradient, &state);
  ck_assert_float_eq(weight, 0.5f);
  spec_deinit(&spec);
}
END_TEST

/* Two steps, so that what a step keeps of the one before counts. */
static float take_two_steps(const char *text, bool has_momentum, double momentum) {
  struct spec spec;
  spec_parse(&spec, &optimizer_kinds, text);
  float weight = 1, gradients[] = {2, -0.5f}, slots[LIMIT_OPTIMIZER_SLOTS] = {0};
  struct optimizer_state state = {.has_momentum = has_momentum, .momentum = momentum};
  for (size_t i = 0; i < optimizer_of(&spec)->slot_count(spec.settings); i++) state.slots[i] = &slots[i];
  for (size_t i = 0; i < 2; i++) optimizer_of(&spec)->step(spec.settings, 0.25, NULL, 1, &weight, &gradients[i], &state);
  spec_deinit(&spec);
  return weight;
}

START_TEST(a_schedules_momentum_takes_the_place_of_the_settings) {
  static const char *const pairs[][2] = {{"sgd momentum=0.9", "sgd momentum=0.5"},
                                         {"sgd momentum=0.9 nesterov=1", "sgd momentum=0.5 nesterov=1"},
                                         {"rmsprop momentum=0.9", "rmsprop momentum=0.5"},
                                         {"adam", "adam beta1=0.5"},
                                         {"adamw", "adamw beta1=0.5"},
                                         {"nadam", "nadam beta1=0.5"},
                                         {"adamax", "adamax beta1=0.5"},
                                         {"radam", "radam beta1=0.5"},
                                         {"lion beta2=0.95", "lion beta1=0.5 beta2=0.95"}};
  for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
    float given = take_two_steps(pairs[i][0], true, 0.5);
    ck_assert_msg(given == take_two_steps(pairs[i][1], false, 0), "%s", pairs[i][0]);
    ck_assert_msg(given != take_two_steps(pairs[i][0], false, 0), "%s", pairs[i][0]);
  }
  static const char *const without[] = {"sgd", "rmsprop", "adagrad", "adadelta", "rprop"};
  for (size_t i = 0; i < sizeof without / sizeof without[0]; i++)
    ck_assert_msg(take_two_steps(without[i], true, 0.5) == take_two_steps(without[i], false, 0), "%s", without[i]);
}
END_TEST

START_TEST(defaults_are_pytorchs) {
  static const struct {
    const char *name;
    double learning_rate;
  } defaults[] = {{"sgd", 1e-3},   {"adagrad", 1e-2}, {"rmsprop", 1e-2}, {"adadelta", 1}, {"adam", 1e-3},  {"adamw", 1e-3},
                  {"nadam", 2e-3}, {"adamax", 2e-3},  {"radam", 1e-3},   {"lion", 1e-4},  {"rprop", 1e-2}, {"lbfgs", 1}};
  ck_assert_uint_eq(optimizer_kinds.count, sizeof defaults / sizeof defaults[0]);
  for (size_t i = 0; i < optimizer_kinds.count; i++) {
    struct spec spec;
    spec_parse(&spec, &optimizer_kinds, defaults[i].name);
    ck_assert_double_eq(((const struct optimizer_common *)spec.settings)->learning_rate, defaults[i].learning_rate);
    spec_deinit(&spec);
  }
}
END_TEST

/* lbfgs */

enum { DIMENSIONS = 6, ITERATIONS = 25 };

/* A cost that is no quadratic: Σ hⱼ (wⱼ − j/3)² / 2 + log-cosh of neighbours' differences. */
static double cost_at(const double w[DIMENSIONS], double g[DIMENSIONS]) {
  static const double h[DIMENSIONS] = {1, 30, 0.2, 4, 9, 0.7};
  double cost = 0;
  for (size_t j = 0; j < DIMENSIONS; j++) {
    const double d = w[j] - (double)j / 3;
    cost += h[j] * d * d / 2;
    g[j] = h[j] * d;
  }
  for (size_t j = 0; j + 1 < DIMENSIONS; j++) {
    const double d = w[j] - w[j + 1] - 0.5;
    cost += log(cosh(d));
    g[j] += tanh(d);
    g[j + 1] -= tanh(d);
  }
  return cost;
}

static double product(const double *x, const double *y) {
  double sum = 0;
  for (size_t j = 0; j < DIMENSIONS; j++) sum += x[j] * y[j];
  return sum;
}

/* The BFGS matrix itself, H ← (I − ρ s yᵀ) H (I − ρ y sᵀ) + ρ s sᵀ over the pairs from H₀: what the two loops avoid. */
static void bfgs_direction(size_t pairs, double s[][DIMENSIONS], double y[][DIMENSIONS], const double g[DIMENSIONS], double d[DIMENSIONS]) {
  double h[DIMENSIONS][DIMENSIONS] = {{0}};
  for (size_t i = 0; i < DIMENSIONS; i++)
    h[i][i] = pairs == 0 ? 1 : product(s[pairs - 1], y[pairs - 1]) / product(y[pairs - 1], y[pairs - 1]);
  for (size_t k = 0; k < pairs; k++) {
    double left[DIMENSIONS][DIMENSIONS], next[DIMENSIONS][DIMENSIONS];
    const double rho = 1 / product(s[k], y[k]);
    for (size_t i = 0; i < DIMENSIONS; i++)
      for (size_t j = 0; j < DIMENSIONS; j++) {
        left[i][j] = 0;
        for (size_t m = 0; m < DIMENSIONS; m++) left[i][j] += ((i == m) - rho * s[k][i] * y[k][m]) * h[m][j];
      }
    for (size_t i = 0; i < DIMENSIONS; i++)
      for (size_t j = 0; j < DIMENSIONS; j++) {
        next[i][j] = rho * s[k][i] * s[k][j];
        for (size_t m = 0; m < DIMENSIONS; m++) next[i][j] += left[i][m] * ((m == j) - rho * y[k][m] * s[k][j]);
      }
    memcpy(h, next, sizeof h);
  }
  for (size_t i = 0; i < DIMENSIONS; i++) d[i] = -product(h[i], g);
}

static bool evaluate_cost(void *context, float *weights, double *out_cost, float *gradients) {
  size_t *evaluations = context;
  double w[DIMENSIONS], g[DIMENSIONS];
  for (size_t j = 0; j < DIMENSIONS; j++) w[j] = (double)weights[j];
  *out_cost = cost_at(w, g);
  for (size_t j = 0; j < DIMENSIONS; j++) gradients[j] = (float)g[j];
  return --*evaluations > 0;
}

/* Weights, slots and scratch of a minimization by lbfgs. */
struct minimization {
  struct spec spec;
  struct optimizer_state state;
  float weights[DIMENSIONS], slots[LIMIT_OPTIMIZER_SLOTS][DIMENSIONS], scratch[OPTIMIZER_SCRATCH][DIMENSIONS];
  size_t evaluations_left;
};

static void minimization_init(struct minimization *m, const char *text) {
  memset(m, 0, sizeof *m);
  spec_parse(&m->spec, &optimizer_kinds, text);
  ck_assert_uint_le(optimizer_of(&m->spec)->slot_count(m->spec.settings), LIMIT_OPTIMIZER_SLOTS);
  for (size_t i = 0; i < LIMIT_OPTIMIZER_SLOTS; i++) m->state.slots[i] = m->slots[i];
  for (size_t i = 0; i < OPTIMIZER_SCRATCH; i++) m->state.scratch[i] = m->scratch[i];
  m->evaluations_left = 10000;
}

/* False: abandoned. */
static bool minimization_step(struct minimization *m) {
  const struct optimizer_kind *kind = optimizer_of(&m->spec);
  struct cost_function cost = {.context = &m->evaluations_left, .evaluate = evaluate_cost};
  float gradients[DIMENSIONS];
  size_t one = 2;
  (void)evaluate_cost(&one, m->weights, &cost.start, gradients);
  const double rate = ((const struct optimizer_common *)m->spec.settings)->learning_rate;
  if (kind->scratch_count(m->spec.settings) > 0)
    return kind->search(m->spec.settings, rate, &cost, DIMENSIONS, m->weights, gradients, &m->state);
  kind->step(m->spec.settings, rate, NULL, DIMENSIONS, m->weights, gradients, &m->state);
  return true;
}

/* Beside the dense matrix in float64, with a history that runs full. */
START_TEST(lbfgs_steps_as_the_whole_matrix_would) {
  enum { HISTORY = 4 };
  struct minimization m;
  minimization_init(&m, "lbfgs learning_rate=0.6 history_size=4 tolerance_grad=0");
  double w[DIMENSIONS] = {0}, g[DIMENSIONS], d[DIMENSIONS], last_g[DIMENSIONS], s[HISTORY][DIMENSIONS], y[HISTORY][DIMENSIONS], t = 0;
  size_t pairs = 0;
  for (size_t i = 0; i < ITERATIONS; i++) {
    (void)cost_at(w, g);
    if (i > 0) {
      if (pairs == HISTORY) {
        memmove(s[0], s[1], sizeof s - sizeof s[0]);
        memmove(y[0], y[1], sizeof y - sizeof y[0]);
        pairs--;
      }
      for (size_t j = 0; j < DIMENSIONS; j++) s[pairs][j] = t * d[j], y[pairs][j] = g[j] - last_g[j];
      if (product(s[pairs], y[pairs]) > 1e-10) pairs++;
    }
    bfgs_direction(pairs, s, y, g, d);
    double sum = 0;
    for (size_t j = 0; j < DIMENSIONS; j++) sum += fabs(g[j]);
    t = i == 0 ? fmin(1, 1 / sum) * 0.6 : 0.6;
    for (size_t j = 0; j < DIMENSIONS; j++) w[j] += t * d[j], last_g[j] = g[j];
    ck_assert(minimization_step(&m));
    for (size_t j = 0; j < DIMENSIONS && i < 12; j++)
      ck_assert_msg(fabs((double)m.weights[j] - w[j]) < 2e-3 * (1 + fabs(w[j])), "step %zu, weight %zu: %g, not %g", i, j,
                    (double)m.weights[j], w[j]);
  }
  ck_assert_double_lt(product(g, g), 1e-4);
  spec_deinit(&m.spec);
}
END_TEST

START_TEST(a_strong_wolfe_search_takes_good_steps_only_and_finds_the_minimum) {
  struct minimization m;
  minimization_init(&m, "lbfgs line_search=strong_wolfe");
  double w[DIMENSIONS] = {0}, g[DIMENSIONS];
  double cost = cost_at(w, g), slope = 0;
  for (size_t i = 0; i < ITERATIONS && product(g, g) > 1e-8; i++) {
    double before[DIMENSIONS], last_g[DIMENSIONS];
    memcpy(before, w, sizeof w);
    memcpy(last_g, g, sizeof g);
    ck_assert(minimization_step(&m));
    double moved[DIMENSIONS];
    for (size_t j = 0; j < DIMENSIONS; j++) w[j] = (double)m.weights[j], moved[j] = w[j] - before[j];
    const double last = cost;
    cost = cost_at(w, g);
    slope = product(last_g, moved); /* t g·d */
    ck_assert_double_le(cost, last + 1e-4 * slope + 1e-6);
    ck_assert_double_le(fabs(product(g, moved)), 0.9 * fabs(slope) + 1e-6);
  }
  ck_assert_double_le(product(g, g), 1e-8);
  spec_deinit(&m.spec);
}
END_TEST

/* Whichever evaluation it is abandoned at, also with a ring that is full. */
static const char *const searches[] = {"lbfgs line_search=strong_wolfe history_size=2 learning_rate=0.02",
                                       "lbfgs max_iter=4 history_size=2 learning_rate=0.3 tolerance_grad=0",
                                       "lbfgs max_iter=3 max_eval=20 line_search=strong_wolfe history_size=2 learning_rate=0.02"};

START_TEST(an_abandoned_search_can_be_done_again) {
  for (size_t at = 1; at < 3; at++) {
    struct minimization whole, pieces;
    minimization_init(&whole, searches[_i]);
    minimization_init(&pieces, searches[_i]);
    size_t abandoned = 0;
    for (size_t i = 0; i < 8; i++) {
      ck_assert(minimization_step(&whole));
      float before[DIMENSIONS];
      memcpy(before, pieces.weights, sizeof before);
      pieces.evaluations_left = at;
      if (!minimization_step(&pieces)) {
        abandoned++;
        ck_assert_mem_eq(before, pieces.weights, sizeof before);
        pieces.evaluations_left = 10000;
        ck_assert(minimization_step(&pieces));
      }
      ck_assert_mem_eq(whole.weights, pieces.weights, sizeof whole.weights);
    }
    ck_assert_uint_gt(abandoned, 0);
    spec_deinit(&whole.spec);
    spec_deinit(&pieces.spec);
  }
}
END_TEST

START_TEST(a_step_of_several_iterations_is_as_many_steps) {
  struct minimization single, several;
  minimization_init(&single, "lbfgs learning_rate=0.6 history_size=4 tolerance_grad=0 tolerance_change=0");
  minimization_init(&several, "lbfgs learning_rate=0.6 history_size=4 max_iter=5 max_eval=100 tolerance_grad=0 tolerance_change=0");
  for (int i = 0; i < 3; i++) {
    for (int k = 0; k < 5; k++) ck_assert(minimization_step(&single));
    ck_assert(minimization_step(&several));
    ck_assert_mem_eq(single.weights, several.weights, sizeof single.weights);
  }
  ck_assert_uint_eq(several.state.step, 15);
  spec_deinit(&single.spec);
  spec_deinit(&several.spec);
}
END_TEST

START_TEST(at_the_minimum_lbfgs_stays) {
  struct minimization m;
  minimization_init(&m, "lbfgs tolerance_grad=1e9");
  ck_assert(minimization_step(&m));
  for (size_t j = 0; j < DIMENSIONS; j++) ck_assert_float_eq(m.weights[j], 0);
  spec_deinit(&m.spec);
}
END_TEST

START_TEST(rprops_least_step_can_not_be_above_the_greatest) {
  struct spec spec;
  struct error error = {0};
  spec_parse(&spec, &optimizer_kinds, "rprop step_size_min=2 step_size_max=1");
  ck_assert_int_eq(spec_check(&spec, "/optimizer", &error), ERROR_INVALID);
  ck_assert_str_eq(error.items[0].pointer, "/optimizer/step_size_min");
  spec_deinit(&spec);
}
END_TEST

START_TEST(nesterov_without_momentum_is_an_error_at_its_field) {
  static const char *const texts[] = {"sgd nesterov=1", "sgd nesterov=1 momentum=0.9 dampening=0.1"};
  for (size_t i = 0; i < 2; i++) {
    struct spec spec;
    struct error error = {0};
    spec_parse(&spec, &optimizer_kinds, texts[i]);
    ck_assert_int_eq(spec.kind->check(spec.settings, "/optimizer", &error), ERROR_INVALID);
    ck_assert_str_eq(error.items[0].pointer, "/optimizer/nesterov");
    spec_deinit(&spec);
  }
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *tcase = suite_add_case(suite, "optimizers");
  tcase_add_loop_test(tcase, steps_are_those_of_the_rule, 0, RULE_COUNT);
  tcase_add_loop_test(tcase, the_order_of_pieces_changes_no_bit, 0, RULE_COUNT);
  tcase_add_test(tcase, the_learning_rate_given_to_a_step_is_the_one_taken);
  tcase_add_test(tcase, a_schedules_momentum_takes_the_place_of_the_settings);
  tcase_add_test(tcase, defaults_are_pytorchs);
  tcase_add_test(tcase, nesterov_without_momentum_is_an_error_at_its_field);
  tcase_add_test(tcase, rprops_least_step_can_not_be_above_the_greatest);
  tcase_add_test(tcase, lbfgs_steps_as_the_whole_matrix_would);
  tcase_add_test(tcase, a_strong_wolfe_search_takes_good_steps_only_and_finds_the_minimum);
  tcase_add_loop_test(tcase, an_abandoned_search_can_be_done_again, 0, sizeof searches / sizeof searches[0]);
  tcase_add_test(tcase, a_step_of_several_iterations_is_as_many_steps);
  tcase_add_test(tcase, at_the_minimum_lbfgs_stays);
}

int main(void) { return suite_main("optimizers", add_cases); }
