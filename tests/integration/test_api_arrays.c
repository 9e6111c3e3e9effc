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

static void stop(void) { server_end(&server); }

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

/* ---- learning from images ---- */

static json_t *train(const char *name, const char *network, const char *more, int status) {
  char body[1024], path[128];
  snprintf(body, sizeof body, "{\"name\": \"%s\", \"network\": {\"layers\": %s}, \"dataset\": \"pictures\", \"epochs\": 6, \"seed\": 3%s}",
           name, network, more);
  json_t *job = client_expect_json(&server, &(struct client_request){.path = "/v1/jobs", .body = body}, status);
  if (status != 202) return job;
  json_decref(job);
  snprintf(path, sizeof path, "/v1/jobs/%s", name);
  return client_wait_for(&server, path, "/state", "succeeded|failed", 60000);
}

#define LABEL ", \"target\": \"label\""
#define OUTPUT "{\"type\": \"dense\", \"units\": \"auto\", \"activation\": \"auto\"}"
static const char *const networks[] = {
    "[{\"type\": \"dense\", \"units\": 16, \"activation\": \"relu\"}, " OUTPUT "]",
    "[{\"type\": \"conv2d\", \"filters\": 4, \"kernel_size\": 3, \"activation\": \"relu\"}, {\"type\": \"flatten\"}, " OUTPUT "]",
    "[{\"type\": \"flatten\"}, {\"type\": \"batch_norm\"}, " OUTPUT "]",
};

/* Rows of the test part, as the server shows them, sent back for prediction. */
static void check_predictions(const char *model) {
  char path[128];
  snprintf(path, sizeof path, "/v1/models/%s/predict", model);
  json_t *rows = client_get_json(&server, "/v1/datasets/pictures/rows?offset=200&limit=20", 200);
  json_t *body = json_pack("{s:[]}", "rows");
  for (size_t i = 0; i < 20; i++)
    json_array_append_new(json_object_get(body, "rows"),
                          json_pack("{s:O}", "image", json_array_get(json_array_get(json_object_get(rows, "rows"), i), 0)));
  char *text = json_dumps(body, 0);
  json_t *answer = client_expect_json(&server, &(struct client_request){.path = path, .body = text}, 200);
  for (size_t i = 0; i < 20; i++) {
    char at[64];
    snprintf(at, sizeof at, "/predictions/%zu/class", i);
    ck_assert_str_eq(json_text_at(answer, at), i % 2 == 0 ? "0" : "1");
  }
  json_decref(answer);
  json_decref(body);
  json_decref(rows);
  free(text);
}

START_TEST(networks_learn_from_images_where_they_lie) {
  json_t *dataset = upload_images("/v1/datasets?name=pictures");
  json_t *job = train("net", networks[_i], LABEL, 202);
  ck_assert_msg(strcmp(json_text_at(job, "/state"), "succeeded") == 0, "%s", json_text_at(job, "/error/detail"));
  ck_assert_str_eq(json_text_at(job, "/spec/split/column"), "part");
  ck_assert_double_ge(json_number_at(job, "/metrics/test/accuracy"), 0.95);
  ck_assert_double_eq(json_number_at(job, "/network_spec/input/shape/0"), _i == 0 ? SIDE * SIDE : 1);
  json_t *model = client_get_json(&server, "/v1/models/net", 200);
  ck_assert_str_eq(json_text_at(model, "/inputs/0/kind"), "image");
  ck_assert_double_eq(json_number_at(model, "/inputs/0/shape/2"), SIDE);
  check_predictions("net");
  json_t *metrics =
      client_expect_json(&server, &(struct client_request){.path = "/v1/models/net/evaluate", .body = "{\"dataset\": \"pictures\"}"}, 200);
  ck_assert_double_eq(json_number_at(metrics, "/rows"), TRAIN + TEST);
  ck_assert_double_ge(json_number_at(metrics, "/metrics/accuracy"), 0.95);
  /* The same again gives the same weights, with other threads too. */
  json_t *again = train("again", networks[_i], LABEL ", \"threads\": 2", 202);
  ck_assert_str_eq(json_text_at(again, "/weights_sha256"), json_text_at(job, "/weights_sha256"));
  json_decref(again);
  json_decref(metrics);
  json_decref(model);
  json_decref(job);
  json_decref(dataset);
}
END_TEST

