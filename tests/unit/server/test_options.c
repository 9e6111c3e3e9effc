/* Options: one table, read from command line and environment, shown by --help and in the man page. */
#include <stdlib.h>
#include <string.h>

#include "server/options.h"
#include "tests/support/suite.h"

enum { ARGUMENTS_MAX = 8 };

static enum error_code parse(struct options *options, struct error *error, const char *first, const char *second) {
  char *argv[ARGUMENTS_MAX] = {(char *)(uintptr_t) "backpropd"};
  int argc = 1;
  if (first != NULL) argv[argc++] = (char *)(uintptr_t)first;
  if (second != NULL) argv[argc++] = (char *)(uintptr_t)second;
  error_clear(error);
  return options_parse(argc, argv, options, error);
}

static void forget_environment(void) {
  static const char *const names[] = {"LISTEN",        "DATA_DIR",   "WORKERS",       "THREADS",
                                      "MEMORY_BUDGET", "TOKEN_FILE", "ALLOWED_HOSTS", "LOG_LEVEL"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    char name[64];
    snprintf(name, sizeof name, "BACKPROPD_%s", names[i]);
    unsetenv(name);
  }
}

START_TEST(defaults_hold_where_nothing_is_given) {
  struct options options;
  struct error error;
  ck_assert_int_eq(parse(&options, &error, NULL, NULL), ERROR_NONE);
  ck_assert_int_eq(options.action, OPTIONS_SERVE);
  ck_assert_str_eq(options.listen, "127.0.0.1:8080");
  ck_assert_str_eq(options.data_dir, "./data");
  ck_assert_ptr_null(options.token_file);
  ck_assert_uint_eq(options.workers, 0);
  ck_assert_uint_eq(options.limits.json_body_bytes, 1 << 20);
  ck_assert_uint_ge(options.limits.upload_bytes, UINT64_C(1) << 30);
}
END_TEST

/* The help texts of options.c say them, as texts. */
START_TEST(defaults_of_limits_are_those_of_limits_h) {
  struct options options;
  struct error error;
  struct server_limits defaults = {0};
  server_limits_complete(&defaults);
  ck_assert_int_eq(parse(&options, &error, NULL, NULL), ERROR_NONE);
  ck_assert_mem_eq(&options.limits, &defaults, sizeof defaults);
}
END_TEST

START_TEST(a_value_may_follow_a_space_or_an_equals_sign) {
  struct options options;
  struct error error;
  ck_assert_int_eq(parse(&options, &error, "--workers", "3"), ERROR_NONE);
  ck_assert_uint_eq(options.workers, 3);
  ck_assert_int_eq(parse(&options, &error, "--workers=4", NULL), ERROR_NONE);
  ck_assert_uint_eq(options.workers, 4);
}
END_TEST

START_TEST(the_environment_counts_and_the_command_line_wins) {
  struct options options;
  struct error error;
  setenv("BACKPROPD_DATA_DIR", "/somewhere", 1);
  setenv("BACKPROPD_WORKERS", "5", 1);
  ck_assert_int_eq(parse(&options, &error, "--workers", "6"), ERROR_NONE);
  ck_assert_str_eq(options.data_dir, "/somewhere");
  ck_assert_uint_eq(options.workers, 6);
}
END_TEST

START_TEST(a_bad_environment_variable_is_named) {
  struct options options;
  struct error error;
  setenv("BACKPROPD_THREADS", "many", 1);
  ck_assert_int_eq(parse(&options, &error, NULL, NULL), ERROR_INVALID);
  ck_assert_ptr_nonnull(strstr(error.detail, "BACKPROPD_THREADS"));
  ck_assert_ptr_nonnull(strstr(error.detail, "many"));
  ck_assert_int_eq(parse(&options, &error, "--help", NULL), ERROR_NONE);
  ck_assert_int_eq(options.action, OPTIONS_SHOW_HELP);
}
END_TEST

