/* Training over HTTP beyond plain backpropagation: every algorithm and optimizer that /v1/schema names, a range test, a start from a
 * model's weights, frozen layers, and what is wrong with a spec told at its field. */
#include <math.h>
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

#define HIDDEN "{\"type\":\"dense\",\"units\":8,\"activation\":\"tanh\",\"name\":\"hidden\"}"
#define OUTPUT "{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"auto\",\"name\":\"out\"}"
#define JOB(layers_, more_) "{\"network\":{\"layers\":[" layers_ "]},\"dataset\":\"flowers\",\"target\":\"kind\"" more_ "}"

static json_t *post(const char *path, const char *body, int status) {
  return client_expect_json(&server, &(struct client_request){.method = "POST", .path = path, .body = body}, status);
}

static void start(void) {
  server_start(&server, (const char *const[]){"--log-level", "error", NULL});
  json_decref(client_expect_json(
      &server, &(struct client_request){.method = "POST", .path = "/v1/datasets?name=flowers", .content_type = "text/csv", .body = flowers},
      201));
}

static void stop(void) { server_end(&server); }

/* Runs a job to its end; the caller frees the answer. */
static json_t *run(const char *body) {
  json_t *job = post("/v1/jobs", body, 202);
  char path[128];
  snprintf(path, sizeof path, "/v1/jobs/%s", json_text_at(job, "/id"));
  json_decref(job);
  return client_wait_for(&server, path, "/state", "succeeded|failed|cancelled", 120000);
}

static char *get_log(const json_t *job) {
  char path[128];
  snprintf(path, sizeof path, "/v1/jobs/%s/log", json_text_at(job, "/id"));
  struct client_answer answer;
  client_get(&server, path, &answer);
  ck_assert_int_eq(answer.status, 200);
  char *log = strdup(answer.body);
  answer_deinit(&answer);
  return log;
}

START_TEST(every_algorithm_of_the_schema_runs_within_one_budget) {
  json_t *schema = client_get_json(&server, "/v1/schema", 200);
  json_t *kinds = json_at(schema, "/algorithms");
  ck_assert_uint_ge(json_array_size(kinds), 5);
  for (size_t i = 0; i < json_array_size(kinds); i++) {
    const char *name = json_string_value(json_object_get(json_array_get(kinds, i), "type"));
    ck_assert_ptr_nonnull(name);
    char body[1024];
    snprintf(body, sizeof body, JOB(HIDDEN "," OUTPUT, ",\"algorithm\":\"%s\",\"max_evaluations\":300,\"epochs\":100000"), name);
    json_t *job = run(body);
    ck_assert_msg(strcmp(json_text_at(job, "/state"), "succeeded") == 0, "%s", name);
    ck_assert_str_eq(json_text_at(job, "/stop_reason"), "completed");
    const double evaluations = json_number_at(job, "/metrics/latest/evaluations");
    ck_assert_msg(evaluations > 0 && evaluations < 400, "%s: %g evaluations", name, evaluations);
    ck_assert(json_is_number(json_at(job, "/metrics/latest/batch_loss")) || strcmp(name, "learning_rate_range_test") == 0);
    ck_assert_double_eq(json_number_at(job, "/progress/fraction"), 1);
    json_decref(job);
  }
  json_decref(schema);
}
END_TEST

START_TEST(every_optimizer_of_the_schema_learns) {
  json_t *schema = client_get_json(&server, "/v1/schema", 200);
  json_t *kinds = json_at(schema, "/optimizers");
  ck_assert_uint_ge(json_array_size(kinds), 12);
  json_t *untrained = run(JOB(HIDDEN "," OUTPUT, ",\"batch_size\":64,\"epochs\":1")); /* its loss is that before the step */
  const double loss = json_number_at(untrained, "/metrics/latest/loss");
  json_decref(untrained);
  for (size_t i = 0; i < json_array_size(kinds); i++) {
    const char *name = json_string_value(json_object_get(json_array_get(kinds, i), "type"));
    char body[1024];
    snprintf(body, sizeof body, JOB(HIDDEN "," OUTPUT, ",\"optimizer\":\"%s\",\"batch_size\":64,\"epochs\":30"), name);
    json_t *job = run(body);
    ck_assert_msg(strcmp(json_text_at(job, "/state"), "succeeded") == 0, "%s", name);
    ck_assert_msg(json_number_at(job, "/metrics/latest/loss") < loss, "%s", name);
    json_decref(job);
  }
  json_decref(schema);
}
END_TEST

