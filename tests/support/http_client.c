#include "tests/support/http_client.h"

#include <arpa/inet.h>
#include <check.h>
#include <curl/curl.h>
#include <math.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { DEFAULT_TIMEOUT_MS = 120000, POLL_PAUSE_MS = 20 };

struct text {
  char *bytes;
  size_t count;
};

static void text_append(struct text *text, const char *bytes, size_t count) {
  char *grown = realloc(text->bytes, text->count + count + 1);
  ck_assert_ptr_nonnull(grown);
  memcpy(grown + text->count, bytes, count);
  text->bytes = grown;
  text->count += count;
  text->bytes[text->count] = '\0';
}

struct transfer {
  const struct client_request *request;
  struct text body, headers;
};

static size_t take_body(char *bytes, size_t size, size_t count, void *context) {
  struct transfer *transfer = context;
  if (transfer->request->on_data == NULL) {
    text_append(&transfer->body, bytes, size * count);
    return size * count;
  }
  return transfer->request->on_data(transfer->request->context, bytes, size * count) ? size * count : 0;
}

static size_t take_header(char *bytes, size_t size, size_t count, void *context) {
  struct transfer *transfer = context;
  text_append(&transfer->headers, bytes, size * count);
  return size * count;
}

static size_t give_body(char *buffer, size_t size, size_t count, void *context) {
  struct transfer *transfer = context;
  return transfer->request->produce(transfer->request->context, buffer, size * count);
}

static struct curl_slist *make_headers(const struct client_request *request) {
  struct curl_slist *list = curl_slist_append(NULL, "Expect:");
  bool has_body = request->body != NULL || request->produce != NULL;
  const char *type = request->content_type != NULL ? request->content_type : has_body ? "application/json" : "";
  char line[256];
  snprintf(line, sizeof line, type[0] == '\0' ? "Content-Type:" : "Content-Type: %s", type);
  list = curl_slist_append(list, line);
  for (size_t i = 0; request->headers != NULL && request->headers[i] != NULL; i++) list = curl_slist_append(list, request->headers[i]);
  return list;
}

static void set_options(CURL *curl, const struct server_process *server, struct transfer *transfer, struct curl_slist *headers) {
  const struct client_request *request = transfer->request;
  char url[4096];
  ck_assert_int_lt(snprintf(url, sizeof url, "%s%s", server->url, request->path), (int)sizeof url);
  curl_easy_setopt(curl, CURLOPT_URL, url);
  curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, request->timeout_ms > 0 ? request->timeout_ms : (long)DEFAULT_TIMEOUT_MS);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, transfer);
  if (request->produce != NULL) {
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, -1L);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, give_body);
    curl_easy_setopt(curl, CURLOPT_READDATA, transfer);
  } else if (request->body != NULL) {
    size_t bytes = request->body_bytes > 0 ? request->body_bytes : strlen(request->body);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)bytes);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
  }
  if (request->method != NULL) curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
  if (request->method != NULL && strcmp(request->method, "HEAD") == 0) curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
  if (request->method != NULL && strcmp(request->method, "POST") == 0 && request->body == NULL && request->produce == NULL) {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, 0L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
  }
}

void client_send(const struct server_process *server, const struct client_request *request, struct client_answer *out_answer) {
  struct transfer transfer = {.request = request};
  text_append(&transfer.body, "", 0);
  text_append(&transfer.headers, "", 0);
  CURL *curl = curl_easy_init();
  ck_assert_ptr_nonnull(curl);
  struct curl_slist *headers = make_headers(request);
  set_options(curl, server, &transfer, headers);
  CURLcode code = curl_easy_perform(curl);
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  bool was_ended_here = code == CURLE_WRITE_ERROR && request->on_data != NULL;
  if (!request->may_fail) {
    ck_assert_msg(code == CURLE_OK || was_ended_here || (code == CURLE_SEND_ERROR && status != 0), "%s %s: %s",
                  request->method != NULL ? request->method : "", request->path, curl_easy_strerror(code));
  }
  curl_slist_free_all(headers);
  curl_easy_cleanup(curl);
  *out_answer = (struct client_answer){(int)status, transfer.body.bytes, transfer.body.count, transfer.headers.bytes};
}

void answer_deinit(struct client_answer *answer) {
  free(answer->body);
  free(answer->headers);
  *answer = (struct client_answer){0};
}

void client_get(const struct server_process *server, const char *path, struct client_answer *out_answer) {
  client_send(server, &(struct client_request){.path = path}, out_answer);
}

void client_post_json(const struct server_process *server, const char *path, const char *json, struct client_answer *out_answer) {
  client_send(server, &(struct client_request){.method = "POST", .path = path, .body = json}, out_answer);
}

void client_post_csv(const struct server_process *server, const char *path, const char *csv, struct client_answer *out_answer) {
  client_send(server, &(struct client_request){.method = "POST", .path = path, .body = csv, .content_type = "text/csv"}, out_answer);
}

void client_delete(const struct server_process *server, const char *path, struct client_answer *out_answer) {
  client_send(server, &(struct client_request){.method = "DELETE", .path = path}, out_answer);
}

