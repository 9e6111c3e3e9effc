/* One state for what comes next, as in the header's picture:
 *
 *     preamble ─delimiter─▶ line end ─CRLF─▶ headers ─empty line─▶ content ─delimiter─▶ line end … ─"--"─▶ epilogue
 *
 * The delimiter is CRLF "--" boundary. CR stands at its beginning only, so that after a mismatch the search goes on at the byte that didn't
 * match, and what had matched was content.
 */
#include "server/data/multipart.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum state { STATE_PREAMBLE, STATE_LINE_END, STATE_HEADERS, STATE_CONTENT, STATE_EPILOGUE };

struct multipart {
  struct multipart_handlers handlers;
  enum state state;
  char delimiter[MULTIPART_BOUNDARY_BYTES_MAX + 5]; /* CRLF "--" boundary */
  size_t delimiter_bytes, matched;
  bool is_start; /* the first two matched bytes aren't there: a line's end is taken for granted where content begins */
  size_t part_count;
  char line_end[2]; /* behind a delimiter, so far */
  size_t line_end_bytes;
  char headers[MULTIPART_HEADER_BYTES_MAX + 1];
  size_t header_bytes;
};

/* ---- boundary ---- */

static bool is_boundary_byte(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
         (byte != '\0' && strchr("'()+_,-./:=? ", byte) != NULL);
}

/* The value of a parameter in "…; name=value; name=\"value\"", unquoted. False if it isn't there, or too long. */
static bool find_parameter(const char *text, const char *name, char *out_value, size_t value_bytes) {
  const size_t name_bytes = strlen(name);
  while ((text = strchr(text, ';')) != NULL) {
    text += 1 + strspn(text + 1, " \t");
    if (strncasecmp(text, name, name_bytes) != 0 || text[name_bytes] != '=') {
      /* A quoted value may have semicolons. */
      const char *quote = text + strcspn(text, ";\"");
      if (*quote != '"') continue;
      for (text = quote + 1; *text != '\0' && *text != '"'; text++) text += *text == '\\' && text[1] != '\0';
      continue;
    }
    text += name_bytes + 1;
    const bool is_quoted = *text == '"';
    text += is_quoted;
    size_t count = 0;
    for (; *text != '\0' && (is_quoted ? *text != '"' : *text != ';' && *text != ' '); text++) {
      if (is_quoted && *text == '\\' && (text[1] == '"' || text[1] == '\\')) text++;
      if (count + 1 >= value_bytes) return false;
      out_value[count++] = *text;
    }
    out_value[count] = '\0';
    return !is_quoted || *text == '"';
  }
  return false;
}

bool multipart_find_boundary(const char *content_type, char out_boundary[MULTIPART_BOUNDARY_BYTES_MAX + 1]) {
  if (!find_parameter(content_type, "boundary", out_boundary, MULTIPART_BOUNDARY_BYTES_MAX + 1)) return false;
  const size_t count = strlen(out_boundary);
  for (size_t i = 0; i < count; i++)
    if (!is_boundary_byte(out_boundary[i])) return false;
  return count > 0 && out_boundary[count - 1] != ' ';
}

static void begin_search(struct multipart *multipart, enum state state) {
  multipart->state = state;
  multipart->matched = 2;
  multipart->is_start = true;
}

