/* server/data/csv.h: what rows come out of which bytes, however the bytes are cut. */
#include "server/data/csv.h"

#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/suite.h"

/* Rows as one text: cells in [brackets], rows on lines, "!5 why" for a row of line 5 that could not be read. */
struct transcript {
  char *text;
  size_t bytes, capacity;
  bool has_positions;
};

static void append(struct transcript *transcript, const char *text, size_t bytes) {
  if (transcript->bytes + bytes + 1 > transcript->capacity) {
    transcript->capacity = 2 * (transcript->bytes + bytes + 1);
    transcript->text = realloc(transcript->text, transcript->capacity);
    ck_assert_ptr_nonnull(transcript->text);
  }
  memcpy(transcript->text + transcript->bytes, text, bytes);
  transcript->bytes += bytes;
  transcript->text[transcript->bytes] = '\0';
}

static enum error_code note_row(void *context, const struct csv_row *row, struct error *error) {
  (void)error;
  struct transcript *transcript = context;
  char position[64] = "";
  if (transcript->has_positions) snprintf(position, sizeof position, "%zu@%zu ", (size_t)row->line, (size_t)row->offset);
  append(transcript, position, strlen(position));
  if (row->defect != NULL) {
    ck_assert_uint_eq(row->cell_count, 0);
    char line[96];
    int length = snprintf(line, sizeof line, "!%zu %s", (size_t)row->line, row->defect);
    append(transcript, line, (size_t)length);
  }
  for (size_t i = 0; i < row->cell_count; i++) {
    ck_assert_uint_eq(strlen(row->cells[i].text), row->cells[i].bytes);
    append(transcript, row->cells[i].was_quoted ? "<" : "[", 1);
    append(transcript, row->cells[i].text, row->cells[i].bytes);
    append(transcript, row->cells[i].was_quoted ? ">" : "]", 1);
  }
  append(transcript, "\n", 1);
  return ERROR_NONE;
}

/* Reads bytes in two portions, cut at `cut`, then in portions of `portion`. */
static char *read_rows(const char *bytes, size_t count, size_t cut, size_t portion, char delimiter, bool has_positions) {
  struct transcript transcript = {.has_positions = has_positions};
  append(&transcript, "", 0);
  struct error error = {0};
  struct csv_parser *parser = NULL;
  ck_assert_int_eq(csv_parser_create(delimiter, note_row, &transcript, &parser, &error), ERROR_NONE);
  ck_assert_int_eq(csv_parser_feed(parser, bytes, cut, &error), ERROR_NONE);
  for (size_t at = cut; at < count; at += portion) {
    /* A copy of its own, so that reading beyond it is caught by the sanitizer. */
    size_t part = count - at < portion ? count - at : portion;
    char *copy = malloc(part);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes + at, part);
    ck_assert_int_eq(csv_parser_feed(parser, copy, part, &error), ERROR_NONE);
    free(copy);
  }
  ck_assert_int_eq(csv_parser_finish(parser, &error), ERROR_NONE);
  csv_parser_destroy(parser);
  return transcript.text;
}

struct csv_case {
  const char *name, *bytes;
  size_t count; /* 0: strlen */
  const char *rows;
};

