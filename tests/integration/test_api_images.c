/* Archives of images over HTTP: uploads, what is told of them, their images as PNG, what is refused, what is left on disk. */
#include <nettle/base64.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "server/data/image_decode.h"
#include "tests/support/archive.h"
#include "tests/support/http_client.h"
#include "tests/support/pictures.h"
#include "tests/support/server_process.h"
#include "tests/support/suite.h"
#include "tests/support/upload_bodies.h"

enum { SIDE = 6, PIXELS = SIDE * SIDE };

static struct server_process server;

static void start(void) { server_start(&server, (const char *const[]){"--log-level", "error", NULL}); }

static void stop(void) { server_end(&server); }

/* Of class "up" the upper half is bright, of "down" the lower; `seed` makes others of them. */
static void fill_pixels(bool is_up, unsigned seed, uint8_t pixels[PIXELS]) {
  for (unsigned i = 0; i < PIXELS; i++)
    pixels[i] = (uint8_t)((i < PIXELS / 2) == is_up ? 180 + (i * 7 + seed * 13) % 70 : (i * 5 + seed * 11) % 60);
}

static char *make_picture(bool is_up, unsigned seed, size_t *out_count) {
  uint8_t pixels[PIXELS];
  fill_pixels(is_up, seed, pixels);
  return picture_make_png(&(struct picture){SIDE, SIDE, 1, pixels}, NULL, out_count);
}

static void add_picture(struct archive *archive, const char *folder, bool is_up, unsigned seed) {
  char name[64];
  size_t count;
  snprintf(name, sizeof name, "%s/%u.png", folder, seed);
  char *png = make_picture(is_up, seed, &count);
  archive_add(archive, &(struct archive_entry){.name = name, .bytes = png, .count = count});
  free(png);
}

static json_t *upload(const char *path, const char *type, struct archive *archive, int status) {
  archive_finish(archive);
  json_t *answer = client_expect_json(
      &server, &(struct client_request){.path = path, .content_type = type, .body = archive->bytes, .body_bytes = archive->count}, status);
  archive_deinit(archive);
  return answer;
}

static void fill_archive(struct archive *archive, unsigned count) {
  for (unsigned i = 0; i < count; i++) add_picture(archive, i % 2 == 0 ? "pets/up" : "pets/down", i % 2 == 0, i);
}

START_TEST(an_archive_of_folders_is_a_dataset) {
  struct archive archive = {0};
  fill_archive(&archive, 6);
  archive_add_text(&archive, "pets/up/broken.png", "\x89PNG\r\n\x1a\n");
  json_t *dataset = upload("/v1/datasets?name=pets", "application/zip", &archive, 201);
  ck_assert_double_eq(json_number_at(dataset, "/rows"), 6);
  ck_assert_str_eq(json_text_at(dataset, "/columns/0/kind"), "image");
  ck_assert_double_eq(json_number_at(dataset, "/columns/0/shape/0"), 1);
  ck_assert_double_eq(json_number_at(dataset, "/columns/0/shape/1"), SIDE);
  ck_assert_str_eq(json_text_at(dataset, "/columns/1/name"), "label");
  ck_assert_str_eq(json_text_at(dataset, "/columns/1/kind"), "categorical");
  ck_assert_str_eq(json_text_at(dataset, "/columns/2/name"), "file");
  ck_assert_ptr_nonnull(strstr(json_text_at(dataset, "/bad_rows/first/0/reason"), "pets/up/broken.png"));
  ck_assert_uint_eq(server_count_dataset_files(&server), 2);
  json_t *rows = client_get_json(&server, "/v1/datasets/pets/rows?offset=1&limit=1", 200);
  uint8_t pixels[PIXELS];
  fill_pixels(false, 1, pixels);
  ck_assert_double_eq(json_number_at(rows, "/rows/0/0/0/1/2"), pixels[SIDE + 2]);
  ck_assert_str_eq(json_text_at(rows, "/rows/0/1"), "down");
  ck_assert_str_eq(json_text_at(rows, "/rows/0/2"), "pets/down/1.png");
  json_decref(rows);
  json_decref(dataset);
  struct client_answer answer;
  client_delete(&server, "/v1/datasets/pets", &answer);
  ck_assert_int_eq(answer.status, 204);
  answer_deinit(&answer);
  ck_assert_uint_eq(server_count_dataset_files(&server), 0);
}
END_TEST

