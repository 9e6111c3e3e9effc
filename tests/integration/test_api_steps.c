/* Sequences with a target for each step over HTTP: tags of tokens, numbers beside numbers; padded steps have no
 * part in metrics or answers. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/server_process.h"
#include "tests/support/suite.h"

enum { ROWS = 200, STEPS = 6, TOKENS = 10 };

static struct server_process server;
static unsigned state;
static int draw(int count) { return (int)((state = state * 1103515245u + 12345u) >> 16) % count; }

static json_t *post(const char *path, const char *body, int status) {
  return client_expect_json(&server, &(struct client_request){.method = "POST", .path = path, .body = body}, status);
}

static void upload(const char *name, const char *csv) {
  char path[64];
  snprintf(path, sizeof path, "/v1/datasets?name=%s", name);
  json_decref(
      client_expect_json(&server, &(struct client_request){.method = "POST", .path = path, .content_type = "text/csv", .body = csv}, 201));
}

/* Tokens 1 to 9: 1 begins a quotation and 2 ends it; what stands between is "in", all else "out", and both marks are "mark". Rows have 2 to
 * 6 steps; here and there a tag isn't known; a row without any is left out. */
static void upload_tags(const char *name, unsigned seed, int row_count) {
  static char csv[(ROWS + 2) * STEPS * 8 + 256];
  size_t at = (size_t)snprintf(csv, sizeof csv, "w0,w1,w2,w3,w4,w5,g0,g1,g2,g3,g4,g5\n");
  state = seed;
  for (int row = 0; row < row_count; row++) {
    const int length = 2 + row % (STEPS - 1);
    const char *tags[STEPS];
    bool is_in = false;
    for (int i = 0; i < STEPS; i++) {
      const int token = draw(3) == 0 ? (is_in ? 2 : 1) : 3 + draw(TOKENS - 3);
      if (i < length) at += (size_t)snprintf(csv + at, sizeof csv - at, "%d", token);
      at += (size_t)snprintf(csv + at, sizeof csv - at, ",");
      tags[i] = i >= length || draw(20) == 0 ? "" : token < 3 ? "mark" : is_in ? "in" : "out";
      if (token < 3) is_in = token == 1;
    }
    for (int i = 0; i < STEPS; i++) at += (size_t)snprintf(csv + at, sizeof csv - at, "%s%s", tags[i], i + 1 < STEPS ? "," : "\n");
  }
  (void)snprintf(csv + at, sizeof csv - at, "3,4,5,,,,,,,,,\n");
  upload(name, csv);
}

/* y is the sum of the x so far; padded steps, of which y is some number, must not matter. */
static void upload_sums(void) {
  static char csv[ROWS * 64 + 256];
  size_t at = (size_t)snprintf(csv, sizeof csv, "x0,x1,x2,x3,y0,y1,y2,y3\n");
  state = 3;
  for (int row = 0; row < ROWS; row++) {
    const int length = 1 + row % 4;
    int sums[4], sum = 0;
    for (int i = 0; i < 4; i++) {
      const int x = 1 + draw(4);
      if (i < length) at += (size_t)snprintf(csv + at, sizeof csv - at, "%d", x);
      at += (size_t)snprintf(csv + at, sizeof csv - at, ",");
      sum += x;
      sums[i] = i < length ? sum : 1 + draw(20);
    }
    at += (size_t)snprintf(csv + at, sizeof csv - at, "%d,%d,%d,%d\n", sums[0], sums[1], sums[2], sums[3]);
  }
  upload("sums", csv);
}

/* Whether x is above 2; at padded steps chance says, and must not matter. */
static void upload_flags(void) {
  static char csv[ROWS * 64 + 256];
  size_t at = (size_t)snprintf(csv, sizeof csv, "x0,x1,x2,x3,y0,y1,y2,y3\n");
  state = 11;
  for (int row = 0; row < ROWS; row++) {
    const int length = 1 + row % 4;
    int flags[4];
    for (int i = 0; i < 4; i++) {
      const int x = 1 + draw(4);
      if (i < length) at += (size_t)snprintf(csv + at, sizeof csv - at, "%d", x);
      at += (size_t)snprintf(csv + at, sizeof csv - at, ",");
      flags[i] = i < length ? x > 2 : draw(2);
    }
    at += (size_t)snprintf(csv + at, sizeof csv - at, "%d,%d,%d,%d\n", flags[0], flags[1], flags[2], flags[3]);
  }
  upload("flags", csv);
}