static const struct csv_case cases[] = {
    {"nothing", "", 0, ""},
    {"one cell without line break", "a", 0, "[a]\n"},
    {"one row", "a,b\n", 0, "[a][b]\n"},
    {"no final line break", "a,b\nc,d", 0, "[a][b]\n[c][d]\n"},
    {"CRLF", "a,b\r\nc,d\r\n", 0, "[a][b]\n[c][d]\n"},
    {"lone CR", "a,b\rc,d\r", 0, "[a][b]\n[c][d]\n"},
    {"LF and CRLF mixed", "a\nb\r\nc\n", 0, "[a]\n[b]\n[c]\n"},
    {"empty cells", ",\n,,\n", 0, "[][]\n[][][]\n"},
    {"empty last cell at the end", "a,", 0, "[a][]\n"},
    {"blank lines are passed over", "\n\na\n\r\n\r\n\nb\n\n", 0, "[a]\n[b]\n"},
    {"only blank lines", "\n\r\n\r\r\n", 0, ""},
    {"spaces are text", " a , b \n", 0, "[ a ][ b ]\n"},
    {"a line of spaces is a row", "  \n", 0, "[  ]\n"},
    {"quoted", "\"a\",b\n", 0, "<a>[b]\n"},
    {"quoted empty", "\"\",b\n\"\"\n", 0, "<>[b]\n<>\n"},
    {"delimiter in quotes", "\"a,b\",c\n", 0, "<a,b>[c]\n"},
    {"doubled quotes", "\"a\"\"b\"\n", 0, "<a\"b>\n"},
    {"only doubled quotes", "\"\"\"\"\n\"\"\"\"\"\"\n", 0, "<\">\n<\"\">\n"},
    {"LF in quotes", "\"a\nb\",c\n", 0, "<a\nb>[c]\n"},
    {"CRLF in quotes", "\"a\r\nb\",c\r\n", 0, "<a\r\nb>[c]\n"},
    {"CR in quotes", "\"a\rb\"\n", 0, "<a\rb>\n"},
    {"quoted at the end", "a,\"b\"", 0, "[a]<b>\n"},
    {"quoted then CR", "\"a\"\r\"b\"\r\n", 0, "<a>\n<b>\n"},
    {"several multi-line cells", "\"a\nb\",\"c\n\nd\",\"e\"\nf\n", 0, "<a\nb><c\n\nd><e>\n[f]\n"},
    {"quote inside an unquoted cell", "5\" pipe,a\"b\"\n", 0, "[5\" pipe][a\"b\"]\n"},
    {"quote after a space is text", "a, \"b\"\n", 0, "[a][ \"b\"]\n"},
    {"text after a closing quote", "\"a\"b,c\nd\n", 0, "!1 has text after a closing quote\n[d]\n"},
    {"space after a closing quote", "\"a\" ,c\nd\n", 0, "!1 has text after a closing quote\n[d]\n"},
    {"quote that never closes", "a\n\"b\n", 0, "[a]\n!2 has a quote that never closes\n"},
    {"quote that never closes, last line", "a\n\"b", 0, "[a]\n!2 has a quote that never closes\n"},
    {"a lone quote", "\"", 0, "!1 has a quote that never closes\n"},
    {"a stray quote costs one line", "a,b\n\"c,d\ne,f\ng,h\n", 0, "[a][b]\n!2 has a quote that never closes\n[e][f]\n[g][h]\n"},
    {"a stray quote before a quoted cell", "\"a,b\nc,d\ne,\"f\"\n", 0,
     "!1 has a quoted cell with text after its closing quote\n[c][d]\n[e]<f>\n"},
    {"two stray quotes", "\"a,b\nc,d\n\"e,f\ng,h\n", 0,
     "!1 has a quoted cell with text after its closing quote\n[c][d]\n!3 has a quote that never closes\n[g][h]\n"},
    {"stray quote, doubled quotes further on", "\"a\nb,\"\"\nc\n", 0, "!1 has a quote that never closes\n[b]<>\n[c]\n"},
    {"broken cell beginning on a later line", "\"a\nb\",\"c\nd\"e\nf\n", 0, "!1 has text after a closing quote\n[f]\n"},
    {"byte order mark",
     "\xEF\xBB\xBF"
     "a,b\nc,d\n",
     0, "[a][b]\n[c][d]\n"},
    {"byte order mark and quote", "\xEF\xBB\xBF\"a\",b\n", 0, "<a>[b]\n"},
    {"only a byte order mark", "\xEF\xBB\xBF", 0, ""},
    {"half a byte order mark", "\xEF\xBB", 0, "!1 has a byte that is not UTF-8\n"},
    {"a character that begins as the mark does", "\xEF\xBB\x80,b\n", 0, "[\xEF\xBB\x80][b]\n"},
    {"byte order mark further on is text",
     "a\n\xEF\xBB\xBF"
     "b\n",
     0,
     "[a]\n[\xEF\xBB\xBF"
     "b]\n"},
    {"UTF-8 of two, three and four bytes", "é,€,😀\n", 0, "[é][€][😀]\n"},
    {"UTF-8 in quotes", "\"é,€\",\"😀\n\"\n", 0, "<é,€><😀\n>\n"},
    {"Latin-1", "a\n\xE9t\xE9\nb\n", 0, "[a]\n!2 has a byte that is not UTF-8\n[b]\n"},
    {"Latin-1 in quotes", "\"\xE9\"\nb\n", 0, "!1 has a byte that is not UTF-8\n[b]\n"},
    {"lone continuation byte", "\x80\n", 0, "!1 has a byte that is not UTF-8\n"},
    {"overlong slash", "\xC0\xAF\n", 0, "!1 has a byte that is not UTF-8\n"},
    {"overlong in three bytes", "\xE0\x80\xAF\n", 0, "!1 has a byte that is not UTF-8\n"},
    {"surrogate", "\xED\xA0\x80\n", 0, "!1 has a byte that is not UTF-8\n"},
    {"beyond U+10FFFF", "\xF4\x90\x80\x80\n", 0, "!1 has a byte that is not UTF-8\n"},
    {"character cut off by a delimiter", "\xE2\x82,b\n", 0, "!1 has a byte that is not UTF-8\n"},
    {"NUL", "a\0b,c\nd\n", 8, "!1 has a NUL byte\n[d]\n"},
    {"NUL in quotes", "\"a\0b\",c\nd\n", 10, "!1 has a NUL byte\n[d]\n"},
    {"NUL alone", "\0", 1, "!1 has a NUL byte\n"},
    {"line breaks in quotes of a defective row", "a\0,\"b\nc\",d\ne\n", 13, "!1 has a NUL byte\n[e]\n"},
    {"other delimiters are text", "a;b\tc|d\n", 0, "[a;b\tc|d]\n"},
};
enum { CASE_COUNT = sizeof cases / sizeof cases[0] };

