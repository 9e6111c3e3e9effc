#include "server/data/sequence.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "server/data/csv.h"

enum { NUMBER_BYTES_MAX = 63 };

static bool is_gap(char character) {
  return character == ' ' || character == '\t' || character == ',' || character == ';' || character == '\n' || character == '\r';
}

static bool is_separator(char character) { return character == ',' || character == ';'; }

static const char *skip_spaces(const char *at) {
  while (is_gap(*at) && !is_separator(*at)) at++;
  return at;
}

static char find_closing(char opening) { return opening == '[' ? ']' : opening == '(' ? ')' : '\0'; }

/* The number at `at`, which ends at a gap, the closing bracket or the text's end; NULL if there is none. */
static const char *take_number(const char *at, char closing, double *out_number) {
  char number[NUMBER_BYTES_MAX + 1];
  size_t bytes = 0;
  while (at[bytes] != '\0' && at[bytes] != closing && !is_gap(at[bytes]) && bytes < NUMBER_BYTES_MAX) {
    number[bytes] = at[bytes];
    bytes++;
  }
  number[bytes] = '\0';
  return csv_parse_number(number, out_number) ? at + bytes : NULL;
}

/* Behind a number: spaces, or one separator with spaces around it; *out_more: a number must follow. */
static const char *take_gap(const char *at, bool *out_more) {
  at = skip_spaces(at);
  *out_more = is_separator(*at);
  return *out_more ? skip_spaces(at + 1) : at;
}

bool sequence_walk(const char *text, sequence_handler *handler, void *context) {
  const char *at = skip_spaces(text);
  const char closing = find_closing(*at);
  if (closing != '\0') at = skip_spaces(at + 1);
  for (bool has_more = false; has_more || (*at != '\0' && *at != closing);) {
    double number;
    const char *end = take_number(at, closing, &number);
    if (end == NULL || !handler(context, number)) return false;
    at = take_gap(end, &has_more);
  }
  if (closing != '\0' && *at++ != closing) return false;
  return *skip_spaces(at) == '\0';
}

static bool count_number(void *context, double number) {
  (void)number;
  ++*(size_t *)context;
  return true;
}

bool sequence_is_list(const char *text, size_t *out_count, bool *out_has_brackets) {
  size_t count = 0;
  *out_has_brackets = find_closing(*skip_spaces(text)) != '\0';
  const bool is_list = sequence_walk(text, count_number, &count) && (count > 0 || *out_has_brackets);
  if (out_count != NULL) *out_count = count;
  return is_list;
}

/* ---- encoding ---- */

struct writer {
  const struct sequence_encoding *encoding;
  double center, scale;
  float *x;
  size_t count;
};

static float scale_number(const struct sequence_encoding *encoding, double value, double center, double scale) {
  const double scaled = (value - center) / scale;
  const float x = scaled > FLT_MAX ? FLT_MAX : scaled < -FLT_MAX ? -FLT_MAX : (float)scaled;
  return encoding->is_masked && x == encoding->padding ? nextafterf(x, INFINITY) : x;
}

static bool write_number(void *context, double number) {
  struct writer *writer = context;
  if (writer->count < sequence_get_width(writer->encoding))
    writer->x[writer->count++] = scale_number(writer->encoding, number, writer->center, writer->scale);
  return true;
}

static void pad(const struct sequence_encoding *encoding, size_t from, float *x) {
  for (size_t i = from; i < sequence_get_width(encoding); i++) x[i] = encoding->is_masked ? encoding->padding : 0;
}

bool sequence_encode_text(const struct sequence_encoding *encoding, const char *text, double center, double scale, float *x) {
  struct writer writer = {.encoding = encoding, .center = center, .scale = scale, .x = x};
  if (!sequence_walk(text, write_number, &writer)) return false;
  pad(encoding, writer.count, x);
  return true;
}

void sequence_encode_steps(const struct sequence_encoding *encoding, const float *values, size_t steps, double center, double scale,
                           float *x) {
  const size_t count = (steps < encoding->length ? steps : encoding->length) * encoding->features;
  for (size_t i = 0; i < count; i++) {
    const size_t feature = i % encoding->features;
    const bool has_own = encoding->centers != NULL;
    x[i] = scale_number(encoding, (double)values[i], has_own ? encoding->centers[feature] : center,
                        has_own ? encoding->scales[feature] : scale);
  }
  pad(encoding, count, x);
}

void sequence_encode_missing(const struct sequence_encoding *encoding, float *x) { pad(encoding, 0, x); }
