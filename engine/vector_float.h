/* Vectors of floats as wide as the processor's registers, in the compiler's vector types; for kernels. Included by .c files only. */
#ifndef ENGINE_VECTOR_FLOAT_H
#define ENGINE_VECTOR_FLOAT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#include <immintrin.h>
enum { VECTOR_FLOATS = 16 };
#elif defined(__AVX__)
#include <immintrin.h>
enum { VECTOR_FLOATS = 8 };
#else
enum { VECTOR_FLOATS = 4 };
#endif

typedef float vector __attribute__((vector_size(VECTOR_FLOATS * sizeof(float))));
typedef int32_t vector_lanes __attribute__((vector_size(VECTOR_FLOATS * sizeof(float))));
typedef uint32_t vector_bits __attribute__((vector_size(VECTOR_FLOATS * sizeof(float))));

static inline vector vector_load(const float *from) {
  vector value;
  memcpy(&value, from, sizeof value);
  return value;
}
static inline void vector_store(float *to, vector value) { memcpy(to, &value, sizeof value); }

/* The first `count` lanes, at most all; the others are 0, or stay as they are in memory. */
static inline vector vector_load_some(const float *from, size_t count) {
  if (count >= VECTOR_FLOATS) return vector_load(from);
#if defined(__AVX512F__)
  return (vector)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), from);
#elif defined(__AVX__)
  return (vector)_mm256_maskload_ps(from, (__m256i)((vector_lanes){0, 1, 2, 3, 4, 5, 6, 7} < (int32_t)count));
#else
  vector value = {0};
#pragma GCC unroll 4
  for (size_t lane = 0; lane < VECTOR_FLOATS - 1; lane++)
    if (lane < count) value[lane] = from[lane];
  return value;
#endif
}
static inline void vector_store_some(float *to, vector value, size_t count) {
  if (count >= VECTOR_FLOATS) {
    vector_store(to, value);
    return;
  }
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(to, (__mmask16)((1u << count) - 1), (__m512)value);
#else
  memcpy(to, &value, count * sizeof *to);
#endif
}

/* A truth for each lane, and what to choose by it. */
#if defined(__AVX512F__)
typedef __mmask16 vector_mask;
static inline vector_mask vector_is_larger(vector left, vector right) {
  return _mm512_cmp_ps_mask((__m512)left, (__m512)right, _CMP_GT_OQ);
}
static inline vector_mask vector_is_nan(vector x) { return _mm512_cmp_ps_mask((__m512)x, (__m512)x, _CMP_UNORD_Q); }
static inline vector vector_choose(vector_mask condition, vector then, vector otherwise) {
  return (vector)_mm512_mask_blend_ps(condition, (__m512)otherwise, (__m512)then);
}
static inline vector_lanes vector_choose_lanes(vector_mask condition, vector_lanes then, vector_lanes otherwise) {
  return (vector_lanes)_mm512_mask_blend_epi32(condition, (__m512i)otherwise, (__m512i)then);
}
#else
typedef vector_lanes vector_mask;
static inline vector_mask vector_is_larger(vector left, vector right) { return left > right; }
static inline vector_mask vector_is_nan(vector x) { return x != x; }
static inline vector_lanes vector_choose_lanes(vector_mask condition, vector_lanes then, vector_lanes otherwise) {
  return (then & condition) | (otherwise & ~condition);
}
static inline vector vector_choose(vector_mask condition, vector then, vector otherwise) {
  return (vector)vector_choose_lanes(condition, (vector_lanes)then, (vector_lanes)otherwise);
}
#endif

/* Lane by lane the nearest value in [low, high]; NaN stays. */
static inline vector vector_clamp(vector x, float low, float high) {
#if defined(__AVX512F__)
  return (vector)_mm512_min_ps(_mm512_set1_ps(high), _mm512_max_ps(_mm512_set1_ps(low), (__m512)x));
#else
  const vector lows = (vector){0} + low, highs = (vector){0} + high;
  x = vector_choose(vector_is_larger(lows, x), lows, x);
  return vector_choose(vector_is_larger(x, highs), highs, x);
#endif
}

/* Small numbers, kept as bytes. */
static inline vector_lanes vector_load_bytes(const uint8_t *from) {
#if defined(__AVX512F__)
  return (vector_lanes)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i_u *)from));
#else
  vector_lanes value = {0};
  for (size_t lane = 0; lane < VECTOR_FLOATS; lane++) value[lane] = from[lane];
  return value;
#endif
}
static inline void vector_store_bytes(uint8_t *to, vector_lanes value) {
#if defined(__AVX512F__)
  _mm_storeu_si128((__m128i_u *)to, _mm512_cvtepi32_epi8((__m512i)value));
#else
  for (size_t lane = 0; lane < VECTOR_FLOATS; lane++) to[lane] = (uint8_t)value[lane];
#endif
}

/* The lanes with neighbouring groups of `half` lanes swapped. */
static inline vector vector_swap_lanes(vector v, size_t half) {
  vector_lanes from = {0};
#pragma GCC unroll 16
  for (size_t lane = 0; lane < VECTOR_FLOATS; lane++) from[lane] = (int32_t)(lane ^ half);
  return __builtin_shuffle(v, from);
}

/* Lane by lane the first, where it is larger, else the second. */
static inline vector vector_larger(vector first, vector second) { return vector_choose(vector_is_larger(first, second), first, second); }

