/* Jobs over HTTP: the digits job from upload to model, its metrics in every form, its events without loss or repeat, retries by key. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/server_process.h"
#include "tests/support/suite.h"

static struct server_process server;

static const char flowers[] =
    "length,width,kind\n"
    "1.0,2.0,rose\n1.1,2.1,rose\n0.9,1.9,rose\n1.2,2.2,rose\n1.0,2.1,rose\n0.8,2.0,rose\n1.1,1.8,rose\n1.0,1.9,rose\n"
    "3.0,5.0,lily\n3.1,5.1,lily\n2.9,4.9,lily\n3.2,5.2,lily\n3.0,5.1,lily\n2.8,5.0,lily\n3.1,4.8,lily\n3.0,4.9,lily\n";
#define NETWORK                                                                                                                            \
  "{\"layers\":[{\"type\":\"dense\",\"units\":8,\"activation\":\"tanh\",\"name\":\"hidden\"},{\"type\":\"dense\",\"units\":\"auto\","      \
  "\"activation\":\"auto\"}]}"

static json_t *post(const char *path, const char *body, int status) {
  return client_expect_json(&server, &(struct client_request){.method = "POST", .path = path, .body = body}, status);
}

static void upload(const char *path, const char *csv) {
  json_decref(
      client_expect_json(&server, &(struct client_request){.method = "POST", .path = path, .content_type = "text/csv", .body = csv}, 201));
}

static void start(void) {
  server_start(&server, (const char *const[]){"--log-level", "error", NULL});
  upload("/v1/datasets?name=flowers", flowers);
}

static void stop(void) { server_end(&server); }

/* Runs a job on flowers to its end. `more`: further members, with a comma in front. */
static void run_job(const char *name, const char *more) {
  char body[2048], path[128];
  snprintf(body, sizeof body, "{\"name\":\"%s\",\"network\":" NETWORK ",\"dataset\":\"flowers\",\"target\":\"kind\"%s}", name, more);
  json_decref(post("/v1/jobs", body, 202));
  snprintf(path, sizeof path, "/v1/jobs/%s", name);
  json_decref(client_wait_for(&server, path, "/state", "succeeded", 120000));
}

static char *read_file(const char *path) {
  FILE *file = fopen(path, "rb");
  ck_assert_msg(file != NULL, "no %s", path);
  fseek(file, 0, SEEK_END);
  long size = ftell(file);
  rewind(file);
  char *text = malloc((size_t)size + 1);
  ck_assert_uint_eq(fread(text, 1, (size_t)size, file), (size_t)size);
  text[size] = '\0';
  fclose(file);
  return text;
}

/* Beside the sources, wherever the test is started from. */
static char *read_digits(void) {
  char *path = strdup(__FILE__);
  char *tests = strstr(path, "tests/integration");
  *tests = '\0';
  char whole[4096];
  snprintf(whole, sizeof whole, "%sexamples/data/digits.csv", path);
  free(path);
  return read_file(whole);
}

START_TEST(digits_reach_96_percent_on_a_stratified_test_part) {
  char *digits = read_digits();
  upload("/v1/datasets?name=digits", digits);
  json_t *job = post("/v1/jobs",
                     "{\"name\":\"digits\",\"network\":{\"layers\":[{\"type\":\"dense\",\"units\":128,\"activation\":\"relu\"},{\"type\":"
                     "\"dropout\",\"rate\":0.2},{\"type\":\"dense\","
                     "\"units\":\"auto\",\"activation\":\"auto\"}]},\"dataset\":\"digits\",\"target\":\"digit\",\"epochs\":80,\"seed\":7}",
                     202);
  ck_assert_str_eq(json_text_at(job, "/spec/loss/type"), "cross_entropy");
  ck_assert_str_eq(json_text_at(job, "/network_spec/layers/2/activation"), "softmax");
  ck_assert_double_eq(json_number_at(job, "/network_spec/layers/2/units"), 10);
  json_decref(job);
  job = client_wait_for(&server, "/v1/jobs/digits", "/state", "succeeded|failed", 120000);
  ck_assert_str_eq(json_text_at(job, "/state"), "succeeded");
  ck_assert_double_ge(json_number_at(job, "/metrics/test/accuracy"), 0.96);
  ck_assert_double_eq(json_number_at(job, "/progress/fraction"), 1);
  ck_assert_uint_eq(strlen(json_text_at(job, "/weights_sha256")), 64);
  /* evaluate on all rows agrees that the model is good, and counts every row once */
  json_t *evaluation = post("/v1/models/digits/evaluate", "{\"dataset\":\"digits\"}", 200);
  ck_assert_double_ge(json_number_at(evaluation, "/metrics/accuracy"), 0.97);
  double sum = 0;
  for (int i = 0; i < 100; i++) {
    char pointer[64];
    snprintf(pointer, sizeof pointer, "/metrics/confusion_matrix/%d/%d", i / 10, i % 10);
    sum += json_number_at(evaluation, pointer);
  }
  ck_assert_double_eq(sum, 1797);
  json_decref(evaluation);
  json_decref(job);
  free(digits);
}
END_TEST

