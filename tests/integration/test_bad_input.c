/* Bad input: what is sent, and the status, code and pointer that must come back. Afterwards the server is alive, has not grown, stops with
 * exit status 0 and leaves a whole database. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/server_process.h"
#include "tests/support/suite.h"

enum { MEMORY_GROWTH_MAX = 96 << 20, RAW_TIMEOUT_MS = 5000 };

static struct server_process server;
static size_t memory_before;

static const char points[] = "x,y,kind\n1,2,a\n2,3,b\n3,4,a\n4,5,b\n5,6,a\n6,7,b\n7,8,a\n8,9,b\n9,10,a\n10,11,b\n11,12,a\n12,13,b\n";

static void create(const char *path, const char *type, const char *body) {
  struct client_request request = {.method = "POST", .path = path, .content_type = type, .body = body};
  struct client_answer answer;
  client_send(&server, &request, &answer);
  ck_assert_msg(answer.status == 201 || answer.status == 202, "%s: %d %s", path, answer.status, answer.body);
  answer_deinit(&answer);
}

static void start(void) {
  server_start(&server, (const char *const[]){"--memory-budget", "268435456", "--log-level", "error", NULL});
  create("/v1/datasets?name=points", "text/csv", points);
  create("/v1/datasets?name=one-class", "text/csv", "x,kind\n1,a\n2,a\n3,a\n4,a\n5,a\n6,a\n");
  create("/v1/networks", "application/json",
         "{\"name\":\"net\",\"layers\":[{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"auto\"}]}");
  memory_before = server_get_memory_bytes(&server);
}

static void stop(void) {
  ck_assert(server_is_alive(&server));
  json_decref(client_get_json(&server, "/readyz", 200));
  ck_assert_msg(server_get_memory_bytes(&server) < memory_before + MEMORY_GROWTH_MAX, "from %zu to %zu bytes", memory_before,
                server_get_memory_bytes(&server));
  server_end(&server);
}

/* Bodies too long to be written down. */
static char *repeat(const char *head, const char *part, size_t count, const char *tail) {
  size_t length = strlen(part);
  char *text = malloc(strlen(head) + count * length + strlen(tail) + 1), *at = text;
  at = stpcpy(at, head);
  for (size_t i = 0; i < count; i++) at = stpcpy(at, part);
  stpcpy(at, tail);
  return text;
}

static char *make_deep_array(void) { return repeat("{\"layers\":", "[", 10000, ""); }
static char *make_deep_object(void) { return repeat("", "{\"a\":", 10000, ""); }
static char *make_megabyte_of_brackets(void) { return repeat("", "[", 1 << 20, ""); }
static char *make_object_flood(void) { return repeat("{\"layers\":[{}", ",{}", 300000, "]}"); }
static char *make_many_layers(void) {
  return repeat("{\"layers\":[{\"type\":\"dense\",\"units\":2}", ",{\"type\":\"dense\",\"units\":2}", 3000, "]}");
}
static char *make_too_large(void) { return repeat("{\"name\":\"", "x", 1 << 20, "\"}"); }
static char *make_key_flood(void) {
  char *text = malloc(1 << 20), *at = text;
  at += sprintf(at, "{");
  for (int i = 0; i < 50000; i++) at += sprintf(at, "\"k%d\":1,", i);
  sprintf(at, "\"z\":1}");
  return text;
}
static char *make_long_name(void) { return repeat("{\"name\":\"", "n", 300, "\",\"layers\":[{\"type\":\"dense\",\"units\":2}]}"); }

struct bad_request {
  const char *method, *path;
  const char *type; /* NULL: application/json */
  const char *body; /* NULL: `make`, or none */
  char *(*make)(void);
  int status;
  const char *code;
  const char *pointer; /* of one of the errors; NULL: not looked at */
  const char *words;   /* must stand in the answer; NULL: not looked at */
};

#define NET(text) "POST", "/v1/networks", NULL, text, NULL
#define NET_MADE(make) "POST", "/v1/networks", NULL, NULL, make
#define JOB(text) "POST", "/v1/jobs", NULL, text, NULL
#define CSV(path, text) "POST", "/v1/datasets?" path, "text/csv", text, NULL
#define PLAIN(method, path) method, path, NULL, NULL, NULL
#define SEND(method, path, text) method, path, NULL, text, NULL

