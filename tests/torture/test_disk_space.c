/* The space that the data directory takes, by du: what is uploaded twice is stored once, what is deleted gives its space back, and neither
 * changes when the server is killed in between. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/http_client.h"
#include "tests/support/suite.h"

enum { ROWS = 200000, ROW_BYTES = 40, IMAGES = 4000, PIXELS = 28 * 28, IDX_HEAD_BYTES = 16, SLACK_BYTES = 1 << 20, ROUNDS = 16 };

static struct server_process server;
static char *table;
static size_t table_bytes;

static void start(void) {
  server_start(&server, NULL);
  char *at = table = malloc(ROWS * ROW_BYTES);
  ck_assert_ptr_nonnull(table);
  at += sprintf(at, "a,b,word\n");
  for (size_t i = 0; i < ROWS; i++) at += sprintf(at, "%zu,%zu.5,word-%zu\n", i * 7919 % 1000003, i * 31 % 9973, i * 7 % 900);
  table_bytes = (size_t)(at - table);
}

static void stop(void) {
  server_end(&server);
  free(table);
}

/* A file of two names counts once. */
static size_t measure_disk(void) {
  char command[256], text[64] = "";
  snprintf(command, sizeof command, "du -s -B1 %s", server.data_dir);
  FILE *pipe = popen(command, "r");
  ck_assert_ptr_nonnull(pipe);
  ck_assert_ptr_nonnull(fgets(text, sizeof text, pipe));
  pclose(pipe);
  return strtoull(text, NULL, 10);
}

static int upload(const char *path, const char *body, size_t bytes, bool may_fail) {
  struct client_answer answer;
  client_send(&server,
              &(struct client_request){
                  .path = path, .content_type = "application/octet-stream", .body = body, .body_bytes = bytes, .may_fail = may_fail},
              &answer);
  const int status = answer.status;
  answer_deinit(&answer);
  return status;
}

static int delete_one(const char *path, bool may_fail) {
  struct client_answer answer;
  client_send(&server, &(struct client_request){.method = "DELETE", .path = path, .may_fail = may_fail}, &answer);
  const int status = answer.status;
  answer_deinit(&answer);
  return status;
}

static void check_last_row(const char *name) {
  char path[128], expected[64];
  snprintf(path, sizeof path, "/v1/datasets/%s/rows?offset=%d", name, ROWS - 1);
  json_t *rows = client_get_json(&server, path, 200);
  snprintf(expected, sizeof expected, "word-%d", (ROWS - 1) * 7 % 900);
  ck_assert_str_eq(json_text_at(rows, "/rows/0/2"), expected);
  json_decref(rows);
}

START_TEST(a_table_that_is_uploaded_again_is_stored_once) {
  ck_assert_int_eq(upload("/v1/datasets?format=csv&name=one", table, table_bytes, false), 201);
  const size_t one = measure_disk();
  ck_assert_uint_ge(one, table_bytes);
  /* The same bytes, read in the same and in another way. */
  ck_assert_int_eq(upload("/v1/datasets?format=csv&name=two", table, table_bytes, false), 201);
  ck_assert_int_eq(upload("/v1/datasets?format=csv&name=three&header=false", table, table_bytes, false), 201);
  ck_assert_uint_le(measure_disk(), one + SLACK_BYTES);
  table[table_bytes - 2] ^= 1; /* of the last word */
  ck_assert_int_eq(upload("/v1/datasets?format=csv&name=other", table, table_bytes, false), 201);
  ck_assert_uint_ge(measure_disk(), 2 * table_bytes);
  ck_assert_int_eq(delete_one("/v1/datasets/other", false), 204);
  ck_assert_int_eq(delete_one("/v1/datasets/one", false), 204);
  check_last_row("two");
  ck_assert_uint_ge(measure_disk(), table_bytes);
  ck_assert_int_eq(delete_one("/v1/datasets/two", false), 204);
  json_decref(client_get_json(&server, "/v1/datasets/three/rows?offset=1&limit=2", 200));
  ck_assert_int_eq(delete_one("/v1/datasets/three", false), 204);
  ck_assert_uint_eq(server_count_dataset_files(&server), 0);
  ck_assert_uint_le(measure_disk(), one - table_bytes + SLACK_BYTES);
}
END_TEST