START_TEST(a_dry_run_resolves_everything_and_keeps_nothing) {
  json_t *plan = post("/v1/jobs?dry_run=true", "{\"network\":" NETWORK ",\"dataset\":\"flowers\",\"target\":\"kind\"}", 200);
  ck_assert_str_eq(json_text_at(plan, "/spec/task"), "classification");
  ck_assert_str_eq(json_text_at(plan, "/spec/features/1"), "width");
  ck_assert_double_eq(json_number_at(plan, "/summary/parameters"), 8 * 2 + 8 + 2 * 8 + 2);
  ck_assert_double_gt(json_number_at(plan, "/memory_bytes"), 0);
  json_decref(plan);
  json_t *list = client_get_json(&server, "/v1/jobs", 200);
  ck_assert_uint_eq(json_array_size(json_at(list, "/items")), 0);
  json_decref(list);
}
END_TEST

static size_t count_lines(const char *text) {
  size_t count = 0;
  for (; *text != '\0'; text++) count += *text == '\n';
  return count;
}

START_TEST(metrics_come_whole_thinned_and_as_csv) {
  run_job("long", ",\"epochs\":400,\"batch_size\":16");
  json_t *whole = client_get_json(&server, "/v1/jobs/long/metrics?names=loss,validation_loss", 200);
  size_t count = json_array_size(json_at(whole, "/series/loss/value"));
  ck_assert_uint_eq(count, 400);
  ck_assert_uint_eq(json_array_size(json_at(whole, "/series/loss/step")), 400);
  ck_assert_ptr_null(json_at(whole, "/series/accuracy"));
  json_t *thin = client_get_json(&server, "/v1/jobs/long/metrics?names=loss,validation_loss&max_points=30", 200);
  size_t thin_count = json_array_size(json_at(thin, "/series/loss/value"));
  ck_assert_uint_le(thin_count, 32);
  ck_assert_uint_ge(thin_count, 10);
  /* the least validation loss and the last point survive */
  double least = INFINITY, thin_least = INFINITY;
  size_t index;
  json_t *value;
  json_array_foreach(json_at(whole, "/series/validation_loss/value"), index, value) least = fmin(least, json_number_value(value));
  json_array_foreach(json_at(thin, "/series/validation_loss/value"), index, value) thin_least = fmin(thin_least, json_number_value(value));
  ck_assert_double_eq(least, thin_least);
  ck_assert_double_eq(json_number_value(json_array_get(json_at(thin, "/series/loss/epoch"), thin_count - 1)), 400);
  /* nothing after the cursor */
  char path[128];
  snprintf(path, sizeof path, "/v1/jobs/long/metrics?after=%s", json_text_at(whole, "/next"));
  json_t *rest = client_get_json(&server, path, 200);
  ck_assert_uint_eq(json_object_size(json_at(rest, "/series")), 0);
  struct client_answer csv;
  client_get(&server, "/v1/jobs/long/metrics?format=csv&names=loss,accuracy", &csv);
  ck_assert_int_eq(strncmp(csv.body, "step,epoch,", 11), 0);
  ck_assert_uint_eq(count_lines(csv.body), 401);
  answer_deinit(&csv);
  client_send(&server,
              &(struct client_request){.path = "/v1/jobs/long/metrics?names=loss&max_points=30",
                                       .headers = (const char *const[]){"Accept: text/csv", NULL}},
              &csv);
  ck_assert_uint_eq(count_lines(csv.body), thin_count + 1);
  answer_deinit(&csv);
  json_decref(whole);
  json_decref(thin);
  json_decref(rest);
}
END_TEST