START_TEST(rows_are_as_expected_wherever_the_bytes_are_cut) {
  const struct csv_case *csv_case = &cases[_i];
  size_t count = csv_case->count != 0 ? csv_case->count : strlen(csv_case->bytes);
  char *whole = read_rows(csv_case->bytes, count, 0, count + 1, ',', true);
  for (size_t cut = 0; cut <= count; cut++) {
    for (size_t portion = 1; portion <= 3; portion++) {
      char *rows = read_rows(csv_case->bytes, count, cut, portion, ',', false);
      ck_assert_msg(strcmp(rows, csv_case->rows) == 0, "%s, cut at %zu, then by %zu: read\n%snot\n%s", csv_case->name, cut, portion, rows,
                    csv_case->rows);
      free(rows);
      rows = read_rows(csv_case->bytes, count, cut, portion, ',', true);
      ck_assert_str_eq(rows, whole);
      free(rows);
    }
  }
  free(whole);
}
END_TEST

START_TEST(rows_say_on_which_line_and_at_which_byte_they_start) {
  static const char bytes[] = "\xEF\xBB\xBF"
                              "a,b\r\n\"c\r\nd\",e\n\nf\n\"g\nh\n";
  char *rows = read_rows(bytes, strlen(bytes), 0, 100, ',', true);
  ck_assert_str_eq(rows, "1@3 [a][b]\n2@8 <c\r\nd>[e]\n5@18 [f]\n6@20 !6 has a quote that never closes\n7@23 [h]\n");
  free(rows);
}
END_TEST

START_TEST(reading_on_from_a_row_gives_the_rows_from_there) {
  static const char bytes[] = "a\nb\n\"c\nd\"\ne\n";
  struct transcript transcript = {.has_positions = true};
  struct error error = {0};
  struct csv_parser *parser = NULL;
  ck_assert_int_eq(csv_parser_create(',', note_row, &transcript, &parser, &error), ERROR_NONE);
  csv_parser_set_position(parser, 3, 4);
  ck_assert_int_eq(csv_parser_feed(parser, bytes + 4, strlen(bytes) - 4, &error), ERROR_NONE);
  ck_assert_int_eq(csv_parser_finish(parser, &error), ERROR_NONE);
  ck_assert_str_eq(transcript.text, "3@4 <c\nd>\n5@10 [e]\n");
  csv_parser_destroy(parser);
  free(transcript.text);
}
END_TEST

START_TEST(other_delimiters_cut_as_well) {
  static const struct {
    char delimiter;
    const char *bytes;
  } each[] = {{';', "a;\"b;c\"\n"}, {'\t', "a\t\"b\tc\"\n"}, {'|', "a|\"b|c\"\n"}};
  for (size_t i = 0; i < 3; i++) {
    char expected[32];
    snprintf(expected, sizeof expected, "[a]<b%cc>\n", each[i].delimiter);
    char *rows = read_rows(each[i].bytes, strlen(each[i].bytes), 0, 1, each[i].delimiter, false);
    ck_assert_str_eq(rows, expected);
    free(rows);
  }
}
END_TEST