static void check_prediction(const char *body, int status, const char *pointer, const char *words) {
  json_t *answer = client_expect_json(&server, &(struct client_request){.path = "/v1/models/net/predict", .body = body}, status);
  if (status != 200) {
    ck_assert_str_eq(json_text_at(answer, "/errors/0/pointer"), pointer);
    ck_assert_msg(strstr(json_text_at(answer, "/errors/0/detail"), words) != NULL, "%s", json_text_at(answer, "/errors/0/detail"));
  }
  json_decref(answer);
}

START_TEST(an_image_is_predicted_as_nested_or_flat_pixels) {
  json_t *dataset = upload_images("/v1/datasets?name=pictures"), *job = train("net", networks[0], LABEL, 202);
  struct bytes flat = {0}, plane = {0};
  bytes_append_text(&flat, "{\"rows\": [{\"image\": [");
  bytes_append_text(&plane, "{\"rows\": [[[");
  for (size_t i = 0; i < SIDE; i++) {
    bytes_append_text(&plane, i == 0 ? "[" : ",[");
    for (size_t k = 0; k < SIDE; k++) {
      bytes_append_text(&plane, k == 0 ? "0" : ",200");
      bytes_append_text(&flat, i + k == 0 ? "7" : ",255");
    }
    bytes_append_text(&plane, "]");
  }
  bytes_append_text(&flat, "]}]}");
  bytes_append_text(&plane, "]]]}");
  check_prediction(flat.at, 200, NULL, NULL);
  check_prediction(plane.at, 200, NULL, NULL);
  check_prediction("{\"rows\": [{\"image\": [1, 2, 3]}]}", 422, "/rows/0/image", "an array of 36");
  check_prediction("{\"rows\": [{\"image\": [[1, 2, 3], [4, 5, 6]]}]}", 422, "/rows/0/image", "an array of 6");
  check_prediction("{\"rows\": [{\"image\": \"cat.png\"}]}", 422, "/rows/0/image", "1 × 6 × 6 pixels");
  check_prediction("{\"rows\": [{}]}", 422, "/rows/0/image", "is missing");
  check_prediction("{\"rows\": [{\"imag\": 1}]}", 422, "/rows/0/imag", "did you mean \"image\"");
  flat.at[strlen("{\"rows\": [{\"image\": [")] = '-';
  check_prediction(flat.at, 400, "", "");
  bytes_free(&flat);
  bytes_free(&plane);
  json_decref(job);
  json_decref(dataset);
}
END_TEST

START_TEST(what_does_not_go_with_images_is_refused) {
  json_t *dataset = upload_images("/v1/datasets?name=pictures");
  json_t *problem = train("bad", networks[0], LABEL ", \"features\": [\"image\", \"part\"], \"split\": {\"column\": \"\"}", 422);
  ck_assert_str_eq(json_text_at(problem, "/errors/0/pointer"), "/features");
  json_decref(problem);
  problem = train("bad", networks[0], ", \"target\": \"image\"", 422);
  ck_assert_str_eq(json_text_at(problem, "/errors/0/pointer"), "/target");
  json_decref(problem);
  json_decref(dataset);
}
END_TEST

/* ---- learning from arrays of steps ---- */

enum { SERIES = 240, STEPS = 8 };

/* [SERIES, STEPS, 2]: the second number of each step is large and its sign tells the class; the first is noise. */
static struct bytes make_series(void) {
  float *values = calloc(SERIES * STEPS * 2, sizeof *values);
  for (size_t i = 0; i < SERIES * STEPS; i++) {
    values[2 * i] = (float)(i * 37 % 11) / 1000;
    values[2 * i + 1] = (i / STEPS % 2 == 0 ? 1.0F : -1.0F) * (float)(500 + i * 53 % 100) + 10000;
  }
  struct bytes file =
      npy_make(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (240, 8, 2), }\n", values, SERIES * STEPS * 2 * sizeof *values);
  free(values);
  return file;
}

