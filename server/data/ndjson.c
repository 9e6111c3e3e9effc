/* The stages: the lines that begin among the first NDJSON_SNIFF_BYTES are held back until they are whole, and tell the columns; then each
 * line becomes a row as it comes. A line that is not whole yet waits in `held`.
 */
#include "server/data/ndjson.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/data/csv.h"
#include "server/data/header.h"
#include "server/data/json_line.h"
#include "server/data/lookup.h"

enum { REASON_BYTES = 200, KEY_SHOWN = 80 };

/* A cell of the row under way, by where it begins in `row_text`. */
struct place {
  size_t offset;
  bool is_given;
};

struct ndjson {
  struct row_sink sink;
  bool has_columns;
  bool is_skipping; /* the rest of a line that is too long */
  uint64_t line;    /* lines done */
  char *held;       /* while columns are told: all so far; then the beginning of a line */
  size_t held_bytes, held_capacity;
  struct json_line_reader reader;

  size_t column_count, column_capacity;
  char **names; /* owned, each too */
  struct lookup lookup;
  struct place *places; /* [column_count] */
  const char **cells;   /* likewise */
  size_t next_column;   /* where the next key is likely to be */
  char *row_text;
  size_t row_bytes, row_capacity;
  char reason[REASON_BYTES];
  bool lacks_memory;
};

bool ndjson_is_magic(const char *bytes, size_t byte_count) {
  size_t at = byte_count >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
  while (at < byte_count && strchr(" \t\r\n", bytes[at]) != NULL && bytes[at] != '\0') at++;
  if (at == byte_count || bytes[at] != '{') return false;
  for (at++; at < byte_count && (bytes[at] == ' ' || bytes[at] == '\t');) at++;
  return at == byte_count || bytes[at] == '"' || bytes[at] == '}';
}

static enum error_code add_row(void *context, const char *const *cells, size_t count, struct error *error) {
  return import_add_row(context, cells, count, error);
}

static enum error_code add_bad_row(void *context, uint64_t line, const char *reason, struct error *error) {
  return import_add_bad_row(context, line, reason, error);
}

