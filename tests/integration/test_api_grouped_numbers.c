/* Numbers with commas between groups of three digits, as spreadsheets write them, over HTTP: described, learned from and predicted with. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/server_process.h"
#include "tests/support/suite.h"

enum { ROWS = 200, CSV_BYTES = ROWS * 32 };
static struct server_process server;

/* area from 500 to 2490, price = 1000 · area. */
static void upload_houses(void) {
  char *csv = malloc(CSV_BYTES), *at = csv;
  ck_assert_ptr_nonnull(csv);
  at += sprintf(at, "area,price\n");
  for (int i = 0; i < ROWS; i++) {
    const int area = 500 + i * 10;
    at += area < 1000 ? sprintf(at, "%d,\"%d,000\"\n", area, area)
                      : sprintf(at, "\"%d,%03d\",\"%d,%03d,000\"\n", area / 1000, area % 1000, area / 1000, area % 1000);
  }
  const struct client_request request = {.method = "POST", .path = "/v1/datasets?name=houses", .content_type = "text/csv", .body = csv};
  json_decref(client_expect_json(&server, &request, 201));
  free(csv);
}

static json_t *post(const char *path, const char *body, int status) {
  return client_expect_json(&server, &(struct client_request){.method = "POST", .path = path, .body = body}, status);
}

static void start(void) {
  server_start(&server, (const char *const[]){"--log-level", "error", NULL});
  upload_houses();
}

static void stop(void) { server_end(&server); }

START_TEST(they_are_numbers_wherever_they_are_told) {
  json_t *dataset = client_get_json(&server, "/v1/datasets/houses", 200);
  ck_assert_str_eq(json_text_at(dataset, "/columns/1/kind"), "numeric");
  ck_assert_double_eq(json_number_at(dataset, "/columns/1/min"), 500000);
  ck_assert_double_eq(json_number_at(dataset, "/columns/1/max"), 2490000);
  json_decref(dataset);
  json_t *rows = client_get_json(&server, "/v1/datasets/houses/rows?where=price%20%3E%202480000", 200);
  ck_assert_double_eq(json_number_at(rows, "/total"), 1);
  ck_assert_double_eq(json_number_at(rows, "/rows/0/0"), 2490);
  json_decref(rows);
}
END_TEST

START_TEST(they_are_learned_from_and_predicted_with) {
  json_decref(
      post("/v1/jobs",
           "{\"name\":\"houses\",\"dataset\":\"houses\",\"target\":\"price\",\"network\":{\"layers\":[{\"type\":\"dense\",\"units\":"
           "\"auto\"}]},\"epochs\":200,\"optimizer\":{\"type\":\"adam\",\"learning_rate\":0.05}}",
           202));
  json_t *job = client_wait_for(&server, "/v1/jobs/houses", "/state", "succeeded|failed", 60000);
  ck_assert_double_gt(json_number_at(job, "/metrics/test/r2"), 0.999);
  json_decref(job);
  json_t *answer = post("/v1/models/houses/predict", "{\"rows\":[{\"area\":\"1,500\"},{\"area\":1500},{\"area\":\"1,5\"}]}", 422);
  ck_assert_str_eq(json_text_at(answer, "/errors/0/pointer"), "/rows/2/area");
  json_decref(answer);
  answer = post("/v1/models/houses/predict", "{\"rows\":[{\"area\":\"1,500\"},{\"area\":1500}]}", 200);
  const double value = json_number_at(answer, "/predictions/0/value");
  ck_assert_double_eq(json_number_at(answer, "/predictions/1/value"), value);
  ck_assert_double_eq_tol(value, 1500000, 50000);
  json_decref(answer);
  struct client_answer lines;
  client_post_csv(&server, "/v1/models/houses/predict", "area\n\"1,500\"\n", &lines);
  ck_assert_int_eq(lines.status, 200);
  ck_assert_double_eq_tol(strtod(strchr(lines.body, '\n'), NULL), value, 1e-6 * value);
  answer_deinit(&lines);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "grouped_numbers");
  tcase_add_checked_fixture(test_case, start, stop);
  tcase_add_test(test_case, they_are_numbers_wherever_they_are_told);
  tcase_add_test(test_case, they_are_learned_from_and_predicted_with);
}

int main(void) { return suite_main("api_grouped_numbers", add_cases); }
