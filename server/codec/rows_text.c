#include "server/codec/rows_text.h"

#include <string.h>

#include "server/codec/number_text.h"
#include "server/data/encode.h"

/* A body on its way; the NUL behind it ends every scan. */
struct cursor {
  const char *at, *end;
};

static void skip_space(struct cursor *cursor) {
  while (*cursor->at == ' ' || *cursor->at == '\n' || *cursor->at == '\r' || *cursor->at == '\t') cursor->at++;
}

/* Spaces, then this character. */
static bool take(struct cursor *cursor, char character) {
  skip_space(cursor);
  if (*cursor->at != character) return false;
  cursor->at++;
  return true;
}

static bool take_key(struct cursor *cursor) {
  static const char key[] = "\"rows\"";
  skip_space(cursor);
  if (strncmp(cursor->at, key, sizeof key - 1) != 0) return false;
  cursor->at += sizeof key - 1;
  return true;
}

static bool is_digit(char character) { return character >= '0' && character <= '9'; }

/* Most numbers are whole and have three digits at most. */
static bool take_number(struct cursor *cursor, double *out_number) {
  const char *at = cursor->at;
  if (is_digit(at[0])) {
    int value = at[0] - '0';
    const char *end = at + 1;
    if (value != 0 && is_digit(*end)) {
      value = value * 10 + (*end++ - '0');
      if (is_digit(*end)) value = value * 10 + (*end++ - '0');
    }
    if (*end == ',' || *end == ']') {
      cursor->at = end;
      *out_number = value;
      return true;
    }
  }
  cursor->at = number_scan(at, cursor->end, out_number);
  return cursor->at != NULL;
}

static bool take_row(struct cursor *cursor, const struct preprocessor *preprocessor, float *x) {
  if (!take(cursor, '[')) return false;
  for (size_t i = 0; i < preprocessor->feature_count; i++) {
    const struct feature *feature = &preprocessor->features[i];
    double number;
    if (feature->kind != COLUMN_NUMERIC || (i > 0 && !take(cursor, ','))) return false;
    skip_space(cursor);
    if (!take_number(cursor, &number) || !feature_takes_number(feature, number)) return false;
    encode_number(feature, number, x);
  }
  return take(cursor, ']');
}

bool rows_read(const struct preprocessor *preprocessor, const char *body, size_t bytes, size_t row_max, float *x, size_t *out_rows) {
  struct cursor cursor = {.at = body, .end = body + bytes};
  if (preprocessor->window.length > 0) return false;
  if (!take(&cursor, '{') || !take_key(&cursor) || !take(&cursor, ':') || !take(&cursor, '[')) return false;
  size_t rows = 0;
  do {
    if (rows == row_max || !take_row(&cursor, preprocessor, x + rows * preprocessor->input_width)) return false;
    rows++;
  } while (take(&cursor, ','));
  if (!take(&cursor, ']') || !take(&cursor, '}')) return false;
  skip_space(&cursor);
  *out_rows = rows;
  return cursor.at == cursor.end;
}
