/* What a cell's text means: missing, a number, a word. Pure functions; any thread. */
#include "server/data/csv.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_space(char character) { return character == ' ' || character == '\t'; }

const char *csv_trim(const char *text, size_t *bytes) {
  const char *end = text + *bytes;
  while (text < end && is_space(*text)) text++;
  while (text < end && is_space(end[-1])) end--;
  *bytes = (size_t)(end - text);
  return text;
}

bool csv_is_missing(const char *text) {
  while (is_space(*text)) text++;
  switch (*text) { /* numbers, the most frequent cells, need no more than this */
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
bool csv_parse_number(const char *text, double *out_number) {
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
