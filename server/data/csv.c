/* The CSV parser: a state machine over bytes that copies cells, unquoted, into one buffer per row.
 *
 *   AT_START ─▶ ROW_START ─▶ CELL_START ─▶ PLAIN ──────────┐ delimiter: CELL_START
 *                  ▲              │                        │ line break: row out, ROW_START
 *                  │              └─▶ QUOTED ⇄ QUOTE_SEEN ─┤
 *                  └──────── SKIP_LINE ◀── over a limit    ┘
 *
 * Always holds:
 * 1. text[0 … text_bytes) is the row so far: each finished cell with a NUL behind it, then the cell under way.
 * 2. A row with a defect keeps no text; its cells are only told apart, so that its end is found.
 * 3. While a quoted cell that began on the row's first line runs on over further lines, `replay` (together with the rest of the piece
 *    being read) holds what follows the first of its line breaks. If the cell proves broken, those bytes are read again as rows. They
 *    hold no opening quote that could start the same over (every run of quotes within them is even), so this nests at most once.
 */
#include "server/data/csv.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "server/data/byte_mask.h"

enum { PIECE_BYTES = 1 << 16, TEXT_SLACK = 8, FIRST_CELLS = 64 };

enum state { AT_START, ROW_START, CELL_START, PLAIN, QUOTED, QUOTE_SEEN, SKIP_LINE };

struct csv_parser {
  csv_row_handler *handler;
  void *context;
  char delimiter;
  bool is_plain[256];       /* bytes that need no thought outside quotes */
  struct byte_set specials; /* the others */
  enum state state;
  bool after_cr;         /* ROW_START: a line feed now belongs to the line break before */
  size_t mark_bytes;     /* AT_START: bytes of the byte order mark seen */
  uint64_t line, offset; /* of the next byte */

  uint64_t row_line, row_offset;
  const char *defect;
  bool has_high_bytes;
  char *text;
  size_t text_bytes, text_capacity;
  size_t cell_begin;
  bool cell_quoted;
  uint64_t cell_line;
  struct csv_cell *cells; /* text pointers are set when the row is handed out */
  size_t cell_count, cell_capacity;

  bool is_recording;
  uint64_t replay_offset; /* of the first byte after the line break */
  char *replay;
  size_t replay_bytes, replay_capacity;
};

static const char byte_order_mark[3] = {'\xEF', '\xBB', '\xBF'};

