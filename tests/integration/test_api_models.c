/* Models over HTTP: predictions of every task as JSON and CSV, evaluation, export, use while others train. */
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/server_process.h"
#include "tests/support/suite.h"

static struct server_process server;

enum { ROWS = 240 };

/* Columns: a number with holes, a color, and targets that follow from them. */
static void upload_table(void) {
  char *csv = malloc(ROWS * 128), *at = csv;
  at += sprintf(at, "size,color,fits,price,weight,big,red\n");
  for (int i = 0; i < ROWS; i++) {
    int size = i * 7 % 40, is_red = i % 3 == 0;
    if (i % 17 == 5)
      at += sprintf(at, ",");
    else
      at += sprintf(at, "%d,", size);
    at += sprintf(at, "%s,%s,%d,%.1f,%d,%d\n",
                  is_red       ? "red"
                  : i % 3 == 1 ? "green"
                               : "\"blue, dark\"",
                  size > 19 ? "yes" : "no", 1000 + 50 * size + (is_red ? 300 : 0), size * 0.5, size > 19, is_red);
  }
  struct client_request request = {.method = "POST", .path = "/v1/datasets?name=table", .content_type = "text/csv", .body = csv};
  json_decref(client_expect_json(&server, &request, 201));
  free(csv);
}

static json_t *post(const char *path, const char *body, int status) {
  return client_expect_json(&server, &(struct client_request){.method = "POST", .path = path, .body = body}, status);
}

/* Trains `layers` on the table and returns the finished job. */
static json_t *train(const char *name, const char *layers, const char *more) {
  char body[2048], path[64];
  snprintf(body, sizeof body,
           "{\"name\":\"%s\",\"network\":{\"layers\":[{\"type\":\"dense\",\"units\":24,\"activation\":\"tanh\"},%s]},\"dataset\":\"table\","
           "\"seed\":3,"
           "\"optimizer\":{\"type\":\"adam\",\"learning_rate\":0.01},\"epochs\":150,%s}",
           name, layers, more);
  json_decref(post("/v1/jobs", body, 202));
  snprintf(path, sizeof path, "/v1/jobs/%s", name);
  json_t *job = client_wait_for(&server, path, "/state", "succeeded|failed", 120000);
  ck_assert_str_eq(json_text_at(job, "/state"), "succeeded");
  return job;
}

#define AUTO_LAYER "{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"auto\"}"

static void start(void) {
  server_start(&server, (const char *const[]){"--log-level", "error", NULL});
  upload_table();
}

static void stop(void) {
  ck_assert_int_eq(server_stop(&server), 0);
  server_cleanup(&server);
}

START_TEST(a_classification_gives_a_class_and_probabilities_that_sum_to_one) {
  json_decref(train("fits", AUTO_LAYER, "\"target\":\"fits\",\"features\":[\"size\",\"color\"]"));
  json_t *answer = post("/v1/models/fits/predict",
                        "{\"rows\":[{\"size\":35,\"color\":\"red\"},{\"size\":\"2\",\"color\":\"blue, "
                        "dark\",\"fits\":\"no\"},[30,\"green\"],{\"color\":null},"
                        "{\"size\":5,\"color\":\"never seen\"}]}",
                        200);
  ck_assert_str_eq(json_text_at(answer, "/predictions/0/class"), "yes");
  ck_assert_str_eq(json_text_at(answer, "/predictions/1/class"), "no");
  ck_assert_str_eq(json_text_at(answer, "/predictions/2/class"), "yes");
  ck_assert_uint_eq(json_array_size(json_at(answer, "/predictions")), 5);
  double sum = json_number_at(answer, "/predictions/0/probabilities/yes") + json_number_at(answer, "/predictions/0/probabilities/no");
  ck_assert_double_eq_tol(sum, 1, 1e-6);
  json_decref(answer);
  json_t *problem =
      post("/v1/models/fits/predict", "{\"rows\":[{\"size\":35,\"colour\":\"red\"},{\"size\":\"wide\"},[1],{\"size\":[1]}]}", 422);
  ck_assert_str_eq(json_text_at(problem, "/errors/0/pointer"), "/rows/0/colour");
  ck_assert_str_eq(json_text_at(problem, "/errors/1/pointer"), "/rows/1/size");
  ck_assert_str_eq(json_text_at(problem, "/errors/2/pointer"), "/rows/2");
  ck_assert_str_eq(json_text_at(problem, "/errors/3/pointer"), "/rows/3/size");
  json_decref(problem);
}
END_TEST

