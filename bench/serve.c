/* Serving, measured on the real program: start and idle memory, time from POST job to its first metric, requests per second and
 * latency of GET job and predict, idle and while every worker trains. Run by bench/run.sh. The load generator shares the
 * machine's cores with the server.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/http_client.h"
#include "tests/support/load.h"
#include "tests/support/suite.h"

enum { STARTS = 5, FIRST_METRICS = 9, PIXELS = 784, PIXEL_ROWS = 400 };
static const double LOAD_SECONDS = 2.0;
enum { PAUSES = 3, PAUSE_SECONDS_MAX = 60 };
#define PAUSE_METRIC "backpropd_checkpoint_pause"
#define START_METRIC "backpropd_job_start_seconds_sum"

static double now_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec * 1e-6;
}

static int compare_numbers(const void *left, const void *right) {
  const double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}

static void print_spread(const char *what, double *values, size_t count, const char *unit) {
  qsort(values, count, sizeof values[0], compare_numbers);
  printf("%-58s %8.1f %s [%.1f … %.1f]\n", what, values[count / 2], unit, values[0], values[count - 1]);
  fflush(stdout);
}

static void post(const struct server_process *server, const char *path, const char *json, int expected_status) {
  json_decref(client_expect_json(server, &(struct client_request){.path = path, .body = json}, expected_status));
}

static void upload_digits(const struct server_process *server) {
  FILE *file = fopen("examples/data/digits.csv", "rb");
  static char text[1 << 20];
  if (file == NULL) {
    fprintf(stderr, "bench: run me from the project's root\n");
    exit(1);
  }
  const size_t bytes = fread(text, 1, sizeof text, file);
  fclose(file);
  const struct client_request upload = {.path = "/v1/datasets?name=digits", .content_type = "text/csv", .body = text, .body_bytes = bytes};
  json_decref(client_expect_json(server, &upload, 201));
}

static void measure_start(void) {
  double start_ms[STARTS], memory_mib[STARTS];
  for (size_t i = 0; i < STARTS; i++) {
    struct server_process server;
    const double before = now_ms();
    server_start(&server, NULL);
    start_ms[i] = now_ms() - before;
    json_decref(client_get_json(&server, "/healthz", 200));
    memory_mib[i] = (double)server_get_memory_bytes(&server) / (1 << 20);
    server_cleanup(&server);
  }
  print_spread("start to ready, new data directory", start_ms, STARTS, "ms");
  print_spread("resident memory, idle", memory_mib, STARTS, "MiB");
}

/* Ends the stream at the first metrics event. */
static bool until_metrics(void *context, const char *bytes, size_t byte_count) {
  double *at_ms = context;
  if (memmem(bytes, byte_count, "event: metrics", 14) == NULL) return true;
  *at_ms = now_ms();
  return false;
}

/* One number of /metrics. */
static double read_metric(const struct server_process *server, const char *name) {
  struct client_answer answer;
  client_send(server, &(struct client_request){.path = "/metrics"}, &answer);
  char line[128];
  snprintf(line, sizeof line, "\n%s ", name);
  const char *at = strstr(answer.body, line);
  const double value = at == NULL ? 0 : strtod(at + strlen(line), NULL);
  answer_deinit(&answer);
  return value;
}

static void measure_first_metric(const struct server_process *server) {
  double first_ms[FIRST_METRICS], start_ms[FIRST_METRICS];
  for (size_t i = 0; i < FIRST_METRICS; i++) {
    char job[256], path[128];
    snprintf(job, sizeof job, "{\"name\":\"first-%zu\",\"network\":\"mlp\",\"dataset\":\"digits\",\"target\":\"digit\",\"epochs\":20}", i);
    const double before = now_ms(), started_before = read_metric(server, START_METRIC);
    double at_ms = 0;
    post(server, "/v1/jobs", job, 202);
    snprintf(path, sizeof path, "/v1/jobs/first-%zu/events", i);
    struct client_answer answer;
    client_send(server, &(struct client_request){.path = path, .on_data = until_metrics, .context = &at_ms, .may_fail = true}, &answer);
    answer_deinit(&answer);
    first_ms[i] = at_ms - before;
    start_ms[i] = 1e3 * (read_metric(server, START_METRIC) - started_before);
    snprintf(path, sizeof path, "/v1/jobs/first-%zu", i);
    json_decref(client_wait_for(server, path, "/state", "succeeded", 60000));
  }
  print_spread("POST job (digits) to its first metric at the client", first_ms, FIRST_METRICS, "ms");
  print_spread("a worker takes a job (digits) to its first step done", start_ms, FIRST_METRICS, "ms");
}

