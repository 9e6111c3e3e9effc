#include "tests/support/wire.h"

#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 30000 };

int wire_connect(const char *url) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(strrchr(url, ':') + 1))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  ck_assert_int_ge(client, 0);
  ck_assert_msg(connect(client, (struct sockaddr *)&address, sizeof address) == 0, "connect %s: %s", url, strerror(errno));
  (void)setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return client;
}

bool wire_send_bytes(int socket, const void *bytes, size_t byte_count) {
  const char *from = bytes;
  while (byte_count > 0) {
    ssize_t sent = send(socket, from, byte_count, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    from += sent;
    byte_count -= (size_t)sent;
  }
  return true;
}

bool wire_send(int socket, const char *text) { return wire_send_bytes(socket, text, strlen(text)); }

char *wire_receive_until(int socket, const char *text, int patience_ms) {
  size_t bytes = 0, capacity = 1 << 16;
  char *received = malloc(capacity);
  ck_assert_ptr_nonnull(received);
  received[0] = 0;
  struct pollfd wanted = {.fd = socket, .events = POLLIN};
  while (!(text && strstr(received, text)) && poll(&wanted, 1, patience_ms) > 0) {
    if (bytes + 4096 > capacity) {
      received = realloc(received, capacity *= 2);
      ck_assert_ptr_nonnull(received);
    }
    ssize_t got = recv(socket, received + bytes, 4095, 0);
    if (got <= 0) break;
    bytes += (size_t)got;
    received[bytes] = 0;
  }
  return received;
}

bool wire_is_closed(int socket, int patience_ms) {
  struct pollfd wanted = {.fd = socket, .events = POLLIN};
  char ignored[4096];
  while (poll(&wanted, 1, patience_ms) > 0) {
    if (recv(socket, ignored, sizeof ignored, 0) <= 0) return true;
  }
  return false;
}

char *wire_exchange(const char *url, const char *request) {
  int client = wire_connect(url);
  (void)wire_send(client, request);
  char *response = wire_receive_until(client, NULL, PATIENCE_MS);
  close(client);
  return response;
}

int wire_get_status(const char *response) {
  int status;
  return sscanf(response, "HTTP/1.1 %3d", &status) == 1 ? status : 0;
}

const char *wire_get_header(const char *response, const char *name) {
  static char value[1024];
  const char *end = strstr(response, "\r\n\r\n");
  size_t name_bytes = strlen(name);
  for (const char *line = strstr(response, "\r\n"); line && line < end; line = strstr(line + 2, "\r\n")) {
    if (strncasecmp(line + 2, name, name_bytes) != 0 || line[2 + name_bytes] != ':') continue;
    const char *from = line + 2 + name_bytes + 1;
    from += strspn(from, " ");
    (void)snprintf(value, sizeof value, "%.*s", (int)strcspn(from, "\r"), from);
    return value;
  }
  return "";
}

const char *wire_get_body(const char *response) {
  const char *end = strstr(response, "\r\n\r\n");
  return end ? end + 4 : "";
}