/* What a stream of events said: ids in order, and its kinds. */
struct heard {
  char *text;
  size_t bytes, stop_after; /* stop_after: bytes, 0 never */
};

static bool hear(void *context, const char *bytes, size_t count) {
  struct heard *heard = context;
  heard->text = realloc(heard->text, heard->bytes + count + 1);
  memcpy(heard->text + heard->bytes, bytes, count);
  heard->bytes += count;
  heard->text[heard->bytes] = '\0';
  return heard->stop_after == 0 || heard->bytes < heard->stop_after;
}

static void listen_to(const char *path, const char *last_id, struct heard *heard) {
  char header[64];
  snprintf(header, sizeof header, "Last-Event-ID: %s", last_id == NULL ? "" : last_id);
  struct client_request request = {.path = path, .on_data = hear, .context = heard};
  const char *const headers[] = {header, NULL};
  if (last_id != NULL) request.headers = headers;
  struct client_answer answer;
  client_send(&server, &request, &answer);
  ck_assert_int_eq(answer.status, 200);
  ck_assert_str_eq(answer_get_header(&answer, "Content-Type"), "text/event-stream");
  answer_deinit(&answer);
}

/* Checks that whole events follow each other from `expected` on, each once; returns the next expected id. */
static unsigned long check_ids(const struct heard *heard, unsigned long expected) {
  for (const char *at = heard->text; (at = strstr(at, "id: ")) != NULL; at++) {
    if (at != heard->text && at[-1] != '\n') continue;
    if (strstr(at, "\n\n") == NULL) break; /* cut off: asked for again */
    ck_assert_uint_eq(strtoul(at + 4, NULL, 10), expected);
    expected++;
  }
  return expected;
}

START_TEST(events_resume_without_loss_or_repeat) {
  json_decref(post(
      "/v1/jobs",
      "{\"name\":\"heard\",\"network\":" NETWORK ",\"dataset\":\"flowers\",\"target\":\"kind\",\"epochs\":3000,\"batch_size\":4}", 202));
  unsigned long next = 1;
  bool has_ended = false;
  for (int part = 0; part < 1000 && !has_ended; part++) {
    struct heard heard = {.stop_after = part < 20 ? 3000 : 0};
    char last_id[32];
    snprintf(last_id, sizeof last_id, "%lu", next - 1);
    listen_to("/v1/jobs/heard/events", next == 1 ? NULL : last_id, &heard);
    next = check_ids(&heard, next);
    has_ended = strstr(heard.text, "event: end\n") != NULL && strstr(strstr(heard.text, "event: end\n"), "\n\n") != NULL;
    free(heard.text);
  }
  ck_assert(has_ended);
  ck_assert_uint_gt(next, 1000);
  /* asked for what is over: ends at once */
  struct heard silence = {0};
  char path[64];
  snprintf(path, sizeof path, "/v1/jobs/heard/events?after=%lu", next - 1);
  listen_to(path, NULL, &silence);
  ck_assert_ptr_null(strstr(silence.text, "id: "));
  free(silence.text);
}
END_TEST

static void *delete_soon(void *context) {
  (void)context;
  struct client_answer answer;
  struct timespec pause = {.tv_nsec = 300000000};
  nanosleep(&pause, NULL);
  client_delete(&server, "/v1/jobs/waiting", &answer);
  int *status = malloc(sizeof *status);
  *status = answer.status;
  answer_deinit(&answer);
  return status;
}

START_TEST(a_stream_ends_when_its_job_is_deleted) {
  json_decref(post("/v1/jobs",
                   "{\"name\":\"waiting\",\"network\":" NETWORK ",\"dataset\":\"flowers\",\"target\":\"kind\",\"epochs\":1000000}", 202));
  json_decref(post("/v1/jobs/waiting/pause", NULL, 202));
  json_decref(client_wait_for(&server, "/v1/jobs/waiting", "/state", "paused", 60000));
  pthread_t thread;
  ck_assert_int_eq(pthread_create(&thread, NULL, delete_soon, NULL), 0);
  struct heard heard = {0};
  listen_to("/v1/jobs/waiting/events", NULL, &heard);
  void *status;
  pthread_join(thread, &status);
  ck_assert_int_eq(*(int *)status, 204);
  ck_assert_ptr_nonnull(strstr(heard.text, "\"deleted\""));
  free(status);
  free(heard.text);
}
END_TEST

