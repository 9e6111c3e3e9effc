/* Exif 2.32, 4.5 and 4.6: "Exif\0\0", then TIFF: byte order, 42, offset of the first directory: entries of tag, type, count, value. */
#include <string.h>

#include "server/data/image_private.h"

enum { PREFIX_BYTES = 6, TIFF_MAGIC = 42, ENTRY_BYTES = 12, TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3, UPRIGHT = 1, ORIENTATIONS = 8 };

struct tiff {
  const uint8_t *bytes;
  size_t count;
  bool is_big_endian;
};

/* 0 behind the end. */
static uint32_t read_number(const struct tiff *tiff, size_t at, size_t bytes) {
  if (at > tiff->count || tiff->count - at < bytes) return 0;
  uint32_t number = 0;
  for (size_t i = 0; i < bytes; i++) number = number << 8 | tiff->bytes[at + (tiff->is_big_endian ? i : bytes - 1 - i)];
  return number;
}

int image_read_orientation(const uint8_t *bytes, size_t byte_count) {
  if (byte_count < PREFIX_BYTES + 8 || memcmp(bytes, "Exif\0\0", PREFIX_BYTES) != 0) return UPRIGHT;
  const struct tiff tiff = {bytes + PREFIX_BYTES, byte_count - PREFIX_BYTES, bytes[PREFIX_BYTES] == 'M'};
  if (read_number(&tiff, 2, 2) != TIFF_MAGIC) return UPRIGHT;
  const size_t directory = read_number(&tiff, 4, 4);
  const size_t entries = read_number(&tiff, directory, 2);
  for (size_t i = 0; i < entries; i++) {
    const size_t entry = directory + 2 + i * ENTRY_BYTES;
    if (read_number(&tiff, entry, 2) != TAG_ORIENTATION) continue;
    const uint32_t value = read_number(&tiff, entry + 2, 2) == TYPE_SHORT ? read_number(&tiff, entry + 8, 2) : 0;
    return value >= UPRIGHT && value <= ORIENTATIONS ? (int)value : UPRIGHT;
  }
  return UPRIGHT;
}
