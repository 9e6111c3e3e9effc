/* Tables of several parts over HTTP: train and test files in one form become a dataset that jobs are split by. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/server_process.h"
#include "tests/support/suite.h"
#include "tests/support/upload_bodies.h"

enum { TRAIN = 80, TEST = 20 };

static struct server_process server;

static void start(void) { server_start(&server, (const char *const[]){"--log-level", "error", NULL}); }

static void stop(void) { server_end(&server); }

/* As curl -F part=@file sends it. */
static void add_named_file(struct bytes *body, const char *part, const char *file, const struct bytes *content) {
  char head[512];
  snprintf(head, sizeof head,
           "--" BODY_BOUNDARY "\r\nContent-Disposition: form-data; name=\"%s\"; filename=\"%s\"\r\n"
           "Content-Type: application/octet-stream\r\n\r\n",
           part, file);
  bytes_append_text(body, head);
  bytes_append(body, content->at, content->count);
  bytes_append_text(body, "\r\n");
}

/* Two classes that one number tells apart; of a test table they are the other way round, so that its accuracy
 * tells it from the training's. */
static struct bytes make_table(const char *header, size_t rows, bool is_test) {
  struct bytes table = {0};
  bytes_append_text(&table, header);
  for (size_t i = 0; i < rows; i++) {
    const char *class = (i % 2 == 0) != is_test ? "low" : "high";
    const double size = (i % 2 == 0 ? -1 : 1) * (1.5 + (double)(i % 7) / 7);
    char line[64];
    if (is_test)
      snprintf(line, sizeof line, "%s,%.3f\n", class, size);
    else
      snprintf(line, sizeof line, "%.3f,%s\n", size, class);
    bytes_append_text(&table, line);
  }
  return table;
}

static json_t *post_form(const char *path, const struct bytes *body, int status) {
  return client_expect_json(
      &server,
      &(struct client_request){.method = "POST", .path = path, .content_type = BODY_TYPE, .body = body->at, .body_bytes = body->count},
      status);
}

static void upload_parts(void) {
  struct bytes train = make_table("size,class\n", TRAIN, false), test = make_table("class,size\n", TEST, true), body = {0};
  bytes_append_text(&train, "1,2,3\n");
  struct bytes packed = gzip_make(test.at, test.count);
  add_named_file(&body, "test", "b.csv.gz", &packed);
  add_named_file(&body, "train", "a.csv", &train);
  body_end(&body);
  json_t *dataset = post_form("/v1/datasets?name=parts", &body, 201);
  ck_assert_double_eq(json_number_at(dataset, "/rows"), TRAIN + TEST);
  ck_assert_double_eq(json_number_at(dataset, "/bytes"), (double)(train.count + test.count));
  ck_assert_str_eq(json_text_at(dataset, "/part_column"), "part");
  ck_assert_str_eq(json_text_at(dataset, "/columns/2/name"), "part");
  ck_assert_str_eq(json_text_at(dataset, "/bad_rows/first/0/reason"), "of part \"train\" has 3 cells, the header has 2");
  ck_assert_double_eq(json_number_at(dataset, "/bad_rows/first/0/line"), TRAIN + 2);
  json_decref(dataset);
  json_t *rows = client_get_json(&server, "/v1/datasets/parts/rows?offset=80&limit=1", 200);
  ck_assert_str_eq(json_text_at(rows, "/rows/0/1"), "high");
  ck_assert_str_eq(json_text_at(rows, "/rows/0/2"), "test");
  json_decref(rows);
  bytes_free(&packed);
  bytes_free(&train);
  bytes_free(&test);
  bytes_free(&body);
}

