/* DESIGN.md section 5, rule by rule: what is refused before a handler sees it. */
#include "tests/integration/http_fixture.h"

#include "server/log.h"

static enum error_code handle_events(struct api *api, const struct request *request, struct response *response, struct error *error) {
  return handle_echo(api, request, response, error);
}

static void set_up(void) { open_server((struct http_options){0}); }
static void tear_down(void) { close_server(); }

/* Sends lines with our Host in place of "@"; what comes back must be one response of this status, and the connection's end. */
static void expect_refusal(const char *request, int status) {
  char text[8192];
  size_t at = 0;
  for (const char *s = request; *s; s++) {
    if (*s == '@')
      at += (size_t)snprintf(text + at, sizeof text - at, "%s", url + strlen("http://"));
    else
      text[at++] = *s;
  }
  text[at] = 0;
  int before = atomic_load(&handled_count);
  char *response = wire_exchange(url, text);
  ck_assert_msg(wire_get_status(response) == status, "expected %d for\n%s\ngot\n%s", status, text, response);
  ck_assert_msg(!strstr(response, "HTTP/1.1 200"), "a second response to\n%s\n%s", text, response);
  ck_assert_int_eq(atomic_load(&handled_count), before);
  free(response);
}

START_TEST(ambiguous_framing_is_refused_and_nothing_after_it_is_read) {
#define SMUGGLED "GET /v1/things HTTP/1.1\r\nHost: @\r\n\r\n"
  static const char *const requests[] = {
      "POST /v1/things HTTP/1.1\r\nHost: @\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}" SMUGGLED,
      "POST /v1/things HTTP/1.1\r\nHost: @\r\nContent-Length: 2\r\nContent-Length: 40\r\n\r\n{}" SMUGGLED,
      "POST /v1/things HTTP/1.1\r\nHost: @\r\nContent-Length: 2, 2\r\n\r\n{}" SMUGGLED,
      "POST /v1/things HTTP/1.1\r\nHost: @\r\nContent-Length: +2\r\n\r\n{}" SMUGGLED,
      "POST /v1/things HTTP/1.1\r\nHost: @\r\nContent-Length: -2\r\n\r\n{}" SMUGGLED,
      "POST /v1/things HTTP/1.1\r\nHost: @\r\nContent-Length: 2x\r\n\r\n{}" SMUGGLED,
      "POST /v1/things HTTP/1.1\r\nHost: @\r\nContent-Length: 0x2\r\n\r\n{}" SMUGGLED,
      "POST /v1/things HTTP/1.1\r\nHost: @\r\nContent-Length:\r\n\r\n{}" SMUGGLED,
      "POST /v1/things HTTP/1.1\r\nHost: @\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
      "POST /v1/things HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" SMUGGLED,
      "POST /v1/things HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: gzip\r\n\r\n{}" SMUGGLED,
      "POST /v1/things HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
      "POST /v1/things HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: identity\r\n\r\n{}" SMUGGLED,
      "POST /v1/things HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" SMUGGLED,
      "POST /v1/things HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
      "POST /v1/things HTTP/1.0\r\nHost: @\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
      "POST /v1/things HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: chunked\r\n identity\r\n\r\n0\r\n\r\n" SMUGGLED,
      "POST /v1/things HTTP/1.1\r\nHost: @\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
      "POST /v1/things HTTP/1.1\r\nHost: @\r\nContent-Length : 2\r\n\r\n{}" SMUGGLED,
      "POST /v1/things HTTP/1.1\r\nHost : @\r\n\r\n" SMUGGLED,
      "POST /v1/things HTTP/1.1\r\nHost: @\r\nContent-Type: application/json\r\nContent-Length: 2\r\n 0\r\n\r\n{}" SMUGGLED,
      "POST /v1/things HTTP/1.1\r\nHost: @\r\nContent-Type: application/json\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
      "GET /v1/things HTTP/1.1\r\nHost: @\r\nX: a\r\n\tb\r\n\r\n" SMUGGLED,
      "PATCH /v1/things/a HTTP/1.1\r\nHost: @\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}" SMUGGLED,
      "DELETE /v1/things/a HTTP/1.1\r\nHost: @\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}" SMUGGLED,
      "GET /v1/things HTTP/1.1\r\nHost: @\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}" SMUGGLED,
      "GET /v1/things HTTP/1.1\r\nHost: @\r\nContent-Type: a\r\nContent-Type: b\r\n\r\n" SMUGGLED,
      "GET /v1/things HTTP/1.1\r\nHost: @\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n" SMUGGLED,
  };
  for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) expect_refusal(requests[i], 400);
}
END_TEST