static const struct bad_request json_requests[] = {
    /* not JSON */
    {NET(" "), 400, "malformed", NULL, NULL},
    {NET("{\"layers\":[{\"type\":\"dense\","), 400, "malformed", NULL, "line 1"},
    {NET("{\"layers\":[]"), 400, "malformed", NULL, NULL},
    {NET("{\"name\":\"a\",\"name\":\"b\",\"layers\":[]}"), 400, "malformed", NULL, "duplicate"},
    {NET("{'name':'a'}"), 400, "malformed", NULL, NULL},
    {NET("{\"name\":\"a\"} trailing"), 400, "malformed", NULL, NULL},
    {NET("{\"name\":\"\\ud800\"}"), 400, "malformed", NULL, NULL},
    {NET("{\"name\":\"\\u0000\"}"), 400, "malformed", NULL, NULL},
    {NET("{\"name\":\"\xff\xfe\"}"), 400, "malformed", NULL, NULL},
    {NET("{\"layers\":NaN}"), 400, "malformed", NULL, NULL},
    {NET("{\"layers\":[{\"type\":\"dense\",\"units\":1e999}]}"), 400, "malformed", NULL, NULL},
    {NET("{\"layers\":[{\"type\":\"dense\",\"units\":99999999999999999999999}]}"), 400, "malformed", NULL, NULL},
    {NET_MADE(make_deep_array), 400, "malformed", NULL, "deep"},
    {NET_MADE(make_deep_object), 400, "malformed", NULL, "deep"},
    {NET_MADE(make_megabyte_of_brackets), 400, "malformed", NULL, "deep"},
    {NET_MADE(make_object_flood), 400, "malformed", NULL, "too many"},
    {NET_MADE(make_too_large), 413, "too_large", NULL, NULL},
    /* JSON, but not a network */
    {NET("[]"), 422, "invalid", "", NULL},
    {NET("\"network\""), 422, "invalid", "", NULL},
    {NET("null"), 422, "invalid", "", NULL},
    {NET("{}"), 422, "invalid", "/layers", NULL},
    {NET("{\"layers\":[]}"), 422, "invalid", "/layers", NULL},
    {NET("{\"layers\":{}}"), 422, "invalid", "/layers", NULL},
    {NET("{\"layers\":[{}]}"), 422, "invalid", "/layers/0/type", NULL},
    {NET("{\"layers\":[7]}"), 422, "invalid", "/layers/0", NULL},
    {NET("{\"layers\":[{\"type\":\"dens\",\"units\":2}]}"), 422, "invalid", "/layers/0/type", "did you mean \\\"dense\\\""},
    {NET("{\"layers\":[{\"type\":\"dense\",\"unitz\":2}]}"), 422, "invalid", "/layers/0/unitz", "did you mean \\\"units\\\""},
    {NET("{\"layers\":[{\"type\":\"dense\"}]}"), 422, "invalid", "/layers/0/units", NULL},
    {NET("{\"layers\":[{\"type\":\"dense\",\"units\":0}]}"), 422, "invalid", "/layers/0/units", NULL},
    {NET("{\"layers\":[{\"type\":\"dense\",\"units\":-1}]}"), 422, "invalid", "/layers/0/units", NULL},
    {NET("{\"layers\":[{\"type\":\"dense\",\"units\":1e300}]}"), 422, "invalid", "/layers/0/units", NULL},
    {NET("{\"layers\":[{\"type\":\"dense\",\"units\":2.5}]}"), 422, "invalid", "/layers/0/units", NULL},
    {NET("{\"layers\":[{\"type\":\"dense\",\"units\":\"lots\"}]}"), 422, "invalid", "/layers/0/units", "lots"},
    {NET("{\"layers\":[{\"type\":\"dense\",\"units\":true}]}"), 422, "invalid", "/layers/0/units", NULL},
    {NET("{\"layers\":[{\"type\":\"dense\",\"units\":null}]}"), 422, "invalid", "/layers/0/units", NULL},
    {NET("{\"layers\":[{\"type\":\"dense\",\"units\":[3]}]}"), 422, "invalid", "/layers/0/units", NULL},
    {NET("{\"layers\":[{\"type\":\"dense\",\"units\":2,\"activation\":\"rellu\"}]}"), 422, "invalid", "/layers/0/activation", "relu"},
    {NET("{\"layers\":[{\"type\":\"dense\",\"units\":2,\"l2\":-1}]}"), 422, "invalid", "/layers/0/l2", NULL},
    {NET("{\"layers\":[{\"type\":\"dropout\",\"rate\":1.5},{\"type\":\"dense\",\"units\":2}]}"), 422, "invalid", "/layers/0/rate", NULL},
    {NET("{\"input\":{\"shape\":[0]},\"layers\":[{\"type\":\"dense\",\"units\":2}]}"), 422, "invalid", NULL, "shape"},
    {NET("{\"input\":{\"shape\":[2,2,2,2,2]},\"layers\":[{\"type\":\"dense\",\"units\":2}]}"), 422, "invalid", NULL, "shape"},
    {NET("{\"input\":{\"shape\":[4]},\"layers\":[{\"type\":\"dense\",\"units\":3,\"name\":\"left\"},{\"type\":\"dense\",\"units\":5,"
         "\"inputs\":[\"input\"],\"name\":\"right\"},{\"type\":\"add\",\"inputs\":[\"left\",\"right\"]},{\"type\":\"dense\",\"units\":2}]"
         "}"),
     422, "invalid", NULL, "left"},
    {NET("{\"input\":{\"shape\":[4]},\"layers\":[{\"type\":\"dense\",\"units\":3,\"name\":\"a\",\"inputs\":[\"b\"]},{\"type\":\"dense\","
         "\"units\":3,\"name\":\"b\",\"inputs\":[\"a\"]}]}"),
     422, "invalid", NULL, NULL},
    {NET("{\"input\":{\"shape\":[4]},\"layers\":[{\"type\":\"dense\",\"units\":3,\"name\":\"a\",\"inputs\":[\"nobody\"]}]}"), 422,
     "invalid", "/layers/0/inputs/0", "nobody"},
    {NET("{\"input\":{\"shape\":[4]},\"layers\":[{\"type\":\"dense\",\"units\":3,\"name\":\"a\"},{\"type\":\"dense\",\"units\":3,\"name\":"
         "\"a\"}]}"),
     422, "invalid", NULL, "\\\"a\\\""},
    {NET("{\"name\":\"a/b\",\"layers\":[{\"type\":\"dense\",\"units\":2}]}"), 422, "invalid", "/name", NULL},
    {NET("{\"name\":\"net_0123456789abcdef\",\"layers\":[{\"type\":\"dense\",\"units\":2}]}"), 422, "invalid", "/name", NULL},
    {NET_MADE(make_long_name), 422, "invalid", "/name", NULL},
    {NET_MADE(make_many_layers), 422, "invalid", "/layers", NULL},
    {NET_MADE(make_key_flood), 422, "invalid", "/k0", NULL},
    {NET("{\"name\":\"net\",\"layers\":[{\"type\":\"dense\",\"units\":2}]}"), 409, "conflict", NULL, "net"},
    {NET("{\"input\":{\"shape\":[1000000]},\"layers\":[{\"type\":\"dense\",\"units\":1000000}]}"), 422, "over_budget", NULL, "268435456"},
    {NET("{\"input\":{\"shape\":[9000000000000000000,9,9]},\"layers\":[{\"type\":\"dense\",\"units\":1000000}]}"), 422, NULL, NULL, NULL},
    {"POST", "/v1/networks", "text/plain", "{}", NULL, 415, "unsupported_media_type", NULL, NULL},
    {"POST", "/v1/networks", "", "{}", NULL, 415, "unsupported_media_type", NULL, NULL},
    /* jobs */
    {JOB("{}"), 422, "invalid", "/network", NULL},
    {JOB("{\"network\":\"net\"}"), 422, "invalid", "/dataset", NULL},
    {JOB("{\"network\":\"net\",\"dataset\":\"points\"}"), 422, "invalid", "/target", NULL},
    {JOB("{\"network\":\"nets\",\"dataset\":\"points\",\"target\":\"kind\"}"), 422, "invalid", "/network", "did you mean \\\"net\\\""},
    {JOB("{\"network\":\"net\",\"dataset\":\"pointz\",\"target\":\"kind\"}"), 422, "invalid", "/dataset", "did you mean \\\"points\\\""},
    {JOB("{\"network\":\"net\",\"dataset\":\"points\",\"target\":\"kinds\"}"), 422, "invalid", "/target", "did you mean \\\"kind\\\""},
    {JOB("{\"network\":\"net\",\"dataset\":\"one-class\",\"target\":\"kind\"}"), 422, "invalid", "/target", "one class"},
    {JOB("{\"network\":\"net\",\"dataset\":\"points\",\"target\":\"kind\",\"epochs\":0}"), 422, "invalid", "/epochs", NULL},
    {JOB("{\"network\":\"net\",\"dataset\":\"points\",\"target\":\"kind\",\"epochs\":1e18}"), 422, "invalid", "/epochs", NULL},
    {JOB("{\"network\":\"net\",\"dataset\":\"points\",\"target\":\"kind\",\"batch_size\":\"big\"}"), 422, "invalid", "/batch_size", NULL},
    {JOB("{\"network\":\"net\",\"dataset\":\"points\",\"target\":\"kind\",\"split\":{\"validation\":0.6,\"test\":0.6}}"), 422, "invalid",
     "/split", NULL},
    {JOB("{\"network\":\"net\",\"dataset\":\"points\",\"target\":\"kind\",\"split\":{\"validation\":-1}}"), 422, "invalid",
     "/split/validation", NULL},
    {JOB("{\"network\":\"net\",\"dataset\":\"points\",\"target\":\"kind\",\"optimizer\":{\"type\":\"adam\",\"learning_rate\":-1}}"), 422,
     "invalid", "/optimizer/learning_rate", NULL},
    {JOB("{\"network\":\"net\",\"dataset\":\"points\",\"target\":\"kind\",\"optimizer\":{\"type\":\"adamm\"}}"), 422, "invalid",
     "/optimizer/type", "adam"},
    {JOB("{\"network\":\"net\",\"dataset\":\"points\",\"target\":\"kind\",\"loss\":\"mean_squared\"}"), 422, "invalid", "/loss", NULL},
    {JOB("{\"network\":\"net\",\"dataset\":\"points\",\"target\":\"kind\",\"loss\":{\"type\":\"cross_entropy\",\"class_weights\":[1,2,3]}"
         "}"),
     422, "invalid", "/loss/class_weights", NULL},
    {JOB("{\"network\":\"net\",\"dataset\":\"points\",\"target\":\"kind\",\"loss\":{\"type\":\"cross_entropy\",\"class_weights\":[0,0]}}"),
     422, "invalid", "/loss/class_weights", "above 0"},
    {JOB("{\"network\":\"net\",\"dataset\":\"points\",\"target\":\"kind\",\"split\":{\"test\":1e-300}}"), 422, "invalid", "/split/test",
     NULL},
    {JOB("{\"network\":\"net\",\"dataset\":\"points\",\"target\":\"kind\",\"name\":\"..\"}"), 422, "invalid", "/name", NULL},
    {JOB("{\"network\":\"net\",\"dataset\":\"points\",\"target\":\"kind\",\"split\":{\"validation\":0},\"early_stopping\":{}}"), 422,
     "invalid", "/early_stopping/monitor", NULL},
    {JOB("{\"network\":\"net\",\"dataset\":\"points\",\"target\":\"kind\",\"features\":[\"kind\"]}"), 422, "invalid", NULL, "kind"},
    {JOB("{\"network\":\"net\",\"dataset\":\"points\",\"target\":\"kind\",\"features\":[\"x\",\"why\"]}"), 422, "invalid", NULL, "why"},
    {JOB("{\"network\":{\"layers\":[{\"type\":\"dense\",\"units\":3,\"activation\":\"softmax\"}]},\"dataset\":\"points\",\"target\":"
         "\"kind\"}"),
     422, "invalid", "/network/layers/0", "2 classes"},
    {JOB("{\"network\":{\"layers\":[{\"type\":\"dense\",\"units\":\"many\"}]},\"dataset\":\"points\",\"target\":\"kind\"}"), 422, "invalid",
     "/network/layers/0/units", NULL},
    {JOB("{\"network\":{\"input\":{\"shape\":[7]},\"layers\":[{\"type\":\"dense\",\"units\":2,\"activation\":\"softmax\"}]},\"dataset\":"
         "\"points\","
         "\"target\":\"kind\"}"),
     422, "invalid", NULL, "7"},
    {JOB("{\"network\":{\"layers\":[{\"type\":\"dense\",\"units\":1000000},{\"type\":\"dense\",\"units\":1000000},{\"type\":\"dense\","
         "\"units\":"
         "\"auto\",\"activation\":\"auto\"}]},\"dataset\":\"points\",\"target\":\"kind\"}"),
     422, "over_budget", NULL, "268435456"},
    /* settings that would change nothing */
    {JOB("{\"network\":\"net\",\"dataset\":\"points\",\"target\":\"kind\",\"text\":{\"vocabulary\":9}}"), 422, "invalid",
     "/text/vocabulary", "text"},
    {JOB("{\"network\":\"net\",\"dataset\":\"points\",\"target\":\"kind\",\"window\":{\"length\":2}}"), 422, "invalid", "/target",
     "leave window out"},
    /* paths, methods, queries */
    {PLAIN("GET", "/v1/jobs/job_0000000000000000"), 404, "not_found", NULL, NULL},
    {PLAIN("GET", "/v1/datasets/point"), 404, "not_found", NULL, "did you mean \\\"points\\\""},
    {PLAIN("GET", "/v1/networks/nobody"), 404, "not_found", NULL, "nobody"},
    {PLAIN("GET", "/v1/models/nobody"), 404, "not_found", NULL, NULL},
    {PLAIN("DELETE", "/v1/models/nobody"), 404, "not_found", NULL, NULL},
    {PLAIN("GET", "/v1/nowhere"), 404, "not_found", NULL, NULL},
    {PLAIN("GET", "/assets/nothing.js"), 404, "not_found", NULL, NULL},
    {PLAIN("GET", "/assets/../../etc/passwd"), 400, "malformed", NULL, NULL},
    {PLAIN("DELETE", "/v1/jobs"), 405, "method_not_allowed", NULL, "GET"},
    {SEND("PUT", "/v1/networks/net", "{}"), 405, "method_not_allowed", NULL, NULL},
    {PLAIN("GET", "/v1/jobs?limit=0"), 400, "malformed", NULL, "limit"},
    {PLAIN("GET", "/v1/jobs?limit=many"), 400, "malformed", NULL, "limit"},
    {PLAIN("GET", "/v1/jobs?limit=1&limit=2"), 400, "malformed", NULL, "twice"},
    {PLAIN("GET", "/v1/jobs?limt=3"), 400, "malformed", NULL, "did you mean \\\"limit\\\""},
    {PLAIN("GET", "/v1/jobs?state=sleeping"), 400, "malformed", NULL, "running"},
    {PLAIN("GET", "/v1/datasets/points/rows?offset=-1"), 400, "malformed", NULL, "offset"},
    {PLAIN("GET", "/v1/datasets/points/columns/kind/histogram?bins=3"), 400, "malformed", NULL, "bins"},
    {PLAIN("GET", "/v1/jobs/nobody/metrics?max_points=1"), 400, "malformed", NULL, "max_points"},
    {PLAIN("POST", "/v1/jobs/nobody/pause"), 404, "not_found", NULL, NULL},
    /* corrections */
    {SEND("PATCH", "/v1/datasets/points", "{\"columns\":{\"kind\":\"numeric\"}}"), 422, "invalid", "/columns/kind", "not numbers"},
    {SEND("PATCH", "/v1/datasets/points", "{\"columns\":{\"x\":\"number\"}}"), 422, "invalid", "/columns/x", NULL},
    {SEND("PATCH", "/v1/datasets/points", "{\"columns\":{\"z\":\"numeric\"}}"), 422, "invalid", "/columns/z", "z"},
    {SEND("PATCH", "/v1/datasets/points", "{\"columns\":[{\"name\":\"x\",\"kind\":7}]}"), 422, "invalid", "/columns/0/kind", NULL},
    {SEND("PATCH", "/v1/datasets/points", "{\"rows\":3}"), 422, "invalid", "/rows", NULL},
    {SEND("PATCH", "/v1/datasets/points", "{\"name\":\"one-class\"}"), 409, "conflict", NULL, NULL},
};