static const char *const step_networks[] = {
    "[{\"type\": \"lstm\", \"units\": 8}, " OUTPUT "]",
    "[{\"type\": \"dense\", \"units\": 8, \"activation\": \"relu\"}, " OUTPUT "]",
};

START_TEST(networks_learn_from_arrays_of_steps) {
  struct bytes x = make_series(), y = {0}, body = {0};
  unsigned char labels[SERIES];
  for (size_t i = 0; i < SERIES; i++) labels[i] = (unsigned char)(i % 2);
  y = npy_make(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (240,), }\n", labels, SERIES);
  body_add_file(&body, "x", x.at, x.count);
  body_add_file(&body, "y", y.at, y.count);
  body_end(&body);
  json_t *dataset = post("/v1/datasets?name=pictures", BODY_TYPE, &body, 201);
  ck_assert_str_eq(json_text_at(dataset, "/columns/0/kind"), "sequence");
  ck_assert_str_eq(json_text_at(dataset, "/columns/0/element"), "float32");
  json_t *job = train("net", step_networks[_i], ", \"target\": \"y\", \"optimizer\": {\"type\": \"adam\", \"learning_rate\": 0.02}", 202);
  ck_assert_msg(strcmp(json_text_at(job, "/state"), "succeeded") == 0, "%s", json_text_at(job, "/error/detail"));
  ck_assert_double_ge(json_number_at(job, "/metrics/test/accuracy"), 0.95);
  ck_assert_double_eq(json_number_at(job, "/network_spec/input/shape/0"), _i == 0 ? STEPS : 2 * STEPS);
  json_t *model = client_get_json(&server, "/v1/models/net", 200);
  ck_assert_double_eq_tol(json_number_at(model, "/preprocessing/features/0/sequence/centers/1"), 10000, 100);
  ck_assert_double_lt(json_number_at(model, "/preprocessing/features/0/sequence/scales/0"), 0.01);
  json_t *rows = client_get_json(&server, "/v1/datasets/pictures/rows?limit=2", 200);
  json_t *request = json_pack("{s:[{s:O},{s:O}]}", "rows", "sequence", json_at(rows, "/rows/0/0"), "sequence", json_at(rows, "/rows/1/0"));
  char *text = json_dumps(request, 0);
  json_t *answer = client_expect_json(&server, &(struct client_request){.path = "/v1/models/net/predict", .body = text}, 200);
  ck_assert_str_eq(json_text_at(answer, "/predictions/0/class"), "0");
  ck_assert_str_eq(json_text_at(answer, "/predictions/1/class"), "1");
  check_prediction("{\"rows\": [{\"sequence\": [[1, 2], [3]]}]}", 422, "/rows/0/sequence/1", "an array of 2 numbers");
  check_prediction("{\"rows\": [{\"sequence\": \"1 2 3\"}]}", 422, "/rows/0/sequence", "[steps][2] numbers");
  json_t *metrics =
      client_expect_json(&server, &(struct client_request){.path = "/v1/models/net/evaluate", .body = "{\"dataset\": \"pictures\"}"}, 200);
  ck_assert_double_ge(json_number_at(metrics, "/metrics/accuracy"), 0.95);
  json_decref(metrics);
  json_decref(answer);
  json_decref(request);
  json_decref(rows);
  json_decref(model);
  json_decref(job);
  json_decref(dataset);
  free(text);
  bytes_free(&x);
  bytes_free(&y);
  bytes_free(&body);
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
  TCase *learning = suite_add_case(suite, "learning");
  tcase_add_checked_fixture(learning, start, stop);
  tcase_add_loop_test(learning, networks_learn_from_images_where_they_lie, 0, sizeof networks / sizeof networks[0]);
  tcase_add_loop_test(learning, networks_learn_from_arrays_of_steps, 0, sizeof step_networks / sizeof step_networks[0]);
  tcase_add_test(learning, an_image_is_predicted_as_nested_or_flat_pixels);
  tcase_add_test(learning, what_does_not_go_with_images_is_refused);
}

int main(void) { return suite_main("arrays over HTTP", add_cases); }
