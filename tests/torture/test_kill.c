/* kill -9 at random moments, again and again: no acknowledged write may be missing, the database must be whole, every job must finish by
 * itself with each metric point once and with the weights of an uninterrupted run.
 *
 * A round: start the server, let a child kill it a random while later, and meanwhile upload a dataset, create a network and start a job,
 * noting what was acknowledged. A job's POST carries an Idempotency-Key and is repeated in the next round until it is acknowledged: so a
 * lost answer may not start a second job.
 */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/http_client.h"
#include "tests/support/suite.h"

enum { ROUNDS = 24, SPECS = 3, ROUND_MS_MAX = 700, UPLOAD_ROWS = 40000 };

/* Checkpoints often, so that kills hit their writing too. */
static const char *const arguments[] = {"--workers", "2", "--checkpoint-interval-ms", "40", NULL};

struct reference {
  char weights_sha256[65];
  json_t *series;
};

struct attempt {
  bool has_dataset, has_network, has_job; /* acknowledged */
  char dataset_sha256[65];
  char job_id[64];
};

static struct server_process server;
static uint64_t random_state;

/* splitmix64; the seed is printed, so that a failure can be tried again (KILL_SEED). */
static uint64_t random_next(void) {
  uint64_t z = (random_state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static char *read_file(const char *path, size_t *out_bytes) {
  FILE *file = fopen(path, "rb");
  ck_assert_msg(file != NULL, "%s: run me from the project's root", path);
  char *text = malloc(1 << 20);
  ck_assert_ptr_nonnull(text);
  *out_bytes = fread(text, 1, (1 << 20) - 1, file);
  text[*out_bytes] = '\0';
  fclose(file);
  return text;
}

/* A table that takes a while to upload, different in each round. */
static char *make_table(size_t round) {
  char *text = malloc(UPLOAD_ROWS * 48 + 64);
  ck_assert_ptr_nonnull(text);
  size_t length = (size_t)sprintf(text, "a,b,c,label\n");
  for (size_t i = 0; i < UPLOAD_ROWS; i++)
    length += (size_t)sprintf(text + length, "%zu,%zu.5,%zu,%s\n", i, (i * 7919 + round) % 1000, i % 97, i % 3 ? "yes" : "no");
  return text;
}

static void post_main_things(void) {
  size_t bytes;
  char *digits = read_file("examples/data/digits.csv", &bytes);
  const struct client_request upload = {
      .path = "/v1/datasets?name=digits", .content_type = "text/csv", .body = digits, .body_bytes = bytes};
  json_decref(client_expect_json(&server, &upload, 201));
  free(digits);
  const struct client_request network = {
      .path = "/v1/networks",
      .body = "{\"name\":\"mlp\",\"layers\":[{\"type\":\"dense\",\"units\":96,\"activation\":\"relu\"},{\"type\":\"batch_norm\"},"
              "{\"type\":\"dropout\",\"rate\":0.2},{\"type\":\"dense\",\"units\":96,\"activation\":\"tanh\"},"
              "{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"auto\"}]}"};
  json_decref(client_expect_json(&server, &network, 201));
}

static void write_job(size_t spec, char *text, size_t text_bytes) {
  static const char *const optimizers[SPECS] = {"\"adam\"", "{\"type\":\"sgd\",\"learning_rate\":0.05,\"momentum\":0.9}", "\"nadam\""};
  snprintf(text, text_bytes,
           "{\"network\":\"mlp\",\"dataset\":\"digits\",\"target\":\"digit\",\"optimizer\":%s,\"seed\":%zu,\"epochs\":%d,\"threads\":%zu,"
           "\"schedule\":{\"type\":\"cosine\",\"warmup_steps\":50}}",
           optimizers[spec], spec, 120, spec % 2 + 1);
}

static json_t *get_series(const char *job_id) {
  char path[128];
  snprintf(path, sizeof path, "/v1/jobs/%s/metrics", job_id);
  json_t *answer = client_get_json(&server, path, 200);
  json_t *series = json_incref(json_object_get(answer, "series"));
  json_decref(answer);
  return series;
}

static void run_references(struct reference references[SPECS]) {
  server_start(&server, arguments);
  post_main_things();
  for (size_t spec = 0; spec < SPECS; spec++) {
    char text[512], path[128];
    write_job(spec, text, sizeof text);
    json_t *job = client_expect_json(&server, &(struct client_request){.path = "/v1/jobs", .body = text}, 202);
    snprintf(path, sizeof path, "/v1/jobs/%s", json_text_at(job, "/id"));
    json_decref(job);
    job = client_wait_for(&server, path, "/state", "succeeded|failed", 300000);
    ck_assert_str_eq(json_text_at(job, "/state"), "succeeded");
    snprintf(references[spec].weights_sha256, sizeof references[spec].weights_sha256, "%s", json_text_at(job, "/weights_sha256"));
    ck_assert_uint_eq(strlen(references[spec].weights_sha256), 64);
    references[spec].series = get_series(json_text_at(job, "/id"));
    json_decref(job);
  }
  ck_assert_int_eq(server_stop(&server), 0);
  server_cleanup(&server);
}

static pid_t kill_later(pid_t victim, useconds_t delay_us) {
  const pid_t killer = fork();
  if (killer == 0) {
    usleep(delay_us);
    kill(victim, SIGKILL);
    _exit(0);
  }
  return killer;
}

static void try_upload(struct attempt *attempt, size_t round) {
  char path[64];
  snprintf(path, sizeof path, "/v1/datasets?name=table-%zu", round);
  char *table = make_table(round);
  struct client_answer answer;
  client_send(&server, &(struct client_request){.path = path, .content_type = "text/csv", .body = table, .may_fail = true}, &answer);
  if (answer.status == 201) {
    json_t *json = answer_get_json(&answer);
    attempt->has_dataset = true;
    snprintf(attempt->dataset_sha256, sizeof attempt->dataset_sha256, "%s", json_text_at(json, "/sha256"));
    json_decref(json);
  }
  answer_deinit(&answer);
  free(table);
}

static void try_network(struct attempt *attempt, size_t round) {
  char body[160];
  snprintf(body, sizeof body, "{\"name\":\"net-of-round-%zu\",\"layers\":[{\"type\":\"dense\",\"units\":3}]}", round);
  struct client_answer answer;
  client_send(&server, &(struct client_request){.path = "/v1/networks", .body = body, .may_fail = true}, &answer);
  attempt->has_network = answer.status == 201;
  answer_deinit(&answer);
}

/* Posts the job of `of_round`, again and again over rounds until it is acknowledged, always under the same key. */
static void try_job(struct attempt *attempt, size_t of_round) {
  if (attempt->has_job) return;
  char body[512], key[64];
  write_job(of_round % SPECS, body, sizeof body);
  snprintf(key, sizeof key, "Idempotency-Key: job-of-round-%zu", of_round);
  const char *const headers[] = {key, NULL};
  struct client_answer answer;
  client_send(&server, &(struct client_request){.path = "/v1/jobs", .body = body, .headers = headers, .may_fail = true}, &answer);
  if (answer.status == 202) {
    json_t *json = answer_get_json(&answer);
    snprintf(attempt->job_id, sizeof attempt->job_id, "%s", json_text_at(json, "/id"));
    attempt->has_job = true;
    json_decref(json);
  }
  answer_deinit(&answer);
}

static void check_acknowledged(const struct attempt *attempts, size_t count) {
  for (size_t i = 0; i < count; i++) {
    char path[128];
    if (attempts[i].has_dataset) {
      snprintf(path, sizeof path, "/v1/datasets/table-%zu", i);
      json_t *dataset = client_get_json(&server, path, 200);
      ck_assert_str_eq(json_text_at(dataset, "/sha256"), attempts[i].dataset_sha256);
      ck_assert_int_eq((int)json_number_at(dataset, "/rows"), UPLOAD_ROWS);
      json_decref(dataset);
    }
    if (attempts[i].has_network) {
      snprintf(path, sizeof path, "/v1/networks/net-of-round-%zu", i);
      json_decref(client_get_json(&server, path, 200));
    }
    if (attempts[i].has_job) {
      snprintf(path, sizeof path, "/v1/jobs/%s", attempts[i].job_id);
      json_decref(client_get_json(&server, path, 200));
    }
  }
}

/* One sitting of the server, ended by kill -9. */
static void run_round(struct attempt *attempts, size_t round) {
  if (round > 0) {
    server_assert_database_is_whole(&server);
    server_restart(&server, arguments);
    check_acknowledged(attempts, round);
  }
  const pid_t killer = kill_later(server.pid, (useconds_t)(random_next() % (ROUND_MS_MAX * 1000)));
  /* What comes first differs, so that each kind of write is hit early and late. */
  for (size_t i = 0; i < 3; i++) {
    switch ((round + i) % 3) {
    case 0: try_upload(&attempts[round], round); break;
    case 1: try_network(&attempts[round], round); break;
    default:
      for (size_t earlier = 0; earlier <= round; earlier++) try_job(&attempts[earlier], earlier);
    }
  }
  waitpid(killer, NULL, 0);
  server_kill(&server);
}

/* Each step once, and every value the uninterrupted run's. */
static void check_series(const json_t *series, const json_t *reference, size_t round) {
  ck_assert_uint_eq(json_object_size(series), json_object_size(reference));
  const char *name;
  json_t *points;
  json_object_foreach((json_t *)(uintptr_t)series, name, points) {
    const json_t *steps = json_object_get(points, "step");
    for (size_t i = 1; i < json_array_size(steps); i++)
      ck_assert_msg(json_integer_value(json_array_get(steps, i)) > json_integer_value(json_array_get(steps, i - 1)),
                    "round %zu: %s has step %lld twice", round, name, json_integer_value(json_array_get(steps, i)));
    ck_assert_msg(json_equal(points, json_object_get(reference, name)), "round %zu: %s differs from the uninterrupted run's", round, name);
  }
}

static size_t count_items(const char *path) {
  json_t *list = client_get_json(&server, path, 200);
  const size_t count = json_array_size(json_object_get(list, "items"));
  json_decref(list);
  return count;
}

START_TEST(nothing_acknowledged_is_lost_by_kill_9) {
  const char *seed = getenv("KILL_SEED");
  random_state = seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL);
  printf("KILL_SEED=%llu\n", (unsigned long long)random_state);
  struct reference references[SPECS];
  run_references(references);

  static struct attempt attempts[ROUNDS];
  server_start(&server, arguments);
  post_main_things();
  for (size_t round = 0; round < ROUNDS; round++) run_round(attempts, round);

  server_assert_database_is_whole(&server);
  server_restart(&server, arguments);
  for (size_t round = 0; round < ROUNDS; round++) {
    try_job(&attempts[round], round);
    ck_assert(attempts[round].has_job);
  }
  check_acknowledged(attempts, ROUNDS);
  for (size_t round = 0; round < ROUNDS; round++) {
    char path[128];
    snprintf(path, sizeof path, "/v1/jobs/%s", attempts[round].job_id);
    json_t *job = client_wait_for(&server, path, "/state", "succeeded|failed|cancelled", 600000);
    ck_assert_str_eq(json_text_at(job, "/state"), "succeeded");
    ck_assert_msg(strcmp(json_text_at(job, "/weights_sha256"), references[round % SPECS].weights_sha256) == 0,
                  "round %zu: the weights differ from the uninterrupted run's", round);
    json_t *series = get_series(attempts[round].job_id);
    check_series(series, references[round % SPECS].series, round);
    json_decref(series);
    json_decref(job);
  }
  ck_assert_uint_eq(count_items("/v1/jobs?limit=100"), ROUNDS);
  ck_assert_uint_eq(count_items("/v1/models?limit=100"), ROUNDS);
  ck_assert_uint_eq(count_items("/v1/datasets?limit=100"), server_count_dataset_files(&server));
  server_end(&server);
  for (size_t spec = 0; spec < SPECS; spec++) json_decref(references[spec].series);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *tcase = suite_add_case(suite, "kill -9");
  tcase_set_timeout(tcase, 1200);
  tcase_add_test(tcase, nothing_acknowledged_is_lost_by_kill_9);
}

int main(void) { return suite_main("kill", add_cases); }
