#include "server/api/exchange.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/suite.h"

START_TEST(a_query_value_is_found_by_its_name) {
  struct request request = {.query_count = 2, .query = {{"limit", "5"}, {"name", ""}}};
  ck_assert_str_eq(request_get_query(&request, "limit"), "5");
  ck_assert_str_eq(request_get_query(&request, "name"), "");
  ck_assert_ptr_null(request_get_query(&request, "lim"));
}
END_TEST

START_TEST(headers_with_control_characters_are_dropped) {
  struct response response;
  response_init(&response);
  response_add_header(&response, "Location", "/v1/jobs/%s", "job_1");
  response_add_header(&response, "ETag", "\"a\r\nSet-Cookie: b\"");
  ck_assert_uint_eq(response.header_count, 1);
  ck_assert_str_eq(response.headers[0].name, "Location");
  ck_assert_str_eq(response.headers[0].value, "/v1/jobs/job_1");
  response_deinit(&response);
}
END_TEST

START_TEST(headers_that_do_not_fit_are_dropped) {
  struct response response;
  char value[400];
  memset(value, 'a', sizeof value);
  value[sizeof value - 1] = 0;
  response_init(&response);
  response_add_header(&response, "Location", "%s", value);
  ck_assert_uint_eq(response.header_count, 0);
  for (int i = 0; i < RESPONSE_HEADERS_MAX + 2; i++) response_add_header(&response, "Allow", "GET");
  ck_assert_uint_eq(response.header_count, RESPONSE_HEADERS_MAX);
  response_deinit(&response);
}
END_TEST

static int closed_count;
static void count_close(void *context) { (void)context, closed_count++; }
static enum error_code read_nothing(void *context, char **out_text, size_t *out_bytes, bool *out_is_last, struct error *error) {
  (void)context, (void)error;
  *out_text = NULL, *out_bytes = 0, *out_is_last = true;
  return ERROR_NONE;
}

START_TEST(deinit_frees_the_body_and_closes_file_and_events) {
  struct response response;
  response_init(&response);
  response.body = strdup("text");
  response.file = open("/dev/null", O_RDONLY);
  int file = response.file;
  response.events = (struct event_source){.read = read_nothing, .close = count_close};
  response_deinit(&response);
  ck_assert_int_eq(fcntl(file, F_GETFD), -1);
  ck_assert_int_eq(closed_count, 1);
  response_deinit(&response);
  ck_assert_int_eq(closed_count, 1);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "exchange");
  tcase_add_test(test_case, a_query_value_is_found_by_its_name);
  tcase_add_test(test_case, headers_with_control_characters_are_dropped);
  tcase_add_test(test_case, headers_that_do_not_fit_are_dropped);
  tcase_add_test(test_case, deinit_frees_the_body_and_closes_file_and_events);
}

int main(void) { return suite_main("exchange", add_cases); }
