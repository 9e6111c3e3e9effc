/* Which rows of a dataset are wanted: conditions on its columns, all of which must hold.
 *
 *     filter     = condition { "and" condition }
 *     condition  = name comparison value | name "is" "missing" | name "is" "present"
 *     comparison = "=" | "!=" | "<" | "<=" | ">" | ">=" | "contains"
 *
 * Names and values may stand in double quotes, in which "" is one quote; they must where they have spaces, quotes, or characters of a
 * comparison. Numbers and dates are compared by what they are, other values as text without the spaces around it (contains: whatever the
 * case of ASCII letters). A missing cell fulfils "is missing" and "!=" alone.
 */
#ifndef SERVER_DATA_ROW_FILTER_H
#define SERVER_DATA_ROW_FILTER_H

#include "engine/error.h"
#include "server/store/datasets.h"

enum { ROW_FILTER_CONDITIONS = 16, ROW_FILTER_BYTES = 1024 };

enum row_comparison {
  ROW_EQUAL,
  ROW_NOT_EQUAL,
  ROW_LESS,
  ROW_AT_MOST,
  ROW_GREATER,
  ROW_AT_LEAST,
  ROW_CONTAINS,
  ROW_IS_MISSING,
  ROW_IS_PRESENT
};

struct row_condition {
  size_t column;
  enum row_comparison comparison;
  const char *text; /* in the filter's texts */
  double number;    /* of a column that has numbers */
};

/* Plain data; borrows the dataset. No conditions: every row. */
struct row_filter {
  const struct dataset_row *dataset;
  size_t count;
  struct row_condition conditions[ROW_FILTER_CONDITIONS];
  char texts[2 * ROW_FILTER_BYTES];
};

/* ERROR_INVALID, saying at which character and what would be right. The filter must stay where it is, because conditions point into it. */
__attribute__((warn_unused_result)) enum error_code row_filter_parse(const char *text, const struct dataset_row *dataset,
                                                                     struct row_filter *out_filter, struct error *error);
bool row_filter_matches(const struct row_filter *filter, const char *const *cells);

#endif
