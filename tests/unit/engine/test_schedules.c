/* Schedules: the learning rates that PyTorch's schedulers give, step by step, and the warm-up before any of them. */
#include <math.h>

#include "engine/schedule.h"
#include "tests/support/specs.h"
#include "tests/support/suite.h"

static const double base = 0.4;

/* Rate at `step` of 100 in epochs of 10. */
static double rate_at(const char *text, uint64_t step) {
  struct spec spec;
  struct schedule_state state = {0};
  spec_parse(&spec, &schedule_kinds, text);
  double rate = schedule_learning_rate(&spec, base, step, 100, 10, &state);
  spec_deinit(&spec);
  return rate;
}

static void check_rate(const char *text, uint64_t step, double expected) {
  double rate = rate_at(text, step);
  ck_assert_msg(fabs(rate - expected) <= 1e-12, "%s: the rate of step %llu is %.15g, not %.15g", text, (unsigned long long)step, rate,
                expected);
}

START_TEST(constant_stays) {
  check_rate("constant", 0, base);
  check_rate("constant", 99, base);
}
END_TEST

START_TEST(step_drops_every_few_epochs) {
  check_rate("step step_size=3 gamma=0.5", 0, base);
  check_rate("step step_size=3 gamma=0.5", 29, base);
  check_rate("step step_size=3 gamma=0.5", 30, base / 2);
  check_rate("step step_size=3 gamma=0.5", 95, base / 8);
}
END_TEST

START_TEST(exponential_falls_each_epoch) {
  check_rate("exponential gamma=0.9", 9, base);
  check_rate("exponential gamma=0.9", 10, base * 0.9);
  check_rate("exponential gamma=0.9", 99, base * pow(0.9, 9));
}
END_TEST

START_TEST(cosine_ends_at_eta_min) {
  check_rate("cosine", 0, base);
  check_rate("cosine", 50, base / 2);
  check_rate("cosine", 100, 0);
  check_rate("cosine eta_min=0.1", 50, 0.25);
  check_rate("cosine eta_min=0.1", 100, 0.1);
  check_rate("cosine t_max=2", 10, base / 2);
  check_rate("cosine t_max=2", 20, 0);
  check_rate("cosine t_max=2", 40, base); /* up again, as PyTorch's */
}
END_TEST

/* torch.optim.lr_scheduler.OneCycleLR(max_lr=0.4, total_steps=100): phases end at steps 29 and 99. */
START_TEST(one_cycle_rises_and_falls_like_pytorchs) {
  check_rate("one_cycle", 0, base / 25);
  check_rate("one_cycle", 29, base);
  check_rate("one_cycle", 64, base / 25 / 1e4 + (base - base / 25 / 1e4) / 2);
  check_rate("one_cycle", 99, base / 25 / 1e4);
  check_rate("one_cycle anneal_strategy=linear pct_start=0.11", 5, base / 25 + (base - base / 25) / 2);
  check_rate("one_cycle div_factor=10 final_div_factor=2", 0, base / 10);
  check_rate("one_cycle div_factor=10 final_div_factor=2", 99, base / 20);
}
END_TEST

/* three_phase: ends at 29, 58 and 99. */
START_TEST(one_cycle_of_three_phases_falls_as_steeply_as_it_rose) {
  check_rate("one_cycle three_phase=1", 29, base);
  check_rate("one_cycle three_phase=1", 58, base / 25);
  check_rate("one_cycle three_phase=1", 99, base / 25 / 1e4);
}
END_TEST

static double momentum_at(const char *text, uint64_t step) {
  struct spec spec;
  spec_parse(&spec, &schedule_kinds, text);
  double momentum = schedule_momentum(&spec, step, 100, 10);
  spec_deinit(&spec);
  return momentum;
}