static const struct bad_request uploads[] = {
    {CSV("name=ragged", "a,b\n1\n1,2,3\n4\n"), 422, "invalid", NULL, NULL},
    {CSV("name=one-row", "a,b\n"), 422, "invalid", NULL, NULL},
    {CSV("name=empty", "\n"), 422, "invalid", NULL, NULL},
    {CSV("name=points", "a,b\n1,2\n3,4\n"), 409, "conflict", NULL, "points"},
    {CSV("name=a/b", "a,b\n1,2\n3,4\n"), 422, "invalid", NULL, "name"},
    {CSV("name=d&delimiter=x", "a,b\n1,2\n3,4\n"), 400, "malformed", NULL, "delimiter"},
    {CSV("name=h&header=perhaps", "a,b\n1,2\n3,4\n"), 400, "malformed", NULL, "header"},
    {CSV("name=size&size=28x28", "a,b\n1,2\n3,4\n"), 400, "malformed", NULL, "ZIP"},
    {CSV("name=size&height=28", "a,b\n1,2\n3,4\n"), 400, "malformed", NULL, "ZIP"},
    {CSV("name=size&channels=1", "a,b\n1,2\n3,4\n"), 400, "malformed", NULL, "ZIP"},
    {"POST", "/v1/datasets?name=tabs&delimiter=comma", "text/tab-separated-values", "a\tb\n1\t2\n", NULL, 400, "malformed", NULL,
     "text/csv"},
    {"POST", "/v1/datasets?name=lines&delimiter=comma", "application/x-ndjson", "{\"a\":1}\n", NULL, 400, "malformed", NULL, "delimiter"},
    {"POST", "/v1/datasets?name=lines&header=true", "application/x-ndjson", "{\"a\":1}\n", NULL, 400, "malformed", NULL, "header"},
    {CSV("name=png", "\x89PNG\r\n\x1a\n"), 422, "invalid", NULL, "one image"},
    {CSV("name=zip", "PK\3\4x"), 422, "invalid", NULL, "application/zip"},
    {CSV("name=numpy", "\x93NUMPY\1\1"), 422, "invalid", NULL, "application/x-npy"},
    {CSV("nam=h", "a,b\n1,2\n3,4\n"), 400, "malformed", NULL, "did you mean \\\"name\\\""},
    {"POST", "/v1/datasets?name=type", "application/json", "[1]", NULL, 415, "unsupported_media_type", NULL, "text/csv"},
    {"POST", "/v1/datasets?name=type", "", "a,b\n1,2\n", NULL, 415, "unsupported_media_type", NULL, NULL},
    {CSV("name=quotes", "a,b\n\"1,2\n"), 422, "invalid", NULL, NULL},
    {CSV("name=binary", "\x01\x02\xff\xfe\x80,\xff\n\xfe\xff,\x80\n"), 422, "invalid", NULL, NULL},
};

