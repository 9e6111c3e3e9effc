/* Serving, measured on the real program: start and idle memory, time from POST job to its first metric, requests per second and latency of GET job
 * and predict, idle and while every worker trains. Run by bench/run.sh. The load generator shares the machine's cores with the server.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/support/http_client.h"
#include "tests/support/load.h"

enum { STARTS = 5, FIRST_METRICS = 9 };
static const double LOAD_SECONDS = 2.0;

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

static void measure_first_metric(const struct server_process *server) {
  double first_ms[FIRST_METRICS];
  for (size_t i = 0; i < FIRST_METRICS; i++) {
    char job[256], path[128];
    snprintf(job, sizeof job, "{\"name\":\"first-%zu\",\"network\":\"mlp\",\"dataset\":\"digits\",\"target\":\"digit\",\"epochs\":20}", i);
    const double before = now_ms();
    double at_ms = 0;
    post(server, "/v1/jobs", job, 202);
    snprintf(path, sizeof path, "/v1/jobs/first-%zu/events", i);
    struct client_answer answer;
    client_send(server, &(struct client_request){.path = path, .on_data = until_metrics, .context = &at_ms, .may_fail = true}, &answer);
    answer_deinit(&answer);
    first_ms[i] = at_ms - before;
    snprintf(path, sizeof path, "/v1/jobs/first-%zu", i);
    json_decref(client_wait_for(server, path, "/state", "succeeded", 60000));
  }
  print_spread("POST job (digits) to its first metric at the client", first_ms, FIRST_METRICS, "ms");
}

static void measure_load(const struct server_process *server, const char *what, const char *request, size_t connections) {
  struct load_result result;
  const struct load_options options = {.port = server->port, .request = request, .connections = connections, .seconds = LOAD_SECONDS};
  if (load_run(&options, &result) != 0) {
    fprintf(stderr, "bench: no answer to %s\n", what);
    exit(1);
  }
  printf("%-42s %3zu connections %9.0f requests/s  p50 %7.0f us  p99 %7.0f us  errors %zu\n", what, connections,
         (double)result.requests / result.seconds, result.p50_us, result.p99_us, result.errors);
  fflush(stdout);
}

static char *make_predict_request(const struct server_process *server) {
  static char request[4096];
  char row[1024] = "";
  for (size_t i = 0; i < 64; i++) snprintf(row + strlen(row), sizeof row - strlen(row), "%s%zu", i ? "," : "", (i * 7) % 17);
  char body[1200];
  const int length = snprintf(body, sizeof body, "{\"rows\":[[%s]]}", row);
  snprintf(
      request, sizeof request,
      "POST /v1/models/first-0/predict HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
      server->port, length, body);
  return request;
}

int main(void) {
  measure_start();
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
  const char *predict = make_predict_request(&server);
  measure_load(&server, "GET job, idle", get_job, 1);
  measure_load(&server, "GET job, idle", get_job, 16);
  measure_load(&server, "predict one row (64-64-10), idle", predict, 1);
  measure_load(&server, "predict one row (64-64-10), idle", predict, 16);

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
  const int status = server_stop(&server);
  server_cleanup(&server);
  return status == 0 ? 0 : 1;
}