/* Phases end at 29, 58 and 99 as above. */
START_TEST(one_cycle_takes_momentum_the_opposite_way) {
  static const struct {
    const char *text;
    uint64_t step;
    double expected;
  } cases[] = {
      {"one_cycle", 0, 0.95},
      {"one_cycle", 29, 0.85},
      {"one_cycle", 64, 0.9},
      {"one_cycle", 99, 0.95},
      {"one_cycle base_momentum=0.5 max_momentum=0.9 anneal_strategy=linear pct_start=0.11", 5, 0.7},
      {"one_cycle three_phase=1", 58, 0.95},
      {"one_cycle three_phase=1", 80, 0.95},
      {"one_cycle warmup_steps=10", 9, 0.95},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    double momentum = momentum_at(cases[i].text, cases[i].step);
    ck_assert_msg(fabs(momentum - cases[i].expected) < 1e-12, "%s: the momentum of step %llu is %.15g", cases[i].text,
                  (unsigned long long)cases[i].step, momentum);
  }
  ck_assert(isnan(momentum_at("one_cycle cycle_momentum=0", 5)));
  ck_assert(isnan(momentum_at("cosine", 5)));
}
END_TEST

START_TEST(rates_of_very_short_runs_are_finite) {
  for (size_t kind = 0; kind < schedule_kinds.count; kind++) {
    for (uint64_t total = 1; total <= 5; total++) {
      struct spec spec;
      struct schedule_state state = {0};
      struct error error = {0};
      ck_assert_int_eq(spec_init(&spec, schedule_kinds.get(kind), &error), ERROR_NONE);
      for (uint64_t step = 0; step < total; step++) {
        double rate = schedule_learning_rate(&spec, base, step, total, 1, &state);
        ck_assert_msg(rate >= 0 && rate <= base, "%s: %g at step %llu of %llu", spec.kind->name, rate, (unsigned long long)step,
                      (unsigned long long)total);
      }
      spec_deinit(&spec);
    }
  }
}
END_TEST

START_TEST(the_warm_up_rises_to_where_the_schedule_begins) {
  check_rate("constant warmup_steps=4", 0, base * 0.25);
  check_rate("constant warmup_steps=4", 1, base * 0.5);
  check_rate("constant warmup_steps=4", 3, base);
  check_rate("constant warmup_steps=4", 4, base);
  check_rate("cosine warmup_steps=20", 19, base);
  check_rate("cosine warmup_steps=20", 20, base);
  check_rate("cosine warmup_steps=20", 60, base / 2); /* half of the 80 steps that are left */
  check_rate("one_cycle warmup_steps=10", 9, base / 25);
  check_rate("step warmup_steps=10 step_size=1 gamma=0.5", 19, base);
  check_rate("step warmup_steps=10 step_size=1 gamma=0.5", 20, base / 2);
  check_rate("constant warmup_steps=1000", 99, base * 0.1); /* longer than the run */
}
END_TEST

/* Feeds one value an epoch to what is monitored, and compares the rate after each. */
static void check_plateau_of(int monitor, const char *text, size_t count, const double *fed, const double *factors) {
  struct spec spec;
  struct schedule_state state = {0};
  spec_parse(&spec, &schedule_kinds, text);
  for (size_t i = 0; i < count; i++) {
    double values[MONITOR_COUNT] = {-1, -2, -3, -4};
    if (!monitor_is_of_validation(monitor)) values[MONITOR_VALIDATION_LOSS] = values[MONITOR_VALIDATION_ACCURACY] = NAN;
    values[monitor] = fed[i];
    schedule_end_epoch(&spec, base, values, &state);
    double rate = schedule_learning_rate(&spec, base, 10 * (i + 1), 1000, 10, &state);
    ck_assert_msg(fabs(rate - base * factors[i]) < 1e-12, "%s: after epoch %zu the rate is %g, not %g", text, i + 1, rate,
                  base * factors[i]);
  }
  spec_deinit(&spec);
}

static void check_plateau(const char *text, size_t count, const double *losses, const double *factors) {
  check_plateau_of(MONITOR_VALIDATION_LOSS, text, count, losses, factors);
}

START_TEST(reduce_on_plateau_waits_as_long_as_its_patience) {
  const double losses[] = {1, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.5}, factors[] = {1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5};
  check_plateau("reduce_on_plateau factor=0.5 patience=2", 8, losses, factors);
}
END_TEST

