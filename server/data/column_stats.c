#include "server/data/column_stats.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/data/import.h"
#include "server/data/sequence.h"
#include "server/data/short_bytes.h"

enum {
  FIRST_WORD_SHOWN = FIRST_WORD_BYTES - 4, /* and "…" */
  NUMBERS_MIN = 3,                         /* beside one word; beside several … */
  NUMBERS_PER_WORD_MIN = 19,               /* … 95 % of the cells */
  WORDS_SAMPLE = 10000,                    /* cells whose words are counted */
  CATEGORY_WORDS_MAX = 3,                  /* on average; longer values are free text … */
  FREQUENT_CATEGORIES_MAX = 50,
  FREQUENT_REPEATS_MIN = 10 /* … unless few of them make up the column ("strongly agree with it") */
};
static const double largest_whole = 9007199254740992; /* 2^53 */

double moments_get_std(const struct moments *moments) {
  return moments->count == 0 ? 0 : sqrt(fmax(moments->squares, 0) / (double)moments->count);
}

/* West, "Updating mean and variance estimates: an improved method", 1979. */
void moments_add_repeated(struct moments *moments, double x, uint64_t count) {
  if (moments->count == 0) moments->origin = moments->min = moments->max = x;
  moments->count += count;
  const double shifted = x - moments->origin, delta = shifted - moments->mean, weight = (double)count;
  moments->mean += delta * (weight / (double)moments->count);
  moments->squares += weight * delta * (shifted - moments->mean);
  moments->min = fmin(moments->min, x);
  moments->max = fmax(moments->max, x);
}

static uint64_t count_words(const char *text, size_t bytes) {
  uint64_t words = 0;
  bool in_word = false;
  for (size_t i = 0; i < bytes; i++) {
    bool is_space = text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r';
    words += !is_space && !in_word;
    in_word = !is_space;
  }
  return words;
}

/* A column that began with numbers has none. */
static void add_date(struct column_stats *stats, const char *text) {
  struct datetime datetimes[2];
  if (stats->moments.count > 0) stats->dates.is_refuted = true;
  if (stats->dates.is_refuted || !datetime_evidence_add(&stats->dates, text, datetimes)) return;
  struct reciprocal reciprocal = {0};
  for (int i = 0; i < 2; i++) moments_add(&stats->date_moments[i], &reciprocal, datetimes[i].instant);
}

static void keep_first_word(struct column_stats *stats, const struct csv_cell *cell, uint64_t line) {
  size_t bytes = cell->bytes;
  const char *text = csv_trim(cell->text, &bytes);
  const bool is_cut = bytes > FIRST_WORD_SHOWN;
  if (is_cut) bytes = FIRST_WORD_SHOWN;
  while (is_cut && bytes > 0 && ((unsigned char)text[bytes] & 0xC0u) == 0x80u) bytes--; /* between characters */
  (void)snprintf(stats->first_word, sizeof stats->first_word, "%.*s%s", (int)bytes, text, is_cut ? "…" : "");
  stats->first_word_line = line;
}

static bool add_listed(void *context, double number) {
  struct reciprocal reciprocal = {0};
  moments_add(context, &reciprocal, number);
  return true;
}

/* A column may begin with numbers: lists of one. */
static void add_list(struct column_stats *stats, const char *text) {
  struct list_evidence *lists = &stats->lists;
  size_t count = 0;
  bool has_brackets = false;
  if (lists->is_refuted) return;
  lists->is_refuted = !sequence_is_list(text, &count, &has_brackets);
  if (lists->is_refuted) return;
  const bool is_first = stats->present == 1;
  if (lists->longest == 0 && stats->moments.count > 0) {
    lists->moments = stats->moments;
    lists->shortest = lists->longest = 1;
  }
  if (!sequence_walk(text, add_listed, &lists->moments)) lists->is_refuted = true;
  if (is_first || count < lists->shortest) lists->shortest = count;
  if (count > lists->longest) lists->longest = count;
  lists->has_brackets |= has_brackets;
  lists->has_several |= count > 1;
}

