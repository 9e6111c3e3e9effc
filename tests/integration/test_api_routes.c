/* Every route has a case here: a client's whole way from upload to deletion, step by step. A route of the table without a step fails. */
#include <stdlib.h>
#include <string.h>

#include "server/api/api.h"
#include "tests/support/http_client.h"
#include "tests/support/server_process.h"
#include "tests/support/suite.h"

static const char flowers[] =
    "length,width,kind\n"
    "1.0,2.0,rose\n1.1,2.1,rose\n0.9,1.9,rose\n1.2,2.2,rose\n1.0,2.1,rose\n0.8,2.0,rose\n1.1,1.8,rose\n1.0,1.9,rose\n"
    "3.0,5.0,lily\n3.1,5.1,lily\n2.9,4.9,lily\n3.2,5.2,lily\n3.0,5.1,lily\n2.8,5.0,lily\n3.1,4.8,lily\n3.0,4.9,lily\n";

#define LONG_JOB                                                                                                                           \
  "{\"name\":\"long\",\"network\":\"net\",\"dataset\":\"flowers\",\"target\":\"kind\",\"epochs\":1000000,\"split\":{\"test\":0}}"
#define SHORT_JOB "{\"name\":\"short\",\"network\":\"net\",\"dataset\":\"flowers\",\"target\":\"kind\",\"epochs\":20,\"batch_size\":4}"

struct step {
  const char *route; /* the route's name */
  const char *method, *path;
  const char *type, *body; /* type NULL: application/json where there is a body */
  int status;
  const char *pointer, *text;         /* must be at that pointer; pointer NULL: `text` stands anywhere in the body */
  const char *wait_path, *wait_state; /* before the next step: this job is in this state */
};

/* IDX: one image of one pixel. */
static const char one_picture[] = "\0\0\x08\3\0\0\0\1\0\0\0\1\0\0\0\1\x7f";

