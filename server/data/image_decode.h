/* Images as people have them (PNG by libpng, JPEG by libjpeg) → bytes [channels, height, width] of one stated size.
 *
 * Decoding takes whatever the formats have: palettes, 1 … 16 bits, interlacing, transparency; grey, RGB, CMYK and YCCK, progressive scans,
 * and turns photos as their Exif orientation says. Then
 *   channels  1: grey, 0.299 R + 0.587 G + 0.114 B (BT.601, of the values as stored); 3: R, G, B; 4: R, G, B and opacity. Where opacity has
 *             no channel, the image lies on white.
 *   size      image_resize.h: the mean over the area where it shrinks, bilinear where it grows. Another aspect ratio is stretched: nothing
 *             is cut off and nothing invented; whoever wants borders or crops makes them before. (A JPEG is first reduced by 2, 4 or 8
 *             while it is decoded, as long as it stays at least twice as large as wanted.)
 * Images of more than IMAGE_PIXELS_MAX pixels are refused before they are decoded. Broken and cut-off files are errors, whatever part of
 * them could be shown. Errors say what is wrong with the file, not its name ("is a PNG that is broken: …"). Memory: some rows; 4 bytes a
 * pixel of an interlaced PNG, 8 of a progressive JPEG. Threads: any.
 */
#ifndef SERVER_DATA_IMAGE_DECODE_H
#define SERVER_DATA_IMAGE_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"
#include "server/data/image_resize.h"

enum {
  IMAGE_PIXELS_MAX = 1 << 25,     /* of a file */
  IMAGE_SIDE_MAX = 1024,          /* of a decoded image */
  IMAGE_FILE_BYTES_MAX = 64 << 20 /* of a file, which is held in memory while it is decoded */
};

enum image_format { IMAGE_UNKNOWN, IMAGE_PNG, IMAGE_JPEG };

struct image_info {
  enum image_format format;
  size_t width, height; /* as seen, turned by its orientation */
  bool has_color;       /* by its header; its pixels may be grey all the same */
};

/* By its first bytes; the name of any other format that is known, "GIF", in *out_name (may be NULL), else NULL there. */
enum image_format image_sniff(const void *bytes, size_t byte_count, const char **out_name);

/* Reads the header. ERROR_MEDIA_TYPE: neither PNG nor JPEG; ERROR_INVALID: broken; ERROR_TOO_LARGE. */
__attribute__((warn_unused_result)) enum error_code image_read_info(const void *bytes, size_t byte_count, struct image_info *out_info,
                                                                    struct error *error);

/* Fills out_elements[channels, height, width] of `shape`: channels 1, 3 or 4, sides 1 … IMAGE_SIDE_MAX. Errors as above. */
__attribute__((warn_unused_result)) enum error_code image_decode(const void *bytes, size_t byte_count, const struct image_shape *shape,
                                                                 uint8_t *out_elements, struct error *error);

#endif