START_TEST(one_sigmoid_is_enough_for_two_classes) {
  json_t *job =
      train("one", "{\"type\":\"dense\",\"units\":1,\"activation\":\"sigmoid\"}", "\"target\":\"fits\",\"features\":[\"size\",\"color\"]");
  ck_assert_str_eq(json_text_at(job, "/spec/loss/type"), "binary_cross_entropy");
  ck_assert_double_ge(json_number_at(job, "/metrics/test/accuracy"), 0.85);
  json_decref(job);
  json_t *answer = post("/v1/models/one/predict", "{\"rows\":[{\"size\":38,\"color\":\"red\"},{\"size\":1,\"color\":\"red\"}]}", 200);
  ck_assert_str_eq(json_text_at(answer, "/predictions/0/class"), "yes");
  ck_assert_str_eq(json_text_at(answer, "/predictions/1/class"), "no");
  ck_assert_double_eq_tol(
      json_number_at(answer, "/predictions/0/probabilities/no") + json_number_at(answer, "/predictions/0/probabilities/yes"), 1, 1e-6);
  json_decref(answer);
  json_t *evaluation = post("/v1/models/one/evaluate", "{\"dataset\":\"table\"}", 200);
  ck_assert_double_ge(json_number_at(evaluation, "/metrics/accuracy"), 0.85);
  json_decref(evaluation);
}
END_TEST

START_TEST(sigmoid_with_auto_units_is_one_output_for_two_classes) {
  json_t *job = train("auto-one", "{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"sigmoid\"}",
                      "\"target\":\"fits\",\"features\":[\"size\"]");
  ck_assert_int_eq((int)json_number_at(job, "/network_spec/layers/1/units"), 1);
  json_decref(job);
  json_t *answer = post("/v1/models/auto-one/predict", "{\"rows\":[[20]]}", 200);
  ck_assert_double_eq_tol(
      json_number_at(answer, "/predictions/0/probabilities/no") + json_number_at(answer, "/predictions/0/probabilities/yes"), 1, 1e-6);
  json_decref(answer);
}
END_TEST

/* All rows are training, validation and test part at once, so that the three losses must be one, weights or none. */
START_TEST(a_weighted_loss_is_the_same_wherever_it_is_told) {
  static const char *const weights[] = {"null", "\"balanced\"", "[1,3,0.25]"};
  char csv[4096], *at = csv, more[512], name[24], path[64];
  at += sprintf(at, "x,kind,part\n");
  for (int part = 0; part < 3; part++) {
    const char *const parts[] = {"train", "validation", "test"};
    for (int i = 0; i < 30; i++) at += sprintf(at, "%d,%s,%s\n", i * 7 % 30, i < 20 ? "a" : i < 27 ? "b" : "c", parts[part]);
  }
  struct client_request upload = {.method = "POST", .path = "/v1/datasets?name=thrice", .content_type = "text/csv", .body = csv};
  json_decref(client_expect_json(&server, &upload, 201));
  double told[3];
  for (int i = 0; i < 3; i++) {
    snprintf(name, sizeof name, "weighted-%d", i);
    snprintf(more, sizeof more,
             "{\"name\":\"%s\",\"network\":{\"layers\":[%s]},\"dataset\":\"thrice\",\"target\":\"kind\",\"features\":[\"x\"],\"split\":"
             "{\"column\":\"part\"},\"epochs\":3,\"loss\":{\"type\":\"cross_entropy\",\"class_weights\":%s}}",
             name, AUTO_LAYER, weights[i]);
    json_decref(post("/v1/jobs", more, 202));
    snprintf(path, sizeof path, "/v1/jobs/%s", name);
    json_t *job = client_wait_for(&server, path, "/state", "succeeded|failed", 60000);
    told[i] = json_number_at(job, "/metrics/test/loss");
    ck_assert_double_eq_tol(json_number_at(job, "/metrics/latest/validation_loss"), told[i], 1e-6);
    json_decref(job);
    snprintf(path, sizeof path, "/v1/models/%s/evaluate", name);
    json_t *evaluation = post(path, "{\"dataset\":\"thrice\"}", 200);
    ck_assert_double_eq_tol(json_number_at(evaluation, "/metrics/loss"), told[i], 1e-6);
    json_decref(evaluation);
  }
  ck_assert_double_gt(fabs(told[1] - told[0]), 1e-3);
  ck_assert_double_gt(fabs(told[2] - told[0]), 1e-3);
}
END_TEST

