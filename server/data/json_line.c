/* Recursive descent over one line. What is wrong is remembered once, in `reason`, and everything then returns. */
#include "server/data/json_line.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistr.h>

struct parser {
  const char *at, *end;
  const char *reason; /* NULL: nothing is wrong so far */
  char *text; /* [twice the line and some]: unescaped, a text is never longer than it was written, and a key is kept with its prefix */
  size_t used;
  json_member_handler *handler;
  void *context;
};

void json_line_reader_deinit(struct json_line_reader *reader) {
  free(reader->text);
  *reader = (struct json_line_reader){0};
}

static bool fail(struct parser *parser, const char *reason) {
  if (parser->reason == NULL) parser->reason = reason;
  return false;
}

static void skip_space(struct parser *parser) {
  while (parser->at < parser->end && (*parser->at == ' ' || *parser->at == '\t' || *parser->at == '\r' || *parser->at == '\n'))
    parser->at++;
}

static bool is_next(struct parser *parser, char character) {
  skip_space(parser);
  return parser->at < parser->end && *parser->at == character;
}

static bool take(struct parser *parser, char character) {
  const bool is_there = is_next(parser, character);
  parser->at += is_there;
  return is_there;
}

/* ---- strings ---- */

static bool take_hex(struct parser *parser, uint32_t *out_unit) {
  *out_unit = 0;
  if (parser->end - parser->at < 4) return fail(parser, "has an escape that ends too early");
  for (int i = 0; i < 4; i++) {
    const char digit = *parser->at++;
    const uint32_t value = digit >= '0' && digit <= '9'   ? (uint32_t)(digit - '0')
                           : digit >= 'a' && digit <= 'f' ? (uint32_t)(digit - 'a' + 10)
                           : digit >= 'A' && digit <= 'F' ? (uint32_t)(digit - 'A' + 10)
                                                          : 16;
    if (value == 16) return fail(parser, "has an escape \\u without four hexadecimal digits");
    *out_unit = *out_unit << 4 | value;
  }
  return true;
}

/* Behind "\u": one unit of UTF-16, or a pair of surrogates; as UTF-8 (at most as long as it was written). */
static bool take_unicode(struct parser *parser) {
  uint32_t unit, low;
  if (!take_hex(parser, &unit)) return false;
  if (unit == 0) return fail(parser, "has a NUL character in a string");
  if (unit >= 0xDC00 && unit <= 0xDFFF) return fail(parser, "has half a pair of surrogates in a string");
  if (unit >= 0xD800 && unit <= 0xDBFF) {
    if (parser->end - parser->at < 6 || parser->at[0] != '\\' || parser->at[1] != 'u')
      return fail(parser, "has half a pair of surrogates in a string");
    parser->at += 2;
    if (!take_hex(parser, &low)) return false;
    if (low < 0xDC00 || low > 0xDFFF) return fail(parser, "has half a pair of surrogates in a string");
    unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
  }
  const int bytes = u8_uctomb((uint8_t *)parser->text + parser->used, unit, 4);
  if (bytes < 0) return fail(parser, "has an escape that is no character");
  parser->used += (size_t)bytes;
  return true;
}

static bool take_escape(struct parser *parser) {
  static const char names[] = "\"\\/bfnrt", characters[] = "\"\\/\b\f\n\r\t";
  const char *name = parser->at < parser->end && *parser->at != '\0' ? strchr(names, *parser->at) : NULL;
  if (parser->at < parser->end && *parser->at == 'u') {
    parser->at++;
    return take_unicode(parser);
  }
  if (name == NULL) return fail(parser, "has an escape that is none in a string");
  parser->at++;
  parser->text[parser->used++] = characters[name - names];
  return true;
}

/* Appends a string's text, without a NUL; the quote is next. */
static bool take_string(struct parser *parser) {
  parser->at++;
  for (;;) {
    const char *plain = parser->at;
    while (parser->at < parser->end && *parser->at != '"' && *parser->at != '\\' && (unsigned char)*parser->at >= 0x20) parser->at++;
    memcpy(parser->text + parser->used, plain, (size_t)(parser->at - plain));
    parser->used += (size_t)(parser->at - plain);
    if (parser->at == parser->end) return fail(parser, "has a string that never ends");
    const char character = *parser->at++;
    if (character == '"') return true;
    if (character != '\\') return fail(parser, "has a control character in a string, which must be escaped");
    if (!take_escape(parser)) return false;
  }
}

/* ---- other values ---- */

static size_t skip_digits(struct parser *parser) {
  const char *first = parser->at;
  while (parser->at < parser->end && *parser->at >= '0' && *parser->at <= '9') parser->at++;
  return (size_t)(parser->at - first);
}

static bool skip_number(struct parser *parser) {
  if (*parser->at == '-') parser->at++;
  const bool begins_with_zero = parser->at < parser->end && *parser->at == '0';
  const size_t digits = skip_digits(parser);
  if (digits == 0) return fail(parser, "has a value that is none");
  if (begins_with_zero && digits > 1) return fail(parser, "has a number that begins with 0");
  if (parser->at < parser->end && *parser->at == '.') {
    parser->at++;
    if (skip_digits(parser) == 0) return fail(parser, "has a number that ends with a point");
  }
  if (parser->at < parser->end && (*parser->at == 'e' || *parser->at == 'E')) {
    parser->at++;
    if (parser->at < parser->end && (*parser->at == '+' || *parser->at == '-')) parser->at++;
    if (skip_digits(parser) == 0) return fail(parser, "has a number without digits in its exponent");
  }
  return true;
}