static void start(void) {
  server_start(&server, (const char *const[]){"--log-level", "error", NULL});
  upload_tags("tags", 5, ROWS);
  upload_tags("more", 77, 60);
  upload_sums();
  upload_flags();
}

static void stop(void) { ck_assert_int_eq(server_stop(&server), 0); }

#define TAGS "\"target\":[\"g0\",\"g1\",\"g2\",\"g3\",\"g4\",\"g5\"]"
#define TAGGER(more_, layers_)                                                                                                             \
  "{" more_ "\"dataset\":\"tags\"," TAGS ",\"split\":{\"validation\":0.1,\"test\":0.2},\"seed\":1,"                                        \
  "\"epochs\":40,\"batch_size\":16,\"optimizer\":{\"type\":\"adam\",\"learning_rate\":0.02},\"network\":{\"layers\":["                     \
  "{\"type\":\"embedding\",\"input_dim\":10,\"output_dim\":8,\"padding_idx\":0}," layers_ "]}}"
#define GRU "{\"type\":\"gru\",\"units\":16,\"return_sequences\":true},"
#define OUTPUT "{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"auto\"}"

static double sum_of(const json_t *array) {
  double sum = 0;
  for (size_t i = 0; i < json_array_size(array); i++) {
    const json_t *item = json_array_get(array, i);
    sum += json_is_array(item) ? sum_of(item) : json_number_value(item);
  }
  return sum;
}

START_TEST(tags_are_learnt_and_predicted_for_each_real_step) {
  json_decref(post("/v1/jobs", TAGGER("\"name\":\"tagger\",", GRU OUTPUT), 202));
  json_t *job = client_wait_for(&server, "/v1/jobs/tagger", "/state", "succeeded|failed", 240000);
  ck_assert_str_eq(json_text_at(job, "/state"), "succeeded");
  ck_assert_str_eq(json_text_at(job, "/spec/task"), "classification");
  ck_assert_double_ge(json_number_at(job, "/metrics/test/accuracy"), 0.95);
  ck_assert_double_ge(json_number_at(job, "/metrics/latest/validation_accuracy"), 0.9);
  ck_assert_str_eq(json_text_at(job, "/metrics/test/classes/2"), "out");
  /* 40 rows of 4 steps, but for the tags that aren't known. */
  const double counted = sum_of(json_at(job, "/metrics/test/confusion_matrix"));
  ck_assert_msg(counted > 120 && counted < 170, "%g steps", counted);
  json_decref(job);
  json_t *answer = post("/v1/models/tagger/predict", "{\"rows\":[[3,1,4,5,2,6],[1,7,null,null,null,null],{\"w0\":1,\"w1\":7}]}", 200);
  static const char *const expected[] = {"out", "mark", "in", "in", "mark", "out"};
  for (int i = 0; i < STEPS; i++) {
    char path[64];
    snprintf(path, sizeof path, "/predictions/0/classes/g%d", i);
    ck_assert_str_eq(json_text_at(answer, path), expected[i]);
  }
  ck_assert_double_ge(json_number_at(answer, "/predictions/0/probabilities/g2/in"), 0.5);
  ck_assert_str_eq(json_text_at(answer, "/predictions/1/classes/g1"), "in");
  ck_assert(json_is_null(json_at(answer, "/predictions/1/classes/g2")));
  ck_assert(json_is_null(json_at(answer, "/predictions/1/probabilities/g5")));
  ck_assert_ptr_null(json_at(answer, "/predictions/1/non_finite"));
  ck_assert(json_equal(json_at(answer, "/predictions/1"), json_at(answer, "/predictions/2")));
  json_decref(answer);
}
END_TEST

