/* Datasets over HTTP: what an upload's answer says, rows, corrections, bad rows, and that nothing is left after deletion. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/http_client.h"
#include "tests/support/server_process.h"
#include "tests/support/suite.h"
#include "tests/support/wire.h"

static struct server_process server;

static void start(void) { server_start(&server, (const char *const[]){"--log-level", "error", NULL}); }

static void stop(void) { server_end(&server); }

static json_t *upload_as(const char *path, const char *type, const char *body, int status) {
  return client_expect_json(&server, &(struct client_request){.method = "POST", .path = path, .content_type = type, .body = body}, status);
}

static json_t *upload(const char *path, const char *body) { return upload_as(path, "text/csv", body, 201); }

static json_t *patch(const char *path, const char *body, int status) {
  return client_expect_json(&server, &(struct client_request){.method = "PATCH", .path = path, .body = body}, status);
}

START_TEST(the_answer_describes_every_column) {
  json_t *dataset = upload("/v1/datasets?name=d%C3%B6rte",
                           "\xEF\xBB\xBFsize,name,note\r\n1,red,\"a \"\"b\"\", c\"\r\n2,green,NA\r\n,red,?\r\n9,red,\r\n");
  ck_assert_str_eq(json_text_at(dataset, "/name"), "d\xC3\xB6rte");
  ck_assert_double_eq(json_number_at(dataset, "/rows"), 4);
  ck_assert_uint_eq(strlen(json_text_at(dataset, "/sha256")), 64);
  ck_assert_str_eq(json_text_at(dataset, "/columns/0/kind"), "numeric");
  ck_assert_double_eq(json_number_at(dataset, "/columns/0/missing"), 1);
  ck_assert_double_eq(json_number_at(dataset, "/columns/0/min"), 1);
  ck_assert_double_eq(json_number_at(dataset, "/columns/0/max"), 9);
  ck_assert_double_eq(json_number_at(dataset, "/columns/0/mean"), 4);
  ck_assert_str_eq(json_text_at(dataset, "/columns/1/categories/1"), "red");
  ck_assert_double_eq(json_number_at(dataset, "/columns/1/category_counts/1"), 3);
  ck_assert_double_eq(json_number_at(dataset, "/columns/2/missing"), 3);
  ck_assert(json_is_true(json_at(dataset, "/header")));
  const char *time = json_text_at(dataset, "/created_at");
  ck_assert_uint_eq(strlen(time), strlen("2025-11-03T12:00:00.123Z"));
  ck_assert_int_eq(time[23], 'Z');
  json_t *again = client_get_json(&server, "/v1/datasets/d%C3%B6rte", 200);
  ck_assert(json_equal(dataset, again));
  json_decref(again);
  json_decref(dataset);
}
END_TEST

START_TEST(a_word_among_numbers_is_told_with_its_line) {
  char csv[4096] = "size,price,color,few\n";
  for (int i = 0; i < 60; i++)
    snprintf(csv + strlen(csv), sizeof csv - strlen(csv), "%d,%s,%s,%s\n", i,
             i == 16   ? " see \xC3\xBC below "
             : i == 40 ? ""
                       : "1.5e3",
             i % 2 == 0 ? "red" : "7",
             i == 3  ? "x"
             : i < 6 ? "1"
                     : "");
  json_t *dataset = upload("/v1/datasets?name=stray", csv);
  ck_assert(json_is_null(json_at(dataset, "/columns/0/first_word")));
  ck_assert_str_ne(json_text_at(dataset, "/columns/1/kind"), "numeric");
  ck_assert_double_eq(json_number_at(dataset, "/columns/1/first_word/line"), 18);
  ck_assert_str_eq(json_text_at(dataset, "/columns/1/first_word/value"), "see \xC3\xBC below");
  ck_assert(json_is_null(json_at(dataset, "/columns/2/first_word"))); /* half of it are words */
  ck_assert_double_eq(json_number_at(dataset, "/columns/3/first_word/line"), 5);
  json_t *again = client_get_json(&server, "/v1/datasets/stray", 200);
  ck_assert(json_equal(dataset, again));
  json_decref(again);
  json_decref(dataset);
  json_t *problem = client_expect_json(
      &server,
      &(struct client_request){.method = "POST",
                               .path = "/v1/jobs",
                               .body = "{\"network\":{\"layers\":[{\"type\":\"dense\",\"units\":\"auto\"}]},\"dataset\":\"stray\",\"task\":"
                                       "\"regression\",\"target\":\"price\"}"},
      422);
  ck_assert_str_eq(json_text_at(problem, "/errors/0/pointer"), "/target");
  ck_assert_ptr_nonnull(strstr(json_text_at(problem, "/errors/0/detail"), "line 18: \"see \xC3\xBC below\""));
  json_decref(problem);
}
END_TEST

