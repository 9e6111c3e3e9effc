#include "server/codec/json_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/suite.h"

static enum error_code parse(const char *text, json_t **out_json, struct error *error) {
  error_clear(error);
  return json_parse(text, strlen(text), out_json, error);
}

START_TEST(depth_up_to_the_limit_is_taken_and_no_deeper) {
  char text[2 * JSON_DEPTH_MAX + 16] = "";
  json_t *json;
  struct error error;
  for (int i = 0; i < JSON_DEPTH_MAX; i++) strcat(text, "[");
  for (int i = 0; i < JSON_DEPTH_MAX; i++) strcat(text, "]");
  ck_assert_int_eq(parse(text, &json, &error), ERROR_NONE);
  json_decref(json);
  char deeper[sizeof text + 2];
  snprintf(deeper, sizeof deeper, "[%s]", text);
  ck_assert_int_eq(parse(deeper, &json, &error), ERROR_MALFORMED);
  ck_assert_ptr_nonnull(strstr(error.detail, "line 1, column 33"));
}
END_TEST

START_TEST(brackets_in_strings_do_not_count) {
  json_t *json;
  struct error error;
  char text[512] = "\"\\\"";
  for (int i = 0; i < 200; i++) strcat(text, "[");
  strcat(text, "\"");
  ck_assert_int_eq(parse(text, &json, &error), ERROR_NONE);
  ck_assert_uint_eq(strlen(json_string_value(json)), 201);
  json_decref(json);
}
END_TEST

START_TEST(too_many_containers_are_refused_before_any_is_built) {
  size_t count = JSON_CONTAINERS_MAX;
  char *text = malloc(3 * count + 8), *at = text;
  *at++ = '[';
  for (size_t i = 0; i < count; i++) at = stpcpy(at, i == 0 ? "{}" : ",{}");
  strcpy(at, "]");
  json_t *json;
  struct error error;
  ck_assert_int_eq(parse(text, &json, &error), ERROR_MALFORMED);
  ck_assert_ptr_null(json);
  free(text);
}
END_TEST

START_TEST(reals_are_written_as_short_as_they_can_be) {
  static const char *const pairs[][2] = {
      {"[0.15,0.1,-0.3,1e-9,4e-9,1e30,0.001]", "[0.15,0.1,-0.3,1e-9,4e-9,1e30,0.001]"},
      {"[0.1000000000000000055511151231257827,1.0,-0.0,3]", "[0.1,1.0,-0.0,3]"},
      {"[0.30000000000000004,0.72767246234048721]", "[0.30000000000000004,0.7276724623404872]"},
      {"[12345678901234567000.0,9007199254740993]", "[1.2345678901234567e19,9007199254740993]"},
      {"{\"0.14999999999999999 \\\"0.14999999999999999\":\"0.14999999999999999\\\\\",\"a\":true,\"b\":[null,0.85]}",
       "{\"0.14999999999999999 \\\"0.14999999999999999\":\"0.14999999999999999\\\\\",\"a\":true,\"b\":[null,0.85]}"}};
  for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
    json_t *json = json_loads(pairs[i][0], 0, NULL);
    ck_assert_ptr_nonnull(json);
    char *text = json_write(json);
    ck_assert_str_eq(text, pairs[i][1]);
    json_t *again = json_loads(text, 0, NULL);
    ck_assert(json_equal(json, again));
    free(text);
    json_decref(json);
    json_decref(again);
  }
}
END_TEST

/* Every bit pattern there may be, by chance. */
START_TEST(reals_read_back_as_the_same) {
  uint64_t bits = 88172645463325252u;
  for (int i = 0; i < 20000; i++) {
    bits ^= bits << 13, bits ^= bits >> 7, bits ^= bits << 17;
    double number;
    memcpy(&number, &bits, sizeof number);
    if (!isfinite(number)) continue;
    char text[JSON_REAL_BYTES];
    json_format_real(number, text);
    ck_assert_msg(strtod(text, NULL) == number, "%s", text);
    json_t *json = json_real(number);
    char *written = json_write(json);
    ck_assert_msg(strtod(written, NULL) == number, "%s", written);
    free(written);
    json_decref(json);
  }
}
END_TEST

START_TEST(malformed_texts_say_where) {
  static const char *const texts[] = {
      "", "{", "{\"a\":}", "{\"a\":1,}", "{\"a\":1,\"a\":2}", "[1] 2", "nul", "NaN", "[1e999]", "\"\\ud800\"", "\"\xff\"", "]", "[[1]"};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    json_t *json;
    struct error error;
    ck_assert_msg(parse(texts[i], &json, &error) == ERROR_MALFORMED, "%s", texts[i]);
    ck_assert_ptr_null(json);
    ck_assert_ptr_nonnull(strstr(error.detail, "line "));
  }
}
END_TEST

START_TEST(numbers_keep_every_digit) {
  json_t *json;
  struct error error;
  ck_assert_int_eq(parse("[0.1,123456789012345678,-1e-300]", &json, &error), ERROR_NONE);
  char *text = json_write(json);
  json_t *again;
  ck_assert_int_eq(parse(text, &again, &error), ERROR_NONE);
  ck_assert(json_equal(json, again));
  json_decref(json);
  json_decref(again);
  free(text);
  json = json_real((double)0.1f);
  text = json_write_float(json);
  ck_assert(strtof(text, NULL) == 0.1f);
  free(text);
  json_decref(json);
}
END_TEST

START_TEST(appending_nothing_frees_the_array_and_stays_failed) {
  json_t *array = json_array();
  ck_assert(json_append(&array, json_integer(1)));
  ck_assert(!json_append(&array, NULL));
  ck_assert_ptr_null(array);
  ck_assert(!json_append(&array, json_integer(2)));
  json_t *object = json_object();
  ck_assert(!json_put(&object, "k", NULL));
  ck_assert(!json_put(&object, "k", json_integer(1)));
  ck_assert_ptr_null(object);
}
END_TEST

START_TEST(times_are_rfc_3339_in_utc) {
  char text[JSON_TIME_BYTES];
  json_format_time(1762171200123, text);
  ck_assert_str_eq(text, "2025-11-03T12:00:00.123Z");
  json_t *json = json_time(0);
  ck_assert(json_is_null(json));
  json_decref(json);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "json_text");
  tcase_add_test(test_case, depth_up_to_the_limit_is_taken_and_no_deeper);
  tcase_add_test(test_case, brackets_in_strings_do_not_count);
  tcase_add_test(test_case, too_many_containers_are_refused_before_any_is_built);
  tcase_add_test(test_case, reals_are_written_as_short_as_they_can_be);
  tcase_add_test(test_case, reals_read_back_as_the_same);
  tcase_add_test(test_case, malformed_texts_say_where);
  tcase_add_test(test_case, numbers_keep_every_digit);
  tcase_add_test(test_case, appending_nothing_frees_the_array_and_stays_failed);
  tcase_add_test(test_case, times_are_rfc_3339_in_utc);
}

int main(void) { return suite_main("json_text", add_cases); }
