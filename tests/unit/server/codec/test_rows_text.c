#include "server/codec/rows_text.h"

#include <stdlib.h>
#include <string.h>

#include "server/codec/json_text.h"
#include "server/codec/preprocessor_json.h"
#include "server/codec/row_json.h"
#include "tests/support/suite.h"

enum { ROW_MAX = 4, WIDTH_MAX = 8 };

static const char numbers_text[] = "{\"task\":\"regression\",\"input_width\":4,\"output_width\":1,\"target_width\":1,\"features\":["
                                   "{\"name\":\"a\",\"kind\":\"numeric\",\"column\":0,\"offset\":0,\"width\":2,\"has_indicator\":true,"
                                   "\"center\":1.5,\"scale\":0.1,\"fill\":2},"
                                   "{\"name\":\"b\",\"kind\":\"numeric\",\"column\":1,\"offset\":2,\"width\":1,\"has_indicator\":false,"
                                   "\"center\":0,\"scale\":3,\"fill\":0},"
                                   "{\"name\":\"c\",\"kind\":\"numeric\",\"column\":2,\"offset\":3,\"width\":1,\"has_indicator\":false,"
                                   "\"center\":-7,\"scale\":1e-30,\"fill\":0}],"
                                   "\"targets\":[{\"name\":\"y\",\"column\":3,\"is_class\":false,\"center\":0,\"scale\":1}]}";

static struct preprocessor make(const char *text) {
  struct preprocessor preprocessor;
  struct error error = {0};
  json_t *json = json_loads(text, 0, NULL);
  ck_assert_ptr_nonnull(json);
  ck_assert_msg(preprocessor_from_json(json, &preprocessor, &error) == ERROR_NONE, "%s", error.detail);
  json_decref(json);
  return preprocessor;
}

/* The general way. Returns the count of rows, 0 for an error. */
static size_t read_generally(const struct preprocessor *preprocessor, const char *body, float *x) {
  struct error error = {0};
  json_t *json = NULL;
  if (json_parse(body, strlen(body), &json, &error) != ERROR_NONE) return 0;
  const json_t *rows = json_object_get(json, "rows");
  size_t count = json_object_size(json) == 1 && json_is_array(rows) ? json_array_size(rows) : 0;
  struct row_cells cells;
  ck_assert_int_eq(row_cells_init(&cells, preprocessor, &error), ERROR_NONE);
  for (size_t i = 0; i < count && error.code == ERROR_NONE; i++) {
    ck_assert_uint_lt(i, ROW_MAX + 2);
    if (row_cells_from_json(&cells, preprocessor, json_array_get(rows, i), "", &error) != ERROR_NONE) break;
    if (preprocessor_transform(preprocessor, cells.cells, "", x + i * preprocessor->input_width, &error) != ERROR_NONE) break;
  }
  row_cells_deinit(&cells);
  json_decref(json);
  return error.code == ERROR_NONE ? count : 0;
}

static bool check(const struct preprocessor *preprocessor, const char *body) {
  float quick[ROW_MAX * WIDTH_MAX] = {0}, general[(ROW_MAX + 2) * WIDTH_MAX] = {0};
  size_t count = 0;
  if (!rows_read(preprocessor, body, strlen(body), ROW_MAX, quick, &count)) return false;
  ck_assert_msg(read_generally(preprocessor, body, general) == count, "%s was taken, but not by the general way", body);
  ck_assert_mem_eq(quick, general, count * preprocessor->input_width * sizeof(float));
  return true;
}

START_TEST(rows_of_numbers_are_taken_with_the_same_bits) {
  struct preprocessor preprocessor = make(numbers_text);
  static const char *const bodies[] = {
      "{\"rows\":[[1,2,3]]}",
      "{\"rows\":[[0,-0,-0.0],[255,1000,99]]}",
      " {\n\t\"rows\" : [ [ 1 , 2.5 , -3e-2 ] , [0.1,0.30000000000000004,1e300] ] } \r\n",
      "{\"rows\":[[1,2,3],[4,5,6],[7,8,9],[10,11,12]]}",
      "{\"rows\":[[123456789012345678,0.000001,1E+2]]}",
  };
  for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
    ck_assert_msg(check(&preprocessor, bodies[i]), "%s was not taken", bodies[i]);
  preprocessor_deinit(&preprocessor);
}
END_TEST

