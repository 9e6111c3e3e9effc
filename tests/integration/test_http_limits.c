/* Limits, deadlines and uploads: what clients may send, how slowly, and that one that asks too much costs the server little. */
#include "tests/integration/http_fixture.h"

#include "server/limits.h"

static enum error_code handle_events(struct api *api, const struct request *request, struct response *response, struct error *error) {
  return handle_echo(api, request, response, error);
}

enum { HEADER_TIMEOUT_MS = 400, BODY_TIMEOUT_MS = 400, PATIENCE_MS = 20000, UPLOAD_BYTES_MAX = 3000000 };

static const struct http_options short_deadlines = {
    .limits = {.header_timeout_ms = HEADER_TIMEOUT_MS, .body_idle_timeout_ms = BODY_TIMEOUT_MS, .upload_bytes = UPLOAD_BYTES_MAX}};

static void set_up(void) { open_server((struct http_options){.limits.upload_bytes = UPLOAD_BYTES_MAX}); }
static void set_up_short(void) { open_server(short_deadlines); }
static void tear_down(void) {
  atomic_store(&is_handler_held, false);
  atomic_store(&upload_pause_us, 0);
  close_server();
}

/* Bodies */

static char *make_text(size_t bytes) {
  char *text = malloc(bytes + 1);
  ck_assert_ptr_nonnull(text);
  for (size_t i = 0; i < bytes; i++) text[i] = (char)('a' + i % 26);
  text[bytes] = 0;
  return text;
}

static unsigned long long sum_text(const char *text, size_t bytes) {
  unsigned long long sum = 0;
  for (size_t i = 0; i < bytes; i++) sum += (unsigned char)text[i] * (unsigned long long)(i % 251 + 1);
  return sum;
}

/* Sends head and body, the body chunked if asked for, and returns the answer. */
static char *send_body(const char *path, const char *headers, const char *body, size_t bytes, bool is_chunked) {
  char all[512], size[32];
  int client = wire_connect(url);
  (void)snprintf(all, sizeof all, "Connection: close\r\n%s%s", headers, is_chunked ? "Transfer-Encoding: chunked\r\n" : "");
  if (!is_chunked) (void)snprintf(all + strlen(all), sizeof all - strlen(all), "Content-Length: %zu\r\n", bytes);
  (void)wire_send(client, make_request("POST", path, all, ""));
  for (size_t at = 0, part; at < bytes; at += part) {
    part = bytes - at < 10000 ? bytes - at : 10000;
    (void)snprintf(size, sizeof size, "%zx\r\n", part);
    if (is_chunked && !wire_send(client, size)) break;
    if (!wire_send_bytes(client, body + at, part)) break;
    if (is_chunked && !wire_send(client, "\r\n")) break;
  }
  if (is_chunked) (void)wire_send(client, "0\r\n\r\n");
  char *answer = wire_receive_until(client, NULL, PATIENCE_MS);
  close(client);
  return answer;
}

#define JSON "Content-Type: application/json\r\n"

START_TEST(a_body_up_to_its_limit_is_taken_whole) {
  static const size_t sizes[] = {0, 1, 59, 20000, FIXTURE_JSON_BODY_BYTES};
  for (size_t i = 0; i < 2 * sizeof sizes / sizeof *sizes; i++) {
    char *text = make_text(sizes[i / 2]), expected[64];
    char *answer = send_body("/v1/things", JSON, text, sizes[i / 2], i % 2);
    ck_assert_int_eq(wire_get_status(answer), 200);
    (void)snprintf(expected, sizeof expected, "\"bytes\":%zu,", sizes[i / 2]);
    ck_assert_msg(strstr(answer, expected) != NULL, "%s", answer);
    free(answer);
    free(text);
  }
}
END_TEST

