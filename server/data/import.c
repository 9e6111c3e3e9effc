/* The stages of an import:
 *
 *   sniffing   the first SNIFF_BYTES are held back; delimiter and header are decided from them (start_reading)
 *   reading    every byte goes to the SHA-256, to the file and the CSV parser, every row to take_row; between the first and the others,
 *              numbers with a comma before their decimals get a point
 *   finishing  the file is made durable, the columns' statistics become the dataset's row
 *
 * Dataset files are read back by dataset_file.c.
 */
#include "server/data/import.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/data/column_stats.h"
#include "server/data/csv.h"
#include "server/data/decimal_comma.h"
#include "server/data/header.h"
#include "server/data/import_private.h"

enum { SNIFF_BYTES = 1 << 16, PENDING_BYTES = 1 << 16, FIRST_STRIDE = 64, REASON_BYTES = 160, MISREAD_ROWS = 20, PROGRESS_ROWS = 256 };

struct import {
  struct import_options options;
  char id[STORE_ID_BYTES], part[STORE_ID_BYTES + 8], file[STORE_ID_BYTES + 8];
  int folder, fd;
  struct sha256_ctx sha256;
  uint64_t bytes;
  struct import_source source;   /* of a table that was made; else unused */
  struct tensor_writer *tensors; /* NULL: none */
  size_t part_column;            /* or SIZE_MAX */
  char *pending;                 /* bytes on their way to the file; while sniffing, all of the file so far */
  size_t pending_bytes;
  struct csv_parser *parser; /* NULL while sniffing */
  bool has_decimal_comma;
  struct decimal_comma decimals; /* what its bytes go through */

  size_t column_count;
  char **names;
  struct column_stats *columns;
  struct distinct_budget budget;
  uint64_t rows;
  uint64_t bad_row_count;
  uint64_t given_bad_row_count; /* of them, by import_add_bad_row */
  size_t bad_rows_kept;
  struct bad_row bad_rows[IMPORT_BAD_ROWS_KEPT];
  uint64_t index_stride;
  size_t index_count;
  uint64_t *index; /* [IMPORT_INDEX_ENTRIES] */
};

enum error_code import_set_io_error(struct error *error, const char *doing) {
  int reason = errno;
  if (reason == ENOSPC || reason == EDQUOT || reason == EFBIG) {
    return error_set(error, ERROR_DISK_FULL, "no space left to store the dataset; nothing was kept");
  }
  return error_set(error, ERROR_INTERNAL, "%s the dataset's file: %s", doing, strerror(reason));
}

