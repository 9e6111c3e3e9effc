/* Forecasting over HTTP: windows of a series are learned from, measured beside what needs no learning, and asked for what comes next. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/server_process.h"
#include "tests/support/suite.h"

static struct server_process server;

static json_t *send(const char *method, const char *path, const char *body, int status) {
  return client_expect_json(&server, &(struct client_request){.method = method, .path = path, .body = body}, status);
}

/* Hours of a load with a daily and a weekly wave, and temperature, which leads it by two hours. */
static double get_temperature(int hour) { return 15 + 5 * sin(2 * M_PI * (hour - 9) / 24) + 3 * sin(hour * 0.37); }
static double get_load(int hour) {
  return 100 + 20 * sin(2 * M_PI * (hour - 6) / 24) + (hour / 24 % 7 < 5 ? 15 : 0) + 2 * get_temperature(hour - 2);
}

static void upload(void) {
  char *csv = malloc(1 << 16), *at = csv + sprintf(csv, "when,load,temperature\n");
  for (int k = 0; k < 42 * 24; k++) {
    const int hour = k * 5 % (42 * 24); /* in any order: the column of dates tells */
    at += sprintf(at, "2024-%02d-%02d %02d:00,%.3f,%.3f\n", hour / 24 / 21 + 1, hour / 24 % 21 + 1, hour % 24, get_load(hour),
                  get_temperature(hour));
  }
  struct client_request request = {.method = "POST", .path = "/v1/datasets?name=load", .content_type = "text/csv", .body = csv};
  json_decref(client_expect_json(&server, &request, 201));
  free(csv);
}

static void start(void) {
  server_start(&server, (const char *const[]){"--log-level", "error", NULL});
  upload();
}

static void stop(void) { server_end(&server); }

static json_t *train(const char *name, const char *layers, const char *more) {
  char body[1024], path[64];
  snprintf(
      body, sizeof body,
      "{\"name\":\"%s\",\"network\":{\"layers\":[%s,{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"auto\"}]},\"dataset\":\"load\","
      "\"target\":\"load\",\"seed\":1,\"optimizer\":{\"type\":\"adam\",\"learning_rate\":0.005},%s}",
      name, layers, more);
  json_decref(send("POST", "/v1/jobs", body, 202));
  snprintf(path, sizeof path, "/v1/jobs/%s", name);
  json_t *job = client_wait_for(&server, path, "/state", "succeeded|failed", 120000);
  ck_assert_str_eq(json_text_at(job, "/state"), "succeeded");
  return job;
}

/* Rows first … end − 1, or, newest first, end − 1 … first, as JSON objects, lines of CSV or lines of JSON. */
enum form { AS_JSON, AS_CSV, AS_NDJSON };
static char *write_ordered_rows(int first, int end, enum form form, bool is_newest_first) {
  static const char *const beginnings[] = {"{\"rows\":[", "temperature,load,when\n", ""};
  char *text = malloc(1 << 15), *at = text + sprintf(text, "%s", beginnings[form]);
  for (int i = first; i < end; i++) {
    const int hour = is_newest_first ? end - 1 - (i - first) : i, day = hour / 24 - 20, of_day = hour % 24;
    if (form == AS_CSV)
      at += sprintf(at, "%.3f,%.3f,2024-02-%02d %02d:00\n", get_temperature(hour), get_load(hour), day, of_day);
    else
      at +=
          sprintf(at, "%s{\"temperature\":%.3f,\"load\":%.3f,\"when\":\"2024-02-%02d %02d:00\"}%s", i > first && form == AS_JSON ? "," : "",
                  get_temperature(hour), get_load(hour), day, of_day, form == AS_NDJSON ? "\n" : "");
  }
  if (form == AS_JSON) sprintf(at, "]}");
  return text;
}
static char *write_rows(int first, int end, bool as_csv) { return write_ordered_rows(first, end, as_csv ? AS_CSV : AS_JSON, false); }