START_TEST(images_of_two_names_are_duplicates) {
  struct archive archive = {0};
  fill_archive(&archive, 6);
  size_t count;
  char *png = make_picture(true, 2, &count);
  archive_add(&archive, &(struct archive_entry){.name = "pets/up/again.png", .bytes = png, .count = count});
  free(png);
  json_decref(upload("/v1/datasets?name=pets", "application/zip", &archive, 201));
  json_t *report = client_get_json(&server, "/v1/datasets/pets/report?target=label", 200);
  ck_assert_double_eq(json_number_at(report, "/duplicates/count"), 1);
  json_decref(report);
}
END_TEST

START_TEST(size_and_channels_can_be_asked_for) {
  static const struct {
    const char *query;
    int status, channels, height, width;
  } cases[] = {{"size=8x4", 201, 1, 4, 8},           {"size=9", 201, 1, 9, 9},
               {"width=3&channels=3", 201, 3, 3, 3}, {"height=4&width=5&channels=4", 201, 4, 4, 5},
               {"size=0x4", 400, 0, 0, 0},           {"size=4x", 400, 0, 0, 0},
               {"size=4x4x4", 400, 0, 0, 0},         {"size=4096x4", 400, 0, 0, 0},
               {"size=4&width=4", 400, 0, 0, 0},     {"width=0", 400, 0, 0, 0},
               {"channels=2", 400, 0, 0, 0},         {"channels=5", 400, 0, 0, 0}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char path[128];
    snprintf(path, sizeof path, "/v1/datasets?%s", cases[i].query);
    struct archive archive = {0};
    fill_archive(&archive, 2);
    json_t *dataset = upload(path, "application/octet-stream", &archive, cases[i].status);
    if (cases[i].status == 201) {
      ck_assert_double_eq(json_number_at(dataset, "/columns/0/shape/0"), cases[i].channels);
      ck_assert_double_eq(json_number_at(dataset, "/columns/0/shape/1"), cases[i].height);
      ck_assert_double_eq(json_number_at(dataset, "/columns/0/shape/2"), cases[i].width);
    }
    json_decref(dataset);
  }
}
END_TEST

