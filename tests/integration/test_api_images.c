/* Archives of images over HTTP: uploads, what is told of them, their images as PNG, what is refused, what is left on disk. */
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

static void stop(void) {
  ck_assert_int_eq(server_stop(&server), 0);
  server_assert_database_is_whole(&server);
  server_cleanup(&server);
}

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

static void add_cases(Suite *suite) {
  TCase *tcase = suite_add_case(suite, "images");
  tcase_add_checked_fixture(tcase, start, stop);
  tcase_add_test(tcase, an_archive_of_folders_is_a_dataset);
  tcase_add_test(tcase, size_and_channels_can_be_asked_for);
  tcase_add_test(tcase, tricks_are_refused_by_name);
  tcase_add_test(tcase, images_of_rows_are_seen);
}

int main(void) { return suite_main("images over HTTP", add_cases); }