static bool skip_word(struct parser *parser) {
  static const char *const words[] = {"true", "false", "null"};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    const size_t bytes = strlen(words[i]);
    if ((size_t)(parser->end - parser->at) < bytes || memcmp(parser->at, words[i], bytes) != 0) continue;
    parser->at += bytes;
    return true;
  }
  return fail(parser, "has a value that is none");
}

static bool skip_value(struct parser *parser, int depth);

/* Behind its bracket; an object's members begin with a key. */
static bool skip_list(struct parser *parser, char closing, int depth) {
  if (depth > JSON_LINE_DEPTH_MAX) return fail(parser, "is nested too deeply");
  if (take(parser, closing)) return true;
  do {
    const size_t used = parser->used;
    if (closing == '}' && (!is_next(parser, '"') || !take_string(parser) || !take(parser, ':')))
      return fail(parser, "has an object whose member is not \"key\": value");
    parser->used = used;
    if (!skip_value(parser, depth)) return false;
  } while (take(parser, ','));
  return take(parser, closing) || fail(parser, closing == ']' ? "has an array that never ends" : "has an object that never ends");
}

/* Checks a value, and goes behind it. */
static bool skip_value(struct parser *parser, int depth) {
  skip_space(parser);
  if (parser->at == parser->end) return fail(parser, "ends where a value should be");
  const size_t used = parser->used;
  bool is_good;
  switch (*parser->at) {
  case '"':
    is_good = take_string(parser);
    parser->used = used;
    return is_good;
  case '[': parser->at++; return skip_list(parser, ']', depth + 1);
  case '{': parser->at++; return skip_list(parser, '}', depth + 1);
  case 't':
  case 'f':
  case 'n': return skip_word(parser);
  default: return skip_number(parser);
  }
}

/* ---- members ---- */

static void append(struct parser *parser, const char *bytes, size_t count) {
  memcpy(parser->text + parser->used, bytes, count);
  parser->used += count;
}

/* A value's cell, appended with a NUL; members of an object are told apart before. */
static bool take_cell(struct parser *parser) {
  skip_space(parser);
  const char *first = parser->at;
  if (first < parser->end && *first == '"') {
    if (!take_string(parser)) return false;
  } else {
    if (!skip_value(parser, 1)) return false;
    if (*first != 'n') append(parser, first, (size_t)(parser->at - first));
  }
  parser->text[parser->used++] = '\0';
  return true;
}

/* The members of an object, behind its brace; keys get what stands at text[prefix … prefix + prefix_bytes) before them. */
static bool take_members(struct parser *parser, size_t prefix, size_t prefix_bytes, bool is_inner) {
  if (take(parser, '}')) return true;
  do {
    const size_t used = parser->used;
    memmove(parser->text + used, parser->text + prefix, prefix_bytes);
    parser->used += prefix_bytes;
    if (!is_next(parser, '"')) return fail(parser, "has a member that does not begin with a key in quotes");
    if (!take_string(parser)) return false;
    const size_t key_bytes = parser->used - used;
    if (!take(parser, ':')) return fail(parser, "has a key without a colon behind it");
    if (!is_inner && is_next(parser, '{')) {
      parser->at++;
      parser->text[parser->used++] = '.';
      if (!take_members(parser, used, key_bytes + 1, true)) return false;
    } else {
      parser->text[parser->used++] = '\0';
      const size_t value = parser->used;
      if (!take_cell(parser)) return false;
      const char *refusal = parser->handler(parser->context, parser->text + used, parser->text + value);
      if (refusal != NULL) return fail(parser, refusal);
    }
    parser->used = used;
  } while (take(parser, ','));
  return take(parser, '}') || fail(parser, "has an object that never ends");
}

/* Most lines are ASCII, which many bytes at a time tell. */
static bool is_ascii(const char *bytes, size_t count) {
  unsigned char bits = 0;
  for (size_t i = 0; i < count; i++) bits |= (unsigned char)bytes[i];
  return bits < 0x80;
}

static const char *find_defect(const char *bytes, size_t count) {
  if (memchr(bytes, '\0', count) != NULL) return "has a NUL byte";
  return !is_ascii(bytes, count) && u8_check((const uint8_t *)bytes, count) != NULL ? "has a byte that is not UTF-8" : NULL;
}

enum error_code json_line_read(struct json_line_reader *reader, const char *bytes, size_t count, json_member_handler *handler,
                               void *context, const char **out_reason, struct error *error) {
  /* A key with its prefix and a value are at most what is written twice, and a few bytes of their own. */
  const size_t needed = 2 * count + 16;
  if (reader->capacity < needed) {
    char *text = realloc(reader->text, needed);
    if (text == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for a line of %zu bytes", count);
    reader->text = text;
    reader->capacity = needed;
  }
  struct parser parser = {.at = bytes, .end = bytes + count, .text = reader->text, .handler = handler, .context = context};
  parser.reason = find_defect(bytes, count);
  if (parser.reason == NULL && !take(&parser, '{')) parser.reason = "is no JSON object";
  if (parser.reason == NULL && take_members(&parser, 0, 0, false)) {
    skip_space(&parser);
    if (parser.at != parser.end) parser.reason = "has something behind its object";
  }
  *out_reason = parser.reason;
  return ERROR_NONE;
}
