/* Tensor files: <data-dir>/datasets/<id>.tensors holds what a table's columns of tensors hold, one record of fixed width for each good row,
 * record i that of row i.
 *
 *     record:  the tensors of one row, in the order of their columns, each at a multiple of its element's size; the record's width is one
 *              of the widest element's. Elements are bytes, or float32 as the machine has it; an image is [channels, height, width].
 *
 * No header: the shapes stand in the dataset's row (server/store/datasets.h). Written once (struct tensor_writer, by an import), then only
 * read: mapped, so that no more of it is in memory than is being looked at and the system can take back whatever it wants.
 * Threads: a writer belongs to one thread; an open file may be read by any number.
 */
#ifndef SERVER_DATA_TENSOR_FILE_H
#define SERVER_DATA_TENSOR_FILE_H

#include "engine/error.h"
#include "server/store/datasets.h"

enum { TENSOR_RECORD_BYTES_MAX = 64 << 20 };

/* A column of tensors, before its dataset is there. */
struct tensor_column {
  size_t column; /* in the table */
  enum column_kind kind;
  size_t rank, sizes[COLUMN_RANK_MAX];
  enum tensor_element element;
};
static inline size_t tensor_element_bytes(enum tensor_element element) { return element == ELEMENT_UINT8 ? 1 : sizeof(float); }

/* Where a column's elements stand in a record. */
size_t tensor_columns_get_offset(const struct tensor_column *columns, size_t index);

/* ---- reading ---- */

struct tensor_file {
  const unsigned char *bytes; /* mapped; NULL: the dataset has no tensors */
  size_t byte_count;
  size_t record_bytes;
  uint64_t rows;
};

/* Maps the file of a dataset; without a column of tensors it is empty, which is no error. ERROR_INTERNAL if the file is not as long as its
 * rows need. */
__attribute__((warn_unused_result)) enum error_code tensor_file_open(const char *data_dir, const struct dataset_row *dataset,
                                                                     struct tensor_file *out_file, struct error *error);
void tensor_file_close(struct tensor_file *file);
/* Where a column's elements stand in a record. */
size_t tensor_file_get_offset(const struct dataset_row *dataset, size_t column);
/* Elements of one tensor, aligned to themselves; row < rows, and the column one of tensors. */
static inline const void *tensor_file_get(const struct tensor_file *file, size_t offset, uint64_t row) {
  return file->bytes + (size_t)row * file->record_bytes + offset;
}

/* ---- writing ---- */

struct tensor_writer;

/* Opens ".<id>.tensors.part" in the folder, which is borrowed. ERROR_INVALID for shapes that no record can have. */
__attribute__((warn_unused_result)) enum error_code tensor_writer_create(int folder, const char *id, const struct tensor_column *columns,
                                                                         size_t count, struct tensor_writer **out_writer,
                                                                         struct error *error);
/* Also removes a file that is not durable yet. */
void tensor_writer_destroy(struct tensor_writer *writer);
size_t tensor_writer_get_record_bytes(const struct tensor_writer *writer);
uint64_t tensor_writer_get_count(const struct tensor_writer *writer); /* records so far */
__attribute__((warn_unused_result)) enum error_code tensor_writer_add(struct tensor_writer *writer, const void *records, size_t count,
                                                                      struct error *error);
/* All data on disk, and the file under its own name; the folder is the caller's to fsync. */
__attribute__((warn_unused_result)) enum error_code tensor_writer_make_durable(struct tensor_writer *writer, struct error *error);
/* Fills what `row` says of its tensors: shapes, statistics of the elements, file. */
void tensor_writer_describe(const struct tensor_writer *writer, struct dataset_row *row);
/* Takes back what tensor_writer_make_durable did. */
void tensor_writer_unlink(struct tensor_writer *writer);

#endif
