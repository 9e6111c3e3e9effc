/* Importing a dataset: an upload is written to disk and measured as it streams by, in bounded memory.
 *
 *     import_begin ──▶ import_write … ──▶ import_finish ──▶ row to datasets_insert
 *            └───────────────┴── import_abort: nothing is left behind
 *
 * Invariants: the file in <data-dir>/datasets/ has a temporary name until it is whole and fdatasync'ed, then it is renamed and the folder
 * fsync'ed. Memory: per column, statistics and up to IMPORT_CATEGORIES distinct values, IMPORT_CATEGORY_BYTES_TOTAL in all.
 */
#ifndef SERVER_DATA_IMPORT_H
#define SERVER_DATA_IMPORT_H

#include "engine/error.h"
#include "server/store/datasets.h"

enum {
  IMPORT_CATEGORIES = 1000,               /* distinct values kept of a column; beyond it, they are dropped */
  IMPORT_CATEGORY_BYTES = 256,            /* of one value */
  IMPORT_CATEGORY_BYTES_TOTAL = 16 << 20,
  IMPORT_BAD_ROWS_KEPT = 100,
  IMPORT_INDEX_ENTRIES = 65536            /* the stride doubles when there are more */
};

struct import_options {
  char delimiter;        /* 0: found */
  int header;            /* 1 yes, 0 no, −1: found (a header has no number and no empty cell, and some column below it has numbers or differs) */
};

struct import;
__attribute__((warn_unused_result))
enum error_code import_begin(const char *data_dir, const struct import_options *options, struct import **out_import, struct error *error);
__attribute__((warn_unused_result))
enum error_code import_write(struct import *import, const void *bytes, size_t byte_count, struct error *error);
/* Fills everything of `out_row` but id, name and created_ms. ERROR_INVALID if there is no good data row. Destroys `import`, whatever the outcome. */
__attribute__((warn_unused_result))
enum error_code import_finish(struct import *import, struct dataset_row *out_row, struct error *error);
void import_abort(struct import *import);

/* Removes the file of a row that could not be inserted. */
void import_remove_file(const char *data_dir, const struct dataset_row *row);

/* Reads good rows first … first + count − 1 of a dataset's file, using its index. The handler's row->cells has exactly column_count cells. */
__attribute__((warn_unused_result))
enum error_code dataset_read_rows(const char *data_dir, const struct dataset_row *dataset, uint64_t first, uint64_t count,
                                  enum error_code (*handler)(void *context, uint64_t index, const char *const *cells, struct error *error), void *context,
                                  struct error *error);

#endif