START_TEST(a_body_over_its_limit_is_refused) {
  char *text = make_text(FIXTURE_JSON_BODY_BYTES + 1);
  for (int is_chunked = 0; is_chunked < 2; is_chunked++) {
    char *answer = send_body("/v1/things", JSON, text, FIXTURE_JSON_BODY_BYTES + 1, is_chunked);
    ck_assert_msg(wire_get_status(answer) == 413, "%s", answer);
    ck_assert_str_eq(wire_get_header(answer, "Connection"), "close");
    ck_assert_str_eq(wire_get_header(answer, "Content-Type"), "application/problem+json");
    free(answer);
  }
  ck_assert_int_eq(atomic_load(&handled_count), 0);
  free(text);
}
END_TEST

START_TEST(a_length_over_the_limit_is_refused_before_the_body_is_sent) {
  static const char *const lengths[] = {"65537", "1000000000", "999999999999999999"};
  for (size_t i = 0; i < 3; i++) {
    for (int expects = 0; expects < 2; expects++) {
      char headers[200];
      (void)snprintf(headers, sizeof headers, JSON "Content-Length: %s\r\n%s", lengths[i], expects ? "Expect: 100-continue\r\n" : "");
      int client = wire_connect(url);
      ck_assert(wire_send(client, make_request("POST", "/v1/things", headers, "")));
      char *answer = wire_receive_until(client, "\r\n\r\n", PATIENCE_MS);
      ck_assert_msg(wire_get_status(answer) == 413, "%s", answer);
      free(answer);
      close(client);
    }
  }
  int client = wire_connect(url);
  ck_assert(wire_send(client, make_request("POST", "/v1/uploads", "Content-Length: 3000001\r\n", "")));
  char *answer = wire_receive_until(client, "\r\n\r\n", PATIENCE_MS);
  ck_assert_int_eq(wire_get_status(answer), 413);
  free(answer);
  close(client);
}
END_TEST

START_TEST(a_client_that_sends_all_before_it_reads_still_gets_its_refusal) {
  char *text = make_text(4000000);
  for (int is_chunked = 0; is_chunked < 2; is_chunked++) {
    char *answer = send_body("/v1/things", JSON, text, 4000000, is_chunked);
    ck_assert_msg(wire_get_status(answer) == 413, "%s", answer);
    free(answer);
  }
  char *answer = send_body("/v1/things", "Content-Type: text/plain\r\n", text, 4000000, false);
  ck_assert_int_eq(wire_get_status(answer), 415);
  free(answer);
  answer = send_body("/v1/nothing", "", text, 4000000, false);
  ck_assert_int_eq(wire_get_status(answer), 404);
  free(answer);
  free(text);
}
END_TEST

START_TEST(an_endless_body_is_cut_off) {
  char *text = make_text(1 << 20);
  int client = wire_connect(url);
  ck_assert(wire_send(client, make_request("POST", "/v1/things", JSON "Transfer-Encoding: chunked\r\n", "")));
  int sent_count = 0;
  while (sent_count < 100 && wire_send(client, "100000\r\n") && wire_send_bytes(client, text, 1 << 20) && wire_send(client, "\r\n"))
    sent_count++;
  ck_assert_int_lt(sent_count, 100);
  close(client);
  free(text);
}
END_TEST

START_TEST(expect_continue_is_answered) {
  int client = wire_connect(url);
  ck_assert(wire_send(client, make_request("POST", "/v1/things", JSON "Content-Length: 2\r\nExpect: 100-continue\r\n", "")));
  char *interim = wire_receive_until(client, "\r\n\r\n", PATIENCE_MS);
  ck_assert_int_eq(wire_get_status(interim), 100);
  free(interim);
  ck_assert(wire_send(client, "{}"));
  char *answer = wire_receive_until(client, "}\n", PATIENCE_MS);
  ck_assert_int_eq(wire_get_status(answer), 200);
  free(answer);
  close(client);
}
END_TEST

START_TEST(headers_larger_than_their_limit_are_refused) {
  char *text = make_text(100000);
  int client = wire_connect(url);
  (void)wire_send(client, "GET /v1/things HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ");
  (void)wire_send(client, text);
  (void)wire_send(client, "\r\n\r\n");
  char *answer = wire_receive_until(client, NULL, PATIENCE_MS);
  ck_assert_int_ne(wire_get_status(answer), 200);
  ck_assert_int_eq(atomic_load(&handled_count), 0);
  free(answer);
  close(client);
  free(text);
  ck_assert_int_eq(get_status("GET", "/healthz", "", ""), 200);
}
END_TEST