START_TEST(errors_of_numbers_far_from_zero_keep_their_digits) {
  char csv[8192], *at = csv;
  at += sprintf(at, "x,when\n");
  for (int i = 0; i < 200; i++) at += sprintf(at, "%d,%.1f\n", i % 2, 1700000000 + (i % 4 < 2 ? 0.5 : -0.5));
  struct client_request upload = {.method = "POST", .path = "/v1/datasets?name=times", .content_type = "text/csv", .body = csv};
  json_decref(client_expect_json(&server, &upload, 201));
  json_decref(post("/v1/jobs",
                   "{\"name\":\"times\",\"network\":{\"layers\":[" AUTO_LAYER "]},\"dataset\":\"times\",\"target\":\"when\",\"task\":"
                   "\"regression\",\"epochs\":40}",
                   202));
  json_t *job = client_wait_for(&server, "/v1/jobs/times", "/state", "succeeded|failed", 60000);
  /* x says nothing of the target, which is half a unit off its mean: float32 holds such numbers to 128 units. */
  ck_assert_double_eq_tol(json_number_at(job, "/metrics/test/mae"), 0.5, 0.1);
  ck_assert_double_eq_tol(json_number_at(job, "/metrics/latest/validation_mae"), 0.5, 0.1);
  json_decref(job);
  json_t *evaluation = post("/v1/models/times/evaluate", "{\"dataset\":\"times\"}", 200);
  ck_assert_double_eq_tol(json_number_at(evaluation, "/metrics/rmse"), 0.5, 0.1);
  json_decref(evaluation);
}
END_TEST

START_TEST(numbers_come_in_the_units_of_the_data) {
  json_t *job = train("price", AUTO_LAYER, "\"target\":\"price\",\"features\":[\"size\",\"color\"]");
  ck_assert_str_eq(json_text_at(job, "/spec/task"), "regression");
  ck_assert_double_ge(json_number_at(job, "/metrics/test/r2"), 0.5);
  json_decref(job);
  json_t *answer = post("/v1/models/price/predict", "{\"rows\":[{\"size\":20,\"color\":\"red\"},{\"size\":20,\"color\":\"green\"}]}", 200);
  ck_assert_double_eq_tol(json_number_at(answer, "/predictions/0/value"), 2300, 150);
  ck_assert_double_eq_tol(json_number_at(answer, "/predictions/1/value"), 2000, 150);
  json_decref(answer);
  json_t *evaluation = post("/v1/models/price/evaluate", "{\"dataset\":\"table\"}", 200);
  ck_assert_double_ge(json_number_at(evaluation, "/metrics/r2"), 0.5);
  ck_assert_double_gt(json_number_at(evaluation, "/metrics/rmse"), 1);
  json_decref(evaluation);
}
END_TEST

/* {"rows": […]} of many rows of one number each, more than are computed at once, as an object or an array; the
 * last one is `last`. malloc'd. */
static char *write_many_rows(bool are_objects, const char *last) {
  enum { MANY = 700, ROW_BYTES = 32 };
  char *body = malloc(MANY * ROW_BYTES), *at = body + sprintf(body, "{\"rows\":[");
  for (int i = 0; i < MANY; i++) {
    const double size = (i % 90) * 0.45;
    at += are_objects ? sprintf(at, "{\"size\":%g},", size) : sprintf(at, "[%g],", size);
  }
  sprintf(at, "%s]}", last);
  return body;
}