/* Of two numbers, an image of a row. */
START_TEST(bfloat16_tells_which_layers_have_none) {
  json_t *job =
      run(JOB("{\"type\":\"reshape\",\"shape\":[1,1,2]},{\"type\":\"conv2d\",\"name\":\"eye\",\"filters\":4,\"kernel_size\":[1,2]},"
              "{\"type\":\"flatten\"},{\"type\":\"dense\",\"units\":1024},{\"type\":\"reshape\",\"shape\":[16,8,8]},"
              "{\"type\":\"conv2d\",\"name\":\"large\",\"filters\":32,\"kernel_size\":3,\"padding\":1},"
              "{\"type\":\"flatten\"}," HIDDEN "," OUTPUT,
              ",\"precision\":\"bfloat16\",\"epochs\":1"));
  ck_assert_str_eq(json_text_at(job, "/state"), "succeeded");
  char *log = get_log(job);
  if (strcmp(json_text_at(job, "/precision"), "bfloat16") == 0)
    ck_assert_msg(strstr(log, "bfloat16: float32 is used all the same in \"eye\",") != NULL && strstr(log, "\"large\"") == NULL, "%s", log);
  else
    ck_assert_msg(strstr(log, "bfloat16 is not supported by this processor or build: float32 is used") != NULL, "%s", log);
  free(log);
  json_decref(job);
}
END_TEST

START_TEST(a_range_test_answers_with_a_rate) {
  json_t *job =
      run(JOB(HIDDEN "," OUTPUT, ",\"algorithm\":\"learning_rate_range_test\",\"batch_size\":4,\"epochs\":60,\"optimizer\":\"sgd\""));
  ck_assert_str_eq(json_text_at(job, "/state"), "succeeded");
  ck_assert_double_gt(json_number_at(job, "/metrics/latest/suggested_learning_rate"), 0);
  char *log = get_log(job);
  ck_assert_msg(strstr(log, "suggested learning rate") != NULL, "%s", log);
  free(log);
  json_decref(job);
}
END_TEST

static const struct {
  const char *body, *pointer;
} wrong[] = {
    {JOB(HIDDEN "," OUTPUT, ",\"algorithm\":{\"type\":\"genetic\",\"population\":4,\"elitism\":4}"), "/algorithm/elitism"},
    {JOB(HIDDEN "," OUTPUT, ",\"algorithm\":{\"type\":\"finite_differences\",\"epsilon\":0}"), "/algorithm/epsilon"},
    {JOB(HIDDEN "," OUTPUT, ",\"algorithm\":{\"type\":\"random_search\",\"candidates\":0}"), "/algorithm/candidates"},
    {JOB(HIDDEN "," OUTPUT, ",\"algorithm\":\"learning_rate_range_test\",\"schedule\":\"cosine\""), "/schedule"},
    {JOB(HIDDEN "," OUTPUT, ",\"optimizer\":\"lbfgs\",\"batch_size\":4"), "/batch_size"},
    {JOB(HIDDEN "," OUTPUT, ",\"optimizer\":\"lbfgs\",\"clip_norm\":1,\"batch_size\":64"), "/clip_norm"},
    {JOB(HIDDEN "," OUTPUT, ",\"optimizer\":{\"type\":\"lbfgs\",\"history_size\":101},\"batch_size\":64"), "/optimizer/history_size"},
    {JOB(HIDDEN "," OUTPUT, ",\"optimizer\":{\"type\":\"rprop\",\"eta_minus\":1}"), "/optimizer/eta_minus"},
    {JOB(HIDDEN "," OUTPUT, ",\"max_evaluations\":0"), "/max_evaluations"},
    {JOB(HIDDEN "," OUTPUT, ",\"accumulate_steps\":0"), "/accumulate_steps"},
    {JOB(HIDDEN "," OUTPUT, ",\"ema_decay\":1"), "/ema_decay"},
    {JOB(HIDDEN "," OUTPUT, ",\"algorithm\":{\"type\":\"finite_differences\",\"epsilon\":1e-300}"), "/algorithm/epsilon"},
    {JOB(HIDDEN "," OUTPUT, ",\"algorithm\":\"learning_rate_range_test\",\"epochs\":1,\"batch_size\":1000"), "/epochs"},
    {JOB(HIDDEN "," OUTPUT, ",\"algorithm\":\"learning_rate_range_test\",\"max_evaluations\":1"), "/max_evaluations"},
    {JOB(HIDDEN "," OUTPUT, ",\"augmentation\":{\"horizontal_flip\":true}"), "/augmentation/horizontal_flip"},
    {JOB(HIDDEN "," OUTPUT, ",\"augmentation\":{\"erasing\":1.5}"), "/augmentation/erasing"},
    {JOB(HIDDEN "," OUTPUT, ",\"augmentation\":{\"crop\":4}"), "/augmentation/crop"},
    {JOB(HIDDEN "," OUTPUT, ",\"augmentation\":{\"flip\":true}"), "/augmentation/flip"},
    {JOB(HIDDEN "," OUTPUT, ",\"augmentation\":true"), "/augmentation"},
    {JOB(HIDDEN "," OUTPUT, ",\"init_from\":\"nobody\""), "/init_from"},
    {JOB("{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"auto\",\"trainable\":false}", ""), "/network"},
    {JOB("{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"auto\",\"trainable\":\"no\"}", ""), "/network/layers/0/trainable"},
};

