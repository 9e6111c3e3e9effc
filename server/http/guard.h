/* The guards: what a request's head must say before anything else looks at it. Pure functions of the head; the MHD thread calls them in a
 * request's first call, before the body. DESIGN.md section 5 is what they keep.
 */
#ifndef SERVER_HTTP_GUARD_H
#define SERVER_HTTP_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

/* The headers that we look at. */
enum header {
  HEADER_HOST,
  HEADER_ORIGIN,
  HEADER_AUTHORIZATION,
  HEADER_CONTENT_LENGTH,
  HEADER_TRANSFER_ENCODING,
  HEADER_CONTENT_TYPE,
  HEADER_CONTENT_ENCODING,
  HEADER_EXPECT,
  HEADER_IDEMPOTENCY_KEY,
  HEADER_LAST_EVENT_ID,
  HEADER_ACCEPT, /* from here on: may be repeated, the first one counts */
  HEADER_IF_NONE_MATCH,
  HEADER_COUNT
};

struct head {
  const char *method;               /* "GET" */
  const char *version;              /* "HTTP/1.1" */
  const char *values[HEADER_COUNT]; /* NULL: not there */
  size_t counts[HEADER_COUNT];
  const char *defect; /* what is wrong with some header; NULL: nothing */
};
/* Notes a header of the request if it is one that we look at. The value is borrowed. */
void head_add(struct head *head, const char *name, const char *value, size_t value_bytes);

enum { BODY_CHUNKED = -1 };
/* One Host, at most one Content-Length, chunked or nothing as Transfer-Encoding, not both, no other header twice; HTTP/1.0 or 1.1.
 * *out_body_bytes: Content-Length, 0 without one, or BODY_CHUNKED. ERROR_MALFORMED. */
__attribute__((warn_unused_result)) enum error_code guard_check_framing(const struct head *head, int64_t *out_body_bytes,
                                                                        struct error *error);

struct host_list {
  char *names;        /* of --allowed-hosts: each NUL-terminated, an empty one at the end; with port or without */
  uint16_t port;      /* ours */
  char own_host[256]; /* the address that we listen on */
};
/* `allowed`: comma separated, or NULL. ERROR_OUT_OF_MEMORY, ERROR_INVALID. */
__attribute__((warn_unused_result)) enum error_code host_list_init(struct host_list *list, const char *allowed, const char *own_host,
                                                                   uint16_t port, struct error *error);
void host_list_deinit(struct host_list *list);

/* Host must be a loopback name or the address that we listen on, with our port or none, or one of the allowed names. ERROR_FORBIDDEN. */
__attribute__((warn_unused_result)) enum error_code guard_check_host(const struct host_list *list, const struct head *head,
                                                                     struct error *error);
/* A write (anything but GET, HEAD, OPTIONS) with an Origin needs one that equals Host or is allowed. ERROR_FORBIDDEN. */
__attribute__((warn_unused_result)) enum error_code guard_check_origin(const struct host_list *list, const struct head *head,
                                                                       struct error *error);

/* Is the Content-Type this media type, in UTF-8 if it says so? */
bool guard_is_media_type(const char *content_type, const char *media_type);

#endif
