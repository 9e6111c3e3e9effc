/* IDX, the format of the MNIST files: two zero bytes, the element's type, the rank, the sizes as big-endian 32-bit numbers, the elements.
 * http://yann.lecun.com/exdb/mnist/ */
#ifndef SERVER_DATA_IDX_H
#define SERVER_DATA_IDX_H

#include "server/data/array.h"

/* Whether a file that begins with these bytes is IDX. */
bool idx_is_magic(const char *bytes, size_t byte_count);

/* ERROR_INVALID, telling what is wrong with `what`. The array borrows the bytes. */
__attribute__((warn_unused_result)) enum error_code idx_parse(const unsigned char *bytes, uint64_t byte_count, const char *what,
                                                              struct array *out_array, struct error *error);

#endif