START_TEST(a_tagger_is_evaluated_traced_checked_and_exported) {
  json_decref(post("/v1/jobs", TAGGER("\"name\":\"again\",", GRU OUTPUT), 202));
  json_decref(client_wait_for(&server, "/v1/jobs/again", "/state", "succeeded", 240000));
  json_t *answer = post("/v1/models/again/evaluate", "{\"dataset\":\"more\"}", 200);
  ck_assert_double_eq(json_number_at(answer, "/rows"), 60);
  ck_assert_double_ge(json_number_at(answer, "/metrics/accuracy"), 0.95);
  ck_assert_double_le(json_number_at(answer, "/metrics/loss"), 0.3);
  json_decref(answer);
  answer = post("/v1/models/again/trace", "{\"rows\":[{\"w0\":1,\"w1\":5,\"g0\":\"mark\",\"g1\":null}],\"steps\":1}", 200);
  ck_assert_double_gt(json_number_at(answer, "/loss"), 0);
  json_decref(answer);
  answer = post("/v1/models/again/trace", "{\"rows\":[{\"w0\":1,\"w1\":5}]}", 422);
  json_decref(answer);
  answer = post("/v1/models/again/trace", "{\"rows\":[{\"w0\":1,\"g0\":\"in\"}],\"loss\":\"mean_squared_error\"}", 422);
  ck_assert_str_eq(json_text_at(answer, "/errors/0/pointer"), "/loss");
  json_decref(answer);
  answer = post("/v1/gradient-checks", "{\"model\":\"again\",\"dataset\":\"more\",\"row_count\":4,\"tolerance\":0.001}", 200);
  ck_assert(json_is_true(json_at(answer, "/passes")));
  json_decref(answer);
  struct client_answer csv;
  client_post_csv(&server, "/v1/models/again/predict", "w0,w1,w2,w3,w4,w5\n3,1,4,,,\n", &csv);
  ck_assert_int_eq(csv.status, 200);
  ck_assert_ptr_nonnull(strstr(csv.body, "g0,probability_g0,g1,"));
  ck_assert_ptr_nonnull(strstr(csv.body, "\nout,0."));
  ck_assert_ptr_nonnull(strstr(csv.body, ",,,,,,\n"));
  answer_deinit(&csv);
  static const char *const formats[] = {"safetensors", "json"};
  for (size_t i = 0; i < 2; i++) {
    char path[96];
    snprintf(path, sizeof path, "/v1/models/again/export?format=%s", formats[i]);
    client_get(&server, path, &csv);
    ck_assert_int_eq(csv.status, 200);
    answer_deinit(&csv);
  }
}
END_TEST

START_TEST(numbers_of_padded_steps_are_left_out) {
  json_decref(post("/v1/jobs",
                   "{\"name\":\"summer\",\"dataset\":\"sums\",\"target\":[\"y0\",\"y1\",\"y2\",\"y3\"],\"task\":\"regression\",\"seed\":1,"
                   "\"split\":{\"validation\":0.1,\"test\":0.2},\"epochs\":150,\"batch_size\":16,\"optimizer\":{\"type\":\"adam\","
                   "\"learning_rate\":0.02},\"network\":{\"input\":{\"shape\":[4,1]},\"layers\":[{\"type\":\"masking\"},{\"type\":\"gru\","
                   "\"units\":16,\"return_sequences\":true},{\"type\":\"dense\",\"units\":1}]}}",
                   202));
  json_t *job = client_wait_for(&server, "/v1/jobs/summer", "/state", "succeeded|failed", 240000);
  ck_assert_str_eq(json_text_at(job, "/state"), "succeeded");
  /* Chance at padded steps would cost several units on average. */
  ck_assert_msg(json_number_at(job, "/metrics/test/mae") < 1, "mae %g", json_number_at(job, "/metrics/test/mae"));
  ck_assert_double_ge(json_number_at(job, "/metrics/test/r2"), 0.8);
  json_decref(job);
  json_t *answer = post("/v1/models/summer/predict", "{\"rows\":[[2,3,null,null]]}", 200);
  ck_assert_double_eq_tol(json_number_at(answer, "/predictions/0/values/y1"), 5, 2);
  ck_assert(json_is_null(json_at(answer, "/predictions/0/values/y2")));
  ck_assert_ptr_null(json_at(answer, "/predictions/0/non_finite"));
  json_decref(answer);
  answer = post("/v1/models/summer/evaluate", "{\"dataset\":\"sums\"}", 200);
  ck_assert_double_lt(json_number_at(answer, "/metrics/mae"), 1);
  json_decref(answer);
}
END_TEST