static void send_with_key(const char *path, const char *type, const char *body, const char *key, struct client_answer *answer) {
  char header[128];
  snprintf(header, sizeof header, "Idempotency-Key: %s", key);
  const char *const headers[] = {header, NULL};
  client_send(&server, &(struct client_request){.method = "POST", .path = path, .content_type = type, .body = body, .headers = headers},
              answer);
}

START_TEST(a_key_replays_the_first_answer_and_refuses_another_body) {
  static const struct {
    const char *path, *type, *body, *other, *list;
    size_t count; /* in the list afterwards */
  } cases[] = {
      {"/v1/networks", "application/json", NETWORK, "{\"layers\":[{\"type\":\"dense\",\"units\":3}]}", "/v1/networks", 1},
      {"/v1/jobs", "application/json", "{\"network\":" NETWORK ",\"dataset\":\"flowers\",\"target\":\"kind\",\"epochs\":1}",
       "{\"network\":" NETWORK ",\"dataset\":\"flowers\",\"target\":\"kind\",\"epochs\":2}", "/v1/jobs", 1},
      {"/v1/datasets?name=again", "text/csv", "a,b\n1,2\n3,4\n", "a,b\n1,2\n3,5\n", "/v1/datasets", 2},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct client_answer first, again, other;
    send_with_key(cases[i].path, cases[i].type, cases[i].body, "key-1", &first);
    send_with_key(cases[i].path, cases[i].type, cases[i].body, "key-1", &again);
    send_with_key(cases[i].path, cases[i].type, cases[i].other, "key-1", &other);
    ck_assert_int_le(first.status, 202);
    ck_assert_int_eq(again.status, first.status);
    ck_assert_str_eq(again.body, first.body);
    char location[256];
    snprintf(location, sizeof location, "%s", answer_get_header(&first, "Location"));
    ck_assert_int_eq(strncmp(location, "/v1/", 4), 0);
    ck_assert_str_eq(answer_get_header(&again, "Location"), location);
    ck_assert_str_eq(answer_get_header(&again, "Idempotency-Replayed"), "true");
    ck_assert_int_eq(other.status, 422);
    json_t *list = client_get_json(&server, cases[i].list, 200);
    ck_assert_uint_eq(json_array_size(json_at(list, "/items")), cases[i].count);
    json_decref(list);
    answer_deinit(&first);
    answer_deinit(&again);
    answer_deinit(&other);
  }
}
END_TEST

START_TEST(a_key_survives_kill_9) {
  struct client_answer first, again;
  send_with_key("/v1/networks", "application/json", NETWORK, "key-9", &first);
  server_kill(&server);
  server_restart(&server, NULL);
  send_with_key("/v1/networks", "application/json", NETWORK, "key-9", &again);
  ck_assert_str_eq(first.body, again.body);
  answer_deinit(&first);
  answer_deinit(&again);
}
END_TEST

static void *post_same(void *context) {
  struct client_answer *answer = context;
  send_with_key("/v1/jobs", "application/json", "{\"network\":" NETWORK ",\"dataset\":\"flowers\",\"target\":\"kind\",\"epochs\":1}",
                "key-race", answer);
  return NULL;
}

START_TEST(requests_with_one_key_at_the_same_time_make_one_job) {
  enum { THREADS = 8 };
  pthread_t threads[THREADS];
  struct client_answer answers[THREADS];
  for (int i = 0; i < THREADS; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, post_same, &answers[i]), 0);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < THREADS; i++) {
    ck_assert_int_eq(answers[i].status, 202);
    ck_assert_str_eq(answers[i].body, answers[0].body);
  }
  for (int i = 0; i < THREADS; i++) answer_deinit(&answers[i]);
  json_t *list = client_get_json(&server, "/v1/jobs", 200);
  ck_assert_uint_eq(json_array_size(json_at(list, "/items")), 1);
  json_decref(list);
}
END_TEST

START_TEST(an_etag_spares_the_body_until_something_changes) {
  struct client_answer answer;
  client_get(&server, "/v1/datasets/flowers", &answer);
  char header[128];
  snprintf(header, sizeof header, "If-None-Match: %s", answer_get_header(&answer, "ETag"));
  answer_deinit(&answer);
  const char *const headers[] = {header, NULL};
  struct client_request request = {.path = "/v1/datasets/flowers", .headers = headers};
  client_send(&server, &request, &answer);
  ck_assert_int_eq(answer.status, 304);
  ck_assert_uint_eq(answer.body_bytes, 0);
  answer_deinit(&answer);
  json_decref(client_expect_json(
      &server, &(struct client_request){.method = "PATCH", .path = "/v1/datasets/flowers", .body = "{\"name\":\"flowers2\"}"}, 200));
  request.path = "/v1/datasets/flowers2";
  client_send(&server, &request, &answer);
  ck_assert_int_eq(answer.status, 200);
  answer_deinit(&answer);
}
END_TEST

