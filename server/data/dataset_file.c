/* Dataset files, read back. The same parser and the same rule of what a good row is as at import, so that row numbers agree. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/data/csv.h"
#include "server/data/import.h"

enum { READ_BYTES = 1 << 16, PATH_BYTES = 4096 };

struct reader {
  const struct dataset_row *dataset;
  uint64_t next;       /* number of the next good row */
  uint64_t first, end; /* rows wanted */
  dataset_row_handler *handler;
  void *context;
  const char **cells; /* [column_count] */
  bool header_ahead;  /* the first readable row is the header */
  bool is_done;
};

static enum error_code take_row(void *context, const struct csv_row *row, struct error *error) {
  struct reader *reader = context;
  if (row->defect != NULL) return ERROR_NONE;
  if (reader->header_ahead) {
    reader->header_ahead = false;
    return ERROR_NONE;
  }
  if (row->cell_count != reader->dataset->column_count) return ERROR_NONE;
  uint64_t index = reader->next++;
  if (index < reader->first) return ERROR_NONE;
  for (size_t i = 0; i < row->cell_count; i++) reader->cells[i] = row->cells[i].text;
  enum error_code code = reader->handler(reader->context, index, reader->cells, error);
  if (code != ERROR_NONE || reader->next < reader->end) return code;
  reader->is_done = true; /* any code stops the parser; is_done tells that it is no error */
  return ERROR_CONFLICT;
}

static enum error_code open_file(const char *data_dir, const struct dataset_row *dataset, int *out_fd, struct error *error) {
  char path[PATH_BYTES];
  int length = snprintf(path, sizeof path, "%s/datasets/%s", data_dir, dataset->file);
  if (length < 0 || (size_t)length >= sizeof path) return error_set(error, ERROR_INTERNAL, "the data directory's name is too long");
  *out_fd = open(path, O_RDONLY | O_CLOEXEC);
  if (*out_fd >= 0) return ERROR_NONE;
  return error_set(error, ERROR_INTERNAL, "opening the file of dataset \"%s\": %s", dataset->name, strerror(errno));
}

/* Goes to the last indexed row that is not behind the first wanted. */
static enum error_code seek_row(struct reader *reader, int fd, struct csv_parser *parser, struct error *error) {
  const struct dataset_row *dataset = reader->dataset;
  if (dataset->index_count == 0) {
    reader->header_ahead = dataset->has_header;
    return ERROR_NONE;
  }
  uint64_t entry = reader->first / dataset->index_stride;
  if (entry >= dataset->index_count) entry = dataset->index_count - 1;
  uint64_t offset = dataset->index[entry];
  if (lseek(fd, (off_t)offset, SEEK_SET) < 0)
    return error_set(error, ERROR_INTERNAL, "reading dataset \"%s\": %s", dataset->name, strerror(errno));
  csv_parser_set_position(parser, 1, offset);
  reader->next = entry * dataset->index_stride;
  return ERROR_NONE;
}

static enum error_code read_file(struct reader *reader, int fd, struct csv_parser *parser, char *buffer, struct error *error) {
  enum error_code code = ERROR_NONE;
  while (code == ERROR_NONE) {
    ssize_t count = read(fd, buffer, READ_BYTES);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return error_set(error, ERROR_INTERNAL, "reading dataset \"%s\": %s", reader->dataset->name, strerror(errno));
    if (count == 0) return csv_parser_finish(parser, error);
    code = csv_parser_feed(parser, buffer, (size_t)count, error);
  }
  return code;
}

enum error_code dataset_read_rows(const char *data_dir, const struct dataset_row *dataset, uint64_t first, uint64_t count,
                                  dataset_row_handler *handler, void *context, struct error *error) {
  if (count == 0 || first >= dataset->rows) return ERROR_NONE;
  struct reader reader = {.dataset = dataset, .first = first, .handler = handler, .context = context};
  reader.end = count < dataset->rows - first ? first + count : dataset->rows;
  int fd = -1;
  struct csv_parser *parser = NULL;
  char *buffer = malloc(READ_BYTES);
  reader.cells = calloc(dataset->column_count, sizeof *reader.cells);
  enum error_code code = ERROR_NONE;
  if (buffer == NULL || reader.cells == NULL)
    code = error_set(error, ERROR_OUT_OF_MEMORY, "no memory to read dataset \"%s\"", dataset->name);
  if (code == ERROR_NONE) code = csv_parser_create(dataset->delimiter, take_row, &reader, &parser, error);
  if (code == ERROR_NONE) code = open_file(data_dir, dataset, &fd, error);
  if (code == ERROR_NONE) code = seek_row(&reader, fd, parser, error);
  if (code == ERROR_NONE) code = read_file(&reader, fd, parser, buffer, error);
  if (reader.is_done) code = ERROR_NONE;
  if (code == ERROR_NONE && !reader.is_done) {
    code = error_set(error, ERROR_INTERNAL, "the file of dataset \"%s\" ends after %" PRIu64 " of %" PRIu64 " rows", dataset->name,
                     reader.next, dataset->rows);
  }
  if (fd >= 0) close(fd);
  csv_parser_destroy(parser);
  free(reader.cells);
  free(buffer);
  return code;
}

static void remove_file(const char *data_dir, const char *file) {
  char path[PATH_BYTES];
  int length = snprintf(path, sizeof path, "%s/datasets/%s", data_dir, file);
  if (length > 0 && (size_t)length < sizeof path) unlink(path);
}

void import_remove_files(const char *data_dir, const struct dataset_row *row) {
  remove_file(data_dir, row->file);
  if (row->tensor_file[0] != '\0') remove_file(data_dir, row->tensor_file);
}