/* An answer of the right form that says what the row wants; else the reason. */
static const char *find_fault(const struct bad_request *expected, const struct client_answer *answer, const json_t *problem) {
  static char fault[256];
  if (answer->status != expected->status) return "another status";
  if (strcmp(answer_get_header(answer, "Content-Type"), "application/problem+json") != 0) return "not problem+json";
  if (json_number_at(problem, "/status") != expected->status) return "status in the body differs";
  if (expected->code != NULL && strcmp(json_text_at(problem, "/code"), expected->code) != 0) return "another code";
  if (json_text_at(problem, "/detail")[0] == '\0' || json_text_at(problem, "/title")[0] == '\0') return "no detail or title";
  if (json_text_at(problem, "/type")[0] == '\0') return "no type";
  if (strcmp(json_text_at(problem, "/request_id"), answer_get_header(answer, "X-Request-Id")) != 0)
    return "another request_id than the header's";
  if (expected->words != NULL && strstr(answer->body, expected->words) == NULL) {
    snprintf(fault, sizeof fault, "doesn't say %s", expected->words);
    return fault;
  }
  if (expected->pointer == NULL) return NULL;
  size_t index;
  json_t *item;
  json_array_foreach(json_at(problem, "/errors"), index, item) {
    if (strcmp(json_text_at(item, "/pointer"), expected->pointer) == 0 && json_text_at(item, "/detail")[0] != '\0') return NULL;
  }
  snprintf(fault, sizeof fault, "no error at \"%s\"", expected->pointer);
  return fault;
}