START_TEST(delimiter_and_header_are_found_or_given) {
  static const struct {
    const char *path, *type, *body, *first, *delimiter;
  } cases[] = {
      {"/v1/datasets", "text/csv", "a;b\n1;2\n3;4\n", "a", ";"},
      {"/v1/datasets", "text/tab-separated-values", "a\tb\n1\t2\n3\t4\n", "a", "\t"},
      {"/v1/datasets?delimiter=pipe", "text/csv", "a|b\n1|2\n3|4\n", "a", "|"},
      {"/v1/datasets?delimiter=%3B", "text/csv", "a;b\n1;2\n3;4\n", "a", ";"},
      {"/v1/datasets?header=false", "text/csv", "1,2\n3,4\n", "column_1", ","},
      {"/v1/datasets?header=true", "text/csv", "1,2\n3,4\n5,6\n", "1", ","},
      {"/v1/datasets", "text/csv", "1,2\n3,4\n5,6\n", "column_1", ","},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    json_t *dataset = upload_as(cases[i].path, cases[i].type, cases[i].body, 201);
    ck_assert_str_eq(json_text_at(dataset, "/columns/0/name"), cases[i].first);
    ck_assert_str_eq(json_text_at(dataset, "/delimiter"), cases[i].delimiter);
    ck_assert_uint_eq(json_array_size(json_at(dataset, "/columns")), 2);
    json_decref(dataset);
  }
}
END_TEST

START_TEST(bad_rows_are_reported_with_their_lines) {
  json_t *dataset = upload("/v1/datasets", "a,b\n1,2\n3\n4,5,6\n\"7\n8\",9\n\xff,1\n10,11\n");
  ck_assert_double_eq(json_number_at(dataset, "/rows"), 3);
  ck_assert_double_eq(json_number_at(dataset, "/bad_rows/count"), 3);
  ck_assert_double_eq(json_number_at(dataset, "/bad_rows/first/0/line"), 3);
  ck_assert_double_eq(json_number_at(dataset, "/bad_rows/first/1/line"), 4);
  ck_assert_double_eq(json_number_at(dataset, "/bad_rows/first/2/line"), 7);
  ck_assert_str_ne(json_text_at(dataset, "/bad_rows/first/0/reason"), "");
  json_decref(dataset);
}
END_TEST

START_TEST(rows_come_from_anywhere_in_the_file) {
  char *csv = malloc(20000 * 32), *at = csv;
  at += sprintf(at, "n,word\n");
  for (int i = 0; i < 20000; i++) at += sprintf(at, "%d,w%d\n", i, i % 7);
  json_decref(upload("/v1/datasets?name=many", csv));
  free(csv);
  static const int offsets[] = {0, 1, 777, 12345, 19998};
  for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
    char path[96];
    snprintf(path, sizeof path, "/v1/datasets/many/rows?offset=%d&limit=2", offsets[i]);
    json_t *rows = client_get_json(&server, path, 200);
    ck_assert_double_eq(json_number_at(rows, "/rows/0/0"), offsets[i]);
    ck_assert_double_eq(json_number_at(rows, "/rows/1/0"), offsets[i] + 1);
    ck_assert_double_eq(json_number_at(rows, "/total"), 20000);
    json_decref(rows);
  }
  json_t *rows = client_get_json(&server, "/v1/datasets/many/rows?offset=20000", 200);
  ck_assert_uint_eq(json_array_size(json_at(rows, "/rows")), 0);
  json_decref(rows);
}
END_TEST

