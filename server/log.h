/* The log: one line an event, on stderr: "2025-11-03T12:00:00.123Z info listening on http://127.0.0.1:8080".
 *
 * A leaf: anything in server/ may include it. Control characters and bytes that aren't UTF-8 come out escaped (\n, \x1b), so that what a
 * client sent can't forge a line or drive a terminal; a line longer than LOG_LINE_BYTES is cut and ends in "…". Never pass a secret.
 * Threads: every function may be called from any thread; a line is written by one write(2), so lines don't mix.
 */
#ifndef SERVER_LOG_H
#define SERVER_LOG_H

#include <stdbool.h>

enum { LOG_LINE_BYTES = 2048 };

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Lines of less weight than `level` are dropped. The level is info until this is called. */
void log_set_level(enum log_level level);
/* error, warn, info or debug; false if it is none of them. */
bool log_parse_level(const char *name, enum log_level *out_level);
/* For messages that are costly to put together. */
bool log_is_on(enum log_level level);

__attribute__((format(printf, 1, 2))) void log_error(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_warn(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_info(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_debug(const char *format, ...);

#endif