/* What could mean harm leaves nothing behind, and says which entry it was. */
START_TEST(tricks_are_refused_by_name) {
  static const struct {
    struct archive_entry entry;
    const char *shown;
  } cases[] = {{{.name = "../../etc/cron.d/x.png", .bytes = "x", .count = 1}, "../../etc/cron.d/x.png"},
               {{.name = "/etc/x.png", .bytes = "x", .count = 1}, "/etc/x.png"},
               {{.name = "a\\x.png", .bytes = "x", .count = 1}, "backslash"},
               {{.name = "a/x.png", .bytes = "/etc/passwd", .count = 11, .unix_mode = S_IFLNK | 0777}, "symbolic link"},
               {{.name = "pets/up/0.png", .bytes = "x", .count = 1}, "comes twice"},
               {{.name = "a/x.png", .bytes = "0123456789abc", .count = 13, .flags = 1}, "encrypted"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct archive archive = {0};
    fill_archive(&archive, 2);
    archive_add(&archive, &cases[i].entry);
    json_t *problem = upload("/v1/datasets", "application/zip", &archive, 422);
    ck_assert_msg(strstr(json_text_at(problem, "/detail"), cases[i].shown) != NULL, "%s", json_text_at(problem, "/detail"));
    json_decref(problem);
    ck_assert_uint_eq(server_count_dataset_files(&server), 0);
  }
  struct archive archive = {0};
  const size_t zeros_bytes = 80 << 20;
  char *zeros = calloc(zeros_bytes, 1);
  ck_assert_ptr_nonnull(zeros);
  archive_add(&archive, &(struct archive_entry){.name = "z.png", .bytes = zeros, .count = zeros_bytes, .method = ARCHIVE_DEFLATED});
  free(zeros);
  json_decref(upload("/v1/datasets", "application/zip", &archive, 413));
  struct bytes body = {0};
  bytes_append_text(&body, "PK\3\4 not an archive at all");
  json_decref(client_expect_json(
      &server,
      &(struct client_request){.path = "/v1/datasets", .content_type = "application/zip", .body = body.at, .body_bytes = body.count}, 422));
  bytes_free(&body);
  ck_assert_uint_eq(server_count_dataset_files(&server), 0);
}
END_TEST

static void check_image(const char *path, const uint8_t *pixels, size_t height, size_t width) {
  struct client_answer answer;
  client_get(&server, path, &answer);
  ck_assert_int_eq(answer.status, 200);
  ck_assert_str_eq(answer_get_header(&answer, "Content-Type"), "image/png");
  struct image_info info;
  struct error error = {0};
  ck_assert_int_eq(image_read_info(answer.body, answer.body_bytes, &info, &error), ERROR_NONE);
  ck_assert_uint_eq(info.width, width);
  ck_assert_uint_eq(info.height, height);
  uint8_t found[PIXELS];
  if (pixels != NULL) {
    ck_assert_int_eq(image_decode(answer.body, answer.body_bytes, &(struct image_shape){1, SIDE, SIDE}, found, &error), ERROR_NONE);
    ck_assert_mem_eq(found, pixels, PIXELS);
  }
  char etag[128];
  snprintf(etag, sizeof etag, "If-None-Match: %s", answer_get_header(&answer, "ETag"));
  answer_deinit(&answer);
  client_send(&server, &(struct client_request){.path = path, .headers = (const char *const[]){etag, NULL}}, &answer);
  ck_assert_int_eq(answer.status, 304);
  answer_deinit(&answer);
}

START_TEST(images_of_rows_are_seen) {
  struct archive archive = {0};
  fill_archive(&archive, 4);
  json_decref(upload("/v1/datasets?name=pets", "application/zip", &archive, 201));
  uint8_t pixels[PIXELS];
  fill_pixels(false, 3, pixels);
  check_image("/v1/datasets/pets/rows/3/image", pixels, SIDE, SIDE);
  check_image("/v1/datasets/pets/rows/3/image?column=image", pixels, SIDE, SIDE);
  check_image("/v1/datasets/pets/rows/0/image?size=24", NULL, 24, 24);
  static const struct {
    const char *path;
    int status;
  } wrong[] = {{"/v1/datasets/pets/rows/4/image", 404},          {"/v1/datasets/pets/rows/-1/image", 404},
               {"/v1/datasets/pets/rows/x/image", 404},          {"/v1/datasets/nobody/rows/0/image", 404},
               {"/v1/datasets/pets/rows/0/image?column=x", 404}, {"/v1/datasets/pets/rows/0/image?column=label", 422},
               {"/v1/datasets/pets/rows/0/image?size=0", 400},   {"/v1/datasets/pets/rows/0/image?size=5000", 400},
               {"/v1/datasets/table/rows/0/image", 404}};
  struct client_answer answer;
  client_post_csv(&server, "/v1/datasets?name=table", "a,b\n1,2\n", &answer);
  answer_deinit(&answer);
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) json_decref(client_get_json(&server, wrong[i].path, wrong[i].status));
}
END_TEST

static void train(const char *job) {
  json_t *answer = client_expect_json(&server, &(struct client_request){.path = "/v1/jobs", .body = job}, 202);
  char path[128];
  snprintf(path, sizeof path, "/v1/jobs/%s", json_text_at(answer, "/id"));
  json_decref(answer);
  json_decref(client_wait_for(&server, path, "/state", "succeeded", 60000));
}

