/* Many clients at once, on the same things: what each of them sees is always whole. Run under ThreadSanitizer too, where a race in the
 * server makes its exit status non-zero. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/http_client.h"
#include "tests/support/server_process.h"
#include "tests/support/suite.h"
#include "tests/support/wire.h"

enum { CLIENTS = 8, ROUNDS = 12 };

static struct server_process server;

static const char flowers[] =
    "length,width,kind\n"
    "1.0,2.0,rose\n1.1,2.1,rose\n0.9,1.9,rose\n1.2,2.2,rose\n1.0,2.1,rose\n0.8,2.0,rose\n1.1,1.8,rose\n1.0,1.9,rose\n"
    "3.0,5.0,lily\n3.1,5.1,lily\n2.9,4.9,lily\n3.2,5.2,lily\n3.0,5.1,lily\n2.8,5.0,lily\n3.1,4.8,lily\n3.0,4.9,lily\n";
#define NETWORK                                                                                                                            \
  "{\"layers\":[{\"type\":\"dense\",\"units\":8,\"activation\":\"tanh\"},{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"auto\"}]" \
  "}"

static void start(void) {
  server_start(&server, (const char *const[]){"--log-level", "error", NULL});
  struct client_request request = {.method = "POST", .path = "/v1/datasets?name=flowers", .content_type = "text/csv", .body = flowers};
  json_decref(client_expect_json(&server, &request, 201));
}

static void stop(void) { server_end(&server); }

/* Sends and returns the status; the body goes to *out_body if it is wanted. */
static int send(const char *method, const char *path, const char *body, char **out_body) {
  struct client_answer answer;
  client_send(&server, &(struct client_request){.method = method, .path = path, .body = body}, &answer);
  if (out_body != NULL) *out_body = strdup(answer.body);
  int status = answer.status;
  answer_deinit(&answer);
  return status;
}

static void submit(const char *name, int epochs) {
  char body[512];
  snprintf(body, sizeof body, "{\"name\":\"%s\",\"network\":" NETWORK ",\"dataset\":\"flowers\",\"target\":\"kind\",\"epochs\":%d}", name,
           epochs);
  ck_assert_int_eq(send("POST", "/v1/jobs", body, NULL), 202);
}

static void run_clients(void *(*client)(void *number)) {
  pthread_t threads[CLIENTS];
  size_t numbers[CLIENTS];
  for (size_t i = 0; i < CLIENTS; i++) {
    numbers[i] = i;
    ck_assert_int_eq(pthread_create(&threads[i], NULL, client, &numbers[i]), 0);
  }
  for (size_t i = 0; i < CLIENTS; i++) ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
}

/* Ids of the models that are deleted for certain: DELETE has been answered. */
static char deleted_ids[CLIENTS * ROUNDS][64];
static _Atomic size_t deleted_count;

static void delete_model(void) {
  char *body;
  int status = send("GET", "/v1/models/rose", NULL, &body);
  json_t *model = json_loads(body, 0, NULL);
  snprintf(deleted_ids[atomic_load(&deleted_count)], sizeof deleted_ids[0], "\"%s\"", status == 200 ? json_text_at(model, "/id") : "none");
  json_decref(model);
  free(body);
  status = send("DELETE", "/v1/models/rose", NULL, NULL);
  ck_assert_msg(status == 204 || status == 404, "%d", status);
  atomic_fetch_add(&deleted_count, 1);
}

/* One deletes the model and trains it anew, the others predict: the whole answer of a model that is not deleted, or 404, nothing else. */
static void *predict_or_replace(void *number) {
  for (int round = 0; round < ROUNDS; round++) {
    if (*(size_t *)number == 0) {
      delete_model();
      ck_assert_int_eq(send("DELETE", "/v1/jobs/rose", NULL, NULL), 204);
      submit("rose", 3);
      json_decref(client_wait_for(&server, "/v1/jobs/rose", "/state", "succeeded", 120000));
      continue;
    }
    char *body;
    size_t deleted_before = atomic_load(&deleted_count);
    int status = send("POST", "/v1/models/rose/predict", "{\"rows\":[[1,2],[3,5]]}", &body);
    for (size_t i = 0; i < deleted_before; i++)
      ck_assert_msg(strstr(body, deleted_ids[i]) == NULL, "answered by a deleted model: %s", body);
    ck_assert_msg(status == 404 || (status == 200 && strstr(body, "predictions") != NULL), "%d %s", status, body);
    free(body);
  }
  return NULL;
}

START_TEST(models_are_replaced_while_others_predict) {
  submit("rose", 3);
  json_decref(client_wait_for(&server, "/v1/jobs/rose", "/state", "succeeded", 120000));
  run_clients(predict_or_replace);
}
END_TEST

