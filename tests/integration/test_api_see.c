/* Looking into a step over HTTP: traces of networks and models, and gradient checks. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/server_process.h"
#include "tests/support/suite.h"

static struct server_process server;

static json_t *post(const char *path, const char *body, int status) {
  return client_expect_json(&server, &(struct client_request){.method = "POST", .path = path, .body = body}, status);
}

static json_t *post_json(const char *path, json_t *body, int status) {
  char *text = json_dumps(body, JSON_COMPACT);
  json_t *answer = post(path, text, status);
  free(text);
  json_decref(body);
  return answer;
}

/* A column of halves and wholes, a color, and what follows from them. */
static void upload_table(void) {
  char csv[16384], *at = csv;
  at += sprintf(at, "size,color,fits,price,weight\n");
  for (int i = 0; i < 200; i++) {
    const int size = i * 7 % 40;
    at += sprintf(at, "%d,%s,%s,%d,%.1f\n", size, i % 3 == 0 ? "red" : "green", size > 19 ? "yes" : "no", 100 + 5 * size, size * 0.5);
  }
  struct client_request request = {.method = "POST", .path = "/v1/datasets?name=table", .content_type = "text/csv", .body = csv};
  json_decref(client_expect_json(&server, &request, 201));
}

static void train(const char *name, const char *last_layer, const char *more) {
  char body[2048], path[64];
  snprintf(body, sizeof body,
           "{\"name\":\"%s\",\"network\":{\"layers\":[{\"type\":\"dense\",\"units\":6,\"activation\":\"tanh\",\"name\":\"hidden\"},%s]},"
           "\"dataset\":\"table\",\"features\":[\"size\",\"color\"],\"seed\":3,\"epochs\":10,%s}",
           name, last_layer, more);
  json_decref(post("/v1/jobs", body, 202));
  snprintf(path, sizeof path, "/v1/jobs/%s", name);
  json_t *job = client_wait_for(&server, path, "/state", "succeeded|failed", 120000);
  ck_assert_str_eq(json_text_at(job, "/state"), "succeeded");
  json_decref(job);
}

static void start(void) {
  server_start(&server, (const char *const[]){"--log-level", "error", "--max-gradient-check-parameters", "100", NULL});
  upload_table();
  train("fits", "{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"auto\",\"name\":\"out\"}", "\"target\":\"fits\"");
  train("two", "{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"auto\",\"name\":\"out\"}",
        "\"target\":[\"price\",\"weight\"],\"clip_norm\":0.01,\"optimizer\":{\"type\":\"sgd\",\"learning_rate\":0.5,\"momentum\":0.9}");
  json_decref(
      post("/v1/networks",
           "{\"name\":\"chain\",\"input\":{\"shape\":[1]},\"layers\":[{\"type\":\"dense\",\"units\":1,\"activation\":\"sigmoid\"},{"
           "\"type\":\"dense\",\"units\":1,\"activation\":\"sigmoid\"},{\"type\":\"dense\",\"units\":1,\"activation\":\"sigmoid\"}]}",
           201));
  json_decref(
      post("/v1/networks",
           "{\"name\":\"wide\",\"input\":{\"shape\":[40]},\"layers\":[{\"type\":\"dense\",\"units\":50,\"activation\":\"relu\",\"name\":"
           "\"hidden\"},{\"type\":\"dense\",\"units\":30,\"activation\":\"softmax\",\"name\":\"out\"}]}",
           201));
  json_decref(
      post("/v1/networks", "{\"name\":\"open\",\"layers\":[{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"auto\"}]}", 201));
}

static void stop(void) {
  ck_assert_int_eq(server_stop(&server), 0);
  server_cleanup(&server);
}

static json_t *load_chain(void) {
  json_error_t defect;
  json_t *golden = json_load_file("tests/golden/data/seed_scalar_chain.json", 0, &defect);
  ck_assert_msg(golden != NULL, "%s", defect.text);
  return golden;
}

/* The chain's golden file as a request. */
static json_t *chain_request(const json_t *golden, int steps) {
  json_t *weights = json_object();
  const char *name;
  json_t *tensor;
  json_object_foreach(json_object_get(golden, "parameters"), name, tensor) json_object_set(weights, name, json_object_get(tensor, "data"));
  return json_pack("{s:[O], s:[O], s:o, s:O, s:{s:s, s:f}, s:i, s:b}", "rows", json_at(golden, "/input/data"), "targets",
                   json_at(golden, "/target/data"), "weights", weights, "loss", json_at(golden, "/loss"), "optimizer", "type", "sgd",
                   "learning_rate", 0.1, "steps", steps, "step", 1);
}