START_TEST(a_delimiter_that_can_not_be_is_refused) {
  static const char wrong[] = {'"', '\n', '\r', '\0', '\xE9'};
  for (size_t i = 0; i < sizeof wrong; i++) {
    struct error error = {0};
    struct csv_parser *parser = NULL;
    ck_assert_int_eq(csv_parser_create(wrong[i], note_row, NULL, &parser, &error), ERROR_INVALID);
    ck_assert_ptr_null(parser);
  }
}
END_TEST

/* Rows of a size, counted only. */
struct tally {
  size_t rows, cells, bytes, defects;
  const char *defect;
};

static enum error_code tally_row(void *context, const struct csv_row *row, struct error *error) {
  (void)error;
  struct tally *tally = context;
  tally->rows++;
  tally->cells += row->cell_count;
  for (size_t i = 0; i < row->cell_count; i++) tally->bytes += row->cells[i].bytes;
  tally->defects += row->defect != NULL;
  if (row->defect != NULL) tally->defect = row->defect;
  return ERROR_NONE;
}

static struct tally tally_rows(const char *before, char filler, size_t fillers, const char *after, size_t portion) {
  size_t count = strlen(before) + fillers + strlen(after);
  char *bytes = malloc(count + 1);
  ck_assert_ptr_nonnull(bytes);
  memcpy(bytes, before, strlen(before));
  memset(bytes + strlen(before), filler, fillers);
  memcpy(bytes + strlen(before) + fillers, after, strlen(after));
  struct tally tally = {0};
  struct error error = {0};
  struct csv_parser *parser = NULL;
  ck_assert_int_eq(csv_parser_create(',', tally_row, &tally, &parser, &error), ERROR_NONE);
  for (size_t at = 0; at < count; at += portion) {
    ck_assert_int_eq(csv_parser_feed(parser, bytes + at, count - at < portion ? count - at : portion, &error), ERROR_NONE);
  }
  ck_assert_int_eq(csv_parser_finish(parser, &error), ERROR_NONE);
  csv_parser_destroy(parser);
  free(bytes);
  return tally;
}

START_TEST(the_longest_cell_and_the_most_cells_are_taken_and_one_more_is_not) {
  static const size_t portions[] = {1000, 65536, 100000, 1 << 24};
  for (size_t i = 0; i < sizeof portions / sizeof portions[0]; i++) {
    struct tally tally = tally_rows("a,", 'x', CSV_CELL_BYTES_MAX, "\nb\n", portions[i]);
    ck_assert_uint_eq(tally.defects, 0);
    ck_assert_uint_eq(tally.bytes, CSV_CELL_BYTES_MAX + 2);
    tally = tally_rows("a,\"", 'x', CSV_CELL_BYTES_MAX, "\",c\nb\n", portions[i]);
    ck_assert_uint_eq(tally.defects, 0);
    ck_assert_uint_eq(tally.rows, 2);
    tally = tally_rows("a,", 'x', CSV_CELL_BYTES_MAX + 1, "\nb\n", portions[i]);
    ck_assert_uint_eq(tally.defects, 1);
    ck_assert_uint_eq(tally.rows, 2);
    ck_assert_str_eq(tally.defect, "has a cell longer than 1 MiB");
    tally = tally_rows("a,\"", 'x', CSV_CELL_BYTES_MAX + 1, "\",\"c\nd\"\nb\n", portions[i]);
    ck_assert_uint_eq(tally.defects, 1);
    ck_assert_uint_eq(tally.rows, 3); /* behind such a cell, reading goes on at the next line: d" and b */
    tally = tally_rows("", ',', CSV_COLUMNS_MAX - 1, "\n", portions[i]);
    ck_assert_uint_eq(tally.cells, CSV_COLUMNS_MAX);
    tally = tally_rows("", ',', 20000 - 1, "\na,b\n", portions[i]);
    ck_assert_uint_eq(tally.cells, 2);
    ck_assert_str_eq(tally.defect, "has more than 16384 cells");
  }
}
END_TEST

