/* Predictions as clients get them: as JSON and as CSV. */
#ifndef SERVER_CODEC_PREDICTION_JSON_H
#define SERVER_CODEC_PREDICTION_JSON_H

#include <stdio.h>

#include "server/data/preprocessor.h"

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
 *   reconstruction  {"values": {"width": …, "color": "red"}, "probabilities": {"color": {"red": …, "blue": …}}, "reconstruction_error": …}:
 *                   the error is the mean squared difference to what went in, both scaled; of an image {"values": {"image": [[…], …]}, …},
 *                   the pixels, not rounded, as [channels][height][width] or, of one channel, [height][width]
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