START_TEST(the_textbooks_chain_is_traced_as_pytorch_computes_it) {
  json_t *golden = load_chain();
  for (int steps = 0; steps < 5; steps++) {
    char pointer[64];
    snprintf(pointer, sizeof pointer, "/expect/train/losses/%d", steps);
    json_t *trace = post_json("/v1/networks/chain/trace", chain_request(golden, steps), 200);
    ck_assert_double_eq_tol(json_number_at(trace, "/loss"), json_number_at(golden, pointer), 1e-5);
    ck_assert_uint_eq(json_array_size(json_at(trace, "/losses")), (size_t)steps + 1);
    snprintf(pointer, sizeof pointer, "/expect/train/losses/%d", steps + 1);
    if (steps < 4) ck_assert_double_eq_tol(json_number_at(trace, "/after/loss"), json_number_at(golden, pointer), 1e-5);
    if (steps == 0) {
      ck_assert_double_eq_tol(json_number_at(trace, "/layers/0/tensors/0/gradient/values/0"), 0.00221536397, 1e-7);
      ck_assert_double_eq_tol(json_number_at(trace, "/layers/2/delta/values/0"), -0.601329595, 1e-5);
      ck_assert_double_eq_tol(json_number_at(trace, "/layers/2/tensors/1/step/values/0"), 0.0601329595, 1e-6);
      ck_assert_double_eq_tol(json_number_at(trace, "/input_gradient/values/0"), -0.00231622684, 1e-7);
      ck_assert_str_eq(json_text_at(trace, "/layers/1/delta_formula"), "δ = ∂C/∂a ⊙ f′(z)");
      ck_assert_str_eq(json_text_at(trace, "/layers/1/input/0/tensor"), "dense_0.a");
    }
    if (steps == 4) ck_assert_double_eq_tol(json_number_at(trace, "/layers/2/tensors/1/after/values/0"), 0.0591797537, 1e-5);
    json_decref(trace);
  }
  json_decref(golden);
}
END_TEST

START_TEST(large_tensors_are_summarized_with_windows_to_page_through) {
  char row[512] = "[", body[2048];
  for (int i = 0; i < 40; i++) snprintf(row + strlen(row), sizeof row - strlen(row), "%s%d", i > 0 ? "," : "", i % 5 - 2);
  snprintf(
      body, sizeof body,
      "{\"rows\":[%s]],\"targets\":[7],\"seed\":9,\"windows\":[{\"tensor\":\"hidden.weight_gradient\",\"limit\":1200},{\"tensor\":\"hidden."
      "weight_gradient\",\"offset\":1200,\"limit\":10000},{\"tensor\":\"hidden.weight_step\",\"offset\":1999},{\"tensor\":\"out.activation_"
      "jacobian\",\"offset\":899,\"limit\":1},{\"tensor\":\"hidden.z\",\"offset\":50}]}",
      row);
  json_t *trace = post("/v1/networks/wide/trace", body, 200);
  const json_t *gradient = json_at(trace, "/layers/0/tensors/0/gradient");
  ck_assert_ptr_null(json_object_get(gradient, "values"));
  ck_assert_uint_eq(json_array_size(json_at(gradient, "/histogram/counts")), 20);
  ck_assert_uint_eq(json_array_size(json_at(trace, "/windows/0/values")), 1200);
  ck_assert_uint_eq(json_array_size(json_at(trace, "/windows/1/values")), 800);
  double squares = 0;
  for (int window = 0; window < 2; window++) {
    const json_t *values = json_at(trace, window == 0 ? "/windows/0/values" : "/windows/1/values");
    for (size_t i = 0; i < json_array_size(values); i++) squares += pow(json_number_value(json_array_get(values, i)), 2);
  }
  ck_assert_double_eq_tol(sqrt(squares), json_number_at(gradient, "/norm"), 1e-6);
  ck_assert_uint_eq(json_array_size(json_at(trace, "/windows/2/values")), 1);
  ck_assert_double_eq_tol(json_number_at(trace, "/windows/2/values/0"), -0.001 * json_number_at(trace, "/windows/1/values/799"), 1e-7);
  ck_assert_uint_eq(json_array_size(json_at(trace, "/windows/3/values")), 1);
  ck_assert_uint_eq(json_array_size(json_at(trace, "/windows/4/values")), 0);
  const double last = json_number_at(trace, "/layers/1/a/values/29");
  ck_assert_double_eq_tol(json_number_at(trace, "/windows/3/values/0"), last * (1 - last), 1e-6);
  ck_assert_uint_eq(json_array_size(json_at(trace, "/layers/1/activation_jacobian/shape")), 3);
  ck_assert_ptr_null(json_at(trace, "/layers/1/activation_derivative"));
  json_decref(trace);
}
END_TEST

