/* server/data/multipart.h: parts in whatever portions, what looks like a boundary, broken bodies. */
#include "server/data/multipart.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/suite.h"
#include "tests/support/upload_bodies.h"

/* What was handed out, as text: "name|file|type:content;" */
struct log {
  struct bytes text;
  size_t fail_at; /* calls after which a handler fails; 0: never */
  size_t calls;
};

static enum error_code count_call(struct log *log, struct error *error) {
  log->calls++;
  return log->fail_at > 0 && log->calls >= log->fail_at ? error_set(error, ERROR_DISK_FULL, "full") : ERROR_NONE;
}

static enum error_code begin(void *context, const struct multipart_part *part, struct error *error) {
  struct log *log = context;
  bytes_append_text(&log->text, part->name);
  bytes_append_text(&log->text, "|");
  bytes_append_text(&log->text, part->file_name);
  bytes_append_text(&log->text, "|");
  bytes_append_text(&log->text, part->content_type);
  bytes_append_text(&log->text, ":");
  return count_call(log, error);
}

static enum error_code take(void *context, const char *bytes, size_t byte_count, struct error *error) {
  bytes_append(&((struct log *)context)->text, bytes, byte_count);
  ck_assert_uint_gt(byte_count, 0);
  return count_call(context, error);
}

static enum error_code end(void *context, struct error *error) {
  bytes_append_text(&((struct log *)context)->text, ";");
  return count_call(context, error);
}

static enum error_code parse(const char *boundary, const char *body, size_t count, size_t portion, struct log *log, struct error *error) {
  const struct multipart_handlers handlers = {.context = log, .begin = begin, .take = take, .end = end};
  struct multipart *multipart;
  enum error_code code = multipart_create(boundary, &handlers, &multipart, error);
  for (size_t at = 0; at < count && code == ERROR_NONE; at += portion)
    code = multipart_feed(multipart, body + at, count - at < portion ? count - at : portion, error);
  if (code == ERROR_NONE) code = multipart_finish(multipart, error);
  multipart_destroy(multipart);
  return code;
}

#define PART(name) "--b\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n"

static const struct {
  const char *body, *expected;
} good_bodies[] = {
    {PART("a") "one\r\n--b--", "a||:one;"},
    {PART("a") "one\r\n" PART("b") "two\r\n--b--\r\n", "a||:one;b||:two;"},
    {"preamble\r\n\r\n-- no boundary\r\n" PART("a") "one\r\n--b--\r\nepilogue --b\r\n--b\r\n", "a||:one;"},
    {PART("a") "\r\n--b--", "a||:;"},
    {PART("a") "--b--", "a||:;"},
    {PART("a") "\r\n\r\n--b--", "a||:\r\n;"},
    {PART("a") "\r\n-\r\n--\r\r\n\r\n--\r\n--b--", "a||:\r\n-\r\n--\r\r\n\r\n--;"},
    {PART("a") "x\r\n--b--", "a||:x;"},
    {PART("a") "--a\n--b\n--\r\n--c\r\n--b--", "a||:--a\n--b\n--\r\n--c;"},
    {"--b \t\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none\r\n--b  \r\ncontent-disposition: FORM-DATA; NAME=b\r\n\r\n2\r\n--b--",
     "a||:one;b||:2;"},
    {"--b\r\nContent-Type: text/csv\r\nContent-Disposition: form-data; filename=\"a;name=\\\"x\\\".csv\"; name=\"a "
     "\\\"q\\\"\"\r\n\r\n1\r\n--b--",
     "a \"q\"|a;name=\"x\".csv|text/csv:1;"},
    {"--b\r\nX-Content-Disposition: nothing\r\nContent-Transfer-Encoding: binary\r\nContent-Disposition: form-data; name=a; "
     "filename=f\r\n\r\n1\r\n--b--",
     "a|f|:1;"},
};

START_TEST(parts_come_out_whole_in_whatever_portions) {
  const char *body = good_bodies[_i].body;
  for (size_t portion = 1; portion <= strlen(body); portion++) {
    struct log log = {0};
    struct error error = {0};
    enum error_code code = parse("b", body, strlen(body), portion, &log, &error);
    ck_assert_msg(code == ERROR_NONE, "%s", error.detail);
    ck_assert_str_eq(log.text.at, good_bodies[_i].expected);
    bytes_free(&log.text);
  }
}
END_TEST

