/* JSON's numbers as text, both ways, for bulk: what the C library would say, in a fraction of its time, whatever the process's locale is.
 * Pure functions; any thread.
 */
#ifndef SERVER_CODEC_NUMBER_TEXT_H
#define SERVER_CODEC_NUMBER_TEXT_H

#include <stddef.h>

enum { NUMBER_TEXT_BYTES = 32 };

/* The number that begins at `text`, correctly rounded, and its end; NULL if what is there is no number of JSON's grammar, or none that
 * float64 holds, or an integer that int64 may not hold. A NUL stands at or before `end`, which is never read beyond. */
const char *number_scan(const char *text, const char *end, double *out_number);

/* Writes the number with nine significant digits, as json_write_float does: enough for float32, back and forth; null if it isn't finite.
 * Returns the end of the text, which no NUL follows; it takes less than NUMBER_TEXT_BYTES. */
char *number_write(char *to, double number);

#endif