START_TEST(what_is_wrong_is_told_at_its_field) {
  json_t *problem = post("/v1/jobs", wrong[_i].body, 422);
  ck_assert_str_eq(json_text_at(problem, "/errors/0/pointer"), wrong[_i].pointer);
  json_decref(problem);
}
END_TEST

/* The resolved spec says what is done with the rows, and what of it is not used; the same job has the same weights, and others without. */
START_TEST(training_rows_are_varied) {
  static const char *const bodies[] = {JOB(HIDDEN "," OUTPUT, ",\"epochs\":5,\"augmentation\":{\"noise\":0.1,\"mixup\":0.2}"),
                                       JOB(HIDDEN "," OUTPUT, ",\"epochs\":5,\"augmentation\":{\"noise\":0.1,\"mixup\":0.2},\"threads\":2"),
                                       JOB(HIDDEN "," OUTPUT, ",\"epochs\":5")};
  json_t *jobs[3];
  for (size_t i = 0; i < 3; i++) {
    jobs[i] = run(bodies[i]);
    ck_assert_str_eq(json_text_at(jobs[i], "/state"), "succeeded");
  }
  ck_assert_double_eq(json_number_at(jobs[0], "/spec/augmentation/mixup"), 0.2);
  ck_assert_double_eq(json_number_at(jobs[0], "/spec/augmentation/shift"), 0);
  ck_assert(json_is_null(json_at(jobs[2], "/spec/augmentation")));
  ck_assert_str_eq(json_text_at(jobs[0], "/weights_sha256"), json_text_at(jobs[1], "/weights_sha256"));
  ck_assert_str_ne(json_text_at(jobs[0], "/weights_sha256"), json_text_at(jobs[2], "/weights_sha256"));
  for (size_t i = 0; i < 3; i++) json_decref(jobs[i]);
}
END_TEST

/* Said of every job by some clients: it asks for nothing that isn't done. */
START_TEST(parts_are_stratified_where_there_are_classes) {
  json_t *plan =
      post("/v1/jobs?dry_run=true",
           "{\"network\":{\"layers\":[" OUTPUT "]},\"dataset\":\"flowers\",\"target\":\"length\",\"split\":{\"stratify\":true}}", 200);
  ck_assert(json_is_false(json_at(plan, "/spec/split/stratify")));
  json_decref(plan);
  plan = post("/v1/jobs?dry_run=true", JOB(HIDDEN "," OUTPUT, ",\"split\":{\"stratify\":true}"), 200);
  ck_assert(json_is_true(json_at(plan, "/spec/split/stratify")));
  json_decref(plan);
}
END_TEST

