/* Where the reader of a table's file puts its rows: into an import, or, of one part of several, through what fits them together. */
#ifndef SERVER_DATA_ROW_SINK_H
#define SERVER_DATA_ROW_SINK_H

#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

struct row_sink {
  void *context;
  /* The first row is the names of the columns. Cells are UTF-8, valid during the call. */
  enum error_code (*add_row)(void *context, const char *const *cells, size_t count, struct error *error);
  enum error_code (*add_bad_row)(void *context, uint64_t line, const char *reason, struct error *error);
};

#endif