START_TEST(a_model_is_traced_on_raw_rows) {
  json_t *trace =
      post("/v1/models/fits/trace",
           "{\"rows\":[{\"size\":35,\"color\":\"red\",\"fits\":\"yes\"},{\"size\":2,\"color\":\"green\",\"fits\":\"no\"}]}", 200);
  json_t *same = post("/v1/models/fits/trace", "{\"rows\":[[35,\"red\"],[2,\"green\"]],\"targets\":[\"yes\",{\"fits\":\"no\"}]}", 200);
  json_t *predicted = post("/v1/models/fits/predict", "{\"rows\":[[35,\"red\"],[2,\"green\"]]}", 200);
  ck_assert_double_eq(json_number_at(trace, "/loss"), json_number_at(same, "/loss"));
  const double no = json_number_at(predicted, "/predictions/0/probabilities/no"),
               yes = json_number_at(predicted, "/predictions/0/probabilities/yes");
  ck_assert_double_eq_tol(json_number_at(trace, "/layers/1/a/values/0"), no, 1e-6);
  ck_assert_double_eq_tol(json_number_at(trace, "/loss"),
                          -(log(yes) + log(json_number_at(predicted, "/predictions/1/probabilities/no"))) / 2, 1e-5);
  ck_assert_str_eq(json_text_at(trace, "/optimizer/type"), "adam");
  json_decref(trace);
  json_decref(same);
  trace = post("/v1/models/fits/trace",
               "{\"rows\":[[35,\"red\"]],\"targets\":[\"yes\"],\"loss\":\"mean_squared_error\",\"optimizer\":\"sgd\"}", 200);
  ck_assert_double_eq_tol(json_number_at(trace, "/loss"), (no * no + (1 - yes) * (1 - yes)) / 2, 1e-6);
  ck_assert_uint_eq(json_array_size(json_at(trace, "/target/values")), 2);
  json_decref(trace);
  json_decref(predicted);
}
END_TEST

START_TEST(a_reconstructions_rows_are_their_own_targets) {
  json_decref(post(
      "/v1/jobs",
      "{\"name\":\"copy\",\"network\":{\"layers\":[{\"type\":\"dense\",\"units\":2},{\"type\":\"dense\",\"units\":\"auto\",\"activation\":"
      "\"auto\"}]},\"dataset\":\"table\",\"task\":\"reconstruction\",\"features\":[\"size\",\"price\",\"weight\"],\"epochs\":2}",
      202));
  json_decref(client_wait_for(&server, "/v1/jobs/copy", "/state", "succeeded", 120000));
  json_t *trace = post("/v1/models/copy/trace", "{\"rows\":[[10,150,5]]}", 200);
  for (int i = 0; i < 3; i++) {
    char x[32], y[32];
    snprintf(x, sizeof x, "/input/values/%d", i);
    snprintf(y, sizeof y, "/target/values/%d", i);
    ck_assert_double_eq_tol(json_number_at(trace, x), json_number_at(trace, y), 1e-6);
  }
  json_decref(trace);
  json_t *check = post("/v1/gradient-checks", "{\"model\":\"copy\",\"dataset\":\"table\"}", 200);
  ck_assert(json_is_true(json_at(check, "/passes")));
  json_decref(check);
}
END_TEST

