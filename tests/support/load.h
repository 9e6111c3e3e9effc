/* A small load generator: one thread, N keep-alive connections, each sends the same request again as soon as its answer is whole. */
#ifndef TESTS_SUPPORT_LOAD_H
#define TESTS_SUPPORT_LOAD_H

#include <stddef.h>

struct load_options {
  int port;            /* on 127.0.0.1 */
  const char *request; /* whole HTTP/1.1 request, borrowed */
  size_t connections;  /* at most 256 */
  double seconds;
};

struct load_result {
  size_t requests, errors; /* errors: answers that are not 200, broken connections */
  double seconds;
  double p50_us, p99_us, max_us;
};

/* Runs the load. Returns 0, or −1 if no connection could be made. */
int load_run(const struct load_options *options, struct load_result *out_result);

#endif
