/* 20 clients submit 200 jobs in all: all finish, no metric is lost, and after DELETE nothing is left behind: no file, no row, no page. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/http_client.h"
#include "tests/support/suite.h"

enum { CLIENTS = 20, JOBS_EACH = 10, EPOCHS = 5 };

static struct server_process server;

static void upload(const char *path, const char *file_path) {
  FILE *file = fopen(file_path, "rb");
  ck_assert_msg(file != NULL, "%s: run me from the project's root", file_path);
  static char text[1 << 20];
  const size_t bytes = fread(text, 1, sizeof text, file);
  fclose(file);
  json_decref(client_expect_json(
      &server, &(struct client_request){.path = path, .content_type = "text/csv", .body = text, .body_bytes = bytes}, 201));
}

/* A client of its own process: submits its jobs one after the other. */
static pid_t start_client(size_t client) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  for (size_t i = 0; i < JOBS_EACH; i++) {
    char body[256];
    snprintf(body, sizeof body,
             "{\"name\":\"job-%zu-%zu\",\"network\":\"mlp\",\"dataset\":\"iris\",\"target\":\"species\",\"epochs\":%d,\"seed\":%zu}",
             client, i, EPOCHS, client * JOBS_EACH + i);
    struct client_answer answer;
    client_post_json(&server, "/v1/jobs", body, &answer);
    if (answer.status != 202) {
      fprintf(stderr, "client %zu, job %zu: %d %s\n", client, i, answer.status, answer.body);
      _exit(1);
    }
    answer_deinit(&answer);
  }
  _exit(0);
}

static void check_job(size_t client, size_t i) {
  char path[96];
  snprintf(path, sizeof path, "/v1/jobs/job-%zu-%zu", client, i);
  json_t *job = client_wait_for(&server, path, "/state", "succeeded|failed|cancelled", 600000);
  ck_assert_str_eq(json_text_at(job, "/state"), "succeeded");
  json_decref(job);
  strncat(path, "/metrics", sizeof path - strlen(path) - 1);
  json_t *metrics = client_get_json(&server, path, 200);
  const json_t *epochs = json_at(metrics, "/series/loss/epoch");
  ck_assert_uint_eq(json_array_size(epochs), EPOCHS);
  for (size_t epoch = 0; epoch < EPOCHS; epoch++)
    ck_assert_int_eq(json_integer_value(json_array_get(epochs, epoch)), (json_int_t)epoch + 1);
  json_decref(metrics);
}

static void delete (const char *path) {
  struct client_answer answer;
  client_delete(&server, path, &answer);
  ck_assert_msg(answer.status == 204, "DELETE %s: %d %s", path, answer.status, answer.body);
  answer_deinit(&answer);
}

static off_t database_bytes(void) {
  char path[256];
  struct stat status;
  snprintf(path, sizeof path, "%s/backpropd.db", server.data_dir);
  ck_assert_int_eq(stat(path, &status), 0);
  return status.st_size;
}

START_TEST(two_hundred_jobs_of_twenty_clients_finish_and_leave_nothing_behind) {
  server_start(&server, NULL);
  /* The size of the empty database, as a stop leaves it. */
  ck_assert_int_eq(server_stop(&server), 0);
  const off_t empty_bytes = database_bytes();
  server_restart(&server, NULL);
  upload("/v1/datasets?name=iris", "examples/data/iris.csv");
  struct client_answer answer;
  client_post_json(&server, "/v1/networks",
                   "{\"name\":\"mlp\",\"layers\":[{\"type\":\"dense\",\"units\":8,\"activation\":\"tanh\"},"
                   "{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"auto\"}]}",
                   &answer);
  ck_assert_int_eq(answer.status, 201);
  answer_deinit(&answer);

  pid_t clients[CLIENTS];
  for (size_t i = 0; i < CLIENTS; i++) clients[i] = start_client(i);
  for (size_t i = 0; i < CLIENTS; i++) {
    int status;
    ck_assert_int_eq(waitpid(clients[i], &status, 0), clients[i]);
    ck_assert_int_eq(status, 0);
  }
  for (size_t client = 0; client < CLIENTS; client++)
    for (size_t i = 0; i < JOBS_EACH; i++) check_job(client, i);

  for (size_t client = 0; client < CLIENTS; client++) {
    for (size_t i = 0; i < JOBS_EACH; i++) {
      char path[96];
      snprintf(path, sizeof path, "/v1/models/job-%zu-%zu", client, i);
      delete (path);
      snprintf(path, sizeof path, "/v1/jobs/job-%zu-%zu", client, i);
      delete (path);
    }
  }
  delete ("/v1/datasets/iris");
  delete ("/v1/networks/mlp");
  static const char *const lists[] = {"/v1/jobs", "/v1/models", "/v1/datasets", "/v1/networks"};
  for (size_t i = 0; i < 4; i++) {
    json_t *list = client_get_json(&server, lists[i], 200);
    ck_assert_uint_eq(json_array_size(json_object_get(list, "items")), 0);
    json_decref(list);
  }
  ck_assert_uint_eq(server_count_dataset_files(&server), 0);
  ck_assert_int_eq(server_stop(&server), 0);
  server_assert_database_is_whole(&server);
  /* Free pages went back: the file is as small as the empty one, give or take a few pages of SQLite's own. */
  ck_assert_int_le(database_bytes(), empty_bytes + 16 * 4096);
  server_cleanup(&server);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *tcase = suite_add_case(suite, "many jobs");
  tcase_set_timeout(tcase, 1200);
  tcase_add_test(tcase, two_hundred_jobs_of_twenty_clients_finish_and_leave_nothing_behind);
}

int main(void) { return suite_main("many jobs", add_cases); }