static const struct {
  const char *body, *words;
} bad_bodies[] = {
    {"", "no part"},
    {"no boundary at all", "no part"},
    {"--c\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none\r\n--c--", "no part"},
    {PART("a") "one", "ends within part 1"},
    {PART("a") "one\r\n--b", "ends within part 1"},
    {PART("a") "one\r\n--b\r\n", "ends within part 1"},
    {PART("a") "one\r\n" PART("b") "two\r\n--b-", "ends within part 2"},
    {"--b\r\nContent-Disposition: form-data; name=\"a\"", "ends within"},
    {"--bx\r\n\r\n", "text behind"},
    {"--b\r\n\r\none\r\n--b--", "has no name"},
    {"--b\r\nContent-Disposition: form-data\r\n\r\none\r\n--b--", "has no name"},
    {"--b\r\nContent-Disposition: form-data; name=\"a\r\n\r\none\r\n--b--", "has no name"},
    {"--b\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\none\r\n--b--", "has no name"},
    {"--b\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb25l\r\n--b--", "Transfer-Encoding"},
};

START_TEST(broken_bodies_are_refused) {
  const char *body = bad_bodies[_i].body;
  for (size_t portion = 1; portion <= strlen(body) + 1; portion++) {
    struct log log = {0};
    struct error error = {0};
    ck_assert_int_eq(parse("b", body, strlen(body), portion, &log, &error), ERROR_MALFORMED);
    ck_assert_msg(strstr(error.detail, bad_bodies[_i].words) != NULL, "\"%s\" lacks \"%s\"", error.detail, bad_bodies[_i].words);
    bytes_free(&log.text);
  }
}
END_TEST

START_TEST(too_many_headers_and_parts_are_refused) {
  struct bytes body = {0};
  struct log log = {0};
  struct error error = {0};
  bytes_append_text(&body, "--b\r\n");
  for (size_t i = 0; i < MULTIPART_HEADER_BYTES_MAX / 10; i++) bytes_append_text(&body, "X-A: bcde\r\n");
  ck_assert_int_eq(parse("b", body.at, body.count, 77, &log, &error), ERROR_MALFORMED);
  bytes_free(&body);
  for (size_t i = 0; i <= MULTIPART_PARTS_MAX; i++) bytes_append_text(&body, PART("a") "\r\n");
  bytes_append_text(&body, "--b--");
  ck_assert_int_eq(parse("b", body.at, body.count, 77, &log, &error), ERROR_TOO_LARGE);
  bytes_free(&body);
  static const char with_nul[] = "--b\r\nContent-Disposition: form-data; \0name=a\r\n\r\n1\r\n--b--";
  bytes_append(&body, with_nul, sizeof with_nul - 1);
  ck_assert_int_eq(parse("b", body.at, body.count, 77, &log, &error), ERROR_MALFORMED);
  bytes_free(&body);
  bytes_free(&log.text);
}
END_TEST

START_TEST(an_error_of_a_handler_ends_the_reading) {
  static const char body[] = PART("a") "one\r\n-two\r\n" PART("b") "three\r\n--b--";
  enum error_code code = ERROR_DISK_FULL;
  for (size_t fail_at = 1; code == ERROR_DISK_FULL; fail_at++) {
    struct log log = {.fail_at = fail_at};
    struct error error = {0};
    code = parse("b", body, strlen(body), 4, &log, &error);
    if (code != ERROR_NONE) ck_assert_uint_eq(log.calls, fail_at);
    bytes_free(&log.text);
    ck_assert_uint_lt(fail_at, 100);
  }
  ck_assert_int_eq(code, ERROR_NONE);
}
END_TEST

