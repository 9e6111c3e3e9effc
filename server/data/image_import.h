/* An archive of images → a dataset: a column `image` of bytes [channels, height, width], all of one size; `label`, or the columns of a
 * table beside them; `file`, the name in the archive; and, of an archive in parts, `part`. One row for each image in the order of the
 * archive, or for each row of the table. Images that can't be decoded, and rows of the table without an image, are bad rows.
 *
 * What the options leave open follows from the images. The size: that which most of them have (the first of several); if it has a side
 * beyond IMAGE_FOUND_SIDE_MAX, as much smaller as that takes. Channels: 1 if every image is grey, else 3.
 * Memory: one file at a time, the names, the table. Threads: as the import.
 */
#ifndef SERVER_DATA_IMAGE_IMPORT_H
#define SERVER_DATA_IMAGE_IMPORT_H

#include "server/data/image_decode.h"
#include "server/data/import.h"
#include "server/data/zip_reader.h"

enum { IMAGE_FOUND_SIDE_MAX = 64 };
#define IMAGE_FILE_COLUMN "file" /* of the names in the archive */

struct image_options {
  size_t channels, height, width; /* 0: found. Else 1, 3 or 4; sides up to IMAGE_SIDE_MAX */
};

/* All rows and records into an import of a made table; finishing it is the caller's. */
__attribute__((warn_unused_result)) enum error_code image_import(struct import *import, struct zip_reader *reader,
                                                                 const struct image_options *options, struct error *error);

/* The shape that the options give, or the images of the layout have. */
struct image_layout;
__attribute__((warn_unused_result)) enum error_code image_find_shape(struct zip_reader *reader, const struct image_layout *layout,
                                                                     const struct image_options *options, struct image_shape *out_shape,
                                                                     struct error *error);

/* Reads one file of an archive into memory that grows. */
struct image_bytes {
  char *bytes; /* owned */
  size_t count, capacity;
  size_t wanted; /* reading ends when there are so many */
};
/* ERROR_INVALID: the entry is broken or larger than IMAGE_FILE_BYTES_MAX; others may be read. */
__attribute__((warn_unused_result)) enum error_code image_bytes_read(struct image_bytes *bytes, struct zip_reader *reader, size_t entry,
                                                                     size_t wanted, struct error *error);

#endif
