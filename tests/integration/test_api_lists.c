/* Columns of lists of numbers over HTTP: learned from step by step, whatever their lengths, and predicted with. */
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

/* Slow and fast waves of 5 to 24 steps. */
static void upload_waves(void) {
  char *csv = malloc(1 << 18), *at = csv;
  at += sprintf(at, "id,wave,speed\n");
  for (int row = 0; row < 240; row++) {
    const int is_fast = row % 2, length = 5 + row * 7 % 20;
    at += sprintf(at, "%d,\"[", row);
    for (int i = 0; i < length; i++) at += sprintf(at, "%s%.4f", i > 0 ? ", " : "", 5 + sin((is_fast ? 1.9 : 0.6) * i + row));
    at += sprintf(at, "]\",%s\n", is_fast ? "fast" : "slow");
  }
  struct client_request request = {.method = "POST", .path = "/v1/datasets?name=waves", .content_type = "text/csv", .body = csv};
  json_t *dataset = client_expect_json(&server, &request, 201);
  ck_assert_str_eq(json_text_at(dataset, "/columns/1/kind"), "sequence");
  ck_assert_double_eq(json_number_at(dataset, "/columns/1/max_length"), 24);
  json_decref(dataset);
  free(csv);
}

static void start(void) {
  server_start(&server, (const char *const[]){"--log-level", "error", NULL});
  upload_waves();
}

static void stop(void) { server_end(&server); }

static json_t *train(const char *name, const char *layers, const char *more) {
  char body[1024], path[64];
  snprintf(body, sizeof body,
           "{\"name\":\"%s\",\"network\":{\"layers\":[%s,{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"auto\"}]},\"dataset\":"
           "\"waves\","
           "\"target\":\"speed\",\"seed\":1,\"optimizer\":{\"type\":\"adam\",\"learning_rate\":0.01},%s}",
           name, layers, more);
  json_decref(send("POST", "/v1/jobs", body, 202));
  snprintf(path, sizeof path, "/v1/jobs/%s", name);
  json_t *job = client_wait_for(&server, path, "/state", "succeeded|failed", 120000);
  ck_assert_str_eq(json_text_at(job, "/state"), "succeeded");
  return job;
}

START_TEST(lists_of_all_lengths_are_steps_and_a_network_of_steps_masks_what_they_lack) {
  json_t *job = train("gru", "{\"type\":\"gru\",\"units\":16}", "\"epochs\":40");
  ck_assert_double_gt(json_number_at(job, "/metrics/test/accuracy"), 0.95);
  ck_assert_str_eq(json_text_at(job, "/spec/features/0"), "wave"); /* alone, though "id" is there */
  ck_assert_str_eq(json_text_at(job, "/spec/sequence/form"), "steps");
  json_decref(job);
  json_t *model = client_get_json(&server, "/v1/models/gru", 200);
  ck_assert_str_eq(json_text_at(model, "/network/layers/0/type"), "masking");
  ck_assert_str_eq(json_text_at(model, "/network/layers/1/type"), "gru");
  ck_assert_double_eq(json_number_at(model, "/network/input/shape/0"), 24);
  json_decref(model);
  /* As an array, as text, and as CSV. */
  json_t *answer = send("POST", "/v1/models/gru/predict",
                        "{\"rows\":[{\"wave\":[5,5.9,4.4,5.2,5.3,4.1]},{\"wave\":\"5 5.9 4.4 5.2 5.3 4.1\"},[[5,5.56,5.93]]]}", 200);
  const double fast = json_number_at(answer, "/predictions/0/probabilities/fast");
  ck_assert_double_gt(fast, 0.5);
  ck_assert_double_eq(json_number_at(answer, "/predictions/1/probabilities/fast"), fast);
  ck_assert_str_eq(json_text_at(answer, "/predictions/2/class"), "slow");
  json_decref(answer);
  struct client_answer csv;
  client_post_csv(&server, "/v1/models/gru/predict", "wave\n5 5.9 4.4 5.2 5.3 4.1\n", &csv);
  ck_assert_int_eq(csv.status, 200);
  ck_assert_int_eq(strncmp(csv.body, "class,probability_fast,probability_slow\nfast,", 44), 0);
  answer_deinit(&csv);
  json_t *problem = send("POST", "/v1/models/gru/predict", "{\"rows\":[{\"wave\":[5,\"x\"]},{\"wave\":{\"a\":1}}]}", 422);
  ck_assert_str_eq(json_text_at(problem, "/errors/0/pointer"), "/rows/0/wave");
  ck_assert_ptr_nonnull(strstr(json_text_at(problem, "/errors/1/detail"), "must be an array of numbers"));
  json_decref(problem);
}
END_TEST