json_t *client_expect_json(const struct server_process *server, const struct client_request *request, int expected_status) {
  struct client_answer answer;
  client_send(server, request, &answer);
  ck_assert_msg(answer.status == expected_status, "%s %s: status %d, expected %d: %.2000s", request->method != NULL ? request->method : "",
                request->path, answer.status, expected_status, answer.body);
  json_t *json = answer.body_bytes == 0 ? NULL : answer_get_json(&answer);
  answer_deinit(&answer);
  return json;
}

json_t *client_get_json(const struct server_process *server, const char *path, int expected_status) {
  return client_expect_json(server, &(struct client_request){.path = path}, expected_status);
}

void client_expect_refusal(const struct server_process *server, const char *path, const char *json, const char *pointer,
                           const char *words) {
  json_t *problem = client_expect_json(server, &(struct client_request){.path = path, .body = json}, 422);
  const char *first = json_text_at(problem, "/errors/0/pointer"), *detail = json_text_at(problem, "/errors/0/detail");
  ck_assert_msg(strcmp(first, pointer) == 0 && strstr(detail, words) != NULL, "%s: %s", first, detail);
  json_decref(problem);
}

const char *answer_get_header(const struct client_answer *answer, const char *name) {
  static char value[1024];
  value[0] = '\0';
  size_t name_length = strlen(name);
  for (const char *line = answer->headers; line != NULL && *line != '\0';) {
    const char *end = strchr(line, '\n');
    size_t length = end == NULL ? strlen(line) : (size_t)(end - line);
    if (length > name_length && strncasecmp(line, name, name_length) == 0 && line[name_length] == ':') {
      const char *start = line + name_length + 1;
      start += strspn(start, " ");
      size_t value_length = strcspn(start, "\r\n");
      snprintf(value, sizeof value, "%.*s", (int)value_length, start);
    }
    line = end == NULL ? NULL : end + 1;
  }
  return value;
}

json_t *answer_get_json(const struct client_answer *answer) {
  json_error_t error;
  json_t *json = json_loadb(answer->body, answer->body_bytes, JSON_DECODE_ANY, &error);
  ck_assert_msg(json != NULL, "not JSON (%s): %.1000s", error.text, answer->body);
  return json;
}

json_t *json_at(const json_t *json, const char *pointer) {
  const json_t *at = json;
  while (at != NULL && *pointer == '/') {
    char key[256];
    size_t length = strcspn(pointer + 1, "/");
    snprintf(key, sizeof key, "%.*s", (int)length, pointer + 1);
    pointer += 1 + length;
    at = json_is_array(at) ? json_array_get(at, strtoull(key, NULL, 10)) : json_object_get(at, key);
  }
  return (json_t *)at;
}

const char *json_text_at(const json_t *json, const char *pointer) {
  const char *text = json_string_value(json_at(json, pointer));
  return text == NULL ? "" : text;
}

double json_number_at(const json_t *json, const char *pointer) {
  const json_t *at = json_at(json, pointer);
  return json_is_number(at) ? json_number_value(at) : (double)NAN;
}

static bool is_one_of(const char *text, const char *texts) {
  size_t length = strlen(text);
  for (const char *at = texts; at != NULL; at = strchr(at, '|'), at = at == NULL ? NULL : at + 1) {
    if (strncmp(at, text, length) == 0 && (at[length] == '|' || at[length] == '\0') && length > 0) return true;
  }
  return false;
}

static long now_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

json_t *client_wait_for(const struct server_process *server, const char *path, const char *pointer, const char *texts, long timeout_ms) {
  long deadline = now_ms() + timeout_ms;
  for (;;) {
    json_t *json = client_get_json(server, path, 200);
    if (is_one_of(json_text_at(json, pointer), texts)) return json;
    ck_assert_msg(now_ms() < deadline, "%s: %s is still \"%s\", not %s", path, pointer, json_text_at(json, pointer), texts);
    json_decref(json);
    poll(NULL, 0, POLL_PAUSE_MS);
  }
}

char *client_send_raw(const struct server_process *server, const char *bytes, size_t byte_count, long timeout_ms) {
  int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ck_assert_int_ge(connection, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)server->port)};
  inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  ck_assert_int_eq(connect(connection, (const struct sockaddr *)&address, sizeof address), 0);
  for (size_t sent = 0; sent < byte_count;) {
    ssize_t count = send(connection, bytes + sent, byte_count - sent, MSG_NOSIGNAL);
    if (count <= 0) break;
    sent += (size_t)count;
  }
  struct text text = {0};
  text_append(&text, "", 0);
  long deadline = now_ms() + timeout_ms;
  for (;;) {
    struct pollfd entry = {.fd = connection, .events = POLLIN};
    long left = deadline - now_ms();
    if (left <= 0 || poll(&entry, 1, (int)left) <= 0) break;
    char part[4096];
    ssize_t count = recv(connection, part, sizeof part, 0);
    if (count <= 0) break;
    text_append(&text, part, (size_t)count);
  }
  close(connection);
  return text.bytes;
}

int raw_get_status(const char *text) { return strncmp(text, "HTTP/1.", 7) == 0 && strlen(text) > 12 ? atoi(text + 9) : 0; }
