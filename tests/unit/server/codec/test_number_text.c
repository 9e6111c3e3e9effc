#include "server/codec/number_text.h"

#include <float.h>
#include <jansson.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/codec/json_text.h"
#include "tests/support/suite.h"

enum { RANDOM_NUMBERS = 300000 };

static uint64_t next_random(uint64_t *state) {
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static void check_writing(double number) {
  char text[NUMBER_TEXT_BYTES];
  const size_t bytes = (size_t)(number_write(text, number) - text);
  ck_assert_uint_lt(bytes, sizeof text);
  text[bytes] = '\0';
  json_t *json = isfinite(number) ? json_real(number) : json_null();
  char *expected = json_write_float(json);
  ck_assert_msg(strcmp(text, expected) == 0, "%.17g is written as %s, expected %s", number, text, expected);
  free(expected);
  json_decref(json);
}

START_TEST(numbers_are_written_as_jansson_writes_them) {
  static const double numbers[] = {0,
                                   -0.0,
                                   1,
                                   0.5,
                                   -2.5,
                                   1e-4,
                                   9.9999999949e-5,
                                   9.9999999951e-5,
                                   1e-5,
                                   1e-14,
                                   1e-30,
                                   1e22,
                                   1e23,
                                   123456789,
                                   1e9,
                                   999999999.4,
                                   999999999.5,
                                   999999999.6,
                                   1e8,
                                   1.5e300,
                                   DBL_MIN,
                                   DBL_MAX,
                                   0.1,
                                   1.0 / 3,
                                   2.0 / 3,
                                   1e15,
                                   0x1p-1074,
                                   INFINITY,
                                   NAN,
                                   0.0001,
                                   1234.5,
                                   100,
                                   10.5,
                                   0.123456789500,
                                   0.5000000005};
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) check_writing(numbers[i]);
  uint64_t state = 1;
  for (size_t i = 0; i < RANDOM_NUMBERS; i++) {
    const uint64_t bits = next_random(&state);
    double any;
    memcpy(&any, &bits, sizeof any);
    check_writing(any);
    check_writing((double)(float)ldexp((double)(bits >> 11), -53 - (int)(bits % 40))); /* a probability in float32 */
    check_writing((double)(bits % 2000000) / 1000);
    check_writing((double)(bits % 2000000001) * 0.5);
  }
}
END_TEST

static void check_reading(const char *text) {
  double number;
  const char *end = number_scan(text, text + strlen(text), &number);
  json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
  if (json == NULL) {
    ck_assert_msg(end == NULL || *end != '\0', "%s was taken as %.17g, but is no number", text, number);
    return;
  }
  if (end == NULL) {
    ck_assert_msg(json_is_integer(json) && strlen(text) > 18, "%s was not taken", text);
  } else {
    ck_assert_msg(*end == '\0', "%s was taken up to %s", text, end);
    const double expected = json_number_value(json);
    ck_assert_msg(memcmp(&number, &expected, sizeof number) == 0, "%s was taken as %.17g, expected %.17g", text, number, expected);
  }
  json_decref(json);
}

START_TEST(numbers_are_read_as_jansson_reads_them) {
  static const char *const texts[] = {"0",
                                      "-0",
                                      "-0.0",
                                      "0.0",
                                      "1",
                                      "-1",
                                      "01",
                                      "-01",
                                      "+1",
                                      ".5",
                                      "5.",
                                      "-",
                                      "",
                                      "1e",
                                      "1e+",
                                      "1e5",
                                      "1E-5",
                                      "1e+05",
                                      "0e0",
                                      "1.5e22",
                                      "1.5e23",
                                      "1e308",
                                      "1e309",
                                      "-1e309",
                                      "1e-400",
                                      "4.9e-324",
                                      "nan",
                                      "inf",
                                      "0x10",

                                      "9007199254740993",
                                      "9007199254740993.0",
                                      "9007199254740992.9999999",
                                      "123456789012345678",
                                      "1234567890123456789",
                                      "9223372036854775807",
                                      "9223372036854775808",
                                      "0.1",
                                      "0.30000000000000004",
                                      "1.7976931348623157e308",
                                      "0.000000000000000000000000000000000001",
                                      "18446744073709551615.5",
                                      "1.e5",
                                      "--1"};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) check_reading(texts[i]);
  uint64_t state = 2;
  char text[64];
  for (size_t i = 0; i < RANDOM_NUMBERS; i++) {
    const uint64_t bits = next_random(&state);
    double any;
    memcpy(&any, &bits, sizeof any);
    if (isfinite(any)) {
      snprintf(text, sizeof text, "%.17g", any);
      check_reading(text);
    }
    snprintf(text, sizeof text, "%.*g", (int)(bits % 20), (double)(bits >> 20) / 4096);
    check_reading(text);
    snprintf(text, sizeof text, "%llu.%llu", (unsigned long long)(bits % 1000), (unsigned long long)(bits >> (bits % 64)));
    check_reading(text);
    snprintf(text, sizeof text, "%lld", (long long)(bits % 512) - 256);
    check_reading(text);
  }
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "number text");
  tcase_add_test(test_case, numbers_are_written_as_jansson_writes_them);
  tcase_add_test(test_case, numbers_are_read_as_jansson_reads_them);
}

int main(void) { return suite_main("number_text", add_cases); }