START_TEST(headers_that_are_unusual_but_clear_are_taken) {
  static const char *const headers[] = {"X-Empty:\r\n", "X-Empty: \r\nX-Next: a\r\n", "X-Spaces:   \t a b \t \r\n", "X-Tight:a\r\n",
                                        "x-lower: \xc3\xa4\r\nCookie: a=b; c=d\r\nAccept: a\r\nAccept: b\r\n"};
  for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) ck_assert_int_eq(get_status("GET", "/v1/things", headers[i], ""), 200);
}
END_TEST

START_TEST(a_content_length_too_long_for_a_number_is_refused) {
  char *response = wire_exchange(
      url, make_request("POST", "/v1/things", "Content-Type: application/json\r\nContent-Length: 99999999999999999999999\r\n", ""));
  ck_assert(wire_get_status(response) == 400 || wire_get_status(response) == 413);
  free(response);
}
END_TEST

START_TEST(host_must_be_there_once) {
  expect_refusal("GET /v1/things HTTP/1.1\r\nAccept: */*\r\n\r\n", 400);
  expect_refusal("GET /v1/things HTTP/1.0\r\n\r\n", 400);
  expect_refusal("GET /v1/things HTTP/1.1\r\nHost: @\r\nHost: @\r\n\r\n", 400);
  expect_refusal("GET /v1/things HTTP/1.1\r\nHost: @\r\nHost: evil.example\r\n\r\n", 400);
}
END_TEST

START_TEST(foreign_hosts_are_refused) {
  static const char *const hosts[] = {"evil.example",
                                      "127.0.0.1.evil.example",
                                      "localhost.evil.example",
                                      "127.0.0.1:1",
                                      "localhost:1",
                                      "",
                                      "127.0.0.1@",
                                      "user@127.0.0.1",
                                      "127.0.0.1:",
                                      "127.0.0.1:x",
                                      "192.168.1.1",
                                      "[::2]",
                                      "localhost, evil.example"};
  for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
    char request[300];
    (void)snprintf(request, sizeof request, "GET /v1/things HTTP/1.1\r\nHost: %s\r\n\r\n", hosts[i]);
    char *response = wire_exchange(url, request);
    ck_assert_msg(wire_get_status(response) == 403, "Host %s: %s", hosts[i], response);
    ck_assert_str_eq(wire_get_header(response, "Connection"), "close");
    free(response);
  }
}
END_TEST

START_TEST(loopback_names_are_accepted_as_hosts) {
  static const char *const names[] = {"127.0.0.1", "localhost", "[::1]", "LOCALHOST"};
  for (size_t i = 0; i < 2 * sizeof names / sizeof *names; i++) {
    char request[300];
    (void)snprintf(request, sizeof request, "GET /v1/things HTTP/1.1\r\nConnection: close\r\nHost: %s%s\r\n\r\n", names[i / 2],
                   i % 2 ? strrchr(url, ':') : "");
    char *response = wire_exchange(url, request);
    ck_assert_int_eq(wire_get_status(response), 200);
    free(response);
  }
}
END_TEST