START_TEST(a_models_own_optimizer_and_clipping_make_the_step) {
  json_t *trace = post("/v1/models/two/trace", "{\"rows\":[[10,\"red\"]],\"targets\":[[9000,-50]]}", 200);
  ck_assert_double_gt(json_number_at(trace, "/gradient_norm"), 1);
  double squares = 0;
  for (int layer = 0; layer < 2; layer++)
    for (int tensor = 0; tensor < 2; tensor++) {
      char pointer[64];
      snprintf(pointer, sizeof pointer, "/layers/%d/tensors/%d/step/norm", layer, tensor);
      squares += pow(json_number_at(trace, pointer), 2);
    }
  ck_assert_double_eq_tol(sqrt(squares), 0.5 * 0.01, 1e-5);
  json_decref(trace);
  json_t *same =
      post("/v1/models/two/trace", "{\"rows\":[{\"size\":10,\"color\":\"red\",\"price\":9000,\"weight\":-50}],\"clip_norm\":null}", 200);
  ck_assert_double_gt(json_number_at(same, "/layers/1/tensors/0/step/norm"), 0.5 * 0.01);
  json_decref(same);
}
END_TEST

/* `pointers` of all errors, with a space between them. */
static void check_refusal(const char *resource, const char *body, const char *pointers, int status) {
  char path[160], found[1024] = "";
  snprintf(path, sizeof path, "/v1/%s", resource);
  json_t *problem = post(path, body, status);
  const json_t *errors = json_at(problem, "/errors");
  for (size_t k = 0; k < json_array_size(errors); k++)
    snprintf(found + strlen(found), sizeof found - strlen(found), "%s%s", k > 0 ? " " : "",
             json_string_value(json_object_get(json_array_get(errors, k), "pointer")));
  ck_assert_msg(strcmp(found, pointers) == 0, "%s: %s, expected %s", body, found, pointers);
  json_decref(problem);
}

START_TEST(a_class_for_each_step_of_a_sequence_is_a_target_too) {
  json_decref(post("/v1/networks",
                   "{\"name\":\"tagger\",\"input\":{\"shape\":[4]},\"layers\":[{\"type\":\"embedding\",\"input_dim\":5,\"output_dim\":3,"
                   "\"padding_idx\":0},{"
                   "\"type\":\"rnn\",\"units\":4,\"return_sequences\":true},{\"type\":\"dense\",\"units\":2,\"activation\":\"softmax\","
                   "\"name\":\"out\"}]}",
                   201));
  json_t *trace =
      post("/v1/networks/tagger/trace", "{\"rows\":[[1,4,2,0]],\"targets\":[[1,0,-100,1]],\"windows\":[{\"tensor\":\"target\"}]}", 200);
  const double a = json_number_at(trace, "/layers/2/a/values/1"), b = json_number_at(trace, "/layers/2/a/values/2");
  ck_assert_double_eq_tol(json_number_at(trace, "/loss"), -(log(a) + log(b)) / 2, 1e-5);
  ck_assert_double_eq(json_number_at(trace, "/layers/2/delta/values/4"), 0);
  ck_assert_double_eq(json_number_at(trace, "/layers/2/delta/values/6"), 0);
  ck_assert_uint_eq(json_array_size(json_at(trace, "/windows/0/values")), 4);
  json_decref(trace);
  json_t *check =
      post("/v1/gradient-checks", "{\"network\":\"tagger\",\"rows\":[[1,4,2,0],[3,0,1,2]],\"targets\":[[1,0,-100,1],[0,0,1,1]]}", 200);
  ck_assert(json_is_true(json_at(check, "/passes")));
  json_decref(check);
  check_refusal("networks/tagger/trace", "{\"rows\":[[1,4,2,0]],\"targets\":[1]}", "/targets/0", 422);
  check_refusal("networks/tagger/trace", "{\"rows\":[[1,5,2,0]],\"targets\":[[1,0,-100,1]]}", "/rows/0", 422);
  check_refusal("networks/tagger/trace", "{\"rows\":[[1,-1,2,0]],\"targets\":[[1,0,-100,1]]}", "/rows/0", 422);
  check_refusal("gradient-checks", "{\"network\":\"tagger\",\"rows\":[[1,0.5,2,0]],\"targets\":[[1,0,-100,1]]}", "/rows/0", 422);
  check_refusal("networks/tagger/trace", "{\"rows\":[[1,4,2,0]],\"targets\":[[0,1,2,0]]}", "/targets/0", 422);
}
END_TEST

