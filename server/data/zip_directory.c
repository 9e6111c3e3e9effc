/* APPNOTE 4.3.14 … 4.3.16: the archive ends with [zip64 end record, zip64 locator,] end record, comment. */
#include "server/data/zip_directory.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/data/zip_reader.h"

enum {
  HEADER_BYTES = 46, /* of an entry in the directory; its name, extra fields and comment follow */
  HEADER_NAME_AT = 28,
  HEADER_EXTRA_AT = 30,
  HEADER_COMMENT_AT = 32,
  NAME_BYTES_MAX = 65535,
  WINDOW_BYTES = 2 * (HEADER_BYTES + NAME_BYTES_MAX),
  SHOWN_NAME = 120,
  END_BYTES = 22,
  END_ENTRIES_AT = 10,
  END_SIZE_AT = 12,
  END_OFFSET_AT = 16,
  END_COMMENT_AT = 20,
  LOCATOR_BYTES = 20,
  LOCATOR_OFFSET_AT = 8,
  END64_BYTES = 56,
  END64_ENTRIES_AT = 32,
  END64_SIZE_AT = 40,
  END64_OFFSET_AT = 48,
  COMMENT_BYTES_MAX = 65535,
  TAIL_BYTES = LOCATOR_BYTES + END_BYTES + COMMENT_BYTES_MAX
};

static uint64_t read_number(const unsigned char *at, int bytes) {
  uint64_t number = 0;
  for (int i = bytes - 1; i >= 0; i--) number = number << 8 | at[i];
  return number;
}

/* Fewer bytes than wanted: the file ends. */
static size_t read_at(int fd, unsigned char *bytes, size_t wanted, uint64_t offset) {
  size_t count = 0;
  while (count < wanted) {
    const ssize_t got = pread(fd, bytes + count, wanted - count, (off_t)(offset + count));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    count += (size_t)got;
  }
  return count;
}

struct directory {
  uint64_t entries, bytes, offset;
};

/* Of the end record at tail[at]; what doesn't fit its numbers stands in a zip64 record that the locator before it leads to. */
static struct directory read_end(int fd, const unsigned char *tail, size_t at) {
  const unsigned char *end = tail + at, *locator = end - LOCATOR_BYTES;
  unsigned char end64[END64_BYTES];
  if (at >= LOCATOR_BYTES && memcmp(locator, "PK\6\7", 4) == 0) {
    const uint64_t offset = read_number(locator + LOCATOR_OFFSET_AT, 8);
    if (offset < INT64_MAX - END64_BYTES && read_at(fd, end64, END64_BYTES, offset) == END64_BYTES && memcmp(end64, "PK\6\6", 4) == 0)
      return (struct directory){read_number(end64 + END64_ENTRIES_AT, 8), read_number(end64 + END64_SIZE_AT, 8),
                                read_number(end64 + END64_OFFSET_AT, 8)};
  }
  return (struct directory){read_number(end + END_ENTRIES_AT, 2), read_number(end + END_SIZE_AT, 4), read_number(end + END_OFFSET_AT, 4)};
}

/* The library reads a NUL in a name as a space, so that it can't be seen behind it. */
static enum error_code refuse_nul_names(int fd, const struct directory *directory, unsigned char *window, struct error *error) {
  uint64_t at = directory->offset, window_offset = at;
  size_t bytes = 0;
  for (uint64_t i = 0; i < directory->entries && at < INT64_MAX - WINDOW_BYTES; i++) {
    if (at + HEADER_BYTES + NAME_BYTES_MAX > window_offset + bytes) {
      window_offset = at;
      bytes = read_at(fd, window, WINDOW_BYTES, at);
    }
    const unsigned char *header = window + (at - window_offset);
    const size_t left = window_offset + bytes > at ? (size_t)(window_offset + bytes - at) : 0;
    if (left < HEADER_BYTES || memcmp(header, "PK\1\2", 4) != 0) return ERROR_NONE; /* the library will say so */
    const uint64_t name_bytes = read_number(header + HEADER_NAME_AT, 2);
    const char *name = (const char *)header + HEADER_BYTES;
    if (left < HEADER_BYTES + name_bytes) return ERROR_NONE;
    if (memchr(name, '\0', name_bytes) != NULL)
      return error_set(error, ERROR_INVALID, "entry \"%.*s\" of the ZIP archive has a NUL byte in its name", SHOWN_NAME, name);
    at += HEADER_BYTES + name_bytes + read_number(header + HEADER_EXTRA_AT, 2) + read_number(header + HEADER_COMMENT_AT, 2);
  }
  return ERROR_NONE;
}

static enum error_code check_tail(int fd, const unsigned char *tail, size_t bytes, unsigned char *window, struct error *error) {
  enum error_code code = error_set(error, ERROR_INVALID, "the ZIP archive has no directory at its end: it is cut off, or no ZIP archive");
  for (size_t at = 0; at + END_BYTES <= bytes; at++) {
    if (memcmp(tail + at, "PK\5\6", 4) != 0) continue;
    const struct directory directory = read_end(fd, tail, at);
    if (directory.entries > ZIP_ENTRIES_MAX || directory.bytes > ZIP_DIRECTORY_BYTES_MAX)
      return error_set(error, ERROR_TOO_LARGE, "a ZIP archive may have %d entries, and a directory of %d MiB", ZIP_ENTRIES_MAX,
                       ZIP_DIRECTORY_BYTES_MAX >> 20);
    const bool is_right = at + END_BYTES + read_number(tail + at + END_COMMENT_AT, 2) == bytes;
    if (code != ERROR_NONE) error_clear(error);
    code = is_right ? refuse_nul_names(fd, &directory, window, error) : ERROR_NONE;
    if (code != ERROR_NONE) return code;
  }
  return code;
}

enum error_code zip_directory_check(int fd, uint64_t *out_file_bytes, struct error *error) {
  struct stat stat;
  if (fstat(fd, &stat) != 0) return error_set(error, ERROR_INTERNAL, "reading the ZIP archive: %s", strerror(errno));
  const uint64_t file_bytes = (uint64_t)stat.st_size;
  *out_file_bytes = file_bytes;
  unsigned char *tail = malloc(TAIL_BYTES + WINDOW_BYTES);
  if (tail == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory to read a ZIP archive");
  const uint64_t offset = file_bytes > TAIL_BYTES ? file_bytes - TAIL_BYTES : 0;
  const size_t bytes = read_at(fd, tail, TAIL_BYTES, offset);
  enum error_code code = check_tail(fd, tail, bytes, tail + TAIL_BYTES, error);
  free(tail);
  return code;
}
