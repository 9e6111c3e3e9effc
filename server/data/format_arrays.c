/* Files that are arrays, read into a table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/data/array_table.h"
#include "server/data/format_private.h"
#include "server/data/idx.h"

const char *format_file_describe(const struct format_file *file, char out_text[FORMAT_NAME_BYTES]) {
  if (file->part[0] != '\0')
    snprintf(out_text, FORMAT_NAME_BYTES, "part \"%.64s\"", file->part);
  else
    snprintf(out_text, FORMAT_NAME_BYTES, "the file");
  return out_text;
}

typedef enum error_code array_parser(const unsigned char *bytes, uint64_t byte_count, const char *what, struct array *out_array,
                                     struct error *error);

/* An upload of one file has no part that would say what it is: of one axis, labels; else what is learned from. */
static void name_array(struct named_array *named, const struct format_file *file) {
  if (file->part[0] != '\0')
    snprintf(named->name, sizeof named->name, "%.*s", (int)sizeof named->name - 1, file->part);
  else
    snprintf(named->name, sizeof named->name, "%s", named->array.rank == 1 ? "label" : named->array.rank == 2 ? "x" : "images");
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
