/* Texts over HTTP: from a CSV of sentences to a model that takes raw ones. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/server_process.h"
#include "tests/support/suite.h"

static struct server_process server;

static json_t *post(const char *path, const char *body, int status) {
  return client_expect_json(&server, &(struct client_request){.method = "POST", .path = path, .body = body}, status);
}

static void start(void) {
  server_start(&server, (const char *const[]){"--log-level", "error", NULL});
  FILE *file = fopen("examples/data/udhr_sentences.csv", "r");
  ck_assert_ptr_nonnull(file);
  char *csv = calloc(1, 1 << 20);
  ck_assert_uint_gt(fread(csv, 1, (1 << 20) - 1, file), 100000);
  fclose(file);
  struct client_request request = {.method = "POST", .path = "/v1/datasets?name=sentences", .content_type = "text/csv", .body = csv};
  json_decref(client_expect_json(&server, &request, 201));
  free(csv);
}

static void stop(void) { ck_assert_int_eq(server_stop(&server), 0); }

#define SPEC(name_, more_, layers_)                                                                                                        \
  "{\"name\":\"" name_ "\",\"dataset\":\"sentences\",\"target\":\"language\",\"split\":{\"validation\":0,\"test\":0.25},\"seed\":1," more_ \
  "\"network\":{\"layers\":[" layers_ ",{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"auto\"}]}}"

static const struct {
  const char *name, *body, *encoding;
  double accuracy_min;
} cases[] = {
    {"words", SPEC("words", "", "{\"type\":\"dense\",\"units\":32,\"activation\":\"relu\"}"), "tf_idf", 0.95},
    {"trigrams",
     SPEC("trigrams", "\"text\":{\"tokens\":\"characters\",\"ngrams\":3},", "{\"type\":\"dense\",\"units\":32,\"activation\":\"relu\"}"),
     "tf_idf", 0.95},
    {"characters",
     SPEC("characters",
          "\"epochs\":6,\"optimizer\":{\"type\":\"adam\",\"learning_rate\":0.01},\"text\":{\"tokens\":\"characters\",\"max_length\":120},",
          "{\"type\":\"embedding\",\"input_dim\":\"auto\",\"output_dim\":12},{\"type\":\"conv1d\",\"filters\":48,\"kernel_size\":4,"
          "\"activation\":\"relu\"},{\"type\":\"global_max_pool\"}"),
     "tokens", 0.8},
};

static void expect_language(const char *model, const char *sentence, const char *language) {
  char path[96], body[512];
  snprintf(path, sizeof path, "/v1/models/%s/predict", model);
  snprintf(body, sizeof body, "{\"rows\":[{\"text\":\"%s\"},{\"text\":null},[\"\"]]}", sentence);
  json_t *answer = post(path, body, 200);
  ck_assert_str_eq(json_text_at(answer, "/predictions/0/class"), language);
  ck_assert_uint_eq(json_array_size(json_at(answer, "/predictions")), 3);
  json_decref(answer);
}

START_TEST(languages_are_told_apart_from_raw_sentences) {
  json_decref(post("/v1/jobs", cases[_i].body, 202));
  char path[64];
  snprintf(path, sizeof path, "/v1/jobs/%s", cases[_i].name);
  json_t *job = client_wait_for(&server, path, "/state", "succeeded|failed", 240000);
  ck_assert_str_eq(json_text_at(job, "/state"), "succeeded");
  ck_assert_str_eq(json_text_at(job, "/spec/text/encoding"), cases[_i].encoding);
  const double accuracy = json_number_value(json_at(job, "/metrics/test/accuracy"));
  ck_assert_msg(accuracy >= cases[_i].accuracy_min, "%s: accuracy %g", cases[_i].name, accuracy);
  const char *model = json_text_at(job, "/model");
  expect_language(model, "Jeder Mensch hat das Recht auf Leben, Freiheit und Sicherheit der Person.", "German");
  expect_language(model, "Tous les êtres humains naissent libres et égaux en dignité et en droits.", "French");
  json_decref(job);
}
END_TEST

START_TEST(a_model_of_texts_is_the_same_after_a_restart) {
  json_decref(post("/v1/jobs", cases[0].body, 202));
  json_t *job = client_wait_for(&server, "/v1/jobs/words", "/state", "succeeded|failed", 240000);
  char path[96];
  snprintf(path, sizeof path, "/v1/models/%s/predict", json_text_at(job, "/model"));
  json_decref(job);
  static const char body[] = "{\"rows\":[{\"text\":\"Everyone has the right to life, liberty and security of person.\"}]}";
  json_t *before = post(path, body, 200);
  stop();
  server_restart(&server, (const char *const[]){"--log-level", "error", NULL});
  json_t *after = post(path, body, 200);
  ck_assert(json_equal(before, after));
  json_decref(before);
  json_decref(after);
}
END_TEST

static const struct {
  const char *body, *pointer, *detail;
} refusals[] = {
    {SPEC("r", "\"text\":{\"tokens\":\"syllables\"},", "{\"type\":\"flatten\"}"), "/text/tokens", "words"},
    {SPEC("r", "\"text\":{\"ngrams\":9},", "{\"type\":\"flatten\"}"), "/text/ngrams", "5"},
    {SPEC("r", "\"text\":{\"encoding\":\"tf_idf\",\"tokens\":\"bytes\"},", "{\"type\":\"flatten\"}"), "/text/tokens", "tokens"},
    {SPEC("r", "\"text\":{\"encoding\":\"tf_idf\"},",
          "{\"type\":\"embedding\",\"input_dim\":\"auto\",\"output_dim\":4},{\"type\":\"flatten\"}"),
     "/network/layers/0/input_dim", "auto"},
    {SPEC("r", "", "{\"type\":\"embedding\",\"input_dim\":100,\"output_dim\":4},{\"type\":\"flatten\"}"), "/network/layers/0/input_dim",
     "at least 2002"},
};

START_TEST(what_does_not_fit_is_refused_with_what_would) {
  client_expect_refusal(&server, "/v1/jobs", refusals[_i].body, refusals[_i].pointer, refusals[_i].detail);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *tests = suite_add_case(suite, "texts");
  tcase_add_unchecked_fixture(tests, start, stop);
  tcase_add_loop_test(tests, languages_are_told_apart_from_raw_sentences, 0, sizeof cases / sizeof cases[0]);
  tcase_add_loop_test(tests, what_does_not_fit_is_refused_with_what_would, 0, sizeof refusals / sizeof refusals[0]);
  TCase *restarted = suite_add_case(suite, "texts after a restart");
  tcase_add_checked_fixture(restarted, start, stop);
  tcase_add_test(restarted, a_model_of_texts_is_the_same_after_a_restart);
}

int main(void) { return suite_main("texts over HTTP", add_cases); }
