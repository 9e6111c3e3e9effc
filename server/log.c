/* The log's lines: put together on the caller's stack and written at once. */
#include "server/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static atomic_int log_level = LOG_LEVEL_INFO;

void log_set_level(enum log_level level) { atomic_store(&log_level, (int)level); }

bool log_is_on(enum log_level level) { return (int)level <= atomic_load_explicit(&log_level, memory_order_relaxed); }

bool log_parse_level(const char *name, enum log_level *out_level) {
  for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++) {
    if (strcmp(name, level_names[i]) == 0) {
      *out_level = (enum log_level)i;
      return true;
    }
  }
  return false;
}

/* Length of the UTF-8 character at `s`, or 0 if there is none that is well-formed (RFC 3629). */
static size_t measure_utf8(const unsigned char *s) {
  if (s[0] < 0x80) return 1;
  size_t length = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
  if (s[0] < 0xc2 || s[0] > 0xf4) return 0;
  for (size_t i = 1; i < length; i++) {
    if ((s[i] & 0xc0) != 0x80) return 0;
  }
  if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
    return 0;
  /* U+0080 to U+009F control terminals as ESC does. */
  if (s[0] == 0xc2 && s[1] < 0xa0) return 0;
  return length;
}

/* Appends `message` to line[at…] escaped, as much as fits in `line_bytes`; returns the new end. */
static size_t append_escaped(char *line, size_t at, size_t line_bytes, const char *message) {
  static const char ellipsis[] = "…";
  for (const unsigned char *s = (const unsigned char *)message; *s;) {
    char piece[8];
    size_t taken = measure_utf8(s), piece_bytes = taken;
    if (taken == 0 || *s < 0x20 || *s == 0x7f) {
      char letter = *s == '\n' ? 'n' : *s == '\r' ? 'r' : *s == '\t' ? 't' : 0;
      piece_bytes = (size_t)(letter ? snprintf(piece, sizeof piece, "\\%c", letter) : snprintf(piece, sizeof piece, "\\x%02x", *s));
      taken = 1;
    } else {
      memcpy(piece, s, taken);
    }
    if (at + piece_bytes + sizeof ellipsis > line_bytes) {
      memcpy(line + at, ellipsis, sizeof ellipsis - 1);
      return at + sizeof ellipsis - 1;
    }
    memcpy(line + at, piece, piece_bytes);
    at += piece_bytes;
    s += taken;
  }
  return at;
}

__attribute__((format(printf, 2, 0))) static void write_line(enum log_level level, const char *format, va_list arguments) {
  int saved_errno = errno;
  char message[LOG_LINE_BYTES], line[LOG_LINE_BYTES];
  (void)vsnprintf(message, sizeof message, format, arguments);
  struct timespec now;
  struct tm utc;
  (void)clock_gettime(CLOCK_REALTIME, &now);
  (void)gmtime_r(&now.tv_sec, &utc);
  size_t at = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &utc);
  at += (size_t)snprintf(line + at, sizeof line - at, ".%03dZ %s ", (int)(now.tv_nsec / 1000000), level_names[level]);
  at = append_escaped(line, at, sizeof line - 1, message);
  line[at++] = '\n';
  for (size_t written = 0; written < at;) {
    ssize_t bytes = write(STDERR_FILENO, line + written, at - written);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes <= 0) break; /* nowhere left to complain */
    written += (size_t)bytes;
  }
  errno = saved_errno;
}

#define WRITE_LINE(level, format)                                                                                                          \
  do {                                                                                                                                     \
    if (!log_is_on(level)) return;                                                                                                         \
    va_list arguments;                                                                                                                     \
    va_start(arguments, format);                                                                                                           \
    write_line(level, format, arguments);                                                                                                  \
    va_end(arguments);                                                                                                                     \
  } while (0)

void log_error(const char *format, ...) { WRITE_LINE(LOG_LEVEL_ERROR, format); }
void log_warn(const char *format, ...) { WRITE_LINE(LOG_LEVEL_WARN, format); }
void log_info(const char *format, ...) { WRITE_LINE(LOG_LEVEL_INFO, format); }
void log_debug(const char *format, ...) { WRITE_LINE(LOG_LEVEL_DEBUG, format); }