enum error_code ndjson_open_into(const struct row_sink *sink, void **out_reader, struct error *error) {
  struct ndjson *ndjson = calloc(1, sizeof *ndjson);
  if (ndjson == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory to read NDJSON");
  ndjson->sink = *sink;
  *out_reader = ndjson;
  return ERROR_NONE;
}

enum error_code ndjson_open(struct import *import, const struct format_options *options, void **out_reader, struct error *error) {
  (void)options;
  return ndjson_open_into(&(struct row_sink){.context = import, .add_row = add_row, .add_bad_row = add_bad_row}, out_reader, error);
}

void ndjson_close(void *reader) {
  struct ndjson *ndjson = reader;
  if (ndjson == NULL) return;
  lookup_deinit(&ndjson->lookup);
  header_free_names(ndjson->names, ndjson->column_count);
  json_line_reader_deinit(&ndjson->reader);
  free(ndjson->places);
  free(ndjson->cells);
  free(ndjson->row_text);
  free(ndjson->held);
  free(ndjson);
}

static bool reserve(char **bytes, size_t *capacity, size_t needed) {
  if (needed <= *capacity) return true;
  const size_t larger = *capacity * 2 > needed ? *capacity * 2 : needed;
  char *grown = realloc(*bytes, larger);
  if (grown == NULL) return false;
  *bytes = grown;
  *capacity = larger;
  return true;
}

/* ---- columns ---- */

/* Few distinct keys are met for the first time, and most lines have theirs in the same order. */
static size_t find_name(const struct ndjson *ndjson, const char *key) {
  for (size_t i = 0; i < ndjson->column_count; i++) {
    const size_t at = (ndjson->next_column + i) % ndjson->column_count;
    if (strcmp(ndjson->names[at], key) == 0) return at;
  }
  return SIZE_MAX;
}

static const char *learn_member(void *context, const char *key, const char *value) {
  (void)value;
  struct ndjson *ndjson = context;
  const size_t found = find_name(ndjson, key);
  if (found != SIZE_MAX) {
    ndjson->next_column = found + 1;
    return NULL;
  }
  if (*key == '\0') return "has an empty key";
  if (strlen(key) > HEADER_NAME_BYTES) return "has a key of more than 256 bytes";
  if (ndjson->column_count == CSV_COLUMNS_MAX) return "has more keys than a table can have columns";
  if (ndjson->column_count == ndjson->column_capacity) {
    const size_t capacity = ndjson->column_capacity == 0 ? 16 : 2 * ndjson->column_capacity;
    char **names = realloc(ndjson->names, capacity * sizeof *names);
    if (names == NULL) {
      ndjson->lacks_memory = true;
      return "";
    }
    ndjson->names = names;
    ndjson->column_capacity = capacity;
  }
  char *name = strdup(key);
  ndjson->lacks_memory |= name == NULL;
  if (name == NULL) return "";
  ndjson->names[ndjson->column_count++] = name;
  ndjson->next_column = ndjson->column_count;
  return NULL;
}

static bool is_blank(const char *bytes, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (bytes[i] != ' ' && bytes[i] != '\t' && bytes[i] != '\r') return false;
  return true;
}

/* Keys of lines that are bad count for nothing: names that they alone brought are taken back. */
static enum error_code learn_line(struct ndjson *ndjson, const char *bytes, size_t count, struct error *error) {
  const char *reason = NULL;
  const size_t before = ndjson->column_count;
  if (bytes >= ndjson->held + NDJSON_SNIFF_BYTES || is_blank(bytes, count)) return ERROR_NONE; /* so that portions make no difference */
  enum error_code code = json_line_read(&ndjson->reader, bytes, count, learn_member, ndjson, &reason, error);
  if (code == ERROR_NONE && ndjson->lacks_memory) code = error_set(error, ERROR_OUT_OF_MEMORY, "no memory for the columns");
  while (reason != NULL && ndjson->column_count > before) free(ndjson->names[--ndjson->column_count]);
  if (ndjson->column_count == before) ndjson->next_column = 0;
  return code;
}

/* ---- rows ---- */

static const char *refuse_key(struct ndjson *ndjson, const char *before, const char *key, const char *behind) {
  snprintf(ndjson->reason, sizeof ndjson->reason, "has %s \"%.*s\"%s", before, KEY_SHOWN, key, behind);
  return ndjson->reason;
}

static size_t find_column(const struct ndjson *ndjson, const char *key) {
  if (ndjson->next_column < ndjson->column_count && strcmp(ndjson->names[ndjson->next_column], key) == 0) return ndjson->next_column;
  const size_t found = lookup_find(&ndjson->lookup, key);
  if (found != LOOKUP_NONE && strcmp(ndjson->names[found], key) == 0) return found;
  return find_name(ndjson, key); /* names with spaces around them, or numbers */
}

static const char *take_member(void *context, const char *key, const char *value) {
  struct ndjson *ndjson = context;
  const size_t column = find_column(ndjson, key), bytes = strlen(value) + 1;
  if (column == SIZE_MAX) return refuse_key(ndjson, "the key", key, ", which no row among the first 64 KiB has");
  struct place *place = &ndjson->places[column];
  if (place->is_given) return refuse_key(ndjson, "the key", key, " twice");
  if (bytes > CSV_CELL_BYTES_MAX) return refuse_key(ndjson, "more than 1 MiB under", key, "");
  if (!reserve(&ndjson->row_text, &ndjson->row_capacity, ndjson->row_bytes + bytes)) {
    ndjson->lacks_memory = true;
    return "";
  }
  *place = (struct place){ndjson->row_bytes, true};
  memcpy(ndjson->row_text + ndjson->row_bytes, value, bytes);
  ndjson->row_bytes += bytes;
  ndjson->next_column = column + 1;
  return NULL;
}

static enum error_code take_line(struct ndjson *ndjson, const char *bytes, size_t count, struct error *error) {
  const char *reason = NULL;
  ndjson->line++;
  if (is_blank(bytes, count)) return ERROR_NONE;
  ndjson->row_bytes = ndjson->next_column = 0;
  memset(ndjson->places, 0, ndjson->column_count * sizeof *ndjson->places);
  enum error_code code = json_line_read(&ndjson->reader, bytes, count, take_member, ndjson, &reason, error);
  if (code == ERROR_NONE && ndjson->lacks_memory) code = error_set(error, ERROR_OUT_OF_MEMORY, "no memory for a row");
  if (code != ERROR_NONE) return code;
  if (reason == NULL && ndjson->row_bytes + ndjson->column_count > CSV_ROW_BYTES_MAX) reason = "is longer than 8 MiB";
  if (reason != NULL) return ndjson->sink.add_bad_row(ndjson->sink.context, ndjson->line, reason, error);
  for (size_t i = 0; i < ndjson->column_count; i++)
    ndjson->cells[i] = ndjson->places[i].is_given ? ndjson->row_text + ndjson->places[i].offset : "";
  return ndjson->sink.add_row(ndjson->sink.context, ndjson->cells, ndjson->column_count, error);
}

/* ---- lines ---- */

typedef enum error_code line_handler(struct ndjson *ndjson, const char *bytes, size_t count, struct error *error);

/* Hands out the whole lines; *out_used: bytes that they took. */
static enum error_code walk_lines(struct ndjson *ndjson, const char *bytes, size_t count, line_handler *handler, size_t *out_used,
                                  struct error *error) {
  enum error_code code = ERROR_NONE;
  *out_used = 0;
  while (code == ERROR_NONE) {
    const char *start = bytes + *out_used, *end = memchr(start, '\n', count - *out_used);
    if (end == NULL) break;
    code = handler(ndjson, start, (size_t)(end - start), error);
    *out_used = (size_t)(end - bytes) + 1;
  }
  return code;
}

/* Keeps what is left of the held bytes behind the first `used` of them. */
static void drop_held(struct ndjson *ndjson, size_t used) {
  ndjson->held_bytes -= used;
  memmove(ndjson->held, ndjson->held + used, ndjson->held_bytes);
}

static enum error_code refuse_no_objects(const struct ndjson *ndjson, struct error *error) {
  size_t at = 0;
  while (at < ndjson->held_bytes && strchr(" \t\r\n", ndjson->held[at]) != NULL) at++;
  if (at < ndjson->held_bytes && ndjson->held[at] == '[')
    return error_set(error, ERROR_INVALID,
                     "the file is one JSON array; NDJSON is an object a line (jq -c '.[]' makes it of such an array)");
  return error_set(error, ERROR_INVALID, "%s",
                   ndjson->held_bytes == at ? "the file is empty; it needs an object a line"
                                            : "none of the first lines is a JSON object, {\"column\": value, …}");
}

/* The columns from the lines that are held; `is_all`: the last of them needs no line break. */
static enum error_code start_rows(struct ndjson *ndjson, bool is_all, struct error *error) {
  size_t used;
  if (ndjson->held_bytes >= 3 && memcmp(ndjson->held, "\xEF\xBB\xBF", 3) == 0) drop_held(ndjson, 3);
  enum error_code code = walk_lines(ndjson, ndjson->held, ndjson->held_bytes, learn_line, &used, error);
  if (code == ERROR_NONE && is_all) code = learn_line(ndjson, ndjson->held + used, ndjson->held_bytes - used, error);
  if (code != ERROR_NONE) return code;
  if (ndjson->column_count == 0) return refuse_no_objects(ndjson, error);
  ndjson->has_columns = true;
  ndjson->places = calloc(ndjson->column_count, sizeof *ndjson->places);
  ndjson->cells = calloc(ndjson->column_count, sizeof *ndjson->cells);
  if (ndjson->places == NULL || ndjson->cells == NULL)
    return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for %zu columns", ndjson->column_count);
  code = lookup_init(&ndjson->lookup, ndjson->names, ndjson->column_count, error);
  if (code == ERROR_NONE)
    code = ndjson->sink.add_row(ndjson->sink.context, (const char *const *)ndjson->names, ndjson->column_count, error);
  if (code == ERROR_NONE) code = walk_lines(ndjson, ndjson->held, ndjson->held_bytes, take_line, &used, error);
  if (code == ERROR_NONE) drop_held(ndjson, used);
  return code;
}

/* What is no whole line yet. One that is too long is bad, and passed over to its end. */
static enum error_code hold(struct ndjson *ndjson, const char *bytes, size_t count, struct error *error) {
  if (ndjson->has_columns && ndjson->held_bytes + count > NDJSON_LINE_BYTES_MAX) {
    ndjson->is_skipping = true;
    ndjson->held_bytes = 0;
    return ndjson->sink.add_bad_row(ndjson->sink.context, ndjson->line + 1, "is longer than 8 MiB", error);
  }
  if (!reserve(&ndjson->held, &ndjson->held_capacity, ndjson->held_bytes + count + 1))
    return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for a line of %zu bytes", ndjson->held_bytes + count);
  memcpy(ndjson->held + ndjson->held_bytes, bytes, count);
  ndjson->held_bytes += count;
  return ERROR_NONE;
}

/* Up to the end of the line that is held or passed over; *out_used: bytes of it. */
static enum error_code end_held_line(struct ndjson *ndjson, const char *bytes, size_t count, size_t *out_used, struct error *error) {
  const char *end = memchr(bytes, '\n', count);
  *out_used = end == NULL ? count : (size_t)(end - bytes) + 1;
  if (ndjson->is_skipping) {
    ndjson->is_skipping = end == NULL;
    ndjson->line += end != NULL;
    return ERROR_NONE;
  }
  enum error_code code = hold(ndjson, bytes, end == NULL ? count : *out_used - 1, error);
  if (code != ERROR_NONE || end == NULL) return code;
  if (ndjson->is_skipping) {
    ndjson->is_skipping = false;
    ndjson->line++;
    return ERROR_NONE;
  }
  code = take_line(ndjson, ndjson->held, ndjson->held_bytes, error);
  ndjson->held_bytes = 0;
  return code;
}

enum error_code ndjson_write(void *reader, const char *bytes, size_t byte_count, struct error *error) {
  struct ndjson *ndjson = reader;
  size_t used = 0;
  enum error_code code = ERROR_NONE;
  if (!ndjson->has_columns) {
    code = hold(ndjson, bytes, byte_count, error);
    const size_t sniffed = NDJSON_SNIFF_BYTES + 2; /* a byte order mark is held, too */
    const bool is_enough = ndjson->held_bytes > sniffed && memchr(ndjson->held + sniffed, '\n', ndjson->held_bytes - sniffed) != NULL;
    if (code == ERROR_NONE && !is_enough && ndjson->held_bytes > NDJSON_LINE_BYTES_MAX)
      return error_set(error, ERROR_INVALID, "one of the first lines is longer than 8 MiB; NDJSON is an object a line");
    return code == ERROR_NONE && is_enough ? start_rows(ndjson, false, error) : code;
  }
  if (ndjson->held_bytes > 0 || ndjson->is_skipping) code = end_held_line(ndjson, bytes, byte_count, &used, error);
  if (code != ERROR_NONE) return code;
  bytes += used;
  byte_count -= used;
  code = walk_lines(ndjson, bytes, byte_count, take_line, &used, error);
  return code == ERROR_NONE && used < byte_count ? hold(ndjson, bytes + used, byte_count - used, error) : code;
}

enum error_code ndjson_finish(void *reader, struct error *error) {
  struct ndjson *ndjson = reader;
  if (!ndjson->has_columns) {
    if (ndjson->held == NULL) return refuse_no_objects(ndjson, error);
    enum error_code code = start_rows(ndjson, true, error);
    if (code != ERROR_NONE) return code;
  }
  return ndjson->held_bytes > 0 ? take_line(ndjson, ndjson->held, ndjson->held_bytes, error) : ERROR_NONE;
}
