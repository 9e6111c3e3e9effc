/* Looking at a dataset over HTTP: rows by conditions, histograms, the report and its warnings. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/server_process.h"
#include "tests/support/suite.h"

static struct server_process server;

static void start(void) { server_start(&server, (const char *const[]){"--log-level", "error", NULL}); }

static void stop(void) { server_end(&server); }

static void upload(const char *path, const char *csv) {
  json_decref(client_expect_json(&server, &(struct client_request){.path = path, .content_type = "text/csv", .body = csv}, 201));
}

static const char cities[] = "city name,people,founded,note\n"
                             "Rome,2800000,0753-04-21,\"old, and warm\"\n"
                             "Oslo,700000,1048-01-01,cold\n"
                             "\"New York, NY\",8300000,1624-05-20,\n"
                             "Rome,2800000,0753-04-21,\"old, and warm\"\n";

START_TEST(rows_can_be_searched_page_by_page) {
  upload("/v1/datasets?name=cities", cities);
  json_t *rows = client_get_json(&server, "/v1/datasets/cities/rows?where=people%3E%3D2e6&limit=1&offset=1", 200);
  ck_assert_double_eq(json_number_at(rows, "/total"), 3);
  ck_assert_uint_eq(json_array_size(json_at(rows, "/rows")), 1);
  ck_assert_str_eq(json_text_at(rows, "/rows/0/0"), "New York, NY");
  ck_assert_double_eq(json_number_at(rows, "/indices/0"), 2);
  json_decref(rows);
  rows = client_get_json(&server, "/v1/datasets/cities/rows?where=%22city%20name%22%20contains%20%22york%2C%22", 200);
  ck_assert_double_eq(json_number_at(rows, "/total"), 1);
  json_decref(rows);
  rows = client_get_json(&server, "/v1/datasets/cities/rows?where=people%3C0", 200);
  ck_assert_uint_eq(json_array_size(json_at(rows, "/rows")), 0);
  json_decref(rows);
  rows = client_get_json(&server, "/v1/datasets/cities/rows?offset=3", 200);
  ck_assert_double_eq(json_number_at(rows, "/indices/0"), 3);
  ck_assert_double_eq(json_number_at(rows, "/total"), 4);
  json_decref(rows);
  rows = client_get_json(&server, "/v1/datasets/cities/rows?where=peopel%3C0", 422);
  ck_assert_ptr_nonnull(strstr(json_text_at(rows, "/detail"), "did you mean \"people\"?"));
  json_decref(rows);
}
END_TEST

START_TEST(histograms_are_found_by_name_and_by_position) {
  upload("/v1/datasets?name=cities", cities);
  json_t *by_name = client_get_json(&server, "/v1/datasets/cities/columns/people/histogram?bins=2", 200);
  json_t *by_position = client_get_json(&server, "/v1/datasets/cities/columns/1/histogram?bins=2", 200);
  ck_assert(json_equal(by_name, by_position));
  ck_assert_double_eq(json_number_at(by_name, "/edges/1"), 4.5e6);
  ck_assert_double_eq(json_number_at(by_name, "/counts/0"), 3);
  json_decref(by_name);
  json_decref(by_position);
  json_t *dates = client_get_json(&server, "/v1/datasets/cities/columns/founded/histogram?bins=1", 200);
  ck_assert_str_eq(json_text_at(dates, "/edges/1"), "1624-05-20T00:00:00Z");
  json_decref(dates);
  json_decref(client_get_json(&server, "/v1/datasets/cities/columns/4/histogram", 404));
  json_decref(client_get_json(&server, "/v1/datasets/cities/columns/poeple/histogram", 404));
  json_decref(client_get_json(&server, "/v1/datasets/cities/columns/people/histogram?bins=0", 400));
  json_decref(client_get_json(&server, "/v1/datasets/cities/columns/people", 404));
}
END_TEST

/* Names as people have them: each is found in a path, in conditions, as target and as feature. */
START_TEST(columns_of_any_name_are_found_by_it) {
  static const struct {
    const char *name, *in_path; /* as encodeURIComponent writes it */
  } columns[] = {{"km/h", "km%2Fh"},
                 {"a\\b", "a%5Cb"},
                 {"two\nlines", "two%0Alines"},
                 {"50 % of.it", "50%20%25%20of.it"},
                 {"größe 😀", "gr%C3%B6%C3%9Fe%20%F0%9F%98%80"},
                 {"~/x?#&", "~%2Fx%3F%23%26"},
                 {"../..", "..%2F.."}};
  enum { COUNT = sizeof columns / sizeof columns[0] };
  char *csv = malloc(8 << 10), *at = csv, path[256], line[256];
  for (size_t k = 0; k < COUNT; k++) at += sprintf(at, "%s\"%s\"", k > 0 ? "," : "", columns[k].name);
  for (int i = 0; i < 60; i++)
    for (size_t k = 0; k < COUNT; k++) at += sprintf(at, "%s%g", k > 0 ? "," : "\n", (i * 7 + (int)k * 3) % 13 + 0.5);
  upload("/v1/datasets?name=names", csv);
  free(csv);
  for (size_t k = 0; k < COUNT; k++) {
    snprintf(path, sizeof path, "/v1/datasets/names/columns/%s/histogram?bins=2", columns[k].in_path);
    json_t *histogram = client_get_json(&server, path, 200);
    ck_assert_str_eq(json_text_at(histogram, "/column"), columns[k].name);
    json_decref(histogram);
    json_t *spec = json_pack("{s:{s:[{s:s,s:s}]},s:s,s:s}", "network", "layers", "type", "dense", "units", "auto", "dataset", "names",
                             "target", columns[k].name);
    char *body = json_dumps(spec, 0);
    json_decref(client_expect_json(&server, &(struct client_request){.path = "/v1/jobs?dry_run=true", .body = body}, 200));
    free(body);
    json_decref(spec);
  }
  snprintf(line, sizeof line, "/v1/datasets/names/rows?where=%s", "%22km%2Fh%22%20%3E%3D%2012%20and%20%22two%0Alines%22%20is%20present");
  json_t *rows = client_get_json(&server, line, 200);
  ck_assert_double_gt(json_number_at(rows, "/total"), 0);
  json_decref(rows);
  json_decref(client_get_json(&server, "/v1/datasets/names/report?target=km%2Fh", 200));
  json_decref(client_get_json(&server, "/v1/datasets/na%2Fmes/columns/0/histogram", 404));
  json_decref(client_get_json(&server, "/v1/datasets/na%2Fmes", 400));
}
END_TEST

