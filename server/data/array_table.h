/* Named arrays → a table: the first axis are the rows, and all arrays of a part have as many.
 *
 *   [n]                 one column of numbers
 *   [n, d]              d columns of numbers, name_0 … (one column if d is 1)
 *   [n, h, w]           uint8 or bool: a column of images [1, h, w]; other numbers: a column of sequences [time h, features w]
 *   [n, h, w, c]        uint8 or bool, c 1, 3 or 4 channels: a column of images [c, h, w]; [n, c, h, w] as well
 *
 * Names say what is what: x, images, data, features are what is learned from, y, labels, targets what is predicted, and any other name is a
 * column of its own, where the format has such; train, test and validation before or behind it say the part: "x_train", "test_images". The
 * rows are those of train, then validation, then test, and where there are several parts, the column `part` tells them apart.
 */
#ifndef SERVER_DATA_ARRAY_TABLE_H
#define SERVER_DATA_ARRAY_TABLE_H

#include "server/data/array.h"
#include "server/data/import.h"

enum { ARRAY_NAME_BYTES = 80, ARRAY_TABLE_ARRAYS_MAX = 64 };

struct named_array {
  char name[ARRAY_NAME_BYTES]; /* as the client says it */
  struct array array;
};

/* Whether a name says what an array is: image, label or another of those above, with or without a part. */
bool array_table_knows_name(const char *name);

/* Feeds the rows into the import. ERROR_INVALID says what doesn't fit, by the arrays' names. */
__attribute__((warn_unused_result)) enum error_code array_table_import(const struct named_array *arrays, size_t count,
                                                                       struct import *import, struct error *error);

#endif