START_TEST(garbage_does_no_harm) {
  static const char *const lines[] = {"\r\n\r\n",
                                      "\n",
                                      "GET\r\n\r\n",
                                      "GET /\r\n\r\n",
                                      "\x16\x03\x01\x02\x01\x01\xff",
                                      "GET / HTTP/9.9\r\nHost: a\r\n\r\n",
                                      "GET / HTTP/1.1\r\nHost\r\n\r\n",
                                      "GET / HTTP/1.1\r\n: a\r\n\r\n",
                                      "POST / HTTP/1.1\r\n\r\n\r\n\r\n",
                                      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"};
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    int client = wire_connect(url);
    (void)wire_send(client, lines[i]);
    char *answer = wire_receive_until(client, NULL, 200);
    ck_assert_msg(wire_get_status(answer) == 0 || wire_get_status(answer) >= 400, "%s", answer);
    free(answer);
    close(client);
  }
  int client = wire_connect(url); /* chunks that aren't */
  (void)wire_send(client, make_request("POST", "/v1/things", JSON "Transfer-Encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n"));
  char *answer = wire_receive_until(client, NULL, PATIENCE_MS);
  ck_assert_int_ne(wire_get_status(answer), 200);
  free(answer);
  close(client);
  ck_assert_int_eq(atomic_load(&handled_count), 0);
  ck_assert_int_eq(get_status("GET", "/healthz", "", ""), 200);
}
END_TEST

/* Deadlines */

static void wait_for_connections(uint64_t count) {
  struct http_counts counts = {0};
  for (int i = 0; i < 4000; i++) {
    http_get_counts(server, &counts);
    if (counts.connections == count) return;
    sleep_ms(5);
  }
  ck_abort_msg("%llu connections instead of %llu", (unsigned long long)counts.connections, (unsigned long long)count);
}

/* Sends one character after the other until the server has closed; false if it never does. */
static bool drip(int client, const char *text) {
  for (int i = 0; i < 200; i++) {
    if (wire_is_closed(client, 50)) return true;
    char one[2] = {text[(size_t)i % strlen(text)], 0};
    if (!wire_send(client, one)) return true;
  }
  return false;
}

START_TEST(slow_headers_are_cut_off) {
  int silent = wire_connect(url), slow = wire_connect(url), slow_line = wire_connect(url);
  ck_assert(wire_send(slow, "GET /v1/things HTTP/1.1\r\nX: "));
  ck_assert(drip(slow, "abcdefg"));
  ck_assert(drip(slow_line, "GETGETGET"));
  ck_assert(wire_is_closed(silent, PATIENCE_MS));
  close(silent), close(slow), close(slow_line);
  wait_for_connections(0);
}
END_TEST

START_TEST(slow_headers_of_a_second_request_are_cut_off) {
  int client = wire_connect(url);
  ck_assert(wire_send(client, make_request("GET", "/v1/things", "", "")));
  char *answer = wire_receive_until(client, "}\n", PATIENCE_MS);
  ck_assert_int_eq(wire_get_status(answer), 200);
  free(answer);
  ck_assert(wire_send(client, "GET /v1/things HTTP/1.1\r\nX: "));
  ck_assert(drip(client, "abcdefg"));
  close(client);
}
END_TEST

START_TEST(idle_connections_are_closed_in_time) {
  int client = wire_connect(url);
  ck_assert(wire_send(client, make_request("GET", "/v1/things", "", "")));
  char *answer = wire_receive_until(client, "}\n", PATIENCE_MS);
  ck_assert_int_eq(wire_get_status(answer), 200);
  free(answer);
  ck_assert(wire_is_closed(client, PATIENCE_MS));
  close(client);
}
END_TEST