static size_t count_faults(const struct bad_request *requests, size_t count) {
  size_t fault_count = 0;
  for (size_t i = 0; i < count; i++) {
    const struct bad_request *bad = &requests[i];
    char *made = bad->make == NULL ? NULL : bad->make();
    struct client_request request = {
        .method = bad->method, .path = bad->path, .content_type = bad->type, .body = made == NULL ? bad->body : made};
    struct client_answer answer;
    client_send(&server, &request, &answer);
    json_t *problem = json_loadb(answer.body, answer.body_bytes, 0, NULL);
    const char *fault = problem == NULL ? "the body is not JSON" : find_fault(bad, &answer, problem);
    if (fault != NULL) {
      fault_count++;
      fprintf(stderr, "%s %s %.200s\n  expected %d %s, but %s: %d %.600s\n", bad->method, bad->path, bad->body == NULL ? "" : bad->body,
              bad->status, bad->code == NULL ? "" : bad->code, fault, answer.status, answer.body);
    }
    json_decref(problem);
    answer_deinit(&answer);
    free(made);
  }
  return fault_count;
}

enum { JSON_COUNT = sizeof json_requests / sizeof json_requests[0], UPLOAD_COUNT = sizeof uploads / sizeof uploads[0] };
_Static_assert(JSON_COUNT + UPLOAD_COUNT >= 60, "the issue asks for at least 60");

