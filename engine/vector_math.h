/* Elementary functions in float32, written so that a loop over them becomes vector code: no calls, no branches, no tables.
 *
 * Relative errors are about 1e-7 (tests/unit/engine/test_vector_math.c measures them against libm). NaN goes in and comes out; infinities
 * give the limits. Polynomial coefficients are Chebyshev fits, made for the reduced ranges named beside them.
 */
#ifndef ENGINE_VECTOR_MATH_H
#define ENGINE_VECTOR_MATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline float vector_float_from_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static inline uint32_t vector_bits_of_float(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

/* 2ⁿ for −126 ≤ n ≤ 127; n comes as an unsigned so that garbage after NaN stays defined. */
static inline float vector_power_of_two(uint32_t n) { return vector_float_from_bits((n + 127u) << 23); }

/* Splits x = n ln 2 + r with |r| ≤ ln 2 / 2. Returns eʳ − 1 and the integer n (two's complement). */
static inline float vector_reduce_exp(float x, uint32_t *out_n) {
  const float round_to_integer = 12582912.0f; /* 1.5 · 2²³: the sum's last bits are the nearest integer */
  float shifted = x * 1.44269504f + round_to_integer;
  float n = shifted - round_to_integer;
  float r = (x - n * 0.693359375f) - n * -2.12194440e-4f; /* ln 2 in two parts: the first product is exact */
  *out_n = vector_bits_of_float(shifted) - 0x4B400000u;
  float q = 1.98992878e-4f;
  q = q * r + 1.39336525e-3f;
  q = q * r + 8.33329847e-3f;
  q = q * r + 4.16664649e-2f;
  q = q * r + 1.66666667e-1f;
  q = q * r + 0.5f;
  return q * r * r + r;
}

/* eˣ */
static inline float vector_exp(float x) {
  x = x < -104.0f ? -104.0f : x; /* beyond, eˣ is 0 or ∞ in float32 */
  x = x > 89.0f ? 89.0f : x;
  uint32_t n;
  float fraction = vector_reduce_exp(x, &n) + 1.0f;
  uint32_t half_n = (uint32_t)((int32_t)n >> 1); /* two steps: 2ⁿ alone may be out of range */
  return fraction * vector_power_of_two(half_n) * vector_power_of_two(n - half_n);
}

/* eˣ for x ≤ 0, and 0 below −87, where float32 loses its precision: for the many exponentials of a softmax */
static inline float vector_exp_negative(float x) {
  uint32_t n;
  float fraction = vector_reduce_exp(x < -87.0f ? -87.0f : x, &n) + 1.0f;
  float e = fraction * vector_power_of_two(n);
  return x < -87.0f ? 0.0f : e;
}

/* eˣ − 1 for x ≤ 88, precise near 0 too */
static inline float vector_expm1(float x) {
  x = x < -40.0f ? -40.0f : x;
  x = x > 88.0f ? 88.0f : x;
  uint32_t n;
  float fraction = vector_reduce_exp(x, &n);
  float scale = vector_power_of_two(n);
  return fraction * scale + (scale - 1.0f);
}

/* tanh x = (e²ˣ − 1) / (e²ˣ + 1), by |x| so that nothing overflows or cancels */
static inline float vector_tanh(float x) {
  float magnitude = fabsf(x);
  magnitude = magnitude > 10.0f ? 10.0f : magnitude;
  float e = vector_expm1(2.0f * magnitude);
  return copysignf(e / (e + 2.0f), x);
}

/* 1 / (1 + e⁻ˣ) */
static inline float vector_sigmoid(float x) { return 1.0f / (1.0f + vector_exp(-x)); }

/* ln(1 + u) for 0 ≤ u ≤ 1: 2 artanh(u / (2 + u)) */
static inline float vector_log1p_unit(float u) {
  float t = u / (2.0f + u);
  float w = t * t; /* in [0, 1/9] */
  float p = 1.22050774e-1f;
  p = p * w + 1.06970398e-1f;
  p = p * w + 1.43103198e-1f;
  p = p * w + 1.99993471e-1f;
  p = p * w + 3.33333396e-1f;
  p = p * w + 1.0f;
  return 2.0f * t * p;
}

