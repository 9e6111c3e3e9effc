/* Rows that clients send for prediction, and predictions as they get them, both as JSON and as CSV. */
#ifndef SERVER_CODEC_PREDICTION_JSON_H
#define SERVER_CODEC_PREDICTION_JSON_H

#include <jansson.h>
#include <stdio.h>

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

/* Of a forecast, after row_cells_from_json: the row's cell of the clock; missing where there is no clock, or the row doesn't say it. It lives as long as `cells`
 * and the JSON. */
struct cell row_cells_get_time(const struct row_cells *cells, const struct preprocessor *preprocessor, const json_t *row);

/* The same for a row's targets: {"target": value, …} (other keys are not looked at), the value alone of a single target, or [value, …] in
 * order. None may be missing. */
__attribute__((warn_unused_result)) enum error_code target_cells_init(struct row_cells *cells, const struct preprocessor *preprocessor,
                                                                      struct error *error);
__attribute__((warn_unused_result)) enum error_code target_cells_from_json(struct row_cells *cells, const struct preprocessor *preprocessor,
                                                                           const json_t *targets, const char *pointer, struct error *error);

/* A text that grows; its memory is the caller's to free. */
struct prediction_text {
  char *bytes;
  size_t count, capacity;
  bool lacks_memory; /* then what follows is not appended */
};
void prediction_text_append(struct prediction_text *text, const char *bytes, size_t count);
/* As a JSON string. */
void prediction_text_append_string(struct prediction_text *text, const char *string);
/* null if it isn't finite. */
void prediction_text_append_number(struct prediction_text *text, double number);

/* One row's prediction. */
struct prediction {
  const struct preprocessor *preprocessor;
  const float *x;       /* [input_width]; looked at for a reconstruction's error alone */
  const float *outputs; /* [output_width] of the network */
  size_t
      real_count; /* so many of the targets (of a reconstruction, of the outputs), from the first on; the others are of a sequence's padded
                           steps, and null */
};

/* Appends one prediction as compact JSON.
 *   classification  {"class": "3", "probabilities": {"0": …}}
 *                   of a class for each step, by target: {"classes": {"tag_0": "noun", …}, "probabilities": {"tag_0": {"noun": …}, …}}
 *   multilabel      {"labels": {"spam": true, …}, "probabilities": {"spam": …}}
 *   regression      {"value": …} or, of several targets, {"values": {"price": …}}
 *   reconstruction  {"values": {"width": …, "color": "red"}, "probabilities": {"color": {"red": …, "blue": …}}, "reconstruction_error": …}: the
 *                   error is the mean squared difference to what went in, both scaled; of an image {"values": {"image": [[…], …]}, …}, the
 *                   pixels, not rounded, as [channels][height][width] or, of one channel, [height][width]
 * A number that isn't finite is null, and then there is "non_finite": true. */
void prediction_write_json(const struct prediction *prediction, struct prediction_text *text);

/* The same as lines of CSV, under these headings: class, probability_<class> …; of a class for each step <target>, probability_<target> (of
 * that class) …; <label>, probability_<label> …; value, or <target> …;
 * <feature> (of a category also probability_<feature>) …, reconstruction_error, without pixels. */
void prediction_write_csv_header(const struct preprocessor *preprocessor, FILE *file);
void prediction_write_csv(const struct prediction *prediction, FILE *file);

/* A cell of CSV, quoted if it has to be. */
void csv_write_cell(FILE *file, const char *text);
void csv_write_heading(FILE *file, const char *prefix, const char *name);
/* Empty where it isn't finite: CSV has no null. */
void csv_write_number(FILE *file, double number);

#endif
