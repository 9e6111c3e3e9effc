/* Sequences of tokens over HTTP: from a CSV with a column for each step, empty behind a row's end, to predictions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/server_process.h"
#include "tests/support/suite.h"

enum { ROWS = 240, STEPS = 8, TOKENS = 12 };

static struct server_process server;

static json_t *post(const char *path, const char *body, int status) {
  return client_expect_json(&server, &(struct client_request){.method = "POST", .path = path, .body = body}, status);
}

static void upload(const char *name, const char *csv) {
  char path[64];
  snprintf(path, sizeof path, "/v1/datasets?name=%s", name);
  json_decref(
      client_expect_json(&server, &(struct client_request){.method = "POST", .path = path, .content_type = "text/csv", .body = csv}, 201));
}

/* Rows of 2 to 8 tokens from 1; the class is whether token 1 comes before token 2, which are somewhere in each. */
static void upload_sequences(void) {
  static char csv[ROWS * STEPS * 8 + 256];
  size_t at = (size_t)snprintf(csv, sizeof csv, "t0,t1,t2,t3,t4,t5,t6,t7,order\n");
  unsigned state = 5;
  for (int row = 0; row < ROWS; row++) {
    int tokens[STEPS] = {0};
    const int length = 2 + row % (STEPS - 1);
    for (int i = 0; i < length; i++) tokens[i] = 3 + (int)((state = state * 1103515245u + 12345u) >> 16) % (TOKENS - 3);
    const int first = (int)((state = state * 1103515245u + 12345u) >> 16) % (length - 1);
    const int second = first + 1 + (int)((state = state * 1103515245u + 12345u) >> 16) % (length - first - 1);
    const int is_forward = (row / 7) % 2;
    tokens[first] = is_forward ? 1 : 2;
    tokens[second] = is_forward ? 2 : 1;
    for (int i = 0; i < STEPS; i++) {
      if (i < length) at += (size_t)snprintf(csv + at, sizeof csv - at, "%d", tokens[i]);
      at += (size_t)snprintf(csv + at, sizeof csv - at, ",");
    }
    at += (size_t)snprintf(csv + at, sizeof csv - at, "%s\n", is_forward ? "forward" : "backward");
  }
  upload("sequences", csv);
}

/* Rows of 1 to 5 numbers, empty behind; the class is whether the last of them is above 5. */
static void upload_numbers(void) {
  static char csv[ROWS * 32 + 64];
  size_t at = (size_t)snprintf(csv, sizeof csv, "x0,x1,x2,x3,x4,last\n");
  unsigned state = 9;
  for (int row = 0; row < ROWS; row++) {
    const int length = 1 + row % 5;
    int number = 0;
    for (int i = 0; i < 5; i++) {
      if (i < length) number = 1 + (int)((state = state * 1103515245u + 12345u) >> 16) % 9;
      if (i < length) at += (size_t)snprintf(csv + at, sizeof csv - at, "%d", number);
      at += (size_t)snprintf(csv + at, sizeof csv - at, ",");
    }
    at += (size_t)snprintf(csv + at, sizeof csv - at, "%s\n", number > 5 ? "high" : "low");
  }
  upload("numbers", csv);
}

static void start(void) {
  server_start(&server, (const char *const[]){"--log-level", "error", NULL});
  upload_sequences();
  upload_numbers();
  upload("beyond", "t0,t1,t2,t3,t4,t5,t6,t7,order\n1,2,3,4,5,6,7,12,forward\n1,2,3,4,5,6,7,8,backward\n");
  upload("gaps", "t0,t1,t2,t3,t4,t5,t6,t7,order\n1,2,3,4,5,6,7,,forward\n1,2,3,4,5,6,7,8,backward\n");
}

static void stop(void) { ck_assert_int_eq(server_stop(&server), 0); }

#define SPEC(name_, more_, layers_)                                                                                                        \
  "{\"name\":\"" name_ "\",\"dataset\":\"sequences\",\"target\":\"order\",\"split\":{\"validation\":0,\"test\":0.25},\"seed\":1," more_    \
  "\"epochs\":30,\"batch_size\":16,\"optimizer\":{\"type\":\"adam\",\"learning_rate\":0.01},\"network\":{\"layers\":[" layers_             \
  ",{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"auto\"}]}}"
#define EMBEDDING "{\"type\":\"embedding\",\"input_dim\":12,\"output_dim\":8,\"padding_idx\":0}"

static const struct {
  const char *name, *body;
} cases[] = {
    {"lstm", SPEC("lstm", "", EMBEDDING ",{\"type\":\"lstm\",\"units\":16,\"bidirectional\":true}")},
    {"gru", SPEC("gru", "", EMBEDDING ",{\"type\":\"gru\",\"units\":16,\"return_sequences\":true},{\"type\":\"global_max_pool\"}")},
};

