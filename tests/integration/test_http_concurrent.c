/* Many clients at once, requests in a row on one connection, and closing the server with all of them under way. */
#include <netinet/in.h>
#include <sys/socket.h>

#include "server/limits.h"
#include "tests/integration/http_fixture.h"

static enum error_code handle_events(struct api *api, const struct request *request, struct response *response, struct error *error) {
  return handle_echo(api, request, response, error);
}

enum { PATIENCE_MS = 60000, CONNECTIONS = 200, THREADS = 20 };

#define JSON "Content-Type: application/json\r\n"

static void set_up(void) { open_server((struct http_options){0}); }
static void tear_down(void) {
  atomic_store(&is_handler_held, false);
  if (server) close_server();
}

/* make_request's buffer is one; here several threads write requests. */
static void send_request(int client, const char *method, const char *path, const char *headers, const char *body) {
  char request[2048];
  (void)snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: %s\r\n%s\r\n%s", method, path, url + strlen("http://"), headers, body);
  ck_assert(wire_send(client, request));
}

START_TEST(two_hundred_connections_at_once_are_all_answered) {
  int clients[CONNECTIONS];
  for (int i = 0; i < CONNECTIONS; i++) clients[i] = wire_connect(url);
  for (int i = 0; i < CONNECTIONS; i++) send_request(clients[i], "POST", "/v1/things", JSON "Content-Length: 10\r\n", "01234");
  for (int i = 0; i < CONNECTIONS; i++) ck_assert(wire_send(clients[i], "56789"));
  for (int i = 0; i < CONNECTIONS; i++) {
    char *answer = wire_receive_until(clients[i], "}\n", PATIENCE_MS);
    ck_assert_int_eq(wire_get_status(answer), 200);
    ck_assert_ptr_nonnull(strstr(answer, "\"bytes\":10,\"body\":\"0123456789\""));
    free(answer);
    close(clients[i]);
  }
  ck_assert_int_eq(atomic_load(&handled_count), CONNECTIONS);
}
END_TEST

/* Each thread's part of the test below: requests of all kinds, each answer checked. */
static void *work(void *context) {
  int number = (int)(intptr_t)context;
  for (int round = 0; round < 20; round++) {
    char path[64], expected[96];
    int client = wire_connect(url);
    for (int i = 0; i < 5; i++) { /* on one connection */
      (void)snprintf(path, sizeof path, "/v1/things/%d-%d-%d", number, round, i);
      send_request(client, "GET", path, "", "");
      char *answer = wire_receive_until(client, "}\n", PATIENCE_MS);
      (void)snprintf(expected, sizeof expected, "\"path\":\"%s\"", path);
      ck_assert_msg(strstr(answer, expected) != NULL, "%s", answer);
      free(answer);
    }
    send_request(client, "POST", "/v1/things", JSON "Transfer-Encoding: chunked\r\n", "5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n");
    char *answer = wire_receive_until(client, "}\n", PATIENCE_MS);
    ck_assert_ptr_nonnull(strstr(answer, "\"body\":\"0123456789\""));
    free(answer);
    for (int i = 0; i < 3; i++) { /* answered on http's own thread, with others */
      (void)snprintf(path, sizeof path, "%03d-%02d-%d", number, round, i);
      send_request(client, "POST", "/v1/rows", JSON "Content-Length: 8\r\n", path);
      answer = wire_receive_until(client, "}\n", PATIENCE_MS);
      (void)snprintf(expected, sizeof expected, "\"bytes\":8,\"body\":\"%s\"", path);
      ck_assert_msg(strstr(answer, expected) != NULL, "%s", answer);
      free(answer);
    }
    send_request(client, "DELETE", "/v1/nothing", "", "");
    answer = wire_receive_until(client, "}\n", PATIENCE_MS);
    ck_assert_int_eq(wire_get_status(answer), 404);
    free(answer);
    if (round % 4 == 0) {
      send_request(client, "POST", "/v1/uploads", "Content-Length: 10\r\n", "01234");
      if (round % 8 == 0) {
        (void)wire_send(client, "56789");
        answer = wire_receive_until(client, "}\n", PATIENCE_MS);
        ck_assert_msg(wire_get_status(answer) == 201 || wire_get_status(answer) == 429, "%s", answer);
        free(answer);
      }
    }
    if (round % 3 == 0) send_request(client, "POST", "/v1/rows", JSON "Content-Length: 8\r\n", "and away");
    close(client);
  }
  return NULL;
}