static void train_eye(void) {
  struct archive archive = {0};
  fill_archive(&archive, 60);
  json_decref(upload("/v1/datasets?name=pets", "application/zip", &archive, 201));
  train("{\"name\":\"eye\",\"dataset\":\"pets\",\"target\":\"label\",\"epochs\":30,\"seed\":1,\"network\":{"
        "\"layers\":["
        "{\"type\":\"dense\",\"units\":8,\"activation\":\"relu\"},{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"auto\"}]}}");
}

static json_t *predict(const char *model, const char *type, const char *body, size_t count, int status) {
  char path[128];
  snprintf(path, sizeof path, "/v1/models/%s/predict", model);
  return client_expect_json(&server, &(struct client_request){.path = path, .content_type = type, .body = body, .body_bytes = count},
                            status);
}

static json_t *predict_base64(const char *head, const char *file, size_t count) {
  char *body = malloc(2 * count + 200);
  ck_assert_ptr_nonnull(body);
  size_t at = (size_t)sprintf(body, "{\"rows\":[{\"image\":\"%s", head);
  base64_encode_raw(body + at, count, (const uint8_t *)file);
  at += BASE64_ENCODE_RAW_LENGTH(count);
  sprintf(body + at, "\"}]}");
  json_t *answer = predict("eye", NULL, body, 0, 200);
  free(body);
  return answer;
}

static json_t *predict_pixels(const uint8_t *pixels) {
  char body[8 * PIXELS + 64];
  size_t at = (size_t)sprintf(body, "{\"rows\":[{\"image\":[");
  for (size_t i = 0; i < PIXELS; i++) at += (size_t)sprintf(body + at, "%s%d", i > 0 ? "," : "", pixels[i]);
  sprintf(body + at, "]}]}");
  return predict("eye", NULL, body, 0, 200);
}

/* Whatever way an image comes, the same numbers come back. */
START_TEST(an_image_is_predicted_from_its_file) {
  train_eye();
  for (unsigned i = 0; i < 4; i++) {
    const bool is_up = i % 2 == 0;
    uint8_t pixels[PIXELS];
    size_t count;
    fill_pixels(is_up, 100 + i, pixels);
    char *png = make_picture(is_up, 100 + i, &count);
    json_t *answer = predict("eye", "image/png", png, count, 200), *base64 = predict_base64("", png, count);
    json_t *url = predict_base64("data:image/png;base64,", png, count), *array = predict_pixels(pixels);
    ck_assert_str_eq(json_text_at(answer, "/predictions/0/class"), is_up ? "up" : "down");
    ck_assert_uint_eq(json_array_size(json_at(answer, "/predictions")), 1);
    ck_assert(json_equal(answer, base64));
    ck_assert(json_equal(answer, url));
    ck_assert(json_equal(answer, array));
    json_decref(answer);
    json_decref(base64);
    json_decref(url);
    json_decref(array);
    free(png);
    /* Larger and in colours. */
    uint8_t large[24 * 36 * 3];
    for (size_t p = 0; p < 24 * 36; p++) memset(large + 3 * p, (p < 24 * 18) == is_up ? 220 : 20, 3);
    char *jpeg = picture_make_jpeg(&(struct picture){24, 36, 3, large}, NULL, &count);
    answer = predict("eye", "image/jpeg", jpeg, count, 200);
    ck_assert_str_eq(json_text_at(answer, "/predictions/0/class"), is_up ? "up" : "down");
    json_decref(answer);
    free(jpeg);
  }
}
END_TEST

