/* server/data/json_line.h and ndjson.h: what a line becomes, what is refused and why, whatever the portions in which the bytes come. */
#include "server/data/ndjson.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/data/json_line.h"
#include "tests/support/allocations.h"
#include "tests/support/data_files.h"
#include "tests/support/ndjson_files.h"
#include "tests/support/suite.h"

static char *data_dir;

static void set_up(void) { data_dir = data_dir_create(); }
static void tear_down(void) { data_dir_remove(data_dir); }

/* ---- one line ---- */

/* "key=value|" for each member. */
static const char *note_member(void *context, const char *key, const char *value) {
  char *notes = context;
  sprintf(notes + strlen(notes), "%s=%s|", key, value);
  return NULL;
}

static const char *read_line(const char *line, char notes[1024]) {
  struct json_line_reader reader = {0};
  struct error error = {0};
  const char *reason;
  notes[0] = '\0';
  char *exact = malloc(strlen(line)); /* so that reading beyond it would show */
  memcpy(exact, line, strlen(line));
  ck_assert_int_eq(json_line_read(&reader, exact, strlen(line), note_member, notes, &reason, &error), ERROR_NONE);
  free(exact);
  json_line_reader_deinit(&reader);
  return reason;
}

START_TEST(members_become_cells) {
  static const struct {
    const char *line, *notes;
  } cases[] = {
      {"{}", ""},
      {" { \"a\" : 1 , \"b\" : \"x\" } \r", "a=1|b=x|"},
      {"{\"a\":-0.5e+10,\"b\":123456789012345678901234567890,\"c\":1e400}", "a=-0.5e+10|b=123456789012345678901234567890|c=1e400|"},
      {"{\"a\":true,\"b\":false,\"c\":null}", "a=true|b=false|c=|"},
      {"{\"a\":[0.1, 2,-3e5],\"b\":[],\"c\":[\"x\",[1,{\"y\":null}]]}", "a=[0.1, 2,-3e5]|b=[]|c=[\"x\",[1,{\"y\":null}]]|"},
      {"{\"a\":{\"b\":1,\"c\":\"x\"},\"d\":2}", "a.b=1|a.c=x|d=2|"},
      {"{\"a\":{},\"b\":{\"c\":{\"d\":1}}}", "b.c={\"d\":1}|"},
      {"{\"\\u0041\\n\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", "A\n=\"\\/\b\f\n\r\t|"},
      {"{\"a\":\"caf\\u00e9 \\uD83D\\uDE00 \xE2\x82\xAC\"}", "a=caf\xC3\xA9 \xF0\x9F\x98\x80 \xE2\x82\xAC|"},
      {"{\"\":1}", "=1|"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char notes[1024];
    const char *reason = read_line(cases[i].line, notes);
    ck_assert_msg(reason == NULL, "%s: %s", cases[i].line, reason);
    ck_assert_str_eq(notes, cases[i].notes);
  }
}
END_TEST

START_TEST(what_is_no_object_is_refused_with_a_reason) {
  static const struct {
    const char *line, *reason;
  } cases[] = {
      {"", "is no JSON object"},
      {"[1]", "is no JSON object"},
      {"{", "has a member that does not begin with a key in quotes"},
      {"{a:1}", "has a member that does not begin with a key in quotes"},
      {"{'a':1}", "has a member that does not begin with a key in quotes"},
      {"{\"a\"}", "has a key without a colon behind it"},
      {"{\"a\":}", "has a value that is none"},
      {"{\"a\":", "ends where a value should be"},
      {"{\"a\":1,}", "has a member that does not begin with a key in quotes"},
      {"{\"a\":1", "has an object that never ends"},
      {"{\"a\":1}{\"b\":2}", "has something behind its object"},
      {"{\"a\":01}", "has a number that begins with 0"},
      {"{\"a\":1.}", "has a number that ends with a point"},
      {"{\"a\":.5}", "has a value that is none"},
      {"{\"a\":+1}", "has a value that is none"},
      {"{\"a\":1e}", "has a number without digits in its exponent"},
      {"{\"a\":NaN}", "has a value that is none"},
      {"{\"a\":tru}", "has a value that is none"},
      {"{\"a\":\"x", "has a string that never ends"},
      {"{\"a\":\"x\ty\"}", "has a control character in a string, which must be escaped"},
      {"{\"a\":\"\\x\"}", "has an escape that is none in a string"},
      {"{\"a\":\"\\u12\"}", "has an escape \\u without four hexadecimal digits"},
      {"{\"a\":\"\\u1", "has an escape that ends too early"},
      {"{\"a\":\"\\uD83D\"}", "has half a pair of surrogates in a string"},
      {"{\"a\":\"\\uDE00\\uD83D\"}", "has half a pair of surrogates in a string"},
      {"{\"a\":\"\\u0000\"}", "has a NUL character in a string"},
      {"{\"a\":[1,]}", "has a value that is none"},
      {"{\"a\":[1", "has an array that never ends"},
      {"{\"a\":{\"b\":{\"c\"}}}", "has an object whose member is not \"key\": value"},
      {"{\"a\":\"\xFF\"}", "has a byte that is not UTF-8"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char notes[1024];
    const char *reason = read_line(cases[i].line, notes);
    ck_assert_msg(reason != NULL, "%s", cases[i].line);
    ck_assert_msg(strcmp(reason, cases[i].reason) == 0, "%s: %s", cases[i].line, reason);
  }
  char deep[512] = "{\"a\":";
  for (int i = 0; i < 100; i++) strcat(deep, "[");
  char notes[1024];
  ck_assert_str_eq(read_line(deep, notes), "is nested too deeply");
}
END_TEST

/* ---- files ---- */

static const char lines[] = "\xEF\xBB\xBF{\"id\":1,\"text\":\"a, \\\"b\\\"\\n c\",\"ok\":true}\n"
                            "\n"
                            "{\"text\":\"two\",\"id\":2,\"wave\":[1,2.5],\"place\":{\"lat\":1.5,\"lon\":-2}}\r\n"
                            "{\"id\":3\n"
                            "{\"id\":4,\"id\":5}\n"
                            "not json\n"
                            "{\"id\":6,\"text\":null,\"wave\":[],\"ok\":false}";

static enum error_code collect_row(void *context, uint64_t index, const char *const *cells, struct error *error) {
  (void)index, (void)error;
  char *text = context;
  for (size_t i = 0; i < 6; i++) sprintf(text + strlen(text), "%s|", cells[i]);
  strcat(text, "\n");
  return ERROR_NONE;
}

START_TEST(lines_become_rows_whatever_the_portions) {
  static const size_t portions[] = {1, 2, 7, 64, 1 << 20};
  for (size_t i = 0; i < sizeof portions / sizeof portions[0]; i++) {
    struct dataset_row row;
    struct error error = {0};
    char text[1024] = "";
    ck_assert_msg(ndjson_import(data_dir, lines, sizeof lines - 1, portions[i], &row, &error) == ERROR_NONE, "%s", error.detail);
    ck_assert_uint_eq(row.column_count, 6);
    static const char *const names[6] = {"id", "text", "ok", "wave", "place.lat", "place.lon"};
    for (size_t k = 0; k < 6; k++) ck_assert_str_eq(row.columns[k].name, names[k]);
    ck_assert_int_eq(row.columns[0].kind, COLUMN_NUMERIC);
    ck_assert_int_eq(row.columns[3].kind, COLUMN_SEQUENCE);
    ck_assert_uint_eq(row.columns[3].list_longest, 2);
    ck_assert_uint_eq(row.columns[4].missing, 2);
    ck_assert_uint_eq(row.rows, 3);
    ck_assert_uint_eq(row.bad_row_count, 3);
    ck_assert_uint_eq(row.bad_rows[0].line, 4);
    ck_assert_str_eq(row.bad_rows[0].reason, "has an object that never ends");
    ck_assert_uint_eq(row.bad_rows[1].line, 5);
    ck_assert_str_eq(row.bad_rows[1].reason, "has the key \"id\" twice");
    ck_assert_uint_eq(row.bad_rows[2].line, 6);
    ck_assert_str_eq(row.bad_rows[2].reason, "is no JSON object");
    ck_assert_int_eq(dataset_read_rows(data_dir, &row, 0, row.rows, collect_row, text, &error), ERROR_NONE);
    ck_assert_str_eq(text, "1|a, \"b\"\n c|true||||\n2|two||[1,2.5]|1.5|-2|\n6||false|[]|||\n");
    import_remove_files(data_dir, &row);
    dataset_row_deinit(&row);
  }
}
END_TEST

START_TEST(keys_that_come_late_and_lines_without_end_are_bad_rows) {
  char *text = malloc((20 << 20) + 100), *at = text;
  size_t rows = 0;
  while (at - text < (1 << 16) + 100) at += sprintf(at, "{\"a\":%zu,\"b\":\"x\"}\n", rows++);
  at += sprintf(at, "{\"a\":1,\"late\":2}\n{\"a\":2,\"b\":\"");
  memset(at, 'y', 9 << 20);
  at += 9 << 20;
  at += sprintf(at, "\"}\n{\"b\":\"after\"}\n{\"a\":3,\"b\":\"");
  memset(at, 'z', (1 << 20) + 1);
  at += (1 << 20) + 1;
  at += sprintf(at, "\"}\n");
  static const size_t portions[] = {1000, 1 << 16, 32 << 20};
  for (size_t i = 0; i < sizeof portions / sizeof portions[0]; i++) {
    struct dataset_row row;
    struct error error = {0};
    ck_assert_int_eq(ndjson_import(data_dir, text, (size_t)(at - text), portions[i], &row, &error), ERROR_NONE);
    ck_assert_uint_eq(row.rows, rows + 1);
    ck_assert_uint_eq(row.bad_row_count, 3);
    ck_assert_uint_eq(row.bad_rows[0].line, rows + 1);
    ck_assert_str_eq(row.bad_rows[0].reason, "has the key \"late\", which no row among the first 64 KiB has");
    ck_assert_uint_eq(row.bad_rows[1].line, rows + 2);
    ck_assert_uint_eq(row.bad_rows[2].line, rows + 4);
    ck_assert_str_eq(row.bad_rows[2].reason, "has more than 1 MiB under \"b\"");
    import_remove_files(data_dir, &row);
    dataset_row_deinit(&row);
  }
  free(text);
}
END_TEST

START_TEST(files_that_are_no_ndjson_are_refused_with_what_would_be_right) {
  static const struct {
    const char *bytes, *words;
  } cases[] = {{"", "the file is empty"},
               {"\n \n", "the file is empty"},
               {"[{\"a\":1},\n{\"a\":2}]", "jq -c '.[]'"},
               {"a,b\n1,2\n", "none of the first lines is a JSON object"},
               {"{}\n{}\n", "none of the first lines is a JSON object"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct dataset_row row;
    struct error error = {0};
    ck_assert_int_eq(ndjson_import(data_dir, cases[i].bytes, strlen(cases[i].bytes), 5, &row, &error), ERROR_INVALID);
    ck_assert_msg(strstr(error.detail, cases[i].words) != NULL, "\"%s\" lacks \"%s\"", error.detail, cases[i].words);
  }
  ck_assert_uint_eq(data_dir_count_files(data_dir), 0);
}
END_TEST

START_TEST(its_first_bytes_tell_it) {
  ck_assert(ndjson_is_magic("{\"a\":1}", 7));
  ck_assert(ndjson_is_magic("\xEF\xBB\xBF\n { \"a\"", 10));
  ck_assert(ndjson_is_magic("{}", 2));
  ck_assert(!ndjson_is_magic("{a},b", 5));
  ck_assert(!ndjson_is_magic("a,{\"b\"", 6));
  ck_assert(!ndjson_is_magic("", 0));
  ck_assert_str_eq(format_find_by_magic("{\"a\":1}\n", 8)->name, "ndjson");
  ck_assert_str_eq(format_find_by_type("application/jsonl; charset=utf-8")->name, "ndjson");
  ck_assert_str_eq(format_find_by_suffix("rows.jsonl.gz")->name, "ndjson");
}
END_TEST

START_TEST(memory_does_not_grow_with_the_file) {
  size_t peaks[2];
  for (size_t size = 0; size < 2; size++) {
    const size_t rows = size == 0 ? 20000 : 200000;
    char *text = malloc(rows * 64), *at = text;
    for (size_t i = 0; i < rows; i++) at += sprintf(at, "{\"n\":%zu,\"s\":\"value %zu\"}\n", i, i % 7);
    struct dataset_row row;
    struct error error = {0};
    const size_t before = allocations_live_bytes();
    allocations_reset_peak();
    ck_assert_int_eq(ndjson_import(data_dir, text, (size_t)(at - text), 1 << 16, &row, &error), ERROR_NONE);
    peaks[size] = allocations_peak_bytes() - before;
    ck_assert_uint_eq(row.rows, rows);
    dataset_row_deinit(&row);
    free(text);
  }
  ck_assert_uint_lt(peaks[1], peaks[0] + (256 << 10));
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *line = suite_add_case(suite, "lines");
  tcase_add_test(line, members_become_cells);
  tcase_add_test(line, what_is_no_object_is_refused_with_a_reason);
  TCase *files = suite_add_case(suite, "files");
  tcase_add_checked_fixture(files, set_up, tear_down);
  tcase_add_test(files, lines_become_rows_whatever_the_portions);
  tcase_add_test(files, keys_that_come_late_and_lines_without_end_are_bad_rows);
  tcase_add_test(files, files_that_are_no_ndjson_are_refused_with_what_would_be_right);
  tcase_add_test(files, its_first_bytes_tell_it);
  tcase_add_test(files, memory_does_not_grow_with_the_file);
}

int main(void) { return suite_main("ndjson", add_cases); }