START_TEST(a_quote_that_stays_open_for_a_mebibyte_costs_one_line) {
  static const size_t portions[] = {999, 65536, 1 << 24};
  for (size_t i = 0; i < sizeof portions / sizeof portions[0]; i++) {
    struct tally tally = tally_rows("a\n\"b\n", '\n', 3 * CSV_CELL_BYTES_MAX, "c\n\"d\",e\n", portions[i]);
    ck_assert_uint_eq(tally.rows, 4);
    ck_assert_uint_eq(tally.defects, 1);
    ck_assert_uint_eq(tally.cells, 4);
  }
}
END_TEST

START_TEST(a_row_over_eight_mebibytes_is_skipped) {
  size_t cells = 9, cell_bytes = CSV_CELL_BYTES_MAX - 1;
  char *row = malloc(cells * (cell_bytes + 1) + 3);
  ck_assert_ptr_nonnull(row);
  for (size_t i = 0; i < cells; i++) {
    memset(row + i * (cell_bytes + 1), 'x', cell_bytes);
    row[(i + 1) * (cell_bytes + 1) - 1] = ',';
  }
  memcpy(row + cells * (cell_bytes + 1), "\na", 3);
  struct tally tally = tally_rows(row, ' ', 0, "\n", 70000);
  ck_assert_uint_eq(tally.rows, 2);
  ck_assert_uint_eq(tally.defects, 1);
  ck_assert_str_eq(tally.defect, "is longer than 8 MiB");
  free(row);
}
END_TEST

static enum error_code refuse_row(void *context, const struct csv_row *row, struct error *error) {
  size_t *rows = context;
  (void)row;
  return ++*rows == 3 ? error_set(error, ERROR_CONFLICT, "enough") : ERROR_NONE;
}

START_TEST(a_handler_that_returns_an_error_stops_the_parser) {
  size_t rows = 0;
  struct error error = {0};
  struct csv_parser *parser = NULL;
  ck_assert_int_eq(csv_parser_create(',', refuse_row, &rows, &parser, &error), ERROR_NONE);
  ck_assert_int_eq(csv_parser_feed(parser, "a\nb\nc\nd\ne\n", 10, &error), ERROR_CONFLICT);
  ck_assert_uint_eq(rows, 3);
  ck_assert_str_eq(error.detail, "enough");
  csv_parser_destroy(parser);
}
END_TEST

START_TEST(the_delimiter_is_found) {
  static const struct {
    const char *bytes;
    char delimiter;
  } each[] = {
      {"a,b,c\n1,2,3\n", ','},
      {"a;b;c\n1;2;3\n", ';'},
      {"a\tb\n1\t2\n", '\t'},
      {"a|b|c\n1|2|3\n", '|'},
      {"a;b\n1,5;2,5\n3,0;4,5\n", ';'}, /* decimal commas */
      {"name;text\nx;Hello, world\ny;a, b, c\n", ';'},
      {"text,n\n\"a;b;c\",1\n\"d;e;f\",2\n", ','}, /* the others only in quotes */
      {"a,b\n\"x\n;y;\",2\n", ','},
      {"one\ntwo\nthree\n", ','}, /* a single column */
      {"a;b", ';'},
      {"", ','},
      {"a,b;c\n1,2;3\n4,5;6\n1,7\n", ','},
  };
  for (size_t i = 0; i < sizeof each / sizeof each[0]; i++) {
    ck_assert_msg(csv_guess_delimiter(each[i].bytes, strlen(each[i].bytes)) == each[i].delimiter, "case %zu", i);
  }
}
END_TEST

START_TEST(missing_values_are_known_in_any_case_and_with_spaces) {
  static const char *const missing[] = {"",    " ",   "\t ",  "NA",   "na",   "Na", "N/A", "n/a",  "NaN",
                                        "nan", "NAN", "null", "NULL", "Null", "?",  " ? ", " NA\t"};
  static const char *const present[] = {"0", "x", "NAN1", "nananana", "N A", "nil", "none", "-", ".", "??", "n", "no", "nu", "N/", "é"};
  for (size_t i = 0; i < sizeof missing / sizeof missing[0]; i++) ck_assert_msg(csv_is_missing(missing[i]), "\"%s\"", missing[i]);
  for (size_t i = 0; i < sizeof present / sizeof present[0]; i++) ck_assert_msg(!csv_is_missing(present[i]), "\"%s\"", present[i]);
}
END_TEST

