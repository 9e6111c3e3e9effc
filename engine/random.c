/* Philox 4x32-10 and what is drawn from it. The 128-bit counter is (block, purpose · 2^16 + lane, epoch, step), the 64-bit key is the
 * seed: see random.h for the paper. */
#include "engine/random.h"

#include <math.h>

#include "engine/vector_math.h"

enum {
  ROUNDS = 10,
  LANES = 16, /* blocks computed side by side, for the compiler to put in one vector */
  WORDS = 4   /* in a block */
};
static const uint32_t MULTIPLIER_0 = 0xD2511F53u, MULTIPLIER_1 = 0xCD9E8D57u; /* multiplies words 0 and 2 in each round */
static const uint32_t WEYL_0 = 0x9E3779B9u, WEYL_1 = 0xBB67AE85u;             /* golden ratio and √3 − 1: added to the key */

/* Words of the blocks first_block … first_block + LANES − 1, transposed: words[i][lane]. */
static void compute_blocks(const struct random_stream *stream, uint64_t first_block, uint32_t words[WORDS][LANES]) {
  uint32_t key_0 = (uint32_t)stream->seed, key_1 = (uint32_t)(stream->seed >> 32);
  for (uint32_t lane = 0; lane < LANES; lane++) {
    words[0][lane] = (uint32_t)first_block + lane;
    words[1][lane] = stream->purpose << 16 | (stream->lane & 0xFFFFu);
    words[2][lane] = (uint32_t)stream->epoch;
    words[3][lane] = (uint32_t)stream->step;
  }
  for (int round = 0; round < ROUNDS; round++) {
    for (int lane = 0; lane < LANES; lane++) {
      uint64_t product_0 = (uint64_t)MULTIPLIER_0 * words[0][lane], product_1 = (uint64_t)MULTIPLIER_1 * words[2][lane];
      words[0][lane] = (uint32_t)(product_1 >> 32) ^ words[1][lane] ^ key_0;
      words[1][lane] = (uint32_t)product_1;
      words[2][lane] = (uint32_t)(product_0 >> 32) ^ words[3][lane] ^ key_1;
      words[3][lane] = (uint32_t)product_0;
    }
    key_0 += WEYL_0;
    key_1 += WEYL_1;
  }
}

void random_block(const struct random_stream *stream, uint64_t block, uint32_t out_words[4]) {
  uint32_t key_0 = (uint32_t)stream->seed, key_1 = (uint32_t)(stream->seed >> 32);
  uint32_t a = (uint32_t)block, b = stream->purpose << 16 | (stream->lane & 0xFFFFu);
  uint32_t c = (uint32_t)stream->epoch, d = (uint32_t)stream->step;
  for (int round = 0; round < ROUNDS; round++) {
    uint64_t product_0 = (uint64_t)MULTIPLIER_0 * a, product_1 = (uint64_t)MULTIPLIER_1 * c;
    a = (uint32_t)(product_1 >> 32) ^ b ^ key_0;
    b = (uint32_t)product_1;
    c = (uint32_t)(product_0 >> 32) ^ d ^ key_1;
    d = (uint32_t)product_0;
    key_0 += WEYL_0;
    key_1 += WEYL_1;
  }
  out_words[0] = a;
  out_words[1] = b;
  out_words[2] = c;
  out_words[3] = d;
}

/* The upper 24 bits as a fraction: every value is exact in float32 and below 1. */
static float word_to_uniform(uint32_t word) { return (float)(word >> 8) * 0x1p-24f; }

float random_uniform(const struct random_stream *stream, uint64_t index) {
  uint32_t words[WORDS];
  random_block(stream, index / WORDS, words);
  return word_to_uniform(words[index % WORDS]);
}

