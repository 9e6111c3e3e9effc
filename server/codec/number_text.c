#include "server/codec/number_text.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 10^n is exact in float64 up to n = 22. */
enum { EXACT_POWER_MAX = 22, INTEGER_DIGITS_MAX = 18, SIGNIFICANT_DIGITS = 9 };
static const double powers_of_ten[EXACT_POWER_MAX + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                                          1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static bool is_digit(char character) { return character >= '0' && character <= '9'; }

/* ---- reading ---- */

struct decimal {
  bool is_integer; /* neither fraction nor exponent */
  uint64_t significand;
  int digit_count; /* without leading zeros */
  int exponent;
};

static const char *scan_digits(const char *text, struct decimal *decimal) {
  for (; is_digit(*text); text++) {
    decimal->significand = decimal->significand * 10 + (uint64_t)(*text - '0');
    if (decimal->significand != 0 || decimal->digit_count > 0) decimal->digit_count++;
  }
  return text;
}

static const char *scan_exponent(const char *text, struct decimal *decimal) {
  text++;
  const bool is_negative = *text == '-';
  if (*text == '-' || *text == '+') text++;
  if (!is_digit(*text)) return NULL;
  int exponent = 0;
  for (; is_digit(*text); text++)
    if (exponent < 100000) exponent = exponent * 10 + (*text - '0');
  decimal->exponent += is_negative ? -exponent : exponent;
  decimal->is_integer = false;
  return text;
}

/* What follows the sign, by JSON's grammar: no leading zeros, digits before and behind the point. */
static const char *scan_decimal(const char *text, struct decimal *decimal) {
  if (!is_digit(*text) || (*text == '0' && is_digit(text[1]))) return NULL;
  text = scan_digits(text, decimal);
  if (*text == '.') {
    const char *fraction = text + 1;
    text = scan_digits(fraction, decimal);
    if (text == fraction) return NULL;
    if (text - fraction > 1000) return NULL;
    decimal->exponent = -(int)(text - fraction);
    decimal->is_integer = false;
  }
  return *text == 'e' || *text == 'E' ? scan_exponent(text, decimal) : text;
}

/* significand · 10^exponent, correctly rounded, by twofold arithmetic. False where that can't tell which way to round. */
static bool compose(const struct decimal *decimal, double *out_number) {
  if (decimal->digit_count > 19 || decimal->exponent < -EXACT_POWER_MAX || decimal->exponent > EXACT_POWER_MAX) return false;
  const double high = (double)(decimal->significand >> 11 << 11), low = (double)(decimal->significand & 0x7ff); /* both exact */
  double first, second;
  if (decimal->exponent < 0) {
    const double power = powers_of_ten[-decimal->exponent];
    first = high / power;
    second = (fma(-first, power, high) + low) / power;
  } else {
    const double power = powers_of_ten[decimal->exponent];
    first = high * power;
    second = fma(high, power, -first) + low * power;
  }
  const double sum = first + second;
  const double rest = second - (sum - first); /* what rounding took away, at most half of the last place of the sum */
  if (sum + rest * (1 + 1e-9) != sum) return false;
  *out_number = sum;
  return true;
}

const char *number_scan(const char *text, const char *end, double *out_number) {
  const char *start = text;
  struct decimal decimal = {.is_integer = true};
  if (text == end) return NULL;
  const bool is_negative = *text == '-';
  if (is_negative) text++;
  text = scan_decimal(text, &decimal);
  if (text == NULL || (decimal.is_integer && decimal.digit_count > INTEGER_DIGITS_MAX)) return NULL;
  double number;
  if (!compose(&decimal, &number)) {
    /* Where the locale has another point than '.', the C library stops early. */
    char *number_end;
    number = fabs(strtod(start, &number_end));
    if (number_end != text || !isfinite(number)) return NULL;
  }
  *out_number = !is_negative ? number : decimal.is_integer ? 0 - number : -number; /* an integer has no negative zero */
  return text;
}

/* ---- writing ---- */

/* number = digits · 10^(exponent − 8), rounded to nine digits, half to even as the C library does. False where
 * twofold arithmetic can't tell. */
static bool take_digits(double number, uint64_t *out_digits, int *out_exponent) {
  int exponent = (int)floor(log10(number));
  for (;; exponent++) {
    const int scale = SIGNIFICANT_DIGITS - 1 - exponent;
    if (scale > EXACT_POWER_MAX || scale < -EXACT_POWER_MAX) return false;
    double first, second;
    if (scale >= 0) {
      first = number * powers_of_ten[scale];
      second = fma(number, powers_of_ten[scale], -first);
    } else {
      first = number / powers_of_ten[-scale];
      second = fma(-first, powers_of_ten[-scale], number) / powers_of_ten[-scale];
    }
    const double whole = floor(first), fraction = (first - whole) + second;
    if (fabs(fraction - 0.5) < 1e-6) return false;
    const uint64_t digits = (uint64_t)whole + (fraction > 0.5 ? 1 : 0);
    /* The logarithm may be one too low, or rounding may have led to ten digits; never more than one of them. */
    if (digits >= 1000000000) continue;
    if (digits < 100000000) return false;
    *out_digits = digits;
    *out_exponent = exponent;
    return true;
  }
}

static char *write_text(char *to, const char *text, size_t bytes) {
  memcpy(to, text, bytes);
  return to + bytes;
}

/* By the C library, in the form that json_write_float has: a point or an exponent in every number, no '+' and no
 * zeros before the exponent. */
static char *write_slowly(char *to, double number) {
  char text[NUMBER_TEXT_BYTES];
  (void)snprintf(text, sizeof text, "%.9g", number);
  const char *exponent = strchr(text, 'e');
  const size_t mantissa_bytes = exponent == NULL ? strlen(text) : (size_t)(exponent - text);
  for (size_t i = 0; i < mantissa_bytes; i++) *to++ = text[i] == ',' ? '.' : text[i];
  if (exponent == NULL) return memchr(text, '.', mantissa_bytes) == NULL ? write_text(to, ".0", 2) : to;
  *to++ = 'e';
  exponent++;
  if (*exponent == '-') *to++ = '-';
  while (*exponent == '-' || *exponent == '+' || *exponent == '0') exponent++;
  return write_text(to, exponent, strlen(exponent));
}

static char *write_exponent(char *to, int exponent) {
  *to++ = 'e';
  if (exponent < 0) *to++ = '-';
  const int magnitude = exponent < 0 ? -exponent : exponent;
  if (magnitude >= 10) *to++ = (char)('0' + magnitude / 10);
  *to++ = (char)('0' + magnitude % 10);
  return to;
}

/* d.ddd, the point behind the first `before` digits; `is_real`: with at least one behind it. */
static char *write_pointed(char *to, const char *digits, size_t count, size_t before, bool is_real) {
  to = write_text(to, digits, before);
  if (count > before) {
    *to++ = '.';
    return write_text(to, digits + before, count - before);
  }
  return is_real ? write_text(to, ".0", 2) : to;
}

char *number_write(char *to, double number) {
  if (!isfinite(number)) return write_text(to, "null", 4);
  if (signbit(number)) *to++ = '-';
  number = fabs(number);
  if (number == 0) return write_text(to, "0.0", 3);
  uint64_t value;
  int exponent;
  if (!take_digits(number, &value, &exponent)) return write_slowly(to, number);
  char digits[SIGNIFICANT_DIGITS];
  for (size_t i = SIGNIFICANT_DIGITS; i-- > 0; value /= 10) digits[i] = (char)('0' + value % 10);
  size_t count = SIGNIFICANT_DIGITS;
  while (count > 1 && digits[count - 1] == '0') count--;
  if (exponent < -4 || exponent >= SIGNIFICANT_DIGITS) {
    to = write_pointed(to, digits, count, 1, false);
    return write_exponent(to, exponent);
  }
  if (exponent < 0) {
    to = write_text(to, "0.0000", (size_t)(1 - exponent));
    return write_text(to, digits, count);
  }
  const size_t before = (size_t)exponent + 1;
  if (count < before) count = before; /* its zeros are digits too */
  return write_pointed(to, digits, count, before, true);
}
