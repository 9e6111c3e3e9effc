/* Rows, and targets of rows, that clients send as JSON: the cells that the preprocessor encodes. */
#ifndef SERVER_CODEC_ROW_JSON_H
#define SERVER_CODEC_ROW_JSON_H

#include <jansson.h>

#include "server/data/preprocessor.h"

/* A client's row as cells, one per feature. The texts of some cells lie in `numbers`, those of others in the JSON: it must live as long. */
enum { CELL_NUMBER_BYTES = 32 };
struct row_cells {
  size_t count;
  struct cell *cells;                 /* owned */
  const struct feature *features;     /* borrowed; NULL: of targets */
  char **lists;                       /* owned, each too: JSON arrays as text, or pixels */
  char (*numbers)[CELL_NUMBER_BYTES]; /* owned */
};
__attribute__((warn_unused_result)) enum error_code row_cells_init(struct row_cells *cells, const struct preprocessor *preprocessor,
                                                                   struct error *error);
void row_cells_deinit(struct row_cells *cells);

/* {"feature": value, …} (a feature that is left out is missing; targets may be there and are not looked at; any other key is an error), or
 * [value, …], one per feature in order. Adds an item for each error, below `pointer`. */
__attribute__((warn_unused_result)) enum error_code row_cells_from_json(struct row_cells *cells, const struct preprocessor *preprocessor,
                                                                        const json_t *row, const char *pointer, struct error *error);

/* Of a forecast, after row_cells_from_json: the row's cell of the clock; missing where there is no clock, or the row doesn't say it. It
 * lives as long as `cells` and the JSON. */
struct cell row_cells_get_time(const struct row_cells *cells, const struct preprocessor *preprocessor, const json_t *row);

/* The same for a row's targets: {"target": value, …} (other keys are not looked at), the value alone of a single target, or [value, …] in
 * order. None may be missing. */
__attribute__((warn_unused_result)) enum error_code target_cells_init(struct row_cells *cells, const struct preprocessor *preprocessor,
                                                                      struct error *error);
__attribute__((warn_unused_result)) enum error_code target_cells_from_json(struct row_cells *cells, const struct preprocessor *preprocessor,
                                                                           const json_t *targets, const char *pointer, struct error *error);

#endif
