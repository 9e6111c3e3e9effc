/* A request and its response as plain data: what a handler sees, without sockets. server/http fills and sends them; tests call handlers
 * with structs of their own.
 *
 * Threads: a handler runs on one of http's handler threads, or on any thread of a test, and may block.
 */
#ifndef SERVER_API_EXCHANGE_H
#define SERVER_API_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

enum { REQUEST_QUERY_MAX = 16, RESPONSE_HEADERS_MAX = 8 };

/* In a path, an escaped slash, backslash or control character (%2F, %5C, %0A), which must not be taken for one that separates: this, and
 * the character with that bit turned over. Only routes with ROUTE_ESCAPES meet it, and get it restored. */
#define PATH_ESCAPE '\x01'
#define PATH_ESCAPE_BIT 0x40

struct request_query {
  const char *name, *value; /* percent-decoded UTF-8 */
};

struct request {
  const char *method; /* "GET" */
  const char *path;   /* "/v1/jobs/job_…", percent-decoded */
  char id[128];       /* what stands for {id} in the route's path; "" if it has none */
  char part[520];     /* … for a second {…}, a part of what `id` names: a column */
  size_t query_count;
  struct request_query query[REQUEST_QUERY_MAX];
  const char *content_type, *accept, *idempotency_key, *last_event_id, *if_none_match; /* NULL: not sent */
  const char *request_id;
  const char *body; /* whole, NUL-terminated, unless the route streams its body */
  size_t body_bytes;
  /* ROUTE_STREAMS_BODY: blocks for the next part of the body; *out_bytes 0 at its end. ERROR_TIMEOUT, ERROR_MALFORMED (broken off). */
  enum error_code (*read)(void *read_context, void *buffer, size_t buffer_bytes, size_t *out_bytes, struct error *error);
  void *read_context;
  int64_t body_length; /* Content-Length, or −1 */
  bool may_take_long;  /* it is on a thread for long requests; elsewhere a handler whose work is long sets response->is_deferred instead */
  bool (*is_abandoned)(void *abandon_context); /* NULL: never */
  void *abandon_context;
};
/* Whether nobody waits for the answer any more: the client has closed the connection, or the server is stopping. A long handler asks
 * now and then, and gives up. */
static inline bool request_is_abandoned(const struct request *request) {
  return request->is_abandoned != NULL && request->is_abandoned(request->abandon_context);
}
/* The query's value of that name, or NULL. */
const char *request_get_query(const struct request *request, const char *name);

/* Server-sent events of one stream. Opened by a handler, driven by http. */
struct event_source {
  void *context;
  /* Text that can be sent now ("id: 7\nevent: metrics\ndata: {…}\n\n" …), malloc'd; NULL if there is no news. *out_is_last: end the
   * response after it. Called by one thread at a time; may read the store; does not wait for news. */
  enum error_code (*read)(void *context, char **out_text, size_t *out_bytes, bool *out_is_last, struct error *error);
  /* wake(wake_context) is called, from any thread, when there may be news; must return quickly and not call back. Set
   * once, before the first read. */
  void (*set_wake)(void *context, void (*wake)(void *wake_context), void *wake_context);
  void (*close)(void *context); /* after it returns, wake is not called any more */
};

struct response {
  bool is_deferred;         /* this is no answer: the request is to be handled again where it may take long */
  int status;               /* 200 … */
  const char *content_type; /* static string */
  char *body;               /* malloc'd, taken over */
  size_t body_bytes;
  int file;                   /* ≥ 0 instead of body: an open descriptor, sent from its start, then closed; −1 otherwise */
  struct event_source events; /* instead of body where events.read is set */
  size_t header_count;
  struct {
    const char *name;
    char value[192];
  } headers[RESPONSE_HEADERS_MAX]; /* Location, ETag, Allow, Retry-After, … */
};
void response_init(struct response *response);
void response_deinit(struct response *response);
/* Adds a header; drops a value that has control characters. */
__attribute__((format(printf, 3, 4))) void response_add_header(struct response *response, const char *name, const char *format, ...);

#endif
