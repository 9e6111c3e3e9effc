/* Arrays of numbers as files of other programs hold them (IDX, NPY), somewhere in memory, and read without being copied. */
#ifndef SERVER_DATA_ARRAY_H
#define SERVER_DATA_ARRAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

enum array_type {
  ARRAY_BOOL,
  ARRAY_UINT8,
  ARRAY_INT8,
  ARRAY_UINT16,
  ARRAY_INT16,
  ARRAY_UINT32,
  ARRAY_INT32,
  ARRAY_UINT64,
  ARRAY_INT64,
  ARRAY_FLOAT16,
  ARRAY_FLOAT32,
  ARRAY_FLOAT64
};
enum { ARRAY_RANK_MAX = 8, ARRAY_SHAPE_BYTES = 200, ARRAY_NUMBER_BYTES = 32 };

struct array {
  enum array_type type;
  bool is_big_endian;
  size_t rank; /* 0: one number */
  uint64_t sizes[ARRAY_RANK_MAX];
  const unsigned char *elements; /* in C order: the last index runs fastest; not aligned */
};

extern const char *const array_type_names[]; /* as NumPy calls them */
size_t array_type_bytes(enum array_type type);

/* Elements; false if there are more than bytes can be addressed. */
bool array_count_elements(const struct array *array, uint64_t *out_count);
double array_get_number(const struct array *array, uint64_t index);
/* An element as text: whole numbers and bools in full, floats so that they read back as they are; "" for
 * not-a-number. False: it is infinite. */
bool array_format_number(const struct array *array, uint64_t index, char out_text[ARRAY_NUMBER_BYTES]);
/* "60000 × 28 × 28" */
const char *array_format_shape(const struct array *array, char out_text[ARRAY_SHAPE_BYTES]);

/* After a header was read: its elements must fill the rest of the file. `what` names the file in errors ("part \"images\""). */
__attribute__((warn_unused_result)) enum error_code array_set_elements(struct array *array, const unsigned char *bytes, uint64_t byte_count,
                                                                       const char *what, struct error *error);

#endif