static const json_t *find_warning(const json_t *report, const char *code) {
  size_t i;
  json_t *warning;
  json_array_foreach(json_at(report, "/warnings"), i, warning) {
    if (strcmp(json_text_at(warning, "/code"), code) == 0) return warning;
  }
  return NULL;
}

/* 120 rows: an unnamed row number, a twin of the class, a number that goes with it, a constant, a column that is mostly missing. */
static char *make_table(void) {
  char *csv = malloc(120 * 80 + 100), *at = csv;
  at += sprintf(at, "\"\",twin,size,same,rare,class\n");
  for (int i = 0; i < 120; i++) {
    const int class = i % 11 == 0 ? 1 : 0;
    at += sprintf(at, "%d,%s,%d,7,%s,%s\n", i + 1, class ? "yes" : "no", class * 3 + i % 7, i % 5 == 0 ? "here" : "", class ? "b" : "a");
  }
  strcpy(at, "121,no,0,7,here,a\n");
  return csv;
}

START_TEST(the_report_warns_of_what_deceives) {
  char *csv = make_table();
  upload("/v1/datasets?name=t", csv);
  free(csv);
  json_t *categories = client_get_json(&server, "/v1/datasets/t/columns/class/histogram", 200);
  ck_assert_str_eq(json_text_at(categories, "/categories/1"), "b");
  ck_assert_double_eq(json_number_at(categories, "/counts/1"), 11);
  json_decref(categories);
  json_t *report = client_get_json(&server, "/v1/datasets/t/report?target=class", 200);
  ck_assert_str_eq(json_text_at(report, "/target/task"), "classification");
  ck_assert_double_eq(json_number_at(report, "/target/classes/1/count"), 11);
  ck_assert_str_eq(json_text_at(report, "/correlations/0/column"), "twin");
  ck_assert_str_eq(json_text_at(report, "/correlations/0/measure"), "cramers_v");
  ck_assert_str_eq(json_text_at(find_warning(report, "leakage"), "/column"), "twin");
  ck_assert_str_eq(json_text_at(find_warning(report, "row_number"), "/column"), "column_1");
  ck_assert_str_eq(json_text_at(find_warning(report, "constant"), "/column"), "same");
  ck_assert_str_eq(json_text_at(find_warning(report, "mostly_missing"), "/column"), "rare");
  ck_assert_ptr_nonnull(find_warning(report, "class_imbalance"));
  ck_assert_ptr_nonnull(find_warning(report, "duplicate_rows")); /* but for the row number */
  ck_assert(json_is_null(json_at(report, "/shared_rows")));
  json_decref(report);
}
END_TEST

