/* Which of 64 bytes are one of four: what a parser needs of a block before it looks at any byte of it (Langdale and Lemire, "Parsing
 * gigabytes of JSON per second", 2019, do so for JSON). */
#ifndef SERVER_DATA_BYTE_MASK_H
#define SERVER_DATA_BYTE_MASK_H

#include <endian.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { BYTE_MASK_BYTES = 64 };

/* The four bytes, each as often as a register has room. */
struct byte_set {
  uint64_t words[4];
};
static inline struct byte_set byte_set_make(unsigned char a, unsigned char b, unsigned char c, unsigned char d) {
  const uint64_t ones = UINT64_C(0x0101010101010101);
  return (struct byte_set){{ones * a, ones * b, ones * c, ones * d}};
}

/* Bit i: byte i is in the set. */
#ifdef __SSE2__
static inline uint64_t byte_mask_find(const unsigned char *bytes, const struct byte_set *set) {
  uint64_t mask = 0;
  for (int i = 0; i < BYTE_MASK_BYTES / 16; i++) {
    const __m128i block = _mm_loadu_si128((const __m128i *)(const void *)(bytes + 16 * i));
    __m128i found = _mm_setzero_si128();
    for (int k = 0; k < 4; k++) found = _mm_or_si128(found, _mm_cmpeq_epi8(block, _mm_set1_epi64x((int64_t)set->words[k])));
    mask |= (uint64_t)(unsigned)_mm_movemask_epi8(found) << 16 * i;
  }
  return mask;
}
#else
static inline uint64_t byte_mask_find(const unsigned char *bytes, const struct byte_set *set) {
  const uint64_t lows = UINT64_C(0x7F7F7F7F7F7F7F7F);
  uint64_t mask = 0;
  for (int i = 0; i < BYTE_MASK_BYTES / 8; i++) {
    uint64_t word, found = 0;
    memcpy(&word, bytes + 8 * i, sizeof word);
    word = le64toh(word);
    for (int k = 0; k < 4; k++) {
      const uint64_t difference = word ^ set->words[k];
      found |= ~(((difference & lows) + lows) | difference | lows); /* the top bit of each byte that is zero */
    }
    mask |= ((found >> 7) * UINT64_C(0x0102040810204080) >> 56) << 8 * i;
  }
  return mask;
}
#endif

/* The bits of those above 127, over all 64: not 0 if there is one. */
static inline uint64_t byte_mask_join(const unsigned char *bytes) {
  uint64_t joined = 0;
  for (int i = 0; i < BYTE_MASK_BYTES / 8; i++) {
    uint64_t word;
    memcpy(&word, bytes + 8 * i, sizeof word);
    joined |= word;
  }
  return joined & UINT64_C(0x8080808080808080);
}

#endif