START_TEST(what_is_not_finite_is_null_and_flagged) {
  json_t *trace = post("/v1/networks/wide/trace",
                       "{\"rows\":[[1,2,3,4,5,6,7,8,9,10,1,2,3,4,5,6,7,8,9,10,1,2,3,4,5,6,7,8,9,10,1,2,3,4,5,6,7,8,9,10]],\"targets\":[0],"
                       "\"optimizer\":{\"type\":\"sgd\",\"learning_rate\":1e38},\"steps\":3,\"step\":true}",
                       200);
  ck_assert(json_is_null(json_at(trace, "/loss")));
  ck_assert_str_eq(json_text_at(trace, "/non_finite/0"), "loss");
  ck_assert_double_gt(json_number_at(trace, "/layers/1/z/non_finite"), 0);
  ck_assert(json_is_null(json_at(trace, "/losses/3")));
  ck_assert(json_is_null(json_at(trace, "/after/loss")));
  json_decref(trace);
}
END_TEST

START_TEST(what_is_wrong_is_refused_with_a_pointer) {
  static const struct {
    const char *path, *body, *pointers; /* of all errors, with a space between them */
    int status;
  } cases[] = {
      {"networks/chain", "[]", "", 422},
      {"networks/chain", "{", "", 400},
      {"networks/chain", "{}", "/rows", 422},
      {"networks/chain", "{\"rows\":{},\"targets\":[1]}", "/rows", 422},
      {"networks/chain", "{\"rows\":[]}", "/rows", 422},
      {"networks/chain", "{\"rows\":[[1]]}", "/targets", 422},
      {"networks/chain", "{\"rows\":[[1]],\"targets\":[1,2]}", "/targets", 422},
      {"networks/chain", "{\"rows\":[[1]],\"targets\":3}", "/targets", 422},
      {"networks/chain", "{\"rows\":[[1],[1,2],\"x\",[null],1],\"targets\":[1,[1,2],null,\"3\",{}]}",
       "/rows/1 /targets/1 /rows/2 /targets/2 /rows/3/0 /targets/3 /targets/4", 422},
      {"networks/chain", "{\"rows\":[[1e300]],\"targets\":[1e39]}", "/rows/0/0 /targets/0", 422},
      {"networks/chain", "{\"rows\":[[1]],\"targets\":[0],\"steps\":10001,\"seed\":-1,\"step\":1}", "/seed /steps /step", 422},
      {"networks/chain", "{\"rows\":[[1]],\"targets\":[0],\"steps\":1.5,\"step\":\"yes\"}", "/steps /step", 422},
      {"networks/chain", "{\"rows\":[[1]],\"targets\":[0],\"row\":[1]}", "/row", 422},
      {"networks/chain", "{\"rows\":[[1]],\"targets\":[0],\"loss\":\"cross_entropy\"}", "/loss /loss", 422},
      {"networks/chain", "{\"rows\":[[1]],\"targets\":[0],\"loss\":\"crossentropy\",\"optimizer\":{\"type\":\"sgd\",\"learning_rate\":0}}",
       "/loss /optimizer/learning_rate", 422},
      {"networks/chain", "{\"rows\":[[1]],\"targets\":[0],\"weights\":[1]}", "/weights", 422},
      {"networks/chain",
       "{\"rows\":[[1]],\"targets\":[0],\"weights\":{\"dense_0.weigth\":[1],\"dense_1.bias\":[1,2],\"dense_2.bias\":\"x\"}}",
       "/weights/dense_0.weigth /weights/dense_1.bias /weights/dense_2.bias", 422},
      {"networks/chain", "{\"rows\":[[1]],\"targets\":[0],\"windows\":{}}", "/windows", 422},
      {"networks/chain",
       "{\"rows\":[[1]],\"targets\":[0],\"windows\":[1,{},{\"tensor\":\"dense_0.z\",\"offset\":-1,\"limit\":0,\"size\":1}]}",
       "/windows/0 /windows/1/tensor /windows/2/size /windows/2/offset /windows/2/limit", 422},
      {"networks/chain", "{\"rows\":[[1]],\"targets\":[0],\"windows\":[{\"tensor\":\"dense_0.q\"},{\"tensor\":\"z\",\"limit\":10000}]}",
       "/windows/0/tensor /windows/1/tensor", 422},
      {"networks/chain", "{\"rows\":[[1]],\"targets\":[0],\"windows\":[{\"tensor\":\"dense_0.z\",\"limit\":10001}]}", "/windows/0/limit",
       422},
      {"networks/wide", "{\"rows\":[[1]],\"targets\":[30]}", "/rows/0 /targets/0", 422},
      {"networks/chain", "{\"rows\":[[1],[1]],\"targets\":[1,2],\"loss\":\"binary_cross_entropy\"}", "/targets/1", 422},
      {"networks/open", "{\"rows\":[[1]],\"targets\":[0]}", "", 422},
      {"networks/none", "{\"rows\":[[1]],\"targets\":[0]}", "", 404},
      {"models/none", "{\"rows\":[[1]],\"targets\":[0]}", "", 404},
      {"models/fits", "{\"rows\":[[1,\"red\"]]}", "/targets", 422},
      {"models/fits", "{\"rows\":[{\"size\":1,\"color\":\"red\"}]}", "/rows/0/fits", 422},
      {"models/fits", "{\"rows\":[{\"size\":\"big\",\"color\":\"red\",\"fits\":\"maybe\"}]}", "/rows/0/size /rows/0/fits", 422},
      {"models/fits", "{\"rows\":[[1,\"red\"],[1]],\"targets\":[\"maybe\",[]]}", "/targets/0 /rows/1 /targets/1", 422},
      {"models/fits", "{\"rows\":[[1,\"red\"]],\"targets\":[{\"fit\":\"yes\"}]}", "/targets/0/fits", 422},
      {"models/two", "{\"rows\":[[1,\"red\"]],\"targets\":[5]}", "/targets/0", 422},
      {"models/two", "{\"rows\":[[1,\"red\"]],\"targets\":[[5,\"much\"]]}", "/targets/0", 422},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char path[128];
    snprintf(path, sizeof path, "%s/trace", cases[i].path);
    check_refusal(path, cases[i].body, cases[i].pointers, cases[i].status);
  }
}
END_TEST