START_TEST(kinds_are_corrected_by_patch_in_either_form) {
  json_decref(upload("/v1/datasets?name=zip", "zip,x\n100,1\n200,2\n100,3\n200,4\n"));
  json_t *dataset = patch("/v1/datasets/zip", "{\"name\":\"postcode\",\"columns\":{\"zip\":\"categorical\"}}", 200);
  ck_assert_str_eq(json_text_at(dataset, "/name"), "postcode");
  ck_assert_str_eq(json_text_at(dataset, "/columns/0/kind"), "categorical");
  ck_assert_str_eq(json_text_at(dataset, "/columns/0/categories/0"), "100");
  json_decref(dataset);
  dataset = patch("/v1/datasets/postcode", "{\"columns\":[{\"name\":\"zip\",\"kind\":\"numeric\"}]}", 200);
  ck_assert_str_eq(json_text_at(dataset, "/columns/0/kind"), "numeric");
  ck_assert(json_is_null(json_at(dataset, "/columns/0/categories")));
  json_decref(dataset);
  json_t *problem = patch("/v1/datasets/postcode",
                          "{\"name\":\"\",\"columns\":[{\"name\":\"zip\",\"kind\":\"image\"},{\"kind\":\"text\"}],\"x\":1}", 422);
  ck_assert_uint_eq(json_array_size(json_at(problem, "/errors")), 4);
  json_decref(problem);
}
END_TEST

START_TEST(more_unknown_columns_than_are_worth_finding_are_refused_soon) {
  enum { COLUMNS = 12000, UNKNOWN = 30000 };
  char *csv = malloc(COLUMNS * 32), *at = csv; /* up to 15 bytes of a name and 2 of a value for each */
  for (int i = 0; i < COLUMNS; i++) at += sprintf(at, "%ccolumn%07d", i == 0 ? ' ' : ',', i);
  *at++ = '\n';
  for (int i = 0; i < COLUMNS; i++) at += sprintf(at, "%s%d", i == 0 ? "" : ",", i % 10);
  json_decref(upload("/v1/datasets?name=wide", csv));
  free(csv);
  char *body = malloc(UNKNOWN * 32);
  at = body + sprintf(body, "{\"columns\":{\"x\":\"text\"");
  for (int i = 0; i < UNKNOWN; i++) at += sprintf(at, ",\"colunm%07d\":\"text\"", i);
  sprintf(at, "}}");
  json_t *problem = patch("/v1/datasets/wide", body, 422);
  ck_assert_uint_eq(json_array_size(json_at(problem, "/errors")), 16);
  ck_assert_ptr_nonnull(strstr(json_text_at(problem, "/errors/1/detail"), "did you mean \"column0000000\""));
  json_decref(problem);
  free(body);
}
END_TEST

START_TEST(deleting_everything_gives_the_space_back) {
  char *csv = malloc(4 << 20), *at = csv;
  at += sprintf(at, "n,word\n");
  for (int i = 0; i < 100000; i++) at += sprintf(at, "%d,some_longer_word_%d\n", i, i % 900);
  for (int i = 0; i < 5; i++) {
    char path[64];
    snprintf(path, sizeof path, "/v1/datasets?name=big-%d", i);
    json_decref(upload(path, csv));
  }
  free(csv);
  for (int i = 0; i < 5; i++) {
    char path[64];
    struct client_answer answer;
    snprintf(path, sizeof path, "/v1/datasets/big-%d", i);
    client_delete(&server, path, &answer);
    ck_assert_int_eq(answer.status, 204);
    answer_deinit(&answer);
  }
  char command[256], count[16] = "";
  snprintf(command, sizeof command, "find %s/datasets -type f | wc -l", server.data_dir);
  FILE *pipe = popen(command, "r");
  ck_assert_ptr_nonnull(fgets(count, sizeof count, pipe));
  pclose(pipe);
  ck_assert_int_eq(atoi(count), 0);
}
END_TEST

/* GET /v1/uploads until the first one has so many bytes; to be freed. */
static json_t *wait_for_bytes(double bytes) {
  json_t *uploads = client_get_json(&server, "/v1/uploads", 200);
  while (!(json_number_at(uploads, "/items/0/bytes_received") >= bytes)) {
    json_decref(uploads);
    usleep(2000);
    uploads = client_get_json(&server, "/v1/uploads", 200);
  }
  return uploads;
}

