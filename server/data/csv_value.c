/* What a cell's text means: missing, a number, a word. Pure functions; any thread. */
#include "server/data/csv.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/data/short_bytes.h"

static bool is_space(char character) { return character == ' ' || character == '\t'; }

const char *csv_trim(const char *text, size_t *bytes) {
  const char *end = text + *bytes;
  while (text < end && is_space(*text)) text++;
  while (text < end && is_space(end[-1])) end--;
  *bytes = (size_t)(end - text);
  return text;
}

bool csv_is_missing_word(const char *text) {
  while (is_space(*text)) text++;
  switch (*text) {
  case '\0': return true;
  case '?':
  case 'n':
  case 'N': break;
  default: return false;
  }
  size_t bytes = strlen(text);
  text = csv_trim(text, &bytes);
  static const char *const words[] = {"?", "NA", "N/A", "NaN", "null"};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (strlen(words[i]) == bytes && strncasecmp(words[i], text, bytes) == 0) return true;
  }
  return false;
}

/* 10^n is exact in float64 up to n = 22. */
enum { EXACT_POWER_MAX = 22, EXACT_DIGITS_MAX = 15 };
static const double powers_of_ten[EXACT_POWER_MAX + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                                          1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* A decimal number taken apart: ± significand · 10^exponent. */
struct decimal {
  bool is_negative;
  uint64_t significand; /* right if digit_count ≤ 19 */
  int digit_count;      /* significant digits, without leading zeros */
  int exponent;
};

static bool is_digit(char character) { return character >= '0' && character <= '9'; }

static const char *scan_digits(const char *text, struct decimal *decimal, bool *has_digits) {
  for (; is_digit(*text); text++) {
    decimal->significand = decimal->significand * 10 + (uint64_t)(*text - '0');
    if (decimal->significand != 0) decimal->digit_count++;
    *has_digits = true;
  }
  return text;
}

/* [eE][+-]?digits; NULL if there is an e without digits. */
static const char *scan_exponent(const char *text, struct decimal *decimal) {
  if (*text != 'e' && *text != 'E') return text;
  text++;
  bool is_negative = *text == '-';
  if (*text == '-' || *text == '+') text++;
  if (!is_digit(*text)) return NULL;
  int exponent = 0;
  for (; is_digit(*text); text++) {
    if (exponent < 100000) exponent = exponent * 10 + (*text - '0');
  }
  decimal->exponent += is_negative ? -exponent : exponent;
  return text;
}

/* The end of the number at `text`, or NULL. Text is NUL-terminated, so no length is needed. */
static const char *scan_decimal(const char *text, struct decimal *decimal) {
  decimal->is_negative = *text == '-';
  if (*text == '-' || *text == '+') text++;
  bool has_digits = false;
  text = scan_digits(text, decimal, &has_digits);
  if (*text == '.') {
    const char *fraction = text + 1;
    text = scan_digits(fraction, decimal, &has_digits);
    if (text - fraction > 1 << 24) return NULL;
    decimal->exponent = -(int)(text - fraction);
  }
  return has_digits ? scan_exponent(text, decimal) : NULL;
}

/* strtod as the C locale has it, whatever the process's locale is. */
static double parse_slowly(const char *text) {
  locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  if (c_locale == (locale_t)0) return strtod(text, NULL);
  double number = strtod_l(text, NULL, c_locale);
  freelocale(c_locale);
  return number;
}

/* Few digits and a small power of ten are both exact, so that their product is correctly rounded (Clinger, "How to read floating point
 * numbers accurately", PLDI 1990); everything else goes to the C library. */
static bool parse_any(const char *text, double *out_number) {
  while (is_space(*text)) text++;
  struct decimal decimal = {0};
  const char *end = scan_decimal(text, &decimal);
  if (end == NULL) return false;
  while (is_space(*end)) end++;
  if (*end != '\0') return false;
  double number;
  if (decimal.digit_count <= EXACT_DIGITS_MAX && decimal.exponent >= -EXACT_POWER_MAX && decimal.exponent <= EXACT_POWER_MAX) {
    number = (double)decimal.significand;
    number = decimal.exponent < 0 ? number / powers_of_ten[-decimal.exponent] : number * powers_of_ten[decimal.exponent];
    if (decimal.is_negative) number = -number;
  } else {
    number = parse_slowly(text);
  }
  if (!isfinite(number)) return false;
  *out_number = number;
  return true;
}

static const uint64_t ones = UINT64_C(0x0101010101010101);

/* The value of eight digits, the first in the lowest byte: pairs, then fours, then all are put together by one multiplication each. */
static uint64_t join_digits(uint64_t digits) {
  digits = (digits * 10 + (digits >> 8)) & UINT64_C(0x00FF00FF00FF00FF);
  digits = (digits * 100 + (digits >> 16)) & UINT64_C(0x0000FFFF0000FFFF);
  return (digits * 10000 + (digits >> 32)) & UINT64_C(0xFFFFFFFF);
}

/* Numbers of at most eight characters, such as -12.75: all of them at once, without a branch that depends on a digit. False if the text is
 * anything else than sign, digits and at most one point; it may still be a number. */
static bool parse_short(const char *text, size_t bytes, double *out_number) {
  if (bytes == 0 || bytes > sizeof(uint64_t)) return false;
  uint64_t word = short_bytes_load(text, bytes);
  const bool is_negative = text[0] == '-';
  if (is_negative) word ^= '-' ^ '0';
  /* The point's byte, by the lowest zero byte of word ^ points; behind the text's end there is none. */
  const uint64_t no_points = word ^ ones * '.';
  const uint64_t point_bit = (no_points - ones) & ~no_points & ones << 7;
  size_t fraction = 0;
  if (point_bit != 0) {
    const uint64_t before = (point_bit & -point_bit) / 128 - 1; /* the bits of the bytes before the point */
    fraction = bytes - 1 - (size_t)__builtin_ctzll(point_bit) / 8;
    word = (word & before) << 8 | (word & ~(before << 8 | 0xFF)) | '0';
  }
  if (bytes == (size_t)is_negative + (point_bit != 0)) return false; /* no digit */
  /* To the word's end, zeros before. */
  const unsigned gap = 8 * (unsigned)(sizeof word - bytes);
  if (gap > 0) word = word << gap | ones * '0' >> (64 - gap);
  const uint64_t digits = word ^ ones * '0';
  if (((digits | (digits + ones * 6)) & ones * 0xF0) != 0) return false;
  double number = (double)join_digits(digits);
  if (fraction > 0) number /= powers_of_ten[fraction]; /* many columns are whole numbers, and dividing takes long */
  *out_number = is_negative ? -number : number;
  return true;
}

bool csv_parse_number(const char *text, double *out_number) {
  return parse_short(text, strlen(text), out_number) || parse_any(text, out_number);
}
