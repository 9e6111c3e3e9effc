/* Request targets: split first, then decoded, so that an escaped '&' or '?' is data; what could mean different things to us and to a proxy
 * before us (a dot segment) is refused, and what is escaped and would separate stands as PATH_ESCAPE (server/api/exchange.h), which no
 * route takes but for names that may hold it.
 */
#include "server/http/request_target.h"

#include <string.h>

static int decode_hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_utf8_text(const char *text) {
  for (const unsigned char *s = (const unsigned char *)text; *s;) {
    size_t length = *s < 0x80 ? 1 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : 4;
    if ((*s >= 0x80 && *s < 0xc2) || *s > 0xf4) return false;
    for (size_t i = 1; i < length; i++) {
      if ((s[i] & 0xc0) != 0x80) return false;
    }
    bool is_overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool is_surrogate = s[0] == 0xed && s[1] > 0x9f;
    bool is_beyond_unicode = s[0] == 0xf4 && s[1] > 0x8f;
    if (is_overlong || is_surrogate || is_beyond_unicode) return false;
    s += length;
  }
  return true;
}

static bool is_separator(char c) { return c == '/' || c == '\\' || ((unsigned char)c < 0x20) || c == 0x7f; }

/* Decodes in place. `is_path`: '+' stays, and what is escaped and separates stands as PATH_ESCAPE and another character. */
static enum error_code decode(char *text, bool is_path, struct error *error) {
  char *to = text;
  for (const char *from = text; *from; from++) {
    char c = *from;
    if (c == '%') {
      int high = decode_hex_digit(from[1]), low = high < 0 ? -1 : decode_hex_digit(from[2]);
      if (low < 0) return error_set(error, ERROR_MALFORMED, "the request target has a %% that two hex digits don't follow");
      c = (char)(high * 16 + low);
      from += 2;
      if (c == 0) return error_set(error, ERROR_MALFORMED, "the request target must not contain %%00");
      if (is_path && is_separator(c)) {
        *to++ = PATH_ESCAPE;
        c = (char)(c ^ PATH_ESCAPE_BIT);
      }
    } else if (c == '+' && !is_path) {
      c = ' ';
    }
    *to++ = c;
  }
  *to = 0;
  if (!is_utf8_text(text)) return error_set(error, ERROR_MALFORMED, "the request target must be UTF-8");
  return ERROR_NONE;
}

static bool has_dot_segment(const char *path) {
  for (const char *s = strchr(path, '/'); s; s = strchr(s + 1, '/')) {
    size_t length = strcspn(s + 1, "/");
    if ((length == 1 && s[1] == '.') || (length == 2 && s[1] == '.' && s[2] == '.')) return true;
  }
  return false;
}

static enum error_code parse_query(char *text, struct request_target *target, struct error *error) {
  while (text) {
    char *part = text;
    text = strchr(text, '&');
    if (text) *text++ = 0;
    if (!*part) continue;
    if (target->query_count == REQUEST_QUERY_MAX) {
      return error_set(error, ERROR_MALFORMED, "a request takes at most %d query parameters", REQUEST_QUERY_MAX);
    }
    char *value = strchr(part, '=');
    if (value) *value++ = 0;
    enum error_code code = decode(part, false, error);
    if (code == ERROR_NONE && value) code = decode(value, false, error);
    if (code != ERROR_NONE) return code;
    target->query[target->query_count++] = (struct request_query){.name = part, .value = value ? value : ""};
  }
  return ERROR_NONE;
}

enum error_code request_target_parse(char *text, struct request_target *out_target, struct error *error) {
  *out_target = (struct request_target){.path = text};
  if (*text != '/') return error_set(error, ERROR_MALFORMED, "the request target must be a path that begins with /");
  for (const char *s = text; *s; s++) {
    if ((unsigned char)*s <= ' ' || strchr("#\\\x7f", *s)) {
      return error_set(error, ERROR_MALFORMED, "the request target must not contain spaces, control characters, # or \\");
    }
  }
  char *query = strchr(text, '?');
  if (query) *query++ = 0;
  enum error_code code = decode(text, true, error);
  if (code != ERROR_NONE) return code;
  if (has_dot_segment(text)) return error_set(error, ERROR_MALFORMED, "the path must not contain . or .. segments");
  return parse_query(query, out_target, error);
}