START_TEST(a_job_is_split_by_the_parts_of_its_upload) {
  upload_parts();
  const char *spec =
      "{\"name\": \"job\", \"dataset\": \"parts\", \"target\": \"class\", \"epochs\": 40, \"seed\": 1, \"network\": {\"layers\": "
      "[{\"type\": \"dense\", \"units\": 4, \"activation\": \"relu\"}, "
      "{\"type\": \"dense\", \"units\": \"auto\", \"activation\": \"auto\"}]}}";
  json_decref(client_expect_json(&server, &(struct client_request){.path = "/v1/jobs", .body = spec}, 202));
  json_t *job = client_wait_for(&server, "/v1/jobs/job", "/state", "succeeded|failed", 60000);
  ck_assert_str_eq(json_text_at(job, "/state"), "succeeded");
  ck_assert_str_eq(json_text_at(job, "/spec/split/column"), "part");
  ck_assert_double_le(json_number_at(job, "/metrics/test/accuracy"), 0.05);
  json_decref(job);
  json_t *answer =
      client_expect_json(&server, &(struct client_request){.path = "/v1/models/job/predict", .body = "{\"rows\": [{\"size\": 2}]}"}, 200);
  ck_assert_str_eq(json_text_at(answer, "/predictions/0/class"), "high");
  json_decref(answer);
  struct client_answer lines; /* of a spreadsheet with commas before decimals */
  client_post_csv(&server, "/v1/models/job/predict", "size;note\n2,25;x\n-1.002,25;x", &lines);
  ck_assert_int_eq(lines.status, 200);
  ck_assert_ptr_nonnull(strstr(lines.body, "\nhigh,"));
  ck_assert_ptr_nonnull(strstr(lines.body, "\nlow,"));
  answer_deinit(&lines);
}
END_TEST

/* As R and pandas write them, from 0 or 1 on in each file, or on through both. */
START_TEST(row_numbers_of_parts_are_no_features) {
  for (int k = 0; k < 3; k++) {
    const char *const names[] = {"again", "from-one", "on"};
    struct bytes body = {0};
    char path[64], spec[256];
    for (int part = 0; part < 2; part++) {
      struct bytes table = {0};
      bytes_append_text(&table, ",size,class\n");
      for (int i = 0; i < (part == 0 ? TRAIN : TEST); i++) {
        char line[64];
        snprintf(line, sizeof line, "%d,%d.5,%s\n", i + (k == 1) + (k == 2 && part == 1 ? TRAIN : 0), i % 9, i % 2 == 0 ? "low" : "high");
        bytes_append_text(&table, line);
      }
      add_named_file(&body, part == 0 ? "train" : "test", "table.csv", &table);
      bytes_free(&table);
    }
    body_end(&body);
    snprintf(path, sizeof path, "/v1/datasets?name=%s", names[k]);
    json_decref(post_form(path, &body, 201));
    bytes_free(&body);
    snprintf(spec, sizeof spec,
             "{\"dataset\": \"%s\", \"target\": \"class\", \"network\": {\"layers\": [{\"type\": \"dense\", \"units\": \"auto\", "
             "\"activation\": \"auto\"}]}}",
             names[k]);
    json_t *job = client_expect_json(&server, &(struct client_request){.path = "/v1/jobs?dry_run=true", .body = spec}, 200);
    ck_assert_uint_eq(json_array_size(json_at(job, "/spec/features")), 1);
    ck_assert_str_eq(json_text_at(job, "/spec/features/0"), "size");
    json_decref(job);
    snprintf(path, sizeof path, "/v1/datasets/%s/report", names[k]);
    json_t *report = client_get_json(&server, path, 200);
    ck_assert_double_gt(json_number_at(report, "/duplicates/count"), 50); /* by what rows say, not by their numbers */
    json_decref(report);
  }
}
END_TEST

START_TEST(parts_that_do_not_fit_are_refused_and_nothing_is_kept) {
  static const struct {
    const char *header, *words;
  } cases[] = {{"size,kind\n", "part \"test\" has no column \"class\", which part \"train\" has"},
               {"size,class,part\n", "part \"test\" has a column \"part\""}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct bytes train = make_table("size,class\n", TRAIN, false), test = make_table(cases[i].header, TEST, false), body = {0};
    add_named_file(&body, "train", "a.csv", &train);
    add_named_file(&body, "test", "b.csv", &test);
    body_end(&body);
    json_t *problem = post_form("/v1/datasets?name=bad", &body, 422);
    ck_assert_msg(strstr(json_text_at(problem, "/detail"), cases[i].words) != NULL, "%s", json_text_at(problem, "/detail"));
    ck_assert_uint_eq(server_count_dataset_files(&server), 0);
    json_decref(problem);
    bytes_free(&train);
    bytes_free(&test);
    bytes_free(&body);
  }
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *parts = suite_add_case(suite, "parts");
  tcase_add_checked_fixture(parts, start, stop);
  tcase_add_test(parts, a_job_is_split_by_the_parts_of_its_upload);
  tcase_add_test(parts, row_numbers_of_parts_are_no_features);
  tcase_add_test(parts, parts_that_do_not_fit_are_refused_and_nothing_is_kept);
}

int main(void) { return suite_main("parts over HTTP", add_cases); }
