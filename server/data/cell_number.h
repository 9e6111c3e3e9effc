/* A cell as the number that its column's kind makes of it: a number, or a date's seconds since 1970. */
#ifndef SERVER_DATA_CELL_NUMBER_H
#define SERVER_DATA_CELL_NUMBER_H

#include "server/data/csv.h"
#include "server/data/datetime.h"
#include "server/store/datasets.h"

static inline bool column_has_numbers(const struct dataset_column *column) {
  return column->kind == COLUMN_NUMERIC || column->kind == COLUMN_DATETIME;
}

/* False: the cell is missing, or the column is of another kind. */
static inline bool cell_get_number(const struct dataset_column *column, const char *cell, double *out_number) {
  if (column->kind == COLUMN_NUMERIC) return csv_parse_number(cell, out_number);
  struct datetime datetime;
  if (column->kind != COLUMN_DATETIME || !datetime_parse(cell, datetime_form_unpack(column->datetime_form).order, &datetime)) return false;
  *out_number = datetime.instant;
  return true;
}

#endif