START_TEST(bodies_that_stop_or_drip_are_cut_off) {
  static const char *const paths[] = {"/v1/things", "/v1/uploads"};
  for (size_t i = 0; i < 2; i++) {
    const char *headers = JSON "Content-Length: 1000\r\n";
    int stopped = wire_connect(url), dripping = wire_connect(url);
    ck_assert(wire_send(stopped, make_request("POST", paths[i], headers, "{")));
    ck_assert(wire_is_closed(stopped, PATIENCE_MS));
    ck_assert(wire_send(dripping, make_request("POST", paths[i], headers, "{")));
    ck_assert(drip(dripping, "          "));
    close(stopped), close(dripping);
  }
  wait_for_connections(0);
  for (int i = 0; i < 1000 && atomic_load(&upload_outcome) != ERROR_TIMEOUT; i++) sleep_ms(5);
  ck_assert_int_eq(atomic_load(&upload_outcome), ERROR_TIMEOUT);
}
END_TEST

START_TEST(a_handler_may_take_longer_than_any_deadline) {
  atomic_store(&is_handler_held, true);
  int client = wire_connect(url);
  ck_assert(wire_send(client, make_request("GET", "/v1/hold", "", "")));
  sleep_ms(3 * HEADER_TIMEOUT_MS);
  ck_assert(!wire_is_closed(client, 0));
  atomic_store(&is_handler_held, false);
  char *answer = wire_receive_until(client, "{}\n", PATIENCE_MS);
  ck_assert_int_eq(wire_get_status(answer), 200);
  free(answer);
  close(client);
}
END_TEST

START_TEST(half_a_request_and_gone_leaves_nothing_behind) {
  static const char *const heads[] = {"G", "GET /v1/things HTTP/1.1\r\n", "GET /v1/things HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "};
  for (int round = 0; round < 20; round++) {
    for (size_t i = 0; i < 3; i++) {
      int client = wire_connect(url);
      ck_assert(wire_send(client, heads[i]));
      close(client);
    }
    int client = wire_connect(url);
    ck_assert(wire_send(client, make_request("POST", "/v1/things", JSON "Content-Length: 1000\r\n", "{")));
    close(client);
    client = wire_connect(url);
    ck_assert(wire_send(client, make_request("GET", "/v1/things", "", "")));
    close(client); /* without reading the answer */
  }
  wait_for_connections(0);
  ck_assert_int_eq(get_status("GET", "/healthz", "", ""), 200);
}
END_TEST

/* Uploads */

START_TEST(an_upload_arrives_whole) {
  static const size_t sizes[] = {0, 1, 300000, UPLOAD_BYTES_MAX};
  for (size_t i = 0; i < 2 * sizeof sizes / sizeof *sizes; i++) {
    size_t bytes = sizes[i / 2];
    char *text = make_text(bytes), expected[100];
    char *answer = send_body("/v1/uploads?name=a", "Content-Type: text/csv\r\n", text, bytes, i % 2);
    ck_assert_msg(wire_get_status(answer) == 201, "%s", answer);
    (void)snprintf(expected, sizeof expected, "{\"bytes\":%zu,\"sum\":%llu}\n", bytes, sum_text(text, bytes));
    ck_assert_str_eq(wire_get_body(answer), expected);
    free(answer);
    free(text);
  }
}
END_TEST

START_TEST(a_chunked_upload_over_its_limit_is_refused) {
  char *text = make_text(UPLOAD_BYTES_MAX + 100000);
  char *answer = send_body("/v1/uploads", "", text, UPLOAD_BYTES_MAX + 100000, true);
  ck_assert_msg(wire_get_status(answer) == 413, "%s", answer);
  ck_assert_int_eq(atomic_load(&upload_outcome), ERROR_TOO_LARGE);
  free(answer);
  answer = send_body("/v1/uploads", "", text, UPLOAD_BYTES_MAX + 1, true);
  ck_assert_msg(wire_get_status(answer) == 413, "%s", answer);
  free(answer);
  free(text);
}
END_TEST

START_TEST(a_broken_off_upload_is_told_to_its_handler) {
  int client = wire_connect(url);
  ck_assert(wire_send(client, make_request("POST", "/v1/uploads", "Content-Length: 1000\r\n", "a,b\n")));
  while (atomic_load(&upload_read_bytes) < 4) sleep_ms(2);
  close(client);
  for (int i = 0; i < 1000 && atomic_load(&upload_outcome) == ERROR_NONE; i++) sleep_ms(5);
  ck_assert_int_eq(atomic_load(&upload_outcome), ERROR_MALFORMED);
}
END_TEST