START_TEST(allowed_hosts_are_accepted_with_their_port_or_any) {
  close_server();
  open_server((struct http_options){.allowed_hosts = "train.example, lab.example:8443"});
  static const struct {
    const char *host;
    int status;
  } cases[] = {{"train.example", 200}, {"train.example:99", 200}, {"lab.example:8443", 200},
               {"lab.example", 403},   {"lab.example:1", 403},    {"example", 403}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char request[300];
    (void)snprintf(request, sizeof request, "GET /v1/things HTTP/1.1\r\nConnection: close\r\nHost: %s\r\n\r\n", cases[i].host);
    char *response = wire_exchange(url, request);
    ck_assert_msg(wire_get_status(response) == cases[i].status, "Host %s: %s", cases[i].host, response);
    free(response);
  }
  /* A page of an allowed host may write, behind a proxy that speaks TLS. */
  ck_assert_int_eq(get_status("DELETE", "/v1/things/a", "Origin: https://train.example\r\n", ""), 200);
}
END_TEST

START_TEST(escaped_separators_and_zero_bytes_in_the_path_are_refused) {
  static const char *const paths[] = {"/v1/things/a%00b",
                                      "/v1/things/a%2fb",
                                      "/v1/things/a%2Fb",
                                      "/v1/things/a%5cb",
                                      "/v1/things/a%5Cb",
                                      "/v1/things/a\\b",
                                      "/v1/things/%",
                                      "/v1/things/%2",
                                      "/v1/things/%zz",
                                      "/v1/things/%ff",
                                      "/v1/things/%c3",
                                      "/v1/things/%c0%af",
                                      "/v1/things/%ed%a0%80",
                                      "/v1/things/a%0d%0ab",
                                      "/v1/things/..",
                                      "/v1/things/%2e%2e",
                                      "/v1/./things",
                                      "/v1/things?a=%00",
                                      "/v1/things?a=%ff",
                                      "/v1/things?a=%",
                                      "/v1/things#a",
                                      "http://127.0.0.1/v1/things",
                                      "*",
                                      "v1/things",
                                      "/v1/things /v1/things",
                                      "/v1/things\t",
                                      "/v1/things?a=b c",
                                      "/v1/things\x01"};
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
    char request[300];
    (void)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: @\r\n\r\n", paths[i]);
    expect_refusal(request, 400);
  }
}
END_TEST

START_TEST(path_and_query_are_decoded) {
  char *response =
      wire_exchange(url, make_request("GET", "/v1/things/Gr%C3%BC%C3%9fe%20a+b?x&&a=1%202+3%26%3d&y=", "Connection: close\r\n", ""));
  ck_assert_int_eq(wire_get_status(response), 200);
  ck_assert_ptr_nonnull(strstr(response, "\"id\":\"Grüße a+b\""));
  ck_assert_ptr_nonnull(strstr(response, "\"a\":\"1 2 3&=\""));
  free(response);
}
END_TEST

START_TEST(more_query_parameters_than_a_request_takes_are_refused) {
  char path[400] = "/v1/things?";
  for (int i = 0; i < REQUEST_QUERY_MAX; i++) strcat(path, "b=1&");
  ck_assert_int_eq(get_status("GET", path, "", ""), 200);
  strcat(path, "b=1");
  ck_assert_int_eq(get_status("GET", path, "", ""), 400);
  /* So many that libmicrohttpd's pool could not hold them. */
  char long_path[6000] = "/v1/things?";
  for (int i = 0; i < 1400; i++) strcat(long_path, "b=1&");
  ck_assert_int_eq(get_status("GET", long_path, "", ""), 400);
}
END_TEST

