/* Importing a dataset: a table is written to disk and measured as it streams by, in bounded memory.
 *
 *     import_begin ──▶ import_write … ──▶ import_finish ──▶ row to datasets_insert
 *            └───────────────┴── import_abort: nothing is left behind
 *
 * The table is an upload of CSV as it is, or made of an upload of another format (server/data/format.h): then its rows are written as CSV
 * by import_add_row, beside each a record of its tensors by import_add_records, if it has any. So row i of the table is record i of the
 * tensors, and whatever reads tables knows of one form only.
 *
 * Invariants: the file in <data-dir>/datasets/ has a temporary name until it is whole and fdatasync'ed, then it is renamed and the folder
 * fsync'ed. Memory: per column, statistics and up to IMPORT_CATEGORIES distinct values, IMPORT_CATEGORY_BYTES_TOTAL in all; one row.
 * Names in datasets/: "<id>.csv" and "<id>.tensors", ".<id>.part" and ".<id>.tensors.part" until they are whole (the store sweeps what a
 * crash left).
 * Rows that can't be read, or whose cells are not as many as the header's, are skipped, counted and, the first ones, reported.
 * Values are compared without the spaces around them. Threads: an import belongs to one thread.
 */
#ifndef SERVER_DATA_IMPORT_H
#define SERVER_DATA_IMPORT_H

#include "engine/error.h"
#include "server/data/tensor_file.h"

enum {
  IMPORT_CATEGORIES = 1000,    /* distinct values kept of a column; beyond it, they are dropped */
  IMPORT_CATEGORY_BYTES = 256, /* of one value */
  IMPORT_CATEGORY_BYTES_TOTAL = 16 << 20,
  IMPORT_BAD_ROWS_KEPT = 100,
  IMPORT_INDEX_ENTRIES = 65536 /* the stride doubles when there are more */
};

struct import_options {
  char delimiter; /* 0: found */
  int header;     /* 1 yes, 0 no, −1: found: a header has a word above a column of numbers, or only words that don't come again in
                            their columns */
  bool is_made;   /* the table is made of something else, of which import_set_source will tell: commas, with a header; bad rows are given */
  void (*progress)(void *context, uint64_t row_count); /* told of good rows now and then, from within any call; NULL: nobody asks */
  void *progress_context;
};

/* What a table was made of. */
struct import_source {
  char sha256[STORE_SHA256_HEX_BYTES];
  uint64_t bytes;
};

struct import;
__attribute__((warn_unused_result)) enum error_code import_begin(const char *data_dir, const struct import_options *options,
                                                                 struct import **out_import, struct error *error);
/* After an error, import_abort. */
__attribute__((warn_unused_result)) enum error_code import_write(struct import *import, const void *bytes, size_t byte_count,
                                                                 struct error *error);
/* Of a made table: one row, the first of them the header. A cell of tensors is "". Cells are UTF-8. */
__attribute__((warn_unused_result)) enum error_code import_add_row(struct import *import, const char *const *cells, size_t count,
                                                                   struct error *error);
/* What could not become a row: where in the upload, and why ("has 5 cells, the header has 4"). */
__attribute__((warn_unused_result)) enum error_code import_add_bad_row(struct import *import, uint64_t line, const char *reason,
                                                                       struct error *error);
/* Which columns are tensors; before the first record, once. ERROR_INVALID for shapes that no record can have. */
__attribute__((warn_unused_result)) enum error_code import_set_tensors(struct import *import, const struct tensor_column *columns,
                                                                       size_t count, struct error *error);
size_t import_get_record_bytes(const struct import *import);
/* Records of the next rows, as tensor_file.h lays them out; they may come before or after their rows. */
__attribute__((warn_unused_result)) enum error_code import_add_records(struct import *import, const void *records, size_t count,
                                                                       struct error *error);
/* The column that says of which part of the upload a row is. */
void import_set_part_column(struct import *import, size_t column);
void import_set_source(struct import *import, const struct import_source *source);
/* Fills everything of `out_row` but name and created_ms; the id is chosen here because the file is named after it. ERROR_INVALID if there
 * is no good data row. Destroys `import`, whatever the outcome. */
__attribute__((warn_unused_result)) enum error_code import_finish(struct import *import, struct dataset_row *out_row, struct error *error);
/* Good rows so far. */
uint64_t import_get_row_count(const struct import *import);
void import_abort(struct import *import);

/* Removes the files of a row that could not be inserted. */
void import_remove_files(const char *data_dir, const struct dataset_row *row);

/* One row: cells[column_count], NUL-terminated, one right behind the other, valid during the call. Anything but ERROR_NONE ends the
 * reading, which returns it. */
typedef enum error_code dataset_row_handler(void *context, uint64_t index, const char *const *cells, struct error *error);

/* Reads good rows first … first + count − 1 of a dataset's file (fewer if it ends before), using its index if the row has one. */
__attribute__((warn_unused_result)) enum error_code dataset_read_rows(const char *data_dir, const struct dataset_row *dataset,
                                                                      uint64_t first, uint64_t count, dataset_row_handler *handler,
                                                                      void *context, struct error *error);

#endif
