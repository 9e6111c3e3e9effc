/* What is learned of one column while its cells stream by: numbers or words, how many missing, mean and spread, distinct values.
 * import.c feeds one per column and turns each into a struct dataset_column at the end. */
#ifndef SERVER_DATA_COLUMN_STATS_H
#define SERVER_DATA_COLUMN_STATS_H

#include "server/data/csv.h"
#include "server/data/datetime.h"
#include "server/data/distinct.h"
#include "server/data/short_bytes.h"
#include "server/store/datasets.h"

enum { COLUMN_WORDS_BYTES = 192 };
/* Why a column is no numbers, for a message: `what`, and the first word if there are few: "holds words (line 17: \"n/b\", nearly all else
 * is numbers)". Returns `text`. */
const char *column_describe_words(const struct dataset_column *column, const char *what, char text[COLUMN_WORDS_BYTES]);

/* Mean and variance of a stream (Welford, "Note on a method for calculating corrected sums of squares and products", 1962), taken relative
 * to the first value, so that numbers far from zero (years, times) lose nothing. */
struct moments {
  uint64_t count;
  double origin;  /* the first value */
  double mean;    /* of x − origin */
  double squares; /* Σ (x − origin − mean)² */
  double min, max;
};

/* One division per row is enough for all columns that have seen as many values: keep `reciprocal` = 1 / count beside its count. */
struct reciprocal {
  uint64_t count;
  double value;
};

static inline void moments_add(struct moments *moments, struct reciprocal *reciprocal, double x) {
  uint64_t count = ++moments->count;
  if (reciprocal->count != count) *reciprocal = (struct reciprocal){count, 1 / (double)count};
  if (count == 1) moments->origin = moments->min = moments->max = x;
  double shifted = x - moments->origin, delta = shifted - moments->mean;
  moments->mean += delta * reciprocal->value;
  moments->squares += delta * (shifted - moments->mean);
  if (x < moments->min) moments->min = x;
  if (x > moments->max) moments->max = x;
}
/* The same value so many times. */
void moments_add_repeated(struct moments *moments, double x, uint64_t count);
static inline double moments_get_mean(const struct moments *moments) { return moments->origin + moments->mean; }
/* Standard deviation of the population; 0 for a constant or no value. */
double moments_get_std(const struct moments *moments);

enum { FIRST_WORD_BYTES = 84 };

/* Whether the cells of a column are all lists of numbers; all zeros: no cell seen yet. */
struct list_evidence {
  bool is_refuted;
  bool has_brackets, has_several; /* some cell */
  size_t shortest, longest;
  struct moments moments; /* of all numbers */
};

/* Whether a column's cells are numbers some of which have commas between groups of three digits, "1,234"; all zeros: no such cell seen yet.
 * Each is a list of numbers as well. Zeros at the beginning of a group ("1,050") are none of a list; nor are some numbers without commas
 * beside some whose first group is shorter than the others, as lists of codes of three digits may be of any length. */
struct group_evidence {
  bool is_refuted;
  bool has_zeros, has_short, has_plain; /* some cell */
  bool has_fractions;
  struct moments moments; /* of all numbers */
};

/* What has to be done with a column's next cell. */
enum column_reading {
  READING_VALUES,  /* look it up in the table of distinct values: what follows from a value is computed once */
  READING_NUMBERS, /* there are too many values for a table */
  READING_EACH     /* words: the first ones, and all that no table has */
};

/* All zeros: nothing seen yet. */
struct column_stats {
  enum column_reading reading;
  uint64_t missing, present;
  struct distinct distinct;
  uint64_t words; /* of the first WORDS_SAMPLE present cells that are not numbers */
  uint64_t words_cells;
  uint64_t numbers; /* present cells that are numbers, among words too; but for those in `distinct` */
  uint64_t first_word_line;
  char first_word[FIRST_WORD_BYTES];
  bool has_words, has_fractions; /* a present cell was no number; a number was not whole */
  struct moments moments;        /* of numbers, until the first word; those in `distinct` not yet among them */
  struct datetime_evidence dates;
  struct list_evidence lists;
  struct group_evidence groups;   /* refuted before `lists` are */
  struct moments date_moments[2]; /* of dates, as day first and as month first, until the first that is none */
};

/* A present cell, whatever it is; column_stats_add calls it for what is not usual. */
__attribute__((warn_unused_result, noinline)) enum error_code column_stats_see(struct column_stats *stats, struct reciprocal *reciprocal,
                                                                               struct distinct_budget *budget, const struct csv_cell *cell,
                                                                               uint64_t line, struct error *error);

/* One cell, of that line. Inline, since a table has more cells than anything else. */
__attribute__((warn_unused_result)) static inline enum error_code
column_stats_add(struct column_stats *stats, struct reciprocal *reciprocal, struct distinct_budget *budget, const struct csv_cell *cell,
                 uint64_t line, struct error *error) {
  if (csv_is_missing(cell->text)) {
    stats->missing++;
    return ERROR_NONE;
  }
  stats->present++;
  if (stats->reading == READING_EACH) return column_stats_see(stats, reciprocal, budget, cell, line, error);
  size_t bytes = cell->bytes;
  const char *value = csv_trim(cell->text, &bytes);
  const uint64_t word = bytes <= DISTINCT_SHORT_BYTES ? short_bytes_load_roomy(value, bytes) : 0;
  if (stats->reading == READING_VALUES) {
    struct distinct_place *place = distinct_find(&stats->distinct, budget, value, bytes, word);
    if (place == NULL) return column_stats_see(stats, reciprocal, budget, cell, line, error);
    place->state++;
    return ERROR_NONE;
  }
  double number;
  if (!stats->has_fractions || bytes > DISTINCT_SHORT_BYTES || !csv_parse_short_number(word, bytes, &number))
    return column_stats_see(stats, reciprocal, budget, cell, line, error);
  stats->numbers++;
  moments_add(&stats->moments, reciprocal, number);
  return ERROR_NONE;
}
/* Fills everything of `out_column` but its name, which is left alone. Frees the distinct values of `stats`. */
__attribute__((warn_unused_result)) enum error_code column_stats_finish(struct column_stats *stats, struct distinct_budget *budget,
                                                                        struct dataset_column *out_column, struct error *error);

#endif
