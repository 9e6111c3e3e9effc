/* σ and tanh of whole vectors, for the gates of recurrent layers, where they take as long as the products around them allow: the functions
 * of vector_math.h with fewer operations. Included by .c files only.
 *
 *   x = n ln 2 + r     eˣ = 2ⁿ eʳ     eʳ = 1 + r (1 + r q(r)) for |r| ≤ ln 2 / 2
 *
 * Relative errors are about 2e-7 (tests/unit/engine/test_vector_math.c). NaN goes in and comes out; infinities give the limits, 0 to 1e-37.
 * The coefficients are a Chebyshev fit for |r| ≤ 0.348.
 */
#ifndef ENGINE_VECTOR_GATES_H
#define ENGINE_VECTOR_GATES_H

#include "engine/vector_float.h"

/* eʳ − 1 and 2ⁿ, for |x| ≤ 87 or NaN. */
static inline vector vector_split_exp(vector x, vector *out_power) {
  const float round_to_integer = 12582912.0f; /* 1.5 · 2²³: the sum's last bits are the nearest integer */
  const vector shifted = x * 1.44269504f + round_to_integer;
  const vector n = shifted - round_to_integer;
  const vector r = (x - n * 0.693359375f) - n * -2.12194440e-4f;     /* ln 2 in two parts, of which n times the first is exact */
  *out_power = (vector)(((vector_bits)shifted << 23) + 0x3F800000u); /* n stands in the last bits of shifted */
  vector q = 1.39340130e-3f * r + 8.36342201e-3f;
  q = q * r + 4.16664630e-2f;
  q = q * r + 1.66665748e-1f;
  q = q * r + 0.5f;
  return (q * r + 1.0f) * r;
}

/* 1 / (1 + e⁻ˣ) */
static inline vector vector_sigmoids(vector x) {
  vector power;
  const vector fraction = vector_split_exp(vector_clamp(-x, -87.0f, 87.0f), &power);
  return 1.0f / (fraction * power + (1.0f + power));
}

/* (e²ˣ − 1) / (e²ˣ + 1) */
static inline vector vector_tanhs(vector x) {
  vector power;
  const vector fraction = vector_split_exp(vector_clamp(2.0f * x, -20.0f, 20.0f), &power);
  const vector e = fraction * power + (power - 1.0f);
  return e / (e + 2.0f);
}

#endif