START_TEST(labels_of_padded_steps_are_left_out) {
  json_decref(
      post("/v1/jobs",
           "{\"name\":\"flagger\",\"dataset\":\"flags\",\"target\":[\"y0\",\"y1\",\"y2\",\"y3\"],\"task\":\"multilabel\",\"seed\":1,"
           "\"split\":{\"validation\":0.1,\"test\":0.2},\"epochs\":100,\"batch_size\":16,\"optimizer\":{\"type\":\"adam\","
           "\"learning_rate\":0.02},\"network\":{\"input\":{\"shape\":[4,1]},\"layers\":[{\"type\":\"masking\"},{\"type\":\"gru\","
           "\"units\":8,\"return_sequences\":true},{\"type\":\"dense\",\"units\":1,\"activation\":\"sigmoid\"}]}}",
           202));
  json_t *job = client_wait_for(&server, "/v1/jobs/flagger", "/state", "succeeded|failed", 240000);
  ck_assert_str_eq(json_text_at(job, "/state"), "succeeded");
  /* Three of eight are padding, of which half would be wrong. */
  static const char *const names[] = {"accuracy", "f1", "roc_auc"};
  json_t *answer = post("/v1/models/flagger/evaluate", "{\"dataset\":\"flags\"}", 200);
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    char tested[64], evaluated[64];
    snprintf(tested, sizeof tested, "/metrics/test/%s", names[i]);
    snprintf(evaluated, sizeof evaluated, "/metrics/%s", names[i]);
    ck_assert_msg(json_number_at(job, tested) > 0.95, "%s %g", names[i], json_number_at(job, tested));
    ck_assert_msg(json_number_at(answer, evaluated) > 0.95, "%s %g", names[i], json_number_at(answer, evaluated));
  }
  ck_assert_double_lt(json_number_at(answer, "/metrics/log_loss"), 0.2);
  double support = 0;
  for (int i = 0; i < 4; i++) {
    char path[64];
    snprintf(path, sizeof path, "/metrics/per_class/y%d/support", i);
    support += json_number_at(answer, path);
  }
  ck_assert_double_lt(support, 0.4 * 4 * ROWS); /* half of five eighths */
  json_decref(answer);
  json_decref(job);
}
END_TEST

static const struct {
  const char *body, *pointer, *detail;
} refusals[] = {
    {TAGGER("", "{\"type\":\"gru\",\"units\":16}," OUTPUT), "/network/layers/2", "need [6, 3]: one of 3 classes a step"},
    {TAGGER("", GRU "{\"type\":\"dense\",\"units\":4,\"activation\":\"softmax\"}"), "/network/layers/2", "need [6, 3]"},
    {TAGGER("", GRU "{\"type\":\"dense\",\"units\":3,\"activation\":\"sigmoid\"}"), "/loss", "must be \"cross_entropy\""},
    {TAGGER("\"loss\":\"mean_squared_error\",", GRU OUTPUT), "/loss", "must be \"cross_entropy\""},
    {TAGGER("\"task\":\"regression\",", GRU OUTPUT), "/target/0", "must be numbers"},
};

START_TEST(what_does_not_fit_is_refused_with_what_would) {
  client_expect_refusal(&server, "/v1/jobs", refusals[_i].body, refusals[_i].pointer, refusals[_i].detail);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *tests = suite_add_case(suite, "steps");
  tcase_add_unchecked_fixture(tests, start, stop);
  tcase_add_test(tests, tags_are_learnt_and_predicted_for_each_real_step);
  tcase_add_test(tests, a_tagger_is_evaluated_traced_checked_and_exported);
  tcase_add_test(tests, numbers_of_padded_steps_are_left_out);
  tcase_add_test(tests, labels_of_padded_steps_are_left_out);
  tcase_add_loop_test(tests, what_does_not_fit_is_refused_with_what_would, 0, sizeof refusals / sizeof refusals[0]);
}

int main(void) { return suite_main("steps over HTTP", add_cases); }