START_TEST(commas_may_stand_between_groups_of_three_digits) {
  static const struct {
    const char *text;
    double number;
  } grouped[] = {{"1,234", 1234}, {" -12,345.5 ", -12345.5}, {"+1,000,000", 1e6}, {"999,999,999.", 999999999}, {"100,000.25", 100000.25}};
  for (size_t i = 0; i < sizeof grouped / sizeof grouped[0]; i++) {
    double number = 42;
    ck_assert_msg(csv_parse_number(grouped[i].text, &number) && number == grouped[i].number, "\"%s\": %g", grouped[i].text, number);
  }
  static const char *const others[] = {"1,23",    "1234,567", "0,123",     "012,345", ",123", "1,234,", "1,,234",
                                       "1,234,5", "1,2345",   "1,234.5.6", "1,234e5", "-",    "1,234x", "100,200,300,400,500,600,700,800"};
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    double number = 42;
    ck_assert_msg(!csv_parse_number(others[i], &number), "\"%s\"", others[i]);
  }
}
END_TEST

START_TEST(what_is_not_a_finite_decimal_number_is_none) {
  static const char *const words[] = {
      "",    " ",     "x",   "1x",  "1 2", "0x10",  "inf",   "Infinity",        "nan",   "1e", "1e+", ".", "-", "+", "-.", "e5",
      ".e1", "1.2.3", "1,5", "--1", "+-1", "1e5.5", "1e400", "-1e999999999999", "1_000", "١",  "1\n"};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    double number = 42;
    ck_assert_msg(!csv_parse_number(words[i], &number), "\"%s\"", words[i]);
    ck_assert_double_eq(number, 42);
  }
}
END_TEST

START_TEST(numbers_are_read_as_the_c_library_reads_them) {
  static const char *const fixed[] = {"0",
                                      "-0",
                                      "1",
                                      "+1",
                                      " 1 ",
                                      "\t-2.5 ",
                                      ".5",
                                      "5.",
                                      "1e3",
                                      "1E-3",
                                      "1e+22",
                                      "1e22",
                                      "1e23",
                                      "123456789012345",
                                      "1234567890123456",
                                      "9007199254740993",
                                      "0.1",
                                      "0.30000000000000004",
                                      "1e-400",
                                      "4.9e-324",
                                      "1.7976931348623157e308",
                                      "00000000000000000000000001.5",
                                      "0.00000000000000000000000012345",
                                      "123456789012345e22",
                                      "123456789012345e-22",
                                      "99999999999999999999999999",
                                      "1e0000000000000000000005",
                                      "0e999999999",
                                      "-2.2250738585072011e-308"};
  for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
    double number;
    ck_assert_msg(csv_parse_number(fixed[i], &number), "\"%s\"", fixed[i]);
    double expected = strtod(fixed[i], NULL);
    ck_assert_msg(memcmp(&number, &expected, sizeof number) == 0, "\"%s\" read as %.17g", fixed[i], number);
  }
  uint64_t state = 7;
  for (int i = 0; i < 200000; i++) {
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    char text[64];
    long whole = (long)(state >> 40), exponent = (long)(state >> 33 & 63) - 32;
    int digits = 1 + (int)(state >> 20 & 15);
    if (i % 2 == 0) {
      snprintf(text, sizeof text, "%.*e", digits, ldexp((double)(state >> 12), (int)exponent));
    } else {
      snprintf(text, sizeof text, "-%ld.%0*ld", whole, digits, exponent + 32);
    }
    double number, expected = strtod(text, NULL);
    ck_assert_msg(csv_parse_number(text, &number), "\"%s\"", text);
    ck_assert_msg(memcmp(&number, &expected, sizeof number) == 0, "\"%s\" read as %.17g", text, number);
  }
}
END_TEST

static void check_as_c_library(const char *text) {
  double number, expected = strtod(text, NULL);
  ck_assert_msg(csv_parse_number(text, &number), "\"%s\"", text);
  ck_assert_msg(memcmp(&number, &expected, sizeof number) == 0, "\"%s\" read as %.17g", text, number);
}