/* ln(1 + u) for u ≥ 0: with 1 + u = 2ⁿ (1 + v), n ln 2 + ln(1 + v) */
static inline float vector_log1p(float u) {
  uint32_t bits = vector_bits_of_float(1.0f + u);
  float n = (float)((int32_t)(bits >> 23) - 127);
  float v = n == 0.0f ? u : vector_float_from_bits((bits & 0x7FFFFFu) | 0x3F800000u) - 1.0f;
  float log = n * 0.693147181f + vector_log1p_unit(v);
  return u < INFINITY ? log : u;
}

/* ln u for 2⁻²⁴ ≤ u ≤ 1: with u = 2ⁿ (1 + v), n ln 2 + ln(1 + v). Its error is absolute, about 1e-7. */
static inline float vector_log_unit(float u) {
  const uint32_t bits = vector_bits_of_float(u);
  const float n = (float)((int32_t)(bits >> 23) - 127);
  const float v = vector_float_from_bits((bits & 0x7FFFFFu) | 0x3F800000u) - 1.0f;
  const float log = n * 0.693147181f + vector_log1p_unit(v);
  return log < 0.0f ? log : 0.0f;
}

/* Sine and cosine of a turn's share turn / 2³². The upper two bits are the quarter; from its middle the angle is at most π/4, where the
 * series of sine and cosine are as exact as float32 after four terms. */
static inline void vector_sincos_turn(uint32_t turn, float *out_sine, float *out_cosine) {
  const float share = (float)((int32_t)((turn << 2) >> 8) - 0x800000); /* −2²³ … 2²³ − 1 within the quarter */
  const float angle = share * (1.57079633f * 0x1p-24f), square = angle * angle;
  float sine = -1.98412698e-4f;
  sine = sine * square + 8.33333333e-3f;
  sine = sine * square - 1.66666667e-1f;
  sine = sine * square * angle + angle;
  float cosine = 2.48015873e-5f;
  cosine = cosine * square - 1.38888889e-3f;
  cosine = cosine * square + 4.16666667e-2f;
  cosine = cosine * square - 0.5f;
  cosine = cosine * square + 1.0f;
  /* To the middle of quarter 0, 1, 2, 3: angles add π/4, 3π/4, 5π/4, 7π/4, whose sine and cosine are ±√½. */
  const uint32_t half = vector_bits_of_float(0.707106781f), sign = 0x80000000u;
  const float middle_sine = vector_float_from_bits(half | (turn & sign));
  const float middle_cosine = vector_float_from_bits(half | ((turn + 0x40000000u) & sign));
  *out_sine = sine * middle_cosine + cosine * middle_sine;
  *out_cosine = cosine * middle_cosine - sine * middle_sine;
}

/* e^(z²) erfc z for z ≥ 0 as a polynomial in s = (z − 2.55) / (z + 2.55), fitted for z ≤ 11, divided by 1 + z */
static inline float vector_erfcx(float z) {
  float both = 1.0f / ((z + 2.55f) * (1.0f + z)); /* one division for two */
  float s = (z - 2.55f) * (1.0f + z) * both;
  float p = 2.19528861e-4f;
  p = p * s + 4.25787960e-4f;
  p = p * s - 1.67133298e-3f;
  p = p * s - 1.69165547e-3f;
  p = p * s + 1.55612601e-2f;
  p = p * s - 3.12269525e-2f;
  p = p * s + 1.35135697e-2f;
  p = p * s + 7.92258838e-2f;
  p = p * s - 2.45506195e-1f;
  p = p * s + 7.35383765e-1f;
  return p * (z + 2.55f) * both;
}

/* φ(x) = e^(−x²/2) / √(2π), the density of the normal distribution; 0 where float32 has no more than denormals */
static inline float vector_normal_density(float x) { return 0.398942280f * vector_exp_negative(-0.5f * x * x); }

/* Φ(x), its distribution function, and φ(x), which takes the same exponential: Φ(−|x|) = ½ erfc(|x|/√2) = ½ e^(−x²/2) erfcx(|x|/√2) */
static inline float vector_normal_both(float x, float *out_density) {
  float magnitude = fabsf(x);
  magnitude = magnitude > 15.0f ? 15.0f : magnitude; /* Φ(−15) and φ(15) are 0 in float32 */
  float e = vector_exp_negative(-0.5f * magnitude * magnitude);
  float lower_tail = 0.5f * e * vector_erfcx(magnitude * 0.707106781f);
  *out_density = 0.398942280f * e;
  return x > 0.0f ? 1.0f - lower_tail : lower_tail;
}

static inline float vector_normal(float x) {
  float density;
  return vector_normal_both(x, &density);
}

#endif
