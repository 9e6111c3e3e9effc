/* What an autoencoder gives back, told as what went in: numbers, categories with their probabilities, the pixels of an image. Called by
 * prediction_json.c. */
#ifndef SERVER_CODEC_RECONSTRUCTION_TEXT_H
#define SERVER_CODEC_RECONSTRUCTION_TEXT_H

#include "server/codec/prediction_json.h"

/* "values":{…}, "probabilities":{…} of categories, if there are any, "reconstruction_error":…, as
 * prediction_write_json says of a reconstruction. */
void reconstruction_write_json(const struct prediction *prediction, struct prediction_text *text);

/* The cells of CSV, without the line's end. Pixels have none. */
void reconstruction_write_csv_header(const struct preprocessor *preprocessor, FILE *file);
void reconstruction_write_csv(const struct prediction *prediction, FILE *file);

#endif
