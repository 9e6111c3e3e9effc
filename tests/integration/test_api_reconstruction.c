/* Autoencoders over HTTP: numbers, categories and images are given back as they went in, and how far off; noisy ones clean. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/data/image_decode.h"
#include "tests/support/http_client.h"
#include "tests/support/server_process.h"
#include "tests/support/suite.h"
#include "tests/support/upload_bodies.h"

enum { SIDE = 6, PIXELS = SIDE * SIDE, IMAGES = 60 };

static struct server_process server;

static json_t *post(const char *path, const char *body, int status) {
  return client_expect_json(&server, &(struct client_request){.method = "POST", .path = path, .body = body}, status);
}

static void start(void) {
  server_start(&server, (const char *const[]){"--log-level", "error", "--threads", "2", NULL});
  static const char flowers[] =
      "length,width,kind\n"
      "1.0,2.0,rose\n1.1,2.1,rose\n0.9,1.9,rose\n1.2,2.2,rose\n1.0,2.1,rose\n0.8,2.0,rose\n1.1,1.8,rose\n1.0,1.9,rose\n"
      "3.0,5.0,lily\n3.1,5.1,lily\n2.9,4.9,lily\n3.2,5.2,lily\n3.0,5.1,lily\n2.8,5.0,lily\n3.1,4.8,lily\n3.0,4.9,lily\n";
  json_decref(client_expect_json(
      &server, &(struct client_request){.method = "POST", .path = "/v1/datasets?name=flowers", .content_type = "text/csv", .body = flowers},
      201));
  struct bytes images = idx_make_images(IMAGES, SIDE, SIDE, 1);
  json_decref(client_expect_json(&server,
                                 &(struct client_request){.method = "POST",
                                                          .path = "/v1/datasets?name=halves",
                                                          .content_type = "application/x-idx",
                                                          .body = images.at,
                                                          .body_bytes = images.count},
                                 201));
  bytes_free(&images);
}

static void stop(void) {
  ck_assert_int_eq(server_stop(&server), 0);
  server_assert_database_is_whole(&server);
  server_cleanup(&server);
}

/* Runs a job to its end; the caller frees the answer. */
static json_t *run(const char *body) {
  json_t *job = post("/v1/jobs", body, 202);
  char path[128];
  snprintf(path, sizeof path, "/v1/jobs/%s", json_text_at(job, "/id"));
  json_decref(job);
  job = client_wait_for(&server, path, "/state", "succeeded|failed|cancelled", 120000);
  ck_assert_str_eq(json_text_at(job, "/state"), "succeeded");
  return job;
}

/* ---- tables ---- */

#define AUTOENCODER(more_)                                                                                                                 \
  "{\"name\":\"coder\",\"network\":{\"layers\":[{\"type\":\"dense\",\"units\":8,\"activation\":\"tanh\"},"                                 \
  "{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"auto\"}]},\"dataset\":\"flowers\",\"task\":\"reconstruction\"" more_ "}"
#define LONG_ENOUGH ",\"epochs\":600,\"optimizer\":{\"type\":\"adam\",\"learning_rate\":0.01},\"scaling\":\"min_max\""

