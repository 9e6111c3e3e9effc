/* NDJSON over HTTP: uploads by type, by name of the format, by their first bytes, gzipped; and jobs on what came of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "tests/support/http_client.h"
#include "tests/support/server_process.h"
#include "tests/support/suite.h"

static struct server_process server;

static void start(void) { server_start(&server, (const char *const[]){"--log-level", "error", NULL}); }

static void stop(void) {
  ck_assert_int_eq(server_stop(&server), 0);
  server_assert_database_is_whole(&server);
  server_cleanup(&server);
}

static const char two_lines[] = "{\"size\":1.5,\"place\":{\"town\":\"A\"}}\n{\"size\":2,\"place\":{\"town\":\"B\"},\"size2\":null}\n";

START_TEST(ndjson_is_known_by_type_by_name_and_by_its_first_bytes) {
  static const struct {
    const char *path, *type;
  } cases[] = {{"/v1/datasets", "application/x-ndjson"},
               {"/v1/datasets", "application/jsonl"},
               {"/v1/datasets?format=ndjson", "text/plain"},
               {"/v1/datasets", "application/octet-stream"},
               {"/v1/datasets", "application/x-www-form-urlencoded"},
               {"/v1/datasets", ""}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct client_request request = {.method = "POST", .path = cases[i].path, .content_type = cases[i].type, .body = two_lines};
    json_t *dataset = client_expect_json(&server, &request, 201);
    ck_assert_double_eq(json_number_at(dataset, "/rows"), 2);
    ck_assert_double_eq(json_number_at(dataset, "/bytes"), (double)strlen(two_lines));
    ck_assert_str_eq(json_text_at(dataset, "/columns/1/name"), "place.town");
    ck_assert_double_eq(json_number_at(dataset, "/columns/2/missing"), 2);
    json_decref(dataset);
  }
}
END_TEST

START_TEST(gzipped_lines_are_read_and_bad_ones_reported) {
  const char *text = "{\"a\":1}\n{\"a\":2\n{\"a\":3}\n";
  unsigned char packed[256];
  z_stream stream = {0};
  ck_assert_int_eq(deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
  stream.next_in = (unsigned char *)(uintptr_t)text;
  stream.avail_in = (unsigned)strlen(text);
  stream.next_out = packed;
  stream.avail_out = sizeof packed;
  ck_assert_int_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
  struct client_request request = {.method = "POST",
                                   .path = "/v1/datasets",
                                   .content_type = "application/x-ndjson",
                                   .body = (const char *)packed,
                                   .body_bytes = stream.total_out};
  deflateEnd(&stream);
  json_t *dataset = client_expect_json(&server, &request, 201);
  ck_assert_double_eq(json_number_at(dataset, "/rows"), 2);
  ck_assert_double_eq(json_number_at(dataset, "/bad_rows/first/0/line"), 2);
  ck_assert_str_eq(json_text_at(dataset, "/bad_rows/first/0/reason"), "has an object that never ends");
  json_decref(dataset);
  request =
      (struct client_request){.method = "POST", .path = "/v1/datasets", .content_type = "application/x-ndjson", .body = "[{\"a\":1}]"};
  json_t *problem = client_expect_json(&server, &request, 422);
  ck_assert_ptr_nonnull(strstr(json_text_at(problem, "/detail"), "is one JSON array; NDJSON is an object a line"));
  json_decref(problem);
}
END_TEST

START_TEST(a_job_learns_from_lists_texts_and_numbers_of_lines) {
  char *body = malloc(1 << 16), *at = body;
  for (int i = 0; i < 120; i++)
    at += sprintf(at, "{\"wave\":[%d,%d,%d],\"note\":\"caf\\u00e9, \\\"%s\\\"\",\"label\":\"%s\"}\n", i % 5, i % 3 + i % 2 * 9, i % 7,
                  i % 2 ? "odd" : "even", i % 2 ? "high" : "low");
  struct client_request request = {
      .method = "POST", .path = "/v1/datasets?name=waves", .content_type = "application/x-ndjson", .body = body};
  json_decref(client_expect_json(&server, &request, 201));
  free(body);
  request = (struct client_request){
      .method = "POST",
      .path = "/v1/jobs",
      .body = "{\"name\":\"waves\",\"network\":{\"layers\":[{\"type\":\"gru\",\"units\":8},{\"type\":\"dense\",\"units\":\"auto\","
              "\"activation\":\"auto\"}]},\"dataset\":\"waves\",\"target\":\"label\",\"features\":[\"wave\"],\"epochs\":60,"
              "\"optimizer\":{\"type\":\"adam\",\"learning_rate\":0.02},\"seed\":1}"};
  json_decref(client_expect_json(&server, &request, 202));
  json_t *job = client_wait_for(&server, "/v1/jobs/waves", "/state", "succeeded|failed", 60000);
  ck_assert_double_ge(json_number_at(job, "/metrics/test/accuracy"), 0.9);
  json_decref(job);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *ndjson = suite_add_case(suite, "ndjson");
  tcase_add_checked_fixture(ndjson, start, stop);
  tcase_add_test(ndjson, ndjson_is_known_by_type_by_name_and_by_its_first_bytes);
  tcase_add_test(ndjson, gzipped_lines_are_read_and_bad_ones_reported);
  tcase_add_test(ndjson, a_job_learns_from_lists_texts_and_numbers_of_lines);
}

int main(void) { return suite_main("api_ndjson", add_cases); }