static enum error_code open_part(struct import *import, const char *data_dir, struct error *error) {
  char path[4096];
  int length = snprintf(path, sizeof path, "%s/datasets", data_dir);
  if (length < 0 || (size_t)length >= sizeof path) return error_set(error, ERROR_INTERNAL, "the data directory's name is too long");
  if (mkdir(path, 0700) != 0 && errno != EEXIST) return import_set_io_error(error, "making the folder of");
  import->folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (import->folder < 0) return import_set_io_error(error, "opening the folder of");
  store_make_id("ds", import->id);
  snprintf(import->part, sizeof import->part, ".%s.part", import->id);
  snprintf(import->file, sizeof import->file, "%s.csv", import->id);
  import->fd = openat(import->folder, import->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  return import->fd >= 0 ? ERROR_NONE : import_set_io_error(error, "creating");
}

enum error_code import_begin(const char *data_dir, const struct import_options *options, struct import **out_import, struct error *error) {
  struct import *import = calloc(1, sizeof *import);
  if (import == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for an import");
  import->options = *options;
  import->folder = import->fd = -1;
  import->part_column = SIZE_MAX;
  import->budget.bytes_left = IMPORT_CATEGORY_BYTES_TOTAL;
  if (getrandom(&import->budget.seed, sizeof import->budget.seed, 0) < 0) import->budget.seed = (uint64_t)(uintptr_t)import;
  import->budget.seed |= 1;
  import->index_stride = FIRST_STRIDE;
  sha256_init(&import->sha256);
  enum error_code code = ERROR_NONE;
  import->pending = malloc(SNIFF_BYTES > PENDING_BYTES ? SNIFF_BYTES : PENDING_BYTES);
  import->index = malloc(IMPORT_INDEX_ENTRIES * sizeof *import->index);
  if (import->pending == NULL || import->index == NULL) code = error_set(error, ERROR_OUT_OF_MEMORY, "no memory for an import");
  if (code == ERROR_NONE) code = open_part(import, data_dir, error);
  if (code != ERROR_NONE) {
    import_abort(import);
    return code;
  }
  *out_import = import;
  return ERROR_NONE;
}

static void import_destroy(struct import *import) {
  tensor_writer_destroy(import->tensors);
  if (import->fd >= 0) close(import->fd);
  if (import->folder >= 0) close(import->folder);
  csv_parser_destroy(import->parser);
  for (size_t i = 0; import->columns != NULL && i < import->column_count; i++) distinct_drop(&import->columns[i].distinct, &import->budget);
  free(import->columns);
  header_free_names(import->names, import->column_count);
  for (size_t i = 0; i < import->bad_rows_kept; i++) free(import->bad_rows[i].reason);
  free(import->index);
  free(import->pending);
  decimal_comma_deinit(&import->decimals);
  free(import);
}

uint64_t import_get_row_count(const struct import *import) { return import->rows; }

void import_abort(struct import *import) {
  if (import == NULL) return;
  if (import->fd >= 0) unlinkat(import->folder, import->part, 0);
  import_destroy(import);
}

enum error_code import_add_bad_row(struct import *import, uint64_t line, const char *reason, struct error *error) {
  import->bad_row_count++;
  import->given_bad_row_count++;
  if (import->bad_rows_kept == IMPORT_BAD_ROWS_KEPT) return ERROR_NONE;
  char *copy = strdup(reason);
  if (copy == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for the report of bad rows");
  import->bad_rows[import->bad_rows_kept++] = (struct bad_row){.line = line, .reason = copy};
  return ERROR_NONE;
}

static enum error_code report_bad_row(struct import *import, const struct csv_row *row, struct error *error) {
  char reason[REASON_BYTES];
  if (row->defect != NULL) {
    snprintf(reason, sizeof reason, "%s", row->defect);
  } else {
    snprintf(reason, sizeof reason, "has %zu cell%s, the %s has %zu", row->cell_count, row->cell_count == 1 ? "" : "s",
             import->options.header == 1 ? "header" : "first row", import->column_count);
  }
  enum error_code code = import_add_bad_row(import, row->line, reason, error);
  import->given_bad_row_count--;
  return code;
}

static enum error_code take_columns(struct import *import, const struct csv_row *row, struct error *error) {
  enum error_code code = header_make_names(row, import->options.header == 1, &import->names, error);
  if (code != ERROR_NONE) return code;
  import->column_count = row->cell_count;
  import->columns = calloc(row->cell_count, sizeof *import->columns);
  return import->columns != NULL ? ERROR_NONE : error_set(error, ERROR_OUT_OF_MEMORY, "no memory for %zu columns", row->cell_count);
}

/* Every index_stride-th good row is kept in the index; when it is full, every other entry goes and the stride doubles. */
static void index_row(struct import *import, uint64_t offset) {
  if (import->rows % import->index_stride != 0) return;
  if (import->index_count == IMPORT_INDEX_ENTRIES) {
    for (size_t i = 0; i < IMPORT_INDEX_ENTRIES / 2; i++) import->index[i] = import->index[2 * i];
    import->index_count = IMPORT_INDEX_ENTRIES / 2;
    import->index_stride *= 2;
  }
  import->index[import->index_count++] = offset;
}

static enum error_code take_row(void *context, const struct csv_row *row, struct error *error) {
  struct import *import = context;
  if (import->columns == NULL) {
    if (row->defect != NULL && import->options.header == 1) {
      return error_set(error, ERROR_INVALID, "line %" PRIu64 ", the header, %s", row->line, row->defect);
    }
    if (row->defect != NULL) return report_bad_row(import, row, error);
    enum error_code code = take_columns(import, row, error);
    if (code != ERROR_NONE || import->options.header == 1) return code;
  }
  if (row->defect != NULL || row->cell_count != import->column_count) return report_bad_row(import, row, error);
  index_row(import, row->offset);
  if (++import->rows % PROGRESS_ROWS == 0 && import->options.progress != NULL)
    import->options.progress(import->options.progress_context, import->rows);
  struct reciprocal reciprocal = {0};
  for (size_t i = 0; i < row->cell_count; i++) {
    enum error_code code = column_stats_add(&import->columns[i], &reciprocal, &import->budget, &row->cells[i], row->line, error);
    if (code != ERROR_NONE) return code;
  }
  return ERROR_NONE;
}

enum error_code import_write_file(int fd, const char *bytes, size_t count, struct error *error) {
  while (count > 0) {
    ssize_t written = write(fd, bytes, count);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return import_set_io_error(error, "writing");
    bytes += written;
    count -= (size_t)written;
  }
  return ERROR_NONE;
}

/* The sniffed beginning decides what was not given; then it is read as everything after it. */
static enum error_code start_reading(struct import *import, struct error *error) {
  const char *bytes = import->pending;
  size_t count = import->pending_bytes;
  if (count >= 2 && (memcmp(bytes, "\xFF\xFE", 2) == 0 || memcmp(bytes, "\xFE\xFF", 2) == 0)) {
    return error_set(error, ERROR_INVALID, "the file is UTF-16; save it as UTF-8");
  }
  if (import->options.delimiter == '\0') import->options.delimiter = csv_guess_delimiter(bytes, count);
  if (import->options.header < 0) import->options.header = header_find(bytes, count, import->options.delimiter);
  enum error_code code = csv_parser_create(import->options.delimiter, take_row, import, &import->parser, error);
  import->has_decimal_comma = !import->options.is_made && decimal_comma_find(bytes, count, import->options.delimiter);
  import->decimals.delimiter = import->options.delimiter;
  if (code == ERROR_NONE && import->has_decimal_comma) code = decimal_comma_feed(&import->decimals, bytes, count, &bytes, &count, error);
  if (code == ERROR_NONE) code = csv_parser_feed(import->parser, bytes, count, error);
  if (code == ERROR_NONE) code = import_write_file(import->fd, bytes, count, error);
  import->pending_bytes = 0;
  return code;
}

/* Small portions are gathered, so that they don't each cost a system call. */
static enum error_code write_gathered(struct import *import, const char *bytes, size_t count, struct error *error) {
  if (import->pending_bytes + count > PENDING_BYTES) {
    enum error_code code = import_write_file(import->fd, import->pending, import->pending_bytes, error);
    if (code != ERROR_NONE) return code;
    import->pending_bytes = 0;
  }
  if (count >= PENDING_BYTES) return import_write_file(import->fd, bytes, count, error);
  memcpy(import->pending + import->pending_bytes, bytes, count);
  import->pending_bytes += count;
  return ERROR_NONE;
}

/* To the file and the parser. */
static enum error_code put_bytes(struct import *import, const char *bytes, size_t count, struct error *error) {
  enum error_code code = count == 0 ? ERROR_NONE : write_gathered(import, bytes, count, error);
  return code != ERROR_NONE || count == 0 ? code : csv_parser_feed(import->parser, bytes, count, error);
}

enum error_code import_write(struct import *import, const void *bytes, size_t byte_count, struct error *error) {
  const char *at = bytes;
  if (!import->options.is_made) sha256_update(&import->sha256, byte_count, bytes);
  import->bytes += byte_count;
  if (import->parser == NULL) {
    size_t taken = SNIFF_BYTES - import->pending_bytes < byte_count ? SNIFF_BYTES - import->pending_bytes : byte_count;
    memcpy(import->pending + import->pending_bytes, at, taken);
    import->pending_bytes += taken;
    at += taken;
    byte_count -= taken;
    if (import->pending_bytes < SNIFF_BYTES) return ERROR_NONE;
    enum error_code code = start_reading(import, error);
    if (code != ERROR_NONE) return code;
  }
  enum error_code code = ERROR_NONE;
  if (import->has_decimal_comma) code = decimal_comma_feed(&import->decimals, at, byte_count, &at, &byte_count, error);
  return code == ERROR_NONE ? put_bytes(import, at, byte_count, error) : code;
}

enum error_code import_set_tensors(struct import *import, const struct tensor_column *columns, size_t count, struct error *error) {
  return tensor_writer_create(import->folder, import->id, columns, count, &import->tensors, error);
}

size_t import_get_record_bytes(const struct import *import) { return tensor_writer_get_record_bytes(import->tensors); }

enum error_code import_add_records(struct import *import, const void *records, size_t count, struct error *error) {
  return tensor_writer_add(import->tensors, records, count, error);
}

void import_set_part_column(struct import *import, size_t column) { import->part_column = column; }
void import_set_source(struct import *import, const struct import_source *source) { import->source = *source; }

static enum error_code check_rows(const struct import *import, struct error *error) {
  if (import->options.is_made && (import->bad_row_count > import->given_bad_row_count || import->source.sha256[0] == '\0' ||
                                  (import->tensors != NULL && tensor_writer_get_count(import->tensors) != import->rows)))
    return error_set(error, ERROR_INTERNAL, "a table was made that can't be read");
  /* Most rows left out: then it is the file that is misread, not the rows. Of images, each is by itself. */
  if (import->bad_row_count >= MISREAD_ROWS && import->bad_row_count > import->rows && import->rows > 0 && import->tensors == NULL)
    return error_set(error, ERROR_INVALID, "%" PRIu64 " of %" PRIu64 " rows can't be used: line %" PRIu64 " %.*s, for one; %s",
                     import->bad_row_count, import->bad_row_count + import->rows, import->bad_rows[0].line, REASON_BYTES,
                     import->bad_rows[0].reason,
                     strstr(import->bad_rows[0].reason, "UTF-8") != NULL
                         ? "save the file as UTF-8"
                         : "the first line must name the columns, and each other one have as many cells");
  if (import->rows > 0) return ERROR_NONE;
  if (import->bytes == 0) return error_set(error, ERROR_INVALID, "the file is empty; it needs a row of names and at least one row of data");
  if (import->bad_row_count == 0) {
    return error_set(error, ERROR_INVALID, "the file has %s; it needs at least one",
                     import->columns == NULL ? "no row" : "a header but no row of data");
  }
  return error_set(error, ERROR_INVALID, "none of the %" PRIu64 " row%s can be used; line %" PRIu64 " %s", import->bad_row_count,
                   import->bad_row_count == 1 ? "" : "s", import->bad_rows[0].line, import->bad_rows[0].reason);
}

static enum error_code read_rest(struct import *import, struct error *error) {
  enum error_code code = import->parser == NULL ? start_reading(import, error) : ERROR_NONE;
  const char *bytes;
  size_t count;
  decimal_comma_finish(&import->decimals, &bytes, &count);
  if (code == ERROR_NONE) code = put_bytes(import, bytes, count, error);
  if (code == ERROR_NONE) code = csv_parser_finish(import->parser, error);
  if (code == ERROR_NONE) code = check_rows(import, error);
  return code != ERROR_NONE ? code : import_write_file(import->fd, import->pending, import->pending_bytes, error);
}

static void fill_source(struct import *import, struct dataset_row *row) {
  row->table_bytes = import->bytes;
  if (import->options.is_made) {
    row->bytes = import->source.bytes;
    memcpy(row->sha256, import->source.sha256, sizeof row->sha256);
    return;
  }
  uint8_t digest[SHA256_DIGEST_SIZE];
  sha256_digest(&import->sha256, sizeof digest, digest);
  for (size_t i = 0; i < sizeof digest; i++) snprintf(row->sha256 + 2 * i, 3, "%02x", digest[i]);
  row->bytes = import->bytes;
}

/* The row takes over what the import has gathered. */
static enum error_code fill_row(struct import *import, struct dataset_row *row, struct error *error) {
  memcpy(row->id, import->id, sizeof row->id);
  memcpy(row->file, import->file, sizeof row->file);
  fill_source(import, row);
  row->rows = import->rows;
  row->delimiter = import->options.delimiter;
  row->has_header = import->options.header == 1;
  row->bad_row_count = import->bad_row_count;
  row->index_stride = import->index_stride;
  row->columns = calloc(import->column_count, sizeof *row->columns);
  row->bad_rows = calloc(import->bad_rows_kept + 1, sizeof *row->bad_rows);
  row->index = malloc(import->index_count * sizeof *row->index);
  if (row->columns == NULL || row->bad_rows == NULL || row->index == NULL) {
    return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for %zu columns", import->column_count);
  }
  memcpy(row->index, import->index, import->index_count * sizeof *row->index);
  row->index_count = import->index_count;
  memcpy(row->bad_rows, import->bad_rows, import->bad_rows_kept * sizeof *row->bad_rows);
  row->bad_rows_kept = import->bad_rows_kept;
  import->bad_rows_kept = 0;
  row->column_count = import->column_count;
  enum error_code code = ERROR_NONE;
  for (size_t i = 0; i < import->column_count && code == ERROR_NONE; i++) {
    row->columns[i].name = import->names[i];
    import->names[i] = NULL;
    code = column_stats_finish(&import->columns[i], &import->budget, &row->columns[i], error);
  }
  if (import->part_column < row->column_count) row->columns[import->part_column].says_part = true;
  if (import->tensors != NULL) tensor_writer_describe(import->tensors, row);
  return code;
}

/* Temporary name → data on disk → final name → name on disk. The table comes last; if it doesn't, the tensors go again. */
static enum error_code make_table_durable(struct import *import, struct error *error) {
  if (fdatasync(import->fd) != 0) return import_set_io_error(error, "writing");
  if (renameat(import->folder, import->part, import->folder, import->file) != 0) return import_set_io_error(error, "renaming");
  if (fsync(import->folder) == 0) return ERROR_NONE;
  enum error_code code = import_set_io_error(error, "writing the folder of");
  unlinkat(import->folder, import->file, 0);
  return code;
}

static enum error_code make_durable(struct import *import, struct error *error) {
  enum error_code code = import->tensors != NULL ? tensor_writer_make_durable(import->tensors, error) : ERROR_NONE;
  if (code == ERROR_NONE) code = make_table_durable(import, error);
  if (code != ERROR_NONE && import->tensors != NULL) tensor_writer_unlink(import->tensors);
  return code;
}

enum error_code import_finish(struct import *import, struct dataset_row *out_row, struct error *error) {
  struct dataset_row row = {0};
  enum error_code code = read_rest(import, error);
  if (code == ERROR_NONE) code = fill_row(import, &row, error);
  if (code == ERROR_NONE) code = make_durable(import, error);
  if (code != ERROR_NONE) {
    dataset_row_deinit(&row);
    import_abort(import);
    return code;
  }
  *out_row = row;
  import_destroy(import);
  return ERROR_NONE;
}
