/* What the writers of a dataset's files share: import.c and tensor_writer.c. Nobody else includes this. */
#ifndef SERVER_DATA_IMPORT_PRIVATE_H
#define SERVER_DATA_IMPORT_PRIVATE_H

#include <stddef.h>

#include "engine/error.h"

/* errno as what it means for the client: `doing` the dataset's file. */
enum error_code import_set_io_error(struct error *error, const char *doing);
/* All bytes, whatever write takes at a time. */
__attribute__((warn_unused_result)) enum error_code import_write_file(int fd, const char *bytes, size_t count, struct error *error);

#endif