/* As languages print doubles, and as close to the middle between two of them as 19 digits come. */
START_TEST(long_numbers_are_rounded_once) {
  uint64_t state = 11;
  for (int i = 0; i < 200000; i++) {
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    char text[64];
    const double number = ldexp((double)(state >> 11), (int)(state >> 5 & 63) - 80);
    snprintf(text, sizeof text, "%.*g", 15 + i % 5, number);
    check_as_c_library(text);
    const unsigned shift = 1 + (unsigned)(state & 7);
    const uint64_t middle = ((state >> 12 | UINT64_C(1) << 52) << 1 | 1) << (shift - 1) << (i % 2);
    for (uint64_t near = middle - 1; near <= middle + 1; near++) {
      snprintf(text, sizeof text, "%" PRIu64, near);
      check_as_c_library(text);
      snprintf(text, sizeof text, "-%" PRIu64 "e%d", near, (int)(state >> 50 & 63) - 31);
      check_as_c_library(text);
    }
  }
}
END_TEST

/* [+-]?(digits[.digits*]|.digits)([eE][+-]?digits)? */
static bool is_number(const char *text) {
  text += strspn(text, " ");
  if (*text == '+' || *text == '-') text++;
  size_t whole = strspn(text, "0123456789"), fraction = 0;
  text += whole;
  if (*text == '.') fraction = strspn(++text, "0123456789");
  text += fraction;
  if (whole + fraction == 0) return false;
  if (*text == 'e') {
    text++;
    if (*text == '+' || *text == '-') text++;
    size_t digits = strspn(text, "0123456789");
    if (digits == 0) return false;
    text += digits;
  }
  return text[strspn(text, " ")] == '\0';
}

START_TEST(short_texts_are_numbers_exactly_if_they_look_so) {
  static const char letters[] = "0123456789012345678901234567890123456789....--+e x/:";
  uint64_t state = 3;
  size_t numbers = 0;
  for (int i = 0; i < 500000; i++) {
    char text[16] = "";
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    size_t length = 1 + (state >> 60) % 10;
    for (size_t k = 0; k < length; k++) {
      state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
      text[k] = letters[(state >> 33) % (sizeof letters - 1)];
    }
    double number, expected = strtod(text, NULL);
    bool is_one = is_number(text) && isfinite(expected);
    ck_assert_msg(csv_parse_number(text, &number) == is_one, "\"%s\"", text);
    ck_assert_msg(!is_one || memcmp(&number, &expected, sizeof number) == 0, "\"%s\" read as %.17g", text, number);
    numbers += is_one;
  }
  ck_assert_uint_gt(numbers, 50000);
}
END_TEST

START_TEST(numbers_do_not_depend_on_the_locale) {
  if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL && setlocale(LC_ALL, "fr_FR.UTF-8") == NULL)
    return; /* none with a decimal comma installed */
  double number;
  ck_assert(csv_parse_number("1.23456789012345678901", &number));
  ck_assert_double_eq(number, 1.23456789012345678901);
  setlocale(LC_ALL, "C");
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *parser = suite_add_case(suite, "parser");
  tcase_add_loop_test(parser, rows_are_as_expected_wherever_the_bytes_are_cut, 0, CASE_COUNT);
  tcase_add_test(parser, rows_say_on_which_line_and_at_which_byte_they_start);
  tcase_add_test(parser, reading_on_from_a_row_gives_the_rows_from_there);
  tcase_add_test(parser, other_delimiters_cut_as_well);
  tcase_add_test(parser, a_delimiter_that_can_not_be_is_refused);
  tcase_add_test(parser, the_longest_cell_and_the_most_cells_are_taken_and_one_more_is_not);
  tcase_add_test(parser, a_quote_that_stays_open_for_a_mebibyte_costs_one_line);
  tcase_add_test(parser, a_row_over_eight_mebibytes_is_skipped);
  tcase_add_test(parser, a_handler_that_returns_an_error_stops_the_parser);
  TCase *values = suite_add_case(suite, "values");
  tcase_add_test(values, the_delimiter_is_found);
  tcase_add_test(values, missing_values_are_known_in_any_case_and_with_spaces);
  tcase_add_test(values, commas_may_stand_between_groups_of_three_digits);
  tcase_add_test(values, what_is_not_a_finite_decimal_number_is_none);
  tcase_add_test(values, numbers_are_read_as_the_c_library_reads_them);
  tcase_add_test(values, long_numbers_are_rounded_once);
  tcase_add_test(values, short_texts_are_numbers_exactly_if_they_look_so);
  tcase_add_test(values, numbers_do_not_depend_on_the_locale);
}

int main(void) { return suite_main("csv", add_cases); }