START_TEST(row_numbers_without_a_name_are_no_features_unless_named) {
  char *csv = make_table();
  upload("/v1/datasets?name=t", csv);
  free(csv);
  static const char *const bodies[] = {
      "{\"network\":{\"layers\":[{\"type\":\"dense\",\"units\":\"auto\"}]},\"dataset\":\"t\",\"target\":\"size\","
      "\"task\":\"regression\"}",
      "{\"network\":{\"layers\":[{\"type\":\"dense\",\"units\":\"auto\"}]},\"dataset\":\"t\",\"target\":\"size\","
      "\"task\":\"regression\",\"features\":[\"column_1\",\"twin\",\"same\",\"rare\",\"class\"]}"};
  for (int i = 0; i < 2; i++) {
    json_t *job = client_expect_json(&server, &(struct client_request){.path = "/v1/jobs?dry_run=true", .body = bodies[i]}, 200);
    ck_assert_str_eq(json_text_at(job, "/spec/features/0"), i == 0 ? "twin" : "column_1");
    json_decref(job);
  }
}
END_TEST

START_TEST(rows_of_a_test_dataset_that_were_trained_on_are_told) {
  upload("/v1/datasets?name=cities", cities);
  upload("/v1/datasets?name=test",
         "note,city name,people,founded\n\"old, and warm\",Rome,2800000,0753-04-21\nnew,Bonn,330000,0011-01-01\n");
  json_t *report = client_get_json(&server, "/v1/datasets/cities/report?test_dataset=test", 200);
  ck_assert_double_eq(json_number_at(report, "/duplicates/count"), 1);
  ck_assert_double_eq(json_number_at(report, "/duplicates/first/0/row"), 3);
  ck_assert_double_eq(json_number_at(report, "/shared_rows/count"), 1);
  ck_assert_double_eq(json_number_at(report, "/shared_rows/first/0/same_as"), 0);
  ck_assert_ptr_nonnull(find_warning(report, "shared_rows"));
  ck_assert(json_is_null(json_at(report, "/target")));
  json_decref(report);
  json_decref(client_get_json(&server, "/v1/datasets/cities/report?test_dataset=tset", 404));
  json_decref(client_get_json(&server, "/v1/datasets/cities/report?target=nothing", 404));
}
END_TEST

START_TEST(a_job_tells_of_test_rows_that_it_was_trained_on) {
  char *csv = malloc(200 * 32), *at = csv;
  at += sprintf(at, "x,kind,part\n");
  for (int i = 0; i < 100; i++) at += sprintf(at, "%d,%s,%s\n", i % 90, i % 2 ? "a" : "b", i < 80 ? "train" : "test");
  upload("/v1/datasets?name=t", csv);
  free(csv);
  json_decref(client_expect_json(&server,
                                 &(struct client_request){.path = "/v1/jobs",
                                                          .body = "{\"name\":\"j\",\"network\":{\"layers\":[{\"type\":\"dense\",\"units\":"
                                                                  "\"auto\",\"activation\":\"auto\"}]},\"dataset\":\"t\",\"target\":"
                                                                  "\"kind\",\"split\":{\"column\":\"part\"},\"epochs\":2}"},
                                 202));
  json_decref(client_wait_for(&server, "/v1/jobs/j", "/state", "succeeded", 120000));
  struct client_answer log;
  client_get(&server, "/v1/jobs/j/log", &log);
  /* Rows 90 to 99 repeat rows 0 to 9. */
  ck_assert_msg(strstr(log.body, "10 of the 20 test rows are among the training rows too") != NULL, "%s", log.body);
  answer_deinit(&log);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "explore");
  tcase_add_checked_fixture(test_case, start, stop);
  tcase_add_test(test_case, rows_can_be_searched_page_by_page);
  tcase_add_test(test_case, histograms_are_found_by_name_and_by_position);
  tcase_add_test(test_case, columns_of_any_name_are_found_by_it);
  tcase_add_test(test_case, the_report_warns_of_what_deceives);
  tcase_add_test(test_case, row_numbers_without_a_name_are_no_features_unless_named);
  tcase_add_test(test_case, rows_of_a_test_dataset_that_were_trained_on_are_told);
  tcase_add_test(test_case, a_job_tells_of_test_rows_that_it_was_trained_on);
}

int main(void) { return suite_main("api_explore", add_cases); }
