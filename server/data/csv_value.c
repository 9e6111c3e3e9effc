/* What a cell's text means: missing, a number, a word. Pure functions; any thread. */
#include "server/data/csv.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/data/short_bytes.h"

bool csv_is_missing_word(const char *text) {
  while (csv_is_space(*text)) text++;
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

/* 10^n is exact in float64 up to n = 22, and in the 64 significant bits of x87's long double up to n = 27. */
enum { EXACT_POWER_MAX = 22, LONG_POWER_MAX = 27, WORD_DIGITS_MAX = 19 };
enum { GROUPED_BYTES_MAX = 23 }; /* more digits than that are a list's */
static const uint64_t exact_significand_max = UINT64_C(1) << 53;
static const double powers_of_ten[EXACT_POWER_MAX + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                                          1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
static const uint64_t ones = UINT64_C(0x0101010101010101);

/* A decimal number taken apart: ± significand · 10^exponent. */
struct decimal {
  bool is_negative;
  uint64_t significand; /* right if digit_count ≤ 19 */
  int digit_count;      /* significant digits, without leading zeros */
  int exponent;
};

static bool is_digit(char character) { return character >= '0' && character <= '9'; }

/* The value of eight digits, the first in the lowest byte: pairs, then fours, then all are put together by one multiplication each. */
static uint64_t join_digits(uint64_t digits) {
  digits = (digits * 10 + (digits >> 8)) & UINT64_C(0x00FF00FF00FF00FF);
  digits = (digits * 100 + (digits >> 16)) & UINT64_C(0x0000FFFF0000FFFF);
  return (digits * 10000 + (digits >> 32)) & UINT64_C(0xFFFFFFFF);
}

/* Each byte the value of a digit? `digits` is the word xor eight zeros. */
static bool are_digits(uint64_t digits) { return ((digits | (digits + ones * 6)) & ones * 0xF0) == 0; }

static const char *scan_digits(const char *text, const char *end, struct decimal *decimal) {
  while (end - text >= 8) {
    const uint64_t digits = short_bytes_load_roomy(text, 8) ^ ones * '0';
    if (!are_digits(digits)) break;
    const bool is_first = decimal->significand == 0;
    decimal->significand = decimal->significand * 100000000 + join_digits(digits);
    decimal->digit_count += !is_first ? 8 : digits == 0 ? 0 : 8 - __builtin_ctzll(digits) / 8;
    text += 8;
  }
  for (; text < end && is_digit(*text); text++) {
    decimal->significand = decimal->significand * 10 + (uint64_t)(*text - '0');
    if (decimal->significand != 0) decimal->digit_count++;
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

/* The end of the number at `text`, or NULL. A NUL stands at `end`. */
static const char *scan_decimal(const char *text, const char *end, struct decimal *decimal) {
  decimal->is_negative = *text == '-';
  if (*text == '-' || *text == '+') text++;
  const char *whole = text;
  text = scan_digits(whole, end, decimal);
  bool has_digits = text > whole;
  if (*text == '.') {
    const char *fraction = text + 1;
    text = scan_digits(fraction, end, decimal);
    if (text - fraction > 1 << 24) return NULL;
    has_digits |= text > fraction;
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

#if LDBL_MANT_DIG == 64 && __BYTE_ORDER == __LITTLE_ENDIAN
/* As the exact way below, with eleven bits more: the result is rounded to 64 bits, and then to 53, which is wrong only if the first
 * rounding has made a tie for the second one. Then, or beyond exact powers, false. */
static bool scale_long(const struct decimal *decimal, double *out_number) {
  static const long double powers[LONG_POWER_MAX + 1] = {1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,  1e7L,  1e8L,  1e9L,
                                                         1e10L, 1e11L, 1e12L, 1e13L, 1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L,
                                                         1e20L, 1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L};
  const int power = decimal->exponent < 0 ? -decimal->exponent : decimal->exponent;
  if (power > LONG_POWER_MAX) return false;
  long double number = (long double)decimal->significand;
  number = decimal->exponent < 0 ? number / powers[power] : number * powers[power];
  uint64_t significand;
  memcpy(&significand, &number, sizeof significand);
  if ((significand & 0x7FF) == 0x400) return false;
  *out_number = (double)number;
  return true;
}
#else
static bool scale_long(const struct decimal *decimal, double *out_number) {
  (void)decimal, (void)out_number;
  return false;
}
#endif

/* A significand and a power of ten that are both exact have a product that is correctly rounded (Clinger, "How to read floating point
 * numbers accurately", PLDI 1990); what is beyond that goes to the C library. */
static bool scale(const struct decimal *decimal, double *out_number) {
  if (decimal->digit_count > WORD_DIGITS_MAX) return false;
  if (decimal->significand > exact_significand_max || decimal->exponent < -EXACT_POWER_MAX || decimal->exponent > EXACT_POWER_MAX)
    return scale_long(decimal, out_number);
  const double number = (double)decimal->significand;
  *out_number = decimal->exponent < 0 ? number / powers_of_ten[-decimal->exponent] : number * powers_of_ten[decimal->exponent];
  return true;
}

static bool parse_any(const char *text, size_t bytes, double *out_number) {
  text = csv_trim(text, &bytes);
  struct decimal decimal = {0};
  if (bytes == 0 || scan_decimal(text, text + bytes, &decimal) != text + bytes) return false;
  double number;
  if (scale(&decimal, &number)) {
    if (decimal.is_negative) number = -number;
  } else {
    number = parse_slowly(text);
  }
  if (!isfinite(number)) return false;
  *out_number = number;
  return true;
}

/* Numbers of at most eight characters, such as -12.75: all of them at once, without a branch that depends on a digit. False if the text is
 * anything else than sign, digits and at most one point; it may still be a number. */
bool csv_parse_short_number(uint64_t word, size_t bytes, double *out_number) {
  if (bytes == 0) return false;
  const bool is_negative = (word & 0xFF) == '-';
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
  if (!are_digits(digits)) return false;
  double number = (double)join_digits(digits);
  if (fraction > 0) number /= powers_of_ten[fraction]; /* many columns are whole numbers, and dividing takes long */
  *out_number = is_negative ? -number : number;
  return true;
}

bool csv_parse_number_of(const char *text, size_t bytes, double *out_number) {
  if (bytes <= sizeof(uint64_t) && csv_parse_short_number(short_bytes_load(text, bytes), bytes, out_number)) return true;
  return parse_any(text, bytes, out_number);
}

static bool is_thousand(const char *text) { return text[0] == ',' && is_digit(text[1]) && is_digit(text[2]) && is_digit(text[3]); }

/* [+-] one to three digits, the first none of 0; three more behind each comma; perhaps a fraction. */
bool csv_parse_grouped_number(const char *text, double *out_number) {
  char plain[GROUPED_BYTES_MAX + 1];
  size_t bytes = strlen(text), count = 0, digits = 0;
  if (memchr(text, ',', bytes) == NULL) return false;
  text = csv_trim(text, &bytes);
  const char *end = text + bytes;
  if (bytes > GROUPED_BYTES_MAX) return false;
  if (*text == '-' || *text == '+') plain[count++] = *text++;
  if (*text == '0') return false;
  for (; is_digit(*text); digits++) plain[count++] = *text++;
  if (digits < 1 || digits > 3 || !is_thousand(text)) return false;
  for (; is_thousand(text); text += 4) {
    memcpy(plain + count, text + 1, 3);
    count += 3;
  }
  if (*text == '.') do
      plain[count++] = *text++;
    while (is_digit(*text));
  plain[count] = '\0';
  return text == end && parse_any(plain, count, out_number);
}

bool csv_parse_number(const char *text, double *out_number) {
  return csv_parse_number_of(text, strlen(text), out_number) || csv_parse_grouped_number(text, out_number);
}