START_TEST(a_step_of_hours_is_cancelled_at_once) {
  /* 16 · 20 000 weights and more: half a million evaluations a step. */
  json_t *job =
      post("/v1/jobs", JOB("{\"type\":\"dense\",\"units\":20000,\"activation\":\"tanh\"}," OUTPUT, ",\"algorithm\":\"finite_differences\""),
           202);
  char path[128], cancel[160];
  snprintf(path, sizeof path, "/v1/jobs/%s", json_text_at(job, "/id"));
  snprintf(cancel, sizeof cancel, "%s/cancel", path);
  json_decref(job);
  json_decref(client_wait_for(&server, path, "/state", "running", 60000));
  json_decref(post(cancel, "", 202));
  job = client_wait_for(&server, path, "/state", "cancelled", 60000);
  ck_assert_double_eq(json_number_at(job, "/progress/step"), 0);
  json_decref(job);
}
END_TEST

/* Start weights */

START_TEST(a_job_starts_with_a_models_weights) {
  json_t *first = run("{\"name\":\"first\","
                      "\"network\":{\"layers\":[" HIDDEN "," OUTPUT "]},\"dataset\":\"flowers\",\"target\":\"kind\",\"epochs\":60,"
                      "\"optimizer\":{\"type\":\"adam\",\"learning_rate\":0.05}}");
  const double loss = json_number_at(first, "/metrics/latest/loss");
  /* The same network and a rate that changes nothing: the loss is the model's from the first epoch on. */
#define AGAIN ",\"init_from\":\"first\",\"epochs\":1,\"optimizer\":{\"type\":\"sgd\",\"learning_rate\":1e-20}"
  json_t *again = run(JOB(HIDDEN "," OUTPUT, AGAIN));
  ck_assert_double_eq_tol(json_number_at(again, "/metrics/latest/loss"), loss, 0.02);
  ck_assert_str_eq(json_text_at(again, "/spec/init_from"), json_text_at(first, "/model"));
  json_decref(again);
  /* A new output on the frozen hidden layer. */
#define FROZEN "{\"type\":\"dense\",\"units\":8,\"activation\":\"tanh\",\"name\":\"hidden\",\"trainable\":false}"
#define NEW "{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"auto\",\"name\":\"new\"}"
  json_t *plan = post("/v1/jobs?dry_run=true", JOB(FROZEN "," NEW, ",\"init_from\":\"first\""), 200);
  ck_assert_str_eq(json_text_at(plan, "/init_from/taken/0"), "hidden");
  ck_assert_str_eq(json_text_at(plan, "/init_from/new/0"), "new");
  json_decref(plan);
  json_t *onwards =
      run(JOB(FROZEN "," NEW, ",\"init_from\":\"first\",\"epochs\":30,\"optimizer\":{\"type\":\"adam\",\"learning_rate\":0.05}"));
  ck_assert_str_eq(json_text_at(onwards, "/state"), "succeeded");
  char *log = get_log(onwards);
  ck_assert_msg(strstr(log, " in hidden; new: new") != NULL, "%s", log);
  ck_assert_str_eq(json_text_at(onwards, "/init_from/model"), json_text_at(first, "/model"));
  ck_assert_str_eq(json_text_at(onwards, "/init_from/taken/0"), "hidden");
  ck_assert_str_eq(json_text_at(onwards, "/init_from/new/0"), "new");
  ck_assert(json_is_null(json_at(first, "/init_from")));
  free(log);
  json_decref(onwards);
  json_decref(first);
}
END_TEST

