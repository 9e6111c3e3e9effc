/* Data larger than memory: prepared rows of three times what the server's process may allocate are trained on to the end, and rows that
 * the disk can't hold fail their job alone. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/support/allocations.h"
#include "tests/support/http_client.h"
#include "tests/support/server_process.h"
#include "tests/support/suite.h"

/* A word of a thousand takes five bytes of a file and 4000 of prepared rows. */
enum { WORDS = 1000, FLOAT_BYTES = 4, CSV_ROW_BYTES = 16 };
enum { MEMORY_BYTES = 64 << 20, ROWS = 3 * (MEMORY_BYTES / (WORDS * FLOAT_BYTES) + 1), FILE_BYTES = 32 << 20 };

static struct server_process server;

/* The server inherits the limit; the test keeps its own. */
static void start_with_limit(int resource, rlim_t limit, const char *const *arguments) {
  struct rlimit before;
  ck_assert_int_eq(getrlimit(resource, &before), 0);
  ck_assert_int_eq(setrlimit(resource, &(struct rlimit){limit, before.rlim_max}), 0);
  server_start(&server, arguments);
  ck_assert_int_eq(setrlimit(resource, &before), 0);
}

static void stop(void) { server_end(&server); }

static void upload_words(size_t rows) {
  char *text = malloc(rows * CSV_ROW_BYTES + CSV_ROW_BYTES), *at = text;
  ck_assert_ptr_nonnull(text);
  at += sprintf(at, "word,side\n");
  for (size_t i = 0; i < rows; i++) at += sprintf(at, "w%03zu,%s\n", i * 7 % WORDS, i * 7 % WORDS % 3 == 0 ? "left" : "right");
  json_decref(client_expect_json(
      &server, &(struct client_request){.path = "/v1/datasets?name=words", .content_type = "text/csv", .body = text}, 201));
  free(text);
}

static json_t *post_job(const char *path, const char *extra, int status) {
  char job[512];
  snprintf(job, sizeof job,
           "{\"name\":\"job\",\"dataset\":\"words\",\"target\":\"side\",\"epochs\":1,\"batch_size\":64,\"optimizer\":{\"type\":\"adam\","
           "\"learning_rate\":0.02},%s\"network\":{\"layers\":[{\"type\":\"dense\",\"units\":\"auto\",\"activation\":\"auto\"}]}}",
           extra);
  return client_expect_json(&server, &(struct client_request){.path = path, .body = job}, status);
}

START_TEST(rows_of_three_times_the_memory_are_trained_on) {
  if (!allocations_can_count()) return; /* a sanitizer takes more than the limit for itself */
  start_with_limit(RLIMIT_DATA, MEMORY_BYTES, (const char *const[]){"--memory-budget", "32M", "--log-level", "error", NULL});
  upload_words(ROWS);
  json_t *plan = post_job("/v1/jobs?dry_run=true", "", 200);
  ck_assert_double_ge(json_number_at(plan, "/disk_bytes"), 3.0 * MEMORY_BYTES);
  ck_assert_double_le(json_number_at(plan, "/memory_bytes"), 32 << 20);
  json_decref(plan);
  json_decref(post_job("/v1/jobs", "", 202));
  json_t *job = client_wait_for(&server, "/v1/jobs/job", "/state", "succeeded|failed|paused", 600000);
  ck_assert_msg(strcmp(json_text_at(job, "/state"), "succeeded") == 0, "%s", json_text_at(job, "/error/detail"));
  /* Each word was seen, and its side learned. */
  ck_assert_double_ge(json_number_at(job, "/metrics/test/accuracy"), 0.99);
  json_decref(job);
  ck_assert_uint_eq(server_count_dataset_files(&server), 1);
  stop();
}
END_TEST

START_TEST(rows_that_the_disk_cannot_hold_fail_their_job_alone) {
  start_with_limit(RLIMIT_FSIZE, FILE_BYTES, (const char *const[]){"--log-level", "error", NULL});
  upload_words(FILE_BYTES / (WORDS * FLOAT_BYTES) + WORDS);
  json_decref(post_job("/v1/jobs", "", 202));
  json_t *job = client_wait_for(&server, "/v1/jobs/job", "/state", "succeeded|failed|paused", 600000);
  ck_assert_str_eq(json_text_at(job, "/state"), "failed");
  ck_assert_str_eq(json_text_at(job, "/stop_reason"), "error");
  char *text = json_dumps(json_at(job, "/error"), 0);
  ck_assert_msg(text != NULL && strstr(text, "bytes on the disk") != NULL, "%s", text);
  free(text);
  json_decref(job);
  ck_assert_uint_eq(server_count_dataset_files(&server), 1);
  /* A smaller part of it fits, and trains. */
  struct client_answer answer;
  client_delete(&server, "/v1/jobs/job", &answer);
  answer_deinit(&answer);
  client_delete(&server, "/v1/datasets/words", &answer);
  answer_deinit(&answer);
  upload_words(FILE_BYTES / (WORDS * FLOAT_BYTES) / 2);
  json_decref(post_job("/v1/jobs", "", 202));
  json_decref(client_wait_for(&server, "/v1/jobs/job", "/state", "succeeded", 600000));
  stop();
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "larger_than_memory");
  tcase_add_test(test_case, rows_of_three_times_the_memory_are_trained_on);
  tcase_add_test(test_case, rows_that_the_disk_cannot_hold_fail_their_job_alone);
}

int main(void) { return suite_main("larger_than_memory", add_cases); }
