/* What is learned of one column while its cells stream by: numbers or words, how many missing, mean and spread, distinct values.
 * import.c feeds one per column and turns each into a struct dataset_column at the end. */
#ifndef SERVER_DATA_COLUMN_STATS_H
#define SERVER_DATA_COLUMN_STATS_H

#include "server/data/csv.h"
#include "server/data/datetime.h"
#include "server/data/distinct.h"
#include "server/store/datasets.h"

enum { COLUMN_WORDS_BYTES = 192 };
/* Why a column is no numbers, for a message: `what`, and the first word if there are few: "holds words (line 17: \"n/b\", nearly all else is
 * numbers)". Returns `text`. */
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

/* All zeros: nothing seen yet. */
struct column_stats {
  uint64_t missing, present;
  uint64_t words; /* of the first WORDS_SAMPLE present cells that are not numbers */
  uint64_t words_cells;
  uint64_t numbers; /* present cells that are numbers, among words too */
  uint64_t first_word_line;
  char first_word[FIRST_WORD_BYTES];
  bool has_words, has_fractions; /* a present cell was no number; a number was not whole */
  struct moments moments;        /* of numbers, until the first word */
  struct datetime_evidence dates;
  struct list_evidence lists;
  struct moments date_moments[2]; /* of dates, as day first and as month first, until the first that is none */
  struct distinct distinct;
};

__attribute__((warn_unused_result)) enum error_code column_stats_add(struct column_stats *stats, struct reciprocal *reciprocal,
                                                                     struct distinct_budget *budget, const struct csv_cell *cell,
                                                                     uint64_t line, struct error *error);
/* Fills everything of `out_column` but its name, which is left alone. Frees the distinct values of `stats`. */
__attribute__((warn_unused_result)) enum error_code column_stats_finish(struct column_stats *stats, struct distinct_budget *budget,
                                                                        struct dataset_column *out_column, struct error *error);

#endif