/* Gradient checks */

static void assert_checked(const json_t *check, int rows, int parameters) {
  ck_assert(json_is_true(json_at(check, "/passes")));
  ck_assert_int_eq((int)json_number_at(check, "/rows"), rows);
  ck_assert_int_eq((int)json_number_at(check, "/parameters"), parameters);
  ck_assert_int_eq((int)json_number_at(check, "/backprop/loss_evaluations"), 1);
  ck_assert_double_ge(json_number_at(check, "/differences/loss_evaluations"), 1 + 2 * parameters);
  ck_assert_double_gt(json_number_at(check, "/differences/seconds"), 0);
  ck_assert_double_le(json_number_at(check, "/largest_error"), 1e-5);
  const json_t *tensors = json_at(check, "/tensors");
  int count = 0;
  for (size_t i = 0; i < json_array_size(tensors); i++) {
    const json_t *tensor = json_array_get(tensors, i);
    const double backprop = json_number_at(tensor, "/worst/backprop"), difference = json_number_at(tensor, "/worst/difference");
    ck_assert(json_is_true(json_at(tensor, "/passes")));
    ck_assert_double_le(json_number_at(tensor, "/mean_error"), json_number_at(tensor, "/largest_error"));
    ck_assert_double_eq_tol(backprop, difference, 1e-6 + 1e-5 * fabs(difference));
    count += (int)json_number_at(tensor, "/count");
  }
  ck_assert_int_eq(count, parameters);
}

START_TEST(gradients_of_models_and_networks_are_checked) {
  json_t *check = post("/v1/gradient-checks", "{\"model\":\"fits\",\"dataset\":\"table\",\"row_count\":20}", 200);
  assert_checked(check, 20, 6 * 3 + 6 + 2 * 6 + 2);
  json_decref(check);
  check = post("/v1/gradient-checks",
               "{\"model\":\"fits\",\"rows\":[[3,\"red\"],[30,\"green\"]],\"targets\":[\"no\",\"yes\"],\"loss\":"
               "\"mean_squared_error\"}",
               200);
  assert_checked(check, 2, 38);
  ck_assert_str_eq(json_text_at(check, "/loss_spec/type"), "mean_squared_error");
  json_decref(check);
  check = post("/v1/gradient-checks", "{\"model\":\"two\",\"dataset\":\"table\"}", 200);
  assert_checked(check, 8, 38);
  json_decref(check);
  check = post("/v1/gradient-checks",
               "{\"network\":\"open\",\"dataset\":\"table\",\"target\":\"fits\",\"features\":[\"size\"],\"row_count\":64}", 200);
  assert_checked(check, 64, 4);
  json_decref(check);
  check = post(
      "/v1/gradient-checks",
      "{\"network\":{\"layers\":[{\"type\":\"dense\",\"units\":3,\"activation\":\"relu\"},{\"type\":\"dense\",\"units\":1,\"activation\":"
      "\"sigmoid\"}]},\"dataset\":\"table\",\"target\":\"fits\",\"seed\":4}",
      200);
  assert_checked(check, 8, 22);
  ck_assert_str_eq(json_text_at(check, "/loss_spec/type"), "binary_cross_entropy");
  ck_assert_ptr_null(json_at(check, "/network"));
  json_decref(check);
}
END_TEST