START_TEST(a_handler_that_gives_up_early_is_heard) {
  atomic_store(&upload_error_after_bytes, 50000);
  char *text = make_text(UPLOAD_BYTES_MAX);
  for (int is_chunked = 0; is_chunked < 2; is_chunked++) {
    char *answer = send_body("/v1/uploads", "", text, UPLOAD_BYTES_MAX, is_chunked);
    ck_assert_msg(wire_get_status(answer) == 507, "%s", answer);
    free(answer);
  }
  atomic_store(&upload_error_after_bytes, 0);
  free(text);
  wait_for_connections(0);
}
END_TEST

/* Resident memory of this process, which is the server's too. */
static size_t get_resident_bytes(void) {
  FILE *file = fopen("/proc/self/statm", "re");
  long pages = 0, resident = 0;
  ck_assert_ptr_nonnull(file);
  ck_assert_int_eq(fscanf(file, "%ld %ld", &pages, &resident), 2);
  fclose(file);
  return (size_t)resident * (size_t)sysconf(_SC_PAGESIZE);
}

struct sender {
  int client;
  atomic_llong sent_bytes;
};

static void *send_much(void *context) {
  struct sender *sender = context;
  static const char part[65536];
  for (int i = 0; i < 3200; i++) { /* 200 MiB */
    if (!wire_send_bytes(sender->client, part, sizeof part)) break;
    atomic_fetch_add(&sender->sent_bytes, sizeof part);
  }
  return NULL;
}

START_TEST(a_slow_handler_slows_its_client_down_and_takes_no_memory) {
  close_server();
  open_server((struct http_options){0});
  atomic_store(&upload_pause_us, 50000); /* 10 kB each 50 ms */
  struct sender sender = {.client = wire_connect(url)};
  ck_assert(wire_send(sender.client, make_request("POST", "/v1/uploads", "Content-Length: 209715200\r\n", "")));
  size_t before_bytes = get_resident_bytes();
  pthread_t thread;
  ck_assert_int_eq(pthread_create(&thread, NULL, send_much, &sender), 0);
  sleep_ms(1500);
  long long stalled_at = atomic_load(&sender.sent_bytes);
  ck_assert_int_lt(stalled_at, 100 << 20); /* the rest is in socket buffers, which the kernel bounds */
  size_t after_bytes = get_resident_bytes();
  ck_assert_msg(after_bytes < before_bytes + (8 << 20), "memory grew from %zu to %zu", before_bytes, after_bytes);
  atomic_store(&upload_pause_us, 0);
  (void)pthread_join(thread, NULL);
  char *answer = wire_receive_until(sender.client, "}\n", PATIENCE_MS);
  ck_assert_int_eq(wire_get_status(answer), 201);
  ck_assert_ptr_nonnull(strstr(answer, "\"bytes\":209715200,"));
  ck_assert_int_lt((long long)get_resident_bytes(), (long long)before_bytes + (8 << 20));
  free(answer);
  close(sender.client);
}
END_TEST

START_TEST(more_uploads_than_there_are_places_are_asked_to_come_later) {
  int clients[LIMIT_UPLOADS];
  for (int i = 0; i < LIMIT_UPLOADS; i++) {
    clients[i] = wire_connect(url);
    ck_assert(wire_send(clients[i], make_request("POST", "/v1/uploads", "Content-Length: 10\r\n", "01234")));
  }
  while (atomic_load(&upload_read_bytes) < 5 * LIMIT_UPLOADS) sleep_ms(2);
  char *answer = send_body("/v1/uploads", "", "0123456789", 10, false);
  ck_assert_int_eq(wire_get_status(answer), 429);
  ck_assert_str_ne(wire_get_header(answer, "Retry-After"), "");
  free(answer);
  /* Short requests don't wait for uploads. */
  ck_assert_int_eq(get_status("GET", "/v1/things", "", ""), 200);
  for (int i = 0; i < LIMIT_UPLOADS; i++) {
    ck_assert(wire_send(clients[i], "56789"));
    answer = wire_receive_until(clients[i], "}\n", PATIENCE_MS);
    ck_assert_int_eq(wire_get_status(answer), 201);
    free(answer);
    close(clients[i]);
  }
  answer = send_body("/v1/uploads", "", "0123456789", 10, false);
  ck_assert_int_eq(wire_get_status(answer), 201);
  free(answer);
}
END_TEST

