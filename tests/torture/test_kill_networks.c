/* A residual convolutional network, a bidirectional LSTM and a transformer of two blocks learn a small batch by heart, and kill -9 in
 * between changes no bit of their weights, with one thread or several. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/http_client.h"
#include "tests/support/server_process.h"
#include "tests/support/suite.h"

enum { ROWS = 24, KILLS = 4, HEX_BYTES = 65 };

static const char *const arguments[] = {"--workers", "1", "--threads", "4", "--checkpoint-interval-ms", "25", "--log-level", "error", NULL};
static struct server_process server;

#define CONV(name_)                                                                                                                        \
  "{\"type\":\"conv2d\",\"filters\":12,\"kernel_size\":3,\"padding\":\"same\",\"activation\":\"relu\",\"name\":\"" name_ "\"}"
#define BLOCK(n_, x_)                                                                                                                      \
  "{\"type\":\"layer_norm\",\"inputs\":[\"" x_ "\"]},{\"type\":\"self_attention\",\"heads\":4,\"dropout\":0.05,\"name\":\"attention" n_    \
  "\"},"                                                                                                                                   \
  "{\"type\":\"add\",\"inputs\":[\"" x_ "\",\"attention" n_ "\"],\"name\":\"attended" n_ "\"},{\"type\":\"layer_norm\"},"                  \
  "{\"type\":\"dense\",\"units\":32,\"activation\":\"gelu\"},{\"type\":\"dense\",\"units\":16,\"name\":\"forward" n_ "\"},"                \
  "{\"type\":\"add\",\"inputs\":[\"attended" n_ "\",\"forward" n_ "\"],\"name\":\"block" n_ "\"}"

static const struct {
  const char *name, *input, *layers;
} networks[] = {
    {"residual convolutional network", "[1,8,8]",
     CONV("a") "," CONV("b") ",{\"type\":\"batch_norm\",\"name\":\"n\"},{\"type\":\"add\",\"inputs\":[\"a\",\"n\"],\"name\":"
                             "\"sum\"}," CONV("c") ",{\"type\":\"max_pool2d\",\"pool_size\":2},{\"type\":\"flatten\"}"},
    {"bidirectional LSTM", "[8,8]", "{\"type\":\"lstm\",\"units\":24,\"bidirectional\":true}"},
    {"transformer of two blocks", "[8,8]",
     "{\"type\":\"dense\",\"units\":16},{\"type\":\"positional_embedding\",\"name\":\"x\"}," BLOCK("1", "x") "," BLOCK(
         "2", "block1") ",{\"type\":\"global_avg_pool\"}"},
};

/* The head of examples/data/digits.csv. */
static void upload_digits(void) {
  FILE *file = fopen("examples/data/digits.csv", "r");
  ck_assert_msg(file != NULL, "run me from the project's root");
  char *csv = calloc(1, 1 << 16);
  ck_assert_ptr_nonnull(csv);
  size_t bytes = 0;
  for (int line = 0; line <= ROWS && fgets(csv + bytes, (1 << 16) - (int)bytes, file) != NULL; line++) bytes += strlen(csv + bytes);
  fclose(file);
  const struct client_request request = {.path = "/v1/datasets?name=digits", .content_type = "text/csv", .body = csv};
  json_decref(client_expect_json(&server, &request, 201));
  free(csv);
}

static void submit(size_t network, size_t threads, char path[128]) {
  char body[4096];
  snprintf(
      body, sizeof body,
      "{\"dataset\":\"digits\",\"target\":\"digit\",\"task\":\"classification\",\"split\":{\"validation\":0,\"test\":0},\"epochs\":600,"
      "\"batch_size\":%d,\"seed\":5,\"threads\":%zu,\"optimizer\":{\"type\":\"adam\",\"learning_rate\":0.005},"
      "\"network\":{\"input\":{\"shape\":%s},\"layers\":[%s,{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"auto\"}]}}",
      ROWS, threads, networks[network].input, networks[network].layers);
  json_t *job = client_expect_json(&server, &(struct client_request){.path = "/v1/jobs", .body = body}, 202);
  snprintf(path, 128, "/v1/jobs/%s", json_text_at(job, "/id"));
  json_decref(job);
}

static void finish(const char *path, char hash[HEX_BYTES]) {
  json_t *job = client_wait_for(&server, path, "/state", "succeeded|failed", 300000);
  ck_assert_str_eq(json_text_at(job, "/state"), "succeeded");
  ck_assert_double_lt(json_number_at(job, "/metrics/latest/loss"), 0.01);
  ck_assert_uint_eq(strlen(json_text_at(job, "/weights_sha256")), HEX_BYTES - 1);
  snprintf(hash, HEX_BYTES, "%s", json_text_at(job, "/weights_sha256"));
  json_decref(job);
}

/* Waits until the job has got further; false if it is through. */
static bool wait_for_progress(const char *path, double *step) {
  for (;;) {
    json_t *job = client_get_json(&server, path, 200);
    const double now = json_number_at(job, "/progress/step");
    const bool is_through = strcmp(json_text_at(job, "/state"), "succeeded") == 0;
    ck_assert_str_ne(json_text_at(job, "/state"), "failed");
    json_decref(job);
    if (is_through) return false;
    if (now > *step) {
      *step = now;
      return true;
    }
    usleep(2000);
  }
}

START_TEST(learns_by_heart_through_kill_9) {
  char path[128], uninterrupted[HEX_BYTES], killed[HEX_BYTES];
  server_start(&server, arguments);
  upload_digits();
  submit((size_t)_i, 1, path);
  finish(path, uninterrupted);
  submit((size_t)_i, 2, path);
  double step = -1; /* the first time it dies as soon as it is there */
  int kills = 0;
  for (; kills < KILLS && wait_for_progress(path, &step); kills++) {
    usleep((useconds_t)kills * 17000);
    server_kill(&server);
    server_assert_database_is_whole(&server);
    server_restart(&server, arguments);
  }
  ck_assert_int_gt(kills, 0);
  finish(path, killed);
  ck_assert_msg(strcmp(killed, uninterrupted) == 0, "%s: the weights differ from the uninterrupted run's", networks[_i].name);
  submit((size_t)_i, 4, path);
  finish(path, killed);
  ck_assert_msg(strcmp(killed, uninterrupted) == 0, "%s: 4 threads give other weights than 1", networks[_i].name);
  ck_assert_int_eq(server_stop(&server), 0);
  server_cleanup(&server);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *tests = suite_add_case(suite, "networks");
  tcase_set_timeout(tests, 1200);
  tcase_add_loop_test(tests, learns_by_heart_through_kill_9, 0, sizeof networks / sizeof networks[0]);
}

int main(void) { return suite_main("kill networks", add_cases); }