START_TEST(an_autoencoder_gives_back_what_went_in_and_how_far_off_it_is) {
  json_t *job = run(AUTOENCODER(",\"features\":[\"length\",\"width\"]" LONG_ENOUGH));
  ck_assert_str_eq(json_text_at(job, "/spec/target/0"), "length");
  ck_assert_str_eq(json_text_at(job, "/spec/target/1"), "width");
  ck_assert_uint_eq(json_array_size(json_at(job, "/spec/target")), 2);
  ck_assert_double_lt(json_number_at(job, "/metrics/test/mae"), 0.5); /* in the data's own units */
  ck_assert_ptr_null(json_at(job, "/metrics/test/accuracy"));
  json_decref(job);
  json_t *answer = post("/v1/models/coder/predict",
                        "{\"rows\":[{\"length\":1.0,\"width\":2.0},{\"length\":3.0,\"width\":5.0},{\"length\":-20,\"width\":40}]}", 200);
  ck_assert_double_eq_tol(json_number_at(answer, "/predictions/0/values/length"), 1, 0.3);
  ck_assert_double_eq_tol(json_number_at(answer, "/predictions/1/values/width"), 5, 0.5);
  ck_assert_ptr_null(json_at(answer, "/predictions/0/probabilities"));
  /* The error is of the values as they were scaled, here to 0 … 1 by the ranges of the training part. */
  ck_assert_double_lt(json_number_at(answer, "/predictions/0/reconstruction_error"), 0.02);
  ck_assert_double_gt(json_number_at(answer, "/predictions/2/reconstruction_error"), 1);
  json_decref(answer);
  struct client_answer csv;
  client_post_csv(&server, "/v1/models/coder/predict", "length,width\n1.0,2.0\n", &csv);
  ck_assert_msg(strncmp(csv.body, "length,width,reconstruction_error\n", 34) == 0, "%s", csv.body);
  answer_deinit(&csv);
  json_t *evaluation = post("/v1/models/coder/evaluate", "{\"dataset\":\"flowers\"}", 200);
  ck_assert_double_lt(json_number_at(evaluation, "/metrics/mae"), 0.5);
  json_decref(evaluation);
}
END_TEST

START_TEST(categories_are_given_back_with_their_probabilities) {
  json_t *job = run(AUTOENCODER(LONG_ENOUGH));
  ck_assert_str_eq(json_text_at(job, "/spec/target/2"), "kind");
  ck_assert_double_eq(json_number_at(job, "/metrics/test/accuracy"), 1);
  ck_assert_double_lt(json_number_at(job, "/metrics/test/rmse"), 0.5);
  json_decref(job);
  /* What doesn't go together is farther off than what does. */
  json_t *answer = post("/v1/models/coder/predict",
                        "{\"rows\":[{\"length\":3.0,\"width\":5.0,\"kind\":\"lily\"},{\"length\":3.0,\"width\":5.0,\"kind\":\"rose\"},"
                        "{\"length\":3.0,\"width\":5.0,\"kind\":\"tulip\"}]}",
                        200);
  ck_assert_str_eq(json_text_at(answer, "/predictions/0/values/kind"), "lily");
  ck_assert_double_gt(json_number_at(answer, "/predictions/0/probabilities/kind/lily"), 0.8);
  ck_assert_double_eq_tol(json_number_at(answer, "/predictions/0/probabilities/kind/lily") +
                              json_number_at(answer, "/predictions/0/probabilities/kind/rose"),
                          1, 1e-6);
  const double usual = json_number_at(answer, "/predictions/0/reconstruction_error");
  ck_assert_double_gt(json_number_at(answer, "/predictions/1/reconstruction_error"), 2 * usual);
  ck_assert_double_gt(json_number_at(answer, "/predictions/2/reconstruction_error"), 2 * usual);
  json_decref(answer);
  struct client_answer csv;
  client_post_csv(&server, "/v1/models/coder/predict", "length,width,kind\n1.0,2.0,rose\n", &csv);
  ck_assert_msg(strncmp(csv.body, "length,width,kind,probability_kind,reconstruction_error\n", 56) == 0, "%s", csv.body);
  ck_assert_msg(strstr(csv.body, ",rose,") != NULL, "%s", csv.body);
  answer_deinit(&csv);
  json_t *evaluation = post("/v1/models/coder/evaluate", "{\"dataset\":\"flowers\"}", 200);
  ck_assert_double_eq(json_number_at(evaluation, "/metrics/accuracy"), 1);
  json_decref(evaluation);
  json_t *trace = post("/v1/models/coder/trace", "{\"rows\":[{\"length\":3.0,\"width\":5.0,\"kind\":\"lily\"}]}", 200);
  ck_assert_uint_eq(json_array_size(json_at(trace, "/target/values")), 4);
  ck_assert(json_equal(json_at(trace, "/input/values"), json_at(trace, "/target/values")));
  json_decref(trace);
}
END_TEST