START_TEST(a_file_is_sent_whole_and_closed) {
  int first = dup(0);
  close(first);
  for (int i = 0; i < 20; i++) {
    char *answer = wire_exchange(url, make_request("GET", "/v1/file", "Connection: close\r\n", ""));
    ck_assert_uint_eq(strlen(wire_get_body(answer)), 1000000);
    free(answer);
  }
  wait_for_connections(0);
  int last = dup(0);
  close(last);
  ck_assert_int_eq(first, last);
}
END_TEST

START_TEST(counts_are_kept) {
  struct http_counts counts;
  (void)get_status("GET", "/v1/things", "", "");
  (void)get_status("GET", "/v1/nothing", "", "");
  atomic_store(&upload_error_after_bytes, 1);
  free(send_body("/v1/uploads", "", "0123456789", 10, false));
  atomic_store(&upload_error_after_bytes, 0);
  http_get_counts(server, &counts);
  ck_assert_uint_eq(counts.requests, 3);
  ck_assert_uint_eq(counts.responses_4xx, 1);
  ck_assert_uint_eq(counts.responses_5xx, 1);
  ck_assert_uint_eq(counts.streams, 0);
  wait_for_connections(0);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *body_case = suite_add_case(suite, "bodies");
  tcase_add_checked_fixture(body_case, set_up, tear_down);
  tcase_add_test(body_case, a_body_up_to_its_limit_is_taken_whole);
  tcase_add_test(body_case, a_body_over_its_limit_is_refused);
  tcase_add_test(body_case, a_length_over_the_limit_is_refused_before_the_body_is_sent);
  tcase_add_test(body_case, a_client_that_sends_all_before_it_reads_still_gets_its_refusal);
  tcase_add_test(body_case, an_endless_body_is_cut_off);
  tcase_add_test(body_case, expect_continue_is_answered);
  tcase_add_test(body_case, headers_larger_than_their_limit_are_refused);
  tcase_add_test(body_case, garbage_does_no_harm);
  tcase_add_test(body_case, half_a_request_and_gone_leaves_nothing_behind);
  tcase_add_test(body_case, a_file_is_sent_whole_and_closed);
  tcase_add_test(body_case, counts_are_kept);
  TCase *deadline_case = suite_add_case(suite, "deadlines");
  tcase_add_checked_fixture(deadline_case, set_up_short, tear_down);
  tcase_add_test(deadline_case, slow_headers_are_cut_off);
  tcase_add_test(deadline_case, slow_headers_of_a_second_request_are_cut_off);
  tcase_add_test(deadline_case, idle_connections_are_closed_in_time);
  tcase_add_test(deadline_case, bodies_that_stop_or_drip_are_cut_off);
  tcase_add_test(deadline_case, a_handler_may_take_longer_than_any_deadline);
  TCase *upload_case = suite_add_case(suite, "uploads");
  tcase_add_checked_fixture(upload_case, set_up, tear_down);
  tcase_add_test(upload_case, an_upload_arrives_whole);
  tcase_add_test(upload_case, a_chunked_upload_over_its_limit_is_refused);
  tcase_add_test(upload_case, a_broken_off_upload_is_told_to_its_handler);
  tcase_add_test(upload_case, a_handler_that_gives_up_early_is_heard);
  tcase_add_test(upload_case, a_slow_handler_slows_its_client_down_and_takes_no_memory);
  tcase_add_test(upload_case, more_uploads_than_there_are_places_are_asked_to_come_later);
}

int main(void) { return suite_main("http limits", add_cases); }
