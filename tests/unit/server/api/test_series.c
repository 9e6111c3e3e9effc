#include "server/api/series.h"

#include <math.h>
#include <stdlib.h>

#include "engine/random.h"
#include "tests/support/suite.h"

/* Feeds `count` values and returns the finished series, whose set the caller frees. */
static struct series *feed(struct series_set *set, size_t points_max, const double *values, size_t count, size_t pinned) {
  struct error error = {0};
  struct series *series;
  *set = (struct series_set){.points_max = points_max};
  for (size_t i = 0; i < count; i++) {
    struct point point = {.seq = i + 1, .step = 10 * i, .epoch = i, .value = values[i]};
    ck_assert_int_eq(series_set_get(set, "loss", &series, &error), ERROR_NONE);
    ck_assert_int_eq(series_add(set, series, &point, i == pinned, &error), ERROR_NONE);
  }
  ck_assert_int_eq(series_set_get(set, "loss", &series, &error), ERROR_NONE);
  ck_assert_int_eq(series_finish(series, &error), ERROR_NONE);
  return series;
}

static bool has_seq(const struct series *series, size_t seq) {
  for (size_t i = 0; i < series->point_count; i++) {
    if (series->points[i].seq == seq) return true;
  }
  return false;
}

static void check_order(const struct series *series, const double *values) {
  for (size_t i = 0; i < series->point_count; i++) {
    const struct point *point = &series->points[i];
    if (i > 0) ck_assert_uint_gt(point->seq, series->points[i - 1].seq);
    ck_assert(point->value == values[point->seq - 1] || (isnan(point->value) && isnan(values[point->seq - 1])));
    ck_assert_uint_eq(point->step, 10 * (point->seq - 1));
  }
}

START_TEST(what_fits_is_kept_whole) {
  const double values[] = {3, 1, NAN, 2, 5, 4};
  struct series_set set;
  const struct series *series = feed(&set, 6, values, 6, 1);
  ck_assert_uint_eq(series->point_count, 6);
  check_order(series, values);
  series_set_deinit(&set);
  series = feed(&set, 0, values, 6, 1);
  ck_assert_uint_eq(series->point_count, 6);
  series_set_deinit(&set);
}
END_TEST

/* Any length, any allowance: bounded, in order, with least, greatest, last, pinned and non-finite points. */
START_TEST(thinning_keeps_what_matters) {
  static const size_t lengths[] = {7, 8, 9, 31, 100, 1000, 4097, 30000}, allowances[] = {6, 7, 8, 10, 30, 101, 1000};
  const struct random_stream stream = {.seed = 5, .purpose = RANDOM_SHUFFLE};
  for (size_t l = 0; l < sizeof lengths / sizeof lengths[0]; l++) {
    for (size_t a = 0; a < sizeof allowances / sizeof allowances[0]; a++) {
      size_t count = lengths[l], least = 0, greatest = 0, pinned = count / 3, odd = count / 2;
      double *values = malloc(count * sizeof *values);
      for (size_t i = 0; i < count; i++) values[i] = (double)random_uniform(&stream, i);
      values[odd] = NAN;
      for (size_t i = 1; i < count; i++) {
        if (values[i] < values[least]) least = i;
        if (values[i] > values[greatest]) greatest = i;
      }
      struct series_set set;
      const struct series *series = feed(&set, allowances[a], values, count, pinned);
      ck_assert_uint_le(series->point_count, (count <= allowances[a] ? count : allowances[a]) + 2);
      if (count > 4 * allowances[a]) ck_assert_uint_ge(series->point_count, allowances[a] / 6);
      check_order(series, values);
      ck_assert(has_seq(series, least + 1));
      ck_assert(has_seq(series, greatest + 1));
      ck_assert(has_seq(series, count));
      ck_assert(has_seq(series, pinned + 1));
      ck_assert(has_seq(series, odd + 1));
      series_set_deinit(&set);
      free(values);
    }
  }
}
END_TEST

START_TEST(every_stretch_keeps_its_peak) {
  enum { COUNT = 6000, PEAKS = 10 };
  double *values = calloc(COUNT, sizeof *values);
  for (size_t i = 0; i < PEAKS; i++) values[i * (COUNT / PEAKS) + 77] = 1 + (double)i;
  struct series_set set;
  const struct series *series = feed(&set, 300, values, COUNT, COUNT);
  for (size_t i = 0; i < PEAKS; i++) ck_assert(has_seq(series, i * (COUNT / PEAKS) + 77 + 1));
  series_set_deinit(&set);
  free(values);
}
END_TEST

START_TEST(stored_points_are_counted) {
  double values[500] = {0};
  struct series_set set;
  const struct series *series = feed(&set, 30, values, 500, 1000);
  ck_assert_uint_le(set.stored_count, 30);
  ck_assert_uint_gt(set.stored_count, 0);
  ck_assert_uint_le(series->point_count, 30);
  series_set_deinit(&set);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "series");
  tcase_add_test(test_case, what_fits_is_kept_whole);
  tcase_add_test(test_case, thinning_keeps_what_matters);
  tcase_add_test(test_case, every_stretch_keeps_its_peak);
  tcase_add_test(test_case, stored_points_are_counted);
}

int main(void) { return suite_main("series", add_cases); }