START_TEST(the_textbooks_chain_has_the_cost_of_its_golden_file) {
  json_t *golden = load_chain(), *body = chain_request(golden, 0);
  json_object_set_new(body, "network", json_string("chain"));
  json_object_del(body, "optimizer");
  json_object_del(body, "steps");
  json_object_del(body, "step");
  json_t *check = post_json("/v1/gradient-checks", body, 200);
  assert_checked(check, 1, 6);
  ck_assert_double_eq_tol(json_number_at(check, "/loss"), json_number_at(golden, "/expect/loss"), 1e-7);
  ck_assert_double_eq_tol(json_number_at(check, "/tensors/5/worst/difference"), -0.601329595, 1e-7);
  json_decref(check);
  json_decref(golden);
}
END_TEST

START_TEST(kinks_are_told_and_pass) {
  json_t *check =
      post("/v1/gradient-checks",
           "{\"network\":{\"input\":{\"shape\":[2]},\"layers\":[{\"type\":\"dense\",\"units\":3,\"activation\":\"relu\"},{\"type\":"
           "\"dense\",\"units\":1}]},\"rows\":[[0,0]],\"targets\":[[1]]}",
           200);
  ck_assert(json_is_true(json_at(check, "/passes")));
  ck_assert_int_eq((int)json_number_at(check, "/kinks"), 3);
  ck_assert_int_eq((int)json_number_at(check, "/tensors/1/kinks"), 3);
  json_decref(check);
}
END_TEST

START_TEST(numbers_that_overflow_fail_and_are_null) {
  json_t *check = post("/v1/gradient-checks", "{\"network\":\"chain\",\"rows\":[[1]],\"targets\":[3e38],\"loss\":\"squared_error\"}", 200);
  ck_assert(json_is_false(json_at(check, "/passes")));
  ck_assert(json_is_null(json_at(check, "/largest_error")));
  json_decref(check);
}
END_TEST

START_TEST(too_many_weights_are_refused_with_the_time_they_would_take) {
  char row[256] = "[";
  for (int i = 0; i < 40; i++) strcat(row, i > 0 ? ",1" : "1");
  char body[512];
  snprintf(body, sizeof body, "{\"network\":\"wide\",\"rows\":[%s]],\"targets\":[3]}", row);
  json_t *problem = post("/v1/gradient-checks", body, 422);
  const char *detail = json_text_at(problem, "/errors/0/detail");
  ck_assert_str_eq(json_text_at(problem, "/errors/0/pointer"), "/network");
  ck_assert_ptr_nonnull(strstr(detail, "3580 weights"));
  ck_assert_ptr_nonnull(strstr(detail, "at most 100"));
  ck_assert_ptr_nonnull(strstr(detail, "7160 evaluations"));
  ck_assert_ptr_nonnull(strstr(detail, " s here"));
  json_decref(problem);
  json_t *about = client_get_json(&server, "/v1", 200);
  ck_assert_int_eq((int)json_number_at(about, "/limits/gradient_check_parameters"), 100);
  json_decref(about);
}
END_TEST

START_TEST(a_check_above_the_memory_budget_is_refused_before_its_weights_are_made) {
  json_t *problem = post("/v1/gradient-checks",
                         "{\"network\":{\"layers\":[{\"type\":\"dense\",\"units\":1048576},{\"type\":\"dense\",\"units\":1048576},"
                         "{\"type\":\"dense\",\"units\":\"auto\"}]},\"dataset\":\"table\",\"target\":\"price\"}",
                         422);
  ck_assert_str_eq(json_text_at(problem, "/code"), "over_budget");
  json_decref(problem);
}
END_TEST

