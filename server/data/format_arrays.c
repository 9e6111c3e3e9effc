/* Files that are arrays, read into a table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/data/array_table.h"
#include "server/data/format_private.h"
#include "server/data/idx.h"
#include "server/data/npy.h"
#include "server/data/spool.h"
#include "server/data/zip_reader.h"

const char *format_file_describe(const struct format_file *file, char out_text[FORMAT_NAME_BYTES]) {
  if (file->part[0] != '\0')
    snprintf(out_text, FORMAT_NAME_BYTES, "part \"%.64s\"", file->part);
  else
    snprintf(out_text, FORMAT_NAME_BYTES, "the file");
  return out_text;
}

typedef enum error_code array_parser(const unsigned char *bytes, uint64_t byte_count, const char *what, struct array *out_array,
                                     struct error *error);

/* An upload of one file has no part that would say what it is: whole numbers of one axis, labels; else what is learned from. */
static void name_array(struct named_array *named, const struct format_file *file) {
  if (file->part[0] != '\0')
    snprintf(named->name, sizeof named->name, "%.*s", (int)sizeof named->name - 1, file->part);
  else
    snprintf(named->name, sizeof named->name, "%s", named->array.rank == 1 && named->array.type < ARRAY_FLOAT16 ? "label" : "x");
}

static enum error_code read_arrays(const struct format_file *files, size_t count, array_parser *parse, struct import *import,
                                   struct error *error) {
  struct named_array *arrays = calloc(count + 1, sizeof *arrays);
  if (arrays == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory for %zu arrays", count);
  enum error_code code = ERROR_NONE;
  for (size_t i = 0; i < count && code == ERROR_NONE; i++) {
    char what[FORMAT_NAME_BYTES];
    code = parse(files[i].bytes, files[i].byte_count, format_file_describe(&files[i], what), &arrays[i].array, error);
    if (code == ERROR_NONE) name_array(&arrays[i], &files[i]);
  }
  if (code == ERROR_NONE) code = array_table_import(arrays, count, import, error);
  free(arrays);
  return code;
}

enum error_code idx_read_files(const struct format_file *files, size_t count, const struct format_options *options, struct import *import,
                               struct error *error) {
  (void)options;
  return read_arrays(files, count, idx_parse, import, error);
}

enum error_code npy_read_files(const struct format_file *files, size_t count, const struct format_options *options, struct import *import,
                               struct error *error) {
  (void)options;
  return read_arrays(files, count, npy_parse, import, error);
}

/* ---- archives of arrays ---- */

static const char npy_suffix[] = ".npy";
enum { SUFFIX_BYTES = sizeof npy_suffix - 1 };

/* The name of the first file stands in its header: two bytes of length at 26, the name at 30 (PKWARE's APPNOTE, 4.3.7). */
bool npz_is_magic(const char *bytes, size_t byte_count) {
  enum { NAME_LENGTH_AT = 26, NAME_AT = 30 };
  if (!zip_is_magic(bytes, byte_count) || byte_count < NAME_AT) return false;
  const size_t name_bytes = (unsigned char)bytes[NAME_LENGTH_AT] | (size_t)(unsigned char)bytes[NAME_LENGTH_AT + 1] << 8;
  return name_bytes > SUFFIX_BYTES && name_bytes <= byte_count - NAME_AT &&
         memcmp(bytes + NAME_AT + name_bytes - SUFFIX_BYTES, npy_suffix, SUFFIX_BYTES) == 0;
}

/* Its arrays, unpacked into temporary files of their own. */
struct archive {
  size_t count;
  struct named_array *arrays; /* [count] */
  struct spool *spools;       /* [count] */
};

static enum error_code spool_bytes(void *context, const char *bytes, size_t byte_count, struct error *error) {
  return spool_write(context, bytes, byte_count, error);
}

static enum error_code unpack_array(struct archive *archive, struct zip_reader *reader, size_t index, const struct format_options *options,
                                    struct error *error) {
  const char *name = zip_reader_get_entry(reader, index)->name;
  struct named_array *named = &archive->arrays[index];
  struct spool *spool = &archive->spools[index];
  const size_t bytes = strlen(name);
  if (bytes <= SUFFIX_BYTES || strcmp(name + bytes - SUFFIX_BYTES, npy_suffix) != 0 || bytes - SUFFIX_BYTES >= ARRAY_NAME_BYTES)
    return error_set(error, ERROR_INVALID,
                     "\"%.80s\" in the archive is no array; an NPZ file holds files .npy with names of up to %d bytes", name,
                     ARRAY_NAME_BYTES - 1);
  memcpy(named->name, name, bytes - SUFFIX_BYTES);
  char what[FORMAT_NAME_BYTES];
  snprintf(what, sizeof what, "array \"%.64s\"", named->name);
  enum error_code code = spool_open(options->data_dir, spool, error);
  if (code == ERROR_NONE) code = zip_reader_read(reader, index, spool_bytes, spool, error);
  if (code == ERROR_NONE) code = spool_map(spool, error);
  return code == ERROR_NONE ? npy_parse(spool->bytes, spool->byte_count, what, &named->array, error) : code;
}

enum error_code npz_read_files(const struct format_file *files, size_t count, const struct format_options *options, struct import *import,
                               struct error *error) {
  (void)count; /* one: it knows no parts */
  struct zip_reader *reader = NULL;
  enum error_code code = zip_reader_open(files[0].fd, options->bytes_max, &reader, error);
  if (code != ERROR_NONE) return code;
  struct archive archive = {.count = zip_reader_get_count(reader)};
  if (archive.count > ARRAY_TABLE_ARRAYS_MAX)
    code = error_set(error, ERROR_INVALID, "the archive has %zu arrays; up to %d are taken", archive.count, ARRAY_TABLE_ARRAYS_MAX);
  if (code == ERROR_NONE) {
    archive.arrays = calloc(archive.count + 1, sizeof *archive.arrays);
    archive.spools = calloc(archive.count + 1, sizeof *archive.spools);
    if (archive.arrays == NULL || archive.spools == NULL) code = error_set(error, ERROR_OUT_OF_MEMORY, "no memory for an archive");
  }
  for (size_t i = 0; archive.spools != NULL && i < archive.count; i++) archive.spools[i].fd = -1;
  for (size_t i = 0; i < archive.count && code == ERROR_NONE; i++) code = unpack_array(&archive, reader, i, options, error);
  if (code == ERROR_NONE) code = array_table_import(archive.arrays, archive.count, import, error);
  for (size_t i = 0; archive.spools != NULL && i < archive.count; i++) spool_close(&archive.spools[i]);
  free(archive.spools);
  free(archive.arrays);
  zip_reader_close(reader);
  return code;
}
