/* The CSV parser and the import under bytes that nobody meant: a fixed number of mutations of small files, the same in every run.
 *
 * Holds for any bytes: however they are cut, the rows are the same; rows come in the order of the file; cells are NUL-terminated UTF-8;
 * reading on from a row's offset gives the rows that follow it; an import ends in a dataset or in a refusal, and what it counted can be
 * read back. `FUZZ_SEED=5 FUZZ_ROUNDS=1000000 test_fuzz_csv` tries others, for as long as wanted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/data/csv.h"
#include "tests/support/allocations.h"
#include "tests/support/data_files.h"
#include "tests/support/suite.h"

enum { IMPORT_ROUNDS = 200, BYTES_MAX = 2048, ROWS_MAX = BYTES_MAX + 1 };

static const char *const seeds[] = {
    "a,b,c\n1,2,3\n4,5,6\n",
    "\xEF\xBB\xBF"
    "name;value\r\n\"x;y\";1,5\r\n\"line\r\nbreak\";\"2\"\"3\"\r\n",
    "a\tb\n\"unclosed\tc\nd\te\n\"f\"g\th\n",
    "\"\",\"\"\"\"\n,\n\n\r\r\n\"a\nb\nc\",\"d\ne\"\n",
    "é,€,😀\nNA,,?\nnull,NaN,1e5\n-1,+2,.5\n",
    "id,text\n1,\"He said \"\"no\"\", and left\"\n2,\"\n\n\"\n",
};
static const char *const pieces[] = {"\"",  "\"\"", ",", ";",    "\n",   "\r\n",         "\r",    "\"\n", "\n\"",
                                     ",\"", "\",",  "é", "\xFF", "\xC3", "\xEF\xBB\xBF", "1e999", "0"};

static uint64_t state = 20240501;
static int parser_rounds = 30000;

static uint32_t draw(uint32_t below) {
  state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)((state >> 33) % below);
}

static void insert(char *bytes, size_t *count, const char *piece, size_t piece_bytes) {
  if (*count + piece_bytes > BYTES_MAX) return;
  size_t at = draw((uint32_t)*count + 1);
  memmove(bytes + at + piece_bytes, bytes + at, *count - at);
  memcpy(bytes + at, piece, piece_bytes);
  *count += piece_bytes;
}

/* A seed with some bytes changed, taken out, doubled or put in. */
static size_t mutate(char *bytes) {
  const char *seed = seeds[draw(sizeof seeds / sizeof seeds[0])];
  size_t count = strlen(seed);
  memcpy(bytes, seed, count);
  for (uint32_t left = 1 + draw(8); left > 0; left--) {
    char copy[64];
    size_t from = draw((uint32_t)count), length = draw(40);
    switch (draw(5)) {
    case 0: bytes[from] = (char)draw(256); break;
    case 1: bytes[from] = "\",;\n\r\0a"[draw(7)]; break;
    case 2:
      if (length < count - from) {
        memmove(bytes + from, bytes + from + length, count - from - length);
        count -= length;
      }
      break;
    case 3:
      if (length > count - from) length = count - from;
      memcpy(copy, bytes + from, length);
      insert(bytes, &count, copy, length);
      break;
    default: {
      const char *piece = pieces[draw(sizeof pieces / sizeof pieces[0])];
      insert(bytes, &count, piece, strlen(piece));
    }
    }
  }
  return count;
}

/* What is kept of each row: where it is, and a hash of its cells. */
struct seen_row {
  uint64_t line, offset, hash;
};
struct seen {
  size_t count;
  struct seen_row rows[ROWS_MAX];
};

static bool is_continuation(char byte) { return ((unsigned char)byte & 0xC0) == 0x80; }

/* Lead bytes are followed by as many continuation bytes as they say. */
static void check_utf8(const char *text, size_t bytes) {
  for (size_t i = 0; i < bytes;) {
    unsigned char lead = (unsigned char)text[i++];
    ck_assert(lead < 0x80 || (lead >= 0xC2 && lead <= 0xF4));
    for (int more = lead < 0x80 ? 0 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3; more > 0; more--)
      ck_assert(i < bytes && is_continuation(text[i++]));
  }
}

static enum error_code see_row(void *context, const struct csv_row *row, struct error *error) {
  (void)error;
  struct seen *seen = context;
  ck_assert_uint_lt(seen->count, ROWS_MAX);
  if (seen->count > 0) {
    ck_assert_uint_gt(row->offset, seen->rows[seen->count - 1].offset);
    ck_assert_uint_ge(row->line, seen->rows[seen->count - 1].line);
  }
  uint64_t hash = row->defect != NULL ? 1 + strlen(row->defect) : 0;
  ck_assert(row->defect == NULL || row->cell_count == 0);
  for (size_t i = 0; i < row->cell_count; i++) {
    const struct csv_cell *cell = &row->cells[i];
    ck_assert_uint_eq(strlen(cell->text), cell->bytes);
    check_utf8(cell->text, cell->bytes);
    for (size_t k = 0; k <= cell->bytes; k++) hash = (hash ^ (unsigned char)cell->text[k]) * UINT64_C(1099511628211);
    double number;
    if (csv_parse_number(cell->text, &number)) ck_assert_double_eq(number, strtod(cell->text, NULL));
    if (csv_is_missing(cell->text)) ck_assert(!csv_parse_number(cell->text, &number));
  }
  seen->rows[seen->count++] = (struct seen_row){row->line, row->offset, hash};
  return ERROR_NONE;
}

