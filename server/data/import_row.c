/* A row of a made table, written as CSV that reads back as it was. */
#include <string.h>

#include "server/data/import.h"

enum { PORTION_BYTES = 4096 };

/* The row on its way, in portions, so that short cells don't each cost a call. */
struct row_text {
  struct import *import;
  char bytes[PORTION_BYTES];
  size_t count;
};

static enum error_code put(struct row_text *text, const char *bytes, size_t count, struct error *error) {
  if (count > PORTION_BYTES - text->count) {
    const size_t held = text->count;
    text->count = 0;
    enum error_code code = import_write(text->import, text->bytes, held, error);
    if (code != ERROR_NONE) return code;
  }
  if (count > PORTION_BYTES) return import_write(text->import, bytes, count, error);
  memcpy(text->bytes + text->count, bytes, count);
  text->count += count;
  return ERROR_NONE;
}

/* A row whose only cell is empty must not look like an empty line. */
static bool needs_quotes(const char *cell) { return *cell == '\0' || *cell == ' ' || *cell == '\t' || strpbrk(cell, ",\"\r\n") != NULL; }

static enum error_code put_quoted(struct row_text *text, const char *cell, struct error *error) {
  enum error_code code = put(text, "\"", 1, error);
  while (code == ERROR_NONE && *cell != '\0') {
    const size_t plain = strcspn(cell, "\"");
    const bool has_quote = cell[plain] != '\0';
    code = put(text, cell, plain + has_quote, error);
    if (code == ERROR_NONE && has_quote) code = put(text, "\"", 1, error);
    cell += plain + has_quote;
  }
  return code == ERROR_NONE ? put(text, "\"", 1, error) : code;
}

enum error_code import_add_row(struct import *import, const char *const *cells, size_t count, struct error *error) {
  struct row_text text;
  text.import = import;
  text.count = 0;
  enum error_code code = ERROR_NONE;
  for (size_t i = 0; i < count && code == ERROR_NONE; i++) {
    if (i > 0) code = put(&text, ",", 1, error);
    if (code != ERROR_NONE) break;
    code = needs_quotes(cells[i]) ? put_quoted(&text, cells[i], error) : put(&text, cells[i], strlen(cells[i]), error);
  }
  if (code == ERROR_NONE) code = put(&text, "\n", 1, error);
  return code == ERROR_NONE ? import_write(import, text.bytes, text.count, error) : code;
}
