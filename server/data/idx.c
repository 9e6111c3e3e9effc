#include "server/data/idx.h"

#include <inttypes.h>
#include <stdio.h>

enum { HEADER_BYTES = 4, SIZE_BYTES = 4 };

static bool find_type(unsigned char code, enum array_type *out_type) {
  static const struct {
    unsigned char code;
    enum array_type type;
  } types[] = {{0x08, ARRAY_UINT8}, {0x09, ARRAY_INT8},    {0x0B, ARRAY_INT16},
               {0x0C, ARRAY_INT32}, {0x0D, ARRAY_FLOAT32}, {0x0E, ARRAY_FLOAT64}};
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    *out_type = types[i].type;
    if (types[i].code == code) return true;
  }
  return false;
}

bool idx_is_magic(const char *bytes, size_t byte_count) {
  enum array_type type;
  return byte_count >= HEADER_BYTES && bytes[0] == 0 && bytes[1] == 0 && find_type((unsigned char)bytes[2], &type) && bytes[3] >= 1 &&
         bytes[3] <= ARRAY_RANK_MAX;
}

enum error_code idx_parse(const unsigned char *bytes, uint64_t byte_count, const char *what, struct array *out_array, struct error *error) {
  struct array array = {.is_big_endian = true};
  if (byte_count < HEADER_BYTES || bytes[0] != 0 || bytes[1] != 0 || !find_type(bytes[2], &array.type))
    return error_set(error, ERROR_INVALID, "%s is no IDX file: it must begin with two zero bytes, a type (8, 9, 11 to 14) and a rank",
                     what);
  array.rank = bytes[3];
  if (array.rank < 1 || array.rank > ARRAY_RANK_MAX)
    return error_set(error, ERROR_INVALID, "%s: an IDX file of rank %zu; 1 to %d are taken", what, array.rank, ARRAY_RANK_MAX);
  const uint64_t header_bytes = HEADER_BYTES + SIZE_BYTES * (uint64_t)array.rank;
  if (byte_count < header_bytes)
    return error_set(error, ERROR_INVALID, "%s is cut off in its header, after %" PRIu64 " of %" PRIu64 " bytes", what, byte_count,
                     header_bytes);
  for (size_t i = 0; i < array.rank; i++) {
    const unsigned char *size = bytes + HEADER_BYTES + SIZE_BYTES * i;
    array.sizes[i] = (uint64_t)size[0] << 24 | (uint64_t)size[1] << 16 | (uint64_t)size[2] << 8 | size[3];
  }
  *out_array = array;
  return array_set_elements(out_array, bytes + header_bytes, byte_count - header_bytes, what, error);
}
