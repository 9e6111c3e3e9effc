/* ZIP archives (PKWARE's APPNOTE; stored and deflated entries, zip64), read entry by entry from a file on disk, by libzip.
 *
 * The directory is checked as a whole before anything is unpacked; one entry that could mean harm or two things refuses the archive by its
 * name: absolute names, "..", backslashes, drive letters, control characters and NUL in names, two entries of one name, symbolic links and
 * devices, encrypted entries, other ways of compression. Names are only looked at, never opened: nothing is written anywhere.
 * A bomb is refused: more plain bytes in all than allowed, or so many from so small a file that no real data are like that, or an entry
 * that unpacks to other than it says.
 * Folders and what operating systems leave behind (__MACOSX/, ._*, .DS_Store, Thumbs.db, desktop.ini) are passed over.
 * Memory: about 250 bytes an entry, at most ZIP_ENTRIES_MAX of them; 64 KiB while one is read. Threads: belongs to one thread.
 */
#ifndef SERVER_DATA_ZIP_READER_H
#define SERVER_DATA_ZIP_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

enum {
  ZIP_ENTRIES_MAX = 1 << 20,
  ZIP_DIRECTORY_BYTES_MAX = 128 << 20,
  ZIP_RATIO_MAX = 400,            /* plain bytes for each of the file, … */
  ZIP_RATIO_FROM_BYTES = 64 << 20 /* … beyond so many */
};

struct zip_entry {
  const char *name; /* UTF-8, relative, parts separated by '/'; the reader's */
  uint64_t plain_bytes;
  uint64_t index; /* in the archive's directory */
};

/* Anything but ERROR_NONE ends the reading, which returns it. */
typedef enum error_code zip_handler(void *context, const char *bytes, size_t byte_count, struct error *error);

/* Whether a file that begins with these bytes is a ZIP archive. */
bool zip_is_magic(const char *bytes, size_t byte_count);

struct zip_reader;
/* `fd`, a whole archive in a file open for reading, stays the caller's and must stay open as it is; its position is moved.
 * ERROR_INVALID, ERROR_TOO_LARGE: the archive, as above. */
__attribute__((warn_unused_result)) enum error_code zip_reader_open(int fd, uint64_t plain_bytes_max, struct zip_reader **out_reader,
                                                                    struct error *error);
void zip_reader_close(struct zip_reader *reader);
/* The files, in the order of the archive. */
size_t zip_reader_get_count(const struct zip_reader *reader);
const struct zip_entry *zip_reader_get_entry(const struct zip_reader *reader, size_t i);
/* Hands out the bytes of file i in portions. ERROR_INVALID, which tells the entry's name: it is broken; others may be whole. */
__attribute__((warn_unused_result)) enum error_code zip_reader_read(struct zip_reader *reader, size_t i, zip_handler *handler,
                                                                    void *context, struct error *error);

#endif
