/* Windows of a series, for forecasting: rows start … start + length − 1 are what is seen, the targets of the `horizon` rows behind them
 * what is to come. Windows may overlap; they are not copied, but picked from one matrix of rows by where they start (engine/train_rows.h).
 *
 *     rows in order of time:  |-------- training --------|-- validation --|--- test ---|
 *     windows:                 [length][h]                [length][h]      [length][h]
 *                                 [length][h] …              …                …
 *
 * A window and what is to come behind it lie within one part, so that no part sees a row of another.
 */
#ifndef SERVER_DATA_WINDOWS_H
#define SERVER_DATA_WINDOWS_H

#include <stdint.h>

#include "server/data/preprocessor.h"

/* Windows that so many rows hold. */
static inline uint64_t windows_count(const struct window *window, uint64_t rows) {
  const uint64_t needed = window->length + window->horizon;
  return rows < needed ? 0 : (rows - needed) / window->stride + 1;
}

/* The targets of a series in order of time, scaled; NAN: missing. */
struct series {
  const float *values; /* [rows, columns] */
  size_t columns;      /* of targets */
};

/* y[columns · horizon] of the window that starts at row `start`, column after column; false, and nothing useful, if one is missing. */
bool windows_take_targets(const struct series *series, const struct window *window, size_t start, float *y);

/* What a forecast must be better than, laid out as y: that all stays as in the window's last row, and that the window comes again
 * (what so many rows ahead is to come stood `length` rows before). Where that is missing, the last that is known of the window;
 * nothing known: the mean, 0. */
void windows_repeat_last(const struct series *series, const struct window *window, size_t start, float *y);
void windows_repeat_all(const struct series *series, const struct window *window, size_t start, float *y);

#endif
