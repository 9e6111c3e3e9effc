#include "server/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/suite.h"

static FILE *captured;
static int saved_stderr;

static void capture(void) {
  captured = tmpfile();
  ck_assert_ptr_nonnull(captured);
  saved_stderr = dup(STDERR_FILENO);
  ck_assert_int_ge(dup2(fileno(captured), STDERR_FILENO), 0);
}

static void release(char *text, size_t text_bytes) {
  (void)dup2(saved_stderr, STDERR_FILENO);
  close(saved_stderr);
  rewind(captured);
  text[fread(text, 1, text_bytes - 1, captured)] = 0;
  fclose(captured);
}

START_TEST(a_line_has_time_level_and_message) {
  char text[4096];
  int year, month, day, hour, minute, second, millisecond, end = 0;
  capture();
  log_info("job %s started", "job_1");
  release(text, sizeof text);
  int fields = sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ info job job_1 started%n", &year, &month, &day, &hour, &minute, &second,
                      &millisecond, &end);
  ck_assert_int_eq(fields, 7);
  ck_assert_str_eq(text + end, "\n");
}
END_TEST

START_TEST(lines_below_the_level_are_dropped) {
  char text[4096];
  capture();
  log_set_level(LOG_LEVEL_WARN);
  log_info("unheard");
  log_debug("unheard");
  log_warn("heard");
  log_error("heard too");
  release(text, sizeof text);
  log_set_level(LOG_LEVEL_INFO);
  ck_assert_ptr_null(strstr(text, "unheard"));
  ck_assert_ptr_nonnull(strstr(text, " warn heard\n"));
  ck_assert_ptr_nonnull(strstr(text, " error heard too\n"));
}
END_TEST

START_TEST(control_characters_and_broken_utf8_come_out_escaped) {
  char text[4096];
  capture();
  log_error("path %s", "/a\r\n2025 error forged\t\x1b[31m\x7f \xff \xc2\x9b Grüße \xe2\x82");
  release(text, sizeof text);
  ck_assert_ptr_nonnull(strstr(text, "path /a\\r\\n2025 error forged\\t\\x1b[31m\\x7f \\xff \\xc2\\x9b Grüße \\xe2\\x82\n"));
  ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
}
END_TEST

START_TEST(a_long_line_is_cut_and_says_so) {
  char text[2 * LOG_LINE_BYTES], message[LOG_LINE_BYTES + 500];
  memset(message, 1, sizeof message);
  message[sizeof message - 1] = 0;
  capture();
  log_error("%s", message);
  release(text, sizeof text);
  size_t bytes = strlen(text);
  ck_assert_uint_le(bytes, LOG_LINE_BYTES);
  ck_assert_str_eq(text + bytes - strlen("…\n"), "…\n");
}
END_TEST

START_TEST(level_names_are_read) {
  enum log_level level = LOG_LEVEL_INFO;
  ck_assert(log_parse_level("debug", &level) && level == LOG_LEVEL_DEBUG);
  ck_assert(log_parse_level("error", &level) && level == LOG_LEVEL_ERROR);
  ck_assert(!log_parse_level("loud", &level));
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "log");
  tcase_add_test(test_case, a_line_has_time_level_and_message);
  tcase_add_test(test_case, lines_below_the_level_are_dropped);
  tcase_add_test(test_case, control_characters_and_broken_utf8_come_out_escaped);
  tcase_add_test(test_case, a_long_line_is_cut_and_says_so);
  tcase_add_test(test_case, level_names_are_read);
}

int main(void) { return suite_main("log", add_cases); }