START_TEST(images_that_are_uploaded_again_are_stored_once) {
  const size_t bytes = IDX_HEAD_BYTES + (size_t)IMAGES * PIXELS;
  char *images = malloc(bytes);
  ck_assert_ptr_nonnull(images);
  const unsigned char head[IDX_HEAD_BYTES] = {0, 0, 8, 3, 0, 0, IMAGES >> 8, IMAGES & 0xFF, 0, 0, 0, 28, 0, 0, 0, 28};
  memcpy(images, head, sizeof head);
  for (size_t i = sizeof head; i < bytes; i++) images[i] = (char)(i * 2654435761u >> 11);
  ck_assert_int_eq(upload("/v1/datasets?format=idx&name=one", images, bytes, false), 201);
  const size_t one = measure_disk();
  ck_assert_int_eq(upload("/v1/datasets?format=idx&name=two", images, bytes, false), 201);
  ck_assert_uint_le(measure_disk(), one + SLACK_BYTES);
  ck_assert_int_eq(delete_one("/v1/datasets/one", false), 204);
  json_decref(client_get_json(&server, "/v1/datasets/two/rows?offset=3999", 200));
  ck_assert_int_eq(delete_one("/v1/datasets/two", false), 204);
  ck_assert_uint_eq(server_count_dataset_files(&server), 0);
  ck_assert_uint_le(measure_disk(), one - bytes + SLACK_BYTES);
  free(images);
}
END_TEST

/* A job of a million parameters: checkpoints, events, weights of its model. */
START_TEST(what_is_deleted_gives_its_space_back) {
  static const char job[] =
      "{\"name\":\"job\",\"dataset\":\"table\",\"target\":\"b\",\"features\":[\"a\"],\"epochs\":1,\"batch_size\":4096,\"network\":{"
      "\"layers\":["
      "{\"type\":\"dense\",\"units\":1000,\"activation\":\"relu\"},{\"type\":\"dense\",\"units\":1000,\"activation\":\"relu\"},"
      "{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"auto\"}]}}";
  const size_t before = measure_disk();
  ck_assert_int_eq(upload("/v1/datasets?format=csv&name=table", table, table_bytes / 10, false), 201);
  json_decref(client_expect_json(&server, &(struct client_request){.path = "/v1/jobs", .body = job}, 202));
  json_decref(client_wait_for(&server, "/v1/jobs/job", "/state", "succeeded", 600000));
  ck_assert_uint_ge(measure_disk(), before + table_bytes / 10 + 4 * 1000 * 1000);
  ck_assert_int_eq(delete_one("/v1/jobs/job", false), 204);
  ck_assert_int_eq(delete_one("/v1/models/job", false), 204);
  ck_assert_int_eq(delete_one("/v1/datasets/table", false), 204);
  /* The write-ahead log keeps its size for the next writes until the server ends. */
  ck_assert_int_eq(server_stop(&server), 0);
  ck_assert_uint_le(measure_disk(), before + SLACK_BYTES);
  server_restart(&server, NULL);
}
END_TEST

/* After a moment of up to so many milliseconds. */
static pid_t kill_soon(size_t round) {
  const pid_t victim = server.pid;
  const pid_t killer = fork();
  if (killer == 0) {
    usleep((useconds_t)(round * 37 % 16 * 12000));
    kill(victim, SIGKILL);
    _exit(0);
  }
  return killer;
}

/* Uploads of the same content and deletions, until the server is gone. */
static void upload_and_delete(void) {
  for (size_t i = 0; i < 100; i++) {
    char path[128];
    snprintf(path, sizeof path, "/v1/datasets?format=csv&name=copy-%zu", i % 3);
    if (upload(path, table, table_bytes, true) == 0) return;
    snprintf(path, sizeof path, "/v1/datasets/copy-%zu", (i + 1) % 3);
    if (delete_one(path, true) == 0) return;
  }
}

START_TEST(a_kill_between_leaves_each_dataset_whole_and_no_copy) {
  ck_assert_int_eq(upload("/v1/datasets?format=csv&name=first", table, table_bytes, false), 201);
  const size_t one = measure_disk();
  for (size_t round = 0; round < ROUNDS; round++) {
    const pid_t killer = kill_soon(round);
    upload_and_delete();
    while (waitpid(killer, NULL, 0) < 0) continue;
    server_kill(&server);
    server_restart(&server, NULL);
    json_t *list = client_get_json(&server, "/v1/datasets", 200);
    const size_t count = json_array_size(json_at(list, "/items"));
    ck_assert_uint_eq(server_count_dataset_files(&server), count);
    for (size_t i = 0; i < count; i++)
      check_last_row(json_string_value(json_object_get(json_array_get(json_at(list, "/items"), i), "name")));
    json_decref(list);
    ck_assert_uint_le(measure_disk(), one + SLACK_BYTES);
  }
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "disk_space");
  tcase_add_checked_fixture(test_case, start, stop);
  tcase_add_test(test_case, a_table_that_is_uploaded_again_is_stored_once);
  tcase_add_test(test_case, images_that_are_uploaded_again_are_stored_once);
  tcase_add_test(test_case, what_is_deleted_gives_its_space_back);
  tcase_add_test(test_case, a_kill_between_leaves_each_dataset_whole_and_no_copy);
}

int main(void) { return suite_main("disk_space", add_cases); }