START_TEST(padding_further_changes_nothing) {
  /* The longest list is twice as long in the second dataset; all others are the same. */
  static const char *const names[2] = {"short", "long"};
  double values[2];
  for (int i = 0; i < 2; i++) {
    char csv[2048] = "s,part,y\n", path[64], body[512];
    for (int row = 0; row < 24; row++) sprintf(csv + strlen(csv), "%d %d %d,train,%d\n", row % 5, row % 3, row % 4, row % 5 - row % 3);
    sprintf(csv + strlen(csv), "1 2 3%s,test,1\n", i == 0 ? "" : " 4 5 6 7 8");
    snprintf(path, sizeof path, "/v1/datasets?name=%s", names[i]);
    struct client_request request = {.method = "POST", .path = path, .content_type = "text/csv", .body = csv};
    json_decref(client_expect_json(&server, &request, 201));
    json_decref(send("PATCH", i == 0 ? "/v1/datasets/short" : "/v1/datasets/long", "{\"columns\":{\"s\":\"sequence\"}}", 200));
    snprintf(
        body, sizeof body,
        "{\"name\":\"%s\",\"network\":{\"layers\":[{\"type\":\"masking\"},{\"type\":\"lstm\",\"units\":4},{\"type\":\"dense\",\"units\":"
        "\"auto\"}]},\"dataset\":\"%s\",\"target\":\"y\",\"task\":\"regression\",\"split\":{\"column\":\"part\"},\"epochs\":5,\"seed\":2}",
        names[i], names[i]);
    json_decref(send("POST", "/v1/jobs", body, 202));
    snprintf(path, sizeof path, "/v1/jobs/%s", names[i]);
    json_t *job = client_wait_for(&server, path, "/state", "succeeded|failed", 60000);
    ck_assert_str_eq(json_text_at(job, "/state"), "succeeded");
    json_decref(job);
    snprintf(path, sizeof path, "/v1/models/%s/predict", names[i]);
    json_t *answer = send("POST", path, "{\"rows\":[[[0,3,1]]]}", 200);
    values[i] = json_number_at(answer, "/predictions/0/value");
    json_decref(answer);
  }
  ck_assert_double_eq_tol(values[0], values[1], 1e-5);
}
END_TEST

START_TEST(other_networks_get_the_steps_side_by_side_with_all_else) {
  json_t *job = train("dense", "{\"type\":\"dense\",\"units\":16,\"activation\":\"tanh\"}", "\"epochs\":2,\"sequence\":{\"max_length\":6}");
  ck_assert_str_eq(json_text_at(job, "/spec/sequence/form"), "flat");
  json_decref(job);
  json_t *model = client_get_json(&server, "/v1/models/dense", 200);
  ck_assert_double_eq(json_number_at(model, "/network/input/shape/0"), 7); /* id, and six steps */
  json_decref(model);
  struct client_answer log;
  client_get(&server, "/v1/jobs/dense/log", &log);
  ck_assert_ptr_nonnull(strstr(log.body, "\"wave\": of up to 24 steps the first 6 are taken (sequence.max_length)"));
  answer_deinit(&log);
  json_t *problem =
      send("POST", "/v1/jobs",
           "{\"network\":{\"layers\":[{\"type\":\"gru\",\"units\":4},{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"auto\"}]},"
           "\"dataset\":\"waves\",\"target\":\"speed\",\"features\":[\"id\",\"wave\"]}",
           422);
  ck_assert_str_eq(json_text_at(problem, "/errors/0/pointer"), "/features");
  json_decref(problem);
}
END_TEST

START_TEST(gradients_of_a_network_on_lists_are_right) {
  json_t *answer =
      send("POST", "/v1/gradient-checks",
           "{\"network\":{\"layers\":[{\"type\":\"lstm\",\"units\":3},{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"auto\"}]},"
           "\"dataset\":\"waves\",\"target\":\"speed\",\"row_count\":4}",
           200);
  ck_assert(json_is_true(json_at(answer, "/passes")));
  json_decref(answer);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *lists = suite_add_case(suite, "lists");
  tcase_add_checked_fixture(lists, start, stop);
  tcase_add_test(lists, lists_of_all_lengths_are_steps_and_a_network_of_steps_masks_what_they_lack);
  tcase_add_test(lists, padding_further_changes_nothing);
  tcase_add_test(lists, other_networks_get_the_steps_side_by_side_with_all_else);
  tcase_add_test(lists, gradients_of_a_network_on_lists_are_right);
}

int main(void) { return suite_main("api_lists", add_cases); }
