/* One line of NDJSON, a JSON object (RFC 8259, strictly), taken apart into the cells of a table's row, without building values.
 *
 *   string          its text, escapes resolved                     "caf\u00e9" → café
 *   number          as it is written, however long                 1e400 → 1e400
 *   true, false     the word;  null   an empty cell
 *   array           as it is written: of numbers, a sequence       [0.1, 2] → [0.1, 2]
 *   object          its members under "outer.inner"; below that as it is written
 *
 * Bounded memory: what a line needs, which is kept for the next. Threads: a reader belongs to one thread.
 */
#ifndef SERVER_DATA_JSON_LINE_H
#define SERVER_DATA_JSON_LINE_H

#include "engine/error.h"

enum { JSON_LINE_DEPTH_MAX = 64 };

/* A member. Both texts are NUL-terminated UTF-8 and valid during the call. Anything but NULL is why the line is bad, and ends it. */
typedef const char *json_member_handler(void *context, const char *key, const char *value);

struct json_line_reader {
  char *text; /* owned; keys and values, unescaped */
  size_t capacity;
};
void json_line_reader_deinit(struct json_line_reader *reader);

/* Hands out the members of bytes[0 … count), in order. *out_reason: NULL, or why it is no such object ("has an escape that is none"),
 * static or the handler's; members may have been handed out before. Only a lack of memory is an error. */
__attribute__((warn_unused_result)) enum error_code json_line_read(struct json_line_reader *reader, const char *bytes, size_t count,
                                                                   json_member_handler *handler, void *context, const char **out_reason,
                                                                   struct error *error);

#endif
