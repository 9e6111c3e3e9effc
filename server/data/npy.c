/* The header is read as the little language that it is: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } with keys in any order,
 * each once, and blanks between the words. Anything else is refused. */
#include "server/data/npy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { MAGIC_BYTES = 6, VERSION_BYTES = 2, HEADER_BYTES_MAX = 1 << 16, WORD_BYTES = 64 };
static const unsigned char magic[MAGIC_BYTES] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

bool npy_is_magic(const char *bytes, size_t byte_count) { return byte_count >= MAGIC_BYTES && memcmp(bytes, magic, MAGIC_BYTES) == 0; }

struct header {
  const char *at, *end; /* what is still to be read */
  const char *what;     /* of errors */
  bool has_descr, has_order, has_shape;
  bool is_fortran;
  struct array array;
};

static enum error_code refuse(const struct header *header, const char *words, struct error *error) {
  return error_set(error, ERROR_INVALID, "%s: its NPY header %s", header->what, words);
}

static void skip_blanks(struct header *header) {
  while (header->at < header->end && (*header->at == ' ' || *header->at == '\t' || *header->at == '\n')) header->at++;
}

/* Takes one character, blanks before it passed over. */
static bool take(struct header *header, char wanted) {
  skip_blanks(header);
  if (header->at == header->end || *header->at != wanted) return false;
  header->at++;
  return true;
}

static bool take_word(struct header *header, const char *word) {
  const size_t bytes = strlen(word);
  skip_blanks(header);
  if ((size_t)(header->end - header->at) < bytes || memcmp(header->at, word, bytes) != 0) return false;
  header->at += bytes;
  return true;
}

/* 'text' or "text", without escapes. */
static bool take_string(struct header *header, char out_text[WORD_BYTES]) {
  skip_blanks(header);
  if (header->at == header->end || (*header->at != '\'' && *header->at != '"')) return false;
  const char quote = *header->at++;
  size_t count = 0;
  while (header->at < header->end && *header->at != quote && *header->at != '\\' && count + 1 < WORD_BYTES)
    out_text[count++] = *header->at++;
  out_text[count] = '\0';
  return header->at < header->end && *header->at++ == quote;
}

static bool take_size(struct header *header, uint64_t *out_size) {
  skip_blanks(header);
  const char *start = header->at;
  *out_size = 0;
  for (; header->at < header->end && *header->at >= '0' && *header->at <= '9'; header->at++) {
    if (__builtin_mul_overflow(*out_size, 10, out_size) || __builtin_add_overflow(*out_size, (uint64_t)(*header->at - '0'), out_size))
      return false;
  }
  return header->at > start;
}

/* "<f4": byte order, kind, bytes. */
static enum error_code read_descr(struct header *header, struct error *error) {
  static const struct {
    const char *code;
    enum array_type type;
  } types[] = {{"b1", ARRAY_BOOL},  {"u1", ARRAY_UINT8},   {"i1", ARRAY_INT8},    {"u2", ARRAY_UINT16},
               {"i2", ARRAY_INT16}, {"u4", ARRAY_UINT32},  {"i4", ARRAY_INT32},   {"u8", ARRAY_UINT64},
               {"i8", ARRAY_INT64}, {"f2", ARRAY_FLOAT16}, {"f4", ARRAY_FLOAT32}, {"f8", ARRAY_FLOAT64}};
  char text[WORD_BYTES];
  skip_blanks(header);
  if (header->at < header->end && *header->at == '[')
    return error_set(error, ERROR_INVALID, "%s has fields (a structured dtype); save each as an array of its own, x[\"field\"]",
                     header->what);
  if (!take_string(header, text) || text[0] == '\0') return refuse(header, "has no dtype", error);
  const bool has_order = strchr("<>|=", text[0]) != NULL;
  const char *code = has_order ? text + 1 : text;
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    if (strcmp(types[i].code, code) != 0) continue;
    header->array.type = types[i].type;
    header->array.is_big_endian = text[0] == '>';
    header->has_descr = true;
    return ERROR_NONE;
  }
  const char *hint = code[0] == 'O'                     ? "objects are pickled Python, which is not read: save x.astype(np.float32)"
                     : code[0] == 'U' || code[0] == 'S' ? "save numbers for words: np.unique(y, return_inverse=True)[1]"
                     : code[0] == 'c'                   ? "save x.real and x.imag"
                     : code[0] == 'M' || code[0] == 'm' ? "save times as numbers: x.astype(\"int64\")"
                                                        : "save x.astype(np.float64)";
  return error_set(error, ERROR_INVALID, "%s has the dtype \"%s\"; bool, integers and floats of up to 64 bits are taken: %s", header->what,
                   text, hint);
}