START_TEST(clients_of_all_kinds_at_once_get_their_own_answers) {
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, work, (void *)(intptr_t)i), 0);
  for (int i = 0; i < THREADS; i++) (void)pthread_join(threads[i], NULL);
}
END_TEST

START_TEST(pipelined_requests_are_answered_in_their_order) {
  char requests[20000] = "", expected[64];
  for (int i = 0; i < 50; i++) {
    size_t at = strlen(requests);
    if (i % 2)
      (void)snprintf(requests + at, sizeof requests - at, "GET /v1/things/n%d HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", i);
    else
      (void)snprintf(requests + at, sizeof requests - at,
                     "POST /v1/%s?a=n%d HTTP/1.1\r\nHost: 127.0.0.1\r\n" JSON "Content-Length: 2\r\n\r\n{}", i % 4 ? "things" : "rows", i);
  }
  int client = wire_connect(url);
  ck_assert(wire_send(client, requests));
  char *answers = wire_receive_until(client, "\"id\":\"n49\"", PATIENCE_MS);
  const char *from = answers;
  for (int i = 0; i < 50; i++) {
    (void)snprintf(expected, sizeof expected, i % 2 ? "\"id\":\"n%d\"" : "\"a\":\"n%d\"", i);
    from = strstr(from, expected);
    ck_assert_msg(from != NULL, "answer %d is missing or out of order", i);
  }
  free(answers);
  close(client);
}
END_TEST

START_TEST(a_full_queue_asks_to_come_later) {
  close_server();
  open_server((struct http_options){.limits.handler_threads = 1});
  atomic_store(&is_handler_held, true);
  static int clients[1 + LIMIT_QUEUED_REQUESTS];
  clients[0] = wire_connect(url);
  send_request(clients[0], "GET", "/v1/hold", "", "");
  while (atomic_load(&handled_count) == 0) sleep_ms(2);
  struct http_counts counts;
  for (int i = 1; i <= LIMIT_QUEUED_REQUESTS; i++) {
    clients[i] = wire_connect(url);
    send_request(clients[i], "GET", "/v1/things", "", "");
  }
  do {
    sleep_ms(5);
    http_get_counts(server, &counts);
  } while (counts.requests < 1 + LIMIT_QUEUED_REQUESTS);
  sleep_ms(50);
  char *answer = wire_exchange(url, make_request("GET", "/v1/things", "Connection: close\r\n", ""));
  ck_assert_int_eq(wire_get_status(answer), 503);
  ck_assert_str_ne(wire_get_header(answer, "Retry-After"), "");
  free(answer);
  atomic_store(&is_handler_held, false);
  for (int i = 0; i <= LIMIT_QUEUED_REQUESTS; i++) {
    answer = wire_receive_until(clients[i], "}\n", PATIENCE_MS);
    ck_assert_int_eq(wire_get_status(answer), 200);
    free(answer);
    close(clients[i]);
  }
}
END_TEST

/* Closing */