START_TEST(reduce_on_plateau_counts_only_what_passes_its_threshold) {
  const double losses[] = {1, 0.95, 0.95}, relative[] = {1, 0.5, 0.25}, absolute[] = {1, 1, 0.5};
  check_plateau("reduce_on_plateau factor=0.5 patience=0 threshold=0.1", 3, losses, relative);
  check_plateau("reduce_on_plateau factor=0.5 patience=0 threshold=0.04 threshold_mode=abs", 3, losses, absolute);
}
END_TEST

START_TEST(reduce_on_plateau_looks_at_what_it_is_told_to) {
  const double accuracies[] = {0.5, 0.6, 0.6, 0.7, 0.7}, factors[] = {1, 1, 0.5, 0.5, 0.25};
  check_plateau_of(MONITOR_VALIDATION_ACCURACY, "reduce_on_plateau factor=0.5 patience=0 monitor=validation_accuracy mode=max", 5,
                   accuracies, factors);
  check_plateau_of(MONITOR_ACCURACY, "reduce_on_plateau factor=0.5 patience=0 monitor=validation_accuracy mode=max", 5, accuracies,
                   factors);                                                     /* no validation part */
  const double rising[] = {1, 1.1, 1.21, 1.3}, relative[] = {1, 0.5, 0.5, 0.25}; /* 1.1 is no more than a tenth above 1 */
  check_plateau_of(MONITOR_ACCURACY, "reduce_on_plateau factor=0.5 patience=0 threshold=0.11 monitor=accuracy mode=max", 4, rising,
                   relative);
  const double losses[] = {1, 0.9, 0.9}, of_losses[] = {1, 1, 0.5};
  check_plateau_of(MONITOR_LOSS, "reduce_on_plateau factor=0.5 patience=0", 3, losses, of_losses);
}
END_TEST

START_TEST(a_mode_against_its_monitor_is_an_error_at_its_field) {
  static const char *const texts[] = {"reduce_on_plateau mode=max", "reduce_on_plateau monitor=accuracy"};
  for (size_t i = 0; i < 2; i++) {
    struct spec spec;
    struct error error = {0};
    spec_parse(&spec, &schedule_kinds, texts[i]);
    ck_assert_int_eq(spec.kind->check(spec.settings, "/schedule", &error), ERROR_INVALID);
    ck_assert_str_eq(error.items[0].pointer, "/schedule/mode");
    spec_deinit(&spec);
  }
}
END_TEST

START_TEST(reduce_on_plateau_rests_after_a_drop_and_stops_at_its_floor) {
  const double losses[] = {1, 1, 1, 1, 1, 1}, rested[] = {1, 0.5, 0.5, 0.5, 0.25, 0.25}, floored[] = {1, 0.5, 0.3, 0.3, 0.3, 0.3};
  check_plateau("reduce_on_plateau factor=0.5 patience=0 cooldown=2", 6, losses, rested);
  check_plateau("reduce_on_plateau factor=0.5 patience=0 min_lr=0.12", 6, losses, floored);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *tcase = suite_add_case(suite, "schedules");
  tcase_add_test(tcase, constant_stays);
  tcase_add_test(tcase, step_drops_every_few_epochs);
  tcase_add_test(tcase, exponential_falls_each_epoch);
  tcase_add_test(tcase, cosine_ends_at_eta_min);
  tcase_add_test(tcase, one_cycle_rises_and_falls_like_pytorchs);
  tcase_add_test(tcase, one_cycle_of_three_phases_falls_as_steeply_as_it_rose);
  tcase_add_test(tcase, one_cycle_takes_momentum_the_opposite_way);
  tcase_add_test(tcase, rates_of_very_short_runs_are_finite);
  tcase_add_test(tcase, the_warm_up_rises_to_where_the_schedule_begins);
  tcase_add_test(tcase, reduce_on_plateau_waits_as_long_as_its_patience);
  tcase_add_test(tcase, reduce_on_plateau_counts_only_what_passes_its_threshold);
  tcase_add_test(tcase, reduce_on_plateau_looks_at_what_it_is_told_to);
  tcase_add_test(tcase, a_mode_against_its_monitor_is_an_error_at_its_field);
  tcase_add_test(tcase, reduce_on_plateau_rests_after_a_drop_and_stops_at_its_floor);
}

int main(void) { return suite_main("schedules", add_cases); }
