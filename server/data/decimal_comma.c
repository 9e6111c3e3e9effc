#include "server/data/decimal_comma.h"

#include <stdlib.h>
#include <string.h>

/* What a cell's bytes are, without quotes and spaces around them. */
enum shape { SHAPE_OTHER, SHAPE_COMMA, SHAPE_COMMA_AND_THREE, SHAPE_GROUPS, SHAPE_POINT, SHAPE_LIST };

struct span {
  size_t start, end;
};

static bool is_digit(char byte) { return byte >= '0' && byte <= '9'; }

static struct span strip(const char *bytes, size_t start, size_t end) {
  while (end > start && (bytes[end - 1] == ' ' || bytes[end - 1] == '\r')) end--;
  while (start < end && bytes[start] == ' ') start++;
  if (end - start >= 2 && bytes[start] == '"' && bytes[end - 1] == '"') {
    start++;
    end--;
  }
  while (end > start && bytes[end - 1] == ' ') end--;
  while (start < end && bytes[start] == ' ') start++;
  return (struct span){start, end};
}

/* [+-] digits, in groups of three between points or not, and perhaps a comma and digits. */
static enum shape judge(const char *bytes, struct span span) {
  size_t at = span.start, digits = 0, commas = 0, points = 0, behind = 0;
  bool is_grouped = true;
  if (at < span.end && (bytes[at] == '-' || bytes[at] == '+')) at++;
  for (; at < span.end; at++) {
    if (is_digit(bytes[at])) {
      digits++;
      behind++;
    } else if ((bytes[at] == ',' || bytes[at] == '.') && at > span.start && is_digit(bytes[at - 1])) {
      const bool has_group = points == 0 ? behind <= 3 : behind == 3; /* before this one */
      if (commas == 0 && (bytes[at] == '.' || points > 0)) is_grouped &= has_group;
      if (commas > 0 && bytes[at] == '.') return SHAPE_OTHER;
      commas += bytes[at] == ',';
      points += bytes[at] == '.';
      behind = 0;
    } else {
      return SHAPE_OTHER;
    }
  }
  if (digits == 0 || behind == 0) return SHAPE_OTHER;
  if (commas > 1) return SHAPE_LIST;
  if (commas == 1) return !is_grouped ? SHAPE_OTHER : behind == 3 && points == 0 ? SHAPE_COMMA_AND_THREE : SHAPE_COMMA;
  if (points == 0) return SHAPE_OTHER;
  const bool has_zero = digits == 4 && bytes[span.end - 5] == '0'; /* 0.125; where three digits are behind the point */
  if (is_grouped && behind == 3 && !has_zero) return SHAPE_GROUPS;
  return points == 1 ? SHAPE_POINT : SHAPE_OTHER;
}

/* Where the cell ends, before its delimiter or line end; byte_count: it may go on. */
static size_t walk_on(struct cell_walk *walk, const char *bytes, size_t start, size_t byte_count, char delimiter) {
  for (size_t at = start; at < byte_count; at++) {
    const bool is_end = bytes[at] == delimiter || bytes[at] == '\n' || bytes[at] == '\r';
    if (is_end && (!walk->is_quoted || walk->has_end_quote)) return at;
    walk->has_end_quote = walk->is_quoted && bytes[at] == '"' && !walk->has_end_quote;
  }
  return byte_count;
}

static size_t walk_cell(struct cell_walk *walk, const char *bytes, size_t start, size_t byte_count, char delimiter) {
  *walk = (struct cell_walk){.is_quoted = start < byte_count && bytes[start] == '"'};
  return walk_on(walk, bytes, walk->is_quoted ? start + 1 : start, byte_count, delimiter);
}

bool decimal_comma_find(const char *bytes, size_t byte_count, char delimiter) {
  size_t counts[SHAPE_LIST + 1] = {0};
  struct cell_walk walk;
  if (delimiter == ',') return false;
  for (size_t start = 0; start < byte_count;) {
    const size_t end = walk_cell(&walk, bytes, start, byte_count, delimiter);
    const enum shape shape = judge(bytes, strip(bytes, start, end));
    if (end < byte_count || shape == SHAPE_COMMA) counts[shape]++; /* the last may be cut off: of "1.234,5" */
    start = end + 1;
  }
  if (counts[SHAPE_POINT] > 0 || counts[SHAPE_LIST] > 0) return false;
  return counts[SHAPE_COMMA] > 0 || (delimiter == ';' && counts[SHAPE_COMMA_AND_THREE] > 0);
}

void decimal_comma_deinit(struct decimal_comma *rewriter) {
  free(rewriter->buffer);
  *rewriter = (struct decimal_comma){0};
}

/* In its place: spaces before it stand for the points that go. */
static void rewrite(char *bytes, struct span span) {
  const enum shape shape = judge(bytes, span);
  if (shape != SHAPE_COMMA && shape != SHAPE_COMMA_AND_THREE && shape != SHAPE_GROUPS) return;
  size_t to = span.end;
  for (size_t from = span.end; from-- > span.start;)
    if (bytes[from] != '.') bytes[--to] = (char)(bytes[from] == ',' ? '.' : bytes[from]);
  memset(bytes + span.start, ' ', to - span.start);
}

enum error_code decimal_comma_feed(struct decimal_comma *rewriter, const char *bytes, size_t byte_count, const char **out_bytes,
                                   size_t *out_count, struct error *error) {
  const size_t count = rewriter->held + byte_count;
  if (rewriter->held > 0) memmove(rewriter->buffer, rewriter->buffer + rewriter->held_at, rewriter->held);
  rewriter->held_at = 0;
  if (rewriter->capacity < count) {
    char *grown = realloc(rewriter->buffer, count + DECIMAL_CELL_BYTES);
    if (grown == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
    rewriter->buffer = grown;
    rewriter->capacity = count + DECIMAL_CELL_BYTES;
  }
  char *all = rewriter->buffer;
  if (byte_count > 0) memcpy(all + rewriter->held, bytes, byte_count);
  size_t start = 0;
  if (rewriter->is_long) {
    const size_t end = walk_on(&rewriter->walk, all, 0, count, rewriter->delimiter);
    rewriter->is_long = end == count;
    start = end == count ? count : end + 1;
  }
  while (start < count) {
    const size_t end = walk_cell(&rewriter->walk, all, start, count, rewriter->delimiter);
    if (end == count) break;
    if (end - start < DECIMAL_CELL_BYTES) rewrite(all, strip(all, start, end));
    start = end + 1;
  }
  if (count - start >= DECIMAL_CELL_BYTES) {
    rewriter->is_long = true;
    start = count;
  }
  *out_bytes = all;
  *out_count = rewriter->held_at = start;
  rewriter->held = count - start;
  return ERROR_NONE;
}

void decimal_comma_finish(struct decimal_comma *rewriter, const char **out_bytes, size_t *out_count) {
  *out_bytes = rewriter->held > 0 ? rewriter->buffer + rewriter->held_at : "";
  *out_count = rewriter->held;
  if (rewriter->held > 0) rewrite(rewriter->buffer, strip(rewriter->buffer, rewriter->held_at, rewriter->held_at + rewriter->held));
  rewriter->held = 0;
}