static void wait_for_no_upload(void) {
  json_t *uploads = client_get_json(&server, "/v1/uploads", 200);
  while (json_array_size(json_at(uploads, "/items")) > 0) {
    json_decref(uploads);
    usleep(2000);
    uploads = client_get_json(&server, "/v1/uploads", 200);
  }
  json_decref(uploads);
}

START_TEST(an_upload_under_way_tells_what_has_come_of_it) {
  enum { ROWS = 50000, ROW_BYTES = 4, BYTES = ROWS * ROW_BYTES };
  static char rows[BYTES + 1];
  for (size_t i = 0; i < ROWS; i++) memcpy(rows + i * ROW_BYTES, i == 0 ? "a,b\n" : "1,2\n", ROW_BYTES);
  char head[1024];
  snprintf(head, sizeof head, "POST /v1/datasets?name=slow HTTP/1.1\r\nHost: %s\r\nContent-Type: text/csv\r\nContent-Length: %d\r\n\r\n",
           server.url + strlen("http://"), 2 * BYTES);
  const int socket = wire_connect(server.url);
  ck_assert(wire_send(socket, head) && wire_send_bytes(socket, rows, BYTES));
  json_t *uploads = wait_for_bytes(BYTES);
  ck_assert_uint_eq(json_array_size(json_at(uploads, "/items")), 1);
  ck_assert_str_eq(json_text_at(uploads, "/items/0/name"), "slow");
  ck_assert_str_eq(json_text_at(uploads, "/items/0/phase"), "receiving");
  ck_assert_double_eq(json_number_at(uploads, "/items/0/bytes_total"), 2 * BYTES);
  ck_assert_double_eq(json_number_at(uploads, "/items/0/fraction"), 0.5);
  ck_assert_double_ge(json_number_at(uploads, "/items/0/rows"), ROWS / 2);
  ck_assert_uint_eq(strlen(json_text_at(uploads, "/items/0/started_at")), strlen("2025-11-03T12:00:00.123Z"));
  json_decref(uploads);
  struct client_answer metrics;
  client_get(&server, "/metrics", &metrics);
  ck_assert_ptr_nonnull(strstr(metrics.body, "\nbackpropd_uploads 1\n"));
  answer_deinit(&metrics);
  ck_assert(wire_send_bytes(socket, rows, BYTES));
  char *answer = wire_receive_until(socket, "created_at", 60000);
  ck_assert_int_eq(wire_get_status(answer), 201);
  free(answer);
  close(socket);
  wait_for_no_upload();
}
END_TEST

START_TEST(an_upload_that_breaks_off_is_listed_no_more) {
  const int socket = wire_connect(server.url);
  char head[1024];
  snprintf(head, sizeof head,
           "POST /v1/datasets HTTP/1.1\r\nHost: %s\r\nContent-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n8\r\na,b\n1,2\n\r\n",
           server.url + strlen("http://"));
  ck_assert(wire_send(socket, head));
  json_t *uploads = wait_for_bytes(8);
  ck_assert(json_is_null(json_at(uploads, "/items/0/name")));
  ck_assert(json_is_null(json_at(uploads, "/items/0/bytes_total")));
  ck_assert(json_is_null(json_at(uploads, "/items/0/fraction")));
  json_decref(uploads);
  close(socket);
  wait_for_no_upload();
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "datasets over HTTP");
  tcase_add_checked_fixture(test_case, start, stop);
  tcase_add_test(test_case, the_answer_describes_every_column);
  tcase_add_test(test_case, a_word_among_numbers_is_told_with_its_line);
  tcase_add_test(test_case, delimiter_and_header_are_found_or_given);
  tcase_add_test(test_case, bad_rows_are_reported_with_their_lines);
  tcase_add_test(test_case, rows_come_from_anywhere_in_the_file);
  tcase_add_test(test_case, kinds_are_corrected_by_patch_in_either_form);
  tcase_add_test(test_case, more_unknown_columns_than_are_worth_finding_are_refused_soon);
  tcase_add_test(test_case, an_upload_under_way_tells_what_has_come_of_it);
  tcase_add_test(test_case, an_upload_that_breaks_off_is_listed_no_more);
  tcase_add_test(test_case, deleting_everything_gives_the_space_back);
}

int main(void) { return suite_main("datasets over HTTP", add_cases); }