START_TEST(bytes_take_suffixes_of_powers_of_1024) {
  static const struct {
    const char *text;
    uint64_t bytes;
  } cases[] = {{"0", 0},          {"1048576", 1 << 20},      {"64K", 64 << 10},          {"64k", 64 << 10},        {"3M", 3 << 20},
               {"3MiB", 3 << 20}, {"2G", UINT64_C(2) << 30}, {"2GB", UINT64_C(2) << 30}, {"1T", UINT64_C(1) << 40}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct options options;
    struct error error;
    ck_assert_int_eq(parse(&options, &error, "--memory-budget", cases[i].text), ERROR_NONE);
    ck_assert_uint_eq(options.memory_budget_bytes, cases[i].bytes);
  }
}
END_TEST

START_TEST(what_makes_no_sense_is_refused_with_what_would_be_right) {
  static const struct {
    const char *first, *second, *names, *says;
  } cases[] = {
      {"--worker", "2", "--worker", "did you mean --workers"},
      {"--zebra", "2", "--zebra", "--help"},
      {"serve", NULL, "serve", "--name value"},
      {"-x", NULL, "-x", "--name value"},
      {"--workers", NULL, "--workers", "needs a value"},
      {"--workers", "-1", "--workers", "whole number"},
      {"--workers", "2.5", "--workers", "whole number"},
      {"--workers", "99999", "--workers", "1024"},
      {"--workers", "2K", "--workers", "whole number"},
      {"--memory-budget", "4X", "--memory-budget", "4G"},
      {"--memory-budget", "99999999999999999999", "--memory-budget", "4G"},
      {"--memory-budget", "99999999999T", "--memory-budget", "4G"},
      {"--memory-budget", "4Gi", "--memory-budget", "4G"},
      {"--log-level", "loud", "--log-level", "warn"},
      {"--data-dir", "", "--data-dir", "DIR"},
      {"--max-json-bytes", "1", "--max-json-bytes", "1024"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct options options;
    struct error error;
    ck_assert_int_eq(parse(&options, &error, cases[i].first, cases[i].second), ERROR_INVALID);
    ck_assert_msg(strstr(error.detail, cases[i].names) != NULL, "%s: %s", cases[i].first, error.detail);
    ck_assert_msg(strstr(error.detail, cases[i].says) != NULL, "%s: %s", cases[i].first, error.detail);
  }
}
END_TEST

START_TEST(help_and_the_man_page_have_every_option) {
  char help[16384] = "";
  FILE *memory = fmemopen(help, sizeof help, "w");
  options_print_help(memory);
  fclose(memory);
  char page[16384] = "";
  FILE *file = fopen("docs/backpropd.1", "r");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_gt(fread(page, 1, sizeof page - 1, file), 0);
  fclose(file);
  size_t count = 0;
  for (const char *name; (name = options_get_name(count)) != NULL; count++) {
    char in_help[80], in_page[160];
    snprintf(in_help, sizeof in_help, "--%s ", name);
    size_t length = 0;
    for (const char *at = in_help; *at != ' '; at++) { /* a man page's dash is written \- */
      if (*at == '-') in_page[length++] = '\\';
      in_page[length++] = *at;
    }
    in_page[length] = '\0';
    ck_assert_msg(strstr(help, in_help) != NULL, "--help lacks %s", name);
    ck_assert_msg(strstr(page, in_page) != NULL, "docs/backpropd.1 lacks %s", name);
  }
  ck_assert_uint_gt(count, 8);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "options");
  tcase_add_checked_fixture(test_case, forget_environment, forget_environment);
  tcase_add_test(test_case, defaults_hold_where_nothing_is_given);
  tcase_add_test(test_case, defaults_of_limits_are_those_of_limits_h);
  tcase_add_test(test_case, a_value_may_follow_a_space_or_an_equals_sign);
  tcase_add_test(test_case, the_environment_counts_and_the_command_line_wins);
  tcase_add_test(test_case, a_bad_environment_variable_is_named);
  tcase_add_test(test_case, bytes_take_suffixes_of_powers_of_1024);
  tcase_add_test(test_case, what_makes_no_sense_is_refused_with_what_would_be_right);
  tcase_add_test(test_case, help_and_the_man_page_have_every_option);
}

int main(void) { return suite_main("options", add_cases); }