static json_t *predict_many(bool are_objects, const char *last, int status) {
  char *body = write_many_rows(are_objects, last);
  json_t *answer = post("/v1/models/many/predict", body, status);
  free(body);
  return answer;
}

/* Arrays of numbers are read without building JSON values; a null among them isn't. */
START_TEST(many_rows_of_numbers_are_predicted_as_objects_are) {
  json_decref(train("many", AUTO_LAYER, "\"target\":\"price\",\"features\":[\"size\"]"));
  json_t *objects = predict_many(true, "{\"size\":7}", 200), *arrays = predict_many(false, "[7]", 200);
  json_t *lacking = predict_many(false, "[null]", 200), *alone = post("/v1/models/many/predict", "{\"rows\":[[7]]}", 200);
  ck_assert_uint_eq(json_array_size(json_at(arrays, "/predictions")), 701);
  ck_assert(json_equal(arrays, objects));
  ck_assert(json_equal(json_at(arrays, "/predictions/3"), json_at(lacking, "/predictions/3")));
  ck_assert(json_equal(json_at(arrays, "/predictions/700"), json_at(alone, "/predictions/0")));
  json_t *refused = predict_many(false, "[7,8]", 422);
  ck_assert_str_eq(json_text_at(refused, "/errors/0/pointer"), "/rows/700");
  json_decref(objects), json_decref(arrays), json_decref(lacking), json_decref(alone), json_decref(refused);
}
END_TEST

START_TEST(several_numbers_are_predicted_by_name) {
  json_decref(train("two", AUTO_LAYER, "\"target\":[\"price\",\"weight\"],\"features\":[\"size\",\"color\"]"));
  json_t *answer = post("/v1/models/two/predict", "{\"rows\":[{\"size\":20,\"color\":\"red\"}]}", 200);
  ck_assert_double_eq_tol(json_number_at(answer, "/predictions/0/values/price"), 2300, 200);
  ck_assert_double_eq_tol(json_number_at(answer, "/predictions/0/values/weight"), 10, 2);
  json_decref(answer);
}
END_TEST

START_TEST(several_labels_are_predicted_at_once) {
  json_t *job = train("labels", AUTO_LAYER, "\"target\":[\"big\",\"red\"],\"features\":[\"size\",\"color\"],\"task\":\"multilabel\"");
  ck_assert_str_eq(json_text_at(job, "/spec/loss/type"), "binary_cross_entropy");
  json_decref(job);
  json_t *answer = post("/v1/models/labels/predict", "{\"rows\":[{\"size\":38,\"color\":\"green\"},{\"size\":1,\"color\":\"red\"}]}", 200);
  ck_assert(json_is_true(json_at(answer, "/predictions/0/labels/big")));
  ck_assert(json_is_false(json_at(answer, "/predictions/0/labels/red")));
  ck_assert(json_is_false(json_at(answer, "/predictions/1/labels/big")));
  ck_assert(json_is_true(json_at(answer, "/predictions/1/labels/red")));
  ck_assert_double_gt(json_number_at(answer, "/predictions/1/probabilities/red"), 0.5);
  json_decref(answer);
}
END_TEST