START_TEST(bad_requests_get_their_status_code_and_pointer) { ck_assert_uint_eq(count_faults(json_requests, JSON_COUNT), 0); }
END_TEST

START_TEST(bad_uploads_are_refused_and_leave_nothing) {
  ck_assert_uint_eq(count_faults(uploads, UPLOAD_COUNT), 0);
  json_t *list = client_get_json(&server, "/v1/datasets", 200);
  ck_assert_uint_eq(json_array_size(json_at(list, "/items")), 2);
  json_decref(list);
  char command[256], count[16] = "";
  snprintf(command, sizeof command, "find %s/datasets -type f | wc -l", server.data_dir);
  FILE *pipe = popen(command, "r");
  ck_assert_ptr_nonnull(fgets(count, sizeof count, pipe));
  pclose(pipe);
  ck_assert_int_eq(atoi(count), 2);
}
END_TEST

/* Whatever reads a request differently than we do must not be led astray: refused, and the connection closed. */
static const struct {
  const char *bytes;
  int status;
} raw_requests[] = {
    {"GET /v1 HTTP/1.1\r\n\r\n", 400},
    {"GET /v1 HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400},
    {"GET /v1 HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403},
    {"POST /v1/networks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
     400},
    {"POST /v1/networks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: +2\r\n\r\n{}", 400},
    {"POST /v1/networks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\nTransfer-Encoding: "
     "chunked\r\n\r\n"
     "0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
     400},
    {"POST /v1/networks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: gzip\r\n\r\n", 400},
    {"GET /v1/jobs/a%00b HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
    {"GET /v1/jobs/a%2fb HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
    {"GET /v1/jobs/a%5cb HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
    {"DELETE /v1/networks/net HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n", 403},
};

START_TEST(smuggling_requests_are_refused) {
  for (size_t i = 0; i < sizeof raw_requests / sizeof raw_requests[0]; i++) {
    char *answer = client_send_raw(&server, raw_requests[i].bytes, strlen(raw_requests[i].bytes), RAW_TIMEOUT_MS);
    ck_assert_msg(raw_get_status(answer) == raw_requests[i].status, "%s\nexpected %d: %.300s", raw_requests[i].bytes,
                  raw_requests[i].status, answer);
    const char *second = strstr(answer + 1, "HTTP/1.1 200");
    ck_assert_msg(second == NULL, "a second request was answered: %s", answer);
    free(answer);
  }
}
END_TEST

START_TEST(a_learning_rate_of_1e30_ends_as_diverged) {
  create("/v1/jobs", "application/json",
         "{\"name\":\"far\",\"network\":\"net\",\"dataset\":\"points\",\"target\":\"y\",\"task\":\"regression\",\"epochs\":200,"
         "\"optimizer\":{\"type\":\"sgd\",\"learning_rate\":1e30}}");
  json_t *job = client_wait_for(&server, "/v1/jobs/far", "/state", "failed|succeeded|cancelled", 60000);
  ck_assert_str_eq(json_text_at(job, "/state"), "failed");
  ck_assert_str_eq(json_text_at(job, "/stop_reason"), "diverged");
  ck_assert_str_eq(json_text_at(job, "/error/code"), "diverged");
  json_decref(job);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "bad input");
  tcase_add_checked_fixture(test_case, start, stop);
  tcase_add_test(test_case, bad_requests_get_their_status_code_and_pointer);
  tcase_add_test(test_case, bad_uploads_are_refused_and_leave_nothing);
  tcase_add_test(test_case, smuggling_requests_are_refused);
  tcase_add_test(test_case, a_learning_rate_of_1e30_ends_as_diverged);
}

int main(void) { return suite_main("bad input", add_cases); }