/* Bytes of the alphabet that boundaries are made of, so that much looks like one: nothing is lost or added, whatever comes. */
START_TEST(any_content_comes_out_as_it_went_in) {
  unsigned state = 1;
  for (size_t round = 0; round < 3000; round++) {
    char content[64];
    struct bytes body = {0}, expected = {0};
    struct log log = {0};
    struct error error = {0};
    const size_t count = round % sizeof content;
    for (size_t i = 0; i < count; i++) {
      state = state * 1664525U + 1013904223U;
      content[i] = "\r\n-bx"[(state >> 16) % 5];
    }
    bool has_delimiter = memmem(content, count, "\r\n--b", 5) != NULL || (count >= 3 && memcmp(content, "--b", 3) == 0);
    if (has_delimiter) continue;
    bytes_append_text(&body, PART("a"));
    bytes_append(&body, content, count);
    bytes_append_text(&body, "\r\n--b--");
    bytes_append_text(&expected, "a||:");
    bytes_append(&expected, content, count);
    bytes_append_text(&expected, ";");
    ck_assert_int_eq(parse("b", body.at, body.count, 1 + round % 7, &log, &error), ERROR_NONE);
    ck_assert_uint_eq(log.text.count, expected.count);
    ck_assert_mem_eq(log.text.at, expected.at, expected.count);
    bytes_free(&body);
    bytes_free(&expected);
    bytes_free(&log.text);
  }
}
END_TEST

/* Cut, doubled and flipped bodies end in some way, without reading where nothing is (make asan). */
START_TEST(mutated_bodies_end_somehow) {
  static const char seed[] =
      "pre\r\n" PART("a") "one\r\n--b \r\nContent-Disposition: form-data; name=\"x\"; filename=\"y\\\"z\"\r\nContent-Type: a/b\r\n\r\n"
                          "two\r\n--b--\r\nepilogue";
  unsigned state = 7;
  for (size_t round = 0; round < 20000; round++) {
    char body[sizeof seed + 8];
    size_t count = sizeof seed - 1;
    memcpy(body, seed, count);
    for (size_t k = 0; k < 1 + round % 3; k++) {
      state = state * 1664525U + 1013904223U;
      const size_t at = (state >> 8) % count;
      if (state % 3 == 0) count = at + 1;
      if (state % 3 == 1) body[at] = (char)(state >> 24);
      if (state % 3 == 2) body[at] = "\r\n-b\":; "[(state >> 20) % 8];
    }
    struct log log = {0};
    struct error error = {0};
    enum error_code code = parse("b", body, count, 1 + round % 11, &log, &error);
    ck_assert(code == ERROR_NONE || code == ERROR_MALFORMED);
    bytes_free(&log.text);
  }
}
END_TEST

static const struct {
  const char *type, *boundary; /* NULL: none */
} boundaries[] = {
    {"multipart/form-data; boundary=abc", "abc"},
    {"multipart/form-data; charset=utf-8; boundary=\"a b:c\"", "a b:c"},
    {"multipart/form-data;boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW; x=y", "----WebKitFormBoundary7MA4YWxkTrZu0gW"},
    {"multipart/form-data; BOUNDARY=abc", "abc"},
    {"multipart/form-data", NULL},
    {"multipart/form-data; boundary=", NULL},
    {"multipart/form-data; boundary=\"abc", NULL},
    {"multipart/form-data; boundary=\"a\\\\c\"", NULL},
    {"multipart/form-data; boundary=\"abc \"", NULL},
    {"multipart/form-data; boundary=\xFF", NULL},
    {"multipart/form-data; boundary=1234567890123456789012345678901234567890123456789012345678901234567890",
     "1234567890123456789012345678901234567890123456789012345678901234567890"},
    {"multipart/form-data; boundary=12345678901234567890123456789012345678901234567890123456789012345678901", NULL},
};

START_TEST(boundaries_are_found) {
  char boundary[MULTIPART_BOUNDARY_BYTES_MAX + 1];
  bool is_found = multipart_find_boundary(boundaries[_i].type, boundary);
  ck_assert_int_eq(is_found, boundaries[_i].boundary != NULL);
  if (is_found) ck_assert_str_eq(boundary, boundaries[_i].boundary);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *parts = suite_add_case(suite, "parts");
  tcase_add_loop_test(parts, parts_come_out_whole_in_whatever_portions, 0, sizeof good_bodies / sizeof good_bodies[0]);
  tcase_add_loop_test(parts, broken_bodies_are_refused, 0, sizeof bad_bodies / sizeof bad_bodies[0]);
  tcase_add_test(parts, too_many_headers_and_parts_are_refused);
  tcase_add_test(parts, an_error_of_a_handler_ends_the_reading);
  tcase_add_test(parts, any_content_comes_out_as_it_went_in);
  tcase_add_test(parts, mutated_bodies_end_somehow);
  tcase_add_loop_test(parts, boundaries_are_found, 0, sizeof boundaries / sizeof boundaries[0]);
}

int main(void) { return suite_main("multipart", add_cases); }