enum { ROWS = 40 };

/* {"predictions": … of an answer, without the model before it. */
static const char *find_predictions(const char *answer) {
  const char *found = strstr(answer, "\"predictions\"");
  ck_assert_msg(found != NULL, "%s", answer);
  return found;
}

/* Rows of numbers are computed together with those that arrive at the same time; rows as objects are not. */
START_TEST(rows_that_arrive_together_are_answered_as_alone) {
  submit("rose", 3);
  json_decref(client_wait_for(&server, "/v1/jobs/rose", "/state", "succeeded", 120000));
  char *alone[ROWS], body[128], request[512];
  int clients[ROWS];
  for (int i = 0; i < ROWS; i++) {
    snprintf(body, sizeof body, "{\"rows\":[{\"length\":%d.%d,\"width\":%d}]}", i % 4, i, i % 7);
    ck_assert_int_eq(send("POST", "/v1/models/rose/predict", body, &alone[i]), 200);
    clients[i] = wire_connect(server.url);
  }
  for (int round = 0; round < ROUNDS; round++) {
    for (int i = 0; i < ROWS; i++) {
      int body_bytes = snprintf(body, sizeof body, "{\"rows\":[[%d.%d,%d]]}", i % 4, i, i % 7);
      snprintf(request, sizeof request,
               "POST /v1/models/rose/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
               body_bytes, body);
      ck_assert(wire_send(clients[i], request));
    }
    for (int i = 0; i < ROWS; i++) {
      char *answer = wire_receive_until(clients[i], "}}]}", 120000);
      ck_assert_str_eq(find_predictions(answer), find_predictions(alone[i]));
      free(answer);
    }
  }
  for (int i = 0; i < ROWS; i++) {
    close(clients[i]);
    free(alone[i]);
  }
}
END_TEST

/* Every client pauses, resumes and cancels jobs that others see too; each answer is an arrow of the state machine or 409. */
static void *push_about(void *number) {
  static const char *const actions[] = {"pause", "resume", "cancel"};
  for (size_t round = 0; round < ROUNDS; round++) {
    char path[64];
    size_t job = (*(size_t *)number + round) % 4;
    snprintf(path, sizeof path, "/v1/jobs/job-%c/%s", (char)('a' + job), actions[round % 7 == 6 ? 2 : round % 2]);
    int status = send("POST", path, NULL, NULL);
    ck_assert_msg(status == 202 || status == 409, "%s: %d", path, status);
    snprintf(path, sizeof path, "/v1/jobs/job-%c/metrics?max_points=30", (char)('a' + job));
    ck_assert_int_eq(send("GET", path, NULL, NULL), 200);
    ck_assert_int_eq(send("GET", "/v1/jobs", NULL, NULL), 200);
    ck_assert_int_eq(send("GET", "/metrics", NULL, NULL), 200);
  }
  return NULL;
}

START_TEST(many_hands_push_the_same_jobs_about) {
  for (int i = 0; i < 4; i++) submit((char[]){'j', 'o', 'b', '-', (char)('a' + i), '\0'}, 100000);
  run_clients(push_about);
  for (int i = 0; i < 4; i++) {
    char path[64];
    snprintf(path, sizeof path, "/v1/jobs/job-%c", (char)('a' + i));
    char cancel[80];
    snprintf(cancel, sizeof cancel, "%s/cancel", path);
    (void)send("POST", cancel, NULL, NULL);
    json_decref(client_wait_for(&server, path, "/state", "cancelled", 120000));
  }
}
END_TEST

static size_t created_count;
static pthread_mutex_t created_mutex = PTHREAD_MUTEX_INITIALIZER;

/* All want the same name: one gets it. */
static void *claim_name(void *number) {
  (void)number;
  int status = send("POST", "/v1/networks", "{\"name\":\"claimed\",\"layers\":[{\"type\":\"dense\",\"units\":2}]}", NULL);
  ck_assert_msg(status == 201 || status == 409, "%d", status);
  pthread_mutex_lock(&created_mutex);
  created_count += status == 201;
  pthread_mutex_unlock(&created_mutex);
  return NULL;
}

START_TEST(a_name_is_given_once) {
  created_count = 0;
  run_clients(claim_name);
  ck_assert_uint_eq(created_count, 1);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "many clients");
  tcase_add_checked_fixture(test_case, start, stop);
  tcase_add_test(test_case, models_are_replaced_while_others_predict);
  tcase_add_test(test_case, rows_that_arrive_together_are_answered_as_alone);
  tcase_add_test(test_case, many_hands_push_the_same_jobs_about);
  tcase_add_test(test_case, a_name_is_given_once);
}

int main(void) { return suite_main("many clients", add_cases); }