START_TEST(hours_ahead_are_forecast_better_than_without_learning) {
  json_t *job = train("day", "{\"type\":\"gru\",\"units\":24}", "\"window\":{\"length\":24,\"horizon\":6,\"time\":\"when\"},\"epochs\":25");
  const double mae = json_number_at(job, "/metrics/test/mae");
  ck_assert_double_lt(mae, 0.5 * json_number_at(job, "/metrics/test/baselines/naive/mae"));
  ck_assert_double_lt(mae, 0.7 * json_number_at(job, "/metrics/test/baselines/seasonal_naive/mae"));
  ck_assert_str_eq(json_text_at(job, "/spec/task"), "regression");
  json_decref(job);
  struct client_answer log;
  client_get(&server, "/v1/jobs/day/log", &log);
  ck_assert_ptr_nonnull(strstr(log.body, "split: 677 training, 122 validation, 122 test windows"));
  answer_deinit(&log);
  json_t *model = client_get_json(&server, "/v1/models/day", 200);
  ck_assert_double_eq(json_number_at(model, "/network/input/shape/0"), 24);
  ck_assert_double_eq(json_number_at(model, "/preprocessing/window/horizon"), 6);
  json_decref(model);
  /* From the last day: the hours behind it. More rows than a window has don't matter. */
  char *rows = write_rows(40 * 24, 42 * 24, false), *last = write_rows(41 * 24, 42 * 24, false),
       *csv = write_rows(40 * 24 + 5, 42 * 24, true);
  json_t *answer = send("POST", "/v1/models/day/predict", rows, 200), *same = send("POST", "/v1/models/day/predict", last, 200);
  ck_assert_uint_eq(json_array_size(json_at(answer, "/predictions")), 1);
  ck_assert(json_equal(json_at(answer, "/predictions"), json_at(same, "/predictions")));
  double worst = 0;
  for (int step = 1; step <= 6; step++) {
    char pointer[64];
    snprintf(pointer, sizeof pointer, "/predictions/0/values/load+%d", step);
    worst = fmax(worst, fabs(json_number_at(answer, pointer) - get_load(42 * 24 - 1 + step)));
  }
  ck_assert_double_lt(worst, 15);
  struct client_answer csv_answer;
  client_post_csv(&server, "/v1/models/day/predict", csv, &csv_answer);
  ck_assert_int_eq(csv_answer.status, 200);
  ck_assert_int_eq(strncmp(csv_answer.body, "load+1,load+2,load+3,load+4,load+5,load+6\n", 42), 0);
  ck_assert_double_eq_tol(strtod(csv_answer.body + 42, NULL), json_number_at(answer, "/predictions/0/values/load+1"), 1e-4);
  answer_deinit(&csv_answer);
  json_decref(answer);
  json_decref(same);
  free(rows);
  free(last);
  free(csv);
}
END_TEST

START_TEST(a_network_without_steps_sees_the_window_side_by_side) {
  json_t *job = train("next", "{\"type\":\"dense\",\"units\":32,\"activation\":\"tanh\"}",
                      "\"window\":{\"length\":12,\"time\":\"when\"},\"features\":[\"load\",\"temperature\"],\"epochs\":40");
  ck_assert_double_lt(json_number_at(job, "/metrics/test/mae"), json_number_at(job, "/metrics/test/baselines/naive/mae"));
  json_decref(job);
  json_t *model = client_get_json(&server, "/v1/models/next", 200);
  ck_assert_double_eq(json_number_at(model, "/network/input/shape/0"), 24);
  json_decref(model);
  json_t *answer = send(
      "POST", "/v1/models/next/predict",
      "{\"rows\":[[100,15],[100,15],[100,15],[100,15],[100,15],[100,15],[100,15],[100,15],[100,15],[100,15],[100,15],[null,15]]}", 200);
  ck_assert(json_is_number(json_at(answer, "/predictions/0/value")));
  json_decref(answer);
}
END_TEST

START_TEST(evaluating_on_a_series_in_order_measures_its_windows) {
  json_decref(train("next", "{\"type\":\"gru\",\"units\":8}",
                    "\"window\":{\"length\":8,\"horizon\":2,\"stride\":3,\"time\":\"when\"},\"epochs\":2"));
  char *csv = write_rows(21 * 24, 42 * 24, true);
  struct client_request request = {.method = "POST", .path = "/v1/datasets?name=later", .content_type = "text/csv", .body = csv};
  json_decref(client_expect_json(&server, &request, 201));
  free(csv);
  json_t *answer = send("POST", "/v1/models/next/evaluate", "{\"dataset\":\"later\"}", 200);
  ck_assert_double_eq(json_number_at(answer, "/rows"), (21 * 24 - 10) / 3 + 1);
  ck_assert(isfinite(json_number_at(answer, "/metrics/mae")));
  json_decref(answer);
}
END_TEST

/* The body of an answer to rows of `form`. */
static char *forecast(int first, int end, enum form form, bool is_newest_first) {
  static const char *const types[] = {"application/json", "text/csv", "application/x-ndjson"};
  char *rows = write_ordered_rows(first, end, form, is_newest_first);
  struct client_request request = {.method = "POST", .path = "/v1/models/next/predict", .content_type = types[form], .body = rows};
  struct client_answer answer;
  client_send(&server, &request, &answer);
  ck_assert_msg(answer.status == 200, "%s", answer.body);
  char *body = strdup(answer.body);
  answer_deinit(&answer);
  free(rows);
  return body;
}

START_TEST(rows_that_say_when_they_are_are_put_in_order) {
  json_decref(train("next", "{\"type\":\"gru\",\"units\":4}", "\"window\":{\"length\":8,\"time\":\"when\"},\"epochs\":1"));
  for (enum form form = AS_JSON; form <= AS_NDJSON; form++) {
    char *in_order = forecast(1000, 1008, form, false), *newest_first = forecast(990, 1008, form, true),
         *other = forecast(990, 998, form, false);
    ck_assert_str_eq(in_order, newest_first);
    ck_assert_str_ne(in_order, other);
    free(in_order);
    free(newest_first);
    free(other);
  }
  /* Some rows that say it, and some that don't, have no order. */
  json_t *problem = send("POST", "/v1/models/next/predict", "{\"rows\":[{\"load\":1,\"when\":\"2024-02-01\"},{\"load\":2}]}", 422);
  ck_assert_str_eq(json_text_at(problem, "/errors/0/pointer"), "/rows/1/when");
  json_decref(problem);
  problem = send("POST", "/v1/models/next/predict", "{\"rows\":[{\"load\":1},{\"load\":2,\"when\":\"2024-02-01\"}]}", 422);
  ck_assert_str_eq(json_text_at(problem, "/errors/0/pointer"), "/rows/1/when");
  json_decref(problem);
}
END_TEST

