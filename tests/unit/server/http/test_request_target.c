#include "server/http/request_target.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/suite.h"

static char text[1024];
static struct request_target target;
static struct error error;

static enum error_code parse(const char *raw) {
  (void)snprintf(text, sizeof text, "%s", raw);
  error_clear(&error);
  return request_target_parse(text, &target, &error);
}

START_TEST(path_and_query_are_taken_apart_before_they_are_decoded) {
  ck_assert_int_eq(parse("/v1/a%20b/c+d?x=1%262&y=a+b%2b&%C3%A4=%c3%9f&empty=&bare&&z=1=2"), ERROR_NONE);
  ck_assert_str_eq(target.path, "/v1/a b/c+d");
  static const struct request_query expected[] = {{"x", "1&2"}, {"y", "a b+"}, {"ä", "ß"}, {"empty", ""}, {"bare", ""}, {"z", "1=2"}};
  ck_assert_uint_eq(target.query_count, 6);
  for (size_t i = 0; i < 6; i++) {
    ck_assert_str_eq(target.query[i].name, expected[i].name);
    ck_assert_str_eq(target.query[i].value, expected[i].value);
  }
}
END_TEST

START_TEST(a_path_alone_has_no_query) {
  ck_assert_int_eq(parse("/"), ERROR_NONE);
  ck_assert_str_eq(target.path, "/");
  ck_assert_uint_eq(target.query_count, 0);
  ck_assert_int_eq(parse("/a?"), ERROR_NONE);
  ck_assert_uint_eq(target.query_count, 0);
}
END_TEST

START_TEST(separators_may_be_escaped_in_the_query_only) {
  ck_assert_int_eq(parse("/a?b=%2f%5c%3f%23"), ERROR_NONE);
  ck_assert_str_eq(target.query[0].value, "/\\?#");
  ck_assert_int_eq(parse("/a%3fb=1"), ERROR_NONE);
  ck_assert_str_eq(target.path, "/a?b=1");
  ck_assert_uint_eq(target.query_count, 0);
}
END_TEST

START_TEST(escaped_separators_of_a_path_separate_nothing) {
  ck_assert_int_eq(parse("/a%2Fb/%5cc%0A%7f"), ERROR_NONE);
  ck_assert_str_eq(target.path, "/a\x01o"
                                "b/\x01\x1c"
                                "c\x01J\x01?");
  ck_assert_int_eq(parse("/a/%2e%2e%2fb"), ERROR_NONE); /* one name, "../b" */
  ck_assert_str_eq(target.path, "/a/..\x01o"
                                "b");
}
END_TEST

START_TEST(what_can_be_misread_is_refused) {
  static const char *const wrong[] = {"",       "a",       "*",         "http://a/",     "/%",         "/%4",           "/%4g",
                                      "/%00",   "/a\\b",   "/a b",      "/a\tb",         "/..",        "/a/..",         "/../a",
                                      "/./a",   "/a/.",    "/%2e%2e/a", "/a#b",          "/\x7f",      "/%80",          "/%c3",
                                      "/%c3/",  "/%e2%82", "/%c0%80",   "/%f5%80%80%80", "/%ed%a0%80", "/%f0%80%80%80", "/a?b=%00",
                                      "/a?%ff", "/a?b=%",  "/a?b c"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    ck_assert_msg(parse(wrong[i]) == ERROR_MALFORMED, "\"%s\" should be refused", wrong[i]);
    ck_assert_str_ne(error.detail, "");
  }
}
END_TEST

START_TEST(dots_within_a_name_are_fine) {
  ck_assert_int_eq(parse("/a.b/..c/d../..."), ERROR_NONE);
  ck_assert_str_eq(target.path, "/a.b/..c/d../...");
}
END_TEST

START_TEST(sixteen_parameters_are_taken_and_no_more) {
  char raw[256] = "/a?";
  for (int i = 0; i < REQUEST_QUERY_MAX; i++) strcat(raw, "b=1&");
  ck_assert_int_eq(parse(raw), ERROR_NONE);
  ck_assert_uint_eq(target.query_count, REQUEST_QUERY_MAX);
  strcat(raw, "c");
  ck_assert_int_eq(parse(raw), ERROR_MALFORMED);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "request target");
  tcase_add_test(test_case, path_and_query_are_taken_apart_before_they_are_decoded);
  tcase_add_test(test_case, a_path_alone_has_no_query);
  tcase_add_test(test_case, separators_may_be_escaped_in_the_query_only);
  tcase_add_test(test_case, escaped_separators_of_a_path_separate_nothing);
  tcase_add_test(test_case, what_can_be_misread_is_refused);
  tcase_add_test(test_case, dots_within_a_name_are_fine);
  tcase_add_test(test_case, sixteen_parameters_are_taken_and_no_more);
}

int main(void) { return suite_main("request target", add_cases); }