/* Categories alone are ones and zeros already. */
START_TEST(categories_alone_may_be_given_back_by_sigmoids) {
  json_t *job = run("{\"name\":\"coder\",\"network\":{\"layers\":[{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"sigmoid\"}]},"
                    "\"dataset\":\"flowers\",\"features\":\"kind\",\"task\":\"reconstruction\",\"loss\":\"binary_cross_entropy\","
                    "\"scaling\":\"standard\","
                    "\"epochs\":200,\"optimizer\":{\"type\":\"adam\",\"learning_rate\":0.05}}");
  ck_assert_double_eq(json_number_at(job, "/metrics/test/accuracy"), 1);
  ck_assert_ptr_null(json_at(job, "/metrics/test/rmse"));
  json_decref(job);
}
END_TEST

static const struct {
  const char *body, *pointer;
} wrong_coders[] = {
    {AUTOENCODER(",\"target\":\"kind\""), "/target"},
    {AUTOENCODER(",\"features\":[\"length\",\"colour\"]"), "/features/1"},
    {AUTOENCODER(",\"number\":{\"encoding\":\"piecewise_linear\"}"), "/number/encoding"},
    {AUTOENCODER(",\"loss\":\"cross_entropy\""), "/loss"},
    {"{\"network\":{\"layers\":[{\"type\":\"dense\",\"units\":5}]},\"dataset\":\"flowers\",\"task\":\"reconstruction\"}",
     "/network/layers/0"},
    {"{\"network\":{\"layers\":[{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"sigmoid\"}]},\"dataset\":\"halves\",\"task\":"
     "\"reconstruction\",\"scaling\":\"standard\",\"loss\":\"binary_cross_entropy\"}",
     "/loss"},
    {"{\"network\":{\"layers\":[{\"type\":\"conv2d\",\"filters\":2,\"kernel_size\":3,\"padding\":\"same\"}]},\"dataset\":\"halves\","
     "\"task\":"
     "\"reconstruction\"}",
     "/network/layers/0"},
};

START_TEST(what_can_not_be_given_back_is_told_at_its_field) {
  json_t *problem = post("/v1/jobs", wrong_coders[_i].body, 422);
  ck_assert_str_eq(json_text_at(problem, "/errors/0/pointer"), wrong_coders[_i].pointer);
  json_decref(problem);
}
END_TEST

/* ---- images ---- */

#define IMAGE_CODER(name_, layers_, more_)                                                                                                 \
  "{\"name\":\"" name_ "\",\"network\":{\"layers\":[" layers_ "]},\"dataset\":\"halves\",\"task\":\"reconstruction\",\"epochs\":150,"      \
  "\"optimizer\":{\"type\":\"adam\",\"learning_rate\":0.01}" more_ "}"
#define DENSE "{\"type\":\"dense\",\"units\":4,\"activation\":\"relu\"},{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"auto\"}"
#define SIGMOID                                                                                                                            \
  "{\"type\":\"dense\",\"units\":4,\"activation\":\"relu\"},{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"sigmoid\"}"
#define CONVOLUTIONAL                                                                                                                      \
  "{\"type\":\"conv2d\",\"filters\":4,\"kernel_size\":3,\"padding\":\"same\",\"activation\":\"relu\"},{\"type\":\"max_pool2d\",\"pool_"    \
  "size\":2},"                                                                                                                             \
  "{\"type\":\"flatten\"},{\"type\":\"dense\",\"units\":6},{\"type\":\"dense\",\"units\":36},{\"type\":\"reshape\",\"shape\":[1,6,6]},"    \
  "{\"type\":\"conv2d\",\"filters\":1,\"kernel_size\":3,\"padding\":\"same\"}"

