#include "tests/support/suite.h"

enum { TIMEOUT_SECONDS = 300 };

TCase *suite_add_case(Suite *suite, const char *name) {
  TCase *test_case = tcase_create(name);
  tcase_set_timeout(test_case, TIMEOUT_SECONDS);
  suite_add_tcase(suite, test_case);
  return test_case;
}

int suite_main(const char *name, void (*add_cases)(Suite *suite)) {
  Suite *suite = suite_create(name);
  add_cases(suite);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed_count = srunner_ntests_failed(runner);
  int run_count = srunner_ntests_run(runner);
  srunner_free(runner);
  return failed_count == 0 && run_count > 0 ? 0 : 1;
}