static enum error_code read_order(struct header *header, struct error *error) {
  header->is_fortran = take_word(header, "True");
  if (!header->is_fortran && !take_word(header, "False")) return refuse(header, "must say True or False of fortran_order", error);
  header->has_order = true;
  return ERROR_NONE;
}

static enum error_code read_shape(struct header *header, struct error *error) {
  if (!take(header, '(')) return refuse(header, "has no shape: a tuple of sizes, (3, 4)", error);
  bool needs_comma = false;
  while (!take(header, ')')) {
    if (needs_comma && !take(header, ',')) return refuse(header, "has a broken shape", error);
    if (needs_comma && take(header, ')')) break;
    if (header->array.rank == ARRAY_RANK_MAX) return refuse(header, "says an array of more than 8 axes", error);
    if (!take_size(header, &header->array.sizes[header->array.rank++])) return refuse(header, "has a broken or too large size", error);
    needs_comma = true;
  }
  header->has_shape = true;
  return ERROR_NONE;
}

static enum error_code read_dictionary(struct header *header, struct error *error) {
  if (!take(header, '{')) return refuse(header, "is no dictionary", error);
  while (!take(header, '}')) {
    char key[WORD_BYTES];
    enum error_code code;
    if (!take_string(header, key) || !take(header, ':')) return refuse(header, "is broken", error);
    if (strcmp(key, "descr") == 0 && !header->has_descr)
      code = read_descr(header, error);
    else if (strcmp(key, "fortran_order") == 0 && !header->has_order)
      code = read_order(header, error);
    else if (strcmp(key, "shape") == 0 && !header->has_shape)
      code = read_shape(header, error);
    else
      return refuse(header, "has a key that is unknown, or twice", error);
    if (code != ERROR_NONE) return code;
    if (take(header, ',')) continue;
    if (!take(header, '}')) return refuse(header, "is broken", error);
    break;
  }
  skip_blanks(header);
  if (header->at != header->end) return refuse(header, "has more behind its end", error);
  if (!header->has_descr || !header->has_order || !header->has_shape)
    return refuse(header, "must have descr, fortran_order and shape", error);
  return ERROR_NONE;
}

enum error_code npy_parse(const unsigned char *bytes, uint64_t byte_count, const char *what, struct array *out_array, struct error *error) {
  struct header header = {.what = what};
  uint64_t at = MAGIC_BYTES + VERSION_BYTES;
  if (!npy_is_magic((const char *)bytes, byte_count < MAGIC_BYTES ? 0 : MAGIC_BYTES))
    return error_set(error, ERROR_INVALID, "%s is no NPY file", what);
  if (byte_count < at) return refuse(&header, "is cut off", error);
  const unsigned version = bytes[MAGIC_BYTES];
  if (version < 1 || version > 3 || bytes[MAGIC_BYTES + 1] != 0)
    return error_set(error, ERROR_INVALID, "%s is NPY version %u.%u; 1.0, 2.0 and 3.0 are taken", what, version, bytes[MAGIC_BYTES + 1]);
  const size_t length_bytes = version == 1 ? 2 : 4;
  if (byte_count < at + length_bytes) return refuse(&header, "is cut off", error);
  uint64_t length = 0;
  for (size_t i = 0; i < length_bytes; i++) length |= (uint64_t)bytes[at + i] << (8 * i);
  at += length_bytes;
  if (length > HEADER_BYTES_MAX) return refuse(&header, "is longer than 65536 bytes", error);
  if (length > byte_count - at) return refuse(&header, "is cut off", error);
  header.at = (const char *)bytes + at;
  header.end = header.at + length;
  enum error_code code = read_dictionary(&header, error);
  if (code != ERROR_NONE) return code;
  if (header.is_fortran && header.array.rank > 1)
    return error_set(error, ERROR_INVALID, "%s is in Fortran order; save np.ascontiguousarray(x)", what);
  *out_array = header.array;
  return array_set_elements(out_array, bytes + at + length, byte_count - at - length, what, error);
}
