/* A large upload streams through: the server's memory stays bounded, the dataset is whole, and an upload that breaks off or that is refused
 * at its end leaves nothing behind.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/http_client.h"
#include "tests/support/suite.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { IS_SANITIZED = 1 }; /* their shadow memory is not the server's */
static const size_t large_bytes = (size_t)32 << 20;
#else
enum { IS_SANITIZED = 0 };
static const size_t large_bytes = (size_t)1 << 30;
#endif

static struct server_process server;

/* Produces a CSV of `bytes_left` bytes, row by row; the last row may be cut. */
struct table {
  size_t bytes_left, row, break_at_row;
  char line[128];
  size_t line_bytes, line_sent;
};

static size_t produce(void *context, char *buffer, size_t buffer_bytes) {
  struct table *table = context;
  size_t filled = 0;
  while (filled < buffer_bytes && table->bytes_left > 0) {
    if (table->line_sent == table->line_bytes) {
      if (table->break_at_row != 0 && table->row == table->break_at_row) return (size_t)-1;
      const size_t i = table->row++;
      table->line_bytes = i == 0 ? (size_t)sprintf(table->line, "id,value,ratio,group,note\n")
                                 : (size_t)sprintf(table->line, "%zu,%zu.25,0.%06zu,group-%zu,\"a, note %zu\"\n", i, i * 31 % 9973,
                                                   i * 7919 % 1000000, i % 13, i % 977);
      table->line_sent = 0;
    }
    size_t part = table->line_bytes - table->line_sent;
    if (part > buffer_bytes - filled) part = buffer_bytes - filled;
    if (part > table->bytes_left) part = table->bytes_left;
    memcpy(buffer + filled, table->line + table->line_sent, part);
    filled += part;
    table->line_sent += part;
    table->bytes_left -= part;
  }
  return filled;
}

static size_t count_datasets(void) {
  json_t *list = client_get_json(&server, "/v1/datasets", 200);
  const size_t count = json_array_size(json_object_get(list, "items"));
  json_decref(list);
  return count;
}

/* The server notices a broken connection when it gets to it. */
static void wait_for_no_files(void) {
  for (int tries = 0; tries < 1200 && server_count_dataset_files(&server) > 0; tries++) usleep(100000);
  ck_assert_uint_eq(server_count_dataset_files(&server), 0);
}

START_TEST(a_gibibyte_streams_through_in_bounded_memory) {
  server_start(&server, NULL);
  json_decref(client_get_json(&server, "/v1", 200));
  const size_t before = server_get_memory_bytes(&server);
  struct table table = {.bytes_left = large_bytes};
  const struct client_request upload = {.method = "POST",
                                        .path = "/v1/datasets?name=large",
                                        .content_type = "text/csv",
                                        .produce = produce,
                                        .context = &table,
                                        .timeout_ms = 900000};
  json_t *dataset = client_expect_json(&server, &upload, 201);
  ck_assert_uint_eq((size_t)json_number_at(dataset, "/bytes"), large_bytes);
  ck_assert_msg(json_number_at(dataset, "/rows") > (double)large_bytes / 64, "%.0f rows", json_number_at(dataset, "/rows"));
  ck_assert_str_eq(json_text_at(dataset, "/columns/0/kind"), "numeric");
  ck_assert_str_eq(json_text_at(dataset, "/columns/3/kind"), "categorical");
  json_decref(dataset);
  const size_t grown = server_get_peak_memory_bytes(&server) - before;
  if (!IS_SANITIZED) ck_assert_msg(grown < (size_t)64 << 20, "memory grew by %zu MiB", grown >> 20);
  struct client_answer answer;
  client_delete(&server, "/v1/datasets/large", &answer);
  ck_assert_int_eq(answer.status, 204);
  answer_deinit(&answer);
  ck_assert_uint_eq(server_count_dataset_files(&server), 0);
  ck_assert_int_eq(server_stop(&server), 0);
  server_cleanup(&server);
}
END_TEST

START_TEST(an_upload_that_breaks_off_leaves_nothing_behind) {
  server_start(&server, NULL);
  for (size_t i = 0; i < 3; i++) {
    struct table table = {.bytes_left = (size_t)64 << 20, .break_at_row = 200000 + i};
    struct client_answer answer;
    client_send(&server,
                &(struct client_request){.method = "POST",
                                         .path = "/v1/datasets?name=broken",
                                         .content_type = "text/csv",
                                         .produce = produce,
                                         .context = &table,
                                         .may_fail = true},
                &answer);
    ck_assert_int_ne(answer.status, 201);
    answer_deinit(&answer);
  }
  wait_for_no_files();
  ck_assert_uint_eq(count_datasets(), 0);
  server_end(&server);
}
END_TEST

START_TEST(an_upload_that_is_refused_at_its_end_leaves_nothing_behind) {
  server_start(&server, NULL);
  struct client_answer answer;
  client_post_csv(&server, "/v1/datasets?name=taken", "a,b\n1,2\n3,4\n", &answer);
  ck_assert_int_eq(answer.status, 201);
  answer_deinit(&answer);
  client_post_csv(&server, "/v1/datasets?name=taken", "a,b\n1,2\n3,5\n", &answer);
  ck_assert_int_eq(answer.status, 409);
  answer_deinit(&answer);
  client_post_csv(&server, "/v1/datasets?name=headless", "a,b\n", &answer);
  ck_assert_int_eq(answer.status, 422);
  answer_deinit(&answer);
  ck_assert_uint_eq(server_count_dataset_files(&server), 1);
  ck_assert_uint_eq(count_datasets(), 1);
  ck_assert_int_eq(server_stop(&server), 0);
  server_cleanup(&server);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *tcase = suite_add_case(suite, "upload");
  tcase_set_timeout(tcase, 1200);
  tcase_add_test(tcase, a_gibibyte_streams_through_in_bounded_memory);
  tcase_add_test(tcase, an_upload_that_breaks_off_leaves_nothing_behind);
  tcase_add_test(tcase, an_upload_that_is_refused_at_its_end_leaves_nothing_behind);
}

int main(void) { return suite_main("upload", add_cases); }