START_TEST(lists_have_etags_too) {
  static const char *const paths[] = {"/v1/networks", "/v1/datasets?limit=1", "/v1/jobs", "/v1/models"};
  for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
    struct client_answer answer;
    client_get(&server, paths[i], &answer);
    char header[128];
    ck_assert_str_eq(answer_get_header(&answer, "Cache-Control"), "private, no-cache");
    snprintf(header, sizeof header, "If-None-Match: W/\"other\", %s", answer_get_header(&answer, "ETag"));
    answer_deinit(&answer);
    const char *const headers[] = {header, NULL};
    client_send(&server, &(struct client_request){.path = paths[i], .headers = headers}, &answer);
    ck_assert_int_eq(answer.status, 304);
    answer_deinit(&answer);
  }
}
END_TEST

START_TEST(lists_come_in_pages_newest_first) {
  for (int i = 0; i < 5; i++) {
    char body[256];
    snprintf(body, sizeof body, "{\"name\":\"net-%d\",\"layers\":[{\"type\":\"dense\",\"units\":2}]}", i);
    json_decref(post("/v1/networks", body, 201));
  }
  char path[256] = "/v1/networks?limit=2", seen[64] = "";
  for (int page = 0; page < 4 && path[0] != '\0'; page++) {
    json_t *list = client_get_json(&server, path, 200);
    size_t index;
    json_t *item;
    json_array_foreach(json_at(list, "/items"), index, item) strncat(seen, json_text_at(item, "/name") + 4, 2);
    const char *cursor = json_text_at(list, "/next_cursor");
    if (cursor[0] == '\0')
      path[0] = '\0';
    else
      snprintf(path, sizeof path, "/v1/networks?limit=2&cursor=%s", cursor);
    json_decref(list);
  }
  ck_assert_str_eq(seen, "43210");
}
END_TEST

static void *pause_same(void *context) {
  send_with_key("/v1/jobs/endless/pause", "application/json", NULL, "key-pause", context);
  return NULL;
}

/* The state and the answer are one transaction: who comes second is answered as the first was, not that the job is paused already. */
START_TEST(a_pause_repeated_at_the_same_time_has_one_answer) {
  enum { THREADS = 6 };
  pthread_t threads[THREADS];
  struct client_answer answers[THREADS];
  json_t *job = post("/v1/jobs",
                     "{\"name\":\"endless\",\"network\":" NETWORK ",\"dataset\":\"flowers\",\"target\":\"kind\",\"epochs\":1000000}", 202);
  ck_assert_str_eq(json_text_at(job, "/state"), "queued");
  ck_assert_double_ge(json_number_at(job, "/queue_position"), 1);
  json_decref(job);
  for (int i = 0; i < THREADS; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, pause_same, &answers[i]), 0);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < THREADS; i++) {
    ck_assert_msg(answers[i].status == 202, "%s", answers[i].body);
    ck_assert_str_eq(answers[i].body, answers[0].body);
  }
  for (int i = 0; i < THREADS; i++) answer_deinit(&answers[i]);
  json_decref(client_wait_for(&server, "/v1/jobs/endless", "/state", "paused", 60000));
}
END_TEST

/* Known with a key as without: the place in the queue belongs to the transaction that inserts the job. */
START_TEST(a_submitted_jobs_place_in_the_queue_is_told_with_a_key_too) {
  static const char job[] = "{\"network\":" NETWORK ",\"dataset\":\"flowers\",\"target\":\"kind\",\"epochs\":1}";
  for (int i = 0; i < 20; i++) {
    struct client_answer answer;
    char key[32];
    snprintf(key, sizeof key, "place-%d", i);
    if (i % 2 == 0)
      send_with_key("/v1/jobs", "application/json", job, key, &answer);
    else
      client_post_json(&server, "/v1/jobs", job, &answer);
    json_t *json = answer_get_json(&answer);
    ck_assert_int_eq(answer.status, 202);
    ck_assert_double_ge(json_number_at(json, "/queue_position"), 1);
    json_decref(json);
    answer_deinit(&answer);
  }
}
END_TEST

