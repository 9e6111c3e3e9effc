/* Columns of dates over HTTP: found, described, corrected, learned from and predicted with. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/server_process.h"
#include "tests/support/suite.h"

static struct server_process server;

/* Hours of four weeks: visits follow the hour of the day, and weekends are quiet. */
static void upload_visits(void) {
  char *csv = malloc(1 << 16), *at = csv;
  at += sprintf(at, "when,visits\n");
  for (int hour = 0; hour < 28 * 24; hour++) {
    const int day = hour / 24, of_day = hour % 24;
    const double visits = (day % 7 < 5 ? 100 : 20) * (1 - cos(2 * M_PI * of_day / 24));
    at += sprintf(at, "%d/1/2024 %02d:00,%.3f\n", day + 1, of_day, visits);
  }
  struct client_request request = {.method = "POST", .path = "/v1/datasets?name=visits", .content_type = "text/csv", .body = csv};
  json_decref(client_expect_json(&server, &request, 201));
  free(csv);
}

static json_t *send(const char *method, const char *path, const char *body, int status) {
  return client_expect_json(&server, &(struct client_request){.method = method, .path = path, .body = body}, status);
}

static void start(void) {
  server_start(&server, (const char *const[]){"--log-level", "error", NULL});
  upload_visits();
}

static void stop(void) { server_end(&server); }

START_TEST(a_column_of_dates_is_described_by_times) {
  json_t *dataset = client_get_json(&server, "/v1/datasets/visits", 200);
  ck_assert_str_eq(json_text_at(dataset, "/columns/0/kind"), "datetime");
  ck_assert_str_eq(json_text_at(dataset, "/columns/0/min"), "2024-01-01T00:00:00Z");
  ck_assert_str_eq(json_text_at(dataset, "/columns/0/max"), "2024-01-28T23:00:00Z");
  ck_assert_str_eq(json_text_at(dataset, "/columns/0/mean"), "2024-01-14T23:30:00Z");
  ck_assert_double_eq_tol(json_number_at(dataset, "/columns/0/std"), 3600 * sqrt((672.0 * 672 - 1) / 12), 1);
  json_decref(dataset);
}
END_TEST

START_TEST(a_kind_is_corrected_and_put_back) {
  static const char *const path = "/v1/datasets/visits";
  json_decref(send("PATCH", path, "{\"columns\":{\"when\":\"categorical\"}}", 200));
  json_decref(send("PATCH", path, "{\"columns\":{\"when\":\"text\"}}", 200));
  json_t *dataset = send("PATCH", path, "{\"columns\":{\"when\":\"datetime\"}}", 200);
  ck_assert_str_eq(json_text_at(dataset, "/columns/0/kind"), "datetime");
  json_decref(dataset);
  json_t *problem = send("PATCH", path, "{\"columns\":{\"visits\":\"datetime\"}}", 422);
  ck_assert_str_eq(json_text_at(problem, "/errors/0/pointer"), "/columns/visits");
  ck_assert_ptr_nonnull(strstr(json_text_at(problem, "/errors/0/detail"), "not all of its values are dates"));
  json_decref(problem);
}
END_TEST

static double predict(const char *when) {
  char body[128];
  snprintf(body, sizeof body, "{\"rows\":[{\"when\":\"%s\"}]}", when);
  json_t *answer = send("POST", "/v1/models/visits/predict", body, 200);
  const double value = json_number_at(answer, "/predictions/0/value");
  json_decref(answer);
  return value;
}

START_TEST(hours_and_weekdays_are_learned_and_asked_for_in_any_form) {
  json_decref(
      send("POST", "/v1/jobs",
           "{\"name\":\"visits\",\"network\":{\"layers\":[{\"type\":\"dense\",\"units\":32,\"activation\":\"tanh\"},{\"type\":\"dense\","
           "\"units\":16,\"activation\":\"tanh\"},{\"type\":\"dense\",\"units\":\"auto\"}]},\"dataset\":\"visits\",\"target\":"
           "\"visits\",\"seed\":1,\"optimizer\":{\"type\":\"adam\",\"learning_rate\":0.01},\"epochs\":150}",
           202));
  json_t *job = client_wait_for(&server, "/v1/jobs/visits", "/state", "succeeded|failed", 120000);
  ck_assert_str_eq(json_text_at(job, "/state"), "succeeded");
  ck_assert_double_gt(json_number_at(job, "/metrics/test/r2"), 0.98);
  json_decref(job);
  ck_assert_double_eq_tol(predict("10/1/2024 12:00"), 200, 15); /* a Wednesday */
  ck_assert_double_eq(predict("2024-01-10T12:00:00"), predict("10/1/2024 12:00"));
  ck_assert_double_eq_tol(predict("2024-01-13 12:00"), 40, 15); /* a Saturday */
  json_t *model = client_get_json(&server, "/v1/models/visits/export?format=json", 200);
  char *text = json_dumps(model, JSON_COMPACT);
  ck_assert_ptr_nonnull(
      strstr(text, "\"datetime\":{\"order\":\"day_first\",\"has_times\":true,\"parts\":[\"time\",\"day_of_year\",\"day_of_week\","
                   "\"time_of_day\"]}"));
  free(text);
  json_decref(model);
  json_t *problem = send("POST", "/v1/models/visits/predict", "{\"rows\":[{\"when\":\"tomorrow\"},{\"when\":7}]}", 422);
  ck_assert_str_eq(json_text_at(problem, "/errors/0/pointer"), "/rows/0/when");
  ck_assert_ptr_nonnull(strstr(json_text_at(problem, "/errors/0/detail"), "\"tomorrow\" is no date; \"when\" takes dates"));
  ck_assert_ptr_nonnull(strstr(json_text_at(problem, "/errors/1/detail"), "\"7\" is no date"));
  json_decref(problem);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *dates = suite_add_case(suite, "dates");
  tcase_add_checked_fixture(dates, start, stop);
  tcase_add_test(dates, a_column_of_dates_is_described_by_times);
  tcase_add_test(dates, a_kind_is_corrected_and_put_back);
  tcase_add_test(dates, hours_and_weekdays_are_learned_and_asked_for_in_any_form);
}

int main(void) { return suite_main("api_dates", add_cases); }
