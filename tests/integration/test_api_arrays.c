/* Arrays and images over HTTP: uploads of several files, what is told of them, their rows, what is refused, what is left on disk. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/server_process.h"
#include "tests/support/suite.h"
#include "tests/support/upload_bodies.h"

enum { TRAIN = 200, TEST = 60, SIDE = 6 };

static struct server_process server;

static void start(void) { server_start(&server, (const char *const[]){"--log-level", "error", NULL}); }

static void stop(void) {
  ck_assert_int_eq(server_stop(&server), 0);
  server_assert_database_is_whole(&server);
  server_cleanup(&server);
}

static json_t *post(const char *path, const char *type, const struct bytes *body, int status) {
  return client_expect_json(
      &server, &(struct client_request){.method = "POST", .path = path, .content_type = type, .body = body->at, .body_bytes = body->count},
      status);
}

static void add_file(struct bytes *body, const char *part, struct bytes file) {
  struct bytes packed = gzip_make(file.at, file.count);
  body_add_file(body, part, packed.at, packed.count);
  bytes_free(&packed);
  bytes_free(&file);
}

static struct bytes make_form(void) {
  struct bytes body = {0};
  add_file(&body, "labels", idx_make_labels(TRAIN));
  add_file(&body, "images", idx_make_images(TRAIN, SIDE, SIDE, 1));
  add_file(&body, "test_images", idx_make_images(TEST, SIDE, SIDE, 2));
  add_file(&body, "test_labels", idx_make_labels(TEST));
  body_end(&body);
  return body;
}

static json_t *upload_images(const char *path) {
  struct bytes body = make_form();
  json_t *dataset = post(path, BODY_TYPE, &body, 201);
  bytes_free(&body);
  return dataset;
}

START_TEST(a_form_of_idx_files_is_one_dataset) {
  json_t *dataset = upload_images("/v1/datasets?name=pictures");
  ck_assert_double_eq(json_number_at(dataset, "/rows"), TRAIN + TEST);
  ck_assert_str_eq(json_text_at(dataset, "/columns/0/kind"), "image");
  ck_assert_double_eq(json_number_at(dataset, "/columns/0/shape/1"), SIDE);
  ck_assert_str_eq(json_text_at(dataset, "/columns/0/element"), "uint8");
  ck_assert_str_eq(json_text_at(dataset, "/columns/1/name"), "label");
  ck_assert_str_eq(json_text_at(dataset, "/part_column"), "part");
  json_t *again = client_get_json(&server, "/v1/datasets/pictures", 200), *list = client_get_json(&server, "/v1/datasets", 200);
  ck_assert(json_equal(dataset, again));
  ck_assert_double_eq(json_number_at(list, "/items/0/columns/0/shape/0"), 1);
  struct bytes images = idx_make_images(TEST, SIDE, SIDE, 2);
  json_t *rows = client_get_json(&server, "/v1/datasets/pictures/rows?offset=201&limit=1", 200);
  ck_assert_double_eq(json_number_at(rows, "/rows/0/0/0/1/2"), (unsigned char)images.at[16 + SIDE * SIDE + SIDE + 2]);
  ck_assert_double_eq(json_number_at(rows, "/rows/0/1"), 1);
  ck_assert_str_eq(json_text_at(rows, "/rows/0/2"), "test");
  ck_assert_uint_eq(server_count_dataset_files(&server), 2);
  struct client_answer answer;
  client_delete(&server, "/v1/datasets/pictures", &answer);
  ck_assert_int_eq(answer.status, 204);
  answer_deinit(&answer);
  ck_assert_uint_eq(server_count_dataset_files(&server), 0);
  bytes_free(&images);
  json_decref(rows);
  json_decref(list);
  json_decref(again);
  json_decref(dataset);
}
END_TEST

START_TEST(large_arrays_are_told_by_their_shape) {
  struct bytes images = idx_make_images(2, 100, 50, 1);
  json_t *dataset = post("/v1/datasets?name=large&format=idx", "application/octet-stream", &images, 201);
  json_t *rows = client_get_json(&server, "/v1/datasets/large/rows", 200);
  ck_assert_double_eq(json_number_at(rows, "/rows/1/0/shape/1"), 100);
  ck_assert_str_eq(json_text_at(rows, "/rows/1/0/element"), "uint8");
  json_decref(rows);
  json_decref(dataset);
  bytes_free(&images);
}
END_TEST

START_TEST(the_format_is_given_or_found) {
  static const struct {
    const char *path, *type, *body;
    int status;
  } cases[] = {
      {"/v1/datasets?format=csv", "", "a,b\n1,2\n", 201},
      {"/v1/datasets?format=tsv", "application/octet-stream", "a\tb\n1\t2\n", 201},
      {"/v1/datasets?format=csv", "text/plain", "a,b\n1,2\n", 201},
      {"/v1/datasets?format=xls", "text/csv", "a,b\n1,2\n", 400},
      {"/v1/datasets?format=idx", "text/csv", "a,b\n1,2\n", 422},
      {"/v1/datasets", "application/octet-stream", "a,b\n1,2\n", 415},
      {"/v1/datasets", "text/plain", "a,b\n1,2\n", 415},
      {"/v1/datasets", "multipart/form-data", "a,b\n1,2\n", 400},
      {"/v1/datasets", BODY_TYPE, "a,b\n1,2\n", 400},
      {"/v1/datasets", BODY_TYPE,
       "--" BODY_BOUNDARY "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x.csv\"\r\n\r\na,b\n1,2\n\r\n--" BODY_BOUNDARY
       "--",
       201},
      {"/v1/datasets", BODY_TYPE,
       "--" BODY_BOUNDARY
       "\r\nContent-Disposition: form-data; name=\"other\"\r\nContent-Type: text/csv\r\n\r\na,b\n1,2\n\r\n--" BODY_BOUNDARY "--",
       201},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const size_t before = server_count_dataset_files(&server);
    json_t *json = client_expect_json(
        &server, &(struct client_request){.path = cases[i].path, .content_type = cases[i].type, .body = cases[i].body}, cases[i].status);
    ck_assert_uint_eq(server_count_dataset_files(&server), before + (cases[i].status == 201));
    json_decref(json);
  }
}
END_TEST

START_TEST(the_same_form_with_the_same_key_is_answered_once) {
  struct bytes body = make_form();
  const char *const headers[] = {"Idempotency-Key: once", NULL};
  const struct client_request request = {
      .path = "/v1/datasets?name=keyed", .content_type = BODY_TYPE, .body = body.at, .body_bytes = body.count, .headers = headers};
  json_t *first = client_expect_json(&server, &request, 201), *second = client_expect_json(&server, &request, 201);
  ck_assert(json_equal(first, second));
  ck_assert_uint_eq(server_count_dataset_files(&server), 2);
  json_decref(first);
  json_decref(second);
  bytes_free(&body);
}
END_TEST

START_TEST(kinds_of_arrays_cannot_be_changed) {
  json_t *dataset = upload_images("/v1/datasets?name=fixed");
  json_t *problem = client_expect_json(
      &server, &(struct client_request){.method = "PATCH", .path = "/v1/datasets/fixed", .body = "{\"columns\": {\"image\": \"numeric\"}}"},
      422);
  ck_assert_str_eq(json_text_at(problem, "/errors/0/pointer"), "/columns/image");
  json_decref(problem);
  problem = client_expect_json(
      &server, &(struct client_request){.method = "PATCH", .path = "/v1/datasets/fixed", .body = "{\"columns\": {\"label\": \"image\"}}"},
      422);
  json_decref(problem);
  problem = client_expect_json(
      &server,
      &(struct client_request){.method = "PATCH", .path = "/v1/datasets/fixed", .body = "{\"columns\": {\"label\": \"categorical\"}}"},
      200);
  json_decref(problem);
  json_decref(dataset);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *uploads = suite_add_case(suite, "uploads");
  tcase_add_checked_fixture(uploads, start, stop);
  tcase_add_test(uploads, a_form_of_idx_files_is_one_dataset);
  tcase_add_test(uploads, large_arrays_are_told_by_their_shape);
  tcase_add_test(uploads, the_format_is_given_or_found);
  tcase_add_test(uploads, the_same_form_with_the_same_key_is_answered_once);
  tcase_add_test(uploads, kinds_of_arrays_cannot_be_changed);
}

int main(void) { return suite_main("arrays over HTTP", add_cases); }