static const struct {
  const char *job, *scaling;
} image_coders[] = {
    {IMAGE_CODER("eye", DENSE, ""), "standard"},
    {IMAGE_CODER("eye", SIGMOID, ",\"loss\":\"binary_cross_entropy\""), "min_max"},
    {IMAGE_CODER("eye", CONVOLUTIONAL, ",\"scaling\":\"min_max\""), "min_max"},
    {IMAGE_CODER("eye", DENSE, ",\"augmentation\":{\"noise\":0.3}"), "standard"},
};

static void get_image(size_t row, struct client_answer *out_answer) {
  char path[96];
  snprintf(path, sizeof path, "/v1/datasets/halves/rows/%zu/image", row);
  client_get(&server, path, out_answer);
  ck_assert_int_eq(out_answer->status, 200);
}

static void decode(const struct client_answer *answer, uint8_t pixels[PIXELS]) {
  struct error error = {0};
  ck_assert_str_eq(answer_get_header(answer, "Content-Type"), "image/png");
  ck_assert_msg(image_decode(answer->body, answer->body_bytes, &(struct image_shape){1, SIDE, SIDE}, pixels, &error) == ERROR_NONE, "%s",
                error.detail);
}

static double measure_distance(const uint8_t *left, const uint8_t *right) {
  double sum = 0;
  for (size_t i = 0; i < PIXELS; i++) sum += fabs((double)left[i] - (double)right[i]);
  return sum / PIXELS;
}

/* As JSON the pixels, as PNG the same, rounded. */
START_TEST(an_image_is_given_back_as_numbers_and_as_an_image) {
  json_t *job = run(image_coders[_i].job);
  ck_assert_str_eq(json_text_at(job, "/spec/scaling"), image_coders[_i].scaling);
  ck_assert_double_lt(json_number_at(job, "/metrics/test/rmse"), 40); /* of 0 … 255 */
  ck_assert_double_gt(json_number_at(job, "/metrics/test/r2"), 0.8);
  json_decref(job);
  for (size_t row = 0; row < 2; row++) {
    struct client_answer given, back;
    uint8_t pixels[PIXELS], restored[PIXELS];
    get_image(row, &given);
    decode(&given, pixels);
    struct client_request request = {
        .path = "/v1/models/eye/predict", .content_type = "image/png", .body = given.body, .body_bytes = given.body_bytes};
    json_t *answer = client_expect_json(&server, &request, 200);
    ck_assert_uint_eq(json_array_size(json_at(answer, "/predictions/0/values/image")), SIDE);
    ck_assert_double_ge(json_number_at(answer, "/predictions/0/reconstruction_error"), 0);
    request.headers = (const char *const[]){"Accept: image/png", NULL};
    client_send(&server, &request, &back);
    ck_assert_int_eq(back.status, 200);
    decode(&back, restored);
    ck_assert_double_lt(measure_distance(pixels, restored), 40);
    for (size_t i = 0; i < PIXELS; i++) {
      char at[64];
      snprintf(at, sizeof at, "/predictions/0/values/image/%zu/%zu", i / SIDE, i % SIDE);
      ck_assert_double_eq_tol(fmin(fmax(json_number_at(answer, at), 0), 255), restored[i], 0.51);
    }
    json_decref(answer);
    answer_deinit(&given);
    answer_deinit(&back);
  }
}
END_TEST