/* More events than a thread for short requests would read. */
START_TEST(a_long_runs_metrics_come_thinned_and_whole) {
  run_job("long", ",\"epochs\":6000");
  json_t *thinned = client_get_json(&server, "/v1/jobs/long/metrics?max_points=9&names=loss", 200);
  json_t *whole = client_get_json(&server, "/v1/jobs/long/metrics?names=loss", 200);
  const size_t count = json_array_size(json_at(thinned, "/series/loss/value"));
  ck_assert_uint_ge(count, 6);
  ck_assert_uint_le(count, 10); /* and the best epoch's */
  ck_assert_uint_eq(json_array_size(json_at(whole, "/series/loss/value")), 6000);
  ck_assert_double_eq(json_number_value(json_array_get(json_at(thinned, "/series/loss/step"), count - 1)),
                      json_number_value(json_array_get(json_at(whole, "/series/loss/step"), 5999)));
  json_decref(thinned);
  json_decref(whole);
}
END_TEST

/* A query that can't be read is malformed, as everywhere. */
START_TEST(a_cursor_that_no_list_gave_is_400) {
  static const char *const lists[] = {"networks", "datasets", "jobs", "models"};
  for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
    char path[64];
    snprintf(path, sizeof path, "/v1/%s?cursor=c12", lists[i]);
    json_t *problem = client_get_json(&server, path, 400);
    ck_assert_str_eq(json_text_at(problem, "/code"), "malformed");
    ck_assert_ptr_nonnull(strstr(json_text_at(problem, "/detail"), "cursor"));
    json_decref(problem);
  }
}
END_TEST

/* A row of a list is the job itself, but for its specs; a job's parts are JSON that reads as it was given. */
START_TEST(a_job_in_a_list_is_the_job_without_its_specs) {
  run_job("a", ",\"epochs\":2");
  json_t *job = client_get_json(&server, "/v1/jobs/a", 200), *list = client_get_json(&server, "/v1/jobs", 200);
  ck_assert_double_eq(json_number_at(job, "/spec/epochs"), 2);
  ck_assert_str_eq(json_text_at(job, "/network_spec/layers/0/type"), "dense");
  ck_assert_str_eq(json_text_at(job, "/precision"), "float32");
  ck_assert(json_number_at(job, "/metrics/test/accuracy") >= 0);
  ck_assert(json_number_at(job, "/metrics/best/epoch") >= 1);
  ck_assert_int_eq(json_object_del(job, "spec"), 0);
  ck_assert_int_eq(json_object_del(job, "network_spec"), 0);
  ck_assert(json_equal(job, json_at(list, "/items/0")));
  json_decref(job);
  json_decref(list);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "jobs over HTTP");
  tcase_add_checked_fixture(test_case, start, stop);
  tcase_add_test(test_case, digits_reach_96_percent_on_a_stratified_test_part);
  tcase_add_test(test_case, a_cursor_that_no_list_gave_is_400);
  tcase_add_test(test_case, a_pause_repeated_at_the_same_time_has_one_answer);
  tcase_add_test(test_case, a_submitted_jobs_place_in_the_queue_is_told_with_a_key_too);
  tcase_add_test(test_case, a_long_runs_metrics_come_thinned_and_whole);
  tcase_add_test(test_case, a_job_in_a_list_is_the_job_without_its_specs);
  tcase_add_test(test_case, a_dry_run_resolves_everything_and_keeps_nothing);
  tcase_add_test(test_case, metrics_come_whole_thinned_and_as_csv);
  tcase_add_test(test_case, events_resume_without_loss_or_repeat);
  tcase_add_test(test_case, a_stream_ends_when_its_job_is_deleted);
  tcase_add_test(test_case, a_key_replays_the_first_answer_and_refuses_another_body);
  tcase_add_test(test_case, a_key_survives_kill_9);
  tcase_add_test(test_case, requests_with_one_key_at_the_same_time_make_one_job);
  tcase_add_test(test_case, lists_have_etags_too);
  tcase_add_test(test_case, an_etag_spares_the_body_until_something_changes);
  tcase_add_test(test_case, lists_come_in_pages_newest_first);
}

int main(void) { return suite_main("jobs over HTTP", add_cases); }
