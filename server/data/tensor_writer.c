/* Tensor files, written: records are appended as they come, and counted into the statistics of their columns. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/data/import_private.h"
#include "server/data/tensor_file.h"

enum { BUFFER_BYTES = 256 << 10, EXACT_BYTES = 1 << 16 /* whose squares 32 bits can add up */ };

/* Of a column's elements so far. */
struct element_sums {
  uint64_t count;
  double min, max, sum, squares;
};

struct tensor_writer {
  int folder, fd;
  char part[STORE_ID_BYTES + 16], file[STORE_ID_BYTES + 12];
  size_t record_bytes;
  uint64_t count;
  bool is_durable;
  unsigned char *buffer; /* [BUFFER_BYTES] records on their way to the file */
  size_t buffered;
  size_t column_count;
  struct tensor_column *columns;
  size_t *offsets, *elements; /* of each in a record */
  struct element_sums *sums;
};

/* False: that many can't be. */
static bool count_elements(const struct tensor_column *column, size_t *out_count) {
  *out_count = column->rank > 0;
  for (size_t i = 0; i < column->rank; i++)
    if (__builtin_mul_overflow(*out_count, column->sizes[i], out_count)) return false;
  return true;
}

static size_t align(size_t bytes, enum tensor_element element) {
  const size_t element_bytes = tensor_element_bytes(element);
  return (bytes + element_bytes - 1) / element_bytes * element_bytes;
}

size_t tensor_columns_get_offset(const struct tensor_column *columns, size_t index) {
  size_t offset = 0, elements;
  for (size_t i = 0; i < index; i++) {
    (void)count_elements(&columns[i], &elements);
    offset = align(offset, columns[i].element) + elements * tensor_element_bytes(columns[i].element);
  }
  return align(offset, columns[index].element);
}

static enum error_code lay_out(struct tensor_writer *writer, const struct tensor_column *columns, struct error *error) {
  size_t bytes = 0;
  enum tensor_element widest = ELEMENT_UINT8;
  for (size_t i = 0; i < writer->column_count; i++) {
    const size_t element_bytes = tensor_element_bytes(columns[i].element);
    size_t elements;
    const bool is_over = !count_elements(&columns[i], &elements);
    if (elements == 0 && !is_over) return error_set(error, ERROR_INVALID, "an array of a row has a size of 0; there must be elements");
    if (is_over || elements > TENSOR_RECORD_BYTES_MAX / element_bytes || bytes + elements * element_bytes > TENSOR_RECORD_BYTES_MAX)
      return error_set(error, ERROR_INVALID, "the arrays of one row may have %d MiB together", TENSOR_RECORD_BYTES_MAX >> 20);
    if (element_bytes > tensor_element_bytes(widest)) widest = columns[i].element;
    writer->columns[i] = columns[i];
    writer->elements[i] = elements;
    writer->offsets[i] = tensor_columns_get_offset(columns, i);
    bytes = writer->offsets[i] + elements * element_bytes;
  }
  writer->record_bytes = align(bytes, widest);
  return ERROR_NONE;
}

