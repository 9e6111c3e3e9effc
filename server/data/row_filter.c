#include "server/data/row_filter.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "engine/param.h"
#include "server/data/cell_number.h"

/* Longest first where one begins with another. */
static const struct {
  const char *sign;
  enum row_comparison comparison;
} signs[] = {{"!=", ROW_NOT_EQUAL}, {"<=", ROW_AT_MOST}, {">=", ROW_AT_LEAST}, {"=", ROW_EQUAL}, {"<", ROW_LESS}, {">", ROW_GREATER}};

/* What is left to read, and where the next text goes. */
struct scanner {
  const char *start, *at;
  char *texts;
  size_t texts_left;
};

static void skip_spaces(struct scanner *scanner) {
  while (*scanner->at == ' ' || *scanner->at == '\t') scanner->at++;
}

static enum error_code refuse(const struct scanner *scanner, struct error *error, const char *wanted) {
  return error_set(error, ERROR_INVALID, "query parameter \"where\", character %zu: %s", (size_t)(scanner->at - scanner->start) + 1,
                   wanted);
}

/* A word of the grammar, whatever its case; it ends where no letter follows. */
static bool take_word(struct scanner *scanner, const char *word) {
  const size_t length = strlen(word);
  skip_spaces(scanner);
  if (strncasecmp(scanner->at, word, length) != 0 || isalnum((unsigned char)scanner->at[length])) return false;
  scanner->at += length;
  return true;
}

static bool put_byte(struct scanner *scanner, char byte) {
  if (scanner->texts_left == 0) return false;
  *scanner->texts++ = byte;
  scanner->texts_left--;
  return true;
}

/* The rest of a text in quotes, whose first one is behind us. */
static bool take_quoted(struct scanner *scanner) {
  for (; *scanner->at != '\0'; scanner->at++) {
    if (*scanner->at == '"' && *++scanner->at != '"') return true;
    if (!put_byte(scanner, *scanner->at)) return false;
  }
  return false;
}

/* A name or a value; NULL and an error if there is none. */
static const char *take_text(struct scanner *scanner, const char *wanted, struct error *error) {
  const char *text = scanner->texts;
  skip_spaces(scanner);
  const char *first = scanner->at;
  if (*first == '"') {
    scanner->at++;
    if (!take_quoted(scanner)) {
      scanner->at = first;
      (void)refuse(scanner, error, "the quote has no end");
      return NULL;
    }
  } else {
    while (*scanner->at != '\0' && strchr(" \t\"=!<>", *scanner->at) == NULL && put_byte(scanner, *scanner->at)) scanner->at++;
    if (scanner->at == first) {
      (void)refuse(scanner, error, wanted);
      return NULL;
    }
  }
  return put_byte(scanner, '\0') ? text : NULL;
}

static const char *get_column_name(const void *context, size_t index) { return ((const struct dataset_row *)context)->columns[index].name; }

static enum error_code find_column(const struct dataset_row *dataset, const char *name, size_t *out_column, struct error *error) {
  for (size_t i = 0; i < dataset->column_count; i++) {
    if (strcmp(dataset->columns[i].name, name) != 0) continue;
    *out_column = i;
    return ERROR_NONE;
  }
  const char *nearest = param_suggest(name, dataset->column_count, get_column_name, dataset);
  return error_set(error, ERROR_INVALID, "query parameter \"where\": dataset \"%s\" has no column \"%.80s\"%s%.80s%s", dataset->name, name,
                   nearest == NULL ? "" : "; did you mean \"", nearest == NULL ? "" : nearest, nearest == NULL ? "" : "\"?");
}

static enum error_code take_comparison(struct scanner *scanner, enum row_comparison *out_comparison, struct error *error) {
  skip_spaces(scanner);
  for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
    if (strncmp(scanner->at, signs[i].sign, strlen(signs[i].sign)) != 0) continue;
    scanner->at += strlen(signs[i].sign);
    *out_comparison = signs[i].comparison;
    return ERROR_NONE;
  }
  *out_comparison = ROW_CONTAINS;
  if (take_word(scanner, "contains")) return ERROR_NONE;
  const bool is_state = take_word(scanner, "is");
  *out_comparison = ROW_IS_MISSING;
  if (is_state && take_word(scanner, "missing")) return ERROR_NONE;
  *out_comparison = ROW_IS_PRESENT;
  if (is_state && take_word(scanner, "present")) return ERROR_NONE;
  return refuse(
      scanner, error,
      "after a column's name comes =, !=, <, <=, >, >=, contains, is missing or is present (names with spaces or such signs stand "
      "in double quotes)");
}