START_TEST(an_image_may_come_as_pixels_and_be_looked_into) {
  json_decref(run(IMAGE_CODER("eye", CONVOLUTIONAL, "")));
  char rows[2048];
  size_t at = (size_t)sprintf(rows, "{\"rows\":[{\"image\":[");
  for (size_t i = 0; i < PIXELS; i++) at += (size_t)sprintf(rows + at, "%s%d", i > 0 ? "," : "", i < PIXELS / 2 ? 200 : 30);
  sprintf(rows + at, "]}]}");
  struct client_request request = {
      .path = "/v1/models/eye/predict", .body = rows, .headers = (const char *const[]){"Accept: image/png", NULL}};
  struct client_answer back;
  uint8_t restored[PIXELS];
  client_send(&server, &request, &back);
  decode(&back, restored);
  ck_assert_uint_gt(restored[1], 100);
  ck_assert_uint_lt(restored[PIXELS - 2], 130);
  answer_deinit(&back);
  json_t *trace = post("/v1/models/eye/trace", rows, 200);
  ck_assert(json_equal(json_at(trace, "/input/values"), json_at(trace, "/target/values")));
  json_decref(trace);
  json_t *check = post("/v1/gradient-checks", "{\"model\":\"eye\",\"dataset\":\"halves\"}", 200);
  ck_assert(json_is_true(json_at(check, "/passes")));
  json_decref(check);
  json_t *evaluation = post("/v1/models/eye/evaluate", "{\"dataset\":\"halves\"}", 200);
  ck_assert_double_gt(json_number_at(evaluation, "/metrics/r2"), 0.8);
  json_decref(evaluation);
  /* A PNG is the answer to one. */
  request.body = "{\"rows\":[{\"image\":[]},{\"image\":[]}]}";
  json_t *problem = client_expect_json(&server, &request, 422);
  ck_assert_str_eq(json_text_at(problem, "/errors/0/pointer"), "/rows");
  json_decref(problem);
}
END_TEST

/* Of many images a line for each: how far off, which tells the odd one out. */
START_TEST(many_images_are_told_by_their_errors) {
  json_decref(run(IMAGE_CODER("eye", DENSE, "")));
  struct client_answer usual, lines;
  struct bytes form = {0};
  get_image(3, &usual);
  body_add_file(&form, "usual", usual.body, usual.body_bytes);
  body_end(&form);
  client_send(
      &server,
      &(struct client_request){.path = "/v1/models/eye/predict", .content_type = BODY_TYPE, .body = form.at, .body_bytes = form.count},
      &lines);
  ck_assert_int_eq(lines.status, 200);
  ck_assert_msg(strncmp(lines.body, "file,reconstruction_error\nusual", 31) == 0, "%s", lines.body);
  answer_deinit(&lines);
  answer_deinit(&usual);
  bytes_free(&form);
}
END_TEST

START_TEST(threads_change_no_bit) {
  json_t *one = run(IMAGE_CODER("one", CONVOLUTIONAL, ",\"augmentation\":{\"noise\":0.2,\"mixup\":0.3},\"threads\":1"));
  json_t *two = run(IMAGE_CODER("two", CONVOLUTIONAL, ",\"augmentation\":{\"noise\":0.2,\"mixup\":0.3},\"threads\":2"));
  ck_assert_uint_eq(strlen(json_text_at(one, "/weights_sha256")), 64);
  ck_assert_str_eq(json_text_at(one, "/weights_sha256"), json_text_at(two, "/weights_sha256"));
  json_decref(one);
  json_decref(two);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *tables = suite_add_case(suite, "tables");
  tcase_add_checked_fixture(tables, start, stop);
  tcase_add_test(tables, an_autoencoder_gives_back_what_went_in_and_how_far_off_it_is);
  tcase_add_test(tables, categories_are_given_back_with_their_probabilities);
  tcase_add_test(tables, categories_alone_may_be_given_back_by_sigmoids);
  tcase_add_loop_test(tables, what_can_not_be_given_back_is_told_at_its_field, 0, sizeof wrong_coders / sizeof wrong_coders[0]);
  TCase *images = suite_add_case(suite, "images");
  tcase_add_checked_fixture(images, start, stop);
  tcase_add_loop_test(images, an_image_is_given_back_as_numbers_and_as_an_image, 0, sizeof image_coders / sizeof image_coders[0]);
  tcase_add_test(images, an_image_may_come_as_pixels_and_be_looked_into);
  tcase_add_test(images, many_images_are_told_by_their_errors);
  tcase_add_test(images, threads_change_no_bit);
}

int main(void) { return suite_main("reconstruction over HTTP", add_cases); }
