/* The guards' rules. Where the HTTP standard lets a server be generous, we refuse: two programs that read a message differently are what
 * request smuggling needs, and a page of another site that gets through to us is what DNS rebinding and CSRF need.
 */
#include "server/http/guard.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const header_names[HEADER_COUNT] = {
    [HEADER_HOST] = "Host",
    [HEADER_ORIGIN] = "Origin",
    [HEADER_AUTHORIZATION] = "Authorization",
    [HEADER_CONTENT_LENGTH] = "Content-Length",
    [HEADER_TRANSFER_ENCODING] = "Transfer-Encoding",
    [HEADER_CONTENT_TYPE] = "Content-Type",
    [HEADER_CONTENT_ENCODING] = "Content-Encoding",
    [HEADER_EXPECT] = "Expect",
    [HEADER_IDEMPOTENCY_KEY] = "Idempotency-Key",
    [HEADER_LAST_EVENT_ID] = "Last-Event-ID",
    [HEADER_ACCEPT] = "Accept",
    [HEADER_IF_NONE_MATCH] = "If-None-Match",
};

/* RFC 9110's token: what a header's name consists of. A space before the colon is how "Transfer-Encoding : chunked" hides. */
static bool is_header_name(const char *name) {
  for (const char *s = name; *s; s++) {
    if (!isalnum((unsigned char)*s) && !strchr("!#$%&'*+-.^_`|~", *s)) return false;
  }
  return *name != 0;
}

void head_add(struct head *head, const char *name, const char *value, size_t value_bytes) {
  if (!value) value = "", value_bytes = 0;
  if (strlen(value) != value_bytes) head->defect = "a header must not contain a zero byte";
  if (!is_header_name(name))
    head->defect = "a header's name consists of letters, digits and !#$%&'*+-.^_`|~, with the colon right after it";
  for (int i = 0; i < HEADER_COUNT; i++) {
    if (strcasecmp(name, header_names[i]) != 0) continue;
    if (head->counts[i]++ == 0) head->values[i] = value;
    return;
  }
}

static enum error_code parse_content_length(const char *text, int64_t *out_bytes, struct error *error) {
  size_t digits = strspn(text, "0123456789");
  if (digits == 0 || text[digits] || digits > 18) {
    return error_set(error, ERROR_MALFORMED, "Content-Length must be one number of at most 18 digits");
  }
  *out_bytes = strtoll(text, NULL, 10);
  return ERROR_NONE;
}

enum error_code guard_check_framing(const struct head *head, int64_t *out_body_bytes, struct error *error) {
  const char *encoding = head->values[HEADER_TRANSFER_ENCODING], *length = head->values[HEADER_CONTENT_LENGTH];
  bool is_1_1 = strcmp(head->version, "HTTP/1.1") == 0;
  *out_body_bytes = 0;
  if (!is_1_1 && strcmp(head->version, "HTTP/1.0") != 0) return error_set(error, ERROR_MALFORMED, "the HTTP version must be 1.0 or 1.1");
  if (head->defect) return error_set(error, ERROR_MALFORMED, "%s", head->defect);
  if (!head->values[HEADER_HOST]) return error_set(error, ERROR_MALFORMED, "the Host header is missing");
  for (int i = 0; i < HEADER_ACCEPT; i++) {
    if (head->counts[i] > 1) return error_set(error, ERROR_MALFORMED, "the %s header must not be repeated", header_names[i]);
  }
  if (encoding && length) return error_set(error, ERROR_MALFORMED, "a request must not have both Transfer-Encoding and Content-Length");
  if (encoding && (!is_1_1 || strcasecmp(encoding, "chunked") != 0)) {
    return error_set(error, ERROR_MALFORMED, "the only Transfer-Encoding taken is chunked, in HTTP/1.1");
  }
  if (encoding) *out_body_bytes = BODY_CHUNKED;
  return length ? parse_content_length(length, out_body_bytes, error) : ERROR_NONE;
}

/* Splits "name:port" or "[::1]:port"; *out_port −1 if there is none. False if it is neither. */
static bool split_host(const char *text, size_t *out_name_bytes, long *out_port) {
  const char *end = text;
  if (*text == '[') {
    end += strspn(text + 1, "0123456789abcdefABCDEF:.") + 1;
    if (*end++ != ']') return false;
  } else {
    end += strcspn(text, ":");
    for (const char *s = text; s < end; s++) {
      if (!isalnum((unsigned char)*s) && !strchr("-._", *s)) return false;
    }
  }
  *out_name_bytes = (size_t)(end - text);
  *out_port = -1;
  if (*out_name_bytes == 0 || !*end) return *out_name_bytes > 0;
  const char *digits = end + 1;
  size_t digit_count = strspn(digits, "0123456789");
  if (*end != ':' || digit_count == 0 || digit_count > 5 || digits[digit_count]) return false;
  *out_port = strtol(digits, NULL, 10);
  return true;
}

static bool is_same_name(const char *a, size_t a_bytes, const char *b, size_t b_bytes) {
  return a_bytes == b_bytes && strncasecmp(a, b, a_bytes) == 0;
}

