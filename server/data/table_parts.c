/* In this order: files are put into the order of their parts, the columns of each are matched to those of the first, rows are written. */
#include "server/data/table_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/data/csv.h"
#include "server/data/decimal_comma.h"
#include "server/data/header.h"
#include "server/data/ndjson.h"
#include "server/data/row_sink.h"
#include "server/data/split.h"

enum { SNIFF_BYTES = 1 << 16, PORTION_BYTES = 1 << 16, REASON_BYTES = 320, NAME_SHOWN = 100 };

static const char *const part_words[PART_COUNT] = {"train", "validation", "test"};
static const char part_name[] = "part";

struct table {
  struct import *import;
  size_t column_count; /* without `part` */
  char **names;        /* [column_count], owned, each too; NULL before the first part */
  bool has_header;     /* of the first part; so of all */
  const char **cells;  /* [column_count + 1], of the row under way */

  /* The part under way. */
  const struct format_file *file;
  enum split_part part;
  bool has_columns;
  bool is_csv;
  size_t *places; /* [column_count]: which column of the table its i-th is */
  uint64_t rows;
};

bool table_parts_knows_name(const char *name) { return split_part_of_word(name) != PART_COUNT; }

/* ---- columns ---- */

static enum error_code take_names(struct table *table, const char *const *names, size_t count, struct error *error) {
  if (count >= CSV_COLUMNS_MAX)
    return error_set(error, ERROR_INVALID, "part \"%.40s\" has %zu columns; with \"part\", a table may have %d", table->file->part, count,
                     CSV_COLUMNS_MAX);
  table->names = calloc(count, sizeof *table->names);
  table->cells = calloc(count + 1, sizeof *table->cells);
  table->places = calloc(count, sizeof *table->places);
  if (table->names == NULL || table->cells == NULL || table->places == NULL)
    return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for %zu columns", count);
  table->column_count = count;
  for (size_t i = 0; i < count; i++) {
    if (strcmp(names[i], part_name) == 0)
      return error_set(
          error, ERROR_INVALID,
          "part \"%.40s\" has a column \"part\" already, which is what the column is called that tells the files apart; rename it, "
          "or send one file that has it and split by it",
          table->file->part);
    table->places[i] = i;
    table->names[i] = strdup(names[i]);
    if (table->names[i] == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for %zu columns", count);
    table->cells[i] = table->names[i];
  }
  table->cells[count] = part_name;
  import_set_part_column(table->import, count);
  return import_add_row(table->import, table->cells, count + 1, error);
}

/* Most files have their columns in the same order, so the search begins behind the last one found. */
static size_t find_name(const struct table *table, const char *name, size_t start) {
  for (size_t i = 0; i < table->column_count; i++) {
    const size_t at = (start + i) % table->column_count;
    if (strcmp(table->names[at], name) == 0) return at;
  }
  return SIZE_MAX;
}

static enum error_code refuse_columns(const struct table *table, const char *has, const char *name, const char *first_has,
                                      struct error *error) {
  return error_set(error, ERROR_INVALID, "part \"%.40s\" has %s \"%.*s\", which part \"%s\" has%s; %s", table->file->part, has, NAME_SHOWN,
                   name, part_words[PART_TRAIN], first_has,
                   table->is_csv ? "the first line of each file must name the same columns, in any order"
                                 : "the objects of each file must have the same keys, in any order (null is missing)");
}

static enum error_code match_names(struct table *table, const char *const *names, size_t count, struct error *error) {
  if (!table->has_header) {
    if (count == table->column_count) return ERROR_NONE;
    return error_set(error, ERROR_INVALID,
                     "part \"%.40s\" has %zu column%s, part \"train\" has %zu; without headers, columns are matched by their position",
                     table->file->part, count, count == 1 ? "" : "s", table->column_count);
  }
  bool *is_found = calloc(table->column_count, sizeof *is_found);
  if (is_found == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for %zu columns", count);
  const char *surplus = NULL, *missing = NULL;
  for (size_t i = 0, next = 0; i < count; i++) {
    const size_t at = find_name(table, names[i], next);
    if (at == SIZE_MAX) {
      if (surplus == NULL) surplus = names[i];
      continue;
    }
    is_found[at] = true;
    if (i < table->column_count) table->places[i] = at; /* names are distinct, so where one is behind it, another is refused */
    next = at + 1;
  }
  for (size_t i = 0; i < table->column_count && missing == NULL; i++)
    if (!is_found[i]) missing = table->names[i];
  free(is_found);
  if (missing != NULL) return refuse_columns(table, "no column", missing, "", error);
  return surplus != NULL ? refuse_columns(table, "a column", surplus, " not", error) : ERROR_NONE;
}

/* ---- rows ---- */

static enum error_code add_bad_row(void *context, uint64_t line, const char *reason, struct error *error) {
  const struct table *table = context;
  char text[REASON_BYTES];
  snprintf(text, sizeof text, "of part \"%.40s\" %s", table->file->part, reason);
  return import_add_bad_row(table->import, line, text, error);
}

static enum error_code put_row(struct table *table, const char *const *cells, size_t count, struct error *error) {
  for (size_t i = 0; i < count; i++) table->cells[table->places[i]] = cells[i];
  table->cells[count] = part_words[table->part];
  table->rows++;
  return import_add_row(table->import, table->cells, count + 1, error);
}

static enum error_code add_row(void *context, const char *const *cells, size_t count, struct error *error) {
  struct table *table = context;
  if (table->has_columns) return put_row(table, cells, count, error);
  table->has_columns = true;
  return table->names == NULL ? take_names(table, cells, count, error) : match_names(table, cells, count, error);
}

/* ---- CSV ---- */

struct csv_reader {
  struct table *table;
  bool has_header;
  const char **texts; /* [column_count] */
  size_t column_count;
};

static enum error_code take_csv_columns(struct csv_reader *reader, const struct csv_row *row, struct error *error) {
  char **names;
  struct error inner = {0};
  enum error_code code = header_make_names(row, reader->has_header, &names, &inner);
  if (code != ERROR_NONE) return error_set(error, code, "part \"%.40s\": %.400s", reader->table->file->part, inner.detail);
  reader->texts = calloc(row->cell_count, sizeof *reader->texts);
  reader->column_count = row->cell_count;
  if (reader->texts == NULL)
    code = error_set(error, ERROR_OUT_OF_MEMORY, "no memory for %zu columns", row->cell_count);
  else
    code = add_row(reader->table, (const char *const *)names, row->cell_count, error);
  header_free_names(names, row->cell_count);
  return code;
}

static enum error_code take_csv_row(void *context, const struct csv_row *row, struct error *error) {
  struct csv_reader *reader = context;
  struct table *table = reader->table;
  if (!table->has_columns) {
    if (row->defect != NULL && reader->has_header)
      return error_set(error, ERROR_INVALID, "part \"%.40s\": line %" PRIu64 ", the header, %s", table->file->part, row->line, row->defect);
    if (row->defect != NULL) return add_bad_row(table, row->line, row->defect, error);
    enum error_code code = take_csv_columns(reader, row, error);
    if (code != ERROR_NONE || reader->has_header) return code;
  }
  if (row->defect != NULL) return add_bad_row(table, row->line, row->defect, error);
  if (row->cell_count != reader->column_count) {
    char reason[REASON_BYTES / 2];
    snprintf(reason, sizeof reason, "has %zu cell%s, the %s has %zu", row->cell_count, row->cell_count == 1 ? "" : "s",
             reader->has_header ? "header" : "first row", reader->column_count);
    return add_bad_row(table, row->line, reason, error);
  }
  size_t bytes = sizeof "validation";
  for (size_t i = 0; i < row->cell_count; i++) {
    reader->texts[i] = row->cells[i].text;
    bytes += row->cells[i].bytes + 1;
  }
  if (bytes > CSV_ROW_BYTES_MAX) return add_bad_row(table, row->line, "is longer than 8 MiB", error);
  return put_row(table, reader->texts, row->cell_count, error);
}

/* The first part's header is given or found, and the others are like it. One that seems to have a header where the first has none is
 * refused rather than read as a row. */
static enum error_code decide_header(struct table *table, const struct format_options *options, char delimiter, size_t sniffed,
                                     bool *out_has_header, struct error *error) {
  const bool is_first = table->names == NULL, is_found = options->header < 0 && (is_first || !table->has_header);
  *out_has_header = options->header >= 0 ? options->header == 1
                    : is_found           ? header_find((const char *)table->file->bytes, sniffed, delimiter)
                                         : true;
  if (is_first) table->has_header = *out_has_header;
  if (*out_has_header == table->has_header) return ERROR_NONE;
  return error_set(
      error, ERROR_INVALID,
      "part \"%.40s\" seems to begin with a header, part \"train\" with a row; give both a header or none, or say ?header=false",
      table->file->part);
}

static enum error_code finish_csv(struct csv_parser *parser, struct decimal_comma *decimals, struct error *error) {
  const char *bytes;
  size_t count;
  decimal_comma_finish(decimals, &bytes, &count);
  enum error_code code = csv_parser_feed(parser, bytes, count, error);
  return code == ERROR_NONE ? csv_parser_finish(parser, error) : code;
}

static enum error_code read_csv(struct table *table, const struct format_options *options, struct error *error) {
  const struct format_file *file = table->file;
  const size_t sniffed = file->byte_count < SNIFF_BYTES ? (size_t)file->byte_count : SNIFF_BYTES;
  if (sniffed >= 2 && (memcmp(file->bytes, "\xFF\xFE", 2) == 0 || memcmp(file->bytes, "\xFE\xFF", 2) == 0))
    return error_set(error, ERROR_INVALID, "part \"%.40s\" is UTF-16; save it as UTF-8", file->part);
  const char delimiter = options->delimiter != '\0' ? options->delimiter : csv_guess_delimiter((const char *)file->bytes, sniffed);
  struct csv_reader reader = {.table = table};
  struct csv_parser *parser = NULL;
  enum error_code code = decide_header(table, options, delimiter, sniffed, &reader.has_header, error);
  if (code == ERROR_NONE) code = csv_parser_create(delimiter, take_csv_row, &reader, &parser, error);
  struct decimal_comma decimals = {.delimiter = delimiter};
  const bool has_decimal_comma = decimal_comma_find((const char *)file->bytes, sniffed, delimiter);
  for (uint64_t at = 0; at < file->byte_count && code == ERROR_NONE; at += PORTION_BYTES) {
    const uint64_t left = file->byte_count - at;
    const char *bytes = (const char *)file->bytes + at;
    size_t count = left < PORTION_BYTES ? (size_t)left : PORTION_BYTES;
    if (has_decimal_comma) code = decimal_comma_feed(&decimals, bytes, count, &bytes, &count, error);
    if (code == ERROR_NONE) code = csv_parser_feed(parser, bytes, count, error);
  }
  if (code == ERROR_NONE) code = finish_csv(parser, &decimals, error);
  decimal_comma_deinit(&decimals);
  csv_parser_destroy(parser);
  free(reader.texts);
  return code;
}

/* ---- NDJSON ---- */

static enum error_code read_ndjson(struct table *table, const struct format_options *options, struct error *error) {
  (void)options;
  const struct format_file *file = table->file;
  const struct row_sink sink = {.context = table, .add_row = add_row, .add_bad_row = add_bad_row};
  void *reader;
  table->has_header = true;
  enum error_code code = ndjson_open_into(&sink, &reader, error);
  if (code != ERROR_NONE) return code;
  for (uint64_t at = 0; at < file->byte_count && code == ERROR_NONE; at += PORTION_BYTES) {
    const uint64_t left = file->byte_count - at;
    code = ndjson_write(reader, (const char *)file->bytes + at, left < PORTION_BYTES ? (size_t)left : PORTION_BYTES, error);
  }
  if (code == ERROR_NONE) code = ndjson_finish(reader, error);
  ndjson_close(reader);
  return code;
}

/* ---- all parts ---- */

typedef enum error_code part_reader(struct table *table, const struct format_options *options, struct error *error);

static enum error_code order_files(const struct format_file *files, size_t count, const struct format_file *out_files[PART_COUNT],
                                   struct error *error) {
  for (size_t i = 0; i < count; i++) {
    const enum split_part part = split_part_of_word(files[i].part);
    if (part == PART_COUNT)
      return error_set(error, ERROR_INVALID, "no part is called \"%.60s\"; of tables there are train, validation, test", files[i].part);
    if (out_files[part] != NULL)
      return error_set(error, ERROR_INVALID, "\"%.40s\" and \"%.40s\" are both the part \"%s\"; send one of them", out_files[part]->part,
                       files[i].part, part_words[part]);
    out_files[part] = &files[i];
  }
  if (out_files[PART_TRAIN] != NULL) return ERROR_NONE;
  return error_set(error, ERROR_INVALID, "the upload has no part \"train\"; a dataset of several parts needs one to learn from");
}

static enum error_code read_part(struct table *table, part_reader *read, const struct format_options *options, struct error *error) {
  table->has_columns = false;
  table->rows = 0;
  if (table->file->byte_count == 0)
    return error_set(error, ERROR_INVALID, "part \"%.40s\" is empty; it needs at least one row, or leave it out", table->file->part);
  enum error_code code = read(table, options, error);
  if (code != ERROR_NONE || table->rows > 0) return code;
  return error_set(error, ERROR_INVALID, "part \"%.40s\" has no row that can be used; it needs at least one, or leave it out",
                   table->file->part);
}

static enum error_code read_parts(const struct format_file *files, size_t count, part_reader *read, bool is_csv,
                                  const struct format_options *options, struct import *import, struct error *error) {
  const struct format_file *ordered[PART_COUNT] = {0};
  struct table table = {.import = import, .is_csv = is_csv};
  enum error_code code = order_files(files, count, ordered, error);
  for (int part = 0; part < PART_COUNT && code == ERROR_NONE; part++) {
    if (ordered[part] == NULL) continue;
    table.file = ordered[part];
    table.part = (enum split_part)part;
    code = read_part(&table, read, options, error);
  }
  header_free_names(table.names, table.column_count);
  free(table.cells);
  free(table.places);
  return code;
}

enum error_code table_parts_read_csv(const struct format_file *files, size_t count, const struct format_options *options,
                                     struct import *import, struct error *error) {
  return read_parts(files, count, read_csv, true, options, import, error);
}

enum error_code table_parts_read_ndjson(const struct format_file *files, size_t count, const struct format_options *options,
                                        struct import *import, struct error *error) {
  return read_parts(files, count, read_ndjson, false, options, import, error);
}
