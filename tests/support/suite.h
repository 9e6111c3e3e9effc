/* One main for every Check binary:
 *   static void add_cases(Suite *suite) { … }
 *   int main(void) { return suite_main("param", add_cases); }
 */
#ifndef TESTS_SUPPORT_SUITE_H
#define TESTS_SUPPORT_SUITE_H

#include <check.h>

/* Runs a suite; returns 0 if all tests passed and 1 if not. Check's own variables (CK_VERBOSITY, CK_FORK, CK_RUN_CASE) work as usual. */
int suite_main(const char *name, void (*add_cases)(Suite *suite));

/* Adds a case of that name with a timeout that a busy machine doesn't reach. */
TCase *suite_add_case(Suite *suite, const char *name);

#endif