START_TEST(a_model_that_does_not_fit_is_refused_layer_by_layer) {
  json_decref(run("{\"name\":\"first\",\"network\":{\"layers\":[" HIDDEN "," OUTPUT
                  "]},\"dataset\":\"flowers\",\"target\":\"kind\",\"epochs\":1}"));
  json_t *problem = post("/v1/jobs", JOB("{\"type\":\"dense\",\"units\":9,\"name\":\"hidden\"}," OUTPUT, ",\"init_from\":\"first\""), 422);
  ck_assert_str_eq(json_text_at(problem, "/errors/0/pointer"), "/init_from");
  ck_assert_str_eq(json_text_at(problem, "/errors/0/detail"),
                   "layer \"hidden\" is dense, weight [8, 2], bias [8] in the model, but dense, weight [9, 2], bias [9] here: give it "
                   "another name to start it anew");
  ck_assert_uint_eq(json_array_size(json_at(problem, "/errors")), 2);
  json_decref(problem);
  problem =
      post("/v1/jobs",
           JOB("{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"auto\",\"name\":\"other\"}", ",\"init_from\":\"first\""), 422);
  ck_assert_str_eq(json_text_at(problem, "/errors/0/pointer"), "/init_from");
  json_decref(problem);
}
END_TEST

START_TEST(a_model_stays_while_a_job_may_need_it) {
  json_decref(run("{\"name\":\"first\",\"network\":{\"layers\":[" HIDDEN "," OUTPUT
                  "]},\"dataset\":\"flowers\",\"target\":\"kind\",\"epochs\":1}"));
  json_decref(post("/v1/jobs",
                   "{\"name\":\"second\",\"network\":{\"layers\":[" HIDDEN "," OUTPUT
                   "]},\"dataset\":\"flowers\",\"target\":\"kind\",\"epochs\":1000000,\"init_from\":\"first\"}",
                   202));
  json_decref(client_expect_json(&server, &(struct client_request){.method = "DELETE", .path = "/v1/models/first"}, 409));
  json_decref(post("/v1/jobs/second/cancel", "", 202));
  json_decref(client_wait_for(&server, "/v1/jobs/second", "/state", "cancelled", 60000));
  struct client_answer answer;
  client_delete(&server, "/v1/models/first", &answer);
  ck_assert_int_eq(answer.status, 204);
  answer_deinit(&answer);
}
END_TEST

/* x² by a network without a hidden layer: a straight line can't, a broken one can. */
START_TEST(numbers_cut_into_bins_make_a_broken_line_of_a_straight_one) {
  char csv[8192] = "x,y\n";
  size_t at = strlen(csv);
  for (int i = -100; i <= 100; i++) at += (size_t)snprintf(csv + at, sizeof csv - at, "%.2f,%.4f\n", i / 10.0, i * i / 100.0);
  json_decref(client_expect_json(
      &server, &(struct client_request){.method = "POST", .path = "/v1/datasets?name=bowl", .content_type = "text/csv", .body = csv}, 201));
  double r2[2];
  for (int i = 0; i < 2; i++) {
    char body[512];
    snprintf(body, sizeof body,
             "{\"name\":\"bowl-%d\",\"network\":{\"layers\":[" OUTPUT
             "]},\"dataset\":\"bowl\",\"target\":\"y\",\"epochs\":100,\"optimizer\":{\"type\":\"adam\",\"learning_rate\":0.05}%s}",
             i, i == 0 ? "" : ",\"number\":{\"encoding\":\"piecewise_linear\",\"bins\":10}");
    json_t *job = run(body);
    ck_assert_str_eq(json_text_at(job, "/state"), "succeeded");
    ck_assert_str_eq(json_text_at(job, "/spec/number/encoding"), i == 0 ? "scaled" : "piecewise_linear");
    ck_assert_double_eq(json_number_at(job, "/network_spec/input/shape/0"), i == 0 ? 1 : 10);
    r2[i] = json_number_at(job, "/metrics/test/r2");
    json_decref(job);
  }
  ck_assert_double_lt(r2[0], 0.3);
  ck_assert_double_gt(r2[1], 0.97);
  json_t *answer = post("/v1/models/bowl-1/predict", "{\"rows\":[[5],{\"x\":-5},[1e9]]}", 200);
  ck_assert_double_eq_tol(json_number_at(answer, "/predictions/0/value"), 25, 5);
  ck_assert_double_eq_tol(json_number_at(answer, "/predictions/1/value"), 25, 5);
  ck_assert_double_eq_tol(json_number_at(answer, "/predictions/2/value"), 100, 15); /* no further than what was seen */
  json_decref(answer);
  json_t *model = client_get_json(&server, "/v1/models/bowl-1/export?format=json", 200);
  ck_assert_uint_eq(json_array_size(json_at(model, "/preprocessing/features/0/edges")), 11);
  json_decref(model);
}
END_TEST