/* All that is a number here is a list, too: these cells are seen as long as lists are. */
static void add_grouped(struct column_stats *stats, const char *text) {
  struct group_evidence *groups = &stats->groups;
  if (groups->is_refuted) return;
  if (groups->moments.count == 0) {
    groups->moments = stats->moments;
    groups->has_plain = stats->moments.count > 0;
  }
  double number;
  groups->is_refuted = !csv_parse_number(text, &number);
  if (groups->is_refuted) return;
  const char *first_comma = strchr(text, ',');
  if (first_comma == NULL) groups->has_plain = true;
  if (first_comma != NULL) groups->has_zeros |= strstr(first_comma, ",0") != NULL;
  if (first_comma != NULL) groups->has_short |= first_comma - text < 3 || !isdigit((unsigned char)first_comma[-3]);
  groups->has_fractions |= number != floor(number);
  struct reciprocal reciprocal = {0};
  moments_add(&groups->moments, &reciprocal, number);
}

static bool has_groups(const struct column_stats *stats) {
  const struct group_evidence *groups = &stats->groups;
  return stats->has_words && !groups->is_refuted && (groups->has_zeros || (groups->has_short && groups->has_plain));
}

/* The numbers counted in the table, which is not looked at again for them. */
static void fold_table(struct column_stats *stats) {
  uint64_t counts[IMPORT_CATEGORIES];
  distinct_get_counts(&stats->distinct, counts);
  for (size_t i = 0; i < stats->distinct.count; i++) {
    const char *value = distinct_get_value(&stats->distinct, i);
    double number;
    if (!csv_parse_number_of(value, strlen(value), &number)) continue;
    if (!stats->has_words) moments_add_repeated(&stats->moments, number, counts[i]);
    stats->numbers += counts[i];
  }
}

/* The first word: the numbers so far are all that there will be of the column's. */
static void begin_words(struct column_stats *stats, const struct csv_cell *cell, uint64_t line) {
  const uint64_t numbers = stats->numbers; /* those of the table are still in it */
  fold_table(stats);
  stats->numbers = numbers;
  stats->has_words = true;
  keep_first_word(stats, cell, line);
}

static void see_word(struct column_stats *stats, const char *text, const char *trimmed, size_t bytes) {
  add_date(stats, text);
  add_list(stats, text);
  add_grouped(stats, text);
  if (stats->words_cells == WORDS_SAMPLE) return;
  stats->words += count_words(trimmed, bytes);
  stats->words_cells++;
}

/* How the next cells are taken, by what is known now. */
static enum column_reading choose_reading(const struct column_stats *stats) {
  const bool has_table = !stats->distinct.is_dropped;
  if (!stats->has_words) return has_table ? READING_VALUES : READING_NUMBERS;
  const bool is_sample_read = stats->words_cells == WORDS_SAMPLE && stats->dates.is_refuted && stats->lists.is_refuted;
  return has_table && is_sample_read ? READING_VALUES : READING_EACH;
}

/* A value that isn't in the table. */
static enum error_code add_value(struct column_stats *stats, struct distinct_budget *budget, const char *value, size_t bytes,
                                 struct error *error) {
  const enum distinct_outcome outcome = distinct_append(&stats->distinct, budget, value, bytes);
  if (outcome == DISTINCT_OUT_OF_MEMORY) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for the distinct values of a column");
  if (outcome == DISTINCT_KEPT) return ERROR_NONE;
  fold_table(stats);
  distinct_drop(&stats->distinct, budget);
  return ERROR_NONE;
}