static void check_lines(const char *type, const char *body, size_t count) {
  struct client_answer answer;
  client_send(&server, &(struct client_request){.path = "/v1/models/eye/predict", .content_type = type, .body = body, .body_bytes = count},
              &answer);
  ck_assert_msg(answer.status == 200, "%s", answer.body);
  ck_assert_msg(strncmp(answer.body, "file,class,probability_down,probability_up\n", 43) == 0, "%s", answer.body);
  size_t lines = 0;
  for (const char *line = answer.body; (line = strchr(line, '\n')) != NULL && line[1] != '\0'; lines++) {
    line++;
    const bool is_up = strncmp(line, "pets/up", 7) == 0;
    ck_assert_msg(is_up || strncmp(line, "pets/down", 9) == 0, "%s", line);
    ck_assert_msg(strncmp(strchr(line, ',') + 1, is_up ? "up," : "down,", is_up ? 3 : 5) == 0, "%s", line);
  }
  ck_assert_uint_eq(lines, 300);
  answer_deinit(&answer);
}

START_TEST(many_images_are_predicted_as_lines) {
  train_eye();
  struct archive archive = {0};
  fill_archive(&archive, 300);
  archive_finish(&archive);
  check_lines("application/zip", archive.bytes, archive.count);
  archive_deinit(&archive);
  struct bytes body = {0};
  for (unsigned i = 0; i < 300; i++) {
    char head[256];
    size_t count;
    char *png = make_picture(i % 2 == 0, i, &count);
    snprintf(head, sizeof head, "--" BODY_BOUNDARY "\r\nContent-Disposition: form-data; name=\"f\"; filename=\"pets/%s/%u.png\"\r\n\r\n",
             i % 2 == 0 ? "up" : "down", i);
    bytes_append_text(&body, head);
    bytes_append(&body, png, count);
    bytes_append_text(&body, "\r\n");
    free(png);
  }
  bytes_append_text(&body, "--" BODY_BOUNDARY "--\r\n");
  json_decref(predict("eye", BODY_TYPE, body.at, body.count, 413)); /* parts have a limit */
  bytes_free(&body);
  size_t count;
  char *png = make_picture(true, 5, &count);
  body_add_file(&body, "a", png, count);
  body_end(&body);
  struct client_answer answer;
  client_send(
      &server,
      &(struct client_request){.path = "/v1/models/eye/predict", .content_type = BODY_TYPE, .body = body.at, .body_bytes = body.count},
      &answer);
  ck_assert_int_eq(answer.status, 200);
  ck_assert_ptr_nonnull(strstr(answer.body, ",up,"));
  answer_deinit(&answer);
  bytes_free(&body);
  free(png);
}
END_TEST

static void expect_refusal(const char *model, const char *type, const char *body, size_t count, int status, const char *reason) {
  json_t *problem = predict(model, type, body, count, status);
  ck_assert_msg(strstr(json_text_at(problem, "/detail"), reason) != NULL, "%s", json_text_at(problem, "/detail"));
  json_decref(problem);
}

