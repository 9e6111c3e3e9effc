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

static void stop(void) { server_end(&server); }

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

START_TEST(lines_are_predicted_line_by_line_as_rows_are) {
  struct client_request request = {.method = "POST",
                                   .path = "/v1/datasets?name=t",
                                   .content_type = "text/csv",
                                   .body = "a,b.c,y\n1,u,2\n2,v,3\n3,u,4\n4,v,5\n5,u,6\n6,v,7\n7,u,8\n8,v,9\n,u,10\n"};
  json_decref(client_expect_json(&server, &request, 201));
  request = (struct client_request){
      .method = "POST",
      .path = "/v1/jobs",
      .body = "{\"name\":\"t\",\"network\":{\"layers\":[{\"type\":\"dense\",\"units\":\"auto\"}]},\"dataset\":\"t\","
              "\"target\":\"y\",\"task\":\"regression\",\"epochs\":3,\"split\":{\"validation\":0,\"test\":0}}"};
  json_decref(client_expect_json(&server, &request, 202));
  json_decref(client_wait_for(&server, "/v1/jobs/t", "/state", "succeeded", 60000));
  request = (struct client_request){.method = "POST",
                                    .path = "/v1/models/t/predict",
                                    .body = "{\"rows\":[{\"a\":1.5,\"b.c\":\"v\"},{\"b.c\":\"u\"},{\"a\":3,\"b.c\":null}]}"};
  json_t *rows = client_expect_json(&server, &request, 200);
  struct client_answer answer;
  request = (struct client_request){
      .method = "POST",
      .path = "/v1/models/t/predict",
      .content_type = "application/x-ndjson",
      .body = "{\"a\":1.5,\"b\":{\"c\":\"v\"},\"y\":9}\n\n{\"b.c\":\"u\"}\r\n{\"b\":{\"c\":null},\"a\":3,\"more\":1}"};
  client_send(&server, &request, &answer);
  ck_assert_int_eq(answer.status, 200);
  ck_assert_str_eq(answer_get_header(&answer, "content-type"), "application/x-ndjson");
  const char *at = answer.body;
  for (size_t i = 0; i < 3; i++) {
    json_error_t problem;
    json_t *line = json_loads(at, JSON_DISABLE_EOF_CHECK, &problem);
    ck_assert(json_equal(line, json_array_get(json_at(rows, "/predictions"), i)));
    json_decref(line);
    at = strchr(at, '\n') + 1;
  }
  ck_assert_int_eq(*at, '\0');
  answer_deinit(&answer);
  json_decref(rows);
  static const struct {
    const char *body, *pointer, *words;
  } cases[] = {{"{\"a\":1}\n{\"a\":\"x\"}\n", "/lines/2/a", "is no number"},
               {"{\"a\":1}\n{\"a\":1\n", "/lines/2", "never ends"},
               {"{\"aa\":1}\n", "/lines/1", "the model has no input \"aa\""},
               {"{\"a\":1,\"a\":2}", "/lines/1", "has an input twice"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    request = (struct client_request){
        .method = "POST", .path = "/v1/models/t/predict", .content_type = "application/jsonl", .body = cases[i].body};
    json_t *problem = client_expect_json(&server, &request, 422);
    ck_assert_str_eq(json_text_at(problem, "/errors/0/pointer"), cases[i].pointer);
    ck_assert_ptr_nonnull(strstr(json_text_at(problem, "/errors/0/detail"), cases[i].words));
    json_decref(problem);
  }
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *ndjson = suite_add_case(suite, "ndjson");
  tcase_add_checked_fixture(ndjson, start, stop);
  tcase_add_test(ndjson, ndjson_is_known_by_type_by_name_and_by_its_first_bytes);
  tcase_add_test(ndjson, lines_are_predicted_line_by_line_as_rows_are);
  tcase_add_test(ndjson, gzipped_lines_are_read_and_bad_ones_reported);
  tcase_add_test(ndjson, a_job_learns_from_lists_texts_and_numbers_of_lines);
}

int main(void) { return suite_main("api_ndjson", add_cases); }
