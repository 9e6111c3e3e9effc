/* The target of a request line, "/v1/jobs/a%20b?limit=5", taken apart. Called by the MHD thread; nothing here allocates. */
#ifndef SERVER_HTTP_REQUEST_TARGET_H
#define SERVER_HTTP_REQUEST_TARGET_H

#include "server/api/exchange.h"

struct request_target {
  const char *path;
  size_t query_count;
  struct request_query query[REQUEST_QUERY_MAX];
};

/* Decodes `text` in place; the target points into it. %2f, %5c and escaped control characters of the path stand in it as PATH_ESCAPE says.
 * ERROR_MALFORMED: not a path, a broken escape, %00, control characters, a "." or ".." segment, bytes that aren't UTF-8, more than
 * REQUEST_QUERY_MAX parameters. */
__attribute__((warn_unused_result)) enum error_code request_target_parse(char *text, struct request_target *out_target,
                                                                         struct error *error);

/* Is it well-formed UTF-8 (RFC 3629)? */
bool is_utf8_text(const char *text);

#endif