enum error_code multipart_create(const char *boundary, const struct multipart_handlers *handlers, struct multipart **out_multipart,
                                 struct error *error) {
  struct multipart *multipart = calloc(1, sizeof *multipart);
  *out_multipart = multipart;
  if (multipart == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for an upload");
  multipart->handlers = *handlers;
  multipart->delimiter_bytes = (size_t)snprintf(multipart->delimiter, sizeof multipart->delimiter, "\r\n--%s", boundary);
  begin_search(multipart, STATE_PREAMBLE);
  return ERROR_NONE;
}

void multipart_destroy(struct multipart *multipart) { free(multipart); }

/* ---- headers ---- */

static enum error_code refuse(const struct multipart *multipart, const char *what, struct error *error) {
  return error_set(error, ERROR_MALFORMED, "the multipart body is broken: part %zu %s", multipart->part_count, what);
}

/* The value of a header, "" if it isn't there. */
static void copy_header(const struct multipart *multipart, const char *name, char out_value[MULTIPART_HEADER_BYTES_MAX + 1]) {
  const size_t name_bytes = strlen(name);
  out_value[0] = '\0';
  for (const char *line = multipart->headers; *line != '\0';) {
    const size_t line_bytes = strcspn(line, "\r\n");
    if (line_bytes > name_bytes && strncasecmp(line, name, name_bytes) == 0 && line[name_bytes] == ':') {
      line += name_bytes + 1;
      line += strspn(line, " \t");
      const size_t bytes = strcspn(line, "\r\n");
      memcpy(out_value, line, bytes);
      out_value[bytes] = '\0';
      return;
    }
    line += line_bytes + strspn(line + line_bytes, "\r\n");
  }
}

static enum error_code begin_part(struct multipart *multipart, struct error *error) {
  char name[MULTIPART_NAME_BYTES_MAX + 1], value[MULTIPART_HEADER_BYTES_MAX + 1], file_name[MULTIPART_NAME_BYTES_MAX + 1],
      content_type[MULTIPART_NAME_BYTES_MAX + 1];
  if (++multipart->part_count > MULTIPART_PARTS_MAX)
    return error_set(error, ERROR_TOO_LARGE, "the multipart body has more than %d parts", MULTIPART_PARTS_MAX);
  if (strlen(multipart->headers) != multipart->header_bytes) return refuse(multipart, "has a NUL byte in its headers", error);
  copy_header(multipart, "Content-Transfer-Encoding", value);
  if (value[0] != '\0' && strcasecmp(value, "binary") != 0 && strcasecmp(value, "8bit") != 0 && strcasecmp(value, "7bit") != 0)
    return refuse(multipart, "has a Content-Transfer-Encoding; send it as it is", error);
  copy_header(multipart, "Content-Type", value);
  snprintf(content_type, sizeof content_type, "%.*s", (int)sizeof content_type - 1, value);
  copy_header(multipart, "Content-Disposition", value);
  if (strncasecmp(value, "form-data", strlen("form-data")) != 0 || !find_parameter(value, "name", name, sizeof name))
    return refuse(multipart, "has no name: its headers must say Content-Disposition: form-data; name=\"…\"", error);
  if (!find_parameter(value, "filename", file_name, sizeof file_name)) file_name[0] = '\0';
  const struct multipart_part part = {.name = name, .file_name = file_name, .content_type = content_type};
  begin_search(multipart, STATE_CONTENT); /* a part without content has its delimiter at once */
  return multipart->handlers.begin(multipart->handlers.context, &part, error);
}

/* Takes bytes up to the empty line. A part without any header begins with it. */
static enum error_code feed_headers(struct multipart *multipart, const char **bytes, const char *end, struct error *error) {
  while (*bytes < end) {
    if (multipart->header_bytes == MULTIPART_HEADER_BYTES_MAX) {
      multipart->part_count++;
      return refuse(multipart, "has too many headers", error);
    }
    multipart->headers[multipart->header_bytes++] = *(*bytes)++;
    multipart->headers[multipart->header_bytes] = '\0';
    const size_t count = multipart->header_bytes;
    const bool is_end = (count == 2 && memcmp(multipart->headers, "\r\n", 2) == 0) ||
                        (count >= 4 && memcmp(multipart->headers + count - 4, "\r\n\r\n", 4) == 0);
    if (is_end) return begin_part(multipart, error);
  }
  return ERROR_NONE;
}

/* ---- content ---- */

static enum error_code hand_out(struct multipart *multipart, const char *bytes, size_t byte_count, struct error *error) {
  if (multipart->state == STATE_PREAMBLE || byte_count == 0) return ERROR_NONE;
  return multipart->handlers.take(multipart->handlers.context, bytes, byte_count, error);
}

static enum error_code end_content(struct multipart *multipart, struct error *error) {
  const bool is_part = multipart->state == STATE_CONTENT;
  multipart->state = STATE_LINE_END;
  multipart->line_end_bytes = 0;
  return is_part ? multipart->handlers.end(multipart->handlers.context, error) : ERROR_NONE;
}

/* Hands out content up to the delimiter. */
static enum error_code feed_content(struct multipart *multipart, const char **bytes, const char *end, struct error *error) {
  while (*bytes < end) {
    enum error_code code = ERROR_NONE;
    if (multipart->matched == 0) {
      const char *stop = memchr(*bytes, '\r', (size_t)(end - *bytes));
      if (stop == NULL) stop = end;
      code = hand_out(multipart, *bytes, (size_t)(stop - *bytes), error);
      *bytes = stop;
      if (code != ERROR_NONE || stop == end) return code;
    }
    if (**bytes == multipart->delimiter[multipart->matched]) {
      ++*bytes;
      if (++multipart->matched == multipart->delimiter_bytes) return end_content(multipart, error);
      continue;
    }
    const size_t missing = multipart->is_start ? 2 : 0, matched = multipart->matched;
    multipart->is_start = false;
    multipart->matched = 0;
    code = hand_out(multipart, multipart->delimiter + missing, matched - missing, error);
    if (code != ERROR_NONE) return code;
  }
  return ERROR_NONE;
}

/* Behind a delimiter: "--" for the last one, else the end of its line, before which there may be spaces. */
static enum error_code feed_line_end(struct multipart *multipart, const char **bytes, const char *end, struct error *error) {
  while (*bytes < end) {
    const char byte = *(*bytes)++;
    if ((byte == ' ' || byte == '\t') && multipart->line_end_bytes == 0) continue;
    multipart->line_end[multipart->line_end_bytes++] = byte;
    if (multipart->line_end_bytes < 2) continue;
    if (memcmp(multipart->line_end, "\r\n", 2) != 0 && memcmp(multipart->line_end, "--", 2) != 0)
      return refuse(multipart, "is followed by a boundary with text behind it", error);
    multipart->state = multipart->line_end[0] == '-' ? STATE_EPILOGUE : STATE_HEADERS;
    multipart->header_bytes = 0;
    multipart->headers[0] = '\0';
    return ERROR_NONE;
  }
  return ERROR_NONE;
}

enum error_code multipart_feed(struct multipart *multipart, const char *bytes, size_t byte_count, struct error *error) {
  const char *end = bytes + byte_count;
  enum error_code code = ERROR_NONE;
  while (bytes < end && code == ERROR_NONE) {
    switch (multipart->state) {
    case STATE_LINE_END: code = feed_line_end(multipart, &bytes, end, error); break;
    case STATE_HEADERS: code = feed_headers(multipart, &bytes, end, error); break;
    case STATE_EPILOGUE: return ERROR_NONE;
    default: code = feed_content(multipart, &bytes, end, error);
    }
  }
  return code;
}

enum error_code multipart_finish(const struct multipart *multipart, struct error *error) {
  if (multipart->state == STATE_EPILOGUE) return ERROR_NONE;
  if (multipart->state == STATE_PREAMBLE)
    return error_set(error, ERROR_MALFORMED, "the multipart body has no part; its boundary does not come in it");
  return error_set(error, ERROR_MALFORMED, "the multipart body ends within part %zu, before its last boundary", multipart->part_count);
}
