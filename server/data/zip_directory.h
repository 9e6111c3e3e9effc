/* What must be known of a ZIP archive's directory before a library holds it in memory. */
#ifndef SERVER_DATA_ZIP_DIRECTORY_H
#define SERVER_DATA_ZIP_DIRECTORY_H

#include <stdint.h>

#include "engine/error.h"

/* The file's size, and ERROR_TOO_LARGE if any end record in it claims more than ZIP_ENTRIES_MAX entries or ZIP_DIRECTORY_BYTES_MAX bytes;
 * ERROR_INVALID if there is no end record, or a name has a NUL. Several may be found where bytes of a comment look like one: whichever a
 * reader takes for the right one, it is small enough. Leaves the file's position. */
__attribute__((warn_unused_result)) enum error_code zip_directory_check(int fd, uint64_t *out_file_bytes, struct error *error);

#endif
