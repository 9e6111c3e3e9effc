/* NPY, NumPy's format of one array: magic, version, the length of a header that is a Python dictionary, the elements.
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 *
 * Taken are versions 1 to 3, C order, and bool, integers and floats of up to 64 bits in either byte order. Nothing is ever unpickled. */
#ifndef SERVER_DATA_NPY_H
#define SERVER_DATA_NPY_H

#include "server/data/array.h"

/* Whether a file that begins with these bytes is NPY. */
bool npy_is_magic(const char *bytes, size_t byte_count);

/* ERROR_INVALID, telling what is wrong with `what`, and what in Python would make it right. The array borrows the bytes. */
__attribute__((warn_unused_result)) enum error_code npy_parse(const unsigned char *bytes, uint64_t byte_count, const char *what,
                                                              struct array *out_array, struct error *error);

#endif