START_TEST(what_is_wrong_with_a_gradient_check_is_refused_with_a_pointer) {
  static const struct {
    const char *body, *pointers;
  } cases[] = {
      {"{}", " /rows"},
      {"{\"model\":5,\"rows\":[[1]]}", "/model"},
      {"{\"model\":\"none\",\"rows\":[[1]]}", "/model"},
      {"{\"network\":\"none\",\"rows\":[[1]],\"targets\":[1]}", "/network"},
      {"{\"network\":7,\"rows\":[[1]],\"targets\":[1]}", "/network"},
      {"{\"network\":\"chain\",\"model\":\"fits\",\"rows\":[[1]],\"targets\":[1]}", "/network"},
      {"{\"network\":\"chain\",\"rows\":[[1]],\"dataset\":\"table\"}", "/dataset /target"},
      {"{\"network\":\"chain\",\"dataset\":\"tabel\",\"target\":\"fits\"}", "/dataset"},
      {"{\"network\":\"open\",\"dataset\":\"table\",\"target\":\"fit\"}", "/target"},
      {"{\"network\":\"open\",\"dataset\":\"table\",\"target\":\"fits\",\"features\":[\"sise\"]}", "/features"},
      {"{\"network\":\"open\",\"rows\":[[1]],\"targets\":[1]}", "/network"},
      {"{\"network\":\"chain\",\"dataset\":\"table\",\"target\":\"fits\",\"features\":[\"size\",\"price\"]}", "/network"},
      {"{\"network\":{\"input\":{\"shape\":[2]},\"layers\":[{\"type\":\"dens\"},{\"type\":\"dense\",\"units\":0}]},\"rows\":[[1]],"
       "\"targets\":[1]}",
       "/network/layers/0/type /network/layers/1/units"},
      {"{\"network\":{\"input\":{\"shape\":[2]},\"layers\":[{\"type\":\"dense\",\"units\":1,\"inputs\":[\"x\"]}]},\"rows\":[[1]],"
       "\"targets\":[1]}",
       "/network/layers/0/inputs/0"},
      {"{\"model\":\"fits\",\"dataset\":\"table\",\"target\":\"fits\",\"features\":\"size\"}", "/target /features"},
      {"{\"network\":\"chain\",\"rows\":[[1]],\"targets\":[1],\"tolerance\":0,\"row_count\":65,\"steps\":1}",
       "/steps /tolerance /row_count"},
      {"{\"network\":\"chain\",\"rows\":[[\"a\"]],\"targets\":[[1,2]]}", "/rows/0/0 /targets/0"},
      {"{\"network\":\"chain\",\"rows\":[[1]],\"targets\":[1],\"weights\":{\"x.weight\":[1],\"dense_0.weight\":[1,2]}}",
       "/weights/x.weight /weights/dense_0.weight"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) check_refusal("gradient-checks", cases[i].body, cases[i].pointers, 422);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "see");
  tcase_add_unchecked_fixture(test_case, start, stop);
  tcase_add_test(test_case, the_textbooks_chain_is_traced_as_pytorch_computes_it);
  tcase_add_test(test_case, large_tensors_are_summarized_with_windows_to_page_through);
  tcase_add_test(test_case, a_model_is_traced_on_raw_rows);
  tcase_add_test(test_case, a_reconstructions_rows_are_their_own_targets);
  tcase_add_test(test_case, a_models_own_optimizer_and_clipping_make_the_step);
  tcase_add_test(test_case, a_class_for_each_step_of_a_sequence_is_a_target_too);
  tcase_add_test(test_case, what_is_not_finite_is_null_and_flagged);
  tcase_add_test(test_case, what_is_wrong_is_refused_with_a_pointer);
  tcase_add_test(test_case, gradients_of_models_and_networks_are_checked);
  tcase_add_test(test_case, the_textbooks_chain_has_the_cost_of_its_golden_file);
  tcase_add_test(test_case, kinks_are_told_and_pass);
  tcase_add_test(test_case, numbers_that_overflow_fail_and_are_null);
  tcase_add_test(test_case, too_many_weights_are_refused_with_the_time_they_would_take);
  tcase_add_test(test_case, a_check_above_the_memory_budget_is_refused_before_its_weights_are_made);
  tcase_add_test(test_case, what_is_wrong_with_a_gradient_check_is_refused_with_a_pointer);
}

int main(void) { return suite_main("see", add_cases); }
