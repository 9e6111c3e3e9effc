/* Archives as uploads. */
#include "server/data/format_private.h"
#include "server/data/image_import.h"
#include "server/data/zip_reader.h"

enum error_code zip_read_files(const struct format_file *files, size_t count, const struct format_options *options, struct import *import,
                               struct error *error) {
  (void)count; /* one */
  struct zip_reader *reader = NULL;
  enum error_code code = zip_reader_open(files[0].fd, options->bytes_max, &reader, error);
  if (code == ERROR_NONE) code = image_import(import, reader, &options->images, error);
  zip_reader_close(reader);
  return code;
}
