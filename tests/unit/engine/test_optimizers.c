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
                                         {"nadam", "nadam beta1=0.5"}};
  for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
    float given = take_two_steps(pairs[i][0], true, 0.5);
    ck_assert_msg(given == take_two_steps(pairs[i][1], false, 0), "%s", pairs[i][0]);
    ck_assert_msg(given != take_two_steps(pairs[i][0], false, 0), "%s", pairs[i][0]);
  }
  static const char *const without[] = {"sgd", "rmsprop", "adagrad", "adadelta"};
  for (size_t i = 0; i < sizeof without / sizeof without[0]; i++)
    ck_assert_msg(take_two_steps(without[i], true, 0.5) == take_two_steps(without[i], false, 0), "%s", without[i]);
}
END_TEST

START_TEST(defaults_are_pytorchs) {
  static const struct {
    const char *name;
    double learning_rate;
  } defaults[] = {{"sgd", 1e-3}, {"adagrad", 1e-2}, {"rmsprop", 1e-2}, {"adadelta", 1}, {"adam", 1e-3}, {"adamw", 1e-3}, {"nadam", 2e-3}};
  ck_assert_uint_eq(optimizer_kinds.count, sizeof defaults / sizeof defaults[0]);
  for (size_t i = 0; i < optimizer_kinds.count; i++) {
    struct spec spec;
    spec_parse(&spec, &optimizer_kinds, defaults[i].name);
    ck_assert_double_eq(((const struct optimizer_common *)spec.settings)->learning_rate, defaults[i].learning_rate);
    spec_deinit(&spec);
  }
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
}

int main(void) { return suite_main("optimizers", add_cases); }
