#include "server/data/header.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/data/datetime.h"
#include "server/data/sequence.h"

enum { SNIFF_ROWS = 100 };

/* What a cell is: a header is of another sort than what stands below it. */
enum sort { SORT_WORD, SORT_NUMBER, SORT_DATE, SORT_LIST };

static enum sort find_sort(const char *text) {
  double number;
  struct datetime datetime;
  size_t count;
  bool has_brackets;
  if (csv_parse_number(text, &number)) return SORT_NUMBER;
  if (datetime_parse(text, DATETIME_DAY_FIRST, &datetime) || datetime_parse(text, DATETIME_MONTH_FIRST, &datetime)) return SORT_DATE;
  return sequence_is_list(text, &count, &has_brackets) && (has_brackets || count > 1) ? SORT_LIST : SORT_WORD;
}

/* One column of the rows looked at. */
struct column_evidence {
  char *first; /* owned: the first row's cell, trimmed */
  enum sort first_sort;
  unsigned sorts; /* below: a bit for each */
  bool recurs;    /* the first row's cell, below */
};

struct evidence {
  size_t row_count; /* below the first, of as many cells */
  size_t column_count;
  struct column_evidence *columns;
};

static char *copy_trimmed(const char *text) {
  size_t bytes = strlen(text);
  text = csv_trim(text, &bytes);
  return strndup(text, bytes);
}

static enum error_code keep_first_row(struct evidence *evidence, const struct csv_row *row) {
  evidence->columns = calloc(row->cell_count, sizeof *evidence->columns);
  if (evidence->columns == NULL) return ERROR_OUT_OF_MEMORY;
  evidence->column_count = row->cell_count;
  for (size_t i = 0; i < row->cell_count; i++) {
    struct column_evidence *column = &evidence->columns[i];
    column->first_sort = find_sort(row->cells[i].text);
    column->first = copy_trimmed(csv_is_missing(row->cells[i].text) ? "" : row->cells[i].text);
    if (column->first == NULL) return ERROR_OUT_OF_MEMORY;
  }
  return ERROR_NONE;
}

static enum error_code look_at_row(void *context, const struct csv_row *row, struct error *error) {
  struct evidence *evidence = context;
  if (evidence->columns == NULL) {
    if (row->defect != NULL) return ERROR_INVALID;
    enum error_code code = keep_first_row(evidence, row);
    return code == ERROR_NONE ? code : error_set(error, code, "no memory for a row of %zu cells", row->cell_count);
  }
  if (row->cell_count != evidence->column_count) return ERROR_NONE;
  for (size_t i = 0; i < row->cell_count; i++) {
    if (csv_is_missing(row->cells[i].text)) continue;
    struct column_evidence *column = &evidence->columns[i];
    column->sorts |= 1U << find_sort(row->cells[i].text);
    size_t bytes = row->cells[i].bytes;
    const char *text = csv_trim(row->cells[i].text, &bytes);
    column->recurs |= strlen(column->first) == bytes && strncmp(column->first, text, bytes) == 0;
  }
  return ++evidence->row_count < SNIFF_ROWS ? ERROR_NONE : ERROR_CONFLICT; /* enough seen */
}

static bool is_header(const struct evidence *evidence) {
  bool has_empty = false, has_value = false, recurs = false, stands_over_values = false;
  for (size_t i = 0; i < evidence->column_count; i++) {
    const struct column_evidence *column = &evidence->columns[i];
    bool is_empty = column->first[0] == '\0';
    has_empty |= is_empty;
    const unsigned own = 1U << column->first_sort;
    has_value |= column->first_sort == SORT_NUMBER || (column->first_sort != SORT_WORD && (column->sorts & own) != 0);
    recurs |= column->recurs && !is_empty;
    const bool are_values = column->sorts == 1U << SORT_NUMBER || column->sorts == 1U << SORT_DATE || column->sorts == 1U << SORT_LIST;
    stands_over_values |= !is_empty && column->first_sort != SORT_NUMBER && are_values && column->sorts != own;
  }
  /* Years, say, may be names beside one that is a word. */
  return stands_over_values || (!has_value && !has_empty && !recurs);
}