static double read_clock_us(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (double)time.tv_sec * 1e6 + (double)time.tv_nsec * 1e-3;
}

/* Time on a processor, of the server and of the load generator, says what a request costs even where others use the machine as well. */
static void measure_load(const struct server_process *server, const char *what, const char *request, size_t connections) {
  struct load_result result;
  clockid_t server_clock;
  if (clock_getcpuclockid(server->pid, &server_clock) != 0) server_clock = CLOCK_MONOTONIC;
  const double server_us = read_clock_us(server_clock), load_us = read_clock_us(CLOCK_PROCESS_CPUTIME_ID);
  const struct load_options options = {.port = server->port, .request = request, .connections = connections, .seconds = LOAD_SECONDS};
  if (load_run(&options, &result) != 0) {
    fprintf(stderr, "bench: no answer to %s\n", what);
    exit(1);
  }
  printf("%-42s %3zu connections %9.0f requests/s  p50 %7.0f us  p99 %7.0f us  cpu/request: server %5.1f us, load %5.1f us  errors %zu\n",
         what, connections, (double)result.requests / result.seconds, result.p50_us, result.p99_us,
         (read_clock_us(server_clock) - server_us) / (double)result.requests,
         (read_clock_us(CLOCK_PROCESS_CPUTIME_ID) - load_us) / (double)result.requests, result.errors);
  fflush(stdout);
}

/* One row of `width` values from 0 to max. malloc'd. */
static char *make_predict_request(const struct server_process *server, const char *model, size_t width, size_t max) {
  char *body = NULL, *request = NULL;
  size_t body_bytes = 0;
  FILE *file = open_memstream(&body, &body_bytes);
  fputs("{\"rows\":[[", file);
  for (size_t i = 0; i < width; i++) fprintf(file, "%s%zu", i ? "," : "", (i * 7 + i / 28) % (max + 1));
  fputs("]]}", file);
  fclose(file);
  if (asprintf(
          &request,
          "POST /v1/models/%s/predict HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
          model, server->port, body_bytes, body) < 0)
    exit(1);
  free(body);
  return request;
}

/* As large as handwritten digits of 28 by 28 pixels, but drawn by a formula: what is measured doesn't depend on what they show. */
static void train_on_pixels(const struct server_process *server) {
  char *text = NULL;
  size_t bytes = 0;
  FILE *file = open_memstream(&text, &bytes);
  for (size_t i = 0; i < PIXELS; i++) fprintf(file, "pixel_%zu,", i);
  fputs("digit\n", file);
  for (size_t row = 0; row < PIXEL_ROWS; row++) {
    for (size_t i = 0; i < PIXELS; i++) fprintf(file, "%zu,", (i * (row % 10 + 3) + row * 31) % 256);
    fprintf(file, "%zu\n", row % 10);
  }
  fclose(file);
  const struct client_request upload = {.path = "/v1/datasets?name=pixels", .content_type = "text/csv", .body = text, .body_bytes = bytes};
  json_decref(client_expect_json(server, &upload, 201));
  free(text);
  post(server, "/v1/networks",
       "{\"name\":\"pixels\",\"layers\":[{\"type\":\"dense\",\"units\":128,\"activation\":\"relu\"},{\"type\":\"dense\",\"units\":\"auto\","
       "\"activation\":\"auto\"}]}",
       201);
  post(server, "/v1/jobs",
       "{\"name\":\"pixels\",\"network\":\"pixels\",\"dataset\":\"pixels\",\"target\":\"digit\",\"task\":\"classification\",\"epochs\":2}",
       202);
  json_decref(client_wait_for(server, "/v1/jobs/pixels", "/state", "succeeded", 60000));
}