static int64_t close_and_measure_ms(int64_t wait_ms, bool expected) {
  struct timespec before, after;
  (void)clock_gettime(CLOCK_MONOTONIC, &before);
  ck_assert(http_close(server, wait_ms) == expected);
  server = NULL;
  (void)clock_gettime(CLOCK_MONOTONIC, &after);
  return (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
}

static void *let_go_soon(void *context) {
  (void)context;
  sleep_ms(300);
  atomic_store(&is_handler_held, false);
  return NULL;
}

/* A route whose requests are long, and one of whose the handler finds that out. */
static const char *const long_paths[] = {"/v1/long", "/v1/late"};

START_TEST(long_requests_keep_no_short_one_waiting_and_end_with_their_clients) {
  enum { LONG = 3 * LIMIT_LONG_REQUESTS };
  atomic_store(&abandoned_count, 0);
  atomic_store(&handled_count, 0);
  int clients[LONG];
  for (int i = 0; i < LONG; i++) {
    clients[i] = wire_connect(url);
    send_request(clients[i], "GET", long_paths[_i], "", "");
  }
  const int begun = LIMIT_LONG_REQUESTS + (_i == 1 ? LONG : 0); /* those of the second path are all looked at first */
  while (atomic_load(&handled_count) < begun) sleep_ms(2);
  for (int i = 0; i < 2 * LIMIT_HANDLER_THREADS; i++) ck_assert_int_eq(get_status("GET", "/v1/things", "", ""), 200);
  ck_assert_int_eq(atomic_load(&handled_count), begun + 2 * LIMIT_HANDLER_THREADS); /* the others wait */
  ck_assert_int_eq(atomic_load(&abandoned_count), 0);
  for (int i = 0; i < LONG - 1; i++) close(clients[i]);
  for (int i = 0; i < PATIENCE_MS && atomic_load(&abandoned_count) < LONG - 1; i++) sleep_ms(1);
  ck_assert_int_eq(atomic_load(&abandoned_count), LONG - 1);
  close_server(); /* breaks off the last one */
  ck_assert_int_eq(atomic_load(&abandoned_count), LONG);
  char *answer = wire_receive_until(clients[LONG - 1], NULL, PATIENCE_MS);
  ck_assert_int_eq(wire_get_status(answer), 503);
  free(answer);
  close(clients[LONG - 1]);
  open_server((struct http_options){0});
}
END_TEST

START_TEST(closing_waits_for_answers_under_way) {
  atomic_store(&is_handler_held, true);
  int client = wire_connect(url);
  send_request(client, "GET", "/v1/hold", "", "");
  while (atomic_load(&handled_count) == 0) sleep_ms(2);
  pthread_t thread;
  ck_assert_int_eq(pthread_create(&thread, NULL, let_go_soon, NULL), 0);
  int64_t elapsed_ms = close_and_measure_ms(FIXTURE_CLOSE_MS, true);
  (void)pthread_join(thread, NULL);
  ck_assert_int_lt(elapsed_ms, FIXTURE_CLOSE_MS);
  char *answer = wire_receive_until(client, NULL, PATIENCE_MS);
  ck_assert_int_eq(wire_get_status(answer), 200);
  ck_assert_str_eq(wire_get_header(answer, "Connection"), "close");
  free(answer);
  close(client);
}
END_TEST

START_TEST(closing_gives_up_on_a_handler_that_takes_too_long) {
  atomic_store(&is_handler_held, true);
  int client = wire_connect(url);
  send_request(client, "GET", "/v1/hold", "", "");
  while (atomic_load(&handled_count) == 0) sleep_ms(2);
  struct http_server *closing = server;
  ck_assert_int_lt(close_and_measure_ms(400, false), 5000);
  ck_assert(wire_is_closed(client, PATIENCE_MS));
  close(client);
  atomic_store(&is_handler_held, false);
  ck_assert(http_close(closing, FIXTURE_CLOSE_MS)); /* the handler ends later and does no harm */
}
END_TEST

START_TEST(closing_does_not_wait_for_clients_that_say_nothing) {
  enum { COUNT = 10 };
  int silent[COUNT], idle[COUNT], half_head[COUNT], half_body[COUNT], uploads[LIMIT_UPLOADS];
  for (int i = 0; i < COUNT; i++) {
    silent[i] = wire_connect(url);
    idle[i] = wire_connect(url);
    send_request(idle[i], "GET", "/v1/things", "", "");
    free(wire_receive_until(idle[i], "}\n", PATIENCE_MS));
    half_head[i] = wire_connect(url);
    ck_assert(wire_send(half_head[i], "GET /v1/things HTTP/1.1\r\nX: "));
    half_body[i] = wire_connect(url);
    send_request(half_body[i], "POST", "/v1/things", JSON "Content-Length: 100\r\n", "{");
  }
  for (int i = 0; i < LIMIT_UPLOADS; i++) {
    uploads[i] = wire_connect(url);
    send_request(uploads[i], "POST", "/v1/uploads", "Content-Length: 100\r\n", "01234");
  }
  while (atomic_load(&upload_read_bytes) < 5 * LIMIT_UPLOADS) sleep_ms(2);
  ck_assert_int_lt(close_and_measure_ms(2000, true), 5000);
  ck_assert_int_eq(atomic_load(&upload_outcome), ERROR_MALFORMED);
  for (int i = 0; i < COUNT; i++) {
    ck_assert(wire_is_closed(silent[i], PATIENCE_MS) && wire_is_closed(idle[i], PATIENCE_MS));
    ck_assert(wire_is_closed(half_head[i], PATIENCE_MS) && wire_is_closed(half_body[i], PATIENCE_MS));
    close(silent[i]), close(idle[i]), close(half_head[i]), close(half_body[i]);
  }
  for (int i = 0; i < LIMIT_UPLOADS; i++) close(uploads[i]);
}
END_TEST

START_TEST(closing_breaks_off_uploads_that_are_suspended) {
  atomic_store(&upload_pause_us, 20000);
  static const char part[400000];
  int clients[LIMIT_UPLOADS];
  for (int i = 0; i < LIMIT_UPLOADS; i++) {
    clients[i] = wire_connect(url);
    send_request(clients[i], "POST", "/v1/uploads", "Content-Length: 100000000\r\n", "");
    ck_assert(wire_send_bytes(clients[i], part, sizeof part));
  }
  while (atomic_load(&upload_read_bytes) < 10000 * LIMIT_UPLOADS) sleep_ms(2);
  ck_assert_int_lt(close_and_measure_ms(1000, true), 5000);
  for (int i = 0; i < LIMIT_UPLOADS; i++) close(clients[i]);
}
END_TEST

START_TEST(a_quiesced_server_accepts_nobody_and_ends_what_it_has) {
  int client = wire_connect(url);
  send_request(client, "GET", "/v1/things", "", "");
  free(wire_receive_until(client, "}\n", PATIENCE_MS));
  http_quiesce(server);
  send_request(client, "GET", "/v1/things", "", "");
  char *answer = wire_receive_until(client, NULL, PATIENCE_MS);
  ck_assert_int_eq(wire_get_status(answer), 200);
  ck_assert_str_eq(wire_get_header(answer, "Connection"), "close");
  free(answer);
  close(client);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(strrchr(url, ':') + 1))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int late = socket(AF_INET, SOCK_STREAM, 0);
  ck_assert_int_ne(connect(late, (struct sockaddr *)&address, sizeof address), 0);
  close(late);
}
END_TEST

