/* Every field of the JSON bodies that are posted, one after the other, with values of wrong types and sizes: whatever it is, the answer is
 * a result or says which field is wrong, and the server goes on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/suite.h"

enum { TABLE_ROWS = 40 };

static struct server_process server;

static const char *const wrong_values[] = {
    "null",     "true",  "0",           "-1", "0.5",  "1e308",      "1e999", "9223372036854775807", "18446744073709551616", "NaN", "\"\"",
    "\"auto\"", "\"x\"", "\"\\u0000\"", "[]", "[[]]", "[-1,1e308]", "{}",    "{\"type\":null}",     "{\"zzz\":1}"};
enum { WRONG_VALUES = sizeof wrong_values / sizeof wrong_values[0] };

#define MARK "@here@"

/* What is wrong is told in words, and of what could be read, with the field. */
static void check_problem(const char *path, const char *body, const struct client_answer *answer) {
  ck_assert_str_eq(answer_get_header(answer, "Content-Type"), "application/problem+json");
  json_t *problem = answer_get_json(answer);
  ck_assert_msg(json_text_at(problem, "/detail")[0] != '\0', "%s %s: %s", path, body, answer->body);
  if (answer->status == 422) ck_assert_msg(json_text_at(problem, "/errors/0/detail")[0] != '\0', "%s %s: %s", path, body, answer->body);
  if (answer->status == 422) ck_assert_msg(json_at(problem, "/errors/0/pointer") != NULL, "%s %s: %s", path, body, answer->body);
  json_decref(problem);
}

static void send_body(const char *path, const char *body) {
  struct client_answer answer;
  client_post_json(&server, path, body, &answer);
  const bool is_result = answer.status == 200, is_refused = answer.status >= 400 && answer.status < 500;
  ck_assert_msg(is_result || is_refused, "%s %s: %d %s", path, body, answer.status, answer.body);
  if (is_result) ck_assert_msg(strstr(answer.body, ":nan") == NULL && strstr(answer.body, ":inf") == NULL, "%s %s", path, body);
  if (is_refused) check_problem(path, body, &answer);
  answer_deinit(&answer);
}

/* `root` as text with `value` where the mark is. */
static void send_with(const char *path, const json_t *root, const char *value) {
  char *text = json_dumps(root, JSON_COMPACT);
  ck_assert_ptr_nonnull(text);
  char *at = strstr(text, "\"" MARK "\""), *body = NULL;
  ck_assert_ptr_nonnull(at);
  *at = '\0';
  ck_assert_int_gt(asprintf(&body, "%s%s%s", text, value, at + strlen("\"" MARK "\"")), 0);
  send_body(path, body);
  free(body);
  free(text);
}

/* Puts each value in `field`'s place, which is in `parent` under `key`, or, of an array, at `index`. */
static void try_field(const char *path, const json_t *root, json_t *parent, const char *key, size_t index, json_t *field) {
  json_incref(field);
  json_t *mark = json_string(MARK);
  ck_assert_int_eq(key != NULL ? json_object_set_new(parent, key, mark) : json_array_set_new(parent, index, mark), 0);
  for (size_t i = 0; i < WRONG_VALUES; i++) send_with(path, root, wrong_values[i]);
  ck_assert_int_eq(key != NULL ? json_object_set_new(parent, key, field) : json_array_set_new(parent, index, field), 0);
}

/* Recursive: as deep as the test's own bodies. */
static void try_fields(const char *path, const json_t *root, json_t *parent) {
  if (json_is_object(parent)) {
    ck_assert_int_eq(json_object_set_new(parent, "zzz", json_string(MARK)), 0);
    send_with(path, root, "1");
    json_object_del(parent, "zzz");
    for (void *at = json_object_iter(parent); at != NULL; at = json_object_iter_next(parent, at)) {
      char *key = strdup(json_object_iter_key(at));
      try_field(path, root, parent, key, 0, json_object_iter_value(at));
      at = json_object_iter_at(parent, key);
      free(key);
      try_fields(path, root, json_object_iter_value(at));
    }
  }
  for (size_t i = 0; json_is_array(parent) && i < json_array_size(parent); i++) {
    try_field(path, root, parent, NULL, i, json_array_get(parent, i));
    try_fields(path, root, json_array_get(parent, i));
  }
}

static void try_body(const char *path, json_t *body) {
  ck_assert_ptr_nonnull(body);
  try_fields(path, body, body);
  json_decref(client_get_json(&server, "/healthz", 200));
}

