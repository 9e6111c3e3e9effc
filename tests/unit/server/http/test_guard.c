#include "server/http/guard.h"

#include <string.h>

#include "tests/support/suite.h"

static struct head head;
static struct error error;
static int64_t body_bytes;

static void begin(const char *method, const char *host) {
  head = (struct head){.method = method, .version = "HTTP/1.1"};
  error_clear(&error);
  if (host) head_add(&head, "Host", host, strlen(host));
}
static void add(const char *name, const char *value) { head_add(&head, name, value, strlen(value)); }
static enum error_code check_framing(void) { return guard_check_framing(&head, &body_bytes, &error); }

START_TEST(the_body_s_length_follows_from_the_headers) {
  begin("POST", "a");
  ck_assert_int_eq(check_framing(), ERROR_NONE);
  ck_assert_int_eq(body_bytes, 0);
  add("content-length", "123");
  ck_assert_int_eq(check_framing(), ERROR_NONE);
  ck_assert_int_eq(body_bytes, 123);
  begin("POST", "a");
  add("Transfer-Encoding", "Chunked");
  ck_assert_int_eq(check_framing(), ERROR_NONE);
  ck_assert_int_eq(body_bytes, BODY_CHUNKED);
}
END_TEST

START_TEST(framing_that_two_programs_could_read_differently_is_refused) {
  static const char *const headers[][2] = {{"Content-Length", ""},
                                           {"Content-Length", "1 "},
                                           {"Content-Length", "1,1"},
                                           {"Content-Length", "+1"},
                                           {"Content-Length", "0x1"},
                                           {"Content-Length", "1234567890123456789"},
                                           {"Transfer-Encoding", "gzip"},
                                           {"Transfer-Encoding", ""},
                                           {"Transfer-Encoding", "chunked, chunked"},
                                           {"Transfer-Encoding", " chunked"},
                                           {"Transfer-Encoding ", "chunked"},
                                           {"", "a"},
                                           {"X Y", "a"},
                                           {"Host", "a"}};
  for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
    begin("POST", "a");
    add(headers[i][0], headers[i][1]);
    ck_assert_msg(check_framing() == ERROR_MALFORMED, "%s: %s", headers[i][0], headers[i][1]);
  }
  begin("POST", "a");
  add("Content-Length", "0");
  add("Transfer-Encoding", "chunked");
  ck_assert_int_eq(check_framing(), ERROR_MALFORMED);
  begin("POST", "a");
  head_add(&head, "X", "a\0b", 3);
  ck_assert_int_eq(check_framing(), ERROR_MALFORMED);
  begin("POST", NULL);
  ck_assert_int_eq(check_framing(), ERROR_MALFORMED);
  begin("POST", "a");
  head.version = "HTTP/2.0";
  ck_assert_int_eq(check_framing(), ERROR_MALFORMED);
}
END_TEST

START_TEST(lists_may_be_repeated_and_single_values_not) {
  begin("GET", "a");
  add("Accept", "a"), add("accept", "b"), add("If-None-Match", "\"1\""), add("If-None-Match", "\"2\""), add("Cookie", "a"),
      add("Cookie", "b");
  ck_assert_int_eq(check_framing(), ERROR_NONE);
  ck_assert_str_eq(head.values[HEADER_ACCEPT], "a");
  static const char *const single[] = {"Origin", "Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "Expect"};
  for (size_t i = 0; i < sizeof single / sizeof *single; i++) {
    begin("GET", "a");
    add(single[i], "a"), add(single[i], "a");
    ck_assert_int_eq(check_framing(), ERROR_MALFORMED);
  }
}
END_TEST

static void check_host(const struct host_list *list, const char *host, bool expected) {
  begin("GET", host);
  enum error_code code = guard_check_host(list, &head, &error);
  ck_assert_msg(code == (expected ? ERROR_NONE : ERROR_FORBIDDEN), "Host: %s", host);
}

START_TEST(hosts_are_loopback_our_own_or_named) {
  struct host_list list;
  ck_assert_int_eq(host_list_init(&list, " a.example,b.example:81 , [fe80::1]", "192.168.1.5", 8080, &error), ERROR_NONE);
  static const char *const right[] = {"localhost",     "LocalHost:8080",   "127.0.0.1:8080", "[::1]",
                                      "[::1]:8080",    "192.168.1.5:8080", "192.168.1.5",    "a.example",
                                      "A.EXAMPLE:443", "b.example:81",     "[fe80::1]:8080"};
  static const char *const wrong[] = {"",
                                      "localhost:80",
                                      "127.0.0.1:80",
                                      "127.0.0.2",
                                      "192.168.1.6",
                                      "b.example",
                                      "b.example:82",
                                      "x.a.example",
                                      "a.example.x",
                                      "a.example:",
                                      "a.example:x",
                                      "a.example:1:2",
                                      "a.example/",
                                      "@a.example",
                                      "[::1",
                                      "[::1]8080",
                                      "[]",
                                      ":8080",
                                      "a.example:999999",
                                      "localhost:08080x"};
  for (size_t i = 0; i < sizeof right / sizeof *right; i++) check_host(&list, right[i], true);
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) check_host(&list, wrong[i], false);
  host_list_deinit(&list);
}
END_TEST

