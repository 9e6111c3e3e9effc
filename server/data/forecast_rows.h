/* The rows that a forecast is made from: of all that a client sends, the last ones in time, as many as a window has.
 *
 * Where the model was trained on rows in order of a column (`clock`) and the rows say it too, they count by it, in whatever order they
 * come; rows of one time stay in the order in which they come. Where none says it, they are taken as they come, the last one last. In
 * memory are the rows of one window. Threads: one at a time.
 */
#ifndef SERVER_DATA_FORECAST_ROWS_H
#define SERVER_DATA_FORECAST_ROWS_H

#include "server/data/preprocessor.h"

struct forecast_moment {
  double time;
  uint64_t number; /* of the row, as it came */
  size_t place;    /* in `rows` */
};

struct forecast_rows {
  const struct preprocessor *preprocessor; /* borrowed */
  float *rows;                  /* owned, [window.length + 1, row width]: the place behind those that are held is for the next row */
  struct forecast_moment *held; /* owned, [window.length]: a heap, the earliest first */
  size_t held_count, next_place;
  uint64_t count, timed_count; /* rows that came; that say when they are */
};

/* Of a model with a window. */
__attribute__((warn_unused_result)) enum error_code forecast_rows_init(struct forecast_rows *rows, const struct preprocessor *preprocessor,
                                                                       struct error *error);
void forecast_rows_deinit(struct forecast_rows *rows);
/* [row width] to write the next row to. */
float *forecast_rows_get_place(const struct forecast_rows *rows);
/* Takes the row that was written there. `time`: its cell of the clock (CELL_MISSING where there is no clock). Field error at
 * pointer/<clock> if it can't be read, or if some rows have it and others haven't. */
__attribute__((warn_unused_result)) enum error_code forecast_rows_take(struct forecast_rows *rows, const struct cell *time,
                                                                       const char *pointer, struct error *error);
/* x[window.length, row width], the earliest first. ERROR_INVALID at `pointer` (NULL: at none) if fewer came. */
__attribute__((warn_unused_result)) enum error_code forecast_rows_write(struct forecast_rows *rows, const char *pointer, float *x,
                                                                        struct error *error);

#endif