/* How long training stands still for a checkpoint of 10 million parameters and Adam's two moments of each, 120 MB. */
static void measure_checkpoint_pause(void) {
  struct server_process server;
  server_start(&server, NULL);
  upload_digits(&server);
  post(&server, "/v1/networks",
       "{\"name\":\"ten-million\",\"layers\":[{\"type\":\"dense\",\"units\":3120,\"activation\":\"relu\"},{\"type\":\"dense\",\"units\":"
       "3120,"
       "\"activation\":\"relu\"},{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"auto\"}]}",
       201);
  post(&server, "/v1/jobs",
       "{\"name\":\"large\",\"network\":\"ten-million\",\"dataset\":\"digits\",\"target\":\"digit\",\"optimizer\":\"adam\",\"batch_size\":"
       "32,"
       "\"epochs\":100000}",
       202);
  double count = 0;
  for (size_t waits = 0; waits < PAUSE_SECONDS_MAX && (count = read_metric(&server, PAUSE_METRIC "_seconds_count")) < PAUSES; waits++)
    sleep(1);
  printf("%-58s %8.1f ms, longest %.1f ms, of %.0f checkpoints\n", "training stands still for a checkpoint of 10 M parameters, mean",
         1e3 * read_metric(&server, PAUSE_METRIC "_seconds_sum") / count, 1e3 * read_metric(&server, PAUSE_METRIC "_longest_seconds"),
         count);
  fflush(stdout);
  ck_assert_int_eq(server_stop(&server), 0);
  server_cleanup(&server);
}

/* A test, since what starts and asks servers belongs to the tests, and fails through Check. */
START_TEST(measure_serving) {
  measure_start();
  measure_checkpoint_pause();
  struct server_process server;
  server_start(&server, NULL);
  upload_digits(&server);
  post(&server, "/v1/networks",
       "{\"name\":\"mlp\",\"layers\":[{\"type\":\"dense\",\"units\":64,\"activation\":\"relu\"},{\"type\":\"dense\",\"units\":\"auto\","
       "\"activation\":\"auto\"}]}",
       201);
  post(&server, "/v1/networks",
       "{\"name\":\"large\",\"layers\":[{\"type\":\"dense\",\"units\":1024,\"activation\":\"relu\"},{\"type\":\"dense\",\"units\":1024,"
       "\"activation\":\"relu\"},"
       "{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"auto\"}]}",
       201);
  measure_first_metric(&server);

  char get_job[256];
  snprintf(get_job, sizeof get_job, "GET /v1/jobs/first-0 HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", server.port);
  char *predict = make_predict_request(&server, "first-0", 64, 16);
  train_on_pixels(&server);
  char *predict_pixels = make_predict_request(&server, "pixels", PIXELS, 255);
  measure_load(&server, "GET job, idle", get_job, 1);
  measure_load(&server, "GET job, idle", get_job, 16);
  measure_load(&server, "predict one row (64-64-10), idle", predict, 1);
  measure_load(&server, "predict one row (64-64-10), idle", predict, 16);
  measure_load(&server, "predict one row (784-128-10), idle", predict_pixels, 1);
  measure_load(&server, "predict one row (784-128-10), idle", predict_pixels, 32);

  const char *const long_jobs[] = {"long-0", "long-1"};
  for (size_t i = 0; i < 2; i++) {
    char job[256], path[64];
    snprintf(job, sizeof job, "{\"name\":\"%s\",\"network\":\"large\",\"dataset\":\"digits\",\"target\":\"digit\",\"epochs\":100000}",
             long_jobs[i]);
    post(&server, "/v1/jobs", job, 202);
    snprintf(path, sizeof path, "/v1/jobs/%s", long_jobs[i]);
    json_decref(client_wait_for(&server, path, "/state", "running", 60000));
  }
  measure_load(&server, "GET job, both workers training", get_job, 16);
  measure_load(&server, "predict one row, both workers training", predict, 16);
  ck_assert_int_eq(server_stop(&server), 0);
  server_cleanup(&server);
  free(predict);
  free(predict_pixels);
}
END_TEST

static void add_cases(Suite *suite) { tcase_add_test(suite_add_case(suite, "serving"), measure_serving); }

int main(void) { return suite_main("bench", add_cases); }
