/* An HTTP client for tests: libcurl behind one function, and a raw socket for what libcurl would never send.
 *
 * A request that gets no answer at all ends the test through Check, unless it says may_fail. Free an answer with answer_deinit.
 */
#ifndef TESTS_SUPPORT_HTTP_CLIENT_H
#define TESTS_SUPPORT_HTTP_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "tests/support/server_process.h"

struct client_request {
  const char *method;         /* NULL: GET, or POST where there is a body */
  const char *path;           /* with its query, as it goes over the wire: "/v1/jobs?limit=2" */
  const char *content_type;   /* NULL: application/json where there is a body; "": none sent */
  const char *body;           /* NULL: none */
  size_t body_bytes;          /* 0: strlen(body) */
  const char *const *headers; /* "Name: value", NULL at the end; or NULL */
  /* The answer's body as it arrives (a stream of events); false ends the request. NULL: collected in the answer. */
  bool (*on_data)(void *context, const char *bytes, size_t byte_count);
  /* The request's body, part by part, chunked; 0 ends it. Instead of `body`. */
  size_t (*produce)(void *context, char *buffer, size_t buffer_bytes);
  void *context;
  long timeout_ms; /* 0: two minutes */
  bool may_fail;   /* then status 0 means that no answer came */
};

struct client_answer {
  int status;
  char *body; /* NUL-terminated */
  size_t body_bytes;
  char *headers; /* all lines as they came */
};

void client_send(const struct server_process *server, const struct client_request *request, struct client_answer *out_answer);
void answer_deinit(struct client_answer *answer);

/* The common cases. */
void client_get(const struct server_process *server, const char *path, struct client_answer *out_answer);
void client_post_json(const struct server_process *server, const char *path, const char *json, struct client_answer *out_answer);
void client_post_csv(const struct server_process *server, const char *path, const char *csv, struct client_answer *out_answer);
void client_delete(const struct server_process *server, const char *path, struct client_answer *out_answer);

/* The same, asserting the status and returning the body as JSON (NULL if it is empty); free it with json_decref. */
json_t *client_get_json(const struct server_process *server, const char *path, int expected_status);
json_t *client_expect_json(const struct server_process *server, const struct client_request *request, int expected_status);

/* Posts JSON that is refused with 422, first of all for the field at `pointer`, with a sentence that has `words` in it. */
void client_expect_refusal(const struct server_process *server, const char *path, const char *json, const char *pointer, const char *words);

/* The value of a header (any case of its name), or "" if it is missing; in a buffer that the next call overwrites. */
const char *answer_get_header(const struct client_answer *answer, const char *name);
/* The body as JSON; ends the test if it isn't. */
json_t *answer_get_json(const struct client_answer *answer);

/* Value at a JSON pointer ("/errors/0/pointer"), borrowed; NULL if there is none. */
json_t *json_at(const json_t *json, const char *pointer);
/* String at a pointer, or "". */
const char *json_text_at(const json_t *json, const char *pointer);
/* Number at a pointer; NAN if there is none. */
double json_number_at(const json_t *json, const char *pointer);

/* GETs `path` until the text at `pointer` is one of `texts` (separated by |); ends the test after `timeout_ms`. Returns the last body. */
json_t *client_wait_for(const struct server_process *server, const char *path, const char *pointer, const char *texts, long timeout_ms);

/* Sends bytes as they are over a connection of their own and reads until the server closes it, or for `timeout_ms`. Returns a malloc'd
 * text, "" if nothing came. */
char *client_send_raw(const struct server_process *server, const char *bytes, size_t byte_count, long timeout_ms);
/* Status of the first answer in such a text; 0 if there is none. */
int raw_get_status(const char *text);

#endif