static const struct step steps[] = {
    {"getLiveness", "GET", "/healthz", NULL, NULL, 200, "/status", "ok", NULL, NULL},
    {"getReadiness", "GET", "/readyz", NULL, NULL, 200, "/status", "ready", NULL, NULL},
    {"getPage", "GET", "/", NULL, NULL, 200, NULL, "<!doctype html>", NULL, NULL},
    {"getAsset", "GET", "/assets/main.js", NULL, NULL, 200, NULL, "import", NULL, NULL},
    {"getVersion", "GET", "/v1", NULL, NULL, 200, "/name", "backpropd", NULL, NULL},
    {"getSchema", "GET", "/v1/schema", NULL, NULL, 200, "/layers/0/type", "dense", NULL, NULL},
    {"getOpenapi", "GET", "/openapi.json", NULL, NULL, 200, "/openapi", "3.1.0", NULL, NULL},
    {"createDataset", "POST", "/v1/datasets?name=flowers", "text/csv", flowers, 201, "/columns/2/kind", "categorical", NULL, NULL},
    {"listUploads", "GET", "/v1/uploads", NULL, NULL, 200, NULL, "\"items\":[]", NULL, NULL},
    {"listDatasets", "GET", "/v1/datasets?limit=5", NULL, NULL, 200, "/items/0/name", "flowers", NULL, NULL},
    {"getDataset", "GET", "/v1/datasets/flowers", NULL, NULL, 200, "/columns/2/categories/0", "lily", NULL, NULL},
    {"getDatasetRows", "GET", "/v1/datasets/flowers/rows?offset=8&limit=1", NULL, NULL, 200, "/rows/0/2", "lily", NULL, NULL},
    {"getColumnHistogram", "GET", "/v1/datasets/flowers/columns/length/histogram?bins=2", NULL, NULL, 200, "/column", "length", NULL, NULL},
    {"getDatasetReport", "GET", "/v1/datasets/flowers/report?target=kind", NULL, NULL, 200, "/target/task", "classification", NULL, NULL},
    {"createDataset", "POST", "/v1/datasets?name=pictures", "application/x-idx", one_picture, 201, "/columns/0/kind", "image", NULL, NULL},
    {"getDatasetImage", "GET", "/v1/datasets/pictures/rows/0/image", NULL, NULL, 200, NULL, "PNG", NULL, NULL},
    {"changeDataset", "PATCH", "/v1/datasets/flowers", NULL, "{\"columns\":{\"length\":\"numeric\"}}", 200, "/columns/0/kind", "numeric",
     NULL, NULL},
    {"createNetwork", "POST", "/v1/networks", NULL,
     "{\"name\":\"net\",\"layers\":[{\"type\":\"dense\",\"units\":8,\"activation\":\"tanh\"},{\"type\":\"dense\",\"units\":\"auto\","
     "\"activation\":\"auto\"}]}",
     201, "/name", "net", NULL, NULL},
    {"listNetworks", "GET", "/v1/networks", NULL, NULL, 200, "/items/0/name", "net", NULL, NULL},
    {"getNetwork", "GET", "/v1/networks/net", NULL, NULL, 200, "/spec/layers/1/name", "dense_1", NULL, NULL},
    {"createJob", "POST", "/v1/jobs", NULL, LONG_JOB, 202, "/state", "queued", "/v1/jobs/long", "running"},
    {"listJobs", "GET", "/v1/jobs?state=queued,running", NULL, NULL, 200, "/items/0/name", "long", NULL, NULL},
    {"getJob", "GET", "/v1/jobs/long", NULL, NULL, 200, "/state", "running", NULL, NULL},
    {"changeJob", "PATCH", "/v1/jobs/long", NULL, "{\"priority\":70}", 200, "/name", "long", NULL, NULL},
    {"deleteDataset", "DELETE", "/v1/datasets/flowers", NULL, NULL, 409, "/code", "conflict", NULL, NULL},
    {"deleteJob", "DELETE", "/v1/jobs/long", NULL, NULL, 409, "/code", "conflict", NULL, NULL},
    {"pauseJob", "POST", "/v1/jobs/long/pause", NULL, NULL, 202, "/name", "long", "/v1/jobs/long", "paused"},
    {"pauseJob", "POST", "/v1/jobs/long/pause", NULL, NULL, 409, "/code", "conflict", NULL, NULL},
    {"resumeJob", "POST", "/v1/jobs/long/resume", NULL, NULL, 202, "/name", "long", "/v1/jobs/long", "running"},
    {"cancelJob", "POST", "/v1/jobs/long/cancel", NULL, NULL, 202, "/name", "long", "/v1/jobs/long", "cancelled"},
    {"createJob", "POST", "/v1/jobs", NULL, SHORT_JOB, 202, "/spec/task", "classification", "/v1/jobs/short", "succeeded"},
    {"getJobMetrics", "GET", "/v1/jobs/short/metrics?max_points=60&names=loss", NULL, NULL, 200, NULL, "\"series\":{\"loss\":", NULL, NULL},
    {"streamJobEvents", "GET", "/v1/jobs/short/events", NULL, NULL, 200, NULL, "event: end\ndata: {\"state\":\"succeeded\"", NULL, NULL},
    {"getJobLog", "GET", "/v1/jobs/short/log", NULL, NULL, 200, NULL, "succeeded (completed)", NULL, NULL},
    {"listModels", "GET", "/v1/models", NULL, NULL, 200, "/items/0/task", "classification", NULL, NULL},
    {"getModel", "GET", "/v1/models/short", NULL, NULL, 200, "/inputs/1/name", "width", NULL, NULL},
    {"exportModel", "GET", "/v1/models/short/export?format=json", NULL, NULL, 200, "/format", "backpropd", NULL, NULL},
    {"predict", "POST", "/v1/models/short/predict", NULL, "{\"rows\":[{\"length\":3,\"width\":5}]}", 200, "/predictions/0/class", "lily",
     NULL, NULL},
    {"predict", "POST", "/v1/models/short/predict", "text/csv", "width,length\n2,1\n", 200, NULL, "\nrose,", NULL, NULL},
    {"evaluate", "POST", "/v1/models/short/evaluate", NULL, "{\"dataset\":\"flowers\"}", 200, "/metrics/classes/0", "lily", NULL, NULL},
    {"traceModel", "POST", "/v1/models/short/trace", NULL, "{\"rows\":[{\"length\":3,\"width\":5,\"kind\":\"lily\"}],\"steps\":2}", 200,
     "/layers/0/delta/tensor", "dense_0.delta", NULL, NULL},
    {"createNetwork", "POST", "/v1/networks", NULL,
     "{\"name\":\"whole\",\"input\":{\"shape\":[2]},\"layers\":[{\"type\":\"dense\",\"units\":3,\"activation\":\"sigmoid\"}]}", 201,
     "/name", "whole", NULL, NULL},
    {"traceNetwork", "POST", "/v1/networks/whole/trace", NULL, "{\"rows\":[[0.5,-1]],\"targets\":[[0,1,1]]}", 200, "/loss_spec/type",
     "binary_cross_entropy", NULL, NULL},
    {"traceNetwork", "POST", "/v1/networks/net/trace", NULL, "{\"rows\":[[0.5,-1]],\"targets\":[1]}", 422, "/code", "invalid", NULL, NULL},
    {"checkGradients", "POST", "/v1/gradient-checks", NULL, "{\"model\":\"short\",\"dataset\":\"flowers\"}", 200, "/tensors/0/layer",
     "dense_0", NULL, NULL},
    {"getServerMetrics", "GET", "/metrics", NULL, NULL, 200, NULL, "backpropd_jobs{state=\"succeeded\"} 1", NULL, NULL},
    {"deleteModel", "DELETE", "/v1/models/short", NULL, NULL, 204, NULL, "", NULL, NULL},
    {"deleteJob", "DELETE", "/v1/jobs/short", NULL, NULL, 204, NULL, "", NULL, NULL},
    {"deleteJob", "DELETE", "/v1/jobs/long", NULL, NULL, 204, NULL, "", NULL, NULL},
    {"deleteNetwork", "DELETE", "/v1/networks/net", NULL, NULL, 204, NULL, "", NULL, NULL},
    {"deleteDataset", "DELETE", "/v1/datasets/flowers", NULL, NULL, 204, NULL, "", NULL, NULL},
    {"getDataset", "GET", "/v1/datasets/flowers", NULL, NULL, 404, "/code", "not_found", NULL, NULL},
};
enum { STEP_COUNT = sizeof steps / sizeof steps[0] };