/* A column that has numbers is compared with one; an order is one of numbers or dates only. */
static enum error_code check_value(const struct dataset_row *dataset, struct row_condition *condition, struct error *error) {
  const struct dataset_column *column = &dataset->columns[condition->column];
  if (condition->comparison == ROW_CONTAINS) return ERROR_NONE;
  if (column_has_numbers(column)) {
    if (cell_get_number(column, condition->text, &condition->number)) return ERROR_NONE;
    return error_set(error, ERROR_INVALID, "query parameter \"where\": column \"%.80s\" has %s; \"%.60s\" is none", column->name,
                     column->kind == COLUMN_NUMERIC ? "numbers" : "dates", condition->text);
  }
  if (condition->comparison == ROW_EQUAL || condition->comparison == ROW_NOT_EQUAL) return ERROR_NONE;
  return error_set(error, ERROR_INVALID,
                   "query parameter \"where\": column \"%.80s\" is %s, which has no order; compare it with =, != or contains", column->name,
                   column_kind_names[column->kind]);
}

static enum error_code take_condition(struct scanner *scanner, const struct dataset_row *dataset, struct row_condition *condition,
                                      struct error *error) {
  const char *name = take_text(scanner, "a column's name is expected", error);
  if (name == NULL) return ERROR_INVALID;
  enum error_code code = find_column(dataset, name, &condition->column, error);
  if (code == ERROR_NONE && dataset->columns[condition->column].kind == COLUMN_IMAGE)
    code = error_set(error, ERROR_INVALID, "query parameter \"where\": column \"%.80s\" has images, which can't be compared", name);
  if (code == ERROR_NONE) code = take_comparison(scanner, &condition->comparison, error);
  if (code != ERROR_NONE || condition->comparison >= ROW_IS_MISSING) return code;
  condition->text = take_text(scanner, "a value is expected", error);
  return condition->text == NULL ? ERROR_INVALID : check_value(dataset, condition, error);
}

enum error_code row_filter_parse(const char *text, const struct dataset_row *dataset, struct row_filter *out_filter, struct error *error) {
  *out_filter = (struct row_filter){.dataset = dataset};
  struct scanner scanner = {.start = text, .at = text, .texts = out_filter->texts, .texts_left = sizeof out_filter->texts};
  if (strlen(text) >= ROW_FILTER_BYTES)
    return error_set(error, ERROR_INVALID, "query parameter \"where\" may have %d bytes", ROW_FILTER_BYTES - 1);
  do {
    if (out_filter->count == ROW_FILTER_CONDITIONS)
      return error_set(error, ERROR_INVALID, "query parameter \"where\" may have %d conditions", ROW_FILTER_CONDITIONS);
    enum error_code code = take_condition(&scanner, dataset, &out_filter->conditions[out_filter->count++], error);
    if (code != ERROR_NONE) return code;
  } while (take_word(&scanner, "and"));
  return *scanner.at == '\0' ? ERROR_NONE
                             : refuse(&scanner, error, "\"and\" or the end is expected (values with spaces stand in double quotes)");
}

static bool compare_numbers(enum row_comparison comparison, double left, double right) {
  switch (comparison) {
  case ROW_EQUAL: return left == right;
  case ROW_NOT_EQUAL: return left != right;
  case ROW_LESS: return left < right;
  case ROW_AT_MOST: return left <= right;
  case ROW_GREATER: return left > right;
  case ROW_AT_LEAST: return left >= right;
  case ROW_CONTAINS:
  case ROW_IS_MISSING:
  case ROW_IS_PRESENT: break;
  }
  return false;
}

static bool equals_trimmed(const char *cell, const char *text) {
  size_t cell_bytes = strlen(cell), text_bytes = strlen(text);
  cell = csv_trim(cell, &cell_bytes);
  text = csv_trim(text, &text_bytes);
  return cell_bytes == text_bytes && memcmp(cell, text, text_bytes) == 0;
}

static bool condition_holds(const struct row_filter *filter, const struct row_condition *condition, const char *cell) {
  const struct dataset_column *column = &filter->dataset->columns[condition->column];
  const bool is_missing = csv_is_missing(cell);
  double number;
  if (condition->comparison == ROW_IS_MISSING || condition->comparison == ROW_IS_PRESENT)
    return is_missing == (condition->comparison == ROW_IS_MISSING);
  if (is_missing) return condition->comparison == ROW_NOT_EQUAL;
  if (condition->comparison == ROW_CONTAINS) return strcasestr(cell, condition->text) != NULL;
  if (column_has_numbers(column))
    return cell_get_number(column, cell, &number) && compare_numbers(condition->comparison, number, condition->number);
  return equals_trimmed(cell, condition->text) == (condition->comparison == ROW_EQUAL);
}

bool row_filter_matches(const struct row_filter *filter, const char *const *cells) {
  for (size_t i = 0; i < filter->count; i++) {
    if (!condition_holds(filter, &filter->conditions[i], cells[filter->conditions[i].column])) return false;
  }
  return true;
}