START_TEST(csv_gives_the_same_predictions_as_json) {
  json_decref(train("both", AUTO_LAYER, "\"target\":\"price\",\"features\":[\"size\",\"color\"]"));
  json_t *answer = post("/v1/models/both/predict", "{\"rows\":[[20,\"red\"],[null,\"blue, dark\"],[3.5,\"green\"]]}", 200);
  struct client_request request = {.method = "POST",
                                   .path = "/v1/models/both/predict",
                                   .content_type = "text/csv; charset=utf-8",
                                   .body = "color,price,size\r\nred,1,20\r\n\"blue, dark\",,\r\ngreen,9,3.5\r\n"};
  struct client_answer csv;
  client_send(&server, &request, &csv);
  ck_assert_msg(csv.status == 200, "%s", csv.body);
  ck_assert_int_eq(strncmp(answer_get_header(&csv, "Content-Type"), "text/csv", 8), 0);
  char *line = strtok(csv.body, "\n");
  ck_assert_str_eq(line, "value");
  for (int i = 0; i < 3; i++) {
    char pointer[32];
    snprintf(pointer, sizeof pointer, "/predictions/%d/value", i);
    line = strtok(NULL, "\n");
    ck_assert_ptr_nonnull(line);
    ck_assert_double_eq_tol(strtod(line, NULL), json_number_at(answer, pointer), 1e-4);
  }
  ck_assert_ptr_null(strtok(NULL, "\n"));
  answer_deinit(&csv);
  request.body = "id,color,when,size\n7,red,x,20\n";
  client_send(&server, &request, &csv);
  ck_assert_msg(csv.status == 200, "%s", csv.body); /* columns of the dataset that the model doesn't take */
  ck_assert_double_eq_tol(strtod(strchr(csv.body, '\n'), NULL), json_number_at(answer, "/predictions/0/value"), 1e-4);
  answer_deinit(&csv);
  request.body = "id,color,siz\n7,red,20\n";
  client_send(&server, &request, &csv);
  ck_assert_int_eq(csv.status, 422);
  ck_assert_ptr_nonnull(strstr(csv.body, "did you mean \\\"size\\\""));
  answer_deinit(&csv);
  request.body = "color,size\nred,20\nred,wide\nred\n";
  client_send(&server, &request, &csv);
  ck_assert_int_eq(csv.status, 422);
  ck_assert_ptr_nonnull(strstr(csv.body, "/lines/3"));
  answer_deinit(&csv);
  json_decref(answer);
}
END_TEST

static struct client_answer predict_csv(const char *model, const char *csv) {
  char path[64];
  snprintf(path, sizeof path, "/v1/models/%s/predict", model);
  struct client_answer answer;
  client_send(&server, &(struct client_request){.method = "POST", .path = path, .content_type = "text/csv", .body = csv}, &answer);
  return answer;
}

static void expect_same_predictions(const char *model, const char *csv, const char *other_csv) {
  struct client_answer answer = predict_csv(model, csv), other = predict_csv(model, other_csv);
  ck_assert_msg(answer.status == 200 && other.status == 200, "%s %s", answer.body, other.body);
  ck_assert_str_eq(answer.body, other.body);
  answer_deinit(&answer);
  answer_deinit(&other);
}

static void expect_refusal(const char *model, const char *csv, const char *what) {
  struct client_answer answer = predict_csv(model, csv);
  ck_assert_int_eq(answer.status, 422);
  ck_assert_msg(strstr(answer.body, what) != NULL, "%s", answer.body);
  answer_deinit(&answer);
}

/* y = 2 a, uploaded with `head` before the rows "a,y,". */
static void train_doubling(const char *name, const char *head) {
  char csv[4096], path[64], body[512], *at = csv;
  at += sprintf(at, "%s", head);
  for (int i = 0; i < 60; i++) at += sprintf(at, "%d,%d.5,\n", i, 2 * i);
  snprintf(path, sizeof path, "/v1/datasets?name=%s", name);
  struct client_request request = {.method = "POST", .path = path, .content_type = "text/csv", .body = csv};
  json_t *dataset = client_expect_json(&server, &request, 201);
  snprintf(body, sizeof body, "{\"name\":\"%s\",\"network\":{\"layers\":[" AUTO_LAYER "]},\"dataset\":\"%s\",\"target\":\"%s\"}", name,
           name, json_text_at(dataset, "/columns/1/name"));
  json_decref(dataset);
  json_decref(post("/v1/jobs", body, 202));
  snprintf(path, sizeof path, "/v1/jobs/%s", name);
  json_decref(client_wait_for(&server, path, "/state", "succeeded", 120000));
}