START_TEST(a_page_of_another_origin_must_not_write) {
  static const char *const origins[] = {"http://evil.example",
                                        "null",
                                        "https://127.0.0.1:1",
                                        "http://localhost:1",
                                        "http://localhost",
                                        "",
                                        "file://",
                                        "http://",
                                        "http://127.0.0.1.evil.example",
                                        "chrome-extension://abc"};
  for (size_t i = 0; i < sizeof origins / sizeof *origins; i++) {
    char headers[300];
    (void)snprintf(headers, sizeof headers, "Origin: %s\r\n", origins[i]);
    ck_assert_int_eq(get_status("DELETE", "/v1/things/a", headers, ""), 403);
    ck_assert_int_eq(get_status("POST", "/v1/pause", headers, ""), 403);
    (void)snprintf(headers, sizeof headers, "Origin: %s\r\nContent-Type: application/json\r\nContent-Length: 2\r\n", origins[i]);
    ck_assert_int_eq(get_status("POST", "/v1/things", headers, "{}"), 403);
    ck_assert_int_eq(get_status("PATCH", "/v1/things/a", headers, "{}"), 403);
    ck_assert_int_eq(get_status("POST", "/v1/uploads", headers, "{}"), 403);
  }
  ck_assert_int_eq(get_status("DELETE", "/v1/things/a", "Origin: http://evil.example\r\nOrigin: http://127.0.0.1\r\n", ""), 400);
}
END_TEST

START_TEST(our_own_page_may_write_and_other_pages_get_no_permission_to_read) {
  char headers[300];
  (void)snprintf(headers, sizeof headers, "Origin: %s\r\n", url);
  ck_assert_int_eq(get_status("DELETE", "/v1/things/a", headers, ""), 200);
  ck_assert_int_eq(get_status("DELETE", "/v1/things/a", "", ""), 200);
  char *response = wire_exchange(url, make_request("GET", "/v1/things", "Connection: close\r\nOrigin: http://evil.example\r\n", ""));
  ck_assert_str_eq(wire_get_header(response, "Access-Control-Allow-Origin"), "");
  free(response);
  ck_assert_int_eq(get_status("OPTIONS", "/v1/things", "Origin: http://evil.example\r\nAccess-Control-Request-Method: POST\r\n", ""), 405);
}
END_TEST

START_TEST(json_routes_need_their_content_type) {
#define JSON_HEADERS "Content-Length: 2\r\nContent-Type: application/json\r\n"
  static const struct {
    const char *type;
    int status;
  } cases[] = {{"application/json", 200},
               {"Application/JSON; charset=UTF-8", 200},
               {"application/json;charset=\"utf-8\"", 200},
               {"application/json ; charset=utf-8", 200},
               {"application/json; charset=latin1", 415},
               {"application/json; charset=utf-80", 415},
               {"application/jsonx", 415},
               {"application/json, text/plain", 415},
               {"text/plain", 415},
               {"application/x-www-form-urlencoded", 415},
               {"multipart/form-data", 415},
               {"text/csv", 415}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char headers[300];
    (void)snprintf(headers, sizeof headers, "Content-Length: 2\r\nContent-Type: %s\r\n", cases[i].type);
    ck_assert_msg(get_status("POST", "/v1/things", headers, "{}") == cases[i].status, "Content-Type %s", cases[i].type);
  }
  ck_assert_int_eq(get_status("POST", "/v1/things", "Content-Length: 2\r\n", "{}"), 415);
  ck_assert_int_eq(get_status("POST", "/v1/things", JSON_HEADERS "Content-Encoding: gzip\r\n", "{}"), 415);
  ck_assert_int_eq(get_status("POST", "/v1/things", JSON_HEADERS "Content-Encoding: identity\r\n", "{}"), 200);
#undef JSON_HEADERS
  ck_assert_int_eq(get_status("PATCH", "/v1/things/a", "Content-Length: 2\r\n", "{}"), 415);
  ck_assert_int_eq(get_status("POST", "/v1/rows", "Content-Length: 2\r\nContent-Type: text/csv\r\n", "a\n"), 200);
  /* Its handler judges. */
  ck_assert_int_eq(get_status("POST", "/v1/rows", "Content-Length: 2\r\nContent-Type: text/plain\r\n", "a\n"), 200);
}
END_TEST

