#include "server/data/windows.h"

#include <math.h>

bool windows_take_targets(const struct series *series, const struct window *window, size_t start, float *y) {
  const float *first = series->values + (start + window->length) * series->columns;
  bool is_whole = true;
  for (size_t column = 0; column < series->columns; column++) {
    for (size_t step = 0; step < window->horizon; step++) {
      const float value = first[step * series->columns + column];
      is_whole = is_whole && !isnan(value);
      y[column * window->horizon + step] = value;
    }
  }
  return is_whole;
}

/* The last value that is known of rows start … at. */
static float find_known(const struct series *series, size_t column, size_t start, size_t at) {
  for (size_t row = at + 1; row-- > start;) {
    const float value = series->values[row * series->columns + column];
    if (!isnan(value)) return value;
  }
  return 0;
}

void windows_repeat_last(const struct series *series, const struct window *window, size_t start, float *y) {
  for (size_t column = 0; column < series->columns; column++) {
    const float value = find_known(series, column, start, start + window->length - 1);
    for (size_t step = 0; step < window->horizon; step++) y[column * window->horizon + step] = value;
  }
}

void windows_repeat_all(const struct series *series, const struct window *window, size_t start, float *y) {
  for (size_t column = 0; column < series->columns; column++) {
    for (size_t step = 0; step < window->horizon; step++)
      y[column * window->horizon + step] = find_known(series, column, start, start + step % window->length);
  }
}
