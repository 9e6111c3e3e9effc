#include "tests/support/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 256, HEAD_BYTES_MAX = 8192, LATENCIES_MAX = 1 << 22 };

struct connection {
  int socket;
  double sent_at;
  size_t sent, request_bytes;
  char head[HEAD_BYTES_MAX]; /* the answer's head; the body is counted and dropped */
  size_t head_bytes;
  bool in_body;
  size_t body_left;
  bool is_ok;
};

struct load {
  const struct load_options *options;
  int epoll;
  struct connection *connections;
  float *latencies_us;
  struct load_result result;
};

static double now_seconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static int connection_open(struct connection *connection, int port) {
  memset(connection, 0, sizeof *connection);
  connection->socket = socket(AF_INET, SOCK_STREAM, 0);
  if (connection->socket < 0) return -1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  const int on = 1;
  setsockopt(connection->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(connection->socket, (struct sockaddr *)&address, sizeof address) == 0) return 0;
  close(connection->socket);
  connection->socket = -1;
  return -1;
}

/* Requests are small: a blocking send of a few hundred bytes never waits on loopback. */
static void connection_send(struct load *load, struct connection *connection) {
  const char *request = load->options->request;
  size_t left = strlen(request);
  connection->sent_at = now_seconds();
  connection->head_bytes = 0;
  connection->in_body = false;
  while (left > 0) {
    const ssize_t sent = send(connection->socket, request, left, MSG_NOSIGNAL);
    if (sent <= 0) return;
    request += sent;
    left -= (size_t)sent;
  }
}

static void connection_finish(struct load *load, struct connection *connection) {
  struct load_result *result = &load->result;
  if (result->requests < LATENCIES_MAX) load->latencies_us[result->requests] = (float)((now_seconds() - connection->sent_at) * 1e6);
  result->requests++;
  if (!connection->is_ok) result->errors++;
  connection_send(load, connection);
}

/* Takes the head once it is whole; what follows it is body. */
static void connection_take_head(struct connection *connection) {
  connection->head[connection->head_bytes] = '\0';
  char *end = strstr(connection->head, "\r\n\r\n");
  if (end == NULL) return;
  connection->is_ok = strncmp(connection->head, "HTTP/1.1 200", 12) == 0;
  const char *length = strcasestr(connection->head, "\r\nContent-Length:");
  const size_t body = length ? (size_t)strtoull(length + 17, NULL, 10) : 0;
  const size_t had = connection->head_bytes - (size_t)(end + 4 - connection->head);
  connection->body_left = body > had ? body - had : 0;
  connection->in_body = true;
}

static bool connection_receive(struct load *load, struct connection *connection) {
  char dropped[65536];
  ssize_t got;
  if (connection->in_body) {
    got = recv(connection->socket, dropped, connection->body_left < sizeof dropped ? connection->body_left : sizeof dropped, MSG_DONTWAIT);
    if (got > 0) connection->body_left -= (size_t)got;
  } else {
    got = recv(connection->socket, connection->head + connection->head_bytes, HEAD_BYTES_MAX - 1 - connection->head_bytes, MSG_DONTWAIT);
    if (got > 0) {
      connection->head_bytes += (size_t)got;
      connection_take_head(connection);
    }
  }
  if (got == 0 || (got < 0 && errno != EAGAIN)) return false;
  if (connection->in_body && connection->body_left == 0) connection_finish(load, connection);
  return true;
}

static int compare_floats(const void *left, const void *right) {
  const float a = *(const float *)left, b = *(const float *)right;
  return (a > b) - (a < b);
}

static void summarize(struct load *load) {
  struct load_result *result = &load->result;
  const size_t count = result->requests < LATENCIES_MAX ? result->requests : LATENCIES_MAX;
  if (count == 0) return;
  qsort(load->latencies_us, count, sizeof(float), compare_floats);
  result->p50_us = load->latencies_us[count / 2];
  result->p99_us = load->latencies_us[count * 99 / 100];
  result->max_us = load->latencies_us[count - 1];
}

static size_t open_all(struct load *load) {
  size_t open = 0;
  for (size_t i = 0; i < load->options->connections; i++) {
    struct connection *connection = &load->connections[i];
    if (connection_open(connection, load->options->port) != 0) continue;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    epoll_ctl(load->epoll, EPOLL_CTL_ADD, connection->socket, &event);
    connection_send(load, connection);
    open++;
  }
  return open;
}

int load_run(const struct load_options *options, struct load_result *out_result) {
  struct load load = {.options = options, .epoll = epoll_create1(0)};
  load.connections = calloc(CONNECTIONS_MAX, sizeof *load.connections);
  load.latencies_us = malloc(LATENCIES_MAX * sizeof *load.latencies_us);
  int status = -1;
  if (load.connections != NULL && load.latencies_us != NULL && load.epoll >= 0 && options->connections <= CONNECTIONS_MAX) {
    const double start = now_seconds();
    size_t open = open_all(&load);
    while (open > 0 && now_seconds() - start < options->seconds) {
      struct epoll_event events[64];
      const int ready = epoll_wait(load.epoll, events, 64, 100);
      for (int i = 0; i < ready; i++) {
        struct connection *connection = events[i].data.ptr;
        if (connection_receive(&load, connection)) continue;
        load.result.errors++;
        epoll_ctl(load.epoll, EPOLL_CTL_DEL, connection->socket, NULL);
        open--;
      }
    }
    load.result.seconds = now_seconds() - start;
    summarize(&load);
    for (size_t i = 0; i < options->connections; i++)
      if (load.connections[i].socket > 0) close(load.connections[i].socket);
    *out_result = load.result;
    status = load.result.requests > 0 ? 0 : -1;
  }
  if (load.epoll >= 0) close(load.epoll);
  free(load.connections);
  free(load.latencies_us);
  return status;
}
