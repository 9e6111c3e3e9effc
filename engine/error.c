/* Errors: a code, a sentence and a list of field errors, all in the caller's memory. */
#include "engine/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void error_clear(struct error *error) {
  error->code = ERROR_NONE;
  error->detail[0] = '\0';
  error->item_count = 0;
  error->items_dropped = 0;
}

/* Copies what fits and never cuts a UTF-8 sequence in two: the text ends up in JSON. */
static void text_copy(char *out_text, size_t text_bytes, const char *text) {
  size_t length = strlen(text);
  if (length >= text_bytes) {
    length = text_bytes - 1;
    while (length > 0 && ((unsigned char)text[length] & 0xC0u) == 0x80u) length--;
  }
  memmove(out_text, text, length);
  out_text[length] = '\0';
}

enum error_code error_set(struct error *error, enum error_code code, const char *format, ...) {
  char detail[ERROR_DETAIL_BYTES + 4]; /* room to see that a sequence at the end was cut */
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(detail, sizeof detail, format, arguments);
  va_end(arguments);
  error->code = code;
  text_copy(error->detail, sizeof error->detail, detail);
  return code;
}

enum error_code error_add(struct error *error, const char *pointer, const char *format, ...) {
  char detail[ERROR_DETAIL_BYTES + 4];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(detail, sizeof detail, format, arguments);
  va_end(arguments);
  if (error->code == ERROR_NONE) error->code = ERROR_INVALID;
  if (error->detail[0] == '\0') text_copy(error->detail, sizeof error->detail, detail);
  if (error->item_count == ERROR_ITEM_MAX) {
    error->items_dropped++;
    return error->code;
  }
  struct error_item *item = &error->items[error->item_count++];
  text_copy(item->pointer, sizeof item->pointer, pointer);
  text_copy(item->detail, sizeof item->detail, detail);
  return error->code;
}

enum error_code error_merge(struct error *error, const struct error *found) {
  for (size_t i = 0; i < found->item_count; i++) error_add(error, found->items[i].pointer, "%s", found->items[i].detail);
  error->items_dropped += found->items_dropped;
  if (found->item_count == 0 && found->code != ERROR_NONE && error->code == ERROR_NONE) error_set(error, found->code, "%s", found->detail);
  return error->code;
}

/* RFC 6901: "~" becomes "~0" and "/" becomes "~1". */
static void escape_member(char escaped[2 * ERROR_POINTER_BYTES], const char *member) {
  for (; *member != '\0'; member++) {
    if (*member == '~' || *member == '/') {
      *escaped++ = '~';
      *escaped++ = *member == '~' ? '0' : '1';
    } else {
      *escaped++ = *member;
    }
  }
  *escaped = '\0';
}

void error_pointer(char out_pointer[ERROR_POINTER_BYTES], const char *pointer, const char *format, ...) {
  char member[ERROR_POINTER_BYTES];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(member, sizeof member, format, arguments);
  va_end(arguments);
  char escaped[2 * ERROR_POINTER_BYTES];
  escape_member(escaped, member);
  size_t used = strnlen(pointer, ERROR_POINTER_BYTES - 2);
  memmove(out_pointer, pointer, used);
  out_pointer[used++] = '/';
  text_copy(out_pointer + used, ERROR_POINTER_BYTES - used, escaped);
}

static const char *const code_names[ERROR_CODE_COUNT] = {
    [ERROR_NONE] = "none",
    [ERROR_MALFORMED] = "malformed",
    [ERROR_UNAUTHORIZED] = "unauthorized",
    [ERROR_FORBIDDEN] = "forbidden",
    [ERROR_NOT_FOUND] = "not_found",
    [ERROR_METHOD] = "method_not_allowed",
    [ERROR_CONFLICT] = "conflict",
    [ERROR_TOO_LARGE] = "too_large",
    [ERROR_MEDIA_TYPE] = "unsupported_media_type",
    [ERROR_INVALID] = "invalid",
    [ERROR_OVER_BUDGET] = "over_budget",
    [ERROR_TOO_MANY] = "too_many",
    [ERROR_UNAVAILABLE] = "unavailable",
    [ERROR_TIMEOUT] = "timeout",
    [ERROR_DISK_FULL] = "disk_full",
    [ERROR_OUT_OF_MEMORY] = "out_of_memory",
    [ERROR_DIVERGED] = "diverged",
    [ERROR_INTERNAL] = "internal",
};

const char *error_code_name(enum error_code code) {
  if ((unsigned)code >= ERROR_CODE_COUNT) return "internal";
  return code_names[code];
}
