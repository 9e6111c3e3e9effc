/* Addresses to listen on: taken apart, resolved, bound. */
#include "server/http/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

/* "[::1]:80" → "::1", "80". */
static enum error_code split_address(const char *address, char *host, size_t host_bytes, const char **out_port, struct error *error) {
  const char *colon = strrchr(address, ':');
  size_t length = colon ? (size_t)(colon - address) : 0;
  bool has_brackets = length >= 2 && address[0] == '[' && address[length - 1] == ']';
  const char *digits = colon ? colon + 1 : "";
  bool is_port = *digits && strspn(digits, "0123456789") == strlen(digits) && strlen(digits) <= 5 && atoi(digits) <= 65535;
  bool is_host = length < host_bytes && (has_brackets || !memchr(address, ':', length));
  if (!is_port || !is_host) {
    return error_set(error, ERROR_INVALID, "\"%s\" is no address to listen on; write host:port, as 127.0.0.1:8080 or [::1]:8080", address);
  }
  if (has_brackets) address++, length -= 2;
  memcpy(host, address, length);
  host[length] = 0;
  *out_port = digits;
  return ERROR_NONE;
}

static bool is_loopback(const struct sockaddr *address) {
  if (address->sa_family == AF_INET) return ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr) >> 24 == 127;
  if (address->sa_family == AF_INET6) return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
  return false;
}

static enum error_code bind_socket(const struct addrinfo *info, const char *address, struct listener *listener, struct error *error) {
  int on = 1;
  listener->socket = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener->socket < 0) return error_set(error, ERROR_UNAVAILABLE, "can't open a socket for %s: %s", address, strerror(errno));
  (void)setsockopt(listener->socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  (void)setsockopt(listener->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct sockaddr_storage bound;
  socklen_t bound_bytes = sizeof bound;
  if (bind(listener->socket, info->ai_addr, info->ai_addrlen) < 0 || listen(listener->socket, BACKLOG) < 0 ||
      getsockname(listener->socket, (struct sockaddr *)&bound, &bound_bytes) < 0) {
    enum error_code code = error_set(error, ERROR_UNAVAILABLE, "can't listen on %s: %s", address, strerror(errno));
    close(listener->socket);
    listener->socket = -1;
    return code;
  }
  listener->is_ipv6 = info->ai_family == AF_INET6;
  listener->port =
      ntohs(listener->is_ipv6 ? ((const struct sockaddr_in6 *)&bound)->sin6_port : ((const struct sockaddr_in *)&bound)->sin_port);
  return ERROR_NONE;
}

enum error_code listen_open(const char *address, bool is_open_allowed, struct listener *out_listener, struct error *error) {
  *out_listener = (struct listener){.socket = -1};
  char host[sizeof out_listener->host - 2];
  const char *port = NULL;
  enum error_code code = split_address(address, host, sizeof host, &port, error);
  if (code != ERROR_NONE) return code;
  struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *infos;
  int failure = getaddrinfo(*host ? host : NULL, port, &hints, &infos);
  if (failure) return error_set(error, ERROR_INVALID, "can't find the address %s: %s", address, gai_strerror(failure));
  out_listener->is_loopback = true;
  for (const struct addrinfo *info = infos; info; info = info->ai_next) out_listener->is_loopback &= is_loopback(info->ai_addr);
  if (!out_listener->is_loopback && !is_open_allowed) {
    code = error_set(error, ERROR_INVALID, "%s can be reached from other machines; that needs a token (--token-file)", address);
  }
  for (const struct addrinfo *info = infos; info && code == ERROR_NONE; info = info->ai_next) {
    code = bind_socket(info, address, out_listener, error);
    if (code == ERROR_NONE) break;
    if (info->ai_next) error_clear(error), code = ERROR_NONE; /* "localhost" may name an IPv6 address that this machine doesn't have */
  }
  freeaddrinfo(infos);
  if (code != ERROR_NONE) return code;
  if (!*host) (void)snprintf(host, sizeof host, "%s", out_listener->is_ipv6 ? "::" : "0.0.0.0");
  (void)snprintf(out_listener->host, sizeof out_listener->host, strchr(host, ':') ? "[%s]" : "%s", host);
  (void)snprintf(out_listener->url, sizeof out_listener->url, "http://%s:%u", out_listener->host, (unsigned)out_listener->port);
  return ERROR_NONE;
}