START_TEST(a_time_that_is_no_feature_orders_rows_too) {
  json_decref(train("next", "{\"type\":\"gru\",\"units\":4}",
                    "\"window\":{\"length\":8,\"time\":\"when\"},\"features\":[\"temperature\"],\"epochs\":1"));
  for (enum form form = AS_JSON; form <= AS_NDJSON; form++) {
    char *in_order = forecast(1000, 1008, form, false), *newest_first = forecast(990, 1008, form, true);
    ck_assert_str_eq(in_order, newest_first);
    free(in_order);
    free(newest_first);
  }
  json_t *problem = send("POST", "/v1/models/next/predict", "{\"rows\":[{\"temperature\":1,\"when\":\"soon\"}]}", 422);
  ck_assert_str_eq(json_text_at(problem, "/errors/0/pointer"), "/rows/0/when");
  ck_assert_str_eq(json_text_at(problem, "/errors/0/detail"), "\"soon\" is no date, which puts the rows in order of time");
  json_decref(problem);
}
END_TEST

START_TEST(evaluating_on_a_series_out_of_order_is_refused) {
  json_decref(train("next", "{\"type\":\"gru\",\"units\":4}", "\"window\":{\"length\":8,\"time\":\"when\"},\"epochs\":1"));
  json_t *problem = send("POST", "/v1/models/next/evaluate", "{\"dataset\":\"load\"}", 422);
  ck_assert_str_eq(json_text_at(problem, "/errors/0/pointer"), "/dataset");
  ck_assert_ptr_nonnull(strstr(json_text_at(problem, "/errors/0/detail"), "earlier than the row before it"));
  json_decref(problem);
}
END_TEST

START_TEST(what_makes_no_forecast_is_refused) {
  json_decref(train("next", "{\"type\":\"gru\",\"units\":4}", "\"window\":{\"length\":8,\"time\":\"when\"},\"epochs\":1"));
  json_t *problem = send("POST", "/v1/models/next/predict", "{\"rows\":[{\"load\":1},{\"load\":2}]}", 422);
  ck_assert_str_eq(json_text_at(problem, "/errors/0/pointer"), "/rows");
  ck_assert_str_eq(json_text_at(problem, "/errors/0/detail"), "has 2 rows; a forecast is made from the last 8, in order of time");
  json_decref(problem);
  problem = send("POST", "/v1/jobs",
                 "{\"network\":{\"layers\":[{\"type\":\"gru\",\"units\":4},{\"type\":\"dense\",\"units\":\"auto\"}]},\"dataset\":\"load\","
                 "\"target\":\"load\",\"window\":{\"length\":300,\"time\":\"when\"}}",
                 422);
  ck_assert_str_eq(json_text_at(problem, "/errors/0/pointer"), "/split/validation");
  json_decref(problem);
  problem = send("POST", "/v1/jobs",
                 "{\"network\":{\"layers\":[{\"type\":\"dense\",\"units\":\"auto\"}]},\"dataset\":\"load\",\"target\":\"load\",\"window\":{"
                 "\"horizon\":3}}",
                 422);
  ck_assert_str_eq(json_text_at(problem, "/errors/0/pointer"), "/window/length");
  json_decref(problem);
  static const char *const traces[] = {"{\"rows\":[{\"load\":1}],\"targets\":[1]}", "{\"rows\":[]}", "{}"};
  for (size_t i = 0; i < sizeof traces / sizeof traces[0]; i++) {
    problem = send("POST", "/v1/models/next/trace", traces[i], 422);
    ck_assert_str_eq(json_text_at(problem, "/errors/0/pointer"), "/rows");
    ck_assert_str_eq(json_text_at(problem, "/errors/0/detail"),
                     "the model forecasts from windows of 8 rows; a row by itself can't be traced or checked");
    json_decref(problem);
  }
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *forecasts = suite_add_case(suite, "forecasts");
  tcase_add_checked_fixture(forecasts, start, stop);
  tcase_add_test(forecasts, hours_ahead_are_forecast_better_than_without_learning);
  tcase_add_test(forecasts, a_network_without_steps_sees_the_window_side_by_side);
  tcase_add_test(forecasts, evaluating_on_a_series_in_order_measures_its_windows);
  tcase_add_test(forecasts, rows_that_say_when_they_are_are_put_in_order);
  tcase_add_test(forecasts, a_time_that_is_no_feature_orders_rows_too);
  tcase_add_test(forecasts, evaluating_on_a_series_out_of_order_is_refused);
  tcase_add_test(forecasts, what_makes_no_forecast_is_refused);
}

int main(void) { return suite_main("api_forecast", add_cases); }
