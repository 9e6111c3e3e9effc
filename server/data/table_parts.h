/* Several tables → one: the parts train, validation and test of a form become a dataset whose last column, `part`, says of each row which.
 *
 *     files, in any order ─▶ train, then validation, then test ─▶ each one's reader ─▶ columns in the order of the first ─▶ import
 *
 * Columns are matched by name, in any order; where the files have no header, by position. Every part has the same columns. Bad rows are
 * reported with the part and the line of its file. Memory: a row, and the names of the columns. */
#ifndef SERVER_DATA_TABLE_PARTS_H
#define SERVER_DATA_TABLE_PARTS_H

#include "server/data/format.h"

/* Whether a form's field names a part: train, validation, test, or what else a split column may call them. */
bool table_parts_knows_name(const char *name);

/* The functions of the formats' records; count ≥ 2. ERROR_INVALID names the parts and says what would be right. */
__attribute__((warn_unused_result)) enum error_code table_parts_read_csv(const struct format_file *files, size_t count,
                                                                         const struct format_options *options, struct import *import,
                                                                         struct error *error);
__attribute__((warn_unused_result)) enum error_code table_parts_read_ndjson(const struct format_file *files, size_t count,
                                                                            const struct format_options *options, struct import *import,
                                                                            struct error *error);

#endif