/* Σ and the largest of the lanes: halves are joined until one is left. */
static inline float vector_sum(vector v) {
  if (VECTOR_FLOATS > 8) v += vector_swap_lanes(v, 8);
  if (VECTOR_FLOATS > 4) v += vector_swap_lanes(v, 4);
  v += vector_swap_lanes(v, 2);
  v += vector_swap_lanes(v, 1);
  return v[0];
}
static inline float vector_max(vector v) {
  if (VECTOR_FLOATS > 8) v = vector_larger(vector_swap_lanes(v, 8), v);
  if (VECTOR_FLOATS > 4) v = vector_larger(vector_swap_lanes(v, 4), v);
  v = vector_larger(vector_swap_lanes(v, 2), v);
  v = vector_larger(vector_swap_lanes(v, 1), v);
  return v[0];
}

/* Of two vectors in a row every second group of `size` lanes from the first one on, and the others. */
static inline void vector_part_groups(vector first, vector second, size_t size, vector *out_even, vector *out_odd) {
  vector_lanes even = {0};
#pragma GCC unroll 16
  for (size_t lane = 0; lane < VECTOR_FLOATS; lane++) even[lane] = (int32_t)(2 * lane - lane % size);
  *out_even = __builtin_shuffle(first, second, even);
  *out_odd = __builtin_shuffle(first, second, even + (int32_t)size);
}

/* Groups of `size` lanes of two vectors by turns, within each four lanes: of their lower halves, and of the upper ones. */
static inline void vector_mix_groups(vector first, vector second, size_t size, vector *out_low, vector *out_high) {
  vector_lanes low = {0};
#pragma GCC unroll 16
  for (size_t lane = 0; lane < VECTOR_FLOATS; lane++) {
    const size_t group = lane % 4 / size, from = lane / 4 * 4 + group / 2 * size + lane % size;
    low[lane] = (int32_t)(from + group % 2 * VECTOR_FLOATS);
  }
  *out_low = __builtin_shuffle(first, second, low);
  *out_high = __builtin_shuffle(first, second, low + 2);
}

/* rows[i][j] ↔ rows[j][i]: first in squares of four, then whole squares, by shuffles that processors have one instruction for. */
static inline void vector_transpose(vector rows[VECTOR_FLOATS]) {
#pragma GCC unroll 4
  for (size_t i = 0; i < VECTOR_FLOATS; i += 4) {
    vector low[2], high[2];
    vector_mix_groups(rows[i], rows[i + 1], 1, &low[0], &high[0]);
    vector_mix_groups(rows[i + 2], rows[i + 3], 1, &low[1], &high[1]);
    vector_mix_groups(low[0], low[1], 2, &rows[i], &rows[i + 1]);
    vector_mix_groups(high[0], high[1], 2, &rows[i + 2], &rows[i + 3]);
  }
#pragma GCC unroll 4
  for (size_t i = 0; i < 4 && VECTOR_FLOATS == 8; i++)
    vector_part_groups(rows[i], rows[4 % VECTOR_FLOATS + i], 4, &rows[i], &rows[4 % VECTOR_FLOATS + i]);
#pragma GCC unroll 4
  for (size_t i = 0; i < 4 && VECTOR_FLOATS == 16; i++) {
    vector even[2], odd[2];
    vector_part_groups(rows[i], rows[4 % VECTOR_FLOATS + i], 4, &even[0], &odd[0]);
    vector_part_groups(rows[8 % VECTOR_FLOATS + i], rows[12 % VECTOR_FLOATS + i], 4, &even[1], &odd[1]);
    vector_part_groups(even[0], even[1], 4, &rows[i], &rows[8 % VECTOR_FLOATS + i]);
    vector_part_groups(odd[0], odd[1], 4, &rows[4 % VECTOR_FLOATS + i], &rows[12 % VECTOR_FLOATS + i]);
  }
}

/* to[j, i] = from[i, j] of a square, i < rows, j < columns, both at most VECTOR_FLOATS; rows lie `…_step` floats apart. */
static inline void vector_turn(const float *from, size_t from_step, size_t rows, size_t columns, float *to, size_t to_step) {
  vector square[VECTOR_FLOATS];
#pragma GCC unroll 16
  for (size_t i = 0; i < VECTOR_FLOATS; i++) square[i] = vector_load_some(from + (i < rows ? i : 0) * from_step, columns);
  vector_transpose(square);
#pragma GCC unroll 16
  for (size_t j = 0; j < VECTOR_FLOATS; j++)
    if (j < columns) vector_store_some(to + j * to_step, square[j], rows);
}

/* The even and the odd lanes of two vectors in a row, and back. */
static inline void vector_part(vector first, vector second, vector *out_even, vector *out_odd) {
  vector_lanes even = {0};
#pragma GCC unroll 16
  for (size_t lane = 0; lane < VECTOR_FLOATS; lane++) even[lane] = (int32_t)(2 * lane);
  *out_even = __builtin_shuffle(first, second, even);
  *out_odd = __builtin_shuffle(first, second, even + 1);
}
static inline void vector_join(vector even, vector odd, vector *out_first, vector *out_second) {
  vector_lanes low = {0};
#pragma GCC unroll 16
  for (size_t lane = 0; lane < VECTOR_FLOATS; lane++) low[lane] = (int32_t)(lane / 2 + lane % 2 * VECTOR_FLOATS);
  *out_first = __builtin_shuffle(even, odd, low);
  *out_second = __builtin_shuffle(even, odd, low + VECTOR_FLOATS / 2);
}

#endif
