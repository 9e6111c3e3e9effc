/* A stored report's values come back as the translator wrote them, whatever the names and numbers are. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/codec/job_translator.h"
#include "server/codec/report_text.h"
#include "tests/support/suite.h"

static struct error error;

START_TEST(names_and_numbers_are_those_that_were_written) {
  static const struct train_value written[] = {{"loss", 0.1},
                                               {"validation_loss", -1.8952819112107798e-10},
                                               {"accuracy", 1},
                                               {"layers.say \"hi\", {back\\slash}.gradient_norm", 5e-324},
                                               {"layers.größer\n.weight_norm", 1.7976931348623157e308},
                                               {"gradient_norm", NAN},
                                               {"learning_rate", (double)0.3f}};
  enum { COUNT = sizeof written / sizeof written[0] };
  const struct train_report report = {.step = 7, .epoch = 2, .is_epoch_end = true, .value_count = COUNT, .values = written};
  struct report_values values = {0};
  for (int again = 0; again < 2; again++) {
    char *text = job_translator.encode_report(&report);
    ck_assert_ptr_nonnull(text);
    ck_assert_int_eq(report_values_read(&values, text, &error), ERROR_NONE);
    ck_assert_uint_eq(values.count, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
      ck_assert_str_eq(values.items[i].name, written[i].name);
      const double number = report_value_get(&values.items[i]);
      ck_assert(number == written[i].value || (isnan(number) && isnan(written[i].value)));
      ck_assert_ptr_eq(report_values_find(&values, written[i].name), &values.items[i]);
    }
    ck_assert_ptr_null(report_values_find(&values, "los"));
    free(text);
  }
  report_values_deinit(&values);
}
END_TEST

START_TEST(a_report_without_values_has_none) {
  char text[] = "{\"step\":1,\"values\":{}}";
  struct report_values values = {0};
  ck_assert_int_eq(report_values_read(&values, text, &error), ERROR_NONE);
  ck_assert_uint_eq(values.count, 0);
  report_values_deinit(&values);
}
END_TEST

/* Every beginning of a report, and what is none. */
START_TEST(what_is_no_report_is_an_error) {
  static const char whole[] = "{\"step\":1,\"values\":{\"a\":1.5,\"b\\\"\":null}}";
  struct report_values values = {0};
  for (size_t bytes = 0; bytes + 2 < sizeof whole - 1; bytes++) {
    char *text = strndup(whole, bytes);
    error_clear(&error);
    ck_assert_int_eq(report_values_read(&values, text, &error), ERROR_INTERNAL);
    free(text);
  }
  char other[] = "{\"values\":{1:2}}";
  error_clear(&error);
  ck_assert_int_eq(report_values_read(&values, other, &error), ERROR_INTERNAL);
  report_values_deinit(&values);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *tcase = suite_add_case(suite, "report_text");
  tcase_add_test(tcase, names_and_numbers_are_those_that_were_written);
  tcase_add_test(tcase, a_report_without_values_has_none);
  tcase_add_test(tcase, what_is_no_report_is_an_error);
}

int main(void) { return suite_main("report_text", add_cases); }
