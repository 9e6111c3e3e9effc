#include "engine/error.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/suite.h"

START_TEST(set_returns_code_and_keeps_detail) {
  struct error error = {0};
  ck_assert_int_eq(error_set(&error, ERROR_NOT_FOUND, "no network named \"%s\"", "x"), ERROR_NOT_FOUND);
  ck_assert_int_eq(error.code, ERROR_NOT_FOUND);
  ck_assert_str_eq(error.detail, "no network named \"x\"");
}
END_TEST

START_TEST(first_item_sets_code_and_detail) {
  struct error error = {0};
  ck_assert_int_eq(error_add(&error, "/layers/2/units", "must be at least %d", 1), ERROR_INVALID);
  ck_assert_int_eq(error_add(&error, "/name", "is too long"), ERROR_INVALID);
  ck_assert_str_eq(error.detail, "must be at least 1");
  ck_assert_uint_eq(error.item_count, 2);
  ck_assert_str_eq(error.items[0].pointer, "/layers/2/units");
  ck_assert_str_eq(error.items[1].detail, "is too long");
}
END_TEST

START_TEST(set_keeps_collected_items) {
  struct error error = {0};
  (void)error_add(&error, "/a", "is wrong");
  (void)error_set(&error, ERROR_MALFORMED, "can't be read");
  ck_assert_int_eq(error.code, ERROR_MALFORMED);
  ck_assert_uint_eq(error.item_count, 1);
  error_clear(&error);
  ck_assert_int_eq(error.code, ERROR_NONE);
  ck_assert_uint_eq(error.item_count, 0);
}
END_TEST

START_TEST(merging_adds_what_the_other_has) {
  struct error error = {0}, found = {0};
  ck_assert_int_eq(error_merge(&error, &found), ERROR_NONE);
  error_set(&found, ERROR_OVER_BUDGET, "too much");
  ck_assert_int_eq(error_merge(&error, &found), ERROR_OVER_BUDGET);
  ck_assert_str_eq(error.detail, "too much");
  error_clear(&error);
  error_clear(&found);
  error_add(&error, "/a", "is wrong");
  for (int i = 0; i < ERROR_ITEM_MAX + 3; i++) error_add(&found, "/b", "is wrong too");
  ck_assert_int_eq(error_merge(&error, &found), ERROR_INVALID);
  ck_assert_str_eq(error.detail, "is wrong");
  ck_assert_uint_eq(error.item_count, ERROR_ITEM_MAX);
  ck_assert_uint_eq(error.items_dropped, 4);
}
END_TEST

START_TEST(items_over_the_limit_are_counted) {
  struct error error = {0};
  for (int i = 0; i < ERROR_ITEM_MAX + 5; i++) (void)error_add(&error, "/a", "item %d", i);
  ck_assert_uint_eq(error.item_count, ERROR_ITEM_MAX);
  ck_assert_uint_eq(error.items_dropped, 5);
  ck_assert_str_eq(error.items[ERROR_ITEM_MAX - 1].detail, "item 15");
}
END_TEST

START_TEST(long_texts_are_cut_between_characters) {
  struct error error = {0};
  char text[1000];
  for (size_t offset = 0; offset < 2; offset++) {
    memset(text, 'x', offset);
    for (size_t i = offset; i + 2 < sizeof text; i += 2) memcpy(text + i, "ä", 3);
    (void)error_set(&error, ERROR_INVALID, "%s", text);
    size_t length = strlen(error.detail);
    ck_assert_uint_lt(length, ERROR_DETAIL_BYTES);
    ck_assert_uint_ge(length, ERROR_DETAIL_BYTES - 2);
    ck_assert_uint_eq((length - offset) % 2, 0);
    (void)error_add(&error, text, "%s", text);
    ck_assert_uint_eq((strlen(error.items[offset].pointer) - offset) % 2, 0);
  }
}
END_TEST

START_TEST(pointers_are_joined_and_cut) {
  char pointer[ERROR_POINTER_BYTES] = "/layers";
  error_pointer(pointer, pointer, "%d", 7);
  ck_assert_str_eq(pointer, "/layers/7");
  for (int i = 0; i < 100; i++) error_pointer(pointer, pointer, "%s", "deeper");
  ck_assert_uint_eq(strlen(pointer), ERROR_POINTER_BYTES - 1);
}
END_TEST

START_TEST(every_code_has_its_own_name) {
  for (int i = 0; i < ERROR_CODE_COUNT; i++) {
    ck_assert_ptr_nonnull(error_code_name((enum error_code)i));
    for (int j = 0; j < i; j++) ck_assert_str_ne(error_code_name((enum error_code)i), error_code_name((enum error_code)j));
  }
  ck_assert_str_eq(error_code_name(ERROR_OVER_BUDGET), "over_budget");
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "error");
  tcase_add_test(test_case, set_returns_code_and_keeps_detail);
  tcase_add_test(test_case, first_item_sets_code_and_detail);
  tcase_add_test(test_case, set_keeps_collected_items);
  tcase_add_test(test_case, merging_adds_what_the_other_has);
  tcase_add_test(test_case, items_over_the_limit_are_counted);
  tcase_add_test(test_case, long_texts_are_cut_between_characters);
  tcase_add_test(test_case, pointers_are_joined_and_cut);
  tcase_add_test(test_case, every_code_has_its_own_name);
}

int main(void) { return suite_main("error", add_cases); }
