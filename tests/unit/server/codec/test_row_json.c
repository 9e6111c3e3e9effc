#include "server/codec/row_json.h"

#include <string.h>

#include "server/codec/preprocessor_json.h"
#include "tests/support/suite.h"

static const char preprocessor_text[] =
    "{\"task\":\"classification\",\"input_width\":3,\"output_width\":2,\"target_width\":1,\"features\":["
    "{\"name\":\"size\",\"kind\":\"numeric\",\"column\":0,\"offset\":0,\"width\":1,\"has_indicator\":false,\"center\":0,\"scale\":1,"
    "\"fill\":2},"
    "{\"name\":\"color\",\"kind\":\"categorical\",\"column\":2,\"offset\":1,\"width\":2,\"has_indicator\":false,\"categories\":[\"blue\","
    "\"7\"],"
    "\"seen\":[true,false]}],"
    "\"targets\":[{\"name\":\"kind\",\"column\":1,\"is_class\":true,\"classes\":[\"a\",\"b\"],\"class_weights\":[1,1]}]}";

static struct preprocessor preprocessor;
static struct row_cells cells;

static void set_up(void) {
  struct error error = {0};
  json_t *json = json_loads(preprocessor_text, 0, NULL);
  ck_assert_ptr_nonnull(json);
  ck_assert_msg(preprocessor_from_json(json, &preprocessor, &error) == ERROR_NONE, "%s", error.detail);
  json_decref(json);
  ck_assert_int_eq(row_cells_init(&cells, &preprocessor, &error), ERROR_NONE);
}

static void tear_down(void) {
  row_cells_deinit(&cells);
  preprocessor_deinit(&preprocessor);
}

static enum error_code read_row(json_t *row, struct error *error) {
  error_clear(error);
  return row_cells_from_json(&cells, &preprocessor, row, "/rows/0", error);
}

START_TEST(rows_come_as_objects_or_arrays) {
  struct error error = {0};
  json_t *row = json_pack("{s:i, s:f, s:s}", "color", 7, "size", 1.25, "kind", "a");
  ck_assert_int_eq(read_row(row, &error), ERROR_NONE);
  ck_assert_int_eq(cells.cells[0].kind, CELL_NUMBER);
  ck_assert_double_eq(cells.cells[0].number, 1.25);
  ck_assert_int_eq(cells.cells[1].kind, CELL_TEXT); /* categories are texts */
  ck_assert_str_eq(cells.cells[1].text, "7");
  json_decref(row);
  row = json_pack("[s, b]", "NA", 1);
  ck_assert_int_eq(read_row(row, &error), ERROR_NONE);
  ck_assert_int_eq(cells.cells[0].kind, CELL_MISSING);
  ck_assert_str_eq(cells.cells[1].text, "true");
  json_decref(row);
  /* More than the inputs is passed over where all of them are there. */
  row = json_pack("{s:s, s:f, s:i}", "color", "7", "size", 1.25, "when", 9);
  ck_assert_int_eq(read_row(row, &error), ERROR_NONE);
  ck_assert_str_eq(cells.cells[1].text, "7");
  json_decref(row);
  row = json_object();
  ck_assert_int_eq(read_row(row, &error), ERROR_NONE);
  ck_assert_int_eq(cells.cells[0].kind, CELL_MISSING);
  ck_assert_int_eq(cells.cells[1].kind, CELL_MISSING);
  json_decref(row);
}
END_TEST

START_TEST(bad_rows_name_every_place) {
  struct error error = {0};
  json_t *row = json_pack("{s:[], s:i, s:i}", "size", "colour", 1, "x/y", 2);
  ck_assert_int_eq(read_row(row, &error), ERROR_INVALID);
  ck_assert_uint_eq(error.item_count, 3);
  ck_assert_str_eq(error.items[0].pointer, "/rows/0/size");
  ck_assert_str_eq(error.items[1].pointer, "/rows/0/colour");
  ck_assert_ptr_nonnull(strstr(error.items[1].detail, "\"color\""));
  ck_assert_str_eq(error.items[2].pointer, "/rows/0/x~1y");
  json_decref(row);
  row = json_object();
  for (int i = 0; i < 20000; i++) {
    char key[16];
    snprintf(key, sizeof key, "siz%d", i);
    json_object_set_new(row, key, json_true());
  }
  ck_assert_int_eq(read_row(row, &error), ERROR_INVALID);
  ck_assert_uint_eq(error.item_count, ERROR_ITEM_MAX);
  ck_assert_uint_eq(error.items_dropped, 0); /* it stopped to look */
  json_decref(row);
  row = json_integer(3);
  ck_assert_int_eq(read_row(row, &error), ERROR_INVALID);
  ck_assert_str_eq(error.items[0].pointer, "/rows/0");
  json_decref(row);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "row_json");
  tcase_add_checked_fixture(test_case, set_up, tear_down);
  tcase_add_test(test_case, rows_come_as_objects_or_arrays);
  tcase_add_test(test_case, bad_rows_name_every_place);
}

int main(void) { return suite_main("row_json", add_cases); }
