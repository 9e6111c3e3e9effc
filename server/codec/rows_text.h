/* Bodies of predictions as they usually come, {"rows": [[0, 0.5, …], …]}, read without building JSON values: numbers go
 * straight to the network's floats. Whatever else JSON allows, and every error, is left to the general way (row_json.h), with
 * which this one agrees bit for bit.
 */
#ifndef SERVER_CODEC_ROWS_TEXT_H
#define SERVER_CODEC_ROWS_TEXT_H

#include "server/data/preprocessor.h"

/* The body's rows into x[row_max, input_width]. False if it isn't of that form, a feature takes no numbers or not that one, there are no
 * rows, or more than row_max; then x may have been written to. body[bytes] is a NUL. Any thread. */
bool rows_read(const struct preprocessor *preprocessor, const char *body, size_t bytes, size_t row_max, float *x, size_t *out_rows);

#endif
