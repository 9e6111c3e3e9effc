#include "server/data/forecast_rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum error_code forecast_rows_init(struct forecast_rows *rows, const struct preprocessor *preprocessor, struct error *error) {
  const size_t length = preprocessor->window.length;
  *rows = (struct forecast_rows){.preprocessor = preprocessor};
  rows->rows = calloc(length + 1, preprocessor_get_row_width(preprocessor) * sizeof *rows->rows);
  rows->held = calloc(length, sizeof *rows->held);
  if (rows->rows != NULL && rows->held != NULL) return ERROR_NONE;
  forecast_rows_deinit(rows);
  return error_set(error, ERROR_OUT_OF_MEMORY, "out of memory");
}

void forecast_rows_deinit(struct forecast_rows *rows) {
  free(rows->rows);
  free(rows->held);
  *rows = (struct forecast_rows){0};
}

float *forecast_rows_get_place(const struct forecast_rows *rows) {
  return rows->rows + rows->next_place * preprocessor_get_row_width(rows->preprocessor);
}

static int compare_moments(const void *left, const void *right) {
  const struct forecast_moment *a = left, *b = right;
  if (a->time != b->time) return a->time < b->time ? -1 : 1;
  return (a->number > b->number) - (a->number < b->number);
}

static void swap(struct forecast_moment *a, struct forecast_moment *b) {
  const struct forecast_moment other = *a;
  *a = *b;
  *b = other;
}

static void sift_up(struct forecast_moment *held, size_t at) {
  for (; at > 0 && compare_moments(&held[at], &held[(at - 1) / 2]) < 0; at = (at - 1) / 2) swap(&held[at], &held[(at - 1) / 2]);
}

static void sift_down(struct forecast_moment *held, size_t count) {
  for (size_t at = 0;;) {
    size_t least = at;
    for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < count; child++)
      if (compare_moments(&held[child], &held[least]) < 0) least = child;
    if (least == at) return;
    swap(&held[at], &held[least]);
    at = least;
  }
}

/* The row's time, 0 where it says none; rows of one time stay as they come. */
static enum error_code read_time(struct forecast_rows *rows, const struct cell *cell, const char *pointer, double *out_time,
                                 struct error *error) {
  const struct clock *clock = &rows->preprocessor->clock;
  const bool is_timed = cell->kind != CELL_MISSING;
  *out_time = 0;
  if (is_timed && rows->timed_count < rows->count)
    return preprocessor_add_field_error(error, pointer, clock->name,
                                        "says when the row is, which a row before it doesn't: each must say it, or none");
  if (!is_timed && rows->timed_count > 0)
    return preprocessor_add_field_error(error, pointer, clock->name, "is missing: each row must say when it is, as those before it do");
  if (!is_timed || clock_read(clock, cell, out_time)) return ERROR_NONE;
  return preprocessor_add_field_error(error, pointer, clock->name, "\"%.100s\" is no %s, which puts the rows in order of time",
                                      cell->text == NULL ? "" : cell->text, clock->has_dates ? "date" : "number");
}

enum error_code forecast_rows_take(struct forecast_rows *rows, const struct cell *time, const char *pointer, struct error *error) {
  struct forecast_moment moment = {.number = rows->count, .place = rows->next_place};
  enum error_code code = read_time(rows, time, pointer, &moment.time, error);
  if (code != ERROR_NONE) return code;
  rows->count++;
  rows->timed_count += time->kind != CELL_MISSING;
  if (rows->held_count < rows->preprocessor->window.length) {
    rows->held[rows->held_count++] = moment;
    rows->next_place = rows->held_count;
    sift_up(rows->held, rows->held_count - 1);
  } else if (compare_moments(&moment, &rows->held[0]) > 0) {
    rows->next_place = rows->held[0].place;
    rows->held[0] = moment;
    sift_down(rows->held, rows->held_count);
  }
  return ERROR_NONE;
}

enum error_code forecast_rows_write(struct forecast_rows *rows, const char *pointer, float *x, struct error *error) {
  const size_t length = rows->preprocessor->window.length, row_width = preprocessor_get_row_width(rows->preprocessor);
  static const char reason[] = "a forecast is made from the last %zu, in order of time";
  char detail[sizeof reason + 32];
  snprintf(detail, sizeof detail, reason, length);
  if (rows->count < length && pointer != NULL)
    return error_add(error, pointer, "has %" PRIu64 " row%s; %s", rows->count, rows->count == 1 ? "" : "s", detail);
  if (rows->count < length)
    return error_set(error, ERROR_INVALID, "there %s %" PRIu64 " row%s; %s", rows->count == 1 ? "is" : "are", rows->count,
                     rows->count == 1 ? "" : "s", detail);
  qsort(rows->held, rows->held_count, sizeof *rows->held, compare_moments);
  for (size_t i = 0; i < length; i++) memcpy(x + i * row_width, rows->rows + rows->held[i].place * row_width, row_width * sizeof *x);
  return ERROR_NONE;
}