void random_fill_uniform(const struct random_stream *stream, uint64_t first_index, size_t count, float *values) {
  size_t done = 0;
  while (done < count) {
    uint64_t block = (first_index + done) / WORDS;
    size_t skip = (size_t)((first_index + done) % WORDS);  /* words of the first block that belong to lower indices */
    if (skip + count - done < (size_t)WORDS * LANES / 4) { /* a few: one block at a time is cheaper */
      uint32_t words[WORDS];
      random_block(stream, block, words);
      for (size_t i = skip; i < WORDS && done < count; i++) values[done++] = word_to_uniform(words[i]);
      continue;
    }
    uint32_t words[WORDS][LANES];
    compute_blocks(stream, block, words);
    if (skip == 0 && count - done >= (size_t)WORDS * LANES) {
      for (size_t lane = 0; lane < LANES; lane++)
        for (size_t i = 0; i < WORDS; i++) values[done + lane * WORDS + i] = word_to_uniform(words[i][lane]);
      done += (size_t)WORDS * LANES;
      continue;
    }
    for (size_t i = skip; i < (size_t)WORDS * LANES && done < count; i++) values[done++] = word_to_uniform(words[i % WORDS][i / WORDS]);
  }
}

/* Box, Muller 1958: two uniform numbers u in (0, 1] and v in [0, 1) give √(−2 ln u) cos 2πv and √(−2 ln u) sin 2πv. */
void random_fill_normal(const struct random_stream *stream, uint64_t first_index, size_t count, float *values) {
  static const double two_pi = 6.283185307179586476925286766559;
  size_t done = 0;
  while (done < count) {
    uint32_t words[WORDS];
    float normals[WORDS];
    random_block(stream, (first_index + done) / WORDS, words);
    for (size_t i = 0; i < WORDS; i += 2) {
      double u = ((double)words[i] + 1.0) * 0x1p-32, v = (double)words[i + 1] * 0x1p-32;
      double radius = sqrt(-2.0 * log(u));
      normals[i] = (float)(radius * cos(two_pi * v));
      normals[i + 1] = (float)(radius * sin(two_pi * v));
    }
    for (size_t i = (size_t)((first_index + done) % WORDS); i < WORDS && done < count; i++) values[done++] = normals[i];
  }
}

/* Box, Muller of LANES pairs side by side. */
static void make_normal_pairs(const uint32_t *restrict first, const uint32_t *restrict second, float *restrict cosines,
                              float *restrict sines) {
  for (size_t lane = 0; lane < LANES; lane++) {
    const float u = (float)(int32_t)((first[lane] >> 8) + 1) * 0x1p-24f; /* in (0, 1] */
    const float radius = sqrtf(-2.0f * vector_log_unit(u));
    float sine, cosine;
    vector_sincos_turn(second[lane], &sine, &cosine);
    cosines[lane] = radius * cosine;
    sines[lane] = radius * sine;
  }
}

void random_fill_normal_fast(const struct random_stream *stream, uint64_t first_index, size_t count, float *values) {
  size_t done = 0;
  while (done < count) {
    uint32_t words[WORDS][LANES];
    float normals[WORDS][LANES];
    const size_t skip = (size_t)((first_index + done) % WORDS);
    compute_blocks(stream, (first_index + done) / WORDS, words);
    for (size_t i = 0; i < WORDS; i += 2) make_normal_pairs(words[i], words[i + 1], normals[i], normals[i + 1]);
    if (skip == 0 && count - done >= (size_t)WORDS * LANES) {
      for (size_t lane = 0; lane < LANES; lane++)
        for (size_t i = 0; i < WORDS; i++) values[done + lane * WORDS + i] = normals[i][lane];
      done += (size_t)WORDS * LANES;
      continue;
    }
    for (size_t i = skip; i < (size_t)WORDS * LANES && done < count; i++) values[done++] = normals[i % WORDS][i / WORDS];
  }
}

void random_permutation(const struct random_stream *stream, size_t count, uint32_t *order) {
  for (size_t i = 0; i < count; i++) order[i] = (uint32_t)i;
  uint32_t words[WORDS];
  for (size_t i = count; i-- > 1;) {
    /* Word i picks j in 0 … i; the blocks are met from the last to the first. */
    if (i == count - 1 || i % WORDS == WORDS - 1) random_block(stream, i / WORDS, words);
    size_t j = (size_t)(((uint64_t)words[i % WORDS] * (uint64_t)(i + 1)) >> 32);
    uint32_t swapped = order[i];
    order[i] = order[j];
    order[j] = swapped;
  }
}
