#include "tests/support/ndjson_files.h"

#include <string.h>

#include "server/data/ndjson.h"

enum error_code ndjson_import(const char *data_dir, const char *bytes, size_t count, size_t portion, struct dataset_row *out_row,
                              struct error *error) {
  const struct import_options options = {.delimiter = ',', .header = 1, .is_made = true};
  const struct format_options none = {0};
  const struct import_source source = {.bytes = count, .sha256 = "0"};
  struct import *import;
  void *reader = NULL;
  enum error_code code = import_begin(data_dir, &options, &import, error);
  if (code != ERROR_NONE) return code;
  code = ndjson_open(import, &none, &reader, error);
  for (size_t at = 0; at < count && code == ERROR_NONE; at += portion)
    code = ndjson_write(reader, bytes + at, count - at < portion ? count - at : portion, error);
  if (code == ERROR_NONE) code = ndjson_finish(reader, error);
  ndjson_close(reader);
  if (code != ERROR_NONE) {
    import_abort(import);
    return code;
  }
  import_set_source(import, &source);
  code = import_finish(import, out_row, error);
  if (code == ERROR_NONE) strcpy(out_row->name, "test");
  return code;
}