START_TEST(a_list_of_hosts_that_are_none_is_refused) {
  struct host_list list;
  static const char *const wrong[] = {"http://a.example", "a.example/", "a_b!", "a:b"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    ck_assert_int_eq(host_list_init(&list, wrong[i], "127.0.0.1", 80, &error), ERROR_INVALID);
  }
  ck_assert_int_eq(host_list_init(&list, ", ,", "127.0.0.1", 80, &error), ERROR_NONE);
  host_list_deinit(&list);
}
END_TEST

static void check_origin(const struct host_list *list, const char *method, const char *host, const char *origin, bool expected) {
  begin(method, host);
  if (origin) add("Origin", origin);
  enum error_code code = guard_check_origin(list, &head, &error);
  ck_assert_msg(code == (expected ? ERROR_NONE : ERROR_FORBIDDEN), "%s, Host: %s, Origin: %s", method, host, origin ? origin : "(none)");
}

START_TEST(writes_come_from_our_own_pages_or_from_no_page) {
  struct host_list list;
  ck_assert_int_eq(host_list_init(&list, "a.example,b.example:81", "127.0.0.1", 8080, &error), ERROR_NONE);
  check_origin(&list, "POST", "localhost:8080", NULL, true);
  check_origin(&list, "POST", "localhost:8080", "http://localhost:8080", true);
  check_origin(&list, "DELETE", "localhost", "http://localhost", true);
  check_origin(&list, "DELETE", "localhost", "http://localhost:80", true);
  check_origin(&list, "PATCH", "localhost:8080", "https://a.example", true);
  check_origin(&list, "PATCH", "localhost:8080", "http://b.example:81", true);
  check_origin(&list, "GET", "localhost:8080", "http://evil.example", true);
  check_origin(&list, "HEAD", "localhost:8080", "null", true);
  check_origin(&list, "POST", "localhost:8080", "null", false);
  check_origin(&list, "POST", "localhost:8080", "http://127.0.0.1:8080", false);
  check_origin(&list, "POST", "localhost:8080", "http://localhost:3000", false);
  check_origin(&list, "POST", "localhost:8080", "http://localhost:0", false);
  check_origin(&list, "POST", "localhost:8080", "http://b.example", false);
  check_origin(&list, "POST", "localhost:8080", "http://localhost:8080.evil.example", false);
  check_origin(&list, "POST", "localhost:8080", "http://localhost:8080@evil.example", false);
  check_origin(&list, "PUT", "localhost:8080", "ftp://localhost:8080", false);
  check_origin(&list, "BREW", "localhost:8080", "http://evil.example", false);
  host_list_deinit(&list);
}
END_TEST

START_TEST(media_types_are_compared_without_their_parameters) {
  ck_assert(guard_is_media_type("text/csv", "text/csv"));
  ck_assert(guard_is_media_type("TEXT/CSV; header=present; charset=utf-8", "text/csv"));
  ck_assert(guard_is_media_type("application/json;", "application/json"));
  ck_assert(!guard_is_media_type(NULL, "text/csv"));
  ck_assert(!guard_is_media_type("", "text/csv"));
  ck_assert(!guard_is_media_type("text/csvx", "text/csv"));
  ck_assert(!guard_is_media_type("text/csv x", "text/csv"));
  ck_assert(!guard_is_media_type("text/csv; charset=utf-16", "text/csv"));
  ck_assert(!guard_is_media_type("text/csv; charset=\"utf-8", "text/csv"));
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "guard");
  tcase_add_test(test_case, the_body_s_length_follows_from_the_headers);
  tcase_add_test(test_case, framing_that_two_programs_could_read_differently_is_refused);
  tcase_add_test(test_case, lists_may_be_repeated_and_single_values_not);
  tcase_add_test(test_case, hosts_are_loopback_our_own_or_named);
  tcase_add_test(test_case, a_list_of_hosts_that_are_none_is_refused);
  tcase_add_test(test_case, writes_come_from_our_own_pages_or_from_no_page);
  tcase_add_test(test_case, media_types_are_compared_without_their_parameters);
}

int main(void) { return suite_main("guard", add_cases); }
