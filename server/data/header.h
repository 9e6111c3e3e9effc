/* The first row of a file: is it a header, and what are the columns' names? */
#ifndef SERVER_DATA_HEADER_H
#define SERVER_DATA_HEADER_H

#include "server/data/csv.h"

enum { HEADER_NAME_BYTES = 256 };

/* Decides from a file's beginning (import.h says how). True if the first row can't be read: better to say so than to lose it. */
bool header_find(const char *bytes, size_t byte_count, char delimiter);

/* Names for `row`'s cells: its texts (is_header; an empty one becomes "column_3"), or column_1, column_2, … ERROR_INVALID, naming both
 * positions, if two are the same. Free with header_free_names. */
__attribute__((warn_unused_result)) enum error_code header_make_names(const struct csv_row *row, bool is_header, char ***out_names,
                                                                      struct error *error);
/* Is it such a name as a column without one gets? */
bool header_is_made_name(const char *name);
void header_free_names(char **names, size_t count);

#endif
