/* Up to eight bytes as one word, without reading beyond them: for hashing, comparing and parsing short cells at once. */
#ifndef SERVER_DATA_SHORT_BYTES_H
#define SERVER_DATA_SHORT_BYTES_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Byte i of `bytes` is bits 8i … 8i + 7 of the word; the rest is 0. count ≤ 8. Two loads overlap where they meet. */
static inline uint64_t short_bytes_load(const char *bytes, size_t count) {
  if (count >= 4) {
    uint32_t first, last;
    memcpy(&first, bytes, sizeof first);
    memcpy(&last, bytes + count - sizeof last, sizeof last);
    return le32toh(first) | (uint64_t)le32toh(last) << 8 * (count - sizeof last);
  }
  if (count >= 2) {
    uint16_t first, last;
    memcpy(&first, bytes, sizeof first);
    memcpy(&last, bytes + count - sizeof last, sizeof last);
    return le16toh(first) | (uint64_t)le16toh(last) << 8 * (count - sizeof last);
  }
  return count == 1 ? (unsigned char)bytes[0] : 0;
}

/* The same by one load, of a place where eight bytes can be read whatever they are. */
static inline uint64_t short_bytes_load_roomy(const char *bytes, size_t count) {
  uint64_t word;
  memcpy(&word, bytes, sizeof word);
  return count == 0 ? 0 : le64toh(word) & UINT64_MAX >> (64 - 8 * count);
}

#endif
