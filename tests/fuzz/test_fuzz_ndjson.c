/* The NDJSON reader under bytes that nobody meant: a fixed number of mutations of small files, the same in every run.
 *
 * Holds for any bytes: a line is taken if, and only if, another JSON parser (jansson) takes it as an object, but for the limits that either
 * has; the strings of its members are those that the other finds; and a file is the same dataset however it is cut. `FUZZ_SEED=5
 * FUZZ_ROUNDS=1000000 test_fuzz_ndjson` tries others, for as long as wanted.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/data/json_line.h"
#include "tests/support/data_files.h"
#include "tests/support/ndjson_files.h"
#include "tests/support/suite.h"

enum { IMPORT_ROUNDS = 150, BYTES_MAX = 1024 };

static const char *const seeds[] = {
    "{\"a\":1,\"b\":\"x\",\"c\":null}\n{\"a\":2.5,\"b\":\"\\u00e9\\n\",\"c\":true}\n",
    "{\"a\":[1,2,3],\"b\":{\"c\":\"d\",\"e\":[]}}\n\n{\"b\":{\"c\":-1e5}}",
    "\xEF\xBB\xBF{ \"k\" : \"\\uD83D\\uDE00 \xF0\x9F\x98\x80\" }\r\n{\"k\":\"\\\\\\\"\"}\r\n",
    "{\"x\":0.125,\"y\":false,\"z\":[[],{}, \"q\"]}\n{\"x\":\"\",\"y\":{}}\n",
};
static const char *const pieces[] = {"\"", "{", "}", "[", "]", ":",  ",",    "\n",   "\\",   "\\u",  "\\uD83D", "\\uDE00",
                                     "0",  "-", ".", "e", " ", "\t", "null", "true", "\xFF", "\xC3", "\"a\":",  "\\u0000"};

static uint64_t state = 20241123;
static int rounds = 30000;

static uint32_t draw(uint32_t below) {
  state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)((state >> 33) % below);
}

static size_t mutate(char *bytes) {
  const char *seed = seeds[draw(sizeof seeds / sizeof seeds[0])];
  size_t count = strlen(seed);
  memcpy(bytes, seed, count);
  for (uint32_t left = draw(5); left > 0; left--) {
    const size_t at = draw((uint32_t)count + 1);
    const char *piece = pieces[draw(sizeof pieces / sizeof pieces[0])];
    const size_t length = strlen(piece);
    if (draw(3) == 0 && at < count) { /* take a byte out */
      memmove(bytes + at, bytes + at + 1, count - at - 1);
      count--;
    } else if (count + length < BYTES_MAX) {
      memmove(bytes + at + length, bytes + at, count - at);
      memcpy(bytes + at, piece, length);
      count += length;
    }
  }
  return count;
}

/* Strings at the top level, or one below, must be the other parser's, unless a key comes twice. */
static const char *check_member(void *context, const char *key, const char *value) {
  const json_t *object = context, *member = json_object_get(object, key);
  if (json_is_string(member)) ck_assert_str_eq(json_string_value(member), value);
  if (json_is_integer(member)) ck_assert_int_eq(json_integer_value(member), atoll(value));
  if (json_is_real(member)) ck_assert_double_eq(json_real_value(member), strtod(value, NULL));
  if (json_is_null(member)) ck_assert_str_eq(value, "");
  return NULL;
}

static const char *pass_member(void *context, const char *key, const char *value) {
  (void)context, (void)key, (void)value;
  return NULL;
}

static void check_line(const char *line, size_t count) {
  json_error_t problem;
  json_t *json = json_loadb(line, count, JSON_REJECT_DUPLICATES, &problem);
  const enum json_error_code why = json == NULL ? json_error_code(&problem) : json_error_unknown;
  const bool is_other_limit = json == NULL && (why == json_error_numeric_overflow || why == json_error_duplicate_key);
  struct json_line_reader reader = {0};
  struct error error = {0};
  const char *reason;
  char *exact = malloc(count + 1);
  memcpy(exact, line, count);
  ck_assert_int_eq(json_line_read(&reader, exact, count, json_is_object(json) ? check_member : pass_member, json, &reason, &error),
                   ERROR_NONE);
  if (!is_other_limit)
    ck_assert_msg((reason == NULL) == json_is_object(json), "\"%.*s\": %s here, %s there", (int)count, line,
                  reason == NULL ? "taken" : reason, json == NULL ? problem.text : "taken");
  json_line_reader_deinit(&reader);
  free(exact);
  json_decref(json);
}

START_TEST(lines_are_taken_as_another_parser_takes_them) {
  char bytes[BYTES_MAX];
  for (int i = 0; i < rounds; i++) {
    const size_t count = mutate(bytes);
    for (size_t at = 0; at < count;) {
      const char *end = memchr(bytes + at, '\n', count - at);
      const size_t length = end == NULL ? count - at : (size_t)(end - bytes) - at;
      check_line(bytes + at, length);
      at += length + 1;
    }
  }
}
END_TEST

START_TEST(files_are_the_same_however_they_are_cut) {
  char *data_dir = data_dir_create(), bytes[BYTES_MAX];
  for (int i = 0; i < IMPORT_ROUNDS; i++) {
    const size_t count = mutate(bytes);
    struct dataset_row whole = {0}, cut = {0};
    struct error error = {0}, cut_error = {0};
    const enum error_code code = ndjson_import(data_dir, bytes, count, BYTES_MAX, &whole, &error);
    ck_assert_int_eq(ndjson_import(data_dir, bytes, count, 1 + draw(20), &cut, &cut_error), code);
    ck_assert_str_eq(error.detail, cut_error.detail);
    ck_assert_uint_eq(whole.rows, cut.rows);
    ck_assert_uint_eq(whole.bad_row_count, cut.bad_row_count);
    ck_assert_uint_eq(whole.column_count, cut.column_count);
    for (size_t k = 0; k < whole.bad_rows_kept; k++) {
      ck_assert_uint_eq(whole.bad_rows[k].line, cut.bad_rows[k].line);
      ck_assert_str_eq(whole.bad_rows[k].reason, cut.bad_rows[k].reason);
    }
    for (size_t k = 0; k < whole.column_count; k++) ck_assert_str_eq(whole.columns[k].name, cut.columns[k].name);
    dataset_row_deinit(&whole);
    dataset_row_deinit(&cut);
  }
  data_dir_remove(data_dir);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *fuzz = suite_add_case(suite, "fuzz");
  tcase_add_test(fuzz, lines_are_taken_as_another_parser_takes_them);
  tcase_add_test(fuzz, files_are_the_same_however_they_are_cut);
}

int main(void) {
  const char *seed = getenv("FUZZ_SEED"), *count = getenv("FUZZ_ROUNDS");
  if (seed != NULL) state = strtoull(seed, NULL, 10);
  if (count != NULL) rounds = atoi(count);
  return suite_main("fuzz_ndjson", add_cases);
}
