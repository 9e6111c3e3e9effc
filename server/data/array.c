#include "server/data/array.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

const char *const array_type_names[] = {"bool",   "uint8", "int8",    "uint16",  "int16",   "uint32", "int32",
                                        "uint64", "int64", "float16", "float32", "float64", NULL};

size_t array_type_bytes(enum array_type type) {
  static const size_t bytes[] = {1, 1, 1, 2, 2, 4, 4, 8, 8, 2, 4, 8};
  return bytes[type];
}

bool array_count_elements(const struct array *array, uint64_t *out_count) {
  uint64_t count = 1, bytes;
  /* A size of 0 makes all of it empty, however large the others are. */
  for (size_t i = 0; i < array->rank; i++)
    if (array->sizes[i] == 0) count = 0;
  for (size_t i = 0; i < array->rank; i++)
    if (__builtin_mul_overflow(count, array->sizes[i], &count)) return false;
  *out_count = count;
  return !__builtin_mul_overflow(count, array_type_bytes(array->type), &bytes) && bytes <= INT64_MAX;
}

/* An element's bytes as a whole number, whatever the file's order is. */
static uint64_t get_bits(const struct array *array, uint64_t index) {
  const size_t bytes = array_type_bytes(array->type);
  const unsigned char *element = array->elements + index * bytes;
  uint64_t bits = 0;
  for (size_t i = 0; i < bytes; i++) bits |= (uint64_t)element[array->is_big_endian ? bytes - 1 - i : i] << (8 * i);
  return bits;
}

/* IEEE 754 half precision: 1 sign, 5 exponent, 10 fraction bits. */
static double half_to_number(uint64_t bits) {
  const int exponent = (int)(bits >> 10 & 31);
  const double fraction = (double)(bits & 1023);
  double number = exponent == 0    ? ldexp(fraction, -24)
                  : exponent == 31 ? (fraction > 0 ? (double)NAN : (double)INFINITY)
                                   : ldexp(1024 + fraction, exponent - 25);
  return bits >> 15 ? -number : number;
}

double array_get_number(const struct array *array, uint64_t index) {
  const uint64_t bits = get_bits(array, index);
  switch (array->type) {
  case ARRAY_INT8: return (int8_t)bits;
  case ARRAY_INT16: return (int16_t)bits;
  case ARRAY_INT32: return (int32_t)bits;
  case ARRAY_INT64: return (double)(int64_t)bits;
  case ARRAY_FLOAT16: return half_to_number(bits);
  case ARRAY_FLOAT32: {
    const uint32_t word = (uint32_t)bits;
    float number;
    memcpy(&number, &word, sizeof number);
    return (double)number;
  }
  case ARRAY_FLOAT64: {
    double number;
    memcpy(&number, &bits, sizeof number);
    return number;
  }
  case ARRAY_BOOL: return bits != 0;
  default: return (double)bits;
  }
}

bool array_format_number(const struct array *array, uint64_t index, char out_text[ARRAY_NUMBER_BYTES]) {
  const double number = array_get_number(array, index);
  out_text[0] = '\0';
  if (isnan(number)) return true;
  if (isinf(number)) return false;
  if (array->type == ARRAY_INT64)
    snprintf(out_text, ARRAY_NUMBER_BYTES, "%" PRId64, (int64_t)get_bits(array, index));
  else if (array->type == ARRAY_UINT64)
    snprintf(out_text, ARRAY_NUMBER_BYTES, "%" PRIu64, get_bits(array, index));
  else if (array->type < ARRAY_FLOAT16)
    snprintf(out_text, ARRAY_NUMBER_BYTES, "%.0f", number);
  else
    snprintf(out_text, ARRAY_NUMBER_BYTES, "%.*g", array->type == ARRAY_FLOAT64 ? 17 : 9, number);
  return true;
}

const char *array_format_shape(const struct array *array, char out_text[ARRAY_SHAPE_BYTES]) {
  size_t at = 0;
  snprintf(out_text, ARRAY_SHAPE_BYTES, "a single number");
  for (size_t i = 0; i < array->rank; i++)
    at += (size_t)snprintf(out_text + at, ARRAY_SHAPE_BYTES - at, "%s%" PRIu64, i > 0 ? " × " : "", array->sizes[i]);
  return out_text;
}

enum error_code array_set_elements(struct array *array, const unsigned char *bytes, uint64_t byte_count, const char *what,
                                   struct error *error) {
  char shape[ARRAY_SHAPE_BYTES];
  uint64_t count;
  array_format_shape(array, shape);
  if (!array_count_elements(array, &count))
    return error_set(error, ERROR_INVALID, "%s: its header says %s %s, more than any file holds", what, shape,
                     array_type_names[array->type]);
  const uint64_t wanted = count * array_type_bytes(array->type);
  if (wanted != byte_count)
    return error_set(error, ERROR_INVALID, "%s: its header says %s %s, which are %" PRIu64 " bytes, but %" PRIu64 " follow%s", what, shape,
                     array_type_names[array->type], wanted, byte_count, byte_count < wanted ? "; the file is cut off" : "");
  array->elements = bytes;
  return ERROR_NONE;
}
