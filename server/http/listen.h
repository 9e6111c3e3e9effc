/* Opens the socket that we listen on. */
#ifndef SERVER_HTTP_LISTEN_H
#define SERVER_HTTP_LISTEN_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/error.h"

struct listener {
  int socket;
  uint16_t port; /* the real one */
  bool is_loopback, is_ipv6;
  char host[256]; /* as it stands in a Host header: "127.0.0.1", "[::1]", "localhost" */
  char url[300];  /* "http://127.0.0.1:8080" */
};

/* `address`: "127.0.0.1:8080", "[::1]:0", "localhost:8080"; an empty host is every address of the machine. Refuses one that isn't loopback
 * unless `is_open_allowed`. ERROR_INVALID: not an address, or not allowed; ERROR_UNAVAILABLE: it is taken. */
__attribute__((warn_unused_result)) enum error_code listen_open(const char *address, bool is_open_allowed, struct listener *out_listener,
                                                                struct error *error);

#endif