static const struct {
  const char *more, *keep; /* keep NULL: refused, at /keep */
} keepings[] = {
    {"", "best"},
    {",\"keep\":\"last\"", "last"},
    {",\"split\":{\"validation\":0}", "last"},
    {",\"early_stopping\":{\"patience\":3,\"restore_best\":false}", "last"},
    {",\"early_stopping\":{\"patience\":3},\"keep\":\"last\"", NULL},
};

/* So much momentum swings about its aim, and the last epoch is not the best. */
START_TEST(a_model_is_the_best_epochs_unless_told_otherwise) {
  char body[1024];
  snprintf(body, sizeof body,
           "{\"network\":{\"layers\":[" HIDDEN "," OUTPUT "]},\"dataset\":\"flowers\",\"target\":\"length\",\"epochs\":40,\"seed\":1,"
           "\"optimizer\":{\"type\":\"sgd\",\"learning_rate\":0.05,\"momentum\":0.98}%s}",
           keepings[_i].more);
  if (keepings[_i].keep == NULL) {
    json_t *problem = post("/v1/jobs", body, 422);
    ck_assert_str_eq(json_text_at(problem, "/errors/0/pointer"), "/keep");
    json_decref(problem);
    return;
  }
  json_t *job = run(body);
  ck_assert_str_eq(json_text_at(job, "/state"), "succeeded");
  ck_assert_str_eq(json_text_at(job, "/spec/keep"), keepings[_i].keep);
  char *log = get_log(job);
  char expected[96];
  snprintf(expected, sizeof expected, "the model has the weights of epoch %.0f, the best of 40\n",
           json_number_at(job, "/metrics/best/epoch"));
  const bool is_kept = strcmp(keepings[_i].keep, "best") == 0;
  ck_assert_msg((strstr(log, expected) != NULL) == is_kept, "%s", log);
  free(log);
  json_decref(job);
}
END_TEST

START_TEST(without_a_target_every_other_task_is_refused) {
  json_t *problem = post("/v1/jobs", "{\"network\":{\"layers\":[" OUTPUT "]},\"dataset\":\"flowers\"}", 422);
  ck_assert_str_eq(json_text_at(problem, "/errors/0/pointer"), "/target");
  ck_assert_uint_eq(json_array_size(json_at(problem, "/errors")), 1);
  json_decref(problem);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *kinds = suite_add_case(suite, "kinds");
  tcase_add_checked_fixture(kinds, start, stop);
  tcase_add_test(kinds, every_algorithm_of_the_schema_runs_within_one_budget);
  tcase_add_test(kinds, every_optimizer_of_the_schema_learns);
  tcase_add_test(kinds, numbers_cut_into_bins_make_a_broken_line_of_a_straight_one);
  tcase_add_loop_test(kinds, a_model_is_the_best_epochs_unless_told_otherwise, 0, sizeof keepings / sizeof keepings[0]);
  tcase_add_test(kinds, bfloat16_tells_which_layers_have_none);
  tcase_add_test(kinds, a_range_test_answers_with_a_rate);
  tcase_add_loop_test(kinds, what_is_wrong_is_told_at_its_field, 0, sizeof wrong / sizeof wrong[0]);
  tcase_add_test(kinds, training_rows_are_varied);
  tcase_add_test(kinds, a_step_of_hours_is_cancelled_at_once);
  tcase_add_test(kinds, parts_are_stratified_where_there_are_classes);
  TCase *weights = suite_add_case(suite, "start weights");
  tcase_add_checked_fixture(weights, start, stop);
  tcase_add_test(weights, a_job_starts_with_a_models_weights);
  tcase_add_test(weights, a_model_that_does_not_fit_is_refused_layer_by_layer);
  tcase_add_test(weights, a_model_stays_while_a_job_may_need_it);
  TCase *targets = suite_add_case(suite, "targets");
  tcase_add_checked_fixture(targets, start, stop);
  tcase_add_test(targets, without_a_target_every_other_task_is_refused);
}

int main(void) { return suite_main("training over HTTP", add_cases); }