START_TEST(an_order_of_tokens_is_learnt_and_predicted) {
  json_decref(post("/v1/jobs", cases[_i].body, 202));
  char path[96];
  snprintf(path, sizeof path, "/v1/jobs/%s", cases[_i].name);
  json_t *job = client_wait_for(&server, path, "/state", "succeeded|failed", 240000);
  ck_assert_str_eq(json_text_at(job, "/state"), "succeeded");
  ck_assert_str_eq(json_text_at(job, "/spec/scaling"), "none");
  const double accuracy = json_number_value(json_at(job, "/metrics/test/accuracy"));
  ck_assert_msg(accuracy >= 0.9, "%s: accuracy %g", cases[_i].name, accuracy);
  snprintf(path, sizeof path, "/v1/models/%s/predict", json_text_at(job, "/model"));
  json_decref(job);
  /* A short row is the same whether the rest is left out, null or the padding token. */
  json_t *answer = post(path, "{\"rows\":[[1,5,2,null,null,null,null,null],[2,5,1,0,0,0,0,0],{\"t0\":1,\"t1\":5,\"t2\":2,\"t3\":0}]}", 200);
  ck_assert_str_eq(json_text_at(answer, "/predictions/0/class"), "forward");
  ck_assert_str_eq(json_text_at(answer, "/predictions/1/class"), "backward");
  ck_assert(json_equal(json_at(answer, "/predictions/0"), json_at(answer, "/predictions/2")));
  json_decref(answer);
  json_t *problem = post(path, "{\"rows\":[[1,2,12,null,null,null,null,null],[1,2,0.5,0,0,0,0,0],[1,-1,2,0,0,0,0,0]]}", 422);
  ck_assert_str_eq(json_text_at(problem, "/errors/0/pointer"), "/rows/0/t2");
  ck_assert_str_eq(json_text_at(problem, "/errors/0/detail"), "12 is no token; \"t2\" takes whole numbers from 0 to 11");
  ck_assert_str_eq(json_text_at(problem, "/errors/1/pointer"), "/rows/1/t2");
  ck_assert_str_eq(json_text_at(problem, "/errors/2/pointer"), "/rows/2/t1");
  json_decref(problem);
}
END_TEST

static const char *const number_layers[] = {
    "\"input\":{\"shape\":[5,1]},\"layers\":[{\"type\":\"masking\",\"mask_value\":-1},",
    "\"layers\":[{\"type\":\"reshape\",\"shape\":[5,1]},{\"type\":\"masking\",\"mask_value\":-1},",
};

START_TEST(cells_that_are_missing_before_masking_are_masked) {
  char body[1024], path[96];
  snprintf(body, sizeof body,
           "{\"name\":\"numbers-%d\",\"dataset\":\"numbers\",\"target\":\"last\",\"split\":{\"validation\":0,\"test\":0.25},\"seed\":1,"
           "\"epochs\":60,\"batch_size\":16,\"optimizer\":{\"type\":\"adam\",\"learning_rate\":0.01},\"network\":{%s"
           "{\"type\":\"lstm\",\"units\":16},{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"auto\"}]}}",
           _i, number_layers[_i]);
  json_decref(post("/v1/jobs", body, 202));
  snprintf(path, sizeof path, "/v1/jobs/numbers-%d", _i);
  json_t *job = client_wait_for(&server, path, "/state", "succeeded|failed", 240000);
  ck_assert_str_eq(json_text_at(job, "/state"), "succeeded");
  ck_assert_str_eq(json_text_at(job, "/spec/scaling"), "none");
  ck_assert_double_ge(json_number_at(job, "/metrics/test/accuracy"), 0.9);
  snprintf(path, sizeof path, "/v1/models/%s/predict", json_text_at(job, "/model"));
  json_decref(job);
  json_t *answer = post(path, "{\"rows\":[[2,9,null,null,null],[9,2,-1,-1,-1],{\"x0\":2,\"x1\":9}]}", 200);
  ck_assert_str_eq(json_text_at(answer, "/predictions/0/class"), "high");
  ck_assert_str_eq(json_text_at(answer, "/predictions/1/class"), "low");
  ck_assert(json_equal(json_at(answer, "/predictions/0"), json_at(answer, "/predictions/2")));
  json_decref(answer);
}
END_TEST

static const struct {
  const char *body, *pointer, *detail;
} refusals[] = {
    {SPEC("r", "\"test_dataset\":\"beyond\",", EMBEDDING ",{\"type\":\"flatten\"}"), "/test_dataset",
     "column \"t7\" of dataset \"beyond\" has numbers from 8 to 12, but the network begins with an embedding of 12 tokens"},
    {SPEC("r", "\"test_dataset\":\"gaps\",", "{\"type\":\"embedding\",\"input_dim\":12,\"output_dim\":4},{\"type\":\"flatten\"}"),
     "/features", "padding_idx"},
    {SPEC("r", "", "{\"type\":\"embedding\",\"input_dim\":11,\"output_dim\":4,\"padding_idx\":0},{\"type\":\"flatten\"}"), "/features",
     "whole numbers from 0 to 10"},
    {SPEC("r", "", "{\"type\":\"embedding\",\"input_dim\":12,\"output_dim\":4},{\"type\":\"flatten\"}"), "/features", "padding_idx"},
    {SPEC("r", "\"scaling\":\"standard\",", EMBEDDING ",{\"type\":\"flatten\"}"), "/scaling", "must be \"none\" or \"auto\""},
    {SPEC("r", "\"number\":{\"encoding\":\"piecewise_linear\"},", EMBEDDING ",{\"type\":\"flatten\"}"), "/number/encoding",
     "must be \"scaled\""},
    {SPEC("r", "", "{\"type\":\"embedding\",\"input_dim\":\"auto\",\"output_dim\":4},{\"type\":\"flatten\"}"),
     "/network/layers/0/input_dim", "give the number of different tokens"},
};

START_TEST(what_are_no_tokens_is_refused_with_what_would_be) {
  client_expect_refusal(&server, "/v1/jobs", refusals[_i].body, refusals[_i].pointer, refusals[_i].detail);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *tests = suite_add_case(suite, "sequences");
  tcase_add_unchecked_fixture(tests, start, stop);
  tcase_add_loop_test(tests, an_order_of_tokens_is_learnt_and_predicted, 0, sizeof cases / sizeof cases[0]);
  tcase_add_loop_test(tests, cells_that_are_missing_before_masking_are_masked, 0, 2);
  tcase_add_loop_test(tests, what_are_no_tokens_is_refused_with_what_would_be, 0, sizeof refusals / sizeof refusals[0]);
}

int main(void) { return suite_main("sequences over HTTP", add_cases); }