bool header_find(const char *bytes, size_t byte_count, char delimiter) {
  struct evidence evidence = {0};
  struct error error = {0};
  struct csv_parser *parser = NULL;
  bool found = true;
  if (csv_parser_create(delimiter, look_at_row, &evidence, &parser, &error) != ERROR_NONE) return found;
  enum error_code code = csv_parser_feed(parser, bytes, byte_count, &error);
  if (code == ERROR_NONE) code = csv_parser_finish(parser, &error);
  if ((code == ERROR_NONE || code == ERROR_CONFLICT) && evidence.columns != NULL) found = is_header(&evidence);
  for (size_t i = 0; i < evidence.column_count; i++) free(evidence.columns[i].first);
  free(evidence.columns);
  csv_parser_destroy(parser);
  return found;
}

struct named {
  const char *name;
  size_t position;
};

static int compare_named(const void *left, const void *right) {
  const struct named *a = left, *b = right;
  int order = strcmp(a->name, b->name);
  return order != 0 ? order : (a->position > b->position) - (a->position < b->position);
}

static enum error_code check_distinct(char **names, size_t count, uint64_t line, struct error *error) {
  struct named *sorted = calloc(count, sizeof *sorted);
  if (sorted == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for %zu column names", count);
  for (size_t i = 0; i < count; i++) sorted[i] = (struct named){names[i], i};
  qsort(sorted, count, sizeof *sorted, compare_named);
  const struct named *first = NULL, *second = NULL;
  for (size_t i = 1; i < count; i++) {
    if (strcmp(sorted[i - 1].name, sorted[i].name) != 0 || (second != NULL && second->position < sorted[i].position)) continue;
    first = &sorted[i - 1];
    second = &sorted[i];
  }
  enum error_code code = ERROR_NONE;
  if (second != NULL) {
    code = error_set(error, ERROR_INVALID,
                     "line %" PRIu64 ", the header: columns %zu and %zu are both named \"%.100s\"; give each a name of its own", line,
                     first->position + 1, second->position + 1, first->name);
  }
  free(sorted);
  return code;
}

static const char made_prefix[] = "column_";

static char *make_name(size_t position) {
  char name[32];
  snprintf(name, sizeof name, "%s%zu", made_prefix, position + 1);
  return strdup(name);
}

bool header_is_made_name(const char *name) {
  const size_t prefix_bytes = sizeof made_prefix - 1;
  if (strncmp(name, made_prefix, prefix_bytes) != 0 || name[prefix_bytes] == '\0') return false;
  return name[prefix_bytes + strspn(name + prefix_bytes, "0123456789")] == '\0';
}

enum error_code header_make_names(const struct csv_row *row, bool is_header, char ***out_names, struct error *error) {
  enum error_code code = ERROR_NONE;
  char **names = calloc(row->cell_count, sizeof *names);
  if (names == NULL) code = error_set(error, ERROR_OUT_OF_MEMORY, "no memory for %zu column names", row->cell_count);
  for (size_t i = 0; i < row->cell_count && code == ERROR_NONE; i++) {
    size_t bytes = is_header ? row->cells[i].bytes : 0;
    const char *text = is_header ? csv_trim(row->cells[i].text, &bytes) : "";
    if (bytes > HEADER_NAME_BYTES) {
      code = error_set(error, ERROR_INVALID, "line %" PRIu64 ", the header: the name of column %zu has %zu bytes; at most %d are taken",
                       row->line, i + 1, bytes, HEADER_NAME_BYTES);
      break;
    }
    names[i] = bytes == 0 ? make_name(i) : strndup(text, bytes);
    if (names[i] == NULL) code = error_set(error, ERROR_OUT_OF_MEMORY, "no memory for %zu column names", row->cell_count);
  }
  if (code == ERROR_NONE) code = check_distinct(names, row->cell_count, row->line, error);
  if (code == ERROR_NONE) {
    *out_names = names;
  } else {
    header_free_names(names, row->cell_count);
  }
  return code;
}

void header_free_names(char **names, size_t count) {
  for (size_t i = 0; names != NULL && i < count; i++) free(names[i]);
  free(names);
}
