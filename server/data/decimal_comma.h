/* Tables with a comma before the decimals, as spreadsheets of much of the world write them: "7,5" between semicolons, "1.234,5" and
 * "1.234" too. Their numbers are written anew with a point, byte for byte in their places ("7.5", " 1234.5"), so that lines and offsets
 * stay; nothing else is changed.
 *
 * A file is such a one if commas don't separate its cells, some of its beginning's cells are numbers with a comma, and none is one with
 * a point (but for points between groups of three digits) or a list with several commas. Between tabs or bars, commas that are all followed
 * by three digits may as well stand between groups; they are left.
 * Threads: a rewriter belongs to one thread.
 */
#ifndef SERVER_DATA_DECIMAL_COMMA_H
#define SERVER_DATA_DECIMAL_COMMA_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/error.h"

enum { DECIMAL_CELL_BYTES = 48 /* longer cells are no numbers */ };

/* Decided from a file's beginning. */
bool decimal_comma_find(const char *bytes, size_t byte_count, char delimiter);

/* Whether a cell ends: where it began with a quote, not before another. */
struct cell_walk {
  bool is_quoted, has_end_quote; /* the last byte may have ended it */
};

struct decimal_comma {
  char delimiter;
  bool is_long;          /* the cell under way is no number; its beginning has gone out already */
  struct cell_walk walk; /* of a long one */
  size_t held_at, held;  /* bytes of a cell that may be a number, in `buffer` behind what went out */
  size_t capacity;
  char *buffer; /* owned; NULL at first */
};
void decimal_comma_deinit(struct decimal_comma *rewriter);
/* The next bytes; *out_bytes is what they (and some before) become, valid until the next call, less than DECIMAL_CELL_BYTES being held
 * back. */
__attribute__((warn_unused_result)) enum error_code decimal_comma_feed(struct decimal_comma *rewriter, const char *bytes, size_t byte_count,
                                                                       const char **out_bytes, size_t *out_count, struct error *error);
/* The end: what was held back. */
void decimal_comma_finish(struct decimal_comma *rewriter, const char **out_bytes, size_t *out_count);

#endif