START_TEST(closing_under_load_answers_or_closes_but_never_hangs) {
  for (int round = 0; round < 5; round++) {
    int clients[100];
    for (int i = 0; i < 100; i++) {
      clients[i] = wire_connect(url);
      send_request(clients[i], "GET", i % 10 ? "/v1/things" : "/v1/file", "", "");
    }
    ck_assert_int_lt(close_and_measure_ms(FIXTURE_CLOSE_MS, true), FIXTURE_CLOSE_MS);
    for (int i = 0; i < 100; i++) close(clients[i]);
    open_server((struct http_options){0});
  }
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "concurrent");
  tcase_add_checked_fixture(test_case, set_up, tear_down);
  tcase_add_test(test_case, two_hundred_connections_at_once_are_all_answered);
  tcase_add_test(test_case, clients_of_all_kinds_at_once_get_their_own_answers);
  tcase_add_test(test_case, pipelined_requests_are_answered_in_their_order);
  tcase_add_test(test_case, a_full_queue_asks_to_come_later);
  tcase_add_loop_test(test_case, long_requests_keep_no_short_one_waiting_and_end_with_their_clients, 0, 2);
  tcase_add_test(test_case, closing_waits_for_answers_under_way);
  tcase_add_test(test_case, closing_gives_up_on_a_handler_that_takes_too_long);
  tcase_add_test(test_case, closing_does_not_wait_for_clients_that_say_nothing);
  tcase_add_test(test_case, closing_breaks_off_uploads_that_are_suspended);
  tcase_add_test(test_case, a_quiesced_server_accepts_nobody_and_ends_what_it_has);
  tcase_add_test(test_case, closing_under_load_answers_or_closes_but_never_hangs);
}

int main(void) { return suite_main("http concurrent", add_cases); }