START_TEST(every_response_carries_the_security_headers) {
  static const char *const requests[] = {"/v1/things", "/", "/v1/nothing"};
  static const char *const caching[] = {"private, no-cache", "private, no-cache", "no-store"}; /* the first two have an ETag */
  for (size_t i = 0; i < 3; i++) {
    char *response = wire_exchange(url, make_request("GET", requests[i], "Connection: close\r\n", ""));
    const char *policy = wire_get_header(response, "Content-Security-Policy");
    ck_assert_ptr_nonnull(strstr(policy, "default-src 'self'"));
    ck_assert_ptr_nonnull(strstr(policy, "frame-ancestors 'none'"));
    ck_assert_str_eq(wire_get_header(response, "X-Content-Type-Options"), "nosniff");
    ck_assert_str_eq(wire_get_header(response, "Referrer-Policy"), "no-referrer");
    ck_assert_str_eq(wire_get_header(response, "Cache-Control"), caching[i]);
    ck_assert_int_eq(strncmp(wire_get_header(response, "X-Request-Id"), "req_", 4), 0);
    free(response);
  }
}
END_TEST

START_TEST(refusals_are_problems_that_name_their_request) {
  char *response = wire_exchange(url, "GET /v1/things HTTP/1.1\r\nHost: evil.example\r\n\r\n");
  ck_assert_str_eq(wire_get_header(response, "Content-Type"), "application/problem+json");
  ck_assert_ptr_nonnull(strstr(wire_get_body(response), wire_get_header(response, "X-Request-Id")));
  free(response);
}
END_TEST

START_TEST(a_wrong_method_is_told_the_right_ones) {
  char *response = wire_exchange(url, make_request("PUT", "/v1/things", "Connection: close\r\n", ""));
  ck_assert_int_eq(wire_get_status(response), 405);
  ck_assert_str_eq(wire_get_header(response, "Allow"), "GET, POST, HEAD");
  free(response);
  ck_assert_int_eq(get_status("BREW", "/v1/things", "", ""), 405);
  ck_assert_int_eq(get_status("TRACE", "/v1/things", "", ""), 405);
  ck_assert_int_eq(get_status("POST", "/v1/nothing", "", ""), 404);
}
END_TEST

START_TEST(head_is_get_without_a_body) {
  char *get = wire_exchange(url, make_request("GET", "/v1/file", "Connection: close\r\n", ""));
  char *head = wire_exchange(url, make_request("HEAD", "/v1/file", "Connection: close\r\n", ""));
  ck_assert_int_eq(wire_get_status(head), 200);
  ck_assert_str_eq(wire_get_header(head, "Content-Length"), "1000000");
  ck_assert_uint_eq(strlen(wire_get_body(head)), 0);
  ck_assert_uint_eq(strlen(wire_get_body(get)), 1000000);
  free(head);
  free(get);
  ck_assert_int_eq(get_status("HEAD", "/v1/nothing", "", ""), 404);
}
END_TEST

/* Tokens */