enum error_code column_stats_see(struct column_stats *stats, struct reciprocal *reciprocal, struct distinct_budget *budget,
                                 const struct csv_cell *cell, uint64_t line, struct error *error) {
  size_t bytes = cell->bytes;
  const char *value = csv_trim(cell->text, &bytes);
  double number = 0;
  const bool is_number = csv_parse_number_of(value, bytes, &number);
  if (!is_number && !stats->has_words) begin_words(stats, cell, line);
  if (stats->has_words)
    see_word(stats, cell->text, value, bytes);
  else if (number != floor(number) || fabs(number) > largest_whole)
    stats->has_fractions = true;
  struct distinct_place *place =
      distinct_find(&stats->distinct, budget, value, bytes, bytes <= DISTINCT_SHORT_BYTES ? short_bytes_load(value, bytes) : 0);
  enum error_code code = ERROR_NONE;
  if (place != NULL)
    place->state++;
  else if (!stats->distinct.is_dropped)
    code = add_value(stats, budget, value, bytes, error);
  if (stats->distinct.is_dropped) {
    stats->numbers += is_number;
    if (!stats->has_words) moments_add(&stats->moments, reciprocal, number);
  }
  stats->reading = choose_reading(stats);
  return code;
}

/* A value on its way from the table to the column, with its number if the column has numbers. */
struct value {
  const char *text;
  uint64_t count;
  double number;
};

static int compare_texts(const void *left, const void *right) {
  return strcmp(((const struct value *)left)->text, ((const struct value *)right)->text);
}

/* By number; of several spellings of one number ("1", "1.0") the shortest first. */
static int compare_numbers(const void *left, const void *right) {
  const struct value *a = left, *b = right;
  if (a->number != b->number) return a->number < b->number ? -1 : 1;
  size_t a_bytes = strlen(a->text), b_bytes = strlen(b->text);
  if (a_bytes != b_bytes) return a_bytes < b_bytes ? -1 : 1;
  return strcmp(a->text, b->text);
}

/* Sorts, and makes one of several spellings of a number. Returns how many remain. */
static size_t sort_values(struct value *values, size_t count, bool as_numbers) {
  if (!as_numbers) {
    qsort(values, count, sizeof *values, compare_texts);
    return count;
  }
  for (size_t i = 0; i < count; i++) {
    if (!csv_parse_number(values[i].text, &values[i].number)) values[i].number = 0;
  }
  qsort(values, count, sizeof *values, compare_numbers);
  size_t kept = 0;
  for (size_t i = 0; i < count; i++) {
    if (kept > 0 && values[kept - 1].number == values[i].number) {
      values[kept - 1].count += values[i].count;
    } else {
      values[kept++] = values[i];
    }
  }
  return kept;
}

static enum error_code take_categories(const struct distinct *distinct, bool as_numbers, struct dataset_column *column,
                                       struct error *error) {
  enum error_code code = ERROR_OUT_OF_MEMORY;
  struct value *values = calloc(distinct->count, sizeof *values);
  if (values == NULL) goto cleanup;
  uint64_t counts[IMPORT_CATEGORIES];
  distinct_get_counts(distinct, counts);
  for (size_t i = 0; i < distinct->count; i++) values[i] = (struct value){.text = distinct_get_value(distinct, i), .count = counts[i]};
  size_t count = sort_values(values, distinct->count, as_numbers);
  column->categories = calloc(count, sizeof *column->categories);
  if (column->categories == NULL) goto cleanup;
  for (size_t i = 0; i < count; i++) {
    column->categories[i] = (struct category){.value = strdup(values[i].text), .count = values[i].count};
    column->category_count++;
    if (column->categories[i].value == NULL) goto cleanup;
  }
  code = ERROR_NONE;
cleanup:
  free(values);
  return code == ERROR_NONE ? code : error_set(error, code, "no memory for the categories of a column");
}