enum error_code tensor_writer_create(int folder, const char *id, const struct tensor_column *columns, size_t count,
                                     struct tensor_writer **out_writer, struct error *error) {
  struct tensor_writer *writer = calloc(1, sizeof *writer);
  *out_writer = NULL;
  if (writer == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for an import");
  writer->folder = folder;
  writer->fd = -1;
  writer->column_count = count;
  writer->buffer = malloc(BUFFER_BYTES);
  writer->columns = calloc(count + 1, sizeof *writer->columns);
  writer->offsets = calloc(count + 1, sizeof *writer->offsets);
  writer->elements = calloc(count + 1, sizeof *writer->elements);
  writer->sums = calloc(count + 1, sizeof *writer->sums);
  enum error_code code = ERROR_NONE;
  if (writer->buffer == NULL || writer->columns == NULL || writer->offsets == NULL || writer->elements == NULL || writer->sums == NULL)
    code = error_set(error, ERROR_OUT_OF_MEMORY, "no memory for an import");
  if (code == ERROR_NONE) code = lay_out(writer, columns, error);
  if (code == ERROR_NONE) {
    snprintf(writer->part, sizeof writer->part, ".%s.tensors.part", id);
    snprintf(writer->file, sizeof writer->file, "%s.tensors", id);
    writer->fd = openat(folder, writer->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (writer->fd < 0) code = import_set_io_error(error, "creating");
  }
  if (code == ERROR_NONE)
    *out_writer = writer;
  else
    tensor_writer_destroy(writer);
  return code;
}

void tensor_writer_destroy(struct tensor_writer *writer) {
  if (writer == NULL) return;
  if (writer->fd >= 0) {
    close(writer->fd);
    if (!writer->is_durable) unlinkat(writer->folder, writer->part, 0);
  }
  free(writer->buffer);
  free(writer->columns);
  free(writer->offsets);
  free(writer->elements);
  free(writer->sums);
  free(writer);
}

size_t tensor_writer_get_record_bytes(const struct tensor_writer *writer) { return writer->record_bytes; }
uint64_t tensor_writer_get_count(const struct tensor_writer *writer) { return writer->count; }

/* ---- statistics ---- */

static void add_extremes(struct element_sums *sums, double min, double max) {
  if (sums->count == 0 || min < sums->min) sums->min = min;
  if (sums->count == 0 || max > sums->max) sums->max = max;
}

/* In portions whose sums are exact. */
static void add_bytes(struct element_sums *sums, const uint8_t *bytes, size_t count) {
  for (size_t first = 0; first < count; first += EXACT_BYTES) {
    const size_t n = count - first < EXACT_BYTES ? count - first : EXACT_BYTES;
    uint32_t sum = 0, squares = 0;
    uint8_t min = UINT8_MAX, max = 0;
    for (size_t i = first; i < first + n; i++) {
      const uint32_t byte = bytes[i];
      sum += byte;
      squares += byte * byte;
      min = bytes[i] < min ? bytes[i] : min;
      max = bytes[i] > max ? bytes[i] : max;
    }
    add_extremes(sums, min, max);
    sums->count += n;
    sums->sum += sum;
    sums->squares += squares;
  }
}

static void add_floats(struct element_sums *sums, const float *values, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const double value = (double)values[i];
    add_extremes(sums, value, value);
    sums->count++;
    sums->sum += value;
    sums->squares += value * value;
  }
}

static void add_record(struct tensor_writer *writer, const unsigned char *record) {
  for (size_t i = 0; i < writer->column_count; i++) {
    const void *elements = record + writer->offsets[i];
    if (writer->columns[i].element == ELEMENT_UINT8)
      add_bytes(&writer->sums[i], elements, writer->elements[i]);
    else
      add_floats(&writer->sums[i], elements, writer->elements[i]);
  }
}

/* ---- the file ---- */

static enum error_code flush(struct tensor_writer *writer, struct error *error) {
  const size_t count = writer->buffered;
  writer->buffered = 0;
  return import_write_file(writer->fd, (const char *)writer->buffer, count, error);
}

enum error_code tensor_writer_add(struct tensor_writer *writer, const void *records, size_t count, struct error *error) {
  const unsigned char *record = records;
  for (size_t i = 0; i < count; i++, record += writer->record_bytes) {
    enum error_code code = ERROR_NONE;
    add_record(writer, record);
    if (writer->buffered + writer->record_bytes > BUFFER_BYTES) code = flush(writer, error);
    if (code == ERROR_NONE && writer->record_bytes > BUFFER_BYTES) {
      code = import_write_file(writer->fd, (const char *)record, writer->record_bytes, error);
    } else if (code == ERROR_NONE) {
      memcpy(writer->buffer + writer->buffered, record, writer->record_bytes);
      writer->buffered += writer->record_bytes;
    }
    if (code != ERROR_NONE) return code;
    writer->count++;
  }
  return ERROR_NONE;
}

enum error_code tensor_writer_make_durable(struct tensor_writer *writer, struct error *error) {
  enum error_code code = flush(writer, error);
  if (code != ERROR_NONE) return code;
  if (fdatasync(writer->fd) != 0) return import_set_io_error(error, "writing");
  if (renameat(writer->folder, writer->part, writer->folder, writer->file) != 0) return import_set_io_error(error, "renaming");
  writer->is_durable = true;
  return ERROR_NONE;
}

void tensor_writer_unlink(struct tensor_writer *writer) {
  if (writer->is_durable) unlinkat(writer->folder, writer->file, 0);
}

void tensor_writer_describe(const struct tensor_writer *writer, struct dataset_row *row) {
  snprintf(row->tensor_file, sizeof row->tensor_file, "%s", writer->file);
  row->record_bytes = writer->record_bytes;
  for (size_t i = 0; i < writer->column_count; i++) {
    const struct tensor_column *tensor = &writer->columns[i];
    const struct element_sums *sums = &writer->sums[i];
    struct dataset_column *column = &row->columns[tensor->column];
    column->kind = tensor->kind;
    column->rank = tensor->rank;
    memcpy(column->sizes, tensor->sizes, sizeof column->sizes);
    column->element = tensor->element;
    column->missing = 0;
    column->can_be_numeric = column->is_integral = column->has_categories = false;
    column->min = sums->min;
    column->max = sums->max;
    column->mean = sums->sum / (double)sums->count;
    const double variance = sums->squares / (double)sums->count - column->mean * column->mean;
    column->std = variance > 0 ? sqrt(variance) : 0;
  }
}
