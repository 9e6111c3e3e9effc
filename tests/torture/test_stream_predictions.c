/* Large batches stream: predictions of a CSV file and a model's metrics on a dataset of any length take bounded memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/allocations.h"
#include "tests/support/http_client.h"
#include "tests/support/suite.h"

enum { LEARNED_ROWS = 400, ROWS = 2500000, ROWS_SANITIZED = 100000, GROWTH_BYTES_MAX = 16 << 20 };

static struct server_process server;
static size_t rows; /* of the large table */

/* Rows of the table, one after the other, until there are `end`. */
struct table {
  size_t row, end;
};

static int write_row(char *text, size_t i) {
  return sprintf(text, "%zu.%zu,%zu,%zu\n", i * 7919 % 100, i % 10, i * 31 % 97, i * 7919 % 100);
}

static size_t produce(void *context, char *buffer, size_t buffer_bytes) {
  enum { ROW_BYTES_MAX = 32 };
  struct table *table = context;
  size_t filled = 0;
  if (table->row == 0) filled = (size_t)sprintf(buffer, "a,b,y\n");
  while (table->row < table->end && buffer_bytes - filled > ROW_BYTES_MAX) filled += (size_t)write_row(buffer + filled, table->row++);
  return filled;
}

static void start(void) {
  rows = allocations_can_count() ? ROWS : ROWS_SANITIZED;
  server_start(&server, (const char *const[]){"--log-level", "error", NULL});
  json_decref(client_expect_json(&server,
                                 &(struct client_request){.method = "POST",
                                                          .path = "/v1/datasets?name=small",
                                                          .content_type = "text/csv",
                                                          .produce = produce,
                                                          .context = &(struct table){.end = LEARNED_ROWS}},
                                 201));
  static const char job[] = "{\"name\":\"job\",\"dataset\":\"small\",\"target\":\"y\",\"task\":\"regression\",\"epochs\":2,\"network\":{"
                            "\"layers\":[{\"type\":\"dense\",\"units\":\"auto\"}]}}";
  json_decref(client_expect_json(&server, &(struct client_request){.path = "/v1/jobs", .body = job}, 202));
  json_decref(client_wait_for(&server, "/v1/jobs/job", "/state", "succeeded", 600000));
}

static void stop(void) {
  ck_assert_int_eq(server_stop(&server), 0);
  server_cleanup(&server);
}

static bool count_lines(void *context, const char *bytes, size_t byte_count) {
  size_t *lines = context;
  for (const char *end = bytes + byte_count; (bytes = memchr(bytes, '\n', (size_t)(end - bytes))) != NULL; bytes++) ++*lines;
  return true;
}

/* client_request has one context for both ways. */
struct exchange {
  struct table table; /* first, as produce takes it */
  size_t lines;
};
static bool count_answer_lines(void *context, const char *bytes, size_t byte_count) {
  return count_lines(&((struct exchange *)context)->lines, bytes, byte_count);
}

static void check_growth(size_t before) {
  if (!allocations_can_count()) return; /* a sanitizer keeps what is freed */
  const size_t grown = server_get_peak_memory_bytes(&server) - before;
  ck_assert_msg(grown < GROWTH_BYTES_MAX, "memory grew by %zu KiB", grown >> 10);
}

START_TEST(predictions_of_a_large_file_stream) {
  const size_t before = server_get_peak_memory_bytes(&server);
  struct exchange exchange = {.table = {.end = rows}};
  struct client_answer answer;
  client_send(&server,
              &(struct client_request){.method = "POST",
                                       .path = "/v1/models/job/predict",
                                       .content_type = "text/csv",
                                       .produce = produce,
                                       .on_data = count_answer_lines,
                                       .context = &exchange,
                                       .timeout_ms = 600000},
              &answer);
  ck_assert_int_eq(answer.status, 200);
  answer_deinit(&answer);
  ck_assert_uint_eq(exchange.lines, rows + 1);
  check_growth(before);
}
END_TEST

/* Outputs and targets of all rows are more than the budget: they stand in a mapped file. */
START_TEST(metrics_on_a_large_dataset_take_no_memory_for_its_rows) {
  ck_assert_int_eq(server_stop(&server), 0);
  server_restart(&server, (const char *const[]){"--memory-budget", "1M", "--log-level", "error", NULL});
  json_decref(client_expect_json(&server,
                                 &(struct client_request){.method = "POST",
                                                          .path = "/v1/datasets?name=large",
                                                          .content_type = "text/csv",
                                                          .produce = produce,
                                                          .context = &(struct table){.end = rows},
                                                          .timeout_ms = 600000},
                                 201));
  json_t *small = client_expect_json(
      &server, &(struct client_request){.path = "/v1/models/job/evaluate", .body = "{\"dataset\":\"small\"}", .timeout_ms = 600000}, 200);
  json_t *large = client_expect_json(
      &server, &(struct client_request){.path = "/v1/models/job/evaluate", .body = "{\"dataset\":\"large\"}", .timeout_ms = 600000}, 200);
  ck_assert_double_eq(json_number_at(large, "/rows"), (double)rows);
  /* The large table repeats what the small one has. */
  ck_assert_double_eq_tol(json_number_at(large, "/metrics/mae"), json_number_at(small, "/metrics/mae"),
                          1e-2 * json_number_at(small, "/metrics/mae"));
  json_decref(small);
  json_decref(large);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "stream_predictions");
  tcase_add_checked_fixture(test_case, start, stop);
  tcase_add_test(test_case, predictions_of_a_large_file_stream);
  tcase_add_test(test_case, metrics_on_a_large_dataset_take_no_memory_for_its_rows);
}

int main(void) { return suite_main("stream_predictions", add_cases); }