/* Parses bytes in portions of 1 … portion_max, from one of their offsets on. */
static void parse(const char *bytes, size_t count, const struct seen_row *from, uint32_t portion_max, char delimiter, struct seen *seen) {
  struct error error = {0};
  struct csv_parser *parser = NULL;
  seen->count = 0;
  ck_assert_int_eq(csv_parser_create(delimiter, see_row, seen, &parser, &error), ERROR_NONE);
  size_t at = from != NULL ? (size_t)from->offset : 0;
  if (from != NULL) csv_parser_set_position(parser, from->line, from->offset);
  while (at < count) {
    size_t portion = 1 + draw(portion_max);
    if (portion > count - at) portion = count - at;
    char *copy = malloc(portion); /* so that the sanitizer sees its end */
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes + at, portion);
    ck_assert_int_eq(csv_parser_feed(parser, copy, portion, &error), ERROR_NONE);
    free(copy);
    at += portion;
  }
  ck_assert_int_eq(csv_parser_finish(parser, &error), ERROR_NONE);
  csv_parser_destroy(parser);
}

static void compare(const struct seen_row *left, const struct seen_row *right, size_t count, bool with_lines) {
  for (size_t i = 0; i < count; i++) {
    ck_assert_uint_eq(left[i].offset, right[i].offset);
    ck_assert_uint_eq(left[i].hash, right[i].hash);
    if (with_lines) ck_assert_uint_eq(left[i].line, right[i].line);
  }
}

static void fuzz_parser(int rounds) {
  static struct seen whole, pieced, rest;
  static char bytes[BYTES_MAX];
  for (int round = 0; round < rounds; round++) {
    size_t count = mutate(bytes);
    char delimiter = csv_guess_delimiter(bytes, count);
    parse(bytes, count, NULL, BYTES_MAX, delimiter, &whole);
    parse(bytes, count, NULL, 1 + draw(9), delimiter, &pieced);
    ck_assert_uint_eq(whole.count, pieced.count);
    compare(whole.rows, pieced.rows, whole.count, true);
    if (whole.count == 0) continue;
    size_t first = draw((uint32_t)whole.count);
    parse(bytes, count, &whole.rows[first], 64, delimiter, &rest);
    ck_assert_uint_eq(rest.count, whole.count - first);
    compare(whole.rows + first, rest.rows, rest.count, true);
  }
}

START_TEST(any_bytes_give_the_same_rows_however_they_are_cut) { fuzz_parser(parser_rounds); }
END_TEST

static enum error_code count_row(void *context, uint64_t index, const char *const *cells, struct error *error) {
  (void)error;
  uint64_t *rows = context;
  ck_assert_uint_eq(index, *rows);
  ck_assert_ptr_nonnull(cells[0]);
  ++*rows;
  return ERROR_NONE;
}

static void fuzz_import(int rounds) {
  static char bytes[BYTES_MAX];
  char *data_dir = data_dir_create();
  size_t live = allocations_live();
  for (int round = 0; round < rounds; round++) {
    size_t count = mutate(bytes);
    struct dataset_row row;
    struct error error = {0};
    enum error_code code = data_import(data_dir, bytes, count, 1 + draw(100), &row, &error);
    if (code == ERROR_NONE) {
      uint64_t rows = 0;
      ck_assert_uint_gt(row.rows, 0);
      ck_assert_int_eq(dataset_read_rows(data_dir, &row, 0, row.rows, count_row, &rows, &error), ERROR_NONE);
      ck_assert_uint_eq(rows, row.rows);
      import_remove_files(data_dir, &row);
      dataset_row_deinit(&row);
    } else {
      ck_assert_int_eq(code, ERROR_INVALID);
      ck_assert_uint_gt(strlen(error.detail), 0);
    }
    ck_assert_uint_eq(data_dir_count_files(data_dir), 0);
    ck_assert_uint_eq(allocations_live(), live);
  }
  data_dir_remove(data_dir);
}

START_TEST(any_bytes_become_a_dataset_or_are_refused) { fuzz_import(IMPORT_ROUNDS); }
END_TEST

static void add_cases(Suite *suite) {
  TCase *fuzz = suite_add_case(suite, "fuzz");
  tcase_add_test(fuzz, any_bytes_give_the_same_rows_however_they_are_cut);
  tcase_add_test(fuzz, any_bytes_become_a_dataset_or_are_refused);
}

int main(void) {
  const char *seed = getenv("FUZZ_SEED"), *rounds = getenv("FUZZ_ROUNDS");
  if (seed != NULL) state = strtoull(seed, NULL, 10);
  if (rounds != NULL) parser_rounds = atoi(rounds);
  return suite_main("fuzz_csv", add_cases);
}