static char token_path[64];
static const char token_a[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
static const char token_b[] = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFy+/w=";

static void write_tokens(const char *text) {
  strcpy(token_path, "/tmp/backpropd-token-XXXXXX");
  int file = mkstemp(token_path);
  ck_assert_int_ge(file, 0);
  ck_assert_int_eq(write(file, text, strlen(text)), (ssize_t)strlen(text));
  close(file);
}

static void set_up_tokens(void) {
  char text[300];
  (void)snprintf(text, sizeof text, "%s\n\n%s\r\n", token_a, token_b);
  write_tokens(text);
  open_server((struct http_options){.token_file = token_path});
}
static void tear_down_tokens(void) {
  close_server();
  unlink(token_path);
}

START_TEST(with_a_token_file_only_its_tokens_come_in) {
  char headers[300];
  (void)snprintf(headers, sizeof headers, "Authorization: Bearer %s\r\n", token_a);
  ck_assert_int_eq(get_status("GET", "/v1/things", headers, ""), 200);
  (void)snprintf(headers, sizeof headers, "Authorization: bearer %s\r\n", token_b);
  ck_assert_int_eq(get_status("DELETE", "/v1/things/a", headers, ""), 200);
  static const char *const wrong[] = {"",
                                      "Authorization: Bearer\r\n",
                                      "Authorization: Bearer \r\n",
                                      "Authorization: Basic YTpi\r\n",
                                      "Authorization: Bearer 0123456789abcdef\r\n",
                                      "Authorization: Bearer 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdeg\r\n",
                                      "Authorization: Bearer 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0\r\n"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    ck_assert_int_eq(get_status("GET", "/v1/things", wrong[i], ""), 401);
    ck_assert_int_eq(get_status("GET", "/v1/nothing", wrong[i], ""), 401);
    ck_assert_int_eq(get_status("PUT", "/v1/things", wrong[i], ""), 401);
  }
  char *response = wire_exchange(url, make_request("GET", "/v1/things", "", ""));
  ck_assert_int_eq(strncmp(wire_get_header(response, "WWW-Authenticate"), "Bearer", 6), 0);
  ck_assert_str_eq(wire_get_header(response, "Connection"), "close");
  free(response);
  /* Not in a URL. */
  char path[300];
  (void)snprintf(path, sizeof path, "/v1/things?token=%s&access_token=%s", token_a, token_a);
  ck_assert_int_eq(get_status("GET", path, "", ""), 401);
}
END_TEST

START_TEST(public_routes_need_no_token) {
  ck_assert_int_eq(get_status("GET", "/", "", ""), 200);
  ck_assert_int_eq(get_status("GET", "/healthz", "", ""), 200);
  ck_assert_int_eq(get_status("HEAD", "/healthz", "", ""), 200);
}
END_TEST

START_TEST(tokens_are_never_logged) {
  FILE *captured = tmpfile();
  int saved = dup(STDERR_FILENO);
  ck_assert_int_ge(dup2(fileno(captured), STDERR_FILENO), 0);
  log_set_level(LOG_LEVEL_DEBUG);
  char headers[300], path[300], text[65536];
  (void)snprintf(headers, sizeof headers, "Authorization: Bearer %s\r\n", token_a);
  int status = get_status("GET", "/v1/things", headers, "");
  (void)snprintf(path, sizeof path, "/v1/things?token=%s", token_a);
  int refused = get_status("GET", path, "", "");
  sleep_ms(100);
  (void)dup2(saved, STDERR_FILENO);
  log_set_level(LOG_LEVEL_INFO);
  ck_assert_int_eq(status, 200);
  ck_assert_int_eq(refused, 401);
  rewind(captured);
  text[fread(text, 1, sizeof text - 1, captured)] = 0;
  ck_assert_ptr_nonnull(strstr(text, "GET /v1/things 200"));
  ck_assert_ptr_nonnull(strstr(text, "GET /v1/things 401"));
  ck_assert_ptr_null(strstr(text, "0123456789abcdef0123"));
  fclose(captured);
  close(saved);
}
END_TEST

static void expect_no_server(const struct http_options *options, const char *reason) {
  struct error error = {0};
  ck_assert_int_ne(http_open(NULL, options, &server, &error), ERROR_NONE);
  ck_assert_msg(strstr(error.detail, reason) != NULL, "\"%s\" should say \"%s\"", error.detail, reason);
  ck_assert_ptr_null(server);
}

START_TEST(an_address_that_others_reach_needs_a_token_file) {
  static const char *const addresses[] = {"0.0.0.0:0", "[::]:0", ":0"};
  write_tokens("0123456789abcdef0123456789abcdef\n");
  for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
    expect_no_server(&(struct http_options){.listen = addresses[i]}, "--token-file");
  }
  open_server((struct http_options){.listen = "0.0.0.0:0", .token_file = token_path});
  ck_assert_int_eq(get_status("GET", "/v1/things", "", ""), 401);
  close_server();
  unlink(token_path);
}
END_TEST