START_TEST(the_file_that_was_trained_on_can_be_predicted_on) {
  train_doubling("named", " a , y,\n");
  expect_same_predictions("named", " a , y,\n1,2,\n7,14,\n", "a\n1\n7\n");
  expect_refusal("named", "y\n1\n", "none of the model's inputs");
  expect_refusal("named", "a,a\n1,2\n", "both named");
  train_doubling("nameless", "");
  expect_same_predictions("nameless", "1,2,\n7,14,\n", "column_1\n1\n7\n");
  expect_same_predictions("nameless", "1\n7\n", "column_2,column_1\n0,1\n0,7\n");
}
END_TEST

/* Rows made up as they are sent. */
struct flood {
  size_t sent, count;
};

static size_t produce_rows(void *context, char *buffer, size_t buffer_bytes) {
  struct flood *flood = context;
  size_t used = 0;
  if (flood->sent == 0) used += (size_t)sprintf(buffer, "size,color\n");
  while (flood->sent < flood->count && used + 32 < buffer_bytes) {
    used += (size_t)sprintf(buffer + used, "%zu,green\n", flood->sent % 40);
    flood->sent++;
  }
  return used;
}

START_TEST(a_million_rows_of_csv_take_little_memory) {
  enum { COUNT = 1000000 };
  json_decref(train("many", AUTO_LAYER, "\"target\":\"price\",\"features\":[\"size\",\"color\"]"));
  size_t before = server_get_memory_bytes(&server);
  struct flood flood = {.count = COUNT};
  struct client_request request = {
      .method = "POST", .path = "/v1/models/many/predict", .content_type = "text/csv", .produce = produce_rows, .context = &flood};
  struct client_answer csv;
  client_send(&server, &request, &csv);
  ck_assert_int_eq(csv.status, 200);
  size_t lines = 0;
  for (size_t i = 0; i < csv.body_bytes; i++) lines += csv.body[i] == '\n';
  ck_assert_uint_eq(lines, COUNT + 1);
  ck_assert_uint_lt(server_get_peak_memory_bytes(&server), before + (32u << 20));
  answer_deinit(&csv);
}
END_TEST

static uint64_t read_u64(const char *bytes) {
  uint64_t value = 0;
  for (int i = 7; i >= 0; i--) value = value << 8 | (unsigned char)bytes[i];
  return value;
}

START_TEST(safetensors_hold_every_tensor_one_behind_the_other) {
  json_t *job =
      train("out", "{\"type\":\"batch_norm\",\"name\":\"norm\"}," AUTO_LAYER, "\"target\":\"fits\",\"features\":[\"size\",\"color\"]");
  struct client_answer file;
  client_get(&server, "/v1/models/out/export?format=safetensors", &file);
  ck_assert_int_eq(file.status, 200);
  ck_assert_str_eq(answer_get_header(&file, "Content-Disposition"), "attachment; filename=\"out.safetensors\"");
  uint64_t header_bytes = read_u64(file.body);
  ck_assert_uint_eq(header_bytes % 8, 0);
  json_t *header = json_loadb(file.body + 8, (size_t)header_bytes, 0, NULL);
  ck_assert_ptr_nonnull(header);
  json_t *weights = client_get_json(&server, "/v1/models/out/export?format=json", 200);
  double end = 0;
  const char *name;
  json_t *tensor;
  size_t tensor_count = 0;
  json_object_foreach(header, name, tensor) {
    if (strcmp(name, "__metadata__") == 0) continue;
    tensor_count++;
    ck_assert_str_eq(json_text_at(tensor, "/dtype"), "F32");
    ck_assert_double_eq(json_number_at(tensor, "/data_offsets/0"), end);
    json_t *data = json_object_get(json_object_get(json_at(weights, "/weights"), name), "data");
    for (size_t i = 0; i < json_array_size(data); i++) {
      float value;
      memcpy(&value, file.body + 8 + header_bytes + (size_t)end + i * sizeof value, sizeof value);
      ck_assert(value == (float)json_number_value(json_array_get(data, i)));
    }
    end += (double)(json_array_size(data) * sizeof(float));
    ck_assert_double_eq(json_number_at(tensor, "/data_offsets/1"), end);
  }
  ck_assert_uint_eq(tensor_count, 2 + 4 + 2); /* dense, batch norm with its running statistics, dense */
  ck_assert_uint_eq(file.body_bytes, 8 + header_bytes + (uint64_t)end);
  ck_assert_str_eq(json_text_at(header, "/__metadata__/weights_sha256"), json_text_at(job, "/weights_sha256"));
  json_decref(header);
  json_decref(weights);
  json_decref(job);
  answer_deinit(&file);
}
END_TEST