static const char never_closes[] = "has a quote that never closes";
enum error_code csv_parser_create(char delimiter, csv_row_handler *handler, void *context, struct csv_parser **out_parser,
                                  struct error *error) {
  if (delimiter == '\0' || delimiter == '"' || delimiter == '\n' || delimiter == '\r' || ((unsigned char)delimiter & 0x80) != 0) {
    return error_set(error, ERROR_INVALID, "the delimiter must be one ASCII character, and neither a quote nor a line break");
  }
  struct csv_parser *parser = calloc(1, sizeof *parser);
  if (parser == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for the CSV parser");
  parser->handler = handler;
  parser->context = context;
  parser->delimiter = delimiter;
  memset(parser->is_plain, true, sizeof parser->is_plain);
  parser->is_plain[(unsigned char)delimiter] = false;
  parser->is_plain['\n'] = parser->is_plain['\r'] = parser->is_plain['\0'] = false;
  parser->specials = byte_set_make((unsigned char)delimiter, '\n', '\r', '\0');
  parser->line = 1;
  *out_parser = parser;
  return ERROR_NONE;
}

void csv_parser_destroy(struct csv_parser *parser) {
  if (parser == NULL) return;
  free(parser->text);
  free(parser->cells);
  free(parser->replay);
  free(parser);
}

void csv_parser_set_position(struct csv_parser *parser, uint64_t line, uint64_t offset) {
  parser->line = line;
  parser->offset = offset;
  parser->state = offset == 0 ? AT_START : ROW_START;
}

static enum error_code reserve(char **bytes, size_t *capacity, size_t needed, struct error *error) {
  if (needed <= *capacity) return ERROR_NONE;
  size_t larger = *capacity * 2 > needed ? *capacity * 2 : needed;
  char *moved = realloc(*bytes, larger);
  if (moved == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for a row of %zu bytes", needed);
  *bytes = moved;
  *capacity = larger;
  return ERROR_NONE;
}

/* Length of the UTF-8 character at `text` (RFC 3629: no surrogates, nothing overlong), 0 if there is none. */
static size_t utf8_character_bytes(const unsigned char *text, size_t bytes) {
  unsigned char first = text[0];
  if (first < 0x80) return 1;
  size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || bytes < length) return 0;
  for (size_t i = 1; i < length; i++) {
    if ((text[i] & 0xC0) != 0x80) return 0;
  }
  if ((first == 0xE0 && text[1] < 0xA0) || (first == 0xED && text[1] > 0x9F)) return 0;
  if ((first == 0xF0 && text[1] < 0x90) || (first == 0xF4 && text[1] > 0x8F)) return 0;
  return length;
}

static bool is_utf8(const char *text, size_t bytes) {
  for (size_t at = 0; at < bytes;) {
    uint64_t word;
    if (bytes - at >= sizeof word) {
      memcpy(&word, text + at, sizeof word);
      if ((word & UINT64_C(0x8080808080808080)) == 0) {
        at += sizeof word;
        continue;
      }
    }
    size_t length = utf8_character_bytes((const unsigned char *)text + at, bytes - at);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

static void set_defect(struct csv_parser *parser, const char *defect) {
  if (parser->defect == NULL) parser->defect = defect;
}

static void begin_row(struct csv_parser *parser, uint64_t offset) {
  parser->row_line = parser->line;
  parser->row_offset = offset;
  parser->defect = NULL;
  parser->has_high_bytes = false;
  parser->text_bytes = 0;
  parser->cell_count = 0;
}

static void begin_cell(struct csv_parser *parser, bool quoted) {
  if (parser->defect != NULL) parser->text_bytes = 0;
  parser->cell_begin = parser->text_bytes;
  parser->cell_quoted = quoted;
  parser->cell_line = parser->line;
}

/* What the text so far breaks; asked at the end of each cell and of each piece. */
static const char *find_excess(const struct csv_parser *parser) {
  if (parser->text_bytes - parser->cell_begin > CSV_CELL_BYTES_MAX) return "has a cell longer than 1 MiB";
  if (parser->text_bytes > CSV_ROW_BYTES_MAX) return "is longer than 8 MiB";
  return NULL;
}

static void end_recording(struct csv_parser *parser) {
  parser->is_recording = false;
  parser->replay_bytes = 0;
}

static enum error_code push_cell(struct csv_parser *parser, struct error *error) {
  if (parser->cell_count == CSV_COLUMNS_MAX) {
    set_defect(parser, "has more than 16384 cells");
    return ERROR_NONE;
  }
  if (parser->cell_count == parser->cell_capacity) {
    size_t capacity = parser->cell_capacity == 0 ? FIRST_CELLS : parser->cell_capacity * 2;
    struct csv_cell *cells = realloc(parser->cells, capacity * sizeof *cells);
    if (cells == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for a row of %zu cells", capacity);
    parser->cells = cells;
    parser->cell_capacity = capacity;
  }
  size_t bytes = parser->text_bytes - parser->cell_begin;
  parser->cells[parser->cell_count++] = (struct csv_cell){.bytes = bytes, .was_quoted = parser->cell_quoted};
  parser->text[parser->text_bytes++] = '\0';
  parser->cell_begin = parser->text_bytes;
  return ERROR_NONE;
}

static enum error_code end_row(struct csv_parser *parser, struct error *error) {
  parser->state = ROW_START;
  if (parser->defect == NULL && parser->has_high_bytes && !is_utf8(parser->text, parser->text_bytes)) {
    set_defect(parser, "has a byte that is not UTF-8");
  }
  struct csv_row row = {.line = parser->row_line, .offset = parser->row_offset, .defect = parser->defect};
  if (parser->defect == NULL) {
    const char *text = parser->text;
    for (size_t i = 0; i < parser->cell_count; i++) {
      parser->cells[i].text = text;
      text += parser->cells[i].bytes + 1;
    }
    row.cell_count = parser->cell_count;
    row.cells = parser->cells;
  }
  return parser->handler(parser->context, &row, error);
}

/* Behind a line break that ends a row: `byte` is its first character. */
static void end_line(struct csv_parser *parser, unsigned char byte) {
  parser->line++;
  parser->after_cr = byte == '\r';
}

/* The lowest bit set is that of the first byte, if any, that is below 14 (NUL, LF, CR and few more) or equal to the delimiter, which
 * stands eight times in `delimiters`. (Higher bits may be wrong: a borrow runs on from there.) */
static uint64_t find_special(uint64_t word, uint64_t delimiters) {
  const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
  uint64_t difference = word ^ delimiters;
  return (((difference - ones) & ~difference) | ((word - ones * ('\r' + 1)) & ~word)) & tops;
}

/* Copies bytes that need no thought, eight at a time while there are so many; returns the first that does. */
static const unsigned char *copy_plain(struct csv_parser *parser, const unsigned char *p, const unsigned char *end) {
  const uint64_t delimiters = UINT64_C(0x0101010101010101) * (unsigned char)parser->delimiter;
  char *out = parser->text + parser->text_bytes;
  uint64_t high = 0;
  for (;;) {
    uint64_t word;
    if ((size_t)(end - p) < sizeof word) break;
    memcpy(&word, p, sizeof word);
    memcpy(out, &word, sizeof word);
    word = le64toh(word);
    high |= word;
    uint64_t special = find_special(word, delimiters);
    size_t count = special == 0 ? sizeof word : (size_t)__builtin_ctzll(special) / 8;
    p += count;
    out += count;
    if (special == 0) continue;
    if (!parser->is_plain[*p]) break;
    *out++ = (char)*p++;
  }
  while (p < end && parser->is_plain[*p]) {
    high |= *p;
    *out++ = (char)*p++;
  }
  parser->has_high_bytes |= (high & UINT64_C(0x8080808080808080)) != 0;
  parser->text_bytes = (size_t)(out - parser->text);
  return p;
}

static uint64_t count_line_breaks(const char *bytes, size_t count) {
  uint64_t breaks = 0;
  for (const char *end = bytes + count; (bytes = memchr(bytes, '\n', (size_t)(end - bytes))) != NULL; bytes++) breaks++;
  return breaks;
}

/* The inside of a quoted cell up to a quote or the piece's end. */
static const unsigned char *copy_quoted(struct csv_parser *parser, const unsigned char *p, const unsigned char *end, uint64_t offset) {
  const unsigned char *quote = memchr(p, '"', (size_t)(end - p));
  size_t count = (size_t)((quote == NULL ? end : quote) - p);
  if (memchr(p, '\0', count) != NULL) set_defect(parser, "has a NUL byte");
  unsigned high = 0;
  for (size_t i = 0; i < count; i++) high |= p[i];
  parser->has_high_bytes |= (high & 0x80) != 0;
  memcpy(parser->text + parser->text_bytes, p, count);
  parser->text_bytes += count;
  uint64_t breaks = count_line_breaks((const char *)p, count);
  if (breaks > 0 && !parser->is_recording && parser->cell_line == parser->row_line) {
    const unsigned char *first_break = memchr(p, '\n', count);
    parser->is_recording = true;
    parser->replay_offset = offset + (uint64_t)(first_break - p) + 1;
  }
  parser->line += breaks;
  return p + count;
}

/* Keeps what the cell under way holds of bytes[0 … count), which stand at `offset`, beyond its first line break. */
static enum error_code record(struct csv_parser *parser, const char *bytes, size_t count, uint64_t offset, struct error *error) {
  size_t skipped = parser->replay_offset > offset ? (size_t)(parser->replay_offset - offset) : 0;
  enum error_code code = reserve(&parser->replay, &parser->replay_capacity, parser->replay_bytes + count - skipped, error);
  if (code != ERROR_NONE) return code;
  if (count > skipped) memcpy(parser->replay + parser->replay_bytes, bytes + skipped, count - skipped);
  parser->replay_bytes += count - skipped;
  return ERROR_NONE;
}

/* Reports the row that began with a broken quoted cell and reads its further lines as rows of their own. */
static enum error_code replay(struct csv_parser *parser, const char *defect, struct error *error) {
  char *bytes = parser->replay;
  size_t count = parser->replay_bytes;
  parser->replay = NULL;
  parser->replay_bytes = parser->replay_capacity = 0;
  parser->is_recording = false;
  parser->defect = defect;
  enum error_code code = end_row(parser, error);
  if (code == ERROR_NONE) {
    csv_parser_set_position(parser, parser->row_line + 1, parser->replay_offset);
    parser->after_cr = false;
    code = csv_parser_feed(parser, bytes, count, error);
  }
  free(bytes);
  return code;
}

/* The text is over a limit. In quotes, what follows is only known to be data again at the next line. */
static enum error_code give_up(struct csv_parser *parser, const char *excess, struct error *error) {
  if (parser->is_recording) return replay(parser, excess, error);
  set_defect(parser, excess);
  parser->text_bytes = parser->cell_begin = 0;
  if (parser->cell_quoted) parser->state = SKIP_LINE;
  return ERROR_NONE;
}

/* The bytes that csv_parser_feed is at. `text` has room for all that follows `at`. */
struct piece {
  const unsigned char *begin, *at, *end;
  uint64_t offset; /* of `begin` in the stream */
};

static enum error_code record_piece(struct csv_parser *parser, const struct piece *piece, struct error *error) {
  return record(parser, (const char *)piece->begin, (size_t)(piece->at - piece->begin), piece->offset, error);
}

/* A byte of input makes one of text, or two: a cell's last and its NUL. */
static enum error_code reserve_text(struct csv_parser *parser, const struct piece *piece, struct error *error) {
  size_t left = (size_t)(piece->end - piece->at);
  return reserve(&parser->text, &parser->text_capacity, parser->text_bytes + 2 * left + TEXT_SLACK, error);
}

static void read_row_start(struct csv_parser *parser, struct piece *piece) {
  unsigned char byte = *piece->at;
  if (byte != '\n' && byte != '\r') {
    begin_row(parser, piece->offset + (uint64_t)(piece->at - piece->begin));
    parser->state = CELL_START;
    return;
  }
  if (byte == '\n' && parser->after_cr) {
    parser->after_cr = false;
  } else {
    end_line(parser, byte);
  }
  piece->at++;
}

/* At a delimiter or line break: the cell before it is whole. */
static enum error_code read_cell_end(struct csv_parser *parser, struct piece *piece, struct error *error) {
  unsigned char byte = *piece->at;
  const char *excess = find_excess(parser);
  if (excess != NULL && parser->cell_quoted) {
    enum error_code code = parser->is_recording ? record_piece(parser, piece, error) : ERROR_NONE;
    if (code == ERROR_NONE) code = give_up(parser, excess, error);
    return code != ERROR_NONE ? code : reserve_text(parser, piece, error);
  }
  end_recording(parser);
  piece->at++;
  enum error_code code = ERROR_NONE;
  if (excess != NULL) set_defect(parser, excess);
  if (parser->defect == NULL) code = push_cell(parser, error);
  parser->state = CELL_START;
  if (code != ERROR_NONE || byte == (unsigned char)parser->delimiter) return code;
  end_line(parser, byte);
  return end_row(parser, error);
}

/* Cells that read_usual_cells has come to. A delimiter's place is its cell's NUL's, so that text is copied by the block. */
struct usual_cells {
  const unsigned char *cell; /* where the one under way begins … */
  char *text;                /* … and its text */
  uint64_t high;             /* a byte above 127 makes one of its top bits */
  bool has_row_ended;
};

/* Ends the cell under way at `p`, whose place in the text is `out`. False, and nothing was done, if that is not usual. */
static inline bool end_usual_cell(struct csv_parser *parser, struct usual_cells *cells, const unsigned char *p, char *out) {
  const size_t bytes = (size_t)(out - cells->text);
  if ((*p != (unsigned char)parser->delimiter && *p != '\n') || *cells->cell == '"' || bytes > CSV_CELL_BYTES_MAX ||
      out > parser->text + CSV_ROW_BYTES_MAX || parser->cell_count == parser->cell_capacity)
    return false;
  parser->cells[parser->cell_count++] = (struct csv_cell){.bytes = bytes};
  *out = '\0';
  cells->text = out + 1;
  cells->cell = p + 1;
  cells->has_row_ended = *p == '\n';
  return true;
}

/* Block by block; false if something unusual was met, or the row has ended. */
static bool read_usual_block(struct csv_parser *parser, struct usual_cells *cells, const unsigned char *p, char *out) {
  memcpy(out, p, BYTE_MASK_BYTES);
  cells->high |= byte_mask_join(p);
  for (uint64_t specials = byte_mask_find(p, &parser->specials); specials != 0; specials &= specials - 1) {
    const size_t i = (size_t)__builtin_ctzll(specials);
    if (!end_usual_cell(parser, cells, p + i, out + i) || cells->has_row_ended) return false;
  }
  return true;
}

/* The usual case without going through the states: cells without quotes in a row without defects, whole within the piece, up to and with
 * the line's end if that is a line feed. Leaves everything else as it stands. *out_row_ended: the row is ready to be handed out. */
static void read_usual_cells(struct csv_parser *parser, struct piece *piece, bool *out_row_ended) {
  const uint64_t delimiters = UINT64_C(0x0101010101010101) * (unsigned char)parser->delimiter;
  const unsigned char *p = piece->at, *const end = piece->end;
  char *out = parser->text + parser->text_bytes;
  struct usual_cells cells = {.cell = p, .text = out};
  bool is_usual = true;
  while (is_usual && end - p >= BYTE_MASK_BYTES) {
    is_usual = read_usual_block(parser, &cells, p, out);
    p += BYTE_MASK_BYTES;
    out += BYTE_MASK_BYTES;
  }
  while (is_usual && !cells.has_row_ended && end - p >= (ptrdiff_t)sizeof(uint64_t)) {
    uint64_t word;
    memcpy(&word, p, sizeof word);
    memcpy(out, &word, sizeof word);
    word = le64toh(word);
    cells.high |= word;
    const uint64_t special = find_special(word, delimiters);
    const size_t count = special == 0 ? sizeof word : (size_t)__builtin_ctzll(special) / 8;
    p += count;
    out += count;
    if (special == 0) continue;
    is_usual = end_usual_cell(parser, &cells, p++, out++);
  }
  *out_row_ended = cells.has_row_ended;
  parser->has_high_bytes |= (cells.high & UINT64_C(0x8080808080808080)) != 0;
  parser->text_bytes = (size_t)(cells.text - parser->text);
  piece->at = cells.cell;
}

static enum error_code read_cell_start(struct csv_parser *parser, struct piece *piece, struct error *error) {
  bool row_ended = false;
  if (parser->defect == NULL) read_usual_cells(parser, piece, &row_ended);
  if (row_ended) {
    end_line(parser, '\n');
    return end_row(parser, error);
  }
  if (piece->at == piece->end) return ERROR_NONE;
  begin_cell(parser, *piece->at == '"');
  parser->state = parser->cell_quoted ? QUOTED : PLAIN;
  piece->at += parser->cell_quoted;
  return ERROR_NONE;
}

static enum error_code read_plain(struct csv_parser *parser, struct piece *piece, struct error *error) {
  piece->at = copy_plain(parser, piece->at, piece->end);
  if (piece->at == piece->end) return ERROR_NONE;
  if (*piece->at != '\0') return read_cell_end(parser, piece, error);
  set_defect(parser, "has a NUL byte");
  piece->at++;
  return ERROR_NONE;
}

/* Behind a quote inside a quoted cell: a second one, or the cell's end, or nonsense. */
static enum error_code read_quote(struct csv_parser *parser, struct piece *piece, struct error *error) {
  unsigned char byte = *piece->at;
  if (byte == '"') {
    parser->text[parser->text_bytes++] = '"';
    parser->state = QUOTED;
    piece->at++;
    return ERROR_NONE;
  }
  if (byte == (unsigned char)parser->delimiter || byte == '\n' || byte == '\r') return read_cell_end(parser, piece, error);
  if (!parser->is_recording) {
    set_defect(parser, "has text after a closing quote");
    parser->state = PLAIN;
    return ERROR_NONE;
  }
  enum error_code code = record_piece(parser, piece, error);
  if (code == ERROR_NONE) code = replay(parser, "has a quoted cell with text after its closing quote", error);
  return code != ERROR_NONE ? code : reserve_text(parser, piece, error);
}

static enum error_code read_piece(struct csv_parser *parser, struct piece *piece, struct error *error) {
  enum error_code code = ERROR_NONE;
  while (piece->at < piece->end && code == ERROR_NONE) {
    switch (parser->state) {
    case AT_START: parser->state = ROW_START; break; /* the mark has been dealt with */
    case ROW_START: read_row_start(parser, piece); break;
    case CELL_START: code = read_cell_start(parser, piece, error); break;
    case PLAIN: code = read_plain(parser, piece, error); break;
    case QUOTED:
      piece->at = copy_quoted(parser, piece->at, piece->end, piece->offset + (uint64_t)(piece->at - piece->begin));
      if (piece->at == piece->end) break;
      parser->state = QUOTE_SEEN;
      piece->at++;
      break;
    case QUOTE_SEEN: code = read_quote(parser, piece, error); break;
    case SKIP_LINE:
      if (*piece->at == '\n' || *piece->at == '\r') {
        end_line(parser, *piece->at);
        code = end_row(parser, error);
      }
      piece->at++;
      break;
    }
  }
  parser->offset = piece->offset + (uint64_t)(piece->at - piece->begin);
  return code;
}

/* Between pieces: keeps what a broken cell would have to be read again from, and gives up on what is too long. */
static enum error_code end_piece(struct csv_parser *parser, const struct piece *piece, struct error *error) {
  if (parser->state == ROW_START || parser->state == CELL_START || parser->state == SKIP_LINE) return ERROR_NONE;
  if (parser->is_recording) {
    enum error_code code = record_piece(parser, piece, error);
    if (code != ERROR_NONE) return code;
  }
  const char *excess = find_excess(parser);
  if (excess != NULL) return give_up(parser, excess, error);
  if (parser->defect != NULL && parser->state == PLAIN && !parser->cell_quoted) parser->text_bytes = parser->cell_begin;
  return ERROR_NONE;
}

/* Passes over a byte order mark, which may come in pieces. Takes bytes off the front. */
static enum error_code skip_mark(struct csv_parser *parser, const char **bytes, size_t *count, struct error *error) {
  while (*count > 0 && parser->mark_bytes < sizeof byte_order_mark) {
    if (**bytes != byte_order_mark[parser->mark_bytes]) {
      size_t seen = parser->mark_bytes;
      parser->mark_bytes = 0;
      parser->state = ROW_START;
      return csv_parser_feed(parser, byte_order_mark, seen, error);
    }
    parser->mark_bytes++;
    (*bytes)++;
    (*count)--;
  }
  if (parser->mark_bytes == sizeof byte_order_mark) {
    parser->mark_bytes = 0;
    parser->state = ROW_START;
    parser->offset += sizeof byte_order_mark;
  }
  return ERROR_NONE;
}

enum error_code csv_parser_feed(struct csv_parser *parser, const char *bytes, size_t byte_count, struct error *error) {
  enum error_code code = ERROR_NONE;
  if (parser->state == AT_START) code = skip_mark(parser, &bytes, &byte_count, error);
  while (byte_count > 0 && code == ERROR_NONE) {
    size_t count = byte_count < PIECE_BYTES ? byte_count : PIECE_BYTES;
    const unsigned char *begin = (const unsigned char *)bytes;
    struct piece piece = {.begin = begin, .at = begin, .end = begin + count, .offset = parser->offset};
    code = reserve_text(parser, &piece, error);
    if (code == ERROR_NONE) code = read_piece(parser, &piece, error);
    if (code == ERROR_NONE) code = end_piece(parser, &piece, error);
    bytes += count;
    byte_count -= count;
  }
  return code;
}

enum error_code csv_parser_finish(struct csv_parser *parser, struct error *error) {
  enum error_code code = ERROR_NONE;
  if (parser->state == AT_START && parser->mark_bytes > 0) {
    size_t seen = parser->mark_bytes;
    parser->mark_bytes = 0;
    parser->state = ROW_START;
    code = csv_parser_feed(parser, byte_order_mark, seen, error);
  }
  while (code == ERROR_NONE && parser->state == QUOTED && parser->is_recording) code = replay(parser, never_closes, error);
  if (code != ERROR_NONE || parser->state == AT_START || parser->state == ROW_START) return code;
  code = reserve(&parser->text, &parser->text_capacity, parser->text_bytes + TEXT_SLACK, error);
  if (code != ERROR_NONE) return code;
  if (parser->state == QUOTED) set_defect(parser, never_closes);
  if (parser->state == CELL_START) begin_cell(parser, false);
  const char *excess = find_excess(parser);
  if (excess != NULL) set_defect(parser, excess);
  if (parser->defect == NULL) code = push_cell(parser, error);
  return code != ERROR_NONE ? code : end_row(parser, error);
}