START_TEST(a_token_file_without_good_tokens_is_refused) {
  static const struct {
    const char *text, *reason;
  } cases[] = {{"", "no token"},
               {"\n\n", "no token"},
               {"short\n", "32"},
               {"0123456789abcdef0123456789abcdef\nshort\n", "line 2"},
               {"0123456789abcdef 0123456789abcdef 0123456789abcdef\n", "consists of"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    write_tokens(cases[i].text);
    expect_no_server(&(struct http_options){.listen = "127.0.0.1:0", .token_file = token_path}, cases[i].reason);
    unlink(token_path);
  }
  expect_no_server(&(struct http_options){.listen = "127.0.0.1:0", .token_file = "/nonexistent/token"}, "can't open");
}
END_TEST

START_TEST(addresses_are_read_or_refused_with_a_reason) {
  static const char *const wrong[] = {"",       "8080",  "127.0.0.1",   "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:x",
                                      "::1:80", "[::1]", "127.0.0.1:-1"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    expect_no_server(&(struct http_options){.listen = wrong[i]}, "is no address to listen on");
  }
  open_server((struct http_options){.listen = "localhost:0"});
  ck_assert_int_eq(strncmp(url, "http://localhost:", 17), 0);
  char address[64];
  (void)snprintf(address, sizeof address, "%s", url + strlen("http://"));
  struct http_server *first = server;
  server = NULL;
  expect_no_server(&(struct http_options){.listen = address}, "in use");
  server = first;
  close_server();
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *open_case = suite_add_case(suite, "without token");
  tcase_add_checked_fixture(open_case, set_up, tear_down);
  tcase_add_test(open_case, ambiguous_framing_is_refused_and_nothing_after_it_is_read);
  tcase_add_test(open_case, headers_that_are_unusual_but_clear_are_taken);
  tcase_add_test(open_case, a_content_length_too_long_for_a_number_is_refused);
  tcase_add_test(open_case, host_must_be_there_once);
  tcase_add_test(open_case, foreign_hosts_are_refused);
  tcase_add_test(open_case, loopback_names_are_accepted_as_hosts);
  tcase_add_test(open_case, allowed_hosts_are_accepted_with_their_port_or_any);
  tcase_add_test(open_case, escaped_separators_and_zero_bytes_in_the_path_are_refused);
  tcase_add_test(open_case, path_and_query_are_decoded);
  tcase_add_test(open_case, more_query_parameters_than_a_request_takes_are_refused);
  tcase_add_test(open_case, a_page_of_another_origin_must_not_write);
  tcase_add_test(open_case, our_own_page_may_write_and_other_pages_get_no_permission_to_read);
  tcase_add_test(open_case, json_routes_need_their_content_type);
  tcase_add_test(open_case, every_response_carries_the_security_headers);
  tcase_add_test(open_case, refusals_are_problems_that_name_their_request);
  tcase_add_test(open_case, a_wrong_method_is_told_the_right_ones);
  tcase_add_test(open_case, head_is_get_without_a_body);
  TCase *token_case = suite_add_case(suite, "with tokens");
  tcase_add_checked_fixture(token_case, set_up_tokens, tear_down_tokens);
  tcase_add_test(token_case, with_a_token_file_only_its_tokens_come_in);
  tcase_add_test(token_case, public_routes_need_no_token);
  tcase_add_test(token_case, tokens_are_never_logged);
  TCase *start_case = suite_add_case(suite, "start");
  tcase_add_test(start_case, an_address_that_others_reach_needs_a_token_file);
  tcase_add_test(start_case, a_token_file_without_good_tokens_is_refused);
  tcase_add_test(start_case, addresses_are_read_or_refused_with_a_reason);
}

int main(void) { return suite_main("http guards", add_cases); }