static void *predict_often(void *context) {
  size_t *failures = context;
  for (int i = 0; i < 100; i++) {
    struct client_answer answer;
    client_post_json(&server, "/v1/models/busy/predict", "{\"rows\":[[20,\"red\"]]}", &answer);
    if (answer.status != 200) ++*failures;
    answer_deinit(&answer);
  }
  return NULL;
}

START_TEST(predictions_are_answered_while_jobs_train) {
  enum { THREADS = 12 };
  json_decref(train("busy", AUTO_LAYER, "\"target\":\"price\",\"features\":[\"size\",\"color\"]"));
  for (int i = 0; i < 2; i++) {
    json_decref(post(
        "/v1/jobs",
        "{\"network\":{\"layers\":[{\"type\":\"dense\",\"units\":64},{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"auto\"}]},"
        "\"dataset\":\"table\",\"target\":\"price\",\"epochs\":1000000}",
        202));
  }
  pthread_t threads[THREADS];
  size_t failures[THREADS] = {0};
  for (int i = 0; i < THREADS; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, predict_often, &failures[i]), 0);
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    ck_assert_uint_eq(failures[i], 0);
  }
  json_t *list = client_get_json(&server, "/v1/jobs?state=running", 200);
  ck_assert_uint_ge(json_array_size(json_at(list, "/items")), 1);
  json_decref(list);
}
END_TEST

START_TEST(a_deleted_model_predicts_no_more_and_its_name_is_free) {
  json_decref(train("gone", AUTO_LAYER, "\"target\":\"price\",\"features\":[\"size\",\"color\"]"));
  json_decref(post("/v1/models/gone/predict", "{\"rows\":[[20,\"red\"]]}", 200));
  struct client_answer answer;
  client_delete(&server, "/v1/models/gone", &answer);
  ck_assert_int_eq(answer.status, 204);
  answer_deinit(&answer);
  json_decref(post("/v1/models/gone/predict", "{\"rows\":[[20,\"red\"]]}", 404));
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "models over HTTP");
  tcase_add_checked_fixture(test_case, start, stop);
  tcase_add_test(test_case, a_classification_gives_a_class_and_probabilities_that_sum_to_one);
  tcase_add_test(test_case, one_sigmoid_is_enough_for_two_classes);
  tcase_add_test(test_case, a_weighted_loss_is_the_same_wherever_it_is_told);
  tcase_add_test(test_case, errors_of_numbers_far_from_zero_keep_their_digits);
  tcase_add_test(test_case, sigmoid_with_auto_units_is_one_output_for_two_classes);
  tcase_add_test(test_case, numbers_come_in_the_units_of_the_data);
  tcase_add_test(test_case, many_rows_of_numbers_are_predicted_as_objects_are);
  tcase_add_test(test_case, several_numbers_are_predicted_by_name);
  tcase_add_test(test_case, several_labels_are_predicted_at_once);
  tcase_add_test(test_case, csv_gives_the_same_predictions_as_json);
  tcase_add_test(test_case, the_file_that_was_trained_on_can_be_predicted_on);
  tcase_add_test(test_case, a_million_rows_of_csv_take_little_memory);
  tcase_add_test(test_case, safetensors_hold_every_tensor_one_behind_the_other);
  tcase_add_test(test_case, predictions_are_answered_while_jobs_train);
  tcase_add_test(test_case, a_deleted_model_predicts_no_more_and_its_name_is_free);
}

int main(void) { return suite_main("models over HTTP", add_cases); }