static enum column_kind infer_kind(const struct column_stats *stats, const struct dataset_column *column) {
  if (column->can_be_numeric) return COLUMN_NUMERIC;
  if (column->datetime_form != 0) return COLUMN_DATETIME;
  if (!column->has_categories) return column->list_longest > 0 ? COLUMN_SEQUENCE : COLUMN_TEXT;
  if (column->list_longest > 0 && stats->lists.has_brackets) return COLUMN_SEQUENCE;
  uint64_t distinct = column->category_count;
  if (distinct <= FREQUENT_CATEGORIES_MAX && stats->present >= FREQUENT_REPEATS_MIN * distinct) return COLUMN_CATEGORICAL;
  if (column->list_longest > 0) return COLUMN_SEQUENCE;
  bool repeats = distinct <= 2 || distinct <= stats->present / 2;
  bool is_short = stats->words <= CATEGORY_WORDS_MAX * stats->words_cells;
  return repeats && is_short ? COLUMN_CATEGORICAL : COLUMN_TEXT;
}

const char *column_describe_words(const struct dataset_column *column, const char *what, char text[COLUMN_WORDS_BYTES]) {
  if (column->first_word == NULL)
    (void)snprintf(text, COLUMN_WORDS_BYTES, "%s", what);
  else
    (void)snprintf(text, COLUMN_WORDS_BYTES, "%s (line %" PRIu64 ": \"%s\"; nearly all else is numbers)", what, column->first_word_line,
                   column->first_word);
  return text;
}

/* A column that looks as if it were to be numbers: its first word is probably a slip. */
static bool is_nearly_numeric(const struct column_stats *stats) {
  const uint64_t words = stats->present - stats->numbers;
  return words > 0 && stats->numbers >= NUMBERS_MIN && (words == 1 || stats->numbers / words >= NUMBERS_PER_WORD_MIN);
}

enum error_code column_stats_finish(struct column_stats *stats, struct distinct_budget *budget, struct dataset_column *out_column,
                                    struct error *error) {
  fold_table(stats);
  const struct moments *moments = &stats->moments;
  struct datetime_form form;
  const bool are_grouped = has_groups(stats);
  const bool has_dates = stats->has_words && datetime_evidence_get_form(&stats->dates, &form);
  out_column->can_be_numeric = stats->present > 0 && (!stats->has_words || are_grouped);
  out_column->is_integral = out_column->can_be_numeric && !stats->has_fractions && !stats->groups.has_fractions;
  out_column->missing = stats->missing;
  out_column->min = out_column->max = out_column->mean = out_column->std = NAN;
  out_column->datetime_form = has_dates ? datetime_form_pack(form) : 0;
  if (has_dates) moments = &stats->date_moments[form.order == DATETIME_MONTH_FIRST];
  const struct list_evidence *lists = &stats->lists;
  const bool has_lists =
      stats->has_words && !are_grouped && !lists->is_refuted && lists->longest > 0 && (lists->has_brackets || lists->has_several);
  out_column->list_shortest = has_lists ? lists->shortest : 0;
  out_column->list_longest = has_lists ? lists->longest : 0;
  if (has_lists) moments = &lists->moments;
  if (are_grouped) moments = &stats->groups.moments;
  if (out_column->can_be_numeric || has_dates || has_lists) {
    out_column->min = moments->min;
    out_column->max = moments->max;
    out_column->mean = moments_get_mean(moments);
    out_column->std = moments_get_std(moments);
  }
  out_column->has_categories = !stats->distinct.is_dropped;
  enum error_code code = ERROR_NONE;
  if (!are_grouped && is_nearly_numeric(stats)) {
    out_column->first_word_line = stats->first_word_line;
    out_column->first_word = strdup(stats->first_word);
    if (out_column->first_word == NULL) code = error_set(error, ERROR_OUT_OF_MEMORY, "no memory for the words of a column");
  }
  if (code == ERROR_NONE && stats->distinct.count > 0)
    code = take_categories(&stats->distinct, out_column->can_be_numeric, out_column, error);
  distinct_drop(&stats->distinct, budget);
  out_column->kind = infer_kind(stats, out_column);
  return code;
}