enum error_code host_list_init(struct host_list *list, const char *allowed, const char *own_host, uint16_t port, struct error *error) {
  *list = (struct host_list){.port = port};
  (void)snprintf(list->own_host, sizeof list->own_host, "%s", own_host);
  size_t bytes = allowed ? strlen(allowed) : 0;
  list->names = calloc(bytes + 2, 1);
  if (!list->names) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for the allowed hosts");
  char *to = list->names;
  for (const char *from = allowed ? allowed : ""; *from;) {
    from += strspn(from, ", ");
    size_t length = strcspn(from, ", ");
    if (length == 0) break;
    memcpy(to, from, length);
    size_t name_bytes;
    long name_port;
    if (!split_host(to, &name_bytes, &name_port)) {
      enum error_code code = error_set(error, ERROR_INVALID, "allowed host \"%s\" is neither name nor name:port", to);
      host_list_deinit(list);
      return code;
    }
    to += length + 1;
    from += length;
  }
  return ERROR_NONE;
}

void host_list_deinit(struct host_list *list) {
  free(list->names);
  list->names = NULL;
}

/* Is it one of the names of --allowed-hosts? One without a port there stands for every port. */
static bool is_named(const struct host_list *list, const char *name, size_t name_bytes, long port) {
  for (const char *entry = list->names; *entry; entry += strlen(entry) + 1) {
    size_t entry_bytes;
    long entry_port;
    if (!split_host(entry, &entry_bytes, &entry_port)) continue;
    if (is_same_name(name, name_bytes, entry, entry_bytes) && (entry_port == -1 || entry_port == port)) return true;
  }
  return false;
}

/* Is "name" or "name:port" one that we go by? */
static bool is_own(const struct host_list *list, const char *host) {
  static const char *const loopback_names[] = {"localhost", "127.0.0.1", "[::1]"};
  size_t name_bytes;
  long port;
  if (!split_host(host, &name_bytes, &port)) return false;
  if (port == -1 || port == list->port) {
    for (size_t i = 0; i < sizeof loopback_names / sizeof *loopback_names; i++) {
      if (is_same_name(host, name_bytes, loopback_names[i], strlen(loopback_names[i]))) return true;
    }
    if (is_same_name(host, name_bytes, list->own_host, strlen(list->own_host))) return true;
  }
  return is_named(list, host, name_bytes, port);
}

enum error_code guard_check_host(const struct host_list *list, const struct head *head, struct error *error) {
  if (is_own(list, head->values[HEADER_HOST])) return ERROR_NONE;
  return error_set(error, ERROR_FORBIDDEN, "the Host of this request is not one of this server's; --allowed-hosts adds names");
}

/* Is `authority`, of a page with this default port, the same place as `host`? */
static bool is_same_place(const char *authority, long default_port, const char *host) {
  size_t authority_bytes, host_bytes;
  long authority_port, host_port;
  if (!split_host(authority, &authority_bytes, &authority_port) || !split_host(host, &host_bytes, &host_port)) return false;
  if (authority_port == -1) authority_port = default_port;
  if (host_port == -1) host_port = default_port;
  return authority_port == host_port && is_same_name(authority, authority_bytes, host, host_bytes);
}

enum error_code guard_check_origin(const struct host_list *list, const struct head *head, struct error *error) {
  const char *origin = head->values[HEADER_ORIGIN];
  bool is_read = strcmp(head->method, "GET") == 0 || strcmp(head->method, "HEAD") == 0 || strcmp(head->method, "OPTIONS") == 0;
  if (!origin || is_read) return ERROR_NONE;
  const char *authority = strncasecmp(origin, "http://", 7) == 0 ? origin + 7 : strncasecmp(origin, "https://", 8) == 0 ? origin + 8 : NULL;
  if (authority) {
    long default_port = authority == origin + 7 ? 80 : 443;
    if (is_same_place(authority, default_port, head->values[HEADER_HOST])) return ERROR_NONE;
    /* Otherwise only --allowed-hosts count: another server on this machine's loopback is as foreign as any. */
    size_t name_bytes;
    long port;
    if (split_host(authority, &name_bytes, &port) && is_named(list, authority, name_bytes, port == -1 ? default_port : port))
      return ERROR_NONE;
  }
  return error_set(error, ERROR_FORBIDDEN, "a page of another origin must not change anything here");
}

bool guard_is_media_type(const char *content_type, const char *media_type) {
  if (!content_type) return false;
  size_t length = strcspn(content_type, "; \t");
  if (length != strlen(media_type) || strncasecmp(content_type, media_type, length) != 0) return false;
  const char *rest = content_type + length;
  for (;;) {
    rest += strspn(rest, " \t");
    if (!*rest) return true;
    if (*rest != ';') return false;
    rest += 1 + strspn(rest + 1, " \t");
    if (strncasecmp(rest, "charset=", 8) == 0) {
      const char *charset = rest + 8;
      bool is_quoted = *charset == '"';
      charset += is_quoted;
      if (strncasecmp(charset, "utf-8", 5) != 0) return false;
      if (is_quoted ? charset[5] != '"' : charset[5] && !strchr("; \t", charset[5])) return false;
    }
    rest += strcspn(rest, ";");
  }
}
