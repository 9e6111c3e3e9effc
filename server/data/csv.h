/* CSV (RFC 4180), incremental: bytes in, rows of cells out, in bounded memory.
 *
 * Takes quotes, doubled quotes, delimiters and line breaks inside quotes, LF, CRLF and lone CR, a UTF-8 byte order mark, a last line
 * without line break; a quote inside an unquoted cell is an ordinary character; lines without any character are passed over.
 * A row that can't be read is reported, with its line, and skipped: a quote that never closes, text after a closing quote, a byte
 * that isn't UTF-8, a NUL byte, too many bytes or cells.
 *
 * A stray quote costs one line, not the rest of the file: when a quoted cell that runs over several lines turns out to be broken (text
 * after its closing quote, no closing quote within CSV_CELL_BYTES_MAX or before the end), only the line it began in is reported and
 * reading goes on at the next one. Every byte is so read at most twice.
 * Threads: a parser belongs to one thread.
 */
#ifndef SERVER_DATA_CSV_H
#define SERVER_DATA_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

enum { CSV_CELL_BYTES_MAX = 1 << 20, CSV_ROW_BYTES_MAX = 8 << 20, CSV_COLUMNS_MAX = 16384 };

struct csv_cell {
  const char *text; /* NUL-terminated, UTF-8, without quotes; eight bytes can be read behind its end too; valid during the callback */
  size_t bytes;
  bool was_quoted;
};

struct csv_row {
  uint64_t line;   /* 1-based, where the row starts */
  uint64_t offset; /* byte offset of the row's first byte in the stream */
  size_t cell_count;
  const struct csv_cell *cells;
  const char *defect; /* NULL, or why the row could not be read ("has a NUL byte"; then there are no cells) */
};

/* Anything but ERROR_NONE stops the parser, which then returns it. */
typedef enum error_code csv_row_handler(void *context, const struct csv_row *row, struct error *error);

struct csv_parser;
__attribute__((warn_unused_result)) enum error_code csv_parser_create(char delimiter, csv_row_handler *handler, void *context,
                                                                      struct csv_parser **out_parser, struct error *error);
void csv_parser_destroy(struct csv_parser *parser);
/* Tells the parser that its next byte is at this line and offset (reading on from an index). */
void csv_parser_set_position(struct csv_parser *parser, uint64_t line, uint64_t offset);
__attribute__((warn_unused_result)) enum error_code csv_parser_feed(struct csv_parser *parser, const char *bytes, size_t byte_count,
                                                                    struct error *error);
/* End of input: hands out the last row. */
__attribute__((warn_unused_result)) enum error_code csv_parser_finish(struct csv_parser *parser, struct error *error);

/* The likeliest delimiter (',', ';', tab, '|') of the beginning of a file. */
char csv_guess_delimiter(const char *bytes, size_t byte_count);

/* The cell without spaces and tabs around it: where it begins; *bytes are its bytes before and after. Values
 * are compared and counted so. */
static inline bool csv_is_space(char character) { return character == ' ' || character == '\t'; }
static inline const char *csv_trim(const char *text, size_t *bytes) {
  const char *end = text + *bytes;
  if (text == end || (*text > ' ' && end[-1] > ' ')) return text;
  while (text < end && csv_is_space(*text)) text++;
  while (text < end && csv_is_space(end[-1])) end--;
  *bytes = (size_t)(end - text);
  return text;
}

/* empty, NA, N/A, NaN, null, ? (any case, surrounding space ignored; a quoted empty cell too) */
bool csv_is_missing_word(const char *text);
static inline bool csv_is_missing(const char *text) { /* most cells are numbers, and say so by their first character */
  return !(*text >= '0' && *text <= '9') && *text != '-' && csv_is_missing_word(text);
}
/* A finite decimal number, the whole cell but for spaces around it; correctly rounded; locale-independent. Commas may stand between groups
 * of three digits before the point: "1,234.5". */
bool csv_parse_number(const char *text, double *out_number);
/* Only if there are such commas. The cell may as well be a list of numbers (column_stats.h decides for a column). */
bool csv_parse_grouped_number(const char *text, double *out_number);
/* A number without such commas, of a text whose length is known; text[bytes] is NUL. */
bool csv_parse_number_of(const char *text, size_t bytes, double *out_number);
/* The same, of up to eight bytes that are one word (short_bytes.h), where it is of the usual form; false says nothing. */
bool csv_parse_short_number(uint64_t word, size_t bytes, double *out_number);

#endif