START_TEST(what_cannot_be_predicted_says_what_can) {
  train_eye();
  struct client_answer answer;
  client_post_csv(&server, "/v1/datasets?name=table", "a,b,c\n1,2,x\n2,3,y\n3,3,x\n4,1,y\n5,2,x\n6,7,y\n7,1,x\n8,2,y\n9,1,x\n1,1,y\n",
                  &answer);
  answer_deinit(&answer);
  train("{\"name\":\"numbers\",\"dataset\":\"table\",\"target\":\"c\",\"epochs\":2,\"network\":{\"layers\":[{\"type\":\"dense\",\"units\":"
        "\"auto\","
        "\"activation\":\"auto\"}]}}");
  size_t count;
  char *png = make_picture(true, 5, &count);
  expect_refusal("numbers", "image/png", png, count, 422, "inputs are \"a\" (numeric), \"b\" (numeric)");
  expect_refusal("numbers", "text/plain", "hello", 0, 422, "doesn't take a text alone");
  expect_refusal("eye", "text/plain", "hello", 0, 422, "send image/png, image/jpeg or application/json");
  expect_refusal("eye", "application/xml", "<a/>", 0, 415, "image/png");
  expect_refusal("eye", "image/webp", "RIFF", 0, 415, "image/jpeg");
  expect_refusal("eye", "image/png", png, count / 2, 422, "is a PNG that is broken");
  expect_refusal("eye", "image/png", "hello", 0, 422, "is no image");
  expect_refusal("eye", NULL, "{\"rows\":[{\"image\":\"aGVsbG8=\"}]}", 0, 422, "is no image");
  expect_refusal("eye", NULL, "{\"rows\":[{\"image\":{\"b64\":\"aGVsbG8=\"}}]}", 0, 422,
                 "must be an image: its pixels as arrays [1][6][6], or a PNG");
  expect_refusal("eye", NULL, "{\"rows\":[{\"image\":\"***\"}]}", 0, 422, "base64");
  expect_refusal("eye", NULL, "{\"rows\":[{\"image\":\"data:image/png,xx\"}]}", 0, 422, "base64");
  expect_refusal("eye", "application/zip", "PK\3\4", 4, 422, "ZIP");
  expect_refusal("eye", "multipart/form-data", "x", 0, 400, "boundary");
  struct archive archive = {0};
  fill_archive(&archive, 2);
  archive_add_text(&archive, "pets/bad.png", "no");
  archive_finish(&archive);
  expect_refusal("eye", "application/zip", archive.bytes, archive.count, 422, "\"pets/bad.png\" is no image");
  archive_deinit(&archive);
  free(png);
}
END_TEST

START_TEST(a_sentence_is_predicted_as_it_is) {
  struct bytes table = {0};
  bytes_append_text(&table, "text,kind\n");
  for (unsigned i = 0; i < 40; i++) {
    char line[100];
    snprintf(line, sizeof line, i % 2 == 0 ? "\"the sun is warm, and bright %u\",day\n" : "\"the moon is cold; dark night %u\",night\n", i);
    bytes_append_text(&table, line);
  }
  struct client_answer answer;
  client_post_csv(&server, "/v1/datasets?name=texts", table.at, &answer);
  answer_deinit(&answer);
  bytes_free(&table);
  train("{\"name\":\"reader\",\"dataset\":\"texts\",\"target\":\"kind\",\"epochs\":40,\"seed\":1,\"network\":{\"layers\":[{\"type\":"
        "\"dense\",\"units\":"
        "\"auto\",\"activation\":\"auto\"}]}}");
  json_t *plain = predict("reader", "text/plain; charset=utf-8", "the sun is warm, and \"bright\" 77\n", 0, 200);
  json_t *json = predict("reader", NULL, "{\"rows\":[{\"text\":\"the sun is warm, and \\\"bright\\\" 77\"}]}", 0, 200);
  ck_assert_str_eq(json_text_at(plain, "/predictions/0/class"), "day");
  ck_assert(json_equal(plain, json));
  json_decref(plain);
  json_decref(json);
  expect_refusal("reader", "text/plain", "a\0b", 3, 400, "NUL");
  expect_refusal("reader", "text/plain", "a\xFFg", 0, 400, "UTF-8");
  expect_refusal("reader", "image/png", "x", 0, 422, "send text/plain");
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *tcase = suite_add_case(suite, "images");
  tcase_add_checked_fixture(tcase, start, stop);
  tcase_add_test(tcase, an_archive_of_folders_is_a_dataset);
  tcase_add_test(tcase, images_of_two_names_are_duplicates);
  tcase_add_test(tcase, size_and_channels_can_be_asked_for);
  tcase_add_test(tcase, tricks_are_refused_by_name);
  tcase_add_test(tcase, images_of_rows_are_seen);
  tcase_add_test(tcase, an_image_is_predicted_from_its_file);
  tcase_add_test(tcase, many_images_are_predicted_as_lines);
  tcase_add_test(tcase, what_cannot_be_predicted_says_what_can);
  tcase_add_test(tcase, a_sentence_is_predicted_as_it_is);
}

int main(void) { return suite_main("images over HTTP", add_cases); }