START_TEST(all_else_is_left_to_the_general_way) {
  struct preprocessor preprocessor = make(numbers_text);
  static const char *const bodies[] = {"",
                                       "{",
                                       "{}",
                                       "[]",
                                       "{\"rows\":[]}",
                                       "{\"rows\":[[]]}",
                                       "{\"rows\":[[1,2]]}",
                                       "{\"rows\":[[1,2,3,4]]}",
                                       "{\"rows\":[[1,2,3]]",
                                       "{\"rows\":[[1,2,3]}",
                                       "{\"rows\":[[1,2,3],]}",
                                       "{\"rows\":[[1,2,3,]]}",
                                       "{\"rows\":[[1,,3]]}",
                                       "{\"rows\":[[01,2,3]]}",
                                       "{\"rows\":[[1.,2,3]]}",
                                       "{\"rows\":[[.1,2,3]]}",
                                       "{\"rows\":[[+1,2,3]]}",
                                       "{\"rows\":[[1e999,2,3]]}",
                                       "{\"rows\":[[NaN,2,3]]}",
                                       "{\"rows\":[[null,2,3]]}",
                                       "{\"rows\":[[\"1\",2,3]]}",
                                       "{\"rows\":[[1 2,3,4]]}",
                                       "{\"rows\":[[1,2,99999999999999999999]]}",
                                       "{\"rows\":[{\"a\":1}]}",
                                       "{\"rows\":[[1,2,3]],\"more\":1}",
                                       "{\"rows\":[[1,2,3]]} x",
                                       "{\"rowz\":[[1,2,3]]}",
                                       "{\"rows\":[[1,2,3],[1,2,3],[1,2,3],[1,2,3],[1,2,3]]}"};
  for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) ck_assert_msg(!check(&preprocessor, bodies[i]), "%s was taken", bodies[i]);
  /* A NUL inside the body doesn't end it. */
  static const char with_nul[] = "{\"rows\":[[1,2,3]]}\0 ";
  float x[ROW_MAX * WIDTH_MAX];
  size_t count;
  ck_assert(!rows_read(&preprocessor, with_nul, sizeof with_nul - 1, ROW_MAX, x, &count));
  preprocessor.features[1].kind = COLUMN_CATEGORICAL;
  ck_assert(!check(&preprocessor, "{\"rows\":[[1,2,3]]}"));
  preprocessor_deinit(&preprocessor);
}
END_TEST

START_TEST(numbers_that_are_no_tokens_are_left_to_the_general_way) {
  struct preprocessor preprocessor = make(numbers_text);
  preprocessor.features[1].token_count = 5;
  static const char *const refused[] = {"5", "-1", "0.5", "99", "1e300"};
  ck_assert(check(&preprocessor, "{\"rows\":[[1,4,3]]}"));
  for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
    char body[64];
    snprintf(body, sizeof body, "{\"rows\":[[1,%s,3]]}", refused[i]);
    ck_assert_msg(!check(&preprocessor, body), "%s was taken", body);
  }
  preprocessor_deinit(&preprocessor);
}
END_TEST

/* Every body that differs from a good one in one byte, or ends early. */
START_TEST(no_damaged_body_is_taken_otherwise_than_generally) {
  struct preprocessor preprocessor = make(numbers_text);
  static const char good[] = "{\"rows\":[[1,-2.5e1,30],[0,0.125,7]]}";
  char body[sizeof good];
  for (size_t at = 0; at < sizeof good - 1; at++) {
    memcpy(body, good, sizeof good);
    body[at] = '\0';
    ck_assert(!check(&preprocessor, body));
    for (int character = 1; character < 256; character++) {
      body[at] = (char)character;
      (void)check(&preprocessor, body);
    }
  }
  preprocessor_deinit(&preprocessor);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "rows");
  tcase_add_test(test_case, rows_of_numbers_are_taken_with_the_same_bits);
  tcase_add_test(test_case, all_else_is_left_to_the_general_way);
  tcase_add_test(test_case, numbers_that_are_no_tokens_are_left_to_the_general_way);
  tcase_add_test(test_case, no_damaged_body_is_taken_otherwise_than_generally);
}

int main(void) { return suite_main("rows_text", add_cases); }