static void try_text(const char *path, const char *text) {
  json_t *body = json_loads(text, 0, NULL);
  try_body(path, body);
  json_decref(body);
}

static void start(void) {
  server_start(&server, (const char *const[]){"--log-level", "error", NULL});
  char table[TABLE_ROWS * 32] = "a,color,y\n";
  size_t used = strlen(table);
  for (int i = 0; i < TABLE_ROWS; i++)
    used += (size_t)sprintf(table + used, "%d,%s,%s\n", i, i % 3 == 0 ? "red" : "blue", i % 2 == 0 ? "yes" : "no");
  struct client_request upload = {.path = "/v1/datasets?name=table", .content_type = "text/csv", .body = table};
  json_decref(client_expect_json(&server, &upload, 201));
  struct client_request network = {.path = "/v1/networks",
                                   .body = "{\"name\":\"net\",\"layers\":[{\"type\":\"dense\",\"units\":4,\"activation\":\"relu\"},"
                                           "{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"auto\"}]}"};
  json_decref(client_expect_json(&server, &network, 201));
  struct client_request whole = {
      .path = "/v1/networks",
      .body = "{\"name\":\"whole\",\"input\":{\"shape\":[2]},\"layers\":[{\"type\":\"dense\",\"units\":2,\"activation\":\"softmax\"}]}"};
  json_decref(client_expect_json(&server, &whole, 201));
  struct client_request job = {.path = "/v1/jobs",
                               .body = "{\"name\":\"job\",\"network\":\"net\",\"dataset\":\"table\",\"target\":\"y\",\"epochs\":2}"};
  json_decref(client_expect_json(&server, &job, 202));
  json_decref(client_wait_for(&server, "/v1/jobs/job", "/state", "succeeded", 60000));
}

static void stop(void) { server_end(&server); }

/* Every setting that there is: the spec as the server tells it back. */
START_TEST(every_setting_of_a_job) {
  json_t *job = client_get_json(&server, "/v1/jobs/job", 200);
  json_t *spec = json_object_get(job, "spec");
  json_object_del(spec, "name");
  try_body("/v1/jobs?dry_run=true", spec);
  json_decref(job);
}
END_TEST

START_TEST(every_parameter_of_a_network) {
  try_text("/v1/networks?dry_run=true",
           "{\"name\":\"other\",\"input\":{\"shape\":[2,8,8]},\"layers\":[{\"type\":\"conv2d\",\"filters\":3,\"kernel_size\":[3,3],"
           "\"stride\":1,\"padding\":\"same\",\"dilation\":1,\"groups\":1,\"activation\":{\"type\":\"elu\",\"alpha\":0.5},\"name\":\"c\"},"
           "{\"type\":\"max_pool2d\",\"pool_size\":2,\"stride\":2,\"padding\":0},{\"type\":\"reshape\",\"shape\":[3,16]},"
           "{\"type\":\"lstm\",\"units\":4,\"bidirectional\":true},{\"type\":\"dropout\",\"rate\":0.2},"
           "{\"type\":\"dense\",\"units\":3,\"activation\":\"softmax\",\"l2\":0.1,\"initializer\":{\"type\":\"uniform\"}}]}");
}
END_TEST

START_TEST(every_field_of_what_is_asked_of_models_and_networks) {
  try_text("/v1/models/job/predict", "{\"rows\":[{\"a\":1,\"color\":\"red\"},[2,\"blue\"]]}");
  try_text("/v1/models/job/evaluate", "{\"dataset\":\"table\"}");
  try_text("/v1/models/job/trace", "{\"rows\":[{\"a\":1,\"color\":\"red\"}],\"targets\":[\"yes\"],\"step\":true,\"optimizer\":{\"type\":"
                                   "\"sgd\",\"learning_rate\":0.5}}");
  try_text("/v1/networks/whole/trace",
           "{\"rows\":[[1,2]],\"targets\":[1],\"seed\":3,\"loss\":\"cross_entropy\",\"optimizer\":{\"type\":\"adam\"}}");
  try_text("/v1/gradient-checks", "{\"network\":\"net\",\"dataset\":\"table\",\"target\":\"y\",\"row_count\":4,\"tolerance\":1e-4}");
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *values = suite_add_case(suite, "wrong values");
  tcase_add_unchecked_fixture(values, start, stop);
  tcase_add_test(values, every_setting_of_a_job);
  tcase_add_test(values, every_parameter_of_a_network);
  tcase_add_test(values, every_field_of_what_is_asked_of_models_and_networks);
}

int main(void) { return suite_main("wrong values", add_cases); }