START_TEST(every_route_has_a_step) {
  for (size_t i = 0; i < route_count; i++) {
    bool has_step = false;
    for (size_t k = 0; k < STEP_COUNT; k++) has_step = has_step || (strcmp(steps[k].route, routes[i].name) == 0 && steps[k].status < 300);
    ck_assert_msg(has_step, "%s %s (%s) has no step that succeeds", routes[i].method, routes[i].path, routes[i].name);
  }
}
END_TEST

/* The step names the route that really answers it. */
START_TEST(every_step_is_of_its_route) {
  for (size_t k = 0; k < STEP_COUNT; k++) {
    char path[256];
    struct route_match match;
    struct error error = {0};
    snprintf(path, sizeof path, "%.*s", (int)strcspn(steps[k].path, "?"), steps[k].path);
    ck_assert_int_eq(api_match(steps[k].method, path, &match, &error), ERROR_NONE);
    ck_assert_str_eq(match.route->name, steps[k].route);
  }
}
END_TEST

static void check_answer(const struct step *step, const struct client_answer *answer) {
  ck_assert_msg(answer->status == step->status, "%s: %d, expected %d: %.800s", step->route, answer->status, step->status, answer->body);
  if (step->pointer == NULL) {
    ck_assert_msg(strstr(answer->body, step->text) != NULL, "%s: no \"%s\" in %.2000s", step->route, step->text, answer->body);
    return;
  }
  json_t *json = answer_get_json(answer);
  ck_assert_msg(strcmp(json_text_at(json, step->pointer), step->text) == 0, "%s: at %s no \"%s\": %.2000s", step->route, step->pointer,
                step->text, answer->body);
  json_decref(json);
}

START_TEST(every_route_answers_on_the_way_from_upload_to_deletion) {
  struct server_process server;
  server_start(&server, (const char *const[]){"--log-level", "error", NULL});
  for (size_t k = 0; k < STEP_COUNT; k++) {
    const struct step *step = &steps[k];
    struct client_request request = {.method = step->method,
                                     .path = step->path,
                                     .content_type = step->type,
                                     .body = step->body,
                                     .body_bytes = step->body == one_picture ? sizeof one_picture - 1 : 0};
    struct client_answer answer;
    client_send(&server, &request, &answer);
    check_answer(step, &answer);
    answer_deinit(&answer);
    if (step->wait_path != NULL) json_decref(client_wait_for(&server, step->wait_path, "/state", step->wait_state, 60000));
  }
  server_end(&server);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "routes");
  tcase_add_test(test_case, every_route_has_a_step);
  tcase_add_test(test_case, every_step_is_of_its_route);
  tcase_add_test(test_case, every_route_answers_on_the_way_from_upload_to_deletion);
}

int main(void) { return suite_main("routes", add_cases); }
